//! What `perf` asks about code that is in no file: `/tmp/perf-PID.map`, with a line for each piece (tools/perf/Documentation/
//! jit-interface.txt of Linux).
//!
//! Key type: [`PerfMap`].

use std::format;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process;
use std::string::String;

pub struct PerfMap {
    file: File,
}

impl PerfMap {
    /// Makes the file for this process. What another one of that number left there is removed.
    pub fn new() -> io::Result<Self> {
        Self::at(&Self::path())
    }

    pub fn path() -> PathBuf {
        format!("/tmp/perf-{}.map", process::id()).into()
    }

    /// A name that leads elsewhere is not followed: others can make one in that folder.
    fn at(path: &Path) -> io::Result<Self> {
        let new = || File::options().write(true).create_new(true).open(path);
        let file = match new() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => fs::remove_file(path).and_then(|()| new()),
            made => made,
        };
        Ok(Self { file: file? })
    }

    /// Adds a line. Where that fails, `perf` shows an address.
    pub fn add(&mut self, range: Range<u64>, name: &str) {
        let name: String = name.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
        let line = format!("{:x} {:x} {name}\n", range.start, range.end - range.start);
        let _ = self.file.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    #[test]
    fn each_piece_of_code_is_a_line_in_a_file_of_its_own() {
        let folder = TempDir::new().unwrap();
        let (path, other) = (folder.path().join("perf.map"), folder.path().join("other"));
        fs::write(&other, "kept").unwrap();
        symlink(&other, &path).unwrap();
        let mut map = PerfMap::at(&path).unwrap();
        map.add(0x1000..0x1040, "f<T>::g h");
        map.add(0x80_0000_0000..0x80_0000_0001, "a\nb\x1b");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1000 40 f<T>::g h\n8000000000 1 a?b?\n");
        assert_eq!(fs::read_to_string(&other).unwrap(), "kept");
    }
}
