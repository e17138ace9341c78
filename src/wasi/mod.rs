//! WASI preview 1: the operating system that a program sees.
//!
//! [`Wasi`] holds a program's arguments, environment, files and open descriptors and implements the engine's
//! [`Imports`] for the module `wasi_snapshot_preview1`. It is built by [`WasiBuilder`] on three seams that each face
//! implements, [`Console`], [`Clock`] and [`Entropy`], and a fourth that a face may bring: a [`FileSystem`] besides the one in
//! memory.
//!
//! A program starts with its standard streams open as 0, 1 and 2, and from 3 on the directories that it was given, and `/`.
//! Below that are the files it was given, read-only, and the empty directory `/tmp`, in memory, for files of its own. It
//! reaches nothing else. It can pass any number as an address, length or descriptor; none of them makes this layer panic.
//!
//! One table (`table`) lists every function with its types; the handlers are methods of [`Wasi`], grouped by what they
//! work on: `process`, `clock`, `poll`, `fd_io`, `fd_state`, `directory`, `path_open`, `path_calls`, `sockets`.
//! Below them are `memory` (checked access to the program's memory), `input`, `fds`, `path`, `files` (the seam), `tree` with
//! its parts, and `abi` (numbers). [`Lines`] and [`SeededEntropy`] help a face to implement its seams.
//!
//! The older module `wasi_unstable` is not offered: its seek origins and file records have other layouts.

#![forbid(unsafe_code)]

mod abi;
mod archive;
mod arguments;
mod builder;
mod clock;
mod content;
mod directory;
mod entries;
mod export;
mod fd_io;
mod fd_state;
mod fds;
mod files;
mod input;
mod lines;
mod memory;
mod path;
mod path_calls;
mod path_open;
mod poll;
mod process;
mod random;
mod scratch;
mod seams;
mod sockets;
mod table;
mod tar;
mod tree;
mod volume;

#[cfg(test)]
mod tests;

pub use abi::{Errno, FdFlags, Filetype};
pub use archive::ArchiveError;
pub use builder::WasiBuilder;
pub use export::Exported;
pub use files::{Access, Entry, FileSystem, Listed, NodeId, Stat, Times, Written};
pub use lines::Lines;
pub use path::names as path_names;
pub use random::{SEED_BYTES, SeededEntropy};
pub use seams::{Clock, Console, Entropy, Input, Stream, WriteFailed};
pub use tar::TarError;
pub use tree::FileError;

use crate::engine::seams::{HostFunction, Imports, Stop};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use arguments::Words;
use fds::{Descriptors, Volume};
use input::Lookahead;
use memory::GuestMemory;
use table::{FUNCTIONS, Function};
use tree::Tree;

/// The name under which programs import these functions.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// One program's operating system.
pub struct Wasi<'a> {
    args: Vec<Vec<u8>>,
    /// `NAME=value` each.
    environ: Vec<Vec<u8>>,
    tree: Tree<'a>,
    /// Files that are not in memory.
    outside: Option<Box<dyn FileSystem + 'a>>,
    /// The names of the directories that were open from the start.
    preopened: Vec<String>,
    descriptors: Descriptors,
    console: Box<dyn Console + 'a>,
    lookahead: Lookahead,
    clock: Box<dyn Clock + 'a>,
    entropy: Box<dyn Entropy + 'a>,
}

impl<'a> Wasi<'a> {
    /// Starts with no arguments, environment or files.
    pub fn builder() -> WasiBuilder<'a> {
        WasiBuilder::new()
    }

    fn files(&mut self, volume: Volume) -> Result<&mut (dyn FileSystem + 'a), Errno> {
        match volume {
            Volume::Memory => Ok(&mut self.tree),
            Volume::Outside => Ok(self.outside.as_deref_mut().ok_or(Errno::Badf)?),
        }
    }
}

impl Imports for Wasi<'_> {
    fn find(&self, module: &str, name: &str) -> Option<HostFunction> {
        if module != MODULE {
            return None;
        }
        let index = FUNCTIONS.iter().position(|function| function.name == name)?;
        let Function { params, results, .. } = FUNCTIONS[index];
        Some(HostFunction { id: index as u32, params, results })
    }

    fn call(&mut self, id: u32, args: &[u64], results: &mut [u64], memory: &mut [u8]) -> Result<(), Stop> {
        let function = FUNCTIONS.get(id as usize).ok_or_else(|| {
            Stop::Trap(format!("{MODULE} has no function number {id}: this is a fault of the engine"))
        })?;
        if (args.len(), results.len()) != (function.params.len(), function.results.len()) {
            return Err(Stop::Trap(format!(
                "{MODULE}.{} was called with {} arguments for {} results: this is a fault of the engine",
                function.name,
                args.len(),
                results.len()
            )));
        }
        let outcome = (function.handler)(self, &mut GuestMemory::new(memory), &mut Words::new(args));
        if let Some(outside) = &mut self.outside {
            outside.forget();
        }
        let errno = match outcome {
            Ok(()) => Errno::SUCCESS,
            Err(Failure::Errno(errno)) => errno as u64,
            Err(Failure::Stop(stop)) => return Err(stop),
        };
        results.fill(errno);
        Ok(())
    }
}

/// What a handler returns: its results are in the program's memory.
type Outcome = Result<(), Failure>;

/// Why a function did not do what it was asked to.
enum Failure {
    /// Returned to the program.
    Errno(Errno),
    /// Ends the program.
    Stop(Stop),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}
