//! The registers of a controller and its ports. Source: Serial ATA AHCI 1.3.1, section 3.

use core::fmt;

use crate::drivers::ata::{ErrorBits, Status};

/// Ports that a controller may have.
pub(super) const PORTS: usize = 32;
/// Where the registers of the first port start, and how long those of each are.
const FIRST_PORT: usize = 0x100;
const PORT_BYTES: usize = 0x80;
/// All registers.
pub(super) const REGISTER_BYTES: usize = FIRST_PORT + PORTS * PORT_BYTES;

/// What a device that is gone reads as.
pub(super) const GONE: u32 = u32::MAX;

pub(super) const CAPABILITIES: usize = 0x00;
pub(super) const CONTROL: usize = 0x04;
pub(super) const INTERRUPTS: usize = 0x08;
pub(super) const PORTS_IMPLEMENTED: usize = 0x0c;
pub(super) const CAPABILITIES_2: usize = 0x24;
pub(super) const HAND_OFF: usize = 0x28;

pub(super) mod capabilities {
    /// Ports get power one by one; all others have had it since the machine was switched on.
    pub const STAGGERED_SPIN_UP: u32 = 1 << 27;
}

pub(super) mod control {
    pub const RESET: u32 = 1 << 0;
    pub const INTERRUPTS: u32 = 1 << 1;
    pub const AHCI: u32 = 1 << 31;
}

pub(super) mod capabilities_2 {
    pub const HAND_OFF: u32 = 1 << 0;
}

/// Whose the controller is.
pub(super) mod hand_off {
    pub const FIRMWARE_OWNS: u32 = 1 << 0;
    pub const SYSTEM_OWNS: u32 = 1 << 1;
    pub const FIRMWARE_BUSY: u32 = 1 << 4;
}

/// A register of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum PortRegister {
    CommandList = 0x00,
    CommandListHigh = 0x04,
    Received = 0x08,
    ReceivedHigh = 0x0c,
    Interrupts = 0x10,
    InterruptsEnabled = 0x14,
    Command = 0x18,
    TaskFile = 0x20,
    Signature = 0x24,
    LinkStatus = 0x28,
    LinkControl = 0x2c,
    LinkErrors = 0x30,
    Issued = 0x38,
}

impl PortRegister {
    pub(super) fn offset(self, port: usize) -> usize {
        FIRST_PORT + port * PORT_BYTES + self as usize
    }
}

/// Bits of [`PortRegister::Command`].
pub(super) mod command {
    pub const START: u32 = 1 << 0;
    pub const SPIN_UP: u32 = 1 << 1;
    pub const POWER_ON: u32 = 1 << 2;
    pub const RECEIVE: u32 = 1 << 4;
    pub const RECEIVING: u32 = 1 << 14;
    pub const RUNNING: u32 = 1 << 15;
    /// The link is to be awake.
    pub const ACTIVE: u32 = 1 << 28;
}

/// Bits of [`PortRegister::Interrupts`], which are set whether or not they interrupt.
pub(super) mod interrupts {
    pub const CONNECTED: u32 = 1 << 6;
    pub const LINK_CHANGED: u32 = 1 << 22;
    pub const OVERFLOW: u32 = 1 << 24;
    pub const LINK_FATAL: u32 = 1 << 27;
    pub const MEMORY_DATA: u32 = 1 << 28;
    pub const MEMORY_FATAL: u32 = 1 << 29;
    pub const TASK_FILE: u32 = 1 << 30;

    /// After these the device may be another one.
    pub const LINK: u32 = CONNECTED | LINK_CHANGED;
    /// After these the command is not going on.
    pub const FAILURES: u32 = LINK | OVERFLOW | LINK_FATAL | MEMORY_DATA | MEMORY_FATAL | TASK_FILE;
}

/// Values of [`PortRegister::LinkControl`]: the link never sleeps by itself.
pub(super) const LINK_AWAKE: u32 = 0x300;
pub(super) const LINK_RESET: u32 = LINK_AWAKE | 1;

/// What a disk sends as its signature; all other devices send another one.
pub(super) const DISK_SIGNATURE: u32 = 0x0000_0101;

/// What [`PortRegister::LinkStatus`] says of the other end of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Nothing,
    /// Something is there, and does not talk yet.
    Present,
    Up,
    /// Switched off, or the controller is gone.
    Off,
}

impl Link {
    pub(super) fn of(status: u32) -> Self {
        match status & 0xf {
            0 => Self::Nothing,
            1 => Self::Present,
            3 => Self::Up,
            _ => Self::Off,
        }
    }
}

/// A port's state, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortState {
    pub interrupts: u32,
    pub task_file: u32,
    pub link_status: u32,
    pub link_errors: u32,
}

impl PortState {
    pub(super) fn status(&self) -> Status {
        Status(self.task_file as u8)
    }

    /// Whether the command ended, and well.
    pub(super) fn is_success(&self) -> bool {
        let status = self.status();
        self.interrupts & interrupts::FAILURES == 0
            && !status.is_busy()
            && !status.wants_data()
            && !status.is_failure()
            && Link::of(self.link_status) == Link::Up
    }

    fn is_gone(&self) -> bool {
        [self.interrupts, self.task_file, self.link_status, self.link_errors] == [GONE; 4]
    }
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_gone() {
            return f.write_str("the controller is gone: all of its registers read as ones");
        }
        write!(f, "status {:?}", self.status())?;
        if self.status().is_failure() {
            write!(f, ", error {:?}", ErrorBits((self.task_file >> 8) as u8))?;
        }
        let names = [
            (interrupts::LINK, "the link was interrupted"),
            (interrupts::OVERFLOW, "more data than asked for"),
            (interrupts::LINK_FATAL, "transmission error"),
            (interrupts::MEMORY_DATA, "bad data from memory"),
            (interrupts::MEMORY_FATAL, "memory out of reach"),
        ];
        names.iter().filter(|(bits, _)| self.interrupts & bits != 0).try_for_each(|(_, name)| write!(f, ", {name}"))?;
        if Link::of(self.link_status) != Link::Up {
            write!(f, ", no link ({:#x})", self.link_status)?;
        }
        if self.link_errors != 0 {
            write!(f, ", link errors {:#010x}", self.link_errors)?;
        }
        Ok(())
    }
}
