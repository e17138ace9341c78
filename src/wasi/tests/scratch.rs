//! Files that the program makes below `/tmp`.

use super::*;
use crate::wasi::seams::Clock;

const CREAT: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCL: u64 = 4;
const TRUNC: u64 = 8;
const APPEND: u64 = 1;

impl Program {
    fn make(&mut self, path: &str) -> u64 {
        self.open_with(path, CREAT, Rights::all()).unwrap()
    }

    /// A call that takes a directory and a path.
    fn at(&mut self, name: &str, fd: u64, path: &str) -> u64 {
        let [address, len] = self.path(path);
        self.call(name, &[fd, address, len])
    }

    fn mkdir(&mut self, path: &str) -> u64 {
        self.at("path_create_directory", ROOT, path)
    }

    fn unlink(&mut self, path: &str) -> u64 {
        self.at("path_unlink_file", ROOT, path)
    }

    fn rmdir(&mut self, path: &str) -> u64 {
        self.at("path_remove_directory", ROOT, path)
    }

    fn rename(&mut self, from: &str, to: &str) -> u64 {
        self.put(PATH + 0x80, to.as_bytes());
        let [address, len] = self.path(from);
        self.call("path_rename", &[ROOT, address, len, ROOT, PATH + 0x80, to.len() as u64])
    }

    fn link(&mut self, from: &str, to: &str) -> u64 {
        self.put(PATH + 0x80, to.as_bytes());
        let [address, len] = self.path(from);
        self.call("path_link", &[ROOT, 0, address, len, ROOT, PATH + 0x80, to.len() as u64])
    }

    /// Device, inode, links, size, and the three times.
    fn stat(&mut self, path: &str) -> Result<[u64; 7], u64> {
        let [address, len] = self.path(path);
        match self.call("path_filestat_get", &[ROOT, 0, address, len, OUT]) {
            OK => Ok([0, 8, 24, 32, 40, 48, 56].map(|offset| self.u64(OUT + offset))),
            errno => Err(errno),
        }
    }

    fn size(&mut self, path: &str) -> u64 {
        self.stat(path).unwrap()[3]
    }
}

const fn failed(errno: Errno) -> u64 {
    errno as u64
}

#[test]
fn a_file_keeps_what_is_written_in_it() {
    let mut program = program();
    let fd = program.make("tmp/a");
    assert_eq!(program.write(fd, b"hello, world"), Ok(12));
    assert_eq!(program.seek(fd, 7, 0), Ok(7));
    assert_eq!(program.write(fd, b"W"), Ok(1));
    assert_eq!(program.read(fd, 99), b"orld");
    assert_eq!(program.call("fd_close", &[fd]), OK);
    let fd = program.open("tmp/a");
    assert_eq!(program.read(fd, 99), b"hello, World");
    assert_eq!(program.write(fd, b"x"), Err(failed(Errno::Notcapable)));
}

#[test]
fn writing_past_the_end_leaves_zeros() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.seek(fd, 5, 0).unwrap();
    assert_eq!(program.size("tmp/a"), 0);
    program.write(fd, b"x").unwrap();
    program.put(BUFFER, b"yz");
    program.put_u32s(IOVEC, &[BUFFER, 1, BUFFER + 1, 1]);
    assert_eq!(program.call("fd_pwrite", &[fd, IOVEC, 2, 8, OUT]), OK);
    assert_eq!(program.u32(OUT), 2);
    program.seek(fd, 0, 0).unwrap();
    assert_eq!(program.read(fd, 99), b"\0\0\0\0\0x\0\0yz");
}

#[test]
fn appending_goes_to_the_end_wherever_the_offset_is() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.write(fd, b"ab").unwrap();
    assert_eq!(program.call("fd_fdstat_set_flags", &[fd, APPEND]), OK);
    program.seek(fd, 0, 0).unwrap();
    program.write(fd, b"cd").unwrap();
    assert_eq!(program.seek(fd, 0, 1), Ok(4));
    program.put_u32s(IOVEC, &[BUFFER, 1]);
    assert_eq!(program.call("fd_pwrite", &[fd, IOVEC, 1, 0, OUT]), OK);
    program.seek(fd, 0, 0).unwrap();
    assert_eq!(program.read(fd, 9), b"cbcd");
    program.seek(fd, 1, 0).unwrap();
    program.write(fd, b"").unwrap();
    assert_eq!(program.seek(fd, 0, 1), Ok(1), "nothing was appended");
}

#[test]
fn opens_as_it_is_asked_to() {
    let mut program = program();
    let all = Rights::all();
    let fd = program.open_with("tmp/a", CREAT | EXCL, all).unwrap();
    program.write(fd, b"text").unwrap();
    assert_eq!(program.open_with("tmp/a", CREAT | EXCL, all), Err(failed(Errno::Exist)));
    assert_eq!(program.open_with("tmp/a", DIRECTORY, Rights::FD_READ), Err(failed(Errno::Notdir)));
    assert_eq!(program.open_with("tmp", DIRECTORY, all), Err(failed(Errno::Isdir)));
    assert_eq!(program.open_with("tmp", TRUNC, Rights::empty()), Err(failed(Errno::Isdir)));
    assert!(program.open_with("tmp", DIRECTORY, all - Rights::FD_WRITE).is_ok());
    assert!(program.open_with("tmp/a", CREAT, all).is_ok());
    assert_eq!(program.size("tmp/a"), 4);
    assert!(program.open_with("tmp/a", TRUNC, Rights::empty()).is_ok());
    assert_eq!(program.size("tmp/a"), 0);
}

#[test]
fn making_and_cutting_need_their_rights() {
    let mut program = program();
    program.make("tmp/a");
    let kept = Rights::OF_DIRECTORY - Rights::PATH_CREATE_FILE - Rights::PATH_FILESTAT_SET_SIZE;
    assert_eq!(program.call("fd_fdstat_set_rights", &[ROOT, kept.bits(), Rights::OF_FILE.bits()]), OK);
    assert_eq!(program.open_with("tmp/b", CREAT, Rights::FD_READ), Err(failed(Errno::Notcapable)));
    assert_eq!(program.open_with("tmp/a", TRUNC, Rights::FD_READ), Err(failed(Errno::Notcapable)));
    assert!(program.open_with("tmp/a", 0, Rights::FD_WRITE).is_ok());
}

#[test]
fn a_directory_passes_on_no_more_rights_than_it_was_given() {
    let mut program = program();
    program.make("tmp/a");
    let [address, len] = program.path("tmp");
    let (rights, inheriting) = (Rights::PATH_OPEN.bits(), (Rights::FD_READ | Rights::FD_TELL).bits());
    assert_eq!(program.call("path_open", &[ROOT, 1, address, len, DIRECTORY, rights, inheriting, 0, OUT]), OK);
    let dir = program.u32(OUT);
    let [address, len] = program.path("a");
    let mut open = |wanted: Rights| program.call("path_open", &[dir, 0, address, len, 0, wanted.bits(), 0, 0, OUT]);
    assert_eq!(open(Rights::FD_READ | Rights::FD_WRITE), failed(Errno::Notcapable));
    assert_eq!(open(Rights::all() - Rights::FD_WRITE), OK);
    let fd = program.u32(OUT);
    assert_eq!(program.call("fd_fdstat_get", &[fd, OUT]), OK);
    assert_eq!((program.u64(OUT + 8), program.u64(OUT + 16)), (inheriting, 0));
    assert_eq!(program.at("path_unlink_file", dir, "a"), failed(Errno::Notcapable));
    assert_eq!(program.at("path_create_directory", dir, "b"), failed(Errno::Notcapable));
}

#[test]
fn a_failed_open_makes_and_cuts_nothing() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.write(fd, b"text").unwrap();
    for (path, flags) in [("tmp/a", TRUNC), ("tmp/b", CREAT)] {
        let [address, len] = program.path(path);
        program.fails("path_open", &[ROOT, 0, address, len, flags, 2, 0, 0, 0xffe], Errno::Fault);
        program.fails("path_open", &[ROOT, 0, address, len, flags, 2, 0, 0xffff, OUT], Errno::Inval);
        program.fails("path_open", &[ROOT, 2, address, len, flags, 2, 0, 0, OUT], Errno::Inval);
        while program.open_with("text", 0, Rights::FD_READ).is_ok() {}
        assert_eq!(program.open_with(path, flags, Rights::FD_READ), Err(failed(Errno::Mfile)));
    }
    assert_eq!((program.size("tmp/a"), program.stat("tmp/b")), (4, Err(failed(Errno::Noent))));
}

#[test]
fn changes_the_size_of_a_file() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.write(fd, b"text").unwrap();
    assert_eq!(program.call("fd_filestat_set_size", &[fd, 6]), OK);
    program.seek(fd, 0, 0).unwrap();
    assert_eq!(program.read(fd, 9), b"text\0\0");
    assert_eq!(program.call("fd_filestat_set_size", &[fd, 2]), OK);
    assert_eq!(program.call("fd_allocate", &[fd, 1, 1]), OK);
    assert_eq!(program.size("tmp/a"), 2);
    assert_eq!(program.call("fd_allocate", &[fd, 8, 2]), OK);
    assert_eq!(program.size("tmp/a"), 10);
    program.fails("fd_allocate", &[fd, 0, 0], Errno::Inval);
    program.fails("fd_allocate", &[fd, i64::MAX as u64, 1], Errno::Fbig);
    program.fails("fd_filestat_set_size", &[fd, u64::MAX], Errno::Inval);
    let dir = program.open("tmp");
    program.fails("fd_filestat_set_size", &[dir, 0], Errno::Badf);
}

#[test]
fn says_when_the_space_is_used_up() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.fails("fd_filestat_set_size", &[fd, SCRATCH_BYTES], Errno::Nospc);
    program.fails("fd_filestat_set_size", &[fd, i64::MAX as u64], Errno::Nospc);
    assert_eq!(program.call("fd_filestat_set_size", &[fd, SCRATCH_BYTES - 1024 - 2]), OK);
    program.seek(fd, 0, 2).unwrap();
    assert_eq!(program.write(fd, b"abc"), Ok(2), "what fits is written");
    assert_eq!(program.write(fd, b"c"), Err(failed(Errno::Nospc)));
    assert_eq!(program.mkdir("tmp/d"), failed(Errno::Nospc));
    assert_eq!(program.open_with("tmp/b", CREAT, Rights::FD_READ), Err(failed(Errno::Nospc)));
    assert_eq!(program.unlink("tmp/a"), OK);
    assert_eq!(program.mkdir("tmp/d"), OK, "in place of the name");
    assert_eq!(program.mkdir("tmp/e"), failed(Errno::Nospc), "the file is still open");
    assert_eq!(program.call("fd_close", &[fd]), OK);
    assert_eq!(program.rmdir("tmp/d"), OK);
    for _ in 0..100 {
        assert_eq!((program.mkdir("tmp/d"), program.rmdir("tmp/d")), (OK, OK));
    }
    let room: Vec<u64> = (0..17).map(|i| program.mkdir(&std::format!("tmp/{i}"))).collect();
    assert_eq!(room.iter().filter(|&&errno| errno == OK).count() as u64, SCRATCH_BYTES / 1024);
}

#[test]
fn an_unlinked_file_can_be_used_until_it_is_closed() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.write(fd, b"text").unwrap();
    assert_eq!(program.unlink("tmp/a"), OK);
    let other = program.make("tmp/a");
    program.write(other, b"other").unwrap();
    program.seek(fd, 0, 0).unwrap();
    assert_eq!(program.read(fd, 9), b"text");
    assert_eq!(program.call("fd_filestat_get", &[fd, OUT]), OK);
    assert_eq!((program.u64(OUT + 24), program.u64(OUT + 32)), (0, 4));
    assert_ne!(program.u64(OUT + 8), program.stat("tmp/a").unwrap()[1]);
    assert_eq!(program.call("fd_renumber", &[other, fd]), OK);
    program.seek(fd, 0, 0).unwrap();
    assert_eq!(program.read(fd, 9), b"other");
}

#[test]
fn removes_only_what_it_is_asked_to() {
    let mut program = program();
    program.make("tmp/a");
    assert_eq!(program.mkdir("tmp/d/"), OK);
    assert_eq!(program.mkdir("tmp/d"), failed(Errno::Exist));
    assert_eq!(program.mkdir("tmp/a/"), failed(Errno::Exist));
    assert_eq!(program.mkdir("tmp/none/d"), failed(Errno::Noent));
    program.make("tmp/d/b");
    assert_eq!(program.rmdir("tmp/d"), failed(Errno::Notempty));
    assert_eq!(program.rmdir("tmp/a"), failed(Errno::Notdir));
    assert_eq!(program.rmdir("tmp/d/."), failed(Errno::Inval));
    assert_eq!(program.unlink("tmp/d"), failed(Errno::Isdir));
    assert_eq!(program.unlink("tmp/a/"), failed(Errno::Notdir));
    assert_eq!(program.unlink("tmp/d/b"), OK);
    assert_eq!(program.rmdir("tmp/d/"), OK);
    assert_eq!(program.rmdir("tmp"), failed(Errno::Rofs));
}

#[test]
fn nothing_can_be_made_in_a_removed_directory() {
    let mut program = program();
    assert_eq!(program.mkdir("tmp/d"), OK);
    let dir = program.open("tmp/d");
    assert_eq!(program.rmdir("tmp/d"), OK);
    assert_eq!(program.at("path_create_directory", dir, "x"), failed(Errno::Noent));
    let [address, len] = program.path("x");
    program.fails("path_open", &[dir, 0, address, len, CREAT, 2, 0, 0, OUT], Errno::Noent);
    program.fails("fd_readdir", &[dir, BUFFER, 100, 0, OUT], Errno::Noent);
    assert_eq!(program.call("fd_filestat_get", &[dir, OUT]), OK);
    assert_eq!(program.u64(OUT + 24), 0);
}

#[test]
fn renames_files_and_directories_over_what_is_there() {
    let mut program = program();
    let fd = program.make("tmp/a");
    program.write(fd, b"a").unwrap();
    program.make("tmp/b");
    let inode = program.stat("tmp/a").unwrap()[1];
    assert_eq!(program.rename("tmp/a", "tmp/b"), OK);
    assert_eq!(program.stat("tmp/b").map(|stat| (stat[1], stat[2], stat[3])), Ok((inode, 1, 1)));
    assert_eq!(program.stat("tmp/a"), Err(failed(Errno::Noent)));
    assert_eq!((program.mkdir("tmp/d"), program.mkdir("tmp/e"), program.mkdir("tmp/e/f")), (OK, OK, OK));
    assert_eq!(program.rename("tmp/b", "tmp/d"), failed(Errno::Isdir));
    assert_eq!(program.rename("tmp/d", "tmp/b"), failed(Errno::Notdir));
    assert_eq!(program.rename("tmp/b", "tmp/c/"), failed(Errno::Notdir));
    assert_eq!(program.rename("tmp/d", "tmp/e"), failed(Errno::Notempty));
    assert_eq!(program.rename("tmp/e/", "tmp/d/"), OK);
    assert!(program.stat("tmp/d/f/..").is_ok());
    assert_eq!(program.rename("tmp/none", "tmp/x"), failed(Errno::Noent));
    assert_eq!(program.rename("tmp/d/f", "tmp/d/f"), OK);
}

#[test]
fn a_directory_cannot_be_moved_into_itself() {
    let mut program = program();
    assert_eq!((program.mkdir("tmp/d"), program.mkdir("tmp/d/e")), (OK, OK));
    for to in ["tmp/d/x", "tmp/d/e/x", "tmp/d/e"] {
        let errno = program.rename("tmp/d", to);
        assert_eq!(errno, failed(Errno::Inval), "{to}");
    }
    assert_eq!(program.rename("tmp/d/.", "tmp/x"), failed(Errno::Busy));
    assert_eq!(program.rename("tmp/d/e", "tmp/e"), OK);
    let dir = program.open("tmp/e");
    assert_eq!(program.at("path_create_directory", dir, "../x"), failed(Errno::Notcapable));
}

#[test]
fn nothing_is_moved_across_the_edge_of_the_scratch_directory() {
    let mut program = program();
    program.make("tmp/a");
    assert_eq!(program.rename("tmp/a", "a"), failed(Errno::Xdev));
    assert_eq!(program.rename("text", "tmp/text"), failed(Errno::Xdev));
    assert_eq!(program.rename("tmp", "tmp/x"), failed(Errno::Xdev));
    assert_eq!(program.rename("tmp", "x"), failed(Errno::Rofs));
    assert_eq!(program.link("text", "tmp/text"), failed(Errno::Xdev));
    assert_eq!(program.link("tmp/a", "a"), failed(Errno::Rofs));
    assert_ne!(program.stat("text").unwrap()[0], program.stat("tmp").unwrap()[0]);
}

#[test]
fn a_file_may_have_several_names() {
    let mut program = program();
    let fd = program.make("tmp/a");
    assert_eq!(program.mkdir("tmp/d"), OK);
    assert_eq!(program.link("tmp/a", "tmp/d/b"), OK);
    program.write(fd, b"text").unwrap();
    assert_eq!(program.stat("tmp/a"), program.stat("tmp/d/b"));
    assert_eq!(program.stat("tmp/a").map(|stat| (stat[2], stat[3])), Ok((2, 4)));
    assert_eq!(program.rename("tmp/a", "tmp/d/b"), OK, "they are one file: both names stay");
    assert!(program.stat("tmp/a").is_ok());
    assert_eq!(program.link("tmp/a", "tmp/d/b"), failed(Errno::Exist));
    assert_eq!(program.link("tmp/d", "tmp/e"), failed(Errno::Perm));
    assert_eq!(program.link("tmp/a", "tmp/e/"), failed(Errno::Noent));
    assert_eq!(program.unlink("tmp/a"), OK);
    assert_eq!(program.stat("tmp/d/b").map(|stat| (stat[2], stat[3])), Ok((1, 4)));
}

#[test]
fn keeps_times_and_sets_them() {
    let mut program = program();
    let now_ns = program.console.clock.realtime_ns();
    let fd = program.make("tmp/a");
    assert_eq!(program.stat("tmp/a").unwrap()[4..], [now_ns; 3]);
    program.console.clock.advance(5);
    program.write(fd, b"x").unwrap();
    assert_eq!(program.stat("tmp/a").unwrap()[4..], [now_ns, now_ns + 5, now_ns + 5]);
    program.console.clock.advance(5);
    program.read(fd, 1);
    assert_eq!(program.stat("tmp/a").unwrap()[4..], [now_ns + 10, now_ns + 5, now_ns + 5]);
    let (set_accessed, set_modified, now_modified) = (1, 4, 8);
    assert_eq!(program.call("fd_filestat_set_times", &[fd, 1, 2, set_accessed | set_modified]), OK);
    assert_eq!(program.stat("tmp/a").unwrap()[4..], [1, 2, now_ns + 10]);
    let [address, len] = program.path("tmp/a");
    let times = |flags| [ROOT, 0, address, len, 7, 7, flags];
    assert_eq!(program.call("path_filestat_set_times", &times(set_accessed | now_modified)), OK);
    program.fails("path_filestat_set_times", &times(set_modified | now_modified), Errno::Inval);
    assert_eq!(program.stat("tmp/a").unwrap()[4..6], [7, now_ns + 10]);
    assert_eq!(program.stat("text").unwrap()[4..], [0; 3]);
}

/// Names of the entries of `tmp` after `cookie`, as far as they fit `buffer_bytes`, each with its own cookie.
fn list(program: &mut Program, fd: u64, buffer_bytes: u64, cookie: u64) -> Vec<(std::string::String, u64)> {
    assert_eq!(program.call("fd_readdir", &[fd, BUFFER, buffer_bytes, cookie, OUT]), OK);
    let (used, mut at, mut entries) = (program.u32(OUT), 0, Vec::new());
    while at + 24 <= used && at + 24 + program.u32(BUFFER + at + 16) <= used {
        let (next, len) = (program.u64(BUFFER + at), program.u32(BUFFER + at + 16));
        let name = program.bytes(BUFFER + at + 24, len).to_vec();
        entries.push((std::string::String::from_utf8(name).unwrap(), next));
        at += 24 + len;
    }
    entries
}

#[test]
fn a_listing_goes_on_where_it_was_while_entries_come_and_go() {
    let mut program = program();
    for name in ["a", "b", "c", "d", "e"] {
        let fd = program.make(&std::format!("tmp/{name}"));
        program.call("fd_close", &[fd]);
    }
    let dir = program.open("tmp");
    let (mut seen, mut cookie) = (Vec::new(), 0);
    while let Some((name, next)) = list(&mut program, dir, 25 + 24, cookie).into_iter().next() {
        if name.len() == 1 && name != "." {
            assert_eq!(program.unlink(&std::format!("tmp/{name}")), OK);
            program.make(&std::format!("tmp/{name}{name}"));
        }
        seen.push(name);
        cookie = next;
    }
    assert_eq!(seen, [".", "..", "e", "d", "c", "b", "a"]);
}
