//! The store on a disk that loses, tears and fails.

mod absurd;
mod code;
mod crashes;
mod damage;
mod enumeration;
mod hangs;
mod ordinary;
mod take_over;

use super::fake::{Failure, FakeDisk, Request};
use super::layout::{ATTEMPTS_SECTOR, LEAST_SECTORS, SlotHeader};
use super::*;
use alloc::vec;
use alloc::vec::Vec;

const ID: StoreId = *b"sixteen bytes id";

/// Three sectors less a bit, different for every generation.
fn payload(generation: u64) -> Vec<u8> {
    (0..1500u32).map(|i| (i as u8).wrapping_mul(31).wrapping_add(generation as u8)).collect()
}

/// The smallest disk, formatted, with this many generations committed.
fn disk(generations: u64) -> FakeDisk {
    let mut store = Store::format(FakeDisk::new(LEAST_SECTORS), ID).expect("the disk is large enough");
    for generation in 1..=generations {
        assert_eq!(store.commit(&payload(generation), Code::None), Ok(generation));
    }
    store.into_device().with(Failure::Never)
}

/// A disk whose code slots take 8 KiB.
const SECTORS_WITH_CODE: u64 = 176;

/// Two sectors and a bit, different for every number.
fn code(number: u64) -> Vec<u8> {
    (0..1100u32).map(|i| (i as u8).wrapping_mul(13).wrapping_add(number as u8)).collect()
}

/// As many generations as `codes`, each committed by a boot of its own.
fn disk_with(codes: &[Code<&[u8]>]) -> FakeDisk {
    let mut disk = Store::format(FakeDisk::new(SECTORS_WITH_CODE), ID).expect("the disk is large enough").into_device();
    for (generation, code) in (1..).zip(codes) {
        let mut store = Store::open(disk).expect("formatted");
        assert_eq!(store.commit(&payload(generation), *code), Ok(generation));
        disk = store.into_device();
    }
    disk.with(Failure::Never)
}

/// Opens and loads; the payload must be that of its generation.
fn recovered(disk: &FakeDisk) -> Recovered<Vec<u8>> {
    let recovered = Store::open(disk.clone()).expect("the superblock is intact").load();
    let expected = (recovered.generation > 0).then(|| payload(recovered.generation));
    assert!(recovered.payload == expected, "wrong payload for generation {}", recovered.generation);
    recovered
}

/// Replaces the header of `slot`.
fn forge_header(disk: &mut FakeDisk, slot: usize, change: impl FnOnce(&mut SlotHeader)) {
    let sector = Store::open(disk.clone()).expect("the superblock is intact").superblock.header_sector(slot);
    let old = sector::Sector::read(disk, sector).expect("the sector is on the disk");
    let mut header = SlotHeader::decode(&old).expect("the slot has a header");
    change(&mut header);
    disk.write(sector, header.encode().bytes()).expect("the sector is on the disk");
    disk.flush().expect("the fake disk flushes");
}
