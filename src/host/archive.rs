//! Directories as tar archives, for machines that are given them as modules.
//!
//! The same directory makes the same bytes: members are sorted by name, and of what is known of them only kind, mode and times
//! are kept. Neighbour: `wasi`, which reads them.

use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, format};

use tar::{Builder, EntryType, Header};

/// What of a directory cannot be put into an archive, and why.
#[derive(Debug)]
pub struct ArchiveFailed {
    path: PathBuf,
    reason: String,
}

/// Writes what is in `directory` to `out`, as a tar archive without a directory above.
pub fn write(directory: &Path, out: impl Write) -> Result<(), ArchiveFailed> {
    let mut writer = Writer { out: Builder::new(out), files: BTreeMap::new() };
    writer.add_directory(directory, Path::new("."))?;
    writer.out.finish().map_err(failed(directory))
}

struct Writer<W: Write> {
    out: Builder<W>,
    /// Where files are that have several names: by device and inode, under the first.
    files: BTreeMap<(u64, u64), PathBuf>,
}

impl<W: Write> Writer<W> {
    /// Adds a directory as `name`, and what is in it.
    fn add_directory(&mut self, path: &Path, name: &Path) -> Result<(), ArchiveFailed> {
        let metadata = fs::metadata(path).map_err(failed(path))?;
        let mut header = self.header(EntryType::Directory, &metadata, path)?;
        // The slash is for old readers.
        self.out.append_data(&mut header, slashed(name), io::empty()).map_err(failed(path))?;
        let entries = fs::read_dir(path).map_err(failed(path))?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>();
        let mut names = names.map_err(failed(path))?;
        names.sort();
        names.iter().try_for_each(|entry| self.add(&path.join(entry), &name.join(entry)))
    }

    fn add(&mut self, path: &Path, name: &Path) -> Result<(), ArchiveFailed> {
        if name.to_str().is_none() {
            return Err(failed_by(path, "its name is not UTF-8: rename it"));
        }
        let metadata = fs::symlink_metadata(path).map_err(failed(path))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.add_directory(path, name);
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(failed(path))?;
            let mut header = self.header(EntryType::Symlink, &metadata, path)?;
            return self.out.append_link(&mut header, name, target).map_err(failed(path));
        }
        if !kind.is_file() {
            return Err(failed_by(path, "it is neither a file, a directory nor a link: leave it out"));
        }
        if metadata.nlink() > 1 {
            match self.files.entry((metadata.dev(), metadata.ino())) {
                Entry::Occupied(first) => {
                    let first = first.get().clone();
                    let mut header = self.header(EntryType::Link, &metadata, path)?;
                    return self.out.append_link(&mut header, name, first).map_err(failed(path));
                }
                Entry::Vacant(place) => {
                    place.insert(name.to_owned());
                }
            }
        }
        self.add_file(path, name)
    }

    fn add_file(&mut self, path: &Path, name: &Path) -> Result<(), ArchiveFailed> {
        let file = File::open(path).map_err(failed(path))?;
        let metadata = file.metadata().map_err(failed(path))?;
        let mut header = self.header(EntryType::Regular, &metadata, path)?;
        header.set_size(metadata.len());
        let mut contents = Counted { file, left: metadata.len() };
        self.out.append_data(&mut header, name, &mut contents).map_err(failed(path))?;
        if contents.left > 0 { Err(failed_by(path, "it became shorter while it was read: try again")) } else { Ok(()) }
    }

    /// The header of a member; what is finer than a second goes before it.
    fn header(&mut self, kind: EntryType, metadata: &Metadata, path: &Path) -> Result<Header, ArchiveFailed> {
        if metadata.mtime_nsec() != 0 && metadata.mtime() >= 0 {
            let time = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
            self.out.append_pax_extensions([("mtime", time.as_bytes())]).map_err(failed(path))?;
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(metadata.mode() & 0o7777);
        header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
        header.set_size(0);
        Ok(header)
    }
}

/// As many bytes as the header has announced, should the file grow.
struct Counted {
    file: File,
    left: u64,
}

impl io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..len])?;
        self.left -= count as u64;
        Ok(count)
    }
}

fn slashed(name: &Path) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&[name.as_os_str().as_bytes(), b"/"].concat()))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ArchiveFailed {
    move |error| failed_by(path, &error.to_string())
}

fn failed_by(path: &Path, reason: &str) -> ArchiveFailed {
    ArchiveFailed { path: path.into(), reason: reason.into() }
}

impl fmt::Display for ArchiveFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be put into an archive: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for ArchiveFailed {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::time::{Duration, SystemTime};
    use std::vec;

    fn archive(directory: &Path) -> Vec<u8> {
        let mut bytes = vec![];
        write(directory, &mut bytes).unwrap();
        bytes
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let deep = "x".repeat(120);
        fs::create_dir_all(at("d").join(&deep)).unwrap();
        fs::write(at("d/a"), b"hello").unwrap();
        fs::write(at("d").join(&deep).join("b"), [7; 1000]).unwrap();
        fs::hard_link(at("d/a"), at("same")).unwrap();
        symlink("d/a", at("link")).unwrap();
        symlink("y".repeat(200), at("long")).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5);
        File::open(at("d/a")).unwrap().set_modified(time).unwrap();
        directory
    }

    #[test]
    fn the_same_directory_makes_the_same_bytes() {
        let directory = directory();
        assert_eq!(archive(directory.path()), archive(directory.path()));
    }

    #[test]
    fn tar_finds_what_was_put_in() {
        let (from, to) = (directory(), tempfile::tempdir().unwrap());
        let file = to.path().join("a.tar");
        fs::write(&file, archive(from.path())).unwrap();
        let folder = to.path().join("out");
        fs::create_dir(&folder).unwrap();
        let extracted = Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&folder).output().unwrap();
        assert!(extracted.status.success(), "{extracted:?}");
        let same =
            Command::new("diff").args(["-r", "--no-dereference"]).arg(from.path()).arg(&folder).output().unwrap();
        assert!(same.status.success(), "{same:?}");
        let modified = |folder: &Path| fs::metadata(folder.join("d/a")).unwrap().modified().unwrap();
        assert_eq!(modified(from.path()), modified(&folder));
        assert_eq!(fs::metadata(folder.join("same")).unwrap().nlink(), 2);
    }

    #[test]
    fn says_what_cannot_be_put_in() {
        let directory = directory();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            directory.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let said = write(directory.path(), io::sink()).unwrap_err().to_string();
        assert!(said.contains("pipe cannot be put"), "{said}");
        let said = write(Path::new("/nowhere"), io::sink()).unwrap_err().to_string();
        assert!(said.contains("/nowhere"), "{said}");
    }
}
