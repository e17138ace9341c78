//! The sketch behind [`ValueHistogram`]: Misra and Gries's, as merged by Agarwal and others ("Mergeable summaries", 2012), with
//! what each count may lack added to it, so that counts are those of the space-saving algorithm or nearer.
//!
//! It always holds that
//! - a value in a slot was seen at most `count` and at least `count - floor` times;
//! - a value in no slot was seen at most `floor` times;
//! - what the slots were seen at least and `SLOTS` times `floor` sum to at most `total`.
//!
//! So a value's count is at most an eighth of the total too high, and a value seen in more than an eighth of all calls
//! always has a slot, unless others are left out of the histogram on purpose. A histogram that has seen at most `SLOTS` distinct
//! values is exact, however it was merged.
//!
//! [`ValueHistogram::merge`] drops no value: it adds, for each value and for all that have no slot, how often either was seen at
//! most, and so is exactly associative. What stores and engines keep is narrowed to `SLOTS` values, by [`ValueHistogram::narrow`].

use super::{ValueCount, ValueHistogram};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

impl ValueHistogram {
    /// Most distinct values that a histogram remembers.
    pub const SLOTS: usize = 8;

    /// Remembers that `value` was seen `count` more times. When all slots are taken, a new value takes over that of the rarest,
    /// unless it is rarer itself.
    pub fn record(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.value == value) {
            slot.count = slot.count.saturating_add(count);
        } else {
            let new = ValueCount { value, count: self.floor.saturating_add(count) };
            if self.slots.len() < Self::SLOTS {
                self.slots.push(new);
            } else if let Some(rarest) = self.slots.last_mut() {
                let left_out = if order(&new) < order(rarest) { core::mem::replace(rarest, new) } else { new };
                self.floor = left_out.count;
            }
        }
        sort(&mut self.slots);
    }

    /// The most frequent value and its share of all values in thousandths, rounded down.
    /// Among equally frequent values, the least.
    pub fn dominant(&self) -> Option<(ValueCount, u32)> {
        self.slots.first().map(|&slot| (slot, self.per_mille(slot.count)))
    }

    /// The share of `value` in all values, in thousandths rounded down; 0 when it has no slot.
    pub fn share(&self, value: u64) -> u32 {
        self.slots.iter().find(|slot| slot.value == value).map_or(0, |slot| self.per_mille(slot.count))
    }

    /// How often what has a slot and is among `values` was seen at least.
    pub fn least_count_in(&self, values: RangeInclusive<u64>) -> u128 {
        let among = self.slots.iter().filter(|slot| values.contains(&slot.value));
        among.map(|slot| u128::from(self.at_least(slot))).sum()
    }

    /// What was seen besides `values`.
    pub fn without(&self, values: &[u64]) -> Self {
        let (known, slots): (Vec<ValueCount>, Vec<ValueCount>) =
            self.slots.iter().partition(|slot| values.contains(&slot.value));
        let taken = known.iter().fold(0_u64, |sum, slot| sum.saturating_add(slot.count));
        Self { slots, total: self.total.saturating_sub(taken), floor: self.floor }
    }

    /// Adds what `other` has seen. Commutative and associative.
    pub fn merge(&mut self, other: &Self) {
        let mut others = other.slots.clone();
        others.sort_unstable_by_key(|slot| slot.value);
        for slot in &mut self.slots {
            let seen_by_other = match others.binary_search_by_key(&slot.value, |other| other.value) {
                Ok(index) => core::mem::take(&mut others[index].count),
                Err(_) => other.floor,
            };
            slot.count = slot.count.saturating_add(seen_by_other);
        }
        others.retain(|slot| slot.count > 0);
        others.iter_mut().for_each(|slot| slot.count = slot.count.saturating_add(self.floor));
        self.slots.append(&mut others);
        sort(&mut self.slots);
        self.total = self.total.saturating_add(other.total);
        self.floor = self.floor.saturating_add(other.floor);
    }

    /// Keeps the [`Self::SLOTS`] most frequent values.
    pub fn narrow(&mut self) {
        if let Some(most_frequent_left_out) = self.slots.get(Self::SLOTS) {
            self.floor = most_frequent_left_out.count;
            self.slots.truncate(Self::SLOTS);
            self.slots.shrink_to_fit();
        }
    }

    /// Whether the slots are as this module leaves them; decoded bytes may say anything. Leaves them as they are, but sorts them
    /// on the way: there may be many, and no memory for a copy.
    pub(super) fn is_well_formed(&mut self) -> bool {
        let in_order = self.slots.is_sorted_by_key(order);
        self.slots.sort_unstable_by_key(|slot| slot.value);
        let distinct = self.slots.is_sorted_by(|a, b| a.value < b.value);
        sort(&mut self.slots);
        let counted = self.slots.iter().all(|slot| slot.count > 0 && slot.count >= self.floor);
        in_order && distinct && counted && self.sum() <= self.total
    }

    /// Makes the slots well-formed again after counts and floor were changed one by one, and by a rule that changes none of two
    /// the greater.
    pub(super) fn restore(&mut self) {
        sort(&mut self.slots);
        self.total = self.total.max(self.sum());
    }

    /// What the total is at least.
    fn sum(&self) -> u64 {
        let floors = self.floor.saturating_mul(Self::SLOTS as u64);
        self.slots.iter().fold(floors, |sum, slot| sum.saturating_add(self.at_least(slot)))
    }

    fn at_least(&self, slot: &ValueCount) -> u64 {
        slot.count.saturating_sub(self.floor)
    }

    fn per_mille(&self, count: u64) -> u32 {
        let total = self.total.max(1);
        (u128::from(count.min(total)) * 1000 / u128::from(total)) as u32
    }
}

/// The order of slots: most frequent first, then by value, so that equal histograms have equal bytes.
fn order(slot: &ValueCount) -> (core::cmp::Reverse<u64>, u64) {
    (core::cmp::Reverse(slot.count), slot.value)
}

fn sort(slots: &mut [ValueCount]) {
    slots.sort_unstable_by_key(order);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{histogram, seen_values};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn recorded(values: &[(u64, u64)]) -> ValueHistogram {
        let mut histogram = ValueHistogram::default();
        values.iter().for_each(|&(value, count)| histogram.record(value, count));
        histogram
    }

    fn merged(a: &ValueHistogram, b: &ValueHistogram) -> ValueHistogram {
        let mut sum = a.clone();
        sum.merge(b);
        sum
    }

    fn narrowed(histogram: &ValueHistogram) -> ValueHistogram {
        let mut less = histogram.clone();
        less.narrow();
        less
    }

    /// Asserts the bounds in the module documentation against the true counts.
    fn assert_bounds(histogram: &ValueHistogram, values: &[(u64, u64)]) -> Result<(), TestCaseError> {
        let mut seen = BTreeMap::<u64, u64>::new();
        values.iter().for_each(|&(value, count)| *seen.entry(value).or_default() += count);
        prop_assert!(histogram.clone().is_well_formed());
        prop_assert_eq!(histogram.total, seen.values().sum::<u64>());
        prop_assert!(histogram.floor <= histogram.total / ValueHistogram::SLOTS as u64);
        for (&value, &seen) in &seen {
            let slot = histogram.slots.iter().find(|slot| slot.value == value);
            prop_assert!(seen <= slot.map_or(histogram.floor, |slot| slot.count));
            prop_assert!(slot.is_none_or(|slot| histogram.at_least(slot) <= seen));
        }
        Ok(())
    }

    #[test]
    fn counts_exactly_while_slots_last() {
        let histogram = recorded(&[(512, 3), (16, 1), (512, 2), (304, 5), (7, 0)]);
        let slots = [(304, 5), (512, 5), (16, 1)].map(|(value, count)| ValueCount { value, count });
        assert_eq!(histogram.slots, slots);
        assert_eq!(histogram.total, 11);
        assert_eq!(histogram.share(512), 454);
        assert_eq!(histogram.share(513), 0);
    }

    #[test]
    fn new_value_takes_over_the_slot_of_one_that_is_rarer() {
        let mut histogram = recorded(&[(0, 9), (1, 9), (2, 9), (3, 9), (4, 9), (5, 9), (6, 9), (7, 2)]);
        histogram.record(100, 1);
        assert_eq!((histogram.share(100), histogram.floor), (0, 1));
        histogram.record(101, 3);
        assert_eq!(histogram.slots.len(), ValueHistogram::SLOTS);
        assert_eq!(histogram.slots.last(), Some(&ValueCount { value: 101, count: 4 }));
        assert_eq!((histogram.share(7), histogram.floor), (0, 2));
    }

    #[test]
    fn dominant_value_is_the_most_frequent_with_its_share() {
        assert_eq!(ValueHistogram::default().dominant(), None);
        let histogram = recorded(&[(512, 1), (16, 1)]);
        assert_eq!(histogram.dominant(), Some((ValueCount { value: 16, count: 1 }, 500)));
    }

    #[test]
    fn counts_saturate() {
        let mut histogram = recorded(&[(1, u64::MAX), (2, u64::MAX), (1, 5)]);
        histogram.merge(&histogram.clone());
        assert_eq!(histogram.total, u64::MAX);
        assert_eq!(histogram.share(1), 1000);
        assert!(histogram.clone().is_well_formed());
    }

    proptest! {
        #[test]
        fn recording_keeps_the_bounds(values in seen_values(200)) {
            assert_bounds(&recorded(&values), &values)?;
        }

        #[test]
        fn merging_is_commutative(a in histogram(), b in histogram()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        }

        #[test]
        fn merging_is_associative(a in histogram(), b in histogram(), c in histogram()) {
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        }

        #[test]
        fn merging_and_narrowing_keep_the_bounds(a in seen_values(60), b in seen_values(60), c in seen_values(60)) {
            let all = [&a[..], &b, &c].concat();
            let (a, b, c) = (recorded(&a), recorded(&b), recorded(&c));
            let at_the_end = merged(&merged(&a, &b), &c);
            assert_bounds(&at_the_end, &all)?;
            assert_bounds(&narrowed(&at_the_end), &all)?;
            assert_bounds(&narrowed(&merged(&narrowed(&merged(&b, &c)), &a)), &all)?;
        }

        #[test]
        fn merging_few_distinct_values_is_associative(
            a in proptest::collection::vec((0..8u64, 1..99u64), 0..40),
            b in proptest::collection::vec((0..8u64, 1..99u64), 0..40),
            c in proptest::collection::vec((0..8u64, 1..99u64), 0..40),
        ) {
            let all = recorded(&[&a[..], &b, &c].concat());
            let (a, b, c) = (recorded(&a), recorded(&b), recorded(&c));
            prop_assert_eq!(&merged(&merged(&a, &b), &c), &all);
            prop_assert_eq!(&merged(&a, &merged(&b, &c)), &all);
        }
    }
}
