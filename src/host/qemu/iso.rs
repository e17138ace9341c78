//! Makes the ISO that a machine boots, with `grub/make-iso.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{fmt, io};

/// A file that GRUB loads for the kernel. The first is the program, every other one a file for the program.
#[derive(Clone, Debug)]
pub struct Module {
    pub path: PathBuf,
    /// The program's arguments from `argv[0]` on, or the name under which the program sees the file.
    pub words: Vec<String>,
}

/// The ISO was not made.
#[derive(Debug)]
pub enum IsoError {
    /// The script could not be started.
    Start { script: PathBuf, error: io::Error },
    /// The script failed, and said why.
    Failed { message: String },
}

/// Writes to `out` an ISO that boots `kernel`; `words` are its command line. `script` is `grub/make-iso.sh`.
pub fn make(script: &Path, out: &Path, kernel: &Path, words: &str, modules: &[Module]) -> Result<(), IsoError> {
    let mut command = Command::new(script);
    command.arg(out).arg(kernel).arg(words);
    for module in modules {
        command.arg("--module").arg(&module.path).args(&module.words);
    }
    let output = command.output().map_err(|error| IsoError::Start { script: script.into(), error })?;
    if output.status.success() {
        return Ok(());
    }
    Err(IsoError::Failed { message: String::from_utf8_lossy(&output.stderr).trim_end().to_string() })
}

impl fmt::Display for IsoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IsoError::Start { script, error } => write!(f, "cannot run {}: {error}", script.display()),
            IsoError::Failed { message } => write!(f, "the ISO was not made: {message}"),
        }
    }
}

impl std::error::Error for IsoError {}
