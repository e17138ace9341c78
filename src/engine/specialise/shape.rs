//! Which size classes a copy or fill of any size has, and in which order it tests for them.
//!
//! Key types: [`SizeClass`] (sizes that one piece of code moves), [`Shape`] (what the profile says of the sizes: a
//! decision tree over the classes). Neighbours: `any_size` emits the tree, `any_copy` and `any_fill` the classes.
//!
//! Sizes that vary are paid for in wrongly predicted branches. So classes are few and wide, and of all trees that one is
//! taken which mispredicts least for the sizes seen: a branch that the predictor can only guess from frequencies goes
//! wrong as often as its rarer side is due.

use alloc::vec::Vec;

use super::Vectors;
use crate::profile::ValueCount;

/// Sizes moved by one piece of code, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeClass {
    pub min: u32,
    pub max: u32,
}

impl SizeClass {
    /// The class of the loops.
    pub const fn is_open(self) -> bool {
        self.max == u32::MAX
    }
}

/// Ways to divide sizes into classes: the largest size of each, except for that of the loops.
///
/// SSE2 and AVX2 have one: each class covers four times the sizes of the one before, in four overlapping pieces.
const QUARTERS: &[&[u32]] = &[&[4, 16, 64, 256]];
/// With AVX-512 one masked vector covers everything up to its width, or two cover twice that.
const MASKED: &[&[u32]] = &[&[64, 256, 512], &[128, 512], &[128, 256, 512], &[64, 128, 256, 512]];

/// Costs in half cycles: of a test that is predicted right, and of one that is not.
const TEST: u64 = 1;
const MISPREDICTED: u64 = 40;
/// A class moves as many bytes as its largest size has, whatever the size, at 32 bytes a cycle ...
const BYTES_PER_HALF_CYCLE: u32 = 64;
/// ... and a second masked vector costs its mask.
const SECOND_MASK: u64 = 2;

/// How sizes are distributed that a histogram has no slot for, in hundredths: the mean of the 27 distributions that LLVM's
/// libc publishes with its benchmarks for `memcpy`, `memmove` and `memset`, without the eight commonest sizes of each.
const OTHERS: [(u64, u64); 7] = [(2, 7), (10, 20), (40, 41), (100, 13), (200, 9), (400, 5), (2000, 5)];

/// A number of a limit between two classes, plus one.
const BITS: u32 = 3;
const MAX_LIMITS: u32 = 4;
const DIVISION: u32 = BITS * MAX_LIMITS;
const NUMBERS: u32 = 1 << (DIVISION + 2);

/// The classes and the decision tree over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// The limits between classes in the order of their tests, a node before those below it: [`BITS`] bits each, the
    /// root's lowest, 0 where none follows. From [`DIVISION`] on, which way to divide sizes.
    number: u32,
}

/// A decision tree for some consecutive classes, with what it costs all calls.
#[derive(Clone, Copy)]
struct Tree {
    cost: u64,
    /// As in [`Shape`].
    limits: u32,
}

impl Shape {
    /// From the most frequent exact sizes among `total` calls.
    pub fn of(vectors: Vectors, sizes: &[ValueCount], total: u64) -> Self {
        let trees = divisions(vectors).iter().map(|maxima| {
            let weights = weights(maxima, sizes, total);
            let mut tree = cheapest(&weights, 0, maxima.len());
            tree.cost += weights.iter().zip(*maxima).map(|(weight, max)| weight * moving(*max)).sum::<u64>();
            tree
        });
        let cheapest = trees.zip(0..).min_by_key(|(tree, _)| tree.cost);
        Self { number: cheapest.map_or(0, |(tree, division)| tree.limits | division << DIVISION) }
    }

    /// What it costs so many calls of these sizes.
    pub fn cost(self, vectors: Vectors, sizes: &[ValueCount], total: u64) -> u64 {
        let divisions = divisions(vectors);
        let maxima = divisions[(self.number >> DIVISION) as usize % divisions.len()];
        let weights = weights(maxima, sizes, total);
        let moved = weights.iter().zip(maxima).map(|(weight, max)| weight * moving(*max)).sum::<u64>();
        self.cost_of_tests(&weights, 0, maxima.len()) + moved
    }

    fn cost_of_tests(self, weights: &[u64], first: usize, last: usize) -> u64 {
        let Some(limit) = self.split(first, last) else { return 0 };
        let below = self.cost_of_tests(weights, first, limit);
        below + self.cost_of_tests(weights, limit + 1, last) + cost_of_test(weights, first, limit, last)
    }

    /// Less than 2^14.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// The inverse of [`Self::number`]; any number gives a shape that is right for every size.
    pub const fn from_number(number: u32) -> Self {
        Self { number: number % NUMBERS }
    }

    /// All classes, ascending.
    pub fn classes(self, vectors: Vectors) -> Vec<SizeClass> {
        let divisions = divisions(vectors);
        let maxima = divisions[(self.number >> DIVISION) as usize % divisions.len()];
        let minima = [0].into_iter().chain(maxima.iter().map(|max| max + 1));
        minima.zip(maxima.iter().copied().chain([u32::MAX])).map(|(min, max)| SizeClass { min, max }).collect()
    }

    /// Whether, with AVX-512, the first test is for sizes of up to one vector.
    pub fn begins_with_a_vector(self) -> bool {
        let classes = self.classes(Vectors::Avx512);
        classes[0].max == Vectors::Avx512.masked_bytes() && self.split(0, classes.len() - 1) == Some(0)
    }

    /// The index of the last class that goes to the lower side of the first test among classes `first..=last`.
    pub fn split(self, first: usize, last: usize) -> Option<usize> {
        let limits = (0..MAX_LIMITS).map(|place| (self.number >> (place * BITS)) & ((1 << BITS) - 1));
        let mut known = limits.filter_map(|limit| (limit as usize).checked_sub(1));
        known.find(|limit| (first..last).contains(limit)).or((first < last).then_some(first))
    }
}

const fn divisions(vectors: Vectors) -> &'static [&'static [u32]] {
    match vectors {
        Vectors::Sse2 | Vectors::Avx2 => QUARTERS,
        Vectors::Avx512 => MASKED,
    }
}

/// What it costs to move anything in the class up to `max`.
fn moving(max: u32) -> u64 {
    u64::from(max / BYTES_PER_HALF_CYCLE) + if max == 128 { SECOND_MASK } else { 0 }
}

/// How many of about 2^20 calls each class takes.
fn weights(maxima: &[u32], sizes: &[ValueCount], total: u64) -> [u64; MAX_LIMITS as usize + 1] {
    let known = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(size.count));
    let unknown = total.saturating_sub(known);
    let all = u128::from(known.max(total)).max(1);
    let mut weights = [0; MAX_LIMITS as usize + 1];
    let mut add = |size: u64, share: u128| {
        weights[maxima.iter().take_while(|max| size > u64::from(**max)).count()] += share as u64;
    };
    for size in sizes {
        add(size.value, (u128::from(size.count) << 20) / all);
    }
    for (size, hundredths) in OTHERS {
        add(size, u128::from(unknown) * u128::from(hundredths) * (1 << 20) / 100 / all);
    }
    weights
}

/// The tree over classes `first..=last` that costs least; among equal ones that which tests for small sizes first.
fn cheapest(weights: &[u64], first: usize, last: usize) -> Tree {
    let split = |limit: usize| {
        let (below, above) = (cheapest(weights, first, limit), cheapest(weights, limit + 1, last));
        let here = cost_of_test(weights, first, limit, last);
        let limits_below = (limit - first) as u32;
        let limits = (limit as u32 + 1) | (below.limits | above.limits << (BITS * limits_below)) << BITS;
        Tree { cost: below.cost + above.cost + here, limits }
    };
    let leaf = Tree { cost: 0, limits: 0 };
    (first..last).map(split).min_by_key(|tree| tree.cost).unwrap_or(leaf)
}

/// What it costs the calls of classes `first..=last` to tell those up to `limit` from the others.
fn cost_of_test(weights: &[u64], first: usize, limit: usize, last: usize) -> u64 {
    let (below, above) = (weights[first..=limit].iter().sum::<u64>(), weights[limit + 1..=last].iter().sum::<u64>());
    TEST * (below + above) + MISPREDICTED * below.min(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Vectors; 3] = [Vectors::Sse2, Vectors::Avx2, Vectors::Avx512];

    fn sizes(counts: &[(u64, u64)]) -> Vec<ValueCount> {
        counts.iter().map(|(value, count)| ValueCount { value: *value, count: *count }).collect()
    }

    /// Of everything that was seen.
    fn of(vectors: Vectors, counts: &[(u64, u64)]) -> Shape {
        Shape::of(vectors, &sizes(counts), counts.iter().map(|(_, count)| count).sum())
    }

    /// The size that the first test compares with.
    fn root(shape: Shape, vectors: Vectors) -> u32 {
        let classes = shape.classes(vectors);
        classes[shape.split(0, classes.len() - 1).unwrap()].max
    }

    #[test]
    fn classes_cover_every_size_once() {
        for (vectors, division) in ALL.into_iter().flat_map(|vectors| (0..4).map(move |division| (vectors, division))) {
            let classes = Shape::from_number(division << DIVISION).classes(vectors);
            assert!(classes.windows(2).all(|pair| pair[0].max + 1 == pair[1].min));
            assert!(classes[0].min == 0 && classes[classes.len() - 1].is_open());
        }
    }

    #[test]
    fn every_number_splits_until_one_class_is_left() {
        for number in 0..NUMBERS {
            for (first, last) in (0..5).flat_map(|first| (first..5).map(move |last| (first, last))) {
                match Shape::from_number(number).split(first, last) {
                    Some(limit) => assert!((first..last).contains(&limit), "{number:#x}"),
                    None => assert_eq!(first, last, "{number:#x}"),
                }
            }
        }
    }

    #[test]
    fn the_first_test_is_at_a_limit_of_the_dominant_class() {
        for (size, limits) in [(3, [4, 4]), (10, [4, 16]), (50, [16, 64]), (200, [64, 256]), (1000, [256, 256])] {
            let counts = [(size, 90), (2, 2), (12, 2), (40, 2), (100, 2), (400, 2)];
            let root = root(of(Vectors::Avx2, &counts), Vectors::Avx2);
            assert!(limits.contains(&root), "{size}: {root}");
        }
    }

    #[test]
    fn rare_sizes_leave_first_so_that_each_costs_one_misprediction() {
        let shape = of(Vectors::Avx2, &[(2, 20), (10, 15), (30, 20), (100, 10), (600, 35)]);
        let mut first = 0;
        while let Some(limit) = shape.split(first, 4) {
            assert!(limit + 1 == first + 1 || first > 0, "the commonest class is on the way of every test");
            first = limit + 1;
        }
        assert_eq!(first, 4);
    }

    #[test]
    fn two_masks_where_the_second_is_needed_often_enough() {
        let first = |long| of(Vectors::Avx512, &[(10, 1000), (100, long)]).classes(Vectors::Avx512)[0].max;
        assert_eq!((first(1000), first(10)), (128, 64));
    }

    #[test]
    fn sizes_without_a_slot_are_taken_to_be_the_usual_ones() {
        let known = [(300, 10)];
        assert_eq!(root(of(Vectors::Avx2, &known), Vectors::Avx2), 256);
        assert_eq!(Shape::of(Vectors::Avx2, &sizes(&known), 10_000), Shape::of(Vectors::Avx2, &[], 10_000));
    }

    #[test]
    fn extreme_counts_and_sizes_do_not_overflow() {
        let sizes = sizes(&[(u64::MAX, u64::MAX), (0, u64::MAX), (7, u64::MAX)]);
        for (vectors, total) in ALL.into_iter().flat_map(|vectors| [(vectors, u64::MAX), (vectors, 0)]) {
            let shape = Shape::of(vectors, &sizes, total);
            assert_eq!(Shape::from_number(shape.number()), shape);
        }
    }

    #[test]
    fn what_is_chosen_costs_least_of_all_shapes() {
        let sizes = sizes(&[(3, 300), (24, 250), (100, 60), (500, 40), (3000, 5)]);
        for vectors in ALL {
            let cost = |shape: Shape| shape.cost(vectors, &sizes, 700);
            let chosen = cost(Shape::of(vectors, &sizes, 700));
            let others = (0..NUMBERS).map(|number| cost(Shape::from_number(number)));
            assert_eq!(others.min(), Some(chosen), "{vectors:?}");
        }
    }
}
