//! Time: the time-stamp counter (TSC), how fast it runs, and where it stands against the calendar.
//!
//! [`Clock`] is measured once at start and is then arithmetic only: no device is read to tell the time. The rate comes
//! from CPUID where the CPU or the hypervisor states it, else from the interval timer ([`PitChannel2`]), else it is
//! assumed; [`RateSource`] says which. Sources: Intel SDM volume 3 section 19.17 (TSC) and 19.7.3 (its rate); Intel
//! 8254 data sheet. The calendar comes from [`super::rtc`].

use raw_cpuid::{CpuId, CpuIdReader, Hypervisor};
use x86_64::instructions::port::Port;

use super::{poll, rtc, timer};
use crate::arch::ticks;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// What the rate is taken to be when nothing tells: near enough for time limits, not for measuring.
const ASSUMED_HZ: u64 = 2_000_000_000;

/// Counters of real machines run between these; a measurement outside them is a broken timer.
const PLAUSIBLE_HZ: core::ops::RangeInclusive<u64> = 50_000_000..=20_000_000_000;

/// One measurement takes 1 ms: the timer resolves 0.1 % of it.
const WINDOW_PIT_CYCLES: u16 = (timer::INPUT_HZ / 1000) as u16;

/// The shortest of these counts: an interruption of a virtual CPU can only make a window look longer.
const WINDOWS: usize = 3;

/// Over ten times what a window takes even where one poll lasts ten nanoseconds (QEMU counting instructions).
const WINDOW_POLLS: u32 = 1_000_000;

/// How the rate of the counter became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSource {
    /// CPUID leaf 0x15: crystal frequency and ratio.
    CpuidCrystal,
    /// CPUID leaf 0x40000010 of a hypervisor.
    Hypervisor,
    /// CPUID leaf 0x16: processor base frequency, exact to 1 MHz.
    CpuidBase,
    /// Measured against the interval timer, good to about 0.2 %.
    IntervalTimer,
    /// Nothing told: times are only rough.
    Assumed,
}

/// Converts the time-stamp counter to time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    hz: u64,
    source: RateSource,
    start_ticks: u64,
    start_unix_seconds: Option<u64>,
}

impl Clock {
    /// Finds the rate of the counter and reads the calendar. Takes up to 3 ms, or about 1 s where the timer is broken.
    pub fn start() -> Self {
        let (hz, source) = stated_rate(&CpuId::new())
            .or_else(|| measured_rate(&mut PitChannel2, ticks::now).map(|hz| (hz, RateSource::IntervalTimer)))
            .unwrap_or((ASSUMED_HZ, RateSource::Assumed));
        let start_unix_seconds = rtc::read_unix_seconds();
        Self { hz, source, start_ticks: ticks::now(), start_unix_seconds }
    }

    /// Ticks per second.
    pub fn hz(&self) -> u64 {
        self.hz
    }

    /// How the rate became known.
    pub fn source(&self) -> RateSource {
        self.source
    }

    /// Nanoseconds since [`Clock::start`].
    pub fn monotonic_ns(&self) -> u64 {
        self.ns_at(ticks::now())
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC, exact to the second; `None` if the machine keeps no valid date.
    pub fn unix_ns(&self) -> Option<u64> {
        self.start_unix_seconds?.checked_mul(NS_PER_SECOND as u64)?.checked_add(self.monotonic_ns())
    }

    fn ns_at(&self, ticks: u64) -> u64 {
        let elapsed = u128::from(ticks.saturating_sub(self.start_ticks));
        u64::try_from(elapsed * NS_PER_SECOND / u128::from(self.hz)).unwrap_or(u64::MAX)
    }
}

/// The rate as the CPU or the hypervisor states it.
fn stated_rate<R: CpuIdReader>(cpuid: &CpuId<R>) -> Option<(u64, RateSource)> {
    let crystal = cpuid.get_tsc_info().and_then(|info| info.tsc_frequency());
    // Only these two hypervisors give the leaf this meaning.
    let stated_khz = cpuid
        .get_hypervisor_info()
        .filter(|info| matches!(info.identify(), Hypervisor::KVM | Hypervisor::VMware))
        .and_then(|info| info.tsc_frequency());
    // A virtual machine may show the base frequency of a host whose counter runs at another rate.
    let is_virtual = cpuid.get_feature_info().is_some_and(|info| info.has_hypervisor());
    let base = cpuid.get_processor_frequency_info().filter(|_| !is_virtual);
    let base_mhz = base.map(|info| info.processor_base_frequency());
    let plausible = |hz: &u64| PLAUSIBLE_HZ.contains(hz);
    let crystal = crystal.filter(plausible).map(|hz| (hz, RateSource::CpuidCrystal));
    let stated = stated_khz.map(|khz| u64::from(khz) * 1000).filter(plausible).map(|hz| (hz, RateSource::Hypervisor));
    let base = base_mhz.map(|mhz| u64::from(mhz) * 1_000_000).filter(plausible).map(|hz| (hz, RateSource::CpuidBase));
    crystal.or(stated).or(base)
}

/// A timer that counts down once.
trait OneShot {
    /// Starts counting down this many cycles of [`timer::INPUT_HZ`].
    fn start(&mut self, cycles: u16);

    /// Reads whether the count has ended.
    fn read_expired(&mut self) -> bool;
}

fn measured_rate(timer: &mut impl OneShot, mut now: impl FnMut() -> u64) -> Option<u64> {
    let mut shortest = u64::MAX;
    for _ in 0..WINDOWS {
        let start = now();
        timer.start(WINDOW_PIT_CYCLES);
        if !poll(WINDOW_POLLS, || timer.read_expired()) {
            return None;
        }
        shortest = shortest.min(now().wrapping_sub(start));
    }
    let hz = u128::from(shortest) * u128::from(timer::INPUT_HZ) / u128::from(WINDOW_PIT_CYCLES);
    u64::try_from(hz).ok().filter(|hz| PLAUSIBLE_HZ.contains(hz))
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
    use raw_cpuid::CpuIdResult;
    use std::cell::Cell;

    /// A counter at 3 GHz and a timer whose window lasts as many ticks as it should, plus a delay.
    struct FakeTimer<'a> {
        now: &'a Cell<u64>,
        delays: std::vec::Vec<u64>,
        end: u64,
    }

    impl OneShot for FakeTimer<'_> {
        fn start(&mut self, cycles: u16) {
            let length = u64::from(cycles) * 3_000_000_000 / u64::from(timer::INPUT_HZ);
            self.end = self.now.get() + length + self.delays.pop().unwrap_or(0);
        }
        fn read_expired(&mut self) -> bool {
            self.now.set(self.now.get() + 1000);
            self.now.get() >= self.end
        }
    }

    struct DeadTimer;

    impl OneShot for DeadTimer {
        fn start(&mut self, _: u16) {}
        fn read_expired(&mut self) -> bool {
            false
        }
    }

    fn leaf(eax: u32, ebx: u32, ecx: u32, edx: u32) -> CpuIdResult {
        CpuIdResult { eax, ebx, ecx, edx }
    }

    #[test]
    fn interrupted_window_does_not_spoil_the_rate() {
        let now = Cell::new(5);
        let mut timer = FakeTimer { now: &now, delays: std::vec![0, 9_000_000, 0], end: 0 };
        let hz = measured_rate(&mut timer, || now.get()).expect("the timer runs");
        assert!(hz.abs_diff(3_000_000_000) < 6_000_000, "{hz}");
    }

    #[test]
    fn timer_that_never_ends_gives_no_rate() {
        assert_eq!(measured_rate(&mut DeadTimer, || 0), None);
    }

    #[test]
    fn timer_that_is_always_expired_gives_no_rate() {
        struct Stuck;
        impl OneShot for Stuck {
            fn start(&mut self, _: u16) {}
            fn read_expired(&mut self) -> bool {
                true
            }
        }
        let now = Cell::new(0);
        assert_eq!(measured_rate(&mut Stuck, || now.replace(now.get() + 50)), None);
    }

    #[test]
    fn crystal_in_cpuid_wins_over_the_base_frequency() {
        let cpuid = CpuId::with_cpuid_fn(|eax, _| match eax {
            0 => leaf(0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
            0x15 => leaf(2, 250, 24_000_000, 0),
            0x16 => leaf(2900, 0, 0, 0),
            _ => leaf(0, 0, 0, 0),
        });
        assert_eq!(stated_rate(&cpuid), Some((3_000_000_000, RateSource::CpuidCrystal)));
    }

    #[test]
    fn base_frequency_counts_without_a_crystal_and_not_in_a_virtual_machine() {
        let with_hypervisor = |bit: u32| {
            CpuId::with_cpuid_fn(move |eax, _| match eax {
                0 => leaf(0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69),
                1 => leaf(0, 0, bit << 31, 0),
                0x15 => leaf(2, 250, 0, 0),
                0x16 => leaf(2900, 0, 0, 0),
                _ => leaf(0, 0, 0, 0),
            })
        };
        assert_eq!(stated_rate(&with_hypervisor(0)), Some((2_900_000_000, RateSource::CpuidBase)));
        assert_eq!(stated_rate(&with_hypervisor(1)), None);
    }

    #[test]
    fn long_uptimes_convert_without_overflow() {
        let clock = Clock { hz: 3_000_000_000, source: RateSource::Assumed, start_ticks: 7, start_unix_seconds: None };
        assert_eq!(clock.ns_at(7 + 3_000_000_000 * 86400 * 365), 86400 * 365 * 1_000_000_000);
        assert_eq!(clock.ns_at(0), 0);
    }
}
