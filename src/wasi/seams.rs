//! What WASI needs from the face it runs on. Each face implements these once; tests use fakes.

/// Where a program's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The console cannot take the bytes, for example because the reader of a pipe is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteFailed;

/// The program's standard streams.
pub trait Console {
    /// Writes all of `bytes`.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed>;

    /// Copies what input there is into `buffer`, at most its length, without waiting; returns the number of bytes.
    /// The program takes 0 for the end of its input. A console without input keeps this body.
    fn read(&mut self, _buffer: &mut [u8]) -> usize {
        0
    }
}

/// Time, in nanoseconds.
pub trait Clock {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted.
    fn realtime_ns(&mut self) -> u64;

    /// Since any fixed moment; never goes back.
    fn monotonic_ns(&mut self) -> u64;

    /// That the CPU has spent on the program.
    fn cpu_ns(&mut self) -> u64;

    /// The smallest difference the three can show, at least 1.
    fn resolution_ns(&self) -> u64;

    /// Returns once `monotonic_ns` has reached `deadline_ns`.
    fn wait_until(&mut self, deadline_ns: u64) {
        while self.monotonic_ns() < deadline_ns {
            core::hint::spin_loop();
        }
    }
}

/// Random bytes, fit for keys.
pub trait Entropy {
    fn fill(&mut self, bytes: &mut [u8]);
}
