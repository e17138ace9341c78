//! Memory that runs out in the middle of a boot on the host, at every point: the allocator refuses one request, or all from
//! one on. Whatever is refused, the boot ends with a line that says what and how much, and the store stays whole.
//!
//! `./just test-memory` goes through all points, the ordinary tests through some.

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::{Entry, Options};
use bareflow::host;
use bareflow::host::memory::{self, ReservedHeap};
use bareflow::profile::{FunctionKey, FunctionRecord, Profile};
use bareflow::session::{Report, Session};
use bareflow::store::place::Region;
use bareflow::store::{BlockDevice, BlockError, Code, SECTOR_BYTES, Store};
use bareflow::wasi::{Clock, Console, Entropy, Input, Stream, Wasi, WriteFailed};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::cell::RefCell;
use std::panic;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static HEAP: ReservedHeap<Failing> = ReservedHeap(Failing);

/// Points that the ordinary tests try, evenly spread.
const POINTS: u64 = 150;

/// Makes a file of 3 MB in `/tmp` in three ways, copies and compares in loops that get hot, grows its memory and its heap;
/// goes on where any of that is refused.
const PROGRAM: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "libc" "malloc" (func $malloc (param i32) (result i32)))
  (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\10\00\00\00\05\00\00\00tmp/fileDone\0a")
  (data (i32.const 32) "\00\00\01\00\00\80\00\00")
  (func $write (param $fd i32) (param $buffers i32)
    (drop (call $fd_write (local.get $fd) (local.get $buffers) (i32.const 1) (i32.const 48))))
  (func $copy (param $size i32)
    (local $block i32)
    (local.set $block (call $malloc (local.get $size)))
    (if (local.get $block) (then (drop (call $memcpy (local.get $block) (i32.const 0) (local.get $size))))))
  (func (export "_start") (local $count i32) (local $fd i32)
    (drop (memory.grow (i32.const 3)))
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 8) (i32.const 9)
      (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 44)))
    (local.set $fd (i32.load (i32.const 44)))
    (drop (call $set_size (local.get $fd) (i64.const 3000000)))
    (drop (call $set_size (local.get $fd) (i64.const 0)))
    (loop $again
      (call $copy (i32.const 100))
      (if (i32.lt_u (local.get $count) (i32.const 40)) (then (call $write (local.get $fd) (i32.const 32))))
      (br_if $again (i32.lt_u (local.tee $count (i32.add (local.get $count) (i32.const 1))) (i32.const 3000))))
    (call $write (i32.const 1) (i32.const 0))))"#;

/// Which requests of this thread are refused.
#[derive(Clone, Copy, PartialEq)]
enum Refusing {
    Nothing,
    Only(u64),
    AllFrom(u64),
    /// All of at least a megabyte.
    Large,
}

thread_local! {
    static REFUSING: Cell<Refusing> = const { Cell::new(Refusing::Nothing) };
    static REQUESTS: Cell<u64> = const { Cell::new(0) };
}

/// Linux's heap, which refuses what it is told to.
struct Failing;

impl Failing {
    fn refuses(&self, size: usize) -> bool {
        let number = REQUESTS.get();
        REQUESTS.set(number + 1);
        match REFUSING.get() {
            Refusing::Nothing => false,
            Refusing::Only(refused) => number == refused,
            Refusing::AllFrom(first) => number >= first,
            Refusing::Large => size >= 1 << 20,
        }
    }
}

// SAFETY: what it gives and takes is the system's.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        if self.refuses(layout.size()) { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's; all that was given is the system's.
        unsafe { System.dealloc(pointer, layout) };
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        if self.refuses(new_size) { std::ptr::null_mut() } else { unsafe { System.realloc(pointer, layout, new_size) } }
    }
}

/// What tests do with memory while a boot has none.
fn undisturbed<T>(work: impl FnOnce() -> T) -> T {
    let (refusing, requests) = (REFUSING.replace(Refusing::Nothing), REQUESTS.get());
    let result = work();
    REFUSING.set(refusing);
    REQUESTS.set(requests);
    result
}

#[derive(Clone)]
struct Disk(Vec<u8>);

impl Disk {
    fn range(&self, first: u64, len: usize) -> std::ops::Range<usize> {
        let start = first as usize * SECTOR_BYTES;
        start..start + len
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        (self.0.len() / SECTOR_BYTES) as u64
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        buffer.copy_from_slice(&self.0[self.range(first, buffer.len())]);
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let range = self.range(first, bytes.len());
        self.0[range].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
}

/// The program's system: it needs no memory.
struct Quiet(Rc<RefCell<Vec<u8>>>);

impl Console for Quiet {
    fn write(&mut self, _: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        undisturbed(|| self.0.borrow_mut().extend(bytes));
        Ok(())
    }

    fn read(&mut self, _: &mut [u8]) -> Input {
        Input::End
    }
}

struct Stopped;

impl Clock for Stopped {
    fn realtime_ns(&mut self) -> u64 {
        0
    }

    fn monotonic_ns(&mut self) -> u64 {
        0
    }

    fn cpu_ns(&mut self) -> u64 {
        0
    }

    fn resolution_ns(&self) -> u64 {
        1
    }
}

impl Entropy for Stopped {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// All boots here have one reserve: one at a time. And a panic is told without refusals.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| undisturbed(|| tell(info))));
    guard
}

/// A boot, and what was said.
struct Boot {
    report: Report,
    notes: Vec<String>,
    output: Vec<u8>,
    requests: u64,
}

fn boot(bytes: &'static [u8], disk: &mut Disk, refusing: Refusing) -> Boot {
    let options = Options::default();
    let session = Session {
        name: "program".into(),
        program: bytes.into(),
        options,
        shipped: None,
        key: None,
        ticks_before: 0,
        entry: Entry::Command,
        verbose: false,
    };
    let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    let output = Rc::new(RefCell::new(Vec::new()));
    let wasi = Wasi::builder().arg("program").free_memory(memory::free_for_program);
    let wasi = Box::new(wasi.build(Quiet(output.clone()), Stopped, Stopped));
    let mut notes = Vec::new();
    REQUESTS.set(0);
    REFUSING.set(refusing);
    let (report, _) = session.run(platform, wasi, Some(Region::whole(disk)), &mut (), &mut |note| {
        undisturbed(|| notes.push(note.to_owned()))
    });
    let requests = REQUESTS.get();
    REFUSING.set(Refusing::Nothing);
    let output = output.take();
    Boot { report, notes, output, requests }
}

/// Whether a line says what there was no memory for, and how much it would have been.
fn says_so(line: &str) -> bool {
    let how_much = [" bytes", " KiB and "];
    ["memory", "RAM"].iter().any(|word| line.contains(word)) && how_much.iter().any(|unit| line.contains(unit))
}

/// A boot ends well or says what happened; the store is whole in any case. Returns whether it ended well, and its requests.
fn check(bytes: &'static [u8], before: &Disk, refusing: Refusing) -> (bool, u64) {
    let mut disk = before.clone();
    let boot = boot(bytes, &mut disk, refusing);
    let Boot { report, notes, output, requests } = &boot;
    let well = report.event == "exit" && report.store == "saved";
    assert!(well || notes.iter().any(|line| says_so(line)), "{notes:?}\n{report:?}");
    assert!(report.event != "exit" || output == b"Done\n", "{notes:?}\n{report:?}");
    let told = report.event == "error" || report.store == "saved" || notes.iter().any(|note| note.contains("saved: "));
    assert!(told, "{notes:?}\n{report:?}");
    let found = Store::open(&mut disk).expect("the store is formatted").load_with(u64::MAX, Profile::decode);
    assert!(found.payload.is_some() && found.notes.is_empty(), "{found:?}\n{notes:?}");
    let (well, requests) = (well, *requests);
    drop((boot, found));
    assert_eq!(memory::free(), u64::MAX, "the reserve is not given back");
    (well, requests)
}

/// A store that remembers one boot.
fn store(bytes: &'static [u8]) -> Disk {
    let mut disk = Disk(vec![0; 1 << 20]);
    Store::format(&mut disk, [5; 16]).expect("the disk is large enough");
    let first = boot(bytes, &mut disk, Refusing::Nothing);
    assert_eq!((first.report.event, first.report.store), ("exit", "saved"), "{:?}", first.notes);
    disk
}

/// Goes through the points that `refusing` makes refusals of.
fn refuse(refusing: fn(u64) -> Refusing) {
    let _alone = alone();
    let bytes = wat::parse_str(PROGRAM).expect("well-formed").leak();
    let disk = store(bytes);
    let (well, requests) = check(bytes, &disk, Refusing::Nothing);
    assert!(well);
    let every = std::env::var("EVERY_REQUEST").is_ok();
    let step = if every { 1 } else { requests / POINTS + 1 };
    let mut ended_early = 0;
    for point in (0..requests).step_by(step as usize) {
        let (well, _) = check(bytes, &disk, refusing(point));
        ended_early += u64::from(!well);
    }
    println!("{requests} requests, every {step}th refused: {ended_early} boots ended early or did not save");
}

#[test]
fn a_boot_that_is_refused_one_request_ends_well_or_says_so() {
    refuse(Refusing::Only);
}

#[test]
fn a_boot_that_is_refused_all_requests_from_one_on_says_so() {
    refuse(Refusing::AllFrom);
}

#[test]
fn a_profile_that_there_is_no_memory_to_read_is_not_overwritten() {
    let _alone = alone();
    let bytes = wat::parse_str(PROGRAM).expect("well-formed").leak();
    let record = |hash| FunctionRecord {
        key: FunctionKey { hash, ordinal: 0 },
        blocks: vec![hash << 32; 40],
        ..FunctionRecord::default()
    };
    let profile = Profile { functions: (1..=10_000).map(record).collect(), ..Profile::default() };
    let mut disk = Disk(vec![0; 32 << 20]);
    let mut store = Store::format(&mut disk, [5; 16]).expect("the disk is large enough");
    store.commit(&profile.encode().expect("there is memory"), Code::None).expect("it fits");
    let Boot { report, notes, output, .. } = boot(bytes, &mut disk, Refusing::Large);
    assert_eq!((report.event, report.store, &output[..]), ("exit", "none", &b"Done\n"[..]), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("no memory for ") && note.contains(" bytes")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("will not be remembered")), "{notes:?}");
    let mut store = Store::open(&mut disk).expect("the store is formatted");
    assert_eq!((store.load().generation, store.attempts()), (1, 0), "{notes:?}");
    let report = boot(bytes, &mut disk, Refusing::Nothing).report;
    assert_eq!((report.row.generation, report.store), (1, "saved"));
}
