//! Why the kernel could not come up.

use core::fmt;

use crate::arch::cpu::LongMode;
use crate::memory::MemoryError;
use crate::memory::ranges::TooManyRanges;

/// A boot that failed, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The CPU is not where the boot code left it.
    NotInLongMode(LongMode),
    /// The loader's information does not parse.
    MalformedBootInformation,
    /// The loader passed no memory map.
    NoMemoryMap,
    /// The memory map and the modules have more parts than the kernel keeps track of.
    TooManyRanges,
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
            Self::NoMemoryMap => write!(f, "the loader passed no memory map: use GRUB 2's multiboot2 command"),
            Self::TooManyRanges => write!(f, "the memory map and the modules have too many parts: pass fewer modules"),
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

impl From<TooManyRanges> for BootError {
    fn from(_: TooManyRanges) -> Self {
        Self::TooManyRanges
    }
}
