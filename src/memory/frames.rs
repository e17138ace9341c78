//! The frame allocator: physical memory in frames of 4 KiB and 2 MiB.
//!
//! Nothing is done per frame at start: untouched memory is only a cursor in a list of ranges. Large frames come from
//! the cursor or a free list. A small frame comes from a *chunk*: a large frame that was split, whose first 4 KiB hold
//! a bitmap of the rest; a chunk that becomes wholly free is a large frame again. Memory at the edges of a range, where
//! no large frame fits, is handed out as *loose* small frames.
//!
//! Key types: [`Frames`], [`Frame`], [`LargeFrame`]. Neighbours: [`super::ranges`] says what is free at start,
//! [`super::physical`] makes frames beyond 4 GiB reachable.

use super::MemoryError;
use super::layout::{GIB, LARGE_PAGE_BYTES, PAGE_BYTES, PHYSICAL_MAP};
use super::physical::PhysicalMap;
use super::ranges::Ranges;

/// A frame of 4 KiB that the holder owns.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame(u64);

/// A frame of 2 MiB, aligned to its size, that the holder owns.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeFrame(u64);

impl Frame {
    /// Physical address of the first byte.
    pub fn address(&self) -> u64 {
        self.0
    }

    /// What is in it.
    pub fn bytes(&mut self) -> &mut [u8; PAGE_BYTES as usize] {
        // SAFETY: the holder of a frame alone uses it, and the physical map covers all frames that were handed out.
        unsafe { &mut *((PHYSICAL_MAP + self.0) as *mut [u8; PAGE_BYTES as usize]) }
    }

    /// Takes back the frame whose address was kept in a page table.
    pub(super) fn from_address(address: u64) -> Self {
        Self(address)
    }
}

impl LargeFrame {
    /// Physical address of the first byte.
    pub fn address(&self) -> u64 {
        self.0
    }

    /// What is in it.
    pub fn bytes(&mut self) -> &mut [u8; LARGE_PAGE_BYTES as usize] {
        // SAFETY: the holder of a frame alone uses it, and the physical map covers all frames that were handed out.
        unsafe { &mut *((PHYSICAL_MAP + self.0) as *mut [u8; LARGE_PAGE_BYTES as usize]) }
    }

    /// Takes back the frame whose address was kept in a page table.
    pub(super) fn from_address(address: u64) -> Self {
        Self(address)
    }
}

/// How much there is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// What the allocator was given.
    pub total: u64,
    /// What can still be allocated, if only small frames were asked for.
    pub free: u64,
}

/// End of a free list.
const NONE: u64 = u64::MAX;
/// Small frames in a large one.
const FRAMES_PER_CHUNK: u64 = LARGE_PAGE_BYTES / PAGE_BYTES;
/// Memory that the physical map covers from the start.
const MAPPED_AT_START: u64 = 4 * GIB;

/// The first frame of a split chunk.
#[repr(C)]
struct ChunkHeader {
    /// Neighbours in the list of chunks with free frames, or [`NONE`].
    next: u64,
    previous: u64,
    free: u64,
    /// Bit n is set while frame n of the chunk is allocated. Frame 0 is this header.
    allocated: [u64; FRAMES_PER_CHUNK as usize / 64],
}

/// All physical memory that is free or was allocated here.
pub struct Frames {
    ranges: Ranges,
    physical: PhysicalMap,
    /// Where the next untouched large frame is looked for.
    large_cursor: u64,
    /// Where the next untouched loose frame is looked for.
    loose_cursor: u64,
    /// First entries of the free lists; each entry holds the address of the next in its first word.
    free_large: u64,
    free_loose: u64,
    /// First chunk with free frames.
    open_chunks: u64,
    statistics: Statistics,
}

impl Frames {
    /// An allocator of the memory in `free` (whole, disjoint, ascending 4 KiB frames).
    pub fn new(free: Ranges, physical: PhysicalMap) -> Self {
        let total = free.iter().map(|range| range.end - range.start).sum();
        Self {
            ranges: free,
            physical,
            large_cursor: 0,
            loose_cursor: 0,
            free_large: NONE,
            free_loose: NONE,
            open_chunks: NONE,
            statistics: Statistics { total, free: total },
        }
    }

    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Where physical memory is mapped.
    pub fn physical(&self) -> &PhysicalMap {
        &self.physical
    }

    /// Changes how physical memory is mapped; every frame in use must stay reachable.
    pub fn replace_physical_map(&mut self, physical: PhysicalMap) {
        self.physical = physical;
    }

    /// A small frame with arbitrary contents.
    pub fn allocate(&mut self) -> Result<Frame, MemoryError> {
        let address = match self.take_loose() {
            Some(address) => address,
            None => self.take_from_chunk()?,
        };
        self.statistics.free -= PAGE_BYTES;
        Ok(Frame(address))
    }

    /// A small frame of zeros.
    pub fn allocate_zeroed(&mut self) -> Result<Frame, MemoryError> {
        let frame = self.allocate()?;
        self.zero(frame.address(), PAGE_BYTES);
        Ok(frame)
    }

    /// A large frame with arbitrary contents.
    pub fn allocate_large(&mut self) -> Result<LargeFrame, MemoryError> {
        let address = self.take_large()?;
        self.statistics.free -= LARGE_PAGE_BYTES;
        Ok(LargeFrame(address))
    }

    /// The address of `count` small frames, one after the other. At most as many as a large frame has, less one.
    pub fn allocate_contiguous(&mut self, count: u64) -> Result<u64, MemoryError> {
        if count >= FRAMES_PER_CHUNK {
            return Err(MemoryError::OutOfFrames);
        }
        let mut chunk = self.open_chunks;
        loop {
            if chunk == NONE {
                chunk = self.take_large()?;
                self.open_chunk(chunk);
            }
            let header = self.header(chunk);
            let Some(first) = first_clear_run(&header.allocated, count) else {
                chunk = header.next;
                continue;
            };
            (first..first + count).for_each(|frame| header.allocated[(frame / 64) as usize] |= 1 << (frame % 64));
            header.free -= count;
            if header.free == 0 {
                self.unlink(chunk);
            }
            self.statistics.free -= count * PAGE_BYTES;
            return Ok(chunk + first * PAGE_BYTES);
        }
    }

    pub fn free(&mut self, frame: Frame) {
        self.statistics.free += PAGE_BYTES;
        let chunk = frame.0 & !(LARGE_PAGE_BYTES - 1);
        if self.is_large_frame(chunk) {
            self.return_to_chunk(chunk, (frame.0 - chunk) / PAGE_BYTES);
        } else {
            self.push(frame.0, self.free_loose);
            self.free_loose = frame.0;
        }
    }

    pub fn free_large(&mut self, frame: LargeFrame) {
        self.statistics.free += LARGE_PAGE_BYTES;
        self.push(frame.0, self.free_large);
        self.free_large = frame.0;
    }

    /// Sets `bytes` bytes of a frame in use to zero.
    pub fn zero(&self, address: u64, bytes: u64) {
        // SAFETY: the caller's frame is in use by it alone, and the physical map covers what was handed out.
        unsafe { self.physical.pointer::<u8>(address).write_bytes(0, bytes as usize) };
    }

    fn take_large(&mut self) -> Result<u64, MemoryError> {
        if self.free_large != NONE {
            let address = self.free_large;
            self.free_large = self.pop(address);
            return Ok(address);
        }
        loop {
            let address = self.next_untouched_large().ok_or(MemoryError::OutOfFrames)?;
            self.physical.reach(address)?;
            if !self.physical.wants_spare() {
                return Ok(address);
            }
            // The physical map needs a frame to be able to grow; a part of this chunk, which it reaches, will do.
            self.open_chunk(address);
            let spare = self.take_from_chunk()?;
            self.statistics.free -= PAGE_BYTES;
            self.physical.give_spare(spare);
        }
    }

    /// The address of the next large frame that was never handed out, beyond which the cursor then stands.
    fn next_untouched_large(&mut self) -> Option<u64> {
        let cursor = self.large_cursor;
        let address = self.ranges.above(cursor).find_map(|range| {
            let address = range.start.max(cursor).checked_next_multiple_of(LARGE_PAGE_BYTES)?;
            (address.checked_add(LARGE_PAGE_BYTES)? <= range.end).then_some(address)
        });
        self.large_cursor = address.map_or(NONE, |address| address + LARGE_PAGE_BYTES);
        address
    }

    /// A frame outside of all large frames.
    fn take_loose(&mut self) -> Option<u64> {
        if self.free_loose != NONE {
            let address = self.free_loose;
            self.free_loose = self.pop(address);
            return Some(address);
        }
        let cursor = self.loose_cursor;
        let address = self.ranges.above(cursor).find_map(|range| next_loose(range.start, range.end, cursor));
        // Loose frames beyond the initial physical map are not worth a page table.
        let address = address.filter(|&address| address < MAPPED_AT_START);
        self.loose_cursor = address.map_or(NONE, |address| address + PAGE_BYTES);
        address
    }

    fn take_from_chunk(&mut self) -> Result<u64, MemoryError> {
        if self.open_chunks == NONE {
            let chunk = self.take_large()?;
            if self.open_chunks == NONE {
                self.open_chunk(chunk);
            } else {
                self.push(chunk, self.free_large);
                self.free_large = chunk;
            }
        }
        let chunk = self.open_chunks;
        let header = self.header(chunk);
        let frame = first_clear_bit(&header.allocated);
        header.allocated[(frame / 64) as usize] |= 1 << (frame % 64);
        header.free -= 1;
        if header.free == 0 {
            self.unlink(chunk);
        }
        Ok(chunk + frame * PAGE_BYTES)
    }

    /// Splits the large frame at `chunk`. Its header counts as allocated.
    fn open_chunk(&mut self, chunk: u64) {
        let mut allocated = [0; FRAMES_PER_CHUNK as usize / 64];
        allocated[0] = 1;
        *self.header(chunk) = ChunkHeader { next: NONE, previous: NONE, free: FRAMES_PER_CHUNK - 1, allocated };
        self.link(chunk);
        self.statistics.free -= PAGE_BYTES;
    }

    fn return_to_chunk(&mut self, chunk: u64, frame: u64) {
        let header = self.header(chunk);
        header.allocated[(frame / 64) as usize] &= !(1 << (frame % 64));
        header.free += 1;
        let free = header.free;
        if free == 1 {
            self.link(chunk);
        }
        if free == FRAMES_PER_CHUNK - 1 {
            self.unlink(chunk);
            self.statistics.free += PAGE_BYTES;
            self.push(chunk, self.free_large);
            self.free_large = chunk;
        }
    }

    fn link(&mut self, chunk: u64) {
        let next = self.open_chunks;
        let header = self.header(chunk);
        (header.next, header.previous) = (next, NONE);
        if next != NONE {
            self.header(next).previous = chunk;
        }
        self.open_chunks = chunk;
    }

    fn unlink(&mut self, chunk: u64) {
        let ChunkHeader { next, previous, .. } = *self.header(chunk);
        match previous {
            NONE => self.open_chunks = next,
            _ => self.header(previous).next = next,
        }
        if next != NONE {
            self.header(next).previous = previous;
        }
    }

    /// Whether all 2 MiB from `address` on belong to one range, so that they are never loose.
    fn is_large_frame(&self, address: u64) -> bool {
        self.ranges.contain(address..address + LARGE_PAGE_BYTES)
    }

    fn header(&mut self, chunk: u64) -> &mut ChunkHeader {
        // SAFETY: `chunk` is a large frame that was split or is about to be, reachable since it was taken; nothing but
        // this allocator uses its first 4 KiB, and the reference borrows the allocator.
        unsafe { &mut *self.physical.pointer::<ChunkHeader>(chunk) }
    }

    /// Makes the free frame at `address` point to `next`.
    fn push(&mut self, address: u64, next: u64) {
        // SAFETY: a free frame is reachable and belongs to this allocator.
        unsafe { self.physical.pointer::<u64>(address).write(next) };
    }

    /// What the free frame at `address` points to.
    fn pop(&mut self, address: u64) -> u64 {
        // SAFETY: as in `push`, which wrote the word.
        unsafe { self.physical.pointer::<u64>(address).read() }
    }
}

/// The first frame of a range from `cursor` on that lies in none of the range's large frames.
fn next_loose(start: u64, end: u64, cursor: u64) -> Option<u64> {
    let first_large = start.next_multiple_of(LARGE_PAGE_BYTES).min(end);
    let after_large = (end & !(LARGE_PAGE_BYTES - 1)).max(first_large);
    let address = start.max(cursor);
    let address = if (first_large..after_large).contains(&address) { after_large } else { address };
    (address < end).then_some(address)
}

/// Index of the lowest clear bit; there is one.
fn first_clear_bit(words: &[u64]) -> u64 {
    let index = words.iter().position(|&word| word != u64::MAX).unwrap_or(0);
    index as u64 * 64 + u64::from(words[index].trailing_ones())
}

/// Index of the lowest run of `count` clear bits.
fn first_clear_run(words: &[u64], count: u64) -> Option<u64> {
    let is_clear = |bit: &u64| words[(bit / 64) as usize] & 1 << (bit % 64) == 0;
    let mut run = 0;
    (0..words.len() as u64 * 64).find_map(|bit| {
        run = if is_clear(&bit) { run + 1 } else { 0 };
        (run == count).then(|| bit + 1 - count)
    })
}
