//! BareFlow as a contestant: the loops in WebAssembly, compiled by the engine as boots compile them.

use crate::cases::Case;
use crate::contestant::Contestant;
use crate::layout::{self, Table};
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;

/// What a first boot that promotes between boots only sees is what the second is specialised for.
fn boots() -> Options {
    Options { promotion: Promotion::Boots, ..Options::default() }
}

/// The optimiser's code, which knows nothing of the program.
fn generic() -> Options {
    Options { highest: Tier::Optimised, lowest: Tier::Optimised, ..boots() }
}

/// Calls of a loop that make it hot, and so worth specialising at the next boot.
const LEARNING_CALLS: u32 = 128;

/// An engine with the inputs of one case in its memory.
pub struct BareFlow {
    name: &'static str,
    engine: Engine,
    export: &'static str,
    table: Table,
}

impl BareFlow {
    /// Without specialisation.
    pub fn generic(module: &'static [u8], case: &Case) -> Self {
        Self::boot("generic", module, case, generic(), Profile::default())
    }

    /// As the second boot has it.
    pub fn specialised(module: &'static [u8], case: &Case) -> Self {
        let mut first = Self::boot("first boot", module, case, boots(), Profile::default());
        first.walk_in_parts();
        let mut second = Self::boot("specialised", module, case, boots(), first.engine.learned());
        second.engine.warm_up();
        second
    }

    fn boot(name: &'static str, module: &'static [u8], case: &Case, options: Options, earlier: Profile) -> Self {
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        let engine = Engine::new(module, platform, Box::new(NoImports), options, earlier);
        let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
        let table = layout::lay_out(case, engine.memory());
        Self { name, engine, export: case.export(), table }
    }

    /// Walks the whole table in the number of calls that makes the loop hot, or as often.
    fn walk_in_parts(&mut self) {
        let Table { rows, .. } = self.table;
        let rows_per_call = rows.div_ceil(LEARNING_CALLS);
        let calls = rows.div_ceil(rows_per_call);
        for _ in 0..LEARNING_CALLS.div_ceil(calls) {
            for call in 0..calls {
                let first = call * rows_per_call;
                self.run(self.table.part(first, rows_per_call.min(rows - first)), 1);
            }
        }
    }

    /// The inputs that lie in its memory.
    pub fn table(&self) -> Table {
        self.table
    }

    /// Where its linear memory begins; it stays there.
    pub fn memory_base(&mut self) -> *mut u8 {
        self.engine.memory().as_mut_ptr()
    }
}

impl Contestant for BareFlow {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, table: Table, passes: u32) -> u32 {
        let arguments = [table.first, table.end(), passes].map(u64::from);
        match self.engine.invoke(self.export, &arguments) {
            Ok(Ok(results)) => results[0] as u32,
            Ok(Err(ending)) => panic!("{} ended the program: {ending:?}", self.export),
            Err(error) => panic!("{}: {error}", self.export),
        }
    }
}

/// The module imports nothing but the libc.
struct NoImports;

impl Imports for NoImports {
    fn find(&self, _: &str, _: &str) -> Option<HostFunction> {
        None
    }

    fn call(&mut self, id: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Trap(format!("host function {id} was never offered")))
    }
}
