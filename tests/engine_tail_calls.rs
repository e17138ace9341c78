//! Tail calls against wasmi and at every tier: they need no stack, reach what calls reach and trap as calls do.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use bareflow::engine::{Engine, TrapKind};
use oracle::{Outcome, agrees_with_wasmi, all, at_every_tier, invoke, modes};
use wasmi::ValType;

#[test]
fn direct_and_indirect_tail_calls_reach_what_calls_reach() {
    let text = r#"(module
      (type $one (func (param i32) (result i32)))
      (table 6 funcref)
      (elem (i32.const 0) $double $negate $double $again)
      (elem (i32.const 5) $other)
      (func $double (type $one) (i32.mul (local.get 0) (i32.const 2)))
      (func $negate (type $one) (i32.sub (i32.const 0) (local.get 0)))
      (func $again (type $one) (return_call_indirect (type $one) (local.get 0) (i32.const 0)))
      (func $other (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
      (func (export "direct") (param i32) (result i32)
        (if (i32.and (local.get 0) (i32.const 1)) (then (return_call $double (local.get 0))))
        (return_call $negate (local.get 0)))
      (func (export "indirect") (param i32) (result i32)
        (return_call_indirect (type $one) (i32.const 7) (local.get 0)))
      (func (export "in a block") (param i32) (result i32)
        (i32.add (i32.const 1) (block (result i32)
          (br_if 0 (i32.const 5) (local.get 0))
          (return_call $double (i32.const 21)))))
      (func (export "then nothing") (param i32) (result i32)
        (return_call_indirect (type $one) (local.get 0) (i32.const 1))
        (call_indirect (type $one) (i32.const 2))
        (return_call $double)))"#;
    agrees_with_wasmi(text, &all(&["direct", "in a block", "then nothing"], &[0, 1, 2, 3, 7, u64::from(u32::MAX)]));
    agrees_with_wasmi(text, &all(&["indirect"], &[0, 1, 2, 3, 4, 5, 6, 1000, u64::from(u32::MAX)]));
}

#[test]
fn arguments_and_results_may_be_more_or_fewer_than_the_callers() {
    let text = r#"(module
      (func $many (param i32 i64 f32 f64 i64 i64 i64 i64 i64 i64 i64 i64 f64 f64 f64 f64 f64 f64 f64 f64 f64 i32)
                  (result i32 i64 f32 f64 i64 i64 i64 i64 i64 f64)
        local.get 21 local.get 1 local.get 2 local.get 3
        (i64.sub (local.get 4) (local.get 5)) local.get 8 local.get 9 local.get 10 local.get 11
        (f64.sub (local.get 19) (local.get 20)))
      (func $few (param i32) (result i32 i64 f32 f64 i64 i64 i64 i64 i64 f64)
        local.get 0 i64.const 2 f32.const 3 f64.const 4 i64.const 5 i64.const 6 i64.const 7 i64.const 8 i64.const 9
        f64.const 10
        return_call $reversed)
      (func $reversed (param i32 i64 f32 f64 i64 i64 i64 i64 i64 f64) (result i32 i64 f32 f64 i64 i64 i64 i64 i64 f64)
        local.get 0 local.get 8 local.get 2 local.get 9 local.get 7 local.get 6 local.get 5 local.get 4 local.get 1
        local.get 3)
      (func (export "grow") (param i32) (result i32 i64 f32 f64 i64 i64 i64 i64 i64 f64)
        local.get 0 i64.const 1 f32.const 2 f64.const 3 i64.const 4 i64.const 5 i64.const 6 i64.const 7 i64.const 8
        i64.const 9 i64.const 10 i64.const 11 f64.const 12 f64.const 13 f64.const 14 f64.const 15 f64.const 16
        f64.const 17 f64.const 18 f64.const 19 f64.const 20.5 (i32.add (local.get 0) (i32.const 1))
        return_call $many)
      (func (export "shrink") (param i32) (result i32 i64 f32 f64 i64 i64 i64 i64 i64 f64)
        (return_call $few (i32.mul (local.get 0) (i32.const 3))))
      (func $to_nothing (param i32 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i32)
        (return_call $constant))
      (func $constant (result i32) (i32.const 42))
      (func (export "to nothing") (param i32) (result i32)
        (i32.add (local.get 0) (call $to_nothing (i32.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
          (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11)))))"#;
    agrees_with_wasmi(text, &all(&["grow", "shrink", "to nothing"], &[0, 1, 77]));
}

/// Ten million calls deep, directly and indirectly, with arguments in registers and on the stack.
#[test]
fn a_chain_of_ten_million_tail_calls_needs_no_stack() {
    let text = r#"(module
      (type $wide (func (param i32 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
      (table 2 funcref)
      (elem (i32.const 0) $wide_even $wide_odd)
      (func (export "even") (param i32) (result i64) (return_call $even (local.get 0)))
      (func $even (param i32) (result i64)
        (if (result i64) (i32.eqz (local.get 0)) (then (i64.const 1))
          (else (return_call $odd (i32.sub (local.get 0) (i32.const 1))))))
      (func $odd (param i32) (result i64)
        (if (i32.eqz (local.get 0)) (then (return (i64.const 0))))
        (return_call $even (i32.sub (local.get 0) (i32.const 1))))
      (func $wide_even (type $wide)
        (if (i32.eqz (local.get 0)) (then (return (local.get 8))))
        (return_call_indirect (type $wide) (i32.sub (local.get 0) (i32.const 1))
          (local.get 2) (local.get 1) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
          (local.get 9) (i64.add (local.get 8) (i64.const 1)) (i32.const 1)))
      (func $wide_odd (type $wide)
        (return_call $wide_even (i32.sub (local.get 0) (i32.const 1))
          (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
          (local.get 9) (local.get 8)))
      (func (export "wide") (param i32) (result i64)
        (call $wide_even (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
          (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9))))"#;
    let deep = 10_000_000;
    at_every_tier(text, &vec![1, 0, 8 + deep / 2], |engine| {
        let even = engine::call(engine, "even", &[deep])[0];
        let odd = engine::call(engine, "even", &[deep + 1])[0];
        vec![even, odd, engine::call(engine, "wide", &[deep])[0]]
    });
}

#[test]
fn indirect_tail_calls_trap_as_calls_do() {
    let text = r#"(module
      (type $f (func (result i32)))
      (table 3 funcref)
      (elem (i32.const 0) $right $wrong)
      (func $right (type $f) (i32.const 1))
      (func $wrong (result i64) (i64.const 1))
      (func (export "f") (param i32) (result i32) (return_call_indirect (type $f) (local.get 0))))"#;
    let expected = [
        Outcome::Values(vec![1]),
        Outcome::Trap(TrapKind::SignatureMismatch),
        Outcome::Trap(TrapKind::NullFunction),
        Outcome::Trap(TrapKind::UndefinedElement),
        Outcome::Trap(TrapKind::UndefinedElement),
    ];
    let indices = [0, 1, 2, 3, u64::from(u32::MAX)];
    for (index, expected) in indices.into_iter().zip(expected) {
        // Promoted, and specialised for the function that is right.
        let outcomes = vec![Outcome::Values(vec![1]); 40];
        let expected = (outcomes, expected);
        at_every_tier(text, &expected, |engine| {
            let before = (0..40).map(|_| invoke(engine, "f", &[0], &[ValType::I32])).collect();
            (before, invoke(engine, "f", &[index], &[ValType::I32]))
        });
    }
}

#[test]
fn an_indirect_tail_call_is_specialised_for_its_target() {
    let text = r#"(module
      (type $f (func (param i32) (result i32)))
      (table 2 2 funcref)
      (elem (i32.const 0) $double $square)
      (func $double (type $f) (i32.mul (local.get 0) (i32.const 2)))
      (func $square (type $f) (i32.mul (local.get 0) (local.get 0)))
      (func (export "f") (param i32) (result i32)
        (return_call_indirect (type $f) (local.get 0) (i32.eq (local.get 0) (i32.const 9)))))"#;
    let work =
        |engine: &mut Engine| (0..10).cycle().take(2000).map(|n| engine::call(engine, "f", &[n])[0]).sum::<u64>();
    for mode in modes().filter(|mode| mode.learned) {
        let mut engine = mode.engine(text, work);
        assert_eq!(work(&mut engine), 200 * (2 * 36 + 81), "{mode:?}");
        let sums = engine.statistics();
        assert_eq!((sums.guards_passed, sums.guards_failed), (1800, 200), "{mode:?}");
    }
}

#[test]
fn tail_calls_of_the_libc_keep_its_results() {
    let text = r#"(module
      (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
      (import "libc" "strlen" (func $strlen (param i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "0123456789abcdef")
      (func (export "copy") (param i32) (result i32) (return_call $memcpy (i32.const 100) (i32.const 0) (local.get 0)))
      (func (export "length") (result i32) (return_call $strlen (i32.const 100))))"#;
    at_every_tier(text, &vec![100, 5, 100, 16], |engine| {
        let mut call = |name: &str, args: &[u64]| engine::call(engine, name, args)[0];
        assert!((0..20).all(|_| call("copy", &[5]) == 100));
        vec![call("copy", &[5]), call("length", &[]), call("copy", &[16]), call("length", &[])]
    });
}
