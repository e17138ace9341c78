//! Boots of a program on one store, each a process of the `bareflow` command.
#![allow(dead_code)] // Each file of tests uses its own part.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A boot that has ended.
#[derive(Debug)]
pub struct Boot {
    pub exit: i32,
    pub stdout: Vec<u8>,
    /// What the command reported.
    pub report: Value,
    pub stderr: String,
}

impl Boot {
    /// What the report says of `name`.
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_else(|| panic!("{name} is no number: {}", self.stderr))
    }
}

/// So many boots of the module at `path` with `args` and `files`, by a user of their own; `options` are the command's.
#[track_caller]
pub fn boots(count: usize, path: &Path, args: &[&str], files: &[(&str, Vec<u8>)], options: &[&str]) -> Vec<Boot> {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = folder.path().join("store.img");
    let bareflow = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
        command.env("XDG_DATA_HOME", folder.path());
        command
    };
    let formatted = bareflow().args(["store", "format", "--mib", "64"]).arg(&store).output().expect("it runs");
    assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
    let mut command = bareflow();
    command.args(["run", "--report", "--store"]).arg(&store).args(options);
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("the folder can be written");
        command.arg("--file").arg(path);
    }
    command.arg(path).args(args);
    let boots = (0..count).map(|_| {
        let output = command.output().expect("the command runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = stderr.lines().rev().find_map(|line| line.strip_prefix("BAREFLOW "));
        let report = line.and_then(|line| serde_json::from_str(line).ok());
        let report = report.unwrap_or_else(|| panic!("there is no report: {stderr}"));
        Boot { exit: output.status.code().unwrap_or(-1), stdout: output.stdout, report, stderr }
    });
    boots.collect()
}

/// Boots five times: all must do the same, and those after the first in the code of the ones before.
#[track_caller]
pub fn five_boots(path: &Path, args: &[&str], files: &[(&str, Vec<u8>)], options: &[&str]) -> Vec<Boot> {
    let boots = boots(5, path, args, files, options);
    for (number, boot) in (1..).zip(&boots) {
        let place = format!("{} {args:?}, boot {number}:\n{}", path.display(), boot.stderr);
        // How deep a stack can be is the tier's matter, and stands in the trace behind.
        let ending = |boot: &Boot| {
            let reason = boot.report["reason"].as_str().and_then(|reason| reason.lines().next());
            (boot.report["event"].clone(), reason.map(String::from))
        };
        assert!(boot.stdout == boots[0].stdout && boot.exit == boots[0].exit, "{place}");
        assert!(ending(boot) == ending(&boots[0]) && boot.report["store"] == "saved", "{place}");
        assert_eq!((boot.count("boot"), boot.count("code_rejected")), (number, 0), "{place}");
        assert_eq!(boot.count("code_loaded") > 0, number > 1, "{place}");
    }
    boots
}

/// The same, and the third boot and those after it compile nothing.
#[track_caller]
pub fn five_boots_that_settle(path: &Path, args: &[&str], files: &[(&str, Vec<u8>)], options: &[&str]) -> Vec<Boot> {
    let boots = five_boots(path, args, files, options);
    for boot in &boots[2..] {
        assert_eq!(boot.count("functions_compiled_this_boot"), 0, "{} {args:?}:\n{}", path.display(), boot.stderr);
    }
    boots
}
