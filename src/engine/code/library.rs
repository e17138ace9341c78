//! Functions that Cranelift calls where the CPU lacks an instruction (no SSSE3, no SSE4.1, no FMA). Exact, so that results
//! do not depend on the CPU.

use core::arch::x86_64::{__m128i, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
use cranelift_codegen::ir::LibCall;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// Those that the x64 backend asks for; a stored relocation has the place in this list.
const ALL: [LibCall; 11] = [
    LibCall::CeilF32,
    LibCall::CeilF64,
    LibCall::FloorF32,
    LibCall::FloorF64,
    LibCall::TruncF32,
    LibCall::TruncF64,
    LibCall::NearestF32,
    LibCall::NearestF64,
    LibCall::FmaF32,
    LibCall::FmaF64,
    LibCall::X86Pshufb,
];

pub fn serialize<S: Serializer>(call: &LibCall, serializer: S) -> Result<S::Ok, S::Error> {
    let number = ALL.iter().position(|known| known == call).ok_or_else(|| S::Error::custom("no such function"))?;
    serializer.serialize_u8(number as u8)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LibCall, D::Error> {
    let number = u8::deserialize(deserializer)?;
    ALL.get(usize::from(number)).copied().ok_or_else(|| D::Error::custom("no such function"))
}

/// The address of `call`'s implementation, none if the x64 backend never asks for it.
pub fn address(call: LibCall) -> Option<u64> {
    let address = match call {
        LibCall::CeilF32 => ceil_f32 as *const () as usize,
        LibCall::CeilF64 => ceil_f64 as *const () as usize,
        LibCall::FloorF32 => floor_f32 as *const () as usize,
        LibCall::FloorF64 => floor_f64 as *const () as usize,
        LibCall::TruncF32 => trunc_f32 as *const () as usize,
        LibCall::TruncF64 => trunc_f64 as *const () as usize,
        LibCall::NearestF32 => nearest_f32 as *const () as usize,
        LibCall::NearestF64 => nearest_f64 as *const () as usize,
        LibCall::FmaF32 => fma_f32 as *const () as usize,
        LibCall::FmaF64 => fma_f64 as *const () as usize,
        LibCall::X86Pshufb => shuffle_bytes as *const () as usize,
        _ => return None,
    };
    Some(address as u64)
}

extern "C" fn ceil_f32(x: f32) -> f32 {
    quiet_f32(x, libm::ceilf)
}
extern "C" fn ceil_f64(x: f64) -> f64 {
    quiet_f64(x, libm::ceil)
}
extern "C" fn floor_f32(x: f32) -> f32 {
    quiet_f32(x, libm::floorf)
}
extern "C" fn floor_f64(x: f64) -> f64 {
    quiet_f64(x, libm::floor)
}
extern "C" fn trunc_f32(x: f32) -> f32 {
    quiet_f32(x, libm::truncf)
}
extern "C" fn trunc_f64(x: f64) -> f64 {
    quiet_f64(x, libm::trunc)
}
extern "C" fn nearest_f32(x: f32) -> f32 {
    quiet_f32(x, libm::roundevenf)
}
extern "C" fn nearest_f64(x: f64) -> f64 {
    quiet_f64(x, libm::roundeven)
}
extern "C" fn fma_f32(x: f32, y: f32, z: f32) -> f32 {
    libm::fmaf(x, y, z)
}
extern "C" fn fma_f64(x: f64, y: f64, z: f64) -> f64 {
    libm::fma(x, y, z)
}

/// PSHUFB: each byte of the result is the byte of `bytes` that the low four bits of the index name, or 0 where the
/// index has its highest bit set.
#[allow(
    improper_ctypes_definitions,
    reason = "the C convention passes __m128i in a vector register, as Cranelift does"
)]
#[target_feature(enable = "sse2")]
extern "C" fn shuffle_bytes(bytes: __m128i, indices: __m128i) -> __m128i {
    let (bytes, indices) = (bytes_of(bytes), bytes_of(indices));
    let shuffled = indices.map(|index| if index & 0x80 != 0 { 0 } else { bytes[usize::from(index & 0x0f)] });
    let half = |at: usize| i64::from_le_bytes(core::array::from_fn(|byte| shuffled[at + byte]));
    _mm_set_epi64x(half(8), half(0))
}

#[target_feature(enable = "sse2")]
fn bytes_of(vector: __m128i) -> [u8; 16] {
    let halves = [_mm_cvtsi128_si64(vector), _mm_cvtsi128_si64(_mm_unpackhi_epi64(vector, vector))];
    core::array::from_fn(|byte| halves[byte / 8].to_le_bytes()[byte % 8])
}

/// `round(x)`; a NaN comes out quiet, as WebAssembly wants it (specification, 4.3.3) and the instruction gives it.
fn quiet_f32(x: f32, round: fn(f32) -> f32) -> f32 {
    if x.is_nan() { f32::from_bits(x.to_bits() | 1 << 22) } else { round(x) }
}
fn quiet_f64(x: f64, round: fn(f64) -> f64) -> f64 {
    if x.is_nan() { f64::from_bits(x.to_bits() | 1 << 51) } else { round(x) }
}
