//! The [`Tree`] as a [`FileSystem`].

use super::abi::{Errno, FdFlags, Filetype};
use super::files::{Access, Entry, FileSystem, Listed, NodeId, Stat, Written};
use super::tree::Tree;

use alloc::vec::Vec;

/// The cookies of `.` and `..`; the others are the places of [`Entries`](super::entries::Entries).
const DOTS: [(u64, &[u8]); 2] = [(1, b"."), (2, b"..")];

impl FileSystem for Tree<'_> {
    fn filetype(&self, node: NodeId) -> Filetype {
        self.filetype(node)
    }

    fn stat(&self, node: NodeId) -> Result<Stat, Errno> {
        Ok(Stat {
            device: self.layer(node).device(),
            inode: self.inode(node),
            filetype: self.filetype(node),
            links: self.links(node),
            bytes: self.content(node).len() as u64,
            times: self.times(node),
        })
    }

    fn child(&mut self, directory: NodeId, name: &str) -> Result<Option<NodeId>, Errno> {
        Ok((*self).child(directory, name))
    }

    fn link_target(&self, link: NodeId) -> Result<Vec<u8>, Errno> {
        self.link_target(link).map(Vec::from).ok_or(Errno::Inval)
    }

    fn open(&mut self, node: NodeId, access: Access, now_ns: u64) -> Result<NodeId, Errno> {
        if access.write || access.truncate {
            self.check_changeable(node)?;
        }
        if access.truncate {
            self.set_len(node, 0, now_ns)?;
        }
        Ok(node)
    }

    fn create_file(&mut self, entry: Entry<'_>, _: Access, now_ns: u64) -> Result<NodeId, Errno> {
        self.create_file(entry, now_ns)
    }

    fn create_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        self.create_directory(entry, now_ns).map(|_| ())
    }

    fn create_link(&mut self, entry: Entry<'_>, target: &str, now_ns: u64) -> Result<(), Errno> {
        self.create_link(entry, target, now_ns).map(|_| ())
    }

    fn link(&mut self, from: Entry<'_>, to: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        let node = (*self).child(from.directory, from.name).ok_or(Errno::Noent)?;
        self.link(node, to, now_ns)
    }

    fn unlink(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        self.unlink(entry, now_ns)
    }

    fn remove_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        self.remove_directory(entry, now_ns)
    }

    fn rename(&mut self, from: Entry<'_>, to: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        self.rename(from, to, now_ns)
    }

    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Errno> {
        self.set_times(node, accessed_ns, modified_ns, now_ns)
    }

    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8], now_ns: u64) -> Result<usize, Errno> {
        let content = self.content(node);
        let rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.accessed(node, now_ns);
        Ok(count)
    }

    fn write(
        &mut self,
        node: NodeId,
        offset: Option<u64>,
        bytes: &[u8],
        _: FdFlags,
        now_ns: u64,
    ) -> Result<Written, Errno> {
        let start = offset.unwrap_or(self.content(node).len() as u64);
        let bytes = self.write(node, start, bytes, now_ns)?;
        Ok(Written { bytes, end: start + bytes as u64 })
    }

    fn set_len(&mut self, node: NodeId, len: u64, now_ns: u64) -> Result<(), Errno> {
        self.set_len(node, len, now_ns)
    }

    fn allocate(&mut self, node: NodeId, offset: u64, len: u64, now_ns: u64) -> Result<(), Errno> {
        self.check_changeable(node)?;
        let end = offset.checked_add(len).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::Fbig)?;
        if end > self.content(node).len() as u64 {
            self.set_len(node, end, now_ns)?;
        }
        Ok(())
    }

    fn list(&mut self, directory: NodeId, after: u64, show: &mut dyn FnMut(Listed<'_>) -> bool) -> Result<(), Errno> {
        if self.links(directory) == 0 {
            return Err(Errno::Noent);
        }
        for ((cookie, name), node) in DOTS.into_iter().zip([directory, self.parent(directory)]) {
            if cookie > after && !show(Listed { cookie, inode: self.inode(node), filetype: Filetype::Directory, name })
            {
                return Ok(());
            }
        }
        let after = u32::try_from(after).unwrap_or(u32::MAX);
        for (place, name, node) in self.entries(directory).into_iter().flat_map(|entries| entries.after(after)) {
            let (inode, filetype) = (self.inode(node), self.filetype(node));
            if !show(Listed { cookie: place.into(), inode, filetype, name: name.as_bytes() }) {
                break;
            }
        }
        Ok(())
    }

    fn opened(&mut self, node: NodeId) {
        self.opened(node);
    }

    fn closed(&mut self, node: NodeId) {
        self.closed(node);
    }
}
