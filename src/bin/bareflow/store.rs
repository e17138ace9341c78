//! `bareflow store`: making and looking at stores.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bareflow::host::disk::FileDisk;
use bareflow::host::wasi::SystemEntropy;
use bareflow::profile::Profile;
use bareflow::store::{SECTOR_BYTES, Store};
use bareflow::wasi::Entropy;

use crate::status::Status;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Makes FILE an empty store; the kernel never does this itself
    Format {
        /// Size of a file that does not exist yet
        #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
        mib: u64,
        /// Discards what an existing file holds
        #[arg(long)]
        force: bool,
        file: PathBuf,
    },
    /// Says what FILE holds
    Show { file: PathBuf },
}

pub fn run(command: Command) -> Result<Status> {
    match command {
        Command::Format { mib, force, file } => format(&file, mib, force)?,
        Command::Show { file } => show(&file)?,
    }
    Ok(Status::SUCCESS)
}

fn format(file: &Path, mib: u64, force: bool) -> Result<()> {
    let disk = if file.exists() {
        if !force {
            bail!("{} exists; its content would be lost. Say --force to format it all the same", file.display());
        }
        FileDisk::open(file)
    } else {
        FileDisk::create(file, (mib << 20) / SECTOR_BYTES as u64)
    };
    let disk = disk.with_context(|| format!("cannot make {}", file.display()))?;
    let mut id = [0; 16];
    SystemEntropy.fill(&mut id);
    let mut store = Store::format(disk, id).with_context(|| format!("cannot format {}", file.display()))?;
    let (profile, code) = (store.capacity() / 1000, store.code_room() / 1000);
    println!("{}: an empty store for profiles of up to {profile} kB and code of up to {code} kB", file.display());
    Ok(())
}

fn show(file: &Path) -> Result<()> {
    let mut store = open(file)?;
    let found = store.load_with(u64::MAX, Profile::decode);
    println!("{found}");
    println!("format version {}, for profiles of up to {} kB", store.version(), store.capacity() / 1000);
    match store.load_code(u64::MAX) {
        Ok(Some(code)) => println!("code of generation {}: {} bytes", found.generation, code.len()),
        Ok(None) => println!("no code"),
        Err(fault) => println!("no code: {fault}"),
    }
    println!("boots from it in a row that did not end: {}", store.attempts());
    if let Some(profile) = found.payload {
        println!("boots recorded: {}, functions known: {}", profile.last_boot(), profile.functions.len());
    }
    Ok(())
}

/// The store in `file`, for reading.
pub fn open(file: &Path) -> Result<Store<FileDisk>> {
    let disk = FileDisk::open_read_only(file).with_context(|| format!("cannot open {}", file.display()))?;
    Store::open(disk).with_context(|| format!("cannot use {}", file.display()))
}
