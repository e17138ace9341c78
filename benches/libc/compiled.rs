//! BareFlow as a contestant: the loops in WebAssembly, compiled by the engine as boots compile them.

use crate::cases::Case;
use crate::contestant::Contestant;
use crate::layout;
use crate::measure::REPLACED;
use crate::table::Table;
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::decode::program::PROGRAM;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Engine, Options, Value};
use bareflow::host;
use bareflow::libc::Interpose;
use bareflow::profile::Profile;

/// The programs to compile, and what for.
#[derive(Clone, Copy)]
pub struct Programs {
    /// The loops.
    pub loops: &'static [u8],
    /// The program's own libc, with its memory, and the loops for that.
    pub own_libc: Option<[&'static [u8]; 2]>,
    /// What of the CPU is hidden.
    pub without: CpuFeatures,
}

impl Programs {
    /// What a first boot that promotes between boots only sees is what the second is specialised for.
    fn boots(self) -> Options {
        Options { promotion: Promotion::Boots, without: self.without, ..Options::default() }
    }

    /// The optimiser's code, which knows nothing of the program.
    fn generic(self) -> Options {
        Options { highest: Tier::Optimised, lowest: Tier::Optimised, ..self.boots() }
    }
}

/// Calls of a loop that make it hot, and so worth specialising at the next boot.
const LEARNING_CALLS: u32 = 128;

/// An engine with the inputs of one case in its memory.
pub struct BareFlow {
    name: &'static str,
    engine: Engine,
    /// The loops' number.
    module: usize,
    export: String,
    table: Table,
}

impl BareFlow {
    /// Without specialisation.
    pub fn generic(programs: Programs, case: &Case) -> Self {
        Self::boot("generic", &[programs.loops], case, programs.generic(), Profile::default())
    }

    /// As the second boot has it.
    pub fn specialised(programs: Programs, case: &Case) -> Self {
        Self::second_boot("specialised", &[programs.loops], case, programs.boots())
    }

    /// The same with the program's own libc, of which nothing is replaced.
    pub fn with_own_libc(programs: Programs, case: &Case) -> Option<Self> {
        let options = Options { interpose: Interpose::Off, ..programs.boots() };
        Some(Self::second_boot(REPLACED, &programs.own_libc?, case, options))
    }

    fn second_boot(name: &'static str, modules: &[&'static [u8]], case: &Case, options: Options) -> Self {
        let mut first = Self::boot("first boot", modules, case, options, Profile::default());
        first.walk_in_parts();
        let mut second = Self::boot(name, modules, case, options, first.engine.learned());
        second.engine.warm_up();
        second
    }

    /// Loads `modules`, of which the last are the loops and the one before, if any, the libc that they import.
    fn boot(name: &'static str, modules: &[&'static [u8]], case: &Case, options: Options, earlier: Profile) -> Self {
        let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        let engine = Engine::new(modules[0], platform, Box::new(NoImports), options, earlier);
        let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
        let mut module = PROGRAM;
        for later in &modules[1..] {
            engine.register("libc", module);
            module = engine.add_module(later).unwrap_or_else(|error| panic!("{error}"));
        }
        let table = layout::lay_out(case, engine.memory());
        Self { name, engine, module, export: case.export(), table }
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
        let arguments: [Value; 3] = [table.first, table.end(), passes].map(|word| [u64::from(word), 0]);
        match self.engine.invoke_in(self.module, &self.export, &arguments) {
            Ok(Ok(results)) => results[0][0] as u32,
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
