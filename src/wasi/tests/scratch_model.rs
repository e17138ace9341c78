//! `/tmp` against Linux: the same calls on both give the same results and leave the same files.

use super::*;
use crate::wasi::content::Quota;
use proptest::prelude::*;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::string::{String, ToString};

// `oflags` and `fdflags` of the specification.
const CREAT: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCL: u64 = 4;
const TRUNC: u64 = 8;
const APPEND: u64 = 1;
/// Of `lookupflags`.
const FOLLOW: u64 = 1;

/// The same in `fcntl.h` on x86-64.
const LINUX_CREAT: i32 = 0o100;
const LINUX_DIRECTORY: i32 = 0o200_000;
const LINUX_EXCL: i32 = 0o200;
const LINUX_TRUNC: i32 = 0o1000;
const LINUX_APPEND: i32 = 0o2000;

/// Files open at once.
const SLOTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Open { slot: usize, path: String, flags: u64, append: bool, read: bool, write: bool },
    Close { slot: usize },
    Write { slot: usize, len: usize },
    WriteAt { slot: usize, offset: u64, len: usize },
    Read { slot: usize, len: u64 },
    ReadAt { slot: usize, offset: u64, len: u64 },
    Seek { slot: usize, distance: i64, whence: u64 },
    SetLen { slot: usize, len: u64 },
    MakeDirectory { path: String },
    RemoveDirectory { path: String },
    Unlink { path: String },
    Rename { from: String, to: String },
    Link { from: String, to: String },
    SymbolicLink { target: String, path: String },
    ReadLink { path: String },
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![3 => Just("a"), 3 => Just("b"), 2 => Just("c"), 1 => Just("."), 1 => Just("..")];
    (prop::collection::vec(name, 1..4), prop::bool::weighted(0.1)).prop_map(|(names, slash)| {
        let slash = if slash { "/" } else { "" };
        names.join("/") + slash
    })
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let flags = prop::sample::select(vec![0, CREAT, CREAT, CREAT | EXCL, CREAT | TRUNC, TRUNC, DIRECTORY]);
    prop_oneof![
        5 => (slot(), path(), flags, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(slot, path, flags, append, read, write)| {
                Step::Open { slot, path, flags, append, read: read || !write, write }
            }
        ),
        1 => slot().prop_map(|slot| Step::Close { slot }),
        2 => (slot(), 0..40usize).prop_map(|(slot, len)| Step::Write { slot, len }),
        1 => (slot(), 0..80u64, 0..40usize).prop_map(|(slot, offset, len)| Step::WriteAt { slot, offset, len }),
        1 => (slot(), 0..80u64).prop_map(|(slot, len)| Step::Read { slot, len }),
        1 => (slot(), 0..80u64, 0..80u64).prop_map(|(slot, offset, len)| Step::ReadAt { slot, offset, len }),
        1 => (slot(), -20..60i64, 0..3u64).prop_map(|(slot, distance, whence)| Step::Seek { slot, distance, whence }),
        1 => (slot(), 0..80u64).prop_map(|(slot, len)| Step::SetLen { slot, len }),
        3 => path().prop_map(|path| Step::MakeDirectory { path }),
        2 => path().prop_map(|path| Step::RemoveDirectory { path }),
        2 => path().prop_map(|path| Step::Unlink { path }),
        4 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (path(), path()).prop_map(|(from, to)| Step::Link { from, to }),
        3 => (path(), path()).prop_map(|(target, path)| Step::SymbolicLink { target, path }),
        1 => path().prop_map(|path| Step::ReadLink { path }),
    ]
}

/// What a call gives: its bytes or a number, or an errno of WASI.
type Answer = Result<Vec<u8>, u64>;

/// A file open on both sides.
struct Open {
    fd: u64,
    file: File,
    append: bool,
}

/// The two file systems.
struct Both {
    program: Program,
    /// The descriptor of `/tmp`.
    scratch: u64,
    linux: tempfile::TempDir,
    slots: [Option<Open>; SLOTS],
    /// What is written next.
    byte: u8,
}

impl Both {
    fn new() -> Self {
        let mut program = program();
        program.wasi.tree.quota = Quota::new(1 << 20);
        let [address, len] = program.path("tmp");
        let (rights, inheriting) = (Rights::OF_DIRECTORY.bits(), Rights::all().bits());
        assert_eq!(program.call("path_open", &[ROOT, 0, address, len, 0, rights, inheriting, 0, OUT]), OK);
        let scratch = program.u32(OUT);
        let linux = tempfile::tempdir().unwrap();
        Self { program, scratch, linux, slots: [None, None, None], byte: 0 }
    }

    /// Does `step` on both; returns what each answers.
    fn step(&mut self, step: &Step) -> Option<(Answer, Answer)> {
        match step {
            Step::Open { slot, path, flags, append, read, write } => {
                self.open(*slot, path, *flags, *append, (*read, *write))
            }
            Step::Close { slot } => self.close(*slot),
            Step::MakeDirectory { path } => self.on_path("path_create_directory", path, |path| fs::create_dir(path)),
            Step::RemoveDirectory { path } => self.on_path("path_remove_directory", path, |path| fs::remove_dir(path)),
            Step::Unlink { path } => self.on_path("path_unlink_file", path, |path| fs::remove_file(path)),
            Step::Rename { from, to } => self.on_two_paths("path_rename", from, to, |from, to| fs::rename(from, to)),
            Step::Link { from, to } => self.on_two_paths("path_link", from, to, |from, to| fs::hard_link(from, to)),
            Step::SymbolicLink { target, path } => self.symbolic_link(target, path),
            Step::ReadLink { path } => self.read_link(path),
            Step::Write { slot, .. }
            | Step::WriteAt { slot, .. }
            | Step::Read { slot, .. }
            | Step::ReadAt { slot, .. }
            | Step::Seek { slot, .. }
            | Step::SetLen { slot, .. } => self.on_file(*slot, step),
        }
    }

    fn open(
        &mut self,
        slot: usize,
        path: &str,
        flags: u64,
        append: bool,
        (read, write): (bool, bool),
    ) -> Option<(Answer, Answer)> {
        self.close(slot);
        let mut rights = Rights::all();
        rights.set(Rights::FD_READ, read);
        rights.set(Rights::FD_WRITE | Rights::FD_FILESTAT_SET_SIZE, write);
        let [address, len] = self.program.path(path);
        let fd_flags = if append { APPEND } else { 0 };
        let args = [self.scratch, FOLLOW, address, len, flags, rights.bits(), 0, fd_flags, OUT];
        let ours = answer(self.program.call("path_open", &args)).map(|_| self.program.u32(OUT));
        let mut linux_flags = if append { LINUX_APPEND } else { 0 };
        for (flag, linux) in
            [(CREAT, LINUX_CREAT), (DIRECTORY, LINUX_DIRECTORY), (EXCL, LINUX_EXCL), (TRUNC, LINUX_TRUNC)]
        {
            linux_flags |= if flags & flag != 0 { linux } else { 0 };
        }
        let options = OpenOptions::new().read(read).write(write).custom_flags(linux_flags).clone();
        let theirs = self.theirs(path).ok()?;
        if ours == Err(Errno::Notcapable as u64) {
            return None;
        }
        let theirs = options.open(theirs).map_err(errno);
        if let (Ok(fd), Ok(file)) = (&ours, theirs.as_ref().map(File::try_clone)) {
            self.slots[slot] = Some(Open { fd: *fd, file: file.unwrap(), append });
        }
        Some((ours.map(|_| vec![]), theirs.map(|_| vec![])))
    }

    fn close(&mut self, slot: usize) -> Option<(Answer, Answer)> {
        let open = self.slots[slot].take()?;
        Some((answer(self.program.call("fd_close", &[open.fd])), Ok(vec![])))
    }

    fn on_path(&mut self, name: &str, path: &str, linux: impl Fn(&Path) -> io::Result<()>) -> Option<(Answer, Answer)> {
        let theirs = self.theirs(path).ok()?;
        let [address, len] = self.program.path(path);
        let ours = answer(self.program.call(name, &[self.scratch, address, len]));
        if ours == Err(Errno::Notcapable as u64) {
            return None;
        }
        Some((ours, linux(&theirs).map(|()| vec![]).map_err(errno)))
    }

    fn on_two_paths(
        &mut self,
        name: &str,
        from: &str,
        to: &str,
        linux: impl Fn(&Path, &Path) -> io::Result<()>,
    ) -> Option<(Answer, Answer)> {
        let theirs = (self.theirs(from).ok()?, self.theirs(to).ok()?);
        self.program.put(PATH + 0x80, to.as_bytes());
        let [address, len] = self.program.path(from);
        let (scratch, to) = (self.scratch, [PATH + 0x80, to.len() as u64]);
        let ours = match name {
            "path_link" => self.program.call(name, &[scratch, 0, address, len, scratch, to[0], to[1]]),
            _ => self.program.call(name, &[scratch, address, len, scratch, to[0], to[1]]),
        };
        if ours == Errno::Notcapable as u64 {
            return None;
        }
        Some((answer(ours), linux(&theirs.0, &theirs.1).map(|()| vec![]).map_err(errno)))
    }

    fn symbolic_link(&mut self, target: &str, path: &str) -> Option<(Answer, Answer)> {
        let theirs = self.theirs(path).ok()?;
        self.program.put(PATH + 0x80, target.as_bytes());
        let [address, len] = self.program.path(path);
        let args = [PATH + 0x80, target.len() as u64, self.scratch, address, len];
        let ours = self.program.call("path_symlink", &args);
        if ours == Errno::Notcapable as u64 {
            return None;
        }
        Some((answer(ours), symlink(target, theirs).map(|()| vec![]).map_err(errno)))
    }

    fn read_link(&mut self, path: &str) -> Option<(Answer, Answer)> {
        let theirs = self.theirs(path).ok()?;
        let [address, len] = self.program.path(path);
        let ours = self.program.call("path_readlink", &[self.scratch, address, len, BUFFER, BUFFER_BYTES, OUT]);
        if ours == Errno::Notcapable as u64 {
            return None;
        }
        let ours = answer(ours).map(|_| self.program.bytes(BUFFER, self.program.u32(OUT)).to_vec());
        let theirs = fs::read_link(theirs).map(|target| target.into_os_string().into_encoded_bytes());
        Some((ours, theirs.map_err(errno)))
    }

    fn on_file(&mut self, slot: usize, step: &Step) -> Option<(Answer, Answer)> {
        let Open { fd, file, append } = self.slots[slot].as_ref()?;
        let (fd, append, mut file) = (*fd, *append, file.try_clone().unwrap());
        if !file.metadata().unwrap().is_file() {
            return None;
        }
        Some(match *step {
            // Linux appends here too, against POSIX.
            Step::WriteAt { .. } if append => return None,
            Step::Write { len, .. } => {
                let bytes = self.next_bytes(len);
                (self.moved("fd_write", fd, None, len as u64), count(file.write(&bytes)))
            }
            Step::WriteAt { offset, len, .. } => {
                let bytes = self.next_bytes(len);
                (self.moved("fd_pwrite", fd, Some(offset), len as u64), count(file.write_at(&bytes, offset)))
            }
            Step::Read { len, .. } => {
                let mut bytes = vec![0; len as usize];
                let theirs = file.read(&mut bytes).map(|count| bytes[..count].to_vec()).map_err(errno);
                (self.read_back("fd_read", fd, None, len), theirs)
            }
            Step::ReadAt { offset, len, .. } => {
                let mut bytes = vec![0; len as usize];
                let theirs = file.read_at(&mut bytes, offset).map(|count| bytes[..count].to_vec()).map_err(errno);
                (self.read_back("fd_pread", fd, Some(offset), len), theirs)
            }
            Step::Seek { distance, whence, .. } => {
                let to = match whence {
                    0 => SeekFrom::Start(u64::try_from(distance).ok()?),
                    1 => SeekFrom::Current(distance),
                    _ => SeekFrom::End(distance),
                };
                let ours = self.program.seek(fd, distance, whence).map(|at| at.to_le_bytes().to_vec());
                (ours, file.seek(to).map(|at| at.to_le_bytes().to_vec()).map_err(errno))
            }
            Step::SetLen { len, .. } => {
                let ours = answer(self.program.call("fd_filestat_set_size", &[fd, len]));
                // Linux calls it an invalid argument, WASI a missing right.
                let without_right = |code| if code == Errno::Inval as u64 { Errno::Notcapable as u64 } else { code };
                (ours, file.set_len(len).map(|()| vec![]).map_err(errno).map_err(without_right))
            }
            _ => return None,
        })
    }

    fn next_bytes(&mut self, len: usize) -> Vec<u8> {
        self.byte = self.byte % 250 + 1;
        let bytes = vec![self.byte; len];
        self.program.put(BUFFER, &bytes);
        bytes
    }

    /// Calls a function that moves `len` bytes at `BUFFER`; answers how many were.
    fn moved(&mut self, name: &str, fd: u64, offset: Option<u64>, len: u64) -> Answer {
        self.program.put_u32s(IOVEC, &[BUFFER, len]);
        let args: Vec<u64> = [fd, IOVEC, 1].into_iter().chain(offset).chain([OUT]).collect();
        answer(self.program.call(name, &args)).map(|_| self.program.u32(OUT).to_le_bytes().to_vec())
    }

    fn read_back(&mut self, name: &str, fd: u64, offset: Option<u64>, len: u64) -> Answer {
        self.moved(name, fd, offset, len).map(|_| self.program.bytes(BUFFER, self.program.u32(OUT)).to_vec())
    }

    /// The path on Linux; fails for one that WASI does not let out of the directory. What only a link on the way lets
    /// out is not done on Linux either: ours is asked first.
    fn theirs(&self, path: &str) -> Result<PathBuf, ()> {
        let mut depth = 0;
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            depth += if name == ".." { -1 } else { 1 };
            if depth < 0 {
                return Err(());
            }
        }
        Ok(PathBuf::from(self.linux.path().to_str().unwrap().to_string() + "/" + path))
    }

    /// Compares what is below `path`: names, sizes, links, contents.
    fn compare(&mut self, path: &str) {
        let mut theirs: Vec<_> = fs::read_dir(self.linux.path().join(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        theirs.sort();
        let mut node = self.program.wasi.tree.child(crate::wasi::files::NodeId::ROOT, "tmp").unwrap();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            node = self.program.wasi.tree.child(node, name).unwrap();
        }
        let tree = &self.program.wasi.tree;
        let ours: Vec<_> =
            tree.entries(node).unwrap().after(0).map(|(_, name, node)| (name.to_string(), node)).collect();
        let mut names: Vec<_> = ours.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        assert_eq!(names, theirs, "entries of {path:?}");
        let mut directories = Vec::new();
        for (name, node) in ours {
            let path = std::format!("{path}{name}");
            let metadata = fs::symlink_metadata(self.linux.path().join(&path)).unwrap();
            if metadata.is_dir() {
                directories.push(path + "/");
                continue;
            }
            assert_eq!(tree.links(node), metadata.nlink(), "links of {path:?}");
            if metadata.is_symlink() {
                let target = fs::read_link(self.linux.path().join(&path)).unwrap();
                assert_eq!(tree.link_target(node), target.to_str(), "target of {path:?}");
                continue;
            }
            assert_eq!(tree.content(node), fs::read(self.linux.path().join(&path)).unwrap(), "content of {path:?}");
        }
        directories.iter().for_each(|path| self.compare(path));
    }
}

fn answer(errno: u64) -> Answer {
    if errno == OK { Ok(vec![]) } else { Err(errno) }
}

fn count(moved: io::Result<usize>) -> Answer {
    moved.map(|count| (count as u64).to_le_bytes().to_vec()).map_err(errno)
}

/// The errno of WASI for one of Linux.
fn errno(error: io::Error) -> u64 {
    let errno = match error.raw_os_error().unwrap() {
        1 => Errno::Perm,
        2 => Errno::Noent,
        // A descriptor not opened for this.
        9 => Errno::Notcapable,
        16 => Errno::Busy,
        17 => Errno::Exist,
        20 => Errno::Notdir,
        21 => Errno::Isdir,
        22 => Errno::Inval,
        39 => Errno::Notempty,
        40 => Errno::Loop,
        other => panic!("Linux failed with {other}: {error}"),
    };
    errno as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_linux(steps in prop::collection::vec(step(), 1..60)) {
        let mut both = Both::new();
        for step in &steps {
            if let Some((ours, theirs)) = both.step(step) {
                prop_assert_eq!(ours, theirs, "{:?}", step);
            }
        }
        both.compare("");
        for slot in 0..SLOTS {
            both.close(slot);
        }
        let used = (1 << 20) - both.program.wasi.tree.quota.room();
        for entry in fs::read_dir(both.linux.path()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            remove_all(&mut both.program, &std::format!("tmp/{name}"));
        }
        prop_assert_eq!(both.program.wasi.tree.quota.room(), 1 << 20, "of {} used bytes, all come back", used);
    }
}

/// Removes a file, or a directory and what is in it.
fn remove_all(program: &mut Program, path: &str) {
    let [address, len] = program.path(path);
    if program.call("path_unlink_file", &[ROOT, address, len]) == OK {
        return;
    }
    let place = crate::wasi::path::resolve(
        &mut program.wasi.tree,
        crate::wasi::files::NodeId::ROOT,
        path.as_bytes(),
        crate::wasi::path::LastLink::Name,
    );
    let node = place.unwrap().node().unwrap();
    let names: Vec<_> =
        program.wasi.tree.entries(node).unwrap().after(0).map(|(_, name, _)| name.to_string()).collect();
    names.iter().for_each(|name| remove_all(program, &std::format!("{path}/{name}")));
    let [address, len] = program.path(path);
    assert_eq!(program.call("path_remove_directory", &[ROOT, address, len]), OK, "{path}");
}
