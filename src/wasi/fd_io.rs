//! Bytes in and out of descriptors: read, write, seek.
//!
//! A descriptor of the wrong kind gives the errno that POSIX has for it; one of the right kind without the right gives
//! [`Errno::Notcapable`]. Result addresses are checked before anything is moved.

use super::abi::{Errno, Rights, Whence};
use super::fds::Target;
use super::memory::{GuestMemory, Span};
use super::seams::Console;
use super::{Outcome, Wasi};

impl Wasi<'_> {
    pub(super) fn fd_read(&mut self, memory: &mut GuestMemory<'_>, fd: u32, iovecs: Span, count: u32) -> Outcome {
        let descriptor = self.descriptors.get_mut(fd)?;
        if let Target::Directory { .. } = descriptor.target {
            return Err(Errno::Isdir.into());
        }
        descriptor.require(Rights::FD_READ)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let copied = match &mut descriptor.target {
            Target::File { node, offset } => {
                let copied = copy_out(self.tree.content(*node), *offset, memory, &buffers)?;
                *offset += u64::from(copied);
                copied
            }
            Target::Input => read_console(self.console.as_mut(), memory, &buffers)?,
            Target::Output(_) | Target::Directory { .. } => return Err(Errno::Badf.into()),
        };
        Ok(memory.write_u32(count, copied)?)
    }

    pub(super) fn fd_pread(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovecs: Span,
        offset: u64,
        count: u32,
    ) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        let node = match descriptor.target {
            Target::File { node, .. } => node,
            Target::Directory { .. } => return Err(Errno::Isdir.into()),
            Target::Input | Target::Output(_) => return Err(Errno::Spipe.into()),
        };
        descriptor.require(Rights::FD_READ | Rights::FD_SEEK)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let copied = copy_out(self.tree.content(node), offset, memory, &buffers)?;
        Ok(memory.write_u32(count, copied)?)
    }

    pub(super) fn fd_write(&mut self, memory: &mut GuestMemory<'_>, fd: u32, iovecs: Span, count: u32) -> Outcome {
        let descriptor = self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_WRITE)?;
        let Target::Output(stream) = descriptor.target else { return Err(Errno::Badf.into()) };
        memory.check(count, 4)?;
        let mut written = 0;
        for buffer in memory.buffers(iovecs)? {
            self.console.write(stream, memory.slice(buffer)?).map_err(|_| Errno::Io)?;
            written += buffer.len;
        }
        Ok(memory.write_u32(count, written)?)
    }

    /// Fails: no file is open for writing.
    pub(super) fn fd_pwrite(
        &mut self,
        _memory: &mut GuestMemory<'_>,
        fd: u32,
        _iovecs: Span,
        _offset: u64,
        _count: u32,
    ) -> Outcome {
        match self.descriptors.get(fd)?.target {
            Target::Input | Target::Output(_) => Err(Errno::Spipe.into()),
            Target::File { .. } | Target::Directory { .. } => Err(Errno::Notcapable.into()),
        }
    }

    pub(super) fn fd_seek(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        distance: i64,
        whence: u32,
        position: u32,
    ) -> Outcome {
        let whence = Whence::from_number(whence)?;
        let only_tells = whence == Whence::Current && distance == 0;
        let rights = if only_tells { Rights::FD_TELL } else { Rights::FD_SEEK };
        let (node, offset) = self.descriptors.file_position(fd, rights)?;
        memory.check(position, 8)?;
        let origin = match whence {
            Whence::Start => 0,
            Whence::Current => *offset,
            Whence::End => self.tree.content(node).len() as u64,
        };
        let target = origin.checked_add_signed(distance).filter(|&target| target <= i64::MAX as u64);
        *offset = target.ok_or(Errno::Inval)?;
        Ok(memory.write_u64(position, *offset)?)
    }

    pub(super) fn fd_tell(&mut self, memory: &mut GuestMemory<'_>, fd: u32, position: u32) -> Outcome {
        let (_, offset) = self.descriptors.file_position(fd, Rights::FD_TELL)?;
        Ok(memory.write_u64(position, *offset)?)
    }
}

/// Copies the bytes of `content` from `offset` on into the buffers, in order, until either ends.
fn copy_out(content: &[u8], offset: u64, memory: &mut GuestMemory<'_>, buffers: &[Span]) -> Result<u32, Errno> {
    let mut rest = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or(&[]);
    let mut copied = 0;
    for buffer in buffers {
        let len = rest.len().min(buffer.len as usize);
        let (part, after) = rest.split_at(len);
        memory.write(buffer.address, part)?;
        copied += len as u32;
        rest = after;
    }
    Ok(copied)
}

/// Fills the buffers, in order, until one is not filled.
fn read_console(console: &mut dyn Console, memory: &mut GuestMemory<'_>, buffers: &[Span]) -> Result<u32, Errno> {
    let mut copied = 0;
    for buffer in buffers.iter().filter(|buffer| buffer.len > 0) {
        let len = (console.read(memory.slice_mut(*buffer)?) as u32).min(buffer.len);
        copied += len;
        if len < buffer.len {
            break;
        }
    }
    Ok(copied)
}
