//! Regions of the address space that grow by mapping frames behind their end.
//!
//! Key types: [`Region`], and what is built on it: [`CodeRegion`], [`StateRegion`].
//! A code or state region gives back its memory when it is dropped.

use core::ops::Range;

use super::frames::Frames;
use super::layout::{CODE_BASE, CODE_BYTES, LARGE_PAGE_BYTES, PAGE_BYTES, STATE_BASE, STATE_BYTES};
use super::reserve::ENGINE_LEAVES;
use super::space::{Access, Mapped, free_mapped};
use super::{Lease, Memory, MemoryError, with_memory};
use crate::arch::cpu;

/// What new memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    Zeros,
    /// Whatever was there: whoever uses the region writes before it reads.
    Anything,
}

/// Addresses `base..base + capacity`, of which the first `mapped` bytes have memory behind them.
#[derive(Debug)]
pub struct Region {
    base: u64,
    capacity: u64,
    access: Access,
    fresh: Fresh,
    /// The unit of growth, as long as there is memory for it: a multiple of a small page. From a large page up, large
    /// pages are used.
    step: u64,
    mapped: u64,
}

impl Region {
    pub(super) const fn new(base: u64, capacity: u64, access: Access, fresh: Fresh, step: u64) -> Self {
        Self { base, capacity, access, fresh, step, mapped: 0 }
    }

    pub fn base(&self) -> u64 {
        self.base
    }

    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Bytes that have memory behind them.
    pub fn mapped(&self) -> u64 {
        self.mapped
    }

    /// Puts memory behind the first `bytes` bytes, at least, if that leaves `leave` bytes of physical memory free. On
    /// failure nothing has changed.
    pub fn ensure(&mut self, bytes: u64, leave: u64) -> Result<(), MemoryError> {
        if bytes <= self.mapped {
            return Ok(());
        }
        if bytes > self.capacity {
            return Err(MemoryError::RegionFull { base: self.base, capacity: self.capacity });
        }
        let ends = [self.step, PAGE_BYTES].map(|unit| bytes.next_multiple_of(unit).min(self.capacity));
        with_memory(|memory| {
            let free = memory.frames.statistics().free;
            let wanted = |end: u64| frames_needed(end - self.mapped);
            let end = ends.into_iter().find(|end| wanted(*end).saturating_add(leave) <= free);
            let end = end.ok_or(MemoryError::NotEnough { wanted: wanted(ends[1]), free, leave })?;
            self.map_to(memory, end)
        })
    }

    /// Maps everything up to `end`, or nothing more than there is.
    fn map_to(&mut self, memory: &mut Memory, end: u64) -> Result<(), MemoryError> {
        let before = self.mapped;
        while self.mapped < end {
            match self.map_next(memory, end) {
                Ok(bytes) => self.mapped += bytes,
                Err(error) => {
                    self.unmap_to(memory, before);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Maps one page behind what is mapped, a large one if it ends before `end` and there is a frame; returns its bytes.
    fn map_next(&self, memory: &mut Memory, end: u64) -> Result<u64, MemoryError> {
        let Memory { frames, space, .. } = memory;
        let page = self.base + self.mapped;
        if page.is_multiple_of(LARGE_PAGE_BYTES)
            && end - self.mapped >= LARGE_PAGE_BYTES
            && let Ok(frame) = frames.allocate_large()
        {
            self.freshen(frames, frame.address(), LARGE_PAGE_BYTES);
            match space.map_large(frames, page, frame.address(), self.access) {
                Ok(()) => return Ok(LARGE_PAGE_BYTES),
                // A table of small pages is there from an earlier, smaller growth.
                Err(_) => frames.free_large(frame),
            }
        }
        let frame = frames.allocate()?;
        self.freshen(frames, frame.address(), PAGE_BYTES);
        match space.map(frames, page, frame.address(), self.access) {
            Ok(()) => Ok(PAGE_BYTES),
            Err(error) => {
                frames.free(frame);
                Err(error)
            }
        }
    }

    fn freshen(&self, frames: &Frames, address: u64, bytes: u64) {
        if self.fresh == Fresh::Zeros {
            frames.zero(address, bytes);
        }
    }

    /// Takes away the memory behind everything from `bytes` on, in whole steps.
    pub fn shrink(&mut self, bytes: u64) {
        let end = bytes.next_multiple_of(self.step);
        // Without memory there is nothing mapped, so there is nothing to report.
        let _ = with_memory(|memory| {
            self.unmap_to(memory, end);
            Ok(())
        });
    }

    fn unmap_to(&mut self, memory: &mut Memory, end: u64) {
        while self.mapped > end {
            self.mapped -= unmap_last(memory, self.base + self.mapped);
        }
    }

    /// Copies `bytes` to `offset` through the physical map, which permits what `access` forbids. What is written to
    /// must have been [ensured](Self::ensure).
    fn write_through_physical_map(&self, offset: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        with_memory(|memory| {
            let mut address = self.base + offset;
            let mut rest = bytes;
            while !rest.is_empty() {
                let in_page = (PAGE_BYTES - address % PAGE_BYTES).min(rest.len() as u64);
                let physical = memory.space.translate(&memory.frames, address).ok_or(MemoryError::OutOfFrames)?;
                let (now, later) = rest.split_at(in_page as usize);
                let target = memory.frames.physical().pointer::<u8>(physical);
                // SAFETY: the page was mapped by this region, which alone uses its frame; `now` ends with the page.
                unsafe { target.copy_from_nonoverlapping(now.as_ptr(), now.len()) };
                address += in_page;
                rest = later;
            }
            Ok(())
        })
    }
}

/// Physical memory, page tables and the allocator's own included, that mapping `bytes` more bytes takes at most.
fn frames_needed(bytes: u64) -> u64 {
    /// What begins anew wherever a region ends: a table at each level below the top, and a chunk's first frame.
    const EDGES: u64 = 4 * PAGE_BYTES;
    // A large page of small pages takes a table; a large frame of small frames begins with one of the allocator's.
    bytes + bytes / LARGE_PAGE_BYTES * 2 * PAGE_BYTES + EDGES
}

/// Unmaps the page that ends at `end` and frees its frame; returns its bytes.
fn unmap_last(memory: &mut Memory, end: u64) -> u64 {
    let Memory { frames, space, .. } = memory;
    let large = matches!(space.mapped_at(frames, end - PAGE_BYTES), Some(Mapped::Large { .. }));
    let bytes = if large { LARGE_PAGE_BYTES } else { PAGE_BYTES };
    if let Some(mapped) = space.unmap(frames, end - bytes) {
        free_mapped(frames, mapped);
    }
    bytes
}

/// Where compiled code lives. It is executed here and written elsewhere.
#[derive(Debug)]
pub struct CodeRegion(Region, #[expect(dead_code, reason = "held until the region is gone")] Lease);

impl CodeRegion {
    pub(super) fn new(lease: Lease) -> Self {
        Self(Region::new(CODE_BASE, CODE_BYTES, Access::ReadExecute, Fresh::Anything, LARGE_PAGE_BYTES), lease)
    }

    pub fn base(&self) -> u64 {
        self.0.base()
    }

    pub fn capacity(&self) -> usize {
        self.0.capacity() as usize
    }

    /// Copies machine code to `offset` and returns once this CPU would execute it.
    pub fn write(&mut self, offset: usize, code: &[u8]) -> Result<(), MemoryError> {
        let capacity = self.0.capacity();
        let end = (offset as u64).checked_add(code.len() as u64);
        let end = end.ok_or(MemoryError::RegionFull { base: self.0.base(), capacity })?;
        self.0.ensure(end, ENGINE_LEAVES)?;
        self.0.write_through_physical_map(offset as u64, code)?;
        cpu::serialise();
        Ok(())
    }

    /// What is at `range` of what was written.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end as u64 <= self.0.mapped(), "no code at {range:#x?}");
        // SAFETY: the range is mapped and readable, and it is written only through `&mut self`.
        unsafe { core::slice::from_raw_parts((self.0.base() as usize + range.start) as *const u8, range.len()) }
    }
}

impl Drop for CodeRegion {
    fn drop(&mut self) {
        self.0.shrink(0);
    }
}

/// Where the data lies that compiled code addresses directly.
#[derive(Debug)]
pub struct StateRegion(Region, #[expect(dead_code, reason = "held until the region is gone")] Lease);

impl StateRegion {
    pub(super) fn new(lease: Lease) -> Self {
        Self(Region::new(STATE_BASE, STATE_BYTES, Access::ReadWrite, Fresh::Zeros, 16 * PAGE_BYTES), lease)
    }

    pub fn base(&self) -> u64 {
        self.0.base()
    }

    /// Makes bytes `0..len` accessible; new bytes are zero.
    pub fn ensure(&mut self, len: usize) -> Result<(), MemoryError> {
        self.0.ensure(len as u64, ENGINE_LEAVES)
    }

    /// The word at `offset`, a multiple of 8 in what was ensured.
    pub fn read(&self, offset: usize) -> u64 {
        // SAFETY: `word` checked the address. Compiled code changes the word behind the compiler's back, hence volatile.
        unsafe { self.word(offset).read_volatile() }
    }

    /// Sets the word at `offset`, a multiple of 8 in what was ensured.
    pub fn write(&mut self, offset: usize, value: u64) {
        // SAFETY: as in `read`.
        unsafe { self.word(offset).write_volatile(value) };
    }

    fn word(&self, offset: usize) -> *mut u64 {
        let in_region = offset.is_multiple_of(8) && (offset as u64) < self.0.mapped();
        assert!(in_region, "engine state has no word at offset {offset:#x}");
        (self.0.base() + offset as u64) as *mut u64
    }
}

impl Drop for StateRegion {
    fn drop(&mut self) {
        self.0.shrink(0);
    }
}
