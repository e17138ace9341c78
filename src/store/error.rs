//! What can go wrong with a store, and what was wrong with a generation that was passed over.

use super::{BlockError, Home, SECTOR_BYTES, layout};
use alloc::string::String;
use core::fmt;
use gpt_disk_types::Guid;

/// Why an operation on the store failed. Generations committed earlier are as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk failed.
    Device(BlockError),
    /// Sector 0 is not that of a store.
    NotFormatted,
    /// Sector 0 is that of a store, but its checksum or its sizes are wrong.
    SuperblockDamaged,
    /// The store was formatted by another version of BareFlow.
    UnknownVersion { found: u32 },
    /// The store was formatted at another place, and so is a copy; or its partition was moved or has another size now.
    Elsewhere { home: Home, sectors: u64 },
    /// The disk cannot hold a store.
    TooSmall { sectors: u64, needed: u64 },
    /// The payload does not fit into a slot, or into what is left of it on a disk that was cut short.
    PayloadTooLarge { bytes: u64, capacity: u64 },
    /// The code does not fit into a slot of code, or into what is left of it on a disk that was cut short.
    CodeTooLarge { bytes: u64, capacity: u64 },
    /// The disk did not give back what had just been written.
    NotWritten { sector: u64 },
    /// The generation in use has the last number there is.
    NoGenerationLeft,
    /// There is no memory for `bytes`.
    OutOfMemory { bytes: u64 },
}

impl From<BlockError> for StoreError {
    fn from(error: BlockError) -> Self {
        Self::Device(error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "store: {error}; check the disk or its file"),
            Self::NotFormatted => {
                write!(f, "store: sector 0 of the disk holds no store; run `bareflow store format FILE`")
            }
            Self::SuperblockDamaged => write!(
                f,
                "store: sector 0 of the disk is damaged; restore it from a copy, or run `bareflow store format FILE`, \
                 which starts empty"
            ),
            Self::UnknownVersion { found } => write!(
                f,
                "store: format version {found}, this BareFlow knows {}; use the BareFlow that formatted it",
                layout::VERSION
            ),
            Self::Elsewhere { home, sectors } => {
                f.write_str("store: what is there was formatted as ")?;
                match home {
                    Home { first_sector: 0, .. } => write!(f, "a whole disk of {sectors} sectors")?,
                    Home { first_sector, partition } => write!(
                        f,
                        "the {sectors} sectors of partition {} from sector {first_sector} on",
                        Guid::from_bytes(*partition)
                    )?,
                }
                f.write_str(", and is not used here: put it back, or format it")
            }
            Self::TooSmall { sectors, needed } => write!(
                f,
                "store: the disk has {sectors} sectors and needs {needed} ({} KiB); use a larger one: for a file, delete \
                 it and run `bareflow store format FILE`",
                needed * SECTOR_BYTES as u64 / 1024
            ),
            Self::PayloadTooLarge { bytes, capacity } => write!(
                f,
                "store: profile of {bytes} bytes, a slot takes {capacity}; export it and format a larger disk"
            ),
            Self::CodeTooLarge { bytes, capacity } => {
                write!(f, "store: code of {bytes} bytes, a slot takes {capacity}; format a larger disk")
            }
            Self::NotWritten { sector } => {
                write!(f, "store: sector {sector} does not hold what was written to it; the disk is faulty, replace it")
            }
            Self::NoGenerationLeft => {
                write!(f, "store: generation numbers are used up; export the profile and format the store anew")
            }
            Self::OutOfMemory { bytes } => write!(f, "store: no memory for {bytes} bytes; give the machine more"),
        }
    }
}

impl core::error::Error for StoreError {}

/// Something about the store that the user should know although the boot goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The disk has fewer sectors than when it was formatted.
    DiskCutShort { sectors: u64, formatted: u64 },
    /// What slot `slot` holds was not used.
    PassedOver { slot: usize, fault: Fault },
    /// The store has format version 1; the next commit gives it this version's.
    OldVersion,
    /// The store has format version 1 and keeps it.
    KeepsOldVersion(Obstacle),
    /// That the store was read could not be written down: should the boot not end, reading is suspected.
    AttemptUnknown(StoreError),
}

/// Why a store of version 1 keeps its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A slot of this version is too small, on this disk, for the payload in use.
    PayloadTooLarge { bytes: u64, capacity: u64 },
    /// The disk is smaller than when it was formatted.
    DiskCutShort,
    /// The store holds something, but nothing of it can be used.
    NothingUsable,
}

/// Why what a slot holds is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The header is neither blank nor intact.
    HeaderDamaged,
    /// The header belongs to another store.
    Foreign,
    /// The header could not be read.
    HeaderUnreadable(BlockError),
    /// The header claims more bytes than a slot holds.
    LengthPastSlot { generation: u64, bytes: u64, capacity: u64 },
    /// The payload could not be read.
    PayloadUnreadable { generation: u64, error: StoreError },
    /// The payload has another checksum than the header says: a commit over it did not finish, or the disk erred.
    PayloadDamaged { generation: u64, stored: u32, computed: u32 },
    /// The payload is intact, but the reader cannot use it, for this reason.
    Rejected { generation: u64, reason: String },
    /// Boots in a row did not end, the last of them perhaps while it read this.
    Suspected { generation: u64 },
    /// The header names code that no slot can hold.
    CodePastSlot { generation: u64, slot: u32, bytes: u64, capacity: u64 },
    /// The code could not be read.
    CodeUnreadable { generation: u64, error: StoreError },
    /// The code has another hash than the header says.
    CodeDamaged { generation: u64 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskCutShort { sectors, formatted } => {
                write!(f, "the disk has {sectors} sectors and had {formatted} when it was formatted")
            }
            Self::PassedOver { slot, fault } => write!(f, "slot {slot}: {fault}"),
            Self::AttemptUnknown(error) => write!(f, "{error}"),
            Self::OldVersion => {
                write!(f, "it has format version 1, and will have {} once a profile is saved", layout::VERSION)
            }
            Self::KeepsOldVersion(obstacle) => write!(f, "it keeps format version 1, without code: {obstacle}"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadTooLarge { bytes, capacity } => {
                write!(
                    f,
                    "its profile has {bytes} bytes, a slot of version {} would take {capacity}",
                    layout::VERSION
                )?;
                match layout::disk_bytes_for(*bytes, 0) {
                    Some(disk) => write!(f, "; export it and format a disk of {} KiB or more", disk.div_ceil(1024)),
                    None => Ok(()),
                }
            }
            Self::DiskCutShort => write!(f, "the disk is too small; export the profile and format a larger one"),
            Self::NothingUsable => write!(f, "what it holds is not used this time; it may be the next time"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderDamaged => write!(f, "the header is damaged"),
            Self::Foreign => write!(f, "the header belongs to another store"),
            Self::HeaderUnreadable(error) => write!(f, "{error}"),
            Self::LengthPastSlot { generation, bytes, capacity } => {
                write!(f, "generation {generation} claims {bytes} bytes, a slot takes {capacity}")
            }
            Self::PayloadUnreadable { generation, error } => write!(f, "generation {generation}: {error}"),
            Self::PayloadDamaged { generation, stored, computed } => {
                write!(f, "generation {generation} has checksum {computed:#010x}, its header says {stored:#010x}")
            }
            Self::Rejected { generation, reason } => write!(f, "generation {generation}: {reason}"),
            Self::Suspected { generation } => {
                write!(f, "generation {generation} is not read this time: boots that read it did not get further")
            }
            Self::CodePastSlot { generation, slot, bytes, capacity } => {
                write!(
                    f,
                    "generation {generation} claims {bytes} bytes in code slot {slot}, each of two takes {capacity}"
                )
            }
            Self::CodeUnreadable { generation, error } => write!(f, "code of generation {generation}: {error}"),
            Self::CodeDamaged { generation } => {
                write!(f, "code of generation {generation} is damaged: its hash is not that of the header")
            }
        }
    }
}
