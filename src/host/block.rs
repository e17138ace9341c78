//! What Linux tells of block devices: sizes, partitions, and who uses them.

use crate::store::SECTOR_BYTES;
use crate::store::place::Place;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::string::String;
use std::{format, vec};

/// A block device in `/sys`.
pub struct Device {
    folder: PathBuf,
}

impl Device {
    /// That of `file`, which was opened as one.
    pub fn of(file: &File) -> io::Result<Self> {
        let number = file.metadata()?.rdev();
        let (major, minor) = (libc::major(number), libc::minor(number));
        Ok(Self { folder: fs::canonicalize(format!("/sys/dev/block/{major}:{minor}"))? })
    }

    fn number(folder: &Path, name: &str) -> Option<u64> {
        fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok()
    }

    /// Bytes of the device's own unit.
    pub fn block_bytes(&self) -> usize {
        let bytes = Self::number(&self.folder, "queue/logical_block_size");
        bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(SECTOR_BYTES)
    }

    /// The number of the partition that this is, and the device that it is of.
    pub fn partition(&self) -> Option<(u64, String)> {
        let number = Self::number(&self.folder, "partition")?;
        Some((number, self.folder.parent()?.file_name()?.to_string_lossy().into_owned()))
    }

    /// Keeps all who mount, and other programs that ask, from `place` of this device at `path` until the file is closed;
    /// refused if somebody has it.
    pub fn claim(&self, path: &Path, place: &Place) -> io::Result<File> {
        let node = self.node(place)?;
        OpenOptions::new().read(true).custom_flags(libc::O_EXCL).open(node.as_deref().unwrap_or(path))
    }

    /// The device of the partition `place`; nothing for a whole disk, and where Linux knows of no partitions.
    fn node(&self, place: &Place) -> io::Result<Option<PathBuf>> {
        let Place::Partition(partition) = place else { return Ok(None) };
        let entries = fs::read_dir(&self.folder)?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut parts = entries.filter(|folder| folder.join("partition").exists()).collect::<vec::Vec<_>>();
        if parts.is_empty() {
            return Ok(None);
        }
        parts.retain(|folder| {
            let is = |name, number| Self::number(folder, name) == Some(number);
            is("partition", partition.number.into())
                && is("start", partition.first_sector)
                && is("size", partition.sectors)
        });
        let name = parts.first().and_then(|folder| folder.file_name());
        let name = name.ok_or_else(|| io::Error::other("Linux has another partition table in use; run `partprobe`"))?;
        Ok(Some(Path::new("/dev").join(name)))
    }
}
