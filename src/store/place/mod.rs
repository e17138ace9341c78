//! Whose disk is it: where on a disk a store may be, and where there is one.
//!
//! Key functions: [`survey`] for one disk, [`choose`] among the stores of several, [`content`] for what else a disk may hold. Nothing
//! here writes. `../FORMAT.md` has the rules.

mod choose;
mod content;
mod gpt;
mod region;
#[cfg(test)]
mod tests;

pub use choose::{Choice, Wanted, choose, identifier};
pub use content::{Content, content, wipe};
pub(super) use gpt::has_boot_signature as is_boot_sector;
pub use gpt::{Partition, Table, TableError, read as table};
pub use region::{Place, Region};

use super::layout::{SUPERBLOCK_SECTOR, Superblock};
use super::sector::Sector;
use super::{BlockDevice, BlockError, SECTOR_BYTES, StoreError, StoreId};
use alloc::vec::Vec;
use core::fmt;
use gpt_disk_types::{Guid, guid};

/// Type of the partitions that are stores.
pub const PARTITION_TYPE: Guid = guid!("5f11a294-75fa-4c6d-91b4-4c0c3b83073e");

/// Sectors in 4 KiB: partitions begin and end at multiples, so that what the store writes at different times stands in different
/// blocks of the disk, too.
const ALIGNMENT_SECTORS: u64 = 8;

/// A store that agrees with where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: StoreId,
    pub place: Place,
}

/// What a disk has of stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    pub stores: Vec<Found>,
    /// Why what might have been a store is none.
    pub problems: Vec<Problem>,
    pub outside: Outside,
}

/// What the first sectors of a disk say of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// The first sector is zeros.
    Blank,
    /// A store's superblock, right or wrong.
    Store,
    /// A partition table with so many partitions.
    Table {
        partitions: usize,
    },
    Mbr,
    /// Anything else, or nothing that can be read.
    Other,
}

/// Why a place is not that of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    Unreadable(BlockError),
    /// The whole disk seems to be a store.
    Disk(StoreError),
    /// Sector 0 is that of a store, and there is a partition table as well.
    StoreAndTable,
    Table(TableError),
    /// The partition of this number has our type.
    Partition {
        number: u32,
        reason: PartitionFault,
    },
}

/// Why a partition of our type is no store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionFault {
    Place(PlaceFault),
    Store(StoreError),
}

/// Why no store can be in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceFault {
    /// It has another type.
    OtherType(Guid),
    /// It does not begin and end at multiples of 4 KiB.
    NotAligned,
    /// It shares sectors with another partition.
    Overlaps,
    /// It has no GUID of its own.
    NoGuid,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("blank"),
            Self::Store => f.write_str("a damaged store"),
            Self::Table { partitions } => write!(f, "{partitions} partitions"),
            Self::Mbr => f.write_str("partitions of an MBR"),
            Self::Other => f.write_str("something else"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "store: {error}; check the disk or its file"),
            Self::Disk(error) => error.fmt(f),
            Self::StoreAndTable => f.write_str(
                "store: the disk has both a store from sector 0 on and a partition table; run `bareflow store format --force \
                 FILE` to have a new store there, or write the partition table anew",
            ),
            Self::Table(error) => write!(f, "store: {error}"),
            Self::Partition { number, reason } => match reason {
                PartitionFault::Place(fault) => write!(f, "store: partition {number} cannot hold one: {fault}"),
                PartitionFault::Store(StoreError::NotFormatted) => write!(
                    f,
                    "store: partition {number} is meant for one and holds none; run `bareflow store format --partition \
                     {number} FILE`"
                ),
                PartitionFault::Store(error) => write!(f, "partition {number}: {error}"),
            },
        }
    }
}

impl fmt::Display for PlaceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherType(kind) => write!(f, "its type is {kind}, not {PARTITION_TYPE}"),
            Self::NotAligned => f.write_str(
                "it does not begin and end at a multiple of 4 KiB; make it with `sgdisk --set-alignment=8 --align-end`",
            ),
            Self::Overlaps => f.write_str("it shares sectors with another partition"),
            Self::NoGuid => f.write_str("it has no GUID of its own; `sgdisk --partition-guid=NUMBER:R` gives it one"),
        }
    }
}

/// What `disk` has of stores: one from sector 0 on, if there is neither MBR nor partition table, or those in partitions of
/// [`PARTITION_TYPE`] whose superblock names the partition, its beginning and its length.
pub fn survey(disk: &mut (impl BlockDevice + ?Sized)) -> Survey {
    let mut survey = Survey { stores: Vec::new(), problems: Vec::new(), outside: Outside::Other };
    if disk.sectors() == 0 {
        return survey;
    }
    if let Err(problem) = survey_all(disk, &mut survey) {
        survey.problems.push(problem);
    }
    survey
}

fn survey_all(disk: &mut (impl BlockDevice + ?Sized), survey: &mut Survey) -> Result<(), Problem> {
    let first = Sector::read(disk, SUPERBLOCK_SECTOR).map_err(Problem::Unreadable)?;
    if Superblock::is_meant(&first) {
        survey.outside = Outside::Store;
        let id = superblock(&first, &Place::WholeDisk, disk.sectors()).map_err(Problem::Disk)?.id;
        if has_table(disk).map_err(Problem::Unreadable)? {
            return Err(Problem::StoreAndTable);
        }
        survey.stores.push(Found { id, place: Place::WholeDisk });
        return Ok(());
    }
    let has_mbr = gpt::has_boot_signature(&first) && gpt::mbr_types(&first) != [0; 4];
    survey.outside = match first {
        Sector::ZERO => Outside::Blank,
        _ if has_mbr => Outside::Mbr,
        _ => Outside::Other,
    };
    let Some(table) = gpt::read(disk).map_err(Problem::Table)? else { return Ok(()) };
    survey.outside = Outside::Table { partitions: table.partitions.len() };
    for partition in table.partitions.iter().filter(|partition| partition.kind == PARTITION_TYPE) {
        match store_in(disk, &table, *partition) {
            Ok(found) => survey.stores.push(found),
            Err(reason) => survey.problems.push(Problem::Partition { number: partition.number, reason }),
        }
    }
    Ok(())
}

/// Whether there is a partition table beside the superblock of a store; the end of a disk has one only if it is whole, and a bad
/// sector there costs no store.
fn has_table(disk: &mut (impl BlockDevice + ?Sized)) -> Result<bool, BlockError> {
    for sector in [1, 4096 / SECTOR_BYTES as u64] {
        if sector < disk.sectors() && gpt::is_header(&Sector::read(disk, sector)?) {
            return Ok(true);
        }
    }
    Ok(gpt::has_backup(disk))
}

fn store_in(
    disk: &mut (impl BlockDevice + ?Sized),
    table: &Table,
    partition: Partition,
) -> Result<Found, PartitionFault> {
    let place = place_in(table, partition).map_err(PartitionFault::Place)?;
    let first = Sector::read(disk, partition.first_sector).map_err(|error| PartitionFault::Store(error.into()))?;
    let superblock = superblock(&first, &place, partition.sectors).map_err(PartitionFault::Store)?;
    Ok(Found { id: superblock.id, place })
}

/// The place of a store in `partition` of `table`, if one can be there.
pub fn place_in(table: &Table, partition: Partition) -> Result<Place, PlaceFault> {
    if partition.kind != PARTITION_TYPE {
        Err(PlaceFault::OtherType(partition.kind))
    } else if partition.guid.is_zero() {
        Err(PlaceFault::NoGuid)
    } else if !(partition.first_sector | partition.sectors).is_multiple_of(ALIGNMENT_SECTORS) {
        Err(PlaceFault::NotAligned)
    } else if table.overlaps(&partition) {
        Err(PlaceFault::Overlaps)
    } else {
        Ok(Place::Partition(partition))
    }
}

/// The superblock in `sector`, if it is that of a store at `place`, which has so many sectors now. A whole disk may have more
/// or fewer than when it was formatted.
pub(super) fn superblock(sector: &Sector, place: &Place, sectors: u64) -> Result<Superblock, StoreError> {
    let superblock = Superblock::decode(sector)?;
    let is_length = matches!(place, Place::WholeDisk) || superblock.total_sectors == sectors;
    if superblock.home != place.home() || !is_length {
        return Err(StoreError::Elsewhere { home: superblock.home, sectors: superblock.total_sectors });
    }
    Ok(superblock)
}
