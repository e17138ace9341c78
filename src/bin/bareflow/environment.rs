//! Variables of a program's environment, as options name them.

use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Name and value of the variable that `word` says: `NAME=VALUE`, or `NAME` for one of this process's.
pub fn variable(word: &OsStr) -> Result<(Vec<u8>, Vec<u8>)> {
    let bytes = word.as_bytes();
    let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
        None => (bytes, None),
    };
    ensure!(!name.is_empty(), "--env {}: there is no name before the value", word.display());
    let of_process = || env::var_os(OsStr::from_bytes(name)).map(OsStringExt::into_vec);
    let value = value.or_else(of_process);
    let value = value
        .with_context(|| format!("--env {0}: there is no variable {0} here; say --env {0}=VALUE", word.display()))?;
    Ok((name.to_vec(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_given_or_taken_from_this_process() {
        let variable = |word: &str| variable(OsStr::new(word)).map_err(|error| error.to_string());
        assert_eq!(variable("A=b=c"), Ok((b"A".to_vec(), b"b=c".to_vec())));
        assert_eq!(variable("A="), Ok((b"A".to_vec(), Vec::new())));
        let path = env::var_os("PATH").unwrap().into_vec();
        assert_eq!(variable("PATH"), Ok((b"PATH".to_vec(), path)));
        assert_eq!(variable("=b"), Err("--env =b: there is no name before the value".into()));
        let why = "--env NO_SUCH_NAME: there is no variable NO_SUCH_NAME here; say --env NO_SUCH_NAME=VALUE";
        assert_eq!(variable("NO_SUCH_NAME"), Err(why.into()));
    }
}
