//! The files in memory: those that the program was given, read-only and fixed, below `/tmp` those it makes, and archives.
//!
//! [`Tree`] knows names, contents and times; it is a [`FileSystem`](super::files::FileSystem) by `volume`. What changes it is
//! in `scratch`, the bytes of files in `content`, the order of listings in `entries`.
//!
//! Each [`Layer`] is a file system of its own: nothing is moved or linked between one and another.

use super::abi::{Errno, Filetype};
use super::content::{Content, Quota};
use super::entries::Entries;
use super::files::{Entry, NodeId, Times};
use super::path::names;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Most bytes in one name (NAME_MAX on Linux).
pub const NAME_BYTES_MAX: usize = 255;

/// The directory in which the program makes files, in the root directory.
pub const SCRATCH_NAME: &str = "tmp";

impl NodeId {
    /// The root directory of a [`Tree`].
    pub const ROOT: Self = Self(0);
}

/// A part of the tree that was given or is made as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer(u32);

impl Layer {
    /// The files given one by one, which never change.
    pub const GIVEN: Self = Self(1);
    /// `/tmp` and what is below it.
    pub const SCRATCH: Self = Self(2);

    /// What the program sees as the device.
    pub fn device(self) -> u64 {
        self.0.into()
    }
}

/// Directories and files by name. Contents may be borrowed for `'a`: nothing is copied.
#[derive(Debug)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// Nodes that nothing leads to any more, for the next files.
    free: Vec<NodeId>,
    next_inode: u64,
    pub(super) quota: Quota,
    /// The directory in which the program makes files.
    scratch: NodeId,
    layers: u32,
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
    pub(super) layer: Layer,
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

impl<'a> Tree<'a> {
    /// A tree of the root directory and an empty `/tmp`.
    pub fn new(quota: Quota) -> Self {
        let mut tree =
            Self { nodes: Vec::new(), free: Vec::new(), next_inode: 1, quota, scratch: NodeId::ROOT, layers: 2 };
        let root = tree.add(Kind::Directory(Directory::new(NodeId::ROOT)), Layer::GIVEN);
        tree.node_mut(root).links = 1;
        let scratch = Kind::Directory(Directory::new(NodeId::ROOT));
        tree.scratch = tree.insert(NodeId::ROOT, SCRATCH_NAME, scratch, Layer::SCRATCH);
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
                None => self.insert(parent, directory, Kind::Directory(Directory::new(parent)), Layer::GIVEN),
            };
        }
        if self.child(parent, name).is_some() {
            return Err(FileError::Exists { path: path.into() });
        }
        self.insert(parent, name, Kind::File(Content::Given(content)), Layer::GIVEN);
        Ok(())
    }

    /// What is at `path` below `directory`, links not followed.
    pub fn find(&self, directory: NodeId, path: &str) -> Option<NodeId> {
        names(path).try_fold(directory, |directory, name| self.child(directory, name))
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

    pub fn layer(&self, node: NodeId) -> Layer {
        self.node(node).layer
    }

    /// The directory in which the program makes files.
    pub fn scratch(&self) -> NodeId {
        self.scratch
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
    pub(super) fn add(&mut self, kind: Kind<'a>, layer: Layer) -> NodeId {
        let node = Node { inode: self.next_inode, links: 0, opens: 0, times: Times::default(), layer, kind };
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

    pub(super) fn insert(&mut self, parent: NodeId, name: &str, kind: Kind<'a>, layer: Layer) -> NodeId {
        let node = self.add(kind, layer);
        self.attach(Entry { directory: parent, name }, node);
        node
    }

    /// Has a name that is free lead to `node`.
    pub(super) fn attach(&mut self, entry: Entry<'_>, node: NodeId) {
        if let Kind::Directory(directory) = &mut self.node_mut(entry.directory).kind {
            directory.entries.insert(entry.name, node);
        }
        self.node_mut(node).links += 1;
    }

    /// A layer that nothing is in yet.
    pub(super) fn new_layer(&mut self) -> Layer {
        self.layers += 1;
        Layer(self.layers)
    }

    /// Takes `/tmp` out of the root directory. It stays what it is.
    pub(super) fn detach_scratch(&mut self) {
        if let Kind::Directory(directory) = &mut self.node_mut(NodeId::ROOT).kind {
            directory.entries.remove(SCRATCH_NAME);
        }
    }

    /// Frees a node that neither a name nor a descriptor leads to.
    pub(super) fn drop_if_unused(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if node.links > 0 || node.opens > 0 {
            return;
        }
        match &node.kind {
            Kind::File(Content::Scratch(bytes)) => self.quota.give_back(bytes.len() as u64),
            Kind::File(Content::Given(_)) => {}
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
    /// There is no directory to open for the program.
    NoDirectory { path: String },
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
            Self::NoDirectory { path } => write!(
                f,
                "{path:?} is no directory of the program: name one that is `/`, `/{SCRATCH_NAME}` or in an archive"
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
