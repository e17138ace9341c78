//! A program that is faster from boot to boot, in QEMU with ticks that are retired instructions.

mod common;

use bareflow::profile::BootRow;
use common::qemu::{Boot, Guest, code, fresh_store};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Boots of one program on one store, all of which must end well with the same output; their rows and that output.
fn boots(guest: Guest, count: u64) -> (Vec<BootRow>, String) {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let guest = guest.counting_instructions().store(&fresh_store(&folder));
    let boots: Vec<Boot> = (0..count).map(|_| guest.run()).collect();
    let output = boots[0].output();
    for (number, boot) in (1..).zip(&boots) {
        boot.expect_code(code::SUCCESS);
        assert_eq!(boot.output(), output, "boot {number}\n{}", boot.log());
        let row = boot.row();
        assert_eq!((row.boot, row.generation, row.exit_code), (number, number - 1, 0), "{}", boot.log());
    }
    (boots.iter().map(Boot::row).collect(), output)
}

/// Five boots of the sample program, promoted between boots only. They are made once for all tests.
fn promoted_between_boots() -> &'static (Vec<BootRow>, String) {
    static MADE: OnceLock<(Vec<BootRow>, String)> = OnceLock::new();
    MADE.get_or_init(|| boots(Guest::concordance().words("promote=boots"), 5))
}

/// The ticks of every boot, for messages.
fn ticks(rows: &[BootRow]) -> Vec<u64> {
    rows.iter().map(|row| row.ticks_program).collect()
}

/// Fails unless `ticks` are at most `percent` of `of`.
#[track_caller]
fn at_most(ticks: u64, percent: u64, of: u64, rows: &[BootRow]) {
    assert!(ticks * 100 <= of * percent, "{ticks} ticks are over {percent} % of {of}: {rows:#?}");
}

#[test]
fn promoted_between_boots_the_program_takes_half_the_ticks_and_stays_there() {
    let (rows, output) = promoted_between_boots();
    assert!(output.contains("checksum of the records: "), "{output}");
    let first = &rows[0];
    at_most(rows[1].ticks_program, 60, first.ticks_program, rows);
    at_most(rows[4].ticks_program, 50, first.ticks_program, rows);
    let settled = ticks(&rows[2..]);
    let (least, most) = (settled.iter().min().copied().unwrap_or(0), settled.iter().max().copied().unwrap_or(0));
    assert!((most - least) * 100 < least, "boots 3 to 5 differ by 1 % or more: {settled:?}");
}

#[test]
fn functions_that_are_never_called_are_never_compiled_and_tiers_are_different_code() {
    let (rows, _) = promoted_between_boots();
    for row in rows {
        assert!(row.functions_called * 4 < row.functions_total * 3, "most functions were called: {row:#?}");
        // What stands in place of all its calls is called and not compiled.
        assert!(row.functions_compiled_this_boot <= row.functions_called, "{row:#?}");
        let by_tier = row.functions_baseline + row.functions_optimised + row.functions_specialised;
        assert_eq!(by_tier, row.functions_compiled_this_boot + row.code_loaded, "{row:#?}");
    }
    let [first, second, ..] = &rows[..] else { unreachable!("five boots were asked for") };
    assert_eq!(first.functions_baseline, first.functions_called, "boot 1 knows nothing yet: {first:#?}");
    assert_eq!((first.guards_passed, first.guards_failed), (0, 0), "{first:#?}");
    assert!(second.functions_optimised > 0 && second.functions_specialised > 0, "{second:#?}");
    assert!(second.guards_passed > 0, "{second:#?}");
    assert_ne!(first.code_bytes, second.code_bytes, "the tiers are the same code");
    assert!(first.profile_bytes == 0 && second.profile_bytes > 0, "{rows:#?}");
}

#[test]
fn little_of_the_libc_is_kept() {
    let (rows, _) = promoted_between_boots();
    let row = &rows[3];
    println!(
        "boot {}: {} of {} C functions compiled, {} bytes of machine code with everything behind them",
        row.boot, row.libc_functions_compiled, row.libc_functions_total, row.libc_code_bytes
    );
    assert!(row.libc_functions_compiled > 0 && row.libc_code_bytes > 0, "{row:#?}");
    assert!(row.libc_functions_compiled * 5 <= row.libc_functions_total, "{row:#?}");
    assert!(row.libc_code_bytes < 50_000, "{row:#?}");
}

#[test]
fn promoted_in_flight_the_first_boot_is_faster_already_and_no_boot_is_worse_than_the_best_before() {
    let (baseline, expected) = promoted_between_boots();
    let (rows, output) = boots(Guest::concordance(), 5);
    assert_eq!(output, *expected, "promotion changed what the program prints");
    assert!(rows[0].ticks_program < baseline[0].ticks_program, "{} {:?}", baseline[0].ticks_program, ticks(&rows));
    at_most(rows[1].ticks_program, 90, rows[0].ticks_program, &rows);
    for later in 1..rows.len() {
        let best = ticks(&rows[..later]).into_iter().min().unwrap_or(0);
        at_most(rows[later].ticks_program, 101, best, &rows);
    }
}

/// Copies per run of [`copies`].
const COPIES: u64 = 100_000;

/// A command that copies 512 bytes again and again between aligned addresses, `size` being the instruction that says
/// how many bytes. It exits with 1 if a byte was not copied and with 2 if one too many was.
fn copies(size: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
  (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\00\02\00\00")
  (func $source_byte (param $i i32) (result i32)
    (i32.and (i32.add (i32.mul (local.get $i) (i32.const 7)) (i32.const 3)) (i32.const 255)))
  (func $fill (local $i i32)
    (loop $next
      (i32.store8 offset=4096 (local.get $i) (call $source_byte (local.get $i)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1024)))))
  (func $check (local $i i32)
    (loop $next
      (if (i32.ne (i32.load8_u offset=8192 (local.get $i)) (call $source_byte (local.get $i)))
        (then (call $proc_exit (i32.const 1))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 512))))
    (if (i64.ne (i64.load (i32.const 8704)) (i64.const 0)) (then (call $proc_exit (i32.const 2)))))
  (func (export "_start") (local $left i32)
    (call $fill)
    (local.set $left (i32.const {COPIES}))
    (loop $next
      (drop (call $memcpy (i32.const 8192) (i32.const 4096) {size}))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (call $check)))"#
    );
    wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `program` on `cpu`: generic in boot 1 and specialised in boot 2, where a copy takes at most `most` ticks.
fn copies_get_cheap(size: &str, cpu: &str, most: u64) {
    let guest = Guest::program_bytes("copies.wasm", &copies(size)).cpu(cpu).words("promote=boots");
    let (rows, _) = boots(guest, 2);
    let [generic, specialised] = [&rows[0], &rows[1]].map(|row| row.ticks_program / COPIES);
    println!("{cpu}, size {size}: {generic} ticks a copy, then {specialised}");
    assert!(generic > 2_000, "a byte loop does not take {generic} ticks: {rows:#?}");
    assert!(specialised <= most, "{specialised} ticks a copy: {rows:#?}");
    assert!(rows[1].guards_passed >= COPIES && rows[1].guards_failed == 0, "{rows:#?}");
}

const CONSTANT: &str = "(i32.const 512)";
/// Nothing in the program says that this word never changes, so that the copy needs its guard.
const FROM_MEMORY: &str = "(i32.load (i32.const 16))";

#[test]
fn a_copy_of_512_constant_bytes_takes_45_instructions_with_avx2() {
    copies_get_cheap(CONSTANT, "max", 45);
}

#[test]
fn a_copy_of_512_variable_bytes_takes_45_instructions_with_avx2() {
    copies_get_cheap(FROM_MEMORY, "max", 45);
}

#[test]
fn a_copy_of_512_bytes_takes_80_instructions_with_sse2() {
    copies_get_cheap(FROM_MEMORY, "qemu64", 80);
}

#[test]
fn a_copy_of_another_size_fails_the_guard_and_is_right() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    // Seven of eight copies have 512 bytes, the others one of 32 smaller sizes: all must arrive whole.
    let size = "(select (i32.sub (i32.const 500) (i32.and (local.get $left) (i32.const 496)))
        (i32.load (i32.const 16)) (i32.eqz (i32.rem_u (local.get $left) (i32.const 8))))";
    let guest = || Guest::program_bytes("copies.wasm", &copies(size)).words("promote=boots").store(&store);
    guest().counting_instructions().run().expect_code(code::SUCCESS);
    let boot = guest().counting_instructions().run();
    let row = boot.expect_code(code::SUCCESS).row();
    assert!(row.guards_passed >= COPIES * 8 / 10 && row.guards_failed >= COPIES / 10, "{}", boot.log());
}

#[test]
fn one_store_serves_different_cpus_with_the_same_output() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let run = |cpu: &str, store: &Path| Guest::concordance().cpu(cpu).store(store).run();
    let expected = run("max", &store);
    expected.expect_code(code::SUCCESS);
    for cpu in ["qemu64", "max", "qemu64"] {
        let boot = run(cpu, &store);
        boot.expect_code(code::SUCCESS).expect("\"store\":\"saved\"");
        assert_eq!(boot.output(), expected.output(), "on {cpu}\n{}", boot.log());
        assert!(boot.row().functions_specialised > 0, "on {cpu}\n{}", boot.log());
    }
}
