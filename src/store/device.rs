//! The seam to a disk.

use alloc::string::String;
use core::fmt;

/// Bytes per sector: the unit of every address here.
pub const SECTOR_BYTES: usize = 512;

/// A disk that is read and written in whole sectors.
///
/// A single-sector write is atomic: after power loss it holds the old or the new bytes. Writes may reach the medium
/// in any order, and not at all, until `flush` returns.
pub trait BlockDevice {
    /// Capacity in sectors.
    fn sectors(&self) -> u64;

    /// Bytes of the disk's own unit (its logical block): [`SECTOR_BYTES`] or a multiple of it. A partition table counts in it.
    fn block_bytes(&self) -> usize {
        SECTOR_BYTES
    }

    /// Fills `buffer`, a whole number of sectors, from sector `first` on.
    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError>;

    /// Writes `bytes`, a whole number of sectors, from sector `first` on.
    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError>;

    /// Returns once every earlier write is on the medium.
    fn flush(&mut self) -> Result<(), BlockError>;
}

/// A transfer that failed, in the device's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockError {
    /// "read", "write" or "flush".
    pub operation: &'static str,
    /// First sector of the transfer.
    pub sector: u64,
    /// What the device or driver reported.
    pub reason: String,
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk {} failed at sector {}: {}", self.operation, self.sector, self.reason)
    }
}

impl core::error::Error for BlockError {}

impl<D: BlockDevice + ?Sized> BlockDevice for &mut D {
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn block_bytes(&self) -> usize {
        (**self).block_bytes()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        (**self).write(first, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        (**self).flush()
    }
}

impl<D: BlockDevice + ?Sized> BlockDevice for alloc::boxed::Box<D> {
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn block_bytes(&self) -> usize {
        (**self).block_bytes()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        (**self).read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        (**self).write(first, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        (**self).flush()
    }
}
