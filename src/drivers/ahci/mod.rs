//! Serial ATA disks behind an AHCI controller: one command at a time, polled.
//!
//! [`find`] brings up every controller and returns a [`Disk`] per disk; CD drives, port multipliers and enclosures are passed
//! over. The protocol runs over a [`BusMaster`], a controller of the machine or a fake; the disks of a controller share it.
//! Commands and what disks say of themselves are those of [`ata`](super::ata). Source: Serial ATA AHCI 1.3.1.

mod command;
mod controller;
mod registers;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::ata::Identity;
use super::bus_master::{BusMaster, MappedDevice};
use super::clock::Clock;
use super::disk::{self, Commands, Disk, Failure, Geometry, SECTOR_BYTES};
use super::pci;
use command::{Direction, Request};
use controller::{Controller, MAX_DATA_BYTES, SHARED_BYTES};
use registers::{PORTS, REGISTER_BYTES};

const CLASS_STORAGE: u8 = 0x01;
const SUBCLASS_SATA: u8 = 0x06;
const INTERFACE_AHCI: u8 = 0x01;
/// Where the firmware put the registers: base address register 5.
const REGISTERS_BAR: usize = 5;

/// Every disk of every controller, and a line for each that answers but cannot be used.
///
/// # Safety
/// No other code drives these controllers, now or later.
pub unsafe fn find(functions: &[pci::Function], clock: &Rc<Clock>) -> Vec<Result<Disk, String>> {
    let is_ahci = |device: &pci::Device| device.is(CLASS_STORAGE, SUBCLASS_SATA) && device.interface == INTERFACE_AHCI;
    let controllers: Vec<_> = functions.iter().filter(|function| is_ahci(&function.device)).collect();
    let disks_of = |(number, function): (usize, &&pci::Function)| {
        let name = if controllers.len() == 1 { "AHCI".into() } else { format!("AHCI controller {number}") };
        // SAFETY: the caller gives us the controllers.
        match unsafe { MappedDevice::open(function, REGISTERS_BAR, REGISTER_BYTES, SHARED_BYTES, clock) } {
            Ok(device) => disks(device, &name),
            Err(error) => vec![Err(format!("{name}: {error}"))],
        }
    };
    controllers.iter().enumerate().flat_map(disks_of).collect()
}

/// The disks of one controller, which people know as `controller`.
fn disks<B: BusMaster + 'static>(device: B, controller: &str) -> Vec<Result<Disk, String>> {
    let shared = match Controller::start(device) {
        Ok(started) => Rc::new(RefCell::new(started)),
        Err(failure) => return vec![Err(format!("{controller}: {failure}"))],
    };
    let disk_at = |number| {
        let place = format!("{controller} port {number}");
        match shared.borrow_mut().find_disk(number).transpose()? {
            Ok(identity) => {
                let name = disk::name(&place, &identity.model, &identity.serial);
                Some(Ok(Disk::new(name, Port { controller: Rc::clone(&shared), number, identity })))
            }
            Err(failure) => Some(Err(format!("{place}: {failure}"))),
        }
    };
    (0..PORTS).filter_map(disk_at).collect()
}

/// A port with a disk.
struct Port<B> {
    controller: Rc<RefCell<Controller<B>>>,
    number: usize,
    identity: Identity,
}

impl<B: BusMaster> Commands for Port<B> {
    fn geometry(&self) -> Geometry {
        let Identity { sectors, block_sectors, .. } = self.identity;
        Geometry { sectors, block_sectors, most_sectors: (MAX_DATA_BYTES / SECTOR_BYTES) as u64 }
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let request = Request::transfer(&self.identity, Direction::FromDisk, first, buffer.len());
        self.controller.borrow_mut().read_data(self.number, &request, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        let request = Request::transfer(&self.identity, Direction::ToDisk, first, bytes.len());
        self.controller.borrow_mut().write_data(self.number, &request, bytes)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.controller.borrow_mut().write_data(self.number, &Request::flush(&self.identity), &[])
    }

    fn reset(&mut self) -> bool {
        self.controller.borrow_mut().reset(self.number, &self.identity)
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
