//! `bareflow run`: the engine on Linux.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Cache, Engine, Entry, Options, Platform, StackSize, Trap};
use bareflow::host;
use bareflow::host::output::{Loss, Output};
use bareflow::host::perf_map::PerfMap;
use bareflow::host::wasi::{StandardStreams, SystemClock, SystemEntropy};
use bareflow::libc::{Heap, Interpose};
use bareflow::profile::BootRow;
use bareflow::session::{Session, Watch};
use bareflow::store::place::Region;
use bareflow::wasi::Wasi;

use crate::after_trap::AfterTrap;
use crate::dir::{self, Directory};
use crate::environment;
use crate::pc::{file_name, program};
use crate::progress::Told;
use crate::stats::{Moment, Stats};
use crate::status::{Status, complain, of_program, say};
use crate::store::open_to_write;

/// Runs a program as a process of this machine
#[derive(clap::Args)]
pub struct Args {
    /// Store to learn from and into; see `bareflow store format`
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Exported profile to start from while the store holds none
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// File that the program sees at /NAME; may be repeated
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Directory that the program may use, as GUEST, or under the name that it has here; nothing in it is changed with
    /// `:ro` behind; may be repeated
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    directories: Vec<Directory>,
    /// Variable in the program's environment, here with the value that it has in this process's; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    environment: Vec<OsString>,
    /// What the program is told that its name is [default: that of its file]
    #[arg(long, value_name = "NAME")]
    argv0: Option<OsString>,
    /// Calls this function of the program's, with ARGS as its signature says, and prints what it returns
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,
    /// When functions are promoted
    #[arg(long, value_enum, default_value = "flight")]
    promote: PromoteArg,
    /// Highest tier to use
    #[arg(long, value_enum, default_value = "specialised")]
    highest: TierArg,
    /// Tier to start every function in
    #[arg(long, value_enum, default_value = "baseline")]
    lowest: TierArg,
    /// How large the program's call stack may become, from 64K to 1G
    #[arg(long, value_name = "SIZE", default_value = "16M")]
    stack: StackSize,
    /// Ends the program where it is found to misuse the heap: writes outside its blocks or to freed ones, double frees
    #[arg(long)]
    heap_check: bool,
    /// What decides that the libc stands in for functions of the program
    #[arg(long, value_enum, default_value = "proof")]
    interpose: InterposeArg,
    /// Leaves features of the CPU unused, such as `avx512`; commas between them
    #[arg(long, value_name = "FEATURES")]
    without: Option<CpuFeatures>,
    /// Whether the store's machine code is used
    #[arg(long, value_enum, default_value = "on")]
    cache: CacheArg,
    /// Ends with the report as a line `BAREFLOW {json}` on standard error
    #[arg(long)]
    report: bool,
    /// Ends with what translation cost, on standard error
    #[arg(long)]
    stats: bool,
    /// Says that as a line of JSON
    #[arg(long, requires = "stats")]
    json: bool,
    /// Where a core dump goes if the program traps, in the form that WebAssembly's tools read
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    /// Writes /tmp/perf-PID.map, by which `perf report` knows the program's functions
    #[arg(long)]
    perf_map: bool,
    /// Says all there is to say about what is refused
    #[arg(long)]
    verbose: bool,
    /// Module to run, `-` for the one on standard input, and its arguments: whatever follows its name is the program's
    #[arg(trailing_var_arg = true, required = true, value_names = ["PROGRAM", "ARGS"])]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PromoteArg {
    Flight,
    Boots,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum InterposeArg {
    /// Their bodies, proved to be those of known C libraries
    Proof,
    /// Their names and signatures
    Names,
    /// Nothing: it is only what the program imports from the module `libc`
    Off,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum CacheArg {
    On,
    /// Everything is compiled, and nothing is kept
    Off,
    /// It is used, and compared with what the compiler makes now
    Verify,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum TierArg {
    Baseline,
    Optimised,
    Specialised,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Baseline => Self::Baseline,
            TierArg::Optimised => Self::Optimised,
            TierArg::Specialised => Self::Specialised,
        }
    }
}

pub fn run(args: Args) -> Result<Status> {
    let entered = Instant::now();
    let (program, program_args) = program(&args.command)?;
    let uses_code = args.store.is_some() && !matches!(args.cache, CacheArg::Off);
    let source = match uses_code {
        _ if program == Path::new("-") => host::module::read_input(),
        true => host::module::read_and_hash(program),
        false => host::module::read(program),
    };
    let source = source.with_context(|| format!("cannot read {}", program.display()))?;
    let name = program.file_name().unwrap_or_default();
    let entry = entry(args.invoke, program_args)?;
    let mut wasi = Wasi::builder().free_memory(host::memory::free_for_program);
    wasi = wasi.arg(args.argv0.as_deref().unwrap_or(name).as_bytes());
    for arg in program_args {
        wasi = wasi.arg(arg.as_bytes());
    }
    for variable in &args.environment {
        let (name, value) = environment::variable(variable)?;
        wasi = wasi.env(name, value);
    }
    for file in &args.files {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        wasi = wasi.file(file_name(file)?, content)?;
    }
    let wasi = dir::open(wasi, &args.directories, !args.files.is_empty())?;
    let output = Output::of_process().context("cannot use the standard output")?;
    let wasi = wasi.build(StandardStreams::new(output.clone()), SystemClock::new(), SystemEntropy);
    let mut region = match args.store.as_deref().map(open_to_write).transpose()? {
        Some(Err(reason)) => {
            complain(format_args!("{reason}; running unprofiled, nothing will be remembered"));
            None
        }
        region => region.and_then(Result::ok),
    };
    let mut options = Options {
        promotion: match args.promote {
            PromoteArg::Flight => Promotion::Flight,
            PromoteArg::Boots => Promotion::Boots,
        },
        highest: args.highest.into(),
        lowest: args.lowest.into(),
        heap: if args.heap_check { Heap::Checked } else { Heap::Fast },
        interpose: match args.interpose {
            InterposeArg::Proof => Interpose::Proof,
            InterposeArg::Names => Interpose::Names,
            InterposeArg::Off => Interpose::Off,
        },
        without: args.without.unwrap_or(CpuFeatures::empty()),
        cache: match args.cache {
            CacheArg::On => Cache::On,
            CacheArg::Off => Cache::Off,
            CacheArg::Verify => Cache::Verify,
        },
        ..Options::default()
    };
    let mut key = None;
    if region.is_some() && options.cache != Cache::Off {
        match host::key::code_key() {
            Ok(found) => key = Some(found),
            Err(error) => {
                complain(format_args!("{error}; everything is compiled anew"));
                options.cache = Cache::Off;
            }
        }
    }
    let shipped = match &args.profile {
        Some(path) => Some(&*fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.leak()),
        None => None,
    };
    let name = name.to_string_lossy().into_owned();
    let verbose = args.verbose;
    let session = Session { name, program: source, options, shipped, key, ticks_before: 0, entry, verbose };
    let made = if args.perf_map { host::platform_for_perf } else { host::platform_with_stack };
    let platform = made(CpuFeatures::detect(), args.stack).context("cannot reserve address space")?;
    let names = args.perf_map.then(PerfMap::new).transpose();
    let names = names.with_context(|| format!("cannot write {}", PerfMap::path().display()))?;
    let progress = Box::new(Told::new(&output, &platform.ticks, names));
    let platform = Platform { progress, ..platform };
    let with_store = region.is_some();
    let mut note = |text: &str| {
        if with_store || !text.starts_with("there is no store") {
            output.flush();
            complain(format_args!("{text}"));
        }
    };
    let region = region.as_mut().map(Region::lent);
    let started = Moment::now(platform.ticks.now());
    let after_trap =
        AfterTrap { program: program.into(), module: source.bytes, core_dump: args.coredump, output: output.clone() };
    let mut end = End { moment: started, after_trap };
    let (report, _) = session.run(platform, Box::new(wasi), region, &mut end, &mut note);
    for result in &report.results {
        // A failure is told by what follows.
        let _ = output.write(format!("{result}\n").as_bytes());
    }
    let written = output.finish();
    if args.report {
        say(format_args!("{}", report.line()));
    }
    if args.stats {
        let stats = Stats::new(&report.statistics, entered, &started, &end.moment);
        match args.json {
            true => say(format_args!("{}", stats.json()?)),
            false => stats.to_string().lines().for_each(|line| complain(format_args!("{line}"))),
        }
    }
    Ok(status(report.row.exit_code, written))
}

/// What of the program is run.
fn entry(invoke: Option<String>, program_args: &[OsString]) -> Result<Entry> {
    let Some(name) = invoke else { return Ok(Entry::Command) };
    let words = program_args.iter().map(|arg| arg.to_str().map(String::from));
    let arguments = words.collect::<Option<_>>().with_context(|| format!("arguments of {name} have to be UTF-8"))?;
    Ok(Entry::Function { name, arguments })
}

/// When the program ended, and what is done then.
struct End {
    moment: Moment,
    after_trap: AfterTrap,
}

impl Watch for End {
    fn starts(&mut self, _: &Engine, _: &[BootRow], _: &BootRow) {}

    fn ended(&mut self, engine: &mut Engine, trap: Option<&mut Trap>) -> u64 {
        self.moment = Moment::now(engine.now());
        if let Some(trap) = trap {
            self.after_trap.trapped(engine, trap);
        }
        0
    }
}

/// The program's own, but no success if its output did not arrive.
fn status(exit_code: i32, written: Result<(), Loss>) -> Status {
    let Err(loss) = written else { return of_program(exit_code) };
    // Whoever closed a pipe has read enough, and needs no message.
    if loss.error.kind() != ErrorKind::BrokenPipe {
        complain(format_args!("{loss}"));
    }
    of_program(exit_code).or_failure()
}
