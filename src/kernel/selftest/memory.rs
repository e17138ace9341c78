//! Self-tests of the frame allocator, the heap and the regions.

use alloc::vec::Vec;
use alloc::{format, vec};
use core::ops::Range;

use super::Verdict;
use crate::arch::probe::{self, Attempt, RETURN, succeeds};
use crate::kernel::System;
use crate::memory::layout::{
    CALL_STACK_END, CODE_BASE, LARGE_PAGE_BYTES, LINEAR_ALIAS, LINEAR_GUARD_END, LINEAR_STRIDE, STATE_BASE, STATE_BYTES,
};
use crate::memory::{self, Linear, MemoryError, Regions, heap as kernel_heap};

/// Asks for more memory than there is, which must fail and leave all of it free.
fn fails_whole(ask: impl FnOnce() -> bool) -> Result<(), Verdict> {
    let free = memory::statistics().free;
    expect(ask(), "more was granted than there is")?;
    expect(memory::statistics().free == free, "a failed request took memory")
}

/// Turns a failed expectation into a verdict.
fn expect(holds: bool, what: &str) -> Result<(), Verdict> {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Of the call stack of an engine that runs nothing.
const STACK_BYTES: u64 = 1 << 20;

/// The regions, of which nothing is in use yet.
fn take(system: &mut System) -> Result<Regions, Verdict> {
    system.regions.take(STACK_BYTES).map_err(|error| format!("{error}"))
}

/// Allocates and frees several times as much as there is, of all sizes, and one block as large as half of it.
pub fn heap(_: &mut System) -> Result<Verdict, Verdict> {
    const BLOCKS: usize = 64;
    let before = memory::statistics().free;
    let goal = (4 * before).min(2 << 30);
    let largest = before / 2 / BLOCKS as u64;
    let mut blocks: Vec<Vec<u8>> = vec![Vec::new(); BLOCKS];
    let (mut allocated, mut seed) = (0, 1_u64);
    while allocated < goal {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let index = (seed >> 58) as usize;
        let size = ((seed >> 20) % largest) as usize + 1;
        let block = &mut blocks[index];
        expect(block.iter().step_by(509).all(|&byte| byte == index as u8), "a block was overwritten")?;
        *block = Vec::new();
        *block = vec![index as u8; size];
        allocated += size as u64;
    }
    drop(blocks);
    drop(vec![1_u8; (before / 2) as usize]);
    let kept = kernel_heap::mapped_bytes();
    expect(kept <= 32 << 20, "the heap kept more than 32 MiB when all was free")?;
    expect(memory::statistics().free + kept + (1 << 20) >= before, "frames were lost")?;
    fails_whole(|| Vec::<u8>::new().try_reserve_exact(before as usize).is_err())?;
    Ok(format!("{} MiB allocated and freed in {} MiB; {} MiB kept", allocated >> 20, before >> 20, kept >> 20))
}

/// Allocates without end.
pub fn exhaust_heap() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(vec![0_u8; 1 << 20]);
    }
}

/// Allocates many small frames and then all large ones, all distinct and none of them part of a module, and frees them.
pub fn frames(system: &mut System) -> Result<Verdict, Verdict> {
    let modules_before = sum_of_modules(system);
    let wanted = (memory::statistics().free / 2 / 4096).min(100_000) as usize;
    let mut small = Vec::with_capacity(wanted);
    let mut large = Vec::with_capacity((memory::statistics().free / LARGE_PAGE_BYTES) as usize);
    let before = memory::statistics();
    for _ in 0..wanted {
        small.push(memory::allocate_frame().map_err(|error| format!("{error}"))?);
    }
    while let Ok(frame) = memory::allocate_large_frame() {
        large.push(frame);
    }
    let count = large.len();
    expect(large.iter().all(|frame| frame.address().is_multiple_of(LARGE_PAGE_BYTES)), "a large frame is not aligned")?;
    small.iter_mut().for_each(|frame| mark(frame.address(), frame.bytes()));
    // A large frame of each 64 MiB is enough to touch every part of memory.
    let touched = large.iter_mut().filter(|frame| frame.address().is_multiple_of(64 << 20));
    touched.for_each(|frame| mark(frame.address(), frame.bytes()));
    expect(small.iter_mut().all(|frame| is_marked(frame.address(), frame.bytes())), "two frames are the same")?;
    expect(sum_of_modules(system) == modules_before, "a module was overwritten")?;
    small.into_iter().for_each(memory::free_frame);
    large.into_iter().for_each(memory::free_large_frame);
    // Each GiB beyond 4 has cost the physical map a page table, in a chunk that stays split.
    let tables = before.total / (1 << 30) * 2 * 4096;
    expect(memory::statistics().free + tables >= before.free, "frames were lost")?;
    Ok(format!("{wanted} small and {count} large frames; {} MiB free as before", before.free >> 20))
}

/// Writes a frame's address into it.
fn mark(address: u64, bytes: &mut [u8]) {
    bytes[..8].copy_from_slice(&address.to_le_bytes());
}

fn is_marked(address: u64, bytes: &[u8]) -> bool {
    bytes[..8] == address.to_le_bytes()
}

fn sum_of_modules(system: &System) -> u64 {
    system.boot.modules().flat_map(|module| module.bytes).map(|&byte| u64::from(byte)).sum()
}

/// Grows linear memory across chunks and to the end of memory; checks both ways to it and its border.
pub fn linear(system: &mut System) -> Result<Verdict, Verdict> {
    let linear = &mut take(system)?.linear;
    for (delta, before) in [(1, 0), (2, 1), (29, 3), (1, 32), (0, 33), (70, 33)] {
        grow(linear, delta, before)?;
    }
    expect(!succeeds(Attempt::Read, LINEAR_GUARD_END - 1), "the guard can be read")?;
    linear.bytes()[65537] = 7;
    expect(probe::read(65537) == 7, "the alias shows other memory")?;
    let free = memory::statistics().free;
    expect(linear.grow(1 << 40).is_err() && linear.grow(65536).is_err(), "more than 4 GiB were granted")?;
    expect(memory::statistics().free == free, "a failed growth took memory")?;
    // All that is left, page by page of the heap's largest power of two, until refused.
    let mut step = 16384;
    while step > 0 {
        if linear.grow(step).is_err() {
            step /= 2;
        }
    }
    expect(memory::statistics().free >= 8 << 20 || linear.pages() == 65536, "nothing was left to the kernel")?;
    Ok(format!("{} pages of 64 KiB, {} MiB left", linear.pages(), memory::statistics().free >> 20))
}

/// Grows by `delta` pages from `before` and checks what is there and where it ends.
fn grow(linear: &mut Linear, delta: u64, before: u64) -> Result<(), Verdict> {
    expect(linear.grow(delta) == Ok(before), "growth returned something else than the number before")?;
    expect(linear.bytes().iter().all(|&byte| byte == 0), "new memory is not zero")?;
    let end = linear.bytes().len() as u64;
    expect(end == (before + delta) * 65536, "the number of bytes is wrong")?;
    expect(succeeds(Attempt::Write, end - 1), "the last byte cannot be written")?;
    expect(!succeeds(Attempt::Read, end), "the byte after the last can be read")?;
    expect(!succeeds(Attempt::Execute, 0), "linear memory can be executed")
}

/// Grows linear memory while there are no large frames, and again when there are.
pub fn linear_without_large_frames(system: &mut System) -> Result<Verdict, Verdict> {
    const SMALL: usize = 6000;
    let mut small = Vec::with_capacity(SMALL);
    let mut large = Vec::with_capacity((memory::statistics().free / LARGE_PAGE_BYTES) as usize);
    small.extend((0..SMALL).map_while(|_| memory::allocate_frame().ok()));
    while let Ok(frame) = memory::allocate_large_frame() {
        large.push(frame);
    }
    // One frame that stays keeps its large frame split.
    let (kept, freed): (Vec<_>, Vec<_>) = small.into_iter().partition(|frame| frame.address() / 4096 % 512 == 1);
    freed.into_iter().for_each(memory::free_frame);
    let linear = &mut take(system)?.linear;
    for (delta, before) in [(1, 0), (40, 1), (60, 41)] {
        grow(linear, delta, before)?;
    }
    large.into_iter().for_each(memory::free_large_frame);
    for (delta, before) in [(1, 101), (100, 102)] {
        grow(linear, delta, before)?;
    }
    Ok(format!("{} pages with {} large frames kept split", linear.pages(), kept.len()))
}

/// Writes a function, calls it, and replaces it, twice.
pub fn code(system: &mut System) -> Result<Verdict, Verdict> {
    /// Far enough to need another large page, and across a border of small ones.
    const OFFSET: usize = (2 << 20) + 4090;
    /// Reads address 0, which is not mapped, and returns: mov al, [0]; ret.
    const FAULTS: [u8; 8] = [0x8a, 0x04, 0x25, 0, 0, 0, 0, RETURN];
    let code = &mut take(system)?.code;
    for (function, returns) in [(&[RETURN][..], true), (&FAULTS, false), (&[RETURN], true), (&FAULTS, false)] {
        code.write(OFFSET, function).map_err(|error| format!("{error}"))?;
        let returned = succeeds(Attempt::Execute, CODE_BASE + OFFSET as u64);
        expect(returned == returns, "what was executed is not what was written last")?;
    }
    expect(code.write(code.capacity(), &[0]).is_err(), "code was written beyond the region")?;
    Ok(format!("{} MiB of code memory at {:#x}", code.capacity() >> 20, code.base()))
}

/// Words of the engine's state are zero at first and hold what is written.
pub fn state(system: &mut System) -> Result<Verdict, Verdict> {
    const BYTES: usize = 3 << 20;
    let state = &mut take(system)?.state;
    state.ensure(BYTES).map_err(|error| format!("{error}"))?;
    let words = (0..BYTES).step_by(4096 + 8);
    expect(words.clone().all(|offset| state.read(offset) == 0), "new state is not zero")?;
    words.clone().for_each(|offset| state.write(offset, offset as u64));
    expect(words.clone().all(|offset| state.read(offset) == offset as u64), "state was lost")?;
    expect(state.ensure(usize::MAX).is_err(), "more state was granted than there is room for")?;
    let free = memory::statistics().free as usize;
    fails_whole(|| state.ensure(free.min(STATE_BYTES as usize)).is_err())?;
    Ok(format!("{} MiB of state at {:#x}", BYTES >> 20, state.base()))
}

/// The regions are handed out again and again, empty each time, once nothing is left of those before.
pub fn regions(system: &mut System) -> Result<Verdict, Verdict> {
    // Pages, in two steps: none, part of a chunk, a chunk, beyond one.
    const GROWTHS: [[u64; 2]; 5] = [[0, 0], [3, 0], [32, 0], [40, 1], [1, 40]];
    const ROUNDS: usize = 3 * GROWTHS.len();
    let mut free = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut regions = take(system)?;
        let second = use_all(&mut regions, GROWTHS[round % GROWTHS.len()])?;
        expect(
            matches!(system.regions.take(STACK_BYTES), Err(MemoryError::RegionsInUse)),
            "the regions were given twice",
        )?;
        drop(regions);
        expect(
            matches!(system.regions.take(STACK_BYTES), Err(MemoryError::RegionsInUse)),
            "a second memory was overlooked",
        )?;
        drop(second);
        for address in [0, LINEAR_STRIDE, LINEAR_ALIAS, CODE_BASE, STATE_BASE, CALL_STACK_END - 1] {
            expect(!succeeds(Attempt::Read, address), "what was dropped can still be read")?;
        }
        free.push(memory::statistics().free);
    }
    // Page tables stay or go with what was mapped last; after as many rounds again all is as before.
    let (second, third) = (&free[GROWTHS.len()..2 * GROWTHS.len()], &free[2 * GROWTHS.len()..]);
    expect(second == third, "frames were lost")?;
    Ok(format!("{ROUNDS} rounds; {} MiB free after each", third[0] >> 20))
}

/// Puts something into each region, and into a second memory.
fn use_all(regions: &mut Regions, growth: [u64; 2]) -> Result<Option<Linear>, Verdict> {
    let mut second = regions.more_linear.take();
    let memories = [Some(&mut regions.linear), second.as_mut()];
    memories.into_iter().flatten().try_for_each(|linear| dirty(linear, growth))?;
    let state = &mut regions.state;
    regions.code.write(0, &[RETURN]).and_then(|()| state.ensure(1)).map_err(|error| format!("{error}"))?;
    expect(state.read(0) == 0, "new state is not zero")?;
    state.write(0, 1);
    touch_ends(regions.call_stack.usable())?;
    Ok(second)
}

/// Puts memory behind the first and the last page of the call stack, and finds it zero.
fn touch_ends(stack: Range<u64>) -> Result<(), Verdict> {
    for address in [stack.end - 1, stack.start] {
        expect(memory::back_call_stack(address), "the call stack gets no memory")?;
        expect(!memory::back_call_stack(address), "the call stack got memory twice")?;
        expect(probe::read(address) == 0, "new stack is not zero")?;
    }
    expect(!memory::back_call_stack(stack.start - 1), "the guard got memory")
}

/// Grows an empty memory in two steps, finds it zero, and fills it.
fn dirty(linear: &mut Linear, growth: [u64; 2]) -> Result<(), Verdict> {
    for delta in growth {
        linear.grow(delta).map_err(|error| format!("{error}"))?;
    }
    expect(linear.bytes().iter().all(|&byte| byte == 0), "new memory is not zero")?;
    linear.bytes().fill(7);
    Ok(())
}
