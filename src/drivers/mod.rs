//! Devices of a PC: fixed machine code in ring 0, never profiled and never recompiled.
//!
//! | to | module | key type |
//! |---|---|---|
//! | print and read over a wire | [`serial`] | [`serial::Serial`] |
//! | print on the screen | [`console`] | [`console::Console`], [`tee::Tee`] |
//! | read what is typed | [`keyboard`] | [`keyboard::Keyboard`] |
//! | route interrupts, count time slices | [`pic`], [`local_apic`], [`timer`] | [`pic::Irq`] |
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
//! The only statics are those an interrupt handler must reach: the tick counter and the two buffers of input.

pub mod ahci;
pub mod ata;
pub mod bus_master;
pub mod clock;
pub mod console;
pub mod disk;
pub mod entropy;
pub mod keyboard;
pub mod local_apic;
pub mod nvme;
pub mod pci;
pub mod pic;
pub mod power;
mod ring;
pub mod rtc;
pub mod serial;
pub mod tee;
pub mod timer;
pub mod virtio_blk;

use crate::arch::interrupts;
use pic::Irq;

/// Serves a hardware interrupt of [`pic::VECTORS`]: its device first, then the interrupt controllers. Registered for all
/// of them by [`pic::initialize`]; a handler that replaces it for one vector ends by calling it.
pub fn handle_interrupt(vector: u8) {
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

/// In case the clock stands still. A poll takes from 300 ns (emulated) to some microseconds.
const MAX_POLLS: u32 = 100_000_000;
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
    let start = now_ms(device);
    let mut waited_ms = 0;
    let mut is_done = false;
    poll(MAX_POLLS, || {
        waited_ms = now_ms(device).saturating_sub(start);
        is_done = done(device);
        is_done || waited_ms >= timeout_ms
    });
    if is_done { Ok(()) } else { Err(waited_ms) }
}
