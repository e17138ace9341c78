//! A device that reaches memory by itself, as its driver sees it.
//!
//! Key types: [`BusMaster`], the seam, and [`MappedDevice`], the machine's. Commands and data lie in memory that both sides
//! reach, at places that the driver gives out once: whatever a broken device writes, it writes there.

use alloc::rc::Rc;
use core::fmt;

use super::clock::Clock;
use super::pci::{Bar, Function};
use crate::memory::{DeviceRegisters, DmaMemory, MemoryError};

/// What a driver needs of its device.
pub trait BusMaster {
    /// The 32-bit register at `offset`; all ones from a device that is gone.
    fn read(&mut self, offset: usize) -> u32;

    /// Sets the 32-bit register at `offset`. What was stored before is seen by the device before.
    fn write(&mut self, offset: usize, value: u32);

    /// What the device calls the first byte of the shared memory: a multiple of 4096, below 4 GiB.
    fn shared_address(&self) -> u64;

    /// Copies what is at `at` in the shared memory.
    fn load(&mut self, at: usize, bytes: &mut [u8]);

    /// Puts `bytes` at `at` in the shared memory, which is all zeros at first.
    fn store(&mut self, at: usize, bytes: &[u8]);

    /// Keeps the device from reaching memory from now on.
    fn cut_off(&mut self);

    /// Milliseconds from any fixed start.
    fn now_ms(&mut self) -> u64;
}

/// Registers in memory.
pub struct MappedDevice {
    function: Function,
    registers: DeviceRegisters,
    shared: DmaMemory,
    clock: Rc<Clock>,
}

impl MappedDevice {
    /// Starts the device and maps the first `register_bytes` bytes, or as many as it has, of the registers that base address
    /// register `bar` names; shares `shared_bytes` bytes of memory with it.
    ///
    /// # Safety
    /// Nothing else drives the device, now or later.
    pub unsafe fn open(
        function: &Function,
        bar: usize,
        register_bytes: usize,
        shared_bytes: usize,
        clock: &Rc<Clock>,
    ) -> Result<Self, OpenError> {
        let Some(Some(Bar::Memory { address, size_bytes, .. })) = function.device.bars.get(bar).copied() else {
            return Err(OpenError::NoRegisters { bar });
        };
        let bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX).min(register_bytes);
        // SAFETY: the firmware put the device's registers there, and the caller gives us the device.
        let registers = unsafe { DeviceRegisters::map(address, bytes) }.map_err(OpenError::Memory)?;
        let shared = DmaMemory::allocate(shared_bytes).map_err(OpenError::Memory)?;
        function.start();
        Ok(Self { function: function.clone(), registers, shared, clock: Rc::clone(clock) })
    }
}

impl BusMaster for MappedDevice {
    fn read(&mut self, offset: usize) -> u32 {
        self.registers.read(offset)
    }

    fn write(&mut self, offset: usize, value: u32) {
        self.registers.write(offset, value);
    }

    fn shared_address(&self) -> u64 {
        self.shared.address()
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        self.shared.load(at, bytes);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        self.shared.store(at, bytes);
    }

    fn cut_off(&mut self) {
        self.function.cut_off();
    }

    fn now_ms(&mut self) -> u64 {
        self.clock.monotonic_ms()
    }
}

/// Why a device cannot be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The firmware gave this base address register no memory.
    NoRegisters {
        bar: usize,
    },
    Memory(MemoryError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegisters { bar } => write!(f, "the firmware gave it no addresses (base address register {bar})"),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for OpenError {}
