//! Listing directories: `fd_readdir`.
//!
//! A cookie is the number of entries before it: `.` is 0, `..` is 1, the others follow by name.

use super::abi::{DIRENT_BYTES, Filetype, Record, Rights};
use super::memory::{GuestMemory, Span};
use super::tree::{NodeId, Tree};
use super::{Outcome, Wasi};

impl Wasi<'_> {
    /// Fills the buffer with entries from `cookie` on. The last one is cut where the buffer ends; a buffer that is not
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
        let mut rest = memory.slice_mut(buffer)?;
        let first = usize::try_from(cookie).unwrap_or(usize::MAX);
        for (index, (name, node)) in listing(&self.tree, directory).enumerate().skip(first) {
            let entry = dirent(index, name, node, self.tree.filetype(node));
            rest = put(put(rest, entry.bytes()), name.as_bytes());
            if rest.is_empty() {
                break;
            }
        }
        let free = rest.len() as u32;
        Ok(memory.write_u32(used, buffer.len - free)?)
    }
}

fn listing<'t>(tree: &'t Tree<'_>, directory: NodeId) -> impl Iterator<Item = (&'t str, NodeId)> {
    [(".", directory), ("..", tree.parent(directory))].into_iter().chain(tree.entries(directory))
}

fn dirent(index: usize, name: &str, node: NodeId, filetype: Filetype) -> Record<DIRENT_BYTES> {
    Record::new().u64(0, index as u64 + 1).u64(8, node.inode()).u32(16, name.len() as u32).u8(20, filetype as u8)
}

/// Copies what fits of `bytes` to the front of `buffer`; returns the rest of the buffer.
fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> &'b mut [u8] {
    let len = bytes.len().min(buffer.len());
    let (front, rest) = buffer.split_at_mut(len);
    front.copy_from_slice(&bytes[..len]);
    rest
}
