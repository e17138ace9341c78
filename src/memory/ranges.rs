//! What memory is free: what the machine has, less what is taken, in any number of parts.
//!
//! The loader's lists are read as often as needed and copied once, into free memory that is found first: there is no heap
//! yet. Everything takes time in proportion to the number of parts, but for sorting them.
//!
//! Key types: [`Survey`], [`Ranges`]. Pure: it neither reads nor maps any memory but the list it is given.

use core::iter;
use core::ops::Range;

/// What the loader reports: ranges in any order, which may overlap, touch, or be empty.
#[derive(Clone, Debug)]
pub struct Survey<A, T> {
    /// Memory that can be used, ...
    pub available: A,
    /// ... but for this.
    pub taken: T,
    /// Memory is used in whole units of this many bytes, a power of two.
    pub unit: u64,
}

/// Free memory: ascending, disjoint ranges of whole units that do not touch.
#[derive(Clone, Copy, Debug)]
pub struct Ranges(&'static [Range<u64>]);

impl<A, T> Survey<A, T>
where
    A: Iterator<Item = Range<u64>> + Clone,
    T: Iterator<Item = Range<u64>> + Clone,
{
    /// Entries of the list that [`free`](Self::free) wants: both kinds, the list itself, and what may be left of them.
    pub fn list_entries(&self) -> usize {
        2 * (self.available.clone().count() + self.taken.clone().count() + 1)
    }

    /// Free memory of `bytes` bytes below `limit`. Looks for it from both ends of each part of the available memory, so
    /// that one or two passes over what is taken suffice when that is in order.
    pub fn room(&self, bytes: u64, limit: u64) -> Option<Range<u64>> {
        let parts = self.available.clone().map(|part| whole_units(part.start..part.end.min(limit), self.unit));
        parts.filter(|part| !part.is_empty()).find_map(|part| self.room_in(part, bytes))
    }

    fn room_in(&self, part: Range<u64>, bytes: u64) -> Option<Range<u64>> {
        let (mut up, mut down) = (part.start, part.end);
        while down.checked_sub(up)? >= bytes {
            let (lowest, highest) = (up..up + bytes, down - bytes..down);
            for range in self.taken.clone() {
                if overlap(&range, &(up..up.saturating_add(bytes))) {
                    up = range.end.checked_next_multiple_of(self.unit)?;
                }
                if overlap(&range, &(down.saturating_sub(bytes)..down)) {
                    down = range.start & !(self.unit - 1);
                }
            }
            if up == lowest.start {
                return Some(lowest);
            }
            if down == highest.end {
                return Some(highest);
            }
        }
        None
    }

    /// What is free. `list` lies in `place`, which is taken from now on; `None` if it has fewer than
    /// [`list_entries`](Self::list_entries).
    pub fn free(&self, place: Range<u64>, list: &'static mut [Range<u64>]) -> Option<Ranges> {
        let [available, list] = fill(list, self.available.clone())?;
        let [taken, list] = fill(list, self.taken.clone().chain(iter::once(place)))?;
        let pieces = Pieces { available: merged(available), taken: merged(taken) };
        let units = pieces.map(|piece| whole_units(piece, self.unit)).filter(|piece| !piece.is_empty());
        let [free, _] = fill(list, units)?;
        Some(Ranges(free))
    }
}

impl Ranges {
    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        self.0.iter().cloned()
    }

    /// Those that end above `address`, in ascending order.
    pub fn above(&self, address: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        self.0[self.0.partition_point(|range| range.end <= address)..].iter().cloned()
    }

    /// Whether all of `wanted` is in one of them.
    pub fn contain(&self, wanted: Range<u64>) -> bool {
        self.above(wanted.start).next().is_some_and(|range| range.start <= wanted.start && wanted.end <= range.end)
    }

    #[cfg(test)]
    pub fn of(ranges: &[Range<u64>]) -> Self {
        Self(std::vec::Vec::from(ranges).leak())
    }
}

/// What of `available` is not in `taken`; both are [`merged`].
struct Pieces<'a> {
    available: &'a mut [Range<u64>],
    taken: &'a [Range<u64>],
}

impl Iterator for Pieces<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        loop {
            let part = self.available.first_mut()?;
            let hole = self.taken.first().filter(|hole| hole.start < part.end);
            let Some(hole) = hole else {
                let last = part.clone();
                self.available = core::mem::take(&mut self.available).split_first_mut()?.1;
                return Some(last);
            };
            let piece = part.start..hole.start.max(part.start);
            part.start = part.end.min(hole.end.max(part.start));
            if hole.end > part.start {
                // The part ends in this hole, which may reach into the next.
                self.available = core::mem::take(&mut self.available).split_first_mut()?.1;
            } else {
                self.taken = &self.taken[1..];
            }
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }
}

/// Puts the ranges that are not empty at the start of `list`; these, and the rest of it. `None` if they do not fit.
fn fill(list: &mut [Range<u64>], ranges: impl Iterator<Item = Range<u64>>) -> Option<[&mut [Range<u64>]; 2]> {
    let mut count = 0;
    for range in ranges.filter(|range| !range.is_empty()) {
        *list.get_mut(count)? = range;
        count += 1;
    }
    list.split_at_mut_checked(count).map(<[_; 2]>::from)
}

/// The same addresses in ascending, disjoint ranges that do not touch.
fn merged(list: &mut [Range<u64>]) -> &mut [Range<u64>] {
    list.sort_unstable_by_key(|range| range.start);
    let mut count = 0;
    for index in 0..list.len() {
        let range = list[index].clone();
        match list[..count].last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => {
                list[count] = range;
                count += 1;
            }
        }
    }
    &mut list[..count]
}

/// The part of `range` made of whole units; empty if there is none.
fn whole_units(range: Range<u64>, unit: u64) -> Range<u64> {
    let start = range.start.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
    start..range.end & !(unit - 1)
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    !one.is_empty() && one.start < other.end && other.start < one.end
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const UNIT: u64 = 0x10;

    /// What is free of `available`, once the list has been put somewhere.
    fn free(available: &[Range<u64>], taken: &[Range<u64>]) -> Option<(Range<u64>, Vec<Range<u64>>)> {
        let survey = Survey { available: available.iter().cloned(), taken: taken.iter().cloned(), unit: UNIT };
        let place = survey.room(UNIT, u64::MAX)?;
        let list = vec![0..0; survey.list_entries()].leak();
        Some((place.clone(), survey.free(place, list).expect("the list is long enough").iter().collect()))
    }

    #[test]
    fn leaves_whole_units_around_what_is_taken_and_the_list() {
        let (place, left) = free(&[0..0x100], &[0x18..0x21, 0xf1..0xf2, 0x19..0x20, 5..5]).unwrap();
        assert_eq!((place, left), (0..0x10, vec![0x30..0xf0]));
    }

    #[test]
    fn parts_that_touch_or_overlap_are_one() {
        let (_, left) = free(&[0x50..0x68, 0..0x10, 0x10..0x20, 0x18..0x30, 0x68..0x70], &[0..0x10]).unwrap();
        assert_eq!(left, [0x10..0x30, 0x60..0x70]);
    }

    #[test]
    fn what_is_taken_may_reach_over_several_parts() {
        let (_, left) = free(&[0..0x20, 0x30..0x40, 0x50..0x90], &[0x10..0x60, 0x80..0x200]).unwrap();
        assert_eq!(left, [0x60..0x80]);
    }

    #[test]
    fn nothing_is_free_where_all_is_taken() {
        assert_eq!(free(&[0x10..0x20, 0x40..0x50], &[0..0x80]), None);
        assert_eq!(free(&[0x11..0x2f], &[]), None, "no whole unit");
    }

    #[test]
    fn list_that_is_too_short_is_refused() {
        let survey = Survey { available: [0..0x100].into_iter(), taken: [0x20..0x30].into_iter(), unit: UNIT };
        assert!(survey.free(0..0x10, vec![0..0; 4].leak()).is_none());
    }

    #[test]
    fn thousands_of_modules_and_areas_are_surveyed_at_once() {
        const COUNT: u64 = 20_000;
        let areas: Vec<_> = (0..COUNT).map(|n| n * 0x1000..n * 0x1000 + 0x800).collect();
        for descending in [false, true] {
            let mut modules: Vec<_> = (0..COUNT - 1).map(|n| n * 0x1000..n * 0x1000 + 0x400).collect();
            if descending {
                modules.reverse();
            }
            let (place, left) = free(&areas, &modules).unwrap();
            assert_eq!((place, left.len()), (0x7f0..0x800, COUNT as usize));
        }
        let adjacent: Vec<_> = (1..COUNT).map(|n| n * 0x1000..(n + 1) * 0x1000).collect();
        let (_, left) = free(&[0..u64::MAX], &adjacent).unwrap();
        assert_eq!(left, [0x10..0x1000, COUNT * 0x1000..!(UNIT - 1)]);
    }

    #[test]
    fn ranges_are_found_by_address() {
        let ranges = Ranges::of(&[0x10..0x20, 0x30..0x50]);
        assert_eq!(ranges.above(0x20).collect::<Vec<_>>(), [0x30..0x50]);
        assert_eq!(ranges.above(0x50).count(), 0);
        let contained = [0x10..0x20, 0x1f..0x31, 0x20..0x28, 0x40..0x50, 0x40..0x51].map(|range| ranges.contain(range));
        assert_eq!(contained, [true, false, false, true, false]);
    }

    proptest! {
        #[test]
        fn every_unit_is_free_exactly_if_it_is_available_and_not_taken(
            available in proptest::collection::vec((0..64u64, 0..20u64), 0..12),
            taken in proptest::collection::vec((0..1024u64, 0..60u64), 0..12),
        ) {
            let available: Vec<_> = available.iter().map(|(at, len)| at * UNIT..(at + len) * UNIT).collect();
            let taken: Vec<_> = taken.iter().map(|(at, len)| *at..at + len).collect();
            let expected = |unit: u64| {
                let range = unit * UNIT..(unit + 1) * UNIT;
                available.iter().any(|part| part.contains(&range.start))
                    && !taken.iter().any(|taken| overlap(taken, &range))
            };
            let expected: Vec<u64> = (0..100).filter(|&unit| expected(unit)).collect();
            let found = free(&available, &taken);
            prop_assert_eq!(found.is_none(), expected.is_empty());
            let Some((place, left)) = found else { return Ok(()) };
            let mut units: Vec<u64> =
                left.iter().flat_map(|range| range.start / UNIT..range.end / UNIT).chain([place.start / UNIT]).collect();
            prop_assert!(left.is_sorted_by(|a, b| a.end < b.start));
            units.sort_unstable();
            prop_assert_eq!(units, expected);
        }
    }
}
