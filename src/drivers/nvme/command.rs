//! What is asked of a controller, and what it answers.
//!
//! Source: NVM Express Base Specification 1.4, sections 4.2 (submission), 4.6 (completion), 4.5.1 (status), 5 (admin commands);
//! NVM Command Set in section 6.

use core::fmt;

use super::queue::Queue;

pub(super) const COMMAND_BYTES: usize = 64;
pub(super) const ANSWER_BYTES: usize = 16;

/// Queues are contiguous in memory; completions cause no interrupt.
const CONTIGUOUS: u32 = 1;
const NUMBER_OF_QUEUES: u32 = 0x07;

/// What IDENTIFY is to describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Subject {
    Namespace = 0,
    Controller = 1,
    ActiveNamespaces = 2,
}

/// A command without its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// For people.
    pub name: &'static str,
    opcode: u8,
    namespace: u32,
    /// Where its data is: the two entries for pages.
    pages: [u64; 2],
    /// Dwords 10 to 12.
    arguments: [u32; 3],
}

impl Command {
    fn admin(name: &'static str, opcode: u8, page: u64, arguments: [u32; 2]) -> Self {
        Self { name, opcode, namespace: 0, pages: [page, 0], arguments: [arguments[0], arguments[1], 0] }
    }

    /// Leaves a page of description at `page`.
    pub fn identify(subject: Subject, namespace: u32, page: u64) -> Self {
        Self { namespace, ..Self::admin("identify", 0x06, page, [subject as u32, 0]) }
    }

    /// Asks for one queue of each kind.
    pub fn request_queues() -> Self {
        Self::admin("set number of queues", 0x09, 0, [NUMBER_OF_QUEUES, 0])
    }

    /// Has `queue`'s answers left at `address`.
    pub fn create_completions(queue: &Queue, address: u64) -> Self {
        Self::admin("create completion queue", 0x05, address, [queue.size_and_number(), CONTIGUOUS])
    }

    /// Has `queue`'s commands taken from `address`.
    pub fn create_submissions(queue: &Queue, address: u64) -> Self {
        let arguments = [queue.size_and_number(), u32::from(queue.number) << 16 | CONTIGUOUS];
        Self::admin("create submission queue", 0x01, address, arguments)
    }

    pub fn read(namespace: u32, first_block: u64, blocks: u16, pages: [u64; 2]) -> Self {
        Self { name: "read", opcode: 0x02, namespace, pages, arguments: range(first_block, blocks) }
    }

    pub fn write(namespace: u32, first_block: u64, blocks: u16, pages: [u64; 2]) -> Self {
        Self { name: "write", opcode: 0x01, namespace, pages, arguments: range(first_block, blocks) }
    }

    pub fn flush(namespace: u32) -> Self {
        Self { name: "flush", opcode: 0x00, namespace, pages: [0; 2], arguments: [0; 3] }
    }

    /// As it stands in a submission queue.
    pub fn encode(&self, id: u16) -> [u8; COMMAND_BYTES] {
        let mut bytes = [0; COMMAND_BYTES];
        bytes[0] = self.opcode;
        bytes[2..4].copy_from_slice(&id.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.namespace.to_le_bytes());
        let numbers = self.pages.map(u64::to_le_bytes);
        bytes[24..40].copy_from_slice(numbers.as_flattened());
        let arguments = self.arguments.map(u32::to_le_bytes);
        bytes[40..52].copy_from_slice(arguments.as_flattened());
        bytes
    }
}

/// Block addresses and count; the count is one less.
fn range(first_block: u64, blocks: u16) -> [u32; 3] {
    [first_block as u32, (first_block >> 32) as u32, u32::from(blocks.saturating_sub(1))]
}

/// An entry of a completion queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub queue: u16,
    pub id: u16,
    pub status: CommandStatus,
}

impl Answer {
    /// Where the phase bit is.
    pub const STATUS_OFFSET: usize = 14;

    pub fn decode(bytes: &[u8; ANSWER_BYTES]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self { queue: word(10), id: word(12), status: CommandStatus(word(Self::STATUS_OFFSET) >> 1) }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandStatus(pub u16);

impl CommandStatus {
    fn kind(self) -> u16 {
        self.0 >> 8 & 0b111
    }

    fn code(self) -> u16 {
        self.0 & 0xff
    }

    pub(super) fn is_success(self) -> bool {
        (self.kind(), self.code()) == (0, 0)
    }

    pub(super) fn is_no_such_namespace(self) -> bool {
        (self.kind(), self.code()) == (0, 0x0b)
    }
}

/// As a number, and in words where it is one that disks give.
impl fmt::Display for CommandStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match (self.kind(), self.code()) {
            (0, 0x01) => "it does not know the command",
            (0, 0x02) => "it refuses a field of the command",
            (0, 0x04) => "the data could not be transferred",
            (0, 0x05) => "aborted, power is being lost",
            (0, 0x06) => "internal error",
            (0, 0x07 | 0x08) => "aborted",
            (0, 0x0b) => "no such namespace",
            (0, 0x13) => "bad address of data",
            (0, 0x15) => "not permitted",
            (0, 0x20) => "write-protected",
            (0, 0x80) => "beyond the end of the namespace",
            (0, 0x81) => "no space left",
            (0, 0x82) => "namespace not ready",
            (0, 0x83) => "reserved by another machine",
            (0, 0x84) => "being formatted",
            (1, 0x01) => "bad number of a queue",
            (1, 0x02) => "bad size of a queue",
            (1, 0x82) => "read-only",
            (2, 0x80) => "write fault",
            (2, 0x81) => "unrecovered read error",
            (2, 0x82..=0x84) => "the data do not match their checksum",
            (2, 0x86) => "access denied",
            (2, 0x87) => "never written",
            (3, _) => "the path to the namespace failed",
            (7, _) => "an error of the vendor's",
            _ => "an error without a name here",
        };
        write!(f, "status {}/{:#04x}, {words}", self.kind(), self.code())
    }
}
