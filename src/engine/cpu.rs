//! What the CPU can do, as far as code generation cares.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use bitflags::bitflags;
use raw_cpuid::{CpuId, CpuIdReader};

bitflags! {
    /// Instruction sets usable now: offered by CPUID and, for AVX on, enabled in XCR0.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CpuFeatures: u64 {
        const SSE3 = 1 << 0;
        const SSSE3 = 1 << 1;
        const SSE41 = 1 << 2;
        const SSE42 = 1 << 3;
        const POPCNT = 1 << 4;
        const LZCNT = 1 << 5;
        const BMI1 = 1 << 6;
        const BMI2 = 1 << 7;
        const AVX = 1 << 8;
        const FMA = 1 << 9;
        const AVX2 = 1 << 10;
        const CX16 = 1 << 11;
        /// AVX-512 with byte masks at every vector length: F, BW and VL.
        const AVX512 = 1 << 12;
        /// REP MOVSB and REP STOSB are fast.
        const ERMS = 1 << 13;
    }
}

impl CpuFeatures {
    /// Asks the CPU that this runs on.
    pub fn detect() -> Self {
        Self::from_cpuid(&CpuId::new())
    }

    /// These less `hidden`, and less what no CPU has without those.
    pub fn without(self, hidden: Self) -> Self {
        let built_on = [(Self::AVX, Self::FMA | Self::AVX2), (Self::AVX2, Self::AVX512)];
        let hidden = built_on.into_iter().fold(hidden, |hidden, (base, others)| match hidden.contains(base) {
            true => hidden | others,
            false => hidden,
        });
        self.difference(hidden)
    }

    fn from_cpuid<R: CpuIdReader>(cpuid: &CpuId<R>) -> Self {
        let mut found = Self::empty();
        let mut add = |present: bool, feature: Self| found.set(feature, present);
        if let Some(info) = cpuid.get_feature_info() {
            add(info.has_sse3(), Self::SSE3);
            add(info.has_ssse3(), Self::SSSE3);
            add(info.has_sse41(), Self::SSE41);
            add(info.has_sse42(), Self::SSE42);
            add(info.has_popcnt(), Self::POPCNT);
            add(info.has_cmpxchg16b(), Self::CX16);
            // OSXSAVE says that the boot code enabled the state that AVX needs.
            add(info.has_oxsave() && info.has_avx(), Self::AVX);
            add(info.has_oxsave() && info.has_fma(), Self::FMA);
        }
        let avx = found.contains(Self::AVX);
        let mut add = |present: bool, feature: Self| found.set(feature, present);
        if let Some(info) = cpuid.get_extended_feature_info() {
            add(info.has_bmi1(), Self::BMI1);
            add(info.has_bmi2(), Self::BMI2);
            add(avx && info.has_avx2(), Self::AVX2);
            let bytes = info.has_avx512f() && info.has_avx512bw() && info.has_avx512vl();
            add(avx && bytes && offers_mask_state(cpuid), Self::AVX512);
            add(info.has_rep_movsb_stosb(), Self::ERMS);
        }
        if let Some(info) = cpuid.get_extended_processor_and_feature_identifiers() {
            add(info.has_lzcnt(), Self::LZCNT);
        }
        found
    }

    /// Names of Cranelift's x64 settings for these features. It has none for what only kernels use.
    pub fn isa_settings(self) -> impl Iterator<Item = &'static str> {
        let table = [
            (Self::SSE3, "has_sse3"),
            (Self::CX16, "has_cmpxchg16b"),
            (Self::SSSE3, "has_ssse3"),
            (Self::SSE41, "has_sse41"),
            (Self::SSE42, "has_sse42"),
            (Self::POPCNT, "has_popcnt"),
            (Self::LZCNT, "has_lzcnt"),
            (Self::BMI1, "has_bmi1"),
            (Self::BMI2, "has_bmi2"),
            (Self::AVX, "has_avx"),
            (Self::FMA, "has_fma"),
            (Self::AVX2, "has_avx2"),
        ];
        table.into_iter().filter(move |(feature, _)| self.contains(*feature)).map(|(_, name)| name)
    }
}

/// Names with commas between them, such as `avx512,erms`.
impl FromStr for CpuFeatures {
    type Err = UnknownFeature;

    fn from_str(text: &str) -> Result<Self, UnknownFeature> {
        let named = |name: &str| Self::from_name(&name.to_uppercase()).ok_or_else(|| UnknownFeature(name.to_string()));
        text.split(',').map(named).try_fold(Self::empty(), |all, feature| Ok(all | feature?))
    }
}

/// A name that is none of a feature's.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownFeature(String);

impl fmt::Display for UnknownFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no feature of a CPU; it can be", self.0)?;
        CpuFeatures::all().iter_names().try_for_each(|(name, _)| write!(f, " {}", name.to_lowercase()))
    }
}

impl core::error::Error for UnknownFeature {}

/// Whether the state of mask registers and of 512-bit vectors can be enabled: the boot code, and any operating system,
/// enables what is offered.
fn offers_mask_state<R: CpuIdReader>(cpuid: &CpuId<R>) -> bool {
    cpuid.get_extended_state_info().is_some_and(|state| {
        state.xcr0_supports_avx512_opmask()
            && state.xcr0_supports_avx512_zmm_hi256()
            && state.xcr0_supports_avx512_zmm_hi16()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_a_setting() {
        let only_for_kernels = CpuFeatures::AVX512 | CpuFeatures::ERMS;
        let all = CpuFeatures::all().difference(only_for_kernels);
        assert_eq!(CpuFeatures::all().isa_settings().count(), all.iter().count());
        assert_eq!(CpuFeatures::empty().isa_settings().count(), 0);
    }

    #[test]
    fn features_are_hidden_with_what_builds_on_them() {
        let without = |names: &str| CpuFeatures::all().without(names.parse().unwrap());
        assert_eq!(without("avx512"), CpuFeatures::all().difference(CpuFeatures::AVX512));
        assert_eq!(without("erms,AVX2"), without("avx512,avx2,erms"));
        let no_vectors_of_256_bits = CpuFeatures::AVX2 | CpuFeatures::AVX512 | CpuFeatures::FMA;
        assert!(!without("avx").intersects(no_vectors_of_256_bits));
    }

    #[test]
    fn names_of_no_feature_are_refused_with_those_there_are() {
        let refused = |text: &str| text.parse::<CpuFeatures>().unwrap_err().to_string();
        assert!(refused("avx512,sse9").starts_with("\"sse9\" is no feature of a CPU; it can be sse3 ssse3 "));
        assert!(refused("").starts_with("\"\" is no feature"));
    }
}
