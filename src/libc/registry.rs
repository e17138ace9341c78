//! The functions of the libc as data: name, signature, family, sites and contract.

use wasmparser::ValType;

/// One function of the libc.
#[derive(Debug, PartialEq, Eq)]
pub struct LibcFunction {
    /// Its C name, under which the module exports it.
    pub name: &'static str,
    pub params: &'static [ValType],
    pub results: &'static [ValType],
    pub family: Family,
    /// What to record where it is called, if it takes a size.
    pub site: Option<SizeSite>,
    /// What callers may rely on, in one line. ULP are units in the last place of the exact result; tests hold random
    /// inputs to the number.
    pub contract: &'static str,
}

/// Functions that are interposed by the same rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Blocks of bytes with a size. Each is interposed by itself.
    Memory,
    /// Strings that end at their first zero byte. Each is interposed by itself.
    String,
    /// The heap. Interposed as a whole or not at all.
    Allocation,
    /// Functions of numbers alone. Each is interposed by itself.
    Mathematics,
}

/// Which arguments of a call are worth recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeSite {
    /// Index of the argument that is a size in bytes.
    pub size: usize,
    /// Indices of the arguments that are addresses of bytes read or written.
    pub addresses: &'static [usize],
}

/// Every function of the libc, family by family.
pub fn functions() -> &'static [LibcFunction] {
    &FUNCTIONS
}

/// The function of this C name.
pub fn find(name: &str) -> Option<&'static LibcFunction> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Functions behind the mathematics that give a * b - c, of three doubles, rounded once: one instruction where the CPU has fused
/// multiply-add.
pub const FUSED: [&str; 3] = ["product_error", "product_less", "rest_of_product"];

const I1: &[ValType] = &[ValType::I32];
const I2: &[ValType] = &[ValType::I32; 2];
const I3: &[ValType] = &[ValType::I32; 3];
const D1: &[ValType] = &[ValType::F64];
const D2: &[ValType] = &[ValType::F64; 2];
const S1: &[ValType] = &[ValType::F32];
const S2: &[ValType] = &[ValType::F32; 2];

static FUNCTIONS: [LibcFunction; 60] = [
    memory("memcpy", &[0, 1], "copies n bytes, overlap allowed; returns dst"),
    memory("memmove", &[0, 1], "copies n bytes, overlap allowed; returns dst"),
    memory("memset", &[0], "stores the low byte of its second argument n times; returns dst"),
    memory(
        "memcmp",
        &[0, 1],
        "the difference of the first of n bytes that differ, as unsigned char; 0 if none; all n are read",
    ),
    memory("memchr", &[0], "the address of the first such byte within n; 0 if none"),
    string("strlen", I1, None, "the number of bytes before the terminator"),
    string("strcmp", I2, None, "the difference of the first bytes that differ, as unsigned char; 0 if none"),
    string("strncmp", I3, BOUND, "strcmp of at most n bytes"),
    string("strcpy", I2, None, "copies up to and with the terminator; returns dst"),
    string("strncpy", I3, BOUND, "writes n bytes: the string's, then zeros; returns dst"),
    string("strcat", I2, None, "strcpy to the end of dst; returns dst"),
    string("strchr", I2, None, "the address of the first such byte, terminator included; 0 if none"),
    string("strrchr", I2, None, "the address of the last such byte, terminator included; 0 if none"),
    string("strstr", I2, None, "where the second string first begins in the first; 0 if nowhere"),
    allocation("malloc", I1, I1, Some(SizeSite { size: 0, addresses: &[] }), "n bytes at 16-byte alignment; 0 if none"),
    allocation("calloc", I2, I1, None, "count * size zero bytes at 16-byte alignment; 0 if none or on overflow"),
    allocation("realloc", I2, I1, Some(SizeSite { size: 1, addresses: &[0] }), "resizes a block; 0 if memory ran out"),
    allocation("aligned_alloc", I2, I1, None, "n bytes at the alignment, rounded up to a power of two; 0 if none"),
    allocation(
        "posix_memalign",
        I3,
        I1,
        None,
        "stores such a block's address and returns 0; 28 or 48 if there is none",
    ),
    allocation("free", I1, &[], None, "gives a block back; ignores 0"),
    mathematics("sin", D1, "the sine of radians, at most 0.8 ULP off"),
    mathematics("cos", D1, "the cosine of radians, at most 0.8 ULP off"),
    mathematics("tan", D1, "the tangent of radians, at most 0.85 ULP off"),
    mathematics("asin", D1, "the arc sine, at most 0.95 ULP off"),
    mathematics("acos", D1, "the arc cosine, at most 0.85 ULP off"),
    mathematics("atan", D1, "the arc tangent, at most 0.9 ULP off"),
    mathematics("exp", D1, "e to the power of x, at most 0.6 ULP off"),
    mathematics("exp2", D1, "2 to the power of x, at most 0.6 ULP off"),
    mathematics("log", D1, "the natural logarithm, at most 0.6 ULP off"),
    mathematics("log2", D1, "the logarithm to base 2, at most 0.55 ULP off"),
    mathematics("log10", D1, "the logarithm to base 10, at most 0.55 ULP off"),
    mathematics("sqrt", D1, "the square root, correctly rounded"),
    mathematics("cbrt", D1, "the cube root, correctly rounded"),
    mathematics("floor", D1, "the next integer that is not above x"),
    mathematics("ceil", D1, "the next integer that is not below x"),
    mathematics("round", D1, "the nearest integer, halves away from zero"),
    mathematics("atan2", D2, "the angle of the point whose second coordinate comes first, at most 1.6 ULP off"),
    mathematics("pow", D2, "x to the power of y, at most 0.6 ULP off"),
    mathematics("fmod", D2, "x less a multiple of y, with the sign of x, exact"),
    mathematics("hypot", D2, "the root of the sum of the squares, at most 0.9 ULP off"),
    mathematics("sinf", S1, "the sine of radians, at most 0.51 ULP off"),
    mathematics("cosf", S1, "the cosine of radians, at most 0.51 ULP off"),
    mathematics("tanf", S1, "the tangent of radians, at most 0.51 ULP off"),
    mathematics("asinf", S1, "the arc sine, at most 0.51 ULP off"),
    mathematics("acosf", S1, "the arc cosine, at most 0.51 ULP off"),
    mathematics("atanf", S1, "the arc tangent, at most 0.51 ULP off"),
    mathematics("expf", S1, "e to the power of x, at most 0.51 ULP off"),
    mathematics("exp2f", S1, "2 to the power of x, at most 0.51 ULP off"),
    mathematics("logf", S1, "the natural logarithm, at most 0.51 ULP off"),
    mathematics("log2f", S1, "the logarithm to base 2, at most 0.51 ULP off"),
    mathematics("log10f", S1, "the logarithm to base 10, at most 0.51 ULP off"),
    mathematics("sqrtf", S1, "the square root, correctly rounded"),
    mathematics("cbrtf", S1, "the cube root, at most 0.51 ULP off"),
    mathematics("floorf", S1, "the next integer that is not above x"),
    mathematics("ceilf", S1, "the next integer that is not below x"),
    mathematics("roundf", S1, "the nearest integer, halves away from zero"),
    mathematics("atan2f", S2, "the angle of the point whose second coordinate comes first, at most 0.51 ULP off"),
    mathematics("powf", S2, "x to the power of y, at most 0.51 ULP off"),
    mathematics("fmodf", S2, "x less a multiple of y, with the sign of x, exact"),
    mathematics("hypotf", S2, "the root of the sum of the squares, at most 0.51 ULP off"),
];

const BOUND: Option<SizeSite> = Some(SizeSite { size: 2, addresses: &[0, 1] });

const fn memory(name: &'static str, addresses: &'static [usize], contract: &'static str) -> LibcFunction {
    let site = Some(SizeSite { size: 2, addresses });
    LibcFunction { name, params: I3, results: I1, family: Family::Memory, site, contract }
}

const fn string(
    name: &'static str,
    params: &'static [ValType],
    site: Option<SizeSite>,
    contract: &'static str,
) -> LibcFunction {
    LibcFunction { name, params, results: I1, family: Family::String, site, contract }
}

const fn allocation(
    name: &'static str,
    params: &'static [ValType],
    results: &'static [ValType],
    site: Option<SizeSite>,
    contract: &'static str,
) -> LibcFunction {
    LibcFunction { name, params, results, family: Family::Allocation, site, contract }
}

/// A function whose result is of the type of its arguments.
const fn mathematics(name: &'static str, params: &'static [ValType], contract: &'static str) -> LibcFunction {
    let (results, _) = params.split_at(1);
    LibcFunction { name, params, results, family: Family::Mathematics, site: None, contract }
}
