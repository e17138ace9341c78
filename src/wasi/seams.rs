//! What WASI needs from the face it runs on. Each face implements these once; tests use fakes.

/// Where a program's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Why the console cannot take bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFailed {
    /// The reader of a pipe is gone.
    Closed,
    /// There is no room for more.
    Full,
    Other,
}

/// What a console had for the program to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing now; there may be some later.
    NotYet,
    /// Nothing now or later.
    End,
}

/// The program's standard streams.
pub trait Console {
    /// Writes all of `bytes`, or keeps them for [`flush`](Self::flush); a failure may be that of an earlier write.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed>;

    /// Lets what was written arrive: the program is about to wait. A console that keeps nothing keeps this body.
    fn flush(&mut self) {}

    /// Copies what input there is into `buffer`, which is not empty, without waiting. A console without input keeps
    /// this body.
    fn read(&mut self, _buffer: &mut [u8]) -> Input {
        Input::End
    }

    /// Waits after [`Input::NotYet`], at most `at_most_ns` nanoseconds (`u64::MAX` for as long as it takes). May return
    /// at any time: the caller reads again.
    fn wait_for_input(&mut self, _at_most_ns: u64) {
        core::hint::spin_loop();
    }
}

/// Time, in nanoseconds.
pub trait Clock {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted.
    fn realtime_ns(&mut self) -> u64;

    /// The same for times of files: never later, and less than a second earlier. A clock that is cheap to ask keeps this body.
    fn file_time_ns(&mut self) -> u64 {
        self.realtime_ns()
    }

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
