//! How fast the time-stamp counter runs, measured against a timer of the machine.
//!
//! A timer may be missing, and then its port reads as ones; it may stand still, or be delayed by a hypervisor. So a timer
//! counts only if it is seen to run, and a rate only if two windows agree on it: an interruption makes a window look
//! longer, hence the shortest are compared. Sources: Intel 8254 data sheet; ACPI Specification 6.5, section 4.8.3.3.

use x86_64::instructions::port::Port;

use super::super::power::PowerTimer;
use super::super::{poll, timer};
use crate::arch::ticks;

/// Windows of the interval timer last 1 ms, which it resolves to 0.1 %, and those of the ACPI timer 4 ms.
const PIT_WINDOW_CYCLES: u16 = (timer::INPUT_HZ / 1000) as u16;
const POWER_WINDOW_CYCLES: u32 = PowerTimer::HZ / 250;

const MIN_WINDOWS: u32 = 3;
/// As many may be spoilt by interruptions before the timer is given up.
const MAX_WINDOWS: u32 = 12;
/// The two shortest windows may differ by this part.
const AGREEMENT: u64 = 64;

/// Over ten times what a window takes even where one poll lasts ten nanoseconds (QEMU counting instructions).
const WINDOW_POLLS: u32 = 1_000_000;

/// Ticks per second by the interval timer.
pub(super) fn by_interval_timer() -> Option<u64> {
    by_one_shot(&mut PitChannel2, &mut ticks::now)
}

/// Ticks per second by the ACPI timer.
pub(super) fn by_power_timer(timer: PowerTimer) -> Option<u64> {
    by_counter(|| timer.read(), &mut ticks::now)
}

/// What became of a window.
enum Window {
    /// It gave this rate.
    Rate(u64),
    /// It was interrupted, or the time-stamp counter was set back.
    Spoilt,
    /// The timer does not run.
    Dead,
}

/// The lowest rate of several windows, if the one next to it is about the same.
fn agreed_rate(mut measure: impl FnMut() -> Window) -> Option<u64> {
    let (mut lowest, mut next) = (u64::MAX, u64::MAX);
    for window in 1..=MAX_WINDOWS {
        match measure() {
            Window::Rate(rate) if rate < lowest => (lowest, next) = (rate, lowest),
            Window::Rate(rate) => next = next.min(rate),
            Window::Spoilt => {}
            Window::Dead => return None,
        }
        if window >= MIN_WINDOWS && next != u64::MAX && next - lowest <= lowest / AGREEMENT {
            return Some(lowest);
        }
    }
    None
}

/// The rate of `ticks` that passed in `cycles` of a timer that does `hz` of them per second.
fn rate(ticks: u64, cycles: u32, hz: u32) -> Window {
    let rate = u128::from(ticks) * u128::from(hz) / u128::from(cycles.max(1));
    u64::try_from(rate).ok().filter(|&rate| rate > 0).map_or(Window::Spoilt, Window::Rate)
}

/// A timer that counts down once.
trait OneShot {
    /// Starts counting down this many cycles of [`timer::INPUT_HZ`].
    fn start(&mut self, cycles: u16);

    /// Reads whether the count has ended.
    fn read_expired(&mut self) -> bool;
}

fn by_one_shot(timer: &mut impl OneShot, now: &mut impl FnMut() -> u64) -> Option<u64> {
    agreed_rate(|| {
        let start = now();
        timer.start(PIT_WINDOW_CYCLES);
        // It must be seen running before it can be taken to have run.
        if timer.read_expired() {
            return Window::Spoilt;
        }
        if !poll(WINDOW_POLLS, || timer.read_expired()) {
            return Window::Dead;
        }
        rate(now().saturating_sub(start), PIT_WINDOW_CYCLES.into(), timer::INPUT_HZ)
    })
}

/// By a counter that runs freely, of which 24 bits count.
fn by_counter(mut read: impl FnMut() -> u32, now: &mut impl FnMut() -> u64) -> Option<u64> {
    const MASK: u32 = (1 << 24) - 1;
    agreed_rate(|| {
        let start = now();
        let first = read();
        let mut cycles = 0;
        let ran = poll(WINDOW_POLLS, || {
            cycles = read().wrapping_sub(first) & MASK;
            cycles >= POWER_WINDOW_CYCLES
        });
        if ran { rate(now().saturating_sub(start), cycles, PowerTimer::HZ) } else { Window::Dead }
    })
}

/// Channel 2 of the interval timer: the one that once drove the loudspeaker, and whose output can be read.
struct PitChannel2;

impl PitChannel2 {
    const DATA_PORT: u16 = 0x42;
    /// Gate, loudspeaker and output of channel 2.
    const CONTROL_PORT: u16 = 0x61;
    const GATE: u8 = 1 << 0;
    const LOUDSPEAKER: u8 = 1 << 1;
    const OUTPUT: u8 = 1 << 5;
    /// Channel 2 (10), low byte then high byte (11), mode 0: output rises when the count ends (000), binary (0).
    const ONE_SHOT: u8 = 0b1011_0000;
}

impl OneShot for PitChannel2 {
    fn start(&mut self, cycles: u16) {
        let [low, high] = cycles.to_le_bytes();
        let mut control = Port::<u8>::new(Self::CONTROL_PORT);
        // SAFETY: reading the control port has no effect.
        let silent = unsafe { control.read() } & !Self::LOUDSPEAKER;
        // SAFETY: opens the gate of channel 2, which nobody else uses, and keeps the loudspeaker off.
        unsafe { control.write(silent | Self::GATE) };
        // SAFETY: selects channel 2; its output falls until the count ends.
        unsafe { Port::<u8>::new(timer::COMMAND_PORT).write(Self::ONE_SHOT) };
        let mut data = Port::<u8>::new(Self::DATA_PORT);
        // SAFETY: the mode set above expects the low byte first.
        unsafe { data.write(low) };
        // SAFETY: and then the high byte, which starts the count.
        unsafe { data.write(high) };
    }

    fn read_expired(&mut self) -> bool {
        // SAFETY: reading the control port has no effect.
        unsafe { Port::<u8>::new(Self::CONTROL_PORT).read() & Self::OUTPUT != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const HZ: u64 = 3_000_000_000;

    /// A counter at 3 GHz and a timer whose windows last as many ticks as they should, plus a delay.
    struct FakeTimer<'a> {
        now: &'a Cell<u64>,
        delays: std::vec::Vec<u64>,
        end: u64,
    }

    impl OneShot for FakeTimer<'_> {
        fn start(&mut self, cycles: u16) {
            let length = u64::from(cycles) * HZ / u64::from(timer::INPUT_HZ);
            self.end = self.now.get() + length + self.delays.pop().unwrap_or(0);
        }
        fn read_expired(&mut self) -> bool {
            self.now.set(self.now.get() + 1000);
            self.now.get() >= self.end
        }
    }

    /// What a fake whose windows are delayed like this, the last one first, gives.
    fn delayed(delays: &[u64]) -> Option<u64> {
        let now = Cell::new(5);
        by_one_shot(&mut FakeTimer { now: &now, delays: delays.to_vec(), end: 0 }, &mut || now.get())
    }

    /// A port that reads the same for ever.
    struct Stuck(bool);

    impl OneShot for Stuck {
        fn start(&mut self, _: u16) {}
        fn read_expired(&mut self) -> bool {
            self.0
        }
    }

    #[test]
    fn interrupted_windows_do_not_spoil_the_rate() {
        for delays in [[0, 9_000_000, 0], [0, 0, 9_000_000], [9_000_000, 8_000_000, 7_000_000]] {
            let hz = delayed(&delays).expect("the timer runs");
            assert!(hz.abs_diff(HZ) < 6_000_000, "{hz}");
        }
    }

    #[test]
    fn windows_that_never_agree_give_no_rate() {
        let delays: std::vec::Vec<u64> = (0..12).map(|window| window * 1_000_000).collect();
        assert_eq!(delayed(&delays), None);
    }

    #[test]
    fn timer_that_is_missing_or_stuck_gives_no_rate() {
        let now = Cell::new(0);
        let mut advance = || now.replace(now.get() + 2_000_000);
        assert_eq!(by_one_shot(&mut Stuck(true), &mut advance), None, "port 0x61 of no timer reads as ones");
        assert_eq!(by_one_shot(&mut Stuck(false), &mut advance), None);
        assert_eq!(by_counter(|| u32::MAX, &mut advance), None);
    }

    #[test]
    fn counter_that_wraps_tells_the_rate() {
        let now = Cell::new(0);
        let read = || {
            now.set(now.get() + 1000);
            (0xff_ff00 + now.get() * u64::from(PowerTimer::HZ) / HZ) as u32 & 0xff_ffff
        };
        let hz = by_counter(read, &mut || now.get()).expect("the counter runs");
        assert!(hz.abs_diff(HZ) < 6_000_000, "{hz}");
    }

    #[test]
    fn time_stamp_counter_that_goes_back_gives_no_rate() {
        let now = Cell::new(u64::MAX / 2);
        let cycles = Cell::new(0);
        let read = || cycles.replace(cycles.get() + 1000);
        assert_eq!(by_counter(read, &mut || now.replace(now.get() - 1000)), None);
    }
}
