//! Why an image was not made.

use super::line::{LINE_BYTES_MAX, WORD_BYTES_MAX};
use crate::store::StoreError;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, io};

/// An image was not made.
#[derive(Debug)]
pub enum ImageError {
    /// This word cannot be an argument.
    Nul {
        word: Vec<u8>,
    },
    /// A word is longer, as it is written in the line, than GRUB can read.
    LongWord {
        bytes: usize,
    },
    /// The words of this module, or of the kernel, make a line longer than is passed on.
    LongLine {
        path: PathBuf,
        bytes: usize,
    },
    /// The word `screen=` says neither text nor a size.
    Screen {
        value: String,
    },
    /// A file is larger than a FAT file system, or GRUB's memory, can hold.
    LargeFile {
        path: PathBuf,
    },
    /// What is to become the image is a device, or something else that is replaced by no file.
    NotAFile {
        path: PathBuf,
    },
    Read {
        path: PathBuf,
        error: io::Error,
    },
    Write {
        path: PathBuf,
        error: io::Error,
    },
    /// What Debian's and Ubuntu's package of this name has is not there.
    Missing {
        what: String,
        package: &'static str,
    },
    /// A program of others failed, and said why.
    Tool {
        name: &'static str,
        message: String,
    },
    /// GRUB's own files are not what is known of them.
    Grub {
        reason: &'static str,
    },
    /// The disk's own store was not made.
    Store(StoreError),
}

impl From<StoreError> for ImageError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul { word } => write!(
                f,
                "the argument \"{}\" holds a NUL, at which it would end for the program: leave it out",
                word.escape_ascii().to_string().replace("\\x00", "\\0")
            ),
            Self::LongWord { bytes } => write!(
                f,
                "an argument takes {bytes} bytes in grub.cfg, and {WORD_BYTES_MAX} can be passed on: put it into a file"
            ),
            Self::LongLine { path, bytes } => write!(
                f,
                "the words for {} take {bytes} bytes, and {LINE_BYTES_MAX} can be passed on: put them into a file",
                path.display()
            ),
            Self::Screen { value } => {
                write!(f, "screen={value} is neither screen=text nor, for example, screen=1024x768")
            }
            Self::LargeFile { path } => write!(f, "{} has 4 GiB or more, which GRUB cannot load", path.display()),
            Self::NotAFile { path } => {
                write!(f, "{} is not a file: make an image in one, and write that to a disk with `dd`", path.display())
            }
            Self::Read { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::Write { path, error } => write!(f, "cannot write {}: {error}", path.display()),
            Self::Missing { what, package } => write!(
                f,
                "there is no {what}: install the package {package} (on Debian and Ubuntu: apt install {package})"
            ),
            Self::Tool { name, message } => write!(f, "{name} failed: {message}"),
            Self::Grub { reason } => write!(f, "this GRUB cannot be put on a disk: {reason}"),
            Self::Store(error) => write!(f, "cannot make the store of the image: {error}"),
        }
    }
}

impl std::error::Error for ImageError {}
