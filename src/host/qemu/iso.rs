//! Makes the ISO that a machine boots, with `grub/make-iso.sh`.
//!
//! Key function: [`make`]. [`line`] writes words as a command line that GRUB passes on as it is; `kernel::command_line`
//! reads it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, format, io};

/// Most bytes of a line. GRUB has no limit of its own but memory; lines of this length were seen to arrive.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one word in it: GRUB 2.06 was seen to read words of 7800 bytes, and to stop for good at one of 10,200.
const WORD_BYTES_MAX: usize = 7 << 10;

/// A file that GRUB loads for the kernel. The first is the program, every other one a file for the program.
#[derive(Clone, Debug)]
pub struct Module {
    pub path: PathBuf,
    /// The program's arguments from `argv[0]` on, or the name under which the program sees the file.
    pub words: Vec<Vec<u8>>,
}

/// The ISO was not made.
#[derive(Debug)]
pub enum IsoError {
    /// This word cannot be an argument.
    Nul { word: Vec<u8> },
    /// A word is longer, as it is written in the line, than GRUB can read.
    LongWord { bytes: usize },
    /// The words of this module, or of the kernel, make a line longer than is passed on.
    LongLine { module: PathBuf, bytes: usize },
    /// The script could not be started.
    Start { script: PathBuf, error: io::Error },
    /// The script failed, and said why.
    Failed { message: String },
}

/// `words` for a kernel that nobody watches: it ends when its program does, unless they say something else about that.
pub fn unattended(words: &str) -> String {
    match words.split_ascii_whitespace().any(|word| word.starts_with("after=")) {
        true => words.into(),
        false => format!("{words} after=off"),
    }
}

/// Writes to `out` an ISO that boots `kernel`; `words`, parted by white space, are its command line. `script` is
/// `grub/make-iso.sh`.
pub fn make(script: &Path, out: &Path, kernel: &Path, words: &str, modules: &[Module]) -> Result<(), IsoError> {
    let words: Vec<Vec<u8>> = words.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    let mut lines = short_line(kernel, &words)? + "\n";
    for module in modules {
        lines += &(short_line(&module.path, &module.words)? + "\n");
    }
    let mut command = Command::new(script);
    command.arg(out).arg(kernel).args(modules.iter().map(|module| &module.path));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = |error| IsoError::Start { script: script.into(), error };
    let mut child = command.spawn().map_err(start)?;
    if let Some(mut input) = child.stdin.take() {
        // A script that ends before it has read all of them says why.
        let _ = input.write_all(lines.as_bytes());
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(());
    }
    Err(IsoError::Failed { message: String::from_utf8_lossy(&output.stderr).trim_end().to_string() })
}

/// `words` as a line of `grub.cfg`, with spaces between them. Every byte that GRUB or the kernel could take for more than
/// itself is `%` and two digits; a word of no bytes is `%00`.
pub fn line(words: &[Vec<u8>]) -> Result<String, IsoError> {
    let mut line = String::new();
    for (index, word) in words.iter().enumerate() {
        if word.contains(&0) {
            return Err(IsoError::Nul { word: word.clone() });
        }
        if index > 0 {
            line.push(' ');
        }
        let start = line.len();
        if word.is_empty() {
            line += "%00";
        }
        for &byte in word {
            if byte.is_ascii_alphanumeric() || b"+,-./:=@_~".contains(&byte) {
                line.push(byte.into());
            } else {
                // Writing to a string does not fail.
                let _ = write!(line, "%{byte:02x}");
            }
        }
        match line.len() - start {
            ..=WORD_BYTES_MAX => {}
            bytes => return Err(IsoError::LongWord { bytes }),
        }
    }
    Ok(line)
}

fn short_line(module: &Path, words: &[Vec<u8>]) -> Result<String, IsoError> {
    let line = line(words)?;
    match line.len() {
        ..=LINE_BYTES_MAX => Ok(line),
        bytes => Err(IsoError::LongLine { module: module.into(), bytes }),
    }
}

impl fmt::Display for IsoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IsoError::Nul { word } => write!(
                f,
                "the argument \"{}\" holds a NUL, at which it would end for the program: leave it out",
                word.escape_ascii().to_string().replace("\\x00", "\\0")
            ),
            IsoError::LongWord { bytes } => write!(
                f,
                "an argument takes {bytes} bytes in grub.cfg, and {WORD_BYTES_MAX} can be passed on: put it into a file"
            ),
            IsoError::LongLine { module, bytes } => write!(
                f,
                "the words for {} take {bytes} bytes, and {LINE_BYTES_MAX} can be passed on: put them into a file",
                module.display()
            ),
            IsoError::Start { script, error } => write!(f, "cannot run {}: {error}", script.display()),
            IsoError::Failed { message } => write!(f, "the ISO was not made: {message}"),
        }
    }
}

impl std::error::Error for IsoError {}
