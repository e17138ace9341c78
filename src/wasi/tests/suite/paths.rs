//! Functions on paths.

use super::*;
use Errno::{
    Busy, Exist, Fault, Ilseq, Inval, Isdir, Loop, Nametoolong, Noent, Notcapable, Notdir, Notempty, Perm, Rofs, Xdev,
};

/// Opens with all rights but those that the file has to permit, through links.
fn open(p: &mut Program, path: &str, flags: u64) -> u64 {
    p.opens(path, flags, Rights::all() - READ - WRITE)
}

pub const CASES: &[Case] = &[
    ("path_create_directory", |p| p.on("path_create_directory", "new"), OK),
    ("path_create_directory with a slash", |p| p.on("path_create_directory", "dir/new/"), OK),
    ("path_create_directory of a directory", |p| p.on("path_create_directory", "dir"), no(Exist)),
    ("path_create_directory of a file", |p| p.on("path_create_directory", "file"), no(Exist)),
    ("path_create_directory of a link", |p| p.on("path_create_directory", "dangling"), no(Exist)),
    ("path_create_directory of a dot", |p| p.on("path_create_directory", "dir/."), no(Exist)),
    ("path_create_directory of a parent", |p| p.on("path_create_directory", "dir/.."), no(Exist)),
    ("path_create_directory in nothing", |p| p.on("path_create_directory", "none/new"), no(Noent)),
    ("path_create_directory in a file", |p| p.on("path_create_directory", "file/new"), no(Notdir)),
    ("path_create_directory outside", |p| p.on("path_create_directory", "../new"), no(Notcapable)),
    ("path_create_directory by a link outside", |p| p.on("path_create_directory", "up/new"), no(Notcapable)),
    (
        "path_create_directory at a file",
        |p| {
            let ([address, len], fd) = (p.name("new"), p.file());
            p.call("path_create_directory", &[fd, address, len])
        },
        no(Notdir),
    ),
    (
        "path_create_directory without the right",
        |p| {
            p.without(Rights::PATH_CREATE_DIRECTORY);
            p.on("path_create_directory", "new")
        },
        no(Notcapable),
    ),
    (
        "path_create_directory in what was removed",
        |p| {
            let fd = p.opened("empty", DIRECTORY, READ);
            p.on("path_remove_directory", "empty");
            let [address, len] = p.name("new");
            p.call("path_create_directory", &[fd, address, len])
        },
        no(Noent),
    ),
    ("path_filestat_get", |p| p.stat_of(0, "dir/inner"), OK),
    ("path_filestat_get of a directory", |p| p.stat_of(0, "dir//./sub/../"), OK),
    ("path_filestat_get of a link", |p| p.stat_of(0, "dangling"), OK),
    ("path_filestat_get through a link", |p| p.stat_of(FOLLOW, "link"), OK),
    ("path_filestat_get through a link to nothing", |p| p.stat_of(FOLLOW, "dangling"), no(Noent)),
    ("path_filestat_get through a link on the way", |p| p.stat_of(0, "todir/inner"), OK),
    ("path_filestat_get of a link with a slash", |p| p.stat_of(0, "todir/"), OK),
    ("path_filestat_get of a link to a file with a slash", |p| p.stat_of(0, "link/"), no(Notdir)),
    ("path_filestat_get of nothing", |p| p.stat_of(0, "none"), no(Noent)),
    ("path_filestat_get of no path", |p| p.stat_of(0, ""), no(Noent)),
    ("path_filestat_get of a file with a slash", |p| p.stat_of(0, "file/"), no(Notdir)),
    ("path_filestat_get below a file", |p| p.stat_of(0, "file/x"), no(Notdir)),
    ("path_filestat_get beside a file", |p| p.stat_of(0, "file/../file"), no(Notdir)),
    ("path_filestat_get beside nothing", |p| p.stat_of(0, "none/../file"), no(Noent)),
    ("path_filestat_get in a circle", |p| p.stat_of(FOLLOW, "loop"), no(Loop)),
    ("path_filestat_get below a circle", |p| p.stat_of(0, "loop/x"), no(Loop)),
    ("path_filestat_get of the top", |p| p.stat_of(0, "."), OK),
    ("path_filestat_get of the top from below", |p| p.stat_of(0, "dir/sub/../.."), OK),
    ("path_filestat_get above the top", |p| p.stat_of(0, ".."), no(Notcapable)),
    ("path_filestat_get above the top from below", |p| p.stat_of(0, "dir/../../data"), no(Notcapable)),
    ("path_filestat_get from the root", |p| p.stat_of(0, "/file"), no(Notcapable)),
    ("path_filestat_get by a link up", |p| p.stat_of(FOLLOW, "up"), no(Notcapable)),
    ("path_filestat_get by a link from the root", |p| p.stat_of(FOLLOW, "abs"), no(Notcapable)),
    ("path_filestat_get of a link up", |p| p.stat_of(0, "up"), OK),
    ("path_filestat_get with a NUL", |p| p.stat_of(0, "file\0"), no(Inval)),
    (
        "path_filestat_get of what is no text",
        |p| {
            p.put(PATH, b"\xff");
            p.call("path_filestat_get", &[DIR, 0, PATH, 1, OUT])
        },
        no(Ilseq),
    ),
    ("path_filestat_get of a long name", |p| p.stat_of(0, &"x".repeat(256)), no(Nametoolong)),
    ("path_filestat_get of the longest name", |p| p.stat_of(0, &"x".repeat(255)), no(Noent)),
    ("path_filestat_get of a long path", |p| p.call("path_filestat_get", &[DIR, 0, PATH, 4097, OUT]), no(Nametoolong)),
    ("path_filestat_get with no such flag", |p| p.stat_of(2, "file"), no(Inval)),
    (
        "path_filestat_get to nowhere",
        |p| {
            let [address, len] = p.name("file");
            p.call("path_filestat_get", &[DIR, 0, address, len, NOWHERE])
        },
        no(Fault),
    ),
    ("path_filestat_get from nowhere", |p| p.call("path_filestat_get", &[DIR, 0, NOWHERE, 4, OUT]), no(Fault)),
    (
        "path_filestat_get without the right",
        |p| {
            p.without(Rights::PATH_FILESTAT_GET);
            p.stat_of(0, "file")
        },
        no(Notcapable),
    ),
    (
        "path_filestat_set_times",
        |p| {
            let [address, len] = p.name("dir/inner");
            p.call("path_filestat_set_times", &[DIR, 0, address, len, 7, 7, 5])
        },
        OK,
    ),
    (
        "path_filestat_set_times of a link",
        |p| {
            let [address, len] = p.name("dangling");
            p.call("path_filestat_set_times", &[DIR, 0, address, len, 7, 7, 5])
        },
        OK,
    ),
    (
        "path_filestat_set_times through a link to nothing",
        |p| {
            let [address, len] = p.name("dangling");
            p.call("path_filestat_set_times", &[DIR, FOLLOW, address, len, 7, 7, 5])
        },
        no(Noent),
    ),
    (
        "path_filestat_set_times to a time and now, of nothing",
        |p| {
            let [address, len] = p.name("none");
            p.call("path_filestat_set_times", &[DIR, 0, address, len, 7, 7, 12])
        },
        no(Inval),
    ),
    ("path_open", |p| p.opens("file", 0, READ | WRITE), OK),
    ("path_open of a directory", |p| open(p, "dir", DIRECTORY), OK),
    ("path_open of a directory with a slash", |p| open(p, "dir//", 0), OK),
    ("path_open of the top", |p| open(p, ".", DIRECTORY), OK),
    ("path_open to make", |p| p.opens("dir/new", CREAT, WRITE), OK),
    ("path_open to make and no more", |p| p.opens("new", CREAT | EXCL, Rights::empty()), OK),
    ("path_open to make what is there", |p| p.opens("file", CREAT, READ), OK),
    ("path_open to make a directory", |p| open(p, "dir", CREAT), no(Isdir)),
    ("path_open to make a new directory", |p| open(p, "new", CREAT | DIRECTORY), no(Inval)),
    ("path_open to make with a slash", |p| open(p, "new/", CREAT), no(Isdir)),
    ("path_open to make through a link", |p| p.opens("dangling", CREAT, WRITE), OK),
    ("path_open to make anew at a link", |p| p.opens("dangling", CREAT | EXCL, WRITE), no(Exist)),
    ("path_open to make outside", |p| p.opens("up", CREAT, WRITE), no(Notcapable)),
    (
        "path_open to make without the right",
        |p| {
            p.without(Rights::PATH_CREATE_FILE);
            p.opens("new", CREAT, READ)
        },
        no(Notcapable),
    ),
    ("path_open to cut", |p| p.opens("file", TRUNC, WRITE), OK),
    ("path_open to cut a directory", |p| open(p, "dir", TRUNC), no(Isdir)),
    ("path_open to write a directory", |p| p.opens("dir", DIRECTORY, WRITE), no(Isdir)),
    ("path_open of a file as a directory", |p| open(p, "file", DIRECTORY), no(Notdir)),
    ("path_open of a file with a slash", |p| open(p, "file/", 0), no(Notdir)),
    ("path_open of nothing", |p| open(p, "none", 0), no(Noent)),
    ("path_open of nothing with a slash", |p| open(p, "none/", DIRECTORY), no(Noent)),
    ("path_open of a link", |p| p.opens_at(DIR, 0, "link", 0, READ, 0), no(Loop)),
    ("path_open of a link as a directory", |p| p.opens_at(DIR, 0, "todir", DIRECTORY, Rights::empty(), 0), no(Notdir)),
    ("path_open of a link with a slash", |p| p.opens_at(DIR, 0, "todir/", DIRECTORY, Rights::empty(), 0), OK),
    ("path_open in a circle", |p| open(p, "loop", 0), no(Loop)),
    ("path_open outside", |p| open(p, "../file", 0), no(Notcapable)),
    ("path_open from the root", |p| open(p, "/etc/passwd", 0), no(Notcapable)),
    ("path_open by a link from the root", |p| open(p, "abs", 0), no(Notcapable)),
    ("path_open with no such flag", |p| open(p, "file", 16), no(Inval)),
    ("path_open with no such flag of descriptors", |p| p.opens_at(DIR, 0, "file", 0, READ, 32), no(Inval)),
    (
        "path_open at a file",
        |p| {
            let fd = p.file();
            p.opens_at(fd, 0, "x", 0, READ, 0)
        },
        no(Notdir),
    ),
    ("path_open at nothing", |p| p.opens_at(999, 0, "x", 0, READ, 0), no(Errno::Badf)),
    (
        "path_open for what the directory does not pass on",
        |p| {
            p.without(WRITE);
            p.opens("file", 0, READ | WRITE)
        },
        no(Notcapable),
    ),
    (
        "path_open to nowhere",
        |p| {
            let [address, len] = p.name("file");
            p.call("path_open", &[DIR, 0, address, len, 0, READ.bits(), 0, 0, NOWHERE])
        },
        no(Fault),
    ),
    (
        "path_readlink",
        |p| {
            let [a, l] = p.name("link");
            p.call("path_readlink", &[DIR, a, l, BUFFER, 9, OUT])
        },
        OK,
    ),
    (
        "path_readlink with no room",
        |p| {
            let [a, l] = p.name("link");
            p.call("path_readlink", &[DIR, a, l, BUFFER, 0, OUT])
        },
        OK,
    ),
    (
        "path_readlink of a file",
        |p| {
            let [a, l] = p.name("file");
            p.call("path_readlink", &[DIR, a, l, BUFFER, 9, OUT])
        },
        no(Inval),
    ),
    (
        "path_readlink of a directory",
        |p| {
            let [a, l] = p.name("todir/");
            p.call("path_readlink", &[DIR, a, l, BUFFER, 9, OUT])
        },
        no(Inval),
    ),
    (
        "path_readlink of nothing",
        |p| {
            let [a, l] = p.name("none");
            p.call("path_readlink", &[DIR, a, l, BUFFER, 9, OUT])
        },
        no(Noent),
    ),
    (
        "path_readlink to nowhere",
        |p| {
            let [a, l] = p.name("link");
            p.call("path_readlink", &[DIR, a, l, NOWHERE, 9, OUT])
        },
        no(Fault),
    ),
    ("path_remove_directory", |p| p.on("path_remove_directory", "empty"), OK),
    ("path_remove_directory with a slash", |p| p.on("path_remove_directory", "dir/sub//"), OK),
    ("path_remove_directory of one with something", |p| p.on("path_remove_directory", "dir"), no(Notempty)),
    ("path_remove_directory of a file", |p| p.on("path_remove_directory", "file"), no(Notdir)),
    ("path_remove_directory of a link", |p| p.on("path_remove_directory", "todir"), no(Notdir)),
    ("path_remove_directory of a link with a slash", |p| p.on("path_remove_directory", "todir/"), no(Notdir)),
    ("path_remove_directory of nothing", |p| p.on("path_remove_directory", "none"), no(Noent)),
    ("path_remove_directory of a dot", |p| p.on("path_remove_directory", "empty/."), no(Inval)),
    ("path_remove_directory of the top", |p| p.on("path_remove_directory", "."), no(Inval)),
    ("path_remove_directory of a parent", |p| p.on("path_remove_directory", "dir/sub/.."), no(Notempty)),
    (
        "path_remove_directory without the right",
        |p| {
            p.without(Rights::PATH_REMOVE_DIRECTORY);
            p.on("path_remove_directory", "empty")
        },
        no(Notcapable),
    ),
    ("path_unlink_file", |p| p.on("path_unlink_file", "dir/inner"), OK),
    ("path_unlink_file of a link", |p| p.on("path_unlink_file", "loop"), OK),
    ("path_unlink_file of a directory", |p| p.on("path_unlink_file", "empty"), no(Isdir)),
    ("path_unlink_file of a directory with a slash", |p| p.on("path_unlink_file", "empty/"), no(Isdir)),
    ("path_unlink_file with a slash", |p| p.on("path_unlink_file", "file/"), no(Notdir)),
    ("path_unlink_file of a dot", |p| p.on("path_unlink_file", "."), no(Isdir)),
    ("path_unlink_file of nothing", |p| p.on("path_unlink_file", "none"), no(Noent)),
    ("path_unlink_file outside", |p| p.on("path_unlink_file", "dir/../../file"), no(Notcapable)),
    (
        "path_unlink_file without the right",
        |p| {
            p.without(Rights::PATH_UNLINK_FILE);
            p.on("path_unlink_file", "file")
        },
        no(Notcapable),
    ),
];

/// Functions that take two paths.
pub const CASES_OF_TWO: &[Case] = &[
    ("path_link", |p| p.two("path_link", "file", "dir/other"), OK),
    ("path_link of a link", |p| p.two("path_link", "dangling", "other"), OK),
    (
        "path_link through a link",
        |p| {
            let ([from, from_len], [to, to_len]) = (p.name("link"), p.other_name("other"));
            p.call("path_link", &[DIR, FOLLOW, from, from_len, DIR, to, to_len])
        },
        OK,
    ),
    ("path_link to what is there", |p| p.two("path_link", "file", "dir/inner"), no(Exist)),
    ("path_link to itself", |p| p.two("path_link", "file", "file"), no(Exist)),
    ("path_link to a link", |p| p.two("path_link", "file", "dangling"), no(Exist)),
    ("path_link to a dot", |p| p.two("path_link", "file", "dir/."), no(Exist)),
    ("path_link with a slash", |p| p.two("path_link", "file", "other/"), no(Noent)),
    ("path_link of a file with a slash", |p| p.two("path_link", "file/", "other"), no(Notdir)),
    ("path_link of a directory", |p| p.two("path_link", "dir", "other"), no(Perm)),
    ("path_link of the top", |p| p.two("path_link", ".", "other"), no(Perm)),
    ("path_link of nothing", |p| p.two("path_link", "none", "other"), no(Noent)),
    ("path_link in nothing", |p| p.two("path_link", "file", "none/other"), no(Noent)),
    ("path_link outside", |p| p.two("path_link", "file", "../other"), no(Notcapable)),
    ("path_link from outside", |p| p.two("path_link", "../file", "other"), no(Notcapable)),
    (
        "path_link without the right of the source",
        |p| {
            p.without(Rights::PATH_LINK_SOURCE);
            p.two("path_link", "file", "other")
        },
        no(Notcapable),
    ),
    (
        "path_link without the right of the target",
        |p| {
            p.without(Rights::PATH_LINK_TARGET);
            p.two("path_link", "file", "other")
        },
        no(Notcapable),
    ),
    ("path_rename", |p| p.two("path_rename", "file", "dir/other"), OK),
    ("path_rename of a directory", |p| p.two("path_rename", "dir/", "other/"), OK),
    ("path_rename of a link", |p| p.two("path_rename", "loop", "file"), OK),
    ("path_rename to itself", |p| p.two("path_rename", "file", "dir/../file"), OK),
    ("path_rename over a file", |p| p.two("path_rename", "file", "dir/inner"), OK),
    ("path_rename over an empty directory", |p| p.two("path_rename", "dir", "empty"), OK),
    ("path_rename over a full directory", |p| p.two("path_rename", "empty", "dir"), no(Notempty)),
    ("path_rename of a directory over a file", |p| p.two("path_rename", "dir", "file"), no(Notdir)),
    ("path_rename of a file over a directory", |p| p.two("path_rename", "file", "empty"), no(Isdir)),
    ("path_rename of a file to a slash", |p| p.two("path_rename", "file", "other/"), no(Notdir)),
    ("path_rename of a file with a slash", |p| p.two("path_rename", "file/", "other"), no(Notdir)),
    ("path_rename into itself", |p| p.two("path_rename", "dir", "dir/sub/other"), no(Inval)),
    ("path_rename over what it is in", |p| p.two("path_rename", "dir/sub", "dir"), no(Notempty)),
    ("path_rename of a dot", |p| p.two("path_rename", "dir/.", "other"), no(Busy)),
    ("path_rename to a parent", |p| p.two("path_rename", "file", "dir/.."), no(Busy)),
    ("path_rename of nothing", |p| p.two("path_rename", "none", "other"), no(Noent)),
    ("path_rename in nothing", |p| p.two("path_rename", "file", "none/other"), no(Noent)),
    ("path_rename outside", |p| p.two("path_rename", "file", "up"), OK),
    ("path_rename by a link outside", |p| p.two("path_rename", "file", "up/x"), no(Notcapable)),
    (
        "path_rename to other files",
        |p| {
            let ([from, from_len], [to, to_len]) = (p.name("file"), p.other_name("other"));
            let root = memory_root(p);
            p.call("path_rename", &[DIR, from, from_len, root, to, to_len])
        },
        no(Xdev),
    ),
    (
        "path_rename without the right of the source",
        |p| {
            p.without(Rights::PATH_RENAME_SOURCE);
            p.two("path_rename", "file", "other")
        },
        no(Notcapable),
    ),
    (
        "path_rename without the right of the target",
        |p| {
            p.without(Rights::PATH_RENAME_TARGET);
            p.two("path_rename", "file", "other")
        },
        no(Notcapable),
    ),
    ("path_symlink", |p| p.two("path_symlink", "anything/../at/all", "dir/other"), OK),
    ("path_symlink to what is there", |p| p.two("path_symlink", "x", "file"), no(Exist)),
    ("path_symlink to a link", |p| p.two("path_symlink", "x", "dangling"), no(Exist)),
    ("path_symlink to a dot", |p| p.two("path_symlink", "x", "dir/."), no(Exist)),
    ("path_symlink with a slash", |p| p.two("path_symlink", "x", "other/"), no(Noent)),
    ("path_symlink of nothing", |p| p.two("path_symlink", "", "other"), no(Noent)),
    ("path_symlink from the root", |p| p.two("path_symlink", "/x", "other"), no(Notcapable)),
    ("path_symlink with a NUL", |p| p.two("path_symlink", "a\0b", "other"), no(Inval)),
    ("path_symlink in nothing", |p| p.two("path_symlink", "x", "none/other"), no(Noent)),
    (
        "path_symlink without the right",
        |p| {
            p.without(Rights::PATH_SYMLINK);
            p.two("path_symlink", "x", "other")
        },
        no(Notcapable),
    ),
];

/// On files that cannot be changed.
pub const READ_ONLY: &[Case] = &[
    ("path_create_directory", |p| p.on("path_create_directory", "new"), no(Rofs)),
    ("path_create_directory of a file", |p| p.on("path_create_directory", "file"), no(Exist)),
    ("path_open", |p| p.opens("file", 0, READ), OK),
    ("path_open to write", |p| p.opens("file", 0, WRITE), no(Rofs)),
    ("path_open to cut", |p| p.opens("file", TRUNC, READ), no(Rofs)),
    ("path_open to make", |p| p.opens("new", CREAT, READ), no(Rofs)),
    ("path_open to make through a link", |p| p.opens("dangling", CREAT, READ), no(Rofs)),
    ("path_open to make what is there", |p| p.opens("file", CREAT, READ), OK),
    ("path_link", |p| p.two("path_link", "file", "other"), no(Rofs)),
    ("path_rename", |p| p.two("path_rename", "file", "other"), no(Rofs)),
    ("path_rename of nothing", |p| p.two("path_rename", "none", "other"), no(Noent)),
    ("path_symlink", |p| p.two("path_symlink", "x", "other"), no(Rofs)),
    ("path_symlink to what is there", |p| p.two("path_symlink", "x", "file"), no(Exist)),
    ("path_remove_directory", |p| p.on("path_remove_directory", "empty"), no(Rofs)),
    ("path_remove_directory of a file", |p| p.on("path_remove_directory", "file"), no(Notdir)),
    ("path_unlink_file", |p| p.on("path_unlink_file", "file"), no(Rofs)),
    ("path_unlink_file of nothing", |p| p.on("path_unlink_file", "none"), no(Noent)),
    ("path_unlink_file of a directory", |p| p.on("path_unlink_file", "dir"), no(Isdir)),
    (
        "path_filestat_set_times",
        |p| {
            let [address, len] = p.name("file");
            p.call("path_filestat_set_times", &[DIR, 0, address, len, 7, 7, 5])
        },
        no(Rofs),
    ),
    (
        "fd_filestat_set_times",
        |p| {
            let fd = p.opened("file", 0, READ);
            p.call("fd_filestat_set_times", &[fd, 7, 7, 5])
        },
        no(Rofs),
    ),
    (
        "fd_filestat_set_size",
        |p| {
            let fd = p.opened("file", 0, READ);
            p.call("fd_filestat_set_size", &[fd, 1])
        },
        no(Rofs),
    ),
    (
        "fd_allocate",
        |p| {
            let fd = p.opened("file", 0, READ);
            p.call("fd_allocate", &[fd, 0, 99])
        },
        no(Rofs),
    ),
];
