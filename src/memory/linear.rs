//! The program's linear memory, at address 0 in large pages, and the alias through which Rust reads and writes it.
//!
//! A *chunk* is 2 MiB of it. Behind each is one large frame, as long as there are any, but for a memory that begins
//! small. A chunk in use as a whole is a large page; of the last chunk only the small pages in use are mapped, so that the
//! first byte beyond the end faults.
//!
//! Key types: [`Linear`], [`LinearPlaces`] for a program's further memories.

use core::ops::Range;

use super::frames::Frames;
use super::layout::{
    LARGE_PAGE_BYTES, LINEAR_ALIAS, LINEAR_BASE, LINEAR_BYTES, LINEAR_MEMORIES, LINEAR_STRIDE, PAGE_BYTES,
};
use super::reserve::PROGRAM_LEAVES;
use super::space::{Access, AddressSpace, Mapped, flush_all, free_mapped};
use super::{Lease, Memory, MemoryError, statistics, with_memory};

/// Bytes in a WebAssembly page, the unit of growth.
pub const LINEAR_PAGE_BYTES: u64 = 65536;

/// What is behind the last, partly used chunk.
#[derive(Debug)]
enum Tail {
    /// The large frame at this physical address.
    LargeFrame(u64),
    /// Small frames: there was no large one left.
    SmallFrames,
}

/// A linear memory: the first bytes are mapped, at its base and at the alias; everything up to the end of the guard is
/// not. Gives back its memory when it is dropped.
#[derive(Debug)]
pub struct Linear {
    /// 0 for the program's first memory, which lies at address 0.
    number: u64,
    bytes: u64,
    tail: Tail,
    _lease: Lease,
}

/// Hands out the linear memories after the first.
#[derive(Debug)]
pub struct LinearPlaces {
    next: u64,
    lease: Lease,
}

impl LinearPlaces {
    pub(super) fn new(lease: Lease) -> Self {
        Self { next: 1, lease }
    }

    /// One more linear memory, empty; none when the address space for them is used up.
    pub fn take(&mut self) -> Option<Linear> {
        let number = self.next;
        if number >= LINEAR_MEMORIES {
            return None;
        }
        self.next += 1;
        Some(Linear::new(number, self.lease.clone()))
    }
}

impl Linear {
    pub(super) fn new(number: u64, lease: Lease) -> Self {
        Self { number, bytes: 0, tail: Tail::SmallFrames, _lease: lease }
    }

    /// Address of its first byte, for the program.
    pub fn base(&self) -> u64 {
        LINEAR_BASE + self.number * LINEAR_STRIDE
    }

    /// Mapped pages of 64 KiB.
    pub fn pages(&self) -> u64 {
        self.bytes / LINEAR_PAGE_BYTES
    }

    /// The mapped bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        let alias = LINEAR_ALIAS + self.number * LINEAR_STRIDE;
        // SAFETY: the first `bytes` bytes of the alias are mapped, writable memory that only this region hands out; the
        // program, which runs on the same CPU, does not run while Rust holds the slice.
        unsafe { core::slice::from_raw_parts_mut(alias as *mut u8, self.bytes as usize) }
    }

    /// Maps `delta` more zeroed pages and returns the number before; on failure nothing has changed.
    pub fn grow(&mut self, delta: u64) -> Result<u64, MemoryError> {
        let before = self.bytes;
        let end = delta.checked_mul(LINEAR_PAGE_BYTES).and_then(|more| before.checked_add(more));
        let full = MemoryError::RegionFull { base: self.base(), capacity: LINEAR_BYTES };
        let end = end.filter(|&end| end <= LINEAR_BYTES).ok_or(full)?;
        // Counted beforehand, so that nothing below can run out half-way.
        let (wanted, free, leave) = (self.bytes_needed(end), statistics().free, PROGRAM_LEAVES);
        if end > before && free < wanted + leave {
            return Err(MemoryError::NotEnough { wanted, free, leave });
        }
        with_memory(|memory| {
            while self.bytes < end {
                let chunk_end = (self.bytes / LARGE_PAGE_BYTES + 1) * LARGE_PAGE_BYTES;
                self.grow_in_chunk(memory, end.min(chunk_end))?;
            }
            Ok(before / LINEAR_PAGE_BYTES)
        })
    }

    /// Physical memory that growth to `end` takes: whole chunks, what is missing in a last chunk of small frames, and a
    /// page table for each.
    fn bytes_needed(&self, end: u64) -> u64 {
        if self.begins_small(end) {
            return end + PAGE_BYTES;
        }
        let tail_end = self.bytes.next_multiple_of(LARGE_PAGE_BYTES);
        let chunks = end.saturating_sub(tail_end).div_ceil(LARGE_PAGE_BYTES);
        let in_tail = match self.tail {
            Tail::LargeFrame(_) => 0,
            Tail::SmallFrames => end.min(tail_end) - self.bytes,
        };
        in_tail + chunks * (LARGE_PAGE_BYTES + PAGE_BYTES)
    }

    /// Whether growing to `end` begins a memory beside the program's first with less than a chunk, such as the libc's tables.
    const fn begins_small(&self, end: u64) -> bool {
        self.number > 0 && self.bytes == 0 && end < LARGE_PAGE_BYTES
    }

    /// Grows to `end`, which lies in or at the end of the chunk after the last byte.
    fn grow_in_chunk(&mut self, memory: &mut Memory, end: u64) -> Result<(), MemoryError> {
        let Memory { frames, space, .. } = memory;
        if self.bytes.is_multiple_of(LARGE_PAGE_BYTES) {
            let frame = if self.begins_small(end) { None } else { frames.allocate_large().ok() };
            self.tail = frame.map_or(Tail::SmallFrames, |frame| Tail::LargeFrame(frame.address()));
        }
        let range = self.base() + self.bytes..self.base() + end;
        match self.tail {
            Tail::LargeFrame(frame) => map_in_large_frame(space, frames, frame, range)?,
            Tail::SmallFrames => map_small_frames(space, frames, range)?,
        }
        self.bytes = end;
        Ok(())
    }

    /// Unmaps the chunk that holds the last byte and frees what is behind it.
    fn unmap_last_chunk(&mut self, memory: &mut Memory) {
        let Memory { frames, space, .. } = memory;
        let start = (self.bytes - 1) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
        let in_part = !self.bytes.is_multiple_of(LARGE_PAGE_BYTES);
        // A chunk that is used in part has small pages whatever is behind it; of others the page says what is.
        let shared = match core::mem::replace(&mut self.tail, Tail::SmallFrames) {
            Tail::LargeFrame(frame) if in_part => Some(Mapped::Large { address: frame }),
            _ => None,
        };
        let mut offset = start;
        while offset < self.bytes {
            let mapped = space.unmap(frames, self.base() + offset);
            offset += if matches!(mapped, Some(Mapped::Large { .. })) { LARGE_PAGE_BYTES } else { PAGE_BYTES };
            if let (Some(mapped), None) = (mapped, shared) {
                free_mapped(frames, mapped);
            }
        }
        if let Some(frame) = shared {
            free_mapped(frames, frame);
        }
        self.bytes = start;
    }
}

impl Drop for Linear {
    fn drop(&mut self) {
        // Without memory there is nothing mapped.
        let _ = with_memory(|memory| {
            while self.bytes > 0 {
                self.unmap_last_chunk(memory);
            }
            // The pages were forgotten at the base, but not at the alias.
            flush_all();
            Ok(())
        });
    }
}

/// Maps the addresses `range` of one chunk to the same offsets of the large frame at `frame`.
fn map_in_large_frame(
    space: &mut AddressSpace,
    frames: &mut Frames,
    frame: u64,
    range: Range<u64>,
) -> Result<(), MemoryError> {
    let offset = range.start % LARGE_PAGE_BYTES;
    frames.zero(frame + offset, range.end - range.start);
    if range.end.is_multiple_of(LARGE_PAGE_BYTES) {
        return space.replace_by_large(frames, range.end - LARGE_PAGE_BYTES, frame, Access::ReadWrite);
    }
    for page in (0..range.end - range.start).step_by(PAGE_BYTES as usize) {
        space.map(frames, range.start + page, frame + offset + page, Access::ReadWrite)?;
    }
    Ok(())
}

fn map_small_frames(space: &mut AddressSpace, frames: &mut Frames, range: Range<u64>) -> Result<(), MemoryError> {
    for page in range.step_by(PAGE_BYTES as usize) {
        let frame = frames.allocate_zeroed()?;
        space.map(frames, page, frame.address(), Access::ReadWrite)?;
    }
    Ok(())
}
