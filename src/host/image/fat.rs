//! The FAT file system that firmware and GRUB read (of the EFI system partition, and within an ISO), made by mtools.
//!
//! Key function: [`volume`].

use super::ImageError;
use super::files::File;
use super::tool::{EPOCH_SECONDS, run};
use crate::store::SECTOR_BYTES;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::vec::Vec;
use std::{format, iter};

const MIB: usize = 1 << 20;
/// Size of the largest clusters that `mformat` makes.
const CLUSTER_BYTES: usize = 32 << 10;
/// UEFI asks for FAT32 on a disk, which has this size at least, with room to spare.
const FAT32_BYTES: usize = 64 * MIB;

/// Where a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In a partition that begins at this sector.
    Partition(u64),
    /// In a file of a CD.
    File,
}

/// A volume that holds `files`, of whole MiB; `folder` is for temporary files.
pub fn volume(files: &[File], kind: Kind, serial: [u8; 4], folder: &Path) -> Result<Vec<u8>, ImageError> {
    let content: usize = files.iter().map(|file| file.content.len().next_multiple_of(CLUSTER_BYTES)).sum();
    // Two tables take 8 bytes for each cluster of 512; a folder takes a cluster.
    let bytes = content + content / 50 + files.len() * 4 * CLUSTER_BYTES + MIB / 2;
    let least = if kind == Kind::File { MIB } else { FAT32_BYTES };
    let bytes = bytes.next_multiple_of(MIB).max(least);

    let path = folder.join("volume");
    let failed = |error| ImageError::Write { path: path.clone(), error };
    fs::File::create(&path).and_then(|file| file.set_len(bytes as u64)).map_err(failed)?;
    let serial = format!("{:08x}", u32::from_le_bytes(serial));
    let mut format = mtools("mformat", &path);
    format.args(["-T", &format!("{}", bytes / SECTOR_BYTES), "-h", "64", "-s", "32", "-N", &serial, "-v", "BAREFLOW"]);
    if let Kind::Partition(first) = kind {
        format.args(["-F", "-H", &format!("{first}")]);
    }
    made_by(format.arg("::"))?;
    let mut folders: Vec<&str> = files.iter().flat_map(|file| parents(&file.path)).collect();
    folders.sort_unstable();
    folders.dedup();
    made_by(mtools("mmd", &path).args(folders.iter().map(|folder| format!("::/{folder}"))))?;
    for File { path: name, content } in files {
        let source = folder.join("content");
        fs::write(&source, content).map_err(|error| ImageError::Write { path: source.clone(), error })?;
        made_by(mtools("mcopy", &path).arg(&source).arg(format!("::/{name}")))?;
    }
    fs::read(&path).map_err(|error| ImageError::Read { path, error })
}

/// The folders that a file is in, the outermost one last.
fn parents(path: &str) -> impl Iterator<Item = &str> {
    iter::successors(parent(path), |path| parent(path))
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

/// One of mtools on the volume at `path`, with whose clock, time zone and settings nothing changes.
fn mtools(name: &str, path: &Path) -> Command {
    let mut command = Command::new(name);
    command.env("SOURCE_DATE_EPOCH", EPOCH_SECONDS).env("TZ", "UTC").env("MTOOLSRC", "/dev/null");
    command.env("MTOOLS_SKIP_CHECK", "1").arg("-i").arg(path);
    command
}

fn made_by(command: &mut Command) -> Result<(), ImageError> {
    run(command, "mtools", "mtools")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec;

    #[test]
    fn folders_of_a_file_are_all_named() {
        assert_eq!(parents("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(parents("a").count(), 0);
    }

    #[test]
    fn volumes_of_small_large_and_many_files_have_room() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: String, bytes| File { path, content: vec![b'x'; bytes] };
        let large = vec![file("EFI/BOOT/BOOTX64.EFI".into(), 1), file("boot/kernel".into(), 100 * MIB)];
        let many = (0..30).map(|number| file(format!("boot/{number}"), 1)).collect();
        for files in [large, many] {
            for kind in [Kind::Partition(4096), Kind::File] {
                let volume = volume(&files, kind, [1, 2, 3, 4], folder.path()).unwrap();
                assert!(volume.len().is_multiple_of(MIB) && volume[510..512] == [0x55, 0xaa]);
                // The boot sector of a FAT32 volume has its name and its serial number elsewhere than that of others.
                let is_fat32 = volume[82..].starts_with(b"FAT32");
                assert!(is_fat32 || kind == Kind::File && volume[54..].starts_with(b"FAT1"), "{kind:?}");
                let serial = if is_fat32 { 67 } else { 39 };
                assert_eq!(volume[serial..][..4], [1, 2, 3, 4], "{kind:?}");
            }
        }
    }
}
