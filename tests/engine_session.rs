//! Boots on the host with a store in a file: what is remembered from one to the next, and what happens when that goes
//! wrong.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Entry, Options, Platform, Source};
use bareflow::host;
use bareflow::host::disk::FileDisk;
use bareflow::libc::Heap;
use bareflow::profile::{BootRow, FunctionKey, FunctionRecord, Profile};
use bareflow::session::{Report, Session};
use bareflow::store::place::Region;
use bareflow::store::{BlockDevice, BlockError, Code, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use tempfile::TempDir;
use wasmparser::ValType;

/// Fills and copies in a loop, and ends as `$end` says.
fn program(end: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (import "env" "exit" (func $exit (param i32))) (memory 1)
          (func $step (param i32) (memory.fill (i32.const 0) (local.get 0) (i32.const 200)) (memory.copy (i32.const 300) (i32.const 0) (i32.const 200)))
          (func (export "_start") (local i32)
            (loop $l (call $step (local.get 0)) (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 500))))
            {end}))"#
    );
    wat::parse_str(text).expect("well-formed")
}

/// Offers a way to exit.
struct Exit;

impl Imports for Exit {
    fn find(&self, _: &str, name: &str) -> Option<HostFunction> {
        (name == "exit").then_some(HostFunction { id: 1, params: &[ValType::I32], results: &[] })
    }

    fn call(&mut self, _: u32, args: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Exit(args[0] as u32 as i32))
    }
}

/// A store in a file of its own.
struct Machine {
    _directory: TempDir,
    path: PathBuf,
    notes: Vec<String>,
}

const SECTORS: u64 = 256;

impl Machine {
    fn new() -> Self {
        Self::of(SECTORS)
    }

    fn of(sectors: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("store.img");
        let disk = FileDisk::create(&path, sectors).expect("the directory is writable");
        Store::format(disk, [3; 16]).expect("the disk is large enough");
        Self { _directory: directory, path, notes: Vec::new() }
    }

    fn disk(&self) -> FileDisk {
        FileDisk::open(&self.path).expect("the store is there")
    }

    fn boot(&mut self, wasm: &[u8], options: Options) -> Report {
        let mut disk = self.disk();
        self.boot_on(Some(&mut disk), wasm, options)
    }

    fn boot_on(&mut self, disk: Option<&mut dyn BlockDevice>, wasm: &[u8], options: Options) -> Report {
        self.boot_with(disk, wasm, options, None)
    }

    fn boot_with(
        &mut self,
        disk: Option<&mut dyn BlockDevice>,
        wasm: &[u8],
        options: Options,
        shipped: Option<&'static [u8]>,
    ) -> Report {
        let session = Session {
            name: "sample".into(),
            program: Source { bytes: wasm.to_vec().leak(), hash: None },
            options,
            shipped,
            key: None,
            ticks_before: 1000,
            entry: Entry::Command,
            verbose: false,
        };
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        self.notes.clear();
        session
            .run(platform, Box::new(Exit), disk.map(Region::whole), &mut (), &mut |note| self.notes.push(note.into()))
            .0
    }

    fn noted(&self, words: &str) -> bool {
        self.notes.iter().any(|note| note.contains(words))
    }

    /// A boot that starts and is cut off before it saves.
    fn cut_off(&self) {
        let mut store = Store::open(self.disk()).expect("formatted");
        store.begin_attempt().expect("the file is writable");
        store.load();
    }
}

fn options() -> Options {
    Options { promotion: Promotion::Boots, ..Options::default() }
}

#[test]
fn boots_and_generations_count_up_and_later_boots_are_specialised() {
    let (mut machine, wasm) = (Machine::new(), program("(call $exit (i32.const 7))"));
    for boot in 1..=6 {
        let report = machine.boot(&wasm, options());
        assert_eq!((report.event, report.store, report.row.exit_code), ("exit", "saved", 7), "{:?}", machine.notes);
        assert_eq!((report.row.boot, report.row.generation), (boot, boot - 1));
        assert_eq!(report.row.profile_bytes > 0, boot > 1);
        assert!(report.row.ticks_boot > 1000 && report.row.ticks_program > 0, "{report:?}");
        assert_eq!(report.row.functions_specialised > 0, boot > 1, "{report:?}");
        assert_eq!((report.row.guards_passed, report.row.guards_failed), if boot > 1 { (1000, 0) } else { (0, 0) });
        let parts = report.row.ticks_boot + report.row.ticks_program + report.ticks_save;
        assert!(report.ticks_save > 0 && report.row.ticks_total >= parts, "{report:?}");
        assert!(report.line().starts_with("BAREFLOW {\"event\":\"exit\",\"boot\":"), "{}", report.line());
    }
    let bytes = Store::open(machine.disk()).expect("formatted").load().payload.expect("saved six times");
    let profile = Profile::decode(&bytes).expect("whole");
    assert_eq!(profile.boots.iter().map(|row| row.boot).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_trap_is_reported_and_still_remembered() {
    let (mut machine, wasm) = (Machine::new(), program("(unreachable)"));
    for boot in 1..=2 {
        let report = machine.boot(&wasm, options());
        assert_eq!((report.event, report.store, report.row.exit_code, report.row.boot), ("trap", "saved", 134, boot));
        assert!(report.reason.starts_with("trap: unreachable\n  0: _start @ 0x"), "{}", report.reason);
        assert!(machine.noted("trap: unreachable"));
    }
}

#[test]
fn a_program_that_cannot_start_is_an_error_and_saves_nothing() {
    let mut machine = Machine::new();
    machine.boot(&program(""), options());
    for bad in [&b"not wasm"[..], b"", b"\0asm", &program("")[..60], &wat::parse_str("(module)").expect("well-formed")]
    {
        let report = machine.boot(bad, options());
        assert_eq!((report.event, report.store, report.row.exit_code), ("error", "none", 126));
        assert!(!report.reason.is_empty() && !report.reason.contains('\n') && machine.notes.contains(&report.reason));
    }
    let report = machine.boot(&program(""), options());
    assert_eq!(
        (report.event, report.row.boot, report.row.generation),
        ("exit", 2, 1),
        "the earlier profile is still there"
    );
}

#[test]
fn without_a_store_the_program_runs_unprofiled() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    let report = machine.boot_on(None, &wasm, options());
    assert_eq!((report.event, report.store, report.row.boot, report.row.generation), ("exit", "none", 1, 0));
    assert!(machine.noted("running unprofiled"), "{:?}", machine.notes);
    // Not formatted: nothing is written to it.
    let blank = machine.path.with_extension("blank");
    let mut disk = FileDisk::create(&blank, 64).expect("the directory is writable");
    let report = machine.boot_on(Some(&mut disk), &wasm, options());
    assert_eq!((report.event, report.store), ("exit", "none"));
    assert!(std::fs::read(&blank).expect("it exists").iter().all(|byte| *byte == 0));
    let mut empty = FileDisk::create(&machine.path.with_extension("empty"), 0).expect("the directory is writable");
    assert_eq!(machine.boot_on(Some(&mut empty), &wasm, options()).store, "none");
    assert!(machine.noted("unprofiled"), "{:?}", machine.notes);
}

#[test]
fn a_damaged_or_foreign_payload_falls_back_to_the_generation_before() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    for _ in 0..3 {
        machine.boot(&wasm, options());
    }
    // A payload that is whole, but no profile.
    let mut store = Store::open(machine.disk()).expect("formatted");
    store.load();
    assert_eq!(store.commit(b"BFPROFIL, but not really", Code::None), Ok(4));
    drop(store);
    let report = machine.boot(&wasm, options());
    assert_eq!((report.row.boot, report.row.generation, report.store), (4, 3, "saved"), "{:?}", machine.notes);
    assert!(machine.noted("generation 3"), "{:?}", machine.notes);
    // A changed byte anywhere in the file: the newest generation, the one before, or nothing; never a failed boot.
    let whole = std::fs::read(&machine.path).expect("it exists");
    for at in (0..whole.len()).step_by(997) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&machine.path, bytes).expect("the directory is writable");
        let report = machine.boot(&wasm, options());
        assert_eq!((report.event, report.row.exit_code), ("exit", 0), "byte {at}: {:?}", machine.notes);
        assert!([1, 4, 5].contains(&report.row.boot), "byte {at}: {report:?}");
    }
    for length in (0..whole.len()).step_by(2003) {
        std::fs::write(&machine.path, &whole[..length]).expect("the directory is writable");
        assert_eq!(machine.boot(&wasm, options()).event, "exit", "{length} bytes: {:?}", machine.notes);
    }
}

#[test]
fn three_unclean_boots_lead_to_one_in_the_baseline() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    assert_eq!(machine.boot(&wasm, options()).row.guards_passed, 1000);
    for unclean in 1..=3 {
        machine.cut_off();
        if unclean == 2 {
            let before = std::fs::read(&machine.path).expect("it exists");
            let report = machine.boot(&wasm, options());
            assert_eq!(report.row.guards_passed, 1000, "two unclean boots are forgiven");
            std::fs::write(&machine.path, before).expect("the directory is writable");
        }
    }
    // Whatever was asked for.
    let report = machine.boot(&wasm, Options { lowest: Tier::Optimised, ..options() });
    assert_eq!(
        (report.event, report.row.functions_specialised, report.row.functions_optimised),
        ("exit", 0, 0),
        "{:?}",
        machine.notes
    );
    assert!(report.row.functions_baseline > 0 && machine.noted("without optimised code"), "{:?}", machine.notes);
    let report = machine.boot(&wasm, options());
    assert_eq!(
        (report.row.guards_passed, report.row.boot),
        (1000, 4),
        "a clean boot restores trust: {:?}",
        machine.notes
    );
}

/// First sector of slot 0 (`src/store/FORMAT.md`).
const FIRST_SLOT: u64 = 16;

/// A disk at which the machine stops when something is saved.
struct Stops(FileDisk);

impl BlockDevice for Stops {
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        assert!(first < FIRST_SLOT, "the machine stops");
        self.0.write(first, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.flush()
    }
}

#[test]
fn after_three_boots_that_stopped_saving_the_next_runs_as_ever_and_is_not_saved() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    machine.boot(&wasm, options());
    for _ in 0..3 {
        let mut disk = Stops(machine.disk());
        let stopped = catch_unwind(AssertUnwindSafe(|| machine.boot_on(Some(&mut disk), &wasm, options())));
        assert!(stopped.is_err(), "{:?}", machine.notes);
    }
    for left in (1..8).rev() {
        let mut disk = Stops(machine.disk());
        let report = machine.boot_on(Some(&mut disk), &wasm, options());
        assert_eq!((report.event, report.store, report.row.generation), ("exit", "none", 2), "{:?}", machine.notes);
        assert_eq!(report.row.guards_passed, 1000, "it runs as ever: {:?}", machine.notes);
        assert!(machine.noted(&format!("this one is not saved (boots until saving is tried again: {left})")));
    }
    let report = machine.boot(&wasm, options());
    assert_eq!((report.store, report.row.boot, report.row.generation), ("saved", 3, 2), "{:?}", machine.notes);
}

/// A disk that can be read and not written.
struct ReadOnly(FileDisk);

impl BlockDevice for ReadOnly {
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(first, buffer)
    }

    fn write(&mut self, first: u64, _: &[u8]) -> Result<(), BlockError> {
        Err(BlockError { operation: "write", sector: first, reason: "write-protected".into() })
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

#[test]
fn a_disk_that_cannot_be_written_still_gives_its_profile() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    let mut disk = ReadOnly(machine.disk());
    let report = machine.boot_on(Some(&mut disk), &wasm, options());
    assert_eq!((report.event, report.row.boot, report.row.guards_passed), ("exit", 2, 1000));
    assert_eq!(report.store, "none");
    assert!(machine.noted("write-protected") && machine.noted("not be remembered"), "{:?}", machine.notes);
}

#[test]
fn a_shipped_profile_is_used_until_the_store_holds_one() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    let exported: &'static [u8] = Store::open(machine.disk()).expect("formatted").load().payload.expect("saved").leak();
    let mut fresh = Machine::new();
    let mut disk = fresh.disk();
    let report = fresh.boot_with(Some(&mut disk), &wasm, options(), Some(exported));
    assert_eq!((report.row.boot, report.row.generation, report.row.guards_passed), (1, 0, 1000), "{:?}", fresh.notes);
    let report = fresh.boot_with(Some(&mut disk), &wasm, options(), Some(b"rubbish"));
    assert_eq!((report.event, report.row.boot, report.row.guards_passed), ("exit", 2, 1000), "{:?}", fresh.notes);
    for rubbish in [&b""[..], b"rubbish", &exported[..exported.len() - 1]] {
        let mut machine = Machine::new();
        let report = machine.boot_with(None, &wasm, options(), Some(rubbish));
        assert_eq!((report.event, report.row.guards_passed), ("exit", 0));
        assert!(machine.noted("not used"), "{:?}", machine.notes);
    }
}

/// Commits what `change` makes of the newest profile in the store on `disk`.
fn forge(disk: FileDisk, change: impl FnOnce(&mut Profile)) {
    let mut store = Store::open(disk).expect("formatted");
    let mut profile =
        store.load().payload.map_or_else(Profile::default, |bytes| Profile::decode(&bytes).expect("whole"));
    change(&mut profile);
    store.commit(&profile.encode().expect("there is memory"), Code::None).expect("there is room");
}

/// A function that is in no program.
fn stranger(hash: u64) -> FunctionRecord {
    FunctionRecord { key: FunctionKey { hash, ordinal: 9 }, ..FunctionRecord::default() }
}

#[test]
fn functions_that_count_more_than_any_body_has_are_left_out_of_what_is_used() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    let most = Heap::Fast.module().len() / 2;
    for (blocks, left_out) in [(most, false), (most + 1, true)] {
        forge(machine.disk(), |profile| profile.upsert(FunctionRecord { blocks: vec![0; blocks], ..stranger(1) }));
        let report = machine.boot(&wasm, options());
        assert_eq!((report.event, report.store, report.row.guards_passed), ("exit", "saved", 1000));
        assert_eq!(machine.noted("is used without 1 functions"), left_out, "{:?}", machine.notes);
    }
}

#[test]
fn the_boot_after_the_last_number_has_that_number() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    forge(machine.disk(), |profile| profile.boots[0] = BootRow { boot: u64::MAX, ..profile.boots[0].clone() });
    assert_eq!(machine.boot(&wasm, options()).row.boot, u64::MAX);
}

#[test]
fn a_profile_that_takes_more_memory_than_it_may_is_passed_over_and_kept() {
    let machine = Machine::new();
    let path = machine.path.with_extension("large");
    let disk = FileDisk::create(&path, 16 << 11).expect("the directory is writable");
    Store::format(disk, [4; 16]).expect("the disk is large enough");
    let disk = || FileDisk::open(&path).expect("the store is there");
    forge(disk(), |profile| profile.functions = (0..31_000).map(stranger).collect());
    let boot = |free_memory: fn() -> u64| {
        let bytes = program("").leak();
        let session = Session {
            name: "sample".into(),
            program: (&*bytes).into(),
            options: options(),
            shipped: None,
            key: None,
            ticks_before: 0,
            entry: Entry::Command,
            verbose: false,
        };
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        let (mut disk, mut notes) = (disk(), String::new());
        let (report, _) = session.run(
            Platform { free_memory, ..platform },
            Box::new(Exit),
            Some(Region::whole(&mut disk)),
            &mut (),
            &mut |note| notes = format!("{notes}{note}\n"),
        );
        assert_eq!(report.event, "exit", "{notes}");
        (report.row.generation, report.store, notes)
    };
    for _ in 0..4 {
        let (generation, store, notes) = boot(|| 12 << 20);
        assert_eq!((generation, store), (0, "none"), "{notes}");
        assert!(notes.contains("takes more than the 3072 KiB") && notes.contains("must not be lost"), "{notes}");
        assert!(!notes.contains("did not end"), "{notes}");
    }
    let (generation, store, notes) = boot(|| 1 << 30);
    assert_eq!((generation, store), (1, "saved"), "{notes}");
}

/// Two thousand functions of a few bytes, numbered from `first` on, and one that is called often, with something to
/// specialise.
fn many_functions(first: u32) -> Vec<u8> {
    let numbers = first..first + 2000;
    let functions: String = numbers
        .clone()
        .map(|n| format!("(func $f{n} (if (global.get 0) (then (global.set 0 (i32.const {n})))))"))
        .collect();
    let calls: String = numbers.map(|n| format!("(call $f{n})")).collect();
    let text = format!(
        r#"(module (global (mut i32) (i32.const 1)) (memory 1) {functions}
          (func $step (param i32) (memory.fill (i32.const 0) (local.get 0) (i32.const 200)))
          (func (export "_start") (local i32) {calls}
            (loop $l (call $step (local.get 0)) (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 500))))))"#
    );
    wat::parse_str(text).expect("well-formed")
}

#[test]
fn a_store_too_small_for_the_profile_keeps_what_is_used_most_and_says_what_it_left_out() {
    let (mut machine, wasm) = (Machine::of(64), many_functions(0));
    for boot in 1..=6 {
        let report = machine.boot(&wasm, options());
        assert_eq!((report.event, report.store), ("exit", "saved"), "{:?}", machine.notes);
        assert_eq!(report.row.guards_passed, if boot > 1 { 500 } else { 0 }, "boot {boot}: {:?}", machine.notes);
        assert!(machine.noted(" functions, those used least; a store of "), "{:?}", machine.notes);
        assert!(!machine.noted("did not end"), "{:?}", machine.notes);
    }
}

#[test]
fn functions_of_earlier_builds_give_way_to_those_of_the_program() {
    let mut machine = Machine::of(1552);
    for build in 0..9 {
        let report = machine.boot(&many_functions(build * 2000), options());
        assert_eq!((report.event, report.store), ("exit", "saved"), "{:?}", machine.notes);
        assert_eq!(
            machine.noted(" functions that the program no longer has; a store of "),
            build >= 2,
            "{build}: {:?}",
            machine.notes
        );
        assert!(!machine.noted("used least;"), "{:?}", machine.notes);
    }
}

#[test]
fn boots_that_end_without_saving_are_no_reason_for_distrust() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    machine.boot(&wasm, options());
    let unknown =
        wat::parse_str(r#"(module (import "env" "nope" (func)) (func (export "_start")))"#).expect("well-formed");
    for _ in 0..4 {
        for refused in [&unknown[..], b"no module", b""] {
            assert_eq!((machine.boot(refused, options()).row.exit_code), 126, "{:?}", machine.notes);
            assert!(!machine.noted("did not end"), "{:?}", machine.notes);
        }
    }
    assert_eq!(machine.boot(&wasm, options()).row.guards_passed, 1000, "{:?}", machine.notes);
}

#[test]
fn a_generation_that_cannot_be_decoded_is_no_reason_for_distrust() {
    let (mut machine, wasm) = (Machine::new(), program(""));
    for _ in 0..5 {
        // The newest generation is refused, whatever is learned from the one before.
        Store::open(machine.disk())
            .expect("formatted")
            .commit(b"no profile", Code::None)
            .expect("the file is writable");
        let mut disk = machine.disk();
        let report = machine.boot_on(Some(&mut disk), &wasm, options());
        assert_eq!((report.event, report.store), ("exit", "saved"), "{:?}", machine.notes);
        assert!(machine.noted("not a profile") && !machine.noted("did not end"), "{:?}", machine.notes);
    }
}
