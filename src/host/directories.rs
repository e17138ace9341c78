//! Directories of the host that a program may use.
//!
//! [`Directories`] is a [`FileSystem`] of WASI on Linux. Every system call names one entry of a directory that is held open,
//! never a path, `..` or what a link leads to; where a path leads is `wasi`'s to find. So nothing outside of the directories
//! is reached, whatever paths a program makes up and whatever other processes move, replace or link meanwhile.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::vec::Vec;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, SeekFrom, Timespec, Timestamps};
use rustix::io::{Errno as LinuxErrno, IoSlice, ReadWriteFlags};

use crate::wasi::{Access, Entry, Errno, FdFlags, FileSystem, Filetype, Listed, NodeId, Stat, Times, Written};

/// How a name is opened to look at it, or to go through it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a name is opened to be used: neither followed nor waited for, should something else be there by now.
const USE: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Bytes that the system may fill with names at once.
const LISTING_BYTES: usize = 8 << 10;

/// The directories, and what is open in them.
#[derive(Default)]
pub struct Directories {
    slots: Vec<Option<Node>>,
    /// Slots that [`FileSystem::forget`] looks at: what paths led to since.
    passing: Vec<usize>,
}

/// A file or directory that is held open.
#[derive(Clone)]
struct Node {
    fd: Rc<OwnedFd>,
    /// The directory and name by which it was found, if it was only looked at.
    name: Option<(Rc<OwnedFd>, CString)>,
    filetype: Filetype,
    read_only: bool,
    opens: usize,
}

impl Directories {
    /// Adds the directory `path` of the host; whatever is in it can be changed unless it is `read_only`.
    pub fn add(&mut self, path: &Path, read_only: bool) -> io::Result<NodeId> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = Rc::new(fs::open(path, flags, Mode::empty())?);
        Ok(self.keep(Node { fd, name: None, filetype: Filetype::Directory, read_only, opens: 1 }))
    }

    fn keep(&mut self, node: Node) -> NodeId {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free == self.slots.len() {
            self.slots.push(None);
        }
        if node.opens == 0 {
            self.passing.push(free);
        }
        self.slots[free] = Some(node);
        NodeId(free)
    }

    fn node(&self, node: NodeId) -> Result<&Node, Errno> {
        self.slots.get(node.0).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    /// The directory of `entry`, if that can be changed.
    fn directory_to_change(&self, entry: Entry<'_>) -> Result<&OwnedFd, Errno> {
        let directory = self.node(entry.directory)?;
        if directory.read_only { Err(Errno::Rofs) } else { Ok(&directory.fd) }
    }

    /// What has the name `entry`.
    fn filetype_of(&self, entry: Entry<'_>) -> Result<Filetype, Errno> {
        let stat = fs::statat(&self.node(entry.directory)?.fd, entry.name, AtFlags::SYMLINK_NOFOLLOW).map_err(errno)?;
        Ok(filetype(FileType::from_raw_mode(stat.st_mode)))
    }

    /// The directory of a name that nothing has yet.
    fn directory_to_add_to(&self, entry: Entry<'_>) -> Result<&OwnedFd, Errno> {
        match self.directory_to_change(entry) {
            Err(Errno::Rofs) if self.filetype_of(entry).is_ok() => Err(Errno::Exist),
            directory => directory,
        }
    }

    fn open_entry(&mut self, parent: &OwnedFd, name: &CString, flags: OFlags, of: &Node) -> Result<NodeId, Errno> {
        let fd = fs::openat(parent, name.as_c_str(), flags | USE, Mode::from_raw_mode(0o666)).map_err(errno)?;
        let found = filetype(FileType::from_raw_mode(fs::fstat(&fd).map_err(errno)?.st_mode));
        if found != of.filetype {
            // It has been replaced since it was looked at.
            return Err(Errno::Noent);
        }
        Ok(self.keep(Node { fd: Rc::new(fd), name: None, opens: 0, ..of.clone() }))
    }
}

impl FileSystem for Directories {
    fn filetype(&self, node: NodeId) -> Filetype {
        self.node(node).map_or(Filetype::Unknown, |node| node.filetype)
    }

    fn stat(&self, node: NodeId) -> Result<Stat, Errno> {
        let node = self.node(node)?;
        let stat = fs::fstat(&node.fd).map_err(errno)?;
        Ok(Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            filetype: node.filetype,
            links: stat.st_nlink,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            times: Times {
                accessed_ns: nanoseconds(stat.st_atime, stat.st_atime_nsec),
                modified_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
                changed_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            },
        })
    }

    fn child(&mut self, directory: NodeId, name: &str) -> Result<Option<NodeId>, Errno> {
        let Node { fd: parent, read_only, .. } = self.node(directory)?.clone();
        let name = CString::new(name).map_err(|_| Errno::Inval)?;
        let fd = match fs::openat(&parent, name.as_c_str(), LOOK, Mode::empty()) {
            Err(LinuxErrno::NOENT) => return Ok(None),
            opened => opened.map_err(errno)?,
        };
        let filetype = filetype(FileType::from_raw_mode(fs::fstat(&fd).map_err(errno)?.st_mode));
        let node = Node { fd: Rc::new(fd), name: Some((parent, name)), filetype, read_only, opens: 0 };
        Ok(Some(self.keep(node)))
    }

    fn link_target(&self, link: NodeId) -> Result<Vec<u8>, Errno> {
        fs::readlinkat(&self.node(link)?.fd, "", Vec::new()).map(CString::into_bytes).map_err(errno)
    }

    fn open(&mut self, node: NodeId, access: Access, _: u64) -> Result<NodeId, Errno> {
        let node = self.node(node)?.clone();
        if node.read_only && (access.write || access.truncate) {
            return Err(Errno::Rofs);
        }
        let (parent, name) = node.name.clone().unwrap_or_else(|| (Rc::clone(&node.fd), c".".into()));
        let mut flags = open_flags(access);
        flags.set(OFlags::DIRECTORY, node.filetype == Filetype::Directory);
        self.open_entry(&parent, &name, flags, &node)
    }

    fn create_file(&mut self, entry: Entry<'_>, access: Access, _: u64) -> Result<NodeId, Errno> {
        self.directory_to_change(entry)?;
        let of = Node { filetype: Filetype::RegularFile, ..self.node(entry.directory)?.clone() };
        let name = CString::new(entry.name).map_err(|_| Errno::Inval)?;
        self.open_entry(&Rc::clone(&of.fd), &name, open_flags(access) | OFlags::CREATE, &of)
    }

    fn create_directory(&mut self, entry: Entry<'_>, _: u64) -> Result<(), Errno> {
        let directory = self.directory_to_add_to(entry)?;
        fs::mkdirat(directory, entry.name, Mode::from_raw_mode(0o777)).map_err(errno)
    }

    fn create_link(&mut self, entry: Entry<'_>, target: &str, _: u64) -> Result<(), Errno> {
        fs::symlinkat(target, self.directory_to_add_to(entry)?, entry.name).map_err(errno)
    }

    /// Not from a directory that is read-only to one that is not: the file could be changed there.
    fn link(&mut self, from: Entry<'_>, to: Entry<'_>, _: u64) -> Result<(), Errno> {
        let directory = self.directory_to_add_to(to)?;
        let source = self.node(from.directory)?;
        if source.read_only {
            return Err(Errno::Xdev);
        }
        fs::linkat(&source.fd, from.name, directory, to.name, AtFlags::empty()).map_err(errno)
    }

    fn unlink(&mut self, entry: Entry<'_>, _: u64) -> Result<(), Errno> {
        if self.filetype_of(entry)? == Filetype::Directory {
            return Err(Errno::Isdir);
        }
        fs::unlinkat(self.directory_to_change(entry)?, entry.name, AtFlags::empty()).map_err(errno)
    }

    fn remove_directory(&mut self, entry: Entry<'_>, _: u64) -> Result<(), Errno> {
        if self.filetype_of(entry)? != Filetype::Directory {
            return Err(Errno::Notdir);
        }
        fs::unlinkat(self.directory_to_change(entry)?, entry.name, AtFlags::REMOVEDIR).map_err(errno)
    }

    fn rename(&mut self, from: Entry<'_>, to: Entry<'_>, _: u64) -> Result<(), Errno> {
        self.filetype_of(from)?;
        let (source, target) = (self.directory_to_change(from)?, self.directory_to_change(to)?);
        fs::renameat(source, from.name, target, to.name).map_err(errno)
    }

    fn set_times(
        &mut self,
        node: NodeId,
        accessed_ns: Option<u64>,
        modified_ns: Option<u64>,
        _: u64,
    ) -> Result<(), Errno> {
        let node = self.node(node)?;
        if node.read_only {
            return Err(Errno::Rofs);
        }
        let times = Timestamps { last_access: timespec(accessed_ns), last_modification: timespec(modified_ns) };
        match &node.name {
            Some((parent, name)) => fs::utimensat(parent, name.as_c_str(), &times, AtFlags::SYMLINK_NOFOLLOW),
            None => fs::futimens(&node.fd, &times),
        }
        .map_err(errno)
    }

    fn read(&mut self, node: NodeId, offset: u64, buffer: &mut [u8], _: u64) -> Result<usize, Errno> {
        rustix::io::pread(&self.node(node)?.fd, buffer, offset).map_err(errno)
    }

    fn write(
        &mut self,
        node: NodeId,
        offset: Option<u64>,
        bytes: &[u8],
        flags: FdFlags,
        _: u64,
    ) -> Result<Written, Errno> {
        let fd = self.node(node)?.fd.as_fd();
        let mut how = ReadWriteFlags::empty();
        how.set(ReadWriteFlags::APPEND, offset.is_none());
        how.set(ReadWriteFlags::DSYNC, flags.contains(FdFlags::DSYNC));
        how.set(ReadWriteFlags::SYNC, flags.contains(FdFlags::SYNC));
        let bytes = rustix::io::pwritev2(fd, &[IoSlice::new(bytes)], offset.unwrap_or(0), how).map_err(errno)?;
        let end = match offset {
            Some(offset) => offset + bytes as u64,
            None => u64::try_from(fs::fstat(fd).map_err(errno)?.st_size).unwrap_or(0),
        };
        Ok(Written { bytes, end })
    }

    fn set_len(&mut self, node: NodeId, len: u64, _: u64) -> Result<(), Errno> {
        let node = self.node(node)?;
        if node.read_only { Err(Errno::Rofs) } else { fs::ftruncate(&node.fd, len).map_err(errno) }
    }

    fn allocate(&mut self, node: NodeId, offset: u64, len: u64, _: u64) -> Result<(), Errno> {
        let node = self.node(node)?;
        if node.read_only {
            return Err(Errno::Rofs);
        }
        fs::fallocate(&node.fd, fs::FallocateFlags::empty(), offset, len).map_err(errno)
    }

    fn sync(&mut self, node: NodeId, data_only: bool) -> Result<(), Errno> {
        let fd = &self.node(node)?.fd;
        if data_only { fs::fdatasync(fd) } else { fs::fsync(fd) }.map_err(errno)
    }

    fn list(&mut self, directory: NodeId, after: u64, show: &mut dyn FnMut(Listed<'_>) -> bool) -> Result<(), Errno> {
        let fd = &self.node(directory)?.fd;
        // A cookie is the system's own; what is none of its has nothing behind it.
        match fs::seek(fd, SeekFrom::Start(after)) {
            Err(LinuxErrno::INVAL) => return Ok(()),
            sought => sought.map_err(errno)?,
        };
        let mut buffer = [MaybeUninit::uninit(); LISTING_BYTES];
        let mut entries = RawDir::new(fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(errno)?;
            let listed = Listed {
                cookie: entry.next_entry_cookie(),
                inode: entry.ino(),
                filetype: filetype(entry.file_type()),
                name: entry.file_name().to_bytes(),
            };
            if !show(listed) {
                break;
            }
        }
        Ok(())
    }

    fn opened(&mut self, node: NodeId) {
        if let Some(Some(node)) = self.slots.get_mut(node.0) {
            node.opens += 1;
        }
    }

    fn closed(&mut self, node: NodeId) {
        if let Some(slot) = self.slots.get_mut(node.0)
            && let Some(node) = slot
        {
            node.opens = node.opens.saturating_sub(1);
            if node.opens == 0 {
                *slot = None;
            }
        }
    }

    fn forget(&mut self) {
        for slot in self.passing.drain(..) {
            self.slots[slot].take_if(|node| node.opens == 0);
        }
    }
}

fn open_flags(access: Access) -> OFlags {
    let mut flags = match access {
        Access { read: true, write: true, .. } => OFlags::RDWR,
        Access { write: true, .. } => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    flags.set(OFlags::TRUNC, access.truncate);
    flags
}

fn filetype(found: FileType) -> Filetype {
    match found {
        FileType::RegularFile => Filetype::RegularFile,
        FileType::Directory => Filetype::Directory,
        FileType::Symlink => Filetype::SymbolicLink,
        FileType::BlockDevice => Filetype::BlockDevice,
        FileType::CharacterDevice => Filetype::CharacterDevice,
        FileType::Socket => Filetype::SocketStream,
        _ => Filetype::Unknown,
    }
}

/// Since 1970; 0 for what was before.
fn nanoseconds(seconds: i64, nanoseconds: u64) -> u64 {
    u64::try_from(seconds).map_or(0, |seconds| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

fn timespec(time_ns: Option<u64>) -> Timespec {
    const SECOND_NS: u64 = 1_000_000_000;
    match time_ns {
        Some(time_ns) => {
            Timespec { tv_sec: (time_ns / SECOND_NS).cast_signed(), tv_nsec: (time_ns % SECOND_NS).cast_signed() }
        }
        None => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
    }
}

/// What the program is told of Linux's `error`.
fn errno(error: LinuxErrno) -> Errno {
    match error {
        LinuxErrno::ACCESS => Errno::Acces,
        LinuxErrno::AGAIN => Errno::Again,
        LinuxErrno::BADF => Errno::Badf,
        LinuxErrno::BUSY => Errno::Busy,
        LinuxErrno::DQUOT => Errno::Dquot,
        LinuxErrno::EXIST => Errno::Exist,
        LinuxErrno::FBIG => Errno::Fbig,
        LinuxErrno::INVAL => Errno::Inval,
        LinuxErrno::ISDIR => Errno::Isdir,
        LinuxErrno::LOOP => Errno::Loop,
        LinuxErrno::MFILE => Errno::Mfile,
        LinuxErrno::MLINK => Errno::Mlink,
        LinuxErrno::NAMETOOLONG => Errno::Nametoolong,
        LinuxErrno::NFILE => Errno::Nfile,
        LinuxErrno::NOENT => Errno::Noent,
        LinuxErrno::NOMEM => Errno::Nomem,
        LinuxErrno::NOSPC => Errno::Nospc,
        LinuxErrno::NOTDIR => Errno::Notdir,
        LinuxErrno::NOTEMPTY => Errno::Notempty,
        LinuxErrno::NOTSUP => Errno::Notsup,
        LinuxErrno::OVERFLOW => Errno::Overflow,
        LinuxErrno::PERM => Errno::Perm,
        LinuxErrno::ROFS => Errno::Rofs,
        LinuxErrno::TXTBSY => Errno::Txtbsy,
        LinuxErrno::XDEV => Errno::Xdev,
        _ => Errno::Io,
    }
}
