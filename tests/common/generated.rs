//! Programs that wasm-smith makes of random numbers.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};

use super::random::Random;

/// Operators that run before a program ends itself.
const FUEL: u32 = 3000;

/// The language that the engine takes. NaNs are made canonical, so that results can be compared bit for bit.
pub fn config() -> Config {
    Config {
        bulk_memory_enabled: true,
        multi_value_enabled: true,
        reference_types_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: false,
        allow_start_export: false,
        canonicalize_nans: true,
        export_everything: true,
        generate_custom_sections: false,
        max_imports: 0,
        max_memories: 1,
        max_memory32_bytes: 8 * 65536,
        memory_max_size_required: true,
        max_tables: 3,
        max_table_elements: 200,
        table_max_size_required: true,
        min_funcs: 1,
        max_funcs: 12,
        max_instructions: 300,
        max_type_size: 400,
        ..Config::default()
    }
}

/// A program that ends, whatever is called.
pub fn generate(seed: u64, config: Config) -> Option<Vec<u8>> {
    let mut random = Random(seed);
    let bytes: Vec<u8> = (0..300 + random.next() % 500).flat_map(|_| random.next().to_le_bytes()).collect();
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}
