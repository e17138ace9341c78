//! From a path that the program gave to a node of the tree: a pure function.
//!
//! A path is relative to an open directory and never leaves it: neither a leading `/` nor `..` reaches outside
//! (WASI preview 1, "path resolution"). Every component is walked, so that `missing/..` fails as it does in POSIX.

use super::abi::{Errno, Filetype};
use super::tree::{NAME_BYTES_MAX, NodeId, Tree};

/// Most bytes in one path (PATH_MAX on Linux).
pub const PATH_BYTES_MAX: u32 = 4096;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    Found(NodeId),
    /// Its directory exists and has no entry of the last name: a file could be made there.
    Missing,
}

impl Resolved {
    /// The node, or [`Errno::Noent`].
    pub fn found(self) -> Result<NodeId, Errno> {
        match self {
            Self::Found(node) => Ok(node),
            Self::Missing => Err(Errno::Noent),
        }
    }
}

/// Follows `path` from the directory `base`.
pub fn resolve(tree: &Tree<'_>, base: NodeId, path: &[u8]) -> Result<Resolved, Errno> {
    let path = well_formed(path)?;
    let mut node = base;
    // Components below `base`: there are no links, so counting is enough to stay inside.
    let mut depth = 0u32;
    let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
    while let Some(name) = names.next() {
        require_directory(tree, node)?;
        match name {
            "." => {}
            ".." => {
                depth = depth.checked_sub(1).ok_or(Errno::Notcapable)?;
                node = tree.parent(node);
            }
            _ if name.len() > NAME_BYTES_MAX => return Err(Errno::Nametoolong),
            _ => match tree.child(node, name) {
                Some(child) => {
                    depth += 1;
                    node = child;
                }
                None if names.peek().is_none() => return Ok(Resolved::Missing),
                None => return Err(Errno::Noent),
            },
        }
    }
    if path.ends_with('/') {
        require_directory(tree, node)?;
    }
    Ok(Resolved::Found(node))
}

fn well_formed(path: &[u8]) -> Result<&str, Errno> {
    let path = core::str::from_utf8(path).map_err(|_| Errno::Ilseq)?;
    match path {
        "" => Err(Errno::Noent),
        _ if path.starts_with('/') => Err(Errno::Notcapable),
        _ if path.contains('\0') => Err(Errno::Inval),
        _ => Ok(path),
    }
}

fn require_directory(tree: &Tree<'_>, node: NodeId) -> Result<(), Errno> {
    match tree.filetype(node) {
        Filetype::Directory => Ok(()),
        _ => Err(Errno::Notdir),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::Cow;
    use proptest::prelude::*;

    fn tree() -> Tree<'static> {
        let mut tree = Tree::new();
        for path in ["file", "dir/nested/file", "dir/other"] {
            tree.add_file(path, Cow::Borrowed(b"x")).unwrap();
        }
        tree
    }

    fn at_root(path: &str) -> Result<Resolved, Errno> {
        resolve(&tree(), NodeId::ROOT, path.as_bytes())
    }

    #[test]
    fn walks_dots_and_repeated_slashes() {
        let file = at_root("dir/nested/file");
        assert!(matches!(file, Ok(Resolved::Found(_))));
        assert_eq!(at_root("dir/.//nested/../../dir/nested/../nested///./file"), file);
        assert_eq!(at_root("dir/.."), Ok(Resolved::Found(NodeId::ROOT)));
        assert_eq!(at_root("."), Ok(Resolved::Found(NodeId::ROOT)));
    }

    #[test]
    fn never_leaves_the_base_directory() {
        for path in ["..", "/", "/file", "dir/../..", "../dir", "dir/nested/../../../file"] {
            assert_eq!(at_root(path), Err(Errno::Notcapable), "{path}");
        }
        let tree = tree();
        let dir = tree.child(NodeId::ROOT, "dir").unwrap();
        assert_eq!(resolve(&tree, dir, b"../file"), Err(Errno::Notcapable));
        assert!(resolve(&tree, dir, b"nested/../other").is_ok());
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
        assert_eq!(at_root("dir/new"), Ok(Resolved::Missing));
        assert_eq!(at_root("new/.."), Err(Errno::Noent));
        assert_eq!(at_root("new/file"), Err(Errno::Noent));
    }

    #[test]
    fn refuses_malformed_paths() {
        assert_eq!(at_root(""), Err(Errno::Noent));
        assert_eq!(at_root("file\0"), Err(Errno::Inval));
        assert_eq!(resolve(&tree(), NodeId::ROOT, b"\xff"), Err(Errno::Ilseq));
        assert_eq!(at_root(&"x".repeat(256)), Err(Errno::Nametoolong));
        assert_eq!(at_root(&"x".repeat(255)), Ok(Resolved::Missing));
    }

    proptest! {
        #[test]
        fn what_it_finds_lies_below_the_base(path in "(\\.|\\.\\.|dir|nested|file|other|/){0,12}") {
            let tree = tree();
            let base = tree.child(NodeId::ROOT, "dir").unwrap();
            if let Ok(Resolved::Found(mut node)) = resolve(&tree, base, path.as_bytes()) {
                while node != base {
                    prop_assert_ne!(node, NodeId::ROOT);
                    node = tree.parent(node);
                }
            }
        }
    }
}
