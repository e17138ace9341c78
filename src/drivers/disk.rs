//! What all disks have in common: which transfers are sound, and what becomes of one that fails.
//!
//! Key types: [`Disk`], a disk of any controller; [`Commands`], what a controller's driver adds. After a failure the device
//! is reset and asked once more; if that fails as well, nothing more is written in this boot. A failed flush is not asked
//! again, for what it was to make safe may be gone. A device that does not come back from its reset is left alone.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Bytes per sector: the unit of every address here.
pub const SECTOR_BYTES: usize = 512;

/// Longer than a disk takes to spin up, real or behind a virtual one, and than a full cache takes to flush.
pub const COMMAND_TIMEOUT_MS: u64 = 15_000;

/// How a disk is divided, in sectors of [`SECTOR_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub sectors: u64,
    /// Sectors in the smallest unit that the device reads and writes: 1, or a power of two.
    pub block_sectors: u64,
    /// The most that one command moves: a multiple of `block_sectors`.
    pub most_sectors: u64,
}

/// The commands of one kind of device, each given once and waited for, but not forever.
pub trait Commands {
    fn geometry(&self) -> Geometry;

    /// Fills `buffer`: whole blocks of the disk, at most [`Geometry::most_sectors`], from sector `first` on.
    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure>;

    /// Writes `bytes`: whole blocks of the disk, at most [`Geometry::most_sectors`], from sector `first` on.
    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure>;

    /// Returns once every earlier write is on the medium.
    fn flush(&mut self) -> Result<(), Failure>;

    /// After a failure, brings the device back to where commands can start; false if it does not come back. Then it reaches no
    /// memory any more.
    fn reset(&mut self) -> bool;
}

/// Why a device did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the device reported, in its own terms.
    Reported(String),
    /// It gave no answer; its state in its own terms.
    Timeout { waited_ms: u64, state: String },
}

/// What was asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Read,
    Write,
    Flush,
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
        }
    }
}

/// An operation that was not done, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    pub operation: Operation,
    /// The first sector of the command that failed; 0 for a flush.
    pub sector: u64,
    pub reason: Reason,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The transfer ends beyond the disk.
    OutOfRange {
        sectors: u64,
        capacity: u64,
    },
    /// The buffer is not a whole number of sectors.
    PartialSector {
        len_bytes: usize,
    },
    Failed(Failure),
    /// The device did not come back from the reset after an earlier failure, which was this.
    Offline(Failure),
    /// An earlier write or flush failed, so that nobody knows what is on the disk.
    WritesStopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported(report) => f.write_str(report),
            Self::Timeout { waited_ms, state } => write!(f, "no answer within {waited_ms} ms: {state}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { sectors, capacity } => {
                write!(f, "{sectors} sectors from there end beyond the disk's {capacity}")
            }
            Self::PartialSector { len_bytes } => {
                write!(f, "{len_bytes} bytes are not a whole number of {SECTOR_BYTES}-byte sectors")
            }
            Self::Failed(failure) => failure.fmt(f),
            Self::Offline(failure) => write!(f, "the disk did not come back after an earlier error ({failure})"),
            Self::WritesStopped => f.write_str("nothing is written after an earlier write or flush that failed"),
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, sector, reason } = self;
        match operation {
            Operation::Flush => write!(f, "flush failed: {reason}"),
            _ => write!(f, "{} failed at sector {sector}: {reason}", operation.name()),
        }
    }
}

impl core::error::Error for DiskError {}

/// A disk that has identified itself.
pub struct Disk {
    /// Where it is and what it calls itself, for people.
    name: String,
    commands: Box<dyn Commands>,
    state: State,
}

/// A disk's name for people, from its place and what it says of itself: printable ASCII only, whatever that is.
pub fn name(place: &str, model: &str, serial: &str) -> String {
    let printable = |text: &str| text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect::<String>();
    match (printable(model.trim()), printable(serial.trim())) {
        (model, serial) if model.is_empty() && serial.is_empty() => place.into(),
        (model, serial) if serial.is_empty() => format!("{place} ({model})"),
        (model, serial) if model.is_empty() => format!("{place} (serial {serial})"),
        (model, serial) => format!("{place} ({model}, serial {serial})"),
    }
}

/// What may still be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Usable,
    ReadOnly,
    /// After this failure.
    Offline(Failure),
}

impl Disk {
    pub fn new(name: String, commands: impl Commands + 'static) -> Self {
        Self { name, commands: Box::new(commands), state: State::Usable }
    }

    /// Where the disk is and what it calls itself, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn geometry(&self) -> Geometry {
        self.commands.geometry()
    }

    /// Fills `buffer`, a whole number of sectors, from sector `first` on.
    pub fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.check(Operation::Read, first, buffer.len())?;
        let mut sector = first;
        let mut rest = buffer;
        while !rest.is_empty() {
            let piece = self.piece(sector, rest.len());
            let (now, later) = rest.split_at_mut(piece.bytes());
            self.read_piece(piece, now)?;
            (sector, rest) = (sector + piece.sectors, later);
        }
        Ok(())
    }

    /// Writes `bytes`, a whole number of sectors, from sector `first` on. They may stay in the disk's cache until
    /// [`Disk::flush`]. Of a block that is longer than a sector, the rest is read and written with it.
    pub fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.check(Operation::Write, first, bytes.len())?;
        let mut sector = first;
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = self.piece(sector, rest.len());
            let (now, later) = rest.split_at(piece.bytes());
            self.write_piece(piece, now)?;
            (sector, rest) = (sector + piece.sectors, later);
        }
        Ok(())
    }

    /// Returns once every earlier write is on the medium.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        self.check(Operation::Flush, 0, 0)?;
        self.commands.flush().map_err(|failure| {
            self.state = if self.commands.reset() { State::ReadOnly } else { State::Offline(failure.clone()) };
            DiskError::new(Operation::Flush, 0, Reason::Failed(failure))
        })
    }

    /// What one command moves of `len_bytes` from sector `first` on: whole blocks, or a part of one.
    fn piece(&self, first: u64, len_bytes: usize) -> Piece {
        let Geometry { block_sectors, most_sectors, .. } = self.geometry();
        let left = (len_bytes / SECTOR_BYTES) as u64;
        let before = first % block_sectors;
        if before != 0 || left < block_sectors {
            return Piece { first, sectors: left.min(block_sectors - before), block: Some(first - before) };
        }
        Piece { first, sectors: (left - left % block_sectors).min(most_sectors), block: None }
    }

    fn read_piece(&mut self, piece: Piece, buffer: &mut [u8]) -> Result<(), DiskError> {
        let Some(block) = piece.block else {
            return self.transfer(Operation::Read, piece.first, |commands| commands.read(piece.first, buffer));
        };
        let whole = self.read_block(block)?;
        buffer.copy_from_slice(&whole[piece.in_block(block)]);
        Ok(())
    }

    fn write_piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<(), DiskError> {
        let Some(block) = piece.block else {
            return self.transfer(Operation::Write, piece.first, |commands| commands.write(piece.first, bytes));
        };
        let mut whole = self.read_block(block)?;
        whole[piece.in_block(block)].copy_from_slice(bytes);
        self.transfer(Operation::Write, block, |commands| commands.write(block, &whole))
    }

    fn read_block(&mut self, block: u64) -> Result<Vec<u8>, DiskError> {
        let mut whole = alloc::vec![0; self.geometry().block_sectors as usize * SECTOR_BYTES];
        self.transfer(Operation::Read, block, |commands| commands.read(block, &mut whole))?;
        Ok(whole)
    }

    /// Gives a command, and once more after a reset if it fails.
    fn transfer(
        &mut self,
        operation: Operation,
        first: u64,
        mut command: impl FnMut(&mut dyn Commands) -> Result<(), Failure>,
    ) -> Result<(), DiskError> {
        let mut failed = |disk: &mut Self| {
            let failure = command(&mut *disk.commands).err()?;
            if !disk.commands.reset() {
                disk.state = State::Offline(failure.clone());
            }
            Some(failure)
        };
        let Some(first_failure) = failed(self) else { return Ok(()) };
        if !matches!(self.state, State::Offline(_)) && failed(self).is_none() {
            return Ok(());
        }
        if operation == Operation::Write && self.state == State::Usable {
            self.state = State::ReadOnly;
        }
        Err(DiskError::new(operation, first, Reason::Failed(first_failure)))
    }

    fn check(&self, operation: Operation, first: u64, len_bytes: usize) -> Result<(), DiskError> {
        let (sectors, capacity) = ((len_bytes / SECTOR_BYTES) as u64, self.geometry().sectors);
        let is_inside = first.checked_add(sectors).is_some_and(|end| end <= capacity);
        let reason = if let State::Offline(failure) = &self.state {
            Reason::Offline(failure.clone())
        } else if self.state == State::ReadOnly && operation != Operation::Read {
            Reason::WritesStopped
        } else if !len_bytes.is_multiple_of(SECTOR_BYTES) {
            Reason::PartialSector { len_bytes }
        } else if !is_inside {
            Reason::OutOfRange { sectors, capacity }
        } else {
            return Ok(());
        };
        Err(DiskError::new(operation, first, reason))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("name", &self.name).field("state", &self.state).finish_non_exhaustive()
    }
}

impl DiskError {
    fn new(operation: Operation, sector: u64, reason: Reason) -> Self {
        Self { operation, sector, reason }
    }
}

/// Part of a transfer.
#[derive(Clone, Copy)]
struct Piece {
    first: u64,
    sectors: u64,
    /// The first sector of the block of which this is only a part.
    block: Option<u64>,
}

impl Piece {
    fn bytes(&self) -> usize {
        self.sectors as usize * SECTOR_BYTES
    }

    fn in_block(&self, block: u64) -> core::ops::Range<usize> {
        let start = (self.first - block) as usize * SECTOR_BYTES;
        start..start + self.bytes()
    }
}

#[cfg(test)]
#[path = "disk_testing.rs"]
pub(super) mod testing;
#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
