//! `cargo bench --bench libc`: BareFlow's libc against others on this CPU. `./just bench libc` prepares those first.
//!
//! Top-down: [`cases`] says what is measured, [`layout`] puts its inputs into linear memory, as [`table`] says, [`loops`] are
//! the callers, [`compiled`] and [`native`] the contestants, [`measure`] times them, [`report`] and [`plot`] show the results.

mod cases;
mod clock;
mod compiled;
mod contestant;
mod distributions;
mod heap;
mod instructions;
mod layout;
mod loops;
mod measure;
mod native;
mod numbers;
mod plot;
#[path = "../../tests/common/random.rs"]
mod random;
mod report;
mod table;

use anyhow::{Context, Result, ensure};
use bareflow::engine::cpu::CpuFeatures;
use cases::{Case, Inputs};
use clap::Parser;
use clock::Clock;
use compiled::{BareFlow, Programs};
use contestant::Contestant;
use loops::Memory;
use measure::{Effort, Measurement};
use native::{Heap, Library, NativeHeap};
use report::{Line, Results};
use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const THOROUGH: Effort = Effort { rounds: 15, turn_ns: 2e6 };
const QUICK: Effort = Effort { rounds: 5, turn_ns: 4e5 };

/// Compares BareFlow's libc, generic and specialised, with those of other projects on this CPU
///
/// Each case is one loop over a table of arguments: in WebAssembly for BareFlow, in native code for the others, on the same memory.
/// All contestants of a case take turns in rounds of one process; times are medians over the rounds, speeds medians of the ratios within
/// a round. Writes libc.csv, libc.json and libc.svg.
#[derive(Parser)]
#[command(bin_name = "./just bench libc")]
struct Args {
    /// Only cases that have all these words in "FAMILY NAME", such as `memcpy distributions` or `strlen aligned 64`
    words: Vec<String>,
    /// Fewer cases and shorter turns: rough figures within a minute
    #[arg(long)]
    quick: bool,
    /// Rounds of each case
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Hides a feature of the CPU from BareFlow and glibc
    #[arg(long, value_name = "FEATURE", value_parser = HIDEABLE.map(|(name, _)| name))]
    without: Option<String>,
    /// Prints the results as JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Boots the cases of one size in QEMU instead, twice, and prints instructions per call
    #[arg(long)]
    instructions: bool,
    /// Names the cases and ends
    #[arg(long)]
    list: bool,
    /// Folder of what `prepare.sh` made, and for the results [default: target/bench]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be hidden, and glibc's names for it and what builds on it.
const HIDEABLE: [(&str, &str); 2] = [
    ("avx512", "-AVX512F,-AVX512VL,-AVX512BW"),
    ("avx2", "-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW"),
];

/// What glibc reads when a process begins.
const GLIBC_TUNABLES: &str = "GLIBC_TUNABLES";

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let folder = args.folder.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut cases = cases::all(args.quick, &folder);
    ensure!(cases.iter().any(|case| case.matches(&args.words)), "no case has all these words; --list names all cases");
    cases.retain(|case| case.is_overhead() || case.matches(&args.words));
    if args.list {
        cases.iter().for_each(|case| println!("{}", case.title()));
        return Ok(());
    }
    if args.instructions {
        print!("{}", instructions::count(&cases, &folder)?);
        return Ok(());
    }
    let mut effort = if args.quick { QUICK } else { THOROUGH };
    effort.rounds = args.rounds.map_or(effort.rounds, usize::from);
    let without = match &args.without {
        Some(name) => hide(name)?,
        None => CpuFeatures::empty(),
    };
    let results = Bench::new(effort, without, &folder)?.run(&cases);
    write(&folder, &results)?;
    match args.json {
        true => println!("{}", results.to_json()?),
        false => print!("{}", results.to_table()),
    }
    eprintln!("wrote libc.csv, libc.json and libc.svg to {}", folder.display());
    Ok(())
}

/// Begins this process again unless it began with this feature hidden from glibc, which looks only then.
fn hide(name: &str) -> Result<CpuFeatures> {
    let glibc = HIDEABLE.iter().find(|(hideable, _)| *hideable == name).map(|(_, glibc)| glibc);
    let tunables = format!("glibc.cpu.hwcaps={}", glibc.context("this feature cannot be hidden")?);
    if env::var(GLIBC_TUNABLES).is_ok_and(|began_with| began_with == tunables) {
        return Ok(name.parse()?);
    }
    let this = env::current_exe().context("this program cannot be found")?;
    let error = Command::new(this).args(env::args_os().skip(1)).env(GLIBC_TUNABLES, tunables).exec();
    Err(error).context("this program cannot be started again")
}

fn write(folder: &Path, results: &Results) -> Result<()> {
    let files =
        [("libc.csv", results.to_csv()), ("libc.json", results.to_json()?), ("libc.svg", plot::to_svg(results))];
    for (name, text) in files {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What is needed to measure any case.
struct Bench {
    effort: Effort,
    clock: Clock,
    programs: Programs,
    libraries: Vec<Library>,
    /// Libraries that are not here.
    missing: Vec<&'static str>,
}

impl Bench {
    fn new(effort: Effort, without: CpuFeatures, folder: &Path) -> Result<Self> {
        let loops = |memory| -> Result<&'static [u8]> {
            Ok(wat::parse_str(loops::module(memory)).context("the loops are not well-formed")?.leak())
        };
        let own_libc = match fs::read(folder.join("wasi-libc.wasm")) {
            Ok(libc) => Some([&*libc.leak(), loops(Memory::OfLibc)?]),
            Err(_) => None,
        };
        let mut bench = Bench {
            effort,
            clock: Clock::calibrate(),
            programs: Programs { loops: loops(Memory::Own)?, own_libc, without },
            libraries: vec![Library::of_process()],
            missing: Vec::new(),
        };
        if own_libc.is_none() {
            bench.missing.push(measure::REPLACED);
        }
        for (name, file) in [("llvm-libc", "llvm-libc.so"), ("musl", "musl.so")] {
            match Library::open(name, &folder.join(file)) {
                Some(library) => bench.libraries.push(library),
                None => bench.missing.push(name),
            }
        }
        if !cases::trace(folder).is_file() {
            bench.missing.push("the trace of the sample program's heap");
        }
        Ok(bench)
    }

    fn run(&self, cases: &[Case]) -> Results {
        let mut results = Results::new(self.clock, self.effort, self.programs.without, &self.missing);
        for (number, case) in cases.iter().enumerate() {
            let line = self.measure(case);
            eprintln!("{:>3}/{}  {}  {}", number + 1, cases.len(), case.title(), report::in_short(&line));
            results.lines.push(line);
        }
        results
    }

    fn measure(&self, case: &Case) -> Line {
        let mut specialised = BareFlow::specialised(self.programs, case);
        let mut generic = BareFlow::generic(self.programs, case);
        // The loop and its call are the same with any libc.
        let mut replaced = (!case.is_overhead()).then(|| BareFlow::with_own_libc(self.programs, case)).flatten();
        let (table, base) = (specialised.table(), specialised.memory_base());
        let mut natives = self.natives(case, base);
        let mut contestants: Vec<&mut dyn Contestant> = vec![&mut specialised, &mut generic];
        contestants.extend(replaced.iter_mut().map(|replaced| replaced as &mut dyn Contestant));
        contestants.extend(natives.iter_mut().map(|native| &mut **native as &mut dyn Contestant));
        let measurements: Vec<Measurement> = measure::measure(self.clock, self.effort, table, &mut contestants);
        let cycle_ns = measurements[0].ns / measurements[0].cycles;
        Line {
            family: case.family.clone(),
            name: case.name.clone(),
            limit_ns: table.limit_cycles.map(|cycles| cycles * cycle_ns),
            measurements,
        }
    }

    /// The contestants that are not BareFlow; they work on the memory at `base`.
    fn natives(&self, case: &Case, base: *mut u8) -> Vec<Box<dyn Contestant>> {
        if case.inputs.is_heap() {
            let pairs = matches!(case.inputs, Inputs::Pairs { .. });
            return HEAPS.map(|heap| Box::new(NativeHeap { heap, base, pairs }) as Box<dyn Contestant>).into();
        }
        let contestant = |library: &Library| -> Option<Box<dyn Contestant>> {
            match case.inputs {
                Inputs::Numbers { function, waits } => Some(Box::new(library.of_numbers(function, waits, base)?)),
                _ => Some(Box::new(library.contestant(case.function, base)?)),
            }
        };
        self.libraries.iter().filter_map(contestant).collect()
    }
}

const HEAPS: [Heap; 2] = [
    Heap {
        name: measure::REFERENCE,
        malloc: libc::malloc,
        calloc: libc::calloc,
        realloc: libc::realloc,
        free: libc::free,
    },
    Heap {
        name: "mimalloc",
        malloc: libmimalloc_sys::mi_malloc,
        calloc: libmimalloc_sys::mi_calloc,
        realloc: libmimalloc_sys::mi_realloc,
        free: libmimalloc_sys::mi_free,
    },
];
