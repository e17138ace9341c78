//! Programs of others.

use super::ImageError;
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::string::{String, ToString};

/// The time of all that has one, in seconds since 1970: the first that FAT knows, of the beginning of 1980.
pub const EPOCH_SECONDS: &str = "315532800";

/// Runs a program, which is called `name` and comes with `package`. What it says is shown only if it fails.
pub fn run(command: &mut Command, name: &'static str, package: &'static str) -> Result<(), ImageError> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => ImageError::Missing { what: name.into(), package },
        _ => ImageError::Tool { name, message: error.to_string() },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(ImageError::Tool { name, message })
}
