//! The same loops booted in QEMU, where a tick is a retired instruction: how many one call takes.
//!
//! A generated program has every case in a function of its own, so that each has a site of its own, and prints how long
//! each took. Its first boot runs the baseline, where everything is counted; the second is specialised for what the first
//! one saw.

use crate::cases::{Case, Inputs};
use crate::loops::{self, Function, MEMCHR, MEMSET, STRCHR, STRCMP, STRSTR};
use crate::table::{PAGES, ROW_BYTES, Row};
use anyhow::{Context, Result, bail, ensure};
use bareflow::host::disk::FileDisk;
use bareflow::host::image::{self, Contents, Format, Module};
use bareflow::host::qemu::disk::{Controller, Disk};
use bareflow::host::qemu::{Machine, Outcome};
use bareflow::store::Store;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer copies tell nothing new, and the first boot takes them byte by byte.
const MOST_BYTES: u32 = 16_384;
/// Enough calls of a loop to make it hot, and so specialised at the next boot.
const LOOP_CALLS: u32 = 128;
const PASSES: u32 = 16;
const TIMEOUT: Duration = Duration::from_secs(600);
const STORE_SECTORS: u64 = 4096;

const ROWS: u32 = 0x1_0000;
const STRINGS: u32 = 0x2_0000;
const FIRST: u32 = 0x10_0000;
const SECOND: u32 = 0x20_0000;
const NEEDLE_BYTES: usize = 4;

/// Boots the cases twice; what it returns is the table, and what it writes to `folder` the same as CSV.
pub fn count(cases: &[Case], folder: &Path) -> Result<String> {
    let cases: Vec<&Case> = cases.iter().filter(|case| is_counted(case)).collect();
    ensure!(
        !cases.is_empty(),
        "none of these cases is counted: only aligned ones of one size up to {MOST_BYTES} bytes"
    );
    let wasm = wat::parse_str(program(&cases)).context("the generated program is not well-formed")?;
    let program = folder.join("instructions.wasm");
    fs::write(&program, wasm).with_context(|| format!("cannot write {}", program.display()))?;
    let machine = machine(folder, &program)?;
    let first = Boot::run(&machine, cases.len())?;
    let second = Boot::run(&machine, cases.len())?;
    let mut table = format!("{HEADING}{:<30}{:>14}{:>14}\n", "case", "first boot", "second boot");
    let mut csv = String::from("family,case,first_boot,second_boot\n");
    // The clock's rate is measured at every boot, with the same result where ticks are instructions.
    let ticks_per_ns = first.ticks as f64 / first.total_ns as f64;
    for (index, case) in cases.iter().enumerate() {
        let per_call = |boot: &Boot| boot.ns[index] as f64 * ticks_per_ns / f64::from(LOOP_CALLS * PASSES);
        let (first, second) = (per_call(&first), per_call(&second));
        let _ = writeln!(table, "{:<30}{first:>14.1}{second:>14.1}", case.title());
        let _ = writeln!(csv, "\"{}\",\"{}\",{first:.1},{second:.1}", case.family, case.name);
    }
    let path = folder.join("libc-instructions.csv");
    fs::write(&path, csv).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(table)
}

const HEADING: &str = "\
Retired instructions per call in QEMU, with the loop around it, which the first line shows alone. The first boot runs the
baseline, which counts everything; the second is specialised for what the first one saw.
";

fn is_counted(case: &Case) -> bool {
    match case.inputs {
        Inputs::Size { bytes, aligned } | Inputs::Length { bytes, aligned } => aligned && bytes <= MOST_BYTES,
        Inputs::Pairs { .. } => true,
        _ => false,
    }
}

fn machine(folder: &Path, program: &Path) -> Result<Machine> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kernel = root.join("target/release/kernel");
    ensure!(kernel.is_file(), "there is no kernel at {}: run `./just bench libc-instructions`", kernel.display());
    let image = folder.join("instructions.iso");
    let modules = [Module { path: program.into(), words: vec![b"instructions.wasm".to_vec()] }];
    let contents = Contents { kernel: &kernel, words: "promote=boots after=off", settings: &[], modules: &modules };
    image::make(&image, Format::Iso, &contents)?;
    Ok(Machine { icount: true, disks: vec![Disk::new(Controller::Ide, fresh_store(folder)?)], ..Machine::new(image) })
}

fn fresh_store(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("instructions.img");
    let _ = fs::remove_file(&path); // Absent the first time.
    let disk = FileDisk::create(&path, STORE_SECTORS).with_context(|| format!("cannot make {}", path.display()))?;
    Store::format(disk, [1; 16]).with_context(|| format!("no store was made at {}", path.display()))?;
    Ok(path)
}

/// What a boot said.
struct Boot {
    /// Of each case.
    ns: Vec<u64>,
    total_ns: u64,
    /// In program and compiler.
    ticks: u64,
}

impl Boot {
    fn run(machine: &Machine, cases: usize) -> Result<Self> {
        let outcome = machine.run(TIMEOUT)?;
        Self::read(&outcome, cases)
            .with_context(|| format!("{}; it said:\n{}{}", outcome.ending, outcome.serial.text(), outcome.messages))
    }

    fn read(outcome: &Outcome, cases: usize) -> Result<Self> {
        let row = outcome.serial.boot_row()?;
        let output = outcome.serial.program_output();
        let numbers: Result<Vec<u64>, _> = output.lines().map(|line| u64::from_str_radix(line, 16)).collect();
        let mut ns = numbers.context("the program printed something else than numbers")?;
        let total_ns = ns.pop().unwrap_or(0);
        if ns.len() != cases || row.exit_code != 0 {
            bail!("the program printed {} of {cases} figures and ended with code {}", ns.len(), row.exit_code);
        }
        Ok(Boot { ns, total_ns, ticks: row.ticks_program + row.ticks_compile })
    }
}

/// A WASI command that prints, one per line, the nanoseconds of each case and those of everything.
fn program(cases: &[&Case]) -> String {
    let mut text = String::from("(module\n");
    text += IMPORTS;
    text += &loops::imports();
    let _ = writeln!(text, "(memory (export \"memory\") {})", PAGES);
    let (mut start, mut strings) = (String::new(), Strings { next: STRINGS, data: String::new() });
    for (index, case) in cases.iter().enumerate() {
        let row = row(case, &mut strings);
        let at = ROWS + index as u32 * ROW_BYTES;
        text += &loops::looped(&format!("case{index}"), &body(case));
        let _ = writeln!(text, "(data (i32.const {at}) \"{}\")", escaped(&row.map(u32::to_le_bytes).concat()));
        let _ = writeln!(start, "{}", measured(index, at));
    }
    text += &strings.data;
    text += loops::EMPTY_FUNCTION;
    text += HELPERS;
    let _ = write!(
        text,
        "(func (export \"_start\") (local $started i64) (local $before i64) (local $left i32)
           (local.set $started (call $now)) {start}
           (call $say (i64.sub (call $now) (local.get $started)))))"
    );
    text
}

/// Calls a case once, which compiles it, and then often enough, and prints how long that took.
fn measured(index: usize, row: u32) -> String {
    let end = row + ROW_BYTES;
    format!(
        "(drop (call $case{index}_loop (i32.const {row}) (i32.const {end}) (i32.const 1)))
         (local.set $before (call $now))
         (local.set $left (i32.const {LOOP_CALLS}))
         (loop $again
           (drop (call $case{index}_loop (i32.const {row}) (i32.const {end}) (i32.const {PASSES})))
           (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
         (call $say (i64.sub (call $now) (local.get $before)))"
    )
}

fn body(case: &Case) -> String {
    if case.inputs.is_heap() { loops::PAIR.into() } else { loops::call(case.function) }
}

const IMPORTS: &str = r#"
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
"#;

/// The clock, and a line of hexadecimal digits.
const HELPERS: &str = r#"
  (func $now (result i64)
    (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 64)))
    (i64.load (i32.const 64)))
  (func $say (param $value i64) (local $at i32) (local $digit i32)
    (i32.store8 (i32.const 48) (i32.const 10))
    (local.set $at (i32.const 48))
    (loop $next
      (local.set $digit (i32.and (i32.wrap_i64 (local.get $value)) (i32.const 15)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (local.get $digit)
        (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
      (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
      (br_if $next (i32.gt_u (local.get $at) (i32.const 32))))
    (i32.store (i32.const 8) (i32.const 32))
    (i32.store (i32.const 12) (i32.const 17))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
"#;

/// The arguments of a case, whose strings go to `strings`. Blocks are all zeros.
fn row(case: &Case, strings: &mut Strings) -> Row {
    match case.inputs {
        Inputs::Length { bytes, .. } => strings.row(case.function, bytes as usize),
        Inputs::Pairs { bytes } => [bytes, 0, 0],
        Inputs::Size { bytes, .. } => {
            let second = if matches!(case.function, MEMSET | MEMCHR) { 1 } else { SECOND };
            // What is searched or compared holds nothing but zeros; what is filled lies elsewhere.
            let first = if case.function == MEMSET { FIRST + 0x8_0000 } else { FIRST };
            [first, second, bytes]
        }
        _ => [0; 3],
    }
}

/// Strings, one behind the other at multiples of 64.
struct Strings {
    next: u32,
    /// Data segments.
    data: String,
}

impl Strings {
    /// A string of `bytes` equal letters with another one at its end, and what it is compared with or searched for.
    fn row(&mut self, function: Function, bytes: usize) -> Row {
        let mut text = vec![b'a'; bytes];
        text[bytes - 1] = b'z';
        let first = self.place(&text);
        let second = match function {
            STRCMP => self.place(&text),
            STRSTR => self.place(&text[bytes.saturating_sub(NEEDLE_BYTES)..]),
            STRCHR => u32::from(b'z'),
            _ => 0,
        };
        [first, second, 0]
    }

    fn place(&mut self, text: &[u8]) -> u32 {
        let at = self.next;
        let _ = writeln!(self.data, "(data (i32.const {at}) \"{}\")", escaped(text));
        self.next = (at + text.len() as u32 + 1).next_multiple_of(64);
        at
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
