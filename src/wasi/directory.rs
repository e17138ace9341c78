//! Listing directories: `fd_readdir`.
//!
//! A cookie is the place of an entry in its directory. A listing goes on after the one it is given.

use super::abi::{DIRENT_BYTES, Record, Rights};
use super::files::Listed;
use super::memory::{GuestMemory, Span};
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
        let mut rest = memory.slice_mut(buffer)?;
        self.files(directory.volume)?.list(directory.node, cookie, &mut |entry| {
            let buffer = core::mem::take(&mut rest);
            rest = put(put(buffer, dirent(&entry).bytes()), entry.name);
            !rest.is_empty()
        })?;
        let free = rest.len() as u32;
        Ok(memory.write_u32(used, buffer.len - free)?)
    }
}

fn dirent(entry: &Listed<'_>) -> Record<DIRENT_BYTES> {
    Record::new().u64(0, entry.cookie).u64(8, entry.inode).u32(16, entry.name.len() as u32).u8(20, entry.filetype as u8)
}

/// Copies what fits of `bytes` to the front of `buffer`; returns the rest of the buffer.
fn put<'b>(buffer: &'b mut [u8], bytes: &[u8]) -> &'b mut [u8] {
    let len = bytes.len().min(buffer.len());
    let (front, rest) = buffer.split_at_mut(len);
    front.copy_from_slice(&bytes[..len]);
    rest
}
