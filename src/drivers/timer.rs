//! The periodic interrupt: channel 0 of the programmable interval timer (8254), on interrupt line 0.
//!
//! [`start`] sets the rate, [`ticks`] counts what arrived. Sampling and promotion policies hang on this beat; the
//! time of day comes from [`super::clock`]. Source: Intel 8254 data sheet (231164).

use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::instructions::interrupts::without_interrupts;
use x86_64::instructions::port::Port;

use super::pic::{self, Irq};

/// Cycles per second of the timer's input clock: a third of the NTSC colour carrier, 1.193182 MHz.
pub(super) const INPUT_HZ: u32 = 1_193_182;

/// Interrupts per second unless the caller wants another rate.
pub const DEFAULT_HZ: u32 = 250;

pub(super) const COMMAND_PORT: u16 = 0x43;
const CHANNEL_0_PORT: u16 = 0x40;

/// Channel 0 (00), low byte then high byte (11), mode 2: rate generator (010), binary (0).
const CHANNEL_0_RATE_GENERATOR: u8 = 0b0011_0100;

/// Interrupts since [`start`]. Static because the handler has no other way to it.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Starts the interrupt at about `hz` per second and lets it through; returns the divisor of [`INPUT_HZ`] that was set.
///
/// Rates that the chip cannot do (below 19 Hz, above 596,591 Hz) become the nearest that it can.
pub fn start(hz: u32) -> u32 {
    let divisor = divisor(hz);
    let [low, high, ..] = divisor.to_le_bytes(); // 65536 is written as 0: it wraps to the right bytes.
    without_interrupts(|| {
        // SAFETY: no other code programs channel 0, and interrupts are off until the count is complete.
        unsafe { Port::<u8>::new(COMMAND_PORT).write(CHANNEL_0_RATE_GENERATOR) };
        let mut channel = Port::<u8>::new(CHANNEL_0_PORT);
        // SAFETY: the mode set above expects the low byte first.
        unsafe { channel.write(low) };
        // SAFETY: and then the high byte.
        unsafe { channel.write(high) };
    });
    pic::unmask(Irq::Timer);
    divisor
}

/// Holds the interrupt back.
pub fn stop() {
    pic::mask(Irq::Timer);
}

/// Timer interrupts since the first [`start`].
pub fn ticks() -> u64 {
    TICKS.load(Ordering::Relaxed)
}

pub(super) fn on_interrupt() {
    TICKS.fetch_add(1, Ordering::Relaxed);
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
        assert_eq!(divisor(1).to_le_bytes()[..2], [0, 0]);
    }
}
