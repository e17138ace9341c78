//! Stores of version 1 become stores of this version.

use super::*;
use sector::Sector;
use std::format;
use std::string::ToString;

/// A store as BareFlow made it with format version 1.
fn version_1(sectors: u64, generations: &[(u64, Vec<u8>)]) -> FakeDisk {
    let mut disk = FakeDisk::new(sectors);
    let slot_sectors = (sectors - 16) / 2 / 8 * 8;
    let superblock = Sector::ZERO.with(0, b"BAREFLOW").with(8, &1u32.to_le_bytes()).with(16, &ID);
    let superblock = superblock.with(32, &sectors.to_le_bytes()).with(40, &slot_sectors.to_le_bytes()).sealed();
    let mut place = |sector: u64, bytes: &[u8]| {
        disk.medium[sector as usize * SECTOR_BYTES..][..bytes.len()].copy_from_slice(bytes);
    };
    place(0, superblock.bytes());
    for (slot, (generation, payload)) in (0..).zip(generations) {
        let header = Sector::ZERO.with(0, b"BFSLOT\0\0").with(8, &generation.to_le_bytes()).with(16, &ID);
        let header = header.with(32, &(payload.len() as u64).to_le_bytes());
        let header = header.with(40, &crc32fast::hash(payload).to_le_bytes()).sealed();
        place(16 + slot * slot_sectors, header.bytes());
        place(24 + slot * slot_sectors, payload);
    }
    disk
}

/// Stores of version 1, and the generation that each holds.
pub fn stores_of_version_1() -> impl Iterator<Item = (FakeDisk, u64)> {
    let generations = |numbers: &[u64]| numbers.iter().map(|&number| (number, payload(number))).collect::<Vec<_>>();
    let numbers: [&[u64]; 4] = [&[], &[1], &[1, 2], &[3, 2]];
    let newest = |numbers: &[u64]| numbers.iter().copied().max().unwrap_or(0);
    [LEAST_SECTORS, 100, 159, SECTORS_WITH_CODE, 2048]
        .into_iter()
        .flat_map(move |sectors| numbers.map(|numbers| (version_1(sectors, &generations(numbers)), newest(numbers))))
}

#[test]
fn store_of_version_1_is_read_as_ever_and_becomes_one_of_this_version_at_its_first_commit() {
    for (disk, generation) in stores_of_version_1() {
        let mut store = Store::open(disk).expect("version 1 is known");
        assert!(store.begin_attempt().is_ok_and(|attempt| attempt.unclean == 0));
        assert_eq!((store.version(), store.load_code(u64::MAX)), (1, Ok(None)));
        let found = store.load();
        assert_eq!((found.generation, found.notes), (generation, vec![Note::OldVersion]));
        assert_eq!(found.payload, (generation > 0).then(|| payload(generation)));
        let (room, code_room) = (store.room(), store.code_room());
        let new = code(7)[..code_room.min(1100) as usize].to_vec();
        assert_eq!(store.commit(&payload(generation + 1), Code::New(&new)), Ok(generation + 1));
        assert_eq!((store.version(), store.id()), (2, ID));
        assert_eq!((store.room(), store.code_room(), store.capacity()), (room, code_room, room));
        let mut store = Store::open(store.into_device()).expect("version 2");
        assert_eq!((store.attempts(), store.load().notes, store.version()), (0, vec![], 2));
        assert_eq!(store.load_code(u64::MAX), Ok(Some(new).filter(|new| !new.is_empty())));
        assert_eq!(recovered(&store.into_device()).generation, generation + 1);
    }
}

#[test]
fn reading_a_store_of_version_1_writes_nothing() {
    for (disk, _) in stores_of_version_1() {
        let before = disk.medium.clone();
        let mut store = Store::open(disk).expect("version 1 is known");
        let said = store.load().to_string();
        assert!(said.ends_with("; it has format version 1, and will have 2 once a profile is saved"), "{said}");
        assert!(store.room() >= 4096);
        let (_, _) = (store.code_room(), store.load_code(u64::MAX));
        assert!(store.into_device().medium == before);
    }
}

#[test]
fn payload_that_fits_into_no_slot_of_this_version_keeps_version_1() {
    // Slots of version 1 take 516,096 bytes on such a disk, those of version 2 122,880.
    for generations in [vec![(1, vec![5; 122_881])], vec![(4, payload(4)), (5, vec![5; 400_000])]] {
        let (newest, large) = generations.last().cloned().expect("there is one");
        let mut store = Store::open(version_1(2048, &generations)).expect("version 1 is known");
        let found = store.load();
        assert_eq!((found.generation, &found.payload), (newest, &Some(large.clone())));
        let why = format!(
            "; it keeps format version 1, without code: its profile has {} bytes, a slot of version 2 would take 122880; \
             export it and format a disk of {} KiB or more",
            large.len(),
            disk_bytes_for(large.len() as u64, 0).expect("there are such disks").div_ceil(1024),
        );
        assert!(found.to_string().ends_with(&why), "{found}");
        assert_eq!((store.code_room(), store.room()), (0, 516_096));
        let error = StoreError::CodeTooLarge { bytes: 1, capacity: 0 };
        assert_eq!(store.commit(&large, Code::New(&[1])), Err(error));
        assert_eq!(store.commit(&large, Code::None), Ok(newest + 1));
        let mut store = Store::open(store.into_device()).expect("version 1 is known");
        assert_eq!((store.version(), store.load().generation, store.load().payload), (1, newest + 1, Some(large)));
    }
}

#[test]
fn what_a_store_of_version_1_holds_is_spared_while_nothing_of_it_is_used() {
    for newest in [1, 2] {
        let generations = Vec::from_iter((1..=newest).map(|number| (number, payload(number))));
        let mut store = Store::open(version_1(2048, &generations)).expect("version 1 is known");
        let found = store.load_with(u64::MAX, |_| Err::<(), _>("no"));
        assert_eq!(found.notes.last(), Some(&Note::KeepsOldVersion(Obstacle::NothingUsable)));
        assert_eq!(store.commit(&payload(9), Code::None), Ok(newest + 1));
        let mut store = Store::open(store.into_device()).expect("version 1 is known");
        assert_eq!((store.load().generation, store.version()), (newest + 1, 1));
        // Now something is in use.
        assert_eq!(store.commit(&payload(newest + 2), Code::None), Ok(newest + 2));
        assert_eq!((store.version(), store.load().payload), (2, Some(payload(newest + 2))));
    }
}

#[test]
fn store_of_version_1_on_a_disk_that_was_cut_short_keeps_its_version() {
    let mut disk = version_1(SECTORS_WITH_CODE, &[(1, payload(1))]);
    disk.medium.truncate(120 * SECTOR_BYTES);
    let mut store = Store::open(disk).expect("version 1 is known");
    let formatted = SECTORS_WITH_CODE;
    let notes = [Note::DiskCutShort { sectors: 120, formatted }, Note::KeepsOldVersion(Obstacle::DiskCutShort)];
    assert_eq!(store.load().notes, notes);
    assert_eq!(store.commit(&payload(2), Code::None), Ok(2));
    assert_eq!((store.version(), store.load().payload), (1, Some(payload(2))));
}

#[test]
fn failing_request_while_taking_over_costs_nothing_and_the_next_commit_finishes_it() {
    for (disk, generation) in stores_of_version_1() {
        for failure in (0..40).flat_map(|request| [Failure::Once(request), Failure::Refused(request)]) {
            let mut store = Store::open(disk.clone()).expect("version 1 is known");
            store.load();
            *store.device.disk() = store.device.disk().with(failure);
            let new = payload(generation + 1);
            let failed = store.commit(&new, Code::None).is_err();
            store.device.disk().failure = Failure::Never;
            // Whatever of it had not reached the medium, or had.
            for cut in store.device.disk().after_every_power_cut() {
                let found = recovered(&cut).generation;
                assert!(found == generation && failed || found == generation + 1, "{failure:?}: {found}");
            }
            let next = store.commit(&payload(generation + 1), Code::None).expect("the disk works again");
            assert!(next == generation + 2 || failed && next == generation + 1);
            let mut later = Store::open(store.into_device()).expect("version 2");
            assert_eq!((later.load().generation, later.version(), later.load().payload), (next, 2, Some(new)));
        }
    }
}

#[test]
fn remains_of_a_payload_where_a_header_is_going_to_be_are_no_header() {
    for (mut disk, generation) in stores_of_version_1() {
        let [before, after] = [layout::Superblock::of_version_1, layout::Superblock::for_disk]
            .map(|layout| layout(disk.sectors(), ID).expect("the disk is large enough").header_sector(1));
        if before == after {
            continue;
        }
        let header = SlotHeader { store: ID, generation: 99, payload_bytes: 0, payload_crc: 0, code: None };
        disk.medium[after as usize * SECTOR_BYTES..][..SECTOR_BYTES].copy_from_slice(header.encode().bytes());
        // No commit follows: what there is must be taken as it is.
        let mut store = Store::open(disk).expect("version 1 is known");
        store.load();
        store.take_over().expect("the disk works");
        assert_eq!((store.version(), store.load().generation, store.load().notes), (2, generation, vec![]));
    }
}

#[test]
fn payload_that_changed_on_the_medium_since_it_was_loaded_is_not_taken_over() {
    let mut store = Store::open(version_1(2048, &[(1, payload(1)), (2, payload(2))])).expect("version 1 is known");
    store.load();
    let sector = store.superblock.payload_sector(1);
    store.device.disk().medium[sector as usize * SECTOR_BYTES] ^= 1;
    assert_eq!(store.commit(&payload(3), Code::None), Err(StoreError::NotWritten { sector }));
    let mut later = Store::open(store.into_device()).expect("version 1 is known");
    assert_eq!((later.load().generation, later.version()), (1, 1));
}
