//! Every function with every errno that it gives, on each file system that there is: one table, run on all.
//!
//! A case is a call on a fresh program whose directory [`DIR`] holds what [`fixture`] says, and the errno that it returns,
//! [`OK`] for none. What a call does is in tests of its own below the table.

mod behaviour;
mod descriptors;
mod escape;
mod paths;
mod system;

use super::*;
use crate::host::directories::Directories;
use crate::wasi::files::{Entry, NodeId};
use crate::wasi::table::FUNCTIONS;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::string::{String, ToString};
use std::sync::OnceLock;
use tempfile::TempDir;

/// The directory of the cases.
const DIR: u64 = 3;

// Where paths are kept: longer ones than elsewhere fit.
const PATH: u64 = 0x2000;
const OTHER_PATH: u64 = 0x4000;
const MEMORY_BYTES: usize = 0x8000;
/// An address that is outside of memory.
const NOWHERE: u64 = MEMORY_BYTES as u64 - 3;

// `oflags`, `fdflags` and `lookupflags` of the specification.
const CREAT: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCL: u64 = 4;
const TRUNC: u64 = 8;
const APPEND: u64 = 1;
const FOLLOW: u64 = 1;

const READ: Rights = Rights::FD_READ;
const WRITE: Rights = Rights::FD_WRITE;

/// A function and what of it, the call, and the errno.
type Case = (&'static str, fn(&mut Program) -> u64, u64);

const fn no(errno: Errno) -> u64 {
    errno as u64
}

/// What keeps the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backing {
    Memory,
    Archive,
    Host,
    /// A directory of the host that is read-only.
    HostReadOnly,
    /// An archive in which everything was changed before.
    ArchiveCopied,
}

/// The ones that can be changed.
const CHANGEABLE: [Backing; 4] = [Backing::Memory, Backing::Archive, Backing::ArchiveCopied, Backing::Host];

/// A program on files; the folder of the host that holds them, if one does.
struct Fixture {
    program: Program,
    folder: Option<TempDir>,
}

/// Symbolic links of the fixture.
const LINKS: [(&str, &str); 6] = [
    ("link", "file"),
    ("todir", "dir"),
    ("dangling", "dir/made"),
    ("loop", "loop"),
    ("up", "../file"),
    ("abs", "/etc/passwd"),
];

/// `file` with "hello", `dir` with `inner` and the empty `sub`, `empty`, and symbolic links: `link` to the file, `todir` to the
/// directory, `dangling` to what could be made, `loop` to itself, `up` and `abs` to outside.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    ["dir", "dir/sub", "empty"].iter().for_each(|name| fs::create_dir(at(name)).unwrap());
    fs::write(at("file"), b"hello").unwrap();
    fs::write(at("dir/inner"), b"inner").unwrap();
    LINKS.iter().for_each(|(name, target)| symlink(target, at(name)).unwrap());
    folder
}

fn archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let mut bytes = Vec::new();
        crate::host::archive::write(folder().path(), &mut bytes).unwrap();
        bytes
    })
}

/// A program that finds what is in [`folder`] in the directory [`DIR`].
fn fixture(backing: Backing) -> Fixture {
    let folder = matches!(backing, Backing::Host | Backing::HostReadOnly).then(folder);
    let builder = Wasi::builder().scratch_bytes(1 << 20).arg("fox").env("HOME", "/");
    let builder = match (backing, &folder) {
        (_, Some(folder)) => {
            let mut directories = Directories::default();
            let node = directories.add(folder.path(), backing == Backing::HostReadOnly).unwrap();
            builder.outside(directories, [("data".to_string(), node)])
        }
        (Backing::Memory, None) => builder.preopen("/tmp").unwrap(),
        _ => builder.archive("data", archive()).unwrap().preopen("data").unwrap(),
    };
    let console = FakeConsole::default();
    // A time that files of the host can have, too.
    console.clock.advance(1_700_000_000_000_000_000);
    let wasi = builder.build(console.clone(), console.clock.clone(), FakeEntropy);
    let mut program = Program { wasi, console, memory: vec![0; MEMORY_BYTES] };
    match backing {
        Backing::Memory => {
            program.make_fixture();
            for (name, target) in LINKS {
                let entry = Entry { directory: program.wasi.tree.scratch(), name };
                program.wasi.tree.create_link(entry, target, 0).unwrap();
            }
        }
        Backing::ArchiveCopied => {
            for (name, text) in [("file", b"hello"), ("dir/inner", b"inner")] {
                let fd = program.opened(name, TRUNC, READ | WRITE);
                assert_eq!(program.write(fd, text), Ok(5));
                assert_eq!(program.call("fd_close", &[fd]), OK);
            }
        }
        _ => {}
    }
    Fixture { program, folder }
}

impl Program {
    fn make_fixture(&mut self) {
        for name in ["dir", "dir/sub", "empty"] {
            assert_eq!(self.on("path_create_directory", name), OK);
        }
        for (name, text) in [("file", b"hello"), ("dir/inner", b"inner")] {
            let fd = self.opened(name, CREAT, WRITE);
            assert_eq!(self.write(fd, text), Ok(5));
            assert_eq!(self.call("fd_close", &[fd]), OK);
        }
    }

    /// Puts paths into memory; returns the words that name them.
    fn name(&mut self, path: &str) -> [u64; 2] {
        self.put(PATH, path.as_bytes());
        [PATH, path.len() as u64]
    }

    fn other_name(&mut self, path: &str) -> [u64; 2] {
        self.put(OTHER_PATH, path.as_bytes());
        [OTHER_PATH, path.len() as u64]
    }

    /// A call that takes a directory and a path.
    fn on(&mut self, function: &str, path: &str) -> u64 {
        let [address, len] = self.name(path);
        self.call(function, &[DIR, address, len])
    }

    /// `path_open` at `fd`; the descriptor is at `OUT`.
    fn opens_at(&mut self, fd: u64, lookup: u64, path: &str, open_flags: u64, rights: Rights, fd_flags: u64) -> u64 {
        let [address, len] = self.name(path);
        let rights = rights.bits();
        self.call("path_open", &[fd, lookup, address, len, open_flags, rights, rights, fd_flags, OUT])
    }

    fn opens(&mut self, path: &str, open_flags: u64, rights: Rights) -> u64 {
        self.opens_at(DIR, FOLLOW, path, open_flags, rights, 0)
    }

    /// A descriptor with `rights`, and those that need no permission of the file.
    #[track_caller]
    fn opened(&mut self, path: &str, open_flags: u64, rights: Rights) -> u64 {
        let harmless = Rights::all() - READ - WRITE;
        assert_eq!(self.opens_at(DIR, FOLLOW, path, open_flags, rights | harmless, 0), OK, "{path}");
        self.u32(OUT)
    }

    fn file(&mut self) -> u64 {
        self.opened("file", 0, READ | WRITE)
    }

    /// A call on an open file.
    fn on_file(&mut self, function: &str, args: &[u64]) -> u64 {
        let fd = self.file();
        self.call(function, &[&[fd], args].concat())
    }

    fn moves_of_file(&mut self, function: &str, buffers: u64, offset: Option<u64>) -> u64 {
        let fd = self.file();
        self.moves(function, fd, buffers, offset)
    }

    fn two(&mut self, function: &str, from: &str, to: &str) -> u64 {
        let ([from, from_len], [to, to_len]) = (self.name(from), self.other_name(to));
        match function {
            "path_link" => self.call(function, &[DIR, 0, from, from_len, DIR, to, to_len]),
            "path_symlink" => self.call(function, &[from, from_len, DIR, to, to_len]),
            _ => self.call(function, &[DIR, from, from_len, DIR, to, to_len]),
        }
    }

    fn stat_of(&mut self, lookup: u64, path: &str) -> u64 {
        let [address, len] = self.name(path);
        self.call("path_filestat_get", &[DIR, lookup, address, len, OUT])
    }

    /// A call that moves `buffers` of 4 bytes each at `BUFFER`.
    fn moves(&mut self, function: &str, fd: u64, buffers: u64, offset: Option<u64>) -> u64 {
        let buffer = |index| [BUFFER + 4 * index, 4];
        let words: Vec<u64> = (0..buffers).flat_map(buffer).collect();
        self.put_u32s(IOVEC, &words);
        let args: Vec<u64> = [fd, IOVEC, buffers].into_iter().chain(offset).chain([OUT]).collect();
        self.call(function, &args)
    }

    /// Gives up `rights` of the directory.
    fn without(&mut self, rights: Rights) {
        let all = Rights::OF_DIRECTORY | Rights::OF_FILE;
        let (kept, inheriting) = ((Rights::OF_DIRECTORY - rights).bits(), (all - rights).bits());
        assert_eq!(self.call("fd_fdstat_set_rights", &[DIR, kept, inheriting]), OK);
    }
}

#[test]
fn every_function_gives_the_errno_of_the_table_on_every_file_system() {
    let mut wrong = String::new();
    for backing in CHANGEABLE {
        for (name, run, expected) in all_cases() {
            let mut fixture = fixture(backing);
            let given = run(&mut fixture.program);
            if given != *expected {
                wrong += &std::format!("{name} on {backing:?}: {given}, expected {expected}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_would_change_files_fails_last_of_all_where_nothing_may_be() {
    for (name, run, expected) in paths::READ_ONLY {
        let mut fixture = fixture(Backing::HostReadOnly);
        assert_eq!(run(&mut fixture.program), *expected, "{name}");
        let folder = fixture.folder.unwrap();
        assert_eq!(contents(folder.path()), contents(self::fixture(Backing::Host).folder.unwrap().path()), "{name}");
    }
}

#[test]
fn the_table_has_every_function() {
    for function in FUNCTIONS {
        let has = all_cases().any(|(name, ..)| name.split(' ').next() == Some(function.name));
        assert!(has || matches!(function.name, "proc_exit"), "{}", function.name);
    }
}

fn all_cases() -> impl Iterator<Item = &'static Case> {
    [descriptors::CASES, paths::CASES, paths::CASES_OF_TWO, system::CASES].into_iter().flatten()
}

/// Every name below `folder`, with what it holds.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let kind = fs::symlink_metadata(&path).unwrap();
        match kind {
            _ if kind.is_dir() => {
                found.push((name.clone() + "/", Vec::new()));
                found.extend(contents(&path).into_iter().map(|(below, bytes)| (std::format!("{name}/{below}"), bytes)));
            }
            _ if kind.is_symlink() => {
                found.push((name, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()));
            }
            _ => found.push((name, fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

/// Runs `test` on every file system that can be changed.
fn on_all(test: impl Fn(&mut Program)) {
    for backing in CHANGEABLE {
        std::eprintln!("on {backing:?}");
        test(&mut fixture(backing).program);
    }
}

/// The root of the tree in memory, for what is not in [`DIR`].
fn memory_root(program: &mut Program) -> u64 {
    let root = crate::wasi::fds::Handle { volume: crate::wasi::fds::Volume::Memory, node: NodeId::ROOT };
    let name = program.wasi.preopened.iter().position(|name| name == "/").unwrap() as u64;
    let fd = DIR + name;
    assert_eq!(program.wasi.descriptors.get(fd as u32).unwrap().handle(), Some(root));
    fd
}
