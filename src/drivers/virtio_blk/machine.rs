//! Virtio devices of the machine: where their registers are, and the memory that they reach.
//!
//! Source: VIRTIO 1.2, section 4.1.4 (structures in configuration space; legacy devices: base address register 0).

use alloc::rc::Rc;
use core::fmt;
use core::ptr::NonNull;

use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use x86_64::instructions::port::Port;

use super::registers::{CONFIG_BYTES, MODERN_REGIONS, Region, Registers, common, legacy};
use super::transport::{Legacy, Modern};
use crate::drivers::clock::Clock;
use crate::drivers::pci::{Bar, Function};
use crate::memory::layout::{PHYSICAL_MAP, PHYSICAL_MAP_BYTES};
use crate::memory::{DeviceRegisters, DmaMemory, MemoryError};

const CAPABILITY_VENDOR: u8 = 0x09;
const CAPABILITY_MSIX: u8 = 0x11;
const MSIX_ENABLED: u32 = 1 << 31;
/// As much as is mapped of the place for notices, of which one is used.
const MOST_NOTIFY_BYTES: u32 = 1 << 20;

/// A device, by its transport.
pub(super) enum Found {
    Modern(Modern<PciRegisters>),
    Legacy(Legacy<PciRegisters>),
}

/// Why a device cannot be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    /// The firmware gave it no addresses, or none that are needed here.
    NoRegisters,
    Memory(MemoryError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegisters => f.write_str("it has neither the registers of virtio 1 nor those of before"),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

/// Some registers, where the firmware put them.
enum Place {
    Memory(DeviceRegisters),
    Ports { first: u16 },
}

/// A function's registers.
pub(super) struct PciRegisters {
    function: Function,
    clock: Rc<Clock>,
    regions: [Option<(Place, usize)>; 4],
}

/// Finds out where a device's registers are, and starts it as far as PCI goes.
///
/// # Safety
/// Nothing else drives the device, now or later.
pub(super) unsafe fn open(function: &Function, clock: &Rc<Clock>) -> Result<Found, OpenError> {
    let mut registers =
        PciRegisters { function: function.clone(), clock: Rc::clone(clock), regions: [const { None }; 4] };
    let structures = MODERN_REGIONS.map(|(number, region)| Some((region, Structure::find(function, number)?)));
    if let [Some(common), Some(notify), Some(config)] = structures {
        for (region, structure) in [common, notify, config] {
            // SAFETY: the caller gives us the device, and the structure is inside of its registers.
            let place = unsafe { structure.place() }.map_err(OpenError::Memory)?;
            registers.regions[region as usize] = Some((place, structure.bytes as usize));
        }
        function.start();
        return Ok(Found::Modern(Modern::new(registers, notify.1.notify_stride as usize)));
    }
    let Some(Bar::Io { port }) = function.device.bars[0] else { return Err(OpenError::NoRegisters) };
    let bytes = legacy::CONFIG_AT + legacy::MSIX_BYTES + CONFIG_BYTES;
    registers.regions[Region::Legacy as usize] = Some((Place::Ports { first: port }, bytes));
    function.start();
    let msix = function.capabilities().into_iter().find(|(kind, _)| *kind == CAPABILITY_MSIX);
    let uses_msix = msix.is_some_and(|(_, at)| function.read(at) & MSIX_ENABLED != 0);
    Ok(Found::Legacy(Legacy::new(registers, uses_msix)))
}

/// A group of registers, as a capability states it.
#[derive(Clone, Copy)]
struct Structure {
    bar: Bar,
    offset: u32,
    bytes: u32,
    notify_stride: u32,
}

impl Structure {
    /// The first one with this number that is somewhere.
    fn find(function: &Function, number: u8) -> Option<Self> {
        let capabilities = function.capabilities().into_iter();
        let vendor = capabilities.filter(|(kind, _)| *kind == CAPABILITY_VENDOR);
        vendor.filter(|(_, at)| (function.read(*at) >> 24) as u8 == number).find_map(|(_, at)| {
            let word = |number: u16| function.read(at + 4 * number);
            let bar = (*function.device.bars.get(usize::from(word(1) as u8))?)?;
            let (offset, bytes) = (word(2), word(3));
            let end = u64::from(offset) + u64::from(bytes);
            let (least, most) = match number {
                1 => (common::BYTES as u32, common::BYTES as u32),
                2 => (2, MOST_NOTIFY_BYTES),
                _ => (8, CONFIG_BYTES as u32),
            };
            let is_inside = match bar {
                Bar::Memory { size_bytes, .. } => end <= size_bytes && offset.is_multiple_of(4),
                Bar::Io { port } => u64::from(port) + end <= 1 << 16,
            };
            let notify_stride = if number == 2 { word(4) } else { 0 };
            (is_inside && bytes >= least).then_some(Self { bar, offset, bytes: bytes.min(most), notify_stride })
        })
    }

    /// # Safety
    /// The base address registers are as the firmware set them, and the structure is inside of one.
    unsafe fn place(&self) -> Result<Place, MemoryError> {
        match self.bar {
            Bar::Memory { address, .. } => {
                // SAFETY: the firmware put the device's registers there.
                let registers = unsafe { DeviceRegisters::map(address + u64::from(self.offset), self.bytes as usize) };
                registers.map(Place::Memory)
            }
            Bar::Io { port } => Ok(Place::Ports { first: port + self.offset as u16 }),
        }
    }
}

impl PciRegisters {
    /// Where a register is, if it is there.
    fn place(&self, region: Region, at: usize, bytes: usize) -> Option<&Place> {
        let (place, region_bytes) = self.regions[region as usize].as_ref()?;
        let is_inside = at.is_multiple_of(bytes) && at.checked_add(bytes)? <= *region_bytes;
        is_inside.then_some(place)
    }
}

impl Registers for PciRegisters {
    fn bytes(&self, region: Region) -> usize {
        self.regions[region as usize].as_ref().map_or(0, |(_, bytes)| *bytes)
    }

    fn read(&self, region: Region, at: usize, bytes: usize) -> u32 {
        let absent = u32::MAX >> (32 - 8 * bytes);
        match (self.place(region, at, bytes), bytes) {
            (Some(Place::Memory(registers)), 1) => registers.read_u8(at).into(),
            (Some(Place::Memory(registers)), 2) => registers.read_u16(at).into(),
            (Some(Place::Memory(registers)), _) => registers.read(at),
            (Some(Place::Ports { first }), _) => {
                let port = first + at as u16;
                // SAFETY: `open` was given the device, whose ports these are; reading changes nothing.
                unsafe {
                    match bytes {
                        1 => Port::<u8>::new(port).read().into(),
                        2 => Port::<u16>::new(port).read().into(),
                        _ => Port::<u32>::new(port).read(),
                    }
                }
            }
            (None, _) => absent,
        }
    }

    fn write(&mut self, region: Region, at: usize, bytes: usize, value: u32) {
        match (self.place(region, at, bytes), bytes) {
            (Some(Place::Memory(registers)), 1) => registers.write_u8(at, value as u8),
            (Some(Place::Memory(registers)), 2) => registers.write_u16(at, value as u16),
            (Some(Place::Memory(registers)), _) => registers.write(at, value),
            (Some(Place::Ports { first }), _) => {
                let port = first + at as u16;
                // SAFETY: `open` was given the device, whose ports these are; it reaches only memory that it was told of.
                unsafe {
                    match bytes {
                        1 => Port::<u8>::new(port).write(value as u8),
                        2 => Port::<u16>::new(port).write(value as u16),
                        _ => Port::<u32>::new(port).write(value),
                    }
                }
            }
            (None, _) => {}
        }
    }

    fn cut_off(&mut self) {
        self.function.cut_off();
    }

    fn now_ms(&self) -> u64 {
        self.clock.monotonic_ms()
    }
}

/// The kernel's memory as the crate sees it: all that a device reaches is in the physical map.
pub(super) struct KernelMemory;

// SAFETY: memory comes zeroed and in whole pages from the allocator of frames, and is given back only by whoever has it.
unsafe impl Hal for KernelMemory {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match DmaMemory::allocate(pages * PAGE_SIZE) {
            Ok(mut memory) => (memory.address(), memory.pointer()),
            Err(_) => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(address: PhysAddr, _pointer: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: the caller had it from `dma_alloc`. A queue is dropped only when its device has confirmed a reset.
        unsafe { DmaMemory::give_back(address, pages * PAGE_SIZE) };
        0
    }

    unsafe fn mmio_phys_to_virt(_address: PhysAddr, _bytes: usize) -> NonNull<u8> {
        unreachable!("only the crate's own transport maps registers")
    }

    /// Requests are in memory that `dma_alloc` returned.
    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        let address = (buffer.cast::<u8>().as_ptr() as u64).checked_sub(PHYSICAL_MAP);
        let Some(address) = address.filter(|address| *address < PHYSICAL_MAP_BYTES) else {
            unreachable!("a request is outside of the physical map: {buffer:?}")
        };
        address
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
