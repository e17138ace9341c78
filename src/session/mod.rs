//! One boot's work, the same on every face: recall, run, learn, remember, report.
//!
//! Key types: [`Session`] (what to run and how), [`Report`]. Neighbours: the faces call [`Session::run`] with their
//! platform and the region of a disk that is the store's; `engine`, `profile` and `store` do the parts.

#![forbid(unsafe_code)]

pub mod core_dump;
pub mod look;
mod memory;
pub mod pace;
mod progress;
pub mod seal;
pub mod source_lines;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

use crate::engine::decide::tier::Tier;
use crate::engine::seams::Imports;
use crate::engine::{
    Cache, Ending, Engine, EngineError, Entry, Options, Platform, Prepared, Source, Statistics, Trap, first_of,
};
use crate::libc::Interposed;
use crate::profile::{BootRow, Limits, Profile};
use crate::store::place::Region;
use crate::store::{BlockDevice, Code, MOST_ATTEMPTS};
use memory::{Learned, Recalled};
use progress::Shared;
use seal::{Key, SEAL_BYTES};

/// What to run and how.
pub struct Session {
    /// The program's name for people.
    pub name: String,
    pub program: Source,
    pub options: Options,
    /// An exported profile to start from while the store holds none.
    pub shipped: Option<&'static [u8]>,
    /// Whose machine code is run; none where whoever can write the store can do anything.
    pub key: Option<Key>,
    /// Ticks since the machine or process was entered, when the session begins.
    pub ticks_before: u64,
    pub entry: Entry,
    /// All is told of what is refused, however much it is.
    pub verbose: bool,
}

/// The report of a boot: one line of JSON after `BAREFLOW `.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `exit`, `trap` or `error`.
    pub event: &'static str,
    #[serde(flatten)]
    pub row: BootRow,
    /// The trap or error in words; empty after an exit.
    pub reason: String,
    /// Encoding what was learned, and writing it.
    pub ticks_save: u64,
    /// Why code of an earlier boot was not used, in words: that of all functions, which nobody counted, or that of the first in
    /// `code_rejected`. Empty if all was used.
    pub code_reason: String,
    /// Where the profile went: `saved`, `failed`, or `none`: there is no store that can be used, or nothing was learned.
    pub store: &'static str,
    #[serde(flatten)]
    pub interposed: Interposed,
    /// What the function returned that was run, if it was one.
    #[serde(skip)]
    pub results: Vec<String>,
    /// What more the engine counted.
    #[serde(skip)]
    pub statistics: Statistics,
}

impl Report {
    /// The boot in a line for people.
    pub fn summary(&self) -> String {
        let BootRow { boot, exit_code, ticks_total, ticks_program, ticks_compile, .. } = &self.row;
        let BootRow { functions_called, functions_total, functions_specialised, .. } = &self.row;
        let Interposed { imported, proved, named } = self.interposed;
        format!(
            "boot {boot} ended with code {exit_code}: {ticks_total} ticks, {ticks_program} in the program, {ticks_compile} \
             compiling; {functions_called} of {functions_total} functions called, {functions_specialised} specialised; \
             libc: {imported} imported, {proved} proved, {named} named"
        )
    }

    /// The line for the serial port.
    pub fn line(&self) -> String {
        // Numbers and strings always serialise.
        format!("BAREFLOW {}", serde_json::to_string(self).unwrap_or_default())
    }
}

/// What there is to look at after a boot.
pub struct Remains {
    /// It runs nothing any more.
    pub engine: Engine,
    /// What is known by now.
    pub profile: Profile,
}

/// Who is there while the program runs.
pub trait Watch {
    /// The program of the boot `row` is about to be compiled and run; the boots `ended` were before it.
    fn starts(&mut self, engine: &Engine, ended: &[BootRow], row: &BootRow);

    /// The program has ended, by `trap` or otherwise: adds the timer's samples to the engine and what it knows to the trap, and tells
    /// how many ticks went into writing what the program wrote. The program's memory is still there.
    fn ended(&mut self, engine: &mut Engine, trap: Option<&mut Trap>) -> u64;
}

/// Nobody is there.
impl Watch for () {
    fn starts(&mut self, _: &Engine, _: &[BootRow], _: &BootRow) {}

    fn ended(&mut self, _: &mut Engine, _: Option<&mut Trap>) -> u64 {
        0
    }
}

impl Session {
    /// Recalls what the store in `region` knows, runs the program, and saves what was learned. `note` is told what happens as it
    /// happens. Beside the report, what there is to look at afterwards, unless the engine failed.
    pub fn run(
        self,
        platform: Platform,
        imports: Box<dyn Imports>,
        region: Option<Region<&mut dyn BlockDevice>>,
        watch: &mut dyn Watch,
        note: &mut dyn FnMut(&str),
    ) -> (Report, Option<Remains>) {
        let ticks = Rc::clone(&platform.ticks);
        let (before, started) = (self.ticks_before, ticks.now());
        let elapsed = move || before + ticks.now().saturating_sub(started);
        let (mut report, remains) = self.boot(platform, imports, region, watch, &elapsed, note);
        report.row.ticks_total = elapsed();
        (report, remains)
    }

    /// The same, but for the ticks in total. `elapsed` tells how many have passed.
    fn boot(
        mut self,
        platform: Platform,
        imports: Box<dyn Imports>,
        region: Option<Region<&mut dyn BlockDevice>>,
        watch: &mut dyn Watch,
        elapsed: &dyn Fn() -> u64,
        note: &mut dyn FnMut(&str),
    ) -> (Report, Option<Remains>) {
        let code_bytes = self.program.bytes.len().max(self.options.heap.module().len());
        let limits = Limits::of((platform.free_memory)(), code_bytes);
        let progress = Shared::new(platform.progress, &platform.ticks);
        let platform = Platform { progress: progress.for_engine(), ..platform };
        let mut recalled = Recalled::open(region, &limits, &progress, note);
        if let Some(bytes) = self.shipped {
            recalled.start_from(bytes, &limits, note);
        }
        if recalled.unclean_boots >= MOST_ATTEMPTS {
            note(&format!(
                "the last {} boots did not end (power cut, hang or panic); running without optimised code this time",
                recalled.unclean_boots
            ));
            self.options.highest = Tier::Baseline;
        }
        let kept = Kept::of(self.options.cache, platform.addresses_are_fixed, recalled.unclean_boots);
        let loading = elapsed();
        let recalled_code = if kept == Kept::New { recalled.code(self.key.as_ref(), limits.bytes) } else { Ok(None) };
        let (code, unusable) = recalled_code.map_or_else(|reason| (None, Some(reason)), |code| (code, None));
        let mut row = recalled.row(&self.name);
        row.ticks_load = elapsed().saturating_sub(loading);
        let mut earlier = core::mem::take(&mut recalled.profile);
        let boots = core::mem::take(&mut earlier.boots);
        let opened = code.as_deref().and_then(|code| code.get(SEAL_BYTES..));
        let engine = Engine::with_code(self.program, platform, imports, self.options, earlier, opened);
        drop(code);
        let mut engine = match engine {
            Ok(engine) => engine,
            Err(error) => return (failed(row, &error, self.verbose, &mut recalled, note), None),
        };
        let code_reason = unusable.or_else(|| engine.code_reason().map(String::from)).unwrap_or_default();
        if !code_reason.is_empty() {
            note(&format!("code of an earlier boot is not used: {code_reason}"));
        }
        if let Some(pieces) = engine.code_verified() {
            note(&format!("{pieces} pieces of code of an earlier boot are what is made now, byte for byte"));
        }
        watch.starts(&engine, &boots, &row);
        engine.warm_up();
        row.ticks_boot = elapsed();
        let mut ran = engine.run_entry(&self.entry);
        let trap = match &mut ran {
            Ok((Ending::Trap(trap), _)) => Some(trap),
            _ => None,
        };
        row.ticks_console = watch.ended(&mut engine, trap);
        let statistics = engine.statistics();
        fill(&mut row, &statistics);
        let (ending, results) = match ran {
            Ok(ran) => ran,
            Err(error) => {
                return (Report { statistics, ..failed(row, &error, self.verbose, &mut recalled, note) }, None);
            }
        };
        row.exit_code = ending.exit_code();
        let uncalled = match (&ending, &self.entry) {
            (Ending::Exit(0), Entry::Command) => engine.left_uncalled(),
            _ => Vec::new(),
        };
        let learned = learn(&mut engine, boots, &mut row, &mut recalled, kept, elapsed, note);
        let saving = elapsed();
        let (store, profile) = recalled.save(learned, self.key.as_ref(), note);
        let ticks_save = elapsed().saturating_sub(saving);
        let (event, reason) = match &ending {
            Ending::Exit(_) => ("exit", String::new()),
            Ending::Trap(trap) => ("trap", trap.to_string()),
        };
        if !reason.is_empty() {
            note(&reason);
        }
        hint(&uncalled, note);
        let interposed = statistics.interposed;
        let report = Report { event, row, reason, ticks_save, code_reason, store, interposed, results, statistics };
        (report, Some(Remains { engine, profile }))
    }
}

/// Names what somebody may have meant to call in a program that did nothing.
fn hint(uncalled: &[&str], note: &mut dyn FnMut(&str)) {
    if !uncalled.is_empty() {
        note(&format!(
            "the program did no more than initialise itself; `bareflow run --invoke NAME` calls a function that it \
             exports: {}",
            first_of(uncalled)
        ));
    }
}

/// What is known after the boot of this row, as much of it as there is room for in the store, and code for the next boot, both
/// made in the memory that the program leaves.
fn learn(
    engine: &mut Engine,
    boots: Vec<BootRow>,
    row: &mut BootRow,
    recalled: &mut Recalled<'_>,
    kept: Kept,
    elapsed: &dyn Fn() -> u64,
    note: &mut dyn FnMut(&str),
) -> Result<Learned, String> {
    engine.release();
    engine.prepare_to_learn().map_err(|error| error.to_string())?;
    let mut profile = engine.learned();
    let preparing = elapsed();
    let code = match kept {
        Kept::New if recalled.saves() => {
            let most_ticks = preparing.max(TICKS_TO_PREPARE);
            prepared(engine.prepare(&mut profile, recalled.code_room(), most_ticks), note)
        }
        Kept::New | Kept::Same => Code::Same,
        Kept::Nothing => Code::None,
    };
    row.ticks_prepare = elapsed().saturating_sub(preparing);
    row.ticks_total = elapsed();
    profile.boots = boots;
    profile.push_boot(row.clone());
    let left_out = profile.fit_into(recalled.room(), || engine.keys()).map_err(|error| error.to_string())?;
    Ok(Learned { profile, left_out, code })
}

/// Compiling for the next boot may take as many ticks as all that was before it, or so many: half a second and less.
const TICKS_TO_PREPARE: u64 = 1 << 30;

/// What becomes of the code in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is used, and that for the next boot takes its place.
    New,
    /// It is somebody else's, and stays as it is.
    Same,
    Nothing,
}

impl Kept {
    fn of(cache: Cache, addresses_are_fixed: bool, unclean_boots: u32) -> Self {
        if unclean_boots >= MOST_ATTEMPTS {
            Self::Nothing
        } else if cache == Cache::Off || !addresses_are_fixed {
            Self::Same
        } else {
            Self::New
        }
    }
}

/// What of `prepared` is to be stored.
fn prepared(prepared: Prepared, note: &mut dyn FnMut(&str)) -> Code<Vec<u8>> {
    match prepared {
        Prepared::Same => Code::Same,
        Prepared::New { image, left_out } => {
            if left_out > 0 {
                note(&format!("code of {left_out} functions, those used least, has no room in the store"));
            }
            Code::New(image)
        }
        Prepared::Nothing(reason) => {
            note(&format!("no code is kept for the next boot: {reason}"));
            Code::None
        }
    }
}

/// The program did not start, or the engine could not go on; nothing is saved.
fn failed(
    mut row: BootRow,
    error: &EngineError,
    verbose: bool,
    recalled: &mut Recalled,
    note: &mut dyn FnMut(&str),
) -> Report {
    let reason = if verbose { format!("{error:#}") } else { error.to_string() };
    note(&reason);
    recalled.end(note);
    row.exit_code = 126;
    Report {
        event: "error",
        row,
        reason,
        ticks_save: 0,
        code_reason: String::new(),
        store: "none",
        interposed: Interposed::default(),
        results: Vec::new(),
        statistics: Statistics::default(),
    }
}

fn fill(row: &mut BootRow, sums: &Statistics) {
    row.ticks_program = sums.ticks_program;
    row.ticks_compile = sums.ticks_compile;
    row.ticks_load += sums.ticks_load;
    row.code_loaded = sums.code_loaded;
    row.code_rejected = sums.code_rejected;
    row.functions_total = sums.functions_total;
    row.functions_called = sums.functions_called;
    row.functions_baseline = sums.functions_baseline;
    row.functions_optimised = sums.functions_optimised;
    row.functions_specialised = sums.functions_specialised;
    row.functions_compiled_this_boot = sums.functions_compiled;
    row.code_bytes = sums.code_bytes;
    row.guards_passed = sums.guards_passed;
    row.guards_failed = sums.guards_failed;
    row.libc_functions_total = sums.libc_functions_total;
    row.libc_functions_compiled = sums.libc_functions_compiled;
    row.libc_code_bytes = sums.libc_code_bytes;
}
