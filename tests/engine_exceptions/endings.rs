//! What ends the program although it catches exceptions: traps, and what nobody catches.

use super::engine::invoke;
use super::oracle::at_every_tier;
use super::{module, results};
use bareflow::engine::{Ending, Engine, Trap, TrapKind};

#[test]
fn traps_are_caught_by_nothing() {
    let text = module(
        r#"
      (memory 1)
      (func $endless (call $endless))
      (func $trap (param i32)
        (if (i32.eqz (local.get 0)) (then (unreachable)))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (drop (i32.load (i32.const -1)))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (call $endless)))
        (throw_ref (ref.null exn)))
      (func (export "standard") (param i32) (result i32)
        (block $caught (try_table (catch_all $caught) (call $trap (local.get 0))))
        (i32.const 1))
      (func (export "legacy") (param i32) (result i32)
        try (call $trap (local.get 0)) catch_all end
        (i32.const 1))"#,
    );
    use TrapKind::{MemoryOutOfBounds, NullException, StackOverflow, Unreachable};
    let calls: Vec<_> = ["standard", "legacy"].iter().flat_map(|name| (0..4).map(|what| (*name, what))).collect();
    let traps = [Unreachable, MemoryOutOfBounds, StackOverflow, NullException].map(Err);
    let expected: Vec<_> = (0..12).flat_map(|_| traps.clone()).collect();
    at_every_tier(&text, &expected, |engine| results(engine, &calls));
}

#[test]
fn what_nobody_catches_ends_the_program_with_the_calls_from_where_it_was_thrown() {
    let text = module(
        r#"
      (export "oops" (tag $number))
      (func $misses (param $what i32) (result i32)
        (block $pair (result i32 i32)
          (return (try_table (result i32) (catch $pair $pair) (call $deep (local.get $what) (i32.const 3)))))
        (i32.add))
      (func $rethrows (param $what i32) (result i32)
        (block $caught (result exnref)
          (return (try_table (result i32) (catch_all_ref $caught) (call $deep (local.get $what) (i32.const 3)))))
        (throw_ref))
      (func (export "main") (param i32) (result i32) (call $misses (local.get 0)))
      (func (export "main again") (param i32) (result i32) (call $rethrows (local.get 0)))
      (func (export "here") (param i32) (result i32)
        (block $pair (result i32 i32)
          (try_table (catch $pair $pair) (throw $number (i32.const 1)))
          (unreachable))
        (i32.add))"#,
    );
    let call = |engine: &mut Engine, name: &str, what| match invoke(engine, name, &[what]) {
        Err(Ending::Trap(Trap { kind, backtrace })) => {
            let calls: Vec<_> = backtrace.iter().map(|frame| (frame.function.clone(), frame.times)).collect();
            (kind.to_string(), calls)
        }
        other => panic!("{name}: {other:?}"),
    };
    let calls = |calls: &[(&str, u64)]| calls.iter().map(|(name, times)| (name.to_string(), *times)).collect();
    let expected = vec![
        (
            "uncaught exception oops".to_string(),
            calls(&[("thrower", 1), ("deep", 1), ("deep", 3), ("misses", 1), ("main", 1)]),
        ),
        ("uncaught exception tag[3]".to_string(), calls(&[("rethrows", 1), ("main again", 1)])),
        ("uncaught exception oops".to_string(), calls(&[("here", 1)])),
    ];
    at_every_tier(&text, &expected, |engine| {
        for _ in 0..5 {
            call(engine, "main", 1);
        }
        vec![call(engine, "main", 1), call(engine, "main again", 3), call(engine, "here", 0)]
    });
}
