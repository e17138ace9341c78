//! Functions on paths. What would change the given files fails as POSIX orders the errors: a path that does not lead
//! anywhere first, [`Errno::Rofs`] last.

use super::abi::{Errno, Filetype, LookupFlags, Rights};
use super::arguments::TimesRequest;
use super::fd_state::filestat;
use super::memory::{GuestMemory, Span};
use super::path::{self, LastLink, PATH_BYTES_MAX, Place};
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
        let last = last_link(lookup_flags)?;
        let node = self.lookup(memory, fd, Rights::PATH_FILESTAT_GET, path, last)?.found(&self.tree)?;
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
        let last = last_link(lookup_flags)?;
        let node = self.lookup(memory, fd, Rights::PATH_FILESTAT_SET_TIMES, path, last)?.found(&self.tree)?;
        Ok(self.set_times(node, times)?)
    }

    pub(super) fn path_create_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_CREATE_DIRECTORY, path, LastLink::Name)?;
        let entry = place.entry(Errno::Exist)?;
        self.tree.create_directory(entry, self.clock.file_time_ns())?;
        Ok(())
    }

    /// A link may lead to where nothing is, but not by a path from the root: that is nobody's to give.
    pub(super) fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_path: Span,
        fd: u32,
        new_path: Span,
    ) -> Outcome {
        let target = path::well_formed(read_path(memory, old_path)?)?;
        let place = self.lookup(memory, fd, Rights::PATH_SYMLINK, new_path, LastLink::Name)?;
        let entry = place.entry(Errno::Exist)?;
        if place.node().is_none() && place.names_directory {
            return Err(Errno::Noent.into());
        }
        self.tree.create_link(entry, target, self.clock.file_time_ns())?;
        Ok(())
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
        let last = last_link(old_lookup_flags)?;
        let node = self.lookup(memory, old_fd, Rights::PATH_LINK_SOURCE, old_path, last)?.found(&self.tree)?;
        let place = self.lookup(memory, new_fd, Rights::PATH_LINK_TARGET, new_path, LastLink::Name)?;
        let entry = place.entry(Errno::Exist)?;
        if place.node().is_none() && place.names_directory {
            return Err(Errno::Noent.into());
        }
        Ok(self.tree.link(node, entry, self.clock.file_time_ns())?)
    }

    pub(super) fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        let old = self.lookup(memory, old_fd, Rights::PATH_RENAME_SOURCE, old_path, LastLink::Name)?;
        let new = self.lookup(memory, new_fd, Rights::PATH_RENAME_TARGET, new_path, LastLink::Name)?;
        let (from, to) = (old.entry(Errno::Busy)?, new.entry(Errno::Busy)?);
        let node = old.found(&self.tree)?;
        if new.names_directory && self.tree.filetype(node) != Filetype::Directory {
            return Err(Errno::Notdir.into());
        }
        Ok(self.tree.rename(from, to, self.clock.file_time_ns())?)
    }

    pub(super) fn path_remove_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_REMOVE_DIRECTORY, path, LastLink::Name)?;
        let entry = place.entry(if place.is_parent() { Errno::Notempty } else { Errno::Inval })?;
        Ok(self.tree.remove_directory(entry, self.clock.file_time_ns())?)
    }

    pub(super) fn path_unlink_file(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_UNLINK_FILE, path, LastLink::Name)?;
        let entry = place.entry(Errno::Isdir)?;
        place.found(&self.tree)?;
        Ok(self.tree.unlink(entry, self.clock.file_time_ns())?)
    }

    /// Copies as much of the path in a symbolic link as there is room for.
    pub(super) fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: Span,
        buffer: Span,
        used: u32,
    ) -> Outcome {
        let place = self.lookup(memory, fd, Rights::PATH_READLINK, path, LastLink::Keep)?;
        let target = self.tree.link_target(place.found(&self.tree)?).ok_or(Errno::Inval)?;
        memory.check(used, 4)?;
        let len = target.len().min(buffer.len as usize);
        memory.slice_mut(buffer)?[..len].copy_from_slice(&target.as_bytes()[..len]);
        Ok(memory.write_u32(used, len as u32)?)
    }

    /// Where `path` leads from the directory `fd`, if the program may do `rights` there.
    pub(super) fn lookup(
        &self,
        memory: &GuestMemory<'_>,
        fd: u32,
        rights: Rights,
        path: Span,
        last: LastLink,
    ) -> Result<Place, Errno> {
        let base = self.descriptors.directory(fd, rights)?;
        path::resolve(&self.tree, base, read_path(memory, path)?, last)
    }
}

/// What `flags` say of a symbolic link at the end; fails if one of them is unknown.
pub fn last_link(flags: u32) -> Result<LastLink, Errno> {
    let flags = LookupFlags::from_bits(flags).ok_or(Errno::Inval)?;
    Ok(if flags.contains(LookupFlags::SYMLINK_FOLLOW) { LastLink::Follow } else { LastLink::Keep })
}

fn read_path<'m>(memory: &'m GuestMemory<'_>, path: Span) -> Result<&'m [u8], Errno> {
    let bytes = memory.slice(path)?;
    if path.len > PATH_BYTES_MAX { Err(Errno::Nametoolong) } else { Ok(bytes) }
}
