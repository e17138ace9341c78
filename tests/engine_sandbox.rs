//! The sandbox holds whatever a program declares: with a memory of its own, with several, with an imported one, with none,
//! random calls of the libc and random accesses touch nothing but the memories of programs.
//!
//! Around those, everything in this process is guard or absent, or it is the process: an access that goes astray ends in
//! the trap that says so, or brings the test down.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/random.rs"]
mod random;

use std::fmt::Write;

use bareflow::engine::decode::module::Module;
use bareflow::engine::decode::program::PROGRAM;
use bareflow::engine::{Ending, Engine, TrapKind};
use bareflow::host;
use bareflow::libc::{self, Family, LibcFunction};
use bareflow::profile::Profile;
use engine::NoImports;
use oracle::{Mode, modes};
use random::Random;
use wasmparser::{ExternalKind, ValType};

/// Programs per kind, unless `FUZZ_MODULES` says otherwise; the seeds count up from `FUZZ_SEED`.
const MODULES: u64 = 2;
/// Calls of each function: enough for all promotions in flight.
const ROUNDS: u64 = 20;

/// Another program, which has a memory.
const OTHER: &str = r#"(module (memory (export "memory") 1 2) (data (i32.const 100) "a string"))"#;

/// What a program declares.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Another program is there first.
    other: bool,
    /// Its memory is imported.
    imported: bool,
    own: u64,
}

impl Kind {
    /// A program of this kind: calls of the libc, of which some have constant sizes, and accesses to all of its memories.
    fn text(self, random: &mut Random) -> String {
        let (mut imports, mut functions) = (String::new(), String::new());
        // Random strings are long, and a search for one can take time with the square of that.
        let chosen = |function: &&LibcFunction| function.family != Family::Mathematics && function.name != "strstr";
        for function in libc::functions().iter().filter(chosen) {
            let types = |types: &[ValType]| types.iter().map(|ty| format!(" {ty}")).collect::<String>();
            let (name, params, results) = (function.name, types(function.params), types(function.results));
            writeln!(imports, r#"(import "libc" "{name}" (func ${name} (param{params}) (result{results})))"#).unwrap();
            for constants in 0..4_u64 {
                let argument = |index: usize| match constants >> index & 1 {
                    1 => format!("(i32.const {}) ", edge(random)),
                    _ => format!("(local.get {index}) "),
                };
                // The last argument of most is a size.
                let arguments: String = (0..function.params.len()).rev().map(argument).rev().collect();
                let call = format!("(call ${name} {arguments})");
                writeln!(functions, r#"(func (export "{name} {constants}") (param{params}) (result{results}) {call})"#)
                    .unwrap();
            }
        }
        if self.imported {
            imports.push_str("(import \"other\" \"memory\" (memory 1 2))\n");
        }
        let memories = self.own + u64::from(self.imported);
        for memory in 0..memories {
            functions += &accesses(memory, random.next() % memories, random);
        }
        format!("(module {imports} {} {functions})", "(memory 1 2)".repeat(self.own as usize))
    }

    /// An engine with the program `text`, and its number there.
    fn engine(self, mode: Mode, wasm: &'static [u8], earlier: Profile) -> (Engine, usize) {
        let platform = host::platform(mode.cpu).expect("address space can be reserved");
        let other: &[u8] = wat::parse_str(OTHER).expect("well-formed").leak();
        let program = if self.other { other } else { wasm };
        let engine = Engine::new(program, platform, Box::new(NoImports), mode.options(), earlier);
        let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
        engine.register("other", PROGRAM);
        let number = if self.other { engine.add_module(wasm) } else { Ok(PROGRAM) };
        (engine, number.unwrap_or_else(|error| panic!("{error}")))
    }
}

/// Functions that access `memory`, and copy between it and `another`.
fn accesses(memory: u64, another: u64, random: &mut Random) -> String {
    let mut text = String::new();
    for load in ["i32.load8_u", "i32.load", "i64.load", "v128.load"] {
        let access = format!("(drop ({load} {memory} offset={} (local.get 0)))", edge(random));
        writeln!(text, r#"(func (export "{load} {memory}") (param i32) {access})"#).unwrap();
    }
    for (store, ty) in [("i32.store8", "i32"), ("i32.store", "i32"), ("i64.store", "i64"), ("v128.store", "v128")] {
        let access = format!("({store} {memory} offset={} (local.get 0) (local.get 1))", edge(random));
        writeln!(text, r#"(func (export "{store} {memory}") (param i32 {ty}) {access})"#).unwrap();
    }
    let bulk = [
        format!("memory.fill {memory} (local.get 0) (local.get 1) (local.get 2)"),
        format!("memory.fill {memory} (local.get 0) (local.get 1) (i32.const {})", edge(random)),
        format!("memory.copy {memory} {another} (local.get 0) (local.get 1) (local.get 2)"),
        format!("memory.copy {another} {memory} (local.get 0) (local.get 1) (i32.const {})", edge(random)),
        format!("drop (memory.grow {memory} (i32.and (local.get 0) (i32.const 1)))"),
    ];
    for (number, operator) in bulk.iter().enumerate() {
        writeln!(text, r#"(func (export "bulk {memory} {number}") (param i32 i32 i32) ({operator}))"#).unwrap();
    }
    text
}

/// A number that is often the edge of something.
fn edge(random: &mut Random) -> u64 {
    const EDGES: [u64; 14] =
        [0, 1, 8, 16, 64, 100, 512, 4096, 65535, 65536, 131_072, 0x40_0000, 0x7fff_ffff, 0xffff_ffff];
    let word = random.next();
    if word.is_multiple_of(4) { random.next() & 0xffff_ffff } else { EDGES[(word >> 8) as usize % EDGES.len()] }
}

/// Calls all that the program exports, mostly with the arguments of the call before; how many calls left memory.
fn call_all(engine: &mut Engine, number: usize, wasm: &'static [u8], seed: u64) -> u64 {
    let module = Module::decode(wasm).expect("it was accepted before");
    let mut random = Random(seed);
    let mut outside = 0;
    for export in module.exports.iter().filter(|export| export.kind == ExternalKind::Func) {
        let count = module.function_type(export.index).params().len();
        let mut arguments = Vec::new();
        for round in 0..ROUNDS {
            if round == 0 || random.next().is_multiple_of(3) {
                arguments = (0..count).map(|_| [edge(&mut random), edge(&mut random)]).collect();
            }
            let ended = engine.invoke_in(number, export.name, &arguments);
            match ended.unwrap_or_else(|error| panic!("seed {seed}: {}: {error}", export.name)) {
                Err(Ending::Trap(trap)) => {
                    let within = [TrapKind::MemoryOutOfBounds, TrapKind::Unreachable].contains(&trap.kind);
                    assert!(within, "seed {seed}: {}{arguments:x?}: {trap}", export.name);
                    outside += u64::from(trap.kind == TrapKind::MemoryOutOfBounds);
                }
                Err(Ending::Exit(code)) => panic!("seed {seed}: exited with {code}"),
                Ok(_) => {}
            }
        }
    }
    outside
}

/// Runs random programs of this kind at every tier.
fn check(first_seed: u64, kind: Kind) {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse().expect("a number"));
    let modules = number("FUZZ_MODULES").unwrap_or(MODULES);
    let first = first_seed + number("FUZZ_SEED").unwrap_or(0);
    let mut outside = 0;
    for seed in first..first + modules {
        let text = kind.text(&mut Random(seed));
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}")).leak();
        let mut learned = Profile::default();
        for mode in modes() {
            let earlier = if mode.learned { learned.clone() } else { Profile::default() };
            let (mut engine, number) = kind.engine(mode, wasm, earlier);
            engine.warm_up();
            outside += call_all(&mut engine, number, wasm, seed);
            if mode.flight {
                learned = engine.learned();
            }
        }
    }
    eprintln!("{kind:?}: seeds from {first} on, {outside} calls left memory");
    assert!(outside > 1000 * modules, "{kind:?}: only {outside} calls left memory");
}

#[test]
fn a_program_without_memory_touches_none() {
    check(0, Kind { other: false, imported: false, own: 0 });
}

#[test]
fn a_program_without_memory_touches_only_that_of_the_first_program() {
    check(1 << 32, Kind { other: true, imported: false, own: 0 });
}

#[test]
fn a_program_with_several_memories_touches_only_those() {
    check(2 << 32, Kind { other: false, imported: false, own: 3 });
}

#[test]
fn a_program_that_imports_a_memory_touches_only_that() {
    check(3 << 32, Kind { other: true, imported: true, own: 0 });
}

#[test]
fn a_program_with_imported_and_own_memories_touches_only_those() {
    check(4 << 32, Kind { other: true, imported: true, own: 2 });
}

/// The libc works on the first memory that there is: where there is none, on nothing.
#[test]
fn the_libc_traps_in_a_program_without_memory() {
    let text = r#"(module (import "libc" "memset" (func $memset (param i32 i32 i32) (result i32)))
      (func (export "f") (param i32 i32) (result i32) (call $memset (local.get 0) (i32.const 65) (local.get 1))))"#;
    for mode in modes() {
        let mut engine = mode.engine(text, |_| ());
        for _ in 0..20 {
            for (address, size) in [(0, 1), (0x40_0000, 64), (0xffff_ffff, 0xffff_ffff)] {
                let Err(Ending::Trap(trap)) = engine::invoke(&mut engine, "f", &[address, size]) else {
                    panic!("{address:#x} was written to ({mode:?})")
                };
                assert_eq!(trap.kind, TrapKind::MemoryOutOfBounds, "{address:#x} {mode:?}");
            }
        }
    }
}
