//! A disk in a file, which QEMU sees as a raw disk, or a block device of Linux: what the host command reads and writes.
//!
//! Key type: [`FileDisk`], which no other process uses meanwhile ([`lock`]). Neighbours: `store` owns the seam, `block` knows
//! block devices.

use super::block::Device;
use crate::store::place::Place;
use crate::store::{BlockDevice, BlockError, SECTOR_BYTES};
use std::format;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::string::ToString;

const IN_USE: &str = "another process is using it: wait until that has ended, or use a store of its own for each";

/// A raw disk image or a block device; an incomplete sector at its end does not count.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    sectors: u64,
    block_bytes: usize,
    /// Of a block device: where it is, and what keeps Linux from using it, without which nothing is written.
    device: Option<(PathBuf, Option<File>)>,
}

impl FileDisk {
    /// Opens an existing image for reading and writing, or a block device for [`FileDisk::claim`].
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(path, lock(path)?)
    }

    /// Opens an existing image or block device for reading, as others may at the same time; writes fail.
    pub fn open_read_only(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        locked(file.try_lock_shared())?;
        Self::of(path, file)
    }

    /// Makes a new image of `sectors` zeroed sectors. An existing file is an error, not overwritten.
    pub fn create(path: &Path, sectors: u64) -> io::Result<Self> {
        let bytes = sectors.checked_mul(SECTOR_BYTES as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        locked(file.try_lock())?;
        file.set_len(bytes)?;
        Self::of(path, file)
    }

    fn of(path: &Path, mut file: File) -> io::Result<Self> {
        let kind = file.metadata()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a regular file nor a block device"));
        }
        let sectors = file.seek(SeekFrom::End(0))? / SECTOR_BYTES as u64;
        let device = kind.is_block_device().then(|| Device::of(&file)).transpose()?;
        Ok(Self {
            file,
            sectors,
            block_bytes: device.as_ref().map_or(SECTOR_BYTES, Device::block_bytes),
            device: device.map(|_| (path.into(), None)),
        })
    }

    /// Of a block device, keeps Linux from mounting `place`, which can be written then; refused if it is in use. An image
    /// has been locked before.
    pub fn claim(&mut self, place: &Place) -> io::Result<()> {
        let Some((path, claim)) = &mut self.device else { return Ok(()) };
        let device = Device::of(&self.file)?;
        if let Some((number, disk)) = device.partition() {
            return Err(io::Error::other(format!("it is a partition: say /dev/{disk} and --partition {number}")));
        }
        *claim = Some(device.claim(path, place)?);
        Ok(())
    }

    /// The byte offset of sector `first`, if `len` bytes from there are whole sectors of the disk.
    fn offset(&self, operation: &'static str, first: u64, len: usize) -> Result<u64, BlockError> {
        let failed = |reason: &str| BlockError { operation, sector: first, reason: reason.to_string() };
        if !len.is_multiple_of(SECTOR_BYTES) {
            return Err(failed("the length is not a whole number of sectors"));
        }
        match first.checked_add((len / SECTOR_BYTES) as u64) {
            Some(end) if end <= self.sectors => Ok(first * SECTOR_BYTES as u64),
            _ => Err(failed("past the end of the disk")),
        }
    }
}

/// Opens the image or device at `path` for reading and writing. Until the file is closed, no other process that asks by
/// this function or [`FileDisk`] gets it.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    locked(file.try_lock())?;
    Ok(file)
}

/// What asking for a lock has shown. A file system without locks is no reason to refuse.
fn locked(asked: Result<(), TryLockError>) -> io::Result<()> {
    match asked {
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, IN_USE)),
        Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(()),
    }
}

impl BlockDevice for FileDisk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        let offset = self.offset("read", first, buffer.len())?;
        self.file.read_exact_at(buffer, offset).map_err(|error| failed("read", first, &error))
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let offset = self.offset("write", first, bytes.len())?;
        if let Some((_, None)) = self.device {
            return Err(BlockError { operation: "write", sector: first, reason: "nobody asked for it".to_string() });
        }
        self.file.write_all_at(bytes, offset).map_err(|error| failed("write", first, &error))
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.file.sync_data().map_err(|error| failed("flush", 0, &error))
    }
}

fn failed(operation: &'static str, sector: u64, error: &io::Error) -> BlockError {
    BlockError { operation, sector, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Code, Store, StoreError};
    use std::path::PathBuf;
    use tempfile::TempDir;

    fn directory() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("store.img");
        (directory, path)
    }

    #[test]
    fn written_sectors_come_back_after_reopening() {
        let (_directory, path) = directory();
        let mut disk = FileDisk::create(&path, 4).expect("the directory is writable");
        disk.write(2, &[7; 1024]).expect("sectors 2 and 3 exist");
        disk.flush().expect("the file system works");
        drop(disk);
        let mut disk = FileDisk::open(&path).expect("it was just created");
        assert_eq!(disk.sectors(), 4);
        let mut buffer = [1; 2048];
        disk.read(0, &mut buffer).expect("all four sectors exist");
        assert_eq!((&buffer[..1024], &buffer[1024..]), (&[0; 1024][..], &[7; 1024][..]));
    }

    #[test]
    fn transfers_outside_the_disk_and_odd_lengths_are_errors() {
        let (_directory, path) = directory();
        let mut disk = FileDisk::create(&path, 2).expect("the directory is writable");
        for (first, len) in [(2, 512), (1, 1024), (0, 100), (u64::MAX, 512), (u64::MAX / 512, 512)] {
            let error = disk.read(first, &mut std::vec![0; len]).expect_err("not on the disk");
            assert_eq!((error.operation, error.sector), ("read", first));
            let error = disk.write(first, &std::vec![0; len]).expect_err("not on the disk");
            assert_eq!((error.operation, error.sector), ("write", first));
        }
        assert_eq!(std::fs::metadata(&path).expect("it exists").len(), 1024);
    }

    #[test]
    fn existing_file_is_not_overwritten_and_missing_one_not_made() {
        let (_directory, path) = directory();
        assert_eq!(FileDisk::open(&path).expect_err("missing").kind(), io::ErrorKind::NotFound);
        FileDisk::create(&path, 1).expect("the directory is writable");
        assert_eq!(FileDisk::create(&path, 9).expect_err("it exists").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(FileDisk::open(&path).expect("it exists").sectors(), 1);
    }

    #[test]
    fn incomplete_last_sector_does_not_count() {
        let (_directory, path) = directory();
        std::fs::write(&path, [0; 1500]).expect("the directory is writable");
        assert_eq!(FileDisk::open(&path).expect("it exists").sectors(), 2);
    }

    #[test]
    fn store_in_a_file_survives_reopening_and_cutting() {
        let (_directory, path) = directory();
        let disk = FileDisk::create(&path, 64).expect("the directory is writable");
        let mut store = Store::format(disk, [9; 16]).expect("large enough");
        assert_eq!(store.commit(b"first", Code::None), Ok(1));
        assert_eq!(store.commit(b"second", Code::None), Ok(2));
        drop(store);
        let load = || Store::open(FileDisk::open(&path).expect("it exists")).map(|mut store| store.load());
        assert_eq!(load().expect("formatted").payload.as_deref(), Some(&b"second"[..]));
        let file = OpenOptions::new().write(true).open(&path).expect("it exists");
        file.set_len(40 * 512).expect("the file system works");
        assert_eq!(load().expect("formatted").payload.as_deref(), Some(&b"first"[..]));
        file.set_len(100).expect("the file system works");
        assert!(matches!(load(), Err(StoreError::TooSmall { sectors: 0, .. })));
    }

    #[test]
    fn one_process_at_a_time_may_write_and_several_may_read() {
        let (_directory, path) = directory();
        let writer = FileDisk::create(&path, 1).expect("the directory is writable");
        let refused = |disk: io::Result<FileDisk>| {
            let error = disk.expect_err("it is in use");
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::ResourceBusy, IN_USE.to_string()));
        };
        refused(FileDisk::open(&path));
        refused(FileDisk::open_read_only(&path));
        drop(writer);
        let readers = [(); 2].map(|()| FileDisk::open_read_only(&path).expect("only read"));
        refused(FileDisk::open(&path));
        drop(readers);
        drop(lock(&path).expect("nobody uses it any more"));
        FileDisk::open(&path).expect("nobody uses it any more");
    }

    #[test]
    fn read_only_disk_reads_and_refuses_to_write() {
        let (_directory, path) = directory();
        FileDisk::create(&path, 1).expect("the directory is writable");
        let mut disk = FileDisk::open_read_only(&path).expect("it exists");
        disk.read(0, &mut [0; 512]).expect("sector 0 exists");
        assert_eq!(disk.write(0, &[0; 512]).expect_err("read-only").operation, "write");
    }
}
