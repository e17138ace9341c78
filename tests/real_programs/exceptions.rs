//! Programs that throw: built from sources of packages, in both forms of the instructions, and such as packages ship.
//!
//! The references were made by another engine (Wasmtime for the standard form, V8 for the legacy one); natively compiled,
//! the C programs print the same, and the C++ program differs only in messages of its library.

use crate::download::{
    FRAMES_LEGACY, FRAMES_STANDARD, ICEBRAM, IMAGES_LEGACY, IMAGES_STANDARD, LUA_LEGACY, LUA_STANDARD, Program, YOSYS,
};
use crate::programs::Run;
use crate::{Work, at_every_tier};

/// Errors of every kind in Lua, which raises and catches them by longjmp. The last one is not caught.
fn errors(lua: &'static Program) -> (Work, Run) {
    let files = [("errors.lua", content!("sources/errors.lua"))];
    (Work::new(lua, &["/errors.lua"], &files), Run::of(2, content!("sources/errors.txt")))
}

/// Exceptions in C++, through frames of three libraries in C. The last one ends in std::terminate, and that in an exit.
fn frames(program: &'static Program) -> (Work, Run) {
    (Work::new(program, &[], &[]), Run::of(3, content!("sources/frames.txt")))
}

/// Damaged pictures, which libpng and libjpeg leave by longjmp.
fn damaged_images(program: &'static Program) -> (Work, Run) {
    (Work::new(program, &[], &[]), Run::of(0, content!("sources/images.txt")))
}

/// Random content for a memory of a chip, by a C++ program.
fn memory_content() -> (Work, Run) {
    (Work::new(&ICEBRAM, &["-g", "-s", "7", "16", "256"], &[]), Run::of(0, content!("icebram.txt")))
}

/// A circuit, simplified and written out by a compiler in C++.
fn circuit() -> (Work, Run) {
    const COMMANDS: &str = "read_verilog /counter.v; prep -top counter; opt -full; write_verilog -noattr";
    let files = [("counter.v", content!("counter.v"))];
    (Work::new(&YOSYS, &["-Q", "-T", "-q", "-p", COMMANDS], &files), Run::of(0, content!("counter.txt")))
}

#[test]
#[ignore = "downloads a compiler and builds with it: ./just test-programs"]
fn lua_unpatched_catches_what_it_raises_at_every_tier() {
    for lua in [&LUA_STANDARD, &LUA_LEGACY] {
        at_every_tier(errors(lua));
    }
}

#[test]
#[ignore = "downloads a compiler and builds with it: ./just test-programs"]
fn exceptions_leave_frames_of_three_libraries_at_every_tier() {
    for program in [&FRAMES_STANDARD, &FRAMES_LEGACY] {
        at_every_tier(frames(program));
    }
}

#[test]
#[ignore = "downloads a compiler and builds with it: ./just test-programs"]
fn longjmp_leaves_libpng_and_libjpeg_at_every_tier() {
    for program in [&IMAGES_STANDARD, &IMAGES_LEGACY] {
        at_every_tier(damaged_images(program));
    }
}

#[test]
#[ignore = "downloads a program: ./just test-programs"]
fn icebram_with_exceptions_does_the_same_at_every_tier() {
    at_every_tier(memory_content());
}

#[test]
#[ignore = "downloads a program of 69 MB: ./just test-programs"]
fn yosys_simplifies_a_circuit_at_every_tier() {
    at_every_tier(circuit());
}

#[test]
#[ignore = "downloads a compiler and builds with it: ./just test-programs"]
fn lua_frames_and_images_boot_and_do_what_they_do_in_a_process() {
    let standard = [errors(&LUA_STANDARD), frames(&FRAMES_STANDARD), damaged_images(&IMAGES_STANDARD)];
    let legacy = [errors(&LUA_LEGACY), frames(&FRAMES_LEGACY), damaged_images(&IMAGES_LEGACY)];
    for (work, expected) in standard.into_iter().chain(legacy) {
        work.expect_booted("", &expected);
    }
}

#[test]
#[ignore = "downloads a program: ./just test-programs"]
fn icebram_with_exceptions_boots_and_does_what_it_does_in_a_process() {
    let (work, expected) = memory_content();
    work.expect_booted("", &expected);
}
