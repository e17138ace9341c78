//! Profiles with right checksums that nothing wrote: extreme counts, callees that are nowhere, keys twice, lists of any length.
//! `./just fuzz-parsers` reads many more of them.

use super::testing::{forge, numbers};
use super::*;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;
use proptest::collection::vec;
use proptest::prelude::*;

fn key() -> impl Strategy<Value = FunctionKey> {
    (numbers(), any::<u32>()).prop_map(|(hash, ordinal)| FunctionKey { hash, ordinal })
}

/// Mostly what decoding takes; at times in no order, or with a floor above counts.
fn values() -> impl Strategy<Value = ValueHistogram> {
    (vec((numbers(), numbers()), 0..12), [numbers(), numbers()], 0..8u32).prop_map(
        |(slots, [total, floor], disorder)| {
            let slots = slots.into_iter().map(|(value, count)| ValueCount { value, count });
            let mut values = ValueHistogram { slots: slots.collect(), total, floor };
            if disorder > 0 {
                values.slots.sort_by_key(|slot| slot.value);
                values.slots.dedup_by_key(|slot| slot.value);
                values.slots.retain(|slot| slot.count > 0);
                values.floor = values.slots.iter().map(|slot| slot.count).fold(floor, u64::min);
                values.restore();
            }
            values
        },
    )
}

fn site() -> impl Strategy<Value = SiteRecord> {
    let kind = prop_oneof![Just(SiteKind::Size), Just(SiteKind::Target)];
    let counts = [numbers(), numbers(), numbers()];
    let dropped = vec((numbers(), any::<u32>()).prop_map(|(value, share)| Dropped { value, share }), 0..9);
    let dropped = (dropped, 0..8u32).prop_map(|(mut dropped, disorder)| {
        if disorder > 0 {
            dropped.sort();
            dropped.dedup_by_key(|dropped| dropped.value);
        }
        dropped
    });
    let paths = (vec(numbers(), 0..9), vec(numbers(), 0..9), dropped);
    (kind, proptest::option::of(key()), values(), counts, paths).prop_map(|(kind, callee, values, counts, paths)| {
        let [address_bits, guards_passed, guards_failed] = counts;
        let (chosen, passes, dropped) = paths;
        SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, passes, dropped }
    })
}

fn function() -> impl Strategy<Value = FunctionRecord> {
    let counts = [numbers(), numbers(), numbers(), numbers(), numbers()];
    (key(), counts, vec(numbers(), 0..5), vec(site(), 0..4)).prop_map(|(key, counts, blocks, sites)| {
        let [calls, ticks, generic_calls, generic_ticks, code_bytes] = counts;
        FunctionRecord { key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites }
    })
}

fn row() -> impl Strategy<Value = BootRow> {
    ([numbers(), numbers(), numbers()], any::<i32>(), "\\PC{0,9}").prop_map(|(counts, exit_code, program)| {
        let [boot, generation, ticks_program] = counts;
        BootRow { boot, generation, ticks_program, guards_passed: boot, program, exit_code, ..BootRow::default() }
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    let functions = (vec(function(), 0..5), 0..8u32).prop_map(|(mut functions, disorder)| {
        if disorder > 0 {
            functions.sort_by_key(|function| function.key);
            functions.dedup_by_key(|function| function.key);
        }
        functions
    });
    ([numbers(), numbers(), numbers()], functions, vec(row(), 0..4)).prop_map(|(counts, functions, boots)| {
        let [program, cpu, boots_observed] = counts;
        Profile { program, cpu, boots_observed, functions, boots }
    })
}

/// Where bytes of the body are replaced, and by what: any, or the longest number.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Vec<u8>)>> {
    let bytes = prop_oneof![vec(any::<u8>(), 1..4), Just([&[0xff; 9][..], &[1]].concat())];
    prop_oneof![3 => Just(Vec::new()), 1 => vec((any::<prop::sample::Index>(), bytes), 1..4)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let bytes: Range<u64> = 0..4000;
    prop_oneof![3 => Just(Limits::default()), 1 => (bytes, 0..9usize).prop_map(|(bytes, counters)| Limits { bytes, counters })]
}

/// All that a boot does with what it read.
fn use_up(mut profile: Profile, half_life: u32, room: u64) -> Result<(), TestCaseError> {
    let other = profile.clone();
    profile.merge(&other);
    prop_assert_eq!(Profile::decode(&profile.encode().expect("there is memory")), Ok(profile.clone()));
    profile.narrow();
    profile.age(Decay::of_half_life(half_life));
    profile.push_boot(BootRow { boot: profile.last_boot(), ..BootRow::default() });
    let keys: Vec<FunctionKey> = other.functions.iter().map(|function| function.key).step_by(2).collect();
    if profile.fit_into(room, || keys.iter().copied()).is_ok() {
        let bytes = profile.encode().expect("there is memory");
        prop_assert_eq!(Profile::decode(&bytes), Ok(profile));
    }
    Ok(())
}

proptest! {
    #[test]
    fn absurd_profiles_are_refused_or_used(
        profile in profile(), edits in edits(), limits in limits(), half_life in 0..9u32, room in 0..2000u64,
    ) {
        let mut body = postcard::to_allocvec(&profile).expect("records are always encodable");
        for (at, bytes) in edits {
            let at = at.index(body.len());
            let end = body.len().min(at + 1);
            body.splice(at..end, bytes);
        }
        match Profile::decode_within(&forge(&body), &limits) {
            Ok(decoded) => use_up(decoded.profile, half_life, room)?,
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
