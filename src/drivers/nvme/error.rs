//! Why a controller or a namespace is not used.

use core::fmt;

use super::command::CommandStatus;
use super::registers::Status;
use crate::drivers::disk::Failure;

/// What the driver cannot use, or what went wrong before it could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NvmeError {
    /// Every register reads as all ones.
    Gone,
    /// It is for other things than blocks.
    NoBlocks,
    /// Its smallest pages are larger than the CPU's.
    LargePages { len_bytes: u64 },
    /// Its doorbells lie farther apart than registers are mapped.
    Doorbells { len_bytes: usize },
    /// It did not become ready, or did not stop.
    Stuck { enabling: bool, waited_ms: u64, status: Status },
    /// It did not do what it was told, as it says.
    Refused { command: &'static str, status: CommandStatus },
    /// It did not answer a command, or not that one.
    Unanswered { command: &'static str, failure: Failure },
    /// The namespace uses a block format that it does not have.
    Format { format: u8, last: u8 },
    /// Every block has more bytes than those for data.
    Metadata { len_bytes: u16 },
    /// Blocks have this power of two bytes.
    BlockSize { shift: u8 },
    /// The namespace has more blocks than there are numbers for sectors.
    Size { blocks: u64 },
}

impl fmt::Display for NvmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "its registers read as all ones: it is gone"),
            Self::NoBlocks => write!(f, "it does not know the commands for blocks"),
            Self::LargePages { len_bytes } => {
                write!(f, "it needs pages of at least {len_bytes} bytes; here they have 4096")
            }
            Self::Doorbells { len_bytes } => write!(f, "its doorbells are {len_bytes} bytes apart, which is too far"),
            Self::Stuck { enabling, waited_ms, status } => {
                let goal = if *enabling { "become ready" } else { "stop" };
                write!(f, "it did not {goal} within {waited_ms} ms: {status}")
            }
            Self::Refused { command, status } => write!(f, "{command} failed: {status}"),
            Self::Unanswered { command, failure } => write!(f, "{command} failed: {failure}"),
            Self::Format { format, last } => {
                write!(f, "it says that it has block format {format}, and none above {last}")
            }
            Self::Metadata { len_bytes } => {
                write!(f, "its blocks have {len_bytes} bytes of metadata; format it without")
            }
            Self::BlockSize { shift } => match 1u64.checked_shl(u32::from(*shift)) {
                Some(len_bytes) => write!(f, "it has blocks of {len_bytes} bytes; format it with 512 or 4096"),
                None => write!(f, "it says that it has blocks of 2^{shift} bytes"),
            },
            Self::Size { blocks } => write!(f, "it says that it has {blocks} blocks"),
        }
    }
}

impl core::error::Error for NvmeError {}
