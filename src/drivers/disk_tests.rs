use super::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::vec;

/// What the fake was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Read(u64, u64),
    Write(u64, u64),
    Flush,
    Reset,
}

/// A disk that fails as often as it is told to.
struct Medium {
    bytes: Vec<u8>,
    geometry: Geometry,
    told: Vec<Told>,
    failures: usize,
    resets_fail: bool,
}

#[derive(Clone)]
struct Fake(Rc<RefCell<Medium>>);

impl Fake {
    fn new(sectors: u64, block_sectors: u64, most_sectors: u64) -> Self {
        let bytes = (0..sectors as usize * SECTOR_BYTES).map(|at| (at / 5) as u8).collect();
        let geometry = Geometry { sectors, block_sectors, most_sectors };
        Self(Rc::new(RefCell::new(Medium { bytes, geometry, told: Vec::new(), failures: 0, resets_fail: false })))
    }

    fn disk(&self) -> Disk {
        Disk::new("fake".into(), self.clone())
    }

    fn fail(&self, times: usize) {
        self.0.borrow_mut().failures = times;
    }

    fn told(&self) -> Vec<Told> {
        core::mem::take(&mut self.0.borrow_mut().told)
    }

    fn obey(&self, told: Told) -> Result<(), Failure> {
        let mut medium = self.0.borrow_mut();
        medium.told.push(told);
        match medium.failures {
            0 => Ok(()),
            _ => {
                medium.failures -= 1;
                Err(failure())
            }
        }
    }

    fn range(&self, first: u64, len: usize) -> core::ops::Range<usize> {
        let Geometry { block_sectors, most_sectors, .. } = self.geometry();
        let sectors = (len / SECTOR_BYTES) as u64;
        assert!(first.is_multiple_of(block_sectors) && sectors.is_multiple_of(block_sectors), "whole blocks");
        assert!(sectors <= most_sectors && sectors > 0, "{sectors} sectors");
        first as usize * SECTOR_BYTES..first as usize * SECTOR_BYTES + len
    }
}

fn failure() -> Failure {
    Failure::Reported("told to".into())
}

impl Commands for Fake {
    fn geometry(&self) -> Geometry {
        self.0.borrow().geometry
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let range = self.range(first, buffer.len());
        self.obey(Told::Read(first, (buffer.len() / SECTOR_BYTES) as u64))?;
        buffer.copy_from_slice(&self.0.borrow().bytes[range]);
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        let range = self.range(first, bytes.len());
        self.obey(Told::Write(first, (bytes.len() / SECTOR_BYTES) as u64))?;
        self.0.borrow_mut().bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.obey(Told::Flush)
    }

    fn reset(&mut self) -> bool {
        self.0.borrow_mut().told.push(Told::Reset);
        !self.0.borrow().resets_fail
    }
}

#[test]
fn transfers_are_cut_into_commands_that_the_device_takes() {
    let fake = Fake::new(100, 1, 16);
    let mut disk = fake.disk();
    let written: Vec<u8> = (0..40 * SECTOR_BYTES).map(|at| (at / 3) as u8).collect();
    disk.write(7, &written).expect("the fake is sound");
    let mut read = vec![0; written.len()];
    disk.read(7, &mut read).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    assert!(read == written);
    let expected = [
        Told::Write(7, 16),
        Told::Write(23, 16),
        Told::Write(39, 8),
        Told::Read(7, 16),
        Told::Read(23, 16),
        Told::Read(39, 8),
    ];
    let told = fake.told();
    assert_eq!((&told[..6], &told[6..]), (&expected[..], &[Told::Flush][..]));
}

#[test]
fn any_transfer_on_long_blocks_changes_its_own_sectors_and_no_others() {
    for (first, sectors) in (0..24).flat_map(|first| (1..=24 - first).map(move |sectors| (first, sectors))) {
        let fake = Fake::new(24, 8, 8);
        let mut expected = fake.0.borrow().bytes.clone();
        let written = vec![0xee; sectors as usize * SECTOR_BYTES];
        fake.disk().write(first, &written).expect("the fake is sound");
        expected[first as usize * SECTOR_BYTES..][..written.len()].copy_from_slice(&written);
        assert!(fake.0.borrow().bytes == expected, "{sectors} sectors at {first}");
        let mut read = vec![0; written.len()];
        fake.disk().read(first, &mut read).expect("the fake is sound");
        assert!(read == written, "{sectors} sectors at {first}");
    }
}

#[test]
fn failed_command_is_given_once_more_after_a_reset() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    fake.fail(1);
    disk.write(3, &[1; SECTOR_BYTES]).expect("the second time it works");
    assert_eq!(fake.told(), [Told::Write(3, 1), Told::Reset, Told::Write(3, 1)]);
    disk.flush().expect("nothing was lost");
}

#[test]
fn after_a_write_that_failed_twice_nothing_is_written_but_all_is_read() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    fake.fail(2);
    let error = disk.write(3, &[1; SECTOR_BYTES]).expect_err("it fails twice");
    assert_eq!(std::format!("{error}"), "write failed at sector 3: told to");
    let refused = |operation, sector| Err(DiskError { operation, sector, reason: Reason::WritesStopped });
    assert_eq!(disk.write(3, &[1; SECTOR_BYTES]), refused(Operation::Write, 3));
    assert_eq!(disk.flush(), refused(Operation::Flush, 0));
    disk.read(3, &mut [0; SECTOR_BYTES]).expect("reading harms nobody");
}

#[test]
fn failed_flush_is_not_tried_again() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    fake.fail(1);
    assert_eq!(disk.flush().map_err(|error| error.reason), Err(Reason::Failed(failure())));
    assert_eq!(fake.told(), [Told::Flush, Told::Reset]);
    assert_eq!(disk.flush().map_err(|error| error.reason), Err(Reason::WritesStopped));
    assert_eq!(fake.told(), []);
}

#[test]
fn read_that_fails_twice_stops_no_writes() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    fake.fail(2);
    disk.read(3, &mut [0; SECTOR_BYTES]).expect_err("it fails twice");
    disk.write(3, &[1; SECTOR_BYTES]).expect("another sector may be good");
}

#[test]
fn device_that_does_not_come_back_is_left_alone() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    fake.fail(1);
    fake.0.borrow_mut().resets_fail = true;
    disk.read(3, &mut [0; SECTOR_BYTES]).expect_err("it fails");
    assert_eq!(fake.told(), [Told::Read(3, 1), Told::Reset]);
    assert_eq!(disk.read(3, &mut [0; SECTOR_BYTES]).map_err(|error| error.reason), Err(Reason::Offline(failure())));
    assert_eq!(disk.flush().map_err(|error| error.reason), Err(Reason::Offline(failure())));
    assert_eq!(fake.told(), []);
}

#[test]
fn transfers_beyond_the_disk_or_of_part_sectors_reach_no_device() {
    let fake = Fake::new(10, 1, 16);
    let mut disk = fake.disk();
    let beyond = |sectors| Err(Reason::OutOfRange { sectors, capacity: 10 });
    assert_eq!(disk.write(9, &[0; 2 * SECTOR_BYTES]).map_err(|error| error.reason), beyond(2));
    assert_eq!(disk.read(u64::MAX, &mut [0; SECTOR_BYTES]).map_err(|error| error.reason), beyond(1));
    assert_eq!(
        disk.read(0, &mut [0; 100]).map_err(|error| error.reason),
        Err(Reason::PartialSector { len_bytes: 100 })
    );
    disk.read(10, &mut []).expect("nothing to do");
    assert_eq!(fake.told(), []);
}

#[test]
fn names_are_printable_whatever_the_device_says() {
    assert_eq!(name("AHCI port 0", "DISK ", " S1"), "AHCI port 0 (DISK, serial S1)");
    assert_eq!(name("AHCI port 0", "\u{1b}[2J", ""), "AHCI port 0 (?[2J)");
    assert_eq!(name("AHCI port 0", " ", ""), "AHCI port 0");
}
