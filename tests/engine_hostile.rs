//! Modules that are damaged or at the limits: a named error or a module like any other, never a panic.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/random.rs"]
mod random;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::decode::module::{Module, ModuleError};
use bareflow::engine::seams::{HostFunction, Imports, OutOfMemory, StateMemory, Stop};
use bareflow::engine::{Ending, Engine, EngineError, Options, TrapKind};
use bareflow::host;
use bareflow::profile::{FunctionRecord, Profile};
use random::Random;
use wasmparser::{Operator, ValType};

/// Offers `env.f`, which does nothing.
struct Nothing;

impl Imports for Nothing {
    fn find(&self, module: &str, name: &str) -> Option<HostFunction> {
        let known = module == "env" && name == "f";
        known.then_some(HostFunction { id: 0, params: &[ValType::I32], results: &[ValType::I32] })
    }

    fn call(&mut self, _: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Ok(())
    }
}

fn leaked(wasm: &[u8]) -> &'static [u8] {
    wasm.to_vec().leak()
}

/// Small modules with every kind of section.
fn samples() -> Vec<Vec<u8>> {
    let texts = [
        r#"(module $names (type $t (func (param i32) (result i32))) (import "env" "f" (func $f (type $t)))
          (table $tab 3 9 funcref) (memory 1 3) (global $g (mut i64) (i64.const 9)) (global $c f32 (f32.const 1.5))
          (export "run" (func $run)) (export "m" (memory 0)) (start $init) (elem (i32.const 0) $f $run) (elem $p funcref (ref.func $f))
          (func $init (global.set $g (i64.const 3)))
          (func $run (type $t) (local f64 i64)
            (local.set 1 (f64.sqrt (f64.convert_i32_s (local.get 0)))) (memory.copy (i32.const 0) (i32.const 8) (i32.const 5))
            (i32.add (call_indirect (type $t) (i32.const 2) (i32.and (local.get 0) (i32.const 1))) (i32.trunc_sat_f64_s (local.get 1))))
          (data (i32.const 5) "hello") (data $d "passive"))"#,
        r#"(module (func $a (param i64 f32 i32) (result f32 i64) (local.get 1) (local.get 0)
            (if (param i64) (result i64) (local.get 2) (then (i64.const 5) (i64.div_s)) (else (drop) (i64.const -1))))
          (func (export "b") (result i64 f32) (call $a (i64.const 7) (f32.const 2) (i32.const 0)) (drop) (drop) (i64.const 3) (f32.const 1)
            (block (param i64 f32) (result i64 f32) (br_table 0 0 0 (i32.const 1)))))"#,
        r#"(module (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32))) (memory 2)
          (func $strlen (param i32) (result i32) (i32.const 0)) (func (export "g") (result i32) (call $strlen (i32.const 4)) (drop)
            (call $memcpy (i32.const 0) (i32.const 9) (i32.const 100)) (memory.grow) (drop) (select (i32.const 1) (i32.const 2) (i32.const 0)))
          (func (export "s") (param i64) (result i64) (i64.extend8_s (i64.rotl (local.get 0) (i64.const 3)))))"#,
        r#"(module (table $e 2 externref) (table $f 2 5 funcref) (elem declare func $z) (global $r (mut funcref) (ref.func $z))
          (func $z) (func (export "r") (result i32) (table.set $f (i32.const 0) (global.get $r)) (drop (table.grow $e (ref.null extern) (i32.const 1)))
            (table.fill $f (i32.const 0) (ref.func $z) (i32.const 1)) (table.copy $f $f (i32.const 0) (i32.const 1) (i32.const 1))
            (ref.is_null (table.get $e (i32.const 1)))))"#,
    ];
    texts.iter().map(|text| wat::parse_str(text).expect("well-formed")).collect()
}

/// Programs that clang made, where they were built.
fn built_programs() -> Vec<Vec<u8>> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs");
    ["hello", "traps", "micro_memcpy"]
        .iter()
        .filter_map(|name| std::fs::read(directory.join(name).with_extension("wasm")).ok())
        .collect()
}

/// Decodes, links and compiles all of `wasm` without running it; whether that went well.
fn compile_all(wasm: &[u8], tier: Tier) -> Result<(), EngineError> {
    let bytes = leaked(wasm);
    let module = Module::decode(bytes)?;
    // A record that calls every function hot has all of them compiled before the program starts.
    let hot = |key| FunctionRecord { key, calls: u64::MAX, ..FunctionRecord::default() };
    let mut functions: Vec<FunctionRecord> = module.keys().into_iter().map(hot).collect();
    functions.sort_by_key(|function| function.key);
    let earlier = Profile { functions, ..Profile::default() };
    let options = Options { highest: tier, promotion: Promotion::Boots, ..Options::default() };
    let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    let mut engine = Engine::new(bytes, platform, Box::new(Nothing), options, earlier)?;
    engine.warm_up();
    // All but those that the libc replaces: a sample has one.
    assert!(engine.statistics().functions_compiled + 1 >= module.keys().len() as u64);
    engine.learned();
    Ok(())
}

/// An error must say something, in one line.
fn named(outcome: Result<(), EngineError>) -> bool {
    if let Err(error) = &outcome {
        let text = error.to_string();
        assert!(text.len() > 10 && !text.contains('\n'), "{text:?}");
        assert!(!matches!(error, EngineError::Codegen(_)), "a valid module is not compiled: {text}");
    }
    outcome.is_ok()
}

#[test]
fn every_truncation_is_refused_by_name() {
    for wasm in samples() {
        assert!(named(compile_all(&wasm, Tier::Specialised)));
        for length in 0..wasm.len() {
            // Some truncations are whole modules: they end between sections.
            let refused = !named(compile_all(&wasm[..length], Tier::Baseline));
            assert!(refused || length > 7, "{length} bytes");
        }
    }
    for wasm in built_programs() {
        for length in (0..wasm.len()).step_by(wasm.len() / 300 + 1) {
            let decoded = Module::decode(leaked(&wasm[..length]));
            assert!(decoded.is_err() || length > 7, "{length} bytes");
        }
    }
}

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
}

fn mutate(wasm: &mut Vec<u8>, random: &mut Random) {
    const EDGES: [u8; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x40, 0x0b, 0x70, 0x6f, 0xfc];
    for _ in 0..=random.below(3) {
        let at = 8 + random.below(wasm.len() - 8);
        match random.below(6) {
            0 => wasm[at] ^= 1 << random.below(8),
            1 => wasm[at] = random.below(256) as u8,
            2 => wasm[at] = EDGES[random.below(EDGES.len())],
            3 => wasm.insert(at, EDGES[random.below(EDGES.len())]),
            4 => drop(wasm.remove(at)),
            _ => wasm[at] = wasm[at].wrapping_add(random.below(5) as u8).wrapping_sub(2),
        }
    }
}

#[test]
fn two_thousand_mutations_are_refused_or_compiled() {
    let (mut random, mut accepted) = (Random(1), 0);
    let samples = samples();
    for round in 0..2000 {
        let mut wasm = samples[round % samples.len()].clone();
        mutate(&mut wasm, &mut random);
        let tier = if round % 3 == 0 { Tier::Specialised } else { Tier::Baseline };
        accepted += usize::from(named(compile_all(&wasm, tier)));
    }
    assert!((100..1900).contains(&accepted), "{accepted} were accepted: too many or too few to mean anything");
}

#[test]
fn mutations_of_real_programs_are_refused_or_compiled() {
    let mut random = Random(2);
    for program in built_programs() {
        for round in 0..60 {
            let mut wasm = program.clone();
            mutate(&mut wasm, &mut random);
            match Module::decode(leaked(&wasm)) {
                // All of a real program takes long to compile.
                Ok(_) if round % 12 == 0 => assert!(!named(compile_all(&wasm, Tier::Baseline)) || wasm != program),
                Ok(module) => assert!(!module.bodies.is_empty() || wasm.len() < program.len() + 8),
                Err(error) => assert!(matches!(
                    error,
                    ModuleError::Invalid { .. } | ModuleError::Unsupported { .. } | ModuleError::NotWebAssembly { .. }
                )),
            }
        }
    }
}

/// Mutations of bodies without loops and calls can be run: they end.
#[test]
fn mutated_code_that_must_end_runs_without_harm() {
    let text = r#"(module (memory 1 2) (global $g (mut i32) (i32.const 1)) (table 2 funcref)
      (func (export "f") (param i32 i64) (result i64) (local f32 f64)
        (local.set 2 (f32.convert_i32_u (local.get 0))) (local.set 3 (f64.promote_f32 (local.get 2)))
        (i64.store offset=16 (local.get 0) (local.get 1)) (i32.store8 (i32.const 9) (local.get 0))
        (block (br_if 0 (i32.eqz (local.get 0))) (global.set $g (i32.ctz (local.get 0))))
        (if (result i64) (i32.lt_u (global.get $g) (i32.const 7))
          (then (i64.xor (i64.load (i32.const 12)) (i64.trunc_sat_f64_s (f64.div (local.get 3) (f64.const 3)))))
          (else (i64.div_u (local.get 1) (i64.extend_i32_s (local.get 0)))))))"#;
    let wasm = wat::parse_str(text).expect("well-formed");
    let (mut random, mut runs) = (Random(3), 0);
    for round in 0..3000 {
        let mut mutated = wasm.clone();
        mutate(&mut mutated, &mut random);
        let bytes = leaked(&mutated);
        let Ok(module) = Module::decode(bytes) else { continue };
        if !module.bodies.iter().all(|body| ends(body)) {
            continue;
        }
        let lowest = if round % 2 == 0 { Tier::Baseline } else { Tier::Optimised };
        let options = Options { lowest, ..Options::default() };
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        let Ok(mut engine) = Engine::new(bytes, platform, Box::new(Nothing), options, Profile::default()) else {
            continue;
        };
        for args in [[0, 0], [1, u64::MAX], [65535, 5], [u64::from(u32::MAX), 1 << 63]] {
            match engine.invoke("f", &args) {
                Ok(Err(Ending::Trap(trap))) => assert!(!matches!(trap.kind, TrapKind::Host(_)), "{trap}"),
                Ok(_) | Err(EngineError::NoEntry { .. }) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        runs += 1;
    }
    assert!(runs > 150, "only {runs} could be run");
}

fn ends(body: &wasmparser::FunctionBody<'_>) -> bool {
    let operators = body.get_operators_reader().expect("validated").into_iter();
    operators.map(|operator| operator.expect("validated")).all(|operator| {
        !matches!(operator, Operator::Loop { .. } | Operator::Call { .. } | Operator::CallIndirect { .. })
    })
}

/// What lies beyond an implementation limit is refused; what is just large works.
#[test]
fn sizes_at_the_limits_are_refused_or_work() {
    let compile = |text: &str| compile_all(&wat::parse_str(text).expect("well-formed"), Tier::Baseline);
    let locals = |count: usize| {
        format!(
            "(module (func (export \"f\") (result i64) (local {}) (local.get {})))",
            "i64 ".repeat(count),
            count - 1
        )
    };
    assert!(compile(&locals(5_000)).is_ok());
    assert!(named(compile(&locals(50_000))), "the validator's limit");
    assert!(!named(compile(&locals(50_001))));
    let params = |count: usize| format!("(module (func (export \"f\") (param {}) (result {0})))", "i64 ".repeat(count));
    assert!(!named(compile(&params(1001))));
    let wide = format!(
        "(module (func (export \"f\") (param {0}) (result {0}) {1}))",
        "i64 ".repeat(1000),
        (0..1000).map(|index| format!("local.get {index} ")).collect::<String>()
    );
    assert!(named(compile(&wide)));
    for text in [
        "(module (memory 65537))",
        "(module (memory 2 1))",
        "(module (table 4294967295 externref))",
        "(module (table 2 1 funcref))",
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
        "(module (tag (result i32)))",
        "(component)",
    ] {
        let outcome = compile(text);
        let refused = matches!(&outcome, Err(EngineError::Module(_) | EngineError::OutOfMemory { .. }));
        assert!(refused, "{text}: {:?}", outcome.err());
        named(outcome);
    }
    let regions = |count: usize| {
        format!(
            "(module {}(func $g) (func (export \"f\") {} (call $g) {}))",
            "(tag) ".repeat(count),
            (0..count).map(|tag| format!("(block (try_table (catch {tag} 0) (call $g) ")).collect::<String>(),
            "))".repeat(count)
        )
    };
    assert!(compile(&regions(1_000)).is_ok());
    assert!(named(compile(&regions(20_000))));
    let clauses = |count: usize| {
        format!(
            "(module {}(func $g) (func (export \"f\") (block (try_table {} {}))))",
            "(tag) ".repeat(count),
            (0..count).map(|tag| format!("(catch {tag} 0)")).collect::<String>(),
            "(call $g) ".repeat(count)
        )
    };
    assert!(named(compile(&clauses(10_000))), "the validator's limit");
    assert!(!named(compile(&clauses(10_001))));
    let many_tables = format!("(module {})", "(table 9000000 funcref)".repeat(90));
    assert!(!named(compile(&many_tables)));
}

/// State memory with room for `capacity` bytes only.
struct Small {
    memory: Box<dyn StateMemory>,
    capacity: usize,
}

impl StateMemory for Small {
    fn base(&self) -> u64 {
        self.memory.base()
    }

    fn ensure(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.capacity { Err(OutOfMemory) } else { self.memory.ensure(len) }
    }

    fn read(&self, offset: usize) -> u64 {
        self.memory.read(offset)
    }

    fn write(&mut self, offset: usize, value: u64) {
        self.memory.write(offset, value);
    }
}

#[test]
fn a_function_with_too_many_counters_leaves_room_for_smaller_ones() {
    let copies = "(memory.copy (i32.const 0) (i32.const 9) (i32.const 8))".repeat(5_000);
    let text = format!(
        r#"(module (memory 1) (func (export "large") {copies})
          (func (export "small") (result i32) (memory.copy (i32.const 0) (i32.const 9) (i32.const 8)) (i32.const 7)))"#
    );
    let mut platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    platform.state = Box::new(Small { memory: platform.state, capacity: 100 << 10 });
    let bytes = leaked(&wat::parse_str(&text).expect("well-formed"));
    let mut engine = Engine::new(bytes, platform, Box::new(Nothing), Options::default(), Profile::default())
        .unwrap_or_else(|error| panic!("{error}"));
    for _ in 0..2 {
        let Ok(Err(Ending::Trap(trap))) = engine.invoke("large", &[]) else { panic!("it has no room") };
        assert!(trap.to_string().contains("not enough memory for globals, tables and counters"), "{trap}");
        assert!(matches!(engine.invoke("small", &[]), Ok(Ok(results)) if results == [7]));
    }
}
