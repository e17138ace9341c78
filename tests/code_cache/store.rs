//! Code in a store, session by session.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Cache, Entry, Options};
use bareflow::host;
use bareflow::session::seal::Key;
use bareflow::session::{Report, Session};
use bareflow::store::place::Region;
use bareflow::store::{BlockDevice, BlockError, Store};
use wasmparser::ValType;

use crate::boots::alone;
use crate::program::between_boots;
use crate::random::Random;

/// A disk in memory.
#[derive(Clone)]
struct Disk(Vec<u8>);

impl Disk {
    fn formatted(sectors: usize) -> Self {
        let mut disk = Self(vec![0; sectors << 9]);
        Store::format(&mut disk, [7; 16]).expect("the disk is large enough");
        disk
    }

    /// Where the code of the newest generation is.
    fn code(&mut self) -> Range<usize> {
        let mut store = Store::open(&mut *self).expect("formatted");
        store.load();
        let code = store.load_code(u64::MAX).expect("whole").expect("there is code");
        let mut starts = (0..self.0.len()).step_by(512).filter(|start| self.0[*start..].starts_with(&code));
        let start = starts.next().expect("it is somewhere");
        start..start + code.len()
    }

    fn has_code(&mut self) -> bool {
        let mut store = Store::open(&mut *self).expect("formatted");
        store.load();
        store.load_code(u64::MAX).expect("whole").is_some()
    }

    /// A boot that starts and is cut off before it saves.
    fn cut_off(&mut self) {
        let mut store = Store::open(self).expect("formatted");
        store.begin_attempt().expect("the disk can be written");
        store.load();
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.0.len() as u64 >> 9
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let start = (first as usize) << 9;
        buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let start = (first as usize) << 9;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// A disk that fails to write from a sector on.
struct WornOut(Disk, u64);

impl BlockDevice for WornOut {
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.0.read(first, buffer)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        match first < self.1 {
            true => self.0.write(first, bytes),
            false => Err(BlockError { operation: "write", sector: first, reason: "worn out".into() }),
        }
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.0.flush()
    }
}

/// Offers a way to say a number.
struct Say(Rc<Cell<u64>>);

impl Imports for Say {
    fn find(&self, _: &str, name: &str) -> Option<HostFunction> {
        (name == "say").then_some(HostFunction { id: 1, params: &[ValType::I64], results: &[] })
    }

    fn call(&mut self, _: u32, args: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        self.0.set(args[0]);
        Ok(())
    }
}

/// Fills, copies and sums in a loop, and says the sum, through so many functions that change nothing.
fn program(functions: u64) -> &'static [u8] {
    let passing = |n| {
        format!(
            "(func $pass{n} (param i64) (result i64) (i64.sub (i64.add (local.get 0) (i64.const {n})) (i64.const {n})))"
        )
    };
    let passing: String = (0..functions).map(passing).collect();
    let passed: String = (0..functions).map(|n| format!("(local.set 1 (call $pass{n} (local.get 1)))")).collect();
    let text = format!(
        r#"(module (import "env" "say" (func $say (param i64))) (memory 1) {passing}
      (func $step (param i32) (memory.fill (i32.const 0) (local.get 0) (i32.const 200))
        (memory.copy (i32.const 300) (i32.const 0) (i32.const 200)))
      (func (export "_start") (local i32 i64)
        (loop $next (call $step (local.get 0))
          (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 31)) (i64.load (i32.const 400)))) {passed}
          (br_if $next (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 300))))
        (call $say (local.get 1))))"#
    );
    wat::parse_str(text).expect("well-formed").leak()
}

/// What the program says.
fn sum() -> u64 {
    (0..300_u64).fold(0, |sum: u64, step| {
        let word = u64::from_le_bytes([step as u8; 8]);
        sum.wrapping_mul(31).wrapping_add(word)
    })
}

/// Boots the program from `disk`; it must do what it does. The report, and what was said on the way.
#[track_caller]
fn boot_with(disk: &mut Disk, options: Options, key: Option<Key>) -> (Report, Vec<String>) {
    boot_program(disk, program(0), options, key)
}

#[track_caller]
fn boot_program(
    disk: &mut dyn BlockDevice,
    bytes: &'static [u8],
    options: Options,
    key: Option<Key>,
) -> (Report, Vec<String>) {
    let session = Session {
        name: "sample".into(),
        program: bytes.into(),
        options,
        shipped: None,
        key,
        ticks_before: 0,
        entry: Entry::Command,
        verbose: false,
    };
    let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    let (said, mut notes) = (Rc::default(), Vec::new());
    let imports = Box::new(Say(Rc::clone(&said)));
    let (report, _) =
        session.run(platform, imports, Some(Region::whole(disk)), &mut (), &mut |note| notes.push(note.into()));
    assert_eq!((report.event, report.row.exit_code, report.store), ("exit", 0, "saved"), "{notes:?}");
    assert_eq!(said.get(), sum(), "{notes:?}");
    (report, notes)
}

#[track_caller]
fn boot(disk: &mut Disk) -> Report {
    boot_with(disk, between_boots(), None).0
}

/// (taken over, not used, compiled) functions.
fn functions(report: &Report) -> (u64, u64, u64) {
    (report.row.code_loaded, report.row.code_rejected, report.row.functions_compiled_this_boot)
}

/// A disk from which nothing is compiled any more, and how many functions are taken over from it.
#[track_caller]
fn settled(key: Option<Key>) -> (Disk, u64) {
    let mut disk = Disk::formatted(256);
    let reports = [(); 4].map(|()| boot_with(&mut disk, between_boots(), key.clone()).0);
    let (loaded, ..) = functions(&reports[3]);
    assert_eq!((functions(&reports[2]), functions(&reports[3])), ((loaded, 0, 0), (loaded, 0, 0)), "{reports:#?}");
    assert_eq!(reports[3].code_reason, "");
    assert!(loaded > 1, "{reports:#?}");
    (disk, loaded)
}

#[test]
fn from_the_third_boot_on_nothing_is_compiled_and_no_code_is_written() {
    let _alone = alone();
    let (mut disk, _) = settled(None);
    let place = disk.code();
    let before = disk.0[16 << 9..].to_vec();
    boot(&mut disk);
    assert_eq!(disk.code(), place);
    // Beside the superblock and attempts, only the slot of a payload was written.
    let changed = disk.0[16 << 9..].chunks(512).zip(before.chunks(512)).filter(|(after, before)| after != before);
    assert!(changed.count() < 16);
}

#[test]
fn no_byte_of_the_code_can_be_another_without_the_code_being_left() {
    let _alone = alone();
    let (mut disk, loaded) = settled(None);
    let generation = boot(&mut disk).row.boot;
    let place = disk.code();
    let mut random = Random(11);
    // Every byte of the front, in which all lengths are, and a thousand others.
    let front = place.start..place.start + 300;
    let others = (0..1_000).map(|_| place.start + random.next() as usize % place.len()).collect::<Vec<_>>();
    for (number, at) in front.chain(others).enumerate() {
        let mut damaged = disk.clone();
        damaged.0[at] ^= 1 << (random.next() % 8);
        let report = boot(&mut damaged);
        assert_eq!((report.row.boot, report.row.generation), (generation + 1, generation), "the profile is kept");
        assert_eq!(report.row.code_loaded, 0, "byte {at}");
        assert!(report.row.functions_compiled_this_boot >= loaded && report.row.functions_specialised > 0, "byte {at}");
        assert!(report.code_reason.contains("code"), "byte {at}: {:?}", report.code_reason);
        if number % 100 == 0 {
            assert_eq!(functions(&boot(&mut damaged)), (loaded, 0, 0), "byte {at}");
        }
    }
}

#[test]
fn code_of_another_user_is_not_run() {
    let _alone = alone();
    let key = |byte| Some(Key::new([byte; Key::BYTES]));
    for (made, used) in [(None, key(1)), (key(1), None), (key(1), key(2))] {
        let (mut disk, loaded) = settled(made);
        let (report, notes) = boot_with(&mut disk, between_boots(), used.clone());
        assert_eq!(report.row.code_loaded, 0);
        assert!(report.row.functions_specialised > 0, "the profile is used: {report:#?}");
        assert!(report.code_reason.contains("seal"), "{:?} {notes:?}", report.code_reason);
        let (report, _) = boot_with(&mut disk, between_boots(), used);
        assert_eq!(functions(&report), (loaded, 0, 0), "code of one's own is made");
    }
}

#[test]
fn after_three_unclean_boots_no_code_is_used_and_none_kept() {
    let _alone = alone();
    let (mut disk, loaded) = settled(None);
    (0..2).for_each(|_| disk.cut_off());
    assert_eq!(functions(&boot(&mut disk.clone())), (loaded, 0, 0), "two are forgiven");
    disk.cut_off();
    let report = boot(&mut disk);
    assert_eq!((report.row.code_loaded, report.row.functions_optimised, report.row.functions_specialised), (0, 0, 0));
    assert!(report.row.functions_baseline > 0 && report.row.functions_compiled_this_boot >= loaded, "{report:#?}");
    assert!(!disk.has_code(), "what may have brought boots down is kept");
    let report = boot(&mut disk);
    assert_eq!((report.row.code_loaded, report.row.functions_specialised > 0), (0, true), "{report:#?}");
    boot(&mut disk);
    assert_eq!(functions(&boot(&mut disk)), (loaded, 0, 0));
}

#[test]
fn a_boot_that_does_not_use_the_code_leaves_it() {
    let _alone = alone();
    let (mut disk, loaded) = settled(None);
    let report = boot_with(&mut disk, Options { cache: Cache::Off, ..between_boots() }, None).0;
    assert_eq!((report.row.code_loaded, report.row.code_rejected, &*report.code_reason), (0, 0, ""), "{report:#?}");
    assert!(report.row.functions_compiled_this_boot >= loaded, "{report:#?}");
    assert_eq!(functions(&boot(&mut disk)), (loaded, 0, 0));
    // So does one whose addresses are taken.
    let first = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    let report = boot(&mut disk);
    assert!(report.row.code_loaded == 0 && report.row.functions_compiled_this_boot >= loaded, "{report:#?}");
    drop(first);
    assert_eq!(functions(&boot(&mut disk)), (loaded, 0, 0));
}

#[test]
fn code_that_cannot_be_written_costs_neither_the_profile_nor_older_code() {
    let _alone = alone();
    // Code slots of this size begin at sector 144.
    let mut worn_out = WornOut(Disk::formatted(256), 144);
    for generation in 0..3 {
        let (report, notes) = boot_program(&mut worn_out, program(0), between_boots(), None);
        assert_eq!((report.row.generation, report.row.code_loaded), (generation, 0));
        let is_said =
            |note: &String| note.starts_with("the code was not saved: store: disk write failed at sector 144");
        assert!(notes.iter().any(is_said), "{notes:?}");
    }
    let (disk, _) = settled(None);
    let mut worn_out = WornOut(disk, 144);
    let (_, notes) = boot_program(&mut worn_out, program(9), between_boots(), None);
    assert!(notes.iter().any(|note| note.starts_with("the code was not saved: ")), "{notes:?}");
    assert!(worn_out.0.has_code());
}

#[test]
fn a_store_too_small_for_all_code_keeps_what_is_used_most() {
    let _alone = alone();
    let wasm = program(100);
    // From no room at all to room for everything.
    let mut loaded = Vec::new();
    for sectors in (48..=512).step_by(32) {
        let mut disk = Disk::formatted(sectors);
        let boots = [(); 4].map(|()| boot_program(&mut disk, wasm, between_boots(), None));
        assert!(boots.iter().all(|(report, _)| report.row.code_rejected == 0), "{sectors}: {boots:#?}");
        let (report, notes) = &boots[3];
        let is_said = notes.iter().any(|note| note.contains(" functions, those used least, has no room in the store"));
        let is_some_left_out = report.row.code_loaded > 0 && report.row.functions_compiled_this_boot > 0;
        assert_eq!(is_said, is_some_left_out, "{sectors}: {boots:#?}");
        loaded.push(report.row.code_loaded);
    }
    assert!(loaded.is_sorted() && loaded[0] == 0, "{loaded:?}");
    let all = loaded[loaded.len() - 1];
    assert!(all > 100 && loaded.iter().any(|count| (1..all).contains(count)), "{loaded:?}");
}
