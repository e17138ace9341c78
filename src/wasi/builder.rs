//! What a program is started with.

use super::Wasi;
use super::abi::Filetype;
use super::archive::ArchiveError;
use super::content::Quota;
use super::fds::{Descriptors, Handle, Volume};
use super::files::{FileSystem, NodeId};
use super::input::Lookahead;
use super::path::names;
use super::seams::{Clock, Console, Entropy};
use super::tree::{FileError, SCRATCH_NAME, Tree};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a program may keep below `/tmp` unless told otherwise.
const SCRATCH_BYTES: u64 = 64 << 20;

/// Collects arguments, environment and files; [`WasiBuilder::build`] adds the seams.
///
/// Strings end at their first NUL as far as a C program can see.
pub struct WasiBuilder<'a> {
    args: Vec<Vec<u8>>,
    environ: Vec<Vec<u8>>,
    tree: Tree<'a>,
    outside: Option<Box<dyn FileSystem + 'a>>,
    /// Directories that are open from the start, and their names.
    preopened: Vec<(String, Handle)>,
}

impl<'a> WasiBuilder<'a> {
    pub(super) fn new() -> Self {
        let tree = Tree::new(Quota::new(SCRATCH_BYTES));
        Self { args: Vec::new(), environ: Vec::new(), tree, outside: None, preopened: Vec::new() }
    }

    /// Adds an argument. The first is the program's name.
    pub fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds an environment variable, in place of one that has this name.
    pub fn env(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let begins = [name.as_ref(), b"="].concat();
        self.environ.retain(|known| !known.starts_with(&begins));
        self.environ.push([&begins, value.as_ref()].concat());
        self
    }

    /// Limits what the program may keep below `/tmp`; each file and directory counts for 1 KiB more than its bytes.
    /// 64 MiB if it is not called.
    pub fn scratch_bytes(mut self, limit: u64) -> Self {
        self.tree.quota.limit_to(limit);
        self
    }

    /// Has `free` say how much memory the files below `/tmp` may take at any time, whatever their limit is.
    pub fn free_memory(mut self, free: fn() -> u64) -> Self {
        self.tree.quota.watch(free);
        self
    }

    /// Adds a file that the program can read at `/path`; the directories on the way are made.
    pub fn file(mut self, path: &str, content: impl Into<Cow<'a, [u8]>>) -> Result<Self, FileError> {
        self.tree.add_file(path, content.into())?;
        Ok(self)
    }

    /// Adds what the tar archive `bytes` holds below the directory `at`, which is made; `/` is in place of the root
    /// directory. The program can change it all: what it changes is copied, and counts as if it were below `/tmp`.
    pub fn archive(mut self, at: &str, bytes: &'a [u8]) -> Result<Self, ArchiveError> {
        self.tree.add_archive(at, bytes)?;
        Ok(self)
    }

    /// Makes the directory `path`, in which the program can make files, unless it is in an archive that was added before.
    pub fn directory(mut self, path: &str) -> Result<Self, ArchiveError> {
        self.tree.add_directory(path)?;
        Ok(self)
    }

    /// Opens the directory `path` for the program, under just this name.
    pub fn preopen(mut self, path: &str) -> Result<Self, FileError> {
        let missing = || FileError::NoDirectory { path: path.into() };
        let node = self.tree.find(NodeId::ROOT, path).filter(|&node| self.tree.filetype(node) == Filetype::Directory);
        let handle = Handle { volume: Volume::Memory, node: node.ok_or_else(missing)? };
        self.preopened.push((path.into(), handle));
        Ok(self)
    }

    /// Opens directories of another file system for the program, each under the name beside it.
    pub fn outside(
        mut self,
        files: impl FileSystem + 'a,
        directories: impl IntoIterator<Item = (String, NodeId)>,
    ) -> Self {
        self.outside = Some(Box::new(files));
        let directories = directories.into_iter();
        self.preopened.extend(directories.map(|(name, node)| (name, Handle { volume: Volume::Outside, node })));
        self
    }

    /// The directories that were asked for come first, then `/`. If one of them is called so, or `.`, which C libraries
    /// take for the same, it is in place of `/`. `/tmp` is opened by itself where it is not below that.
    fn preopen_the_rest(&mut self) {
        let memory = |node| Handle { volume: Volume::Memory, node };
        let mut root = self.preopened.iter().find(|(name, _)| names(name).next().is_none()).map(|(_, handle)| *handle);
        if root.is_none() {
            root = Some(memory(NodeId::ROOT));
            self.preopened.push(("/".to_string(), memory(NodeId::ROOT)));
        }
        let scratch = self.tree.scratch();
        let is_below_root =
            root == Some(memory(NodeId::ROOT)) && self.tree.child(NodeId::ROOT, SCRATCH_NAME) == Some(scratch);
        if !is_below_root && !self.preopened.iter().any(|(name, _)| names(name).eq([SCRATCH_NAME])) {
            self.preopened.push((["/", SCRATCH_NAME].concat(), memory(scratch)));
        }
    }

    pub fn build(mut self, console: impl Console + 'a, clock: impl Clock + 'a, entropy: impl Entropy + 'a) -> Wasi<'a> {
        self.tree.sort();
        self.preopen_the_rest();
        for (_, Handle { volume, node }) in &self.preopened {
            match (volume, &mut self.outside) {
                (Volume::Outside, Some(outside)) => outside.opened(*node),
                _ => self.tree.opened(*node),
            }
        }
        let (preopened, handles): (Vec<_>, Vec<_>) = self.preopened.into_iter().unzip();
        Wasi {
            args: self.args,
            environ: self.environ,
            tree: self.tree,
            outside: self.outside,
            preopened,
            descriptors: Descriptors::new(handles),
            console: Box::new(console),
            lookahead: Lookahead::default(),
            clock: Box::new(clock),
            entropy: Box::new(entropy),
        }
    }
}
