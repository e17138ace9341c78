//! The periodic interrupt: channel 0 of the programmable interval timer (8254) on interrupt line 0, or where that does not
//! come, the timer of the [`local_apic`].
//!
//! [`find`] tries which one interrupts, [`start`] sets the rate, [`ticks`] counts what arrived. Sampling and promotion policies
//! hang on this beat; the time of day comes from [`super::clock`]. Source: Intel 8254 data sheet (231164).

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;
use x86_64::instructions::interrupts::without_interrupts;
use x86_64::instructions::port::Port;

use super::local_apic;
use super::pic::{self, Irq};
use super::{STALLED_POLLS, poll};
use crate::arch;

/// Cycles per second of the timer's input clock: a third of the NTSC colour carrier, 1.193182 MHz.
pub(super) const INPUT_HZ: u32 = 1_193_182;

/// Interrupts per second unless the caller wants another rate.
pub const DEFAULT_HZ: u32 = 250;

/// Where the interrupt arrives, from either timer.
pub const VECTORS: [u8; 2] = [Irq::Timer.vector(), local_apic::TIMER_VECTOR];

pub(super) const COMMAND_PORT: u16 = 0x43;
const CHANNEL_0_PORT: u16 = 0x40;

/// Channel 0 (00), low byte then high byte (11), mode 2: rate generator (010), binary (0).
const CHANNEL_0_RATE_GENERATOR: u8 = 0b0011_0100;
/// The same in mode 0: one interrupt when the count ends (000).
const CHANNEL_0_ONCE: u8 = 0b0011_0000;

/// What [`find`] lets the interval timer count: ten microseconds.
const TRIAL_CYCLES: u16 = (INPUT_HZ / 100_000) as u16;
/// At this rate it tries the other one.
const TRIAL_HZ: u32 = 10_000;
/// An interrupt of the interval timer that has not come after so many ticks, some hundredths of a second, is taken for one that
/// never will. The other timer gets longer: nearly every machine has it, and there is none after it.
const PATIENCE_TICKS: u64 = 1 << 26;
const LAST_PATIENCE_TICKS: u64 = 1 << 30;

/// Interrupts so far. Static because the handler has no other way to it.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Set by [`find`].
static SOURCE: Once<Source> = Once::new();

/// Whose interrupts come.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The interval timer's, and so those of all lines of the 8259A.
    Interval,
    /// The local APIC's, which looks for input too: it is not certain that devices interrupt.
    LocalApic(local_apic::Timer),
    /// Nobody's. Whoever waits for something has to look for it.
    None,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interval => "the interval timer",
            Self::LocalApic(_) => "the local APIC, since the interval timer does not interrupt",
            Self::None => "no timer: nothing is sampled, and Ctrl-C ends a program only where it reads",
        })
    }
}

/// Tries which timer interrupts, with interrupts on. Takes some hundredths of a second where the first does not, half a second where
/// none does. `ticks_per_second` is the rate of the time-stamp counter, asked for only where the interval timer does not do.
pub fn find(ticks_per_second: impl FnOnce() -> u64) -> Source {
    *SOURCE.call_once(|| {
        let comes = has_come(PATIENCE_TICKS, || {
            program(CHANNEL_0_ONCE, TRIAL_CYCLES);
            pic::unmask(Irq::Timer);
        });
        pic::mask(Irq::Timer);
        if comes {
            return Source::Interval;
        }
        let Some(timer) = local_apic::Timer::measure(ticks_per_second()) else { return Source::None };
        let comes = has_come(LAST_PATIENCE_TICKS, || timer.start(TRIAL_HZ));
        timer.stop();
        if comes { Source::LocalApic(timer) } else { Source::None }
    })
}

/// Whether interrupts come, so that waiting for one ends.
pub fn interrupts() -> bool {
    !matches!(source(), Source::None)
}

/// Starts the interrupt at about `hz` per second. Rates that the interval timer cannot do (below 19 Hz, above 596,591 Hz) become
/// the nearest that it can.
pub fn start(hz: u32) {
    match source() {
        Source::Interval => {
            program(CHANNEL_0_RATE_GENERATOR, divisor(hz) as u16); // 65536 is written as 0.
            pic::unmask(Irq::Timer);
        }
        Source::LocalApic(timer) => timer.start(hz),
        Source::None => {}
    }
}

/// Holds the interrupt back.
pub fn stop() {
    match source() {
        Source::Interval => pic::mask(Irq::Timer),
        Source::LocalApic(timer) => timer.stop(),
        Source::None => {}
    }
}

/// Timer interrupts so far.
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

pub(super) fn on_interrupt() {
    TICKS.fetch_add(1, Ordering::Relaxed);
}

fn source() -> Source {
    SOURCE.get().copied().unwrap_or(Source::None)
}

/// Whether an interrupt comes within so many ticks after `start`.
fn has_come(patience_ticks: u64, start: impl FnOnce()) -> bool {
    let before = ticks();
    start();
    let started = arch::ticks::now();
    let is_late = || arch::ticks::now().saturating_sub(started) > patience_ticks;
    poll(STALLED_POLLS, || ticks() != before || is_late()) && ticks() != before
}

/// Starts channel 0 in a mode.
fn program(mode: u8, count: u16) {
    let [low, high] = count.to_le_bytes();
    without_interrupts(|| {
        // SAFETY: no other code programs channel 0, and interrupts are off until the count is complete.
        unsafe { Port::<u8>::new(COMMAND_PORT).write(mode) };
        let mut channel = Port::<u8>::new(CHANNEL_0_PORT);
        // SAFETY: the mode set above expects the low byte first.
        unsafe { channel.write(low) };
        // SAFETY: and then the high byte.
        unsafe { channel.write(high) };
    });
}

/// The 16-bit reload value for a rate; 65536 stands for itself. Mode 2 does not allow 1.
fn divisor(hz: u32) -> u32 {
    let nearest = (INPUT_HZ + hz / 2).checked_div(hz).unwrap_or(u32::MAX);
    nearest.clamp(2, 65536)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_the_nearest_divisor() {
        assert_eq!(divisor(250), 4773);
        assert_eq!(divisor(1000), 1193);
        assert_eq!(divisor(18), 65536);
        assert_eq!(divisor(0), 65536);
        assert_eq!(divisor(u32::MAX / 4), 2);
    }

    #[test]
    fn slowest_rate_is_written_as_zero() {
        assert_eq!(divisor(1) as u16, 0);
    }
}
