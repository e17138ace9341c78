//! Images that boot a kernel with a program under BIOS and UEFI: an ISO, or a disk with a store that remembers in itself.
//!
//! Key types: [`Contents`], what an image holds; [`Format`]; [`ImageError`]. Key function: [`make`]. The same contents give the
//! same bytes: nothing in an image says when, where or in which order it was made, and what has to be unique is derived
//! from what it holds ([`identity`]).
//!
//! [`files`] has the files of an image, [`grub`] GRUB's own; [`iso`] makes an ISO of them, [`fat`] the file system
//! and [`disk`] the disk around it, [`convert`] what virtual machines want instead of a raw disk. [`line()`] writes words so
//! that GRUB passes them on as they are. Neighbours: `qemu` boots images; `store` knows stores.

mod convert;
mod disk;
mod error;
mod fat;
mod files;
mod grub;
mod identity;
mod iso;
mod line;
mod tool;

pub use error::ImageError;
pub use identity::Identity;
pub use line::line;

use super::folder::PrivateFolder;
use files::Inputs;
use std::path::{Path, PathBuf};
use std::string::String;
use std::vec::Vec;
use std::{format, fs, io};

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A disk, to be written to a real one as it is.
    Raw,
    /// A disk of QEMU.
    Qcow2,
    /// A disk of VMware, one growing file.
    Vmdk,
    /// A disk of VirtualBox, growing.
    Vdi,
    /// A CD, or a stick that cannot be written: it remembers nothing.
    Iso,
}

/// What an image boots.
pub struct Contents<'a> {
    pub kernel: &'a Path,
    /// The kernel's command line, parted by white space.
    pub words: &'a str,
    /// Words behind those, which may hold anything.
    pub settings: &'a [Vec<u8>],
    pub modules: &'a [Module],
}

/// A file that GRUB loads for the kernel. The first is the program, every other one a file for the program.
#[derive(Clone, Debug)]
pub struct Module {
    pub path: PathBuf,
    /// The program's arguments from `argv[0]` on, or the name under which the program sees the file.
    pub words: Vec<Vec<u8>>,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vdi, Self::Iso];

    /// Its name on command lines; but for the first, files of this format end in it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vdi => "vdi",
            Self::Iso => "iso",
        }
    }

    /// What the name of a file says that it is.
    pub fn of_name(path: &Path) -> Self {
        let extension = path.extension().unwrap_or_default();
        Self::ALL.into_iter().find(|format| extension == format.name()).unwrap_or(Self::Raw)
    }
}

/// `words` for a kernel that nobody watches: it ends when its program does, unless they say something else about that.
pub fn unattended(words: &str) -> String {
    match words.split_ascii_whitespace().any(|word| word.starts_with("after=")) {
        true => words.into(),
        false => format!("{words} after=off"),
    }
}

/// Writes an image to the file `out`. Until it is whole, a file that is there already stays as it is.
pub fn make(out: &Path, format: Format, contents: &Contents) -> Result<(), ImageError> {
    let failed = |error| ImageError::Write { path: out.into(), error };
    let name = out.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    if fs::metadata(out).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(ImageError::NotAFile { path: out.into() });
    }
    // Beside it, so that it can be renamed; under its own name, which a VMDK holds.
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::create_dir_all(parent).and_then(|()| PrivateFolder::new_in(parent)).map_err(failed)?;
    let image = folder.path().join(name);
    let temporary = PrivateFolder::new_in(folder.path()).map_err(failed)?;
    let inputs = Inputs::read(contents, temporary.path())?;
    let identity = inputs.identity;
    match format {
        Format::Iso => iso::make(&image, inputs, temporary.path())?,
        Format::Raw => disk::make(&image, inputs, temporary.path())?,
        Format::Qcow2 | Format::Vmdk | Format::Vdi => {
            let raw = temporary.path().join("disk");
            disk::make(&raw, inputs, temporary.path())?;
            convert::convert(&raw, &image, format, &identity)?;
        }
    }
    fs::rename(&image, out).map_err(failed)
}
