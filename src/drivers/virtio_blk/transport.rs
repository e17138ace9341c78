//! How a device is spoken to, modern and legacy: the crate's seam over the registers.
//!
//! The crate has a transport for modern PCI devices, but follows a device's list of capabilities in circles, panics over an
//! offset for notices that is too large, and waits forever for a reset; for legacy PCI devices it has none.

use core::mem;

use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PAGE_SIZE, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::registers::{Region, Register, Registers, common, legacy};

/// A device with its transport.
pub(super) trait Device: Transport {
    /// Keeps the device from reaching memory from now on.
    fn cut_off(&mut self);

    /// Milliseconds from any fixed start.
    fn now_ms(&self) -> u64;
}

/// A device by version 1 of the standard or later.
pub(super) struct Modern<R> {
    registers: R,
    /// Bytes from one place for notices to the next.
    notify_stride: usize,
}

/// A device by what was before the standard.
pub(super) struct Legacy<R> {
    registers: R,
    config_at: usize,
}

impl<R: Registers> Modern<R> {
    pub(super) fn new(registers: R, notify_stride: usize) -> Self {
        Self { registers, notify_stride }
    }

    fn get(&self, register: Register) -> u32 {
        self.registers.read(Region::Common, register.at, register.bytes)
    }

    fn set(&mut self, register: Register, value: u32) {
        self.registers.write(Region::Common, register.at, register.bytes, value);
    }

    fn set_address(&mut self, [low, high]: [Register; 2], address: PhysAddr) {
        self.set(low, address as u32);
        self.set(high, (address >> 32) as u32);
    }

    /// A register of a queue.
    fn queue(&mut self, queue: u16, register: Register) -> u32 {
        self.set(common::QUEUE_SELECT, queue.into());
        self.get(register)
    }
}

impl<R: Registers> Device for Modern<R> {
    fn cut_off(&mut self) {
        self.registers.cut_off();
    }

    fn now_ms(&self) -> u64 {
        self.registers.now_ms()
    }
}

impl<R: Registers> Transport for Modern<R> {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        let mut half = |number| {
            self.set(common::DEVICE_FEATURES_SELECT, number);
            u64::from(self.get(common::DEVICE_FEATURES))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (number, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.set(common::DRIVER_FEATURES_SELECT, number);
            self.set(common::DRIVER_FEATURES, half);
        }
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.queue(queue, common::QUEUE_SIZE)
    }

    fn notify(&mut self, queue: u16) {
        let at = self.queue(queue, common::QUEUE_NOTIFY_OFFSET) as usize * self.notify_stride;
        self.registers.write(Region::Notify, at, mem::size_of::<u16>(), queue.into());
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.get(common::STATUS))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.set(common::STATUS, status.bits());
    }

    fn set_guest_page_size(&mut self, _bytes: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, descriptors: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        self.set(common::QUEUE_SELECT, queue.into());
        self.set(common::QUEUE_SIZE, size);
        self.set_address(common::QUEUE_DESCRIPTORS, descriptors);
        self.set_address(common::QUEUE_DRIVER, driver);
        self.set_address(common::QUEUE_DEVICE, device);
        self.set(common::QUEUE_ENABLE, 1);
    }

    /// Only a reset does that.
    fn queue_unset(&mut self, _queue: u16) {}

    fn queue_used(&mut self, queue: u16) -> bool {
        self.queue(queue, common::QUEUE_ENABLE) != 0
    }

    /// Nobody serves interrupts.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        self.get(common::CONFIG_GENERATION)
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        read_config(&self.registers, Region::Config, offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<(), Error> {
        write_config(&mut self.registers, Region::Config, offset, &value)
    }
}

impl<R: Registers> Legacy<R> {
    pub(super) fn new(registers: R, uses_msix: bool) -> Self {
        let config_at = if uses_msix { legacy::CONFIG_AT + legacy::MSIX_BYTES } else { legacy::CONFIG_AT };
        Self { registers, config_at }
    }

    fn get(&self, register: Register) -> u32 {
        self.registers.read(Region::Legacy, register.at, register.bytes)
    }

    fn set(&mut self, register: Register, value: u32) {
        self.registers.write(Region::Legacy, register.at, register.bytes, value);
    }

    /// A register of a queue.
    fn queue(&mut self, queue: u16, register: Register) -> u32 {
        self.set(legacy::QUEUE_SELECT, queue.into());
        self.get(register)
    }

    fn set_queue_address(&mut self, queue: u16, page: u32) {
        self.set(legacy::QUEUE_SELECT, queue.into());
        self.set(legacy::QUEUE_ADDRESS, page);
    }
}

impl<R: Registers> Device for Legacy<R> {
    fn cut_off(&mut self) {
        self.registers.cut_off();
    }

    fn now_ms(&self) -> u64 {
        self.registers.now_ms()
    }
}

impl<R: Registers> Transport for Legacy<R> {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        self.get(legacy::DEVICE_FEATURES).into()
    }

    fn write_driver_features(&mut self, features: u64) {
        self.set(legacy::DRIVER_FEATURES, features as u32);
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.queue(queue, legacy::QUEUE_SIZE)
    }

    fn notify(&mut self, queue: u16) {
        self.set(legacy::QUEUE_NOTIFY, queue.into());
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.get(legacy::STATUS))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.set(legacy::STATUS, status.bits());
    }

    fn set_guest_page_size(&mut self, _bytes: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        true
    }

    /// The device knows the size and, with it, where the other two parts are.
    fn queue_set(&mut self, queue: u16, _size: u32, descriptors: PhysAddr, _driver: PhysAddr, _device: PhysAddr) {
        self.set_queue_address(queue, (descriptors / PAGE_SIZE as u64) as u32);
    }

    fn queue_unset(&mut self, queue: u16) {
        self.set_queue_address(queue, 0);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.queue(queue, legacy::QUEUE_ADDRESS) != 0
    }

    /// Nobody serves interrupts.
    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        read_config(&self.registers, Region::Legacy, self.config_at + offset)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, offset: usize, value: T) -> Result<(), Error> {
        write_config(&mut self.registers, Region::Legacy, self.config_at + offset, &value)
    }
}

/// Each field is read at its own size, but at most by four bytes.
fn read_config<T: FromBytes + IntoBytes>(registers: &impl Registers, region: Region, at: usize) -> Result<T, Error> {
    if at + mem::size_of::<T>() > registers.bytes(region) {
        return Err(Error::ConfigSpaceTooSmall);
    }
    let mut value = T::new_zeroed();
    let width = mem::align_of::<T>().min(4);
    for (number, part) in value.as_mut_bytes().chunks_exact_mut(width).enumerate() {
        part.copy_from_slice(&registers.read(region, at + number * width, width).to_le_bytes()[..width]);
    }
    Ok(value)
}

fn write_config<T: IntoBytes + Immutable>(
    registers: &mut impl Registers,
    region: Region,
    at: usize,
    value: &T,
) -> Result<(), Error> {
    if at + mem::size_of::<T>() > registers.bytes(region) {
        return Err(Error::ConfigSpaceTooSmall);
    }
    let width = mem::align_of::<T>().min(4);
    for (number, part) in value.as_bytes().chunks_exact(width).enumerate() {
        let mut word = [0; 4];
        word[..width].copy_from_slice(part);
        registers.write(region, at + number * width, width, u32::from_le_bytes(word));
    }
    Ok(())
}
