//! What can go wrong with a disk, in the disk's own words.

use core::fmt;

use super::SECTOR_BYTES;
use super::registers::{ErrorBits, Status};

/// The commands that this driver gives. Source: ATA/ATAPI-7 volume 1, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    ReadSectors = 0x20,
    ReadSectorsExt = 0x24,
    ReadDmaExt = 0x25,
    ReadMultipleExt = 0x29,
    WriteSectors = 0x30,
    WriteSectorsExt = 0x34,
    WriteDmaExt = 0x35,
    WriteMultipleExt = 0x39,
    ReadMultiple = 0xc4,
    WriteMultiple = 0xc5,
    SetMultipleMode = 0xc6,
    ReadDma = 0xc8,
    WriteDma = 0xca,
    FlushCache = 0xe7,
    FlushCacheExt = 0xea,
    Identify = 0xec,
}

impl Command {
    /// The read command for long addresses or short, blocks of sectors or single ones.
    pub(super) fn read(lba48: bool, blocks: bool) -> Self {
        match (lba48, blocks) {
            (true, true) => Self::ReadMultipleExt,
            (true, false) => Self::ReadSectorsExt,
            (false, true) => Self::ReadMultiple,
            (false, false) => Self::ReadSectors,
        }
    }

    /// The write command for long addresses or short, blocks of sectors or single ones.
    pub(super) fn write(lba48: bool, blocks: bool) -> Self {
        match (lba48, blocks) {
            (true, true) => Self::WriteMultipleExt,
            (true, false) => Self::WriteSectorsExt,
            (false, true) => Self::WriteMultiple,
            (false, false) => Self::WriteSectors,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadSectors | Self::ReadSectorsExt | Self::ReadMultiple | Self::ReadMultipleExt => "read",
            Self::WriteSectors | Self::WriteSectorsExt | Self::WriteMultiple | Self::WriteMultipleExt => "write",
            Self::ReadDma | Self::ReadDmaExt => "read",
            Self::WriteDma | Self::WriteDmaExt => "write",
            Self::FlushCache | Self::FlushCacheExt => "flush",
            Self::SetMultipleMode => "set block size",
            Self::Identify => "identify",
        })
    }
}

/// A failed operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtaError {
    /// The transfer ends beyond the disk.
    OutOfRange { command: Command, lba: u64, sectors: u64, capacity: u64 },
    /// The buffer is not a whole number of sectors.
    PartialSector { command: Command, len_bytes: usize },
    /// The disk reported an error in the block that starts at this sector (none for commands without one).
    Device { command: Command, lba: Option<u64>, status: Status, error: ErrorBits },
    /// The disk ended the command before the block at this sector without moving its data.
    EndedEarly { command: Command, lba: Option<u64>, status: Status },
    /// The disk stayed busy.
    Timeout { command: Command, lba: Option<u64>, status: Status, waited_ms: u64 },
    /// An earlier failure left the disk unusable.
    Offline { command: Command },
    /// The disk has sectors of another size.
    SectorSize { len_bytes: u64 },
    /// The disk cannot address sectors by number, or has none.
    NoSectors,
}

impl fmt::Display for AtaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { command, lba, sectors, capacity } => {
                write!(f, "{command} of {sectors} sectors at {lba} is beyond the disk's {capacity} sectors")
            }
            Self::PartialSector { command, len_bytes } => {
                write!(f, "{command} of {len_bytes} bytes is not a whole number of {SECTOR_BYTES}-byte sectors")
            }
            Self::Device { command, lba, status, error } => {
                write!(f, "{command} failed{}: status {status:?}, error {error:?}", At(*lba))
            }
            Self::EndedEarly { command, lba, status } => {
                write!(f, "{command} ended early{}: status {status:?}", At(*lba))
            }
            Self::Timeout { command, lba, status, waited_ms } => {
                write!(f, "{command} timed out{} after {waited_ms} ms: status {status:?}", At(*lba))
            }
            Self::Offline { command } => write!(f, "{command} refused: the disk did not come back after an error"),
            Self::SectorSize { len_bytes } => {
                write!(f, "the disk has {len_bytes}-byte sectors; use one with {SECTOR_BYTES}-byte logical sectors")
            }
            Self::NoSectors => write!(f, "the disk has no sectors that can be addressed by number (LBA)"),
        }
    }
}

impl core::error::Error for AtaError {}

/// " at sector N", or nothing for commands without a sector.
struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(lba) => write!(f, " at sector {lba}"),
            None => Ok(()),
        }
    }
}
