//! ATA channels of a PC: where their registers lie, and the access to them.
//!
//! Two channels sit at fixed ports since the PC/AT; a PCI IDE controller in native mode states its own. Those of a PCI
//! controller may have an [`Engine`], at fixed ports or not. Sources: PCI IDE Controller Specification 1.0, Programming
//! Interface for Bus Master IDE Controller 1.0.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use x86_64::instructions::port::Port;

use super::super::clock::Clock;
use super::super::pci::{self, Bar};
use super::registers::{Engine, EngineStatus, Register, Registers};
use crate::memory::DmaMemory;

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

/// A channel, and where its engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    pub address: ChannelAddress,
    pub engine: Option<EngineAddress>,
}

/// Where the registers of a channel's engine start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineAddress {
    /// Which of the devices it belongs to.
    pub device: usize,
    pub port: u16,
}

/// The fixed channels and those that IDE controllers among `devices` have elsewhere.
pub fn channels(devices: &[pci::Device]) -> Vec<Channel> {
    let mut channels = ChannelAddress::LEGACY.map(|address| Channel { address, engine: None }).to_vec();
    let controllers = devices.iter().enumerate().filter(|(_, device)| device.is(CLASS_STORAGE, SUBCLASS_IDE));
    for (device, controller) in controllers {
        for number in 0..2 {
            let engine = engine(controller, number).map(|port| EngineAddress { device, port });
            let address = match is_native(controller, number) {
                false => Some(ChannelAddress::LEGACY[number]),
                true => native(controller, number),
            };
            let known = channels.iter().position(|channel| Some(channel.address) == address);
            match (known, address) {
                (Some(known), _) => channels[known].engine = channels[known].engine.or(engine),
                (None, Some(address)) => channels.push(Channel { address, engine }),
                (None, None) => {}
            }
        }
    }
    channels
}

/// Bits 0 and 2 of the interface say which channels are in native mode.
fn is_native(controller: &pci::Device, channel: usize) -> bool {
    controller.interface & 1 << (2 * channel) != 0
}

/// Where a channel in native mode is; the control register is the third port of its region.
fn native(controller: &pci::Device, channel: usize) -> Option<ChannelAddress> {
    const CONTROL_OFFSET: u16 = 2;
    const LAST_COMMAND_OFFSET: u16 = 7;
    let (Bar::Io { port: command }, Bar::Io { port: control }) =
        (controller.bars[2 * channel]?, controller.bars[2 * channel + 1]?)
    else {
        return None;
    };
    command.checked_add(LAST_COMMAND_OFFSET)?;
    Some(ChannelAddress { command, control: control.checked_add(CONTROL_OFFSET)? })
}

/// Bit 7 of the interface says that the controller reaches memory. Its fifth region has eight ports for each channel.
fn engine(controller: &pci::Device, channel: usize) -> Option<u16> {
    const REACHES_MEMORY: u8 = 1 << 7;
    const ENGINE_PORTS: u16 = 8;
    let Bar::Io { port } = controller.bars[4].filter(|_| controller.interface & REACHES_MEMORY != 0)? else {
        return None;
    };
    let first = port.checked_add(ENGINE_PORTS * channel as u16)?;
    first.checked_add(ENGINE_PORTS - 1)?;
    Some(first)
}

/// A channel's registers behind I/O ports.
pub struct ChannelPorts {
    address: ChannelAddress,
    clock: Rc<Clock>,
    engine: Option<EnginePorts>,
}

impl ChannelPorts {
    /// # Safety
    /// The ports are those of an ATA channel, or of nothing, and are used only through values of this type, one
    /// operation at a time.
    pub unsafe fn new(address: ChannelAddress, clock: Rc<Clock>) -> Self {
        Self { address, clock, engine: None }
    }

    /// Has the channel's data moved by its engine.
    pub fn set_engine(&mut self, engine: EnginePorts) {
        self.engine = Some(engine);
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
        // SAFETY: `new` gave us the channel, whose device reaches no memory but that which its engine shares with it.
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
        self.clock.monotonic_ms()
    }

    fn engine(&mut self) -> Option<&mut dyn Engine> {
        self.engine.as_mut().map(|engine| engine as &mut dyn Engine)
    }
}

/// A channel's engine behind I/O ports. All engines share one memory: only one command is given at a time, and an engine that
/// does not stop is cut off.
pub struct EnginePorts {
    port: u16,
    function: pci::Function,
    memory: Rc<RefCell<DmaMemory>>,
}

impl EnginePorts {
    const STATUS_OFFSET: u16 = 2;
    const TABLE_OFFSET: u16 = 4;

    /// Starts the controller.
    ///
    /// # Safety
    /// The ports are those of an engine of `function`, and are used only through values of this type.
    pub unsafe fn new(port: u16, function: &pci::Function, memory: Rc<RefCell<DmaMemory>>) -> Self {
        function.start();
        Self { port, function: function.clone(), memory }
    }

    fn status_port(&self) -> Port<u8> {
        Port::new(self.port + Self::STATUS_OFFSET)
    }
}

impl Engine for EnginePorts {
    fn set_command(&mut self, value: u8) {
        // SAFETY: `new` gave us the engine. Its table names parts of the shared memory only.
        unsafe { Port::<u8>::new(self.port).write(value) };
    }

    fn status(&mut self) -> EngineStatus {
        // SAFETY: `new` gave us the engine; reading its status has no effect.
        EngineStatus(unsafe { self.status_port().read() })
    }

    fn clear_status(&mut self) {
        let EngineStatus(value) = self.status();
        // SAFETY: `new` gave us the engine; this clears two bits and leaves the others as they are.
        unsafe { self.status_port().write(value | EngineStatus::EVENTS) };
    }

    fn set_table(&mut self, address: u32) {
        // SAFETY: `new` gave us the engine, which reads the table only once it is started.
        unsafe { Port::<u32>::new(self.port + Self::TABLE_OFFSET).write(address) };
    }

    fn shared_address(&self) -> u32 {
        // Such memory is below 4 GiB.
        self.memory.borrow().address() as u32
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        self.memory.borrow_mut().load(at, bytes);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.memory.borrow_mut().store(at, bytes);
    }

    fn cut_off(&mut self) {
        self.function.cut_off();
    }
}
