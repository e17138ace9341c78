//! Images with a partition table, as `sgdisk` would make them.

use gpt_disk_types::{Crc32, GptHeader, GptPartitionEntry, GptPartitionType, Guid, LbaLe, U32Le};
use std::fs;
use std::ops::Range;
use std::path::Path;

const SECTOR_BYTES: usize = 512;
const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 128;
/// Blocks of 512 bytes that the entries take.
const ARRAY_BLOCKS: u64 = (ENTRIES * ENTRY_BYTES / SECTOR_BYTES) as u64;

/// The type of Linux file systems.
pub const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";

/// Makes an image of `mib` MiB that has these partitions: types, and sectors of 512 bytes.
pub fn partitioned(path: &Path, mib: usize, partitions: &[(&str, Range<u64>)]) {
    let mut image = vec![0; mib << 20];
    let last = (image.len() / SECTOR_BYTES) as u64 - 1;
    let mut entries = vec![GptPartitionEntry::default(); ENTRIES];
    for (number, (entry, (kind, sectors))) in (1..).zip(entries.iter_mut().zip(partitions)) {
        entry.partition_type_guid = GptPartitionType(kind.parse().unwrap());
        entry.unique_partition_guid = Guid::from_bytes([number; 16]);
        entry.starting_lba = LbaLe::from_u64(sectors.start);
        entry.ending_lba = LbaLe::from_u64(sectors.end - 1);
    }
    let array: Vec<u8> = entries.iter().flat_map(|entry| bytemuck::bytes_of(entry).to_vec()).collect();
    // The protective MBR: one entry of type EE.
    image[450] = 0xee;
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (mine, other, at) in [(1, last, 2), (last, 1, last - ARRAY_BLOCKS)] {
        let mut header = GptHeader {
            my_lba: LbaLe::from_u64(mine),
            alternate_lba: LbaLe::from_u64(other),
            first_usable_lba: LbaLe::from_u64(2 + ARRAY_BLOCKS),
            last_usable_lba: LbaLe::from_u64(last - ARRAY_BLOCKS - 1),
            disk_guid: Guid::from_bytes([0xd1; 16]),
            partition_entry_lba: LbaLe::from_u64(at),
            number_of_partition_entries: U32Le::from_u32(ENTRIES as u32),
            partition_entry_array_crc32: Crc32(U32Le::from_u32(crc32fast::hash(&array))),
            ..GptHeader::default()
        };
        header.update_header_crc32();
        for (block, bytes) in [(mine, bytemuck::bytes_of(&header)), (at, &array)] {
            image[block as usize * SECTOR_BYTES..][..bytes.len()].copy_from_slice(bytes);
        }
    }
    fs::write(path, image).unwrap();
}

/// Panics unless all but `sectors` is as it was in `before`.
#[track_caller]
pub fn assert_same_outside(path: &Path, before: &[u8], sectors: Range<u64>) {
    let after = fs::read(path).unwrap();
    let [start, end] = [sectors.start, sectors.end].map(|sector| sector as usize * SECTOR_BYTES);
    assert!(after.len() == before.len() && after[..start] == before[..start], "what is before the store has changed");
    assert!(after[end..] == before[end..], "what is behind the store has changed");
}
