//! Physical memory, the address space, the heap, and the regions that the engine works in.
//!
//! [`initialise`] builds it all from what the loader reports. The [`RegionSource`] that it makes hands out the [`Regions`],
//! each of which exists once at a time. The frame allocator and the page tables sit behind one lock, because the global
//! heap must reach them from wherever something is allocated. An interrupt handler must not allocate.
//!
//! Key types: [`RegionSource`], [`Regions`], [`frames::Frames`], [`space::AddressSpace`], [`heap::KernelHeap`]. Neighbours: `arch` below;
//! `kernel::seams` wraps the regions for the engine.

mod device;
pub mod frames;
pub mod heap;
mod image;
pub mod layout;
mod linear;
mod physical;
pub mod ranges;
mod region;
pub mod reserve;
pub mod screen;
mod space;
mod stack;
#[cfg(test)]
mod tests;

use alloc::rc::Rc;
use core::fmt;
use core::ops::Range;

use spin::Mutex;

pub use device::{DeviceRegisters, DmaMemory};
pub use frames::{Frame, LargeFrame, Statistics};
pub use image::image_range;
pub use linear::{Linear, LinearPlaces};
pub use region::{CodeRegion, Region, StateRegion};
pub use space::Access;
pub use stack::{CallStack, back_call_stack};

use frames::Frames;
use layout::{LINEAR_ALIAS, LINEAR_BASE, PHYSICAL_MAP};
use physical::PhysicalMap;
use ranges::Ranges;
use space::AddressSpace;
use stack::StackPages;

/// Why memory could not be had or arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// No physical frame is left.
    OutOfFrames,
    /// So many bytes are wanted, in frames, and `leave` more are kept for others.
    NotEnough { wanted: u64, free: u64, leave: u64 },
    /// The region at `base` cannot grow beyond its `capacity` bytes.
    RegionFull { base: u64, capacity: u64 },
    /// Something is already mapped at `page`.
    AlreadyMapped { page: u64 },
    /// The CPU cannot address these bytes.
    NoSuchAddress { address: u64, bytes: u64 },
    /// Memory was asked for before there was any.
    NotInitialised,
    /// The regions were asked for while there were some.
    RegionsInUse,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfFrames => write!(f, "out of physical memory: give the machine more"),
            Self::NotEnough { wanted, free, leave } => write!(
                f,
                "out of physical memory: {wanted} bytes wanted beside a reserve of {leave}, {free} free: give the machine more"
            ),
            Self::RegionFull { base, capacity } => {
                write!(f, "the region at {base:#x} is full ({} MiB): the program is too large", capacity >> 20)
            }
            Self::AlreadyMapped { page } => write!(f, "the page at {page:#x} is already in use: a bug in the kernel"),
            Self::NoSuchAddress { address, bytes } => {
                write!(
                    f,
                    "{bytes} bytes at {address:#x} are beyond what the CPU can address: the firmware or a device lies"
                )
            }
            Self::NotInitialised => write!(f, "memory is used before it is set up: a bug in the kernel"),
            Self::RegionsInUse => write!(f, "the regions of an engine are still in use: a bug in the kernel"),
        }
    }
}

impl core::error::Error for MemoryError {}

/// What every change to memory needs.
pub(crate) struct Memory {
    frames: Frames,
    space: AddressSpace,
    stack: StackPages,
    /// Bytes of the devices' region that are in use.
    devices_mapped: u64,
}

/// Reached by the global heap. Never held while something is allocated on the heap.
static MEMORY: Mutex<Option<Memory>> = Mutex::new(None);

/// The parts of the address space that the engine works in, empty at first. There is one of each.
pub struct Regions {
    pub code: CodeRegion,
    pub state: StateRegion,
    pub linear: Linear,
    pub more_linear: LinearPlaces,
    pub call_stack: CallStack,
}

/// Hands out the [`Regions`], to one user after another.
#[derive(Debug)]
pub struct RegionSource {
    lease: Lease,
}

/// A region holds one; what it has mapped is gone before it lets go.
#[derive(Clone, Debug, Default)]
struct Lease(Rc<()>);

impl RegionSource {
    /// The regions, with a call stack of at most `stack_bytes`; refused until all that came from them before has been
    /// dropped.
    pub fn take(&mut self, stack_bytes: u64) -> Result<Regions, MemoryError> {
        if Rc::strong_count(&self.lease.0) > 1 {
            return Err(MemoryError::RegionsInUse);
        }
        Ok(Regions {
            code: CodeRegion::new(self.lease.clone()),
            state: StateRegion::new(self.lease.clone()),
            linear: Linear::new(0, self.lease.clone()),
            more_linear: LinearPlaces::new(self.lease.clone()),
            call_stack: CallStack::new(stack_bytes, self.lease.clone())?,
        })
    }
}

/// Takes over `free` (whole, disjoint, ascending frames), replaces the boot tables by the kernel's own, in which
/// nothing is mapped below the upper half, and makes the heap usable.
///
/// Called once, on a kernel stack, with the boot tables active.
pub fn initialise(free: Ranges, gigabyte_pages: bool) -> Result<RegionSource, MemoryError> {
    let mut frames = Frames::new(free, PhysicalMap::fixed(PHYSICAL_MAP));
    let mut space = AddressSpace::new(&mut frames, gigabyte_pages)?;
    space.share_slot(&mut frames, LINEAR_BASE, LINEAR_ALIAS)?;
    image::map(&mut space, &mut frames)?;
    screen::adopt(space.slot(&frames, layout::SCREEN_BASE));
    // SAFETY: the space maps the kernel image, in which code, data and stacks lie, and all physical memory that was
    // mapped before.
    unsafe { space.activate() };
    *MEMORY.lock() = Some(Memory { frames, space, stack: StackPages::default(), devices_mapped: 0 });
    Ok(RegionSource { lease: Lease::default() })
}

/// How much physical memory there is; zeros before [`initialise`].
pub fn statistics() -> Statistics {
    MEMORY.lock().as_ref().map(|memory| memory.frames.statistics()).unwrap_or_default()
}

/// The same for one who may have interrupted whoever changes memory.
pub fn statistics_unless_locked() -> Option<Statistics> {
    MEMORY.try_lock()?.as_ref().map(|memory| memory.frames.statistics())
}

/// A frame of 4 KiB with arbitrary contents.
pub fn allocate_frame() -> Result<Frame, MemoryError> {
    with_memory(|memory| memory.frames.allocate())
}

/// A frame of 2 MiB, aligned and contiguous, with arbitrary contents.
pub fn allocate_large_frame() -> Result<LargeFrame, MemoryError> {
    with_memory(|memory| memory.frames.allocate_large())
}

/// Gives back a frame.
pub fn free_frame(frame: Frame) {
    // There is a frame, so memory is initialised.
    let _ = with_memory(|memory| {
        memory.frames.free(frame);
        Ok(())
    });
}

/// Gives back a large frame.
pub fn free_large_frame(frame: LargeFrame) {
    // As above.
    let _ = with_memory(|memory| {
        memory.frames.free_large(frame);
        Ok(())
    });
}

/// Where physical address `address` is mapped, if it is below 4 GiB or was handed out.
pub fn physical_pointer<T>(address: u64) -> *mut T {
    (PHYSICAL_MAP + address) as *mut T
}

/// The `bytes` bytes at physical address `address`, below 4 GiB.
///
/// # Safety
/// They are memory that nothing writes from now on.
pub unsafe fn physical_bytes(address: u64, bytes: u64) -> &'static [u8] {
    // SAFETY: the physical map covers the first 4 GiB at all times; the caller vouches for the contents.
    unsafe { core::slice::from_raw_parts((PHYSICAL_MAP + address) as *const u8, bytes as usize) }
}

/// The first `len` entries of a list of ranges at physical address `address`, below 4 GiB, all empty.
///
/// # Safety
/// They are free memory, aligned for a word, that nothing else uses from now on.
pub unsafe fn range_list(address: u64, len: usize) -> &'static mut [Range<u64>] {
    let first = physical_pointer::<Range<u64>>(address);
    // SAFETY: the physical map covers the first 4 GiB at all times; the caller gives us this part of it.
    (0..len).for_each(|index| unsafe { first.add(index).write(0..0) });
    // SAFETY: as above, and every entry has been written.
    unsafe { core::slice::from_raw_parts_mut(first, len) }
}

/// Runs `change` on the frames and the tables.
fn with_memory<T>(change: impl FnOnce(&mut Memory) -> Result<T, MemoryError>) -> Result<T, MemoryError> {
    change(MEMORY.lock().as_mut().ok_or(MemoryError::NotInitialised)?)
}
