//! Disks that were cut short, changed or forged.

use super::*;
use proptest::prelude::*;
use std::string::ToString;

/// Opens and loads whatever `medium` is: an error, or the payload of some generation up to 3, whole, or none.
fn outcome(medium: Vec<u8>) -> Result<Recovered<Vec<u8>>, StoreError> {
    let recovered = Store::open(FakeDisk::of(medium))?.load();
    assert!(recovered.generation <= 3);
    let expected = (recovered.generation > 0).then(|| payload(recovered.generation));
    assert!(recovered.payload == expected, "wrong payload for generation {}", recovered.generation);
    Ok(recovered)
}

#[test]
fn file_cut_at_any_byte_gives_what_is_left_and_says_so() {
    let whole = disk(3).medium;
    let mut seen = [0; 4];
    for len in 0..whole.len() {
        match outcome(whole[..len].to_vec()) {
            Ok(recovered) => {
                assert!(matches!(recovered.notes.first(), Some(Note::DiskCutShort { .. })), "{len}");
                seen[recovered.generation as usize] += 1;
            }
            Err(error) => assert!(len < SECTOR_BYTES && matches!(error, StoreError::TooSmall { .. }), "{len}: {error}"),
        }
    }
    // Generation 3 stands in slot 0 and generation 2 behind it: cutting never leaves 2 alone.
    assert!(seen[0] > 0 && seen[3] > 0 && seen[1] + seen[2] == 0, "{seen:?}");
}

#[test]
fn file_cut_in_the_newest_generation_gives_the_one_before() {
    let whole = disk(2).medium;
    let store = Store::open(FakeDisk::of(whole.clone())).expect("formatted");
    let (header, payload_at) = (store.superblock.header_sector(1), store.superblock.payload_sector(1));
    for sectors in header..payload_at + 3 {
        let recovered = outcome(whole[..sectors as usize * SECTOR_BYTES].to_vec()).expect("the superblock is there");
        assert_eq!((recovered.generation, recovered.notes.len()), (1, 2), "{recovered}");
    }
}

#[test]
fn store_on_a_cut_disk_commits_where_there_is_room_or_says_that_there_is_none() {
    for sectors in 1..LEAST_SECTORS {
        let cut = FakeDisk::of(disk(3).medium[..sectors as usize * SECTOR_BYTES].to_vec());
        let before = recovered(&cut).generation;
        let mut store = Store::open(cut).expect("the superblock is there");
        match store.commit(&payload(4), Code::None) {
            Ok(generation) => {
                assert_eq!((store.load().generation, store.load().payload), (generation, Some(payload(4))))
            }
            Err(StoreError::PayloadTooLarge { bytes: 1500, capacity }) => {
                assert!(capacity < 1500);
                assert_eq!(recovered(&store.into_device()).generation, before);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_changed_byte_gives_a_whole_generation_or_an_error() {
    let disk = disk(3);
    let mut seen = [0; 4];
    for at in 0..disk.medium.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut medium = disk.medium.clone();
            medium[at] ^= flip;
            match outcome(medium) {
                Ok(recovered) => seen[recovered.generation as usize] += 1,
                Err(error) => assert!(at < SECTOR_BYTES, "byte {at}: {error}"),
            }
        }
    }
    // Generation 2 is used exactly when the header or the payload of generation 3 was hit.
    assert_eq!((seen[0], seen[1], seen[2]), (0, 0, 3 * (SECTOR_BYTES + payload(3).len())));
}

#[test]
fn zeroed_or_overwritten_sectors_give_a_whole_generation_or_none() {
    for fill in [0x00, 0xff] {
        for first in 1..LEAST_SECTORS as usize {
            for end in [first + 1, (first + 9).min(LEAST_SECTORS as usize), LEAST_SECTORS as usize] {
                let mut medium = disk(3).medium;
                medium[first * SECTOR_BYTES..end * SECTOR_BYTES].fill(fill);
                outcome(medium).expect("the superblock is intact");
            }
        }
    }
}

#[test]
fn disks_that_are_no_store_are_told_what_to_do() {
    let blank = Store::open(FakeDisk::new(LEAST_SECTORS)).expect_err("blank").to_string();
    assert_eq!(blank, "store: sector 0 of the disk holds no store; run `bareflow store format FILE`");
    let cut = Store::open(FakeDisk::new(0)).expect_err("nothing is left").to_string();
    assert!(cut.contains("has 0 sectors") && cut.contains("run `bareflow store format FILE`"), "{cut}");
    let mut other_version = disk(1);
    let sector = sector::Sector::read(&mut other_version, 0).expect("there is a sector").with(8, &[9]);
    other_version.medium[..SECTOR_BYTES].copy_from_slice(sector.bytes());
    assert_eq!(Store::open(other_version.clone()).map(|_| ()), Err(StoreError::SuperblockDamaged));
    other_version.medium[..SECTOR_BYTES].copy_from_slice(sector.sealed().bytes());
    assert_eq!(Store::open(other_version).map(|_| ()), Err(StoreError::UnknownVersion { found: 9 }));
}

#[test]
fn forged_superblock_sizes_are_refused() {
    for (total_sectors, slot_sectors) in [(48, u64::MAX), (48, 0), (48, 24), (u64::MAX, u64::MAX), (0, 0), (47, 16)] {
        let forged = layout::Superblock {
            version: 2,
            id: ID,
            total_sectors,
            slot_sectors,
            code_sectors: 0,
            home: Home::default(),
        };
        let mut disk = disk(1);
        disk.medium[..SECTOR_BYTES].copy_from_slice(forged.encode().bytes());
        assert_eq!(Store::open(disk).map(|_| ()), Err(StoreError::SuperblockDamaged));
    }
}

#[test]
fn forged_lengths_and_foreign_headers_are_passed_over() {
    let changes: [fn(&mut SlotHeader); 6] = [
        |header| header.payload_bytes = u64::MAX,
        |header| header.payload_bytes = 4097,
        |header| header.payload_bytes -= 1,
        |header| header.payload_bytes = 0,
        |header| header.generation = 0,
        |header| header.store[0] ^= 1,
    ];
    for change in changes {
        let mut disk = disk(3);
        forge_header(&mut disk, 0, change);
        let recovered = recovered(&disk);
        assert_eq!((recovered.generation, recovered.notes.len()), (2, 1));
        let mut store = Store::open(disk).expect("formatted");
        store.commit(&payload(4), Code::None).expect("there is room");
        assert_eq!(store.load().payload, Some(payload(4)));
    }
}

#[test]
fn last_generation_number_in_use_is_a_named_error_and_stays_readable() {
    let mut disk = disk(2);
    forge_header(&mut disk, 1, |header| header.generation = u64::MAX);
    let mut store = Store::open(disk).expect("formatted");
    assert_eq!(store.load().generation, u64::MAX);
    assert_eq!(store.commit(&payload(3), Code::None), Err(StoreError::NoGenerationLeft));
    assert_eq!(store.load().payload, Some(payload(2)));
}

#[test]
fn last_generation_number_on_a_damaged_slot_does_not_stop_the_store() {
    let mut disk = disk(2);
    forge_header(&mut disk, 1, |header| (header.generation, header.payload_crc) = (u64::MAX, 0));
    let mut store = Store::open(disk).expect("formatted");
    assert_eq!(store.load().generation, 1);
    assert_eq!(store.commit(&payload(2), Code::None), Ok(2));
    assert_eq!(recovered(&store.into_device()).notes, []);
}

#[test]
fn last_generation_number_on_a_slot_that_is_not_used_does_not_hide_what_is_committed() {
    for slot in 0..2 {
        let mut disk = disk(2);
        forge_header(&mut disk, slot, |header| header.generation = u64::MAX);
        let mut store = Store::open(disk).expect("formatted");
        assert_eq!(store.load_with(u64::MAX, |_| Err::<(), _>("not for this version")).generation, 0);
        let generation = store.commit(&payload(3), Code::None).expect("there is room");
        let found = Store::open(store.into_device()).expect("formatted").load();
        assert_eq!((found.generation, found.payload), (generation, Some(payload(3))));
    }
}

#[test]
fn equal_generations_are_both_whole_and_the_first_is_taken() {
    let mut disk = disk(2);
    forge_header(&mut disk, 0, |header| header.generation = 2);
    let mut store = Store::open(disk).expect("formatted");
    let recovered = store.load();
    assert_eq!((recovered.generation, recovered.payload), (2, Some(payload(1))));
    assert_eq!(store.commit(&payload(3), Code::None), Ok(3));
    assert_eq!(store.load().payload, Some(payload(3)));
}

proptest! {
    #[test]
    fn random_damage_never_gives_a_wrong_payload(
        damage in proptest::collection::vec((0..LEAST_SECTORS as usize * SECTOR_BYTES, 1..=255u8), 1..40),
    ) {
        let mut medium = disk(3).medium;
        damage.into_iter().for_each(|(at, flip)| medium[at] ^= flip);
        let _ = outcome(medium);
    }

    #[test]
    fn random_disks_are_not_stores(medium in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(outcome(medium).is_err());
    }
}
