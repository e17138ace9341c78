//! Functions on paths. What would change the given files fails as POSIX orders the errors: a path that does not lead
//! anywhere first, [`Errno::Rofs`] last.

use super::abi::{Errno, Filetype, LookupFlags, Rights};
use super::arguments::TimesRequest;
use super::fd_state::filestat;
use super::fds::{Handle, Volume};
use super::files::FileSystem;
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
        stat_address: u32,
    ) -> Outcome {
        let last = last_link(lookup_flags)?;
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_FILESTAT_GET, path, last)?;
        let files = self.files(volume)?;
        let stat = files.stat(place.found(files)?)?;
        Ok(memory.write(stat_address, filestat(&stat).bytes())?)
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
        let times = self.times_to_set(times)?;
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_FILESTAT_SET_TIMES, path, last)?;
        let node = place.found(self.files(volume)?)?;
        Ok(self.set_times(Handle { volume, node }, times)?)
    }

    pub(super) fn path_create_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_CREATE_DIRECTORY, path, LastLink::Name)?;
        let (files, now_ns) = self.files_now(volume)?;
        Ok(files.create_directory(place.entry(Errno::Exist)?, now_ns)?)
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
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_SYMLINK, new_path, LastLink::Name)?;
        let entry = place.entry(Errno::Exist)?;
        if place.node().is_none() && place.names_directory {
            return Err(Errno::Noent.into());
        }
        let (files, now_ns) = self.files_now(volume)?;
        Ok(files.create_link(entry, target, now_ns)?)
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
        let (volume, old) = self.lookup(memory, old_fd, Rights::PATH_LINK_SOURCE, old_path, last)?;
        old.found(self.files(volume)?)?;
        let (new_volume, new) = self.lookup(memory, new_fd, Rights::PATH_LINK_TARGET, new_path, LastLink::Name)?;
        let to = new.entry(Errno::Exist)?;
        if new.node().is_some() {
            return Err(Errno::Exist.into());
        }
        if new.names_directory {
            return Err(Errno::Noent.into());
        }
        let (files, now_ns) = self.files_of_both(volume, new_volume)?;
        Ok(files.link(old.entry(Errno::Perm)?, to, now_ns)?)
    }

    pub(super) fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        let (volume, old) = self.lookup(memory, old_fd, Rights::PATH_RENAME_SOURCE, old_path, LastLink::Name)?;
        let (new_volume, new) = self.lookup(memory, new_fd, Rights::PATH_RENAME_TARGET, new_path, LastLink::Name)?;
        let (from, to) = (old.entry(Errno::Busy)?, new.entry(Errno::Busy)?);
        let files = self.files(volume)?;
        let node = old.found(files)?;
        if new.names_directory && files.filetype(node) != Filetype::Directory {
            return Err(Errno::Notdir.into());
        }
        let (files, now_ns) = self.files_of_both(volume, new_volume)?;
        Ok(files.rename(from, to, now_ns)?)
    }

    pub(super) fn path_remove_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_REMOVE_DIRECTORY, path, LastLink::Name)?;
        let entry = place.entry(if place.is_parent { Errno::Notempty } else { Errno::Inval })?;
        let (files, now_ns) = self.files_now(volume)?;
        Ok(files.remove_directory(entry, now_ns)?)
    }

    pub(super) fn path_unlink_file(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_UNLINK_FILE, path, LastLink::Name)?;
        let entry = place.entry(Errno::Isdir)?;
        let (files, now_ns) = self.files_now(volume)?;
        place.found(files)?;
        Ok(files.unlink(entry, now_ns)?)
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
        let (volume, place) = self.lookup(memory, fd, Rights::PATH_READLINK, path, LastLink::Keep)?;
        let files = self.files(volume)?;
        let node = place.found(files)?;
        if files.filetype(node) != Filetype::SymbolicLink {
            return Err(Errno::Inval.into());
        }
        let target = files.link_target(node)?;
        memory.check(used, 4)?;
        let len = target.len().min(buffer.len as usize);
        memory.slice_mut(buffer)?[..len].copy_from_slice(&target[..len]);
        Ok(memory.write_u32(used, len as u32)?)
    }

    /// Where `path` leads from the directory `fd`, if the program may do `rights` there.
    pub(super) fn lookup(
        &mut self,
        memory: &GuestMemory<'_>,
        fd: u32,
        rights: Rights,
        path: Span,
        last: LastLink,
    ) -> Result<(Volume, Place), Errno> {
        let Handle { volume, node } = self.descriptors.directory(fd, rights)?;
        Ok((volume, path::resolve(self.files(volume)?, node, read_path(memory, path)?, last)?))
    }

    /// A file system, and the time for what changes there.
    fn files_now(&mut self, volume: Volume) -> Result<(&mut dyn FileSystem, u64), Errno> {
        let now_ns = self.clock.file_time_ns();
        Ok((self.files(volume)?, now_ns))
    }

    /// The same where two names are to be in one.
    fn files_of_both(&mut self, one: Volume, other: Volume) -> Result<(&mut dyn FileSystem, u64), Errno> {
        if one == other { self.files_now(one) } else { Err(Errno::Xdev) }
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
