//! Functions on paths. The file system is read-only: what would change it fails as POSIX orders the errors, a path that
//! does not lead anywhere first, [`Errno::Rofs`] last. Lookup flags ask whether to follow symbolic links; there are none.

use super::abi::{Errno, FdFlags, Filetype, OpenFlags, Rights, flags};
use super::arguments::{OpenRequest, TimesRequest};
use super::fd_state::{check_times, filestat};
use super::fds::{Descriptor, Target};
use super::memory::{GuestMemory, Span};
use super::path::{self, PATH_BYTES_MAX, Resolved};
use super::tree::NodeId;
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        _lookup_flags: u32,
        request: OpenRequest,
        opened: u32,
    ) -> Outcome {
        let directory = *self.descriptors.get(fd)?;
        let resolved = self.lookup(memory, fd, Rights::PATH_OPEN, request.path)?;
        memory.check(opened, 4)?;
        let mode = flags::<OpenFlags>(request.open_flags)?;
        let rights = Rights::from_bits_truncate(request.rights);
        let wants = rights & (Rights::FD_READ | Rights::FD_WRITE);
        if !directory.inheriting.contains(wants) {
            return Err(Errno::Notcapable.into());
        }
        let node = self.openable(resolved, mode, rights)?;
        let mut descriptor = self.descriptor_of(node, rights & directory.inheriting);
        descriptor.inheriting &= Rights::from_bits_truncate(request.rights_inheriting) & directory.inheriting;
        descriptor.flags = flags::<FdFlags>(request.fd_flags)?;
        let fd = self.descriptors.open(descriptor)?;
        Ok(memory.write_u32(opened, fd)?)
    }

    pub(super) fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        _lookup_flags: u32,
        path: Span,
        stat: u32,
    ) -> Outcome {
        let node = self.lookup(memory, fd, Rights::PATH_FILESTAT_GET, path)?.found()?;
        Ok(memory.write(stat, filestat(&self.tree, node).bytes())?)
    }

    pub(super) fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        _lookup_flags: u32,
        path: Span,
        times: TimesRequest,
    ) -> Outcome {
        self.lookup(memory, fd, Rights::PATH_FILESTAT_SET_TIMES, path)?.found()?;
        check_times(times)?;
        Err(Errno::Rofs.into())
    }

    pub(super) fn path_create_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        self.cannot_create(memory, fd, Rights::PATH_CREATE_DIRECTORY, path)
    }

    pub(super) fn path_symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_path: Span,
        fd: u32,
        new_path: Span,
    ) -> Outcome {
        read_path(memory, old_path)?;
        self.cannot_create(memory, fd, Rights::PATH_SYMLINK, new_path)
    }

    pub(super) fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        _old_lookup_flags: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        self.lookup(memory, old_fd, Rights::PATH_LINK_SOURCE, old_path)?.found()?;
        self.cannot_create(memory, new_fd, Rights::PATH_LINK_TARGET, new_path)
    }

    pub(super) fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        old_fd: u32,
        old_path: Span,
        new_fd: u32,
        new_path: Span,
    ) -> Outcome {
        self.lookup(memory, old_fd, Rights::PATH_RENAME_SOURCE, old_path)?.found()?;
        self.lookup(memory, new_fd, Rights::PATH_RENAME_TARGET, new_path)?;
        Err(Errno::Rofs.into())
    }

    pub(super) fn path_remove_directory(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let node = self.lookup(memory, fd, Rights::PATH_REMOVE_DIRECTORY, path)?.found()?;
        match self.tree.filetype(node) {
            Filetype::Directory => Err(Errno::Rofs.into()),
            _ => Err(Errno::Notdir.into()),
        }
    }

    pub(super) fn path_unlink_file(&mut self, memory: &mut GuestMemory<'_>, fd: u32, path: Span) -> Outcome {
        let node = self.lookup(memory, fd, Rights::PATH_UNLINK_FILE, path)?.found()?;
        match self.tree.filetype(node) {
            Filetype::Directory => Err(Errno::Isdir.into()),
            _ => Err(Errno::Rofs.into()),
        }
    }

    /// There are no symbolic links.
    pub(super) fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        path: Span,
        _buffer: Span,
        _used: u32,
    ) -> Outcome {
        self.lookup(memory, fd, Rights::PATH_READLINK, path)?.found()?;
        Err(Errno::Inval.into())
    }

    fn lookup(&self, memory: &GuestMemory<'_>, fd: u32, rights: Rights, path: Span) -> Result<Resolved, Errno> {
        let base = self.descriptors.directory(fd, rights)?;
        path::resolve(&self.tree, base, read_path(memory, path)?)
    }

    fn cannot_create(&self, memory: &GuestMemory<'_>, fd: u32, rights: Rights, path: Span) -> Outcome {
        match self.lookup(memory, fd, rights, path)? {
            Resolved::Found(_) => Err(Errno::Exist.into()),
            Resolved::Missing => Err(Errno::Rofs.into()),
        }
    }

    /// The node to open, if it can be opened in this way on a read-only file system.
    fn openable(&self, resolved: Resolved, mode: OpenFlags, rights: Rights) -> Result<NodeId, Errno> {
        let creates = mode.contains(OpenFlags::CREAT);
        let node = match resolved {
            Resolved::Missing if creates => return Err(Errno::Rofs),
            Resolved::Missing => return Err(Errno::Noent),
            Resolved::Found(_) if creates && mode.contains(OpenFlags::EXCL) => return Err(Errno::Exist),
            Resolved::Found(node) => node,
        };
        let changes = rights.contains(Rights::FD_WRITE) || mode.contains(OpenFlags::TRUNC);
        match self.tree.filetype(node) {
            Filetype::Directory if changes => Err(Errno::Isdir),
            Filetype::Directory => Ok(node),
            _ if mode.contains(OpenFlags::DIRECTORY) => Err(Errno::Notdir),
            _ if changes => Err(Errno::Rofs),
            _ => Ok(node),
        }
    }

    /// A descriptor of `node` with those of `rights` that mean something there; it passes on all of them.
    fn descriptor_of(&self, node: NodeId, rights: Rights) -> Descriptor {
        match self.tree.filetype(node) {
            Filetype::Directory => {
                let target = Target::Directory { node, preopened: None };
                Descriptor::new(target, rights & Rights::OF_DIRECTORY, Rights::all())
            }
            _ => Descriptor::new(Target::File { node, offset: 0 }, rights & Rights::OF_FILE, Rights::empty()),
        }
    }
}

fn read_path<'m>(memory: &'m GuestMemory<'_>, path: Span) -> Result<&'m [u8], Errno> {
    let bytes = memory.slice(path)?;
    if path.len > PATH_BYTES_MAX { Err(Errno::Nametoolong) } else { Ok(bytes) }
}
