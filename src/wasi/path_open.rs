//! Opening files and directories, and making files.
//!
//! A descriptor has those of the rights asked for that the directory passes on and that mean something on what is
//! opened.

use super::abi::{Errno, FdFlags, Filetype, OpenFlags, Rights, flags};
use super::arguments::OpenRequest;
use super::fds::{Descriptor, Target};
use super::memory::GuestMemory;
use super::path::{LastLink, Place};
use super::path_calls::last_link;
use super::tree::NodeId;
use super::{Outcome, Wasi};

impl Wasi<'_> {
    /// What could fail is asked first, so that a call that fails has made and cut nothing.
    pub(super) fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        lookup_flags: u32,
        request: OpenRequest,
        opened: u32,
    ) -> Outcome {
        let mode = flags::<OpenFlags>(request.open_flags)?;
        let last = match last_link(lookup_flags)? {
            // What is to be new must not be a link either.
            _ if mode.contains(OpenFlags::CREAT | OpenFlags::EXCL) => LastLink::Name,
            LastLink::Follow if mode.contains(OpenFlags::CREAT) => LastLink::FollowToMake,
            last => last,
        };
        let fd_flags = flags::<FdFlags>(request.fd_flags)?;
        let place = self.lookup(memory, fd, rights_for(mode), request.path, last)?;
        memory.check(opened, 4)?;
        let inheriting = self.descriptors.get(fd)?.inheriting;
        let rights = Rights::from_bits_truncate(request.rights);
        if !inheriting.contains(rights & (Rights::FD_READ | Rights::FD_WRITE)) {
            return Err(Errno::Notcapable.into());
        }
        self.descriptors.free()?;
        let node = self.open_place(place, mode, rights)?;
        let mut descriptor = self.descriptor_of(node, rights & inheriting);
        descriptor.inheriting &= Rights::from_bits_truncate(request.rights_inheriting) & inheriting;
        descriptor.flags = fd_flags;
        let fd = self.descriptors.open(descriptor)?;
        self.tree.opened(node);
        Ok(memory.write_u32(opened, fd)?)
    }

    /// The node to open, made or cut as `mode` says.
    fn open_place(&mut self, place: Place, mode: OpenFlags, rights: Rights) -> Result<NodeId, Errno> {
        if mode.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
            return Err(Errno::Inval);
        }
        if mode.contains(OpenFlags::CREAT)
            && let Ok(entry) = place.entry(Errno::Isdir)
        {
            match place.node() {
                _ if place.names_directory => return Err(Errno::Isdir),
                None => return self.tree.create_file(entry, self.clock.file_time_ns()),
                Some(_) => {}
            }
        }
        let node = place.found(&self.tree)?;
        let changes = rights.contains(Rights::FD_WRITE) || mode.contains(OpenFlags::TRUNC);
        match self.tree.filetype(node) {
            _ if mode.contains(OpenFlags::CREAT | OpenFlags::EXCL) => Err(Errno::Exist),
            Filetype::Directory if changes || mode.contains(OpenFlags::CREAT) => Err(Errno::Isdir),
            Filetype::Directory => Ok(node),
            _ if mode.contains(OpenFlags::DIRECTORY) => Err(Errno::Notdir),
            // It was not to be followed.
            Filetype::SymbolicLink => Err(Errno::Loop),
            _ if changes && !self.tree.is_scratch(node) => Err(Errno::Rofs),
            _ if mode.contains(OpenFlags::TRUNC) => {
                self.tree.set_len(node, 0, self.clock.file_time_ns())?;
                Ok(node)
            }
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

/// What the program must be allowed to do in a directory to open in this way.
fn rights_for(mode: OpenFlags) -> Rights {
    let mut rights = Rights::PATH_OPEN;
    rights.set(Rights::PATH_CREATE_FILE, mode.contains(OpenFlags::CREAT));
    rights.set(Rights::PATH_FILESTAT_SET_SIZE, mode.contains(OpenFlags::TRUNC));
    rights
}
