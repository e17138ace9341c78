//! Paths of sites: what is counted is what is tested, whatever copies of a site there are, and what does not pass goes.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::decide::tier::{Promotion, Thresholds};
use bareflow::engine::{Engine, Options};
use bareflow::profile::{Profile, SiteRecord};

/// Four callers of `calloc`, with a constant size each; one that takes its size from its argument; and the table.
const BLOCKS: &str = r#"(module
  (import "libc" "calloc" (func $calloc (param i32 i32) (result i32)))
  (import "libc" "free" (func $free (param i32)))
  (memory 2) (table funcref (elem $calloc))
  (type $calloc (func (param i32 i32) (result i32)))
  (func $twelve (result i32) (call $calloc (i32.const 1) (i32.const 12)))
  (func $eight (result i32) (call $calloc (i32.const 2) (i32.const 4)))
  (func $sixteen (result i32) (call $calloc (i32.const 1) (i32.const 16)))
  (func $many (param i32) (result i32) (call $calloc (local.get 0) (i32.const 24)))
  (func $check (param $block i32) (param $bytes i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.add (local.get $block) (local.get $bytes)))))
      (i32.store8 (i32.add (local.get $block) (local.get $bytes)) (i32.const 255))
      (br_if $next (local.get $bytes)))
    (call $free (local.get $block))
    (local.get $sum))
  (func (export "known") (param $n i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (call $check (call $twelve) (i32.const 12))))
      (local.set $sum (i32.add (local.get $sum) (call $check (call $eight) (i32.const 8))))
      (local.set $sum (i32.add (local.get $sum) (call $check (call $sixteen) (i32.const 16))))
      (local.set $sum (i32.add (local.get $sum) (call $check (call $many (i32.const 1)) (i32.const 24))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "by table") (param $n i32) (param $size i32) (result i32)
    (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum)
        (call $check (call_indirect (type $calloc) (i32.const 1) (local.get $size) (i32.const 0)) (local.get $size))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))"#;

const MODES: [Promotion; 2] = [Promotion::Boots, Promotion::Flight];

/// Calls of a site in one boot from which on its paths are judged.
const MANY: u64 = 1_000;

/// The profiles after each of `boots` equal boots.
fn profiles(text: &str, options: Options, boots: usize, work: impl Fn(&mut Engine, usize)) -> Vec<Profile> {
    let mut known = Profile::default();
    let learned = (0..boots).map(|boot| {
        let mut engine = engine::engine(text, options, known.clone());
        engine.warm_up();
        work(&mut engine, boot);
        known = engine.learned();
        known.clone()
    });
    learned.collect()
}

/// The sites with paths that saw many calls in the last boot, with the share of passes in percent.
fn with_paths(profile: &Profile) -> Vec<(&SiteRecord, u64)> {
    let sites = profile.functions.iter().flat_map(|function| &function.sites);
    let calls = |site: &&SiteRecord| site.guards_passed + site.guards_failed >= MANY;
    let with_paths = sites.filter(|site| !site.chosen.is_empty()).filter(calls);
    with_paths.map(|site| (site, site.guards_passed * 100 / (site.guards_passed + site.guards_failed))).collect()
}

#[test]
fn calls_of_a_body_in_place_of_a_call_pass_the_paths_that_they_are_counted_for() {
    for promotion in MODES {
        let options = Options { promotion, thresholds: Some(Thresholds::default()), ..Options::default() };
        let work = |engine: &mut Engine, _| {
            assert_eq!(engine::call(engine, "known", &[5_000]), [0], "calloc gives zeros");
            // Sizes that few calls have, by the function itself.
            assert_eq!(engine::call(engine, "by table", &[3_000, 100]), [0]);
        };
        for (boot, profile) in profiles(BLOCKS, options, 6, work).iter().enumerate().skip(2) {
            for (site, passed) in with_paths(profile) {
                assert!(passed >= 60, "{promotion:?} boot {}: {passed} % passed {site:#?}", boot + 1);
            }
        }
    }
}

/// `move` is a memmove of its argument's size to 8 bytes higher up, `equal` a memcmp.
const BLOCKS_OF_BYTES: &str = r#"(module
  (import "libc" "memcmp" (func $memcmp (param i32 i32 i32) (result i32)))
  (memory 2)
  (func (export "move") (param i32) (memory.copy (i32.const 4104) (i32.const 4096) (local.get 0)))
  (func (export "equal") (param i32) (result i32)
    (call $memcmp (i32.const 4096) (i32.const 16384) (local.get 0))))"#;

/// The site that saw the most.
fn busiest(profile: &Profile) -> SiteRecord {
    let sites = profile.functions.iter().flat_map(|function| &function.sites);
    sites.max_by_key(|site| site.values.total).cloned().expect("there is a site")
}

#[test]
fn a_path_that_overlapping_blocks_cannot_take_is_dropped_and_stays_away() {
    const SIZE: u64 = 4096;
    for promotion in MODES {
        let options = Options { promotion, thresholds: Some(Thresholds::default()), ..Options::default() };
        let profiles = profiles(BLOCKS_OF_BYTES, options, 6, |engine, _| {
            (0..2 * MANY).for_each(|_| drop(engine::call(engine, "move", &[SIZE])));
        });
        let sites: Vec<SiteRecord> = profiles.iter().map(busiest).collect();
        assert!(sites.iter().all(|site| site.guards_passed == 0 && site.values.share(SIZE) == 1000), "{sites:#?}");
        assert!(sites.iter().any(|site| site.chosen == [SIZE] && site.guards_failed > MANY / 2), "{sites:#?}");
        assert!(sites[2..].iter().all(|site| site.chosen.is_empty()), "{promotion:?} {sites:#?}");
    }
}

#[test]
fn a_rare_size_has_no_path_where_the_frequent_one_can_have_none() {
    for promotion in MODES {
        let options = Options { promotion, thresholds: Some(Thresholds::default()), ..Options::default() };
        let work = |engine: &mut Engine, _| {
            // Nothing is done for a hundred bytes alone, so all of these calls would test for 8.
            for number in 0..3 * MANY {
                let size = if number % 30 == 0 { 8 } else { 100 };
                assert_eq!(engine::call(engine, "equal", &[size]), [0]);
            }
        };
        for profile in profiles(BLOCKS_OF_BYTES, options, 4, work) {
            assert_eq!(with_paths(&profile), []);
        }
    }
}

/// Two ways to go, and which is taken is known late.
const ARMS: &str = r#"(module
  (func (export "step") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 1000))
      (then (i32.add (local.get 0) (i32.const 1)))
      (else (i32.mul (local.get 0) (i32.const 3))))))"#;

#[test]
fn an_arm_that_was_thought_never_to_run_is_known_to_run_after_the_boot_that_runs_it() {
    for promotion in MODES {
        let options = Options { promotion, thresholds: Some(Thresholds::default()), ..Options::default() };
        let steps = |engine: &mut Engine, boot| {
            (0..2 * MANY).for_each(|_| assert_eq!(engine::call(engine, "step", &[1]), [2]));
            let late = if boot == 0 { 0 } else { 3 * MANY };
            (0..late).for_each(|_| assert_eq!(engine::call(engine, "step", &[1000]), [3000]));
        };
        let profiles = profiles(ARMS, options, 4, steps);
        let late = profiles.iter().map(|profile| profile.functions[0].blocks[1]);
        let late: Vec<u64> = late.collect();
        assert_eq!(late[..2], [0, 3 * MANY], "{promotion:?} {late:?}");
        assert!(late.is_sorted(), "a known arm is taken to run as often as before: {late:?}");
    }
}

#[test]
fn code_that_was_promoted_late_is_not_judged_by_the_few_calls_that_it_saw() {
    let options = Options { thresholds: Some(Thresholds::default()), ..Options::default() };
    let profiles = profiles(BLOCKS_OF_BYTES, options, 3, |engine, _| {
        let mut equal = |calls: u64, size| (0..calls).for_each(|_| drop(engine::call(engine, "equal", &[size])));
        // Specialised after the first thousand, for what the last hundred are not.
        equal(1_000, 8);
        equal(100, 24);
    });
    let sites: Vec<SiteRecord> = profiles.iter().map(busiest).collect();
    assert!(sites[0].guards_failed >= 99 && sites[0].guards_passed == 0, "{sites:#?}");
    assert_eq!((&sites[2].chosen[..], sites[2].guards_passed), (&[8][..], 1_000), "{sites:#?}");
}
