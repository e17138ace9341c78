//! What a program is started with.

use super::Wasi;
use super::content::Quota;
use super::fds::Descriptors;
use super::input::Lookahead;
use super::seams::{Clock, Console, Entropy};
use super::tree::{FileError, NodeId, Tree};
use alloc::borrow::Cow;
use alloc::boxed::Box;
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
}

impl<'a> WasiBuilder<'a> {
    pub(super) fn new() -> Self {
        Self { args: Vec::new(), environ: Vec::new(), tree: Tree::new(Quota::new(SCRATCH_BYTES)) }
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

    pub fn build(mut self, console: impl Console + 'a, clock: impl Clock + 'a, entropy: impl Entropy + 'a) -> Wasi<'a> {
        self.tree.sort();
        self.tree.opened(NodeId::ROOT);
        Wasi {
            args: self.args,
            environ: self.environ,
            tree: self.tree,
            descriptors: Descriptors::new(),
            console: Box::new(console),
            lookahead: Lookahead::default(),
            clock: Box::new(clock),
            entropy: Box::new(entropy),
        }
    }
}
