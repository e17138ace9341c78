//! Functions on descriptors.

use super::*;
use Errno::{Badf, Exist, Fault, Fbig, Inval, Isdir, Nametoolong, Notcapable, Notdir, Spipe};

/// No descriptor.
const NONE: u64 = 999;

pub const CASES: &[Case] = &[
    ("fd_advise", |p| p.on_file("fd_advise", &[0, 5, 3]), OK),
    ("fd_advise past the end", |p| p.on_file("fd_advise", &[1 << 40, 5, 0]), OK),
    ("fd_advise of no such kind", |p| p.on_file("fd_advise", &[0, 5, 6]), no(Inval)),
    ("fd_advise of no such offset", |p| p.on_file("fd_advise", &[1 << 63, 5, 0]), no(Inval)),
    ("fd_advise of a directory", |p| p.call("fd_advise", &[DIR, 0, 5, 0]), no(Badf)),
    ("fd_advise of a stream", |p| p.call("fd_advise", &[0, 0, 5, 0]), no(Spipe)),
    ("fd_advise of nothing", |p| p.call("fd_advise", &[NONE, 0, 5, 0]), no(Badf)),
    ("fd_allocate", |p| p.on_file("fd_allocate", &[0, 9]), OK),
    ("fd_allocate of no bytes", |p| p.on_file("fd_allocate", &[0, 0]), no(Inval)),
    ("fd_allocate at no such offset", |p| p.on_file("fd_allocate", &[1 << 63, 1]), no(Inval)),
    ("fd_allocate of too much", |p| p.on_file("fd_allocate", &[9, i64::MAX as u64]), no(Fbig)),
    ("fd_allocate of a directory", |p| p.call("fd_allocate", &[DIR, 0, 1]), no(Badf)),
    ("fd_allocate of a stream", |p| p.call("fd_allocate", &[1, 0, 1]), no(Spipe)),
    (
        "fd_allocate without the right",
        |p| {
            p.without(Rights::FD_ALLOCATE);
            let fd = p.file();
            p.call("fd_allocate", &[fd, 0, 9])
        },
        no(Notcapable),
    ),
    ("fd_close", |p| p.on_file("fd_close", &[]), OK),
    ("fd_close of a directory", |p| p.call("fd_close", &[DIR]), OK),
    (
        "fd_close twice",
        |p| {
            let fd = p.file();
            p.call("fd_close", &[fd]);
            p.call("fd_close", &[fd])
        },
        no(Badf),
    ),
    ("fd_datasync", |p| p.on_file("fd_datasync", &[]), OK),
    ("fd_datasync of a stream", |p| p.call("fd_datasync", &[1]), no(Inval)),
    ("fd_datasync of nothing", |p| p.call("fd_datasync", &[NONE]), no(Badf)),
    ("fd_sync", |p| p.on_file("fd_sync", &[]), OK),
    ("fd_sync of a directory", |p| p.call("fd_sync", &[DIR]), OK),
    ("fd_sync of a stream", |p| p.call("fd_sync", &[0]), no(Inval)),
    (
        "fd_sync without the right",
        |p| {
            p.without(Rights::FD_SYNC);
            let fd = p.file();
            p.call("fd_sync", &[fd])
        },
        no(Notcapable),
    ),
    ("fd_fdstat_get", |p| p.on_file("fd_fdstat_get", &[OUT]), OK),
    ("fd_fdstat_get of nothing", |p| p.call("fd_fdstat_get", &[NONE, OUT]), no(Badf)),
    ("fd_fdstat_get to nowhere", |p| p.call("fd_fdstat_get", &[DIR, NOWHERE]), no(Fault)),
    ("fd_fdstat_set_flags", |p| p.on_file("fd_fdstat_set_flags", &[APPEND]), OK),
    ("fd_fdstat_set_flags of no such kind", |p| p.on_file("fd_fdstat_set_flags", &[32]), no(Inval)),
    ("fd_fdstat_set_flags of nothing", |p| p.call("fd_fdstat_set_flags", &[NONE, 0]), no(Badf)),
    (
        "fd_fdstat_set_flags without the right",
        |p| {
            p.without(Rights::FD_FDSTAT_SET_FLAGS);
            let fd = p.file();
            p.call("fd_fdstat_set_flags", &[fd, 0])
        },
        no(Notcapable),
    ),
    ("fd_fdstat_set_rights", |p| p.on_file("fd_fdstat_set_rights", &[READ.bits(), 0]), OK),
    (
        "fd_fdstat_set_rights to more",
        |p| {
            let fd = p.file();
            p.call("fd_fdstat_set_rights", &[fd, READ.bits(), 0]);
            p.call("fd_fdstat_set_rights", &[fd, (READ | WRITE).bits(), 0])
        },
        no(Notcapable),
    ),
    ("fd_fdstat_set_rights of nothing", |p| p.call("fd_fdstat_set_rights", &[NONE, 0, 0]), no(Badf)),
    ("fd_filestat_get", |p| p.on_file("fd_filestat_get", &[OUT]), OK),
    ("fd_filestat_get of a stream", |p| p.call("fd_filestat_get", &[0, OUT]), OK),
    ("fd_filestat_get of nothing", |p| p.call("fd_filestat_get", &[NONE, OUT]), no(Badf)),
    ("fd_filestat_get to nowhere", |p| p.call("fd_filestat_get", &[DIR, NOWHERE]), no(Fault)),
    ("fd_filestat_set_size", |p| p.on_file("fd_filestat_set_size", &[9]), OK),
    ("fd_filestat_set_size to no such size", |p| p.on_file("fd_filestat_set_size", &[1 << 63]), no(Inval)),
    ("fd_filestat_set_size of a directory", |p| p.call("fd_filestat_set_size", &[DIR, 0]), no(Badf)),
    (
        "fd_filestat_set_size without the right",
        |p| {
            p.without(Rights::FD_FILESTAT_SET_SIZE);
            let fd = p.file();
            p.call("fd_filestat_set_size", &[fd, 0])
        },
        no(Notcapable),
    ),
    ("fd_filestat_set_times", |p| p.on_file("fd_filestat_set_times", &[7, 7, 5]), OK),
    ("fd_filestat_set_times of a directory", |p| p.call("fd_filestat_set_times", &[DIR, 7, 7, 10]), OK),
    ("fd_filestat_set_times to a time and now", |p| p.on_file("fd_filestat_set_times", &[7, 7, 3]), no(Inval)),
    ("fd_filestat_set_times to both of the other", |p| p.on_file("fd_filestat_set_times", &[7, 7, 12]), no(Inval)),
    ("fd_filestat_set_times of no such kind", |p| p.on_file("fd_filestat_set_times", &[7, 7, 16]), no(Inval)),
    ("fd_filestat_set_times of nothing", |p| p.call("fd_filestat_set_times", &[NONE, 7, 7, 5]), no(Badf)),
    ("fd_pread", |p| p.moves_of_file("fd_pread", 2, Some(1)), OK),
    ("fd_pread past the end", |p| p.moves_of_file("fd_pread", 1, Some(1 << 40)), OK),
    ("fd_pread at no such offset", |p| p.moves_of_file("fd_pread", 1, Some(1 << 63)), no(Inval)),
    ("fd_pread of a directory", |p| p.moves("fd_pread", DIR, 1, Some(0)), no(Isdir)),
    ("fd_pread of a stream", |p| p.moves("fd_pread", 0, 1, Some(0)), no(Spipe)),
    (
        "fd_pread of what is only written",
        |p| {
            let fd = p.opened("file", 0, WRITE);
            p.moves("fd_pread", fd, 1, Some(0))
        },
        no(Notcapable),
    ),
    ("fd_pwrite", |p| p.moves_of_file("fd_pwrite", 2, Some(9)), OK),
    ("fd_pwrite at no such offset", |p| p.moves_of_file("fd_pwrite", 1, Some(1 << 63)), no(Inval)),
    (
        "fd_pwrite of what is only read",
        |p| {
            let fd = p.opened("file", 0, READ);
            p.moves("fd_pwrite", fd, 1, Some(0))
        },
        no(Notcapable),
    ),
    ("fd_pwrite of a directory", |p| p.moves("fd_pwrite", DIR, 1, Some(0)), no(Isdir)),
    ("fd_prestat_get", |p| p.call("fd_prestat_get", &[DIR, OUT]), OK),
    ("fd_prestat_get of a file", |p| p.on_file("fd_prestat_get", &[OUT]), no(Badf)),
    (
        "fd_prestat_get of a directory opened later",
        |p| {
            let fd = p.opened("dir", DIRECTORY, READ);
            p.call("fd_prestat_get", &[fd, OUT])
        },
        no(Badf),
    ),
    ("fd_prestat_get to nowhere", |p| p.call("fd_prestat_get", &[DIR, NOWHERE]), no(Fault)),
    ("fd_prestat_dir_name", |p| p.call("fd_prestat_dir_name", &[DIR, BUFFER, 4]), OK),
    ("fd_prestat_dir_name too long", |p| p.call("fd_prestat_dir_name", &[DIR, BUFFER, 3]), no(Nametoolong)),
    ("fd_prestat_dir_name to nowhere", |p| p.call("fd_prestat_dir_name", &[DIR, NOWHERE, 4]), no(Fault)),
    ("fd_prestat_dir_name of nothing", |p| p.call("fd_prestat_dir_name", &[NONE, BUFFER, 4]), no(Badf)),
    ("fd_read", |p| p.moves_of_file("fd_read", 2, None), OK),
    ("fd_read of no buffers", |p| p.moves_of_file("fd_read", 0, None), OK),
    ("fd_read of a directory", |p| p.moves("fd_read", DIR, 1, None), no(Isdir)),
    ("fd_read of an output", |p| p.moves("fd_read", 1, 1, None), no(Notcapable)),
    ("fd_read of nothing", |p| p.moves("fd_read", NONE, 1, None), no(Badf)),
    (
        "fd_read of what is only written",
        |p| {
            let fd = p.opened("file", 0, WRITE);
            p.moves("fd_read", fd, 1, None)
        },
        no(Notcapable),
    ),
    (
        "fd_read to nowhere",
        |p| {
            let fd = p.file();
            p.put_u32s(IOVEC, &[NOWHERE, 4]);
            p.call("fd_read", &[fd, IOVEC, 1, OUT])
        },
        no(Fault),
    ),
    ("fd_read of too many buffers", |p| p.on_file("fd_read", &[0, 1025, OUT]), no(Inval)),
    ("fd_readdir", |p| p.call("fd_readdir", &[DIR, BUFFER, 100, 0, OUT]), OK),
    ("fd_readdir to no buffer", |p| p.call("fd_readdir", &[DIR, BUFFER, 0, 0, OUT]), OK),
    ("fd_readdir of a file", |p| p.on_file("fd_readdir", &[BUFFER, 100, 0, OUT]), no(Notdir)),
    ("fd_readdir of nothing", |p| p.call("fd_readdir", &[NONE, BUFFER, 100, 0, OUT]), no(Badf)),
    ("fd_readdir to nowhere", |p| p.call("fd_readdir", &[DIR, NOWHERE, 100, 0, OUT]), no(Fault)),
    (
        "fd_readdir without the right",
        |p| {
            p.without(Rights::FD_READDIR);
            p.call("fd_readdir", &[DIR, BUFFER, 100, 0, OUT])
        },
        no(Notcapable),
    ),
    (
        "fd_readdir of what was removed",
        |p| {
            let fd = p.opened("empty", DIRECTORY, READ);
            p.on("path_remove_directory", "empty");
            p.call("fd_readdir", &[fd, BUFFER, 100, 0, OUT])
        },
        no(Errno::Noent),
    ),
    ("fd_renumber", |p| p.on_file("fd_renumber", &[DIR]), OK),
    ("fd_renumber onto itself", |p| p.call("fd_renumber", &[DIR, DIR]), OK),
    ("fd_renumber from nothing", |p| p.call("fd_renumber", &[NONE, DIR]), no(Badf)),
    ("fd_renumber to nothing", |p| p.call("fd_renumber", &[DIR, NONE]), no(Badf)),
    ("fd_seek", |p| p.on_file("fd_seek", &[2, 2, OUT]), OK),
    ("fd_seek before the beginning", |p| p.on_file("fd_seek", &[u64::MAX, 0, OUT]), no(Inval)),
    ("fd_seek of no such kind", |p| p.on_file("fd_seek", &[0, 3, OUT]), no(Inval)),
    ("fd_seek of a stream", |p| p.call("fd_seek", &[0, 0, 0, OUT]), no(Spipe)),
    ("fd_seek of a directory", |p| p.call("fd_seek", &[DIR, 0, 0, OUT]), no(Badf)),
    ("fd_seek to nowhere", |p| p.on_file("fd_seek", &[0, 0, NOWHERE]), no(Fault)),
    (
        "fd_seek without the right",
        |p| {
            p.without(Rights::FD_SEEK);
            let fd = p.file();
            p.call("fd_seek", &[fd, 1, 0, OUT])
        },
        no(Notcapable),
    ),
    ("fd_tell", |p| p.on_file("fd_tell", &[OUT]), OK),
    ("fd_tell of a stream", |p| p.call("fd_tell", &[1, OUT]), no(Spipe)),
    ("fd_tell of a directory", |p| p.call("fd_tell", &[DIR, OUT]), no(Badf)),
    ("fd_write", |p| p.moves_of_file("fd_write", 2, None), OK),
    ("fd_write of a directory", |p| p.moves("fd_write", DIR, 1, None), no(Notcapable)),
    ("fd_write of the input", |p| p.moves("fd_write", 0, 1, None), no(Notcapable)),
    ("fd_write of nothing", |p| p.moves("fd_write", NONE, 1, None), no(Badf)),
    (
        "fd_write of what is only read",
        |p| {
            let fd = p.opened("file", 0, READ);
            p.moves("fd_write", fd, 1, None)
        },
        no(Notcapable),
    ),
    (
        "fd_write from nowhere",
        |p| {
            let fd = p.file();
            p.put_u32s(IOVEC, &[NOWHERE, 4]);
            p.call("fd_write", &[fd, IOVEC, 1, OUT])
        },
        no(Fault),
    ),
    (
        "path_open without a number left",
        |p| {
            while p.opens("file", 0, READ) == OK {}
            p.opens("file", 0, READ)
        },
        no(Errno::Mfile),
    ),
    ("path_open of what is there already", |p| p.opens("file", CREAT | EXCL, WRITE), no(Exist)),
];
