//! A CD, or a stick that is only read, made by `xorriso`.
//!
//! Key function: [`make`]. A BIOS starts GRUB as an El Torito image or from the first sector, UEFI as a program on a FAT
//! volume; both find the ISO by a file that no other image has.

use super::ImageError;
use super::fat::{self, Kind};
use super::files::{File, Inputs};
use super::grub::{Medium, Platform};
use super::tool::{EPOCH_SECONDS, run};
use std::format;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The time of all that has one: [`EPOCH_SECONDS`].
const TIME: &str = "1980010100000000";

/// Writes to `out` an ISO of `inputs`; `folder` is for temporary files.
pub fn make(out: &Path, inputs: Inputs, folder: &Path) -> Result<(), ImageError> {
    let identity = inputs.identity;
    let mut files = inputs.files(None);
    let marker = format!("/boot/{}", identity.digits::<16>("marker"));
    let medium = Medium::Marked(&marker);
    let uefi = File { path: "EFI/BOOT/BOOTX64.EFI".into(), content: Platform::Uefi.core(&medium, folder)? };
    files.push(File { path: marker[1..].into(), content: marker.clone().into() });
    files.push(File { path: "boot/bios.img".into(), content: Platform::Bios.core(&medium, folder)? });
    let volume = fat::volume(&[uefi], Kind::File, identity.bytes("volume"), folder)?;
    files.push(File { path: "boot/efi.img".into(), content: volume });
    let root = folder.join("iso");
    for File { path, content } in files {
        let path = root.join(path);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| ImageError::Write { path, error })?;
    }
    let mut command = Command::new("xorriso");
    command.env("SOURCE_DATE_EPOCH", EPOCH_SECONDS).args(["-as", "mkisofs", "-quiet", "-r", "-iso-level", "3"]);
    command.args(["-V", "BAREFLOW", &format!("--modification-date={TIME}"), "--set_all_file_dates", TIME]);
    command.args(["-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]);
    command.arg("--grub2-boot-info").arg("--grub2-mbr").arg(Platform::Bios.file("boot_hybrid.img")?);
    command.args(["--efi-boot", "boot/efi.img", "-efi-boot-part", "--efi-boot-image", "--protective-msdos-label"]);
    run(command.arg("-o").arg(out).arg(&root), "xorriso", "xorriso")
}
