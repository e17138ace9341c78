//! The bounded history of boots.
//!
//! Kept are the first [`FIRST_ROWS`], which show the curve falling, and the newest [`NEWEST_ROWS`]; rows between are
//! dropped. A row takes about 60 encoded bytes, so the history adds at most some 60 KB to a stored profile.

use super::{BootRow, Profile};

/// Rows kept from the beginning of the history.
const FIRST_ROWS: usize = 8;

/// Rows kept from its end.
const NEWEST_ROWS: usize = 1000;

impl Profile {
    /// Appends the row of the newest boot and drops the oldest one past the bound.
    pub fn push_boot(&mut self, row: BootRow) {
        self.boots.push(row);
        self.bound_boots();
    }

    /// Number of the newest boot recorded; 0 when there is none.
    pub fn last_boot(&self) -> u64 {
        self.boots.iter().map(|row| row.boot).max().unwrap_or(0)
    }

    /// Adds the rows of another profile, in the order of their boot numbers. What is kept of three profiles is the same however
    /// they are put together: it is the first and the newest rows of all.
    pub(super) fn merge_boots(&mut self, others: &[BootRow]) {
        self.boots.extend_from_slice(others);
        self.boots.sort();
        self.bound_boots();
    }

    fn bound_boots(&mut self) {
        if let Some(end) = self.boots.len().checked_sub(NEWEST_ROWS).filter(|&end| end > FIRST_ROWS) {
            self.boots.drain(FIRST_ROWS..end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn history(boots: core::ops::RangeInclusive<u64>) -> Profile {
        let mut profile = Profile::default();
        boots.for_each(|boot| profile.push_boot(BootRow { boot, ..BootRow::default() }));
        profile
    }

    fn numbers(profile: &Profile) -> Vec<u64> {
        profile.boots.iter().map(|row| row.boot).collect()
    }

    #[test]
    fn keeps_every_row_up_to_the_bound() {
        assert_eq!(numbers(&history(1..=1008)), (1..=1008).collect::<Vec<_>>());
    }

    #[test]
    fn keeps_first_and_newest_rows_past_the_bound() {
        let profile = history(1..=3000);
        assert_eq!(numbers(&profile), (1..=8).chain(2001..=3000).collect::<Vec<_>>());
        assert_eq!(profile.last_boot(), 3000);
    }

    #[test]
    fn merged_histories_stay_bounded_and_in_order() {
        let mut profile = history(1..=2000);
        profile.merge(&history(500..=2500));
        assert_eq!(profile.boots.len(), 1008);
        assert!(profile.boots.is_sorted());
        assert_eq!((profile.boots[0].boot, profile.last_boot()), (1, 2500));
    }
}
