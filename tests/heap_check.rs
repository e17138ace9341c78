//! The heap that checks: misuse ends the program under the name of what was found, and nothing else changes.

mod common;
#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::decide::tier::Tier;
use bareflow::engine::{Ending, Engine, Options, TrapKind};
use bareflow::libc::Heap;
use bareflow::profile::Profile;
use common::qemu::{Guest, code, text};
use std::path::Path;
use std::process::{Command, Output};

const IMPORTS: &str = r#"
    (import "libc" "malloc" (func $malloc (param i32) (result i32)))
    (import "libc" "realloc" (func $realloc (param i32 i32) (result i32)))
    (import "libc" "free" (func $free (param i32)))
    (memory (export "memory") 1)"#;

/// An engine for a program whose function `use` has this body. $block and $other are i32.
fn program(body: &str, options: Options) -> Engine {
    let wat = format!(
        r#"(module {IMPORTS} (func $use (export "use") (local $block i32) (local $other i32)
             (local.set $other (call $malloc (i32.const 100)))
             (local.set $block (call $malloc (i32.const 24)))
             {body}))"#
    );
    engine::engine(&wat, options, Profile::default())
}

/// `body` does what ends the program in `finding` during a call of `caller`, if the heap checks, at every tier.
fn finds(finding: &str, caller: &str, body: &str) {
    for tier in [Tier::Baseline, Tier::Optimised] {
        let options = Options { lowest: tier, ..Options::default() };
        let ending = engine::invoke(&mut program(body, Options { heap: Heap::Checked, ..options }), "use", &[]);
        let Err(Ending::Trap(trap)) = ending else { panic!("{finding} was not found: {ending:?}") };
        assert_eq!(trap.kind, TrapKind::Unreachable, "{trap}");
        let names: Vec<&str> = trap.backtrace.iter().map(|frame| &*frame.function).collect();
        assert_eq!((names[0], &names[names.len() - 2..]), (finding, &[caller, "use"][..]), "{trap}");
    }
}

/// Frees `rounds` blocks of 1000 bytes, one after the other.
fn freeing_many(rounds: u32) -> String {
    format!(
        "(local.set $other (i32.const {rounds}))
         (loop $next
           (call $free (call $malloc (i32.const 1000)))
           (br_if $next (local.tee $other (i32.sub (local.get $other) (i32.const 1)))))"
    )
}

#[test]
fn nothing_is_found_unless_asked_for() {
    let twice = "(call $free (local.get $block)) (call $free (local.get $block))";
    assert_eq!(engine::invoke(&mut program(twice, Options::default()), "use", &[]), Ok(vec![]));
}

#[test]
fn a_block_that_is_freed_twice_is_found() {
    finds("heap_double_free", "free", "(call $free (local.get $block)) (call $free (local.get $block))");
    let between = "(call $free (local.get $block)) (call $free (local.get $other)) (call $free (local.get $block))";
    finds("heap_double_free", "free", between);
}

#[test]
fn a_write_beside_a_block_is_found_when_the_block_is_freed_or_resized() {
    for outside in [-16, -1, 24, 39] {
        let write = format!("(i32.store8 (i32.add (local.get $block) (i32.const {outside})) (i32.const 7))");
        finds("heap_overflow", "free", &format!("{write} (call $free (local.get $block))"));
        finds("heap_overflow", "realloc", &format!("{write} (drop (call $realloc (local.get $block) (i32.const 9)))"));
    }
}

#[test]
fn a_write_beside_a_block_that_lives_on_is_found_by_later_calls() {
    let write = "(i32.store8 offset=24 (local.get $block) (i32.const 7))";
    finds("heap_overflow", "malloc", &format!("{write} (drop (call $malloc (i32.const 1))) {}", freeing_many(2)));
}

#[test]
fn a_write_to_a_freed_block_is_found_by_later_calls() {
    let write = "(call $free (local.get $block)) (i32.store8 offset=23 (local.get $block) (i32.const 7))";
    finds("heap_use_after_free", "malloc", &format!("{write} (drop (call $malloc (i32.const 1)))"));
}

#[test]
fn a_write_far_inside_a_freed_block_is_found_when_it_leaves_quarantine() {
    let write = "(local.set $block (call $malloc (i32.const 1000)))
        (call $free (local.get $block)) (i32.store8 offset=999 (local.get $block) (i32.const 7))";
    finds("heap_use_after_free", "free", &format!("{write} {}", freeing_many(300)));
}

#[test]
fn a_freed_block_that_is_resized_is_found() {
    let resize = "(call $free (local.get $block)) (drop (call $realloc (local.get $block) (i32.const 9)))";
    finds("heap_use_after_free", "realloc", resize);
}

#[test]
fn an_address_that_is_no_block_is_found_when_it_is_freed_or_resized() {
    for what in ["(i32.const 1024)", "(i32.add (local.get $block) (i32.const 16))", "(i32.const 65520)"] {
        finds("heap_invalid_free", "free", &format!("(call $free {what})"));
    }
    let misaligned = "(call $free (i32.add (local.get $block) (i32.const 4)))";
    finds("heap_invalid_free", "free", misaligned);
}

#[test]
fn before_the_first_block_and_outside_memory_no_address_is_a_block() {
    for (address, call) in [(1024, "free"), (0x7000_0000, "free"), (0xffff_fff0, "free"), (1024, "realloc")] {
        let call = match call {
            "free" => "(call $free (local.get 0))",
            _ => "(drop (call $realloc (local.get 0) (i32.const 9)))",
        };
        let wat = format!(r#"(module {IMPORTS} (func (export "use") (param i32) {call}))"#);
        let options = Options { heap: Heap::Checked, ..Options::default() };
        let ending = engine::invoke(&mut engine::engine(&wat, options, Profile::default()), "use", &[address]);
        let Err(Ending::Trap(trap)) = ending else { panic!("{address:#x} was not found: {ending:?}") };
        assert_eq!(trap.backtrace[0].function, "heap_invalid_free", "{trap}");
    }
}

/// `bareflow run` on a sample program.
fn command(args: &[&str]) -> Output {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs");
    let output = Command::new(env!("CARGO_BIN_EXE_bareflow")).arg("run").args(args).current_dir(programs).output();
    output.expect("the bareflow command can be run")
}

#[test]
fn a_program_that_brings_its_own_heap_runs_on_the_one_that_checks() {
    let folder = tempfile::TempDir::new().expect("a temporary folder can be made");
    let file = folder.path().join("text.txt");
    std::fs::write(&file, text()).expect("the temporary folder can be written");
    let file = file.to_str().expect("temporary folders have plain names");
    let plain = command(&["--file", file, "concordance.wasm", "text.txt"]);
    let checked = command(&["--heap-check", "--report", "--file", file, "concordance.wasm", "text.txt"]);
    assert!(plain.status.success() && checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert!(!plain.stdout.is_empty());
    assert_eq!(plain.stdout, checked.stdout);
}

#[test]
fn misuse_is_found_in_a_booted_program() {
    let wat = format!(
        r#"(module {IMPORTS} (func $main (export "_start") (local $block i32)
             (local.set $block (call $malloc (i32.const 24)))
             (i32.store8 offset=24 (local.get $block) (i32.const 7))
             (call $free (local.get $block))))"#
    );
    let bytes = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::program_bytes("program.wasm", &bytes).words("heap=check");
    let boot = guest.run();
    boot.expect_code(code::PROGRAM_TRAPPED).expect("trap: unreachable\n  0: heap_overflow @ 0x");
    boot.expect(": free @ 0x").expect(": main @ 0x");
    Guest::program_bytes("program.wasm", &bytes)
        .words("heap=what")
        .run()
        .expect("heap=what is not known")
        .expect_code(code::SUCCESS);
}
