//! Forgetting: counts decay by a constant factor per boot.
//!
//! With a half-life of `h` boots, one ageing multiplies every count by `f = 2^(-1/h)` and rounds down, but never to
//! zero: that a function was ever called is not forgotten. Shares (a count by its total) stay as they were, up to
//! rounding. Addresses seen (`address_bits`), boot rows, and what is of one boot (which paths a site has, and how often they
//! passed) do not age.
//!
//! A boot ages the profile that it started from and then adds its own counts. If every boot counts `n`, the sum after
//! `k` boots is about `n (1 - f^k) / (1 - f)`. It only ever rises, comes within 1 % of `n / (1 - f)`, about
//! `(1.44 h + 0.5) n`, after `6.7 h` boots, and stops in the end: rounding gives it an exact fixed point. With a
//! half-life of 8 that is `12 n`, nearly reached after 54 boots. So with equal boots a count crosses a threshold at
//! most once, upwards, and what is decided by thresholds on counts or on shares cannot oscillate. When behaviour
//! changes, old counts halve every `h` boots. (Counts of a full histogram near its floor are estimates, and may take
//! turns.)
//!
//! Code that was made fast does not count everything. What it left out is taken to be as much as in an average boot before
//! ([`Decay::average_boot`]): if it faded, the decision to make that code would take away its own reason, be taken back, find the
//! reason again, and so on.

use super::{FunctionRecord, ONE_BOOT, Profile, SiteRecord, ValueHistogram};

/// Bits after the binary point of a decay factor.
const FRACTION_BITS: u32 = 32;

impl Profile {
    /// Lets every count decay by one boot.
    pub fn age(&mut self, decay: Decay) {
        decay.count(&mut self.boots_observed);
        self.functions.iter_mut().for_each(|function| decay.function(function));
    }
}

/// What a boot leaves of earlier counts: a factor in `0.5 ..= 1`, in units of `2^-FRACTION_BITS`.
#[derive(Clone, Copy)]
pub struct Decay(u64);

impl Decay {
    /// The greatest factor whose `half_life_boots`-th power is at most one half; 1 for 0 boots.
    pub fn of_half_life(half_life_boots: u32) -> Self {
        let one = 1u64 << FRACTION_BITS;
        if half_life_boots == 0 {
            return Self(one);
        }
        let (mut enough, mut too_much) = (0, one);
        while too_much - enough > 1 {
            let middle = enough + (too_much - enough) / 2;
            if power(middle, half_life_boots) <= one / 2 {
                enough = middle;
            } else {
                too_much = middle;
            }
        }
        Self(enough)
    }

    fn function(self, function: &mut FunctionRecord) {
        self.count(&mut function.calls);
        self.count(&mut function.ticks);
        self.count(&mut function.generic_calls);
        self.count(&mut function.generic_ticks);
        function.blocks.iter_mut().for_each(|count| self.count(count));
        function.sites.iter_mut().for_each(|site| self.site(site));
    }

    fn site(self, site: &mut SiteRecord) {
        self.histogram(&mut site.values);
    }

    /// Counts that become equal, or that stay at 1 while the total falls, leave the slots to be put right.
    fn histogram(self, values: &mut ValueHistogram) {
        values.slots.iter_mut().for_each(|slot| self.count(&mut slot.count));
        self.count(&mut values.total);
        self.count(&mut values.floor);
        values.restore();
    }

    fn count(self, count: &mut u64) {
        *count = self.aged(*count);
    }

    fn aged(self, count: u64) -> u64 {
        scaled(count, self.0).max(count.min(1))
    }

    /// What an average boot adds to `count`, which stands for `boots_observed` thousandths of a boot: so much that the average, to
    /// the nearest, is afterwards what it was. Once `boots_observed` has stopped to rise, `count` stays exactly.
    pub fn average_boot(self, count: u64, boots_observed: u64) -> u64 {
        let before = boots_observed.max(ONE_BOOT);
        let after = self.aged(before).saturating_add(ONE_BOOT);
        let (before, after) = (u128::from(before), u128::from(after));
        let wanted = (u128::from(count) * after + before / 2) / before;
        u64::try_from(wanted).unwrap_or(u64::MAX).saturating_sub(self.aged(count))
    }
}

/// `factor` to the power of `exponent`, each product rounded down.
fn power(factor: u64, mut exponent: u32) -> u64 {
    let (mut result, mut square) = (1 << FRACTION_BITS, factor);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = scaled(result, square);
        }
        square = scaled(square, square);
        exponent >>= 1;
    }
    result
}

/// `value` times `factor`, at most 1, rounded down.
fn scaled(value: u64, factor: u64) -> u64 {
    ((u128::from(value) * u128::from(factor)) >> FRACTION_BITS) as u64
}

#[cfg(test)]
mod tests {
    use super::super::testing::{profile, seen_values};
    use super::super::{FunctionKey, SiteKind};
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn called(calls: u64) -> Profile {
        let function = FunctionRecord { calls, ..FunctionRecord::default() };
        Profile { functions: vec![function], ..Profile::default() }
    }

    fn calls(profile: &Profile) -> u64 {
        profile.find(FunctionKey::default()).map_or(0, |function| function.calls)
    }

    /// The profile of a run of equal boots, after each of them.
    fn equal_boots(boot: Profile, half_life: u32, boots: usize) -> impl Iterator<Item = Profile> {
        let mut profile = Profile::default();
        (0..boots).map(move |_| {
            profile.age(Decay::of_half_life(half_life));
            profile.merge(&boot);
            profile.clone()
        })
    }

    #[test]
    fn counts_halve_in_the_half_life() {
        for half_life in [1, 2, 3, 8, 50, 1000] {
            let mut profile = called(1 << 40);
            (0..half_life).for_each(|_| profile.age(Decay::of_half_life(half_life)));
            assert!(calls(&profile).abs_diff(1 << 39) < 1 << 20, "half-life {half_life}: {}", calls(&profile));
        }
    }

    #[test]
    fn ageing_is_off_at_half_life_zero() {
        let mut profile = called(77);
        profile.age(Decay::of_half_life(0));
        assert_eq!(calls(&profile), 77);
    }

    #[test]
    fn function_once_called_is_never_forgotten() {
        let mut profile = called(u64::MAX);
        (0..500).for_each(|_| profile.age(Decay::of_half_life(2)));
        assert_eq!(calls(&profile), 1);
    }

    #[test]
    fn every_half_life_is_safe_and_lowers_counts() {
        for half_life in [1, 7, 65_537, u32::MAX] {
            let mut profile = called(u64::MAX);
            profile.age(Decay::of_half_life(half_life));
            assert!((u64::MAX / 2..u64::MAX).contains(&calls(&profile)));
        }
    }

    #[test]
    fn equal_boots_reach_a_fixed_point_from_below() {
        for (half_life, n) in [(1, 1000), (8, 1), (8, 90), (8, 1_000_000), (30, 12_345)] {
            let all: vec::Vec<u64> = equal_boots(called(n), half_life, 2000).map(|p| calls(&p)).collect();
            assert!(all.is_sorted(), "half-life {half_life}, {n} calls");
            assert_eq!(all[1000], all[1999]);
            let settled = (6.7 * f64::from(half_life)) as usize + 1;
            let limit = (n as f64 / (1.0 - 0.5f64.powf(1.0 / f64::from(half_life)))) as u64;
            assert!(all[1999] <= limit && all[settled] + limit / 90 + u64::from(half_life) * 2 >= limit);
        }
    }

    #[test]
    fn what_average_boots_add_keeps_the_average_and_in_the_end_the_count() {
        let decay = Decay::of_half_life(8);
        for n in [0, 7, 90, 262_144, 1 << 40] {
            let (mut count, mut boots, mut before) = (n, ONE_BOOT, 0);
            for boot in 0..500 {
                (count, before) = (decay.aged(count) + decay.average_boot(count, boots), count);
                boots = decay.aged(boots) + ONE_BOOT;
                let average = u128::from(count) * u128::from(ONE_BOOT) / u128::from(boots);
                assert!(average.abs_diff(n.into()) <= 1, "{average} for {n} after {boot} boots");
            }
            assert_eq!(count, before);
        }
    }

    #[test]
    fn average_boots_take_any_count() {
        for (count, boots) in [(u64::MAX, 0), (u64::MAX, u64::MAX), (0, u64::MAX), (1, 0), (u64::MAX, ONE_BOOT)] {
            let decay = Decay::of_half_life(1);
            let sum = decay.aged(count).saturating_add(decay.average_boot(count, boots));
            assert!(sum >= count / 2 && (sum > 0) == (count > 0), "{count} of {boots}: {sum}");
        }
    }

    #[test]
    fn dominant_share_stays_where_it_is_when_boots_are_equal() {
        let mut values = ValueHistogram::default();
        (0..20).for_each(|size| values.record(size, 20));
        values.record(512, 600);
        let (first, share) = values.dominant().expect("512 was recorded");
        let site = SiteRecord { values, ..SiteRecord::unseen(SiteKind::Size) };
        let boot = Profile {
            functions: vec![FunctionRecord { sites: vec![site], ..Default::default() }],
            ..Default::default()
        };
        for profile in equal_boots(boot, 8, 300) {
            let (value, now) = profile.functions[0].sites[0].values.dominant().expect("nothing is forgotten");
            assert_eq!(value.value, first.value);
            assert!(now.abs_diff(share) <= 2, "{now} was {share}");
        }
    }

    proptest! {
        #[test]
        fn shares_survive_ageing(seen in seen_values(40), half_life in 1..40u32) {
            let mut values = ValueHistogram::default();
            seen.into_iter().for_each(|(value, count)| values.record(value, count));
            let before = values.clone();
            Decay::of_half_life(half_life).histogram(&mut values);
            prop_assert!(values.clone().is_well_formed());
            // Each count is at most 1 off, and so is the total, unless all counts are tiny.
            let tolerance = 2 + 1000 * (ValueHistogram::SLOTS as u64 + 1) / values.total.max(1);
            for slot in &before.slots {
                prop_assert!(u64::from(before.share(slot.value).abs_diff(values.share(slot.value))) <= tolerance);
            }
        }

        #[test]
        fn ageing_never_raises_a_count(mut profile in profile(), half_life in 1..40u32) {
            let before = profile.clone();
            profile.age(Decay::of_half_life(half_life));
            for (old, new) in before.functions.iter().zip(&profile.functions) {
                prop_assert!(new.calls <= old.calls && (new.calls > 0) == (old.calls > 0));
                for (new, old) in new.blocks.iter().zip(&old.blocks) {
                    prop_assert!(new <= old && (*new > 0) == (*old > 0));
                }
            }
        }
    }
}
