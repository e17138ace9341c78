//! The global heap: `talc` in a region of its own that grows, and shrinks again when much of its end is free.
//!
//! Key type: [`KernelHeap`], the global allocator of the kernel binary. Neighbours: [`super::reserve`] says what a large
//! request leaves to small ones.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use spin::Mutex;
use talc::base::Talc;
use talc::base::binning::{Binning, DefaultBinning};
use talc::source::Source;

use super::layout::{HEAP_BASE, HEAP_BYTES, LARGE_PAGE_BYTES};
use super::region::{Fresh, Region};
use super::reserve::{HEAP_LEAVES, LARGE_BYTES};
use super::space::Access;

/// Room for the heap's own bookkeeping when it grows for one large allocation.
const OVERHEAD_BYTES: u64 = 64 << 10;
/// Free memory that the heap keeps at its end.
const KEEP_BYTES: u64 = 4 * LARGE_PAGE_BYTES;

/// The global allocator. All instances are the same heap.
pub struct KernelHeap;

/// Reached by the language wherever something is allocated. Locks `MEMORY` while it is held, never the other way round.
static HEAP: Mutex<Talc<HeapRegion, DefaultBinning>> = Mutex::new(Talc::new(HeapRegion::new()));

// SAFETY: `Talc` is an allocator; the lock gives it to one caller at a time; interrupt handlers do not allocate.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's layout has a size other than zero.
        unsafe { HEAP.lock().allocate(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller got `pointer` from `alloc` or `realloc` with this layout.
        unsafe { HEAP.lock().deallocate(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`, and the caller's new size is not zero.
        if unsafe { HEAP.lock().try_realloc_in_place(pointer, layout, new_size) } {
            return pointer;
        }
        // SAFETY: the caller's new size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new size is not zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks have at least the smaller of the sizes, and the old one was not moved or freed yet.
            unsafe {
                ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
        }
        new
    }
}

/// Where the heap gets its memory.
#[derive(Debug)]
struct HeapRegion {
    region: Region,
    /// The end of what `talc` was given, once it was given anything.
    end: Option<NonNull<u8>>,
}

// SAFETY: the pointer is an address in the heap's region, which belongs to no thread.
unsafe impl Send for HeapRegion {}

impl HeapRegion {
    const fn new() -> Self {
        Self {
            region: Region::new(HEAP_BASE, HEAP_BYTES, Access::ReadWrite, Fresh::Anything, LARGE_PAGE_BYTES),
            end: None,
        }
    }
}

// SAFETY: growing the region takes frames and page tables, which use no heap.
unsafe impl Source for HeapRegion {
    const TRACK_HEAP_END: bool = true;

    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let region = &mut talc.source.region;
        let leave = if layout.size() as u64 >= LARGE_BYTES { HEAP_LEAVES } else { 0 };
        let wanted = (layout.size() as u64).checked_add(layout.align() as u64 + OVERHEAD_BYTES).ok_or(())?;
        let wanted = region.mapped().checked_add(wanted).ok_or(())?;
        region.ensure(wanted, leave).map_err(|_| ())?;
        let (base, mapped) = (region.base() as *mut u8, region.mapped() as usize);
        talc.source.end = match talc.source.end {
            // SAFETY: the memory up to the region's new end was just mapped, is not in use, and follows the old end.
            Some(end) => Some(unsafe { talc.extend(end, base.add(mapped)) }),
            // SAFETY: the region is mapped, writable and in nobody's use.
            None => unsafe { talc.claim(base, mapped) },
        };
        talc.source.end.map(|_| ()).ok_or(())
    }

    unsafe fn resize(&mut self, chunk_base: *mut u8, heap_end: *mut u8, _is_heap_base: bool) -> *mut u8 {
        let free_bytes = heap_end as u64 - chunk_base as u64;
        if free_bytes < 2 * KEEP_BYTES {
            return heap_end;
        }
        self.region.shrink(chunk_base as u64 + KEEP_BYTES - self.region.base());
        let end = (self.region.base() + self.region.mapped()) as *mut u8;
        self.end = NonNull::new(end);
        end
    }
}

/// Bytes of memory behind the heap, in use or not.
pub fn mapped_bytes() -> u64 {
    HEAP.lock().source.region.mapped()
}

/// Bytes in the heap that are in no use.
pub fn free_bytes() -> u64 {
    HEAP.lock().counters().available_bytes as u64
}
