//! How this command ends, and how it speaks: with a status that others understand, and without complaint when nobody
//! listens any more.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// The status of a process: its low byte is all that a shell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    pub const SUCCESS: Self = Self(0);
    pub const FAILURE: Self = Self(1);
    /// That of a process that SIGPIPE ended, as a shell shows it.
    pub const NOBODY_READS: Self = Self(128 + 13);

    /// This, or failure in place of success.
    pub fn or_failure(self) -> Self {
        if self == Self::SUCCESS { Self::FAILURE } else { self }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.0)
    }
}

/// The low byte of a program's exit code, but success only for 0: 256 is a failure, and stays one.
pub fn of_program(exit_code: i32) -> Status {
    let low_byte = Status(exit_code as u8);
    if exit_code == 0 { low_byte } else { low_byte.or_failure() }
}

/// A line on standard error, if there is somebody who reads it.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The same, in this command's own name.
pub fn complain(line: fmt::Arguments<'_>) {
    say(format_args!("bareflow: {line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exit_code_0_is_a_success() {
        let codes = [0, 1, 3, 126, 134, 255, 256, 257, -1, -256, i32::MIN, i32::MAX];
        let statuses = [0, 1, 3, 126, 134, 255, 1, 1, 255, 1, 1, 255];
        assert_eq!(codes.map(of_program), statuses.map(Status));
    }
}
