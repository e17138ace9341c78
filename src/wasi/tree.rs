//! The files that the program sees: those it was given, read-only and fixed, and below `/tmp` those it makes.
//!
//! [`Tree`] knows names, contents and times; `path` walks it, `fds` holds open places in it. What changes it is in
//! `scratch`, the bytes of files in `content`, the order of listings in `entries`.
//!
//! `/tmp` is a file system of its own: nothing is moved or linked between it and the rest.

use super::abi::{Errno, Filetype};
use super::content::{Content, Quota};
use super::entries::Entries;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Most bytes in one name (NAME_MAX on Linux).
pub const NAME_BYTES_MAX: usize = 255;

/// The directory in which the program makes files, in the root directory.
pub const SCRATCH_NAME: &str = "tmp";

/// A directory or file of one [`Tree`]: valid while a name leads to it or a descriptor is open on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(usize);

impl NodeId {
    /// The directory that every path starts below.
    pub const ROOT: Self = Self(0);
}

/// Directories and files by name. Contents may be borrowed for `'a`: nothing is copied.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// Nodes that nothing leads to any more, for the next files.
    free: Vec<NodeId>,
    next_inode: u64,
    pub(super) quota: Quota,
}

#[derive(Debug)]
pub(super) struct Node<'a> {
    /// The number that the program sees. Never used again, and never 0, which C libraries take for "unknown".
    inode: u64,
    /// Names that lead here.
    pub(super) links: u64,
    /// Descriptors that are open here.
    opens: usize,
    pub(super) times: Times,
    /// Below `/tmp`, or `/tmp` itself.
    scratch: bool,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug)]
pub(super) enum Kind<'a> {
    Directory(Directory),
    File(Content<'a>),
    /// A symbolic link, and the path that it stands for.
    Link(String),
}

#[derive(Debug)]
pub(super) struct Directory {
    /// The root is its own parent.
    pub(super) parent: NodeId,
    pub(super) entries: Entries,
}

impl Directory {
    pub(super) fn new(parent: NodeId) -> Self {
        Self { parent, entries: Entries::default() }
    }
}

/// When a file was last used, in nanoseconds since 1970; 0 for files that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    pub accessed_ns: u64,
    pub modified_ns: u64,
    /// Of anything about it, its times and names included.
    pub changed_ns: u64,
}

impl Times {
    pub fn all(now_ns: u64) -> Self {
        Self { accessed_ns: now_ns, modified_ns: now_ns, changed_ns: now_ns }
    }
}

impl<'a> Tree<'a> {
    /// A tree of the root directory and an empty `/tmp`.
    pub fn new(quota: Quota) -> Self {
        let mut tree = Self { nodes: Vec::new(), free: Vec::new(), next_inode: 1, quota };
        let root = tree.add(Kind::Directory(Directory::new(NodeId::ROOT)), false);
        tree.node_mut(root).links = 1;
        tree.insert(NodeId::ROOT, SCRATCH_NAME, Kind::Directory(Directory::new(NodeId::ROOT)), true);
        tree
    }

    /// Adds a file at `/path`, and the directories on the way to it.
    pub fn add_file(&mut self, path: &str, content: Cow<'a, [u8]>) -> Result<(), FileError> {
        let path = path.trim_start_matches('/');
        if path.split('/').any(is_bad_name) {
            return Err(FileError::BadName { path: path.into() });
        }
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        if path.split('/').next() == Some(SCRATCH_NAME) {
            return Err(FileError::InScratch { path: path.into() });
        }
        let mut parent = NodeId::ROOT;
        for directory in directories.split('/').filter(|name| !name.is_empty()) {
            parent = match self.child(parent, directory) {
                Some(node) if self.filetype(node) == Filetype::Directory => node,
                Some(_) => return Err(FileError::Exists { path: path.into() }),
                None => self.insert(parent, directory, Kind::Directory(Directory::new(parent)), false),
            };
        }
        if self.child(parent, name).is_some() {
            return Err(FileError::Exists { path: path.into() });
        }
        self.insert(parent, name, Kind::File(Content::Given(content)), false);
        Ok(())
    }

    /// Lists every directory by name.
    pub fn sort(&mut self) {
        for node in &mut self.nodes {
            if let Kind::Directory(directory) = &mut node.kind {
                directory.entries.sort();
            }
        }
    }

    pub fn filetype(&self, node: NodeId) -> Filetype {
        match self.node(node).kind {
            Kind::Directory(_) => Filetype::Directory,
            Kind::File(_) => Filetype::RegularFile,
            Kind::Link(_) => Filetype::SymbolicLink,
        }
    }

    /// The bytes of a file, or of the path in a symbolic link; none for a directory.
    pub fn content(&self, node: NodeId) -> &[u8] {
        match &self.node(node).kind {
            Kind::Directory(_) => &[],
            Kind::File(content) => content.bytes(),
            Kind::Link(target) => target.as_bytes(),
        }
    }

    /// What a symbolic link stands for; `None` for anything else.
    pub fn link_target(&self, node: NodeId) -> Option<&str> {
        match &self.node(node).kind {
            Kind::Link(target) => Some(target),
            _ => None,
        }
    }

    pub fn inode(&self, node: NodeId) -> u64 {
        self.node(node).inode
    }

    /// Names that lead to `node`: none if it was removed.
    pub fn links(&self, node: NodeId) -> u64 {
        self.node(node).links
    }

    pub fn times(&self, node: NodeId) -> Times {
        self.node(node).times
    }

    /// Whether `node` is `/tmp` or below it: on a file system that can be changed.
    pub fn is_scratch(&self, node: NodeId) -> bool {
        self.node(node).scratch
    }

    /// The directory above a directory; above a file, the root.
    pub fn parent(&self, node: NodeId) -> NodeId {
        match &self.node(node).kind {
            Kind::Directory(directory) => directory.parent,
            _ => NodeId::ROOT,
        }
    }

    /// What `directory` holds under `name`, if it is a directory and holds it.
    pub fn child(&self, directory: NodeId, name: &str) -> Option<NodeId> {
        self.entries(directory)?.get(name)
    }

    /// The entries of a directory, `.` and `..` not among them; `None` for anything else.
    pub fn entries(&self, directory: NodeId) -> Option<&Entries> {
        match &self.node(directory).kind {
            Kind::Directory(directory) => Some(&directory.entries),
            _ => None,
        }
    }

    /// Keeps `node` while a descriptor is open on it.
    pub fn opened(&mut self, node: NodeId) {
        self.node_mut(node).opens += 1;
    }

    /// Takes back one [`Tree::opened`].
    pub fn closed(&mut self, node: NodeId) {
        let opens = &mut self.node_mut(node).opens;
        *opens = opens.saturating_sub(1);
        self.drop_if_unused(node);
    }

    pub(super) fn node(&self, node: NodeId) -> &Node<'a> {
        &self.nodes[node.0]
    }

    pub(super) fn node_mut(&mut self, node: NodeId) -> &mut Node<'a> {
        &mut self.nodes[node.0]
    }

    /// Has the next [`Tree::add`] take no memory.
    pub(super) fn make_room_for_a_node(&mut self) -> Result<(), Errno> {
        if self.free.is_empty() { self.quota.reserve(&mut self.nodes, 1) } else { Ok(()) }
    }

    /// A node that no name leads to yet.
    pub(super) fn add(&mut self, kind: Kind<'a>, scratch: bool) -> NodeId {
        let node = Node { inode: self.next_inode, links: 0, opens: 0, times: Times::default(), scratch, kind };
        self.next_inode += 1;
        match self.free.pop() {
            Some(id) => {
                self.nodes[id.0] = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId(self.nodes.len() - 1)
            }
        }
    }

    fn insert(&mut self, parent: NodeId, name: &str, kind: Kind<'a>, scratch: bool) -> NodeId {
        let node = self.add(kind, scratch);
        self.node_mut(node).links = 1;
        if let Kind::Directory(directory) = &mut self.node_mut(parent).kind {
            directory.entries.insert(name, node);
        }
        node
    }

    /// Frees a node that neither a name nor a descriptor leads to.
    pub(super) fn drop_if_unused(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if !node.scratch || node.links > 0 || node.opens > 0 {
            return;
        }
        match &node.kind {
            Kind::File(content) => self.quota.give_back(content.len()),
            Kind::Link(target) => self.quota.give_back(target.len() as u64),
            Kind::Directory(_) => {}
        }
        node.kind = Kind::File(Content::Scratch(Vec::new()));
        self.free.push(id);
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
    /// The path is that of the directory in which the program makes files.
    InScratch { path: String },
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
            Self::InScratch { path } => write!(
                f,
                "/{path} would be in /{SCRATCH_NAME}, which belongs to the program; give the file another name"
            ),
        }
    }
}

impl core::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn tree(paths: &[&str]) -> Result<Tree<'static>, FileError> {
        let mut tree = Tree::new(Quota::new(0));
        paths.iter().try_for_each(|path| tree.add_file(path, Cow::Borrowed(b"x")))?;
        tree.sort();
        Ok(tree)
    }

    #[test]
    fn makes_the_directories_on_the_way_to_a_file() {
        let tree = tree(&["data/a", "/data/b", "c"]).unwrap();
        let names: Vec<_> = tree.entries(NodeId::ROOT).unwrap().after(0).map(|(_, name, _)| name).collect();
        assert_eq!(names, ["c", "data", "tmp"]);
        let data = tree.child(NodeId::ROOT, "data").unwrap();
        assert_eq!(tree.filetype(data), Filetype::Directory);
        assert_eq!(tree.entries(data).unwrap().after(0).count(), 2);
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

    #[test]
    fn refuses_files_where_the_program_makes_its_own() {
        for path in ["tmp", "/tmp/a"] {
            assert!(matches!(tree(&[path]), Err(FileError::InScratch { .. })), "{path:?}");
        }
        assert!(tree(&["tmpfile"]).is_ok());
    }
}
