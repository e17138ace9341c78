//! Disks of other people, and those on which a store is ours.

mod absurd;
mod choosing;
mod foreign;
mod partitions;

use super::*;
use crate::store::fake::{FakeDisk, Request};
use crate::store::{Code, Store};
use alloc::vec;
use alloc::vec::Vec;
use gpt_disk_types::{Crc32, GptHeader, GptPartitionEntry, GptPartitionType, LbaLe, U32Le};

pub const ID: StoreId = *b"sixteen bytes id";

/// A disk with a fake's medium whose blocks have another size.
#[derive(Clone, Debug)]
pub struct Blocks(pub FakeDisk, pub usize);

impl BlockDevice for Blocks {
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn block_bytes(&self) -> usize {
        self.1
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.0.write(first, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.flush()
    }
}

/// Entries in the tables made here.
const ENTRIES: usize = 128;
const ENTRY_BYTES: usize = 128;

/// A partition to be made: type, first and last block.
#[derive(Clone, Copy, Debug)]
pub struct Made(pub Guid, pub u64, pub u64);

/// A partition table that tools would make, before it is on a disk.
#[derive(Clone, Debug)]
pub struct Written {
    pub block_bytes: usize,
    pub blocks: u64,
    pub entries: Vec<GptPartitionEntry>,
}

/// The GUID of the partition with this number.
pub fn guid_of(number: u8) -> Guid {
    Guid::from_bytes([number; 16])
}

impl Written {
    pub fn new(sectors: u64, block_bytes: usize, partitions: &[Made]) -> Self {
        let mut entries = vec![GptPartitionEntry::default(); ENTRIES];
        for (number, (entry, Made(kind, first, last))) in (1..).zip(entries.iter_mut().zip(partitions)) {
            entry.partition_type_guid = GptPartitionType(*kind);
            entry.unique_partition_guid = guid_of(number);
            entry.starting_lba = LbaLe::from_u64(*first);
            entry.ending_lba = LbaLe::from_u64(*last);
        }
        Self { block_bytes, blocks: sectors * SECTOR_BYTES as u64 / block_bytes as u64, entries }
    }

    /// Blocks of the array.
    pub fn array_blocks(&self) -> u64 {
        (ENTRIES * ENTRY_BYTES / self.block_bytes) as u64
    }

    pub fn header(&self, backup: bool) -> GptHeader {
        let (first, last) = (1, self.blocks - 1);
        let (mine, other) = if backup { (last, first) } else { (first, last) };
        let array = if backup { last - self.array_blocks() } else { 2 };
        let mut header = GptHeader {
            my_lba: LbaLe::from_u64(mine),
            alternate_lba: LbaLe::from_u64(other),
            first_usable_lba: LbaLe::from_u64(2 + self.array_blocks()),
            last_usable_lba: LbaLe::from_u64(last - self.array_blocks() - 1),
            disk_guid: guid_of(0xd1),
            partition_entry_lba: LbaLe::from_u64(array),
            number_of_partition_entries: U32Le::from_u32(ENTRIES as u32),
            partition_entry_array_crc32: Crc32(U32Le::from_u32(crc32fast::hash(&self.array()))),
            ..GptHeader::default()
        };
        header.update_header_crc32();
        header
    }

    pub fn array(&self) -> Vec<u8> {
        self.entries.iter().flat_map(|entry| bytemuck::bytes_of(entry).to_vec()).collect()
    }

    /// Writes the protective MBR and both copies.
    pub fn write(&self, medium: &mut [u8]) {
        protect(medium);
        for backup in [false, true] {
            self.write_copy(medium, &self.header(backup));
        }
    }

    /// Writes the array and a header where `header` says.
    pub fn write_copy(&self, medium: &mut [u8], header: &GptHeader) {
        put(medium, header.my_lba.to_u64() * self.block_bytes as u64, bytemuck::bytes_of(header));
        put(medium, header.partition_entry_lba.to_u64().wrapping_mul(self.block_bytes as u64), &self.array());
    }
}

/// Writes what is on the disk of `bytes` at byte `offset`.
pub fn put(medium: &mut [u8], offset: u64, bytes: &[u8]) {
    let place = usize::try_from(offset).ok().and_then(|at| medium.get_mut(at..)?.get_mut(..bytes.len()));
    if let Some(place) = place {
        place.copy_from_slice(bytes);
    }
}

/// Writes a protective MBR.
pub fn protect(medium: &mut [u8]) {
    medium[..512].fill(0);
    medium[450] = 0xee;
    medium[510..512].copy_from_slice(&[0x55, 0xaa]);
}

pub const LINUX: Guid = guid!("0fc63daf-8483-4772-8e79-3d69d8477de4");

/// Sectors of the disks made here.
pub const SECTORS: u64 = 512;
/// Those of the store's partition.
pub const OURS: core::ops::Range<u64> = 96..272;

/// A partition of another type, one of ours, and another one behind it.
pub fn three_partitions(block_bytes: usize) -> Written {
    let block = (block_bytes / SECTOR_BYTES) as u64;
    let kinds = [(LINUX, 64..96), (PARTITION_TYPE, OURS), (LINUX, 272..288)];
    let partitions = kinds.map(|(kind, sectors)| Made(kind, sectors.start / block, sectors.end / block - 1));
    Written::new(SECTORS, block_bytes, &partitions)
}

/// A disk with these three, and in the second a store that has a generation.
pub fn disk_with_store(block_bytes: usize) -> Blocks {
    let mut medium = vec![0; SECTORS as usize * SECTOR_BYTES];
    three_partitions(block_bytes).write(&mut medium);
    let mut disk = Blocks(FakeDisk::of(medium), block_bytes);
    let table = table(&mut disk).expect("it is sound").expect("it is there");
    let place = place_in(&table, table.partitions[1]).expect("a place for a store");
    let mut store = Store::format_in(Region::new(disk, place), || ID).expect("the partition is large enough");
    assert_eq!(store.commit(b"payload", Code::New(b"code")), Ok(1));
    let Blocks(disk, block_bytes) = store.into_device();
    Blocks(FakeDisk::of(disk.medium), block_bytes)
}
