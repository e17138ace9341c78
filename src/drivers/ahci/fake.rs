//! A controller with disks, for tests: it executes commands and can be told to misbehave.

use super::command::{HEADER_BYTES, REGIONS_AT};
use super::registers::{
    CAPABILITIES, CAPABILITIES_2, CONTROL, DISK_SIGNATURE, HAND_OFF, LINK_AWAKE, LINK_RESET, PORTS_IMPLEMENTED,
    PortRegister, capabilities, capabilities_2, command, control, hand_off, interrupts,
};
use crate::drivers::bus_master::BusMaster;
use crate::drivers::disk::SECTOR_BYTES;
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

/// What the controller calls the shared memory.
const SHARED_ADDRESS: u64 = 0x7654_3000;
pub(super) const CD_SIGNATURE: u32 = 0xeb14_0101;
const BUSY: u32 = 0x80;
const READY: u32 = 0x50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Ends no command any more.
    Hangs,
    /// Ends no command and stays busy, until the link is reset.
    HangsUntilLinkReset,
    /// Ends no command, and the port does not stop.
    NeverStops,
    /// This sector cannot be read or written.
    BadSector(u64),
    /// FLUSH CACHE fails.
    BadFlush,
    /// Moves less than it is asked for.
    Short,
    /// The cable is out.
    Unplugged,
}

#[derive(Clone, Debug)]
pub(super) struct FakePort {
    pub medium: Vec<u8>,
    pub identify: Vec<u8>,
    pub signature: u32,
    pub fault: Fault,
    /// (command, first block, blocks) of every command but IDENTIFY.
    pub commands: Vec<(u8, u64, u64)>,
    pub link_resets: usize,
    /// The port has no power until it is told to spin its disk up.
    pub is_staggered: bool,
    /// Registers by offset / 4.
    registers: [u32; 32],
}

#[derive(Debug)]
pub(super) struct Machine {
    pub ports: Vec<Option<FakePort>>,
    /// What PxCMD is before anything is written.
    pub firmware_command: u32,
    /// Looks at the clock until the firmware lets go; none without a hand-off.
    pub hand_off_looks: Option<usize>,
    pub handed_over: bool,
    pub reset_hangs: bool,
    /// All registers read as ones.
    pub is_gone: bool,
    pub is_cut_off: bool,
    pub now_ms: u64,
    control: u32,
    shared: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct Fake(pub Rc<RefCell<Machine>>);

impl Fake {
    pub(super) fn new(ports: impl IntoIterator<Item = Option<FakePort>>) -> Self {
        Self(Rc::new(RefCell::new(Machine {
            ports: ports.into_iter().collect(),
            firmware_command: command::SPIN_UP | command::POWER_ON,
            hand_off_looks: None,
            handed_over: false,
            reset_hangs: false,
            is_gone: false,
            is_cut_off: false,
            now_ms: 0,
            control: 0,
            shared: std::vec![0; super::SHARED_BYTES],
        })))
    }

    pub(super) fn port<R>(&self, number: usize, look: impl FnOnce(&mut FakePort) -> R) -> R {
        look(self.0.borrow_mut().ports[number].as_mut().expect("something is attached"))
    }

    pub(super) fn commands(&self, number: usize) -> Vec<(u8, u64, u64)> {
        self.port(number, |port| std::mem::take(&mut port.commands))
    }

    pub(super) fn set_fault(&self, number: usize, fault: Fault) {
        self.port(number, |port| port.fault = fault);
    }
}

impl FakePort {
    pub(super) fn disk(sectors: u64) -> Self {
        Self {
            medium: std::vec![0; sectors as usize * SECTOR_BYTES],
            identify: crate::drivers::ata::identify_words(sectors).to_vec(),
            signature: DISK_SIGNATURE,
            fault: Fault::None,
            commands: Vec::new(),
            link_resets: 0,
            is_staggered: false,
            registers: [0; 32],
        }
    }

    /// Something else, which is no disk.
    pub(super) fn other(signature: u32) -> Self {
        Self { signature, ..Self::disk(1) }
    }

    pub(super) fn set_word(&mut self, word: usize, value: u16) {
        self.identify[2 * word..][..2].copy_from_slice(&value.to_le_bytes());
    }

    fn register(&mut self, register: PortRegister) -> &mut u32 {
        &mut self.registers[register as usize / 4]
    }

    fn get(&self, register: PortRegister) -> u32 {
        self.registers[register as usize / 4]
    }

    fn reset(&mut self, firmware_command: u32) {
        self.registers = [0; 32];
        *self.register(PortRegister::Command) = firmware_command;
        *self.register(PortRegister::TaskFile) = 0x7f;
        *self.register(PortRegister::Signature) = u32::MAX;
        *self.register(PortRegister::LinkErrors) = 1 << 26;
    }

    fn link_status(&self) -> u32 {
        let has_power = !self.is_staggered || self.get(PortRegister::Command) & command::SPIN_UP != 0;
        if has_power && self.fault != Fault::Unplugged { 0x123 } else { 0 }
    }

    fn set_command(&mut self, value: u32) {
        let before = self.get(PortRegister::Command);
        let mut now = value & !(command::RUNNING | command::RECEIVING);
        if value & command::RECEIVE != 0 {
            now |= command::RECEIVING;
        }
        if value & command::START != 0 {
            assert!(value & command::RECEIVE != 0 && self.link_status() != 0, "started without link or memory");
            assert!(self.get(PortRegister::TaskFile) & 0x88 == 0, "started while busy");
            now |= command::RUNNING;
        } else {
            *self.register(PortRegister::Issued) = 0;
        }
        if self.fault == Fault::NeverStops {
            now |= before & (command::RUNNING | command::RECEIVING);
        }
        *self.register(PortRegister::Command) = now;
        // The disk says what it is once somebody listens.
        let has_spoken = self.get(PortRegister::Signature) != u32::MAX;
        if now & command::RECEIVING != 0 && self.link_status() != 0 && !has_spoken {
            *self.register(PortRegister::Signature) = self.signature;
            *self.register(PortRegister::TaskFile) = READY;
        }
    }

    fn set(&mut self, register: PortRegister, value: u32) {
        match register {
            PortRegister::Command => self.set_command(value),
            PortRegister::Interrupts => *self.register(register) &= !value,
            PortRegister::LinkErrors => {
                *self.register(register) &= !value;
            }
            PortRegister::LinkControl => {
                if value == LINK_AWAKE && self.get(register) == LINK_RESET {
                    self.reset_link();
                }
                *self.register(register) = value;
            }
            PortRegister::TaskFile | PortRegister::Signature | PortRegister::LinkStatus => {}
            _ => {
                let in_use = command::RUNNING | command::RECEIVING;
                let is_idle = self.get(PortRegister::Command) & in_use == 0;
                assert!(
                    is_idle || register == PortRegister::InterruptsEnabled,
                    "{register:?} changed while it is used"
                );
                *self.register(register) = value;
            }
        }
    }

    fn reset_link(&mut self) {
        self.link_resets += 1;
        assert!(self.get(PortRegister::Command) & command::START == 0, "link reset while commands run");
        *self.register(PortRegister::Interrupts) |= interrupts::LINK;
        *self.register(PortRegister::LinkErrors) |= 1 << 26;
        if self.fault == Fault::HangsUntilLinkReset {
            self.fault = Fault::None;
        }
        if self.fault != Fault::NeverStops {
            *self.register(PortRegister::TaskFile) = READY;
        }
    }

    /// Plugs another disk in, without a command on the way.
    pub(super) fn swap(&mut self, other: FakePort) {
        let Self { medium, identify, signature, .. } = other;
        (self.medium, self.identify, self.signature) = (medium, identify, signature);
        *self.register(PortRegister::Interrupts) |= interrupts::LINK;
    }

    fn block_bytes(&self) -> usize {
        let word = |word: usize| u16::from_le_bytes([self.identify[2 * word], self.identify[2 * word + 1]]);
        if word(106) & 1 << 12 != 0 { usize::from(word(117)) * 2 } else { SECTOR_BYTES }
    }

    fn fail(&mut self, error: u32) {
        *self.register(PortRegister::TaskFile) = READY | 1 | error << 8;
        *self.register(PortRegister::Interrupts) |= interrupts::TASK_FILE;
    }

    /// Executes the command in slot 0 of the list.
    fn execute(&mut self, shared: &mut [u8]) {
        let at = |address: u32| (u64::from(address) - SHARED_ADDRESS) as usize;
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"));
        let list = at(self.get(PortRegister::CommandList));
        assert!(list.is_multiple_of(1024) && at(self.get(PortRegister::Received)).is_multiple_of(256));
        let header: [u8; HEADER_BYTES] = shared[list..][..HEADER_BYTES].try_into().expect("a header");
        let (flags, table) = (number(&header), at(number(&header[8..])));
        assert!(table.is_multiple_of(128) && flags & 0x1f == 5 && header[4..8] == [0; 4]);
        let frame = shared[table..][..20].to_vec();
        assert_eq!((frame[0], frame[1]), (0x27, 0x80));
        let region = &shared[table + REGIONS_AT..];
        let bytes = if flags >> 16 == 0 { 0 } else { number(&region[12..]) as usize + 1 };
        let data = if flags >> 16 == 0 { 0 } else { at(number(region)) };
        let moved = match self.obey(&frame, &mut shared[data..][..bytes], flags & 1 << 6 != 0) {
            Some(moved) => moved as u32,
            None => return,
        };
        shared[list + 4..][..4].copy_from_slice(&moved.to_le_bytes());
        *self.register(PortRegister::Issued) = 0;
    }

    /// Bytes moved; none if the command does not end, or not well.
    fn obey(&mut self, frame: &[u8], data: &mut [u8], writes: bool) -> Option<usize> {
        let long = matches!(frame[2], 0x25 | 0x35 | 0xea);
        let number = |bytes: [u8; 6]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let (block, blocks) = if long {
            let block = number([frame[4], frame[5], frame[6], frame[8], frame[9], frame[10]]);
            (block, u64::from(frame[12]) | u64::from(frame[13]) << 8)
        } else {
            let block = number([frame[4], frame[5], frame[6], frame[7] & 0xf, 0, 0]);
            (block, if frame[12] == 0 { 256 } else { u64::from(frame[12]) })
        };
        if frame[2] != 0xec {
            self.commands.push((frame[2], block, if data.is_empty() { 0 } else { blocks }));
        }
        match self.fault {
            Fault::Hangs | Fault::NeverStops => return None,
            Fault::HangsUntilLinkReset => {
                *self.register(PortRegister::TaskFile) = BUSY;
                return None;
            }
            Fault::BadFlush if matches!(frame[2], 0xe7 | 0xea) => {
                self.fail(0x04);
                return None;
            }
            Fault::BadSector(bad) if frame[2] != 0xec && (block..block + blocks).contains(&bad) => {
                self.fail(0x40);
                return None;
            }
            _ => {}
        }
        assert_eq!(writes, matches!(frame[2], 0x35 | 0xca));
        *self.register(PortRegister::TaskFile) = READY;
        match frame[2] {
            0xec => data.copy_from_slice(&self.identify),
            0xe7 | 0xea => {}
            0x25 | 0xc8 | 0x35 | 0xca => {
                assert!(frame[7] & 0x40 != 0, "not in LBA mode");
                assert_eq!(blocks as usize * self.block_bytes(), data.len());
                let start = block as usize * self.block_bytes();
                let medium = &mut self.medium[start..start + data.len()];
                if writes { medium.copy_from_slice(data) } else { data.copy_from_slice(medium) }
            }
            other => panic!("command {other:#x}"),
        }
        Some(if self.fault == Fault::Short { data.len() / 2 } else { data.len() })
    }
}

impl Machine {
    fn port_register(&self, offset: usize) -> Option<(usize, PortRegister)> {
        use PortRegister::*;
        let registers = [
            CommandList,
            CommandListHigh,
            Received,
            ReceivedHigh,
            Interrupts,
            InterruptsEnabled,
            Command,
            TaskFile,
            Signature,
            LinkStatus,
            LinkControl,
            LinkErrors,
            Issued,
        ];
        let port = offset.checked_sub(PortRegister::CommandList.offset(0))? / 0x80;
        Some((port, registers.into_iter().find(|register| register.offset(port) == offset)?))
    }
}

impl BusMaster for Fake {
    fn read(&mut self, offset: usize) -> u32 {
        let machine = &mut *self.0.borrow_mut();
        if machine.is_gone {
            return u32::MAX;
        }
        if let Some((port, register)) = machine.port_register(offset) {
            let Some(Some(port)) = machine.ports.get(port) else {
                return if register == PortRegister::Command { machine.firmware_command } else { 0 };
            };
            return match register {
                PortRegister::LinkStatus => port.link_status(),
                _ => port.get(register),
            };
        }
        match offset {
            CAPABILITIES if machine.ports.iter().flatten().any(|port| port.is_staggered) => {
                capabilities::STAGGERED_SPIN_UP | 0x1f
            }
            CAPABILITIES => 0x1f,
            CONTROL => machine.control,
            PORTS_IMPLEMENTED => ((1u64 << machine.ports.len()) - 1) as u32,
            CAPABILITIES_2 if machine.hand_off_looks.is_some() => capabilities_2::HAND_OFF,
            HAND_OFF => match machine.hand_off_looks {
                Some(0) if machine.handed_over => hand_off::SYSTEM_OWNS,
                Some(_) => hand_off::FIRMWARE_OWNS | hand_off::FIRMWARE_BUSY,
                None => 0,
            },
            _ => 0,
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        let machine = &mut *self.0.borrow_mut();
        if machine.is_gone {
            return;
        }
        if let Some((number, register)) = machine.port_register(offset) {
            let Some(Some(port)) = machine.ports.get_mut(number) else { return };
            if register != PortRegister::Issued {
                return port.set(register, value);
            }
            assert_eq!(value, 1, "one command at a time");
            assert!(port.get(PortRegister::Command) & command::RUNNING != 0, "commands do not run");
            *port.register(register) = value;
            if !machine.is_cut_off {
                port.execute(&mut machine.shared);
            }
            return;
        }
        match offset {
            CONTROL if value & control::RESET != 0 => {
                machine.control = if machine.reset_hangs { value } else { 0 };
                let firmware_command = machine.firmware_command;
                machine.ports.iter_mut().flatten().for_each(|port| port.reset(firmware_command));
            }
            CONTROL => machine.control = value,
            HAND_OFF => machine.handed_over = value & hand_off::SYSTEM_OWNS != 0,
            _ => {}
        }
    }

    fn shared_address(&self) -> u64 {
        SHARED_ADDRESS
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.borrow().shared[at..][..bytes.len()]);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.0.borrow_mut().shared[at..][..bytes.len()].copy_from_slice(bytes);
    }

    fn cut_off(&mut self) {
        self.0.borrow_mut().is_cut_off = true;
    }

    /// Each look at the clock takes a millisecond.
    fn now_ms(&mut self) -> u64 {
        let mut machine = self.0.borrow_mut();
        machine.now_ms += 1;
        machine.hand_off_looks = machine.hand_off_looks.map(|looks| looks.saturating_sub(1));
        machine.now_ms
    }
}
