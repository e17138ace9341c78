//! Configuration space: by two ports, or in memory where the firmware's tables say so.
//!
//! Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2 (ports); PCI Express Base Specification 5.0, section 7.2.2
//! (memory); PCI Firmware Specification 3.2, section 4.1.2 (MCFG).

use alloc::rc::Rc;
use alloc::vec::Vec;

use pci_types::{CommandRegister, ConfigRegionAccess, PciAddress, PciHeader};
use x86_64::instructions::interrupts::without_interrupts;
use x86_64::instructions::port::Port;

use super::{Device, NO_VENDOR, capabilities};
use crate::memory::DeviceRegisters;

/// A function's registers, those beyond the first 256 bytes included.
const FUNCTION_BYTES: usize = 4096;
/// Functions that one bus may have.
const FUNCTIONS_PER_BUS: usize = 256;
/// What the ports reach of a function.
const PORT_BYTES: u16 = 256;

/// Configuration space of some buses in memory, as the firmware's tables state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Physical address of the first bus's registers.
    pub address: u64,
    pub segment: u16,
    pub first_bus: u8,
    pub last_bus: u8,
}

impl Window {
    fn bytes(&self) -> usize {
        (usize::from(self.last_bus.saturating_sub(self.first_bus)) + 1) * FUNCTIONS_PER_BUS * FUNCTION_BYTES
    }

    fn offset(&self, address: PciAddress, offset: u16) -> Option<usize> {
        if address.segment() != self.segment || !(self.first_bus..=self.last_bus).contains(&address.bus()) {
            return None;
        }
        let function = usize::from(address.bus() - self.first_bus) << 8
            | usize::from(address.device()) << 3
            | usize::from(address.function());
        Some(function * FUNCTION_BYTES + usize::from(offset & 0xffc))
    }
}

/// The machine's configuration space.
pub struct ConfigSpace {
    ports: ConfigPorts,
    windows: Vec<(Window, DeviceRegisters)>,
}

impl ConfigSpace {
    /// Uses `windows` where they show what the ports show, and the ports for all else.
    ///
    /// # Safety
    /// No other code uses the ports 0xcf8 to 0xcff, and `windows` are what the firmware's table (MCFG) says.
    pub unsafe fn new(windows: impl IntoIterator<Item = Window>) -> Self {
        // SAFETY: the caller gives us the ports.
        let ports = unsafe { ConfigPorts::new() };
        // SAFETY: the firmware says that these addresses are configuration space.
        let map =
            |window: Window| Some((window, unsafe { DeviceRegisters::map(window.address, window.bytes()) }.ok()?));
        let mut space = Self { ports, windows: Vec::new() };
        for (window, registers) in windows.into_iter().filter_map(map) {
            let agrees = |device| {
                let address = PciAddress::new(window.segment, window.first_bus, device, 0);
                // SAFETY: reading the identity of a function that may be absent has no effect.
                let by_ports = unsafe { space.ports.read(address, 0) };
                window.offset(address, 0).is_some_and(|offset| registers.read(offset) == by_ports)
            };
            if window.segment != 0 || (0..DEVICES_COMPARED).all(agrees) {
                space.windows.push((window, registers));
            }
        }
        space
    }

    fn window(&self, address: PciAddress, offset: u16) -> Option<(&DeviceRegisters, usize)> {
        self.windows.iter().find_map(|(window, registers)| Some((registers, window.offset(address, offset)?)))
    }

    /// The groups of buses that there are.
    pub fn segments(&self) -> Vec<u16> {
        let mut segments: Vec<u16> = self.windows.iter().map(|(window, _)| window.segment).collect();
        segments.push(0);
        segments.sort_unstable();
        segments.dedup();
        segments
    }
}

/// Devices whose identity is read in both ways before a table is believed.
const DEVICES_COMPARED: u8 = 32;

impl ConfigRegionAccess for ConfigSpace {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        match self.window(address, offset) {
            Some((registers, at)) => registers.read(at),
            // SAFETY: the caller vouches for reading this register.
            None => unsafe { self.ports.read(address, offset) },
        }
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        match self.window(address, offset) {
            Some((registers, at)) => registers.write(at, value),
            // SAFETY: the caller vouches for writing this register.
            None => unsafe { self.ports.write(address, offset, value) },
        }
    }
}

/// A function of a device, and the way to its configuration.
#[derive(Clone)]
pub struct Function {
    pub device: Device,
    pub space: Rc<ConfigSpace>,
}

impl Function {
    /// Lets the device answer at its ports and addresses, and reach memory by itself.
    pub fn start(&self) {
        let wanted = CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE | CommandRegister::BUS_MASTER_ENABLE;
        self.header().update_command(&*self.space, |command| command | wanted);
    }

    /// Keeps the device from reaching memory.
    pub fn cut_off(&self) {
        self.header().update_command(&*self.space, |command| command - CommandRegister::BUS_MASTER_ENABLE);
    }

    /// The register of its configuration at `offset`, a multiple of 4.
    pub fn read(&self, offset: u16) -> u32 {
        // SAFETY: what a function's configuration holds may be read at any time.
        unsafe { self.space.read(self.device.address, offset) }
    }

    /// What the function lists beside its registers: each capability's kind, and where it is in the configuration.
    pub fn capabilities(&self) -> Vec<(u8, u16)> {
        capabilities(&*self.space, self.device.address)
    }

    fn header(&self) -> PciHeader {
        PciHeader::new(self.device.address)
    }
}

/// Configuration mechanism 1: an address port and a data port; 256 bytes per function, segment 0.
pub struct ConfigPorts(());

impl ConfigPorts {
    const ADDRESS_PORT: u16 = 0xcf8;
    const DATA_PORT: u16 = 0xcfc;
    const ENABLE: u32 = 1 << 31;

    /// # Safety
    /// No other code uses the ports 0xcf8 to 0xcff.
    pub unsafe fn new() -> Self {
        Self(())
    }

    /// Selects a register, if the ports reach it.
    fn select(address: PciAddress, offset: u16) -> bool {
        let function = u32::from(address.bus()) << 16
            | u32::from(address.device()) << 11
            | u32::from(address.function()) << 8
            | u32::from(offset & 0xfc);
        let reached = address.segment() == 0 && offset < PORT_BYTES;
        if reached {
            // SAFETY: `new` gave us this port; selecting a register has no effect by itself.
            unsafe { Port::<u32>::new(Self::ADDRESS_PORT).write(Self::ENABLE | function) };
        }
        reached
    }
}

impl ConfigRegionAccess for ConfigPorts {
    unsafe fn read(&self, address: PciAddress, offset: u16) -> u32 {
        without_interrupts(|| {
            if !Self::select(address, offset) {
                return u32::from(NO_VENDOR) << 16 | u32::from(NO_VENDOR);
            }
            // SAFETY: the caller vouches for reading the register selected above.
            unsafe { Port::<u32>::new(Self::DATA_PORT).read() }
        })
    }

    unsafe fn write(&self, address: PciAddress, offset: u16, value: u32) {
        without_interrupts(|| {
            if Self::select(address, offset) {
                // SAFETY: the caller vouches for writing the register selected above.
                unsafe { Port::<u32>::new(Self::DATA_PORT).write(value) };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_holds_its_own_buses_and_no_others() {
        let window = Window { address: 0, segment: 1, first_bus: 0x10, last_bus: 0x11 };
        assert_eq!(window.bytes(), 2 << 20);
        let at = |segment, bus| window.offset(PciAddress::new(segment, bus, 3, 2), 0x104);
        assert_eq!([at(1, 0x10), at(1, 0x11)], [Some(0x1_a104), Some(0x11_a104)]);
        assert_eq!([at(1, 0x0f), at(1, 0x12), at(0, 0x10)], [None; 3]);
    }

    #[test]
    fn window_over_all_buses_is_whole() {
        let window = Window { address: 0, segment: 0, first_bus: 0, last_bus: 0xff };
        let last = window.offset(PciAddress::new(0, 0xff, 31, 7), 0xffc).expect("inside");
        assert_eq!((window.bytes(), last), (256 << 20, (256 << 20) - 4));
    }
}
