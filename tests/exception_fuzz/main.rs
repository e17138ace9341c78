//! Random programs with exceptions against other engines, at every tier: in the standard form and with atomic operators, made
//! by wasm-smith, against wasmtime; in the legacy form, made here, against V8.

#[path = "../common/boots.rs"]
mod boots;
#[path = "../common/engine.rs"]
mod engine;
#[path = "../common/generated.rs"]
mod generated;
mod legacy;
#[path = "../common/random.rs"]
mod random;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::decode::module::Module;
use bareflow::engine::{Ending, Engine, Options, TrapKind};
use bareflow::host;
use bareflow::profile::Profile;
use generated::{config, generate};
use random::Random;
use serde_json::{Value, json};
use tempfile::TempDir;
use wasmparser::{Parser, Payload, ValType};

/// Calls of every function: enough for promotion in flight at the thresholds below.
const ROUNDS: usize = 5;

/// A call: the function's name, and type and bits of each argument.
type Call = (String, Vec<(&'static str, u64)>);

/// Another engine, which answers line by line.
struct Oracle {
    process: Child,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Oracle {
    fn start(program: &str, script: &str) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/exception_fuzz").join(script);
        let mut command = Command::new(program);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let answers = BufReader::new(process.stdout.take().expect("it is a pipe"));
        Self { process, answers, folder: TempDir::new().expect("a temporary folder can be made") }
    }

    /// What each call gives; none where the module cannot be instantiated.
    fn ask(&mut self, wasm: &[u8], calls: &[Call]) -> Option<Vec<Value>> {
        let module = self.folder.path().join("module.wasm");
        std::fs::write(&module, wasm).expect("the module can be written");
        let work = json!({"module": module.to_string_lossy(), "calls": calls});
        let stdin = self.process.stdin.as_mut().expect("it is a pipe");
        writeln!(stdin, "{work}").expect("the other engine lives");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn type_name(ty: ValType) -> Option<&'static str> {
    match ty {
        ValType::I32 => Some("i32"),
        ValType::I64 => Some("i64"),
        ValType::F32 => Some("f32"),
        ValType::F64 => Some("f64"),
        _ => None,
    }
}

/// Calls of all functions that take and give numbers.
fn calls(module: &Module, random: &mut Random) -> Vec<Call> {
    let edges = [0, 1, 2, 8, 64, 0xffff_ffff, 1 << 31, (1 << 31) - 1, 65536, 0x3f80_0000, 0x4000_0000_0000_0000];
    let mut calls = Vec::new();
    for export in (0..ROUNDS).flat_map(|_| module.exported_functions()) {
        let ty = module.function_type(export.index);
        let params: Option<Vec<_>> = ty.params().iter().map(|ty| type_name(*ty)).collect();
        if let Some(params) = params.filter(|_| ty.results().iter().all(|ty| type_name(*ty).is_some())) {
            let mut argument = |ty: &'static str| {
                let word = edges[random.next() as usize % edges.len()];
                (ty, if matches!(ty, "i32" | "f32") { word & 0xffff_ffff } else { word })
            };
            calls.push((export.name.to_string(), params.into_iter().map(&mut argument).collect()));
        }
    }
    calls
}

/// In the words of the other engines. A stack is not equally deep in all: none after an overflow.
fn outcome(engine: &mut Engine, module: &Module, (name, args): &Call) -> Option<Value> {
    let words: Vec<u64> = args.iter().map(|(_, bits)| *bits).collect();
    let values = match engine.invoke(name, &words).unwrap_or_else(|error| panic!("{name}: {error}")) {
        Ok(values) => values,
        Err(Ending::Trap(trap)) => match trap.kind {
            TrapKind::UncaughtException { .. } => return Some(json!("exception")),
            TrapKind::StackOverflow => return None,
            _ => return Some(json!("trap")),
        },
        Err(Ending::Exit(code)) => panic!("{name} exited with {code}"),
    };
    let export = module.exported_functions().find(|export| export.name == name).expect("it was called");
    let types = module.function_type(export.index).results().iter();
    let result = |(value, ty): (&u64, &ValType)| {
        let is_nan = match ty {
            ValType::F32 => f32::from_bits(*value as u32).is_nan(),
            ValType::F64 => f64::from_bits(*value).is_nan(),
            _ => false,
        };
        let name = type_name(*ty).expect("a number");
        if is_nan { json!([name, "nan"]) } else { json!([name, value]) }
    };
    Some(values.iter().zip(types).map(result).collect())
}

/// A way to run a program: tiers, CPU and what was learned before.
fn ways(learned: &Profile) -> [(CpuFeatures, Options, Profile); 3] {
    let fixed = |lowest, highest| Options { promotion: Promotion::Boots, lowest, highest, ..Options::default() };
    [
        (CpuFeatures::empty(), fixed(Tier::Baseline, Tier::Baseline), Profile::default()),
        (CpuFeatures::detect(), fixed(Tier::Optimised, Tier::Optimised), Profile::default()),
        (CpuFeatures::detect(), fixed(Tier::Optimised, Tier::Specialised), learned.clone()),
    ]
}

/// Makes `calls` in a new engine; how many agreed with `expected`, and what was learned.
fn compare(
    place: &str,
    wasm: &'static [u8],
    (cpu, options, earlier): (CpuFeatures, Options, Profile),
    calls: &[Call],
    expected: &[Value],
) -> (usize, Profile) {
    let stack = "1M".parse().expect("a size");
    let platform = host::platform_with_stack(cpu, stack).expect("address space can be reserved");
    let mut engine = Engine::new(wasm, platform, Box::new(engine::NoImports), options, earlier)
        .unwrap_or_else(|error| panic!("{place}: {error}"));
    engine.warm_up();
    let module = Module::decode(wasm).expect("it was decoded before");
    let mut agreed = 0;
    for (call, expected) in calls.iter().zip(expected) {
        let Some(found) = outcome(&mut engine, &module, call) else { break };
        assert_eq!(found, *expected, "{place}: {call:x?} after {agreed} calls, {options:?}");
        agreed += 1;
    }
    (agreed, engine.learned())
}

/// Compares the programs that `generate` makes of seeds with what `oracle` does.
fn check(name: &str, mut oracle: Oracle, generate: impl Fn(u64) -> Option<Vec<u8>>) {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse().expect("a number"));
    let (modules, first) = (number("FUZZ_MODULES").unwrap_or(200), number("FUZZ_SEED").unwrap_or(0));
    let (mut programs, mut agreed, mut thrown) = (0, 0, 0);
    for seed in first..first + modules {
        let Some(wasm) = generate(seed) else { continue };
        let wasm: &'static [u8] = wasm.leak();
        let _engines = boots::beside_others();
        let module = Module::decode(wasm).unwrap_or_else(|error| panic!("{name} {seed}: {error}"));
        let calls = calls(&module, &mut Random(seed));
        let Some(expected) = oracle.ask(wasm, &calls) else { continue };
        let place = format!("{name} {seed}");
        let flight = Options {
            promotion: Promotion::Flight,
            thresholds: Some(Thresholds { optimise: 2, specialise: 3, settle: 4 }),
            ..Options::default()
        };
        let first = (CpuFeatures::detect(), flight, Profile::default());
        let (same, learned) = compare(&place, wasm, first, &calls, &expected);
        let others: usize = ways(&learned).map(|way| compare(&place, wasm, way, &calls, &expected).0).into_iter().sum();
        programs += 1;
        agreed += same + others;
        thrown += expected.iter().filter(|outcome| **outcome == json!("exception")).count();
        if programs % 1000 == 0 {
            let _ = writeln!(std::io::stderr(), "{name}: {programs} programs, {agreed} calls agreed");
        }
    }
    let counts = format!(
        "{name}: seeds from {first} on, {programs} programs, {agreed} calls agreed, {thrown} uncaught exceptions"
    );
    let _ = writeln!(std::io::stderr(), "{counts}");
    assert!(programs > modules / 2 && thrown > 0, "{counts}");
}

fn standard(seed: u64) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        exceptions_enabled: true,
        min_tags: 1,
        max_tags: 4,
        simd_enabled: true,
        tail_call_enabled: true,
        threads_enabled: true,
        ..config()
    };
    generate(seed, config).filter(|wasm| !shares_memory(wasm))
}

/// Of programs with atomic operators, one in a few shares its memory.
fn shares_memory(wasm: &[u8]) -> bool {
    let payloads = Parser::new(0).parse_all(wasm).map(|payload| payload.expect("it was made by an encoder"));
    payloads.into_iter().any(|payload| match payload {
        Payload::MemorySection(memories) => memories.into_iter().flatten().any(|memory| memory.shared),
        _ => false,
    })
}

#[test]
#[ignore = "needs PyPI's wasmtime: ./just fuzz-exceptions"]
fn random_programs_in_the_standard_form_do_what_wasmtime_does() {
    check("standard", Oracle::start("python3", "in_wasmtime.py"), standard);
}

#[test]
#[ignore = "needs node: ./just fuzz-exceptions"]
fn random_programs_in_the_legacy_form_do_what_v8_does() {
    check("legacy", Oracle::start("node", "in_v8.mjs"), |seed| Some(legacy::program(&mut Random(seed))));
}
