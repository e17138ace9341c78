//! What descriptors are: status, rights, flags, closing, and the directories open from the start.

use super::abi::{
    ADVICE_MAX, Errno, FDSTAT_BYTES, FILESTAT_BYTES, FdFlags, Filetype, PRESTAT_BYTES, Record, Rights, TimeFlags, flags,
};
use super::arguments::TimesRequest;
use super::fds::Target;
use super::memory::{GuestMemory, Span};
use super::tree::{NodeId, Tree};
use super::{Outcome, Wasi};

/// What the program sees as the device of the files that it was given.
const GIVEN_DEVICE: u64 = 1;
/// What it sees as that of `/tmp`.
const SCRATCH_DEVICE: u64 = 2;

impl Wasi<'_> {
    pub(super) fn fd_close(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        let closed = self.descriptors.close(fd)?;
        self.release(closed.node());
        Ok(())
    }

    pub(super) fn fd_renumber(&mut self, _memory: &mut GuestMemory<'_>, from: u32, to: u32) -> Outcome {
        let closed = self.descriptors.renumber(from, to)?;
        self.release(closed.and_then(|closed| closed.node()));
        Ok(())
    }

    pub(super) fn fd_fdstat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, stat: u32) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        let record = Record::<FDSTAT_BYTES>::new()
            .u8(0, descriptor.filetype() as u8)
            .u16(2, descriptor.flags.bits())
            .u64(8, descriptor.rights.bits())
            .u64(16, descriptor.inheriting.bits());
        Ok(memory.write(stat, record.bytes())?)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, bits: u32) -> Outcome {
        let descriptor = self.descriptors.get_mut(fd)?;
        descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
        descriptor.flags = flags::<FdFlags>(bits)?;
        Ok(())
    }

    /// Rights can only be given up.
    pub(super) fn fd_fdstat_set_rights(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        rights: u64,
        inheriting: u64,
    ) -> Outcome {
        let descriptor = self.descriptors.get_mut(fd)?;
        if rights & !descriptor.rights.bits() != 0 || inheriting & !descriptor.inheriting.bits() != 0 {
            return Err(Errno::Notcapable.into());
        }
        descriptor.rights = Rights::from_bits_truncate(rights);
        descriptor.inheriting = Rights::from_bits_truncate(inheriting);
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, stat: u32) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_FILESTAT_GET)?;
        let record = match descriptor.node() {
            Some(node) => filestat(&self.tree, node),
            None => Record::new().u8(16, descriptor.filetype() as u8).u64(24, 1),
        };
        Ok(memory.write(stat, record.bytes())?)
    }

    pub(super) fn fd_filestat_set_size(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, size: u64) -> Outcome {
        let node = self.file_to_change(fd, Rights::FD_FILESTAT_SET_SIZE)?;
        if size > i64::MAX as u64 {
            return Err(Errno::Inval.into());
        }
        Ok(self.tree.set_len(node, size, self.clock.file_time_ns())?)
    }

    /// Makes the file at least so long that it has the `len` bytes from `offset` on.
    pub(super) fn fd_allocate(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, offset: u64, len: u64) -> Outcome {
        let node = self.file_to_change(fd, Rights::FD_ALLOCATE)?;
        if len == 0 || offset > i64::MAX as u64 || len > i64::MAX as u64 {
            return Err(Errno::Inval.into());
        }
        let end = offset + len;
        if end > i64::MAX as u64 {
            return Err(Errno::Fbig.into());
        }
        if end > self.tree.content(node).len() as u64 {
            self.tree.set_len(node, end, self.clock.file_time_ns())?;
        }
        Ok(())
    }

    pub(super) fn fd_filestat_set_times(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        times: TimesRequest,
    ) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
        let node = descriptor.node().ok_or(Errno::Inval)?;
        Ok(self.set_times(node, times)?)
    }

    /// Everything here is always on its medium.
    pub(super) fn fd_sync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        self.sync(fd, Rights::FD_SYNC)
    }

    pub(super) fn fd_datasync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        self.sync(fd, Rights::FD_DATASYNC)
    }

    /// Advice is checked and needs nothing done: the bytes are in memory.
    pub(super) fn fd_advise(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        _offset: u64,
        _len: u64,
        advice: u32,
    ) -> Outcome {
        self.descriptors.file_position(fd, Rights::FD_ADVISE)?;
        if advice > ADVICE_MAX { Err(Errno::Inval.into()) } else { Ok(()) }
    }

    pub(super) fn fd_prestat_get(&mut self, memory: &mut GuestMemory<'_>, fd: u32, stat: u32) -> Outcome {
        let name = self.preopened_name(fd)?;
        // Tag 0: a directory.
        let record = Record::<PRESTAT_BYTES>::new().u8(0, 0).u32(4, name.len() as u32);
        Ok(memory.write(stat, record.bytes())?)
    }

    pub(super) fn fd_prestat_dir_name(&mut self, memory: &mut GuestMemory<'_>, fd: u32, buffer: Span) -> Outcome {
        let name = self.preopened_name(fd)?;
        if name.len() > buffer.len as usize {
            return Err(Errno::Nametoolong.into());
        }
        Ok(memory.write(buffer.address, name.as_bytes())?)
    }

    /// Sets the times of a file or directory as `times` asks.
    pub(super) fn set_times(&mut self, node: NodeId, times: TimesRequest) -> Result<(), Errno> {
        let now_ns = self.clock.file_time_ns();
        let accessed_ns = time_to_set(times, TimeFlags::ATIM, TimeFlags::ATIM_NOW, times.accessed_ns, now_ns)?;
        let modified_ns = time_to_set(times, TimeFlags::MTIM, TimeFlags::MTIM_NOW, times.modified_ns, now_ns)?;
        self.tree.set_times(node, accessed_ns, modified_ns, now_ns)
    }

    /// The file `fd`, if it can be changed and the program may do `rights` to it.
    fn file_to_change(&mut self, fd: u32, rights: Rights) -> Result<NodeId, Errno> {
        let (node, _) = self.descriptors.file_position(fd, rights)?;
        if self.tree.is_scratch(node) { Ok(node) } else { Err(Errno::Rofs) }
    }

    /// Lets go of what a closed descriptor was open on.
    fn release(&mut self, node: Option<NodeId>) {
        if let Some(node) = node {
            self.tree.closed(node);
        }
    }

    fn sync(&mut self, fd: u32, rights: Rights) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        if descriptor.filetype() == Filetype::CharacterDevice {
            return Err(Errno::Inval.into());
        }
        Ok(descriptor.require(rights)?)
    }

    fn preopened_name(&self, fd: u32) -> Result<&'static str, Errno> {
        match self.descriptors.get(fd)?.target {
            Target::Directory { preopened: Some(name), .. } => Ok(name),
            _ => Err(Errno::Badf),
        }
    }
}

/// The status record of a file or directory.
pub fn filestat(tree: &Tree<'_>, node: NodeId) -> Record<FILESTAT_BYTES> {
    let times = tree.times(node);
    Record::new()
        .u64(0, if tree.is_scratch(node) { SCRATCH_DEVICE } else { GIVEN_DEVICE })
        .u64(8, tree.inode(node))
        .u8(16, tree.filetype(node) as u8)
        .u64(24, tree.links(node))
        .u64(32, tree.content(node).len() as u64)
        .u64(40, times.accessed_ns)
        .u64(48, times.modified_ns)
        .u64(56, times.changed_ns)
}

/// The time to set, if `flags` asks for one: `time_ns` or now, not both.
fn time_to_set(
    times: TimesRequest,
    value: TimeFlags,
    now: TimeFlags,
    time_ns: u64,
    now_ns: u64,
) -> Result<Option<u64>, Errno> {
    let flags = flags::<TimeFlags>(times.flags)?;
    match (flags.contains(value), flags.contains(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(Some(time_ns)),
        (false, true) => Ok(Some(now_ns)),
        (false, false) => Ok(None),
    }
}
