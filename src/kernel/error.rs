//! Why the kernel could not come up.

use core::fmt;

use crate::arch::cpu::LongMode;
use crate::memory::MemoryError;

/// A boot that failed, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The CPU is not where the boot code left it.
    NotInLongMode(LongMode),
    /// The loader's information does not parse.
    MalformedBootInformation,
    /// One of its tags is shorter than its kind is, or has entries of another size than is known.
    MalformedTag {
        kind: &'static str,
        bytes: u32,
    },
    /// The loader passed no memory map.
    NoMemoryMap,
    /// No free memory holds the list of what is free.
    NoRoomForMemoryMap {
        list_bytes: u64,
    },
    Memory(MemoryError),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInLongMode(mode) => {
                write!(f, "the CPU is not in 64-bit long mode ({mode:?}): a bug in the boot code")
            }
            Self::MalformedBootInformation => {
                write!(f, "the loader's boot information is malformed: use GRUB 2's multiboot2 command")
            }
            Self::MalformedTag { kind, bytes } => write!(
                f,
                "the loader's boot information has a malformed tag for {kind}, of {bytes} bytes: use GRUB 2's multiboot2 \
                 command"
            ),
            Self::NoMemoryMap => write!(f, "the loader passed no memory map: use GRUB 2's multiboot2 command"),
            Self::NoRoomForMemoryMap { list_bytes } => {
                write!(
                    f,
                    "no {list_bytes} bytes below 4 GiB are free for a list of what is free: give the machine more"
                )
            }
            Self::Memory(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for BootError {}

impl From<MemoryError> for BootError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}
