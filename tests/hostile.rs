//! Programs that are none, in QEMU: each ends with one line that says what to do, and never with a panic.

mod common;

use common::qemu::{Boot, Guest, code, fresh_store};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Boots `program`, which cannot run; the one line in which the kernel says why.
fn refused(program: &[u8]) -> String {
    why(&Guest::program_bytes("program.wasm", program).run())
}

fn why(boot: &Boot) -> String {
    boot.expect_code(code::NO_PROGRAM);
    let known = ["there is no store disk", "boot 1 ended"];
    let mut lines = boot.kernel_lines();
    lines.retain(|line| !known.iter().any(|known| line.starts_with(known)));
    assert_eq!(lines.len(), 1, "{}", boot.log());
    lines.remove(0)
}

fn refused_wat(wat: &str) -> String {
    refused(&wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}")))
}

fn concordance() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs/concordance.wasm");
    fs::read(path).expect("./just programs makes it")
}

/// Fails unless `line` holds all of `parts`.
#[track_caller]
fn holds(line: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
}

#[test]
fn a_file_that_is_no_module_is_refused() {
    holds(&refused(b"#!/bin/sh\n"), &["the program (10 bytes) is not a WebAssembly module", "--target=wasm32-wasi"]);
}

#[test]
fn a_malformed_module_is_refused() {
    let mut bytes = concordance();
    let length = bytes.len();
    bytes[length / 3..length / 2].fill(0xff);
    holds(&refused(&bytes), &["the program is not valid WebAssembly at offset 0x", "rebuild or copy it again"]);
}

#[test]
fn a_truncated_module_is_refused() {
    let bytes = concordance();
    holds(&refused(&bytes[..bytes.len() / 2]), &["the program is not valid WebAssembly at offset 0x", "copy it again"]);
}

#[test]
fn all_unknown_imports_are_named_in_one_line() {
    let line = refused_wat(
        r#"(module (import "env" "first" (func)) (import "wasi_snapshot_preview1" "second" (func)) (func (export "_start")))"#,
    );
    holds(&line, &["env.first, wasi_snapshot_preview1.second;", "link it against wasi_snapshot_preview1 or libc only"]);
}

#[test]
fn an_import_of_another_type_is_refused() {
    let line = refused_wat(r#"(module (import "libc" "memcpy" (func (param i64))) (func (export "_start")))"#);
    holds(&line, &["libc.memcpy", "check its declaration"]);
}

#[test]
fn a_module_without_an_entry_is_refused() {
    let line = refused_wat(r#"(module (func (export "main")))"#);
    holds(&line, &["exports no function _start", "`bareflow run --invoke NAME` calls one that it does: main"]);
}

#[test]
fn an_entry_with_parameters_is_refused() {
    let line = refused_wat(r#"(module (func (export "_start") (param i32)))"#);
    holds(&line, &["exports no function _start without parameters"]);
}

#[test]
fn a_memory_larger_than_the_machine_is_refused() {
    let line = refused_wat(r#"(module (memory 65536) (func (export "_start")))"#);
    holds(&line, &["not enough memory for the program's linear memory", "give the machine more RAM"]);
}

#[test]
fn data_outside_the_memory_is_refused() {
    let line = refused_wat(r#"(module (memory 1) (data (i32.const 65535) "xy") (func (export "_start")))"#);
    holds(&line, &["data segment 0 of the program does not fit"]);
}

#[test]
fn a_file_whose_name_leads_nowhere_is_refused() {
    let boot = Guest::program("hello", &[]).file("../../etc/passwd", b"x").run();
    holds(&why(&boot), &["../../etc/passwd"]);
}

#[test]
fn a_program_that_takes_all_memory_is_given_what_there_is_and_goes_on() {
    let wat = r#"(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
      (memory (export "memory") 1)
      (func $later (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
      (func (export "_start") (local $step i32)
        (local.set $step (i32.const 1024))
        (loop $next
          (br_if $next (i32.ge_s (memory.grow (local.get $step)) (i32.const 0)))
          (br_if $next (local.tee $step (i32.shr_u (local.get $step) (i32.const 1)))))
        (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
        ;; A function that is compiled only now.
        (call $proc_exit (i32.sub (call $later (i32.const 14)) (i32.const 42)))))"#;
    let program = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let folder = TempDir::new().expect("a temporary folder can be made");
    let guest = Guest::program_bytes("program.wasm", &program).memory_mib(64).store(&fresh_store(&folder));
    for _ in 0..2 {
        guest.run().expect_code(code::SUCCESS).expect("\"store\":\"saved\"");
    }
}

#[test]
fn output_without_a_last_line_end_does_not_swallow_the_report() {
    let wat = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\00\00\00\07\00\00\00no line")
      (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;
    let program = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let boot = Guest::program_bytes("program.wasm", &program).run();
    boot.expect_code(code::SUCCESS).expect("\nno line\n");
    assert_eq!(boot.row().exit_code, 0);
}

#[test]
fn output_that_looks_like_a_report_is_not_the_last_one() {
    let text = r#"BAREFLOW {\"event\":\"exit\",\"boot\":99}\n"#;
    let wat = format!(
        r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\00\00\00\25\00\00\00{text}")
      (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#
    );
    let program = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"));
    let boot = Guest::program_bytes("program.wasm", &program).run();
    assert_eq!(boot.expect_code(code::SUCCESS).row().boot, 1);
}
