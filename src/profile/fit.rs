//! Making a profile fit into a store that is too small for all of it.
//!
//! Left out are, in this order and only as far as needed: records of functions that the program no longer has, rows of old
//! boots beyond a quarter of the room, and records of the functions that ran least for the bytes that they take.

use super::encode::HEADER_BYTES;
use super::{FunctionKey, FunctionRecord, Profile, ProfileError};
use alloc::vec::Vec;
use postcard::ser_flavors::Size;
use serde::Serialize;

/// What a profile lost to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Records of functions that the program does not have.
    pub gone: usize,
    /// Records of functions that it has, of so many known.
    pub least_used: usize,
    pub known: usize,
    /// Rows of boots.
    pub rows: usize,
    /// Encoded size of the profile with all of that.
    pub whole_bytes: u64,
}

/// The part of the room that rows of boots may take where there is not enough.
const SHARE_OF_ROWS: u64 = 4;

/// Most bytes of an encoded length.
const LENGTH_BYTES: u64 = 10;

/// What decides whether a record stays.
struct Candidate {
    index: usize,
    bytes: u64,
    current: bool,
    /// Runs of the function and its blocks for the bytes of the record, in units of 2^-32.
    use_per_byte: u128,
}

impl Profile {
    /// Leaves out what it takes for the encoded profile to have at most `room_bytes`; what that was, if anything. `current`
    /// are the keys of the functions that the program has. Equal profiles lose the same.
    pub fn fit_into<K>(&mut self, room_bytes: u64, current: impl FnOnce() -> K) -> Result<Option<LeftOut>, ProfileError>
    where
        K: Iterator<Item = FunctionKey>,
    {
        let whole_bytes = HEADER_BYTES as u64 + encoded_bytes(self);
        if whole_bytes <= room_bytes {
            return Ok(None);
        }
        let mut candidates = self.candidates(current())?;
        let current_bytes: u64 = candidates.iter().filter(|candidate| candidate.current).map(|it| it.bytes).sum();
        let fits = self.bytes_beside_functions() + current_bytes <= room_bytes;
        let rows = if fits { 0 } else { self.drop_old_rows(room_bytes / SHARE_OF_ROWS) };
        // The most useful first; of equally useful ones the one with the lower key.
        candidates.sort_unstable_by(|a, b| {
            (b.current, b.use_per_byte).cmp(&(a.current, a.use_per_byte)).then(a.index.cmp(&b.index))
        });
        let mut left_out = LeftOut { rows, whole_bytes, ..LeftOut::default() };
        let mut room = room_bytes.saturating_sub(self.bytes_beside_functions());
        candidates.retain(|candidate| {
            left_out.known += usize::from(candidate.current);
            if let Some(rest) = room.checked_sub(candidate.bytes) {
                room = rest;
                return false;
            }
            *(if candidate.current { &mut left_out.least_used } else { &mut left_out.gone }) += 1;
            true
        });
        candidates.sort_unstable_by_key(|candidate| candidate.index);
        let mut dropped = candidates.iter().map(|candidate| candidate.index).peekable();
        let mut index = 0..;
        self.functions.retain(|_| dropped.next_if_eq(&index.next().unwrap_or(usize::MAX)).is_none());
        Ok(Some(left_out))
    }

    /// Most bytes that the profile would have without functions.
    fn bytes_beside_functions(&mut self) -> u64 {
        let functions = core::mem::take(&mut self.functions);
        let bytes = HEADER_BYTES as u64 + encoded_bytes(self) + LENGTH_BYTES;
        self.functions = functions;
        bytes
    }

    /// Drops the oldest rows until the rest takes at most `most_bytes`, but never the newest; how many went.
    fn drop_old_rows(&mut self, most_bytes: u64) -> usize {
        let mut bytes = 0;
        let newest = self.boots.iter().rev().take_while(|row| {
            bytes += encoded_bytes(row);
            bytes <= most_bytes
        });
        let dropped = self.boots.len() - newest.count().max(1).min(self.boots.len());
        self.boots.drain(..dropped);
        dropped
    }

    fn candidates(&self, current: impl Iterator<Item = FunctionKey>) -> Result<Vec<Candidate>, ProfileError> {
        let mut candidates = Vec::new();
        let needed_bytes = (self.functions.len() * size_of::<Candidate>()) as u64;
        let reserved = candidates.try_reserve_exact(self.functions.len());
        reserved.map_err(|_| ProfileError::OutOfMemory { needed_bytes })?;
        candidates.extend(self.functions.iter().enumerate().map(|(index, record)| {
            let bytes = encoded_bytes(record);
            Candidate { index, bytes, current: false, use_per_byte: (runs(record) << 32) / u128::from(bytes.max(1)) }
        }));
        for index in current.filter_map(|key| self.functions.binary_search_by_key(&key, |record| record.key).ok()) {
            candidates[index].current = true;
        }
        Ok(candidates)
    }
}

/// How often the function and its blocks were seen to run.
fn runs(record: &FunctionRecord) -> u128 {
    record.blocks.iter().fold(u128::from(record.calls), |sum, count| sum + u128::from(*count))
}

/// Bytes of `record` in the wire format.
pub fn encoded_bytes(record: &impl Serialize) -> u64 {
    // Fails only on sequences of unknown length, which records do not have.
    postcard::serialize_with_flavor(record, Size::default()).map_or(0, |bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::super::testing::profile;
    use super::super::{BootRow, FunctionRecord};
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn key(hash: u64) -> FunctionKey {
        FunctionKey { hash, ordinal: 0 }
    }

    /// A function of about a hundred bytes for each of `calls`.
    fn functions(calls: &[u64]) -> Profile {
        let record = |(hash, calls): (u64, &u64)| FunctionRecord {
            key: key(hash),
            calls: *calls,
            blocks: vec![1; 100],
            ..FunctionRecord::default()
        };
        Profile { functions: (0..).zip(calls).map(record).collect(), ..Profile::default() }
    }

    fn keys(profile: &Profile) -> Vec<u64> {
        profile.functions.iter().map(|function| function.key.hash).collect()
    }

    fn len(profile: &Profile) -> u64 {
        profile.encode().expect("there is memory").len() as u64
    }

    #[test]
    fn a_profile_that_fits_is_left_alone() {
        let mut profile = functions(&[1, 2, 3]);
        let whole = len(&profile);
        assert_eq!(profile.fit_into(whole, core::iter::empty), Ok(None));
        assert_eq!(len(&profile), whole);
    }

    #[test]
    fn functions_that_are_gone_give_way_before_those_that_ran_least() {
        let all = functions(&[50, 4000, 60, 70]);
        let whole_bytes = len(&all);
        let current = || [0, 2, 3].map(key).into_iter();
        let mut less = all.clone();
        let expected = LeftOut { gone: 1, least_used: 0, known: 3, rows: 0, whole_bytes };
        assert_eq!(less.fit_into(whole_bytes - 50, current), Ok(Some(expected)));
        assert_eq!(keys(&less), [0, 2, 3]);
        let mut least = all.clone();
        let expected = LeftOut { least_used: 1, ..expected };
        assert_eq!(least.fit_into(whole_bytes - 150, current), Ok(Some(expected)));
        assert_eq!(keys(&least), [2, 3]);
    }

    #[test]
    fn old_rows_give_way_beyond_a_quarter_of_the_room_and_the_newest_stays() {
        let mut profile = functions(&[9; 20]);
        (1..=500).for_each(|boot| profile.push_boot(BootRow { boot, ..BootRow::default() }));
        let left_out = profile.fit_into(4096, || (0..20).map(key)).expect("there is memory").expect("it was larger");
        assert!(left_out.rows > 400 && profile.boots.len() > 10 && left_out.least_used == 0, "{left_out:?}");
        assert_eq!(profile.last_boot(), 500);
        profile.fit_into(60, core::iter::empty).expect("there is memory");
        assert_eq!((profile.boots.len(), profile.last_boot()), (1, 500));
    }

    proptest! {
        #[test]
        fn what_is_left_fits_and_is_part_of_the_whole(all in profile(), share in 0..120u64, current in 0..7u64) {
            let room = (len(&all) * share / 100).max(80);
            let mut rest = all.clone();
            let left_out = rest.fit_into(room, || (0..current).map(key)).expect("there is memory");
            prop_assert_eq!(left_out.is_none(), len(&all) <= room);
            prop_assert!(len(&rest) <= room || rest.functions.is_empty());
            prop_assert!(rest.functions.iter().all(|function| all.functions.contains(function)));
            let lost = left_out.unwrap_or_default();
            prop_assert_eq!(rest.functions.len() + lost.gone + lost.least_used, all.functions.len());
            prop_assert_eq!(rest.boots.len() + lost.rows, all.boots.len());
        }
    }
}
