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
    libm::ceilf(x)
}
extern "C" fn ceil_f64(x: f64) -> f64 {
    libm::ceil(x)
}
extern "C" fn floor_f32(x: f32) -> f32 {
    libm::floorf(x)
}
extern "C" fn floor_f64(x: f64) -> f64 {
    libm::floor(x)
}
extern "C" fn trunc_f32(x: f32) -> f32 {
    libm::truncf(x)
}
extern "C" fn trunc_f64(x: f64) -> f64 {
    libm::trunc(x)
}
extern "C" fn nearest_f32(x: f32) -> f32 {
    libm::roundevenf(x)
}
extern "C" fn nearest_f64(x: f64) -> f64 {
    libm::roundeven(x)
}
extern "C" fn fma_f32(x: f32, y: f32, z: f32) -> f32 {
    libm::fmaf(x, y, z)
}
extern "C" fn fma_f64(x: f64, y: f64, z: f64) -> f64 {
    libm::fma(x, y, z)
}
