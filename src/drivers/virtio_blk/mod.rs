//! Disks of virtual machines (virtio-blk), modern and legacy: one request at a time, polled.
//!
//! [`find`] brings up every device and returns a [`Disk`] for each. The queue of requests is that of the crate
//! `virtio-drivers`, over transports of our own that run on [`Registers`](registers::Registers), a device of the machine or a
//! fake. Source: Virtual I/O Device (VIRTIO) 1.2, sections 2 (queues), 3.1 (initialisation), 4.1 (PCI), 5.2 (block device).

mod block;
mod features;
mod machine;
mod queue;
mod registers;
mod transport;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use virtio_drivers::Hal;

use super::clock::Clock;
use super::disk::{self, Commands, Disk, Failure, Geometry};
use super::pci;
use block::{Block, Identity};
use machine::{Found, KernelMemory};
use queue::QueueMemory;
use transport::Device;

const VENDOR: u16 = 0x1af4;
/// A block device that can be legacy, and one that cannot.
const DEVICES: [u16; 2] = [0x1001, 0x1042];

/// Every disk, and a line for each device that cannot be used.
///
/// # Safety
/// No other code drives these devices, now or later.
pub unsafe fn find(functions: &[pci::Function], clock: &Rc<Clock>) -> Vec<Result<Disk, String>> {
    let is_disk = |device: &pci::Device| device.vendor == VENDOR && DEVICES.contains(&device.device);
    let found = functions.iter().filter(|function| is_disk(&function.device)).enumerate();
    let disk_at = |(number, function)| {
        let place = format!("virtio-blk {number}");
        // SAFETY: the caller gives us the devices.
        match unsafe { machine::open(function, clock) } {
            Ok(Found::Modern(device)) => disk::<KernelMemory, _>(device, &place),
            Ok(Found::Legacy(device)) => disk::<KernelMemory, _>(device, &place),
            Err(error) => Err(format!("{place}: {error}")),
        }
    };
    found.map(disk_at).collect()
}

/// The disk that `device` is.
fn disk<H: Hal + 'static, D: Device + 'static>(device: D, place: &str) -> Result<Disk, String> {
    let failed = |failure: &dyn ToString| format!("{place}: {}", failure.to_string());
    let memory = QueueMemory::<H>::allocate().map_err(|error| failed(&error))?;
    let mut block = Block::new(device, memory);
    match block.start() {
        Ok(identity) => Ok(Disk::new(identity.name(place), Started { block, identity })),
        Err(failure) => {
            block.stop();
            Err(failed(&failure))
        }
    }
}

/// A device that has said what it is.
struct Started<H: Hal, D> {
    block: Block<H, D>,
    identity: Identity,
}

impl Identity {
    fn name(&self, place: &str) -> String {
        let place = if self.is_read_only { format!("{place}, read-only") } else { place.into() };
        disk::name(&place, "", &self.serial)
    }
}

impl<H: Hal + 'static, D: Device> Commands for Started<H, D> {
    fn geometry(&self) -> Geometry {
        self.identity.geometry
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        self.block.read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.identity.check_writable()?;
        self.block.write(first, bytes)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.identity.check_writable()?;
        if self.identity.has_flush { self.block.flush() } else { Ok(()) }
    }

    /// Somebody may have put another disk in its place.
    fn reset(&mut self) -> bool {
        let is_back = self.block.start().is_ok_and(|identity| identity == self.identity);
        if !is_back {
            self.block.stop();
        }
        is_back
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
