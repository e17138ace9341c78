//! `bareflow image`: makes what a PC or a virtual machine boots, from a program.

use crate::pc::{ContentArgs, file_name, format, program};
use crate::profile;
use crate::status::Status;
use anyhow::{Context, Result, ensure};
use bareflow::host::folder::PrivateFolder;
use bareflow::host::image::Format;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes an image that boots a program under BIOS and UEFI: a disk with a store of its own, or an ISO
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    content: ContentArgs,
    /// What a first boot starts from: an exported profile, or a store
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Words for the kernel's command line
    #[arg(long, default_value = "", value_name = "TEXT")]
    words: String,
    /// What the image is [default: what OUT ends in, else raw]
    #[arg(long, value_parser = format())]
    format: Option<Format>,
    /// Replaces OUT, and what its store remembers, if there is one
    #[arg(long)]
    force: bool,
    out: PathBuf,
    /// The program, and its arguments: whatever follows its name is the program's
    #[arg(trailing_var_arg = true, required = true, value_names = ["PROGRAM", "ARGS"])]
    command: Vec<OsString>,
}

pub fn run(mut args: Args) -> Result<Status> {
    let (program, program_args) = program(&args.command)?;
    let out = &args.out;
    ensure!(
        args.force || !out.exists(),
        "{} is there already; if it is an image, it may have learned something. Say --force to replace it",
        out.display()
    );
    let folder = PrivateFolder::new().context("cannot make a temporary folder")?;
    if let Some(profile) = &args.profile {
        args.content.files.push(exported(profile, program, &folder)?);
    }
    let format = args.format.unwrap_or_else(|| Format::of_name(out));
    args.content
        .make(out, format, &args.words, program, program_args)
        .with_context(|| format!("{} was not made", out.display()))?;
    println!("{}: {}", out.display(), description(format));
    Ok(Status::SUCCESS)
}

/// The profile in `file` as the kernel takes it for `program`: under a name that ends in `.bfprof`.
fn exported(file: &Path, program: &Path, folder: &PrivateFolder) -> Result<PathBuf> {
    let name = Path::new(file_name(program)?).with_extension("bfprof");
    let path = folder.path().join(name);
    let profile = profile::known(file)?;
    fs::write(&path, profile.encode()?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn description(format: Format) -> &'static str {
    match format {
        Format::Raw => "a disk that boots under BIOS and UEFI and remembers in itself; `dd` writes it to a real one",
        Format::Qcow2 | Format::Vmdk | Format::Vdi => "a disk that boots under BIOS and UEFI and remembers in itself",
        Format::Iso => {
            "boots under BIOS and UEFI, from a CD or as a disk; it remembers only on another disk with a store"
        }
    }
}
