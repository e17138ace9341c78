//! `bareflow profile`: what was learned, for people and other machines.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bareflow::profile::{Profile, is_encoded};
use bareflow::store::{Code, Note, Store};

use crate::diff::Diff;
use crate::show::{names, show};
use crate::status::Status;
use crate::store::{open, open_to_write};
use crate::text::ascii_json;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Shows boots, the hottest functions and specialised sites
    Show {
        /// Prints the whole profile as JSON
        #[arg(long)]
        json: bool,
        /// A store or an exported profile
        #[arg(value_name = "PROFILE")]
        profile: PathBuf,
        /// The program, for the names of its functions
        program: Option<PathBuf>,
    },
    /// Tells which functions are new, gone, hotter, colder or of another tier in B, and which sites changed
    Diff {
        /// Prints all of it as JSON
        #[arg(long)]
        json: bool,
        /// A store or an exported profile
        a: PathBuf,
        /// Another one
        b: PathBuf,
        /// The program, for the names of its functions
        program: Option<PathBuf>,
    },
    /// Writes the newest profile in STORE to FILE
    Export { store: PathBuf, file: PathBuf },
    /// Makes the profile in FILE, boots included, the next generation of STORE
    ///
    /// The store's machine code goes: the next boot compiles what the profile in FILE says. That may be of another program or an
    /// earlier build; functions are known by their bodies, and what a program does not have is not used.
    Import {
        /// Discards the profile that STORE holds; to keep it, export it, merge both, and import the sum
        #[arg(long)]
        replace: bool,
        store: PathBuf,
        file: PathBuf,
    },
    /// Adds up profiles of several machines into OUT: the same bytes in whatever order, and in whatever groups
    ///
    /// Sums keep every value that any site saw, so they grow with what machines do differently; a store takes the most frequent
    /// values of each.
    Merge {
        out: PathBuf,
        /// Exported profiles, or stores
        #[arg(required = true, value_name = "PROFILES")]
        inputs: Vec<PathBuf>,
    },
}

pub fn run(command: Command) -> Result<Status> {
    match command {
        Command::Show { json, profile, program } => show(&known(&profile)?, json, program.as_deref())?,
        Command::Diff { json, a, b, program } => {
            let diff = Diff::new(&known(&a)?, &known(&b)?, &names(program.as_deref())?);
            match json {
                true => println!("{}", ascii_json(&serde_json::to_string_pretty(&diff)?)),
                false => print!("{diff}"),
            }
        }
        Command::Export { store, file } => write(&file, &known(&store)?)?,
        Command::Import { replace, store, file } => import(&store, known(&file)?, replace)?,
        Command::Merge { out, inputs } => {
            let mut sum = Profile::default();
            for input in inputs {
                sum.merge(&known(&input)?);
            }
            write(&out, &sum)?;
        }
    }
    Ok(Status::SUCCESS)
}

/// The profile in `file`: an exported one, or the newest of a store.
pub fn known(file: &Path) -> Result<Profile> {
    let cannot_read = || format!("cannot read {}", file.display());
    let mut opened = File::open(file).with_context(cannot_read)?;
    let mut bytes = Vec::new();
    opened.by_ref().take(8).read_to_end(&mut bytes).with_context(cannot_read)?;
    if is_encoded(&bytes) {
        opened.read_to_end(&mut bytes).with_context(cannot_read)?;
        return Profile::decode(&bytes).with_context(|| format!("cannot use {}", file.display()));
    }
    drop(opened);
    let mut store = open(file).with_context(|| format!("{} is no exported profile", file.display()))?;
    match store.load_with(u64::MAX, Profile::decode).payload {
        Some(profile) => Ok(profile),
        None => bail!("{} holds no profile yet: boot a program with it first", file.display()),
    }
}

fn write(file: &Path, profile: &Profile) -> Result<()> {
    fs::write(file, profile.encode()?).with_context(|| format!("cannot write {}", file.display()))
}

fn import(file: &Path, mut profile: Profile, replace: bool) -> Result<()> {
    let shown = file.display();
    let region = open_to_write(file)?.map_err(|reason| anyhow::anyhow!("cannot use {shown}: {reason}"))?;
    let mut store = Store::open_in(region).with_context(|| format!("cannot use {shown}"))?;
    let found = store.load_with(u64::MAX, Profile::decode);
    if !replace && let Some(held) = &found.payload {
        let whose = if held.program == profile.program { "the same program" } else { "another program" };
        bail!(
            "{shown} holds a profile of {whose}, of {} functions, which would be lost. To keep it, export it, merge both, and import \
             the sum with --replace",
            held.functions.len()
        );
    }
    if !replace && found.notes.iter().any(|note| matches!(note, Note::PassedOver { .. })) {
        bail!("{shown} may hold a profile, which would be lost: {found}. Say --replace to import all the same");
    }
    profile.narrow();
    // Which functions the program has is not known here.
    let left_out = profile.fit_into(store.room(), core::iter::empty)?;
    let generation = store.commit(&profile.encode()?, Code::None).with_context(|| format!("cannot write {shown}"))?;
    println!("{shown}: generation {generation}, {} functions, {} boots", profile.functions.len(), profile.last_boot());
    if let Some(left_out) = left_out {
        println!("left out for lack of room: {} functions and the rows of {} boots", left_out.gone, left_out.rows);
    }
    Ok(())
}
