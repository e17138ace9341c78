//! What descriptors are: status, rights, flags, closing, and the directories open from the start.

use super::abi::{
    ADVICE_MAX, Errno, FDSTAT_BYTES, FILESTAT_BYTES, FdFlags, PRESTAT_BYTES, Record, Rights, TimeFlags, flags,
};
use super::arguments::TimesRequest;
use super::fds::{Handle, Target};
use super::files::Stat;
use super::memory::{GuestMemory, Span};
use super::{Outcome, Wasi};
use alloc::string::String;

/// Times to set; those that are none stay as they are.
#[derive(Clone, Copy)]
pub struct TimesToSet {
    accessed_ns: Option<u64>,
    modified_ns: Option<u64>,
    now_ns: u64,
}

impl Wasi<'_> {
    pub(super) fn fd_close(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        let closed = self.descriptors.close(fd)?;
        self.release(closed.handle())?;
        Ok(())
    }

    pub(super) fn fd_renumber(&mut self, _memory: &mut GuestMemory<'_>, from: u32, to: u32) -> Outcome {
        let closed = self.descriptors.renumber(from, to)?;
        self.release(closed.and_then(|closed| closed.handle()))?;
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
        let filetype = descriptor.filetype();
        let record = match descriptor.handle() {
            Some(handle) => filestat(&self.files(handle.volume)?.stat(handle.node)?),
            None => Record::new().u8(16, filetype as u8).u64(24, 1),
        };
        Ok(memory.write(stat, record.bytes())?)
    }

    pub(super) fn fd_filestat_set_size(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, size: u64) -> Outcome {
        let (handle, _) = self.descriptors.file_position(fd, Rights::FD_FILESTAT_SET_SIZE)?;
        if size > i64::MAX as u64 {
            return Err(Errno::Inval.into());
        }
        let now_ns = self.clock.file_time_ns();
        Ok(self.files(handle.volume)?.set_len(handle.node, size, now_ns)?)
    }

    /// Makes the file at least so long that it has the `len` bytes from `offset` on.
    pub(super) fn fd_allocate(&mut self, _memory: &mut GuestMemory<'_>, fd: u32, offset: u64, len: u64) -> Outcome {
        let (handle, _) = self.descriptors.file_position(fd, Rights::FD_ALLOCATE)?;
        if len == 0 || offset > i64::MAX as u64 || len > i64::MAX as u64 {
            return Err(Errno::Inval.into());
        }
        if offset + len > i64::MAX as u64 {
            return Err(Errno::Fbig.into());
        }
        let now_ns = self.clock.file_time_ns();
        Ok(self.files(handle.volume)?.allocate(handle.node, offset, len, now_ns)?)
    }

    pub(super) fn fd_filestat_set_times(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        times: TimesRequest,
    ) -> Outcome {
        let times = self.times_to_set(times)?;
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
        let handle = descriptor.handle().ok_or(Errno::Inval)?;
        Ok(self.set_times(handle, times)?)
    }

    pub(super) fn fd_sync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        self.sync(fd, Rights::FD_SYNC)
    }

    pub(super) fn fd_datasync(&mut self, _memory: &mut GuestMemory<'_>, fd: u32) -> Outcome {
        self.sync(fd, Rights::FD_DATASYNC)
    }

    /// Advice is checked, and nothing is done about it: bytes in memory need none, and others the system reads ahead.
    pub(super) fn fd_advise(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        offset: u64,
        len: u64,
        advice: u32,
    ) -> Outcome {
        self.descriptors.file_position(fd, Rights::FD_ADVISE)?;
        let is_known = advice <= ADVICE_MAX && offset <= i64::MAX as u64 && len <= i64::MAX as u64;
        if is_known { Ok(()) } else { Err(Errno::Inval.into()) }
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

    /// The times to set of those asked for: a time or now, not both.
    pub(super) fn times_to_set(&mut self, times: TimesRequest) -> Result<TimesToSet, Errno> {
        let flags = flags::<TimeFlags>(times.flags)?;
        let now_ns = self.clock.file_time_ns();
        let time = |value, now, time_ns| match (flags.contains(value), flags.contains(now)) {
            (true, true) => Err(Errno::Inval),
            (true, false) => Ok(Some(time_ns)),
            (false, true) => Ok(Some(now_ns)),
            (false, false) => Ok(None),
        };
        Ok(TimesToSet {
            accessed_ns: time(TimeFlags::ATIM, TimeFlags::ATIM_NOW, times.accessed_ns)?,
            modified_ns: time(TimeFlags::MTIM, TimeFlags::MTIM_NOW, times.modified_ns)?,
            now_ns,
        })
    }

    pub(super) fn set_times(&mut self, handle: Handle, times: TimesToSet) -> Result<(), Errno> {
        let TimesToSet { accessed_ns, modified_ns, now_ns } = times;
        self.files(handle.volume)?.set_times(handle.node, accessed_ns, modified_ns, now_ns)
    }

    /// Lets go of what a closed descriptor was open on.
    fn release(&mut self, handle: Option<Handle>) -> Result<(), Errno> {
        if let Some(Handle { volume, node }) = handle {
            self.files(volume)?.closed(node);
        }
        Ok(())
    }

    fn sync(&mut self, fd: u32, rights: Rights) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        let Handle { volume, node } = descriptor.handle().ok_or(Errno::Inval)?;
        descriptor.require(rights)?;
        Ok(self.files(volume)?.sync(node, rights == Rights::FD_DATASYNC)?)
    }

    fn preopened_name(&self, fd: u32) -> Result<&str, Errno> {
        match self.descriptors.get(fd)?.target {
            Target::Directory { preopened: Some(index), .. } => {
                self.preopened.get(index).map(String::as_str).ok_or(Errno::Badf)
            }
            _ => Err(Errno::Badf),
        }
    }
}

/// The status record of a file or directory.
pub fn filestat(stat: &Stat) -> Record<FILESTAT_BYTES> {
    Record::new()
        .u64(0, stat.device)
        .u64(8, stat.inode)
        .u8(16, stat.filetype as u8)
        .u64(24, stat.links)
        .u64(32, stat.bytes)
        .u64(40, stat.times.accessed_ns)
        .u64(48, stat.times.modified_ns)
        .u64(56, stat.times.changed_ns)
}
