//! Stores in partitions: found where the table and the superblock agree, and nothing beside them is written.

use super::*;
use crate::store::fake::Failure;
use proptest::prelude::*;
use std::string::ToString;

fn open(disk: &mut Blocks) -> Store<&mut Blocks> {
    let found = survey(disk);
    assert_eq!((found.stores.len(), &found.problems[..]), (1, &[][..]));
    Store::open_in(Region::new(disk, found.stores[0].place)).expect("it was found")
}

#[test]
fn store_in_a_partition_is_found_and_used_whatever_the_size_of_blocks() {
    for block_bytes in [512, 4096] {
        let mut disk = disk_with_store(block_bytes);
        for generation in 2..6 {
            let mut store = open(&mut disk);
            assert_eq!(store.load().payload.as_deref(), Some(&b"payload"[..]));
            assert_eq!(store.load_code(u64::MAX), Ok(Some(b"code".to_vec())));
            assert_eq!(store.commit(b"payload", Code::New(b"code")), Ok(generation));
        }
    }
}

#[test]
fn table_that_counts_in_blocks_of_another_disk_is_understood() {
    for (written, read) in [(512, 4096), (4096, 512)] {
        let Blocks(disk, _) = disk_with_store(written);
        assert_eq!(survey(&mut Blocks(disk, read)).stores.len(), 1);
    }
}

#[test]
fn damaged_table_gives_way_to_its_copy_and_two_damaged_ones_to_nothing() {
    for block_bytes in [512, 4096] {
        let whole = disk_with_store(block_bytes);
        let array_blocks = Written::new(SECTORS, block_bytes, &[]).array_blocks() as usize;
        let end = whole.0.medium.len();
        // A header, an entry in use, an entry that is not.
        let of_first = [block_bytes + 30, 2 * block_bytes + 128 + 9, 2 * block_bytes + 5000];
        let of_last = [end - block_bytes + 30, end - (1 + array_blocks) * block_bytes + 9];
        for first in of_first {
            let mut disk = whole.clone();
            disk.0.medium[first] ^= 1;
            assert!(table(&mut disk).expect("the copy is whole").expect("it is there").is_backup);
            open(&mut disk);
            for last in of_last {
                let mut disk = disk.clone();
                disk.0.medium[last] ^= 1;
                let found = survey(&mut disk);
                assert_eq!(found.stores, []);
                assert!(matches!(found.problems[..], [Problem::Table(_)]), "{found:?}");
            }
        }
        for last in of_last {
            let mut disk = whole.clone();
            disk.0.medium[last] ^= 1;
            open(&mut disk);
        }
    }
}

#[test]
fn table_without_a_protective_mbr_is_a_remainder() {
    for change in [|mbr: &mut [u8]| mbr[450] = 0x83, |mbr: &mut [u8]| mbr[510] = 0, |mbr: &mut [u8]| mbr[450] = 0] {
        let mut disk = disk_with_store(512);
        change(&mut disk.0.medium[..512]);
        assert_eq!(survey(&mut disk).stores, []);
    }
}

/// The disk of [`disk_with_store`] with its table written anew after `change`.
fn changed(change: impl Fn(&mut Written)) -> Blocks {
    let mut disk = disk_with_store(512);
    let mut table = three_partitions(512);
    change(&mut table);
    table.write(&mut disk.0.medium);
    disk
}

/// What is changed of a table before it is written.
type Change = fn(&mut Written);

#[test]
fn partition_that_is_not_what_its_superblock_says_is_said_and_not_used() {
    // Moved, longer, shorter, another GUID; not aligned; overlapping.
    let changes: [(Change, &str); 8] = [
        (|table| table.entries[1].starting_lba = LbaLe::from_u64(104), "is meant for one and holds none"),
        (
            |table| table.entries[1].ending_lba = LbaLe::from_u64(263),
            "formatted as the 176 sectors of partition 02020202-",
        ),
        (
            |table| {
                table.entries[1].ending_lba = LbaLe::from_u64(287);
                table.entries[2] = GptPartitionEntry::default();
            },
            "from sector 96 on, and is not used here",
        ),
        (|table| table.entries[1].unique_partition_guid = guid_of(9), "formatted as the 176 sectors of partition"),
        (|table| table.entries[1].unique_partition_guid = Guid::ZERO, "has no GUID of its own"),
        (|table| table.entries[1].ending_lba = LbaLe::from_u64(270), "does not begin and end at a multiple of 4 KiB"),
        (|table| table.entries[0].ending_lba = LbaLe::from_u64(96), "shares sectors with another partition"),
        (|table| table.entries[2].starting_lba = LbaLe::from_u64(271), "shares sectors with another partition"),
    ];
    for (change, said) in changes {
        let mut disk = changed(change);
        let found = survey(&mut disk);
        assert_eq!(found.stores, [], "{said}");
        assert!(found.problems.len() == 1 && found.problems[0].to_string().contains(said), "{said}: {found:?}");
    }
    assert_eq!(survey(&mut changed(|table| table.entries[1].partition_type_guid.0 = LINUX)).problems, []);
}

#[test]
fn copy_of_a_partition_is_no_whole_disk_and_the_other_way_round() {
    let Blocks(disk, _) = disk_with_store(512);
    let mut copy = FakeDisk::of(disk.medium[OURS.start as usize * 512..OURS.end as usize * 512].to_vec());
    let found = survey(&mut copy);
    assert_eq!(found.stores, []);
    assert!(matches!(found.problems[..], [Problem::Disk(StoreError::Elsewhere { .. })]), "{found:?}");
    assert!(matches!(Store::open(copy), Err(StoreError::Elsewhere { .. })));
    let mut disk = disk_with_store(512);
    let whole = Store::format(FakeDisk::new(176), ID).expect("large enough").into_device();
    put(&mut disk.0.medium, OURS.start * 512, &whole.medium);
    let found = survey(&mut disk);
    assert_eq!(found.stores, []);
    assert!(found.problems[0].to_string().contains("a whole disk of 176 sectors"), "{found:?}");
}

/// What a boot may do with a store.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    Load,
    LoadCode,
    Commit(usize, Option<usize>),
    End,
    Format,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop_oneof![3 => 0..3000usize, 1 => 0..400_000usize];
    prop_oneof![
        Just(Step::Begin),
        Just(Step::Load),
        Just(Step::LoadCode),
        (bytes(), proptest::option::of(bytes())).prop_map(|(payload, code)| Step::Commit(payload, code)),
        Just(Step::End),
        Just(Step::Format),
    ]
}

fn take(step: &Step, store: &mut Store<FakeDisk>) {
    match *step {
        Step::Begin => drop(store.begin_attempt()),
        Step::Load => drop(store.load()),
        Step::LoadCode => drop(store.load_code(u64::MAX)),
        Step::Commit(payload, code) => {
            let code = code.map(|bytes| vec![3; bytes]);
            drop(store.commit(&vec![7; payload], code.as_deref().map_or(Code::Same, Code::New)));
        }
        Step::End => drop(store.end_attempt()),
        Step::Format => drop(Store::format_in(store.device.lent(), || ID)),
    }
}

proptest! {
    #[test]
    fn nothing_outside_of_its_region_is_written_or_read(
        steps in proptest::collection::vec(step(), 1..12),
        whole in any::<bool>(),
        failure in prop_oneof![3 => Just(Failure::Never), 1 => (0..40usize).prop_map(Failure::Refused)],
    ) {
        // 5a where others live; a store on a disk that grew since it was formatted, or in a partition.
        let (first, sectors) = if whole { (0, 400) } else { (64, 400) };
        let mut medium = vec![0x5a; SECTORS as usize * SECTOR_BYTES];
        medium[first * SECTOR_BYTES..(first + sectors) * SECTOR_BYTES].fill(0);
        let place = if whole { Place::WholeDisk } else {
            Place::Partition(Partition {
                number: 1, kind: PARTITION_TYPE, guid: guid_of(1), first_sector: first as u64, sectors: sectors as u64,
            })
        };
        let superblock = Superblock::for_disk(sectors as u64, ID).expect("large enough").at(place.home());
        put(&mut medium, (first * SECTOR_BYTES) as u64, superblock.encode().bytes());
        let disk = FakeDisk::of(medium).with(failure);
        let mut store = match Store::open_in(Region::new(disk, place)) {
            Ok(store) => store,
            Err(_) => return Ok(()),
        };
        for step in &steps {
            if !(whole && matches!(step, Step::Format)) {
                take(step, &mut store);
            }
        }
        let disk = store.into_device().after_power_cut(|_| true);
        let outside = disk.medium.chunks_exact(SECTOR_BYTES).enumerate().filter(|(at, _)| !(first..first + sectors).contains(at));
        prop_assert!(outside.map(|(_, sector)| sector).all(|sector| sector.iter().all(|byte| *byte == 0x5a)));
    }

    #[test]
    fn requests_that_leave_a_region_are_refused_before_the_disk_sees_them(
        start in prop_oneof![0..600u64, Just(u64::MAX - 3)],
        length in prop_oneof![0..600u64, Just(u64::MAX)],
        first in prop_oneof![0..600u64, any::<u64>()],
        len in 1..20usize,
    ) {
        let partition = Partition { number: 1, kind: PARTITION_TYPE, guid: guid_of(1), first_sector: start, sectors: length };
        let mut region = Region::new(FakeDisk::new(SECTORS), Place::Partition(partition));
        let inside = first.checked_add(len as u64).is_some_and(|end| end <= length);
        let on_disk = start.checked_add(first).and_then(|sector| sector.checked_add(len as u64)).is_some_and(|end| end <= SECTORS);
        let mut buffer = vec![0; len * SECTOR_BYTES];
        prop_assert_eq!(region.read(first, &mut buffer).is_ok(), inside && on_disk);
        prop_assert_eq!(region.write(first, &buffer).is_ok(), inside && on_disk);
        for request in &region.disk().log {
            if let Request::Read { first: at, sectors } | Request::Write { first: at, sectors } = *request {
                prop_assert!(at >= start && at.saturating_add(sectors) <= start.saturating_add(length));
            }
        }
        prop_assert!(region.read(0, &mut buffer[..100]).is_err() && region.write(0, &buffer[..100]).is_err());
        prop_assert!(region.sectors() <= SECTORS);
    }
}
