//! The contracts of the libc, compiled by the engine: at every tier, with and without AVX, and specialised for sizes
//! that the calls then do not have.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/libc_suite/mod.rs"]
#[macro_use]
mod libc_suite;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::libc::{Family, Heap, functions};
use bareflow::profile::Profile;
use libc_suite::interpreted::Interpreted;
use libc_suite::mathematics::results_have_the_same_bits;
use libc_suite::{INITIAL_PAGES, LibcUnderTest, MAXIMUM_PAGES};
use wasmparser::ValType;

/// The libc behind a program that calls each function at one site.
struct Compiled {
    engine: Engine,
}

/// A program whose exports call the libc's functions of the same names.
fn program() -> String {
    let mut imports = String::new();
    let mut wrappers = String::new();
    for function in functions() {
        let name = function.name;
        let ty = format!("(param {}) (result {})", list(function.params), list(function.results));
        let args: String = (0..function.params.len()).map(|index| format!("local.get {index} ")).collect();
        imports += &format!("(import \"libc\" \"{name}\" (func ${name} {ty}))\n");
        wrappers += &format!("(func (export \"{name}\") {ty} {args} call ${name})\n");
    }
    format!(
        "(module {imports} (memory {INITIAL_PAGES} {MAXIMUM_PAGES}) {wrappers}
         (func (export \"grow\") (param i32) (result i32) local.get 0 memory.grow))"
    )
}

fn list(types: &[ValType]) -> String {
    types.iter().map(|ty| format!("{ty} ")).collect()
}

impl Compiled {
    fn at(lowest: Tier, highest: Tier, heap: Heap) -> Self {
        let options = Options { lowest, highest, heap, promotion: Promotion::Boots, ..Options::default() };
        Self { engine: engine::engine(&program(), options, Profile::default()) }
    }

    /// With a profile in which every function of the mathematics is hot.
    fn hot_mathematics(cpu: CpuFeatures) -> Self {
        let options = Options { promotion: Promotion::Boots, ..Options::default() };
        let mut first = engine::engine_on(cpu, &program(), options, Profile::default());
        for function in functions().iter().filter(|function| function.family == Family::Mathematics) {
            for step in 0..20_000 {
                let number = f64::from(step) * 0.37 - 1000.0;
                let args = function.params.iter().map(|ty| match ty {
                    ValType::F32 => u64::from((number as f32).to_bits()),
                    _ => number.to_bits(),
                });
                engine::call(&mut first, function.name, &args.collect::<Vec<_>>());
            }
        }
        let mut second = engine::engine_on(cpu, &program(), options, first.learned());
        engine::call(&mut second, "tan", &[1e3f64.to_bits()]);
        let sums = second.statistics();
        assert!(sums.functions_baseline == 0 && sums.functions_specialised == 2, "{sums:?}");
        Self { engine: second }
    }

    /// Every function hot, and specialised for calls of these sizes, on `cpu`.
    fn specialised(cpu: CpuFeatures, sizes: &[u64]) -> Self {
        let options = Options { promotion: Promotion::Boots, ..Options::default() };
        let mut first = engine::engine_on(cpu, &program(), options, Profile::default());
        for size in sizes.iter().cycle().take(400) {
            exercise(&mut first, *size);
        }
        let mut second = engine::engine_on(cpu, &program(), options, first.learned());
        second.warm_up();
        let sums = second.statistics();
        assert!(sums.functions_specialised >= 5 && sums.functions_baseline == 0, "{sums:?}");
        let chosen: Vec<_> = second.learned().functions.into_iter().flat_map(|function| function.sites).collect();
        for size in sizes {
            // memcpy, memmove and memset have paths for every size up to 4096.
            let paths = chosen.iter().filter(|site| site.chosen.contains(size)).count();
            assert!(paths >= 3, "{paths} sites are specialised for {size} of {sizes:?}");
        }
        Self { engine: second }
    }
}

/// Calls every function with `size` for each size, and blocks that do not overlap.
fn exercise(engine: &mut Engine, size: u64) {
    for function in functions() {
        match function.name {
            "memcpy" | "memmove" | "memcmp" | "strncpy" | "strncmp" => {
                engine::call(engine, function.name, &[8192, 0, size]);
            }
            "memset" | "memchr" => _ = engine::call(engine, function.name, &[8192, 7, size]),
            "malloc" => {
                let block = engine::call(engine, "malloc", &[size])[0];
                engine::call(engine, "free", &[block]);
            }
            "calloc" => _ = engine::call(engine, "calloc", &[1, size]),
            name => _ = engine::call(engine, name, &vec![0; function.params.len()]),
        }
    }
}

impl LibcUnderTest for Compiled {
    fn call_words(&mut self, name: &str, args: &[u64]) -> u64 {
        engine::call(&mut self.engine, name, args).first().copied().unwrap_or(0)
    }

    fn memory(&mut self) -> &mut [u8] {
        self.engine.memory()
    }

    fn grow(&mut self, pages: u32) {
        assert_ne!(engine::call(&mut self.engine, "grow", &[pages.into()])[0] as u32, u32::MAX);
    }
}

mod baseline {
    use super::*;
    libc_contracts!(Compiled::at(Tier::Baseline, Tier::Baseline, Heap::Fast));
}

mod optimised {
    use super::*;
    libc_contracts!(Compiled::at(Tier::Optimised, Tier::Optimised, Heap::Fast));
}

mod with_the_heap_that_checks {
    use super::*;
    checked_heap_contracts!(Compiled::at(Tier::Optimised, Tier::Optimised, Heap::Checked));
}

mod specialised_for_512_bytes {
    use super::*;
    libc_contracts!(Compiled::specialised(CpuFeatures::detect(), &[512]));
}

mod specialised_for_one_odd_size {
    use super::*;
    libc_contracts!(Compiled::specialised(CpuFeatures::detect(), &[37]));
}

mod specialised_for_four_sizes {
    use super::*;
    libc_contracts!(Compiled::specialised(CpuFeatures::detect(), &[24, 100, 304, 77]));
}

mod specialised_for_no_bytes {
    use super::*;
    libc_contracts!(Compiled::specialised(CpuFeatures::detect(), &[0, 132]));
}

mod specialised_without_avx {
    use super::*;
    libc_contracts!(Compiled::specialised(CpuFeatures::empty(), &[100, 13, 256]));
}

mod hot_mathematics {
    use super::*;
    libc_contracts!(@mathematics Compiled::hot_mathematics(CpuFeatures::detect()));
}

#[test]
fn mathematics_have_the_same_bits_at_every_tier_on_every_cpu() {
    let engines = [
        Compiled::at(Tier::Baseline, Tier::Baseline, Heap::Fast),
        Compiled::at(Tier::Optimised, Tier::Optimised, Heap::Fast),
        Compiled::hot_mathematics(CpuFeatures::detect()),
        Compiled::hot_mathematics(CpuFeatures::empty()),
    ];
    for mut compiled in engines {
        let mut interpreted = Interpreted::new(INITIAL_PAGES, MAXIMUM_PAGES);
        results_have_the_same_bits(&mut compiled, &mut interpreted);
    }
}
