//! Bytes in and out of descriptors: read, write, seek.
//!
//! A descriptor of the wrong kind gives the errno that POSIX has for it; one of the right kind without the right gives
//! [`Errno::Notcapable`]. Result addresses are checked before anything is moved.

use super::abi::{Errno, FdFlags, Rights, Whence};
use super::fds::Target;
use super::memory::{GuestMemory, Span};
use super::seams::{Console, Input, Stream, WriteFailed};
use super::tree::NodeId;
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
            Target::File { node, offset } => {
                let copied = self.read_file(node, offset, memory, &buffers)?;
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
        let node = self.file_at_offset(fd, Rights::FD_READ | Rights::FD_SEEK)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let copied = self.read_file(node, offset, memory, &buffers)?;
        Ok(memory.write_u32(count, copied)?)
    }

    pub(super) fn fd_write(&mut self, memory: &mut GuestMemory<'_>, fd: u32, iovecs: Span, count: u32) -> Outcome {
        let descriptor = *self.descriptors.get(fd)?;
        descriptor.require(Rights::FD_WRITE)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let written = match descriptor.target {
            Target::Output(stream) => write_console(self.console.as_mut(), stream, memory, &buffers)?,
            Target::File { node, offset } => {
                let appends = descriptor.flags.contains(FdFlags::APPEND);
                let start = if appends { self.tree.content(node).len() as u64 } else { offset };
                let written = self.write_file(node, start, memory, &buffers)?;
                // As on Linux, a write of nothing does not go to the end of a file opened for appending either.
                if written > 0 {
                    self.move_to(fd, start + u64::from(written));
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
        let node = self.file_at_offset(fd, Rights::FD_WRITE | Rights::FD_SEEK)?;
        memory.check(count, 4)?;
        let buffers = memory.buffers(iovecs)?;
        let written = self.write_file(node, offset, memory, &buffers)?;
        Ok(memory.write_u32(count, written)?)
    }

    /// The file of a transfer that names its offset.
    fn file_at_offset(&self, fd: u32, rights: Rights) -> Result<NodeId, Errno> {
        let descriptor = self.descriptors.get(fd)?;
        let node = match descriptor.target {
            Target::File { node, .. } => node,
            Target::Directory { .. } => return Err(Errno::Isdir),
            Target::Input | Target::Output(_) => return Err(Errno::Spipe),
        };
        descriptor.require(rights)?;
        Ok(node)
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

    fn move_to(&mut self, fd: u32, position: u64) {
        if let Ok(descriptor) = self.descriptors.get_mut(fd)
            && let Target::File { offset, .. } = &mut descriptor.target
        {
            *offset = position;
        }
    }

    fn read_file(
        &mut self,
        node: NodeId,
        offset: u64,
        memory: &mut GuestMemory<'_>,
        buffers: &[Span],
    ) -> Result<u32, Errno> {
        let copied = copy_out(self.tree.content(node), offset, memory, buffers)?;
        self.tree.accessed(node, self.clock.file_time_ns());
        Ok(copied)
    }

    /// Writes the buffers, in order, as far as there is room; fails if there is room for none of the bytes.
    fn write_file(
        &mut self,
        node: NodeId,
        offset: u64,
        memory: &GuestMemory<'_>,
        buffers: &[Span],
    ) -> Result<u32, Errno> {
        let now_ns = self.clock.file_time_ns();
        let mut written = 0;
        for buffer in buffers {
            let start = offset.checked_add(u64::from(written)).ok_or(Errno::Fbig)?;
            match self.tree.write(node, start, memory.slice(*buffer)?, now_ns) {
                Ok(count) => written += count as u32,
                Err(errno) if written == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(written)
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
