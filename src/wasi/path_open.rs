//! Opening files and directories, and making files.
//!
//! A descriptor has those of the rights asked for that the directory passes on and that mean something on what is
//! opened.

use super::abi::{Errno, FdFlags, Filetype, OpenFlags, Rights, flags};
use super::arguments::OpenRequest;
use super::fds::{Descriptor, Handle, Target};
use super::files::{Access, FileSystem, NodeId};
use super::memory::GuestMemory;
use super::path::{LastLink, Place};
use super::path_calls::last_link;
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
        let (volume, place) = self.lookup(memory, fd, rights_for(mode), request.path, last)?;
        memory.check(opened, 4)?;
        let inheriting = self.descriptors.get(fd)?.inheriting;
        let rights = Rights::from_bits_truncate(request.rights);
        if !inheriting.contains(rights & (Rights::FD_READ | Rights::FD_WRITE)) {
            return Err(Errno::Notcapable.into());
        }
        self.descriptors.free()?;
        let now_ns = self.clock.file_time_ns();
        let files = self.files(volume)?;
        let node = open_place(files, &place, mode, rights, now_ns)?;
        let filetype = files.filetype(node);
        files.opened(node);
        let mut descriptor = descriptor_of(Handle { volume, node }, filetype, rights & inheriting);
        descriptor.inheriting &= Rights::from_bits_truncate(request.rights_inheriting) & inheriting;
        descriptor.flags = fd_flags;
        let fd = self.descriptors.open(descriptor)?;
        Ok(memory.write_u32(opened, fd)?)
    }
}

/// The node to use for what is at `place`, made or cut as `mode` says.
fn open_place(
    files: &mut dyn FileSystem,
    place: &Place,
    mode: OpenFlags,
    rights: Rights,
    now_ns: u64,
) -> Result<NodeId, Errno> {
    if mode.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
        return Err(Errno::Inval);
    }
    let access = Access {
        read: rights.contains(Rights::FD_READ),
        write: rights.contains(Rights::FD_WRITE),
        truncate: mode.contains(OpenFlags::TRUNC),
    };
    if mode.contains(OpenFlags::CREAT)
        && let Ok(entry) = place.entry(Errno::Isdir)
    {
        match place.node() {
            _ if place.names_directory => return Err(Errno::Isdir),
            None => return files.create_file(entry, access, now_ns),
            Some(_) => {}
        }
    }
    let node = place.found(files)?;
    match files.filetype(node) {
        _ if mode.contains(OpenFlags::CREAT | OpenFlags::EXCL) => Err(Errno::Exist),
        Filetype::Directory if access.write || access.truncate || mode.contains(OpenFlags::CREAT) => Err(Errno::Isdir),
        Filetype::Directory => files.open(node, access, now_ns),
        _ if mode.contains(OpenFlags::DIRECTORY) => Err(Errno::Notdir),
        // It was not to be followed.
        Filetype::SymbolicLink => Err(Errno::Loop),
        Filetype::RegularFile => files.open(node, access, now_ns),
        // A pipe could wait for ever, and devices are not the program's.
        _ => Err(Errno::Notsup),
    }
}

/// A descriptor of something with those of `rights` that mean something there; a directory passes on all of them.
fn descriptor_of(handle: Handle, filetype: Filetype, rights: Rights) -> Descriptor {
    match filetype {
        Filetype::Directory => {
            let target = Target::Directory { handle, preopened: None };
            Descriptor::new(target, rights & Rights::OF_DIRECTORY, Rights::all())
        }
        _ => Descriptor::new(Target::File { handle, offset: 0 }, rights & Rights::OF_FILE, Rights::empty()),
    }
}

/// What the program must be allowed to do in a directory to open in this way.
fn rights_for(mode: OpenFlags) -> Rights {
    let mut rights = Rights::PATH_OPEN;
    rights.set(Rights::PATH_CREATE_FILE, mode.contains(OpenFlags::CREAT));
    rights.set(Rights::PATH_FILESTAT_SET_SIZE, mode.contains(OpenFlags::TRUNC));
    rights
}
