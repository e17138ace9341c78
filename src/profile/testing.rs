//! Random records for the tests of this layer.

use super::encode::{CRC_AT, LENGTH_AT};
use super::*;
use alloc::vec::Vec;
use proptest::collection::vec;
use proptest::prelude::*;

/// Small, extreme and any numbers.
pub fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..9u64, 2 => Just(u64::MAX), 1 => u64::MAX - 9..u64::MAX, 1 => Just(1 << 63), 1 => any::<u64>()]
}

/// `body` as bytes that begin as a profile does, with the right length and checksum.
pub fn forge(body: &[u8]) -> Vec<u8> {
    let mut bytes = Profile::default().encode().expect("there is memory");
    bytes.truncate(LENGTH_AT);
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    let crc = crc32fast::hash(&bytes[LENGTH_AT..]);
    bytes[CRC_AT..LENGTH_AT].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Up to `most` values with counts, some values far more frequent than others.
pub fn seen_values(most: usize) -> impl Strategy<Value = Vec<(u64, u64)>> {
    let value = prop_oneof![3 => 0..4u64, 2 => 0..30u64];
    vec((value, prop_oneof![4 => 1..3u64, 1 => 1..1000u64]), 0..=most)
}

/// A histogram as recording or merging leaves it; counts at times near saturation.
pub fn histogram() -> impl Strategy<Value = ValueHistogram> {
    vec(recorded(), 1..4).prop_map(|parts| {
        let mut sum = ValueHistogram::default();
        parts.iter().for_each(|part| sum.merge(part));
        sum
    })
}

fn recorded() -> impl Strategy<Value = ValueHistogram> {
    let count = prop_oneof![8 => 1..50u64, 1 => Just(u64::MAX - 1)];
    vec((0..14u64, count), 0..30).prop_map(|values| {
        let mut histogram = ValueHistogram::default();
        values.iter().for_each(|&(value, count)| histogram.record(value, count));
        histogram
    })
}

fn site() -> impl Strategy<Value = SiteRecord> {
    let kind = prop_oneof![Just(SiteKind::Size), Just(SiteKind::Target)];
    let callee = proptest::option::of((0..3u64).prop_map(|hash| FunctionKey { hash, ordinal: 0 }));
    let paths = (vec(0..14u64, 0..3), vec(any::<u64>(), 0..3), vec(dropped(), 0..10));
    (kind, callee, histogram(), any::<[u64; 3]>(), paths).prop_map(|(kind, callee, values, counts, paths)| {
        let [address_bits, guards_passed, guards_failed] = counts;
        let (chosen, passes, gone) = paths;
        let dropped = Vec::new();
        let mut site =
            SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, passes, dropped };
        gone.into_iter().for_each(|path| site.drop_path(path));
        site
    })
}

pub fn dropped() -> impl Strategy<Value = Dropped> {
    (0..14u64, 0..1000u32).prop_map(|(value, share)| Dropped { value, share })
}

/// A record with one of few keys, so that two of them often meet.
pub fn function() -> impl Strategy<Value = FunctionRecord> {
    let key = (0..6u64, 0..2u32).prop_map(|(hash, ordinal)| FunctionKey { hash, ordinal });
    (key, any::<u64>(), any::<[u8; 4]>(), vec(any::<u64>(), 0..4), vec(site(), 0..3)).prop_map(
        |(key, calls, sums, blocks, sites)| {
            let [ticks, generic_calls, generic_ticks, code_bytes] = sums.map(u64::from);
            FunctionRecord { key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites }
        },
    )
}

pub fn boot_row() -> impl Strategy<Value = BootRow> {
    (0..20u64, 0..3u64, "[a-z]{0,6}", any::<i32>()).prop_map(|(boot, ticks_program, program, exit_code)| BootRow {
        boot,
        ticks_program,
        program,
        exit_code,
        ..BootRow::default()
    })
}

/// A well-formed profile.
pub fn profile() -> impl Strategy<Value = Profile> {
    let identity = (0..3u64, 0..3u64, any::<u64>());
    (identity, vec(function(), 0..8), vec(boot_row(), 0..8)).prop_map(|(identity, functions, boots)| {
        let (program, cpu, boots_observed) = identity;
        let mut profile = Profile { program, cpu, boots_observed, ..Profile::default() };
        functions.into_iter().for_each(|function| profile.upsert(function));
        boots.into_iter().for_each(|row| profile.push_boot(row));
        profile
    })
}
