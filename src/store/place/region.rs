//! The sectors of a disk that are the store's, and no others.
//!
//! Key types: [`Region`], through which all that a store reads and writes goes; [`Place`], where a disk has one. Neighbours:
//! [`super::survey`] says which places of a disk agree with what is on it; `Store` holds its disk as a region only.

use super::gpt::Partition;
use crate::store::layout::Home;
use crate::store::{BlockDevice, BlockError, SECTOR_BYTES};
use alloc::format;
use core::fmt;

/// Where on a disk a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    WholeDisk,
    Partition(Partition),
}

impl Place {
    /// What the superblock of a store there says.
    pub fn home(&self) -> Home {
        match self {
            Self::WholeDisk => Home::default(),
            Self::Partition(partition) => {
                Home { first_sector: partition.first_sector, partition: partition.guid.to_bytes() }
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WholeDisk => f.write_str("the whole disk"),
            Self::Partition(partition) => write!(f, "partition {}", partition.number),
        }
    }
}

/// A disk of which only the sectors of one place are read and written; they are numbered from its beginning.
#[derive(Debug)]
pub struct Region<D> {
    disk: D,
    place: Place,
    /// Sectors that a whole disk had when it was formatted, if that is known.
    formatted: Option<u64>,
}

impl<D: BlockDevice> Region<D> {
    /// All of `disk`.
    pub fn whole(disk: D) -> Self {
        Self::new(disk, Place::WholeDisk)
    }

    pub fn new(disk: D, place: Place) -> Self {
        Self { disk, place, formatted: None }
    }

    /// The same, but of a whole disk only as much as there was when it was formatted.
    pub(in crate::store) fn narrowed(self, sectors: u64) -> Self {
        Self { formatted: Some(sectors), ..self }
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// The same region, lent.
    pub fn lent(&mut self) -> Region<&mut dyn BlockDevice> {
        Region { disk: &mut self.disk as &mut dyn BlockDevice, place: self.place, formatted: self.formatted }
    }

    #[cfg(test)]
    pub fn disk(&mut self) -> &mut D {
        &mut self.disk
    }

    /// Sector of the disk at which the region begins, and how many there are, whether or not the disk still has them.
    fn range(&self) -> (u64, u64) {
        match self.place {
            Place::WholeDisk => (0, self.formatted.unwrap_or_else(|| self.disk.sectors())),
            Place::Partition(partition) => (partition.first_sector, partition.sectors),
        }
    }

    /// The sector of the disk that is `first` here, if the `len` bytes from there are whole sectors of the region.
    fn checked(&self, operation: &'static str, first: u64, len: usize) -> Result<u64, BlockError> {
        let (start, sectors) = self.range();
        let end = first.checked_add((len / SECTOR_BYTES) as u64);
        if len.is_multiple_of(SECTOR_BYTES)
            && end.is_some_and(|end| end <= sectors)
            && let Some(sector) = start.checked_add(first)
        {
            return Ok(sector);
        }
        let reason = format!("{len} bytes from there are not within the {sectors} sectors of the store");
        Err(BlockError { operation, sector: first, reason })
    }
}

impl<D: BlockDevice> BlockDevice for Region<D> {
    fn sectors(&self) -> u64 {
        let (start, sectors) = self.range();
        sectors.min(self.disk.sectors().saturating_sub(start))
    }

    fn block_bytes(&self) -> usize {
        self.disk.block_bytes()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let sector = self.checked("read", first, buffer.len())?;
        self.disk.read(sector, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let sector = self.checked("write", first, bytes.len())?;
        self.disk.write(sector, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.disk.flush()
    }
}
