//! Adding up what several boots or machines have seen.
//!
//! Every merge here is commutative, associative and saturating, and total: whatever profiles hold, there is a result, and it is the
//! same in whatever order and grouping they are merged. So nothing is left out of a sum on the way but what would be left out of
//! any sum with it; sites keep every value ([`Profile::narrow`] is for who has had enough).
//! Records of one function may differ in shape when an older kernel counted other blocks or sites (or when a profile
//! was forged). Their numbers cannot be added then, so the larger shape wins: of two `blocks` the longer, of two
//! `sites` the longer, and of two equally long ones that with the greater sequence of kinds. Calls and ticks are added
//! in any case. [`FunctionRecord::fit`] drops numbers of a shape that the running kernel does not use.

use super::{Dropped, FunctionKey, FunctionRecord, Profile, SiteKind, SiteRecord, ValueHistogram};
use alloc::vec::Vec;
use core::cmp::Ordering;

impl Profile {
    /// The record of the function `key`.
    pub fn find(&self, key: FunctionKey) -> Option<&FunctionRecord> {
        self.position(key).ok().map(|index| &self.functions[index])
    }

    /// The record of the function `key`, to be changed.
    pub fn find_mut(&mut self, key: FunctionKey) -> Option<&mut FunctionRecord> {
        self.position(key).ok().map(|index| &mut self.functions[index])
    }

    /// Puts `record` in the place of the one with the same key, or adds it.
    pub fn upsert(&mut self, record: FunctionRecord) {
        match self.position(record.key) {
            Ok(index) => self.functions[index] = record,
            Err(index) => self.functions.insert(index, record),
        }
    }

    /// Adds everything `other` has seen. Functions may stand in any order before; they are sorted after. `program` and
    /// `cpu` are those of the profile with the later last boot, and for equally late ones the greater pair.
    pub fn merge(&mut self, other: &Profile) {
        let identity = |profile: &Profile| (profile.last_boot(), profile.program, profile.cpu);
        (_, self.program, self.cpu) = identity(self).max(identity(other));
        self.boots_observed = self.boots_observed.saturating_add(other.boots_observed);
        self.functions.extend_from_slice(&other.functions);
        self.unify();
        self.merge_boots(&other.boots);
    }

    /// Adds records, in any order, and narrows what they are added to. Takes no memory but for those of functions that are not
    /// known yet.
    pub fn add(&mut self, records: impl Iterator<Item = FunctionRecord>) {
        let known = self.functions.len();
        for record in records {
            match self.functions[..known].binary_search_by_key(&record.key, |function| function.key) {
                Ok(index) => {
                    self.functions[index].merge(&record);
                    self.functions[index].narrow();
                }
                Err(_) => self.functions.push(record),
            }
        }
        self.unify();
    }

    /// Sorts the records and makes one of those of the same function.
    fn unify(&mut self) {
        self.functions.sort_unstable_by_key(|function| function.key);
        self.functions.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                kept.merge(later);
            }
            same
        });
    }

    /// Leaves each site its most frequent values, as many as engines decide by: what a store and a machine are given.
    pub fn narrow(&mut self) {
        self.functions.iter_mut().for_each(FunctionRecord::narrow);
    }

    /// Where the record of the function `key` is, or would be.
    pub fn position(&self, key: FunctionKey) -> Result<usize, usize> {
        self.functions.binary_search_by_key(&key, |function| function.key)
    }
}

impl FunctionRecord {
    /// Adds what `other`, a record of the same function, has seen. The module documentation says what happens when
    /// blocks or sites do not correspond.
    pub fn merge(&mut self, other: &FunctionRecord) {
        self.calls = self.calls.saturating_add(other.calls);
        self.ticks = self.ticks.saturating_add(other.ticks);
        self.generic_calls = self.generic_calls.saturating_add(other.generic_calls);
        self.generic_ticks = self.generic_ticks.saturating_add(other.generic_ticks);
        self.code_bytes = self.code_bytes.max(other.code_bytes);
        match self.blocks.len().cmp(&other.blocks.len()) {
            Ordering::Less => self.blocks.clone_from(&other.blocks),
            Ordering::Equal => add_each(&mut self.blocks, &other.blocks),
            Ordering::Greater => {}
        }
        match shape(&self.sites).cmp(&shape(&other.sites)) {
            Ordering::Less => self.sites.clone_from(&other.sites),
            Ordering::Equal => self.sites.iter_mut().zip(&other.sites).for_each(|(mine, theirs)| mine.merge(theirs)),
            Ordering::Greater => {}
        }
    }

    fn narrow(&mut self) {
        self.sites.iter_mut().for_each(|site| site.values.narrow());
    }

    /// Forgets block counts unless there are `blocks` of them, and sites unless they are of exactly these kinds.
    pub fn fit(&mut self, blocks: usize, kinds: &[SiteKind]) {
        if self.blocks.len() != blocks {
            self.blocks.clear();
        }
        if !self.sites.iter().map(|site| &site.kind).eq(kinds) {
            self.sites.clear();
        }
    }
}

impl SiteRecord {
    /// Adds what `other`, a record of the same site, has seen. Of two kinds the greater stays, with its record.
    pub fn merge(&mut self, other: &SiteRecord) {
        match self.kind.cmp(&other.kind) {
            Ordering::Less => self.clone_from(other),
            Ordering::Equal => self.add(other),
            Ordering::Greater => {}
        }
    }

    fn add(&mut self, other: &SiteRecord) {
        self.callee = self.callee.max(other.callee);
        self.values.merge(&other.values);
        self.address_bits |= other.address_bits;
        self.guards_passed = self.guards_passed.saturating_add(other.guards_passed);
        self.guards_failed = self.guards_failed.saturating_add(other.guards_failed);
        match self.paths().cmp(&other.paths()) {
            Ordering::Less => (self.chosen, self.passes) = (other.chosen.clone(), other.passes.clone()),
            Ordering::Equal => add_each(&mut self.passes, &other.passes),
            Ordering::Greater => {}
        }
        other.dropped.iter().for_each(|dropped| self.drop_path(*dropped));
    }

    /// What two records must have in common for the passes of their paths to be added.
    fn paths(&self) -> (&[u64], usize) {
        (&self.chosen, self.passes.len())
    }

    /// Remembers that the path of a value was dropped; of several shares of one value, and of too many values, the greatest.
    pub fn drop_path(&mut self, dropped: Dropped) {
        match self.dropped.binary_search_by_key(&dropped.value, |known| known.value) {
            Ok(index) => self.dropped[index] = self.dropped[index].max(dropped),
            Err(index) => self.dropped.insert(index, dropped),
        }
        if self.dropped.len() > ValueHistogram::SLOTS {
            self.dropped.remove(0);
        }
    }
}

fn add_each(sums: &mut [u64], terms: &[u64]) {
    sums.iter_mut().zip(terms).for_each(|(sum, &term)| *sum = sum.saturating_add(term));
}

/// What two lists of sites must have in common to be added.
fn shape(sites: &[SiteRecord]) -> (usize, Vec<SiteKind>) {
    (sites.len(), sites.iter().map(|site| site.kind).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{function, profile};
    use super::*;
    use alloc::vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn key(hash: u64) -> FunctionKey {
        FunctionKey { hash, ordinal: 0 }
    }

    fn called(hash: u64, calls: u64) -> FunctionRecord {
        FunctionRecord { key: key(hash), calls, ..FunctionRecord::default() }
    }

    fn site(kind: SiteKind, value: u64) -> SiteRecord {
        let mut values = ValueHistogram::default();
        values.record(value, 1);
        SiteRecord {
            kind,
            callee: None,
            values,
            address_bits: value,
            guards_passed: 1,
            guards_failed: 2,
            chosen: vec![value],
            passes: vec![1],
            dropped: vec![Dropped { value: value + 1, share: 250 }],
        }
    }

    #[test]
    fn finds_what_was_put_in_whatever_the_order() {
        let mut profile = Profile::default();
        [5, 1, 3].into_iter().for_each(|hash| profile.upsert(called(hash, hash)));
        profile.upsert(called(3, 30));
        assert_eq!(profile.functions.len(), 3);
        assert_eq!(profile.find(key(3)).map(|function| function.calls), Some(30));
        assert_eq!(profile.find(key(2)), None);
        profile.find_mut(key(1)).expect("function 1 is there").calls += 1;
        assert_eq!(profile.find(key(1)).map(|function| function.calls), Some(2));
    }

    #[test]
    fn adds_functions_seen_by_both_and_keeps_those_seen_by_one() {
        let mut profile = Profile { functions: vec![called(1, 10), called(2, 20)], ..Profile::default() };
        profile.merge(&Profile { functions: vec![called(2, 5), called(3, u64::MAX)], ..Profile::default() });
        assert_eq!(profile.functions, [called(1, 10), called(2, 25), called(3, u64::MAX)]);
    }

    #[test]
    fn sorts_and_unites_functions_that_were_collected_in_any_order() {
        let mut profile = Profile::default();
        profile.merge(&Profile { functions: vec![called(3, 1), called(1, 2), called(3, 4)], ..Profile::default() });
        assert_eq!(profile.functions, [called(1, 2), called(3, 5)]);
    }

    #[test]
    fn adds_sites_of_the_same_shape() {
        let mut function =
            FunctionRecord { sites: vec![site(SiteKind::Size, 512)], blocks: vec![1, 2], ..called(1, 1) };
        function.merge(&function.clone());
        assert_eq!(function.blocks, [2, 4]);
        let site = &function.sites[0];
        assert_eq!((site.values.total, site.guards_passed, site.guards_failed), (2, 2, 4));
    }

    #[test]
    fn larger_shape_wins_when_records_do_not_correspond() {
        let mut old = FunctionRecord { blocks: vec![7; 3], sites: vec![site(SiteKind::Size, 1)], ..called(1, 1) };
        let new = FunctionRecord { blocks: vec![9; 2], sites: vec![site(SiteKind::Target, 2)], ..called(1, 1) };
        old.merge(&new);
        assert_eq!((old.calls, old.blocks), (2, vec![7; 3]));
        assert_eq!(old.sites, new.sites);
    }

    #[test]
    fn forgets_numbers_that_do_not_fit_the_running_kernel() {
        let record = FunctionRecord { blocks: vec![7; 3], sites: vec![site(SiteKind::Size, 1)], ..called(1, 1) };
        let mut same = record.clone();
        same.fit(3, &[SiteKind::Size]);
        assert_eq!(same, record);
        let mut other = record;
        other.fit(4, &[SiteKind::Target]);
        assert_eq!(other, called(1, 1));
    }

    proptest! {
        #[test]
        fn merging_functions_is_commutative(a in function(), b in function()) {
            let b = FunctionRecord { key: a.key, ..b };
            let (mut ab, mut ba) = (a.clone(), b.clone());
            ab.merge(&b);
            ba.merge(&a);
            prop_assert_eq!(ab, ba);
        }

        #[test]
        fn merged_profiles_are_the_same_bytes_in_any_order_and_grouping(
            (profiles, order) in vec(profile(), 2..7).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            groups in vec(any::<(prop::sample::Index, prop::sample::Index)>(), 6),
        ) {
            let mut sum = Profile::default();
            profiles.iter().for_each(|profile| sum.merge(profile));
            let mut parts = order;
            for (one, other) in groups {
                if parts.len() > 1 {
                    let part = parts.swap_remove(one.index(parts.len()));
                    let other = other.index(parts.len());
                    parts[other].merge(&part);
                }
            }
            prop_assert_eq!(parts.len(), 1);
            prop_assert_eq!(&parts[0], &sum);
            prop_assert_eq!(parts[0].encode(), sum.encode());
            prop_assert_eq!(Profile::decode(&sum.encode().expect("there is memory")), Ok(sum));
        }

        #[test]
        fn merging_profiles_is_commutative(a in profile(), b in profile()) {
            let (mut ab, mut ba) = (a.clone(), b.clone());
            ab.merge(&b);
            ba.merge(&a);
            prop_assert!(ab.functions.is_sorted_by(|f, g| f.key < g.key));
            prop_assert_eq!(ab, ba);
        }
    }
}
