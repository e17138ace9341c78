//! The process's heap, with some memory kept for what cannot be refused: most of what the compiler and the standard library
//! allocate.
//!
//! Key type: [`ReservedHeap`], the global allocator of the `bareflow` command. Neighbours: `platform` has the engine look at
//! [`free`], so that a program ends, and its profile is saved, while the reserve lasts.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use talc::base::Talc;
use talc::base::binning::DefaultBinning;
use talc::source::Claim;

/// What is kept.
pub const RESERVE_BYTES: usize = 8 << 20;

/// A request that is never served from the reserve: who makes such a one expects to be refused at times.
const LARGE_BYTES: usize = 1 << 20;

/// Costs nothing before it is used: Linux supplies pages as they are touched.
#[repr(align(4096))]
struct Block(UnsafeCell<[u8; RESERVE_BYTES]>);

// SAFETY: the allocator behind the lock alone hands out parts of it.
unsafe impl Sync for Block {}

static BLOCK: Block = Block(UnsafeCell::new([0; RESERVE_BYTES]));

/// The allocator of the block: static, as the language's global allocator is.
// SAFETY: the block is this allocator's alone and lives for ever.
static RESERVE: Mutex<Talc<Claim, DefaultBinning>> = Mutex::new(Talc::new(unsafe { Claim::array(BLOCK.0.get()) }));

fn reserve() -> MutexGuard<'static, Talc<Claim, DefaultBinning>> {
    RESERVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that can still be had: no end of them, as far as is known, until the reserve is opened.
pub fn free() -> u64 {
    match reserve().counters().allocated_bytes {
        0 => u64::MAX,
        used => RESERVE_BYTES.saturating_sub(used) as u64,
    }
}

/// What the program can still have: nothing of the reserve.
pub fn free_for_program() -> u64 {
    if free() < RESERVE_BYTES as u64 { 0 } else { u64::MAX }
}

/// The heap `A`, and where that fails the reserve. All instances have the same reserve.
pub struct ReservedHeap<A = System>(pub A);

// SAFETY: what is in the block came from `Talc` and goes back there, everything else from and to `A`; both are allocators.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ReservedHeap<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let pointer = unsafe { self.0.alloc(layout) };
        if pointer.is_null() { from_reserve(layout) } else { pointer }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let pointer = unsafe { self.0.alloc_zeroed(layout) };
        if !pointer.is_null() {
            return pointer;
        }
        let pointer = from_reserve(layout);
        if !pointer.is_null() {
            // SAFETY: the block was just allocated with this size.
            unsafe { pointer.write_bytes(0, layout.size()) };
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_reserve(pointer) {
            // SAFETY: an address in the block is one that `from_reserve` gave for this layout.
            unsafe { reserve().deallocate(pointer, layout) };
        } else {
            // SAFETY: any other came from `A`.
            unsafe { self.0.dealloc(pointer, layout) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !is_reserve(pointer) {
            // SAFETY: the caller's; the pointer came from `A`.
            let moved = unsafe { self.0.realloc(pointer, layout, new_size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the caller's new size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the caller's new size is not zero.
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

fn from_reserve(layout: Layout) -> *mut u8 {
    if layout.size() >= LARGE_BYTES {
        return ptr::null_mut();
    }
    // SAFETY: a layout that the language asks an allocator for has a size other than zero.
    unsafe { reserve().allocate(layout) }.map_or(ptr::null_mut(), NonNull::as_ptr)
}

fn is_reserve(pointer: *mut u8) -> bool {
    (pointer as usize).wrapping_sub(BLOCK.0.get() as usize) < RESERVE_BYTES
}
