//! How programs end badly: every kind of trap by name, where it happened, and that the engine goes on afterwards.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::{Ending, Engine, Options, Trap, TrapKind};
use bareflow::profile::Profile;
use oracle::modes;
use wasmparser::{Operator, Parser, Payload};

/// The trap that calling `name` ends in.
fn trap(engine: &mut Engine, name: &str, args: &[u64]) -> Trap {
    match engine::invoke(engine, name, args) {
        Err(Ending::Trap(trap)) => trap,
        other => panic!("{name}{args:x?} gave {other:?}"),
    }
}

/// Offsets in the module of the operators of defined function `function` for which `wanted` holds.
fn offsets(text: &str, function: usize, wanted: impl Fn(&Operator<'_>) -> bool) -> Vec<u32> {
    let wasm = wat::parse_str(text).expect("well-formed");
    let bodies = Parser::new(0).parse_all(&wasm).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    let body = bodies.into_iter().nth(function).expect("the function is defined");
    let mut reader = body.get_operators_reader().expect("valid");
    let mut found = Vec::new();
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset().expect("valid");
        if wanted(&operator) {
            found.push(offset as u32);
        }
    }
    found
}

fn names(trap: &Trap) -> Vec<&str> {
    trap.backtrace.iter().map(|frame| frame.function.as_str()).collect()
}

const KINDS: &str = r#"(module (memory 1) (table 4 funcref) (elem (i32.const 0) $other $deep) (elem $p func $other)
  (data $d "12345")
  (type $f (func (param i64) (result i64)))
  (func $other (param i32))
  (func $deep (param i64) (result i64) (unreachable))
  (func (export "unreachable") (unreachable))
  (func (export "load") (drop (i32.load (i32.const 65533))))
  (func (export "store") (i64.store offset=65529 (i32.const 0) (i64.const 1)))
  (func (export "past 4 GiB") (drop (i32.load8_u offset=0xffffffff (i32.const -1))))
  (func (export "at 4 GiB") (i32.store8 offset=0xffffffff (i32.const 1) (i32.const 1)))
  (func (export "copy") (memory.copy (i32.const 0) (i32.const 65000) (i32.const 537)))
  (func (export "copy to") (memory.copy (i32.const 65536) (i32.const 0) (i32.const 1)))
  (func (export "fill") (memory.fill (i32.const 65000) (i32.const 1) (i32.const -1)))
  (func (export "init") (memory.init $d (i32.const 65532) (i32.const 0) (i32.const 5)))
  (func (export "init from") (memory.init $d (i32.const 0) (i32.const 1) (i32.const 5)))
  (func (export "table get") (drop (table.get (i32.const 4))))
  (func (export "table set") (table.set (i32.const -1) (ref.null func)))
  (func (export "table init") (table.init $p (i32.const 4) (i32.const 0) (i32.const 1)))
  (func (export "table copy") (table.copy (i32.const 2) (i32.const 0) (i32.const 3)))
  (func (export "table fill") (table.fill (i32.const 3) (ref.null func) (i32.const 2)))
  (func (export "call outside") (drop (call_indirect (type $f) (i64.const 1) (i32.const 4))))
  (func (export "call null") (drop (call_indirect (type $f) (i64.const 1) (i32.const 2))))
  (func (export "call other") (drop (call_indirect (type $f) (i64.const 1) (i32.const 0))))
  (func (export "div_s 0") (drop (i32.div_s (i32.const 1) (i32.const 0))))
  (func (export "div_u 0") (drop (i64.div_u (i64.const 1) (i64.const 0))))
  (func (export "rem_s 0") (drop (i64.rem_s (i64.const 1) (i64.const 0))))
  (func (export "rem_u 0") (drop (i32.rem_u (i32.const 1) (i32.const 0))))
  (func (export "div_s min") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))
  (func (export "div_s long min") (drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1))))
  (func (export "trunc nan") (drop (i32.trunc_f32_s (f32.const nan))))
  (func (export "trunc inf") (drop (i64.trunc_f64_u (f64.const inf))))
  (func (export "trunc large") (drop (i32.trunc_f64_s (f64.const 2147483648))))
  (func (export "trunc -1") (drop (i64.trunc_f32_u (f32.const -1)))))"#;

#[test]
fn every_kind_of_trap_has_its_name_and_place() {
    use TrapKind::{
        DivisionByZero, IntegerOverflow, InvalidConversion, MemoryOutOfBounds, NullFunction, SignatureMismatch,
    };
    use TrapKind::{TableOutOfBounds, UndefinedElement, Unreachable};
    let kinds = [
        ("unreachable", Unreachable),
        ("load", MemoryOutOfBounds),
        ("store", MemoryOutOfBounds),
        ("past 4 GiB", MemoryOutOfBounds),
        ("at 4 GiB", MemoryOutOfBounds),
        ("copy", MemoryOutOfBounds),
        ("copy to", MemoryOutOfBounds),
        ("fill", MemoryOutOfBounds),
        ("init", MemoryOutOfBounds),
        ("init from", MemoryOutOfBounds),
        ("table get", TableOutOfBounds),
        ("table set", TableOutOfBounds),
        ("table init", TableOutOfBounds),
        ("table copy", TableOutOfBounds),
        ("table fill", TableOutOfBounds),
        ("call outside", UndefinedElement),
        ("call null", NullFunction),
        ("call other", SignatureMismatch),
        ("div_s 0", DivisionByZero),
        ("div_u 0", DivisionByZero),
        ("rem_s 0", DivisionByZero),
        ("rem_u 0", DivisionByZero),
        ("div_s min", IntegerOverflow),
        ("div_s long min", IntegerOverflow),
        ("trunc nan", InvalidConversion),
        ("trunc inf", IntegerOverflow),
        ("trunc large", IntegerOverflow),
        ("trunc -1", IntegerOverflow),
    ];
    for mode in modes() {
        let mut engine = mode.engine(KINDS, |_| ());
        for round in 0..15 {
            for (index, (name, kind)) in kinds.iter().enumerate() {
                let trap = trap(&mut engine, name, &[]);
                assert_eq!(trap.kind, *kind, "{name} round {round} {mode:?}");
                assert_eq!(names(&trap), [*name], "{mode:?}");
                let places = offsets(KINDS, index + 2, |operator| !matches!(operator, Operator::End | Operator::Drop));
                let place = trap.backtrace[0].offset.expect("the place is known");
                assert!(places.contains(&place), "{name} at {place:#x}, not one of {places:x?}");
                let constant = offsets(KINDS, index + 2, |operator| format!("{operator:?}").contains("Const"));
                assert!(!constant.contains(&place), "{name} at {place:#x}, which is a constant ({mode:?})");
            }
        }
        assert_eq!(engine.statistics().functions_called, 28);
        let learned = engine.learned();
        assert!(learned.functions.iter().all(|function| function.calls <= 15), "{mode:?}");
        assert_eq!(Profile::decode(&learned.encode().expect("there is memory")), Ok(learned));
    }
}

const NESTED: &str = r#"(module (memory 1) (type $f (func (param i32) (result i32))) (table funcref (elem $inner))
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 100) (local.get 0)))
  (func $middle (param i32) (result i32) (i32.add (i32.const 1) (call_indirect (type $f) (local.get 0) (i32.const 0))))
  (func $outer (export "outer") (param i32) (result i32) (local i64) (i32.mul (call $middle (local.get 0)) (i32.const 2)))
  (func (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call 3 (i32.sub (local.get 0) (i32.const 1)))) (else (unreachable)))))"#;

#[test]
fn backtraces_name_the_callers_innermost_first_with_offsets() {
    let places = [
        offsets(NESTED, 0, |operator| matches!(operator, Operator::I32DivU)),
        offsets(NESTED, 1, |operator| matches!(operator, Operator::CallIndirect { .. })),
        offsets(NESTED, 2, |operator| matches!(operator, Operator::Call { .. })),
    ];
    let work = |engine: &mut Engine| (1..200).map(|n| engine::call(engine, "outer", &[n])[0] as u32).sum::<u32>();
    for mode in modes() {
        let mut engine = mode.engine(NESTED, work);
        for round in 0..3 {
            let trap = trap(&mut engine, "outer", &[0]);
            assert_eq!(trap.kind, TrapKind::DivisionByZero);
            assert_eq!(names(&trap), ["inner", "middle", "outer"], "{mode:?} round {round}");
            let found: Vec<u32> = trap.backtrace.iter().map(|frame| frame.offset.expect("known")).collect();
            assert_eq!(found, places.concat(), "{mode:?} round {round}");
            assert!(work(&mut engine) > 0);
        }
    }
    let mut engine = engine::engine(NESTED, Options::default(), Profile::default());
    for depth in [5, 10_000] {
        let deep = trap(&mut engine, "deep", &[depth]);
        assert_eq!(deep.backtrace.iter().map(|frame| frame.times).sum::<u64>(), depth + 1, "{deep}");
    }
}

#[test]
fn an_access_across_the_end_changes_nothing_and_one_before_it_works() {
    let text = r#"(module (memory 1)
      (func (export "store") (param i32) (i64.store (local.get 0) (i64.const -1)))
      (func (export "peek") (param i32) (result i64) (i64.load (i32.const 65528)))
      (func (export "unused") (param i32) (drop (i64.load (local.get 0))))
      (func (export "order") (param i32) (i32.store8 (i32.const 65528) (i32.const 7)) (i64.store (local.get 0) (i64.const -1))
        (i32.store8 (i32.const 65529) (i32.const 9))))"#;
    for mode in modes() {
        let mut engine = mode.engine(text, |_| ());
        for _ in 0..10 {
            for address in [65529, 65535, 65536, u64::from(u32::MAX)] {
                for name in ["store", "unused", "order"] {
                    assert_eq!(
                        trap(&mut engine, name, &[address]).kind,
                        TrapKind::MemoryOutOfBounds,
                        "{name} {mode:?}"
                    );
                }
                assert_eq!(engine::call(&mut engine, "peek", &[0]), [7]);
            }
            engine::call(&mut engine, "unused", &[65528]);
        }
        engine::call(&mut engine, "store", &[65528]);
        assert_eq!(engine::call(&mut engine, "peek", &[0]), [u64::MAX]);
    }
}

/// A function that recurses for ever with a frame of about `words` words.
fn recursing(words: usize) -> String {
    let sets: String =
        (1..=words).map(|i| format!("(local.set {i} (i64.mul (local.get 0) (i64.const {i})))")).collect();
    let gets: String = (1..=words).map(|i| format!("(i64.add (local.get {i}))")).collect();
    format!(
        "(module (memory 1) (func $helper (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
         (func $f (export \"f\") (param i64) (result i64) (local {}) {sets} (call $f (call $helper (local.get 0))) {gets})
         (func $a (export \"a\") (param i64) (result i64) (i64.add (call $b (local.get 0)) (i64.const 1)))
         (func $b (param i64) (result i64) (i64.add (call $a (local.get 0)) (i64.const 1))))",
        "i64 ".repeat(words)
    )
}

#[test]
fn endless_recursion_exhausts_the_stack_whatever_the_frame() {
    for words in [0, 1, 5, 100, 600, 5000] {
        let text = recursing(words);
        for mode in modes() {
            let mut engine = mode.engine(&text, |_| ());
            for _ in 0..3 {
                let overflow = trap(&mut engine, "f", &[1]);
                assert_eq!(overflow.kind, TrapKind::StackOverflow, "{words} {mode:?}");
                assert!(
                    overflow.backtrace.iter().map(|frame| frame.times).sum::<u64>() > 10
                        && names(&overflow).iter().skip(2).all(|name| *name == "f"),
                    "{overflow}"
                );
            }
            let both = trap(&mut engine, "a", &[1]);
            assert!(names(&both)[..6].windows(2).all(|pair| pair[0] != pair[1]), "a caller is missing: {both}");
            assert!(engine.statistics().functions_called >= 4);
            assert!(engine.learned().functions.len() >= 4);
        }
    }
}

/// Without SSE4.1 rounding calls a function of the engine on the program's stack.
#[test]
fn the_stack_may_end_inside_any_operator() {
    for pad in 0..12 {
        let locals = "f64 ".repeat(pad);
        let sets: String =
            (1..=pad).map(|i| format!("(local.set {i} (f64.mul (local.get 0) (f64.const {i})))")).collect();
        let gets: String = (1..=pad).map(|i| format!("(f64.add (local.get {i}))")).collect();
        let text = format!(
            "(module (memory 1) (table 1 funcref) (func $f (export \"f\") (param f64) (result f64) (local {locals}) {sets}
               (f64.nearest (f64.add (call $f (f64.floor (f64.ceil (f64.add (local.get 0) (f64.const 0.25))))) (f64.const 0.5))) {gets})
             (func $g (export \"g\") (param f64) (result f64) (local {locals}) {sets}
               (drop (memory.grow (i32.const 0))) (memory.fill (i32.const 0) (i32.const 0) (i32.const 9))
               (call $g (local.get 0)) {gets}))"
        );
        for mode in modes() {
            let mut engine = mode.engine(&text, |_| ());
            for name in ["f", "g", "f"] {
                assert_eq!(trap(&mut engine, name, &[0]).kind, TrapKind::StackOverflow, "{mode:?}");
            }
        }
    }
}

/// Where a specialised copy of the libc runs out of memory, the caller is named as for the generic one.
#[test]
fn a_trap_in_a_specialised_copy_names_its_caller() {
    let text = r#"(module
      (import "libc" "memcpy" (func $copy (param i32 i32 i32) (result i32))) (memory 1)
      (func $user (param i32 i32) (drop (call $copy (local.get 0) (i32.const 0) (local.get 1))))
      (func (export "f") (param i32 i32) (call $user (local.get 0) (local.get 1))))"#;
    let call = offsets(text, 0, |operator| matches!(operator, Operator::Call { .. }))[0];
    for cpu in [CpuFeatures::detect(), CpuFeatures::empty()] {
        let mut first = engine::engine_on(cpu, text, Options::default(), Profile::default());
        (0..200).for_each(|_| drop(engine::call(&mut first, "f", &[4096, 64])));
        let mut second = engine::engine_on(cpu, text, Options::default(), first.learned());
        engine::call(&mut second, "f", &[4096, 64]);
        assert_eq!(second.statistics().guards_passed, 1);
        let specialised = trap(&mut second, "f", &[65536 - 32, 64]);
        assert_eq!(specialised.kind, TrapKind::MemoryOutOfBounds);
        assert_eq!(names(&specialised), ["user", "f"], "{specialised}");
        assert_eq!(specialised.backtrace[0].offset, Some(call));
        let generic = trap(&mut second, "f", &[65536 - 32, 63]);
        let callers = generic.backtrace.iter().skip_while(|frame| frame.function == "memcpy");
        let callers: Vec<_> = callers.map(|frame| (&*frame.function, frame.offset)).collect();
        assert_eq!(callers[0], ("user", Some(call)), "{generic}");
        assert_eq!(callers[1].0, "f", "{generic}");
    }
}
