//! Tests of the frame allocator on a piece of ordinary memory that stands in for the machine's.

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use super::frames::{Frame, Frames, LargeFrame};
use super::layout::{LARGE_PAGE_BYTES, PAGE_BYTES};
use super::physical::PhysicalMap;
use super::ranges::Ranges;
use super::{MemoryError, Statistics};

/// A buffer as physical memory, of which the allocator is given the parts `free`, each from start to end.
struct Machine {
    frames: Frames,
    _memory: Vec<u64>,
}

impl Machine {
    fn new(bytes: u64, free: &[(u64, u64)]) -> Self {
        let mut memory = vec![u64::MAX; bytes as usize / 8];
        let ranges: Vec<_> = free.iter().map(|&(start, end)| start..end).collect();
        let frames = Frames::new(Ranges::of(&ranges), PhysicalMap::fixed(memory.as_mut_ptr() as u64));
        Self { frames, _memory: memory }
    }
}

const MIB: u64 = 1 << 20;

fn addresses(frames: &[Frame]) -> BTreeSet<u64> {
    frames.iter().map(Frame::address).collect()
}

#[test]
fn hands_out_every_frame_once_except_one_per_chunk() {
    let mut machine = Machine::new(16 * MIB, &[(3 * MIB, 9 * MIB)]);
    let all: Vec<_> = core::iter::from_fn(|| machine.frames.allocate().ok()).collect();
    assert_eq!(machine.frames.allocate(), Err(MemoryError::OutOfFrames));
    assert_eq!(addresses(&all).len(), (6 * MIB / PAGE_BYTES) as usize - 2);
    assert!(all.iter().all(|frame| (3 * MIB..9 * MIB).contains(&frame.address())));
    assert_eq!(machine.frames.statistics(), Statistics { total: 6 * MIB, free: 0 });
}

#[test]
fn takes_small_frames_from_the_edges_of_a_range_first() {
    let mut machine = Machine::new(16 * MIB, &[(4 * MIB - PAGE_BYTES, 8 * MIB + PAGE_BYTES)]);
    let edges = [machine.frames.allocate().unwrap(), machine.frames.allocate().unwrap()];
    assert_eq!(addresses(&edges), BTreeSet::from([4 * MIB - PAGE_BYTES, 8 * MIB]));
    let large = [machine.frames.allocate_large().unwrap(), machine.frames.allocate_large().unwrap()];
    assert_eq!(large.map(|frame| frame.address()), [4 * MIB, 6 * MIB]);
    assert_eq!(machine.frames.allocate_large(), Err(MemoryError::OutOfFrames));
}

#[test]
fn hands_out_large_frames_whole_again_once_their_small_frames_are_free() {
    let mut machine = Machine::new(16 * MIB, &[(2 * MIB, 6 * MIB)]);
    let small: Vec<_> = core::iter::from_fn(|| machine.frames.allocate().ok()).collect();
    assert_eq!(machine.frames.allocate_large(), Err(MemoryError::OutOfFrames));
    small.into_iter().for_each(|frame| machine.frames.free(frame));
    assert_eq!(machine.frames.statistics().free, 4 * MIB);
    assert!(machine.frames.allocate_large().is_ok() && machine.frames.allocate_large().is_ok());
}

#[test]
fn zeroes_a_frame_on_request() {
    let mut machine = Machine::new(4 * MIB, &[(2 * MIB, 4 * MIB)]);
    let frame = machine.frames.allocate_zeroed().unwrap();
    let start = machine.frames.physical().pointer::<[u8; PAGE_BYTES as usize]>(frame.address());
    // SAFETY: the frame lies in the machine's memory and is owned here.
    assert!(unsafe { *start }.iter().all(|&byte| byte == 0));
}

#[test]
fn never_hands_out_memory_twice_under_random_use() {
    let mut machine = Machine::new(32 * MIB, &[(PAGE_BYTES, 5 * MIB), (7 * MIB, 30 * MIB + PAGE_BYTES)]);
    let before = machine.frames.statistics();
    let (mut small, mut large): (Vec<Frame>, Vec<LargeFrame>) = (Vec::new(), Vec::new());
    let mut used = BTreeSet::new();
    let mut seed = 7_u64;
    for _ in 0..40_000 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        match seed >> 61 {
            0..4 => small.extend(machine.frames.allocate().inspect(|frame| assert!(used.insert(frame.address())))),
            4 => large.extend(machine.frames.allocate_large().inspect(|frame| {
                assert!(used.range(frame.address()..frame.address() + LARGE_PAGE_BYTES).next().is_none());
                assert!(used.insert(frame.address()));
            })),
            5..7 if !small.is_empty() => {
                let frame = small.swap_remove((seed >> 20) as usize % small.len());
                used.remove(&frame.address());
                machine.frames.free(frame);
            }
            _ if !large.is_empty() => {
                let frame = large.swap_remove((seed >> 20) as usize % large.len());
                used.remove(&frame.address());
                machine.frames.free_large(frame);
            }
            _ => {}
        }
    }
    small.into_iter().for_each(|frame| machine.frames.free(frame));
    large.into_iter().for_each(|frame| machine.frames.free_large(frame));
    assert_eq!(machine.frames.statistics(), before);
}

#[test]
fn contiguous_frames_are_one_after_the_other_and_nobody_elses() {
    let mut machine = Machine::new(16 * MIB, &[(2 * MIB, 8 * MIB)]);
    let single = machine.frames.allocate().unwrap();
    let runs = [3, 200, 200, 200, 511].map(|count| (machine.frames.allocate_contiguous(count), count));
    let mut taken = BTreeSet::from([single.address()]);
    for (address, count) in runs {
        let address = address.unwrap();
        assert!(address / LARGE_PAGE_BYTES == (address + count * PAGE_BYTES - 1) / LARGE_PAGE_BYTES);
        (0..count).for_each(|frame| assert!(taken.insert(address + frame * PAGE_BYTES), "{frame} of {count}"));
    }
    assert_eq!(machine.frames.allocate_contiguous(512), Err(MemoryError::OutOfFrames));
    let rest: Vec<_> = core::iter::from_fn(|| machine.frames.allocate().ok()).collect();
    assert!(rest.iter().all(|frame| taken.insert(frame.address())));
    assert_eq!(taken.len() as u64, 3 * 511);
    assert_eq!(machine.frames.statistics().free, 0);
}
