//! `bareflow run`: the engine on Linux.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options, StackSize};
use bareflow::host;
use bareflow::host::disk::FileDisk;
use bareflow::host::wasi::{StandardStreams, SystemClock, SystemEntropy};
use bareflow::libc::Heap;
use bareflow::session::Session;
use bareflow::store::BlockDevice;
use bareflow::wasi::Wasi;

use crate::stats::{Moment, Stats};

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
    /// Ends with the report as a line `BAREFLOW {json}` on standard error
    #[arg(long)]
    report: bool,
    /// Ends with what translation cost, on standard error
    #[arg(long)]
    stats: bool,
    /// Says that as a line of JSON
    #[arg(long, requires = "stats")]
    json: bool,
    /// Module to run
    program: PathBuf,
    /// Arguments for the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PromoteArg {
    Flight,
    Boots,
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

pub fn run(args: Args) -> Result<ExitCode> {
    let entered = Instant::now();
    let bytes = fs::read(&args.program).with_context(|| format!("cannot read {}", args.program.display()))?;
    let name = file_name(&args.program);
    let mut wasi = Wasi::builder().free_memory(host::memory::free_for_program).arg(name.clone());
    for arg in args.args {
        wasi = wasi.arg(arg);
    }
    for file in &args.files {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        wasi = wasi.file(&file_name(file), content)?;
    }
    let wasi = wasi.build(StandardStreams, SystemClock::new(), SystemEntropy);
    let mut disk = match &args.store {
        Some(path) => Some(FileDisk::open(path).with_context(|| format!("cannot open {}", path.display()))?),
        None => None,
    };
    let options = Options {
        promotion: match args.promote {
            PromoteArg::Flight => Promotion::Flight,
            PromoteArg::Boots => Promotion::Boots,
        },
        highest: args.highest.into(),
        lowest: args.lowest.into(),
        heap: if args.heap_check { Heap::Checked } else { Heap::Fast },
        ..Options::default()
    };
    let shipped = match &args.profile {
        Some(path) => Some(&*fs::read(path).with_context(|| format!("cannot read {}", path.display()))?.leak()),
        None => None,
    };
    let session = Session { name, bytes: bytes.leak(), options, shipped, ticks_before: 0 };
    let platform =
        host::platform_with_stack(CpuFeatures::detect(), args.stack).context("cannot reserve address space")?;
    let with_store = disk.is_some();
    let mut note = |text: &str| {
        if with_store || !text.starts_with("there is no store") {
            eprintln!("bareflow: {text}");
        }
    };
    let disk = disk.as_mut().map(|disk| disk as &mut dyn BlockDevice);
    let started = Moment::now(platform.ticks.now());
    let mut ended = started;
    let ran = |engine: &mut Engine| {
        ended = Moment::now(engine.now());
        0
    };
    let report = session.run(platform, Box::new(wasi), disk, ran, &mut note);
    if args.report {
        eprintln!("{}", report.line());
    }
    if args.stats {
        let stats = Stats::new(&report.statistics, entered, &started, &ended);
        match args.json {
            true => eprintln!("{}", stats.json()?),
            false => stats.to_string().lines().for_each(|line| eprintln!("bareflow: {line}")),
        }
    }
    Ok(ExitCode::from(report.row.exit_code.clamp(0, 255) as u8))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
