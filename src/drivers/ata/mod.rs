//! ATA disks behind IDE controllers, polled: by DMA where controller and disk have it, else one word at a time.
//!
//! [`find`] looks at every channel and returns a [`Disk`](disk::Disk) per disk (packet devices such as CD drives are passed
//! over). The protocol runs over the [`Registers`] of a channel ([`ports::ChannelPorts`] on the machine, a fake in the tests).
//! Disks with sectors of another size than 512 bytes are refused. Source: ATA/ATAPI-7 (T13/1532D) volumes 1 and 2.

mod command;
mod dma;
mod identity;
mod ports;
mod protocol;
mod registers;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

pub use command::Command;
pub use identity::{Identity, Unusable};
pub use ports::{Channel, ChannelAddress, ChannelPorts, EngineAddress, EnginePorts, channels};
pub use registers::{Drive, Engine, EngineStatus, ErrorBits, Register, Registers, Status};

use super::clock::Clock;
use super::disk::{self, Commands, Failure, Geometry, SECTOR_BYTES};
use super::pci;
use crate::memory::DmaMemory;
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
    let mut memory = None;
    let mut find_disk = |number: usize, channel: Channel, drive: Drive| {
        let place = format!("IDE channel {number}, {}", drive.name());
        // SAFETY: the caller gives us the ports. The two drives of a channel share them, and each operation
        // selects its drive first and leaves the channel idle.
        let registers = unsafe { ChannelPorts::new(channel.address, Rc::clone(clock)) };
        match AtaDisk::probe(registers, drive) {
            Ok(Found::Disk(mut found)) => {
                if let Some(engine) = channel.engine.filter(|_| found.identity.has_dma)
                    && let Some(memory) = shared_memory(&mut memory)
                {
                    let function = &functions[engine.device];
                    // SAFETY: as above; the ports are those that the function names.
                    found.registers.set_engine(unsafe { EnginePorts::new(engine.port, function, memory) });
                }
                let name = disk::name(&place, &found.identity.model, &found.identity.serial);
                Some(Ok(disk::Disk::new(name, found)))
            }
            Ok(Found::Nothing | Found::PacketDevice) => None,
            Err(error) => Some(Err(format!("{place}: {error}"))),
        }
    };
    let mut found = Vec::new();
    for (number, channel) in channels(&devices).into_iter().enumerate() {
        found.extend([Drive::Master, Drive::Slave].into_iter().filter_map(|drive| find_disk(number, channel, drive)));
    }
    found
}

/// The memory of all engines, allocated for the first; none if there is none to be had, for the CPU can move the data.
fn shared_memory(memory: &mut Option<Rc<RefCell<DmaMemory>>>) -> Option<Rc<RefCell<DmaMemory>>> {
    if memory.is_none() {
        *memory = DmaMemory::allocate(dma::SHARED_BYTES).ok().map(|allocated| Rc::new(RefCell::new(allocated)));
    }
    memory.clone()
}

/// A disk that has identified itself.
#[derive(Debug)]
pub struct AtaDisk<R> {
    registers: R,
    drive: Drive,
    identity: Identity,
    dma: Dma,
}

/// Whether a disk's data is moved by DMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dma {
    /// If the channel can.
    Trusted,
    /// It failed; what the next command without it does says whose fault that was.
    Suspect,
    /// What failed with it was done without it.
    Broken,
}

impl<R: Registers> AtaDisk<R> {
    /// Asks what is there. A place that is empty costs no waiting.
    pub fn probe(mut registers: R, drive: Drive) -> Result<Found<R>, Failure> {
        match protocol::identify(&mut registers, drive)? {
            protocol::Answer::Nothing => Ok(Found::Nothing),
            protocol::Answer::PacketDevice => Ok(Found::PacketDevice),
            protocol::Answer::Disk(identity) => Ok(Found::Disk(Self { registers, drive, identity, dma: Dma::Trusted })),
        }
    }

    fn uses_dma(&mut self) -> bool {
        self.dma == Dma::Trusted && self.identity.has_dma && self.registers.engine().is_some()
    }

    /// Draws conclusions from how a transfer ended.
    fn judge(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        self.dma = match (self.dma, &result) {
            (Dma::Trusted, Err(_)) => Dma::Suspect,
            (Dma::Suspect, Ok(())) => Dma::Broken,
            (Dma::Suspect, Err(_)) => Dma::Trusted,
            (unchanged, _) => unchanged,
        };
        result
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
        if self.uses_dma() {
            let command = Command::dma(self.identity.lba48, false);
            let transfer = self.transfer(command, first, buffer.len(), 1);
            let result = dma::read(&mut self.registers, transfer, buffer);
            return self.judge(result);
        }
        let block_sectors = self.block_sectors(buffer.len())?;
        let command = Command::read(self.identity.lba48, block_sectors > 1);
        let transfer = self.transfer(command, first, buffer.len(), block_sectors);
        let result = protocol::read(&mut self.registers, transfer, buffer);
        self.judge(result)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        if self.uses_dma() {
            let command = Command::dma(self.identity.lba48, true);
            let transfer = self.transfer(command, first, bytes.len(), 1);
            let result = dma::write(&mut self.registers, transfer, bytes);
            return self.judge(result);
        }
        let block_sectors = self.block_sectors(bytes.len())?;
        let command = Command::write(self.identity.lba48, block_sectors > 1);
        let transfer = self.transfer(command, first, bytes.len(), block_sectors);
        let result = protocol::write(&mut self.registers, transfer, bytes);
        self.judge(result)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let command = if self.identity.flush_ext { Command::FlushCacheExt } else { Command::FlushCache };
        protocol::flush(&mut self.registers, self.drive, command)
    }

    fn reset(&mut self) -> bool {
        protocol::reset(&mut self.registers, self.drive)
            && match protocol::identify(&mut self.registers, self.drive) {
                // A disk may lose the mode that the firmware had selected.
                Ok(protocol::Answer::Disk(found)) => {
                    self.identity.has_dma &= found.has_dma;
                    self.identity.is_same_disk(&found)
                }
                _ => false,
            }
    }
}

#[cfg(test)]
pub(super) use fake::identify_words;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
