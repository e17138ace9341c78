//! Disks that libFuzzer makes of sound ones: whatever they hold, nothing outside of a store is written, and what a store
//! saves is read again. `./just fuzz-disks` runs it.
//!
//! An input is a byte that chooses the disk, and then pieces: where they are put, how many bytes, and the bytes. After that
//! all checksums are made right, or libFuzzer would never get past them.

#![no_main]

extern crate alloc;

#[allow(dead_code)]
#[path = "../src/store/mod.rs"]
mod store;

use gpt_disk_types::{GptHeader, GptPartitionEntry, GptPartitionType, Guid, LbaLe, U32Le};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use store::place::{Found, PARTITION_TYPE, Place, Region, content, place_in, survey, table};
use store::{BlockDevice, BlockError, Code, SECTOR_BYTES, Store};

/// Sectors of the disks, and of the partition in those that have one.
const SECTORS: usize = 256;
const PARTITION: std::ops::Range<usize> = 48..224;

/// A disk in memory.
#[derive(Clone)]
struct Disk {
    bytes: Vec<u8>,
    block_bytes: usize,
    was_written: bool,
}

impl Disk {
    fn range(&self, operation: &'static str, sector: u64, len: usize) -> Result<std::ops::Range<usize>, BlockError> {
        let start = usize::try_from(sector).ok().and_then(|sector| sector.checked_mul(SECTOR_BYTES));
        let range = start.and_then(|start| Some(start..start.checked_add(len)?));
        let range = range.filter(|range| range.end <= self.bytes.len());
        range.ok_or_else(|| BlockError { operation, sector, reason: "past the end".into() })
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        (self.bytes.len() / SECTOR_BYTES) as u64
    }

    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let range = self.range("read", first, buffer.len())?;
        buffer.copy_from_slice(&self.bytes[range]);
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let range = self.range("write", first, bytes.len())?;
        self.bytes[range].copy_from_slice(bytes);
        self.was_written = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// A whole disk with a store, or one with a partition table that counts in blocks of so many bytes.
fn sound(table_block: Option<usize>) -> Disk {
    let mut disk = Disk { bytes: vec![0; SECTORS * SECTOR_BYTES], block_bytes: SECTOR_BYTES, was_written: false };
    let mut place = Place::WholeDisk;
    if let Some(block) = table_block {
        write_table(&mut disk.bytes, block);
        disk.bytes[450] = 0xee;
        disk.bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        seal_table(&mut disk.bytes, block);
        let table = table(&mut disk).expect("it is sound").expect("it is there");
        place = place_in(&table, table.partitions[0]).expect("it is a place");
    }
    let mut store = Store::format_in(Region::new(disk, place), || [9; 16]).expect("it is large enough");
    for number in [b"one", b"two"] {
        store.commit(number, Code::New(number)).expect("it fits");
    }
    Disk { was_written: false, ..store.into_device() }
}

fn write_table(bytes: &mut [u8], block: usize) {
    let lba = |sector: usize| LbaLe::from_u64((sector * SECTOR_BYTES / block) as u64);
    let entry = GptPartitionEntry {
        partition_type_guid: GptPartitionType(PARTITION_TYPE),
        unique_partition_guid: Guid::from_bytes([7; 16]),
        starting_lba: lba(PARTITION.start),
        ending_lba: LbaLe::from_u64((PARTITION.end * SECTOR_BYTES / block) as u64 - 1),
        ..GptPartitionEntry::default()
    };
    let header = GptHeader {
        my_lba: LbaLe::from_u64(1),
        first_usable_lba: LbaLe::from_u64(6),
        last_usable_lba: entry.ending_lba,
        partition_entry_lba: LbaLe::from_u64(2),
        number_of_partition_entries: U32Le::from_u32(4),
        ..GptHeader::default()
    };
    for (at, part) in [(block, bytemuck::bytes_of(&header)), (2 * block, bytemuck::bytes_of(&entry))] {
        bytes[at..at + part.len()].copy_from_slice(part);
    }
}

/// Makes the checksums of the table right, as far as its fields say where they are.
fn seal_table(bytes: &mut [u8], block: usize) {
    let number =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[block + at..block + at + 4].try_into().expect("4 bytes"));
    let array = u64::from(number(bytes, 80)) * u64::from(number(bytes, 84));
    let start = u64::from(number(bytes, 72)) * block as u64;
    if start.saturating_add(array) <= bytes.len() as u64 {
        let crc = crc32fast::hash(&bytes[start as usize..(start + array) as usize]);
        bytes[block + 88..block + 92].copy_from_slice(&crc.to_le_bytes());
    }
    let size = number(bytes, 12) as usize;
    if (92..=SECTOR_BYTES).contains(&size) {
        bytes[block + 16..block + 20].fill(0);
        let crc = crc32fast::hash(&bytes[block..block + size]);
        bytes[block + 16..block + 20].copy_from_slice(&crc.to_le_bytes());
    }
}

/// The disk that `input` describes.
fn disk(input: &[u8]) -> Option<Disk> {
    static SOUND: [OnceLock<Disk>; 3] = [const { OnceLock::new() }; 3];
    let (&kind, mut rest) = input.split_first()?;
    let table_block = [None, Some(512), Some(4096)][usize::from(kind % 3)];
    let mut disk = SOUND[usize::from(kind % 3)].get_or_init(|| sound(table_block)).clone();
    disk.block_bytes = if kind & 64 == 0 { 512 } else { 4096 };
    let first = table_block.map_or(0, |_| PARTITION.start);
    // Superblock, attempts, headers; payloads and code.
    let sealed = [first, first + 8, first + 16, first + 80];
    let block = table_block.unwrap_or(SECTOR_BYTES);
    let places =
        [first, first + 8, first + 16, first + 80, first + 24, first + 144, 0, block / 512, 2 * block / 512, 255];
    while let [place, low, high, len, after @ ..] = rest {
        let at = places[usize::from(*place) % places.len()] * SECTOR_BYTES;
        let at = at + usize::from(u16::from_le_bytes([*low, *high])) % SECTOR_BYTES;
        let len = (usize::from(*len) % 16 + 1).min(after.len()).min(disk.bytes.len() - at);
        disk.bytes[at..at + len].copy_from_slice(&after[..len]);
        rest = &after[len..];
    }
    if kind & 128 == 0 {
        for sector in sealed.map(|sector| sector * SECTOR_BYTES) {
            let crc = crc32fast::hash(&disk.bytes[sector..sector + 508]);
            disk.bytes[sector + 508..sector + 512].copy_from_slice(&crc.to_le_bytes());
        }
        if let Some(block) = table_block {
            seal_table(&mut disk.bytes, block);
        }
    }
    Some(disk)
}

fuzz_target!(|input: &[u8]| {
    let Some(mut disk) = disk(input) else { return };
    let found = survey(&mut disk);
    // Looking at all of the disk takes most of the time.
    assert!(input[0] & 48 != 48 || content(&mut disk).is_ok());
    assert!(!disk.was_written);
    assert!(found.problems.iter().all(|problem| !problem.to_string().is_empty()));
    for Found { place, .. } in found.stores {
        let (first, end) = match place {
            Place::WholeDisk => (0, SECTORS),
            Place::Partition(partition) => {
                (partition.first_sector as usize, (partition.first_sector + partition.sectors) as usize)
            }
        };
        let mut store = Store::open_in(Region::new(disk.clone(), place)).expect("it was found");
        let _ = (store.begin_attempt(), store.load().to_string(), store.load_code(u64::MAX));
        let saved = store.commit(b"three", Code::New(b"code of three")).is_ok();
        let after = store.into_device();
        let same = |range: std::ops::Range<usize>| after.bytes[range.clone()] == disk.bytes[range];
        assert!(same(0..first * SECTOR_BYTES) && same(end * SECTOR_BYTES..disk.bytes.len()));
        if saved {
            let mut store = Store::open_in(Region::new(after, place)).expect("it was one");
            assert_eq!(store.load().payload.as_deref(), Some(&b"three"[..]));
            assert_eq!(store.load_code(u64::MAX), Ok(Some(b"code of three".to_vec())));
        }
    }
});
