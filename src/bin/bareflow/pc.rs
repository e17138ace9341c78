//! The options that describe the machine to boot: common to `boot` and `bench-boots`.

use anyhow::{Context, Result, bail};
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::host::qemu::iso::{self, Module};
use bareflow::host::qemu::{Accelerator, Machine};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::env;
use std::ffi::OsString;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(clap::Args)]
pub struct PcArgs {
    /// Kernel to boot [default: the file `kernel` beside this command]
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// Gives the program a file, as /NAME; may be repeated
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Memory of the machine
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    memory: u32,
    /// CPU model: max has all that QEMU can do, qemu64 little more than SSE2
    #[arg(long, default_value = "max")]
    cpu: String,
    /// The machine: pc has an IDE controller of its own, q35 an AHCI controller
    #[arg(long, default_value = "pc", value_name = "NAME", value_parser = chipset())]
    machine: Chipset,
    /// What the store's disk is attached to
    #[arg(long, default_value = "ide", value_name = "CONTROLLER", value_parser = controller())]
    disk: Controller,
    /// Boots by UEFI firmware instead of a BIOS
    #[arg(long)]
    uefi: bool,
    /// Kills the machine after this time
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// Passes one more argument to QEMU; may be repeated
    #[arg(long = "qemu", value_name = "ARG", allow_hyphen_values = true)]
    extra: Vec<String>,
}

impl PcArgs {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Makes the ISO `out`, which boots the kernel with `words` and runs `program` with `args`, and a machine for it,
    /// on which a tick is an instruction.
    pub fn machine(&self, out: &Path, words: &str, program: &Path, args: &[OsString]) -> Result<Machine> {
        let mut modules = vec![module(program, args)?];
        for file in &self.files {
            file_name(file)?;
            modules.push(module(file, &[])?);
        }
        let kernel = self.kernel()?;
        iso::make(&checkout().join("grub/make-iso.sh"), out, &kernel, &iso::unattended(words), &modules)?;
        Ok(Machine {
            chipset: self.machine,
            uefi: self.uefi,
            memory_mib: self.memory,
            cpu: self.cpu.clone(),
            icount: true,
            accelerator: Accelerator::Tcg,
            extra: self.extra.clone(),
            ..Machine::new(out)
        })
    }

    /// The disk with the store in `image`.
    pub fn disk(&self, image: &Path) -> Disk {
        Disk::new(self.disk, image)
    }

    /// The kernel that is booted.
    pub fn kernel(&self) -> Result<PathBuf> {
        let path = match &self.kernel {
            Some(path) => path.clone(),
            None => env::current_exe().context("cannot find this command's own file")?.with_file_name("kernel"),
        };
        if !path.is_file() {
            bail!("there is no kernel at {}: build it with `./just iso`, or name one with --kernel", path.display());
        }
        Ok(path)
    }
}

fn chipset() -> impl TypedValueParser<Value = Chipset> {
    one_of(Chipset::ALL, Chipset::name)
}

fn controller() -> impl TypedValueParser<Value = Controller> {
    one_of(Controller::ALL, Controller::name)
}

/// Takes the name of one of `all`.
fn one_of<const COUNT: usize, T: Copy + Send + Sync + 'static>(
    all: [T; COUNT],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let named = move |word: String| all.into_iter().find(|&one| name(one) == word).context("no such name");
    PossibleValuesParser::new(all.map(name)).try_map(named)
}

/// The checkout that this command was built from.
pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program of a command line, and its arguments.
pub fn program(command: &[OsString]) -> Result<(&Path, &[OsString])> {
    let (program, args) = command.split_first().context("no program is named")?;
    Ok((Path::new(program), args))
}

/// The name under which a program sees `file`.
pub fn file_name(file: &Path) -> Result<&str> {
    let name = file.file_name().unwrap_or_default();
    name.to_str().with_context(|| format!("the name of {} is not UTF-8: change it", file.display()))
}

/// `file` under its own name, with `args` after it.
fn module(file: &Path, args: &[OsString]) -> Result<Module> {
    if !file.is_file() {
        bail!("there is no file {}", file.display());
    }
    let name = file.file_name().unwrap_or_default();
    let words = iter::once(name).chain(args.iter().map(OsString::as_os_str));
    Ok(Module { path: file.into(), words: words.map(|word| word.as_bytes().to_vec()).collect() })
}
