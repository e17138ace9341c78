//! Programs run at every tier, and by an independent engine (wasmi) to compare with.
#![allow(dead_code)] // Each file of tests uses its own part.

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Ending, Engine, Options, TrapKind};
use bareflow::profile::Profile;
use wasmi::{F32, F64, Instance, Linker, Module, Store, TrapCode, Val, ValType};

use super::engine;

/// What a call gave: one word per result, or why it trapped.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Values(Vec<u64>),
    Trap(TrapKind),
}

/// Every export called with each of `arguments`, six times, so that promoted code is called too.
pub fn all<'a>(names: &[&'a str], arguments: &[u64]) -> Vec<(&'a str, Vec<u64>)> {
    let once = || names.iter().flat_map(|name| arguments.iter().map(|argument| (*name, vec![*argument])));
    (0..6).flat_map(|_| once()).collect()
}

/// A way to compile a program.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    pub cpu: CpuFeatures,
    pub lowest: Tier,
    pub highest: Tier,
    /// Promote in flight after very few calls.
    pub flight: bool,
    /// Run the work once before, and start from what that learned.
    pub learned: bool,
}

/// Every tier, promotion in the middle of the work, and a profile of the same work; with all that this CPU has and with
/// nothing but what every x86-64 CPU has.
pub fn modes() -> impl Iterator<Item = Mode> {
    use Tier::{Baseline, Optimised, Specialised};
    let kinds = [
        (Baseline, Baseline, false, false),
        (Optimised, Optimised, false, false),
        (Baseline, Specialised, true, false),
        (Optimised, Specialised, false, true),
    ];
    [CpuFeatures::detect(), CpuFeatures::empty()].into_iter().flat_map(move |cpu| {
        kinds.map(|(lowest, highest, flight, learned)| Mode { cpu, lowest, highest, flight, learned })
    })
}

impl Mode {
    pub fn options(self) -> Options {
        let thresholds = self.flight.then_some(Thresholds { optimise: 3, specialise: 6, settle: 12 });
        let promotion = if self.flight { Promotion::Flight } else { Promotion::Boots };
        Options { promotion, thresholds, highest: self.highest, lowest: self.lowest, ..Options::default() }
    }

    /// An engine for `wat`, where the mode says so with the profile of an engine that did `work` before.
    pub fn engine<T>(self, wat: &str, work: impl Fn(&mut Engine) -> T) -> Engine {
        if self.learned {
            let options = Options { lowest: Tier::Baseline, ..self.options() };
            let mut first = engine::engine_on(self.cpu, wat, options, Profile::default());
            work(&mut first);
            let earlier = Profile::decode(&first.learned().encode().expect("there is memory"))
                .expect("a learned profile decodes");
            let mut engine = engine::engine_on(self.cpu, wat, self.options(), earlier);
            engine.warm_up();
            return engine;
        }
        engine::engine_on(self.cpu, wat, self.options(), Profile::default())
    }
}

/// Does `work` in an engine of every mode; all must agree with `expected`.
pub fn at_every_tier<T: PartialEq + std::fmt::Debug>(wat: &str, expected: &T, work: impl Fn(&mut Engine) -> T) {
    for mode in modes() {
        let found = work(&mut mode.engine(wat, &work));
        assert_eq!(found, *expected, "{mode:?}");
    }
}

/// Makes `calls` (name, arguments) one after the other, in every mode and in wasmi; all must agree bit for bit.
pub fn agrees_with_wasmi(wat: &str, calls: &[(&str, Vec<u64>)]) {
    let mut oracle = Oracle::new(&wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}")));
    let expected: Vec<Outcome> = calls.iter().map(|(name, args)| oracle.call(name, args)).collect();
    let types: Vec<Vec<ValType>> = calls.iter().map(|(name, _)| oracle.results(name)).collect();
    for mode in modes() {
        let work = |engine: &mut Engine| -> Vec<Outcome> {
            let calls = calls.iter().zip(&types);
            calls.map(|((name, args), types)| in_terms_of_wasmi(invoke(engine, name, args, types))).collect()
        };
        let found = work(&mut mode.engine(wat, work));
        for ((call, found), expected) in calls.iter().zip(&found).zip(&expected) {
            assert_eq!(found, expected, "{call:x?} {mode:?}");
        }
    }
}

/// wasmi has one trap for every index outside a table; the official tests name that of indirect calls differently.
pub fn in_terms_of_wasmi(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Trap(TrapKind::UndefinedElement) => Outcome::Trap(TrapKind::TableOutOfBounds),
        other => other,
    }
}

/// Calls an export whose results have `types`.
pub fn invoke(engine: &mut Engine, name: &str, args: &[u64], types: &[ValType]) -> Outcome {
    match engine::invoke(engine, name, args) {
        Ok(values) => Outcome::Values(values.iter().zip(types).map(|(value, ty)| used_bits(*value, *ty)).collect()),
        Err(Ending::Trap(trap)) => Outcome::Trap(trap.kind),
        Err(Ending::Exit(code)) => panic!("{name} exited with {code}"),
    }
}

/// A word without the half that a 32-bit value leaves undefined.
fn used_bits(word: u64, ty: ValType) -> u64 {
    if matches!(ty, ValType::I32 | ValType::F32) { u64::from(word as u32) } else { word }
}

/// A module run by wasmi.
pub struct Oracle {
    store: Store<()>,
    instance: Instance,
}

impl Oracle {
    pub fn new(wasm: &[u8]) -> Self {
        Self::try_new(wasm).expect("it can be instantiated")
    }

    /// None where instantiation traps.
    pub fn try_new(wasm: &[u8]) -> Option<Self> {
        let engine = wasmi::Engine::default();
        let module = Module::new(&engine, wasm).expect("the module is valid");
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).ok()?;
        Some(Self { store, instance })
    }

    /// Name, parameters and results of every exported function.
    pub fn functions(&self) -> Vec<(String, Vec<ValType>, Vec<ValType>)> {
        let exports = self.instance.exports(&self.store).map(|export| (export.name().to_string(), export.into_func()));
        let functions = exports.filter_map(|(name, function)| Some((name, function?.ty(&self.store))));
        functions.map(|(name, ty)| (name, ty.params().to_vec(), ty.results().to_vec())).collect()
    }

    /// The first exported memory.
    pub fn memory(&self) -> Option<&[u8]> {
        let memory = self.instance.exports(&self.store).find_map(wasmi::Export::into_memory)?;
        Some(memory.data(&self.store))
    }

    pub fn results(&self, name: &str) -> Vec<ValType> {
        let function = self.instance.get_func(&self.store, name).unwrap_or_else(|| panic!("{name} is exported"));
        function.ty(&self.store).results().to_vec()
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> Outcome {
        let function = self.instance.get_func(&self.store, name).unwrap_or_else(|| panic!("{name} is exported"));
        let ty = function.ty(&self.store);
        let args: Vec<Val> = args.iter().zip(ty.params()).map(|(word, ty)| value(*word, *ty)).collect();
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default(*ty)).collect();
        match function.call(&mut self.store, &args, &mut results) {
            Ok(()) => Outcome::Values(results.iter().map(word).collect()),
            Err(error) => Outcome::Trap(trap_kind(&error)),
        }
    }
}

fn value(word: u64, ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(word as i32),
        ValType::I64 => Val::I64(word as i64),
        ValType::F32 => Val::F32(F32::from_bits(word as u32)),
        ValType::F64 => Val::F64(F64::from_bits(word)),
        ValType::FuncRef | ValType::ExternRef if word == 0 => Val::default(ty),
        other => panic!("no argument of type {other:?} is passed"),
    }
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        Val::F32(value) => u64::from(value.to_bits()),
        Val::F64(value) => value.to_bits(),
        Val::FuncRef(reference) => u64::from(!reference.is_null()),
        Val::ExternRef(reference) => u64::from(!reference.is_null()),
        Val::V128(_) => panic!("no vector is compared"),
    }
}

fn trap_kind(error: &wasmi::Error) -> TrapKind {
    // Some table operators fail without a trap code.
    let code = match error.as_trap_code() {
        None if error.to_string().starts_with("out of bounds table access") => TrapCode::TableOutOfBounds,
        code => code.unwrap_or_else(|| panic!("{error} is not a trap")),
    };
    match code {
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => TrapKind::TableOutOfBounds,
        TrapCode::IndirectCallToNull => TrapKind::NullFunction,
        TrapCode::IntegerDivisionByZero => TrapKind::DivisionByZero,
        TrapCode::IntegerOverflow => TrapKind::IntegerOverflow,
        TrapCode::BadConversionToInteger => TrapKind::InvalidConversion,
        TrapCode::StackOverflow => TrapKind::StackOverflow,
        TrapCode::BadSignature => TrapKind::SignatureMismatch,
        other => panic!("{other:?} is not a trap of the specification"),
    }
}
