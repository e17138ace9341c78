//! `malloc`, `calloc`, `realloc` and `free`, held to a model of the live blocks.

use super::{INITIAL_PAGES, LibcUnderTest, MAXIMUM_PAGES, PAGE_BYTES, Random};
use std::collections::BTreeMap;

const INITIAL_BYTES: usize = INITIAL_PAGES as usize * PAGE_BYTES;

/// The heap under test, and what must be true of it.
struct Model<'a, L: LibcUnderTest> {
    libc: &'a mut L,
    /// Live blocks by address.
    live: BTreeMap<usize, Block>,
    made: u8,
}

/// `len` bytes, each equal to `fill`.
#[derive(Clone, Copy)]
struct Block {
    len: usize,
    fill: u8,
}

impl<'a, L: LibcUnderTest> Model<'a, L> {
    /// Marks the pages that are not the heap's.
    fn new(libc: &'a mut L) -> Self {
        libc.memory().fill(0xa5);
        Self { libc, live: BTreeMap::new(), made: 0 }
    }

    fn malloc(&mut self, len: usize) -> usize {
        let address = self.call("malloc", &[len]);
        self.enter(address, len)
    }

    fn calloc(&mut self, count: usize, size: usize) -> usize {
        let address = self.call("calloc", &[count, size]);
        let bytes = &self.libc.memory()[address..address + count * size];
        assert!(bytes.iter().all(|byte| *byte == 0), "calloc({count}, {size}) is zero");
        self.enter(address, count * size)
    }

    fn realloc(&mut self, address: usize, len: usize) -> usize {
        let old = self.leave(address);
        let new = self.call("realloc", &[address, len]);
        let kept = &self.libc.memory()[new..new + len.min(old.len)];
        assert!(kept.iter().all(|byte| *byte == old.fill), "realloc({address}, {len}) keeps the contents");
        self.enter(new, len)
    }

    fn aligned(&mut self, alignment: usize, len: usize) -> usize {
        let address = self.call("aligned_alloc", &[alignment, len]);
        assert!(address.is_multiple_of(alignment.next_power_of_two()), "{address:#x} is aligned to {alignment}");
        self.enter(address, len)
    }

    fn free(&mut self, address: usize) -> usize {
        self.leave(address);
        self.call("free", &[address])
    }

    fn call(&mut self, name: &str, args: &[usize]) -> usize {
        let args: Vec<i32> = args.iter().map(|arg| *arg as i32).collect();
        self.libc.call(name, &args) as u32 as usize
    }

    /// Checks a new block against memory and its neighbours, and fills it.
    fn enter(&mut self, address: usize, len: usize) -> usize {
        assert!(address.is_multiple_of(16), "{address:#x} is 16-byte aligned");
        assert!(address >= INITIAL_BYTES, "{address:#x} lies in pages that the heap added");
        let end = address + len.max(1);
        assert!(end <= self.libc.memory().len(), "{address:#x} + {len} lies in memory");
        if let Some((below, block)) = self.live.range(..end).next_back() {
            assert!(below + block.len.max(1) <= address, "{address:#x} + {len} overlaps {below:#x} + {}", block.len);
        }
        self.made = self.made.wrapping_add(1);
        self.libc.memory()[address..address + len].fill(self.made);
        self.live.insert(address, Block { len, fill: self.made });
        address
    }

    /// Checks that a live block was left alone, and forgets it.
    fn leave(&mut self, address: usize) -> Block {
        let block = self.live.remove(&address).expect("tests free live blocks");
        let bytes = &self.libc.memory()[address..address + block.len];
        assert!(bytes.iter().all(|byte| *byte == block.fill), "{address:#x} kept its contents");
        block
    }

    /// Frees all and checks the pages that are not the heap's.
    fn finish(mut self) {
        for address in self.live.keys().copied().collect::<Vec<_>>() {
            self.free(address);
        }
        assert!(self.libc.memory()[..INITIAL_BYTES].iter().all(|byte| *byte == 0xa5), "older pages were left alone");
    }

    fn heap_bytes(&mut self) -> usize {
        self.libc.memory().len() - INITIAL_BYTES
    }

    fn any_live(&self, random: &mut Random) -> Option<usize> {
        let at = random.below(self.live.len().max(1));
        self.live.keys().nth(at).copied()
    }
}

/// Mostly small sizes, some of a page, few of many pages.
fn any_size(random: &mut Random) -> usize {
    match random.below(100) {
        0 => random.below(300_000),
        1..=9 => random.below(20_000),
        10..=39 => random.below(1000),
        _ => random.below(100),
    }
}

pub fn blocks_stay_apart_aligned_and_keep_their_contents(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    for seed in 0..4 {
        let mut random = Random::new(20 + seed);
        for _ in 0..5000 {
            let size = any_size(&mut random);
            let live = model.any_live(&mut random);
            match (random.below(10), live) {
                (0..=2, _) | (_, None) => model.malloc(size),
                (3, _) if size.is_multiple_of(3) => model.aligned(1 + (16 << (size % 9)) - size % 2, size),
                (3, _) => model.calloc(1 + size % 7, size / 7),
                (4..=5, Some(address)) => model.realloc(address, size),
                (_, Some(address)) => model.free(address),
            };
        }
    }
    model.finish();
}

pub fn freed_blocks_are_used_again(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let mut after_first_cycle = 0;
    for cycle in 0..200 {
        let mut random = Random::new(30);
        for _ in 0..200 {
            let size = any_size(&mut random);
            model.malloc(size);
            if let (0..=3, Some(address)) = (random.below(10), model.any_live(&mut random)) {
                model.free(address);
            }
        }
        for address in model.live.keys().copied().collect::<Vec<_>>() {
            model.free(address);
        }
        if cycle == 0 {
            after_first_cycle = model.heap_bytes();
        }
    }
    // What is freed last depends on addresses, so no two cycles are alike, and neither is what they need.
    let heap = model.heap_bytes();
    assert!(heap <= 2 * after_first_cycle, "{heap} bytes of heap after 200 cycles, {after_first_cycle} after one");
    model.finish();
}

pub fn replacing_blocks_at_random_does_not_leak(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let mut random = Random::new(40);
    for _ in 0..1000 {
        model.malloc(random.below(4000));
    }
    for _ in 0..30_000 {
        let address = model.any_live(&mut random).expect("1000 blocks are live");
        model.free(address);
        model.malloc(random.below(4000));
    }
    let live: usize = model.live.values().map(|block| block.len).sum();
    let heap = model.heap_bytes();
    assert!(heap < live * 3 / 2, "{heap} bytes of heap for {live} bytes of blocks");
    model.finish();
}

pub fn freed_neighbours_join(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let mut random = Random::new(50);
    let blocks: Vec<usize> = (0..2000).map(|_| model.malloc(16 + random.below(500))).collect();
    let before = model.heap_bytes();
    // Every other block first: then each of the rest joins the two beside it.
    for address in blocks.iter().step_by(2).chain(blocks.iter().skip(1).step_by(2)) {
        model.free(*address);
    }
    model.malloc(before * 15 / 16);
    assert_eq!(model.heap_bytes(), before);
    model.finish();
}

pub fn what_was_freed_serves_other_sizes(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    for size in (24..1000).step_by(160) {
        let blocks: Vec<usize> = (0..1_000_000 / (size + 8)).map(|_| model.malloc(size)).collect();
        for address in blocks {
            model.free(address);
        }
    }
    let heap = model.heap_bytes();
    assert!(heap < 2_000_000, "{heap} bytes of heap for seven times a million, one after the other");
    model.finish();
}

pub fn growing_counts_the_free_end_of_memory(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    model.malloc(16);
    assert_eq!(model.heap_bytes(), PAGE_BYTES);
    model.malloc(PAGE_BYTES + PAGE_BYTES / 2);
    assert_eq!(model.heap_bytes(), 2 * PAGE_BYTES);
    model.finish();
}

pub fn a_small_block_is_freed_and_used_again_with_two_words(libc: &mut impl LibcUnderTest) {
    for len in [0, 1, 24, 500, 1000, 1016] {
        let block = libc.call("malloc", &[len]);
        let before = libc.memory().to_vec();
        libc.call("free", &[block]);
        let words = before.chunks(4).zip(libc.memory().chunks(4));
        let changed = words.filter(|(before, after)| before != after).count();
        assert_eq!(changed, 2, "words that free of {len} bytes wrote: one of the list, one beside the block");
        assert_eq!(libc.call("malloc", &[len]), block);
        assert!(libc.memory() == before, "malloc of {len} bytes undoes what free wrote");
    }
}

pub fn a_block_has_the_alignment_that_is_asked_for(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    // The first call of all: the heap has nothing yet.
    model.aligned(4096, 100);
    let small = model.malloc(20);
    for alignment in [1, 4, 16, 24, 32, 64, 100, 4096, 65_536] {
        for len in [0, 1, 16, 100, 1016, 5000, 70_000] {
            let block = model.aligned(alignment, len);
            let moved = model.realloc(block, len + 40);
            model.free(moved);
        }
    }
    let place = small;
    for (alignment, expected) in [(0, 28), (1, 28), (2, 28), (3, 28), (24, 28), (4, 0), (8, 0), (256, 0)] {
        let left = model.leave(place);
        let error = model.call("posix_memalign", &[place, alignment, 33]);
        assert_eq!(error, expected, "alignment {alignment}");
        if expected == 0 {
            let block =
                u32::from_le_bytes(model.libc.memory()[place..place + 4].try_into().expect("four bytes")) as usize;
            assert!(block.is_multiple_of(alignment));
            model.enter(block, 33);
        }
        model.enter(place, left.len);
    }
    for (alignment, len) in [(64, 0x7000_0000), (0x4000_0000, 64), (0x8000_0001, 1), (32, 0xffff_fff0)] {
        assert_eq!(model.call("aligned_alloc", &[alignment, len]), 0);
    }
    let left = model.leave(place);
    assert_eq!(model.call("posix_memalign", &[place, 64, 0x7000_0000]), 48);
    model.enter(place, left.len);
    model.finish();
}

pub fn calloc_gives_zeros_in_used_memory(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    for size in 0..500 {
        let used = model.malloc(size);
        model.free(used);
        let zeroed = model.calloc(1, size);
        assert_eq!(zeroed, used);
        model.free(zeroed);
    }
    model.finish();
}

pub fn exhaustion_and_overflow_give_null_and_harm_nothing(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    // The first block, of a size that leaves no room for the heap's own data in the pages it needs itself.
    let kept = model.malloc(64_000);
    let all = (MAXIMUM_PAGES - INITIAL_PAGES) as usize * PAGE_BYTES;
    for too_much in [all, 0x7eff_ffff, 0x7f00_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff] {
        assert_eq!(model.call("malloc", &[too_much]), 0);
        assert_eq!(model.call("calloc", &[1, too_much]), 0);
        assert_eq!(model.call("realloc", &[kept, too_much]), 0);
    }
    for (count, size) in [(0x1_0000, 0x1_0000), (0x8000_0000, 2), (3, 0x5555_5556), (0xffff_ffff, 0xffff_ffff)] {
        assert_eq!(model.call("calloc", &[count, size]), 0);
    }
    // Down to the last page, in steps that no longer fit in the end.
    for size in [1_000_000, 100_000, 10_000, 1000, 100, 1] {
        while let address @ 1.. = model.call("malloc", &[size]) {
            model.enter(address, size);
        }
    }
    assert_eq!(model.heap_bytes(), all);
    let used: usize = model.live.values().map(|block| block.len).sum();
    assert!(used > all - all / 20, "{used} of {all} bytes could be used");
    // Neighbours, which become one block where memory cannot grow.
    let small: Vec<usize> = model.live.iter().filter(|(_, block)| block.len == 1000).map(|(at, _)| *at).collect();
    for address in small {
        model.free(address);
    }
    model.malloc(1800);
    let some = *model.live.keys().nth(3).expect("many blocks are live");
    model.free(some);
    model.malloc(1000);
    model.finish();
}

pub fn odd_sizes_and_pointers_are_accepted(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let empty: Vec<usize> = (0..100).map(|_| model.malloc(0)).collect();
    model.calloc(0, 0);
    model.calloc(0, 1000);
    let new = model.call("realloc", &[0, 77]);
    model.enter(new, 77);
    let shrunk = model.realloc(new, 0);
    model.realloc(shrunk, 5000);
    model.call("free", &[0]);
    // Freed twice, and inside a block of any contents: both are ignored, or later blocks would overlap.
    model.free(empty[50]);
    model.call("free", &[empty[50]]);
    for _ in 0..2 {
        let block = model.malloc(64);
        (1..16).for_each(|offset| assert_eq!(model.call("free", &[block + offset]), 0));
    }
    let zeros = model.call("calloc", &[4, 100]);
    let before = model.libc.memory().to_vec();
    (16..400).step_by(16).for_each(|offset| assert_eq!(model.call("free", &[zeros + offset]), 0));
    assert!(model.libc.memory() == before, "what lies among zeros is no block");
    for _ in 0..200 {
        model.malloc(0);
    }
    model.finish();
}

pub fn blocks_are_resized_in_place_where_they_can(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let block = model.malloc(1000);
    let above = model.malloc(5000);
    model.malloc(16);
    assert_eq!(model.realloc(block, 100), block, "shrinking");
    assert_eq!(model.realloc(block, 900), block, "growing into what shrinking left");
    model.free(above);
    assert_eq!(model.realloc(block, 5000), block, "growing into a free neighbour");
    let last = model.malloc(300_000);
    let before = model.heap_bytes();
    assert_eq!(model.realloc(last, 3_000_000), last, "growing at the end of memory");
    assert!(model.heap_bytes() < before + 3_000_000);
    model.finish();
}

pub fn blocks_that_grow_in_small_steps_are_seldom_copied(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let mut block = model.malloc(100);
    let mut copies = 0;
    for len in (100..200_000).step_by(64) {
        let grown = model.realloc(block, len);
        copies += usize::from(grown != block);
        block = grown;
        // Takes the place above the block, if it is free.
        model.malloc(1100);
    }
    assert!((2..40).contains(&copies), "{copies} copies in 3124 steps");
    let before = model.heap_bytes();
    model.realloc(block, 1000);
    model.malloc(190_000);
    assert_eq!(model.heap_bytes(), before, "what a block no longer needs is free");
    model.finish();
}

pub fn pages_that_others_add_are_left_alone(libc: &mut impl LibcUnderTest) {
    let mut model = Model::new(libc);
    let mut random = Random::new(60);
    for round in 0..20 {
        let start = model.libc.memory().len();
        model.libc.grow(1);
        // Entered as a block that is never freed: nothing may overlap it or change it.
        model.enter(start, PAGE_BYTES);
        let blocks: Vec<usize> = (0..60).map(|_| model.malloc(any_size(&mut random) / 4)).collect();
        for address in blocks.iter().filter(|_| random.below(3) > 0) {
            model.free(*address);
        }
        let end = model.malloc(70_000 + round);
        model.libc.grow(1);
        let moved = model.realloc(end, 200_000);
        model.free(moved);
    }
    let foreign = |(_, block): &(&usize, &Block)| block.len == PAGE_BYTES;
    let foreign: Vec<usize> = model.live.iter().filter(foreign).map(|(address, _)| *address).collect();
    for address in foreign {
        model.leave(address);
    }
    model.finish();
}
