//! Programs that nobody here wrote, of toolchains that nobody here chose: at every tier in a process, and booted.
//!
//! Their modules come from the Python package index, or are built with a compiler from there and sources that crates carry.
//! Without it, or without pip, each test says on standard error what it skips, and passes. The references were made by
//! another engine (Wasmtime), for the script also by CPython itself.

/// Contents of `tests/real_programs`.
macro_rules! content {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_programs/", $name)).as_slice()
    };
}

#[path = "real_programs/circuits.rs"]
mod circuits;
mod common;
#[path = "real_programs/directories.rs"]
mod directories;
#[path = "real_programs/download.rs"]
mod download;
#[path = "real_programs/exceptions.rs"]
mod exceptions;
#[path = "common/processes.rs"]
mod processes;
#[path = "common/programs.rs"]
mod programs;
#[path = "real_programs/remembered.rs"]
mod remembered;
#[path = "real_programs/silence.rs"]
mod silence;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;
use bareflow::wasi::{Wasi, WasiBuilder};
use common::qemu::{Guest, code, fresh_store};
use download::{BOOLECTOR, CPYTHON, ICEPLL, Program, RESVG};
use programs::{Run, run_in_wasmi, system};
use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;
use wasmparser::{KnownCustom, Parser, Payload};

/// A program's arguments, and the files that it sees.
#[derive(Clone)]
struct Work {
    program: &'static Program,
    args: &'static [&'static str],
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Work {
    fn new(program: &'static Program, args: &'static [&'static str], files: &[(&'static str, &[u8])]) -> Self {
        Self { program, args, files: files.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect() }
    }

    fn wasi(&self) -> WasiBuilder<'static> {
        let wasi = self.args.iter().fold(Wasi::builder().arg(self.program.name()), |wasi, arg| wasi.arg(*arg));
        let files = self.files.iter().cloned();
        files.fold(wasi, |wasi, (name, bytes)| wasi.file(name, bytes).unwrap_or_else(|error| panic!("{error}")))
    }

    /// Runs it in our engine, started from what was learned `earlier`.
    fn run(&self, module: &'static [u8], options: Options, earlier: Profile) -> (Run, Engine) {
        let (wasi, output) = system(self.wasi(), b"");
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        let engine = Engine::new(module, platform, Box::new(wasi), options, earlier);
        let mut engine = engine.unwrap_or_else(|error| panic!("{}: {error}", self.program.name()));
        engine.warm_up();
        let ending = engine.run().unwrap_or_else(|error| panic!("{}: {error}", self.program.name()));
        let run = output.borrow().run(ending.exit_code());
        (run, engine)
    }

    /// Runs it in the baseline, optimised from the start, promoted in flight (early: most of these programs are short),
    /// and specialised from the start by what the first of these learned; how many functions are specialised then.
    #[track_caller]
    fn expect_at_every_tier(&self, module: &'static [u8], expected: &Run) -> u64 {
        let check = |promotion, lowest, highest, earlier| {
            let thresholds = Some(Thresholds { optimise: 10, specialise: 70, settle: 700 });
            let options = Options { promotion, thresholds, lowest, highest, ..Options::default() };
            let (run, engine) = self.run(module, options, earlier);
            assert_eq!(run, *expected, "{} {options:?}", self.program.name());
            engine
        };
        let mut baseline = check(Promotion::Boots, Tier::Baseline, Tier::Baseline, Profile::default());
        let learned =
            Profile::decode(&baseline.learned().encode().expect("there is memory")).expect("a learned profile decodes");
        drop(baseline);
        check(Promotion::Boots, Tier::Optimised, Tier::Optimised, Profile::default());
        check(Promotion::Flight, Tier::Baseline, Tier::Specialised, Profile::default());
        let mut specialised = check(Promotion::Boots, Tier::Optimised, Tier::Specialised, learned);
        specialised.statistics().functions_specialised
    }

    /// What is known after a boot that started from what is `known`.
    fn learn(&self, module: &'static [u8], known: Profile) -> Profile {
        let (_, mut engine) = self.run(module, Options::default(), known);
        let bytes = engine.learned().encode().expect("there is memory");
        Profile::decode(&bytes).expect("a learned profile decodes")
    }

    /// Fails if a site that was called often has a path that few of its calls take, in the third boot or in the fourth; how
    /// many such sites have paths.
    #[track_caller]
    fn expect_paths_to_pass(&self) -> usize {
        const MANY_CALLS: u64 = 1_000;
        const LEAST_PERCENT: u64 = 15;
        let Some(module) = self.program.module() else { return 0 };
        let (mut known, mut with_paths) = (Profile::default(), 0);
        for boot in 1..=4 {
            known = self.learn(module.bytes, known);
            let sites = known.functions.iter().flat_map(|function| &function.sites).filter(|_| boot > 2);
            for site in sites.filter(|site| site.guards_passed + site.guards_failed > MANY_CALLS) {
                let calls = site.guards_passed + site.guards_failed;
                let pass = site.passes.iter().all(|passes| passes * 100 >= calls * LEAST_PERCENT);
                assert!(pass, "{} in boot {boot}: {site:#?}", self.program.name());
                with_paths += 1;
            }
        }
        with_paths
    }

    /// Says how long it takes with what three boots learned, and with everything optimised from the start instead: the best of
    /// nine runs each, in turn.
    fn compare_learned_with_optimised(&self) {
        let Some(module) = self.program.module() else { return };
        let known = (0..3).fold(Profile::default(), |known, _| self.learn(module.bytes, known));
        let optimised = Options { lowest: Tier::Optimised, ..Options::default() };
        let ticks = |options, earlier| {
            let sums = self.run(module.bytes, options, earlier).1.statistics();
            (sums.ticks_program, sums.ticks_compile)
        };
        let runs = (0..9).map(|_| [ticks(optimised, Profile::default()), ticks(Options::default(), known.clone())]);
        let runs: Vec<_> = runs.collect();
        let best = |which: usize| {
            let program = runs.iter().map(|run| run[which].0).min().unwrap_or(0);
            (program, runs.iter().map(|run| run[which].1).min().unwrap_or(0))
        };
        let ((optimised, compiling), (learned, compiling_learned)) = (best(0), best(1));
        println!(
            "{:<20} {:<16} {optimised:>14} {learned:>14} {:>6.3} {compiling:>14} {compiling_learned:>14}",
            self.program.name(),
            self.args.last().copied().unwrap_or_default(),
            learned as f64 / optimised as f64
        );
    }

    /// Boots it twice on one store, where it must do what it does in a process. `words` are for the kernel.
    #[track_caller]
    fn expect_booted(&self, words: &str, expected: &Run) {
        let Some(module) = self.program.module() else { return };
        let command = [&[self.program.name()], self.args].concat();
        let guest = Guest::bare().words(words).module(&module.path, &command);
        let guest = self.files.iter().fold(guest, |guest, (name, bytes)| guest.file(name, bytes));
        let folder = TempDir::new().expect("a temporary folder can be made");
        let guest = guest.store(&fresh_store(&folder));
        let code = if expected.exit == 0 { code::SUCCESS } else { code::PROGRAM_FAILED };
        for number in [1, 2] {
            let boot = guest.run();
            let row = boot.expect_code(code).expect("\"store\":\"saved\"").row();
            assert_eq!((row.boot, row.exit_code), (number, expected.exit), "{}", boot.log());
            assert_eq!(boot.output().as_bytes(), expected.stdout, "{}", boot.log());
        }
    }
}

/// Settings of a chip's clock, by a small C++ program.
fn clock_settings() -> (Work, Run) {
    (Work::new(&ICEPLL, &["-i", "12", "-o", "60"], &[]), Run::of(0, content!("icepll.txt")))
}

/// Factors of a number, by a solver in C. Its exit code says that there are some.
fn factors() -> (Work, Run) {
    let files = [("sat.smt2", content!("sat.smt2"))];
    (Work::new(&BOOLECTOR, &["/sat.smt2"], &files), Run::of(10, content!("sat.txt")))
}

/// A number that does not exist, by the same solver.
fn odd_square() -> (Work, Run) {
    let files = [("unsat.smt2", content!("unsat.smt2"))];
    (Work::new(&BOOLECTOR, &["/unsat.smt2"], &files), Run::of(20, content!("unsat.txt")))
}

/// Whether the module says that it was made by the compiler of Rust, from nothing else.
fn is_made_by_rustc(module: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(module).map(|payload| payload.expect("the module is whole"));
    let fields = sections.filter_map(|payload| match payload {
        Payload::CustomSection(section) => match section.as_known() {
            KnownCustom::Producers(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    });
    let fields = fields.flatten().map(|field| field.expect("the section is whole"));
    let values = fields.flat_map(|field| {
        let name = field.name;
        field.values.into_iter().map(move |value| (name, value.expect("the section is whole").name))
    });
    let said: Vec<_> = values.collect();
    said.contains(&("processed-by", "rustc"))
        && said.iter().all(|(name, value)| *name != "language" || *value == "Rust")
}

/// Where the parts of a picture are, by a Rust program.
fn measures() -> (Work, Run) {
    let files = [("picture.svg", content!("picture.svg"))];
    (Work::new(&RESVG, &["--query-all", "/picture.svg"], &files), Run::of(0, content!("picture.txt")))
}

/// A script that uses json, re and hashlib, by CPython.
fn script() -> (Work, Run) {
    let files = [("script.py", content!("script.py"))];
    (Work::new(&CPYTHON, &["/script.py"], &files), Run::of(0, content!("script.txt")))
}

/// [`Work::expect_at_every_tier`], if the program is there.
fn at_every_tier((work, expected): (Work, Run)) -> Option<u64> {
    let module = work.program.module()?;
    Some(work.expect_at_every_tier(module.bytes, &expected))
}

/// What the programs do, all of it in a few seconds.
fn all_work() -> Vec<Work> {
    let draw = Work::new(&RESVG, &["/picture.svg", "-c"], &[("picture.svg", content!("picture.svg"))]);
    let others = [clock_settings(), factors(), odd_square(), measures(), script()];
    others.into_iter().map(|(work, _)| work).chain([draw]).collect()
}

#[test]
fn no_program_keeps_a_path_that_few_calls_take() {
    let with_paths: Vec<usize> = all_work().iter().map(Work::expect_paths_to_pass).collect();
    assert!(CPYTHON.module().is_none() || with_paths.iter().sum::<usize>() > 10, "{with_paths:?}");
}

#[test]
#[ignore = "takes a minute, and says how fast the programs are: ./just bench learned"]
fn learned_programs_beside_optimised_ones() {
    println!(
        "Ticks in the program with all of it optimised, and with what three boots learned; then those of compiling:"
    );
    all_work().iter().for_each(Work::compare_learned_with_optimised);
}

#[test]
fn icepll_computes_the_same_at_every_tier() {
    at_every_tier(clock_settings());
}

#[test]
fn boolector_decides_the_same_at_every_tier() {
    assert_ne!(at_every_tier(factors()), Some(0));
    assert_ne!(at_every_tier(odd_square()), Some(0));
}

#[test]
fn cpython_prints_the_same_at_every_tier() {
    assert_ne!(at_every_tier(script()), Some(0));
}

#[test]
fn cpython_is_translated_in_far_less_than_a_gibibyte() {
    let Some(cpython) = CPYTHON.module() else { return };
    let folder = TempDir::new().expect("a temporary folder can be made");
    let script = folder.path().join("script.py");
    fs::write(&script, content!("script.py")).expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.args(["run", "--stats", "--json", "--file"]).arg(&script).arg(&cpython.path).arg("/script.py");
    let output = command.output().expect("the command runs");
    assert_eq!(output.stdout, content!("script.txt"));
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    let stats: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(stats["functions_total"].as_u64() > Some(10_000), "{line}");
    // About 114 MiB; the limit is 1 GiB.
    let peak = stats["peak_memory_bytes"].as_u64();
    assert!(peak > Some(26 << 20) && peak < Some(300 << 20), "{line}");
}

#[test]
fn resvg_draws_at_every_tier_what_it_draws_in_another_engine_and_cpython_decodes_it() {
    at_every_tier(measures());
    let Some(resvg) = RESVG.module() else { return };
    assert!(is_made_by_rustc(resvg.bytes));
    let work = Work::new(&RESVG, &["/picture.svg", "-c"], &[("picture.svg", content!("picture.svg"))]);
    let picture = run_in_wasmi(resvg.bytes, work.wasi(), b"");
    assert!(picture.exit == 0 && picture.stdout.starts_with(b"\x89PNG\r\n\x1a\n"), "{picture:?}");
    assert!(work.expect_at_every_tier(resvg.bytes, &picture) > 0);

    let Some(cpython) = CPYTHON.module() else { return };
    let files = [("decode_png.py", content!("decode_png.py")), ("picture.png", &picture.stdout)];
    let work = Work::new(&CPYTHON, &["/decode_png.py"], &files);
    let (decoded, _) = work.run(cpython.bytes, Options::default(), Profile::default());
    assert_eq!(decoded, Run::of(0, "96 x 64\nsun ffa500ff\nhill 27632aff\ncorner ff0000ff\n"));
}

#[test]
fn icepll_in_cpp_and_resvg_in_rust_boot_and_do_what_they_do_in_a_process() {
    assert!(RESVG.module().is_none_or(|resvg| is_made_by_rustc(resvg.bytes)));
    for (work, expected) in [clock_settings(), measures()] {
        work.expect_booted("", &expected);
    }
}

#[test]
fn boolector_boots_and_does_what_it_does_in_a_process() {
    for (work, expected) in [factors(), odd_square()] {
        work.expect_booted("", &expected);
    }
}

#[test]
fn cpython_boots_and_does_what_it_does_in_a_process() {
    let (work, expected) = script();
    // Promotion in flight would compile a third more, which QEMU takes seconds for.
    work.expect_booted("promote=boots", &expected);
}
