//! Engines on the host face for tests.
#![allow(dead_code)] // Each file of tests uses its own part.

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Ending, Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;

/// Offers nothing.
pub struct NoImports;

impl Imports for NoImports {
    fn find(&self, _module: &str, _name: &str) -> Option<HostFunction> {
        None
    }

    fn call(&mut self, id: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Trap(format!("host function {id} was never offered")))
    }
}

/// An engine for a module in the text format.
pub fn engine(wat: &str, options: Options, earlier: Profile) -> Engine {
    engine_on(CpuFeatures::detect(), wat, options, earlier)
}

/// The same with fewer CPU features. The stack is a small one, so that overflowing it again and again takes little time.
pub fn engine_on(cpu: CpuFeatures, wat: &str, options: Options, earlier: Profile) -> Engine {
    let bytes = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}")).leak();
    let stack = "1M".parse().expect("a size");
    let platform = host::platform_with_stack(cpu, stack).expect("address space can be reserved");
    Engine::new(bytes, platform, Box::new(NoImports), options, earlier).unwrap_or_else(|error| panic!("{error}"))
}

/// Calls an export that must return.
pub fn call(engine: &mut Engine, name: &str, args: &[u64]) -> Vec<u64> {
    match invoke(engine, name, args) {
        Ok(results) => results,
        Err(ending) => panic!("{name}{args:?} ended the program: {ending:?}"),
    }
}

/// Calls an export.
pub fn invoke(engine: &mut Engine, name: &str, args: &[u64]) -> Result<Vec<u64>, Ending> {
    engine.invoke(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
}
