//! A controller's registers, as types.
//!
//! Source: NVM Express Base Specification 1.4, section 3.1.

use core::fmt;

use crate::drivers::bus_master::BusMaster;

pub(super) const CAPABILITIES: usize = 0x00;
pub(super) const VERSION: usize = 0x08;
pub(super) const INTERRUPT_MASK_SET: usize = 0x0c;
pub(super) const CONFIGURATION: usize = 0x14;
pub(super) const STATUS: usize = 0x1c;
pub(super) const ADMIN_QUEUE_SIZES: usize = 0x24;
pub(super) const ADMIN_SUBMISSIONS: usize = 0x28;
pub(super) const ADMIN_COMPLETIONS: usize = 0x30;
pub(super) const DOORBELLS: usize = 0x1000;

/// Configuration: commands may be given.
pub(super) const ENABLE: u32 = 1;
/// Configuration: the machine is about to be switched off.
pub(super) const SHUTDOWN: u32 = 0b11 << 14;
/// Configuration: NVM command set, pages of 4096 bytes, entries of 64 and 16 bytes, round robin.
pub(super) const OPERATION: u32 = 6 << 16 | 4 << 20;

/// The first version that lists its namespaces.
pub(super) const VERSION_1_1: u32 = 0x0001_0100;

/// What the controller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities(pub u64);

impl Capabilities {
    pub fn read(device: &mut impl BusMaster) -> Self {
        let [low, high] = [CAPABILITIES, CAPABILITIES + 4].map(|register| u64::from(device.read(register)));
        Self(high << 32 | low)
    }

    /// Entries that a queue may have.
    pub fn most_entries(self) -> usize {
        (self.0 & 0xffff) as usize + 1
    }

    /// How long the controller may take to become ready, or to stop.
    pub fn ready_ms(self) -> u64 {
        (self.0 >> 24 & 0xff) * 500
    }

    /// From one doorbell to the next.
    pub fn doorbell_bytes(self) -> usize {
        4 << (self.0 >> 32 & 0xf)
    }

    pub fn has_nvm_commands(self) -> bool {
        self.0 & 1 << 37 != 0
    }

    /// The smallest page that it knows.
    pub fn page_bytes(self) -> u64 {
        4096 << (self.0 >> 48 & 0xf)
    }
}

/// The state of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    pub(super) fn read(device: &mut impl BusMaster) -> Self {
        Self(device.read(STATUS))
    }

    pub(super) fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }

    pub(super) fn is_fatal(self) -> bool {
        self.0 & 0b10 != 0
    }

    pub(super) fn is_ready(self) -> bool {
        self.0 & 1 != 0
    }

    /// No command will be answered any more.
    pub(super) fn is_hopeless(self) -> bool {
        self.is_gone() || self.is_fatal()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            _ if self.is_gone() => "it is gone",
            _ if self.is_fatal() => "it failed for good",
            _ if self.is_ready() => "ready",
            _ => "not ready",
        };
        write!(f, "controller status {:#x}, {words}", self.0)
    }
}
