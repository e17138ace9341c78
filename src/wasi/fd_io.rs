//! Bytes in and out of descriptors: read, write, seek.
//!
//! A descriptor of the wrong kind gives the errno that POSIX has for it; one of the right kind without the right gives
//! [`Errno::Notcapable`]. Result addresses are checked before anything is moved.

use super::abi::{Errno, FdFlags, Rights, Whence};
use super::fds::{Handle, Target};
use super::memory::{GuestMemory, Span};
use super::seams::{Console, Input, Stream, WriteFailed};
use super::{Outcome, Wasi};
use alloc::vec::Vec;

/// Most bytes that are gathered for one write to the console.
const GATHERED_BYTES_MAX: usize = 64 << 10;

impl Wasi<'_> {
    pub(super) fn fd_read(&mut self, memory: &mut GuestMemory<'_>, fd: u32, iovecs: Span, count: u32) -> Outcome {
        let descriptor = *self.descriptors.get(fd)?;
        if let Target::Directory { .. } = descriptor.target {
            return Err(Errno::Isdir.into());
        }
        descriptor.require(Rights::FD_READ)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let copied = match descriptor.target {
            Target::File { handle, offset } => {
                let copied = self.read_file(handle, offset, memory, &buffers)?;
                self.move_to(fd, offset + u64::from(copied));
                copied
            }
            Target::Input => {
                let waits = !descriptor.flags.contains(FdFlags::NONBLOCK);
                self.read_input(memory, &buffers, waits)?
            }
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
        let handle = self.file_at_offset(fd, offset, Rights::FD_READ | Rights::FD_SEEK)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let copied = self.read_file(handle, offset, memory, &buffers)?;
        Ok(memory.write_u32(count, copied)?)
    }

    pub(super) fn fd_write(&mut self, memory: &mut GuestMemory<'_>, fd: u32, iovecs: Span, count: u32) -> Outcome {
        let descriptor = *self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_WRITE)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let written = match descriptor.target {
            Target::Output(stream) => write_console(self.console.as_mut(), stream, memory, &buffers)?,
            Target::File { handle, offset } => {
                let start = (!descriptor.flags.contains(FdFlags::APPEND)).then_some(offset);
                let (written, end) = self.write_file(handle, start, descriptor.flags, memory, &buffers)?;
                // As on Linux, a write of nothing does not go to the end of a file opened for appending either.
                if written > 0 {
                    self.move_to(fd, end);
                }
                written
            }
            Target::Input | Target::Directory { .. } => return Err(Errno::Badf.into()),
        };
        Ok(memory.write_u32(count, written)?)
    }

    /// Writes at `offset` as POSIX has it, in a file opened for appending too.
    pub(super) fn fd_pwrite(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: u32,
        iovecs: Span,
        offset: u64,
        count: u32,
    ) -> Outcome {
        let handle = self.file_at_offset(fd, offset, Rights::FD_WRITE | Rights::FD_SEEK)?;
        let flags = self.descriptors.get(fd)?.flags;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let (written, _) = self.write_file(handle, Some(offset), flags, memory, &buffers)?;
        Ok(memory.write_u32(count, written)?)
    }

    /// The file of a transfer that names its offset.
    fn file_at_offset(&self, fd: u32, offset: u64, rights: Rights) -> Result<Handle, Errno> {
        let descriptor = self.descriptors.get(fd)?;
        let handle = match descriptor.target {
            Target::File { handle, .. } => handle,
            Target::Directory { .. } => return Err(Errno::Isdir),
            Target::Input | Target::Output(_) => return Err(Errno::Spipe),
        };
        descriptor.require(rights)?;
        if offset > i64::MAX as u64 { Err(Errno::Inval) } else { Ok(handle) }
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
        let (handle, offset) = self.descriptors.file_position(fd, rights)?;
        let offset = *offset;
        memory.check(position, 8)?;
        let origin = match whence {
            Whence::Start => 0,
            Whence::Current => offset,
            Whence::End => self.files(handle.volume)?.stat(handle.node)?.bytes,
        };
        let target = origin.checked_add_signed(distance).filter(|&target| target <= i64::MAX as u64);
        let target = target.ok_or(Errno::Inval)?;
        self.move_to(fd, target);
        Ok(memory.write_u64(position, target)?)
    }

    pub(super) fn fd_tell(&mut self, memory: &mut GuestMemory<'_>, fd: u32, position: u32) -> Outcome {
        let (_, offset) = self.descriptors.file_position(fd, Rights::FD_TELL)?;
        Ok(memory.write_u64(position, *offset)?)
    }

    fn move_to(&mut self, fd: u32, position: u64) {
        if let Ok(descriptor) = self.descriptors.get_mut(fd)
            && let Target::File { offset, .. } = &mut descriptor.target
        {
            *offset = position;
        }
    }

    /// Fills the buffers, in order, until one is not filled: what comes behind that belongs there, should the file grow meanwhile.
    fn read_file(
        &mut self,
        handle: Handle,
        offset: u64,
        memory: &mut GuestMemory<'_>,
        buffers: &[Span],
    ) -> Result<u32, Errno> {
        let now_ns = self.clock.file_time_ns();
        let files = self.files(handle.volume)?;
        let mut copied = 0;
        for buffer in buffers.iter().filter(|buffer| buffer.len > 0) {
            let place = memory.slice_mut(*buffer)?;
            match files.read(handle.node, offset.saturating_add(copied.into()), place, now_ns) {
                Ok(count) => {
                    copied += count as u32;
                    if count < buffer.len as usize {
                        break;
                    }
                }
                Err(errno) if copied == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(copied)
    }

    /// Writes the buffers, in order, as far as there is room, at `offset` or at the end of the file; fails if there is room
    /// for none of the bytes. Returns how many were written, and where that ended.
    fn write_file(
        &mut self,
        handle: Handle,
        mut offset: Option<u64>,
        flags: FdFlags,
        memory: &GuestMemory<'_>,
        buffers: &[Span],
    ) -> Result<(u32, u64), Errno> {
        let now_ns = self.clock.file_time_ns();
        let files = self.files(handle.volume)?;
        let (mut written, mut end) = (0, 0);
        for buffer in buffers.iter().filter(|buffer| buffer.len > 0) {
            match files.write(handle.node, offset, memory.slice(*buffer)?, flags, now_ns) {
                Ok(done) => {
                    written += done.bytes as u32;
                    end = done.end;
                    offset = offset.map(|_| end);
                    if done.bytes < buffer.len as usize {
                        break;
                    }
                }
                Err(errno) if written == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok((written, end))
    }

    /// Fills the buffers, in order, until one is not filled. Waits for the first byte, not for more. Nothing is the end
    /// of the input.
    fn read_input(&mut self, memory: &mut GuestMemory<'_>, buffers: &[Span], waits: bool) -> Result<u32, Errno> {
        self.console.flush();
        let mut copied = 0;
        for buffer in buffers.iter().filter(|buffer| buffer.len > 0) {
            let place = memory.slice_mut(*buffer)?;
            let input = if copied == 0 && waits { self.wait_for_bytes(place) } else { self.bytes_at_hand(place) };
            copied += match input {
                Input::Bytes(count) => (count as u32).min(buffer.len),
                Input::NotYet if copied == 0 => return Err(Errno::Again),
                Input::NotYet | Input::End => 0,
            };
            if !matches!(input, Input::Bytes(count) if count == buffer.len as usize) {
                break;
            }
        }
        Ok(copied)
    }

    fn bytes_at_hand(&mut self, place: &mut [u8]) -> Input {
        self.lookahead.read(self.console.as_mut(), place)
    }

    fn wait_for_bytes(&mut self, place: &mut [u8]) -> Input {
        loop {
            match self.bytes_at_hand(place) {
                Input::NotYet => self.console.wait_for_input(u64::MAX),
                input => return input,
            }
        }
    }
}

/// Writes the buffers, in order, as one write, or as few as there can be.
fn write_console(
    console: &mut dyn Console,
    stream: Stream,
    memory: &GuestMemory<'_>,
    buffers: &[Span],
) -> Result<u32, Errno> {
    let mut gathered = Vec::new();
    let mut rest = buffers.iter().filter(|buffer| buffer.len > 0).peekable();
    while let Some(buffer) = rest.next() {
        let bytes = memory.slice(*buffer)?;
        let fits = bytes.len() <= GATHERED_BYTES_MAX - gathered.len();
        let is_last = rest.peek().is_none();
        if fits && !(is_last && gathered.is_empty()) && gathered.try_reserve(bytes.len()).is_ok() {
            gathered.extend_from_slice(bytes);
            continue;
        }
        write_gathered(console, stream, &mut gathered)?;
        console.write(stream, bytes)?;
    }
    write_gathered(console, stream, &mut gathered)?;
    Ok(buffers.iter().map(|buffer| buffer.len).sum())
}

fn write_gathered(console: &mut dyn Console, stream: Stream, gathered: &mut Vec<u8>) -> Result<(), WriteFailed> {
    if !gathered.is_empty() {
        console.write(stream, gathered)?;
        gathered.clear();
    }
    Ok(())
}

impl From<WriteFailed> for Errno {
    fn from(failed: WriteFailed) -> Self {
        match failed {
            WriteFailed::Closed => Self::Pipe,
            WriteFailed::Full => Self::Nospc,
            WriteFailed::Other => Self::Io,
        }
    }
}
