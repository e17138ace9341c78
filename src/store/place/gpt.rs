//! The partition table of a disk (UEFI Specification 2.10, chapter 5), read and never written.
//!
//! Key types: [`Table`], [`Partition`], [`TableError`]. The crate `gpt_disk_types` has the structures; everything that a table may
//! lie about is checked here. Whatever a disk holds, at most [`MOST_ARRAY_BYTES`] are read of it.

use super::super::sector::Sector;
use super::super::transfer::zeroed_sectors;
use crate::store::{BlockDevice, BlockError, SECTOR_BYTES, StoreError};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use gpt_disk_types::{GptHeader, GptHeaderRevision, GptPartitionEntry, GptPartitionType, Guid};

/// Size of the largest array of entries that is read: 16 times what tools make.
const MOST_ARRAY_BYTES: u64 = 256 * 1024;
/// Most entries in it.
const MOST_ENTRIES: u32 = 1024;

const HEADER_BYTES: usize = size_of::<GptHeader>();
const ENTRY_BYTES: usize = size_of::<GptPartitionEntry>();

/// Type of an MBR's entry that says: this disk has a GPT.
const PROTECTIVE: u8 = 0xee;

/// A table whose checksums are right and whose partitions lie where partitions may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Bytes of the blocks that it counts in.
    pub block_bytes: usize,
    /// Whether this is the copy at the end of the disk, for the table at its beginning is damaged.
    pub is_backup: bool,
    pub partitions: Vec<Partition>,
}

/// A partition as its table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As tools count: from 1.
    pub number: u32,
    pub kind: Guid,
    /// What tells it from all other partitions.
    pub guid: Guid,
    pub first_sector: u64,
    pub sectors: u64,
}

impl Partition {
    fn range(&self) -> Range<u64> {
        self.first_sector..self.first_sector + self.sectors
    }
}

impl Table {
    /// Whether sectors of `partition` are another one's, too.
    pub fn overlaps(&self, partition: &Partition) -> bool {
        let (range, others) = (partition.range(), self.partitions.iter());
        let mut others = others.filter(|other| other.number != partition.number).map(Partition::range);
        others.any(|other| other.start < range.end && range.start < other.end)
    }
}

/// Why a disk's partition table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableError {
    /// The protective MBR promises a table, and there is none.
    Missing,
    Unreadable(BlockError),
    OutOfMemory,
    /// A header that is there is not right.
    Header(HeaderFault),
    /// Its array of entries has another checksum than the header says.
    ArrayDamaged,
    /// This partition lies outside of what the table calls usable.
    Outside {
        number: u32,
    },
}

/// What is wrong with the header of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    Damaged,
    UnknownRevision,
    /// The table says that it belongs elsewhere on the disk, or that the disk is larger.
    Misplaced,
    /// More or larger entries than any tool makes, or at a place where they cannot be.
    Absurd,
}

impl From<BlockError> for TableError {
    fn from(error: BlockError) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("its MBR promises a partition table (GPT), and there is none"),
            Self::Unreadable(error) => write!(f, "its partition table cannot be read: {error}"),
            Self::OutOfMemory => f.write_str("there is no memory for its partition table"),
            Self::Header(HeaderFault::Damaged) => f.write_str("both copies of its partition table are damaged"),
            Self::Header(HeaderFault::UnknownRevision) => f.write_str("its partition table is of an unknown revision"),
            Self::Header(HeaderFault::Misplaced) => f.write_str("its partition table is that of a larger disk"),
            Self::Header(HeaderFault::Absurd) => f.write_str("its partition table has an absurd size or place"),
            Self::ArrayDamaged => f.write_str("the entries of its partition table are damaged"),
            Self::Outside { number } => write!(f, "partition {number} of its partition table is not on the disk"),
        }
    }
}

/// The table of `disk`, or nothing if there is no protective MBR: without one, what looks like a table is a remainder. It counts
/// in the disk's own blocks, unless it was written where those had another size.
pub fn read(disk: &mut (impl BlockDevice + ?Sized)) -> Result<Option<Table>, TableError> {
    if disk.sectors() == 0 || !is_protective(&Sector::read(disk, 0)?) {
        return Ok(None);
    }
    let own = disk.block_bytes();
    for block_bytes in [own, 512, 4096].into_iter().enumerate().filter(|(at, block)| *at == 0 || *block != own) {
        if let Some(table) = read_counted_in(disk, block_bytes.1)? {
            return Ok(Some(table));
        }
    }
    Err(TableError::Missing)
}

/// Whether `sector`, the first of a disk, says that there is a GPT.
fn is_protective(sector: &Sector) -> bool {
    has_boot_signature(sector) && mbr_types(sector).contains(&PROTECTIVE)
}

pub fn has_boot_signature(sector: &Sector) -> bool {
    sector.field(510) == [0x55, 0xaa]
}

/// The types of the four entries of an MBR; 0 where there is none.
pub fn mbr_types(sector: &Sector) -> [u8; 4] {
    core::array::from_fn(|entry| sector.bytes()[446 + 16 * entry + 4])
}

/// How a table's header begins.
pub const SIGNATURE: [u8; 8] = *b"EFI PART";

/// Whether `sector` begins like a table's header, right or wrong.
pub fn is_header(sector: &Sector) -> bool {
    sector.field(0) == SIGNATURE
}

/// The table at the beginning, or the one at the end; nothing, if neither place has any that counts in blocks of this size.
fn read_counted_in(disk: &mut (impl BlockDevice + ?Sized), block_bytes: usize) -> Result<Option<Table>, TableError> {
    let Some(last) = last_block(disk, block_bytes) else { return Ok(None) };
    let primary = read_at(disk, block_bytes, 1);
    if let Ok(Some(table)) = primary {
        return Ok(Some(table));
    }
    match read_at(disk, block_bytes, last) {
        Ok(Some(table)) => Ok(Some(table)),
        // What is said is what is wrong with the first one.
        backup => primary.and_then(|primary| backup.map(|backup| primary.or(backup))),
    }
}

/// Number of the last block, if the disk has room for a table and blocks can have that size.
fn last_block(disk: &(impl BlockDevice + ?Sized), block_bytes: usize) -> Option<u64> {
    let fits = block_bytes.is_multiple_of(SECTOR_BYTES) && (SECTOR_BYTES..=64 * 1024).contains(&block_bytes);
    let block_sectors = (block_bytes / SECTOR_BYTES) as u64;
    (fits && disk.sectors() / block_sectors > 3).then(|| disk.sectors() / block_sectors - 1)
}

/// Whether a whole header stands in the last block, counted in blocks of either size. One that cannot be read is none: nobody can
/// use it.
pub fn has_backup(disk: &mut (impl BlockDevice + ?Sized)) -> bool {
    [512, 4096].into_iter().any(|block_bytes| {
        let Some(last) = last_block(disk, block_bytes) else { return false };
        let sector = Sector::read(disk, last * (block_bytes / SECTOR_BYTES) as u64);
        sector.is_ok_and(|sector| is_header(&sector) && header(&sector, last).is_ok())
    })
}

/// The table whose header stands in block `at`, if one begins there.
fn read_at(disk: &mut (impl BlockDevice + ?Sized), block_bytes: usize, at: u64) -> Result<Option<Table>, TableError> {
    let block_sectors = (block_bytes / SECTOR_BYTES) as u64;
    let sector = Sector::read(disk, at * block_sectors)?;
    if !is_header(&sector) {
        return Ok(None);
    }
    let header = header(&sector, at).map_err(TableError::Header)?;
    let blocks = disk.sectors() / block_sectors;
    let usable = header.first_usable_lba.to_u64()..=header.last_usable_lba.to_u64();
    if *usable.start() < 2 || usable.is_empty() || *usable.end() >= blocks {
        return Err(TableError::Header(HeaderFault::Misplaced));
    }
    let (entries, entry_bytes) = (header.number_of_partition_entries.to_u32(), header.size_of_partition_entry.to_u32());
    let array_bytes = u64::from(entries) * u64::from(entry_bytes);
    let is_size = entry_bytes.is_power_of_two() && entry_bytes as usize >= ENTRY_BYTES;
    if !is_size || entries > MOST_ENTRIES || !(1..=MOST_ARRAY_BYTES).contains(&array_bytes) {
        return Err(TableError::Header(HeaderFault::Absurd));
    }
    let array = header.partition_entry_lba.to_u64();
    let end = array.checked_add(array_bytes.div_ceil(block_bytes as u64));
    let is_beside = |end: u64| array >= 2 && end <= *usable.start() || array > *usable.end() && end <= blocks;
    if !end.is_some_and(is_beside) {
        return Err(TableError::Header(HeaderFault::Absurd));
    }
    let mut bytes = zeroed_sectors(array_bytes).map_err(|_: StoreError| TableError::OutOfMemory)?;
    disk.read(array * block_sectors, &mut bytes)?;
    bytes.truncate(array_bytes as usize);
    if crc32fast::hash(&bytes) != header.partition_entry_array_crc32.0.to_u32() {
        return Err(TableError::ArrayDamaged);
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(bytes.chunks_exact(entry_bytes as usize)) {
        let entry: GptPartitionEntry = bytemuck::pod_read_unaligned(&entry[..ENTRY_BYTES]);
        let kind = entry.partition_type_guid;
        if kind == GptPartitionType::UNUSED {
            continue;
        }
        let (first, last) = (entry.starting_lba.to_u64(), entry.ending_lba.to_u64());
        if first > last || !usable.contains(&first) || !usable.contains(&last) {
            return Err(TableError::Outside { number });
        }
        partitions.try_reserve(1).map_err(|_| TableError::OutOfMemory)?;
        partitions.push(Partition {
            number,
            kind: kind.0,
            guid: entry.unique_partition_guid,
            first_sector: first * block_sectors,
            sectors: (last - first + 1) * block_sectors,
        });
    }
    Ok(Some(Table { block_bytes, is_backup: at != 1, partitions }))
}

/// The header in `sector`, if it is whole and says that it stands in block `at`.
fn header(sector: &Sector, at: u64) -> Result<GptHeader, HeaderFault> {
    let header: GptHeader = bytemuck::pod_read_unaligned(&sector.bytes()[..HEADER_BYTES]);
    let size = header.header_size.to_u32() as usize;
    if !(HEADER_BYTES..=SECTOR_BYTES).contains(&size) {
        return Err(HeaderFault::Damaged);
    }
    // Its own field counts as zeros.
    let without = sector.with(16, &[0; 4]);
    if crc32fast::hash(&without.bytes()[..size]) != header.header_crc32.0.to_u32() {
        return Err(HeaderFault::Damaged);
    }
    if header.revision != GptHeaderRevision::VERSION_1_0 {
        return Err(HeaderFault::UnknownRevision);
    }
    if header.my_lba.to_u64() != at {
        return Err(HeaderFault::Misplaced);
    }
    Ok(header)
}
