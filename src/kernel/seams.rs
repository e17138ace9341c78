//! The kernel's implementations of what the engine and the drivers ask of the face they run on.

use alloc::boxed::Box;
use core::ops::Range;
use core::ptr::NonNull;

use crate::arch::ticks;
use crate::drivers::power::PhysicalMemory;
use crate::engine::seams::{self, CodeMemory, LinearMemory, MemoryBase, OutOfMemory, StateMemory, Ticks};
use crate::memory::{self, CallStack, CodeRegion, Linear, StateRegion};

impl CodeMemory for CodeRegion {
    fn base(&self) -> u64 {
        self.base()
    }

    fn capacity(&self) -> usize {
        self.capacity()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.write(offset, bytes).map_err(|_| OutOfMemory)
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes(range)
    }
}

impl StateMemory for StateRegion {
    fn base(&self) -> u64 {
        self.base()
    }

    fn ensure(&mut self, len: usize) -> Result<(), OutOfMemory> {
        self.ensure(len).map_err(|_| OutOfMemory)
    }

    fn read(&self, offset: usize) -> u64 {
        self.read(offset)
    }

    fn write(&mut self, offset: usize, value: u64) {
        self.write(offset, value);
    }
}

impl LinearMemory for Linear {
    fn base(&self) -> MemoryBase {
        match self.base() {
            0 => MemoryBase::Zero,
            base => MemoryBase::At(base),
        }
    }

    fn pages(&self) -> u64 {
        self.pages()
    }

    fn grow(&mut self, delta: u64) -> Result<u64, OutOfMemory> {
        self.grow(delta).map_err(|_| OutOfMemory)
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.bytes()
    }
}

impl From<CallStack> for seams::CallStack {
    fn from(stack: CallStack) -> Self {
        Self { usable: stack.usable(), guard: stack.guard(), owner: Box::new(stack) }
    }
}

/// The CPU's time-stamp counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeStampCounter;

impl Ticks for TimeStampCounter {
    fn now(&self) -> u64 {
        ticks::now()
    }
}

/// Physical memory below 4 GiB, where firmware keeps its tables: mapped at all times.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirmwareMemory;

impl PhysicalMemory for FirmwareMemory {
    fn pointer(&self, physical: u64, len_bytes: usize) -> Option<NonNull<u8>> {
        const END: u64 = 4 << 30;
        let end = physical.checked_add(len_bytes as u64)?;
        if end <= END { NonNull::new(memory::physical_pointer(physical)) } else { None }
    }
}
