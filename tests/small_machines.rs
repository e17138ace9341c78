//! Machines with little memory, in QEMU: a program that takes all of it goes on, one that cannot be had ends with a line that
//! says what and how much, and what was learned is saved or said not to be. Never is it the kernel that fails.
//!
//! `./just test-memory` boots machines of every size, the ordinary tests a few.

mod common;

use bareflow::host::disk::FileDisk;
use bareflow::host::qemu::Ending;
use bareflow::profile::{
    BootRow, FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord, ValueHistogram,
};
use bareflow::store::{Code, Store};
use common::qemu::{Boot, Guest, code};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Of the smallest and the largest machine.
const SIZES_MIB: RangeInclusive<u32> = 40..=160;

/// Enough to fill some tens of megabytes when it is decoded.
const RECORDS: u64 = 20_000;

/// Takes all memory in ever smaller steps, then calls functions that are not compiled yet.
const GROW: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "libc" "malloc" (func $malloc (param i32) (result i32)))
  (import "libc" "strlen" (func $strlen (param i32) (result i32)))
  (import "libc" "pow" (func $pow (param f64 f64) (result f64)))
  (import "libc" "sin" (func $sin (param f64) (result f64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\05\00\00\00done\0a")
  (func (export "_start") (local $step i32)
    (local.set $step (i32.const 1024))
    (loop $next
      (br_if $next (i32.ne (memory.grow (local.get $step)) (i32.const -1)))
      (br_if $next (local.tee $step (i32.shr_u (local.get $step) (i32.const 1)))))
    (if (i32.ne (call $strlen (i32.const 8)) (i32.const 5)) (then unreachable))
    (if (f64.ne (call $pow (f64.const 3) (f64.const 4)) (f64.const 81)) (then unreachable))
    (if (f64.gt (call $sin (f64.const 2)) (f64.const 0.91)) (then unreachable))
    (if (call $malloc (i32.const 100000)) (then unreachable))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;

/// Fills `/tmp` in two ways until that is refused, then grows its memory and calls a function that is not compiled yet.
const FILES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "libc" "strlen" (func $strlen (param i32) (result i32)))
  (memory (export "memory") 3)
  (data (i32.const 0) "\18\00\00\00\05\00\00\00\00\00\01\00\00\00\01\00tmp/a\00\00\00done\0a")
  (func $open (result i32)
    (if (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 1)
          (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 48))
      (then unreachable))
    (i32.load (i32.const 48)))
  (func (export "_start") (local $first i32) (local $second i32) (local $size i64)
    (local.set $first (call $open))
    (i32.store8 (i32.const 20) (i32.const 98))
    (local.set $second (call $open))
    (local.set $size (i64.const 0x4000000))
    (loop $smaller
      (if (call $set_size (local.get $first) (local.get $size))
        (then
          (local.set $size (i64.shr_u (local.get $size) (i64.const 1)))
          (br $smaller))))
    (loop $more
      (br_if $more
        (i32.eqz (call $fd_write (local.get $second) (i32.const 8) (i32.const 1) (i32.const 48)))))
    (drop (memory.grow (i32.const 1)))
    (if (i32.ne (call $strlen (i32.const 24)) (i32.const 5)) (then unreachable))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 48)))))"#;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Program {
    Concordance,
    Grow,
    Files,
}

impl Program {
    fn guest(self) -> Guest {
        let bytes = |text| wat::parse_str(text).expect("well-formed");
        match self {
            Self::Concordance => Guest::concordance(),
            Self::Grow => Guest::program_bytes("grow.wasm", &bytes(GROW)),
            Self::Files => Guest::program_bytes("files.wasm", &bytes(FILES)),
        }
    }

    fn last_line(self) -> &'static str {
        match self {
            Self::Concordance => "checksum of the records: bfc28b5f\n",
            Self::Grow | Self::Files => "done\n",
        }
    }
}

/// A store with many records of functions that the program does not have, as programs rebuilt again and again leave it.
fn crowded_store(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("store.img");
    let mut values = ValueHistogram::default();
    (0..8).for_each(|size| values.record(size, 10));
    let unseen = SiteRecord::unseen(SiteKind::Size);
    let site = SiteRecord { values, guards_passed: 9, guards_failed: 1, chosen: vec![1], passes: vec![9], ..unseen };
    let record = |hash| FunctionRecord {
        key: FunctionKey { hash, ordinal: 0 },
        calls: hash,
        blocks: vec![hash; 6],
        sites: vec![site.clone(), site.clone()],
        ..FunctionRecord::default()
    };
    let profile = Profile {
        boots_observed: ONE_BOOT,
        functions: (1..=RECORDS).map(record).collect(),
        boots: vec![BootRow { boot: 1, ..BootRow::default() }],
        ..Profile::default()
    };
    let disk = FileDisk::create(&path, 128 << 10).expect("the temporary folder can be written");
    let mut store = Store::format(disk, [8; 16]).expect("the disk is large enough");
    store.commit(&profile.encode().expect("there is memory"), Code::None).expect("the profile fits");
    path
}

/// A copy of `store`, so that every boot starts from the same.
fn boot(program: Program, memory_mib: u32, store: &Path) -> Boot {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let copy = folder.path().join("copy.img");
    std::fs::copy(store, &copy).expect("the store can be copied");
    program.guest().memory_mib(memory_mib).store(&copy).run()
}

/// Fails the test unless the boot ended as the module's documentation says; whether the program came to its end.
fn check(program: Program, memory_mib: u32, boot: &Boot) -> bool {
    let context = || format!("{program:?} in {memory_mib} MiB: {}", boot.log());
    let ended = [code::SUCCESS, code::PROGRAM_TRAPPED, code::NO_PROGRAM].map(Ending::DebugExit);
    assert!(ended.contains(&boot.outcome.ending), "{}", context());
    let lines = boot.kernel_lines();
    let says = |parts: &[&str]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    let well = boot.outcome.ending == ended[0];
    assert!(well || says(&["memory", " bytes"]) || says(&["RAM", " KiB"]), "{}", context());
    assert!(!well || boot.output().ends_with(program.last_line()), "{}", context());
    let told = says(&["profile saved as generation "]) || says(&["not saved"]) || says(&["not be remembered"]);
    assert!(told || boot.outcome.ending == ended[2], "{}", context());
    well
}

#[test]
fn a_program_that_takes_all_memory_goes_on_and_a_profile_of_many_records_is_saved() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = crowded_store(&folder);
    let boot = boot(Program::Grow, 160, &store);
    assert!(check(Program::Grow, 160, &boot), "{}", boot.log());
    boot.expect("profile saved as generation 2");
}

#[test]
fn a_program_that_fills_its_files_goes_on() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let boot = boot(Program::Files, 72, &common::qemu::fresh_store(&folder));
    assert!(check(Program::Files, 72, &boot), "{}", boot.log());
}

#[test]
fn in_40_mib_the_sample_program_runs_and_a_profile_of_many_records_brings_nothing_down() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let empty = boot(Program::Concordance, 40, &common::qemu::fresh_store(&folder));
    assert!(check(Program::Concordance, 40, &empty), "{}", empty.log());
    let folder = TempDir::new().expect("a temporary folder can be made");
    check(Program::Concordance, 40, &boot(Program::Concordance, 40, &crowded_store(&folder)));
}

#[test]
#[ignore = "hundreds of boots: ./just test-memory"]
fn machines_of_every_size_end_well_or_say_why_not() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = crowded_store(&folder);
    for program in [Program::Concordance, Program::Grow, Program::Files] {
        let unwell: Vec<u32> =
            SIZES_MIB.filter(|&memory_mib| !check(program, memory_mib, &boot(program, memory_mib, &store))).collect();
        println!("{program:?} ended early on machines of these sizes: {unwell:?} MiB");
    }
}
