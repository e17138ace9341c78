//! NVMe disks: one admin queue and one for blocks, one command at a time, polled.
//!
//! [`find`] takes every controller over from the firmware and returns a [`Disk`] per namespace; namespaces with blocks other
//! than 512 or 4096 bytes, or with metadata, are refused by name. The protocol runs over [`BusMaster`], so a fake stands in
//! for the controller in the tests. A failed command resets the controller for all its namespaces; one that does not come
//! back may no longer reach memory. A controller without a volatile cache is not told to flush. Source: NVM Express Base
//! Specification 1.4.

mod command;
mod controller;
mod error;
mod identity;
mod queue;
mod registers;

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

pub use command::CommandStatus;
pub use error::NvmeError;
pub use registers::Status;

use super::bus_master::{BusMaster, MappedDevice};
use super::clock::Clock;
use super::disk::{self, Commands, Disk, Failure, Geometry, SECTOR_BYTES};
use super::pci::Function;
use controller::{Controller, DATA_BYTES, REGISTER_BYTES, SHARED_BYTES};
use identity::{ControllerIdentity, NamespaceIdentity};

const CLASS_STORAGE: u8 = 0x01;
const SUBCLASS_NON_VOLATILE: u8 = 0x08;
const INTERFACE_NVME: u8 = 0x02;

/// Every namespace of every controller, and a line for each that cannot be used.
///
/// # Safety
/// Nothing else drives the controllers, now or later.
pub unsafe fn find(functions: &[Function], clock: &Rc<Clock>) -> Vec<Result<Disk, String>> {
    let is_controller = |function: &&Function| {
        function.device.is(CLASS_STORAGE, SUBCLASS_NON_VOLATILE) && function.device.interface == INTERFACE_NVME
    };
    let controllers = functions.iter().filter(is_controller).enumerate();
    controllers
        .flat_map(|(number, function)| {
            let place = format!("NVMe {number}");
            // SAFETY: the caller gives us the controllers.
            match unsafe { MappedDevice::open(function, 0, REGISTER_BYTES, SHARED_BYTES, clock) } {
                Ok(device) => disks(&place, device).unwrap_or_else(|error| vec![Err(format!("{place}: {error}"))]),
                Err(error) => vec![Err(format!("{place}: {error}"))],
            }
        })
        .collect()
}

/// The namespaces of the controller at `place`.
fn disks(place: &str, device: impl BusMaster + 'static) -> Result<Vec<Result<Disk, String>>, NvmeError> {
    let controller = Rc::new(RefCell::new(Controller::start(device)?));
    let found = namespaces(&controller, place);
    if found.is_err() {
        controller.borrow_mut().cut_off();
    }
    found
}

fn namespaces<D: BusMaster + 'static>(
    controller: &Rc<RefCell<Controller<D>>>,
    place: &str,
) -> Result<Vec<Result<Disk, String>>, NvmeError> {
    let identity = controller.borrow_mut().identify()?;
    let numbers = controller.borrow_mut().namespaces(&identity)?;
    let mut disks = Vec::new();
    for number in numbers {
        let place = format!("{place} namespace {number}");
        match Namespace::find(controller, &identity, number) {
            Ok(Some(found)) => {
                disks.push(Ok(Disk::new(disk::name(&place, &identity.model, &identity.serial), found)));
            }
            Ok(None) => {}
            Err(error @ NvmeError::Unanswered { .. }) => return Err(error),
            Err(error) => disks.push(Err(format!("{place}: {error}"))),
        }
    }
    Ok(disks)
}

/// A part of a controller's capacity that is a disk of its own.
struct Namespace<D> {
    controller: Rc<RefCell<Controller<D>>>,
    number: u32,
    geometry: Geometry,
    has_volatile_cache: bool,
}

impl<D: BusMaster> Namespace<D> {
    /// Asks what namespace `number` is: none if there is no such.
    fn find(
        controller: &Rc<RefCell<Controller<D>>>,
        identity: &ControllerIdentity,
        number: u32,
    ) -> Result<Option<Self>, NvmeError> {
        let found = controller.borrow_mut().namespace(number)?;
        let most_bytes = identity.most_bytes.map_or(DATA_BYTES, |most| most.min(DATA_BYTES));
        Ok(found.map(|NamespaceIdentity { sectors, block_sectors }| Self {
            controller: Rc::clone(controller),
            number,
            geometry: Geometry { sectors, block_sectors, most_sectors: (most_bytes / SECTOR_BYTES) as u64 },
            has_volatile_cache: identity.has_volatile_cache,
        }))
    }

    /// The first block and the number of blocks of a transfer.
    fn blocks(&self, first: u64, len_bytes: usize) -> (u64, u16) {
        let block_sectors = self.geometry.block_sectors;
        (first / block_sectors, (len_bytes as u64 / SECTOR_BYTES as u64 / block_sectors) as u16)
    }
}

impl<D: BusMaster> Commands for Namespace<D> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), Failure> {
        let (first, blocks) = self.blocks(first, buffer.len());
        self.controller.borrow_mut().read(self.number, first, blocks, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), Failure> {
        let (first, blocks) = self.blocks(first, bytes.len());
        self.controller.borrow_mut().write(self.number, first, blocks, bytes)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.has_volatile_cache {
            return Ok(());
        }
        self.controller.borrow_mut().flush(self.number)
    }

    fn reset(&mut self) -> bool {
        self.controller.borrow_mut().reset()
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
