//! What is booted, and on which machine: options that `boot`, `bench-boots` and `image` share.

use crate::dir::{self, Directory};
use crate::environment;
use anyhow::{Context, Result, bail, ensure};
use bareflow::host::archive;
use bareflow::host::folder::PrivateFolder;
use bareflow::host::image::{self, Contents, Format, Module};
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::host::qemu::{Accelerator, Machine};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is booted beside the program.
#[derive(clap::Args)]
pub struct ContentArgs {
    /// Kernel to boot [default: the file `kernel` beside this command, or in ../lib/bareflow]
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// Gives the program a file, as /NAME; may be repeated
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Gives the program what is in a directory, as GUEST, or under the name that it has here; what it changes there is gone
    /// after the boot; may be repeated
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    directories: Vec<Directory>,
    /// Variable in the program's environment, here with the value that it has in this process's; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    environment: Vec<OsString>,
}

#[derive(clap::Args)]
pub struct PcArgs {
    #[command(flatten)]
    pub content: ContentArgs,
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

impl ContentArgs {
    /// Makes the image `out`, which boots the kernel with `words` and runs `program` with `args`.
    pub fn make(&self, out: &Path, format: Format, words: &str, program: &Path, args: &[OsString]) -> Result<()> {
        let folder = PrivateFolder::new().context("cannot make a temporary folder")?;
        let mut modules = vec![module(program, args)?];
        for file in &self.files {
            modules.push(self.file(file)?);
        }
        for (index, (directory, archive)) in self.directories.iter().zip(self.archives()?).enumerate() {
            let path = folder.path().join(format!("{index}.tar"));
            fs::write(&path, archive).with_context(|| format!("cannot write {}", path.display()))?;
            let at = format!("at=/{}", directory.guest.trim_start_matches('/'));
            modules.push(Module { path, words: vec![format!("{index}.tar").into(), at.into()] });
        }
        let settings = self.settings()?;
        image::make(out, format, &Contents { kernel: &self.kernel()?, words, settings: &settings, modules: &modules })?;
        Ok(())
    }

    /// What more there is on which a boot depends.
    pub fn parts(&self) -> Result<Vec<Vec<u8>>> {
        Ok([self.settings()?, self.archives()?].concat())
    }

    /// Words for the kernel's command line.
    fn settings(&self) -> Result<Vec<Vec<u8>>> {
        let directories = self.directories.iter().map(|directory| Ok(format!("dir={}", directory.guest).into()));
        let variables = self.environment.iter().map(|word| {
            let (name, value) = environment::variable(word)?;
            Ok([b"env.", &name[..], b"=", &value].concat())
        });
        directories.chain(variables).collect()
    }

    fn archives(&self) -> Result<Vec<Vec<u8>>> {
        dir::check_for_machine(&self.directories, !self.files.is_empty())?;
        let archives = self.directories.iter().map(|directory| {
            let mut bytes = Vec::new();
            archive::write(&directory.host, &mut bytes).map(|()| bytes)
        });
        archives.collect::<Result<_, _>>().context("cannot give the program a directory")
    }

    /// A module that the program sees as a file, unless it is a profile.
    fn file(&self, path: &Path) -> Result<Module> {
        let mut module = module(path, &[])?;
        if file_name(path)?.ends_with(".tar") {
            module.words.push(b"file".to_vec());
        }
        Ok(module)
    }

    pub fn kernel(&self) -> Result<PathBuf> {
        if let Some(path) = &self.kernel {
            ensure!(path.is_file(), "there is no kernel at {}", path.display());
            return Ok(path.clone());
        }
        let command = env::current_exe().context("cannot find this command's own file")?;
        let places = ["kernel", "../lib/bareflow/kernel"].map(|place| command.with_file_name(place));
        let found = places.iter().find(|path| path.is_file()).cloned();
        found.with_context(|| {
            format!(
                "there is no kernel at {} or {}: build it in BareFlow's checkout with `./just build`, or this command and \
                 kernel with `./just install`, or name one with --kernel",
                places[0].display(),
                places[1].display()
            )
        })
    }
}

impl PcArgs {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Makes the ISO `out`, which boots the kernel with `words` and runs `program` with `args`, and a machine for it,
    /// on which a tick is an instruction.
    pub fn machine(&self, out: &Path, words: &str, program: &Path, args: &[OsString]) -> Result<Machine> {
        self.content.make(out, Format::Iso, &image::unattended(words), program, args)?;
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
}

fn chipset() -> impl TypedValueParser<Value = Chipset> {
    one_of(Chipset::ALL, Chipset::name)
}

/// Takes the name of a format.
pub fn format() -> impl TypedValueParser<Value = Format> {
    one_of(Format::ALL, Format::name)
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
