//! Unpredictable bytes for seeds: from the CPU's generator where there is one, else from timing jitter.
//!
//! [`fill`] says where its bytes came from. [`Source::RdSeed`] and [`Source::RdRand`] are fit for any use.
//! [`Source::Jitter`] mixes the varying duration of device reads: enough to make two boots differ, **not** fit for keys,
//! and a machine that counts time in instructions may give the same at every boot.
//! Source: Intel SDM volume 1, section 7.3.17 (retries) and AMD64 APM volume 3, RDRAND.

use raw_cpuid::CpuId;
use x86_64::instructions::port::Port;

use crate::arch::ticks;

/// Ten failures in a row mean that the generator is broken, says the manual.
const MAX_TRIES: usize = 10;

/// Duration samples mixed into one word of jitter.
const SAMPLES_PER_WORD: usize = 64;

/// Where random bytes came from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    RdSeed,
    RdRand,
    Jitter,
}

/// Fills `bytes` from the best source that works.
pub fn fill(bytes: &mut [u8]) -> Source {
    let cpuid = CpuId::new();
    let has_rdseed = cpuid.get_extended_feature_info().is_some_and(|info| info.has_rdseed());
    if has_rdseed && fill_from(bytes, rdseed) {
        return Source::RdSeed;
    }
    let has_rdrand = cpuid.get_feature_info().is_some_and(|info| info.has_rdrand());
    if has_rdrand && fill_from(bytes, rdrand) {
        return Source::RdRand;
    }
    let mut jitter = Jitter::new(read_device_and_ticks);
    fill_from(bytes, || Some(jitter.word()));
    Source::Jitter
}

/// False if the generator kept failing, or gave the all-ones or all-zeros that broken CPUs have been seen to give.
fn fill_from(bytes: &mut [u8], mut generate: impl FnMut() -> Option<u64>) -> bool {
    let mut try_word = || (0..MAX_TRIES).find_map(|_| generate().filter(|&word| word != 0 && word != u64::MAX));
    for part in bytes.chunks_mut(8) {
        let Some(word) = try_word() else { return false };
        part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
    }
    true
}

fn rdrand() -> Option<u64> {
    x86_64::instructions::random::RdRand::new()?.get_u64()
}

fn rdseed() -> Option<u64> {
    let mut word = 0;
    // SAFETY: called only after CPUID reported RDSEED.
    let filled = unsafe { core::arch::x86_64::_rdseed64_step(&mut word) };
    (filled == 1).then_some(word)
}

/// Hashes durations into words.
struct Jitter<F> {
    sample: F,
    state: u64,
}

impl<F: FnMut() -> u64> Jitter<F> {
    fn new(sample: F) -> Self {
        Self { sample, state: 0 }
    }

    fn word(&mut self) -> u64 {
        for _ in 0..SAMPLES_PER_WORD {
            self.state = mix(self.state.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (self.sample)());
        }
        self.state
    }
}

/// The finalizer of SplitMix64: every input bit changes about half of the output bits.
fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// The time at the end of a read from a slow device, whose duration varies.
fn read_device_and_ticks() -> u64 {
    const SYSTEM_CONTROL_PORT: u16 = 0x61;
    // SAFETY: reading this port has no effect.
    let value = unsafe { Port::<u8>::new(SYSTEM_CONTROL_PORT).read() };
    ticks::now() ^ u64::from(value) << 56
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_generator_is_tried_ten_times() {
        let mut tries = 0;
        assert!(!fill_from(&mut [0; 8], || {
            tries += 1;
            None
        }));
        assert_eq!(tries, MAX_TRIES);
        assert!(!fill_from(&mut [0; 8], || Some(u64::MAX)));
    }

    #[test]
    fn passing_failures_and_odd_lengths_are_filled() {
        let mut bytes = [0; 11];
        let mut calls = 0;
        assert!(fill_from(&mut bytes, || {
            calls += 1;
            (calls % 3 == 0).then_some(0x0807_0605_0403_0201)
        }));
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]);
    }

    #[test]
    fn jitter_differs_when_a_single_duration_differs() {
        let word = |odd| {
            let mut time = 0;
            let mut samples = 0;
            Jitter::new(move || {
                samples += 1;
                time += if samples == odd { 101 } else { 100 };
                time
            })
            .word()
        };
        assert_eq!(word(3), word(3));
        let changed = (word(3) ^ word(50)).count_ones();
        assert!((16..=48).contains(&changed), "{changed} bits");
    }
}
