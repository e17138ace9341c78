//! The numbers of WASI preview 1, from `wasi_snapshot_preview1.witx` (WebAssembly/WASI, `legacy/preview1`).
//!
//! Values only; the behaviour behind them is in the sibling modules. Names are the specification's.

use bitflags::bitflags;

/// Why a function failed. Success is 0 and has no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Errno {
    /// Permission denied.
    Acces = 2,
    /// Nothing there yet: try again.
    Again = 6,
    /// Bad file descriptor.
    Badf = 8,
    /// In use.
    Busy = 10,
    /// Quota used up.
    Dquot = 19,
    /// File exists.
    Exist = 20,
    /// Bad address.
    Fault = 21,
    /// File too large.
    Fbig = 22,
    /// Illegal byte sequence.
    Ilseq = 25,
    /// Invalid argument.
    Inval = 28,
    /// Input or output failed.
    Io = 29,
    /// Is a directory.
    Isdir = 31,
    /// Too many symbolic links on the way.
    Loop = 32,
    /// Too many open files.
    Mfile = 33,
    /// Too many links.
    Mlink = 34,
    /// Name too long.
    Nametoolong = 37,
    /// Too many open files in the system.
    Nfile = 41,
    /// No such file or directory.
    Noent = 44,
    /// Not enough memory.
    Nomem = 48,
    /// No space left.
    Nospc = 51,
    /// Not a directory.
    Notdir = 54,
    /// Directory not empty.
    Notempty = 55,
    /// Not a socket.
    Notsock = 57,
    /// Not supported.
    Notsup = 58,
    /// Value too large for its type.
    Overflow = 61,
    /// Not permitted on this kind of file.
    Perm = 63,
    /// Broken pipe.
    Pipe = 64,
    /// Read-only file system.
    Rofs = 69,
    /// Invalid seek.
    Spipe = 70,
    /// A program that runs.
    Txtbsy = 74,
    /// On another file system.
    Xdev = 75,
    /// The descriptor lacks the right.
    Notcapable = 76,
}

impl Errno {
    /// What a successful call returns in place of an error.
    pub const SUCCESS: u64 = 0;
}

bitflags! {
    /// What may be done through a descriptor.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u64 {
        const FD_DATASYNC = 1 << 0;
        const FD_READ = 1 << 1;
        const FD_SEEK = 1 << 2;
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        const FD_SYNC = 1 << 4;
        const FD_TELL = 1 << 5;
        const FD_WRITE = 1 << 6;
        const FD_ADVISE = 1 << 7;
        const FD_ALLOCATE = 1 << 8;
        const PATH_CREATE_DIRECTORY = 1 << 9;
        const PATH_CREATE_FILE = 1 << 10;
        const PATH_LINK_SOURCE = 1 << 11;
        const PATH_LINK_TARGET = 1 << 12;
        const PATH_OPEN = 1 << 13;
        const FD_READDIR = 1 << 14;
        const PATH_READLINK = 1 << 15;
        const PATH_RENAME_SOURCE = 1 << 16;
        const PATH_RENAME_TARGET = 1 << 17;
        const PATH_FILESTAT_GET = 1 << 18;
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        const FD_FILESTAT_GET = 1 << 21;
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        const PATH_SYMLINK = 1 << 24;
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        const PATH_UNLINK_FILE = 1 << 26;
        const POLL_FD_READWRITE = 1 << 27;
        const SOCK_SHUTDOWN = 1 << 28;
        const SOCK_ACCEPT = 1 << 29;

        /// Those that mean something on a regular file.
        const OF_FILE = Self::FD_DATASYNC.bits() | Self::FD_READ.bits() | Self::FD_SEEK.bits()
            | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_SYNC.bits() | Self::FD_TELL.bits() | Self::FD_WRITE.bits()
            | Self::FD_ADVISE.bits() | Self::FD_ALLOCATE.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::FD_FILESTAT_SET_SIZE.bits() | Self::FD_FILESTAT_SET_TIMES.bits() | Self::POLL_FD_READWRITE.bits();

        /// Those that mean something on a directory.
        const OF_DIRECTORY = Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_SYNC.bits() | Self::FD_DATASYNC.bits()
            | Self::PATH_CREATE_DIRECTORY.bits() | Self::PATH_CREATE_FILE.bits() | Self::PATH_LINK_SOURCE.bits()
            | Self::PATH_LINK_TARGET.bits() | Self::PATH_OPEN.bits() | Self::FD_READDIR.bits()
            | Self::PATH_READLINK.bits() | Self::PATH_RENAME_SOURCE.bits() | Self::PATH_RENAME_TARGET.bits()
            | Self::PATH_FILESTAT_GET.bits() | Self::PATH_FILESTAT_SET_SIZE.bits()
            | Self::PATH_FILESTAT_SET_TIMES.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::PATH_SYMLINK.bits() | Self::PATH_REMOVE_DIRECTORY.bits()
            | Self::PATH_UNLINK_FILE.bits();

        /// Those of standard input.
        const OF_INPUT = Self::FD_READ.bits() | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::POLL_FD_READWRITE.bits();

        /// Those of standard output and standard error.
        const OF_OUTPUT = Self::FD_WRITE.bits() | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_FILESTAT_GET.bits()
            | Self::POLL_FD_READWRITE.bits();
    }

    /// How an open descriptor behaves.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FdFlags: u16 {
        const APPEND = 1 << 0;
        const DSYNC = 1 << 1;
        const NONBLOCK = 1 << 2;
        const RSYNC = 1 << 3;
        const SYNC = 1 << 4;
    }

    /// Which times of a file are set, and to what.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TimeFlags: u16 {
        const ATIM = 1 << 0;
        const ATIM_NOW = 1 << 1;
        const MTIM = 1 << 2;
        const MTIM_NOW = 1 << 3;
    }

    /// How a path is followed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct LookupFlags: u32 {
        const SYMLINK_FOLLOW = 1 << 0;
    }

    /// How `path_open` opens.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u16 {
        const CREAT = 1 << 0;
        const DIRECTORY = 1 << 1;
        const EXCL = 1 << 2;
        const TRUNC = 1 << 3;
    }
}

/// The flags of `bits`, or [`Errno::Inval`] if one of them is unknown.
pub fn flags<F: bitflags::Flags<Bits = u16>>(bits: u32) -> Result<F, Errno> {
    u16::try_from(bits).ok().and_then(F::from_bits).ok_or(Errno::Inval)
}

/// What a descriptor or a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Filetype {
    /// A pipe, for one.
    Unknown = 0,
    BlockDevice = 1,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SocketStream = 6,
    SymbolicLink = 7,
}

/// Which clock is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    Realtime,
    Monotonic,
    ProcessCpuTime,
    ThreadCpuTime,
}

impl ClockId {
    /// The clock of this number, or [`Errno::Inval`].
    pub fn from_number(number: u32) -> Result<Self, Errno> {
        match number {
            0 => Ok(Self::Realtime),
            1 => Ok(Self::Monotonic),
            2 => Ok(Self::ProcessCpuTime),
            3 => Ok(Self::ThreadCpuTime),
            _ => Err(Errno::Inval),
        }
    }
}

/// What a seek counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    Start,
    Current,
    End,
}

impl Whence {
    /// The origin of this number, or [`Errno::Inval`].
    pub fn from_number(number: u32) -> Result<Self, Errno> {
        match number {
            0 => Ok(Self::Start),
            1 => Ok(Self::Current),
            2 => Ok(Self::End),
            _ => Err(Errno::Inval),
        }
    }
}

/// Highest signal number.
pub const SIGNAL_MAX: u32 = 30;

/// Signals that do nothing to a program without handlers: none, CHLD, CONT (it is not stopped), URG, WINCH.
pub const SIGNALS_WITHOUT_EFFECT: [u32; 5] = [0, 16, 17, 22, 27];

/// Highest `advice` of `fd_advise`.
pub const ADVICE_MAX: u32 = 5;

/// Bit of a clock subscription whose timeout is a time, not a duration.
pub const SUBSCRIPTION_CLOCK_ABSTIME: u16 = 1;

/// Bit of an event that says that there is nothing left to read.
pub const EVENT_FD_READWRITE_HANGUP: u16 = 1;

/// A structure of the specification: fields in little-endian order at given offsets, padding zero.
pub struct Record<const BYTES: usize> {
    bytes: [u8; BYTES],
}

/// Bytes in `prestat`.
pub const PRESTAT_BYTES: usize = 8;
/// Bytes in `fdstat`.
pub const FDSTAT_BYTES: usize = 24;
/// Bytes in `filestat`.
pub const FILESTAT_BYTES: usize = 64;
/// Bytes in `dirent`, before the name.
pub const DIRENT_BYTES: usize = 24;
/// Bytes in `subscription`.
pub const SUBSCRIPTION_BYTES: usize = 48;
/// Bytes in `event`.
pub const EVENT_BYTES: usize = 32;

impl<const BYTES: usize> Record<BYTES> {
    pub fn new() -> Self {
        Self { bytes: [0; BYTES] }
    }

    pub fn u8(self, offset: usize, value: u8) -> Self {
        self.put(offset, &[value])
    }

    pub fn u16(self, offset: usize, value: u16) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    pub fn u32(self, offset: usize, value: u32) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    pub fn u64(self, offset: usize, value: u64) -> Self {
        self.put(offset, &value.to_le_bytes())
    }

    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.bytes
    }

    fn put(mut self, offset: usize, field: &[u8]) -> Self {
        self.bytes[offset..offset + field.len()].copy_from_slice(field);
        self
    }
}
