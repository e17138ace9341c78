//! Devices of a PC: fixed machine code in ring 0, never profiled and never recompiled.
//!
//! | to | module | key type |
//! |---|---|---|
//! | print and read over a wire | [`serial`] | [`serial::Serial`] |
//! | print on the screen | [`console`] | [`console::Console`] |
//! | read what is typed | [`keyboard`] | [`keyboard::Keyboard`] |
//! | end what computes | [`interruption`] | [`interruption::is_asked`] |
//! | route interrupts, count time slices | [`pic`], [`local_apic`], [`timer`] | [`pic::Irq`], [`timer::Source`] |
//! | tell the time | [`clock`], [`rtc`] | [`clock::Clock`] |
//! | find devices | [`pci`] | [`pci::Function`] |
//! | drive those that reach memory by themselves | [`bus_master`] | [`bus_master::BusMaster`] |
//! | keep data | [`disk`]: [`ahci`], [`ata`], [`nvme`], [`virtio_blk`] | [`disk::Disk`] |
//! | switch off | [`power`] | [`power::SoftOff`] |
//! | be unpredictable | [`entropy`] | [`entropy::fill`] |
//!
//! Three rules hold here. Every wait is bounded, so a device that is missing or broken costs time but never hangs the
//! machine. What a device says is checked, never trusted. The logic of a protocol is generic over a small register
//! trait, so that it runs against a fake device in an ordinary test; only the implementations of those traits touch
//! ports and registers in memory. Drivers have inherent methods and know no layer above; the top layer adapts them to the seams.
//!
//! The only statics are those an interrupt handler must reach: the tick counter, the two buffers of input, and what belongs to
//! Ctrl-C.

pub mod ahci;
pub mod ata;
pub mod bus_master;
pub mod clock;
pub mod console;
pub mod disk;
pub mod entropy;
pub mod interruption;
pub mod keyboard;
pub mod local_apic;
pub mod nvme;
pub mod pci;
pub mod pic;
pub mod power;
mod ring;
pub mod rtc;
pub mod serial;
pub mod timer;
pub mod virtio_blk;

use crate::arch::interrupts;
use pic::Irq;

/// Serves a hardware interrupt of [`pic::VECTORS`] or of [`local_apic::TIMER_VECTOR`]: its device first, then the interrupt
/// controllers. Registered for all of them by these two; a handler that replaces it for one vector ends by calling it.
pub fn handle_interrupt(vector: u8) {
    if vector == local_apic::TIMER_VECTOR {
        timer::on_interrupt();
        // A machine without the interval timer may have no 8259A either, by which these would come.
        keyboard::on_interrupt();
        serial::on_interrupt();
        return local_apic::end_of_interrupt();
    }
    let Some(irq) = Irq::from_vector(vector) else { return };
    if pic::is_spurious(irq) {
        interrupts::count_unexpected(vector);
        return pic::end_spurious(irq);
    }
    match irq {
        Irq::Timer => timer::on_interrupt(),
        Irq::Keyboard => keyboard::on_interrupt(),
        Irq::Serial => serial::on_interrupt(),
        _ => interrupts::count_unexpected(vector),
    }
    pic::end_of_interrupt(irq);
}

/// Asks `done` up to `limit` times; false if it never said yes.
fn poll(limit: u32, mut done: impl FnMut() -> bool) -> bool {
    (0..limit).any(|_| {
        core::hint::spin_loop();
        done()
    })
}

/// A clock that has not moved for so many polls, of at least some nanoseconds each, stands still.
const STALLED_POLLS: u32 = 100_000_000;
/// Before the clock is looked at, which may have to be measured: far more than a device that works needs.
const UNTIMED_POLLS: u32 = 100_000;

/// Asks `done` until it says yes, for `timeout_ms` and some more; else says how many milliseconds went by.
fn wait<D>(
    device: &mut D,
    timeout_ms: u64,
    now_ms: impl Fn(&mut D) -> u64,
    mut done: impl FnMut(&mut D) -> bool,
) -> Result<(), u64> {
    if poll(UNTIMED_POLLS, || done(device)) {
        return Ok(());
    }
    wait_by_clock(device, timeout_ms, now_ms, done)
}

/// The same, by the clock from the second look on: for what is seldom there.
fn wait_by_clock<D>(
    device: &mut D,
    timeout_ms: u64,
    now_ms: impl Fn(&mut D) -> u64,
    done: impl FnMut(&mut D) -> bool,
) -> Result<(), u64> {
    wait_unless_stalled(device, timeout_ms, STALLED_POLLS, now_ms, done)
}

/// The same, but ends after so many polls between which the clock did not move.
fn wait_unless_stalled<D>(
    device: &mut D,
    timeout_ms: u64,
    stalled_polls: u32,
    now_ms: impl Fn(&mut D) -> u64,
    mut done: impl FnMut(&mut D) -> bool,
) -> Result<(), u64> {
    if done(device) {
        return Ok(());
    }
    let start = now_ms(device);
    let (mut waited_ms, mut polls) = (0, 0);
    while waited_ms < timeout_ms && polls < stalled_polls {
        core::hint::spin_loop();
        let now = now_ms(device).saturating_sub(start);
        polls = if now == waited_ms { polls + 1 } else { 0 };
        waited_ms = now;
        if done(device) {
            return Ok(());
        }
    }
    Err(waited_ms)
}

/// Lets `ms` milliseconds go by.
fn pause<D>(device: &mut D, ms: u64, now_ms: impl Fn(&mut D) -> u64) {
    // Where the clock stands still it ends all the same.
    let _ = wait_by_clock(device, ms, now_ms, |_| false);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that moves by a millisecond in so many looks, and how often it was looked at.
    struct Watched {
        looks_per_ms: u64,
        looks: u64,
    }

    impl Watched {
        fn now_ms(&mut self) -> u64 {
            self.looks += 1;
            self.looks / self.looks_per_ms
        }
    }

    fn waited(looks_per_ms: u64, done: impl FnMut(&mut Watched) -> bool) -> (Result<(), u64>, u64) {
        let mut watched = Watched { looks_per_ms, looks: 0 };
        (wait_unless_stalled(&mut watched, 5, 100, Watched::now_ms, done), watched.looks)
    }

    #[test]
    fn however_many_polls_a_millisecond_takes_the_whole_time_is_waited() {
        assert_eq!(waited(1, |_| false).0, Err(5));
        // More polls in all than those after which a clock that stands still is noticed.
        let (result, looks) = waited(90, |_| false);
        assert_eq!(result, Err(5));
        assert!(looks >= 450, "{looks}");
    }

    #[test]
    fn a_clock_that_stands_still_ends_the_wait() {
        let (result, looks) = waited(u64::MAX, |_| false);
        assert_eq!(result, Err(0));
        assert!((100..=102).contains(&looks), "{looks}");
    }

    #[test]
    fn what_is_there_at_once_costs_no_look_at_the_clock() {
        assert_eq!(waited(1, |_| true), (Ok(()), 0));
    }

    #[test]
    fn an_answer_at_the_last_moment_counts() {
        assert_eq!(waited(1, |watched| watched.looks == 6).0, Ok(()));
    }
}
