//! Programs that do something else than in the boots before, and what is learned of code that was taken over.

use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Options, Statistics};
use bareflow::profile::FunctionRecord;

use crate::boots::{Left, alone, settle};
use crate::program::{CALLS, Calls, PARTS, Parts, between_boots, boot, settled};

/// Other sizes, other targets, another share of everything.
const OTHERS: [Calls<'static>; 4] = [
    &[("work", &[900, 24]), ("recurse", &[3])],
    &[("work", &[30, 200]), ("work", &[30, 201]), ("work", &[30, 0]), ("recurse", &[18])],
    &[("recurse", &[1])],
    &[("work", &[2_000, 1])],
];

#[test]
fn a_program_that_behaves_otherwise_does_so_rightly_and_settles_again() {
    let _alone = alone();
    for options in [between_boots(), Options::default(), Options { lowest: Tier::Optimised, ..between_boots() }] {
        let mut left = settled(PARTS.wasm(), options).left;
        for calls in OTHERS.into_iter().chain([CALLS]) {
            for _ in 0..2 {
                let boot = boot(PARTS.wasm(), options, calls, &left);
                assert_eq!((boot.statistics.code_rejected, &*boot.reason), (0, ""), "{options:?}");
                left = boot.left;
            }
        }
    }
}

fn guards(sums: Statistics) -> (u64, u64) {
    (sums.guards_passed, sums.guards_failed)
}

#[test]
fn what_was_specialised_for_one_size_is_for_another_once_that_is_frequent() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    assert!(guards(known.statistics).0 > 700, "{:?}", known.statistics);
    let others: Calls<'_> = &[("work", &[400, 100])];
    let first = boot(PARTS.wasm(), between_boots(), others, &known.left);
    assert_eq!(first.functions().1, 0);
    let (passed, failed) = guards(first.statistics);
    assert!(failed > 700 && passed < 500, "{:?}", first.statistics);
    // How soon does not depend on whether the code is compiled anew.
    let passed = |is_kept: bool| -> Vec<u64> {
        let mut left = first.left.clone();
        let boots = (0..15).map(|_| {
            left.code = left.code.take().filter(|_| is_kept);
            let boot = boot(PARTS.wasm(), between_boots(), others, &left);
            left = boot.left;
            guards(boot.statistics).0
        });
        boots.collect()
    };
    let kept = passed(true);
    assert_eq!(kept, passed(false));
    assert_eq!(kept[10..], [800; 5], "{kept:?}");
}

/// What was counted, without what numbers of sites and ticks have a part in.
fn counted(left: &Left) -> Vec<FunctionRecord> {
    let functions = left.profile.functions.iter().cloned();
    functions.map(|record| FunctionRecord { ticks: 0, generic_ticks: 0, code_bytes: 0, ..record }).collect()
}

#[test]
fn code_that_was_taken_over_counts_as_code_that_was_compiled_does() {
    let _alone = alone();
    for (lowest, highest) in
        [(Tier::Baseline, Tier::Baseline), (Tier::Optimised, Tier::Optimised), (Tier::Baseline, Tier::Specialised)]
    {
        let options = Options { lowest, highest, ..between_boots() };
        let known = settled(PARTS.wasm(), options);
        for calls in [CALLS, OTHERS[0], OTHERS[1], OTHERS[2]] {
            let taken_over = boot(PARTS.wasm(), options, calls, &known.left);
            let compiled = boot(PARTS.wasm(), options, calls, &Left { code: None, ..known.left.clone() });
            assert!(taken_over.functions().2 < compiled.functions().2, "{options:?} {calls:?}");
            assert_eq!(counted(&taken_over.left), counted(&compiled.left), "{options:?} {calls:?}");
            assert_eq!(guards(taken_over.statistics), guards(compiled.statistics), "{options:?} {calls:?}");
        }
    }
}

#[test]
fn code_of_every_tier_is_kept() {
    let _alone = alone();
    let kinds = [
        (Promotion::Boots, Tier::Baseline, Tier::Baseline),
        (Promotion::Flight, Tier::Baseline, Tier::Baseline),
        (Promotion::Boots, Tier::Optimised, Tier::Optimised),
        (Promotion::Boots, Tier::Baseline, Tier::Specialised),
        (Promotion::Flight, Tier::Baseline, Tier::Specialised),
        (Promotion::Flight, Tier::Optimised, Tier::Specialised),
    ];
    for (promotion, lowest, highest) in kinds {
        let options = Options { promotion, lowest, highest, ..between_boots() };
        let sums = settled(PARTS.wasm(), options).statistics;
        let found = [sums.functions_baseline > 0, sums.functions_optimised > 0, sums.functions_specialised > 0];
        let expected = match (lowest, highest) {
            (Tier::Baseline, Tier::Baseline) => [true, false, false],
            (_, Tier::Optimised) => [false, true, false],
            (Tier::Baseline, _) => [true, true, true],
            (_, _) => [false, true, true],
        };
        assert_eq!(found, expected, "{options:?} {sums:?}");
        assert_eq!(sums.guards_passed > 0, highest == Tier::Specialised, "{options:?} {sums:?}");
    }
}

#[test]
fn code_that_was_taken_over_is_promoted_in_flight_when_it_becomes_hot() {
    let _alone = alone();
    let options = Options::default();
    let cold: Calls<'_> = &[("work", &[20, 200]), ("recurse", &[2])];
    let known = settle(Left::default(), |left| boot(PARTS.wasm(), options, cold, left));
    assert_eq!(known.statistics.functions_optimised + known.statistics.functions_specialised, 0);
    let hot: Calls<'_> = &[("work", &[30_000, 200]), ("recurse", &[20]), ("work", &[30_000, 200])];
    let first = boot(PARTS.wasm(), options, hot, &known.left);
    let sums = first.statistics;
    assert_eq!((sums.code_loaded, sums.code_rejected), (known.statistics.code_loaded, 0));
    assert!(sums.functions_compiled > 1 && sums.functions_specialised > 0, "{sums:?}");
    assert!(sums.guards_passed > 30_000, "{sums:?}");
    // What became of it is kept, and cold boots are right in it.
    let after = settle(first.left, |left| boot(PARTS.wasm(), options, hot, left));
    let cold = boot(PARTS.wasm(), options, cold, &after.left);
    assert_eq!(cold.functions(), after.functions());
}

#[test]
fn a_settled_callee_that_is_made_anew_is_reached_by_its_callers() {
    let _alone = alone();
    // Nothing is there to learn of it, so that calls go straight to it; half of it never runs at first.
    let part =
        "(if (result i64) (i64.gt_u (local.get 0) (i64.const 0x10000)) (then (i64.rem_u (local.get 0) (i64.const 13)))
        (else (i64.add (i64.mul (local.get 0) (i64.const 3)) (i64.const 1))))";
    let more = r#"(func (export "part") (param $rounds i32) (param $value i64) (result i64) (local $sum i64)
          (loop $next
            (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (call $part (local.get $value))))
            (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
          (local.get $sum))"#;
    let wasm = Parts { part, more, ..PARTS }.wasm();
    let small: Calls<'_> = &[("part", &[500, 7])];
    let large: Calls<'_> = &[("part", &[500, 0x20000]), ("part", &[3, 5])];
    for options in [between_boots(), Options { thresholds: Some(Thresholds::default()), ..Options::default() }] {
        let known = settle(Left::default(), |left| boot(wasm, options, small, left));
        let mut boots = Vec::new();
        let mut left = known.left;
        for _ in 0..4 {
            let boot = boot(wasm, options, large, &left);
            boots.push((boot.functions(), boot.is_same));
            left = boot.left;
        }
        assert!(boots.iter().all(|(functions, _)| functions.1 == 0), "{boots:?}");
        assert!(!boots[0].1, "it was not made anew: {boots:?}");
        assert!(boots[3].1, "it is made anew at every boot: {boots:?}");
        boot(wasm, options, small, &left);
    }
}

#[test]
fn what_is_hot_for_its_loops_alone_stays_so_where_no_code_counts_them() {
    let _alone = alone();
    // Each call of what fills memory is long, and there are few: once others do without its code, nothing counts its loop.
    let more = r#"(func (export "clear") (param $times i32) (result i64) (local $at i32) (local $sum i64)
          (loop $next
            (memory.fill (i32.const 4096) (local.get $times) (i32.const 60000))
            (local.set $at (i32.const 2000))
            (loop $add
              (local.set $sum (i64.add (local.get $sum) (i64.load offset=4096 (local.get $at))))
              (br_if $add (local.tee $at (i32.sub (local.get $at) (i32.const 1)))))
            (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
          (local.get $sum))"#;
    let wasm = Parts { more, ..PARTS }.wasm();
    for is_kept in [true, false] {
        let tiers = |sums: &Statistics| (sums.functions_baseline, sums.functions_optimised, sums.functions_specialised);
        let mut left = Left::default();
        let boots = (1..=100).map(|_| {
            left.code = left.code.take().filter(|_| is_kept);
            let boot = boot(wasm, Options::default(), &[("clear", &[8])], &left);
            left = boot.left;
            (tiers(&boot.statistics), boot.is_same == is_kept)
        });
        let boots: Vec<_> = boots.collect();
        assert!(boots[3].0.2 > 0 && boots[3..].iter().all(|boot| *boot == (boots[3].0, true)), "{boots:?}");
    }
}

/// Functions that call one target in 28 % to 58 % of their calls, and `$more` percent more, another in 20 %, and else a third.
fn drawing() -> &'static [u8] {
    let shares = (28..60).step_by(2);
    let function = |share: u32| {
        format!(
            "(func $draw_{share} (param $more i32) (result i64) (local $drawn i32)
              (global.set $random (i32.add (i32.mul (global.get $random) (i32.const 1664525)) (i32.const 1013904223)))
              (local.set $drawn (i32.sub (i32.rem_u (i32.shr_u (global.get $random) (i32.const 8)) (i32.const 100)) (local.get $more)))
              (call_indirect (type $unary) (i64.const 7) (i32.add
                (i32.ge_s (local.get $drawn) (i32.const {share})) (i32.ge_s (local.get $drawn) (i32.const {share_of_two})))))",
            share_of_two = share + 20
        )
    };
    let functions: String = shares.clone().map(function).collect();
    let call = |share: u32| {
        format!(
            "(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 3)) (call $draw_{share} (local.get $more))))"
        )
    };
    let calls: String = shares.map(call).collect();
    let more = format!(
        r#"(global $random (mut i32) (i32.const 1)) {functions}
        (func (export "draw") (param $times i32) (param $more i32) (result i64) (local $sum i64)
          (loop $next {calls} (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
          (local.get $sum))"#
    );
    Parts { table: "$double $triple $part", more: more.leak(), ..PARTS }.wasm()
}

#[test]
fn where_few_calls_are_made_samples_are_no_reason_to_compile_anew() {
    let _alone = alone();
    let mut left = Left::default();
    let boots = (1..=100).map(|_| {
        let boot = boot(drawing(), Options::default(), &[("draw", &[200, 0])], &left);
        let compiled = (boot.functions().2, boot.is_same);
        left = boot.left;
        compiled
    });
    let boots: Vec<_> = boots.collect();
    assert!(boots[3..].iter().all(|boot| *boot == (0, true)), "{boots:?}");
}

#[test]
fn a_target_that_counting_has_refuted_is_not_brought_back_by_samples() {
    let _alone = alone();
    let wasm = drawing();
    let guessed = |left: &Left| -> Vec<Vec<u64>> {
        left.profile.functions.iter().flat_map(|record| &record.sites).map(|site| site.chosen.clone()).collect()
    };
    let one: Calls<'_> = &[("draw", &[400, 100])];
    let mut left = settle(Left::default(), |left| boot(wasm, between_boots(), one, left)).left;
    let mut lost = Vec::new();
    for _ in 0..40 {
        let before = guessed(&left);
        left = boot(wasm, between_boots(), &[("draw", &[400, 0])], &left).left;
        let sites = left.profile.functions.iter().flat_map(|record| &record.sites);
        for (index, (site, before)) in sites.zip(before).enumerate() {
            let value = before.first().filter(|value| !site.chosen.contains(value));
            lost.extend(value.map(|value| (index, *value)));
        }
    }
    let once = |site: &(usize, u64)| lost.iter().filter(|other| *other == site).count() == 1;
    assert!(lost.len() > 3 && lost.iter().all(once), "{lost:?}");
}
