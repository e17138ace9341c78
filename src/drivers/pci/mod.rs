//! PCI: which devices there are, and where their registers lie.
//!
//! [`functions`] lists what the machine has; [`devices`] does so behind any [`ConfigRegionAccess`], of which [`ConfigSpace`]
//! is the machine's. It starts at bus 0 and follows bridges, visiting each bus once, so the work is bounded however a
//! broken bridge points. Source: PCI Local Bus Specification 3.0, section 6.

pub mod class;
mod config;
mod mcfg;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use pci_types::{CommandRegister, ConfigRegionAccess, HeaderType, PciAddress, PciHeader, PciPciBridgeHeader};

pub use config::{ConfigSpace, Function, Window};
pub use mcfg::windows;

const BUSES: usize = 256;
const DEVICES_PER_BUS: u8 = 32;
const FUNCTIONS_PER_DEVICE: u8 = 8;

/// What an empty slot reads as.
const NO_VENDOR: u16 = 0xffff;

const CLASS_BRIDGE: u8 = 0x06;
const FIRST_BAR_OFFSET: u16 = 0x10;
const BARS: usize = 6;
/// Where the first capability's place is.
const CAPABILITIES_OFFSET: u16 = 0x34;
const FIRST_CAPABILITY_OFFSET: u16 = 0x40;
/// As many as there is room for.
const MAX_CAPABILITIES: usize = 48;

/// A region of a device's registers (base address register).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// First I/O port.
    Io { port: u16 },
    /// Physical address and length.
    Memory { address: u64, size_bytes: u64, prefetchable: bool },
}

/// One function of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub address: PciAddress,
    pub vendor: u16,
    pub device: u16,
    pub class: u8,
    pub subclass: u8,
    pub interface: u8,
    /// By register number. A 64-bit region takes two registers: the second is `None`. Bridges list none.
    pub bars: [Option<Bar>; BARS],
}

impl Device {
    /// Whether this is the kind of device meant: class, subclass.
    pub fn is(&self, class: u8, subclass: u8) -> bool {
        (self.class, self.subclass) == (class, subclass)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, vendor, device, class, subclass, interface, .. } = self;
        write!(f, "{address} {vendor:04x}:{device:04x} class {class:02x}.{subclass:02x}.{interface:02x}")
    }
}

/// Every function of the machine, in the order found. To be called before any driver uses one: see [`devices`].
pub fn functions(space: &Rc<ConfigSpace>) -> Vec<Function> {
    let segments = space.segments().into_iter();
    let devices = segments.flat_map(|segment| devices(&**space, segment));
    devices.map(|device| Function { device, space: Rc::clone(space) }).collect()
}

/// Every function on every bus of `segment` that bridges lead to, in the order found.
///
/// Sizing its regions turns a device off for a moment; call this before any driver uses one.
pub fn devices(access: &impl ConfigRegionAccess, segment: u16) -> Vec<Device> {
    let mut found = Vec::new();
    let mut seen = [false; BUSES];
    seen[0] = true;
    let mut waiting: Vec<u8> = alloc::vec![0];
    while let Some(bus) = waiting.pop() {
        for address in functions_on(access, segment, bus) {
            found.push(describe(access, address));
            if let Some(behind) = bus_behind(access, address)
                && !core::mem::replace(&mut seen[usize::from(behind)], true)
            {
                waiting.push(behind);
            }
        }
    }
    found
}

fn functions_on(access: &impl ConfigRegionAccess, segment: u16, bus: u8) -> impl Iterator<Item = PciAddress> {
    (0..DEVICES_PER_BUS).flat_map(move |device| {
        let first = PciAddress::new(segment, bus, device, 0);
        let functions = match exists(access, first) {
            false => 0,
            true if PciHeader::new(first).has_multiple_functions(access) => FUNCTIONS_PER_DEVICE,
            true => 1,
        };
        (0..functions)
            .map(move |function| PciAddress::new(segment, bus, device, function))
            .filter(move |&address| exists(access, address))
    })
}

fn exists(access: &impl ConfigRegionAccess, address: PciAddress) -> bool {
    PciHeader::new(address).id(access).0 != NO_VENDOR
}

fn describe(access: &impl ConfigRegionAccess, address: PciAddress) -> Device {
    let header = PciHeader::new(address);
    let (vendor, device) = header.id(access);
    let (_, class, subclass, interface) = header.revision_and_class(access);
    let sized = header.header_type(access) == HeaderType::Endpoint && class != CLASS_BRIDGE;
    let bars = if sized { bars(access, header) } else { [None; BARS] };
    Device { address, vendor, device, class, subclass, interface, bars }
}

/// The kinds of a function's capabilities and where they are; a list that goes in circles ends.
fn capabilities(access: &impl ConfigRegionAccess, address: PciAddress) -> Vec<(u8, u16)> {
    // SAFETY: reading the list has no effect.
    let read = |offset| unsafe { access.read(address, offset) };
    let mut found = Vec::new();
    if !PciHeader::new(address).status(access).has_capability_list() {
        return found;
    }
    let mut at = (read(CAPABILITIES_OFFSET) & 0xfc) as u16;
    while at >= FIRST_CAPABILITY_OFFSET && found.len() < MAX_CAPABILITIES {
        let head = read(at);
        found.push((head as u8, at));
        at = (head >> 8 & 0xfc) as u16;
    }
    found
}

/// The bus behind a bridge; none if this is no bridge or the firmware gave it no bus.
fn bus_behind(access: &impl ConfigRegionAccess, address: PciAddress) -> Option<u8> {
    let bridge = PciPciBridgeHeader::from_header(PciHeader::new(address), access)?;
    Some(bridge.secondary_bus_number(access)).filter(|&bus| bus != 0)
}

/// Reads and sizes all regions, with the device deaf meanwhile: it must not answer at the trial addresses.
fn bars(access: &impl ConfigRegionAccess, mut header: PciHeader) -> [Option<Bar>; BARS] {
    let decoding = CommandRegister::IO_ENABLE | CommandRegister::MEMORY_ENABLE;
    let before = header.command(access);
    header.update_command(access, |command| command - decoding);
    let mut bars = [None; BARS];
    let mut register = 0;
    while register < BARS {
        let (bar, registers) = read_bar(access, header.address(), register);
        bars[register] = bar;
        register += registers;
    }
    header.update_command(access, |_| before);
    bars
}

/// The region at a register, and how many registers it takes.
fn read_bar(access: &impl ConfigRegionAccess, address: PciAddress, register: usize) -> (Option<Bar>, usize) {
    let (low, low_mask) = read_and_size(access, address, register);
    if low & 1 != 0 {
        let port = (low & 0xfffc) as u16;
        return ((port != 0).then_some(Bar::Io { port }), 1);
    }
    let is_64_bit = low >> 1 & 0b11 == 0b10 && register + 1 < BARS;
    let (high, high_mask) = if is_64_bit { read_and_size(access, address, register + 1) } else { (0, u32::MAX) };
    let mask = u64::from(high_mask) << 32 | u64::from(low_mask & !0xf);
    let base = u64::from(high) << 32 | u64::from(low & !0xf);
    // The writable bits of the address are those above the size; none at all means that there is no region.
    let exists = base != 0 && low_mask & !0xf != 0 || is_64_bit && base != 0 && high_mask != 0;
    let bar = exists.then(|| Bar::Memory {
        address: base,
        size_bytes: mask & mask.wrapping_neg(),
        prefetchable: low & 0b1000 != 0,
    });
    (bar, if is_64_bit { 2 } else { 1 })
}

/// A base address register's value, and what it holds after all ones are written; the value is put back.
fn read_and_size(access: &impl ConfigRegionAccess, address: PciAddress, register: usize) -> (u32, u32) {
    let offset = FIRST_BAR_OFFSET + 4 * register as u16;
    // SAFETY: `register` is below 6, so this is a base address register of an endpoint; reading has no effect.
    let value = unsafe { access.read(address, offset) };
    // SAFETY: the device does not decode addresses meanwhile: see `bars`.
    unsafe { access.write(address, offset, u32::MAX) };
    // SAFETY: as the first read.
    let mask = unsafe { access.read(address, offset) };
    // SAFETY: puts back what the firmware had set.
    unsafe { access.write(address, offset, value) };
    (value, mask)
}

#[cfg(test)]
mod tests;
