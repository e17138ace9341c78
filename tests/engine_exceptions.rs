//! Exceptions at every tier, in the standard form and in the legacy one: what is caught where, with which values, and what
//! is left as it was.

#[path = "engine_exceptions/endings.rs"]
mod endings;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use bareflow::engine::{Ending, Engine, TrapKind};
use engine::invoke;
use oracle::at_every_tier;

/// What `calls` (name, argument) give, six times each, so that promoted code is called too.
fn results(engine: &mut Engine, calls: &[(&str, u64)]) -> Vec<Result<Vec<u64>, TrapKind>> {
    let one = |(name, argument): &(&str, u64)| match invoke(engine, name, &[*argument]) {
        Ok(values) => Ok(values.iter().map(|value| u64::from(*value as u32)).collect()),
        Err(Ending::Trap(trap)) => Err(trap.kind),
        Err(Ending::Exit(code)) => panic!("{name} exited with {code}"),
    };
    (0..6).flat_map(|_| calls).map(one).collect()
}

/// Makes the calls at every tier: each gives the number that stands behind it.
fn expect(text: &str, expected: &[(&str, u64, u64)]) {
    let calls: Vec<_> = expected.iter().map(|(name, argument, _)| (*name, *argument)).collect();
    let values = (0..6).flat_map(|_| expected).map(|(_, _, value)| Ok(vec![*value])).collect();
    at_every_tier(text, &values, |engine| results(engine, &calls));
}

/// Functions that both forms are tried with.
const THROWERS: &str = r#"
    (tag $number (param i32))
    (tag $pair (param i32 i32))
    (tag $all (param i32 i64 f32 f64 v128 i32 i32 i32 i32 i32))
    (tag $other)
    (table funcref (elem $thrower $plain))
    (global $trail (mut i32) (i32.const 0))
    (func $step (param i32)
      (global.set $trail (i32.add (i32.mul (global.get $trail) (i32.const 10)) (local.get 0))))
    ;; 0: returns 7; 1: a number; 2: a pair; 3: the other tag
    (func $thrower (param $what i32) (result i32)
      (if (i32.eq (local.get $what) (i32.const 1)) (then (throw $number (i32.const 41))))
      (if (i32.eq (local.get $what) (i32.const 2)) (then (throw $pair (i32.const 5) (i32.const 3))))
      (if (i32.eq (local.get $what) (i32.const 3)) (then (throw $other)))
      (i32.const 7))
    (func $plain (param i32) (result i32) (i32.const 9))
    (func $deep (param $what i32) (param $depth i32) (result i32)
      (if (result i32) (local.get $depth)
        (then (i32.add (i32.const 1) (call $deep (local.get $what) (i32.sub (local.get $depth) (i32.const 1)))))
        (else (call $thrower (local.get $what)))))
    (func $wide (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32 i32)
      (call $thrower (local.get 9)) local.get 0 local.get 1 local.get 2 local.get 3 local.get 4)
"#;

fn module(body: &str) -> String {
    format!("(module {THROWERS} {body})")
}

#[test]
fn the_first_clause_that_fits_takes_what_was_thrown() {
    let text = module(
        r#"
      (func $standard (export "standard") (param $what i32) (result i32)
        (block $any
          (block $number (result i32)
            (block $pair (result i32 i32)
              (return (try_table (result i32) (catch $number $number) (catch $pair $pair) (catch_all $any)
                (call $thrower (local.get $what)))))
            (return (i32.sub)))
          (return (i32.add (i32.const 100))))
        (i32.const 1000))
      (func $legacy (export "legacy") (param $what i32) (result i32)
        try (result i32)
          local.get $what
          call $thrower
        catch $number
          i32.const 100
          i32.add
        catch $pair
          i32.sub
        catch_all
          i32.const 1000
        end)"#,
    );
    let outcomes = [(0, 7), (1, 141), (2, 2), (3, 1000)];
    let expected = ["standard", "legacy"].map(|name| outcomes.map(|(what, value)| (name, what, value)));
    expect(&text, &expected.concat());
}

#[test]
fn what_no_clause_takes_goes_on_outside() {
    let text = module(
        r#"
      (func (export "standard") (param $what i32) (result i32)
        (block $outer (result i32)
          (try_table (result i32) (catch $number $outer)
            (block $inner (result i32 i32)
              (try_table (result i32) (catch $pair $inner)
                (call $deep (local.get $what) (i32.const 20)))
              (return))
            (i32.mul))))
      (func (export "legacy") (param $what i32) (result i32)
        try (result i32)
          try (result i32)
            (call $deep (local.get $what) (i32.const 20))
          catch $pair
            i32.mul
          end
        catch $number
        end)
      (func $passes (param $what i32) (result i32)
        (block $pair (result i32 i32)
          (return (try_table (result i32) (catch $pair $pair) (call $thrower (local.get $what)))))
        (i32.add))
      (func (export "another function") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number) (call $passes (local.get $what)))))"#,
    );
    expect(
        &text,
        &[
            ("standard", 0, 27),
            ("standard", 1, 41),
            ("standard", 2, 15),
            ("legacy", 0, 27),
            ("legacy", 1, 41),
            ("legacy", 2, 15),
            ("another function", 0, 7),
            ("another function", 1, 41),
            ("another function", 2, 8),
        ],
    );
}

#[test]
fn values_of_every_type_arrive_through_memory_and_back() {
    let text = module(
        r#"
      (func $throws (param i32)
        (throw $all (local.get 0) (i64.const 0x123456789) (f32.const 1.5) (f64.const -2.25)
          (v128.const i32x4 1 2 3 4) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)))
      (func $check (param i32 i64 f32 f64 v128 i32 i32 i32 i32 i32) (result i32)
        (i32.add (local.get 0)
          (i32.and (i64.eq (local.get 1) (i64.const 0x123456789))
          (i32.and (f32.eq (local.get 2) (f32.const 1.5))
          (i32.and (f64.eq (local.get 3) (f64.const -2.25))
          (i32.and (i32.eq (i32x4.extract_lane 3 (local.get 4)) (i32.const 4))
          (i32.and (i32.eq (local.get 5) (i32.const 6)) (i32.eq (local.get 9) (i32.const 10)))))))))
      (func (export "standard") (param i32) (result i32)
        (block $all (result i32 i64 f32 f64 v128 i32 i32 i32 i32 i32)
          (try_table (catch $all $all) (call $throws (local.get 0)))
          (unreachable))
        (call $check))
      (func (export "again") (param i32) (result i32) (local $kept exnref)
        (block $all (result i32 i64 f32 f64 v128 i32 i32 i32 i32 i32)
          (try_table (catch $all $all)
            (block $kept (result exnref)
              (try_table (catch_all_ref $kept) (call $throws (local.get 0)))
              (unreachable))
            (local.set $kept)
            ;; Something else in between.
            (drop (block $number (result i32)
              (try_table (result i32) (catch $number $number) (call $thrower (i32.const 1)))))
            (throw_ref (local.get $kept)))
          (unreachable))
        (call $check))
      (func (export "legacy") (param i32) (result i32)
        try (result i32)
          try
            (call $throws (local.get 0))
          catch_all
            try (drop (call $thrower (i32.const 2))) catch $pair drop drop end
            rethrow 0
          end
          unreachable
        catch $all
          call $check
        end)"#,
    );
    expect(&text, &[("standard", 3, 4), ("again", 10, 11), ("legacy", 20, 21)]);
}

/// On a CPU that wants vectors in memory to be aligned.
#[test]
fn vectors_in_globals_and_exceptions_are_aligned() {
    let text = module(
        r#"
      (global $vector (mut v128) (v128.const i32x4 1 2 3 4))
      (tag $vector (param v128))
      (func (export "add") (param i32) (result i32)
        (block $caught (result v128)
          (try_table (catch $vector $caught) (throw $vector (i32x4.splat (local.get 0))))
          (unreachable))
        (global.set $vector (i32x4.add (global.get $vector)))
        (i32x4.extract_lane 2 (global.get $vector)))"#,
    );
    let sums = (1..=6).map(|count| Ok(vec![3 + 5 * count])).collect();
    at_every_tier(&text, &sums, |engine| {
        engine.invoke("add", &[0]).expect("it runs").expect("it returns");
        results(engine, &[("add", 5)])
    });
}

#[test]
fn locals_are_as_they_were_when_it_was_thrown() {
    let text = module(
        r#"
      (func (export "standard") (param $what i32) (result i32) (local $a i32) (local $b i32)
        (local.set $a (i32.const 1))
        (block $caught
          (try_table (catch_all $caught)
            (local.set $b (call $thrower (i32.const 0)))
            (local.set $a (i32.const 2))
            (local.set $b (call $thrower (local.get $what)))
            (local.set $a (i32.const 3))
            (local.set $b (call $thrower (i32.const 3)))
            (local.set $a (i32.const 4))))
        (i32.add (i32.mul (local.get $a) (i32.const 100)) (local.get $b)))
      (func (export "legacy") (param $what i32) (result i32) (local $a i32) (local $b i32)
        try
          (local.set $b (i32.const 50))
          (local.set $b (i32.add (call $deep (local.get $what) (i32.const 3)) (local.get $b)))
          (local.set $a (i32.const 2))
        catch_all
          (local.set $a (i32.add (local.get $a) (i32.const 1)))
        end
        (i32.add (i32.mul (local.get $a) (i32.const 100)) (local.get $b)))
      (func (export "loop") (param $what i32) (result i32) (local $i i32) (local $sum i32)
        (loop $next
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (block $number (result i32)
            (br $next (try_table (catch $number $number)
              (if (i32.gt_u (local.get $i) (i32.const 9)) (then (return (local.get $sum))))
              (drop (call $thrower (i32.and (local.get $i) (local.get $what)))))))
          (local.set $sum (i32.add (local.get $sum)))
          (br $next))
        unreachable)
      (func (export "stack") (param $what i32) (result i32)
        (i32.const 1000)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number)
            (i32.add (i32.const 50) (call $thrower (local.get $what)))))
        (i32.add))"#,
    );
    expect(
        &text,
        &[
            ("standard", 1, 207),
            ("standard", 0, 307),
            ("legacy", 0, 260),
            ("legacy", 2, 150),
            ("loop", 1, 5 * 41),
            ("loop", 0, 0),
            ("stack", 0, 1057),
            ("stack", 1, 1041),
        ],
    );
}

#[test]
fn a_legacy_region_hands_on_what_others_are_to_catch() {
    let text = module(
        r#"
      (func (export "delegate") (param $what i32) (result i32)
        try $outer (result i32)
          try $middle (result i32)
            try (result i32)
              (call $thrower (local.get $what))
            delegate $outer
          catch_all
            i32.const 111
          end
        catch $number
          i32.const 1
          i32.add
        catch_all
          i32.const 222
        end)
      (func $to_the_caller (param $what i32) (result i32)
        try (result i32)
          try (result i32)
            (call $thrower (local.get $what))
          delegate 1
        catch_all
          i32.const 333
        end)
      (func (export "delegate out") (param $what i32) (result i32)
        try (result i32) (call $to_the_caller (local.get $what)) catch $number end)
      (func (export "delegate to a block") (param $what i32) (result i32)
        try (result i32)
          (block $b (result i32)
            try (result i32)
              try (result i32) (call $thrower (local.get $what)) delegate $b
            catch_all
              i32.const 444
            end)
        catch_all
          i32.const 555
        end)
      (func (export "rethrow") (param $what i32) (result i32)
        try $a (result i32)
          try $b (result i32)
            (call $thrower (local.get $what))
          catch $number
            try (result i32)
              (throw $other)
            catch_all
              ;; what $b caught, not what was thrown last
              rethrow $b
            end
            i32.add
          end
        catch $number
          i32.const 2
          i32.mul
        catch_all
          i32.const 666
        end)
      (func (export "in a clause") (param $what i32) (result i32)
        try (result i32)
          try (result i32)
            (call $thrower (local.get $what))
          catch_all
            (call $thrower (i32.const 1))
          end
        catch $number
        end)"#,
    );
    expect(
        &text,
        &[
            ("delegate", 0, 7),
            ("delegate", 1, 42),
            ("delegate", 2, 222),
            ("delegate out", 0, 7),
            ("delegate out", 1, 41),
            ("delegate to a block", 3, 555),
            ("delegate to a block", 0, 7),
            ("rethrow", 0, 7),
            ("rethrow", 1, 82),
            ("rethrow", 2, 666),
            ("in a clause", 0, 7),
            ("in a clause", 3, 41),
        ],
    );
}

#[test]
fn calls_of_all_kinds_throw_through() {
    let text = module(
        r#"
      (type $f (func (param i32) (result i32)))
      (func $tail (param i32) (result i32) (return_call $thrower (local.get 0)))
      (func $indirect_tail (param i32) (result i32) (return_call_indirect (type $f) (local.get 0) (i32.const 0)))
      (func (export "indirect") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number)
            (call_indirect (type $f) (local.get $what) (i32.eqz (local.get $what))))))
      (func (export "tail") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number) (call $tail (local.get $what)))))
      (func (export "indirect tail") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number) (call $indirect_tail (local.get $what)))))
      (func $unprotected (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (catch $number $number) (return_call $thrower (local.get $what)))
          (unreachable))
        (i32.add (i32.const 1000)))
      (func (export "a tail call leaves the region") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32) (catch $number $number) (call $unprotected (local.get $what)))))
      (func (export "many values") (param $what i32) (result i32)
        (block $number (result i32)
          (try_table (result i32 i32 i32 i32 i32 i32) (catch $number $number)
            (call $wide (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
              (i32.const 7) (i32.const 8) (i32.const 9) (local.get $what)))
          (i32.add) (i32.mul) (i32.add) (i32.mul) (i32.add)))"#,
    );
    // 7 + 1 * (2 + 3 * (4 + 5))
    expect(
        &text,
        &[
            ("indirect", 0, 9),
            ("indirect", 1, 41),
            ("tail", 0, 7),
            ("tail", 1, 41),
            ("indirect tail", 1, 41),
            ("a tail call leaves the region", 1, 41),
            ("a tail call leaves the region", 0, 7),
            ("many values", 0, 7 + 2 + 3 * 9),
            ("many values", 1, 41),
        ],
    );
}

/// References are kept in locals, globals, tables, on the stack and in other exceptions; those that nothing refers to are
/// dropped in between.
#[test]
fn references_stay_good_wherever_they_are() {
    let text = module(
        r#"
      (tag $wrapped (param exnref))
      (table $kept 4 exnref)
      (global $global (mut exnref) (ref.null exn))
      (func $make (param $number i32) (result exnref)
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (throw $number (local.get $number)))
          (unreachable)))
      (func $wrap (param $inner exnref) (result exnref)
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (throw $wrapped (local.get $inner)))
          (unreachable)))
      (func $number_of (param exnref) (result i32)
        (block $number (result i32)
          (try_table (catch $number $number) (throw_ref (local.get 0)))
          (unreachable)))
      (func $inside (param exnref) (result exnref)
        (block $inner (result exnref)
          (try_table (catch $wrapped $inner) (throw_ref (local.get 0)))
          (unreachable)))
      (func $churn (param $rounds i32)
        (loop $next
          (drop (call $wrap (call $make (local.get $rounds))))
          (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
      (func (export "kept") (param $rounds i32) (result i32) (local $local exnref)
        (local.set $local (call $make (i32.const 1)))
        (global.set $global (call $make (i32.const 20)))
        (table.set $kept (i32.const 2) (call $make (i32.const 300)))
        (table.set $kept (i32.const 3) (call $wrap (call $wrap (call $make (i32.const 4000)))))
        (call $make (i32.const 50000))
        (call $churn (local.get $rounds))
        (call $number_of)
        (i32.add (call $number_of (local.get $local)))
        (i32.add (call $number_of (global.get $global)))
        (i32.add (call $number_of (table.get $kept (i32.const 2))))
        (i32.add (call $number_of (call $inside (call $inside (table.get $kept (i32.const 3)))))))"#,
    );
    expect(&text, &[("kept", 10_000, 54_321)]);
}

/// What C++ compilers make of destructors: each frame on the way does something and throws again.
#[test]
fn clean_up_runs_from_the_inside_out() {
    let text = module(
        r#"
      (func $legacy (param $depth i32)
        (if (i32.eqz (local.get $depth)) (then (throw $number (i32.const 7))))
        try
          (call $legacy (i32.sub (local.get $depth) (i32.const 1)))
        catch_all
          (call $step (local.get $depth))
          rethrow 0
        end)
      (func $standard (param $depth i32)
        (if (i32.eqz (local.get $depth)) (then (throw $number (i32.const 8))))
        (block $caught (result exnref)
          (try_table (catch_all_ref $caught) (call $standard (i32.sub (local.get $depth) (i32.const 1))))
          (return))
        (call $step (local.get $depth))
        (throw_ref))
      (func (export "legacy") (param i32) (result i32)
        (global.set $trail (i32.const 0))
        try (call $legacy (local.get 0)) catch $number (call $step) end
        (global.get $trail))
      (func (export "standard") (param i32) (result i32)
        (global.set $trail (i32.const 0))
        (block $number (result i32)
          (try_table (catch $number $number) (call $standard (local.get 0)))
          (unreachable))
        (call $step)
        (global.get $trail))"#,
    );
    expect(&text, &[("legacy", 5, 123_457), ("standard", 5, 123_458), ("legacy", 0, 7), ("standard", 0, 8)]);
}
