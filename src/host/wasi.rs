//! The seams of WASI on Linux.

use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime};

use crate::wasi::{Clock, Console, Entropy, Stream, WriteFailed};

/// The process's own standard streams.
pub struct StandardStreams;

impl Console for StandardStreams {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        let written = match stream {
            Stream::Stdout => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
            Stream::Stderr => std::io::stderr().write_all(bytes),
        };
        written.map_err(|_| WriteFailed)
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        std::io::stdin().read(buffer).unwrap_or(0)
    }
}

/// Linux's clocks.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Clock for SystemClock {
    fn realtime_ns(&mut self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanoseconds)
    }

    fn monotonic_ns(&mut self) -> u64 {
        nanoseconds(self.started.elapsed())
    }

    fn cpu_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    fn resolution_ns(&self) -> u64 {
        1
    }
}

/// Linux's random numbers.
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        let mut filled = 0;
        while filled < bytes.len() {
            let rest = &mut bytes[filled..];
            // SAFETY: the pointer and length are those of a slice that may be written.
            let count = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
            // Without flags it only fails when a signal interrupts it.
            filled += usize::try_from(count).unwrap_or(0);
        }
    }
}
