//! `bareflow store`: making, finding and looking at stores.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bareflow::host::disk::FileDisk;
use bareflow::host::wasi::SystemEntropy;
use bareflow::profile::Profile;
use bareflow::store::place::{
    Content, Found, PARTITION_TYPE, Place, PlaceFault, Region, Survey, content, identifier, place_in, survey, table,
    wipe,
};
use bareflow::store::{SECTOR_BYTES, Store, StoreError};
use bareflow::wasi::Entropy;

use crate::status::Status;
use crate::text::printable;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Makes FILE, an image or a disk, an empty store; the kernel never does this itself
    Format {
        /// Only this partition of its partition table (GPT) becomes the store
        #[arg(long, value_name = "NUMBER")]
        partition: Option<u32>,
        /// Size of a file that does not exist yet
        #[arg(long, default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
        mib: u64,
        /// Discards whatever is there
        #[arg(long)]
        force: bool,
        file: PathBuf,
    },
    /// Says what FILE holds: an image, a disk or a partition
    Show { file: PathBuf },
}

pub fn run(command: Command) -> Result<Status> {
    match command {
        Command::Format { partition, mib, force, file } => format(&file, partition, mib, force),
        Command::Show { file } => show(&file),
    }
}

fn format(file: &Path, partition: Option<u32>, mib: u64, force: bool) -> Result<Status> {
    // Nobody who names a device means a file of that name.
    let is_there = file.exists() || partition.is_some() || file.starts_with("/dev");
    let disk = match is_there {
        true => FileDisk::open(file).with_context(|| format!("cannot open {}", file.display())),
        false => FileDisk::create(file, (mib << 20) / SECTOR_BYTES as u64)
            .with_context(|| format!("cannot make {}", file.display())),
    };
    let mut disk = disk?;
    let place = partition.map_or(Ok(Place::WholeDisk), |number| place_of(&mut disk, number, file))?;
    disk.claim(&place).with_context(|| format!("cannot use {place} of {}", file.display()))?;
    let mut region = Region::new(disk, place);
    if is_there {
        make_room(&mut region, file, force)?;
    }
    let new_id = || {
        let mut id = [0; 16];
        SystemEntropy.fill(&mut id);
        id
    };
    let mut store = Store::format_in(region, new_id).with_context(|| format!("cannot format {}", file.display()))?;
    println!(
        "{}: an empty store for profiles of up to {} kB and code of up to {} kB, with the identifier {}",
        file.display(),
        store.capacity() / 1000,
        store.code_room() / 1000,
        identifier(&store.id()),
    );
    Ok(Status::SUCCESS)
}

/// Where a store in partition `number` is, if there can be one.
fn place_of(disk: &mut FileDisk, number: u32, file: &Path) -> Result<Place> {
    let shown = file.display();
    let table = match table(disk) {
        Ok(Some(table)) => table,
        Ok(None) => bail!("{shown} has no partition table (GPT); `sgdisk` makes one"),
        Err(error) => bail!("{shown} is left alone: {error}"),
    };
    if table.is_backup {
        bail!("{shown} is left alone: of its partition table only the copy at the end is whole; `sgdisk` mends it");
    }
    let Some(partition) = table.partitions.iter().find(|partition| partition.number == number) else {
        let numbers: Vec<String> = table.partitions.iter().map(|partition| partition.number.to_string()).collect();
        bail!("{shown} has no partition {number}; those that it has: {}", numbers.join(", "));
    };
    place_in(&table, *partition).map_err(|fault| match fault {
        PlaceFault::OtherType(_) => anyhow::anyhow!(
            "partition {number} of {shown} is left alone: {fault}. If it is to become a store, give it that type:\n    \
             sgdisk --typecode={number}:{PARTITION_TYPE} {shown}\n    sfdisk --part-type {shown} {number} {PARTITION_TYPE}"
        ),
        _ => anyhow::anyhow!("partition {number} of {shown} is left alone: {fault}"),
    })
}

/// Leaves nothing in `region` that somebody could take it for, if that may be discarded.
fn make_room(region: &mut Region<FileDisk>, file: &Path, force: bool) -> Result<()> {
    let place = match region.place() {
        Place::WholeDisk => String::new(),
        place => format!("{place} of "),
    };
    let found = content(region).with_context(|| format!("cannot read {}", file.display()))?;
    if found == Content::Blank {
        return Ok(());
    }
    if !force {
        let whose = if found == Content::Store { whose(region) } else { String::new() };
        bail!(
            "{place}{} holds {found}{whose}, which would be lost. Say --force to format it all the same",
            file.display()
        );
    }
    wipe(region).with_context(|| format!("cannot write {}", file.display()))
}

/// What tells the store in `region` from others, for people.
fn whose(region: &mut Region<FileDisk>) -> String {
    let Ok(mut store) = Store::open_in(region.lent()) else { return String::new() };
    match store.load_with(u64::MAX, Profile::decode).payload.and_then(|profile| profile.boots.last().cloned()) {
        Some(row) => format!(" with {} boots, the last one of {}", row.boot, printable(&row.program)),
        None => String::from(" that remembers nothing"),
    }
}

fn show(file: &Path) -> Result<Status> {
    let mut disk = open_disk(file)?;
    let found = survey(&mut disk);
    found.problems.iter().for_each(|problem| println!("{problem}"));
    for found in &found.stores {
        let region = Region::new(&mut disk, found.place);
        show_store(found, Store::open_in(region).with_context(|| format!("cannot use {}", file.display()))?);
    }
    if found.stores.is_empty() {
        let content = content(&mut disk).with_context(|| format!("cannot read {}", file.display()))?;
        println!("no store; {} holds {content}", file.display());
        return Ok(Status::FAILURE);
    }
    Ok(Status::SUCCESS)
}

fn show_store(Found { id, place }: &Found, mut store: Store<&mut FileDisk>) {
    println!("store {} on {place}", identifier(id));
    let found = store.load_with(u64::MAX, Profile::decode);
    println!("{found}");
    println!("format version {}, for profiles of up to {} kB", store.version(), store.capacity() / 1000);
    match store.load_code(u64::MAX) {
        Ok(Some(code)) => println!("code of generation {}: {} bytes", found.generation, code.len()),
        Ok(None) => println!("no code"),
        Err(fault) => println!("no code: {fault}"),
    }
    println!("boots from it in a row that did not end: {}", store.attempts());
    match store.boots_until_saved() {
        0 => {}
        boots => {
            println!("boots that are not going to be saved, because earlier ones stopped saving or reading: {boots}")
        }
    }
    if let Some(profile) = found.payload {
        println!("boots recorded: {}, functions known: {}", profile.last_boot(), profile.functions.len());
    }
}

/// The only store of `file`, for reading.
pub fn open(file: &Path) -> Result<Store<FileDisk>> {
    let mut disk = open_disk(file)?;
    let survey = survey(&mut disk);
    let Some(Found { place, .. }) = only(file, &survey)? else {
        bail!("cannot use {}: {}", file.display(), why_none(&survey));
    };
    Store::open_in(Region::new(disk, place)).with_context(|| format!("cannot use {}", file.display()))
}

/// Where in `file` a program remembers; if nowhere, why.
pub fn open_to_write(file: &Path) -> Result<Result<Region<FileDisk>, String>> {
    let mut disk = FileDisk::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let survey = survey(&mut disk);
    let Some(Found { place, .. }) = only(file, &survey)? else { return Ok(Err(why_none(&survey))) };
    disk.claim(&place).with_context(|| format!("cannot use {place} of {}", file.display()))?;
    Ok(Ok(Region::new(disk, place)))
}

fn open_disk(file: &Path) -> Result<FileDisk> {
    FileDisk::open_read_only(file).with_context(|| format!("cannot open {}", file.display()))
}

/// The store that `survey` found in `file`, if it is the only one; several are an error.
fn only(file: &Path, survey: &Survey) -> Result<Option<Found>> {
    if survey.stores.len() > 1 {
        let stores: Vec<String> =
            survey.stores.iter().map(|Found { id, place }| format!("{} on {place}", identifier(id))).collect();
        bail!("{} holds {} stores, and none is used: {}", file.display(), stores.len(), stores.join(", "));
    }
    Ok(survey.stores.first().copied())
}

fn why_none(survey: &Survey) -> String {
    match &survey.problems[..] {
        [] => StoreError::NotFormatted.to_string(),
        problems => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}
