//! Traps in code that an earlier boot made: kind, callers and places are those of the module.

use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Ending, Engine, Options, TrapKind};

use crate::boots::{self, Boot, Left, alone, settle};
use crate::engine::{NoImports, call, invoke};
use crate::program::between_boots;

/// Divides by its argument, three calls deep, one of them through a table. `first` is the body of a function in front.
fn divider(first: &str) -> &'static [u8] {
    let text = format!(
        r#"(module (memory 1) (type $f (func (param i32) (result i32))) (table funcref (elem $inner))
          (func $first (param i32) (result i32) {first})
          (func $inner (param i32) (result i32) (i32.div_u (i32.const 100) (local.get 0)))
          (func $middle (param i32) (result i32)
            (i32.add (call $first (i32.const 1)) (call_indirect (type $f) (local.get 0) (i32.const 0))))
          (func $outer (export "outer") (param i32) (result i32) (i32.mul (call $middle (local.get 0)) (i32.const 2)))
          (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
          (func (export "load") (param i32) (result i32) (i32.load offset=4 (local.get 0)))
          (func $deep (export "deep") (param i32) (result i32) (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))
          (func $forever (export "forever") (param i64) (result i64)
            (i64.add (local.get 0) (call $forever (i64.add (local.get 0) (i64.const 1))))))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}")).leak()
}

/// Traps of every function, in words: kinds, names and places.
fn traps(engine: &mut Engine) -> Vec<String> {
    for n in 1..300 {
        assert_eq!(call(engine, "outer", &[n]), [2 * (1 + 100 / n)]);
        call(engine, "fill", &[n, 100]);
    }
    assert_eq!(call(engine, "deep", &[2_000]), [2_000]);
    let calls: [(&str, &[u64]); 5] =
        [("outer", &[0]), ("fill", &[65_500, 100]), ("fill", &[65_536, 1]), ("load", &[65_529]), ("forever", &[1])];
    let traps = (0..2).flat_map(|_| calls).map(|(name, args)| match invoke(engine, name, args) {
        Err(Ending::Trap(trap)) => {
            assert_eq!(trap.kind == TrapKind::StackOverflow, name == "forever", "{trap}");
            trap.to_string()
        }
        other => panic!("{name}{args:?} gave {other:?}"),
    });
    traps.collect()
}

fn boot(wasm: &'static [u8], options: Options, left: &Left) -> Boot<Vec<String>> {
    let mut engine = boots::engine(wasm, Box::new(NoImports), options, left);
    let traps = traps(&mut engine);
    boots::end(engine, traps, left)
}

/// Without the times that a function stands in the trace: how deep a stack can be is the tier's matter.
fn kinds_and_places(traps: &[String]) -> Vec<String> {
    traps.iter().filter(|trap| !trap.contains("stack")).cloned().collect()
}

const ONE: &str = "(local.get 0)";
/// The same with a longer body.
const LONGER: &str = "(i32.sub (i32.add (local.get 0) (i32.const 100000)) (i32.const 100000))";

#[test]
fn traps_in_code_that_was_taken_over_are_those_of_code_that_was_compiled() {
    let _alone = alone();
    for (lowest, highest) in
        [(Tier::Baseline, Tier::Baseline), (Tier::Optimised, Tier::Optimised), (Tier::Baseline, Tier::Specialised)]
    {
        let options = Options { lowest, highest, ..between_boots() };
        let compiled = boot(divider(ONE), options, &Left::default());
        assert!(compiled.result[0].starts_with("trap: "), "{}", compiled.result[0]);
        for name in ["inner @ 0x", "middle @ 0x", "outer @ 0x"] {
            assert!(compiled.result[0].contains(name), "{}", compiled.result[0]);
        }
        let loaded = settle(compiled.left, |left| boot(divider(ONE), options, left));
        assert_eq!(kinds_and_places(&loaded.result), kinds_and_places(&compiled.result), "{options:?}");
        // With the same profile and no code, the same code is made: everything in the traces is equal.
        let again = boot(divider(ONE), options, &Left { code: None, ..loaded.left.clone() });
        let after = boot(divider(ONE), options, &loaded.left);
        assert_eq!((after.functions().2, &after.result), (0, &again.result), "{options:?}");
    }
}

#[test]
fn places_are_those_of_the_module_that_runs() {
    let _alone = alone();
    for promotion in [Promotion::Boots, Promotion::Flight] {
        let options = Options { promotion, ..Options::default() };
        let known = settle(Left::default(), |left| boot(divider(ONE), options, left));
        let rebuilt = boot(divider(LONGER), options, &known.left);
        assert_eq!(rebuilt.statistics.code_rejected, 1, "{}", rebuilt.reason);
        let compiled = boot(divider(LONGER), options, &Left::default());
        assert_eq!(kinds_and_places(&rebuilt.result), kinds_and_places(&compiled.result));
        assert_ne!(kinds_and_places(&rebuilt.result), kinds_and_places(&known.result));
    }
}
