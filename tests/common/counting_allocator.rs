//! The allocator of a test that counts bytes. One measurement at a time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static NOW: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);

fn add(bytes: usize) {
    let now = NOW.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
    MOST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: everything is the system allocator's; a block that moves may be there twice for a moment, and counts so.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        add(new_size);
        NOW.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Bytes that are allocated.
pub fn bytes_now() -> u64 {
    NOW.load(Ordering::Relaxed)
}

/// The most bytes that `work` had beyond what was there before.
pub fn measure(work: impl FnOnce()) -> u64 {
    let before = bytes_now();
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed) - before
}
