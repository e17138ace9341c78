//! Functions that Cranelift calls where the CPU lacks an instruction (no SSE4.1, no FMA). Exact, so that results do not
//! depend on the CPU.

use cranelift_codegen::ir::LibCall;

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

/// `round(x)`; a NaN comes out quiet, as WebAssembly wants it (specification, 4.3.3) and the instruction gives it.
fn quiet_f32(x: f32, round: fn(f32) -> f32) -> f32 {
    if x.is_nan() { f32::from_bits(x.to_bits() | 1 << 22) } else { round(x) }
}
fn quiet_f64(x: f64, round: fn(f64) -> f64) -> f64 {
    if x.is_nan() { f64::from_bits(x.to_bits() | 1 << 51) } else { round(x) }
}
