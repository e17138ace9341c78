//! Programs written in a test, for the `bareflow` command.
#![allow(dead_code)] // Each file of tests uses its own part.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The command that cargo built for these tests.
pub fn bareflow() -> Command {
    Command::new(env!("CARGO_BIN_EXE_bareflow"))
}

/// A program in a folder of its own, as `program.wasm`.
pub struct Program {
    folder: TempDir,
}

impl Program {
    /// From WebAssembly text.
    pub fn wat(text: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        fs::write(folder.path().join("program.wasm"), bytes).expect("the temporary folder can be written");
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder().join("program.wasm")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What `command/arguments.wat` prints for these arguments.
pub fn hex_of_arguments(args: &[&OsStr]) -> String {
    hex_of(&[&[OsStr::new("program.wasm")], args].concat())
}

/// `words` as C strings, in hexadecimal digits.
pub fn hex_of(words: &[&OsStr]) -> String {
    let bytes = words.iter().flat_map(|word| word.as_bytes().iter().copied().chain([0]));
    bytes.map(|byte| format!("{byte:02x}")).collect::<String>() + "\n"
}
