//! Functions that Cranelift calls where the CPU lacks an instruction (no SSSE3, no SSE4.1). Exact, so that results do not
//! depend on the CPU. Code reaches them through trampolines, which find their addresses in state memory: they differ from
//! process to process, and code does not.

use core::arch::x86_64::{__m128i, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
use cranelift_codegen::ir::LibCall;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::engine::layout::cell;

/// Those that the x64 backend may ask for; `fma` is not among them, since no operator is translated to one.
const ALL: [LibCall; cell::LIBRARY_FUNCTIONS] = [
    LibCall::CeilF32,
    LibCall::CeilF64,
    LibCall::FloorF32,
    LibCall::FloorF64,
    LibCall::TruncF32,
    LibCall::TruncF64,
    LibCall::NearestF32,
    LibCall::NearestF64,
    LibCall::X86Pshufb,
];

/// The place of `call` among them: its number in stored code, and that of its trampoline and its cell.
pub fn number(call: LibCall) -> Option<usize> {
    ALL.iter().position(|known| *known == call)
}

/// Where they are, in the same order.
pub fn addresses() -> [u64; cell::LIBRARY_FUNCTIONS] {
    [
        ceil_f32 as *const () as u64,
        ceil_f64 as *const () as u64,
        floor_f32 as *const () as u64,
        floor_f64 as *const () as u64,
        trunc_f32 as *const () as u64,
        trunc_f64 as *const () as u64,
        nearest_f32 as *const () as u64,
        nearest_f64 as *const () as u64,
        shuffle_bytes as *const () as u64,
    ]
}

pub fn serialize<S: Serializer>(call: &LibCall, serializer: S) -> Result<S::Ok, S::Error> {
    let number = number(*call).ok_or_else(|| S::Error::custom("no such function"))?;
    serializer.serialize_u8(number as u8)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LibCall, D::Error> {
    let number = u8::deserialize(deserializer)?;
    ALL.get(usize::from(number)).copied().ok_or_else(|| D::Error::custom("no such function"))
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
