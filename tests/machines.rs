//! Machines as they come: modes that firmware left, interrupts that nobody asked for, timers that are missing, input while
//! the program computes, and more files than a machine has memory areas.

mod common;

use bareflow::host::qemu::{Ending, Running};
use common::qemu::{Guest, TIMEOUT, code};
use std::time::{Duration, Instant};

#[test]
fn modes_that_firmware_left_change_no_number() {
    let boot = Guest::bare().words("selftest=modes").run();
    boot.expect_code(code::SELF_TEST_PASSED).expect("selftest modes: passed: ");
}

#[test]
fn interrupts_that_nobody_asked_for_are_counted_and_ignored() {
    let boot = Guest::bare().words("selftest=unexpected").counting_instructions().run();
    boot.expect_code(code::SELF_TEST_PASSED).expect("passed: 4 interrupts, the last one at vector 255");
}

#[test]
fn what_is_sent_while_nobody_reads_is_there_later() {
    let (_guest, mut running) = Guest::bare().words("selftest=serial").start();
    said(&mut running, "bareflow: send");
    let text: String = (0..2000).map(|number| char::from(b'a' + (number % 23) as u8)).collect();
    running.send_serial(&text).unwrap_or_else(|error| panic!("{error}"));
    let outcome = running.finish(TIMEOUT, &mut |_| ());
    let text = outcome.serial.kernel_text();
    assert_eq!(outcome.ending, Ending::DebugExit(code::SELF_TEST_PASSED), "{text}");
    assert!(text.contains("2000 of 2000 bytes came by themselves, 0 were lost"), "{text}");
}

fn said(running: &mut Running, text: &str) {
    running.wait_for(text, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
}

/// Says `asleep`, sleeps for two seconds, says `awake`, each on a line of its own.
const SLEEPS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\07\00\00\00\18\00\00\00\06\00\00\00asleep\0a\00awake\0a")
  ;; 512: a subscription to clock 1 in two seconds.
  (data (i32.const 528) "\01\00\00\00\00\00\00\00\00\94\35\77")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 40)))
    (drop (call $poll (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 40)))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 40)))))"#;

/// How long the program slept on a `machine`, by the clock here, and what the kernel said.
fn slept(machine: &str) -> (Duration, String) {
    let program = wat::parse_str(SLEEPS).unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::program_bytes("sleeps.wasm", &program).words("verbose").qemu(&["-M", machine]);
    let (_guest, mut running) = guest.start();
    said(&mut running, "asleep");
    let asleep = Instant::now();
    said(&mut running, "awake");
    let slept = asleep.elapsed();
    let outcome = running.finish(TIMEOUT, &mut |_| ());
    let text = outcome.serial.kernel_text();
    assert_eq!(outcome.ending, Ending::DebugExit(code::SUCCESS), "{text}");
    (slept, text)
}

/// Two seconds, less what it may take to learn that the program has gone to sleep.
const LEAST: Duration = Duration::from_millis(1500);

#[test]
fn without_an_interval_timer_the_acpi_timer_tells_the_time() {
    let (slept, text) = slept("q35,pit=off,hpet=off");
    assert!(slept > LEAST, "{slept:?}\n{text}");
    assert!(text.contains("MHz, told by the ACPI timer"), "{text}");
}

#[test]
fn without_any_timer_sleeping_takes_at_least_as_long_as_asked() {
    let (slept, text) = slept("isapc,pit=off");
    assert!(slept > LEAST, "{slept:?}\n{text}");
    assert!(text.contains("6000 MHz, told by an assumption"), "{text}");
    assert!(text.contains("no timer tells how fast the clock runs: sleeping takes longer than asked"), "{text}");
}

const FILES: usize = 300;

/// Opens the files `f000` to `f299`; the exit code is how many are missing.
fn opens_files() -> String {
    let names: String = (0..FILES).map(|number| format!("f{number:03}")).collect();
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{names}")
  (func (export "_start") (local $number i32) (local $missing i32)
    (loop $next
      (local.set $missing (i32.add (local.get $missing) (i32.ne (i32.const 0)
        (call $open (i32.const 3) (i32.const 0)
          (i32.add (i32.const 16) (i32.mul (i32.const 4) (local.get $number))) (i32.const 4)
          (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))))
      (br_if $next (i32.lt_u (local.tee $number (i32.add (local.get $number) (i32.const 1))) (i32.const {FILES}))))
    (call $exit (local.get $missing))))"#
    )
}

#[test]
fn three_hundred_files_are_there() {
    let program = wat::parse_str(opens_files()).unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::program_bytes("opens.wasm", &program);
    let files = (0..FILES).fold(guest, |guest, number| guest.file(&format!("f{number:03}"), b"content"));
    files.run().expect_code(code::SUCCESS);
}
