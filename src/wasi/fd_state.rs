//! What descriptors are: status, rights, flags, closing, and the directories open from the start.

use super::abi::{
    ADVICE_MAX, Errno, FDSTAT_BYTES, FILESTAT_BYTES, FdFlags, Filetype, PRESTAT_BYTES, Record, Rights, TimeFlags, flags,
};
use super::arguments::TimesRequest;
use super::fds::Target;
use super::memory::{GuestMemory, Span};
use super::tree::{NodeId, Tree};
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn fd_close(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        Ok(self.descriptors.close(fd)?)
    }

    pub(super) fn fd_renumber(&mut self, _memory: &mut GuestMemory<'_>, from: u32, to: u32) -> Outcome {
        Ok(self.descriptors.renumber(from, to)?)
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

    pub(super) fn fd_filestat_set_size(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, _size: u64) -> Outcome {
        self.file_to_change(fd, Rights::FD_FILESTAT_SET_SIZE)
    }

    pub(super) fn fd_allocate(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, _offset: u64, _len: u64) -> Outcome {
        self.file_to_change(fd, Rights::FD_ALLOCATE)
    }

    pub(super) fn fd_filestat_set_times(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        times: TimesRequest,
    ) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
        check_times(times)?;
        Err(Errno::Rofs.into())
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

    /// Fails: the file system is read-only.
    fn file_to_change(&mut self, fd: u32, rights: Rights) -> Outcome {
        self.descriptors.file_position(fd, rights)?;
        Err(Errno::Rofs.into())
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

/// The status record of a file or directory. Files have no times: theirs are 0.
pub fn filestat(tree: &Tree<'_>, node: NodeId) -> Record<FILESTAT_BYTES> {
    Record::new()
        .u64(8, node.inode())
        .u8(16, tree.filetype(node) as u8)
        .u64(24, 1)
        .u64(32, tree.content(node).len() as u64)
}

/// Fails if a time is to be set both to a value and to now.
pub fn check_times(times: TimesRequest) -> Result<(), Errno> {
    let flags = flags::<TimeFlags>(times.flags)?;
    let both = |value, now| flags.contains(value) && flags.contains(now);
    if both(TimeFlags::ATIM, TimeFlags::ATIM_NOW) || both(TimeFlags::MTIM, TimeFlags::MTIM_NOW) {
        return Err(Errno::Inval);
    }
    Ok(())
}
