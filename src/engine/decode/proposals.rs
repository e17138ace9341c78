//! The language accepted, and names for the parts of WebAssembly that are not, so that a program that
//! uses one is refused by name.

use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

/// The language accepted: WebAssembly 2.0, relaxed SIMD, tail calls, extended constant expressions, more than one memory,
/// exceptions in both their forms, and atomic operators. The last come with shared memories, which [`SHARED_MEMORY`] names.
pub const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES);

/// Every proposal that is not in [`FEATURES`], with what its error message calls it. Where one builds on another, the
/// other comes first.
const PROPOSALS: [(WasmFeatures, &str); 9] = [
    (WasmFeatures::MEMORY64, "64-bit memories or tables (the memory64 proposal)"),
    (WasmFeatures::FUNCTION_REFERENCES, "typed references (the function-references proposal)"),
    (WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES), "objects (the garbage-collection proposal)"),
    (WasmFeatures::WIDE_ARITHMETIC, "128-bit arithmetic (the wide-arithmetic proposal)"),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "memories with other pages (the custom-page-sizes proposal)"),
    (WasmFeatures::MEMORY_CONTROL, "memory.discard (the memory-control proposal)"),
    (
        WasmFeatures::STACK_SWITCHING.union(WasmFeatures::FUNCTION_REFERENCES),
        "continuations (the stack-switching proposal)",
    ),
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS.union(WasmFeatures::GC).union(WasmFeatures::FUNCTION_REFERENCES),
        "shared objects (the shared-everything-threads proposal)",
    ),
    (WasmFeatures::COMPONENT_MODEL, COMPONENTS),
];

const COMPONENTS: &str = "components (the component model)";

/// A memory that is valid, but for other threads.
pub const SHARED_MEMORY: &str = "shared memory (the threads proposal; build it without -pthread)";

/// The unsupported proposal because of which `bytes` are not valid, if that is why.
pub fn unsupported(bytes: &[u8], error: &BinaryReaderError) -> Option<&'static str> {
    if is_component(bytes) {
        return Some(COMPONENTS);
    }
    if !is_valid(bytes, PROPOSALS.iter().fold(FEATURES, |all, (features, _)| all.union(*features))) {
        return None;
    }
    let missing = error.missing_wasm_feature();
    let named = missing.and_then(|missing| PROPOSALS.iter().find(|(features, _)| features.contains(missing)));
    named
        .or_else(|| PROPOSALS.iter().find(|(features, _)| gets_further(bytes, *features, error)))
        .map(|(_, name)| *name)
}

/// The fourth byte of a version tells what is encoded: 0 a module, 1 a component.
fn is_component(bytes: &[u8]) -> bool {
    bytes.get(6) == Some(&1)
}

/// Damaged bytes look like this proposal or that; only what some language calls valid is worth a name.
fn is_valid(bytes: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features).validate_all(bytes).is_ok()
}

/// Whether more of `bytes` is valid with `features` too.
fn gets_further(bytes: &[u8], features: WasmFeatures, error: &BinaryReaderError) -> bool {
    match Validator::new_with_features(FEATURES.union(features)).validate_all(bytes) {
        Ok(_) => true,
        Err(next) => next.offset() > error.offset(),
    }
}
