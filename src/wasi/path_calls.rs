//! Functions on paths. What would change the given files fails as POSIX orders the errors: a path that does not lead
//! anywhere first, [`Errno::Rofs`] last. There are no symbolic links, and none can be made.

use super::abi::{Errno, Filetype, LookupFlags, Rights};
use super::arguments::TimesRequest;
use super::fd_state::filestat;
use super::memory::{GuestMemory, Span};
use super::path::{self, PATH_BYTES_MAX, Place};
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup_flags: u32,
        path: Span,
        stat: u32,
    ) -> Outcome {
        check_lookup(lookup_flags)?;
        let node = self.lookup(memory, fd, Rights::PATH_FILESTAT_GET, path)?.found(&self.tree)?;
        Ok(memory.write(stat, filestat(&self.tree, node).bytes())?)
    }

    pub(super) fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup_flags: u32,
        path: Span,
        times: TimesRequest,
    ) -> Outcome {
        check_lookup(lookup_flags)?;
        let node = self.lookup(memory, fd, Rights::PATH_FILESTAT_SET_TIMES, path)?.found(&self.tree)?;
        Ok(self.set_times(node, times)?)
    }

    pub(super) fn path_create_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let entry = self.lookup(memory, fd, Rights::PATH_CREATE_DIRECTORY, path)?.entry(Errno::Exist)?;
        self.tree.create_directory(entry, self.clock.realtime_ns())?;
        Ok(())
    }

    pub(super) fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_path: Span,
        fd: u32,
        new_path: Span,
    ) -> Outcome {
        read_path(memory, old_path)?;
        let place = self.lookup(memory, fd, Rights::PATH_SYMLINK, new_path)?;
        let entry = place.entry(Errno::Exist)?;
        match place.node() {
            Some(_) => Err(Errno::Exist.into()),
            None if place.names_directory => Err(Errno::Noent.into()),
            None if self.tree.is_scratch(entry.directory) => Err(Errno::Notsup.into()),
            None => Err(Errno::Rofs.into()),
        }
    }

    pub(super) fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_lookup_flags: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        check_lookup(old_lookup_flags)?;
        let node = self.lookup(memory, old_fd, Rights::PATH_LINK_SOURCE, old_path)?.found(&self.tree)?;
        let place = self.lookup(memory, new_fd, Rights::PATH_LINK_TARGET, new_path)?;
        let entry = place.entry(Errno::Exist)?;
        if place.node().is_none() && place.names_directory {
            return Err(Errno::Noent.into());
        }
        Ok(self.tree.link(node, entry, self.clock.realtime_ns())?)
    }

    pub(super) fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        let old = self.lookup(memory, old_fd, Rights::PATH_RENAME_SOURCE, old_path)?;
        let new = self.lookup(memory, new_fd, Rights::PATH_RENAME_TARGET, new_path)?;
        let (from, to) = (old.entry(Errno::Busy)?, new.entry(Errno::Busy)?);
        let node = old.found(&self.tree)?;
        if new.names_directory && self.tree.filetype(node) != Filetype::Directory {
            return Err(Errno::Notdir.into());
        }
        Ok(self.tree.rename(from, to, self.clock.realtime_ns())?)
    }

    pub(super) fn path_remove_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_REMOVE_DIRECTORY, path)?;
        let entry = place.entry(if place.is_parent() { Errno::Notempty } else { Errno::Inval })?;
        Ok(self.tree.remove_directory(entry, self.clock.realtime_ns())?)
    }

    pub(super) fn path_unlink_file(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_UNLINK_FILE, path)?;
        let entry = place.entry(Errno::Isdir)?;
        place.found(&self.tree)?;
        Ok(self.tree.unlink(entry, self.clock.realtime_ns())?)
    }

    /// Nothing is a symbolic link.
    pub(super) fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: Span,
        _buffer: Span,
        _used: u32,
    ) -> Outcome {
        self.lookup(memory, fd, Rights::PATH_READLINK, path)?.found(&self.tree)?;
        Err(Errno::Inval.into())
    }

    /// Where `path` leads from the directory `fd`, if the program may do `rights` there.
    pub(super) fn lookup<'m>(
        &self,
        memory: &'m GuestMemory<'_>,
        fd: u32,
        rights: Rights,
        path: Span,
    ) -> Result<Place<'m>, Errno> {
        let base = self.descriptors.directory(fd, rights)?;
        path::resolve(&self.tree, base, read_path(memory, path)?)
    }
}

/// Fails if a flag is unknown. Whether to follow symbolic links makes no difference: there are none.
pub fn check_lookup(flags: u32) -> Result<(), Errno> {
    LookupFlags::from_bits(flags).map(|_| ()).ok_or(Errno::Inval)
}

fn read_path<'m>(memory: &'m GuestMemory<'_>, path: Span) -> Result<&'m [u8], Errno> {
    let bytes = memory.slice(path)?;
    if path.len > PATH_BYTES_MAX { Err(Errno::Nametoolong) } else { Ok(bytes) }
}
