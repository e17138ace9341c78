//! The registers of a virtio device, as its transports see them. Source: VIRTIO 1.2, sections 4.1.4.3 and 4.1.4.10.

/// Where a group of registers is, which each device has at a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// What all kinds of devices have.
    Common,
    /// Where devices are told of requests.
    Notify,
    /// What only block devices have.
    Config,
    /// All of that together, as legacy devices have it.
    Legacy,
}

/// The groups of a device that is not legacy, with their numbers in its configuration.
pub(super) const MODERN_REGIONS: [(u8, Region); 3] = [(1, Region::Common), (2, Region::Notify), (4, Region::Config)];

/// A device, and the machine it is in.
pub(super) trait Registers {
    /// How many bytes of registers a group has.
    fn bytes(&self, region: Region) -> usize;

    /// The register of `bytes` bytes (1, 2 or 4) at `at`; all ones where there is none.
    fn read(&self, region: Region, at: usize, bytes: usize) -> u32;

    /// Sets the register of `bytes` bytes (1, 2 or 4) at `at`. What was stored before is seen by the device before.
    fn write(&mut self, region: Region, at: usize, bytes: usize, value: u32);

    /// Keeps the device from reaching memory from now on.
    fn cut_off(&mut self);

    /// Milliseconds from any fixed start.
    fn now_ms(&self) -> u64;
}

/// A register's place in its group, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Register {
    pub at: usize,
    pub bytes: usize,
}

const fn register(at: usize, bytes: usize) -> Register {
    Register { at, bytes }
}

/// Registers in [`Region::Common`].
pub(super) mod common {
    use super::{Register, register};

    pub const DEVICE_FEATURES_SELECT: Register = register(0, 4);
    pub const DEVICE_FEATURES: Register = register(4, 4);
    pub const DRIVER_FEATURES_SELECT: Register = register(8, 4);
    pub const DRIVER_FEATURES: Register = register(12, 4);
    pub const STATUS: Register = register(20, 1);
    pub const CONFIG_GENERATION: Register = register(21, 1);
    pub const QUEUE_SELECT: Register = register(22, 2);
    pub const QUEUE_SIZE: Register = register(24, 2);
    pub const QUEUE_ENABLE: Register = register(28, 2);
    pub const QUEUE_NOTIFY_OFFSET: Register = register(30, 2);
    /// Addresses have two halves.
    pub const QUEUE_DESCRIPTORS: [Register; 2] = [register(32, 4), register(36, 4)];
    pub const QUEUE_DRIVER: [Register; 2] = [register(40, 4), register(44, 4)];
    pub const QUEUE_DEVICE: [Register; 2] = [register(48, 4), register(52, 4)];
    pub const BYTES: usize = 56;
}

/// Registers in [`Region::Legacy`].
pub(super) mod legacy {
    use super::{Register, register};

    pub const DEVICE_FEATURES: Register = register(0, 4);
    pub const DRIVER_FEATURES: Register = register(4, 4);
    /// In pages.
    pub const QUEUE_ADDRESS: Register = register(8, 4);
    pub const QUEUE_SIZE: Register = register(12, 2);
    pub const QUEUE_SELECT: Register = register(14, 2);
    pub const QUEUE_NOTIFY: Register = register(16, 2);
    pub const STATUS: Register = register(18, 1);
    /// What is in [`Region::Config`](super::Region::Config) of others begins here, or four bytes later while the device uses MSI-X.
    pub const CONFIG_AT: usize = 20;
    pub const MSIX_BYTES: usize = 4;
}

/// As much of the configuration of a block device as is used.
pub(super) const CONFIG_BYTES: usize = 36;
