//! What the paths of a site saved: the ticks of the calls that took them, had the libc's own body done these calls, less those
//! of the tests in front of the paths.
//!
//! Key types: [`Bodies`], [`Saved`]. What the body takes for a size is estimated by the instructions of its loop, one tick each:
//! loads, stores, additions, and a comparison with its branch as one. Where the timer saw the body run in earlier
//! boots, that is multiplied by what it took for each instruction then, and so *measured*. What a path takes is always
//! estimated. Neighbour: `show` prints it.

use std::collections::BTreeMap;
use std::fmt;

use bareflow::profile::{FunctionKey, Profile, SiteKind, SiteRecord};

/// Instructions of a test for one value.
const TEST: i64 = 2;
/// Instructions that an indirect call takes more than a direct one: its entry's signature and code are loaded, and the
/// signature is compared.
const INDIRECT: i64 = 4;
/// Instructions of a call: arguments, frame, counter.
const CALL: i64 = 10;

/// Ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    Measured(i64),
    Estimated(i64),
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured(ticks) => f.pad(&ticks.to_string()),
            Self::Estimated(ticks) => f.pad(&format!("~{ticks}")),
        }
    }
}

/// What calls of the libc's bodies took, as far as that was measured.
pub struct Bodies {
    /// Ticks for each instruction of the estimate.
    pace: BTreeMap<FunctionKey, f64>,
}

impl Bodies {
    /// Of what `profile` holds; `name` is that of a function of the libc.
    pub fn of(profile: &Profile, name: impl Fn(FunctionKey) -> String) -> Self {
        // What calls of all sites would take, and how many they are.
        let mut estimates: BTreeMap<FunctionKey, (f64, f64)> = BTreeMap::new();
        for site in profile.functions.iter().flat_map(|function| &function.sites) {
            let Some(callee) = site.callee else { continue };
            let callee_name = name(callee);
            let sum = estimates.entry(callee).or_default();
            for slot in &site.values.slots {
                sum.0 += slot.count as f64 * body(&callee_name, slot.value) as f64;
                sum.1 += slot.count as f64;
            }
        }
        let measured = estimates.into_iter().filter_map(|(callee, (instructions, calls))| {
            let record = profile.find(callee).filter(|record| record.generic_ticks > 0 && instructions > 0.0)?;
            let ticks = record.generic_ticks as f64 / record.generic_calls.max(1) as f64;
            Some((callee, ticks * calls / instructions))
        });
        Self { pace: measured.collect() }
    }

    /// What the paths of `site` saved in the last boot; `callee` names its libc function.
    pub fn saved(&self, site: &SiteRecord, callee: &str) -> Saved {
        let pace = site.callee.and_then(|callee| self.pace.get(&callee));
        let mut ticks = 0;
        // Calls that get as far as the test.
        let mut reached = site.guards_passed.saturating_add(site.guards_failed);
        for (value, passes) in site.chosen.iter().zip(&site.passes) {
            let each = match site.kind {
                SiteKind::Target => INDIRECT,
                SiteKind::Size => (body(callee, *value) as f64 * pace.unwrap_or(&1.0)) as i64 - path(callee, *value),
            };
            ticks = add_product(ticks, *passes, each);
            ticks = add_product(ticks, reached, -TEST);
            reached = reached.saturating_sub(*passes);
        }
        if pace.is_some() { Saved::Measured(ticks) } else { Saved::Estimated(ticks) }
    }
}

fn add_product(sum: i64, count: u64, each: i64) -> i64 {
    sum.saturating_add(i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(each))
}

/// Instructions of a call of the optimised body.
fn body(callee: &str, bytes: u64) -> i64 {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let loops = |each: i64| bytes.saturating_mul(each).saturating_add(CALL);
    match callee {
        "memcpy" | "memmove" => loops(5),
        "memset" => loops(3),
        "memcmp" => loops(8),
        // No loop: a block of a list of its size.
        _ => CALL + 14,
    }
}

/// Instructions of a path: moves of 32 bytes; comparisons of 8; a block of a list that is known beforehand.
fn path(callee: &str, bytes: u64) -> i64 {
    let pieces = |width: u64| i64::try_from(bytes.div_ceil(width)).unwrap_or(i64::MAX);
    match callee {
        "memcpy" | "memmove" => 2 * pieces(32),
        "memset" => pieces(32) + 1,
        "memcmp" => 3 * pieces(8) + 2,
        _ => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bareflow::profile::{FunctionRecord, ValueHistogram};

    const CALLEE: FunctionKey = FunctionKey { hash: 1, ordinal: 0 };

    fn site(kind: SiteKind, chosen: &[u64], passes: &[u64], guards_failed: u64) -> SiteRecord {
        let mut values = ValueHistogram::default();
        chosen.iter().zip(passes).for_each(|(value, passes)| values.record(*value, *passes));
        SiteRecord {
            callee: (kind == SiteKind::Size).then_some(CALLEE),
            values,
            guards_passed: passes.iter().fold(0, |sum, passes| sum.saturating_add(*passes)),
            guards_failed,
            chosen: chosen.to_vec(),
            passes: passes.to_vec(),
            ..SiteRecord::unseen(kind)
        }
    }

    /// What `site` saved where it is all there is, and the body took so many ticks in ten calls.
    fn saved(site: SiteRecord, callee: &str, generic_ticks: u64) -> Saved {
        let libc = FunctionRecord { key: CALLEE, generic_calls: 10, generic_ticks, ..FunctionRecord::default() };
        let caller = FunctionRecord { sites: vec![site.clone()], ..FunctionRecord::default() };
        let profile = Profile { functions: vec![caller, libc], ..Profile::default() };
        Bodies::of(&profile, |_| callee.to_string()).saved(&site, callee)
    }

    #[test]
    fn a_measured_body_is_what_passing_calls_did_without_and_tests_are_what_all_calls_pay() {
        // The body takes 330 instructions, and 170.
        let both = site(SiteKind::Size, &[64, 32], &[50, 50], 10);
        let expected = 50 * (660 - 4) + 50 * (340 - 2) - 2 * (110 + 60);
        assert_eq!(saved(both, "memcpy", 10 * 500), Saved::Measured(expected));
    }

    #[test]
    fn what_nobody_measured_is_estimated() {
        let copies = site(SiteKind::Size, &[512], &[1_000], 0);
        assert_eq!(saved(copies, "memcpy", 0), Saved::Estimated(1_000 * (2_570 - 32 - 2)));
        let blocks = site(SiteKind::Size, &[16], &[100], 0);
        assert_eq!(saved(blocks, "malloc", 0), Saved::Estimated(100 * (24 - 11 - 2)));
        let calls = site(SiteKind::Target, &[7], &[100], 50);
        assert_eq!(saved(calls, "", 0), Saved::Estimated(100 * 4 - 150 * 2));
    }

    #[test]
    fn paths_that_do_not_pass_cost_ticks() {
        let copies = site(SiteKind::Size, &[8, 16], &[0, 0], 1_000);
        assert_eq!(saved(copies, "memcpy", 0).to_string(), "~-4000");
    }

    #[test]
    fn absurd_counts_do_no_harm() {
        let site = site(SiteKind::Size, &[u64::MAX, 1], &[u64::MAX / 2, u64::MAX / 2], u64::MAX);
        saved(site, "memcpy", u64::MAX);
    }
}
