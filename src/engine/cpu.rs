//! What the CPU can do, as far as code generation cares.

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
}
