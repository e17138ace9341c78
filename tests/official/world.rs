//! The modules that a test script makes, and the engines they live in.

use std::collections::HashMap;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::module::Module;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Ending, Engine, EngineError, Options, Value};
use bareflow::host;
use bareflow::profile::Profile;

/// How a file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Baseline,
    Optimised,
    /// With a profile of a first run in the baseline, in which every site was seen a thousand times as often.
    Specialised,
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Optimised, Self::Specialised];

    fn options(self) -> Options {
        let (lowest, highest) = match self {
            Self::Baseline => (Tier::Baseline, Tier::Baseline),
            Self::Optimised => (Tier::Optimised, Tier::Optimised),
            Self::Specialised => (Tier::Optimised, Tier::Specialised),
        };
        let thresholds = Thresholds { optimise: 1, specialise: 1, settle: 1 };
        Options { promotion: Promotion::Boots, thresholds, lowest, highest }
    }
}

/// The module `spectest` that scripts may import from (core specification, interpreter/host/spectest.ml).
const SPECTEST: &str = r#"(module
    (global (export "global_i32") i32 (i32.const 666))
    (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6))
    (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)
    (memory (export "memory") 1 2)
    (func (export "print"))
    (func (export "print_i32") (param i32))
    (func (export "print_i64") (param i64))
    (func (export "print_f32") (param f32))
    (func (export "print_f64") (param f64))
    (func (export "print_i32_f32") (param i32 f32))
    (func (export "print_f64_f64") (param f64 f64)))"#;

struct NoImports;

impl Imports for NoImports {
    fn find(&self, _: &str, _: &str) -> Option<HostFunction> {
        None
    }

    fn call(&mut self, _: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Trap("nothing was offered".into()))
    }
}

/// A module that was instantiated.
#[derive(Clone, Copy)]
pub struct Instance {
    engine: usize,
    module: usize,
}

/// What a call came to.
pub type Called = Result<Vec<Value>, Ending>;

/// Why a module was not instantiated.
pub enum Refused {
    Error(EngineError),
    Ended(Ending),
}

/// Everything that a script has made so far.
pub struct World {
    pass: Pass,
    earlier: Profile,
    /// Scripts that register modules share one engine; in others each module has its own, and with it the first memory.
    shared: bool,
    engines: Vec<Engine>,
    named: HashMap<String, Instance>,
    current: Option<Instance>,
}

impl World {
    pub fn new(pass: Pass, earlier: Profile, shared: bool) -> Self {
        Self { pass, earlier, shared, engines: Vec::new(), named: HashMap::new(), current: None }
    }

    pub fn instantiate(&mut self, bytes: &'static [u8], name: Option<&str>) -> Result<(), Refused> {
        self.current = None;
        let instance = self.add(bytes).map_err(Refused::Error)?;
        let started = self.engines[instance.engine].start(instance.module).map_err(Refused::Error)?;
        if let Some(ending) = started {
            return Err(Refused::Ended(ending));
        }
        self.current = Some(instance);
        if let Some(name) = name {
            self.named.insert(name.to_string(), instance);
        }
        Ok(())
    }

    fn add(&mut self, bytes: &'static [u8]) -> Result<Instance, EngineError> {
        let imports_spectest = |module: Module| module.imports.iter().any(|import| import.module == "spectest");
        let with_spectest = self.shared || Module::decode(bytes).is_ok_and(imports_spectest);
        if !with_spectest {
            self.engines.push(self.engine(bytes)?);
            return Ok(Instance { engine: self.engines.len() - 1, module: 1 });
        }
        if !self.shared || self.engines.is_empty() {
            let spectest = wat::parse_str(SPECTEST).expect("spectest is well-formed").leak();
            let mut engine = self.engine(spectest)?;
            engine.register("spectest", 1);
            self.engines.push(engine);
        }
        let engine = self.engines.len() - 1;
        let module = self.engines[engine].add_module(bytes)?;
        Ok(Instance { engine, module })
    }

    fn engine(&self, bytes: &'static [u8]) -> Result<Engine, EngineError> {
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        Engine::new(bytes, platform, Box::new(NoImports), self.pass.options(), self.earlier.clone())
    }

    pub fn register(&mut self, as_name: &str, module: Option<&str>) -> Result<(), String> {
        let instance = self.instance(module)?;
        self.engines[instance.engine].register(as_name, instance.module);
        Ok(())
    }

    pub fn invoke(&mut self, module: Option<&str>, name: &str, args: &[Value]) -> Result<Called, String> {
        let instance = self.instance(module)?;
        let called = self.engines[instance.engine].invoke_in(instance.module, name, args);
        called.map_err(|error| format!("{name}: {error}"))
    }

    pub fn global(&self, module: Option<&str>, name: &str) -> Result<Value, String> {
        let instance = self.instance(module)?;
        self.engines[instance.engine].global(instance.module, name).ok_or_else(|| format!("no global {name}"))
    }

    fn instance(&self, name: Option<&str>) -> Result<Instance, String> {
        match name {
            Some(name) => self.named.get(name).copied().ok_or_else(|| format!("no module ${name}")),
            None => self.current.ok_or_else(|| "the last module was not instantiated".to_string()),
        }
    }

    /// What all engines learned, a thousand times as much.
    pub fn learned(&mut self) -> Profile {
        let mut sum = Profile::default();
        for engine in &mut self.engines {
            sum.merge(&engine.learned());
        }
        for site in sum.functions.iter_mut().flat_map(|function| &mut function.sites) {
            site.values.total = site.values.total.saturating_mul(1000);
            site.values.slots.iter_mut().for_each(|slot| slot.count = slot.count.saturating_mul(1000));
        }
        sum
    }
}
