//! Making, moving and removing files in the tree.
//!
//! Errors are those of POSIX. Whatever is asked of the layer of the given files gives [`Errno::Rofs`], after the
//! errors that have to do with what is there. What a name and a node occupy counts against the program's limit like
//! the bytes of its files.

use super::abi::{Errno, Filetype};
use super::content::Content;
use super::files::{Entry, NodeId, Times};
use super::tree::{Directory, Kind, Layer, Tree};
use alloc::vec::Vec;

/// What an entry counts for: its node, its name twice, and the trees that lead to them.
pub const ENTRY_BYTES: u64 = 1024;

impl Tree<'_> {
    pub fn create_file(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<NodeId, Errno> {
        self.create(entry, Kind::File(Content::Scratch(Vec::new())), now_ns)
    }

    pub fn create_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<NodeId, Errno> {
        self.create(entry, Kind::Directory(Directory::new(entry.directory)), now_ns)
    }

    /// Makes a symbolic link to `target`, which need not lead anywhere.
    pub fn create_link(&mut self, entry: Entry<'_>, target: &str, now_ns: u64) -> Result<NodeId, Errno> {
        let bytes = target.len() as u64;
        self.check_absent(entry)?;
        self.check_writable(entry.directory)?;
        self.quota.take(bytes)?;
        let made = self.create(entry, Kind::Link(target.into()), now_ns);
        if made.is_err() {
            self.quota.give_back(bytes);
        }
        made
    }

    /// Gives the file `node` another name.
    pub fn link(&mut self, node: NodeId, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        self.check_absent(entry)?;
        self.check_writable(entry.directory)?;
        if self.layer(node) != self.layer(entry.directory) {
            return Err(Errno::Xdev);
        }
        if self.filetype(node) == Filetype::Directory {
            return Err(Errno::Perm);
        }
        if self.links(node) == 0 {
            return Err(Errno::Noent);
        }
        self.quota.take(ENTRY_BYTES)?;
        self.insert_entry(entry, node, now_ns);
        Ok(())
    }

    /// Removes a name of a file. The file stays as long as it has another or is open.
    pub fn unlink(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        let node = self.child(entry.directory, entry.name).ok_or(Errno::Noent)?;
        if self.filetype(node) == Filetype::Directory {
            return Err(Errno::Isdir);
        }
        self.check_writable(entry.directory)?;
        self.remove_entry(entry, now_ns);
        Ok(())
    }

    pub fn remove_directory(&mut self, entry: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        let node = self.child(entry.directory, entry.name).ok_or(Errno::Noent)?;
        let entries = self.entries(node).ok_or(Errno::Notdir)?;
        let is_empty = entries.is_empty();
        self.check_writable(entry.directory)?;
        if !is_empty {
            return Err(Errno::Notempty);
        }
        self.remove_entry(entry, now_ns);
        Ok(())
    }

    /// Moves what `from` names to `to`, in place of what is there.
    pub fn rename(&mut self, from: Entry<'_>, to: Entry<'_>, now_ns: u64) -> Result<(), Errno> {
        let node = self.child(from.directory, from.name).ok_or(Errno::Noent)?;
        if self.layer(from.directory) != self.layer(to.directory) {
            return Err(Errno::Xdev);
        }
        self.check_writable(from.directory)?;
        self.check_writable(to.directory)?;
        if self.is_within(to.directory, node) {
            return Err(Errno::Inval);
        }
        match self.child(to.directory, to.name) {
            Some(replaced) if replaced == node => return Ok(()),
            Some(replaced) if self.is_within(from.directory, replaced) => return Err(Errno::Notempty),
            Some(replaced) => {
                self.check_replaceable(node, replaced)?;
                self.remove_entry(to, now_ns);
            }
            None => {}
        }
        self.move_entry(from, to, node, now_ns);
        Ok(())
    }

    /// Writes as much of `bytes` as there is room for; returns how much that was.
    pub fn write(&mut self, node: NodeId, offset: u64, bytes: &[u8], now_ns: u64) -> Result<usize, Errno> {
        self.change(node, now_ns, |content, quota| content.write(offset, bytes, quota))
    }

    pub fn set_len(&mut self, node: NodeId, len: u64, now_ns: u64) -> Result<(), Errno> {
        self.change(node, now_ns, |content, quota| content.set_len(len, quota))
    }

    /// Sets the times that are given.
    pub fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        now_ns: u64,
    ) -> Result<(), Errno> {
        self.check_changeable(node)?;
        let times = &mut self.node_mut(node).times;
        times.accessed_ns = accessed_ns.unwrap_or(times.accessed_ns);
        times.modified_ns = modified_ns.unwrap_or(times.modified_ns);
        times.changed_ns = now_ns;
        Ok(())
    }

    /// Notes that `node` was read. Given files keep their times.
    pub fn accessed(&mut self, node: NodeId, now_ns: u64) {
        if self.layer(node) != Layer::GIVEN {
            self.node_mut(node).times.accessed_ns = now_ns;
        }
    }

    fn create(&mut self, entry: Entry<'_>, kind: Kind<'static>, now_ns: u64) -> Result<NodeId, Errno> {
        self.check_absent(entry)?;
        self.check_writable(entry.directory)?;
        self.make_room_for_a_node()?;
        self.quota.take(ENTRY_BYTES)?;
        let node = self.add(kind, self.layer(entry.directory));
        self.node_mut(node).times = Times::all(now_ns);
        self.insert_entry(entry, node, now_ns);
        Ok(node)
    }

    fn change<T>(
        &mut self,
        node: NodeId,
        now_ns: u64,
        change: impl FnOnce(&mut Content<'_>, &mut super::content::Quota) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.check_changeable(node)?;
        let mut quota = self.quota;
        let changed = match &mut self.node_mut(node).kind {
            Kind::File(content) => change(content, &mut quota),
            Kind::Directory(_) => Err(Errno::Isdir),
            Kind::Link(_) => Err(Errno::Inval),
        };
        self.quota = quota;
        if changed.is_ok() {
            self.modified(node, now_ns);
        }
        changed
    }

    fn modified(&mut self, node: NodeId, now_ns: u64) {
        let times = &mut self.node_mut(node).times;
        times.modified_ns = now_ns;
        times.changed_ns = now_ns;
    }

    fn insert_entry(&mut self, entry: Entry<'_>, node: NodeId, now_ns: u64) {
        self.attach(entry, node);
        self.node_mut(node).times.changed_ns = now_ns;
        self.modified(entry.directory, now_ns);
    }

    pub(super) fn remove_entry(&mut self, entry: Entry<'_>, now_ns: u64) {
        let Kind::Directory(directory) = &mut self.node_mut(entry.directory).kind else { return };
        let Some(node) = directory.entries.remove(entry.name) else { return };
        self.quota.give_back(ENTRY_BYTES);
        self.modified(entry.directory, now_ns);
        let removed = self.node_mut(node);
        removed.links -= 1;
        removed.times.changed_ns = now_ns;
        self.drop_if_unused(node);
    }

    /// Moves an entry to a name that is free.
    fn move_entry(&mut self, from: Entry<'_>, to: Entry<'_>, node: NodeId, now_ns: u64) {
        if let Kind::Directory(source) = &mut self.node_mut(from.directory).kind {
            if from.directory == to.directory {
                source.entries.rename(from.name, to.name);
            } else {
                source.entries.remove(from.name);
            }
        }
        self.modified(from.directory, now_ns);
        if from.directory != to.directory {
            self.node_mut(node).links -= 1;
            self.insert_entry(to, node, now_ns);
        }
        let moved = self.node_mut(node);
        moved.times.changed_ns = now_ns;
        if let Kind::Directory(directory) = &mut moved.kind {
            directory.parent = to.directory;
        }
    }

    fn check_absent(&self, entry: Entry<'_>) -> Result<(), Errno> {
        match self.child(entry.directory, entry.name) {
            Some(_) => Err(Errno::Exist),
            None => Ok(()),
        }
    }

    /// Fails unless names can be added to `directory`: it can be changed, and is still there.
    fn check_writable(&self, directory: NodeId) -> Result<(), Errno> {
        self.check_changeable(directory)?;
        if self.links(directory) == 0 { Err(Errno::Noent) } else { Ok(()) }
    }

    pub fn check_changeable(&self, node: NodeId) -> Result<(), Errno> {
        if self.layer(node) == Layer::GIVEN { Err(Errno::Rofs) } else { Ok(()) }
    }

    /// Fails unless `replaced` is of the same kind as `node` and nothing is lost with it that has a name.
    fn check_replaceable(&self, node: NodeId, replaced: NodeId) -> Result<(), Errno> {
        match (self.entries(node), self.entries(replaced)) {
            (None, Some(_)) => Err(Errno::Isdir),
            (Some(_), None) => Err(Errno::Notdir),
            (Some(_), Some(entries)) if !entries.is_empty() => Err(Errno::Notempty),
            _ => Ok(()),
        }
    }

    /// Whether `directory` is `ancestor` or below it.
    fn is_within(&self, mut directory: NodeId, ancestor: NodeId) -> bool {
        while directory != ancestor {
            if directory == NodeId::ROOT {
                return false;
            }
            directory = self.parent(directory);
        }
        true
    }
}
