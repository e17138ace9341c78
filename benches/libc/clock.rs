//! Time, in three units: nanoseconds, ticks of the time-stamp counter, and cycles of the core.
//!
//! The time-stamp counter runs at a fixed rate, the core does not. Its rate is taken from a chain of additions, each of
//! which needs the one before it and so takes a cycle: that works where a virtual machine hides performance counters.

use std::arch::asm;
use std::time::{Duration, Instant};

const CHAIN_ROUNDS: u64 = 20_000;
const ADDITIONS_PER_ROUND: u64 = 64;

/// The rates of this machine's clocks.
#[derive(Clone, Copy)]
pub struct Clock {
    pub ticks_per_ns: f64,
}

impl Clock {
    /// Compares the time-stamp counter with the operating system's clock.
    pub fn calibrate() -> Self {
        let (started, first) = (Instant::now(), ticks());
        while started.elapsed() < Duration::from_millis(100) {}
        let (elapsed, last) = (started.elapsed(), ticks());
        Self { ticks_per_ns: (last - first) as f64 / elapsed.as_nanos() as f64 }
    }

    /// How many cycles the core does in a nanosecond now: the best of some short runs, since an interrupt only delays.
    pub fn cycles_per_ns(&self) -> f64 {
        let shortest = (0..8).map(|_| chain_ticks()).min().unwrap_or(1);
        (CHAIN_ROUNDS * ADDITIONS_PER_ROUND) as f64 / shortest as f64 * self.ticks_per_ns
    }
}

/// The time-stamp counter.
pub fn ticks() -> u64 {
    // SAFETY: every x86-64 CPU has RDTSC, and Linux leaves it enabled for processes.
    unsafe { std::arch::x86_64::_rdtsc() }
}

fn chain_ticks() -> u64 {
    let started = ticks();
    // SAFETY: changes only its two registers and the flags.
    unsafe {
        asm!(
            "2:",
            ".rept 64",
            "add {sum}, {sum}",
            ".endr",
            "dec {rounds}",
            "jnz 2b",
            sum = inout(reg) 1_u64 => _,
            rounds = inout(reg) CHAIN_ROUNDS => _,
            options(nomem, nostack),
        );
    }
    ticks() - started
}
