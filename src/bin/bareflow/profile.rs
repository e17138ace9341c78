//! `bareflow profile`: what was learned, for people and other machines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bareflow::engine::module::Module;
use bareflow::engine::program::named_functions;
use bareflow::libc::Heap;
use bareflow::profile::{FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord};

use crate::store::open;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Shows the boots and the hottest functions that a store knows
    Show {
        /// Prints the whole profile as JSON
        #[arg(long)]
        json: bool,
        store: PathBuf,
        /// The program, for the names of its functions
        program: Option<PathBuf>,
    },
    /// Writes the newest profile in STORE to FILE
    Export { store: PathBuf, file: PathBuf },
    /// Adds up exported profiles of several machines, in any order
    Merge {
        out: PathBuf,
        #[arg(required = true)]
        inputs: Vec<PathBuf>,
    },
}

pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Show { json, store, program } => show(&newest(&store)?, json, program.as_deref())?,
        Command::Export { store, file } => write(&file, &newest(&store)?)?,
        Command::Merge { out, inputs } => merge(&out, &inputs)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn newest(file: &Path) -> Result<Profile> {
    let found = open(file)?.load_with(Profile::decode);
    match found.payload {
        Some(profile) => Ok(profile),
        None => bail!("{} holds no profile yet: boot a program with it first", file.display()),
    }
}

fn write(file: &Path, profile: &Profile) -> Result<()> {
    fs::write(file, profile.encode()).with_context(|| format!("cannot write {}", file.display()))
}

fn merge(out: &Path, inputs: &[PathBuf]) -> Result<()> {
    let mut sum = Profile::default();
    for input in inputs {
        let bytes = fs::read(input).with_context(|| format!("cannot read {}", input.display()))?;
        let profile = Profile::decode(&bytes).with_context(|| format!("cannot use {}", input.display()))?;
        sum.merge(&profile);
    }
    write(out, &sum)
}

/// Rows that a person wants to see.
const HOTTEST: usize = 20;

fn show(profile: &Profile, json: bool, program: Option<&Path>) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(profile)?);
        return Ok(());
    }
    show_boots(profile);
    let names = names(program)?;
    let mut functions: Vec<&FunctionRecord> = profile.functions.iter().collect();
    functions.sort_by_key(|record| std::cmp::Reverse((record.ticks, record.calls)));
    println!("\nThe {HOTTEST} hottest of {} functions seen, per boot:\n", functions.len());
    println!("       ticks       calls  function                  values at its sites");
    let per_boot = |count: u64| count.saturating_mul(ONE_BOOT) / profile.boots_observed.max(ONE_BOOT);
    for record in functions.iter().take(HOTTEST) {
        let unnamed = || format!("{:016x}", record.key.hash);
        let name = names.get(&record.key).cloned().unwrap_or_else(unnamed);
        let (ticks, calls) = (per_boot(record.ticks), per_boot(record.calls));
        println!("{ticks:>12}{calls:>12}  {name:<24}  {}", sites(record));
    }
    Ok(())
}

fn show_boots(profile: &Profile) {
    println!("  boot  program ticks  compile ticks  called  baseline  optimised  specialised  guards passed  failed");
    for row in &profile.boots {
        println!(
            "{:>6}  {:>13}  {:>13}  {:>6}  {:>8}  {:>9}  {:>11}  {:>13}  {:>6}",
            row.boot,
            row.ticks_program,
            row.ticks_compile,
            row.functions_called,
            row.functions_baseline,
            row.functions_optimised,
            row.functions_specialised,
            row.guards_passed,
            row.guards_failed
        );
    }
}

/// Names of the libc's functions, and of the program's.
fn names(program: Option<&Path>) -> Result<BTreeMap<FunctionKey, String>> {
    let mut names = BTreeMap::new();
    for heap in [Heap::Checked, Heap::Fast] {
        let libc = Module::decode(heap.module()).context("the libc")?;
        names.extend(named_functions(&libc).map(|(key, name)| (key, format!("libc {name}"))));
    }
    if let Some(path) = program {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let module = Module::decode(bytes.leak()).with_context(|| format!("cannot use {}", path.display()))?;
        names.extend(named_functions(&module));
    }
    Ok(names)
}

/// The most frequent value of each site that has one.
fn sites(record: &FunctionRecord) -> String {
    let describe = |site: &SiteRecord| {
        let (top, share) = site.values.dominant()?;
        let what = match site.kind {
            SiteKind::Size => "bytes",
            SiteKind::Target => "target",
        };
        Some(format!("{} {what} {}%", top.value, share / 10))
    };
    record.sites.iter().filter_map(describe).collect::<Vec<_>>().join(", ")
}
