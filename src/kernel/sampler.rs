//! Where the program spends its time: the timer interrupt looks at the interrupted instruction.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use super::{faults, screen};
use crate::arch::interrupts::{self, TrapFrame};
use crate::arch::ticks;
use crate::drivers::pic::Irq;
use crate::drivers::{self, timer};
use crate::memory::layout::{CODE_BASE, CODE_BYTES};

/// Samples per second: often enough to see a run of a second, rarely enough to cost about a thousandth.
pub const SAMPLES_PER_SECOND: u32 = 1_000;

/// Functions begin at multiples of this, so that the samples of one slot belong to one function.
const GRANULE_BYTES: u64 = 64;

const SLOTS: usize = 4096;
const CODE: Range<u64> = CODE_BASE..CODE_BASE + CODE_BYTES;

/// One place in the code and how often it was interrupted. The place is 0 while the slot is free.
struct Slot {
    place: AtomicU64,
    count: AtomicU64,
}

/// An open-addressed table, written by the interrupt handler only: static, because it has no other way to it.
static SLOTS_TABLE: [Slot; SLOTS] = [const { Slot { place: AtomicU64::new(0), count: AtomicU64::new(0) } }; SLOTS];

/// Ticks at the newest interrupt. Static as the table is.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Sampling that goes on.
pub struct Sampler {
    started: u64,
    interrupts_before: u64,
}

/// Starts sampling; from now on, Ctrl-C ends the program, at the next interrupt that finds it in its code.
pub fn start() -> Sampler {
    let interrupts_before = timer::ticks();
    timer::VECTORS.into_iter().for_each(|vector| interrupts::set_handler(vector, on_timer));
    for irq in [Irq::Keyboard, Irq::Serial] {
        interrupts::set_handler(irq.vector(), on_input);
    }
    timer::start(SAMPLES_PER_SECOND);
    Sampler { started: ticks::now(), interrupts_before }
}

impl Sampler {
    /// Stops sampling; every place that was interrupted, with the ticks that its samples stand for.
    pub fn stop(self) -> impl Iterator<Item = (u64, u64)> {
        timer::stop();
        let interrupts = timer::ticks().saturating_sub(self.interrupts_before).max(1);
        let ticks_per_sample = LATEST.load(Ordering::Relaxed).saturating_sub(self.started) / interrupts;
        // The table is as empty afterwards as it was before.
        let used = SLOTS_TABLE.iter().filter(|slot| slot.place.load(Ordering::Relaxed) != 0);
        used.map(move |slot| {
            let count = slot.count.swap(0, Ordering::Relaxed);
            (slot.place.swap(0, Ordering::Relaxed), count.saturating_mul(ticks_per_sample))
        })
    }
}

fn on_timer(frame: &mut TrapFrame) {
    LATEST.store(ticks::now(), Ordering::Relaxed);
    if CODE.contains(&frame.rip) {
        count(frame.rip & !(GRANULE_BYTES - 1));
    }
    drivers::handle_interrupt(frame.vector as u8);
    screen::beat();
    faults::interrupt_if_asked(frame);
}

fn on_input(frame: &mut TrapFrame) {
    drivers::handle_interrupt(frame.vector as u8);
    faults::interrupt_if_asked(frame);
}

/// Counts `place`; drops the sample when the table is full.
fn count(place: u64) {
    let first = (place / GRANULE_BYTES) as usize;
    for step in 0..SLOTS {
        let slot = &SLOTS_TABLE[(first + step) % SLOTS];
        let found = slot.place.load(Ordering::Relaxed);
        if found == 0 {
            slot.place.store(place, Ordering::Relaxed);
        }
        if found == 0 || found == place {
            slot.count.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}
