//! Whole programs, run by another engine (wasmi) on this kernel's WASI: what holds here does not depend on our engine.

#[path = "common/programs.rs"]
mod programs;

use bareflow::engine::seams::Imports;
use bareflow::wasi::{MODULE, Wasi, WasiBuilder};
use programs::{Run, run_in_wasmi, system};

const TEXT: &str = "The quick brown fox\njumps over the lazy dog\n";

fn builder() -> WasiBuilder<'static> {
    let builder = Wasi::builder().arg("program").arg("one").arg("two").env("HOME", "/").env("LANG", "C");
    builder.file("text", TEXT.as_bytes()).and_then(|builder| builder.file("dir/inner", b"inner".as_slice())).unwrap()
}

/// Runs the program `wat` until it exits or returns (exit code 0).
fn run(wat: &str) -> Run {
    let wasm = wat::parse_str(wat).unwrap();
    run_in_wasmi(&wasm, builder(), b"")
}

#[test]
fn writes_to_both_streams_and_exits_with_a_code() {
    let run = run(include_str!("wasi_programs/streams.wat"));
    assert_eq!(run, Run { exit: 3, stdout: "hello\n".into(), stderr: "warning\n".into() });
}

#[test]
fn echoes_its_arguments_and_environment() {
    let run = run(include_str!("wasi_programs/arguments.wat"));
    assert_eq!(run, Run { exit: 0, stdout: "program\0one\0two\0HOME=/\0LANG=C\0".into(), stderr: "".into() });
}

#[test]
fn copies_a_file_to_its_output_in_small_parts() {
    let run = run(include_str!("wasi_programs/copy_file.wat"));
    assert_eq!(run, Run { exit: 0, stdout: TEXT.into(), stderr: "".into() });
}

#[test]
fn lists_the_root_directory() {
    let run = run(include_str!("wasi_programs/list.wat"));
    assert_eq!(run, Run { exit: 0, stdout: ".\n..\ndir\ntext\ntmp\n".into(), stderr: "".into() });
}

#[test]
fn writes_renames_and_reads_a_file_of_its_own() {
    let run = run(include_str!("wasi_programs/scratch.wat"));
    assert_eq!(run, Run { exit: 44, stdout: "made by the program\n".into(), stderr: "".into() });
}

#[test]
fn sleeps_by_the_monotonic_clock() {
    let run = run(include_str!("wasi_programs/sleep.wat"));
    assert_eq!(run.exit, 0, "the clock moved less than the sleep");
}

#[test]
fn copies_its_input_until_the_end() {
    let wasm = wat::parse_str(include_str!("wasi_programs/copy_input.wat")).unwrap();
    let run = run_in_wasmi(&wasm, builder(), b"typed by hand");
    assert_eq!(run, Run { exit: 0, stdout: "typed by hand".into(), stderr: "".into() });
}

#[test]
fn a_name_that_wasi_does_not_have_is_not_found() {
    let wasi = system(builder(), b"").0;
    assert!(wasi.find(MODULE, "fd_write").is_some());
    assert!(wasi.find(MODULE, "fd_writev").is_none());
    assert!(wasi.find("env", "fd_write").is_none());
}
