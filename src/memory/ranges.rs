//! Sets of physical addresses, small enough to live on a stack: what the machine has, less what is taken.
//!
//! Key type: [`Ranges`]. Pure: it neither reads nor maps any memory.

use core::ops::Range;

/// Most ranges in one set. A loader reports some ten areas; modules add one each unless they touch.
pub const MAX_RANGES: usize = 256;

/// A set of addresses as a list of ranges.
#[derive(Clone, Debug)]
pub struct Ranges {
    items: [(u64, u64); MAX_RANGES],
    len: usize,
}

/// The list has no room for another range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRanges;

impl Ranges {
    pub const fn new() -> Self {
        Self { items: [(0, 0); MAX_RANGES], len: 0 }
    }

    /// Adds `range`, which may overlap others; empty ranges add nothing.
    pub fn add(&mut self, range: Range<u64>) -> Result<(), TooManyRanges> {
        if range.is_empty() {
            return Ok(());
        }
        let slot = self.items.get_mut(self.len).ok_or(TooManyRanges)?;
        *slot = (range.start, range.end);
        self.len += 1;
        Ok(())
    }

    /// The ranges, in ascending order if the set is [`merged`](Self::merged).
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.items[..self.len].iter().map(|&(start, end)| start..end)
    }

    /// The same addresses in ascending, disjoint ranges that do not touch.
    pub fn merged(mut self) -> Self {
        self.items[..self.len].sort_unstable();
        let mut merged = Self::new();
        for range in self.iter() {
            match merged.items[..merged.len].last_mut() {
                Some((_, end)) if range.start <= *end => *end = range.end.max(*end),
                _ => {
                    merged.items[merged.len] = (range.start, range.end);
                    merged.len += 1;
                }
            }
        }
        merged
    }

    /// The whole units of `unit` bytes (a power of two) in this set that contain no address of `taken`.
    pub fn without(self, taken: Self, unit: u64) -> Result<Self, TooManyRanges> {
        let taken = taken.merged();
        let mut left = Self::new();
        for range in self.merged().iter() {
            let mut start = range.start;
            for hole in taken.iter().filter(|hole| hole.start < range.end && hole.end > range.start) {
                left.add(whole_units(start..hole.start, unit))?;
                start = hole.end;
            }
            left.add(whole_units(start..range.end, unit))?;
        }
        Ok(left)
    }
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new()
    }
}

/// The part of `range` made of whole units; empty if there is none.
fn whole_units(range: Range<u64>, unit: u64) -> Range<u64> {
    let start = range.start.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
    start..range.end & !(unit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The set of these ranges, each given by start and end.
    fn set(ranges: &[(u64, u64)]) -> Ranges {
        let mut set = Ranges::new();
        ranges.iter().for_each(|&(start, end)| set.add(start..end).unwrap());
        set
    }

    #[test]
    fn merges_overlapping_and_touching_ranges() {
        let merged = set(&[(0x5000, 0x6000), (0, 0x1000), (0x1000, 0x2000), (0x1800, 0x3000)]).merged();
        assert_eq!(merged.iter().collect::<Vec<_>>(), [0..0x3000, 0x5000..0x6000]);
    }

    #[test]
    fn leaves_only_whole_units_around_what_is_taken() {
        let left = set(&[(0, 0x10000)]).without(set(&[(0x1800, 0x2100), (0xf001, 0xf002)]), 0x1000).unwrap();
        assert_eq!(left.iter().collect::<Vec<_>>(), [0..0x1000, 0x3000..0xf000]);
    }

    #[test]
    fn leaves_nothing_of_a_range_that_is_taken_whole() {
        assert_eq!(set(&[(0x1000, 0x2000)]).without(set(&[(0, 0x8000)]), 0x1000).unwrap().iter().count(), 0);
    }

    #[test]
    fn reports_more_ranges_than_it_holds() {
        let mut ranges = Ranges::new();
        (0..MAX_RANGES as u64).for_each(|at| ranges.add(at * 2..at * 2 + 1).unwrap());
        assert_eq!(ranges.add(1..2), Err(TooManyRanges));
    }
}
