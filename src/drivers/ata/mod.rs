//! ATA disks by programmed I/O: no DMA, no interrupts, works on every PC with an IDE controller.
//!
//! [`find`] looks at every channel and returns a [`Disk`](disk::Disk) per disk (packet devices such as CD drives are passed
//! over). The protocol runs over the [`Registers`] of a channel ([`ports::ChannelPorts`] on the machine, a fake in the tests).
//! Disks with sectors of another size than 512 bytes are refused. Source: ATA/ATAPI-7 (T13/1532D) volumes 1 and 2.

mod command;
mod identity;
mod ports;
mod protocol;
mod registers;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

pub use command::Command;
pub use identity::{Identity, Unusable};
pub use ports::{ChannelAddress, ChannelPorts, channels};
pub use registers::{Drive, ErrorBits, Register, Registers, Status};

use super::clock::Clock;
use super::disk::{self, Commands, Failure, Geometry, SECTOR_BYTES};
use super::pci;
use protocol::Transfer;

/// Sectors that one command moves at most.
const MAX_SECTORS_PER_COMMAND: u64 = 256;

/// What was found at a place where a disk may be.
#[derive(Debug)]
pub enum Found<R> {
    Nothing,
    /// A device that takes packets, such as a CD drive.
    PacketDevice,
    Disk(AtaDisk<R>),
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
            match AtaDisk::probe(registers, drive) {
                Ok(Found::Disk(found)) => {
                    let name = disk::name(&place, &found.identity.model, &found.identity.serial);
                    Some(Ok(disk::Disk::new(name, found)))
                }
                Ok(Found::Nothing | Found::PacketDevice) => None,
                Err(error) => Some(Err(format!("{place}: {error}"))),
            }
        })
        .collect()
}

/// A disk that has identified itself.
#[derive(Debug)]
pub struct AtaDisk<R> {
    registers: R,
    drive: Drive,
    identity: Identity,
}

impl<R: Registers> AtaDisk<R> {
    /// Asks what is there. A place that is empty costs no waiting.
    pub fn probe(mut registers: R, drive: Drive) -> Result<Found<R>, Failure> {
        match protocol::identify(&mut registers, drive)? {
            protocol::Answer::Nothing => Ok(Found::Nothing),
            protocol::Answer::PacketDevice => Ok(Found::PacketDevice),
            protocol::Answer::Disk(identity) => Ok(Found::Disk(Self { registers, drive, identity })),
        }
    }

    /// Agrees with the disk on how many sectors it moves at once.
    fn block_sectors(&mut self, len_bytes: usize) -> Result<usize, Failure> {
        let max = self.identity.max_block_sectors;
        protocol::block_sectors(&mut self.registers, self.drive, max, len_bytes / SECTOR_BYTES)
    }

    fn transfer(&self, command: Command, lba: u64, len_bytes: usize, block_sectors: usize) -> Transfer {
        let (drive, sectors, lba48) = (self.drive, len_bytes / SECTOR_BYTES, self.identity.lba48);
        Transfer { command, drive, lba, sectors, block_sectors, lba48 }
    }
}

impl<R: Registers> Commands for AtaDisk<R> {
    fn geometry(&self) -> Geometry {
        Geometry { sectors: self.identity.sectors, block_sectors: 1, most_sectors: MAX_SECTORS_PER_COMMAND }
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let block_sectors = self.block_sectors(buffer.len())?;
        let command = Command::read(self.identity.lba48, block_sectors > 1);
        let transfer = self.transfer(command, first, buffer.len(), block_sectors);
        protocol::read(&mut self.registers, transfer, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        let block_sectors = self.block_sectors(bytes.len())?;
        let command = Command::write(self.identity.lba48, block_sectors > 1);
        let transfer = self.transfer(command, first, bytes.len(), block_sectors);
        protocol::write(&mut self.registers, transfer, bytes)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let command = if self.identity.flush_ext { Command::FlushCacheExt } else { Command::FlushCache };
        protocol::flush(&mut self.registers, self.drive, command)
    }

    fn reset(&mut self) -> bool {
        protocol::reset(&mut self.registers, self.drive)
            && protocol::identify(&mut self.registers, self.drive)
                .is_ok_and(|answer| answer == protocol::Answer::Disk(self.identity.clone()))
    }
}

#[cfg(test)]
pub(super) use fake::identify_words;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
