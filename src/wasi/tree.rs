//! The files that the program sees: a tree of directories and read-only files, fixed before it starts.
//!
//! [`Tree`] knows names and contents; `path` walks it, `fds` holds open places in it.

use super::abi::Filetype;
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Most bytes in one name (NAME_MAX on Linux).
pub const NAME_BYTES_MAX: usize = 255;

/// A directory or file of one [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(usize);

impl NodeId {
    /// The directory that every path starts below.
    pub const ROOT: Self = Self(0);

    /// The number that the program sees. Never 0, which C libraries take for "unknown".
    pub fn inode(self) -> u64 {
        self.0 as u64 + 1
    }
}

/// Directories and files by name. Contents may be borrowed for `'a`: nothing is copied.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Debug)]
struct Node<'a> {
    /// The root is its own parent.
    parent: NodeId,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Directory(BTreeMap<String, NodeId>),
    File(Cow<'a, [u8]>),
}

impl<'a> Tree<'a> {
    /// A tree of one empty directory.
    pub fn new() -> Self {
        Self { nodes: vec![Node { parent: NodeId::ROOT, kind: Kind::Directory(BTreeMap::new()) }] }
    }

    /// Adds a file at `/path`, and the directories on the way to it.
    pub fn add_file(&mut self, path: &str, content: Cow<'a, [u8]>) -> Result<(), FileError> {
        let path = path.trim_start_matches('/');
        if path.split('/').any(is_bad_name) {
            return Err(FileError::BadName { path: path.into() });
        }
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = NodeId::ROOT;
        for directory in directories.split('/').filter(|name| !name.is_empty()) {
            parent = match self.child(parent, directory) {
                Some(node) if self.filetype(node) == Filetype::Directory => node,
                Some(_) => return Err(FileError::Exists { path: path.into() }),
                None => self.insert(parent, directory, Kind::Directory(BTreeMap::new())),
            };
        }
        if self.child(parent, name).is_some() {
            return Err(FileError::Exists { path: path.into() });
        }
        self.insert(parent, name, Kind::File(content));
        Ok(())
    }

    pub fn filetype(&self, node: NodeId) -> Filetype {
        match self.nodes[node.0].kind {
            Kind::Directory(_) => Filetype::Directory,
            Kind::File(_) => Filetype::RegularFile,
        }
    }

    /// The bytes of a file; none for a directory.
    pub fn content(&self, node: NodeId) -> &[u8] {
        match &self.nodes[node.0].kind {
            Kind::Directory(_) => &[],
            Kind::File(content) => content,
        }
    }

    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node.0].parent
    }

    /// What `directory` holds under `name`, if it is a directory and holds it.
    pub fn child(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        match &self.nodes[directory.0].kind {
            Kind::Directory(entries) => entries.get(name).copied(),
            Kind::File(_) => None,
        }
    }

    /// The entries of a directory, by name, `.` and `..` not among them; none for a file.
    pub fn entries(&self, directory: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        let entries = match &self.nodes[directory.0].kind {
            Kind::Directory(entries) => Some(entries),
            Kind::File(_) => None,
        };
        entries.into_iter().flatten().map(|(name, &node)| (name.as_str(), node))
    }

    fn insert(&mut self, parent: NodeId, name: &str, kind: Kind<'a>) -> NodeId {
        let node = NodeId(self.nodes.len());
        self.nodes.push(Node { parent, kind });
        if let Kind::Directory(entries) = &mut self.nodes[parent.0].kind {
            entries.insert(name.into(), node);
        }
        node
    }
}

fn is_bad_name(name: &str) -> bool {
    matches!(name, "" | "." | "..") || name.len() > NAME_BYTES_MAX || name.contains('\0')
}

/// A file that the program cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileError {
    /// A part of the path is empty, `.`, `..`, too long, or holds a NUL.
    BadName { path: String },
    /// Another file, or a directory on the way to one, has the name.
    Exists { path: String },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName { path } => write!(
                f,
                "{path:?} cannot name a file of the program: every part needs 1 to {NAME_BYTES_MAX} bytes, no NUL, and \
                 may not be `.` or `..`; give the file another name"
            ),
            Self::Exists { path } => write!(f, "two files claim the name /{path}; give one of them another name"),
        }
    }
}

impl core::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn tree(paths: &[&str]) -> Result<Tree<'static>, FileError> {
        let mut tree = Tree::new();
        paths.iter().try_for_each(|path| tree.add_file(path, Cow::Borrowed(b"x")))?;
        Ok(tree)
    }

    #[test]
    fn makes_the_directories_on_the_way_to_a_file() {
        let tree = tree(&["data/a", "/data/b", "c"]).unwrap();
        let names: Vec<_> = tree.entries(NodeId::ROOT).map(|(name, _)| name).collect();
        assert_eq!(names, ["c", "data"]);
        let data = tree.child(NodeId::ROOT, "data").unwrap();
        assert_eq!(tree.filetype(data), Filetype::Directory);
        assert_eq!(tree.entries(data).count(), 2);
        assert_eq!(tree.parent(data), NodeId::ROOT);
    }

    #[test]
    fn refuses_names_that_no_path_could_reach() {
        for path in ["", "/", "a//b", "./a", "a/..", "a/", "a\0b"] {
            assert!(matches!(tree(&[path]), Err(FileError::BadName { .. })), "{path:?}");
        }
    }

    #[test]
    fn refuses_a_second_file_of_the_same_name() {
        for paths in [["a", "a"], ["a", "a/b"], ["a/b", "a"]] {
            assert!(matches!(tree(&paths), Err(FileError::Exists { .. })), "{paths:?}");
        }
    }
}
