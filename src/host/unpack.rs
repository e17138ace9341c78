//! Archives put into directories of the host: for what a booted program has left.
//!
//! What is in an archive is what a program made up. Each name of a path is looked up in a directory that is held open, and no
//! link is followed ([`Directories`]), so nothing outside of the directory is written, whatever is there already. Key function:
//! [`unpack`].

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use tar::{Archive, EntryType};

use super::directories::Directories;
use crate::wasi::{Access, Entry, Errno, FdFlags, FileSystem, Filetype, NodeId, path_names};

/// What is written at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Puts what is in `archive` into `directory`, in place of what has the same names there.
pub fn unpack(archive: impl Read, directory: &Path) -> io::Result<()> {
    let mut directories = Directories::default();
    let top = directories.add(directory, false)?;
    for member in Archive::new(archive).entries()? {
        let mut member = member?;
        let path = String::from_utf8(member.path_bytes().into_owned()).map_err(|_| bad("a name is not UTF-8"))?;
        put(&mut directories, top, &path, &mut member)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.escape_debug())))?;
        directories.forget();
    }
    Ok(())
}

fn put(
    directories: &mut Directories,
    top: NodeId,
    path: &str,
    member: &mut tar::Entry<'_, impl Read>,
) -> io::Result<()> {
    let names: Vec<&str> = path_names(path).collect();
    if names.contains(&"..") || path.contains('\0') {
        return Err(bad("no file can be called so"));
    }
    let Some((name, above)) = names.split_last() else { return Ok(()) };
    let mut directory = top;
    for name in above {
        directory = inside(directories, Entry { directory, name })?;
    }
    let entry = Entry { directory, name };
    match member.header().entry_type() {
        EntryType::Directory => inside(directories, entry).map(drop),
        EntryType::Symlink => {
            let target = member.link_name_bytes().unwrap_or_default().into_owned();
            let target = String::from_utf8(target).map_err(|_| bad("what it leads to is not UTF-8"))?;
            make_room(directories, entry)?;
            directories.create_link(entry, &target, 0).map_err(failed)
        }
        EntryType::Regular => {
            make_room(directories, entry)?;
            let access = Access { read: false, write: true, truncate: false };
            let file = directories.create_file(entry, access, 0).map_err(failed)?;
            let (mut piece, mut at) = (vec![0; PIECE_BYTES], 0);
            loop {
                let count = member.read(&mut piece)?;
                if count == 0 {
                    break;
                }
                let mut left = &piece[..count];
                while !left.is_empty() {
                    let written = directories.write(file, Some(at), left, FdFlags::empty(), 0).map_err(failed)?;
                    at += written.bytes as u64;
                    left = &left[written.bytes..];
                }
            }
            Ok(())
        }
        _ => Err(bad("it is neither a file, a directory nor a link")),
    }
}

/// The directory `entry`, made if there is nothing.
fn inside(directories: &mut Directories, entry: Entry<'_>) -> io::Result<NodeId> {
    let found = match directories.child(entry.directory, entry.name).map_err(failed)? {
        Some(found) => found,
        None => {
            directories.create_directory(entry, 0).map_err(failed)?;
            let made = directories.child(entry.directory, entry.name).map_err(failed)?;
            made.ok_or_else(|| bad("somebody has removed it"))?
        }
    };
    if directories.filetype(found) == Filetype::Directory { Ok(found) } else { Err(bad("there is something else")) }
}

/// Removes what has the name, unless it is a directory.
fn make_room(directories: &mut Directories, entry: Entry<'_>) -> io::Result<()> {
    match directories.unlink(entry, 0) {
        Ok(()) | Err(Errno::Noent) => Ok(()),
        Err(errno) => Err(failed(errno)),
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_string())
}

fn failed(errno: Errno) -> io::Error {
    io::Error::other(format!("{errno:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tar::{Builder, Header};
    use tempfile::TempDir;

    /// An archive with members of these kinds, names, and contents or targets, whatever the names are.
    fn archive(members: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, content) in members {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let mut content = content.as_bytes();
            if *kind != EntryType::Regular {
                header.set_link_name_literal(content).unwrap();
                content = b"";
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_directories_and_links_take_the_place_of_what_was_there() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("old"), "longer than the new one").unwrap();
        fs::create_dir(at("kept")).unwrap();
        fs::write(at("kept/file"), "kept").unwrap();
        let large = "x".repeat(3 * PIECE_BYTES / 2);
        let members = [
            (EntryType::Directory, "kept/", ""),
            (EntryType::Regular, "kept/new", "new"),
            (EntryType::Regular, "old", "short"),
            (EntryType::Regular, "./deep/er/large", &large),
            (EntryType::Symlink, "link", "old"),
        ];
        unpack(&archive(&members)[..], folder.path()).unwrap();
        for (name, content) in
            [("kept/file", "kept"), ("kept/new", "new"), ("old", "short"), ("deep/er/large", &large), ("link", "short")]
        {
            assert!(fs::read_to_string(at(name)).unwrap() == content, "{name}");
        }
    }

    #[test]
    fn nothing_outside_of_the_directory_is_written() {
        let folder = TempDir::new().unwrap();
        let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
        fs::create_dir(&inside).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "kept").unwrap();
        symlink(&outside, inside.join("there")).unwrap();
        symlink(outside.join("file"), inside.join("file")).unwrap();
        let absolute = format!("{}/made", outside.display());
        let refused = [
            vec![(EntryType::Regular, "../out/made", "x")],
            vec![(EntryType::Regular, "a/../../out/made", "x")],
            vec![(EntryType::Regular, "there/made", "x")],
            vec![(EntryType::Directory, "there/made", "")],
            vec![(EntryType::Symlink, "own", "../out"), (EntryType::Regular, "own/made", "x")],
            vec![(EntryType::Link, "hard", "../out/file")],
            vec![(EntryType::Fifo, "pipe", "")],
        ];
        for members in &refused {
            assert!(unpack(&archive(members)[..], &inside).is_err(), "{members:?}");
        }
        // From the root of the archive, and in place of a link.
        unpack(&archive(&[(EntryType::Regular, &absolute, "x")])[..], &inside).unwrap();
        unpack(&archive(&[(EntryType::Regular, "file", "new")])[..], &inside).unwrap();
        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "kept");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert!(unpack(&archive(&[(EntryType::Regular, "cut", "off")])[..513], &inside).is_err());
    }
}
