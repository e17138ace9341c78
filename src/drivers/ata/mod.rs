//! ATA disks by programmed I/O: no DMA, no interrupts, works on every PC with an IDE controller.
//!
//! [`find`] looks at every channel and returns a [`Disk`] per disk (packet devices such as CD drives are passed over).
//! The protocol runs over the [`Registers`] of a channel ([`ports::ChannelPorts`] on the machine, a fake in the tests).
//! Every wait is bounded by time and by count. After any failure the channel is reset; a disk whose reset fails
//! is not asked again. Source: ATA/ATAPI-7 (T13/1532D) volumes 1 and 2.

mod error;
mod identity;
mod ports;
mod protocol;
mod registers;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use error::{AtaError, Command};
pub use identity::Identity;
pub use ports::{ChannelAddress, ChannelPorts, channels};
pub use registers::{Drive, ErrorBits, Register, Registers, Status};

use super::clock::Clock;
use super::disk::{self, Commands, Failure, Geometry};
use super::pci;
use protocol::Transfer;

/// Bytes per sector: disks with another logical sector size are refused.
pub const SECTOR_BYTES: usize = 512;

/// Sectors that one command moves at most.
const MAX_SECTORS_PER_COMMAND: usize = 256;

/// What was found at a place where a disk may be.
#[derive(Debug)]
pub enum Found<R> {
    Nothing,
    /// A device that takes packets, such as a CD drive.
    PacketDevice,
    Disk(Disk<R>),
}

/// Every disk on every channel, and a line for each that answers but cannot be used.
///
/// # Safety
/// No other code uses the channels' ports, now or later.
pub unsafe fn find(functions: &[pci::Function], clock: &Rc<Clock>) -> Vec<Result<disk::Disk, String>> {
    let devices: Vec<pci::Device> = functions.iter().map(|function| function.device.clone()).collect();
    let places = channels(&devices).into_iter().enumerate();
    let places =
        places.flat_map(|(number, channel)| [Drive::Master, Drive::Slave].map(|drive| (number, channel, drive)));
    places
        .filter_map(|(number, channel, drive)| {
            let place = format!("IDE channel {number}, {}", drive.name());
            // SAFETY: the caller gives us the ports. The two drives of a channel share them, and each operation
            // selects its drive first and leaves the channel idle.
            let registers = unsafe { ChannelPorts::new(channel, Rc::clone(clock)) };
            match Disk::probe(registers, drive) {
                Ok(Found::Disk(found)) => {
                    let Identity { model, serial, .. } = found.identity();
                    Some(Ok(disk::Disk::new(disk::name(&place, model, serial), found)))
                }
                Ok(Found::Nothing | Found::PacketDevice) => None,
                Err(error) => Some(Err(format!("{place}: {error}"))),
            }
        })
        .collect()
}

/// A disk that has identified itself.
#[derive(Debug)]
pub struct Disk<R> {
    registers: R,
    drive: Drive,
    identity: Identity,
    offline: bool,
}

impl<R: Registers> Disk<R> {
    /// Asks what is there. A place that is empty costs no waiting.
    pub fn probe(mut registers: R, drive: Drive) -> Result<Found<R>, AtaError> {
        match protocol::identify(&mut registers, drive)? {
            protocol::Answer::Nothing => Ok(Found::Nothing),
            protocol::Answer::PacketDevice => Ok(Found::PacketDevice),
            protocol::Answer::Disk(identity) => Ok(Found::Disk(Self { registers, drive, identity, offline: false })),
        }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Capacity in sectors of [`SECTOR_BYTES`].
    pub fn sectors(&self) -> u64 {
        self.identity.sectors
    }

    /// Fills `buffer`, a whole number of sectors, from sector `first` on.
    pub fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), AtaError> {
        self.check(Command::ReadSectorsExt, first, buffer.len())?;
        let result = self.try_read(first, buffer);
        self.recover(result)
    }

    /// Writes `bytes`, a whole number of sectors, from sector `first` on. They may stay in the disk's cache until
    /// [`Disk::flush`].
    pub fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), AtaError> {
        self.check(Command::WriteSectorsExt, first, bytes.len())?;
        let result = self.try_write(first, bytes);
        self.recover(result)
    }

    /// Returns once every earlier write is on the medium.
    pub fn flush(&mut self) -> Result<(), AtaError> {
        let command = if self.identity.flush_ext { Command::FlushCacheExt } else { Command::FlushCache };
        self.check(command, 0, 0)?;
        let result = protocol::flush(&mut self.registers, self.drive, command);
        self.recover(result)
    }

    fn try_read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), AtaError> {
        let block_sectors = self.block_sectors(buffer.len())?;
        let command = Command::read(self.identity.lba48, block_sectors > 1);
        let parts = buffer.chunks_mut(MAX_SECTORS_PER_COMMAND * SECTOR_BYTES);
        for (part, lba) in parts.zip((first..).step_by(MAX_SECTORS_PER_COMMAND)) {
            let transfer = self.transfer(command, lba, part.len(), block_sectors);
            protocol::read(&mut self.registers, transfer, part)?;
        }
        Ok(())
    }

    fn try_write(&mut self, first: u64, bytes: &[u8]) -> Result<(), AtaError> {
        let block_sectors = self.block_sectors(bytes.len())?;
        let command = Command::write(self.identity.lba48, block_sectors > 1);
        let parts = bytes.chunks(MAX_SECTORS_PER_COMMAND * SECTOR_BYTES);
        for (part, lba) in parts.zip((first..).step_by(MAX_SECTORS_PER_COMMAND)) {
            let transfer = self.transfer(command, lba, part.len(), block_sectors);
            protocol::write(&mut self.registers, transfer, part)?;
        }
        Ok(())
    }

    fn block_sectors(&mut self, len_bytes: usize) -> Result<usize, AtaError> {
        let max = self.identity.max_block_sectors;
        protocol::block_sectors(&mut self.registers, self.drive, max, len_bytes / SECTOR_BYTES)
    }

    fn transfer(&self, command: Command, lba: u64, len_bytes: usize, block_sectors: usize) -> Transfer {
        let (drive, sectors, lba48) = (self.drive, len_bytes / SECTOR_BYTES, self.identity.lba48);
        Transfer { command, drive, lba, sectors, block_sectors, lba48 }
    }

    fn check(&self, command: Command, first: u64, len_bytes: usize) -> Result<(), AtaError> {
        if self.offline {
            return Err(AtaError::Offline { command });
        }
        if !len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(AtaError::PartialSector { command, len_bytes });
        }
        let sectors = (len_bytes / SECTOR_BYTES) as u64;
        match first.checked_add(sectors) {
            Some(end) if end <= self.sectors() => Ok(()),
            _ => Err(AtaError::OutOfRange { command, lba: first, sectors, capacity: self.sectors() }),
        }
    }

    /// After a failure, brings the channel back to where commands can start.
    fn recover(&mut self, result: Result<(), AtaError>) -> Result<(), AtaError> {
        if result.is_err() {
            self.offline = !protocol::reset(&mut self.registers, self.drive);
        }
        result
    }
}

impl<R: Registers> Commands for Disk<R> {
    fn geometry(&self) -> Geometry {
        Geometry { sectors: self.sectors(), block_sectors: 1, most_sectors: MAX_SECTORS_PER_COMMAND as u64 }
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        self.read(first, buffer).map_err(|error| Failure::Reported(error.to_string()))
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.write(first, bytes).map_err(|error| Failure::Reported(error.to_string()))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.flush().map_err(|error| Failure::Reported(error.to_string()))
    }

    fn reset(&mut self) -> bool {
        !self.offline
    }
}

#[cfg(test)]
pub(super) use fake::identify_words;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
