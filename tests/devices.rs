//! Devices, in QEMU, looked at from outside: keys that are pressed, the picture on the screen, sectors in the disk's
//! file, a disk that fails, and power-off.

mod common;

#[path = "common/screen.rs"]
mod screen;

use bareflow::host::qemu::{Ending, Running};
use bareflow::store::SECTOR_BYTES;
use common::qemu::{Boot, Guest, TIMEOUT, code, fresh_store};
use screen::expect_shown;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

/// The keyboard self-test, waiting for keys.
fn keyboard_test() -> (Guest, Running) {
    let (guest, mut running) = Guest::bare().words("selftest=keyboard").start();
    running.wait_for("bareflow: type", TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    (guest, running)
}

fn press(running: &mut Running, keys: &[&str]) {
    keys.iter().for_each(|key| running.send_key(key).unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn keys_that_are_pressed_arrive_as_characters() {
    let (_guest, mut running) = keyboard_test();
    press(&mut running, &["h", "shift-i", "spc", "up", "7", "shift-1", "ret"]);
    let outcome = running.finish(TIMEOUT, &mut |_| ());
    let text = outcome.serial.kernel_text();
    assert_eq!(outcome.ending, Ending::DebugExit(code::SELF_TEST_PASSED), "{text}");
    assert!(text.contains("\nhI \u{1b}[A7!\n"), "the keys are echoed\n{text}");
    assert!(text.contains("bareflow: selftest keyboard: passed: typed \"hI \\u{1b}[A7!\""), "{text}");
}

#[test]
fn the_screen_shows_text_and_what_is_typed() {
    let (_guest, mut running) = keyboard_test();
    expect_shown(&mut running, "bareflow: type");
    press(&mut running, &["m", "m", "m"]);
    expect_shown(&mut running, "mmm");
}

#[test]
fn the_timer_interrupts_at_the_rate_that_was_set() {
    let boot = Guest::bare().words("selftest=timer").counting_instructions().run();
    boot.expect_code(code::SELF_TEST_PASSED).expect("bareflow: selftest timer: passed: ");
}

/// The disk self-test on an empty disk of `bytes`, and what it leaves in the last sectors.
fn written_to_the_end_of_a_disk_of(bytes: u64) {
    const WRITTEN: u64 = 8 * SECTOR_BYTES as u64;
    let folder = folder();
    let image = folder.path().join("disk.img");
    let file = File::options().create_new(true).read(true).write(true).open(&image).expect("a file can be made");
    file.set_len(bytes).expect("the file can have holes");
    let boot = Guest::bare().words("selftest=disk").store(&image).run();
    boot.expect_code(code::SELF_TEST_PASSED);
    boot.expect(&format!("selftest disk: passed: 8 sectors at {}\n", (bytes - WRITTEN) / SECTOR_BYTES as u64));
    let mut end = vec![0; 2 * WRITTEN as usize];
    file.read_exact_at(&mut end, bytes - 2 * WRITTEN).expect("the file can be read");
    let (before, written) = end.split_at(WRITTEN as usize);
    let expected: Vec<u8> = (bytes - WRITTEN..bytes).step_by(8).flat_map(u64::to_be_bytes).collect();
    assert!(before.iter().all(|&byte| byte == 0), "sectors before were written to");
    assert!(written == expected, "the disk's file holds other bytes\n{}", boot.log());
}

#[test]
fn sectors_written_and_flushed_are_in_the_disks_file() {
    written_to_the_end_of_a_disk_of(1 << 20);
}

#[test]
fn sectors_beyond_28_bits_are_reached() {
    written_to_the_end_of_a_disk_of((1 << 28) * SECTOR_BYTES as u64 + (1 << 20));
}

#[test]
fn a_machine_without_the_exit_device_is_switched_off_by_acpi() {
    let boot = Guest::bare().words("selftest=power-off").without_exit_device().run();
    assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
    boot.expect("bareflow: switching off by ACPI\n");
    assert!(!boot.text().contains("cannot switch off"), "{}", boot.log());
}

#[test]
fn an_exception_switches_a_machine_without_the_exit_device_off() {
    let boot = Guest::bare().words("selftest=divide").without_exit_device().run();
    assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
    boot.expect("KERNEL EXCEPTION: divide error");
}

/// Runs a program on `store`, of which QEMU makes each access of this kind (`read`, `write` or `flush`) fail that
/// touches `sector`, or all of them.
fn run_on_failing_disk(store: &Path, kind: &str, sector: Option<u64>) -> Boot {
    let folder = folder();
    let rules = folder.path().join("rules");
    let sector = sector.map_or(String::new(), |sector| format!("sector = \"{sector}\"\n"));
    let rule = format!("[inject-error]\nevent = \"none\"\niotype = \"{kind}\"\nerrno = \"5\"\n{sector}");
    fs::write(&rules, rule).expect("the temporary folder can be written");
    let drive = format!("file=blkdebug:{}:{},format=raw,if=ide,index=0", rules.display(), store.display());
    let boot = Guest::program("hello", &[]).qemu(&["-drive", &drive]).run();
    boot.expect_code(code::SUCCESS).expect("Hello from ring 0!");
    boot
}

#[test]
fn a_disk_that_cannot_be_read_leaves_the_program_unprofiled() {
    let folder = folder();
    let boot = run_on_failing_disk(&fresh_store(&folder), "read", None);
    boot.expect("bareflow: store: disk read failed at sector 0: ").expect("; check the disk or its file\n");
    boot.expect("\"store\":\"none\"");
}

#[test]
fn a_disk_that_cannot_be_written_is_known_before_the_program_runs() {
    let folder = folder();
    let boot = run_on_failing_disk(&fresh_store(&folder), "write", None);
    boot.expect("bareflow: store: disk write failed at sector 8: ").expect("; this boot will not be remembered");
    boot.expect("\"store\":\"none\"");
}

#[test]
fn a_disk_that_cannot_flush_is_not_trusted() {
    let folder = folder();
    let boot = run_on_failing_disk(&fresh_store(&folder), "flush", None);
    boot.expect("bareflow: store: disk flush failed at sector 0: ").expect("; this boot will not be remembered");
    boot.expect("\"store\":\"none\"");
}

/// First sector of the payload of slot 0 (`src/store/FORMAT.md`).
const FIRST_PAYLOAD: u64 = 24;

#[test]
fn a_profile_that_cannot_be_written_is_reported_as_not_saved() {
    let folder = folder();
    let store = fresh_store(&folder);
    let boot = run_on_failing_disk(&store, "write", Some(FIRST_PAYLOAD));
    boot.expect("bareflow: the profile was not saved: store: disk write failed at sector 24: ");
    boot.expect("\"store\":\"failed\"");
    let next = Guest::program("hello", &[]).store(&store).run();
    next.expect_code(code::SUCCESS).expect("bareflow: store: starting empty\n").expect("\"store\":\"saved\"");
}

#[test]
fn a_newest_generation_that_cannot_be_read_gives_way_to_the_one_before() {
    let folder = folder();
    let store = fresh_store(&folder);
    // The third generation is in slot 0 again.
    for _ in 0..3 {
        Guest::program("hello", &[]).store(&store).run().expect_code(code::SUCCESS);
    }
    let boot = run_on_failing_disk(&store, "read", Some(FIRST_PAYLOAD));
    boot.expect(
        "bareflow: store: starting from generation 2; slot 0: generation 3: store: disk read failed at sector 24",
    );
    boot.expect("\"boot\":3,");
}

/// Says `ready`, waits for input and repeats a line of it, twice.
const REPEATS_TWO_LINES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; Buffers: `ready`; where lines go; what is said of them.
  (data (i32.const 0) "\40\00\00\00\06\00\00\00" "\00\01\00\00\64\00\00\00" "\48\00\00\00\05\00\00\00" "\00\01\00\00")
  (data (i32.const 64) "ready\0a\00\00got: ")
  ;; A subscription, with 7 as its user data, to input on descriptor 0.
  (data (i32.const 512) "\07\00\00\00\00\00\00\00\01")
  (func $must (param i32) (if (local.get 0) (then unreachable)))
  (func (export "_start") (local $round i32)
    (loop $next
      (call $must (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 40)))
      (call $must (call $poll (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 40)))
      (call $must (i64.ne (i64.load (i32.const 600)) (i64.const 7)))
      (call $must (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 28)))
      (call $must (call $write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 40)))
      (br_if $next (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 2))))))"#;

#[test]
fn a_program_reads_what_is_typed_on_the_serial_line_and_on_the_keyboard() {
    let program = wat::parse_str(REPEATS_TWO_LINES).unwrap_or_else(|error| panic!("{error}"));
    let (_guest, mut running) = Guest::program_bytes("program.wasm", &program).words("stdin=console verbose").start();
    let said = |running: &mut Running, text: &str| {
        running.wait_for(text, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    };
    said(&mut running, "ready");
    running.send_serial("by wire 42\r").unwrap_or_else(|error| panic!("{error}"));
    said(&mut running, "got: by wire 42");
    press(&mut running, &["b", "y", "spc", "shift-k", "e", "y", "ret"]);
    said(&mut running, "got: by Key");
    let outcome = running.finish(TIMEOUT, &mut |_| ());
    assert_eq!(outcome.ending, Ending::DebugExit(code::SUCCESS), "{}", outcome.serial.kernel_text());
}
