//! Time: the time-stamp counter (TSC), how fast it runs, and where it stands against the calendar.
//!
//! [`Clock`] is measured when it is first asked, since that takes milliseconds, and is then arithmetic only: no device is
//! read to tell the time. The rate comes
//! from CPUID where the CPU or the hypervisor states it, else from a timer that two windows agree on ([`measure`]), else
//! it is assumed to be so high that nothing ends before its time; [`RateSource`] says which. Sources: Intel SDM volume 3 section 19.17 (TSC) and 19.7.3 (its rate); Intel
//! 8254 data sheet. The calendar comes from [`super::rtc`].

mod measure;

use alloc::boxed::Box;
use core::cell::OnceCell;
use core::fmt;

use raw_cpuid::{CpuId, CpuIdReader, Hypervisor};

use super::power::PowerTimer;
use super::rtc;
use crate::arch::ticks;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// What the rate is taken to be when nothing tells: no counter runs faster, so waiting never ends too early.
const ASSUMED_HZ: u64 = 6_000_000_000;

/// Counters of real machines run between these; a measurement outside them is a broken timer.
const PLAUSIBLE_HZ: core::ops::RangeInclusive<u64> = 50_000_000..=20_000_000_000;

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
    /// Measured against the timer that the ACPI tables name, good to about 0.1 %.
    PowerTimer,
    /// Nothing told: a second by this clock lasts up to some real ones.
    Assumed,
}

impl fmt::Display for RateSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CpuidCrystal => "CPUID leaf 0x15",
            Self::Hypervisor => "the hypervisor",
            Self::CpuidBase => "CPUID leaf 0x16",
            Self::IntervalTimer => "the interval timer",
            Self::PowerTimer => "the ACPI timer",
            Self::Assumed => "an assumption",
        })
    }
}

/// Converts the time-stamp counter to time.
pub struct Clock {
    start_ticks: u64,
    power_timer: Box<dyn Fn() -> Option<PowerTimer>>,
    /// Once somebody asked.
    rate: OnceCell<(u64, RateSource)>,
    calendar: OnceCell<Option<Reading>>,
}

/// What the calendar showed.
#[derive(Clone, Copy)]
struct Reading {
    unix_seconds: u64,
    at_ticks: u64,
}

impl Clock {
    /// A clock that starts now. The first question for a time takes some milliseconds, or up to 2 s where timers are broken.
    /// `power_timer` is looked for where the interval timer does not tell.
    pub fn new(power_timer: impl Fn() -> Option<PowerTimer> + 'static) -> Self {
        let power_timer = Box::new(power_timer);
        Self { start_ticks: ticks::now(), power_timer, rate: OnceCell::new(), calendar: OnceCell::new() }
    }

    /// Ticks per second.
    pub fn hz(&self) -> u64 {
        self.rate().0
    }

    /// How the rate became known.
    pub fn source(&self) -> RateSource {
        self.rate().1
    }

    /// The same if somebody has asked for a time.
    pub fn source_if_asked(&self) -> Option<RateSource> {
        self.rate.get().map(|(_, source)| *source)
    }

    /// Nanoseconds since [`Clock::new`].
    pub fn monotonic_ns(&self) -> u64 {
        self.ns_between(self.start_ticks, ticks::now())
    }

    /// Whole milliseconds since [`Clock::new`].
    pub fn monotonic_ms(&self) -> u64 {
        self.monotonic_ns() / 1_000_000
    }

    /// Nanoseconds since 1970-01-01 00:00 UTC, exact to the second; `None` if the machine keeps no valid date.
    pub fn unix_ns(&self) -> Option<u64> {
        let Reading { unix_seconds, at_ticks } = self.calendar()?;
        unix_seconds.checked_mul(NS_PER_SECOND as u64)?.checked_add(self.ns_between(at_ticks, ticks::now()))
    }

    /// The same, or less than a second earlier: the rate is measured only once a second may have passed.
    pub fn coarse_unix_ns(&self) -> Option<u64> {
        let Reading { unix_seconds, at_ticks } = self.calendar()?;
        if self.rate.get().is_none() && ticks::now().saturating_sub(at_ticks) < *PLAUSIBLE_HZ.start() {
            return unix_seconds.checked_mul(NS_PER_SECOND as u64);
        }
        self.unix_ns()
    }

    fn calendar(&self) -> Option<Reading> {
        let read = || rtc::read_unix_seconds().map(|unix_seconds| Reading { unix_seconds, at_ticks: ticks::now() });
        *self.calendar.get_or_init(read)
    }

    fn rate(&self) -> (u64, RateSource) {
        *self.rate.get_or_init(|| {
            stated_rate(&CpuId::new())
                .or_else(|| measured(measure::by_interval_timer(), RateSource::IntervalTimer))
                .or_else(|| measured(measure::by_power_timer((self.power_timer)()?), RateSource::PowerTimer))
                .unwrap_or((ASSUMED_HZ, RateSource::Assumed))
        })
    }

    fn ns_between(&self, start: u64, end: u64) -> u64 {
        let elapsed = u128::from(end.saturating_sub(start));
        u64::try_from(elapsed * NS_PER_SECOND / u128::from(self.hz())).unwrap_or(u64::MAX)
    }
}

fn measured(hz: Option<u64>, source: RateSource) -> Option<(u64, RateSource)> {
    Some((hz.filter(|hz| PLAUSIBLE_HZ.contains(hz))?, source))
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

#[cfg(test)]
mod tests {
    use super::*;
    use raw_cpuid::CpuIdResult;

    fn leaf(eax: u32, ebx: u32, ecx: u32, edx: u32) -> CpuIdResult {
        CpuIdResult { eax, ebx, ecx, edx }
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
        let clock = Clock::new(|| None);
        assert_eq!(clock.source_if_asked(), None);
        clock.rate.set((3_000_000_000, RateSource::Assumed)).expect("nobody has asked");
        assert_eq!(clock.ns_between(7, 7 + 3_000_000_000 * 86400 * 365), 86400 * 365 * 1_000_000_000);
        assert_eq!(clock.ns_between(7, 0), 0);
        assert_eq!(clock.source_if_asked(), Some(RateSource::Assumed));
    }
}
