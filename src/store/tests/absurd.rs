//! Stores with right checksums that nothing wrote. `./just fuzz-parsers` opens many more of them.

use super::*;
use crate::store::layout::{Attempts, SUPERBLOCK_SECTOR, Superblock};
use proptest::collection::vec;
use proptest::prelude::*;
use std::string::ToString;

/// Small, extreme and any numbers.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..9u64, 1 => Just(4096), 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => any::<u64>()]
}

fn id() -> impl Strategy<Value = StoreId> {
    prop_oneof![7 => Just(ID), 1 => any::<StoreId>()]
}

fn superblock() -> impl Strategy<Value = Superblock> {
    let sizes = prop_oneof![7 => LEAST_SECTORS..9999, 1 => numbers()];
    (id(), sizes, prop_oneof![7 => Just(None), 1 => numbers().prop_map(Some)]).prop_map(
        |(id, total_sectors, forged)| {
            let honest = Superblock::for_disk(total_sectors, id).map_or(0, |superblock| superblock.slot_sectors);
            Superblock { version: 2, id, total_sectors, slot_sectors: forged.unwrap_or(honest), code_sectors: 0 }
        },
    )
}

/// A header, and the payload that it is of; the checksum is right unless another one is given.
fn slot() -> impl Strategy<Value = Option<(SlotHeader, Vec<u8>)>> {
    let length = prop_oneof![3 => Just(None), 1 => numbers().prop_map(Some)];
    let crc = prop_oneof![7 => Just(None), 1 => any::<u32>().prop_map(Some)];
    let slot = (id(), numbers(), vec(any::<u8>(), 0..1500), length, crc);
    proptest::option::weighted(
        0.9,
        slot.prop_map(|(store, generation, payload, length, crc)| {
            let payload_bytes = length.unwrap_or(payload.len() as u64);
            let payload_crc = crc.unwrap_or_else(|| crc32fast::hash(&payload));
            (SlotHeader { store, generation, payload_bytes, payload_crc, code: None }, payload)
        }),
    )
}

/// Attempts at one of the two slots, or at anything.
fn attempts() -> impl Strategy<Value = (Option<usize>, Attempts)> {
    let count = prop_oneof![3 => 0..9u32, 1 => Just(u32::MAX)];
    (proptest::option::weighted(0.8, 0..2usize), id(), numbers(), any::<u32>(), count, any::<bool>()).prop_map(
        |(of, store, generation, payload_crc, count, reading)| {
            (of, Attempts { store, generation, payload_crc, count, reading })
        },
    )
}

fn place(disk: &mut FakeDisk, sector: u64, bytes: &[u8]) {
    let Some(at) = usize::try_from(sector).ok().and_then(|sector| sector.checked_mul(SECTOR_BYTES)) else { return };
    if let Some(place) = at.checked_add(bytes.len()).and_then(|end| disk.medium.get_mut(at..end)) {
        place.copy_from_slice(bytes);
    }
}

fn forged(
    sectors: u64,
    superblock: Superblock,
    slots: [Option<(SlotHeader, Vec<u8>)>; 2],
    attempts: (Option<usize>, Attempts),
) -> FakeDisk {
    let mut disk = FakeDisk::new(sectors);
    place(&mut disk, SUPERBLOCK_SECTOR, superblock.encode().bytes());
    let (of, mut record) = attempts;
    if let Some((header, _)) = of.and_then(|of| slots[of].as_ref()) {
        (record.generation, record.payload_crc) = (header.generation, header.payload_crc);
    }
    place(&mut disk, ATTEMPTS_SECTOR, record.encode().bytes());
    // Where they would be on the disk as it is: a superblock with other sizes is refused.
    let Ok(honest) = Superblock::for_disk(superblock.total_sectors, superblock.id) else { return disk };
    for (slot, forged) in slots.into_iter().enumerate() {
        let Some((header, payload)) = forged else { continue };
        place(&mut disk, honest.header_sector(slot), header.encode().bytes());
        let mut sectors = payload;
        sectors.resize(sectors.len().next_multiple_of(SECTOR_BYTES), 0);
        place(&mut disk, honest.payload_sector(slot), &sectors);
    }
    disk
}

proptest! {
    #[test]
    fn absurd_stores_are_refused_or_used(
        sectors in prop_oneof![3 => 0..60u64, 1 => 60..200u64],
        superblock in superblock(),
        slots in [slot(), slot()],
        attempts in attempts(),
        refused in any::<bool>(),
        limit_bytes in prop_oneof![3 => Just(u64::MAX), 1 => 0..2000u64],
        payload in vec(any::<u8>(), 0..3000),
        crash in any::<bool>(),
    ) {
        let mut store = match Store::open(forged(sectors, superblock, slots, attempts)) {
            Ok(store) => store,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let begun = store.begin_attempt();
        let found = store.load_with(limit_bytes, |payload| match refused {
            true => Err("refused"),
            false => Ok(payload.to_vec()),
        });
        prop_assert!(found.payload.is_none_or(|payload| payload.len() as u64 <= limit_bytes));
        prop_assert!(store.room() <= store.capacity());
        if crash && begun.is_ok() {
            let mut later = Store::open(store.into_device()).expect("it was one");
            prop_assert!(later.attempts() > 0);
            return Ok(());
        }
        match store.commit(&payload, Code::None) {
            Ok(generation) => {
                let mut later = Store::open(store.into_device()).expect("it was one");
                prop_assert_eq!(later.attempts(), 0);
                let found = later.load();
                prop_assert_eq!((found.generation, found.payload), (generation, Some(payload)));
            }
            Err(_) if begun.is_ok() => {
                prop_assert_eq!(store.end_attempt(), Ok(()));
                // What was passed over stays suspected.
                prop_assert!(store.attempts().is_multiple_of(MOST_ATTEMPTS));
            }
            Err(_) => {}
        }
    }
}
