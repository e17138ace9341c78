//! Which tier a function deserves: pure functions of what was recorded.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::engine::layout::site;
pub use crate::engine::translate::Tier;
use crate::profile::{Dropped, FunctionRecord, ONE_BOOT, SiteRecord, ValueCount};

/// When functions are promoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// While the program runs, and at boot.
    Flight,
    /// Only between boots.
    Boots,
}

/// The call counts that promote a function. Those of [`Thresholds::default`] are few, for boots after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Calls to be optimised.
    pub optimise: u64,
    /// Calls to be specialised in flight.
    pub specialise: u64,
    /// Calls after which the values are looked at once more.
    pub settle: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { optimise: 100, specialise: 1_000, settle: 10_000 }
    }
}

/// Why a text has no [`Thresholds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThresholdsError;

impl fmt::Display for ThresholdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not three rising numbers such as 100,1000,10000")
    }
}

impl core::error::Error for ThresholdsError {}

/// Three numbers that do not fall.
impl FromStr for Thresholds {
    type Err = ThresholdsError;

    fn from_str(text: &str) -> Result<Self, ThresholdsError> {
        let numbers: Result<Vec<u64>, _> = text.split(',').map(str::parse).collect();
        match numbers.map_err(|_| ThresholdsError)?[..] {
            [optimise, specialise, settle] if optimise <= specialise && specialise <= settle => {
                Ok(Self { optimise, specialise, settle })
            }
            _ => Err(ThresholdsError),
        }
    }
}

/// Executions of a loop header that count as much as one call: a loop of this many rounds is worth optimising.
pub const LOOP_ROUNDS_PER_CALL: u64 = 100;

/// When a function is promoted in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    pub calls: Thresholds,
    /// Rounds of one loop that are as good as `calls.optimise` calls.
    pub rounds: u64,
}

/// A body as far as compiling it costs something and running it does.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// Bytes of WebAssembly.
    pub bytes: usize,
    /// Loops and arms of conditionals.
    pub blocks: usize,
    /// A kernel does all that the body does.
    pub is_kernel: bool,
}

/// Ticks that optimising a body takes, and those for each of its bytes: retired instructions, as callgrind counts them, where all
/// functions that Boolector and resvg call are optimised (6,300 to 7,100 a byte, all included), and for the smallest ones.
const OPTIMISE_TICKS: u64 = 150_000;
const OPTIMISE_TICKS_PER_BYTE: u64 = 6_500;

/// Ticks that putting a kernel in place of a body takes.
const KERNEL_TICKS: u64 = 250_000;

/// Runs after which the values are looked at once more, in terms of those that promoted.
const SETTLE_FACTOR: u64 = 10;

impl InFlight {
    /// By the calls that `thresholds` have.
    pub const fn at(calls: Thresholds) -> Self {
        Self { calls, rounds: calls.optimise.saturating_mul(LOOP_ROUNDS_PER_CALL) }
    }

    /// Where it pays, if the boot goes on for as long as it has run: when better code would have saved as much already as making
    /// it takes.
    ///
    /// A body with `n` blocks is taken for `n + 1` parts of one length, of which a call runs one, and a round of a loop one. Better
    /// code is taken to save a tick for each byte that runs: of sample and real programs, that comes out fastest.
    pub fn where_it_pays(body: Weight) -> Self {
        let saved = (body.bytes / (body.blocks + 1)).max(1) as u64;
        let costs =
            if body.is_kernel { KERNEL_TICKS } else { OPTIMISE_TICKS + OPTIMISE_TICKS_PER_BYTE * body.bytes as u64 };
        let runs = costs / saved;
        Self { calls: Thresholds { optimise: runs, specialise: runs, settle: runs * SETTLE_FACTOR }, rounds: runs }
    }
}

/// A value must make up this many percent of a site's calls to be specialised for. .NET uses the same share.
pub const DOMINANT_PERCENT: u64 = 50;

/// A value that the site is specialised for stays so down to this share: what is counted by samples varies, and a decision
/// must not change for that.
const STILL_DOMINANT_PERCENT: u64 = 40;

/// A site needs this many recorded calls before a decision at boot.
pub const SITE_MINIMUM: u64 = 64;

/// How hot a function is, in calls.
pub fn weight(record: &FunctionRecord) -> u64 {
    let rounds = record.blocks.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    record.calls.saturating_add(rounds / LOOP_ROUNDS_PER_CALL)
}

/// A function stays hot at boot down to this share of the threshold, in percent: aged counts are rounded down, and a
/// decision must not change for that.
const STILL_HOT_PERCENT: u64 = 90;

/// Whether a function whose record stands for `boots_observed` thousandths of a boot is worth the optimiser: per boot,
/// since code is compiled anew at each.
pub fn is_hot(record: &FunctionRecord, boots_observed: u64, thresholds: &Thresholds) -> bool {
    let seen = u128::from(weight(record)) * u128::from(ONE_BOOT) * 100;
    seen >= u128::from(thresholds.optimise) * u128::from(boots_observed.max(ONE_BOOT)) * u128::from(STILL_HOT_PERCENT)
}

/// The value that this site is worth specialising for, given at least `minimum` recorded calls.
///
/// A site that was specialised before records only its misses; the engine adds the passes of its guard to the
/// histogram, so that the shares stay those of all calls.
pub fn dominant_value(site: &SiteRecord, minimum: u64) -> Option<u64> {
    if site.values.total < minimum.max(1) {
        return None;
    }
    let (top, _) = site.values.dominant().filter(|(top, _)| !is_dropped(site, top.value))?;
    let percent = if site.chosen.contains(&top.value) { STILL_DOMINANT_PERCENT } else { DOMINANT_PERCENT };
    let share = u128::from(top.count) * 100;
    (share >= u128::from(site.values.total) * u128::from(percent)).then_some(top.value)
}

/// A size is tested for if at least this many percent of the calls that reach the test have it, for a test costs two
/// instructions, and a path saves dozens ...
pub const PASSING_PERCENT: u64 = 25;

/// ... and this many percent of all calls.
const FREQUENT_PERCENT: u64 = 16;

/// A path that is there goes only below this many percent of all calls: what is counted by samples varies, and a decision
/// must not change for that.
const STILL_FREQUENT_PERCENT: u64 = 15;

/// A path that was dropped is tried again once the share of its value has changed by so many thousandths of all calls: then
/// the site does something else.
const CHANGED_SHARE: u32 = 200;

/// Sizes that vary are guessed wrongly at every test, and a general path that is chosen last pays for all of them: single
/// sizes are tested for only where together they are at least this many percent of the calls ...
const COVERED_PERCENT: u64 = 80;

/// ... and no more where they are less than this.
const STILL_COVERED_PERCENT: u64 = 70;

/// The values that this site is worth specialising for, given at least `minimum` recorded calls: those that have a path,
/// most frequent first, each judged by its share of the calls that none before it takes.
pub fn frequent_values(site: &SiteRecord, minimum: u64, has_path: impl Fn(u64) -> bool) -> Vec<u64> {
    let total = u128::from(site.values.total);
    let mut left = total;
    if site.values.total < minimum.max(1) {
        return Vec::new();
    }
    let passes = |slot: &&ValueCount| {
        let share = u128::from(slot.count) * 100;
        let worth = if site.chosen.contains(&slot.value) {
            share >= total * u128::from(STILL_FREQUENT_PERCENT)
        } else {
            share >= left * u128::from(PASSING_PERCENT) && share >= total * u128::from(FREQUENT_PERCENT)
        };
        let tested = worth && has_path(slot.value) && !is_dropped(site, slot.value);
        if tested {
            left = left.saturating_sub(u128::from(slot.count));
        }
        tested
    };
    let worth: Vec<&ValueCount> = site.values.slots.iter().filter(passes).take(site::PATHS).collect();
    let covered = worth.iter().fold(0_u128, |sum, slot| sum + u128::from(slot.count));
    let percent = if site.chosen.is_empty() { COVERED_PERCENT } else { STILL_COVERED_PERCENT };
    let enough = covered * 100 >= u128::from(site.values.total) * u128::from(percent);
    if enough { worth.iter().map(|slot| slot.value).collect() } else { Vec::new() }
}

/// Drops the paths that the last boot tested for in vain: the histogram cannot know which calls get as far as a path, since it
/// counts those of all code of the site, and of earlier boots. Forgets what was dropped before the site changed.
pub fn judge_paths(site: &mut SiteRecord) {
    let calls = site.guards_passed.saturating_add(site.guards_failed);
    let fails = |passes: u64| u128::from(passes) * 100 < u128::from(calls) * u128::from(STILL_FREQUENT_PERCENT);
    let (values, dropped) = (&site.values, &mut site.dropped);
    dropped.retain(|known| values.share(known.value).abs_diff(known.share) < CHANGED_SHARE);
    if calls < SITE_MINIMUM {
        return;
    }
    let failing = site.chosen.iter().zip(&site.passes).filter(|(_, passes)| fails(**passes));
    let failing: Vec<u64> = failing.map(|(value, _)| *value).collect();
    for value in failing {
        site.drop_path(Dropped { value, share: site.values.share(value) });
    }
}

/// Whether the path of `value` was dropped, and the site does what it did then.
fn is_dropped(site: &SiteRecord, value: u64) -> bool {
    let known = site.dropped.iter().find(|known| known.value == value);
    known.is_some_and(|known| site.values.share(value).abs_diff(known.share) < CHANGED_SHARE)
}

/// Calls that no path takes are rare if they are at most this many percent: the call that keeps all registers takes about
/// ninety instructions more, and saves the loop around it a few.
const RARE_PERCENT: u64 = 3;

/// Whether `values` are all but a few of the values of this site.
pub fn others_are_rare(site: &SiteRecord, values: &[u64]) -> bool {
    let left = u128::from(site.values.without(values).total);
    left * 100 <= u128::from(site.values.total) * u128::from(RARE_PERCENT)
}

/// A function that earlier boots know is compiled again in flight only if it runs so many times as often as in an average one of
/// them: they decided by that how it is compiled.
const UNUSUAL_FACTOR: u128 = 4;

/// Calls, and rounds of one loop, that are unusual for a function whose record stands for `boots_observed` thousandths of a
/// boot.
pub fn unusual(record: &FunctionRecord, boots_observed: u64) -> (u64, u64) {
    let times = |count: u64| {
        let scaled = u128::from(count) * u128::from(ONE_BOOT) * UNUSUAL_FACTOR;
        u64::try_from(scaled.div_ceil(u128::from(boots_observed.max(ONE_BOOT)))).unwrap_or(u64::MAX)
    };
    (times(record.calls), times(record.blocks.iter().copied().max().unwrap_or_default()))
}

/// Boots that code for later ones is taken to be used for.
const BOOTS_IN_USE: u64 = 8;

/// Whether a function of this record runs so often that other optimised code is made of it for the boots to come: that is taken to
/// save as much as optimised code would save in flight.
pub fn is_worth_another_code(record: &FunctionRecord, boots_observed: u64, in_flight: &InFlight) -> bool {
    let enough = |seen: u64, wanted: u64| {
        let seen = u128::from(seen) * u128::from(ONE_BOOT) * u128::from(BOOTS_IN_USE);
        seen >= u128::from(wanted) * u128::from(boots_observed.max(ONE_BOOT))
    };
    let rounds = record.blocks.iter().copied().max().unwrap_or_default();
    enough(record.calls, in_flight.calls.optimise) || enough(rounds, in_flight.rounds)
}

/// Calls at which code asks for promotion next, given how often it was called.
pub fn next_threshold(calls: u64, tier: Tier, thresholds: &Thresholds) -> u64 {
    let first = if tier == Tier::Baseline { thresholds.optimise } else { thresholds.specialise };
    [first, thresholds.specialise, thresholds.settle].into_iter().find(|at| *at > calls).unwrap_or(u64::MAX)
}

/// A frame of the baseline is large from here on: it may be more than some tens of times as large as that of other engines'
/// code, and so may a stack have to be.
pub const LARGE_FRAME_BYTES: u32 = 1 << 10;

/// What calls of one function may take of the stack by large frames before somebody looks how deep it is.
const LARGE_FRAMES_BYTES: u32 = 128 << 10;

/// A program that uses so much of its stack while it calls a function with a large frame may be recursive.
pub const DEEP_STACK_BYTES: u64 = 64 << 10;

/// Calls of a function with such a frame after which the depth of the stack decides whether it is promoted: at most so many
/// more calls of it can be active.
pub fn calls_between_looks(frame_bytes: u32) -> u64 {
    u64::from(LARGE_FRAMES_BYTES / frame_bytes.max(1)).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{SiteKind, ValueHistogram};

    fn site(values: &[(u64, u64)]) -> SiteRecord {
        let mut histogram = ValueHistogram::default();
        for (value, count) in values {
            histogram.record(*value, *count);
        }
        SiteRecord { values: histogram, ..SiteRecord::unseen(SiteKind::Size) }
    }

    fn record(calls: u64, blocks: &[u64]) -> FunctionRecord {
        FunctionRecord { calls, blocks: blocks.to_vec(), ..FunctionRecord::default() }
    }

    #[test]
    fn cold_functions_stay_in_the_baseline() {
        assert!(!is_hot(&record(89, &[]), ONE_BOOT, &Thresholds::default()));
        assert!(is_hot(&record(90, &[]), ONE_BOOT, &Thresholds::default()));
    }

    #[test]
    fn many_boots_do_not_make_a_function_hot_that_none_of_them_did() {
        assert!(!is_hot(&record(600, &[]), 10 * ONE_BOOT, &Thresholds::default()));
        assert!(is_hot(&record(1_000, &[]), 10 * ONE_BOOT, &Thresholds::default()));
    }

    #[test]
    fn one_call_with_a_long_loop_is_hot() {
        assert!(!is_hot(&record(1, &[8_800]), ONE_BOOT, &Thresholds::default()));
        assert!(is_hot(&record(1, &[9_900]), ONE_BOOT, &Thresholds::default()));
        assert!(is_hot(&record(u64::MAX, &[u64::MAX, u64::MAX]), ONE_BOOT, &Thresholds::default()));
    }

    #[test]
    fn a_value_dominates_from_half_of_the_calls_on() {
        assert_eq!(dominant_value(&site(&[(512, 500), (24, 300), (8, 200)]), SITE_MINIMUM), Some(512));
        assert_eq!(dominant_value(&site(&[(512, 499), (24, 301), (8, 200)]), SITE_MINIMUM), None);
    }

    #[test]
    fn a_value_that_is_chosen_dominates_from_two_fifths_on() {
        let mut record = site(&[(512, 400), (24, 350), (8, 250)]);
        assert_eq!(dominant_value(&record, SITE_MINIMUM), None);
        record.chosen = alloc::vec![24];
        assert_eq!(dominant_value(&record, SITE_MINIMUM), None, "another one is more frequent");
        record.chosen = alloc::vec![512];
        assert_eq!(dominant_value(&record, SITE_MINIMUM), Some(512));
        record.values.record(8, 20);
        assert_eq!(dominant_value(&record, SITE_MINIMUM), None);
    }

    #[test]
    fn sizes_are_tested_while_enough_of_the_remaining_calls_have_them() {
        let sizes = |values: &[(u64, u64)]| frequent_values(&site(values), SITE_MINIMUM, |_| true);
        assert_eq!(sizes(&[(24, 400), (304, 330), (512, 200), (9, 10), (10, 10), (11, 50)]), [24, 304, 512]);
        assert_eq!(sizes(&[(512, 25), (24, 20), (8, 19), (1, 18), (2, 18)]), [512, 24, 8, 1]);
        assert_eq!(
            sizes(&[(512, 600), (24, 50), (8, 50), (1, 50), (2, 50), (3, 50), (4, 50), (5, 50), (6, 50)]),
            [0; 0]
        );
        assert_eq!(sizes(&[(512, 240), (24, 200), (8, 200), (1, 180), (2, 180)]), [0; 0]);
        assert_eq!(sizes(&[(512, SITE_MINIMUM - 1)]), [0; 0]);
    }

    #[test]
    fn a_size_tested_for_already_is_kept_longer() {
        let mut record = site(&[(512, 60), (24, 15), (8, 5), (1, 5), (2, 5), (3, 5), (4, 5)]);
        let sizes = |record: &SiteRecord| frequent_values(record, SITE_MINIMUM, |_| true);
        assert_eq!(sizes(&record), [0; 0]);
        record.chosen = alloc::vec![512, 24];
        assert_eq!(sizes(&record), [512, 24]);
    }

    #[test]
    fn sizes_without_a_path_do_not_make_others_frequent() {
        // Nine of ten calls reach the test for 24 as well, for nothing is done for 100 bytes.
        let record = site(&[(100, 900), (24, 30), (8, 30), (9, 40)]);
        assert_eq!(frequent_values(&record, SITE_MINIMUM, |size| size <= 32), [0; 0]);
    }

    #[test]
    fn a_path_that_does_not_pass_is_dropped_until_the_site_changes() {
        let mut record = site(&[(24, 500), (8, 400), (16, 100)]);
        let sizes = |record: &SiteRecord| frequent_values(record, SITE_MINIMUM, |_| true);
        (record.chosen, record.passes) = (alloc::vec![24, 8], alloc::vec![850, 149]);
        (record.guards_passed, record.guards_failed) = (999, 1);
        judge_paths(&mut record);
        assert_eq!(record.dropped, [Dropped { value: 8, share: 400 }]);
        assert_eq!(sizes(&record), [0; 0], "24 alone is half of the calls");
        record.values.record(24, 700);
        assert_eq!(sizes(&record), [24]);
        record.values.record(8, 1_550);
        (record.guards_passed, record.guards_failed) = (0, 0);
        judge_paths(&mut record);
        assert_eq!(sizes(&record), [8, 24], "now most are of 8 bytes: {record:?}");
    }

    #[test]
    fn an_indirect_call_is_not_guessed_where_guesses_failed() {
        let mut record = site(&[(3, 900), (4, 100)]);
        (record.chosen, record.passes, record.guards_failed) = (alloc::vec![3], alloc::vec![0], 5_000);
        assert_eq!(dominant_value(&record, SITE_MINIMUM), Some(3));
        judge_paths(&mut record);
        assert_eq!(dominant_value(&record, SITE_MINIMUM), None);
    }

    #[test]
    fn what_few_calls_have_is_rare() {
        let record = site(&[(24, 500), (512, 470), (1, 20), (2, 10)]);
        assert!(others_are_rare(&record, &[24, 512]) && others_are_rare(&record, &[24, 512, 1, 2]));
        assert!(!others_are_rare(&record, &[24]) && !others_are_rare(&record, &[24, 1, 2]));
    }

    #[test]
    fn a_few_calls_decide_nothing() {
        assert_eq!(dominant_value(&site(&[(512, SITE_MINIMUM - 1)]), SITE_MINIMUM), None);
        assert_eq!(dominant_value(&site(&[(512, SITE_MINIMUM)]), SITE_MINIMUM), Some(512));
        assert_eq!(dominant_value(&site(&[]), 0), None);
    }

    #[test]
    fn a_function_is_promoted_once_it_would_have_won_what_that_costs() {
        let runs = |bytes, blocks| {
            let in_flight = InFlight::where_it_pays(Weight { bytes, blocks, is_kernel: false });
            assert_eq!(in_flight.rounds, in_flight.calls.optimise);
            in_flight.rounds
        };
        // A byte costs 6,500 ticks and saves one each time; what each function costs is shared by its bytes.
        assert_eq!(runs(1_000, 0), 6_650);
        assert_eq!(runs(100, 0), 8_000);
        assert_eq!(runs(100, 3), 4 * 8_000, "a round runs a quarter of it");
        assert_eq!(runs(0, 0), OPTIMISE_TICKS);
        let kernel = InFlight::where_it_pays(Weight { bytes: 100, blocks: 3, is_kernel: true });
        assert_eq!(kernel.rounds, 10_000);
    }

    #[test]
    fn other_optimised_code_is_made_for_what_runs_often() {
        let calls = Thresholds { optimise: 8_000, ..Thresholds::default() };
        let in_flight = InFlight { calls, rounds: 8_000 };
        let is_worth_it = |record: &FunctionRecord| is_worth_another_code(record, 2 * ONE_BOOT, &in_flight);
        assert!(is_worth_it(&record(2_000, &[])) && is_worth_it(&record(1, &[5, 2_000])));
        assert!(!is_worth_it(&record(1_999, &[1_999])) && !is_worth_it(&record(0, &[])));
    }

    #[test]
    fn what_is_known_is_unusual_at_four_times_the_average() {
        assert_eq!(unusual(&record(3_000, &[10, 700]), 2 * ONE_BOOT), (6_000, 1_400));
        assert_eq!(unusual(&record(10, &[]), 3 * ONE_BOOT), (14, 0));
        assert_eq!(unusual(&record(u64::MAX, &[u64::MAX]), 0), (u64::MAX, u64::MAX));
    }

    #[test]
    fn thresholds_are_taken_in_turn() {
        let thresholds = Thresholds::default();
        assert_eq!(next_threshold(0, Tier::Baseline, &thresholds), 100);
        assert_eq!(next_threshold(0, Tier::Optimised, &thresholds), 1_000);
        assert_eq!(next_threshold(1_000, Tier::Optimised, &thresholds), 10_000);
        assert_eq!(next_threshold(10_000, Tier::Specialised, &thresholds), u64::MAX);
    }
}
