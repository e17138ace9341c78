//! Symbolic links below `/tmp`.

use super::*;
use crate::wasi::content::Quota;
use std::format;
use std::string::String;

const FOLLOW: u64 = 1;
const CREAT: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCL: u64 = 4;
const SYMBOLIC_LINK: u8 = 7;

impl Program {
    fn symlink(&mut self, target: &str, path: &str) -> u64 {
        self.put(PATH + 0x80, target.as_bytes());
        let [address, len] = self.path(path);
        self.call("path_symlink", &[PATH + 0x80, target.len() as u64, ROOT, address, len])
    }

    fn readlink(&mut self, path: &str, room: u64) -> Result<String, u64> {
        let [address, len] = self.path(path);
        match self.call("path_readlink", &[ROOT, address, len, BUFFER, room, OUT]) {
            OK => Ok(String::from_utf8(self.bytes(BUFFER, self.u32(OUT)).to_vec()).unwrap()),
            errno => Err(errno),
        }
    }

    /// Type and size.
    fn look(&mut self, flags: u64, path: &str) -> Result<(u8, u64), u64> {
        let [address, len] = self.path(path);
        match self.call("path_filestat_get", &[ROOT, flags, address, len, OUT]) {
            OK => Ok((self.bytes(OUT + 16, 1)[0], self.u64(OUT + 32))),
            errno => Err(errno),
        }
    }

    fn open_at(&mut self, fd: u64, flags: u64, path: &str, open_flags: u64) -> Result<u64, u64> {
        let [address, len] = self.path(path);
        let rights = if open_flags & CREAT == 0 { Rights::all() - Rights::FD_WRITE } else { Rights::all() }.bits();
        match self.call("path_open", &[fd, flags, address, len, open_flags, rights, rights, 0, OUT]) {
            OK => Ok(self.u32(OUT)),
            errno => Err(errno),
        }
    }

    fn fill(&mut self, path: &str, bytes: &[u8]) {
        let fd = self.open_at(ROOT, FOLLOW, path, CREAT).unwrap();
        self.put(BUFFER, bytes);
        self.put_u32s(IOVEC, &[BUFFER, bytes.len() as u64]);
        assert_eq!(self.call("fd_write", &[fd, IOVEC, 1, OUT]), OK);
        assert_eq!(self.call("fd_close", &[fd]), OK);
    }

    fn at_root(&mut self, name: &str, path: &str) -> u64 {
        let [address, len] = self.path(path);
        self.call(name, &[ROOT, address, len])
    }

    fn move_to(&mut self, from: &str, to: &str) -> u64 {
        self.put(PATH + 0x80, to.as_bytes());
        let [address, len] = self.path(from);
        self.call("path_rename", &[ROOT, address, len, ROOT, PATH + 0x80, to.len() as u64])
    }
}

/// `/tmp/dir/file` of 5 bytes, and links to both.
fn linked() -> Program {
    let mut program = program();
    assert_eq!(program.at_root("path_create_directory", "tmp/dir"), OK);
    program.fill("tmp/dir/file", b"hello");
    assert_eq!(program.symlink("dir", "tmp/to_dir"), OK);
    assert_eq!(program.symlink("to_dir/file", "tmp/to_file"), OK);
    assert_eq!(program.symlink("../dir/../to_file", "tmp/dir/around"), OK);
    program
}

#[test]
fn a_link_is_followed_on_the_way_and_at_the_end_if_asked_for() {
    let mut program = linked();
    for path in ["tmp/to_file", "tmp/to_dir/file", "tmp/dir/around", "tmp/to_dir/around", "tmp/to_dir/../dir/file"] {
        assert_eq!(program.look(FOLLOW, path), Ok((4, 5)), "{path}");
        let fd = program.open_at(ROOT, FOLLOW, path, 0).unwrap();
        assert_eq!(program.read(fd, 9), b"hello", "{path}");
        assert_eq!(program.call("fd_close", &[fd]), OK);
    }
    assert_eq!(program.look(0, "tmp/to_file"), Ok((SYMBOLIC_LINK, 11)));
    assert_eq!(program.look(0, "tmp/to_dir/around"), Ok((SYMBOLIC_LINK, 17)));
    assert_eq!(program.look(0, "tmp/to_dir"), Ok((SYMBOLIC_LINK, 3)));
    assert_eq!(program.look(0, "tmp/to_dir/").map(|(kind, _)| kind), Ok(3));
    assert_eq!(program.open_at(ROOT, 0, "tmp/to_file", 0), Err(Errno::Loop as u64));
    assert_eq!(program.open_at(ROOT, 0, "tmp/to_dir", DIRECTORY), Err(Errno::Notdir as u64));
    assert!(program.open_at(ROOT, FOLLOW, "tmp/to_dir", DIRECTORY).is_ok());
    assert_eq!(program.look(FOLLOW, "tmp/to_file/"), Err(Errno::Notdir as u64));
}

#[test]
fn readlink_gives_the_path_as_far_as_there_is_room() {
    let mut program = linked();
    assert_eq!(program.readlink("tmp/to_file", 99).as_deref(), Ok("to_dir/file"));
    assert_eq!(program.readlink("tmp/to_file", 3).as_deref(), Ok("to_"));
    assert_eq!(program.readlink("tmp/to_dir/around", 99).as_deref(), Ok("../dir/../to_file"));
    for (path, errno) in [("tmp/dir", Errno::Inval), ("tmp/dir/file", Errno::Inval), ("tmp/none", Errno::Noent)] {
        assert_eq!(program.readlink(path, 9), Err(errno as u64), "{path}");
    }
    let [address, len] = program.path("tmp/to_file");
    program.fails("path_readlink", &[ROOT, address, len, 0xfff, 9, OUT], Errno::Fault);
}

#[test]
fn a_slash_behind_a_link_on_the_way_says_nothing_about_the_end() {
    let mut program = linked();
    assert_eq!(program.symlink("dir/", "tmp/with_slash"), OK);
    assert_eq!(program.symlink("with_slash", "tmp/to_that"), OK);
    assert_eq!(program.readlink("tmp/to_that/around", 99).as_deref(), Ok("../dir/../to_file"));
    assert_eq!(program.look(FOLLOW, "tmp/to_that/file"), Ok((4, 5)));
    assert_eq!(program.symlink("file/", "tmp/dir/no_directory"), OK);
    assert_eq!(program.look(FOLLOW, "tmp/to_that/no_directory"), Err(Errno::Notdir as u64));
}

#[test]
fn links_that_go_round_are_given_up() {
    let mut program = program();
    assert_eq!((program.symlink("b", "tmp/a"), program.symlink("a", "tmp/b")), (OK, OK));
    assert_eq!(program.symlink("self/x", "tmp/self"), OK);
    for path in ["tmp/a", "tmp/b/x", "tmp/self"] {
        assert_eq!(program.look(FOLLOW, path), Err(Errno::Loop as u64), "{path}");
    }
    program.wasi.tree.quota = Quota::new(1 << 20);
    program.fill("tmp/0", b"x");
    for number in 1..=41 {
        assert_eq!(program.symlink(&format!("{}", number - 1), &format!("tmp/{number}")), OK);
    }
    assert_eq!(program.look(FOLLOW, "tmp/40"), Ok((4, 1)));
    assert_eq!(program.look(FOLLOW, "tmp/41"), Err(Errno::Loop as u64));
}

#[test]
fn no_link_leads_out_of_the_directory_that_a_path_starts_from() {
    let mut program = linked();
    let escapes = Errno::Notcapable as u64;
    for target in ["/", "/text", "//x"] {
        assert_eq!(program.symlink(target, "tmp/absolute"), escapes, "{target}");
    }
    assert_eq!(program.symlink("../text", "tmp/up"), OK);
    assert_eq!(program.symlink("../../text", "tmp/too_far"), OK);
    assert_eq!(program.look(FOLLOW, "tmp/up"), Ok((4, TEXT.len() as u64)));
    assert_eq!(program.look(FOLLOW, "tmp/too_far"), Err(escapes));
    assert_eq!(program.open_at(ROOT, FOLLOW, "tmp/too_far", CREAT), Err(escapes));
    // The same link from a directory that the program was given no more than.
    let tmp = program.open_at(ROOT, 0, "tmp", DIRECTORY).unwrap();
    assert_eq!(program.open_at(tmp, FOLLOW, "up", 0), Err(escapes));
    assert!(program.open_at(tmp, FOLLOW, "to_file", 0).is_ok());
    let dir = program.open_at(tmp, FOLLOW, "to_dir", DIRECTORY).unwrap();
    assert_eq!(program.open_at(dir, FOLLOW, "around", 0), Err(escapes));
}

#[test]
fn a_link_to_nothing_makes_what_it_leads_to() {
    let mut program = linked();
    assert_eq!(program.symlink("dir/new", "tmp/dangling"), OK);
    assert_eq!(program.look(FOLLOW, "tmp/dangling"), Err(Errno::Noent as u64));
    assert_eq!(program.open_at(ROOT, FOLLOW, "tmp/dangling", CREAT | EXCL), Err(Errno::Exist as u64));
    assert_eq!(program.look(0, "tmp/dir/new"), Err(Errno::Noent as u64));
    program.fill("tmp/dangling", b"made");
    assert_eq!(program.look(0, "tmp/dir/new"), Ok((4, 4)));
    assert_eq!(program.symlink("dir/d/", "tmp/directory"), OK);
    assert_eq!(program.open_at(ROOT, FOLLOW, "tmp/directory", CREAT), Err(Errno::Isdir as u64));
}

#[test]
fn removing_and_moving_a_link_leaves_what_it_leads_to() {
    let mut program = linked();
    assert_eq!(program.move_to("tmp/to_file", "tmp/dir/moved"), OK);
    assert_eq!(program.readlink("tmp/dir/moved", 99).as_deref(), Ok("to_dir/file"));
    assert_eq!(program.look(FOLLOW, "tmp/dir/moved"), Err(Errno::Noent as u64));
    assert_eq!(program.at_root("path_remove_directory", "tmp/to_dir"), Errno::Notdir as u64);
    assert_eq!(program.at_root("path_unlink_file", "tmp/to_dir/"), Errno::Notdir as u64);
    assert_eq!(program.at_root("path_unlink_file", "tmp/to_dir"), OK);
    assert_eq!(program.look(0, "tmp/dir/file"), Ok((4, 5)));
    // A link takes the place of a file as another file would.
    assert_eq!(program.move_to("tmp/dir/moved", "tmp/dir/file"), OK);
    assert_eq!(program.look(0, "tmp/dir/file"), Ok((SYMBOLIC_LINK, 11)));
}

#[test]
fn a_listing_calls_a_link_a_link() {
    let mut program = linked();
    let tmp = program.open_at(ROOT, 0, "tmp", DIRECTORY).unwrap();
    assert_eq!(program.call("fd_readdir", &[tmp, BUFFER, BUFFER_BYTES, 2, OUT]), OK);
    let mut kinds = Vec::new();
    let (mut at, used) = (BUFFER, program.u32(OUT));
    while at < BUFFER + used {
        let len = program.u32(at + 16);
        kinds.push((program.bytes(at + 24, len).to_vec(), program.bytes(at + 20, 1)[0]));
        at += 24 + len;
    }
    kinds.sort();
    let expected = [("dir", 3), ("to_dir", SYMBOLIC_LINK), ("to_file", SYMBOLIC_LINK)];
    assert_eq!(kinds, expected.map(|(name, kind)| (name.as_bytes().to_vec(), kind)));
}

#[test]
fn links_count_against_the_programs_limit_and_give_it_back() {
    let mut program = program();
    let room = program.wasi.tree.quota.room();
    let target = "x".repeat(100);
    assert_eq!(program.symlink(&target, "tmp/a"), OK);
    assert_eq!(program.wasi.tree.quota.room(), room - 1024 - 100);
    assert_eq!(program.symlink(&target, "tmp/a"), Errno::Exist as u64);
    assert_eq!(program.symlink(&target, "a"), Errno::Rofs as u64);
    assert_eq!(program.at_root("path_unlink_file", "tmp/a"), OK);
    assert_eq!(program.wasi.tree.quota.room(), room);
    let made = (0..99).take_while(|number| program.symlink(&target, &format!("tmp/{number}")) == OK).count();
    assert_eq!(made as u64, room / 1124);
    assert_eq!(program.symlink(&target, "tmp/last"), Errno::Nospc as u64);
    assert_eq!(program.wasi.tree.quota.room(), room % 1124);
}

#[test]
fn malformed_targets_are_refused() {
    let mut program = program();
    assert_eq!(program.symlink("", "tmp/a"), Errno::Noent as u64);
    assert_eq!(program.symlink("a\0b", "tmp/a"), Errno::Inval as u64);
    assert_eq!(program.symlink("a", "tmp/a/"), Errno::Noent as u64);
    assert_eq!(program.symlink("a", "tmp/."), Errno::Exist as u64);
    assert_eq!(program.symlink("a", "tmp"), Errno::Exist as u64);
}
