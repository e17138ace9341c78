//! ATA channels of a PC: where their registers lie, and the access to them.
//!
//! Two channels sit at fixed ports since the PC/AT; a PCI IDE controller in native mode states its own. Source: PCI IDE
//! Controller Specification 1.0.

use alloc::rc::Rc;
use alloc::vec::Vec;
use x86_64::instructions::port::Port;

use super::super::clock::Clock;
use super::super::pci::{self, Bar};
use super::registers::{Register, Registers};

const CLASS_STORAGE: u8 = 0x01;
const SUBCLASS_IDE: u8 = 0x01;

/// Where a channel's two groups of registers start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAddress {
    /// Data, error, sector count, address, device, status: eight ports.
    pub command: u16,
    /// Alternate status and device control: one port.
    pub control: u16,
}

impl ChannelAddress {
    /// The two channels of the PC/AT.
    pub const LEGACY: [Self; 2] = [Self { command: 0x1f0, control: 0x3f6 }, Self { command: 0x170, control: 0x376 }];
}

/// The fixed channels and those that IDE controllers among `devices` have elsewhere.
pub fn channels(devices: &[pci::Device]) -> Vec<ChannelAddress> {
    let controllers = devices.iter().filter(|device| device.is(CLASS_STORAGE, SUBCLASS_IDE));
    let native = controllers.flat_map(|controller| [native(controller, 0), native(controller, 1)]).flatten();
    let mut channels = ChannelAddress::LEGACY.to_vec();
    channels.extend(native.filter(|channel| !ChannelAddress::LEGACY.contains(channel)));
    channels
}

/// Bits 0 and 2 of the interface say which channels are in native mode; the control register is the third port of its region.
fn native(controller: &pci::Device, channel: usize) -> Option<ChannelAddress> {
    const CONTROL_OFFSET: u16 = 2;
    const LAST_COMMAND_OFFSET: u16 = 7;
    if controller.interface & 1 << (2 * channel) == 0 {
        return None;
    }
    let (Bar::Io { port: command }, Bar::Io { port: control }) =
        (controller.bars[2 * channel]?, controller.bars[2 * channel + 1]?)
    else {
        return None;
    };
    command.checked_add(LAST_COMMAND_OFFSET)?;
    Some(ChannelAddress { command, control: control.checked_add(CONTROL_OFFSET)? })
}

/// A channel's registers behind I/O ports.
pub struct ChannelPorts {
    address: ChannelAddress,
    clock: Rc<Clock>,
}

impl ChannelPorts {
    /// # Safety
    /// The ports are those of an ATA channel, or of nothing, and are used only through values of this type, one
    /// operation at a time.
    pub unsafe fn new(address: ChannelAddress, clock: Rc<Clock>) -> Self {
        Self { address, clock }
    }

    fn port(&self, register: Register) -> Port<u8> {
        let offset = match register {
            Register::Error => 1,
            Register::SectorCount => 2,
            Register::LbaLow => 3,
            Register::LbaMid => 4,
            Register::LbaHigh => 5,
            Register::Device => 6,
            Register::Status => 7,
            Register::Control => return Port::new(self.address.control),
        };
        Port::new(self.address.command + offset)
    }
}

impl Registers for ChannelPorts {
    fn read(&mut self, register: Register) -> u8 {
        // SAFETY: `new` gave us the channel; reading its 8-bit registers at most acknowledges its interrupt.
        unsafe { self.port(register).read() }
    }

    fn write(&mut self, register: Register, value: u8) {
        // SAFETY: `new` gave us the channel, and the device is no bus master: it cannot touch memory.
        unsafe { self.port(register).write(value) };
    }

    fn read_data(&mut self, bytes: &mut [u8]) {
        // SAFETY: `rep insw` writes 2 bytes per word from the start of `bytes`, which is that long; the direction flag
        // is clear on entry to asm code by Rust's rules.
        unsafe {
            core::arch::asm!(
                "rep insw",
                in("dx") self.address.command,
                inout("rdi") bytes.as_mut_ptr() => _,
                inout("rcx") bytes.len() / 2 => _,
                options(nostack, preserves_flags),
            );
        }
    }

    fn write_data(&mut self, bytes: &[u8]) {
        // SAFETY: `rep outsw` reads 2 bytes per word from the start of `bytes`, which is that long; the direction flag
        // is clear on entry to asm code by Rust's rules.
        unsafe {
            core::arch::asm!(
                "rep outsw",
                in("dx") self.address.command,
                inout("rsi") bytes.as_ptr() => _,
                inout("rcx") bytes.len() / 2 => _,
                options(nostack, preserves_flags, readonly),
            );
        }
    }

    fn now_ms(&mut self) -> u64 {
        self.clock.monotonic_ns() / 1_000_000
    }
}
