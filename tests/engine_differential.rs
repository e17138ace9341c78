//! Random programs (wasm-smith) against wasmi: every export, every tier, every byte of memory.

#[path = "common/boots.rs"]
mod boots;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/generated.rs"]
mod generated;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/random.rs"]
mod random;

use std::io::Write;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Cache, Ending, Engine, Options, TrapKind};
use bareflow::host;
use bareflow::libc::{Heap, Interpose};
use bareflow::profile::Profile;
use generated::{config, generate};
use oracle::{Oracle, Outcome, in_terms_of_wasmi};
use random::Random;
use wasm_smith::Config;
use wasmi::ValType;

/// Modules per test, unless `FUZZ_MODULES` says otherwise; the seeds count up from `FUZZ_SEED`.
const MODULES: u64 = 800;
/// Rounds of calls: enough for promotion in flight at the thresholds below.
const ROUNDS: u64 = 5;

impl Random {
    /// A word that is an edge of some type more often than not.
    fn word(&mut self) -> u64 {
        let edges =
            [0, 1, 2, 8, 64, u64::MAX, 1 << 31, 1 << 63, (1 << 31) - 1, 65536, 65535, 0x3f80_0000, 0x7ff0 << 48];
        let word = self.next();
        if word.is_multiple_of(3) { self.next() } else { edges[word as usize % edges.len()] }
    }
}

/// A way to run a program: tiers, CPU and profile.
struct Way {
    cpu: CpuFeatures,
    options: Options,
    earlier: Profile,
}

impl Way {
    fn engine(&self, wasm: &'static [u8]) -> Option<Engine> {
        let platform = host::platform(self.cpu).expect("address space can be reserved");
        let made = Engine::new(wasm, platform, Box::new(engine::NoImports), self.options, self.earlier.clone());
        let mut engine = made.map_err(|error| assert!(error.to_string().contains("does not fit"), "{error}")).ok()?;
        engine.warm_up();
        Some(engine)
    }
}

/// What can be compared of a result: all of a number, of a reference whether there is one.
fn comparable(outcome: Outcome, types: &[ValType]) -> Outcome {
    let Outcome::Values(mut values) = outcome else { return outcome };
    for (value, ty) in values.iter_mut().zip(types) {
        match ty {
            ValType::I32 | ValType::F32 => *value &= u64::from(u32::MAX),
            ValType::FuncRef | ValType::ExternRef => *value = u64::from(*value != 0),
            _ => {}
        }
    }
    Outcome::Values(values)
}

/// The calls made of a program: functions by name, whose arguments and results are words.
fn calls(oracle: &Oracle, seed: u64) -> Vec<(String, Vec<u64>, Vec<ValType>)> {
    let mut random = Random(seed);
    let mut calls = Vec::new();
    for _ in 0..ROUNDS {
        for (name, params, results) in oracle.functions() {
            if params.iter().chain(&results).any(|ty| *ty == ValType::V128) {
                continue;
            }
            let word =
                |ty: &ValType| if matches!(ty, ValType::FuncRef | ValType::ExternRef) { 0 } else { random.word() };
            calls.push((name, params.iter().map(word).collect(), results));
        }
    }
    calls
}

/// Makes `calls` in both; how many agreed. A stack is not equally deep in both: after an overflow they are not compared.
fn compare(seed: u64, wasm: &'static [u8], calls: &[(String, Vec<u64>, Vec<ValType>)], engine: &mut Engine) -> usize {
    let Some(mut oracle) = Oracle::try_new(wasm) else { return 0 };
    for (index, (name, args, types)) in calls.iter().enumerate() {
        let expected = comparable(oracle.call(name, args), types);
        let found = match engine.invoke(name, args).unwrap_or_else(|error| panic!("seed {seed}: {name}: {error}")) {
            Ok(values) => comparable(Outcome::Values(values), types),
            Err(Ending::Trap(trap)) => in_terms_of_wasmi(Outcome::Trap(trap.kind)),
            Err(Ending::Exit(code)) => panic!("seed {seed}: {name} exited with {code}"),
        };
        let overflow = Outcome::Trap(TrapKind::StackOverflow);
        if expected == overflow || found == overflow {
            return index;
        }
        assert_eq!(found, expected, "seed {seed}: call {index}, {name}{args:x?}");
    }
    if let Some(memory) = oracle.memory() {
        assert!(engine.memory() == memory, "seed {seed}: memory differs");
    }
    calls.len()
}

/// Makes `calls` in three engines one after the other, the later ones with what the one before left; how many agreed.
fn compare_boots(
    seed: u64,
    wasm: &'static [u8],
    calls: &[(String, Vec<u64>, Vec<ValType>)],
    options: Options,
) -> usize {
    let _alone = boots::alone();
    let mut left = boots::Left::default();
    let mut agreed = 0;
    for number in 1..=3 {
        let mut engine = boots::engine(wasm, Box::new(engine::NoImports), options, &left);
        let found = compare(seed, wasm, calls, &mut engine);
        let boot = boots::end(engine, found, &left);
        assert_eq!((boot.statistics.code_rejected, &*boot.reason), (0, ""), "seed {seed}, boot {number}");
        assert_eq!(boot.statistics.code_loaded > 0, left.code.is_some(), "seed {seed}, boot {number}");
        (agreed, left) = (agreed + found, boot.left);
    }
    agreed
}

/// Compares a random program per seed; how many there were, and how many calls agreed.
fn fuzz(seeds: std::ops::Range<u64>, config: fn() -> Config) -> (u64, usize) {
    let (mut programs, mut agreed) = (0, 0);
    for seed in seeds {
        let Some(wasm) = generate(seed, config()) else { continue };
        let wasm: &'static [u8] = wasm.leak();
        let engines = boots::beside_others();
        let mut first = Way { cpu: CpuFeatures::detect(), options: FLIGHT, earlier: Profile::default() };
        let (Some(mut learning), Some(oracle)) = (first.engine(wasm), Oracle::try_new(wasm)) else {
            assert!(
                first.engine(wasm).is_none() && Oracle::try_new(wasm).is_none(),
                "seed {seed}: only one refuses it"
            );
            continue;
        };
        let calls = calls(&oracle, seed);
        agreed += compare(seed, wasm, &calls, &mut learning);
        first.earlier = learning.learned();
        let fixed = |lowest, highest| Options { promotion: Promotion::Boots, lowest, highest, ..Options::default() };
        let ways = [
            Way {
                cpu: CpuFeatures::empty(),
                options: fixed(Tier::Baseline, Tier::Baseline),
                earlier: Profile::default(),
            },
            Way {
                cpu: CpuFeatures::empty(),
                options: fixed(Tier::Optimised, Tier::Specialised),
                earlier: first.earlier.clone(),
            },
            Way {
                cpu: CpuFeatures::detect(),
                options: fixed(Tier::Optimised, Tier::Optimised),
                earlier: Profile::default(),
            },
            first,
        ];
        // Two of the four per program, in turn.
        for way in ways.iter().skip(seed as usize % 2).step_by(2) {
            let mut engine = way.engine(wasm).expect("it was accepted before");
            agreed += compare(seed, wasm, &calls, &mut engine);
        }
        drop(learning);
        drop(engines);
        let options = ways[seed as usize / 2 % ways.len()].options;
        agreed += compare_boots(seed, wasm, &calls, options);
        programs += 1;
    }
    (programs, agreed)
}

/// Runs the test of this name, in which at least so many calls per module are expected to agree.
fn check(name: &str, first_seed: u64, calls_per_module: u64, config: fn() -> Config) {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse().expect("a number"));
    let modules = number("FUZZ_MODULES").unwrap_or(MODULES);
    let first = first_seed + number("FUZZ_SEED").unwrap_or(0);
    let (programs, agreed) = fuzz(first..first + modules, config);
    // Not captured by the test harness: the count is for people.
    let counts = format!("{name}: seeds from {first} on, {programs} programs, {agreed} calls agreed");
    let _ = writeln!(std::io::stderr(), "{counts}");
    assert!(programs > modules / 2 && agreed as u64 > calls_per_module * modules, "{counts}");
}

const FLIGHT: Options = Options {
    promotion: Promotion::Flight,
    thresholds: Some(Thresholds { optimise: 2, specialise: 3, settle: 4 }),
    highest: Tier::Specialised,
    lowest: Tier::Baseline,
    heap: Heap::Fast,
    interpose: Interpose::Names,
    without: CpuFeatures::empty(),
    cache: Cache::On,
};

#[test]
fn random_programs_do_what_wasmi_does() {
    check("scalar", 0, 6, config);
}

#[test]
fn random_programs_with_vectors_and_tail_calls_do_what_wasmi_does() {
    let wide = || Config { simd_enabled: true, tail_call_enabled: true, extended_const_enabled: true, ..config() };
    check("vectors and tail calls", 1 << 32, 4, wide);
}
