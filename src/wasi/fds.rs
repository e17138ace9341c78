//! The descriptor table: small numbers that name what the program has open, and what it may do with each.

use super::abi::{Errno, FdFlags, Filetype, Rights};
use super::files::NodeId;
use super::seams::Stream;
use alloc::vec::Vec;

/// Most descriptors open at once.
const DESCRIPTORS_MAX: usize = 1024;

/// Where a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// In the tree.
    Memory,
    /// In the file system that the face brought.
    Outside,
}

/// Something open in a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    pub volume: Volume,
    pub node: NodeId,
}

/// What a descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Input,
    Output(Stream),
    File {
        handle: Handle,
        /// Where the next read or write begins.
        offset: u64,
    },
    Directory {
        handle: Handle,
        /// Which of the directories that were open before the program started.
        preopened: Option<usize>,
    },
}

/// Something open.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    pub target: Target,
    pub rights: Rights,
    /// Most rights of what is opened through it.
    pub inheriting: Rights,
    pub flags: FdFlags,
}

impl Descriptor {
    pub fn new(target: Target, rights: Rights, inheriting: Rights) -> Self {
        Self { target, rights, inheriting, flags: FdFlags::empty() }
    }

    /// Fails unless it has all of `rights`.
    pub fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.rights.contains(rights) { Ok(()) } else { Err(Errno::Notcapable) }
    }

    pub fn filetype(&self) -> Filetype {
        match self.target {
            // Without the rights to seek and tell, this is how C libraries recognise a terminal.
            Target::Input | Target::Output(_) => Filetype::CharacterDevice,
            Target::File { .. } => Filetype::RegularFile,
            Target::Directory { .. } => Filetype::Directory,
        }
    }

    /// What a file or directory is kept as.
    pub fn handle(&self) -> Option<Handle> {
        match self.target {
            Target::File { handle, .. } | Target::Directory { handle, .. } => Some(handle),
            Target::Input | Target::Output(_) => None,
        }
    }
}

/// All descriptors of a program.
pub struct Descriptors {
    slots: Vec<Option<Descriptor>>,
}

impl Descriptors {
    /// Standard input, output and error as 0, 1 and 2, and the directories `preopened` from 3 on.
    pub fn new(preopened: impl IntoIterator<Item = Handle>) -> Self {
        let stream = |target, rights| Some(Descriptor::new(target, rights, Rights::empty()));
        let streams = [
            stream(Target::Input, Rights::OF_INPUT),
            stream(Target::Output(Stream::Stdout), Rights::OF_OUTPUT),
            stream(Target::Output(Stream::Stderr), Rights::OF_OUTPUT),
        ];
        let directories = preopened.into_iter().enumerate().map(|(index, handle)| {
            let target = Target::Directory { handle, preopened: Some(index) };
            Some(Descriptor::new(target, Rights::OF_DIRECTORY, Rights::OF_DIRECTORY | Rights::OF_FILE))
        });
        Self { slots: streams.into_iter().chain(directories).collect() }
    }

    pub fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.slots.get(fd as usize).and_then(Option::as_ref).ok_or(Errno::Badf)
    }

    pub fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::as_mut).ok_or(Errno::Badf)
    }

    /// The directory `fd`, if the program may do `rights` there.
    pub fn directory(&self, fd: u32, rights: Rights) -> Result<Handle, Errno> {
        let descriptor = self.get(fd)?;
        match descriptor.target {
            Target::Directory { handle, .. } => descriptor.require(rights).map(|()| handle),
            _ => Err(Errno::Notdir),
        }
    }

    /// The handle and offset of the file `fd`, if it is one and the program may do `rights` to it.
    pub fn file_position(&mut self, fd: u32, rights: Rights) -> Result<(Handle, &mut u64), Errno> {
        let descriptor = self.get_mut(fd)?;
        let held = descriptor.require(rights);
        match &mut descriptor.target {
            Target::File { handle, offset } => held.map(|()| (*handle, offset)),
            Target::Directory { .. } => Err(Errno::Badf),
            Target::Input | Target::Output(_) => Err(Errno::Spipe),
        }
    }

    /// The lowest free number, or [`Errno::Mfile`].
    pub fn free(&self) -> Result<u32, Errno> {
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free >= DESCRIPTORS_MAX { Err(Errno::Mfile) } else { Ok(free as u32) }
    }

    /// Gives `descriptor` the lowest free number.
    pub fn open(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        let free = self.free()? as usize;
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(descriptor);
        Ok(free as u32)
    }

    /// Returns what was open.
    pub fn close(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        self.slots.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)
    }

    /// Moves `from` to the number `to`. Both must be open. Returns what `to` was before, if that is now closed.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(to)?;
        let descriptor = *self.get(from)?;
        if from == to {
            return Ok(None);
        }
        self.close(from)?;
        Ok(self.slots[to as usize].replace(descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Descriptor {
        Descriptor::new(Target::File { handle: ROOT, offset: 0 }, Rights::OF_FILE, Rights::empty())
    }

    const ROOT: Handle = Handle { volume: Volume::Memory, node: NodeId::ROOT };

    #[test]
    fn reuses_the_lowest_free_number() {
        let mut fds = Descriptors::new([ROOT]);
        assert_eq!(fds.open(file()), Ok(4));
        assert_eq!(fds.open(file()), Ok(5));
        fds.close(4).unwrap();
        fds.close(1).unwrap();
        assert_eq!(fds.open(file()), Ok(1));
        assert_eq!(fds.open(file()), Ok(4));
        assert_eq!(fds.open(file()), Ok(6));
    }

    #[test]
    fn a_closed_number_is_bad() {
        let mut fds = Descriptors::new([ROOT]);
        fds.close(0).unwrap();
        assert_eq!(fds.get(0).err(), Some(Errno::Badf));
        assert_eq!(fds.close(0).err(), Some(Errno::Badf));
        assert_eq!(fds.close(u32::MAX).err(), Some(Errno::Badf));
    }

    #[test]
    fn stops_at_the_limit() {
        let mut fds = Descriptors::new([ROOT]);
        while fds.open(file()).is_ok() {}
        assert_eq!(fds.slots.len(), DESCRIPTORS_MAX);
        assert_eq!(fds.open(file()), Err(Errno::Mfile));
    }

    #[test]
    fn renumbering_onto_itself_keeps_it_open() {
        let mut fds = Descriptors::new([ROOT]);
        assert!(matches!(fds.renumber(3, 3), Ok(None)));
        assert!(fds.get(3).is_ok());
        let closed = fds.renumber(3, 1).unwrap();
        assert_eq!(closed.map(|closed| closed.target), Some(Target::Output(Stream::Stdout)));
        assert_eq!(fds.get(3).err(), Some(Errno::Badf));
        assert_eq!(fds.get(1).map(Descriptor::filetype), Ok(Filetype::Directory));
    }
}
