//! The CPU's local interrupt controller (local APIC), through which the 8259A's interrupts pass where it is on.
//!
//! The kernel takes interrupts from the [`super::pic`]. [`let_pic_through`] sets the local APIC up as a wire for those,
//! masks its own sources, and holds back all that firmware may have told other controllers and devices to send. Where it
//! is off, the 8259A is wired to the CPU and nothing needs doing. Its own [`Timer`] is for machines where the interval timer
//! does not interrupt. Generic over [`Registers`], for a fake.
//! Source: Intel SDM volume 3, chapter 12 ("virtual wire mode": Intel MultiProcessor Specification 1.4, section 3.6.2.2).

use raw_cpuid::CpuId;
use spin::Once;
use x86_64::instructions::interrupts::without_interrupts;
use x86_64::registers::model_specific::Msr;

use super::poll;
use super::power::PhysicalMemory;
use crate::arch::{interrupts, ticks};

/// Where the [`Timer`]'s interrupt arrives: firmware gives vectors away from below, so this class is likely to be free.
pub const TIMER_VECTOR: u8 = 0xf0;

/// IA32_APIC_BASE: bits and address.
const BASE_MSR: u32 = 0x1b;
const BASE_X2: u64 = 1 << 10;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Bytes of the registers in memory.
const REGISTERS_BYTES: usize = 4096;

// Registers, as numbered in both modes: 16 bytes apart in memory, or one MSR each.
const VERSION: u8 = 0x03;
const TASK_PRIORITY: u8 = 0x08;
const END_OF_INTERRUPT: u8 = 0x0b;
const SPURIOUS: u8 = 0x0f;
const LVT_CORRECTED_ERRORS: u8 = 0x2f;
const LVT_TIMER: u8 = 0x32;
const LVT_THERMAL: u8 = 0x33;
const LVT_COUNTERS: u8 = 0x34;
const LVT_LINE_0: u8 = 0x35;
const LVT_LINE_1: u8 = 0x36;
const LVT_ERROR: u8 = 0x37;
const INITIAL_COUNT: u8 = 0x38;
const CURRENT_COUNT: u8 = 0x39;
const DIVIDE: u8 = 0x3e;

const SPURIOUS_VECTOR: u32 = 0xff;
const SOFTWARE_ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
/// Delivery modes: as the 8259A says; as a non-maskable interrupt.
const EXTERNAL: u32 = 0b111 << 8;
const NON_MASKABLE: u32 = 0b100 << 8;
/// Above every vector. Interrupts of the 8259A are not held back by it.
const HIGHEST_PRIORITY: u32 = 0xff;
/// Just below the timer's class.
const PRIORITY_BELOW_TIMER: u32 = TIMER_VECTOR as u32 - 1;
const PERIODIC: u32 = 1 << 17;
/// The timer counts each 16th cycle, so that no period is too long for 32 bits.
const DIVIDE_BY_16: u32 = 0b0011;

/// How long the timer is measured: some hundred microseconds.
const WINDOW_TICKS: u64 = 1 << 20;
/// Far more looks at the CPU's counter than that takes.
const WINDOW_POLLS: u32 = 10_000_000;

/// Where the registers are; nowhere while the local APIC is off. Static because the handler has no other way to it.
static PLACE: Once<Place> = Once::new();

/// Sets the local APIC up, if it is on.
///
/// # Safety
/// Interrupts are off, nobody else uses the local APIC, and `memory` gives access to where its registers lie.
pub unsafe fn initialize(memory: &impl PhysicalMemory) {
    if !CpuId::new().get_feature_info().is_some_and(|features| features.has_apic() && features.has_msr()) {
        return;
    }
    // SAFETY: CPUs with a local APIC have this register; reading it has no effect.
    let base = unsafe { Msr::new(BASE_MSR).read() };
    if base & BASE_ENABLE == 0 {
        return;
    }
    let mapped = || memory.pointer(base & BASE_ADDRESS, REGISTERS_BYTES);
    let place =
        if base & BASE_X2 != 0 { Some(Place::Msr) } else { mapped().map(|start| Place::Memory(start.addr().get())) };
    if let Some(mut place) = place {
        let_pic_through(&mut place);
        PLACE.call_once(|| place);
        interrupts::set_handler(TIMER_VECTOR, |frame| super::handle_interrupt(frame.vector as u8));
    }
}

/// Says that the timer's interrupt has been served.
pub(super) fn end_of_interrupt() {
    if let Some(mut place) = PLACE.get().copied() {
        place.write(END_OF_INTERRUPT, 0);
    }
}

/// The local APIC's own timer.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    place: Place,
    counts_per_second: u64,
}

impl Timer {
    /// Measures how fast it counts beside the time-stamp counter, of which a second has so many ticks; `None` if it does not.
    pub fn measure(ticks_per_second: u64) -> Option<Self> {
        let mut place = PLACE.get().copied()?;
        let counts_per_second = counts_per_second(&mut place, ticks_per_second, &mut ticks::now)?;
        Some(Self { place, counts_per_second })
    }

    /// Starts its interrupt at about `hz` per second.
    pub fn start(mut self, hz: u32) {
        let count = self.counts_per_second / u64::from(hz.max(1));
        without_interrupts(|| start(&mut self.place, count));
    }

    /// Holds its interrupt back.
    pub fn stop(mut self) {
        without_interrupts(|| stop(&mut self.place));
    }
}

fn counts_per_second(
    registers: &mut impl Registers,
    ticks_per_second: u64,
    now: &mut impl FnMut() -> u64,
) -> Option<u64> {
    registers.write(DIVIDE, DIVIDE_BY_16);
    registers.write(INITIAL_COUNT, u32::MAX);
    let start = now();
    let mut elapsed = 0;
    let ended = poll(WINDOW_POLLS, || {
        elapsed = now().saturating_sub(start);
        elapsed >= WINDOW_TICKS
    });
    let counted = u32::MAX - registers.read(CURRENT_COUNT);
    registers.write(INITIAL_COUNT, 0);
    let per_second = u128::from(counted) * u128::from(ticks_per_second) / u128::from(elapsed.max(1));
    u64::try_from(per_second).ok().filter(|&rate| ended && rate > 0)
}

fn start(registers: &mut impl Registers, count: u64) {
    registers.write(TASK_PRIORITY, PRIORITY_BELOW_TIMER);
    registers.write(DIVIDE, DIVIDE_BY_16);
    registers.write(LVT_TIMER, PERIODIC | u32::from(TIMER_VECTOR));
    registers.write(INITIAL_COUNT, u32::try_from(count).unwrap_or(u32::MAX).max(1));
}

fn stop(registers: &mut impl Registers) {
    registers.write(LVT_TIMER, MASKED | SPURIOUS_VECTOR);
    registers.write(INITIAL_COUNT, 0);
    registers.write(TASK_PRIORITY, HIGHEST_PRIORITY);
}

trait Registers {
    fn read(&mut self, register: u8) -> u32;
    fn write(&mut self, register: u8, value: u32);
}

fn let_pic_through(registers: &mut impl Registers) {
    registers.write(TASK_PRIORITY, HIGHEST_PRIORITY);
    registers.write(SPURIOUS, SOFTWARE_ENABLE | SPURIOUS_VECTOR);
    let last_entry = registers.read(VERSION) >> 16 & 0xff;
    // The entries that are not in every local APIC, with the number of the last entry of one that has them.
    for (entry, number) in [(LVT_COUNTERS, 4), (LVT_THERMAL, 5), (LVT_CORRECTED_ERRORS, 6)] {
        if last_entry >= number {
            registers.write(entry, MASKED | SPURIOUS_VECTOR);
        }
    }
    registers.write(LVT_TIMER, MASKED | SPURIOUS_VECTOR);
    registers.write(LVT_ERROR, MASKED | SPURIOUS_VECTOR);
    registers.write(LVT_LINE_0, EXTERNAL);
    registers.write(LVT_LINE_1, NON_MASKABLE);
}

/// Where the registers are.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// From this address on.
    Memory(usize),
    /// In x2APIC mode, registers of the CPU.
    Msr,
}

impl Place {
    const FIRST_MSR: u32 = 0x800;
    /// Registers in memory lie so many bytes apart.
    const PITCH_BYTES: usize = 16;

    fn pointer(start: usize, register: u8) -> *mut u32 {
        (start + usize::from(register) * Self::PITCH_BYTES) as *mut u32
    }
}

impl Registers for Place {
    fn read(&mut self, register: u8) -> u32 {
        match *self {
            // SAFETY: all 256 registers lie in the page that `initialize` got; reading those above has no effect.
            Self::Memory(start) => unsafe { Self::pointer(start, register).read_volatile() },
            // SAFETY: the register exists in x2APIC mode; reading it has no effect.
            Self::Msr => unsafe { Msr::new(Self::FIRST_MSR + u32::from(register)).read() as u32 },
        }
    }

    fn write(&mut self, register: u8, value: u32) {
        match *self {
            // SAFETY: as above; the local APIC is ours, and only decides which interrupts come.
            Self::Memory(start) => unsafe { Self::pointer(start, register).write_volatile(value) },
            // SAFETY: the register exists in x2APIC mode, or `let_pic_through` has checked that; it only decides which
            // interrupts come, and no bit is set that it does not have.
            Self::Msr => unsafe { Msr::new(Self::FIRST_MSR + u32::from(register)).write(value.into()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// One that has as many entries as `version` says, and keeps entries masked while it is not enabled.
    struct Fake {
        version: u32,
        values: BTreeMap<u8, u32>,
    }

    impl Registers for Fake {
        fn read(&mut self, register: u8) -> u32 {
            if register == VERSION { self.version } else { self.values.get(&register).copied().unwrap_or(MASKED) }
        }
        fn write(&mut self, register: u8, value: u32) {
            let enabled = self.read(SPURIOUS) & SOFTWARE_ENABLE != 0;
            self.values
                .insert(register, if register >= LVT_CORRECTED_ERRORS && !enabled { value | MASKED } else { value });
        }
    }

    #[test]
    fn only_the_8259a_and_non_maskable_interrupts_come_through() {
        let firmware = [(LVT_TIMER, 0x2_0040), (LVT_COUNTERS, 0x400), (LVT_ERROR, 0x50), (SPURIOUS, 0x0f)];
        let mut fake = Fake { version: 0x6_0014, values: BTreeMap::from(firmware) };
        let_pic_through(&mut fake);
        let open: Vec<u8> =
            (LVT_CORRECTED_ERRORS..=LVT_ERROR).filter(|&entry| fake.read(entry) & MASKED == 0).collect();
        assert_eq!(open, [LVT_LINE_0, LVT_LINE_1]);
        assert_eq!([LVT_LINE_0, LVT_LINE_1].map(|line| fake.read(line)), [0x700, 0x400]);
        assert_eq!((fake.read(SPURIOUS), fake.read(TASK_PRIORITY)), (0x1ff, 0xff));
    }

    #[test]
    fn entries_that_it_does_not_have_are_left_alone() {
        let mut fake = Fake { version: 0x3_0010, values: BTreeMap::new() };
        let_pic_through(&mut fake);
        for entry in [LVT_COUNTERS, LVT_THERMAL, LVT_CORRECTED_ERRORS] {
            assert!(!fake.values.contains_key(&entry), "{entry:#x}");
        }
    }

    /// One whose timer has counted down by so much when it is looked at.
    fn counting(counted: u32) -> Fake {
        let mut fake = Fake { version: 0x5_0014, values: BTreeMap::new() };
        let_pic_through(&mut fake);
        fake.values.insert(CURRENT_COUNT, u32::MAX - counted);
        fake
    }

    #[test]
    fn the_timer_is_measured_beside_the_time_stamp_counter() {
        let mut now = 0;
        let mut passing = || {
            now += WINDOW_TICKS / 4;
            now
        };
        // A bus of 100 MHz beside a CPU of 3 GHz.
        let counted = (WINDOW_TICKS / 480) as u32;
        let hz = counts_per_second(&mut counting(counted), 3_000_000_000, &mut passing).expect("it counts");
        assert!(hz.abs_diff(6_250_000) < 10_000, "{hz}");
        assert_eq!(counts_per_second(&mut counting(0), 3_000_000_000, &mut passing), None, "it stands still");
        assert_eq!(counts_per_second(&mut counting(7), 3_000_000_000, &mut || 5), None, "time stands still");
    }

    #[test]
    fn the_timer_comes_through_while_it_runs_and_nothing_below_it() {
        let mut fake = counting(1);
        start(&mut fake, 6_250);
        assert_eq!((fake.read(LVT_TIMER), fake.read(INITIAL_COUNT)), (0x2_00f0, 6_250));
        assert_eq!(fake.read(TASK_PRIORITY) >> 4, u32::from(TIMER_VECTOR >> 4) - 1);
        start(&mut fake, u64::MAX);
        assert_eq!(fake.read(INITIAL_COUNT), u32::MAX);
        stop(&mut fake);
        assert_eq!((fake.read(LVT_TIMER) & MASKED, fake.read(TASK_PRIORITY)), (MASKED, 0xff));
    }
}
