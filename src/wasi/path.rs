//! From a path that the program gave to a place in a file system.
//!
//! A path is relative to an open directory and never leaves it: neither a leading `/` nor `..`, in the path or in a
//! symbolic link on the way, reaches outside (WASI preview 1, "path resolution"). Every component is walked, so that
//! `missing/..` fails as it does in POSIX. A file system is only asked for single names in directories, and `..` is the
//! directory that the walk came from, so that nobody leads it astray who moves directories or puts links in their place.

use super::abi::{Errno, Filetype};
use super::files::{Entry, FileSystem, NodeId};
use super::tree::NAME_BYTES_MAX;
use alloc::string::String;
use alloc::vec::Vec;

/// Most bytes in one path (PATH_MAX on Linux).
pub const PATH_BYTES_MAX: u32 = 4096;

/// Most symbolic links on the way to one place (MAXSYMLINKS on Linux).
const LINKS_MAX: u32 = 40;

/// The names in a path that say where it leads, as far as C libraries see: none for `/` and `.`.
pub fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !matches!(*name, "" | "."))
}

/// What is done where the last name of a path is a symbolic link. Those before it are always followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    Follow,
    /// As `Follow`, to make what is not there, which cannot be a directory: nothing is followed that a `/` stands behind.
    FollowToMake,
    /// The link itself is meant, unless a `/` stands behind it.
    Keep,
    /// The name itself is meant, whatever stands behind it.
    Name,
}

/// Where a path leads. Its directory exists.
#[derive(Clone, Debug)]
pub struct Place {
    directory: NodeId,
    /// The last name; none if it is `.` or `..`, or the path is only slashes.
    name: Option<String>,
    node: Option<NodeId>,
    /// The path ends with `/`: only a directory is meant.
    pub names_directory: bool,
    /// The path ends in `..`.
    pub is_parent: bool,
}

impl Place {
    /// What is there; `None` if it could be made there.
    pub fn node(&self) -> Option<NodeId> {
        self.node
    }

    /// What is there, if it is what the path means.
    pub fn found(&self, files: &dyn FileSystem) -> Result<NodeId, Errno> {
        let node = self.node.ok_or(Errno::Noent)?;
        if self.names_directory {
            require_directory(files, node)?;
        }
        Ok(node)
    }

    /// The name to make, move or remove; `otherwise` if the path ends in `.` or `..`.
    pub fn entry(&self, otherwise: Errno) -> Result<Entry<'_>, Errno> {
        self.name.as_deref().map(|name| Entry { directory: self.directory, name }).ok_or(otherwise)
    }
}

/// Follows `path` from the directory `base`. Whether what is there fits a `/` at the end is left to [`Place::found`].
pub fn resolve(files: &mut dyn FileSystem, base: NodeId, path: &[u8], last: LastLink) -> Result<Place, Errno> {
    let path = well_formed(path)?;
    let names_directory = path.ends_with('/');
    let place = Place { directory: base, name: None, node: Some(base), names_directory, is_parent: false };
    let mut walk = Walk { files, place, above: Vec::new(), links: 0 };
    walk.along(path, last, true)?;
    Ok(walk.place)
}

/// A walk that has come to `place`.
struct Walk<'f> {
    files: &'f mut dyn FileSystem,
    place: Place,
    /// The directories from the base down to that of the place, without the latter.
    above: Vec<NodeId>,
    /// Symbolic links followed so far.
    links: u32,
}

impl Walk<'_> {
    /// `ends_walk` says whether the walk ends where `path` does.
    fn along(&mut self, path: &str, last: LastLink, ends_walk: bool) -> Result<(), Errno> {
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            self.step(name)?;
            let is_last = names.peek().is_none();
            let follows = match last {
                _ if !is_last => true,
                LastLink::Follow => true,
                LastLink::FollowToMake => !path.ends_with('/'),
                LastLink::Keep => path.ends_with('/'),
                LastLink::Name => false,
            };
            if follows {
                let to_make = is_last && last == LastLink::FollowToMake;
                self.follow(is_last && ends_walk, if to_make { last } else { LastLink::Follow })?;
            }
        }
        Ok(())
    }

    fn step(&mut self, name: &str) -> Result<(), Errno> {
        let here = self.place.node.ok_or(Errno::Noent)?;
        require_directory(self.files, here)?;
        if self.place.name.is_some() {
            self.above.push(self.place.directory);
        }
        let (directory, found, node) = match name {
            "." => (here, None, Some(here)),
            ".." => {
                let parent = self.above.pop().ok_or(Errno::Notcapable)?;
                (parent, None, Some(parent))
            }
            _ if name.len() > NAME_BYTES_MAX => return Err(Errno::Nametoolong),
            _ => (here, Some(name.into()), self.files.child(here, name)?),
        };
        self.place = Place { directory, name: found, node, is_parent: name == "..", ..self.place };
        Ok(())
    }

    /// Goes where the symbolic link leads that the walk came to, if it is one.
    fn follow(&mut self, ends_walk: bool, then: LastLink) -> Result<(), Errno> {
        let Some(node) = self.place.node.filter(|&node| self.files.filetype(node) == Filetype::SymbolicLink) else {
            return Ok(());
        };
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::Loop);
        }
        let target = self.files.link_target(node)?;
        let target = well_formed(&target)?;
        // From the directory that the link is in.
        self.place.node = Some(self.place.directory);
        self.place.name = None;
        self.place.names_directory |= ends_walk && target.ends_with('/');
        self.along(target, then, ends_walk)
    }
}

/// The path in `bytes`, if it is one that can be walked.
pub fn well_formed(path: &[u8]) -> Result<&str, Errno> {
    let path = core::str::from_utf8(path).map_err(|_| Errno::Ilseq)?;
    match path {
        "" => Err(Errno::Noent),
        _ if path.starts_with('/') => Err(Errno::Notcapable),
        _ if path.contains('\0') => Err(Errno::Inval),
        _ => Ok(path),
    }
}

fn require_directory(files: &dyn FileSystem, node: NodeId) -> Result<(), Errno> {
    match files.filetype(node) {
        Filetype::Directory => Ok(()),
        _ => Err(Errno::Notdir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasi::content::Quota;
    use crate::wasi::tree::Tree;
    use alloc::borrow::Cow;
    use proptest::prelude::*;

    fn tree() -> Tree<'static> {
        let mut tree = Tree::new(Quota::new(0));
        for path in ["file", "dir/nested/file", "dir/other"] {
            tree.add_file(path, Cow::Borrowed(b"x")).unwrap();
        }
        tree
    }

    /// What `path` leads to from the root.
    fn at_root(path: &str) -> Result<Option<NodeId>, Errno> {
        let mut tree = tree();
        match resolve(&mut tree, NodeId::ROOT, path.as_bytes(), LastLink::Follow)? {
            place if place.node.is_none() => Ok(None),
            place => place.found(&tree).map(Some),
        }
    }

    #[test]
    fn walks_dots_and_repeated_slashes() {
        let file = at_root("dir/nested/file");
        assert!(matches!(file, Ok(Some(_))));
        assert_eq!(at_root("dir/.//nested/../../dir/nested/../nested///./file"), file);
        assert_eq!(at_root("dir/.."), Ok(Some(NodeId::ROOT)));
        assert_eq!(at_root("."), Ok(Some(NodeId::ROOT)));
    }

    #[test]
    fn never_leaves_the_base_directory() {
        for path in ["..", "/", "/file", "dir/../..", "../dir", "dir/nested/../../../file"] {
            assert_eq!(at_root(path), Err(Errno::Notcapable), "{path}");
        }
        let mut tree = tree();
        let dir = tree.child(NodeId::ROOT, "dir").unwrap();
        assert_eq!(resolve(&mut tree, dir, b"../file", LastLink::Follow).err(), Some(Errno::Notcapable));
        assert!(resolve(&mut tree, dir, b"nested/../other", LastLink::Follow).is_ok());
    }

    #[test]
    fn a_file_is_not_a_directory() {
        for path in ["file/", "file/.", "file/..", "file/x"] {
            assert_eq!(at_root(path), Err(Errno::Notdir), "{path}");
        }
        assert!(at_root("dir/").is_ok());
    }

    #[test]
    fn tells_a_missing_name_from_a_missing_directory() {
        assert_eq!(at_root("dir/new"), Ok(None));
        assert_eq!(at_root("new/.."), Err(Errno::Noent));
        assert_eq!(at_root("new/file"), Err(Errno::Noent));
    }

    #[test]
    fn names_the_entry_to_change() {
        let mut tree = tree();
        let place = resolve(&mut tree, NodeId::ROOT, b"dir//new/", LastLink::Name).unwrap();
        assert!(place.names_directory);
        let entry = place.entry(Errno::Busy).unwrap();
        assert_eq!((entry.name, Some(entry.directory)), ("new", tree.child(NodeId::ROOT, "dir")));
        for path in [b".".as_slice(), b"dir/..", b"dir/."] {
            let place = resolve(&mut tree, NodeId::ROOT, path, LastLink::Name).unwrap();
            assert_eq!(place.entry(Errno::Busy).err(), Some(Errno::Busy));
        }
    }

    #[test]
    fn refuses_malformed_paths() {
        assert_eq!(at_root(""), Err(Errno::Noent));
        assert_eq!(at_root("file\0"), Err(Errno::Inval));
        assert_eq!(resolve(&mut tree(), NodeId::ROOT, b"\xff", LastLink::Follow).err(), Some(Errno::Ilseq));
        assert_eq!(at_root(&"x".repeat(256)), Err(Errno::Nametoolong));
        assert_eq!(at_root(&"x".repeat(255)), Ok(None));
    }

    proptest! {
        #[test]
        fn what_it_finds_lies_below_the_base(path in "(\\.|\\.\\.|dir|nested|file|other|/){0,12}") {
            let mut tree = tree();
            let base = tree.child(NodeId::ROOT, "dir").unwrap();
            if let Ok(Some(node)) = resolve(&mut tree, base, path.as_bytes(), LastLink::Follow).map(|place| place.node) {
                let nested = tree.child(base, "nested").unwrap();
                let below = [tree.child(base, "other"), tree.child(nested, "file")];
                prop_assert!(node == base || node == nested || below.contains(&Some(node)));
            }
        }
    }
}
