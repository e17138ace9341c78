//! Stand-ins for the seams, with everything they did open to the test.

use crate::wasi::seams::{Clock, Console, Entropy, Stream, WriteFailed};
use std::cell::RefCell;
use std::rc::Rc;
use std::vec::Vec;

/// A console that keeps what was written and gives out prepared input. Clones share both.
#[derive(Clone, Default)]
pub struct FakeConsole {
    state: Rc<RefCell<ConsoleState>>,
}

#[derive(Default)]
struct ConsoleState {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    input: Vec<u8>,
    broken: bool,
}

impl FakeConsole {
    pub fn with_input(input: &[u8]) -> Self {
        let console = Self::default();
        console.state.borrow_mut().input.extend_from_slice(input);
        console
    }

    pub fn breaks(&self) {
        self.state.borrow_mut().broken = true;
    }

    pub fn stdout(&self) -> Vec<u8> {
        self.state.borrow().stdout.clone()
    }

    pub fn stderr(&self) -> Vec<u8> {
        self.state.borrow().stderr.clone()
    }
}

impl Console for FakeConsole {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        let mut state = self.state.borrow_mut();
        if state.broken {
            return Err(WriteFailed);
        }
        match stream {
            Stream::Stdout => state.stdout.extend_from_slice(bytes),
            Stream::Stderr => state.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let input = &mut self.state.borrow_mut().input;
        let len = input.len().min(buffer.len());
        buffer[..len].copy_from_slice(&input[..len]);
        input.drain(..len);
        len
    }
}

/// A clock that moves only when waited on.
pub struct FakeClock {
    pub now_ns: u64,
}

impl FakeClock {
    pub const REALTIME_AHEAD_NS: u64 = 1_000_000;
    pub const CPU_NS: u64 = 77;
}

impl Clock for FakeClock {
    fn realtime_ns(&mut self) -> u64 {
        self.now_ns.saturating_add(Self::REALTIME_AHEAD_NS)
    }

    fn monotonic_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn cpu_ns(&mut self) -> u64 {
        Self::CPU_NS
    }

    fn resolution_ns(&self) -> u64 {
        10
    }

    fn wait_until(&mut self, deadline_ns: u64) {
        self.now_ns = self.now_ns.max(deadline_ns);
    }
}

/// Bytes that are easy to recognise.
pub struct FakeEntropy;

impl Entropy for FakeEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0xe7);
    }
}
