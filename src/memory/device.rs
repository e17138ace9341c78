//! What devices have in memory, and what memory they reach by themselves.
//!
//! Key types: [`DeviceRegisters`], [`DmaMemory`]. A device may answer, or write, for as long as the machine is on: registers stay
//! mapped, and memory is given back only after its device has said that it has forgotten it.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, compiler_fence};

use raw_cpuid::CpuId;

use super::frames::Frame;
use super::layout::{DEVICES_BASE, DEVICES_BYTES, GIB, PAGE_BYTES};
use super::{Access, MemoryError, physical_pointer, with_memory};

/// The least that every 64-bit CPU can address, in bits.
const LEAST_ADDRESS_BITS: u8 = 36;

/// Registers of a device at a physical address, uncached.
#[derive(Debug)]
pub struct DeviceRegisters {
    start: NonNull<u8>,
    bytes: usize,
}

impl DeviceRegisters {
    /// Maps `bytes` bytes at `address`, anywhere in the CPU's physical addresses.
    ///
    /// # Safety
    /// They are a device's registers, or nothing's, and no memory.
    pub unsafe fn map(address: u64, bytes: usize) -> Result<Self, MemoryError> {
        let outside = MemoryError::NoSuchAddress { address, bytes: bytes as u64 };
        let end = address.checked_add(bytes as u64).filter(|end| *end <= 1 << address_bits()).ok_or(outside)?;
        let first = address - address % PAGE_BYTES;
        let mapped = end.next_multiple_of(PAGE_BYTES) - first;
        let page = with_memory(|memory| {
            // Large pages need addresses that are equal below their size.
            let page = DEVICES_BASE + memory.devices_mapped + first % GIB;
            let next = (page + mapped).next_multiple_of(GIB) - DEVICES_BASE;
            if next > DEVICES_BYTES {
                return Err(MemoryError::RegionFull { base: DEVICES_BASE, capacity: DEVICES_BYTES });
            }
            memory.space.map_range(&mut memory.frames, page, first, mapped, Access::Device)?;
            memory.devices_mapped = next;
            Ok(page)
        })?;
        let start = NonNull::new((page + address % PAGE_BYTES) as *mut u8).ok_or(outside)?;
        Ok(Self { start, bytes })
    }

    /// The 32-bit register at `offset`, a multiple of 4; all ones where there is none, as from an absent device.
    pub fn read(&self, offset: usize) -> u32 {
        self.get(offset).unwrap_or(u32::MAX)
    }

    /// Writes the 32-bit register at `offset`, a multiple of 4. What was written to memory before is there before.
    pub fn write(&self, offset: usize, value: u32) {
        self.set(offset, value);
    }

    /// As [`read`](Self::read), a 16-bit register at a multiple of 2.
    pub fn read_u16(&self, offset: usize) -> u16 {
        self.get(offset).unwrap_or(u16::MAX)
    }

    /// As [`write`](Self::write), a 16-bit register at a multiple of 2.
    pub fn write_u16(&self, offset: usize, value: u16) {
        self.set(offset, value);
    }

    /// As [`read`](Self::read), an 8-bit register.
    pub fn read_u8(&self, offset: usize) -> u8 {
        self.get(offset).unwrap_or(u8::MAX)
    }

    /// As [`write`](Self::write), an 8-bit register.
    pub fn write_u8(&self, offset: usize, value: u8) {
        self.set(offset, value);
    }

    fn get<T>(&self, offset: usize) -> Option<T> {
        let register = self.register::<T>(offset)?;
        // SAFETY: the register is mapped and aligned, and any bits are a `u8`, `u16` or `u32`; a device's registers may be read
        // at any time.
        let value = unsafe { register.read_volatile() };
        compiler_fence(Ordering::SeqCst);
        Some(value)
    }

    fn set<T>(&self, offset: usize, value: T) {
        let Some(register) = self.register::<T>(offset) else { return };
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the register is mapped and aligned; what the value does is the driver's affair.
        unsafe { register.write_volatile(value) };
    }

    fn register<T>(&self, offset: usize) -> Option<NonNull<T>> {
        let size = size_of::<T>();
        let inside = offset.is_multiple_of(size) && offset.checked_add(size).is_some_and(|end| end <= self.bytes);
        // SAFETY: the offset is inside of what is mapped.
        inside.then(|| unsafe { self.start.add(offset) }.cast())
    }
}

/// Contiguous physical memory below 4 GiB that a device reads and writes.
pub struct DmaMemory {
    address: u64,
    bytes: usize,
}

impl DmaMemory {
    /// `bytes` zeros, at most a little less than 2 MiB, from a page on.
    pub fn allocate(bytes: usize) -> Result<Self, MemoryError> {
        let address = with_memory(|memory| memory.frames.allocate_contiguous((bytes as u64).div_ceil(PAGE_BYTES)))?;
        if address + bytes as u64 > 4 * GIB {
            return Err(MemoryError::OutOfFrames);
        }
        let mut memory = Self { address, bytes };
        // SAFETY: the frames were just allocated, and no device knows of them yet.
        unsafe { memory.pointer().write_bytes(0, bytes) };
        Ok(memory)
    }

    /// Gives memory back that [`allocate`](Self::allocate) returned.
    ///
    /// # Safety
    /// `address` and `bytes` are its, nothing uses it any more, and its device has been reset since.
    pub unsafe fn give_back(address: u64, bytes: usize) {
        let end = address + (bytes as u64).next_multiple_of(PAGE_BYTES);
        let _ = with_memory(|memory| {
            (address..end)
                .step_by(PAGE_BYTES as usize)
                .for_each(|frame| memory.frames.free(Frame::from_address(frame)));
            Ok(())
        });
    }

    /// Physical address, which is what a device calls it.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Where it is mapped.
    pub fn pointer(&mut self) -> NonNull<u8> {
        // The physical map does not begin at address 0.
        NonNull::new(physical_pointer(self.address)).unwrap_or(NonNull::dangling())
    }

    /// Copies what is at `at`.
    pub fn load(&mut self, at: usize, bytes: &mut [u8]) {
        self.check(at, bytes.len());
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the range lies inside of our frames. A device may write there meanwhile: then the bytes are arbitrary, as
        // those of a device are in any case.
        unsafe { self.pointer().add(at).as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
    }

    /// Puts `bytes` at `at`.
    pub fn store(&mut self, at: usize, bytes: &[u8]) {
        self.check(at, bytes.len());
        // SAFETY: the range lies inside of our frames, to which Rust code has no reference.
        unsafe { self.pointer().add(at).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        compiler_fence(Ordering::SeqCst);
    }

    fn check(&self, at: usize, len: usize) {
        let inside = at.checked_add(len).is_some_and(|end| end <= self.bytes);
        assert!(inside, "a driver left its memory: {len} bytes at {at} of {}", self.bytes);
    }
}

impl fmt::Debug for DmaMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DmaMemory({:#x}, {} bytes)", self.address, self.bytes)
    }
}

/// How many bits a physical address has.
pub(super) fn address_bits() -> u8 {
    let capacity = CpuId::new().get_processor_capacity_feature_info();
    capacity.map_or(LEAST_ADDRESS_BITS, |info| info.physical_address_bits()).clamp(LEAST_ADDRESS_BITS, 52)
}
