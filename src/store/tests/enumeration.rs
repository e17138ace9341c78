//! Every power cut during every commit of several histories, and every set of sectors that may survive it: each disk must hold
//! the old or the new generation whole, with its code. Orders of writing that are wrong are found out by the same.

use super::take_over::stores_of_version_1;
use super::*;
use crate::store::layout::SUPERBLOCK_SECTOR;
use core::ops::Range;
use std::collections::HashSet;
use std::format;
use std::string::String;
use xxhash_rust::xxh3::xxh3_128;

/// A disk on which a commit does not write in the order that it means to.
struct Disordered {
    disk: FakeDisk,
    order: Order,
    /// What is held back.
    late: Vec<(u64, Vec<u8>)>,
}

/// Which sectors are written only after one of some others, or never, if there is none.
#[derive(Clone, Debug, Default)]
struct Order {
    late: Range<u64>,
    after: Vec<u64>,
}

impl BlockDevice for Disordered {
    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.disk.read(first, buffer)?;
        for (sector, bytes) in &self.late {
            for (sector, bytes) in (*sector..).zip(bytes.chunks(SECTOR_BYTES)) {
                if let Some(place) = sector.checked_sub(first).map(|at| at as usize * SECTOR_BYTES)
                    && place < buffer.len()
                {
                    buffer[place..place + SECTOR_BYTES].copy_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        if self.order.late.contains(&first) {
            self.late.push((first, bytes.to_vec()));
            return Ok(());
        }
        self.disk.write(first, bytes)?;
        if self.order.after.contains(&first) {
            self.late.drain(..).try_for_each(|(first, bytes)| self.disk.write(first, &bytes))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.disk.flush()
    }
}

/// What a boot leaves behind: payload and code of its number.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    Nothing,
    Same,
    New,
}

use Leaves::{New, Nothing, Same};

/// Ten sectors less a bit: what a power cut can make of them, and of a few more, is still enumerated.
fn large(generation: u64, salt: u8) -> Vec<u8> {
    (0..5100u32).map(|i| (i as u8).wrapping_mul(13).wrapping_add(generation as u8) ^ (i >> 8) as u8 ^ salt).collect()
}

/// Generations by number, each as its payload and its code.
type History = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Crash states that were looked at.
#[derive(Default)]
struct Seen(HashSet<u128>);

impl Seen {
    /// Commits to `disk` what each of `boots` leaves, with every power cut in between, writing in `order`. The first promise
    /// that is broken is the error.
    fn every_crash_of(
        &mut self,
        mut disk: FakeDisk,
        mut history: History,
        boots: &[Leaves],
        order: &Order,
    ) -> Result<(), String> {
        for boot in boots {
            let number = history.len() as u64;
            let (payload, new_code) = (large(number, 0), large(number, 0x80));
            let same = history.last().and_then(|(_, code)| code.clone());
            let (code, kept) = match boot {
                Nothing => (Code::None, None),
                Same => (Code::Same, same),
                New => (Code::New(&new_code[..]), Some(new_code.clone())),
            };
            history.push((payload.clone(), kept));
            let commit = |disk: FakeDisk| {
                let mut disk = Disordered { disk, order: order.clone(), late: Vec::new() };
                let done = Store::open(&mut disk).is_ok_and(|mut store| store.commit(&payload, code) == Ok(number));
                (disk.disk, done)
            };
            let mut request = 0;
            loop {
                let (cut, done) = commit(disk.with(Failure::PowerCut(request)));
                for after in cut.after_every_power_cut() {
                    let is_new = self.0.insert(xxh3_128(&after.medium));
                    if is_new || done {
                        holds_a_whole_generation(&after, &history, done)
                            .map_err(|what| format!("generation {number}, request {request}: {what}"))?;
                    }
                }
                if cut.log.len() <= request {
                    break;
                }
                request += 1;
            }
            disk = commit(disk.with(Failure::Never)).0.after_power_cut(|_| true);
        }
        Ok(())
    }
}

/// Whether a boot on `disk` finds the last of `history`, or, unless that is `done`, the one before, whole and with its code, and
/// can commit.
fn holds_a_whole_generation(disk: &FakeDisk, history: &History, done: bool) -> Result<(), String> {
    let last = history.len() as u64 - 1;
    let mut store = Store::open(disk.clone()).map_err(|error| format!("{error}"))?;
    let found = store.load();
    if found.generation != last && (done || found.generation + 1 != last) {
        return Err(format!("{found}, of {last}, done: {done}"));
    }
    let (payload, code) = &history[found.generation as usize];
    if found.generation > 0 && found.payload.as_ref() != Some(payload) {
        return Err(format!("the payload of generation {} is another one", found.generation));
    }
    match store.load_code(u64::MAX) {
        Ok(loaded) if loaded == *code => {}
        Ok(_) => return Err(format!("the code of generation {} is another one", found.generation)),
        Err(fault) => return Err(format!("{fault}")),
    }
    let next = store.commit(b"next", Code::New(b"code")).map_err(|error| format!("{error}"))?;
    match (store.load().generation == next, store.load_code(u64::MAX)) {
        (true, Ok(Some(code))) if code == b"code" => Ok(()),
        other => Err(format!("the store does not work on: {other:?}")),
    }
}

fn formatted() -> FakeDisk {
    Store::format(FakeDisk::new(SECTORS_WITH_CODE), ID).expect("the disk is large enough").into_device()
}

/// The place of generation 0: nothing.
fn nothing() -> History {
    vec![(Vec::new(), None)]
}

/// All histories of this version, written in `order`.
fn every_history(seen: &mut Seen, order: &Order) -> Result<(), String> {
    for boots in [&[New, New, New, New][..], &[New, Same, Same, New], &[Nothing, New, Nothing, New]] {
        seen.every_crash_of(formatted(), nothing(), boots, order)?;
    }
    Ok(())
}

/// All stores of version 1 that have some room for code, taken over.
fn every_take_over(seen: &mut Seen, order: &Order) -> Result<(), String> {
    for (disk, generation) in stores_of_version_1().filter(|(disk, _)| disk.sectors() == SECTORS_WITH_CODE) {
        let history = (0..=generation).map(|number| (payload(number), None)).collect();
        seen.every_crash_of(disk, history, &[New], order)?;
    }
    Ok(())
}

#[test]
fn ten_thousand_crash_states_lose_no_generation_and_give_no_wrong_code() {
    let mut seen = Seen::default();
    assert_eq!(every_history(&mut seen, &Order::default()), Ok(()));
    let histories = seen.0.len();
    assert_eq!(every_take_over(&mut seen, &Order::default()), Ok(()));
    std::println!("{histories} crash states of commits, {} of taking over", seen.0.len() - histories);
    assert!(histories >= 10_000);
}

#[test]
fn orders_that_are_wrong_are_found_out() {
    let order = |late: Range<u64>, after: &[u64]| Order { late, after: after.to_vec() };
    let layout = Store::open(formatted()).expect("formatted").superblock;
    let headers = [0, 1].map(|slot| layout.header_sector(slot));
    let payload_of = |slot| layout.payload_sector(slot)..layout.header_sector(slot + 1);
    // Code after the header; a commit that ends before something is written. (A payload after its header costs no more than
    // one before: its checksum is wrong, and the generation before counts.)
    for order in [
        order(layout.code_sector(0)..layout.code_sector(2), &headers),
        order(layout.code_sector(1)..layout.code_sector(2), &[]),
        order(payload_of(0), &[]),
        order(headers[0]..headers[0] + 1, &[]),
    ] {
        let found = every_history(&mut Seen::default(), &order);
        assert!(found.is_err(), "{order:?}");
    }
    // What the new superblock leads to, after that; a commit that ends before the superblock is written.
    for order in [
        order(headers[0]..headers[0] + 1, &[SUPERBLOCK_SECTOR]),
        order(payload_of(0), &[SUPERBLOCK_SECTOR]),
        order(SUPERBLOCK_SECTOR..SUPERBLOCK_SECTOR + 1, &[]),
    ] {
        let found = every_take_over(&mut Seen::default(), &order);
        assert!(found.is_err(), "{order:?}");
    }
}
