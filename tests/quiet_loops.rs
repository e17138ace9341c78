//! Loops that call nothing but the libc hold their counters in registers. None may be lost on the way out.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::decide::tier::Promotion;
use bareflow::engine::{Engine, Options};
use bareflow::profile::{FunctionRecord, Profile};

/// Each loop does the same work for 0, 1, ... below its parameter, and ends in its own way. In the last, `$noisy` is no quiet loop
/// because of its call, `$quiet` in it is.
const PROGRAM: &str = r#"(module
    (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
    (import "libc" "memcmp" (func $memcmp (param i32 i32 i32) (result i32)))
    (import "libc" "strlen" (func $strlen (param i32) (result i32)))
    (import "libc" "floor" (func $floor (param f64) (result f64)))
    (memory (export "memory") 1)
    (func $nothing)
    (func (export "falls-through") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (loop $next
        WORK
        (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
      (local.get $sum))
    (func (export "leaves-before") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
          WORK
          (br $next)))
      (local.get $sum))
    (func (export "returns") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (loop $next
        WORK
        (if (i32.ge_u (local.get $i) (local.get $n)) (then (return (local.get $sum))))
        (br $next))
      unreachable)
    (func (export "leaves-with-a-value") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (block $value (result i32)
        (loop $next
          WORK
          (br_if $value (local.get $sum) (i32.ge_u (local.get $i) (local.get $n)))
          (drop)
          (br $next))
        unreachable))
    (func (export "leaves-by-table") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (block $done (block $other
        (loop $next
          WORK
          (br_table $next $done $other
            (i32.add (i32.ge_u (local.get $i) (local.get $n)) (i32.gt_u (local.get $i) (local.get $n)))))))
      (local.get $sum))
    (func (export "is-nested") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (block $done
        (loop $outer
          (loop $inner
            WORK
            (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
            (br_if $outer (i32.and (local.get $i) (i32.const 1)))
            (br $inner))))
      (local.get $sum))
    (func (export "is-left-again-and-again") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (loop $noisy
        (call $nothing)
        (block $pause
          (loop $quiet
            WORK
            (br_if $pause (i32.eqz (i32.rem_u (local.get $i) (i32.const 5))))
            (br_if $quiet (i32.lt_u (local.get $i) (local.get $n)))))
        (br_if $noisy (i32.lt_u (local.get $i) (local.get $n))))
      (local.get $sum)))"#;

/// Paths of two sizes; a kernel of any size; a kernel without a size; a body in place of its call.
const WORK: &str = r#"
    (drop (call $memcpy (i32.const 4096) (i32.const 8192)
      (select (i32.const 24) (i32.const 304) (i32.and (local.get $i) (i32.const 3)))))
    (local.set $sum (i32.add (local.get $sum) (call $memcmp (i32.const 4096) (i32.const 8192) (i32.and (local.get $i) (i32.const 63)))))
    (local.set $sum (i32.add (local.get $sum) (call $strlen (i32.const 1024))))
    (local.set $sum (i32.add (local.get $sum) (i32.trunc_f64_s (call $floor (f64.convert_i32_s (local.get $i))))))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))"#;

const LOOPS: [&str; 7] = [
    "falls-through",
    "leaves-before",
    "returns",
    "leaves-with-a-value",
    "leaves-by-table",
    "is-nested",
    "is-left-again-and-again",
];
const ROUNDS: u64 = 150_000;
/// That the work calls.
const LIBC_FUNCTIONS: usize = 4;

fn boot(profile: Profile) -> Engine {
    let program = PROGRAM.replace("WORK", WORK);
    engine::engine(&program, Options { promotion: Promotion::Boots, ..Options::default() }, profile)
}

fn run(engine: &mut Engine, function: &str) -> u64 {
    engine.memory()[1024..1034].copy_from_slice(b"unbalance\0");
    engine::call(engine, function, &[ROUNDS])[0]
}

/// The records of functions whose calls went up by `ROUNDS` since `before`.
fn called_every_round(engine: &mut Engine, before: &Profile) -> usize {
    let earlier = |record: &FunctionRecord| before.find(record.key).map_or(0, |known| known.calls);
    engine.learned().functions.iter().filter(|record| record.calls - earlier(record) == ROUNDS).count()
}

#[test]
fn every_way_out_of_a_loop_that_holds_counters_brings_them_to_memory() {
    for function in LOOPS {
        let mut first = boot(Profile::default());
        let expected = run(&mut first, function);
        let profile = first.learned();
        let aged = boot(profile.clone()).learned();
        let mut second = boot(profile);
        assert_eq!(run(&mut second, function), expected, "{function}");
        assert_eq!(called_every_round(&mut second, &aged), LIBC_FUNCTIONS, "{function}");
        assert_eq!(second.statistics().guards_passed, ROUNDS, "{function}: the paths of memcpy");
    }
}
