//! Another build of a program: what is as it was is taken over.

use bareflow::engine::Options;
use bareflow::engine::decide::tier::{Promotion, Tier};

use crate::boots::{self, Left, alone, settle};
use crate::engine::NoImports;
use crate::program::{CALLS, PARTS, Parts, between_boots, boot, expected, make, settled};

/// What another build of the program makes of what one of [`PARTS`] left: (taken over, not used, compiled) of its first boot, and
/// why not.
#[track_caller]
fn rebuilt(parts: Parts, options: Options, left: &Left) -> ((u64, u64, u64), String) {
    let first = boot(parts.wasm(), options, CALLS, left);
    let functions = first.functions();
    settle(first.left, |left| boot(parts.wasm(), options, CALLS, left));
    (functions, first.reason)
}

#[test]
fn of_a_program_with_one_other_function_only_that_is_compiled() {
    let _alone = alone();
    for promotion in [Promotion::Boots, Promotion::Flight] {
        for [lowest, highest] in
            [[Tier::Baseline, Tier::Specialised], [Tier::Optimised, Tier::Specialised], [Tier::Baseline; 2]]
        {
            let options = Options { promotion, lowest, highest, ..Options::default() };
            let known = settled(PARTS.wasm(), options);
            let loaded = known.statistics.code_loaded;
            let part = "(if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1)) (else (i64.mul (local.get 0) (i64.const 9))))";
            let (functions, reason) = rebuilt(Parts { part, ..PARTS }, options, &known.left);
            // In flight, what is hot and unknown is compiled twice.
            let compiled = functions.2;
            assert_eq!(functions, (loaded - 1, 1, compiled), "{options:?}");
            let most = if promotion == Promotion::Flight { 2 } else { 1 };
            assert!((1..=most).contains(&compiled), "{compiled} {options:?}");
            assert_eq!(reason, "the program has another part now");
        }
    }
}

#[test]
fn two_functions_that_change_places_are_both_compiled_anew() {
    let _alone = alone();
    let text = |first: &str, second: &str| -> &'static [u8] {
        let text = format!(
            r#"(module (func $first (param i64) (result i64) {first}) (func $second (param i64) (result i64) {second})
              (func (export "work") (param i64) (result i64) (call $first (call $second (local.get 0)))))"#
        );
        wat::parse_str(text).expect("well-formed").leak()
    };
    let (one, other) = ("(i64.mul (local.get 0) (i64.const 3))", "(i64.add (local.get 0) (i64.const 1))");
    let calls: &[(&str, &[u64])] = &[("work", &[5]), ("work", &[6])];
    for lowest in [Tier::Baseline, Tier::Optimised] {
        let options = Options { lowest, ..between_boots() };
        let known = settle(Left::default(), |left| boot(text(one, other), options, calls, left));
        let swapped = boot(text(other, one), options, calls, &known.left);
        assert_eq!(swapped.functions(), (1, 2, 2), "{}", swapped.reason);
    }
}

#[test]
fn data_and_table_may_change_without_anything_being_compiled() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    let loaded = known.statistics.code_loaded;
    let (functions, reason) = rebuilt(Parts { data: "\\09", ..PARTS }, between_boots(), &known.left);
    assert_eq!((functions, &*reason), ((loaded, 0, 0), ""));
    // Now the other function is called, which had no code.
    let (functions, reason) = rebuilt(Parts { table: "$triple $double", ..PARTS }, between_boots(), &known.left);
    assert_eq!((functions, &*reason), ((loaded, 0, 1), ""));
}

#[test]
fn a_program_that_is_numbered_otherwise_is_compiled_anew() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    let others = [
        Parts { more: "(func $more (param i32))", ..PARTS },
        Parts { more: "(func (export \"more\") (result i64) (global.get $sum))", ..PARTS },
        Parts { more: "(global $more (mut i32) (i32.const 0))", ..PARTS },
        Parts { more: "(table $more 3 funcref)", ..PARTS },
        Parts { more: "(memory $more 1)", ..PARTS },
        Parts { global: "12", ..PARTS },
    ];
    for parts in others {
        let ((loaded, rejected, compiled), reason) = rebuilt(parts, between_boots(), &known.left);
        assert_eq!((loaded, rejected), (0, known.statistics.code_loaded), "{} {}", parts.more, parts.global);
        assert!(compiled > 0);
        assert_eq!(reason, "the program has other functions, types, globals, tables or memories now");
    }
}

#[test]
fn what_reaches_only_other_modules_is_no_reason_to_compile() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    // An export is a name, and a data segment more is data.
    for more in [r#"(export "another name" (func $part))"#, r#"(data (i32.const 2000) "more")"#] {
        let (functions, reason) = rebuilt(Parts { more, ..PARTS }, between_boots(), &known.left);
        assert_eq!((functions, &*reason), ((known.statistics.code_loaded, 0, 0), ""), "{more}");
    }
}

#[test]
fn a_settled_callee_whose_body_changed_is_reached_by_everyone() {
    let _alone = alone();
    let options = Options { lowest: Tier::Optimised, ..between_boots() };
    let known = settled(PARTS.wasm(), options);
    // There and back again: each build finds the code of the other.
    let parts = Parts { part: "(i64.xor (local.get 0) (i64.const 77))", ..PARTS };
    let mut left = known.left;
    for round in 0..3 {
        for parts in [parts, PARTS] {
            let mut engine = boots::engine(parts.wasm(), Box::new(NoImports), options, &left);
            let values = make(&mut engine, CALLS);
            assert_eq!(values, expected(parts.wasm(), CALLS), "round {round}");
            let boot = boots::end(engine, values, &left);
            assert_eq!((boot.statistics.code_rejected, boot.statistics.functions_compiled), (1, 1), "round {round}");
            left = boot.left;
        }
    }
}
