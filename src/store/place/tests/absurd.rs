//! Tables and superblocks with right checksums that no tool wrote. `./just fuzz-parsers` reads many more of them.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::OnceLock;

/// Numbers that a table or superblock may hold: small, near each other, extreme.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..520u64,
        2 => prop_oneof![Just(96u64), Just(176), Just(271), Just(272), Just(511), Just(478)],
        1 => prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63), Just(u64::from(u32::MAX))],
        1 => any::<u64>(),
    ]
}

/// What is written over a structure: at which offset, how many bytes of which number.
fn changes(bytes: usize, most: usize) -> impl Strategy<Value = Vec<(usize, usize, u64)>> {
    vec((0..bytes, prop_oneof![Just(1), Just(4), Just(8)], numbers()), 0..most)
}

fn change(structure: &mut [u8], changes: &[(usize, usize, u64)]) {
    for (at, width, number) in changes {
        let at = if *width == 1 { *at } else { at / width * width };
        let width = (*width).min(structure.len() - at);
        structure[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
    }
}

/// A disk with a table of which fields were changed and the checksums made right again, with a superblock in its second
/// partition of which the same is true.
fn disk_with(
    block_bytes: usize,
    own_block: usize,
    headers: &[Vec<(usize, usize, u64)>; 2],
    entries: &[(usize, usize, u64)],
    superblock: &[(usize, usize, u64)],
    sealed: bool,
) -> Blocks {
    static BASE: [OnceLock<Blocks>; 2] = [const { OnceLock::new() }; 2];
    let base = BASE[usize::from(block_bytes == 512)].get_or_init(|| disk_with_store(block_bytes));
    let (mut disk, table) = (base.clone(), three_partitions(block_bytes));
    let mut array = table.array();
    change(&mut array[..384], entries);
    for (backup, changes) in [false, true].into_iter().zip(headers) {
        let header = table.header(backup);
        let mut bytes = bytemuck::bytes_of(&header).to_vec();
        change(&mut bytes, changes);
        let mut header: GptHeader = bytemuck::pod_read_unaligned(&bytes);
        if sealed {
            header.partition_entry_array_crc32 = Crc32(U32Le::from_u32(crc32fast::hash(&array)));
            header.update_header_crc32();
        }
        let block_bytes = block_bytes as u64;
        let at = if backup { table.blocks - 1 } else { 1 };
        put(&mut disk.0.medium, at * block_bytes, bytemuck::bytes_of(&header));
        put(&mut disk.0.medium, header.partition_entry_lba.to_u64().wrapping_mul(block_bytes), &array);
    }
    let at = OURS.start as usize * SECTOR_BYTES;
    let mut sector = disk.0.medium[at..at + SECTOR_BYTES].to_vec();
    change(&mut sector, superblock);
    let sector = Sector::of(&sector).expect("a whole one");
    let sector = if sealed { sector.sealed() } else { sector };
    put(&mut disk.0.medium, at as u64, sector.bytes());
    disk.1 = own_block;
    disk
}

proptest! {
    #[test]
    fn absurd_partition_tables_are_refused_or_lead_to_stores_that_agree(
        block_bytes in prop_oneof![3 => Just(512usize), 1 => Just(4096)],
        own_block in prop_oneof![6 => Just(512usize), 3 => Just(4096), 1 => prop_oneof![Just(0usize), Just(520), Just(1 << 20)]],
        headers in [changes(92, 3), changes(92, 3)],
        entries in changes(384, 4),
        superblock in prop_oneof![2 => Just(Vec::new()), 1 => changes(80, 3)],
        sealed in prop_oneof![9 => Just(true), 1 => Just(false)],
    ) {
        let mut disk = disk_with(block_bytes, own_block, &headers, &entries, &superblock, sealed);
        let found = survey(&mut disk);
        prop_assert!(disk.0.log.iter().all(|request| matches!(request, Request::Read { .. })), "it was written to");
        let table = table(&mut disk);
        let before = &disk.0.medium;
        for Found { id, place } in found.stores {
            let Place::Partition(partition) = place else { panic!("sector 0 holds an MBR") };
            let (first, end) = (partition.first_sector, partition.first_sector + partition.sectors);
            prop_assert!(first >= 8 && end <= SECTORS && partition.kind == PARTITION_TYPE);
            prop_assert!(first % 8 == 0 && end % 8 == 0 && !partition.guid.is_zero());
            let Ok(Some(table)) = &table else { panic!("there is no table") };
            let others = table.partitions.iter().filter(|other| other.number != partition.number);
            let mut others = others.map(|other| (other.first_sector, other.first_sector + other.sectors));
            prop_assert!(others.all(|(other, other_end)| other_end <= first || end <= other));
            let mut store = Store::open_in(Region::new(disk.clone(), place)).expect("it was found");
            prop_assert_eq!(store.id(), id);
            let _ = (store.load(), store.load_code(u64::MAX), store.begin_attempt());
            let _ = store.commit(b"new", Code::New(b"newer"));
            let Blocks(after, _) = store.into_device();
            let kept = |range: core::ops::Range<usize>| after.medium[range.clone()] == before[range];
            prop_assert!(kept(0..first as usize * SECTOR_BYTES) && kept(end as usize * SECTOR_BYTES..before.len()));
        }
    }

    #[test]
    fn absurd_first_sectors_of_disks_are_refused_or_used(
        start in prop_oneof![Just(0usize), Just(1), Just(2)],
        sector in changes(512, 5),
        second in changes(512, 3),
        sealed in any::<bool>(),
        sectors in prop_oneof![0..60u64, Just(400)],
    ) {
        let mut disk = match start {
            0 => Store::format(FakeDisk::new(400), ID).expect("large enough").into_device(),
            1 => { let mut disk = FakeDisk::new(400); protect(&mut disk.medium); disk }
            _ => FakeDisk::new(400),
        };
        change(&mut disk.medium[..512], &sector);
        change(&mut disk.medium[512..1024], &second);
        if sealed {
            let sector = Sector::of(&disk.medium).expect("a whole one").sealed();
            disk.medium[..512].copy_from_slice(sector.bytes());
        }
        disk.medium.truncate(sectors as usize * SECTOR_BYTES);
        let found = survey(&mut disk);
        prop_assert!(found.problems.iter().all(|problem| !std::string::ToString::to_string(problem).is_empty()));
        prop_assert!(content(&mut disk).is_ok());
        for Found { place, .. } in found.stores {
            prop_assert_eq!(place, Place::WholeDisk);
            let mut store = Store::open(disk.clone()).expect("it was found");
            let _ = (store.load(), store.begin_attempt(), store.commit(b"new", Code::None));
        }
    }
}
