//! Programs whose directories are archives.

use super::*;
use crate::wasi::{ArchiveError, FileError, TarError, WasiBuilder};
use std::fs;
use std::os::unix::fs::symlink;
use std::string::String;

/// The archive of a directory with `file`, `dir/inner`, `link` to the first and `same`, another name of the second.
fn archive() -> &'static [u8] {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("file"), b"hello").unwrap();
    fs::write(at("dir/inner"), b"inner").unwrap();
    fs::hard_link(at("dir/inner"), at("same")).unwrap();
    symlink("file", at("link")).unwrap();
    let mut bytes = Vec::new();
    crate::host::archive::write(folder.path(), &mut bytes).unwrap();
    bytes.leak()
}

fn build(builder: WasiBuilder<'static>) -> Program {
    let console = FakeConsole::default();
    let wasi = builder.scratch_bytes(SCRATCH_BYTES).build(console.clone(), console.clock.clone(), FakeEntropy);
    Program { wasi, console, memory: vec![0; 0x1000] }
}

fn names(program: &Program) -> Vec<&str> {
    program.wasi.preopened.iter().map(String::as_str).collect()
}

/// Device and links.
fn stat(program: &mut Program, path: &str) -> [u64; 2] {
    let [address, len] = program.path(path);
    assert_eq!(program.call("path_filestat_get", &[ROOT, 0, address, len, OUT]), OK, "{path}");
    [program.u64(OUT), program.u64(OUT + 24)]
}

#[test]
fn an_archive_is_a_directory_beside_what_else_was_given() {
    let builder = Wasi::builder().file("data/text", TEXT).unwrap().archive("/data/a", archive()).unwrap();
    let mut program = build(builder);
    assert_eq!(names(&program), ["/"]);
    for (path, text) in [("data/a/file", &b"hello"[..]), ("data/a/same", b"inner"), ("data/text", TEXT)] {
        let fd = program.open(path);
        assert_eq!(program.read(fd, 99), text, "{path}");
    }
    let [[here, links], [above, _], [scratch, _]] = ["data/a/same", "data", "tmp"].map(|path| stat(&mut program, path));
    assert!(here != above && here != scratch && above != scratch);
    assert_eq!(links, 2);
    assert_eq!(program.open_with("data/a/link", 0, Rights::FD_READ), Err(Errno::Loop as u64));
}

#[test]
fn a_directory_is_made_where_files_can_be_made_unless_it_is_there() {
    let made = |builder: WasiBuilder<'static>, path: &str| {
        let mut program = build(builder.directory(path).unwrap());
        let path = path.trim_start_matches('/');
        let device = stat(&mut program, path)[0];
        let fd = program.open_with(&[path, "made"].join("/"), 1, Rights::all()).unwrap();
        assert_eq!(program.call("fd_close", &[fd]), OK);
        device - stat(&mut program, ".")[0]
    };
    let with_root = || Wasi::builder().archive("/", archive()).unwrap();
    assert!(made(Wasi::builder(), "/out") > 0 && made(Wasi::builder(), "/far/out") > 0);
    assert_eq!(["/out", "/dir", "dir/below/it"].map(|path| made(with_root(), path)), [0; 3]);
    let (beside, dir) = (|| Wasi::builder().archive("/data", archive()).unwrap(), made(Wasi::builder(), "/data"));
    assert_eq!(["/data", "/data/dir", "/data/out"].map(|path| made(beside(), path)), [dir; 3]);
    let taken = |builder: WasiBuilder<'static>, path: &str| {
        let error = builder.directory(path).err().unwrap();
        assert!(matches!(error, ArchiveError::Place(FileError::Exists { .. })), "{path}: {error}");
    };
    taken(with_root(), "/file");
    taken(with_root(), "/link/out");
    taken(with_root(), "/dir/../out");
    taken(Wasi::builder().file("out/file", TEXT).unwrap(), "/out");
}

#[test]
fn what_is_changed_is_a_copy_and_counts_as_what_it_is() {
    let bytes = archive();
    let before = bytes.to_vec();
    let mut program = build(Wasi::builder().archive("a", bytes).unwrap());
    assert_eq!(program.wasi.tree.quota.room(), SCRATCH_BYTES, "what was given is free");
    let fd = program.open_with("a/file", 0, Rights::FD_READ | Rights::FD_WRITE).unwrap();
    program.put(BUFFER, b"J");
    program.put_u32s(IOVEC, &[BUFFER, 1]);
    assert_eq!(program.call("fd_write", &[fd, IOVEC, 1, OUT]), OK);
    assert_eq!(program.wasi.tree.quota.room(), SCRATCH_BYTES - 5);
    let fd = program.open("a/file");
    assert_eq!(program.read(fd, 9), b"Jello");
    assert_eq!(bytes, before);
    let [address, len] = program.path("a/dir/inner");
    assert_eq!(program.call("path_unlink_file", &[ROOT, address, len]), OK);
    assert_eq!(stat(&mut program, "a/same")[1], 1);
    let [address, len] = program.path("a");
    program.fails("path_remove_directory", &[ROOT, address, len], Errno::Rofs);
    program.put(PATH + 0x80, b"tmp/file");
    let [address, len] = program.path("a/file");
    program.fails("path_rename", &[ROOT, address, len, ROOT, PATH + 0x80, 8], Errno::Xdev);
}

#[test]
fn an_archive_in_place_of_the_root_leaves_scratch_files_a_directory_of_their_own() {
    let builder = Wasi::builder().file("text", TEXT).unwrap().archive("/", archive()).unwrap();
    let mut program = build(builder.preopen(".").unwrap());
    assert_eq!(names(&program), [".", "/tmp"]);
    assert!(program.wasi.tree.child(crate::wasi::NodeId::ROOT, "tmp").is_none());
    let fd = program.open("text");
    assert_eq!(program.read(fd, 3), b"The");
    assert_eq!(program.open_with("text", 0, Rights::FD_WRITE), Err(Errno::Rofs as u64));
    assert!(program.open_with("made", 1, Rights::FD_WRITE).is_ok());
    let program = build(Wasi::builder().archive("/", archive()).unwrap());
    assert_eq!(names(&program), ["/", "/tmp"]);
}

#[test]
fn directories_of_the_tree_are_opened_in_the_order_asked_for() {
    let builder = Wasi::builder().archive("data", archive()).unwrap();
    let builder = builder.preopen("data/dir").and_then(|builder| builder.preopen("/tmp")).unwrap();
    let mut program = build(builder);
    assert_eq!(names(&program), ["data/dir", "/tmp", "/"]);
    let fd = program.open("inner");
    assert_eq!(program.read(fd, 9), b"inner");
    for path in ["none", "data/file"] {
        let error = Wasi::builder().archive("data", archive()).unwrap().preopen(path).err();
        assert_eq!(error, Some(FileError::NoDirectory { path: path.into() }));
    }
}

/// Members of no length by `tar`'s rules: name, type, target.
fn made_of(members: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, kind, target) in members {
        let mut header = ::tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.as_mut_bytes()[156] = *kind;
        header.set_size(0);
        header.set_mtime(7);
        header.set_cksum();
        builder.append(&header, &b""[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn refused(at: &str, members: &[(&str, u8, &str)]) -> ArchiveError {
    let builder = Wasi::builder().file("text", TEXT).unwrap();
    builder.archive(at, made_of(members).leak()).err().unwrap()
}

#[test]
fn says_what_cannot_be_made_of_an_archive() {
    let path = |path: &str| String::from(path);
    for name in ["../a", "a/../b", "/..", ".."] {
        assert_eq!(refused("d", &[(name, b'0', "")]), ArchiveError::BadPath { path: path(name) });
    }
    assert_eq!(refused("d", &[("a", b'0', ""), ("a/b", b'0', "")]), ArchiveError::Clash { path: path("a/b") });
    assert_eq!(refused("d", &[("a/b", b'0', ""), ("a", b'0', "")]), ArchiveError::Clash { path: path("a") });
    assert_eq!(refused("d", &[("l", b'2', "x"), ("l/b", b'0', "")]), ArchiveError::Clash { path: path("l/b") });
    for target in ["b", "", "../text", "h"] {
        let error = ArchiveError::NoTarget { path: path("h"), target: path(target) };
        assert_eq!(refused("d", &[("a", b'0', ""), ("h", b'1', target)]), error);
    }
    let exists = |name: &str| ArchiveError::Place(FileError::Exists { path: path(name) });
    assert_eq!(refused("/", &[("text", b'0', "")]), exists("text"));
    assert_eq!(refused("text", &[]), exists("text"));
    assert_eq!(refused("text/d", &[]), exists("text/d"));
    assert!(matches!(refused("/tmp/d", &[]), ArchiveError::Place(FileError::InScratch { .. })));
    assert!(matches!(refused("a/../d", &[]), ArchiveError::Place(FileError::BadName { .. })));
    assert!(matches!(refused("d", &[("p", b'6', "")]), ArchiveError::Tar(TarError::Unsupported { .. })));
}

#[test]
fn later_members_are_in_place_of_earlier_ones() {
    let members =
        [("a", b'2', "x"), ("a", b'0', ""), ("d/", b'5', ""), ("d", b'5', ""), ("h", b'1', "a"), ("h", b'1', "a")];
    let mut program = build(Wasi::builder().archive("d", made_of(&members).leak()).unwrap());
    assert!(program.open_with("d/a", 0, Rights::FD_READ).is_ok());
    assert_eq!(stat(&mut program, "d/h")[1], 2);
    assert_eq!(program.wasi.tree.quota.room(), SCRATCH_BYTES);
}

#[test]
fn an_archive_takes_no_more_memory_than_is_free() {
    let builder = Wasi::builder().free_memory(|| 1000);
    let error = builder.archive("d", archive()).err();
    assert_eq!(error, Some(ArchiveError::NoMemory { path: "dir/".into() }));
}
