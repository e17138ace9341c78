//! What WASI needs from whatever holds files: the seam between paths and descriptors above, and what keeps the bytes.
//!
//! [`FileSystem`] names files by [`NodeId`]s, directories' entries by [`Entry`]s: one name each, never a path, so that
//! `path` alone decides where a path leads, on every file system in the same way. [`Tree`](super::tree::Tree) is one, in
//! memory; a face may bring another, which `WasiBuilder::outside` takes.

use super::abi::{Errno, FdFlags, Filetype};
use alloc::vec::Vec;

/// A file, directory or link of one file system. Valid while it is [open](FileSystem::opened), and otherwise until
/// [`FileSystem::forget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub usize);

/// A name in a directory, whether or not anything has it; no path, and neither `.` nor `..`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'n> {
    pub directory: NodeId,
    pub name: &'n str,
}

/// When a file was last used, in nanoseconds since 1970.
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

/// What there is to know of a node besides its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub filetype: Filetype,
    /// Names that lead to it.
    pub links: u64,
    /// Of the contents, or of the path in a symbolic link.
    pub bytes: u64,
    pub times: Times,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub read: bool,
    pub write: bool,
    /// It is cut to nothing.
    pub truncate: bool,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub bytes: usize,
    /// Where the next one would go on.
    pub end: u64,
}

/// What a listing shows of a name.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'n> {
    /// A listing after this one goes on behind the name, whatever has come and gone since.
    pub cookie: u64,
    pub inode: u64,
    pub filetype: Filetype,
    pub name: &'n [u8],
}

/// Files by number. `now_ns` is the time for what the call changes, for who keeps times himself.
///
/// Errors are those that POSIX has for the call of the same name; [`Errno::Rofs`] comes after those that have to do with
/// what is there.
pub trait FileSystem {
    fn filetype(&self, node: NodeId) -> Filetype;

    fn stat(&self, node: NodeId) -> Result<Stat, Errno>;

    /// What a directory holds under `name`. A symbolic link is not followed.
    fn child(&mut self, directory: NodeId, name: &str) -> Result<Option<NodeId>, Errno>;

    /// The path in a symbolic link.
    fn link_target(&self, link: NodeId) -> Result<Vec<u8>, Errno>;

    /// Makes a file or directory ready for `access`; returns the node to use for it.
    fn open(&mut self, node: NodeId, access: Access, now_ns: u64) -> Result<NodeId, Errno>;

    /// The same for a file that is not there yet.
    fn create_file(&mut self, entry: Entry<'_>, access: Access, now_ns: u64) -> Result<NodeId, Errno>;

    fn create_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno>;

    /// Makes a symbolic link to `target`, which need not lead anywhere.
    fn create_link(&mut self, entry: Entry<'_>, target: &str, now_ns: u64) -> Result<(), Errno>;

    /// Gives a file, or a symbolic link itself, another name.
    fn link(&mut self, from: Entry<'_>, to: Entry<'_>, now_ns: u64) -> Result<(), Errno>;

    /// Removes a name of anything but a directory. What it leads to stays as long as it has another or is open.
    fn unlink(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno>;

    fn remove_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno>;

    /// Moves what `from` names to `to`, in place of what is there.
    fn rename(&mut self, from: Entry<'_>, to: Entry<'_>, now_ns: u64) -> Result<(), Errno>;

    /// Sets the times that are given.
    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Errno>;

    /// Copies what there is from `offset` on; less than `buffer` holds only at the end.
    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8], now_ns: u64) -> Result<usize, Errno>;

    /// Writes at `offset`, or at the end if there is none, as much of `bytes` as there is room for. Of `flags`, those matter
    /// that say what has arrived when this returns.
    fn write(
        &mut self,
        node: NodeId,
        offset: Option<u64>,
        bytes: &[u8],
        flags: FdFlags,
        now_ns: u64,
    ) -> Result<Written, Errno>;

    /// Cuts the file, or adds zeros to it.
    fn set_len(&mut self, node: NodeId, len: u64, now_ns: u64) -> Result<(), Errno>;

    /// Has room for the `len` bytes from `offset` on; a shorter file grows.
    fn allocate(&mut self, node: NodeId, offset: u64, len: u64, now_ns: u64) -> Result<(), Errno>;

    /// Has what was written reach its medium, with the times of the file unless `data_only`.
    fn sync(&mut self, _node: NodeId, _data_only: bool) -> Result<(), Errno> {
        Ok(())
    }

    /// Shows what a directory holds behind the place of the cookie `after`, 0 for all, `.` and `..` with the rest, until
    /// `show` has enough.
    fn list(&mut self, directory: NodeId, after: u64, show: &mut dyn FnMut(Listed<'_>) -> bool) -> Result<(), Errno>;

    /// Keeps `node` while a descriptor is open on it.
    fn opened(&mut self, node: NodeId);

    /// Takes back one [`opened`](Self::opened).
    fn closed(&mut self, node: NodeId);

    /// The nodes that are not open are not used any more.
    fn forget(&mut self) {}
}
