//! Machines that stop in the middle of what they do with the disk, again and again: soon a boot comes to its end, and no
//! generation is lost.

use super::*;
use std::format;
use std::string::String;

/// What a disk was asked for, as far as it tells one request from another in all boots: a flush by what was written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Read(u64, u64),
    Write(u64, u64),
    Flush(u64),
}

/// A disk at which the machine stops at some requests, and does nothing more.
#[derive(Clone, Debug)]
struct Hanging {
    disk: FakeDisk,
    at: At,
    /// Whether a write at which the machine stops is in the disk's cache.
    arrives: bool,
    last_written: u64,
    asked: Vec<Asked>,
    has_hung: bool,
}

/// Where it stops.
#[derive(Clone, Copy, Debug)]
enum At {
    Nothing,
    One(Asked),
    LargeReads,
    LargeWrites,
    /// All that reaches these sectors.
    Sectors(u64, u64),
    AllBehind(u64),
}

impl At {
    fn is_hit(self, asked: Asked) -> bool {
        let (first, sectors) = match asked {
            Asked::Read(first, sectors) | Asked::Write(first, sectors) => (first, sectors),
            Asked::Flush(first) => (first, 1),
        };
        match self {
            Self::Nothing => false,
            Self::One(one) => one == asked,
            Self::LargeReads => matches!(asked, Asked::Read(..)) && sectors > 1,
            Self::LargeWrites => matches!(asked, Asked::Write(..)) && sectors > 1,
            Self::Sectors(start, end) => !matches!(asked, Asked::Flush(_)) && first < end && start < first + sectors,
            Self::AllBehind(sector) => first > sector,
        }
    }
}

impl Hanging {
    fn new(disk: FakeDisk, at: At, arrives: bool) -> Self {
        Self { disk, at, arrives, last_written: 0, asked: Vec::new(), has_hung: false }
    }

    fn ask(&mut self, asked: Asked) -> Result<(), BlockError> {
        self.asked.push(asked);
        let hangs = self.has_hung || self.at.is_hit(asked);
        self.has_hung = hangs;
        if hangs { Err(BlockError { operation: "read", sector: 0, reason: "stopped".into() }) } else { Ok(()) }
    }
}

impl BlockDevice for Hanging {
    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.ask(Asked::Read(first, (buffer.len() / SECTOR_BYTES) as u64))?;
        self.disk.read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let had_hung = self.has_hung;
        let asked = self.ask(Asked::Write(first, (bytes.len() / SECTOR_BYTES) as u64));
        self.last_written = first;
        if asked.is_ok() || self.arrives && !had_hung {
            self.disk.write(first, bytes)?;
        }
        asked
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.ask(Asked::Flush(self.last_written))?;
        self.disk.flush()
    }
}

/// A boot as a session does it. Nothing, if the machine stopped.
fn boot(machine: &mut Hanging) -> Option<Attempt> {
    let mut store = Store::open(&mut *machine).ok()?;
    let attempt = store.begin_attempt().ok()?;
    store.load();
    let distrusted = attempt.unclean >= MOST_ATTEMPTS;
    if !distrusted {
        let _ = store.load_code(u64::MAX);
    }
    let next = store.newest_first(&mut Vec::new()).first().map_or(1, |(_, header)| header.generation + 1);
    let new = code(next);
    let new = if distrusted { Code::None } else { Code::New(&new[..]) };
    if attempt.boots_until_saved > 0 || store.commit(&payload(next), new).is_err() {
        let _ = store.end_attempt();
    }
    (!machine.has_hung).then_some(attempt)
}

/// Three generations, each with code, and nothing in the disk's cache.
fn before() -> FakeDisk {
    let codes = [1, 2, 3].map(code);
    disk_with(&codes.each_ref().map(|code| Code::New(&code[..])))
}

/// The newest generation that is whole and at which the machine does not stop when it is read.
fn readable(disk: &FakeDisk, at: At) -> u64 {
    let mut store = Store::open(disk.clone()).expect("the superblock is intact");
    let layout = store.superblock;
    let stops = [0, 1].map(|slot| at.is_hit(Asked::Read(layout.payload_sector(slot), 3)));
    let headers = store.newest_first(&mut Vec::new()).into_iter();
    let whole = |header: &SlotHeader| header.payload_crc == crc32fast::hash(&payload(header.generation));
    headers
        .filter(|(slot, header)| !stops[*slot] && whole(header))
        .find(|(slot, header)| store.read_bytes(layout.payload_sector(*slot), 1500) == Ok(payload(header.generation)))
        .map_or(0, |(_, header)| header.generation)
}

/// Boots `disk` so often; the longest row of boots that did not end, or which generation was lost.
fn longest_row(mut disk: FakeDisk, at: At, arrives: bool, boots: u32) -> Result<u32, String> {
    let (mut row, mut longest) = (0, 0);
    let mut newest = readable(&disk, at);
    for boot_number in 0..boots {
        let mut machine = Hanging::new(disk, at, arrives);
        let ended = boot(&mut machine);
        row = if ended.is_some() { 0 } else { row + 1 };
        longest = longest.max(row);
        // A reset leaves the disk its cache; whoever pulls the plug instead, does not.
        disk = machine.disk.after_power_cut(|_| arrives);
        let now = readable(&disk, at);
        if now < newest {
            return Err(format!("boot {boot_number}: generation {newest} is lost, {now} is left"));
        }
        newest = now;
    }
    Ok(longest)
}

/// What a boot that saves asks for, and whether that is before anything can be recorded of it: the superblock, headers and
/// attempts, and the first write and flush.
fn requests() -> Vec<(Asked, bool)> {
    let mut machine = Hanging::new(before(), At::Nothing, false);
    boot(&mut machine).expect("nothing hangs");
    let begun = machine.asked.iter().position(|asked| *asked == Asked::Flush(ATTEMPTS_SECTOR)).expect("it begins");
    let first = &machine.asked[..=begun];
    machine.asked.iter().map(|asked| (*asked, first.contains(asked))).collect()
}

#[test]
fn machine_that_stops_at_any_one_request_comes_to_an_end_in_every_fourth_boot() {
    let requests = requests();
    assert!(requests.iter().filter(|(_, is_first)| !is_first).count() > 8, "{requests:?}");
    for (asked, is_first) in requests {
        for arrives in [false, true] {
            let row =
                longest_row(before(), At::One(asked), arrives, 60).unwrap_or_else(|lost| panic!("{asked:?}: {lost}"));
            assert!(row < 4 || is_first, "{asked:?}, arrives: {arrives}: {row} boots in a row did not end");
        }
    }
}

#[test]
fn machine_that_stops_at_a_kind_of_requests_comes_to_an_end_in_every_fourth_boot() {
    let layout = Store::open(before()).expect("formatted").superblock;
    let slots = [0, 1].map(|slot| At::Sectors(layout.payload_sector(slot), layout.payload_sector(slot) + 4));
    let codes = [0, 1].map(|slot| At::Sectors(layout.code_sector(slot), layout.code_sector(slot) + 8));
    let all = [At::LargeReads, At::LargeWrites, At::AllBehind(layout.code_sector(0))];
    for at in slots.into_iter().chain(codes).chain(all) {
        for arrives in [false, true] {
            let row = longest_row(before(), at, arrives, 60).unwrap_or_else(|lost| panic!("{at:?}: {lost}"));
            assert!(row < 4, "{at:?}, arrives: {arrives}: {row} boots in a row did not end");
        }
    }
}

#[test]
fn machine_that_stops_for_two_reasons_comes_to_an_end_in_every_fifth_boot() {
    // At code, of which nothing is recorded, and then at the payload that is saved without any.
    let at = At::AllBehind(Store::open(before()).expect("formatted").superblock.header_sector(1));
    assert_eq!([false, true].map(|arrives| longest_row(before(), at, arrives, 60)), [Ok(4), Ok(4)]);
}

/// Boots of a machine that is healthy at first, and the disk after them.
fn machine_stopping_at(at: At, boots: u32) -> (FakeDisk, Vec<Option<Attempt>>) {
    let (mut disk, mut ended) = (before(), Vec::new());
    for _ in 0..boots {
        let mut machine = Hanging::new(disk, at, true);
        ended.push(boot(&mut machine));
        disk = machine.disk.after_power_cut(|_| true);
    }
    (disk, ended)
}

#[test]
fn after_three_boots_that_stopped_saving_one_in_eight_tries_again() {
    let (disk, ended) = machine_stopping_at(At::LargeWrites, 12);
    let saved_in: Vec<Option<u32>> =
        ended.iter().map(|attempt| attempt.map(|attempt| attempt.boots_until_saved)).collect();
    let expected = [None, None, None, Some(7), Some(6), Some(5), Some(4), Some(3), Some(2), Some(1), None, Some(7)];
    assert_eq!(saved_in, expected);
    assert!(ended.iter().flatten().all(|attempt| attempt.unclean == 0), "{ended:?}");
    // What it was is over.
    let mut machine = Hanging::new(disk, At::Nothing, true);
    assert_eq!(Store::open(&mut machine).expect("formatted").boots_until_saved(), 6);
    for generation in [3, 3, 3, 3, 3, 3, 4, 5] {
        boot(&mut machine).expect("nothing hangs");
        assert_eq!(recovered(&machine.disk).generation, generation);
    }
}

#[test]
fn after_three_boots_that_stopped_reading_one_leaves_the_store_alone_and_the_next_starts_from_the_generation_before() {
    let layout = Store::open(before()).expect("formatted").superblock;
    let newest = At::One(Asked::Read(layout.payload_sector(0), 3));
    let (disk, ended) = machine_stopping_at(newest, 4);
    assert_eq!(ended.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, false, true]);
    let mut store = Store::open(disk.clone()).expect("formatted");
    store.begin_attempt().expect("the disk works");
    let found = store.load();
    assert_eq!((found.generation, found.notes.len()), (2, 1), "{found}");
    let said = "store: starting from generation 2; slot 0: generation 3 is not read this time: boots that read it did not get \
                further";
    assert_eq!(format!("{found}"), said);
    // And over what nobody can read, the next generation is saved.
    let mut machine = Hanging::new(disk, At::Nothing, true);
    boot(&mut machine).expect("nothing hangs");
    assert_eq!(recovered(&machine.disk).generation, 4);
}

#[test]
fn store_that_nobody_can_read_is_not_read_again_until_something_is_saved() {
    let (disk, ended) = machine_stopping_at(At::LargeReads, 12);
    let ends: Vec<bool> = ended.iter().map(Option::is_some).collect();
    // Left alone; the older one; left alone; saved, which reads back; and not saved.
    assert_eq!(ends[..8], [false, false, false, true, false, true, false, true], "{ends:?}");
    assert!(ends[8..].iter().all(|ends| *ends), "{ends:?}");
    assert_eq!(recovered(&disk).generation, 3);
}
