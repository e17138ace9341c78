//! The space-saving sketch behind [`ValueHistogram`].
//!
//! With `floor` the least count of a full histogram and 0 of one that is not full, it always holds that
//! - a value in a slot was seen at most `count` and at least `count - floor` times;
//! - a value in no slot was seen at most `floor` times;
//! - the counts sum to at most `total`, hence `floor <= total / SLOTS`.
//!
//! So a value's count is at most an eighth of the total too high, and a value seen in more than an eighth of all calls
//! always has a slot. [`ValueHistogram::merge`] keeps all three (Cafaro, Pulimeno, Tempesta: "A parallel space saving
//! algorithm for frequent items and the Hurwitz zeta distribution", 2016). It is commutative; it is associative up to
//! the same bound: two orders of merging give counts of a value that differ by at most an eighth of the total.
//! A histogram that has seen at most `SLOTS` distinct values is exact, however it was merged.

use super::{ValueCount, ValueHistogram};
use alloc::vec::Vec;

impl ValueHistogram {
    /// Most distinct values that a histogram remembers.
    pub const SLOTS: usize = 8;

    /// Remembers that `value` was seen `count` more times. When all slots are taken, a new value takes over the slot
    /// of the rarest one and its count.
    pub fn record(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.total = self.total.saturating_add(count);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.value == value) {
            slot.count = slot.count.saturating_add(count);
        } else {
            let inherited = self.floor();
            self.slots.truncate(Self::SLOTS - 1);
            self.slots.push(ValueCount { value, count: inherited.saturating_add(count) });
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

    /// How often each value that has a slot was seen at least.
    pub fn least_counts(&self) -> impl Iterator<Item = ValueCount> + '_ {
        let floor = self.floor();
        self.slots.iter().map(move |slot| ValueCount { value: slot.value, count: slot.count.saturating_sub(floor) })
    }

    /// What was seen besides `values`.
    pub fn without(&self, values: &[u64]) -> Self {
        let (known, slots): (Vec<ValueCount>, Vec<ValueCount>) =
            self.slots.iter().partition(|slot| values.contains(&slot.value));
        let taken = known.iter().fold(0_u64, |sum, slot| sum.saturating_add(slot.count));
        Self { slots, total: self.total.saturating_sub(taken) }
    }

    /// Adds what `other` has seen. Commutative.
    pub fn merge(&mut self, other: &Self) {
        let mut slots = self.summed_with(other);
        slots.extend(other.summed_with(self).into_iter().filter(|slot| self.count(slot.value).is_none()));
        sort(&mut slots);
        slots.truncate(Self::SLOTS);
        self.slots = slots;
        self.total = self.total.saturating_add(other.total);
    }

    /// Whether the slots are as this module leaves them; decoded bytes may say anything.
    pub(super) fn is_well_formed(&self) -> bool {
        let distinct = self.slots.iter().enumerate().all(|(i, a)| self.slots[..i].iter().all(|b| a.value != b.value));
        self.slots.len() <= Self::SLOTS
            && distinct
            && self.slots.is_sorted_by_key(order)
            && self.slots.iter().all(|slot| slot.count > 0)
            && self.sum() <= self.total
    }

    /// Makes the slots well-formed again after their counts were changed one by one.
    pub(super) fn restore(&mut self) {
        sort(&mut self.slots);
        self.total = self.total.max(self.sum());
    }

    fn sum(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.count))
    }

    /// Own slots, each with the most often that `other` may have seen its value added.
    fn summed_with(&self, other: &Self) -> Vec<ValueCount> {
        let sum = |slot: &ValueCount| {
            let seen_by_other = other.count(slot.value).unwrap_or(other.floor());
            ValueCount { value: slot.value, count: slot.count.saturating_add(seen_by_other) }
        };
        self.slots.iter().map(sum).collect()
    }

    fn count(&self, value: u64) -> Option<u64> {
        self.slots.iter().find(|slot| slot.value == value).map(|slot| slot.count)
    }

    /// The most often that a value without a slot may have been seen.
    fn floor(&self) -> u64 {
        self.slots.get(Self::SLOTS - 1).map_or(0, |slot| slot.count)
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

    /// Asserts the bounds in the module documentation against the true counts.
    fn assert_bounds(histogram: &ValueHistogram, values: &[(u64, u64)]) -> Result<(), TestCaseError> {
        let mut seen = BTreeMap::<u64, u64>::new();
        values.iter().for_each(|&(value, count)| *seen.entry(value).or_default() += count);
        prop_assert!(histogram.is_well_formed());
        prop_assert_eq!(histogram.total, seen.values().sum::<u64>());
        prop_assert!(histogram.floor() <= histogram.total / ValueHistogram::SLOTS as u64);
        for (&value, &seen) in &seen {
            let count = histogram.count(value);
            prop_assert!(seen <= count.unwrap_or(histogram.floor()));
            prop_assert!(count.is_none_or(|count| count - histogram.floor() <= seen));
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
    fn new_value_takes_over_the_rarest_slot() {
        let mut histogram = recorded(&[(0, 9), (1, 9), (2, 9), (3, 9), (4, 9), (5, 9), (6, 9), (7, 2)]);
        histogram.record(100, 1);
        assert_eq!(histogram.slots.len(), ValueHistogram::SLOTS);
        assert_eq!(histogram.slots.last(), Some(&ValueCount { value: 100, count: 3 }));
        assert_eq!(histogram.share(7), 0);
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
        assert!(histogram.is_well_formed());
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
        fn merging_in_any_order_keeps_the_bounds(a in seen_values(60), b in seen_values(60), c in seen_values(60)) {
            let (x, y, z) = (recorded(&a), recorded(&b), recorded(&c));
            let all = [a, b, c].concat();
            let (left, right) = (merged(&merged(&x, &y), &z), merged(&x, &merged(&y, &z)));
            assert_bounds(&left, &all)?;
            assert_bounds(&right, &all)?;
            for value in all.iter().map(|&(value, _)| value) {
                let [l, r] = [&left, &right].map(|h| h.count(value).unwrap_or(h.floor()));
                prop_assert!(l.abs_diff(r) <= left.total / ValueHistogram::SLOTS as u64);
            }
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
