//! `bareflow profile`: what was learned, for people and other machines.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bareflow::profile::Profile;

use crate::show::show;
use crate::status::Status;
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

pub fn run(command: Command) -> Result<Status> {
    match command {
        Command::Show { json, store, program } => show(&newest(&store)?, json, program.as_deref())?,
        Command::Export { store, file } => write(&file, &newest(&store)?)?,
        Command::Merge { out, inputs } => merge(&out, &inputs)?,
    }
    Ok(Status::SUCCESS)
}

fn newest(file: &Path) -> Result<Profile> {
    let found = open(file)?.load_with(u64::MAX, Profile::decode);
    match found.payload {
        Some(profile) => Ok(profile),
        None => bail!("{} holds no profile yet: boot a program with it first", file.display()),
    }
}

fn write(file: &Path, profile: &Profile) -> Result<()> {
    fs::write(file, profile.encode()?).with_context(|| format!("cannot write {}", file.display()))
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
