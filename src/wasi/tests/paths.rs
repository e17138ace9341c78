//! Opening, rights, listing, and a file system that cannot be changed.

use super::*;
use crate::wasi::FileError;
use std::format;

#[test]
fn gives_the_status_of_files_and_directories() {
    let mut program = program();
    let [address, len] = program.path("text");
    assert_eq!(program.call("path_filestat_get", &[ROOT, 1, address, len, OUT]), OK);
    assert_eq!((program.bytes(OUT + 16, 1), program.u64(OUT + 32)), ([4].as_slice(), TEXT.len() as u64));
    let inode = program.u64(OUT + 8);
    let fd = program.open("text");
    assert_eq!(program.call("fd_filestat_get", &[fd, OUT]), OK);
    assert_eq!(program.u64(OUT + 8), inode);
    let [address, len] = program.path("dir");
    assert_eq!(program.call("path_filestat_get", &[ROOT, 1, address, len, OUT]), OK);
    assert_eq!(program.bytes(OUT + 16, 1), [3]);
    let [address, len] = program.path("none");
    program.fails("path_filestat_get", &[ROOT, 1, address, len, OUT], Errno::Noent);
}

#[test]
fn opens_below_an_opened_directory_and_not_above_it() {
    let mut program = program();
    let dir = program.open("dir");
    let rights = Rights::FD_READ.bits();
    let [address, len] = program.path("inner");
    assert_eq!(program.call("path_open", &[dir, 0, address, len, 0, rights, 0, 0, OUT]), OK);
    let inner = program.u32(OUT);
    assert_eq!(program.read(inner, 9), b"in");
    let [address, len] = program.path("../text");
    program.fails("path_open", &[dir, 0, address, len, 0, rights, 0, 0, OUT], Errno::Notcapable);
    program.fails("path_open", &[inner, 0, address, len, 0, rights, 0, 0, OUT], Errno::Notdir);
}

#[test]
fn says_why_a_file_cannot_be_opened() {
    let (creat, directory, excl, trunc) = (1, 2, 4, 8);
    let (read, write) = (Rights::FD_READ, Rights::FD_READ | Rights::FD_WRITE);
    let mut program = program();
    for (path, flags, rights, errno) in [
        ("none", 0, read, Errno::Noent),
        ("none", creat, write, Errno::Rofs),
        ("none/x", creat, write, Errno::Noent),
        ("text", 0, write, Errno::Rofs),
        ("text", trunc, read, Errno::Rofs),
        ("text", creat | excl, read, Errno::Exist),
        ("dir", creat, read, Errno::Isdir),
        ("dir", creat | directory, read, Errno::Inval),
        ("none/", creat, write, Errno::Isdir),
        ("text", directory, read, Errno::Notdir),
        ("text/", 0, read, Errno::Notdir),
        ("dir", 0, write, Errno::Isdir),
        ("text", 16, read, Errno::Inval),
        ("/text", 0, read, Errno::Notcapable),
    ] {
        assert_eq!(program.open_with(path, flags, rights), Err(errno as u64), "{path:?} {flags} {rights:?}");
    }
    assert!(program.open_with("text", creat, read).is_ok());
}

#[test]
fn a_failed_open_uses_no_descriptor() {
    let mut program = program();
    let [address, len] = program.path("text");
    program.fails("path_open", &[ROOT, 0, address, len, 0, 2, 0, 0, 0xffe], Errno::Fault);
    program.fails("path_open", &[ROOT, 0, address, len, 0, 2, 0, 0xffff, OUT], Errno::Inval);
    assert_eq!(program.open("text"), 4);
}

#[test]
fn rights_are_those_asked_for_and_only_shrink() {
    let mut program = program();
    let fd = program.open_with("text", 0, Rights::FD_READ).unwrap();
    assert_eq!(program.read(fd, 3), b"The");
    assert_eq!(program.seek(fd, 0, 0), Err(Errno::Notcapable as u64));
    program.fails("fd_write", &[fd, IOVEC, 0, OUT], Errno::Notcapable);
    program.fails("fd_fdstat_set_rights", &[fd, (Rights::FD_READ | Rights::FD_SEEK).bits(), 0], Errno::Notcapable);
    assert_eq!(program.call("fd_fdstat_set_rights", &[fd, 0, 0]), OK);
    program.fails("fd_read", &[fd, IOVEC, 0, OUT], Errno::Notcapable);
    let inheriting = Rights::OF_DIRECTORY.bits();
    assert_eq!(program.call("fd_fdstat_set_rights", &[ROOT, inheriting, inheriting]), OK);
    assert_eq!(program.open_with("text", 0, Rights::FD_READ), Err(Errno::Notcapable as u64));
}

/// Lists `fd` through a buffer of `buffer_bytes`, as C libraries do: from the last whole entry on, until one is not full.
fn list(program: &mut Program, fd: u64, buffer_bytes: u64) -> Vec<(Vec<u8>, u8)> {
    let (mut entries, mut cookie) = (Vec::new(), 0);
    loop {
        assert_eq!(program.call("fd_readdir", &[fd, BUFFER, buffer_bytes, cookie, OUT]), OK);
        let used = program.u32(OUT);
        let mut at = 0;
        while at + 24 <= used && at + 24 + program.u32(BUFFER + at + 16) <= used {
            let name = program.bytes(BUFFER + at + 24, program.u32(BUFFER + at + 16)).to_vec();
            cookie = program.u64(BUFFER + at);
            entries.push((name, program.bytes(BUFFER + at + 20, 1)[0]));
            at += 24 + entries[entries.len() - 1].0.len() as u64;
        }
        if used < buffer_bytes {
            return entries;
        }
    }
}

#[test]
fn lists_a_directory_through_any_buffer() {
    let mut program = program();
    let entries =
        [(".", 3), ("..", 3), ("dir", 3), ("text", 4), ("tmp", 3)].map(|(name, kind)| (name.as_bytes().to_vec(), kind));
    for buffer_bytes in 28..BUFFER_BYTES {
        assert_eq!(list(&mut program, ROOT, buffer_bytes), entries, "buffer of {buffer_bytes}");
    }
    assert_eq!(program.call("fd_readdir", &[ROOT, BUFFER, 100, u64::MAX, OUT]), OK);
    assert_eq!(program.u32(OUT), 0);
    let text = program.open("text");
    program.fails("fd_readdir", &[text, BUFFER, 100, 0, OUT], Errno::Notdir);
}

#[test]
fn changes_nothing_on_a_read_only_file_system() {
    let mut program = program();
    let fd = program.open("text");
    program.fails("fd_filestat_set_size", &[fd, 0], Errno::Rofs);
    program.fails("fd_allocate", &[fd, 0, 1], Errno::Rofs);
    program.fails("fd_filestat_set_times", &[fd, 0, 0, 1], Errno::Rofs);
    program.fails("fd_filestat_set_times", &[fd, 0, 0, 3], Errno::Inval);
    program.fails("fd_pwrite", &[fd, IOVEC, 0, 0, OUT], Errno::Notcapable);
    assert_eq!(program.call("fd_sync", &[fd]), OK);
    assert_eq!(program.call("fd_datasync", &[fd]), OK);
    assert_eq!(program.call("fd_advise", &[fd, 0, 0, 5]), OK);
    program.fails("fd_advise", &[fd, 0, 0, 6], Errno::Inval);
}

#[test]
fn changes_no_names_on_a_read_only_file_system() {
    use Errno::{Exist, Inval, Isdir, Noent, Notdir, Rofs};
    let mut program = program();
    for (path, create, remove_directory, unlink, readlink) in [
        ("none", Rofs, Noent, Noent, Noent),
        ("text", Exist, Notdir, Rofs, Inval),
        ("dir", Exist, Rofs, Isdir, Inval),
        ("none/x", Noent, Noent, Noent, Noent),
    ] {
        let [at, len] = program.path(path);
        program.fails("path_create_directory", &[ROOT, at, len], create);
        program.fails("path_symlink", &[at, len, ROOT, at, len], create);
        program.fails("path_remove_directory", &[ROOT, at, len], remove_directory);
        program.fails("path_unlink_file", &[ROOT, at, len], unlink);
        program.fails("path_readlink", &[ROOT, at, len, BUFFER, 9, OUT], readlink);
        program.fails("path_rename", &[ROOT, at, len, ROOT, at, len], if readlink == Noent { Noent } else { Rofs });
        program.fails("path_link", &[ROOT, 0, at, len, ROOT, at, len], if readlink == Noent { Noent } else { Exist });
    }
    let [at, len] = program.path("text");
    program.fails("path_filestat_set_times", &[ROOT, 0, at, len, 0, 0, 4], Rofs);
}

#[test]
fn refuses_overlong_and_unreadable_paths() {
    let mut program = program();
    program.fails("path_unlink_file", &[ROOT, 0xfff, 2], Errno::Fault);
    program.memory = vec![b'x'; 0x2000];
    program.fails("path_unlink_file", &[ROOT, 0, 4097], Errno::Nametoolong);
}

#[test]
fn names_the_file_that_cannot_be_given() {
    let error = Wasi::builder().file("a/../b", TEXT).err().unwrap();
    assert!(matches!(error, FileError::BadName { .. }));
    assert!(format!("{error}").contains("a/../b"));
}
