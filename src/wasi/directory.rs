//! Listing directories: `fd_readdir`.
//!
//! A cookie is the place of an entry in its directory, which it keeps: 1 is `.`, 2 is `..`, and the others are those of
//! [`Entries`](super::entries::Entries). A listing goes on after the place it is given.

use super::abi::{DIRENT_BYTES, Errno, Record, Rights};
use super::memory::{GuestMemory, Span};
use super::tree::{NodeId, Tree};
use super::{Outcome, Wasi};

impl Wasi<'_> {
    /// Fills the buffer with the entries after `cookie`. The last one is cut where the buffer ends; a buffer that is not
    /// full means that the directory has no more.
    pub(super) fn fd_readdir(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        buffer: Span,
        cookie: u64,
        used: u32,
    ) -> Outcome {
        let directory = self.descriptors.directory(fd, Rights::FD_READDIR)?;
        memory.check(used, 4)?;
        if self.tree.links(directory) == 0 {
            return Err(Errno::Noent.into());
        }
        let mut rest = memory.slice_mut(buffer)?;
        let after = u32::try_from(cookie).unwrap_or(u32::MAX);
        for (place, name, node) in listing(&self.tree, directory, after) {
            let entry = dirent(&self.tree, place, name, node);
            rest = put(put(rest, entry.bytes()), name.as_bytes());
            if rest.is_empty() {
                break;
            }
        }
        let free = rest.len() as u32;
        Ok(memory.write_u32(used, buffer.len - free)?)
    }
}

fn listing<'t>(tree: &'t Tree<'_>, directory: NodeId, after: u32) -> impl Iterator<Item = (u32, &'t str, NodeId)> {
    let dots = [(1, ".", directory), (2, "..", tree.parent(directory))];
    let others = tree.entries(directory).into_iter().flat_map(move |entries| entries.after(after));
    dots.into_iter().filter(move |(place, ..)| *place > after).chain(others)
}

fn dirent(tree: &Tree<'_>, place: u32, name: &str, node: NodeId) -> Record<DIRENT_BYTES> {
    Record::new()
        .u64(0, place.into())
        .u64(8, tree.inode(node))
        .u32(16, name.len() as u32)
        .u8(20, tree.filetype(node) as u8)
}

/// Copies what fits of `bytes` to the front of `buffer`; returns the rest of the buffer.
fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> &'b mut [u8] {
    let len = bytes.len().min(buffer.len());
    let (front, rest) = buffer.split_at_mut(len);
    front.copy_from_slice(&bytes[..len]);
    rest
}
