//! What calls do, the same on every file system.

use super::*;

/// Device, inode, type, links, size, and the times of access and change.
fn stat(p: &mut Program, lookup: u64, path: &str) -> [u64; 7] {
    assert_eq!(p.stat_of(lookup, path), OK, "{path}");
    let kind = p.bytes(OUT + 16, 1)[0];
    [p.u64(OUT), p.u64(OUT + 8), kind.into(), p.u64(OUT + 24), p.u64(OUT + 32), p.u64(OUT + 40), p.u64(OUT + 48)]
}

#[test]
fn bytes_are_where_they_were_written() {
    on_all(|p| {
        let fd = p.file();
        assert_eq!(p.read(fd, 3), b"hel");
        p.write(fd, b"LO, world").unwrap();
        assert_eq!(p.seek(fd, 0, 1), Ok(12));
        assert_eq!(p.seek(fd, 3, 2), Ok(15));
        p.write(fd, b"!").unwrap();
        p.seek(fd, 0, 0).unwrap();
        assert_eq!(p.read(fd, 99), b"helLO, world\0\0\0!");
        p.put(BUFFER, b"12345678");
        assert_eq!(p.moves("fd_pwrite", fd, 2, Some(14)), OK);
        assert_eq!(p.u32(OUT), 8);
        assert_eq!(p.moves("fd_pread", fd, 2, Some(16)), OK);
        assert_eq!((p.u32(OUT), p.bytes(BUFFER, 6)), (6, &b"345678"[..]));
        assert_eq!(p.seek(fd, 0, 1), Ok(16), "these have an offset of their own");
        assert_eq!(p.call("fd_filestat_set_size", &[fd, 2]), OK);
        assert_eq!(p.call("fd_allocate", &[fd, 1, 3]), OK);
        p.seek(fd, 0, 0).unwrap();
        assert_eq!(p.read(fd, 99), b"he\0\0");
        let again = p.opened("file", TRUNC, WRITE);
        assert_eq!(stat(p, 0, "file")[4], 0);
        assert_eq!(p.call("fd_close", &[again]), OK);
    });
}

/// Linux hands out a file that it makes up in pieces of whole lines.
#[test]
fn a_buffer_is_read_into_once_those_before_it_are_full() {
    const FIRST: u64 = 0x3000;
    const SECOND: u64 = 0x6000;
    let mut directories = Directories::default();
    let node = directories.add(Path::new("/proc/self"), true).unwrap();
    let console = FakeConsole::default();
    let builder = Wasi::builder().outside(directories, [("data".to_string(), node)]);
    let wasi = builder.build(console.clone(), console.clock.clone(), FakeEntropy);
    let mut p = Program { wasi, console, memory: vec![0; MEMORY_BYTES] };
    assert!(fs::read("/proc/self/smaps").unwrap().len() as u64 > SECOND - FIRST);
    let fd = p.opened("smaps", 0, READ);
    p.put_u32s(IOVEC, &[NOWHERE - 8, 0, FIRST, SECOND - FIRST, SECOND, 0x1000]);
    assert_eq!(p.call("fd_read", &[fd, IOVEC, 3, OUT]), OK);
    let count = p.u32(OUT);
    assert!(0 < count && count < SECOND - FIRST, "{count} bytes at once");
    let [first, second] =
        [FIRST, SECOND].map(|at| p.bytes(at, 0x1000).iter().filter(|byte| **byte != 0).count() as u64);
    assert_eq!((first, second), (count.min(0x1000), 0));
}

#[test]
fn appending_goes_to_the_end_for_as_long_as_the_flag_is_set() {
    on_all(|p| {
        assert_eq!(p.opens_at(DIR, 0, "file", 0, Rights::all(), APPEND), OK);
        let fd = p.u32(OUT);
        p.write(fd, b", a").unwrap();
        assert_eq!(p.seek(fd, 0, 1), Ok(8));
        p.put(BUFFER, b"JJJJ");
        assert_eq!(p.moves("fd_pwrite", fd, 1, Some(0)), OK);
        assert_eq!(p.call("fd_fdstat_set_flags", &[fd, 0]), OK);
        p.seek(fd, 1, 0).unwrap();
        p.write(fd, b"i").unwrap();
        p.seek(fd, 0, 0).unwrap();
        assert_eq!(p.read(fd, 99), b"JiJJo, a");
    });
}

#[test]
fn files_are_told_apart_by_device_and_inode() {
    on_all(|p| {
        let file = stat(p, 0, "file");
        assert_eq!((file[2], file[3], file[4]), (4, 1, 5));
        assert_eq!(stat(p, FOLLOW, "link"), file);
        assert_eq!(stat(p, 0, "link")[2..5], [7, 1, 4]);
        let (dir, inner) = (stat(p, 0, "dir"), stat(p, 0, "dir/inner"));
        assert_eq!((dir[0], inner[0], dir[2]), (file[0], file[0], 3));
        assert!(file[1] != inner[1] && inner[1] != dir[1] && ![file, inner, dir].iter().any(|stat| stat[1] == 0));
        assert_eq!(p.two("path_link", "file", "dir/same"), OK);
        assert_eq!((stat(p, 0, "dir/same")[1], stat(p, 0, "file")[3]), (file[1], 2));
        let fd = p.file();
        assert_eq!(p.call("fd_filestat_get", &[fd, OUT]), OK);
        assert_eq!((p.u64(OUT), p.u64(OUT + 8), p.u64(OUT + 24)), (file[0], file[1], 2));
        assert_eq!((p.on("path_unlink_file", "file"), p.on("path_unlink_file", "dir/same")), (OK, OK));
        assert_eq!(p.read(fd, 9), b"hello");
        assert_eq!(p.call("fd_filestat_get", &[fd, OUT]), OK);
        assert_eq!(p.u64(OUT + 24), 0, "it has no name left");
    });
}

#[test]
fn times_are_set_as_asked_for_and_others_stay() {
    const ACCESSED: u64 = 1;
    const MODIFIED: u64 = 4;
    on_all(|p| {
        for path in ["file", "dir", "link", "."] {
            let mut set = |accessed: u64, modified: u64, flags: u64| {
                let [address, len] = p.name(path);
                assert_eq!(p.call("path_filestat_set_times", &[DIR, 0, address, len, accessed, modified, flags]), OK);
                let stat = stat(p, 0, path);
                [stat[5], stat[6]]
            };
            assert_eq!(
                set(3_000_000_007, 9_000_000_001, ACCESSED | MODIFIED),
                [3_000_000_007, 9_000_000_001],
                "{path}"
            );
            assert_eq!(set(1, 2_000_000_000, MODIFIED), [3_000_000_007, 2_000_000_000], "{path}");
            assert_eq!(set(4, 5, 0), [3_000_000_007, 2_000_000_000], "{path}");
            let [accessed, modified] = set(4, 5, 2 | 8);
            assert!(accessed == modified && modified >= 1_700_000_000_000_000_000, "{path} is of now");
        }
        let fd = p.file();
        assert_eq!(p.call("fd_filestat_set_times", &[fd, 7, 8, ACCESSED | MODIFIED]), OK);
        assert_eq!(stat(p, 0, "file")[5..], [7, 8]);
        // A link through which times are set keeps its own.
        let before = stat(p, 0, "link");
        let [address, len] = p.name("link");
        assert_eq!(p.call("path_filestat_set_times", &[DIR, FOLLOW, address, len, 3, 4, ACCESSED | MODIFIED]), OK);
        assert_eq!(stat(p, 0, "file")[5..], [3, 4]);
        assert_eq!(stat(p, 0, "link")[6], before[6]);
    });
}

/// Names after `cookie` as far as `buffer_bytes` hold whole entries, each with its own cookie, inode and type.
fn list(p: &mut Program, fd: u64, cookie: u64, buffer_bytes: u64) -> Vec<(String, u64, u64, u8)> {
    assert_eq!(p.call("fd_readdir", &[fd, 0x6000, buffer_bytes, cookie, OUT]), OK);
    let (used, mut at, mut entries) = (p.u32(OUT), 0, Vec::new());
    while at + 24 <= used && at + 24 + p.u32(0x6000 + at + 16) <= used {
        let len = p.u32(0x6000 + at + 16);
        let name = String::from_utf8(p.bytes(0x6000 + at + 24, len).to_vec()).unwrap();
        entries.push((name, p.u64(0x6000 + at), p.u64(0x6000 + at + 8), p.bytes(0x6000 + at + 20, 1)[0]));
        at += 24 + len;
    }
    entries
}

/// All names, read through a small buffer as C libraries do.
fn names(p: &mut Program, fd: u64, between: impl Fn(&mut Program, usize)) -> Vec<String> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let entries = list(p, fd, cookie, 60);
        let Some((_, last, ..)) = entries.last() else { return names };
        cookie = *last;
        names.extend(entries.into_iter().map(|(name, ..)| name));
        between(p, names.len());
    }
}

#[test]
fn a_listing_has_every_name_once_with_what_it_is() {
    on_all(|p| {
        let entries = list(p, DIR, 0, 0x1000);
        for (name, _, inode, kind) in &entries {
            let stat = if name == ".." { continue } else { stat(p, 0, name) };
            assert_eq!((*inode, u64::from(*kind)), (stat[1], stat[2]), "{name}");
        }
        let mut all: Vec<_> = entries.into_iter().map(|(name, ..)| name).collect();
        let mut in_parts = names(p, DIR, |_, _| {});
        all.sort();
        in_parts.sort();
        assert_eq!(all, in_parts);
        let expected = [".", "..", "abs", "dangling", "dir", "empty", "file", "link", "loop", "todir", "up"];
        assert_eq!(all, expected);
    });
}

#[test]
fn a_listing_in_parts_survives_what_comes_and_goes_meanwhile() {
    on_all(|p| {
        for number in 0..100 {
            let fd = p.opened(&std::format!("dir/{number}"), CREAT, WRITE);
            assert_eq!(p.call("fd_close", &[fd]), OK);
        }
        let dir = p.opened("dir", DIRECTORY, READ);
        let mut seen = names(p, dir, |p, count| {
            // What was there before and after stays; others come and go.
            let (made, removed) = (std::format!("dir/new{count}"), std::format!("dir/new{}", count.saturating_sub(20)));
            p.opens(&made, CREAT, WRITE);
            p.call("fd_close", &[p.u32(OUT)]);
            p.on("path_unlink_file", &removed);
        });
        seen.retain(|name| name.parse::<u32>().is_ok());
        seen.sort_by_key(|name| name.parse::<u32>().unwrap());
        assert_eq!(seen, (0..100).map(|number: u32| number.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_poll_says_of_each_subscription_what_became_of_it() {
    on_all(|p| {
        let fd = p.file();
        p.seek(fd, 2, 0).unwrap();
        // A file to read, one to write, a clock that is far off, a descriptor that is none, and a clock that is none.
        let subscriptions: [[u64; 12]; 5] = [
            [10, 0, 1, 0, fd, 0, 0, 0, 0, 0, 0, 0],
            [11, 0, 2, 0, fd, 0, 0, 0, 0, 0, 0, 0],
            [12, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0],
            [13, 0, 1, 0, 99, 0, 0, 0, 0, 0, 0, 0],
            [14, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0],
        ];
        p.put_u32s(0x5000, &subscriptions.concat());
        assert_eq!(p.call("poll_oneoff", &[0x5000, 0x6000, 5, OUT]), OK);
        let events: Vec<_> = (0..p.u32(OUT))
            .map(|index| 0x6000 + 32 * index)
            .map(|at| (p.u64(at), p.u32(at + 8) & 0xffff, p.bytes(at + 10, 1)[0], p.u64(at + 16)))
            .collect();
        let expected = [(10, 0, 1, 3), (11, 0, 2, 1), (13, no(Errno::Badf), 1, 0), (14, no(Errno::Inval), 0, 0)];
        assert_eq!(events, expected);
    });
}

#[test]
fn rights_are_passed_on_and_only_given_up() {
    on_all(|p| {
        let [address, len] = p.name("dir");
        let rights = (Rights::PATH_OPEN | Rights::FD_READDIR).bits();
        assert_eq!(p.call("path_open", &[DIR, 0, address, len, DIRECTORY, rights, READ.bits(), 0, OUT]), OK);
        let dir = p.u32(OUT);
        assert_eq!(p.call("fd_fdstat_get", &[dir, OUT]), OK);
        assert_eq!((p.bytes(OUT, 1)[0], p.u64(OUT + 8), p.u64(OUT + 16)), (3, rights, READ.bits()));
        assert_eq!(p.opens_at(dir, 0, "inner", 0, READ | WRITE, 0), no(Errno::Notcapable));
        assert_eq!(p.opens_at(dir, 0, "inner", 0, READ | Rights::FD_SEEK, 0), OK);
        let fd = p.u32(OUT);
        assert_eq!(p.call("fd_fdstat_get", &[fd, OUT]), OK);
        assert_eq!((p.bytes(OUT, 1)[0], p.u64(OUT + 8), p.u64(OUT + 16)), (4, READ.bits(), 0));
        assert_eq!(p.opens_at(dir, 0, "../file", 0, READ, 0), no(Errno::Notcapable));
    });
}
