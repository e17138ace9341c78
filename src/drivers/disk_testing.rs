//! What tests of all drivers of disks do.

use super::{Disk, SECTOR_BYTES};
use std::vec;
use std::vec::Vec;

/// Bytes for so many sectors, not all the same.
pub fn pattern(sectors: usize) -> Vec<u8> {
    (0..sectors * SECTOR_BYTES).map(|byte| (byte / 7) as u8).collect()
}

/// Writes 600 sectors from sector 1234 on, has them flushed, and reads them back.
pub fn write_flush_and_read_back(disk: &mut Disk) {
    let data = pattern(600);
    disk.write(1234, &data).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(1234, &mut back).expect("the fake is sound");
    assert!(back == data);
}
