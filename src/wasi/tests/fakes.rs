//! Stand-ins for the seams, with everything they did open to the test.

use crate::wasi::seams::{Clock, Console, Entropy, Input, Stream, WriteFailed};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::vec::Vec;

/// A console that keeps what was written and gives out prepared input. Clones share both. Waiting for its input takes
/// time on its clock.
#[derive(Clone, Default)]
pub struct FakeConsole {
    state: Rc<RefCell<ConsoleState>>,
    pub clock: FakeClock,
}

#[derive(Default)]
struct ConsoleState {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Lengths of the writes, to either.
    writes: Vec<usize>,
    /// How often it was told to let them arrive.
    flushes: usize,
    input: Vec<u8>,
    /// What is typed when the program waits, and after how long.
    later: Option<(u64, Vec<u8>)>,
    /// Nobody types, but somebody could.
    silent: bool,
    broken: bool,
}

impl FakeConsole {
    pub fn with_input(input: &[u8]) -> Self {
        let console = Self::default();
        console.state.borrow_mut().input.extend_from_slice(input);
        console
    }

    /// Has input after a wait of `wait_ns`, and then its end.
    pub fn types_after(wait_ns: u64, input: &[u8]) -> Self {
        let console = Self::default();
        console.state.borrow_mut().later = Some((wait_ns, input.to_vec()));
        console
    }

    /// Never has input, and never ends.
    pub fn silent() -> Self {
        let console = Self::default();
        console.state.borrow_mut().silent = true;
        console
    }

    pub fn breaks(&self) {
        self.state.borrow_mut().broken = true;
    }

    pub fn stdout(&self) -> Vec<u8> {
        self.state.borrow().stdout.clone()
    }

    pub fn writes(&self) -> Vec<usize> {
        self.state.borrow().writes.clone()
    }

    pub fn flushes(&self) -> usize {
        self.state.borrow().flushes
    }

    pub fn stderr(&self) -> Vec<u8> {
        self.state.borrow().stderr.clone()
    }
}

impl Console for FakeConsole {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        let mut state = self.state.borrow_mut();
        if state.broken {
            return Err(WriteFailed::Closed);
        }
        state.writes.push(bytes.len());
        match stream {
            Stream::Stdout => state.stdout.extend_from_slice(bytes),
            Stream::Stderr => state.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.state.borrow_mut().flushes += 1;
    }

    fn read(&mut self, buffer: &mut [u8]) -> Input {
        let mut state = self.state.borrow_mut();
        let waits = state.silent || state.later.is_some();
        let input = &mut state.input;
        let len = input.len().min(buffer.len());
        buffer[..len].copy_from_slice(&input[..len]);
        input.drain(..len);
        match len {
            0 if waits => Input::NotYet,
            0 => Input::End,
            len => Input::Bytes(len),
        }
    }

    fn wait_for_input(&mut self, at_most_ns: u64) {
        let mut state = self.state.borrow_mut();
        let wait_ns = state.later.as_ref().map_or(u64::MAX, |(wait_ns, _)| *wait_ns);
        assert!(at_most_ns < u64::MAX || wait_ns < u64::MAX, "waits for ever");
        self.clock.advance(wait_ns.min(at_most_ns));
        match state.later.take() {
            Some((wait_ns, input)) if wait_ns <= at_most_ns => state.input = input,
            later => state.later = later,
        }
    }
}

/// A clock that moves only when waited on. Clones show the same time.
#[derive(Clone, Default)]
pub struct FakeClock {
    now_ns: Rc<Cell<u64>>,
}

impl FakeClock {
    pub const REALTIME_AHEAD_NS: u64 = 1_000_000;
    pub const CPU_NS: u64 = 77;

    pub fn advance(&self, ns: u64) {
        self.now_ns.set(self.now_ns.get().saturating_add(ns));
    }
}

impl Clock for FakeClock {
    fn realtime_ns(&mut self) -> u64 {
        self.monotonic_ns().saturating_add(Self::REALTIME_AHEAD_NS)
    }

    fn monotonic_ns(&mut self) -> u64 {
        self.now_ns.get()
    }

    fn cpu_ns(&mut self) -> u64 {
        Self::CPU_NS
    }

    fn resolution_ns(&self) -> u64 {
        10
    }

    fn wait_until(&mut self, deadline_ns: u64) {
        self.now_ns.set(self.now_ns.get().max(deadline_ns));
    }
}

/// Bytes that are easy to recognise.
pub struct FakeEntropy;

impl Entropy for FakeEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0xe7);
    }
}
