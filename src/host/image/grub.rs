//! What GRUB itself brings to an image, made by `grub-mkimage` from the modules that its packages install.
//!
//! Key type: [`Platform`].

use super::ImageError;
use super::tool::run;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::string::String;
use std::vec::Vec;

/// Where Debian, Ubuntu, Arch and Fedora have GRUB's modules, and where openSUSE has them.
const FOLDERS: [&str; 2] = ["/usr/lib/grub", "/usr/share/grub2"];
/// The command, and its name on Fedora and openSUSE.
const MKIMAGE: [&str; 2] = ["grub-mkimage", "grub2-mkimage"];

/// What the menu needs.
const MODULES: [&str; 6] = ["normal", "test", "multiboot2", "serial", "terminal", "echo"];

/// What a GRUB runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Bios,
    Uefi,
}

/// From where a GRUB reads its menu.
pub enum Medium<'a> {
    /// The second partition of the disk that it was started from.
    Disk,
    /// Whatever has a file of this name.
    Marked(&'a str),
}

impl Platform {
    fn folder_name(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc",
            Self::Uefi => "x86_64-efi",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Bios => "grub-pc-bin",
            Self::Uefi => "grub-efi-amd64-bin",
        }
    }

    /// What it needs besides, for disks and for the screen.
    fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Bios => &["biosdisk", "vbe"],
            Self::Uefi => &["efi_gop"],
        }
    }

    /// Where its modules are.
    fn folder(self) -> Result<PathBuf, ImageError> {
        let name = self.folder_name();
        let mut folders = FOLDERS.into_iter().map(|folder| Path::new(folder).join(name));
        folders
            .find(|folder| folder.join("normal.mod").is_file())
            .ok_or_else(|| ImageError::Missing { what: String::from("GRUB for ") + name, package: self.package() })
    }

    /// A file that its package installs beside the modules.
    pub fn file(self, name: &str) -> Result<PathBuf, ImageError> {
        let path = self.folder()?.join(name);
        if path.is_file() { Ok(path) } else { Err(ImageError::Missing { what: name.into(), package: self.package() }) }
    }

    /// The GRUB that finds the menu on `medium`; `folder` is for temporary files.
    pub fn core(self, medium: &Medium, folder: &Path) -> Result<Vec<u8>, ImageError> {
        let (out, early) = (folder.join("core"), folder.join("early.cfg"));
        let name = MKIMAGE.into_iter().find(|name| is_on_path(name)).unwrap_or(MKIMAGE[0]);
        let mut command = Command::new(name);
        command.arg("--directory").arg(self.folder()?).arg("--output").arg(&out);
        let format = match (self, medium) {
            (Self::Bios, Medium::Disk) => "i386-pc",
            (Self::Bios, Medium::Marked(_)) => "i386-pc-eltorito",
            (Self::Uefi, _) => "x86_64-efi",
        };
        command.args(["--format", format]).args(MODULES).args(self.modules());
        match medium {
            Medium::Disk => {
                // UEFI says which partition it is.
                let prefix = if self == Self::Bios { "(,gpt2)/boot/grub" } else { "/boot/grub" };
                command.args(["--prefix", prefix, "part_gpt", "fat"]);
            }
            Medium::Marked(marker) => {
                let script =
                    std::format!("search --no-floppy --file --set=root {marker}\nset prefix=($root)/boot/grub\n");
                fs::write(&early, script).map_err(|error| ImageError::Write { path: early.clone(), error })?;
                command.arg("--config").arg(&early).args(["--prefix", "/boot/grub", "part_gpt", "part_msdos"]);
                command.args(["iso9660", "search", "search_fs_file"]);
            }
        }
        run(&mut command, "grub-mkimage", "grub-common")?;
        fs::read(&out).map_err(|error| ImageError::Read { path: out, error })
    }
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
