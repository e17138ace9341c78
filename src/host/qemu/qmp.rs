//! A client of QEMU's control protocol (QMP: one JSON object a line, over a socket).

use super::QemuError;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::string::{String, ToString};
use std::thread;
use std::time::{Duration, Instant};
use std::vec::Vec;

/// QEMU answers each command within this time, and opens its socket within it after its start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection on which commands may be given.
pub struct Qmp {
    requests: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects to the socket at `path`, which a QEMU that has just been started may still have to make.
    pub(super) fn connect(path: &Path) -> Result<Self, QemuError> {
        let failed = |error: std::io::Error| refused("connecting", &error);
        let requests = connect_soon(path).map_err(failed)?;
        requests.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let replies = BufReader::new(requests.try_clone().map_err(failed)?);
        let mut qmp = Qmp { requests, replies };
        qmp.reply("greeting", "QMP")?;
        qmp.execute(json!({"execute": "qmp_capabilities"}))?;
        Ok(qmp)
    }

    /// Presses and releases keys, by QEMU's names joined with `-`.
    pub fn send_key(&mut self, keys: &str) -> Result<(), QemuError> {
        let keys: Vec<Value> = keys.split('-').map(|key| json!({"type": "qcode", "data": key})).collect();
        self.execute(json!({"execute": "send-key", "arguments": {"keys": keys}})).map(|_| ())
    }

    /// Writes what the screen shows to `path`, as a portable pixmap.
    pub fn screendump(&mut self, path: &Path) -> Result<(), QemuError> {
        let path = path.to_string_lossy();
        self.execute(json!({"execute": "screendump", "arguments": {"filename": path}})).map(|_| ())
    }

    /// Runs a command; returns what it returned.
    pub fn execute(&mut self, command: Value) -> Result<Value, QemuError> {
        let name = command["execute"].as_str().unwrap_or("command").to_string();
        let line = command.to_string() + "\n";
        self.requests.write_all(line.as_bytes()).map_err(|error| refused(&name, &error))?;
        self.reply(&name, "return")
    }

    /// The next reply's `key`, events skipped.
    fn reply(&mut self, command: &str, key: &str) -> Result<Value, QemuError> {
        loop {
            let mut line = String::new();
            match self.replies.read_line(&mut line) {
                Ok(0) => return Err(refused(command, &"QEMU ended")),
                Ok(_) => (),
                Err(error) => return Err(refused(command, &error)),
            }
            let mut reply: Value = serde_json::from_str(&line).map_err(|error| refused(command, &error))?;
            if let Some(value) = reply.get_mut(key) {
                return Ok(value.take());
            }
            if let Some(error) = reply.get("error") {
                return Err(refused(command, &error["desc"]));
            }
        }
    }
}

fn connect_soon(path: &Path) -> std::io::Result<UnixStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            result => return result,
        }
    }
}

fn refused(command: &str, reason: &dyn ToString) -> QemuError {
    QemuError::Control { command: command.into(), reason: reason.to_string() }
}
