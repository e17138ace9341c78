//! `bareflow profile`: what was learned, for people and other machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use bareflow::profile::{FunctionRecord, Profile, SiteKind};

use crate::store::open;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Shows the boots and the hottest functions that a store knows
    Show {
        /// Prints the whole profile as JSON
        #[arg(long)]
        json: bool,
        store: PathBuf,
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
        Command::Show { json, store } => show(&newest(&store)?, json)?,
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

fn show(profile: &Profile, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(profile)?);
        return Ok(());
    }
    println!("boot  ticks_program  ticks_compile  called  optimised  specialised");
    for row in &profile.boots {
        println!(
            "{:>4}  {:>13}  {:>13}  {:>6}  {:>9}  {:>11}",
            row.boot,
            row.ticks_program,
            row.ticks_compile,
            row.functions_called,
            row.functions_optimised,
            row.functions_specialised
        );
    }
    let mut functions: Vec<&FunctionRecord> = profile.functions.iter().collect();
    functions.sort_by_key(|record| std::cmp::Reverse(record.calls));
    println!("\nfunction          calls       ticks  sites");
    for record in functions.iter().take(HOTTEST) {
        println!("{:016x}  {:>9}  {:>10}  {}", record.key.hash, record.calls, record.ticks, sites(record));
    }
    Ok(())
}

/// The most frequent value of each site that has one.
fn sites(record: &FunctionRecord) -> String {
    let describe = |site: &bareflow::profile::SiteRecord| {
        let (top, share) = site.values.dominant()?;
        let what = match site.kind {
            SiteKind::Size => "bytes",
            SiteKind::Target => "target",
        };
        Some(format!("{} {what} {}%", top.value, share / 10))
    };
    record.sites.iter().filter_map(describe).collect::<Vec<_>>().join(", ")
}
