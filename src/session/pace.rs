//! When somebody is told how far long work is: not before it has taken half a second without a word, and less often as it goes on.
//!
//! Pure. Key type: [`Pace`]. Neighbours: each face says what is due, in [`words`], in its own way.

use alloc::format;
use alloc::string::String;

use crate::engine::seams::Work;

/// Ticks below which no clock has counted half a second: what it is exactly is asked only after that, for it may have to be found
/// out.
const LEAST_HALF_SECOND: u64 = 1 << 28;

/// What was told, and when.
pub struct Pace {
    /// At most so many half seconds pass from one word to the next.
    longest: u64,
    work: Option<Work>,
    /// Words of somebody else's before, and ticks of the work by then.
    others: u64,
    since: u64,
    /// Ticks of the work at which the next word is due; none before the first.
    next: Option<u64>,
}

impl Pace {
    /// Each word replaces the one before.
    pub const LINE: Self = Self::at_most(1);
    /// Each word is a line that stays: after 10 seconds at most.
    pub const LOG: Self = Self::at_most(20);

    const fn at_most(longest: u64) -> Self {
        Self { longest, work: None, others: 0, since: 0, next: None }
    }

    /// Whether it is time to say how far `work` is that has taken `ticks` so far. `others` counts what else was said or written:
    /// who sees that sees that the machine lives. `half_second` tells how many ticks that is.
    pub fn is_due(&mut self, work: Work, ticks: u64, others: u64, half_second: impl FnOnce() -> u64) -> bool {
        if self.work != Some(work) {
            *self = Self { work: Some(work), others, since: 0, next: None, ..*self };
        } else if self.others != others {
            *self = Self { others, since: ticks, next: None, ..*self };
        }
        let spent = ticks.saturating_sub(self.since);
        if spent < self.next.unwrap_or(LEAST_HALF_SECOND) {
            return false;
        }
        let half_second = half_second();
        if self.next.is_none() && spent < half_second {
            return false;
        }
        self.next = Some(spent.saturating_add(spent.min(half_second.saturating_mul(self.longest))));
        true
    }

    /// What was just said is no word of somebody else's.
    pub fn said(&mut self, others: u64) {
        self.others = others;
    }
}

/// How far `work` is, for people.
pub fn words(work: Work, done: u64, all: u64) -> String {
    match work {
        Work::Decoding => kilobytes("decoding", done, all),
        Work::Compiling => format!("compiling: {done} functions so far, the program has {all}"),
        Work::Preparing => format!("code for the next boot: {done} of {all} functions"),
        Work::Loading => kilobytes("reading the store", done, all),
        Work::Hashing => kilobytes("hashing the program", done, all),
        Work::Saving => kilobytes("saving", done, all),
    }
}

fn kilobytes(what: &str, done: u64, all: u64) -> String {
    format!("{what}: {} of {} kB", done / 1000, all.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SECOND: u64 = 2_000_000_000;

    fn due(pace: &mut Pace, ticks: u64, others: u64) -> bool {
        pace.is_due(Work::Compiling, ticks, others, || SECOND / 2)
    }

    #[test]
    fn the_first_word_comes_after_half_a_second_and_lines_of_a_log_after_twice_the_time() {
        let mut pace = Pace::LOG;
        let tenths = (0..1000).filter(|tenth| due(&mut pace, tenth * SECOND / 10, 0));
        let told: Vec<u64> = tenths.collect();
        assert_eq!(told, [5, 10, 20, 40, 80, 160, 260, 360, 460, 560, 660, 760, 860, 960]);
        let mut pace = Pace::LINE;
        assert!((0..1000).all(|tenth| due(&mut pace, tenth * SECOND / 10, 0) == (tenth > 0 && tenth % 5 == 0)));
    }

    #[test]
    fn who_hears_something_else_is_told_nothing() {
        let mut pace = Pace::LOG;
        assert!((0..1000).all(|tenth| !due(&mut pace, tenth * SECOND / 10, tenth / 4)));
    }

    #[test]
    fn short_work_asks_for_no_clock() {
        let mut pace = Pace::LOG;
        for ticks in 0..LEAST_HALF_SECOND / 1000 {
            assert!(!pace.is_due(Work::Decoding, ticks * 1000, 0, || unreachable!("it may take long to find out")));
        }
    }

    #[test]
    fn other_work_begins_anew() {
        let mut pace = Pace::LOG;
        assert!(!due(&mut pace, 0, 0) && due(&mut pace, SECOND, 0));
        assert!(!pace.is_due(Work::Preparing, SECOND / 3, 0, || SECOND / 2));
        assert!(pace.is_due(Work::Preparing, SECOND, 0, || SECOND / 2));
    }
}
