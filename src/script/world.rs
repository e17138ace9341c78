//! Runs the directives of a script's part on an engine.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt;

use wasmparser::WasmFeatures;

use super::{Action, Directive, Language, Pattern};
use crate::engine::decode::module::{Module, ModuleError};
use crate::engine::decode::program::PROGRAM;
use crate::engine::decode::proposals::FEATURES;
use crate::engine::seams::{HostFunction, Imports, Stop};
use crate::engine::{Backtrace, Ending, Engine, EngineError, Options, Platform, Trap, TrapKind, Value};
use crate::profile::Profile;

/// Makes the platform of an engine; called when there is no engine of the one before.
pub type Platforms<'p> = dyn FnMut() -> Result<Platform, EngineError> + 'p;

/// Everything that the directives of a part have made so far, in one engine.
pub struct World<'p> {
    platforms: &'p mut Platforms<'p>,
    options: Options,
    earlier: &'p Profile,
    code: Option<&'p [u8]>,
    offered: Option<(&'static str, &'static [u8])>,
    /// None before the first module.
    engine: Option<Engine>,
    named: BTreeMap<&'static str, usize>,
    current: Option<usize>,
}

/// Why a directive does not hold.
#[derive(Debug)]
pub enum Failure {
    Refused(EngineError),
    Ended(Ending),
    Returned { values: Vec<Value>, expected: String },
    Accepted { expected: String },
    NoInstance { name: String },
    NoGlobal { name: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::Ended(Ending::Exit(code)) => write!(f, "ended with code {code}"),
            Self::Ended(Ending::Trap(trap)) => write!(f, "ended in a {trap}"),
            Self::Returned { values, expected } => write!(f, "returned {values:x?}, expected {expected}"),
            Self::Accepted { expected } => write!(f, "was accepted, expected {expected:?}"),
            Self::NoInstance { name } => write!(f, "there is no instance {name:?}"),
            Self::NoGlobal { name } => write!(f, "the instance exports no global {name:?}"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Refused(error)
    }
}

/// What an action came to.
type Outcome = Result<Vec<Value>, Ending>;

impl<'p> World<'p> {
    /// Nothing but the module that is `offered`. `earlier` is what is known of the functions from another run.
    pub fn new(
        offered: Option<(&'static str, &'static [u8])>,
        platforms: &'p mut Platforms<'p>,
        options: Options,
        earlier: &'p Profile,
    ) -> Self {
        Self { platforms, options, earlier, code: None, offered, engine: None, named: BTreeMap::new(), current: None }
    }

    /// The same with code that another run made of the first module, if there is any.
    pub fn with_code(self, code: Option<&'p [u8]>) -> Self {
        Self { code, ..self }
    }

    /// Does what the directive says and checks what it expects.
    pub fn run(&mut self, directive: &Directive<'static>) -> Result<(), Failure> {
        match directive {
            Directive::Instantiate { name, module } => self.instantiate(*name, module),
            Directive::Valid { module } => Ok(decode(module, Language::Whole).map(drop).map_err(EngineError::from)?),
            Directive::Invalid { module, language, why } => match decode(module, *language) {
                Ok(_) => Err(Failure::Accepted { expected: why.to_string() }),
                Err(_) => Ok(()),
            },
            Directive::Unlinkable { module, why } => self.expect_unlinkable(module, why),
            Directive::Register { name, instance } => {
                let (engine, number) = self.instance(*instance)?;
                engine.register(name, number);
                Ok(())
            }
            Directive::Succeeds(action) => ended(self.act(action)?).map(drop),
            Directive::Returns { action, values } => expect_values(ended(self.act(action)?)?, values),
            Directive::Traps { action, kind } => expect_trap(self.act(action)?, kind),
            Directive::Throws(action) => match self.act(action)? {
                Err(Ending::Trap(Trap { kind: TrapKind::UncaughtException { .. }, .. })) => Ok(()),
                Err(ending) => Err(Failure::Ended(ending)),
                Ok(values) => Err(Failure::Returned { values, expected: "an exception".to_string() }),
            },
        }
    }

    /// The engine, once there is a module.
    pub fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.as_mut()
    }

    fn instantiate(&mut self, name: Option<&'static str>, module: &'static [u8]) -> Result<(), Failure> {
        self.current = None;
        let (engine, number) = self.add(module)?;
        if let Some(ending) = engine.start(number)? {
            return Err(Failure::Ended(ending));
        }
        self.current = Some(number);
        self.named.extend(name.map(|name| (name, number)));
        Ok(())
    }

    fn act(&mut self, action: &Action<'static>) -> Result<Outcome, Failure> {
        match action {
            Action::Invoke { instance, function, arguments } => {
                let (engine, number) = self.instance(*instance)?;
                Ok(engine.invoke_in(number, function, arguments)?)
            }
            Action::Get { instance, global } => {
                let (engine, number) = self.instance(*instance)?;
                let value = engine.global(number, global);
                Ok(Ok(vec![value.ok_or_else(|| Failure::NoGlobal { name: global.to_string() })?]))
            }
            Action::Instantiate { module } => match self.add(module) {
                Ok((engine, number)) => Ok(engine.start(number)?.map_or(Ok(Vec::new()), Err)),
                Err(EngineError::SegmentOutOfBounds { what, .. }) => Ok(Err(segment_trap(what))),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn expect_unlinkable(&mut self, module: &'static [u8], why: &str) -> Result<(), Failure> {
        match self.add(module) {
            Err(EngineError::UnknownImports(_)) if why.starts_with("unknown import") => Ok(()),
            Err(EngineError::ImportType { .. }) if why.starts_with("incompatible import type") => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Failure::Accepted { expected: why.to_string() }),
        }
    }

    /// Adds a module, as the program of a new engine if it is the first; the engine and its number there.
    fn add(&mut self, module: &'static [u8]) -> Result<(&mut Engine, usize), EngineError> {
        let engine = match (self.engine.take(), self.offered) {
            (Some(engine), _) => engine,
            (None, Some((name, offered))) => {
                let mut engine = self.engine_for(offered)?;
                engine.register(name, PROGRAM);
                engine
            }
            (None, None) => {
                let engine = self.engine_for(module)?;
                return Ok((self.engine.insert(engine), PROGRAM));
            }
        };
        let engine = self.engine.insert(engine);
        let number = engine.add_module(module)?;
        Ok((engine, number))
    }

    fn engine_for(&mut self, program: &'static [u8]) -> Result<Engine, EngineError> {
        let (platform, earlier) = ((self.platforms)()?, self.earlier.clone());
        Engine::with_code(program, platform, Box::new(NoImports), self.options, earlier, self.code)
    }

    /// The instance of this name, or the current one: its engine and its number there.
    fn instance(&mut self, name: Option<&str>) -> Result<(&mut Engine, usize), Failure> {
        let number = match name {
            Some(name) => self.named.get(name).copied(),
            None => self.current,
        };
        let no_instance = || Failure::NoInstance { name: name.unwrap_or("current").to_string() };
        self.engine.as_mut().zip(number).ok_or_else(no_instance)
    }
}

struct NoImports;

impl Imports for NoImports {
    fn find(&self, _: &str, _: &str) -> Option<HostFunction> {
        None
    }

    fn call(&mut self, _: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Trap("no host function was offered".into()))
    }
}

fn decode(module: &'static [u8], language: Language) -> Result<Module, ModuleError> {
    let after_2_0 = WasmFeatures::MULTI_MEMORY
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::EXCEPTIONS)
        .union(WasmFeatures::LEGACY_EXCEPTIONS)
        .union(WasmFeatures::THREADS)
        .union(WasmFeatures::RELAXED_SIMD);
    match language {
        Language::WebAssembly2 => Module::decode_as(module, FEATURES.difference(after_2_0)),
        Language::Whole => Module::decode(module),
    }
}

fn ended(outcome: Outcome) -> Result<Vec<Value>, Failure> {
    outcome.map_err(Failure::Ended)
}

fn expect_values(values: Vec<Value>, expected: &[Pattern]) -> Result<(), Failure> {
    let right = values.len() == expected.len() && values.iter().zip(expected).all(|(value, one)| one.matches(*value));
    if right { Ok(()) } else { Err(Failure::Returned { values, expected: format!("{expected:x?}") }) }
}

/// The official tests say more of some traps than the engine does, and less of others.
fn expect_trap(outcome: Outcome, expected: &str) -> Result<(), Failure> {
    let ending = match outcome {
        Ok(values) => return Err(Failure::Returned { values, expected: format!("the trap {expected:?}") }),
        Err(ending) => ending,
    };
    let Ending::Trap(Trap { kind, .. }) = &ending else { return Err(Failure::Ended(ending)) };
    let kind = kind.to_string();
    if expected.starts_with(&kind) || kind.starts_with(expected) { Ok(()) } else { Err(Failure::Ended(ending)) }
}

/// A segment that does not fit counts as a trap in the specification.
fn segment_trap(what: &str) -> Ending {
    let kind = if what == "data" { TrapKind::MemoryOutOfBounds } else { TrapKind::TableOutOfBounds };
    Ending::Trap(Trap { kind, backtrace: Backtrace::default() })
}
