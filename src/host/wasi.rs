//! The seams of WASI on Linux.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant, SystemTime};

use super::output::{self, Output};
use crate::wasi::{Clock, Console, Entropy, Input, Stream, WriteFailed};

/// The process's own standard streams. Standard error is written at once, after what was written before it.
pub struct StandardStreams {
    output: Output,
}

impl StandardStreams {
    pub fn new(output: Output) -> Self {
        Self { output }
    }
}

impl Console for StandardStreams {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        match stream {
            Stream::Stdout => self.output.write(bytes),
            Stream::Stderr => {
                self.output.flush();
                std::io::stderr().write_all(bytes).map_err(|error| output::reason(&error))
            }
        }
    }

    fn flush(&mut self) {
        self.output.flush();
    }

    /// Reads past the standard library, whose buffer would hide from [`wait`] that there is input.
    fn read(&mut self, buffer: &mut [u8]) -> Input {
        if !wait(0) {
            return Input::NotYet;
        }
        // SAFETY: the pointer and length are those of a slice that may be written.
        let count = unsafe { libc::read(libc::STDIN_FILENO, buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(count) {
            Ok(0) => Input::End,
            Ok(count) => Input::Bytes(count),
            Err(_) if std::io::Error::last_os_error().kind() == ErrorKind::Interrupted => Input::NotYet,
            Err(_) => Input::End,
        }
    }

    fn wait_for_input(&mut self, at_most_ns: u64) {
        // A limit that does not fit is none.
        wait(i32::try_from(at_most_ns.div_ceil(1_000_000)).unwrap_or(-1));
    }
}

/// Whether there is input, or its end, after at most `at_most_ms`; negative for however long it takes.
fn wait(at_most_ms: i32) -> bool {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one record, as the count says.
    unsafe { libc::poll(&raw mut input, 1, at_most_ms) > 0 }
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

    /// Compiling included: it is done by the same process.
    fn cpu_ns(&mut self) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the pointer is to a record that may be written.
        unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        // The process's own clock is never negative.
        nanoseconds(Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32))
    }

    fn resolution_ns(&self) -> u64 {
        1
    }

    fn wait_until(&mut self, deadline_ns: u64) {
        std::thread::sleep(Duration::from_nanos(deadline_ns.saturating_sub(self.monotonic_ns())));
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
