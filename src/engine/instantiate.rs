//! From a program's bytes to an engine that is ready to run: modules linked into one space, state laid out, memory and
//! tables initialised. Nothing is compiled yet.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use wasmparser::{ConstExpr, DataKind, ElementItems, ElementKind};

use super::code::CodeSpace;
use super::compile::Compiler;
use super::constant::{ConstantValue, evaluate};
use super::layout::{StateAllocator, cell, table_entry};
use super::link::link;
use super::module::Module;
use super::program::{FuncId, FunctionInfo, GlobalSlot, LIBC, PROGRAM, Program};
use super::seams::{Imports, MemoryBase, StateMemory};
use super::{Engine, EngineError, FunctionState, Options, Platform, Rest, Statistics};
use crate::libc;
use crate::profile::Profile;

/// Pages that 32-bit addresses reach.
const ADDRESSABLE_PAGES: u64 = 1 << 16;

impl Engine {
    /// Makes an engine for the module `bytes`. `earlier` is what is known of it from earlier boots.
    pub fn new(
        bytes: &'static [u8],
        mut platform: Platform,
        imports: Box<dyn Imports>,
        options: Options,
        earlier: Profile,
    ) -> Result<Self, EngineError> {
        let modules = vec![Module::decode(bytes)?, Module::decode(libc::MODULE)?];
        let mut allocator = StateAllocator::new();
        let program = link(modules, &*imports, &mut allocator)?;
        let calls = allocator.allocate(8 * program.functions.len());
        let thresholds = allocator.allocate(8 * program.functions.len());
        let pinned = matches!(platform.memory.base(), MemoryBase::Pinned(_));
        let state_base = platform.state.base();
        ensure(&mut *platform.state, &allocator)?;
        let code = CodeSpace::new(platform.code, state_base, pinned, program.functions.len())?;
        let memory = program.modules[PROGRAM].memories.first();
        let most_pages = memory.map_or(ADDRESSABLE_PAGES, |memory| memory.maximum.unwrap_or(ADDRESSABLE_PAGES));
        let mut engine = Self {
            imports,
            options,
            compiler: Compiler::new(platform.cpu, pinned)?,
            code,
            allocator,
            functions: function_states(&program, &earlier),
            sites: Vec::new(),
            calls,
            thresholds,
            wrappers: BTreeMap::new(),
            dropped_data: program.modules.iter().map(|module| vec![false; module.data.len()]).collect(),
            dropped_elements: program.modules.iter().map(|module| vec![false; module.elements.len()]).collect(),
            stop: None,
            earlier,
            statistics: Statistics::default(),
            program,
            platform: Rest {
                state: platform.state,
                memory: platform.memory,
                most_pages: most_pages.min(ADDRESSABLE_PAGES),
                stack: platform.stack,
                ticks: platform.ticks,
                cpu: platform.cpu,
                activation: platform.activation,
                arm: platform.arm,
            },
        };
        engine.initialise()?;
        Ok(engine)
    }

    fn initialise(&mut self) -> Result<(), EngineError> {
        let initial_pages = self.program.modules[PROGRAM].memories.first().map_or(0, |memory| memory.initial);
        if self.grow_memory(initial_pages).is_none() {
            return Err(EngineError::OutOfMemory { what: "the program's linear memory" });
        }
        if let MemoryBase::Pinned(base) = self.platform.memory.base() {
            self.platform.state.write(cell::MEMORY_BASE, base);
        }
        self.platform.state.write(cell::STACK_TOP, self.platform.stack.usable.end);
        for module in [PROGRAM, LIBC] {
            self.initialise_globals(module)?;
            self.initialise_tables(module)?;
            self.initialise_data(module)?;
        }
        Ok(())
    }

    fn initialise_globals(&mut self, module: usize) -> Result<(), EngineError> {
        for index in 0..self.program.modules[module].globals.len() {
            if let GlobalSlot::Cell(offset) = self.program.linkages[module].globals[index] {
                let value = self.constant(module, self.program.modules[module].global_init(index))?;
                self.platform.state.write(offset, value);
            }
        }
        Ok(())
    }

    fn initialise_tables(&mut self, module: usize) -> Result<(), EngineError> {
        for index in 0..self.program.linkages[module].tables.len() {
            let slot = self.program.linkages[module].tables[index];
            let initial = self.program.modules[module].tables[index].initial;
            self.platform.state.write(slot.length_cell, initial);
            let signature_word = slot.entries + table_entry::SIGNATURE as usize;
            for entry in 0..slot.capacity as usize {
                self.platform.state.write(signature_word + entry * table_entry::BYTES, table_entry::NULL_WORD);
            }
        }
        for index in 0..self.program.modules[module].elements.len() {
            let element = self.program.modules[module].elements[index].clone();
            match &element.kind {
                ElementKind::Active { table_index, offset_expr } => {
                    let start = self.constant(module, offset_expr)? as u32;
                    let length = self.element_items(module, index)?.len() as u32;
                    self.table_init(module, table_index.unwrap_or(0), index, [start, 0, length])
                        .ok_or(EngineError::SegmentOutOfBounds { what: "element", index })?;
                    self.dropped_elements[module][index] = true;
                }
                ElementKind::Declared => self.dropped_elements[module][index] = true,
                ElementKind::Passive => {}
            }
        }
        Ok(())
    }

    fn initialise_data(&mut self, module: usize) -> Result<(), EngineError> {
        for index in 0..self.program.modules[module].data.len() {
            let data = self.program.modules[module].data[index].clone();
            let DataKind::Active { offset_expr, .. } = &data.kind else { continue };
            let start = self.constant(module, offset_expr)? as u32;
            let length = data.data.len() as u32;
            self.memory_init(module, index, [start, 0, length])
                .ok_or(EngineError::SegmentOutOfBounds { what: "data", index })?;
            self.dropped_data[module][index] = true;
        }
        Ok(())
    }

    /// The references in an element segment, as funcref or externref words.
    pub(super) fn element_items(&self, module: usize, index: usize) -> Result<Vec<u64>, EngineError> {
        let bad = |error: wasmparser::BinaryReaderError| EngineError::ConstantExpression { message: error.to_string() };
        let mut items = Vec::new();
        match &self.program.modules[module].elements[index].items {
            ElementItems::Functions(functions) => {
                for function in functions.clone() {
                    items.push(funcref(self.program.resolve(module, function.map_err(bad)?)));
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions.clone() {
                    items.push(self.constant(module, &expression.map_err(bad)?)?);
                }
            }
        }
        Ok(items)
    }

    /// The bits of a constant expression.
    fn constant(&self, module: usize, expression: &ConstExpr<'_>) -> Result<u64, EngineError> {
        evaluate(expression, |index| match self.program.linkages[module].globals.get(index as usize)? {
            GlobalSlot::Constant(bits) => Some(*bits),
            GlobalSlot::Cell(offset) => Some(self.platform.state.read(*offset)),
        })
        .map(|value| match value {
            ConstantValue::Bits(bits) => bits,
            ConstantValue::Function(index) => funcref(self.program.resolve(module, index)),
        })
    }
}

/// A funcref: the function's number plus one.
pub(super) const fn funcref(id: FuncId) -> u64 {
    id.0 as u64 + 1
}

/// Makes all that was allocated accessible.
pub(super) fn ensure(state: &mut dyn StateMemory, allocator: &StateAllocator) -> Result<(), EngineError> {
    state.ensure(allocator.end()).map_err(|_| EngineError::OutOfMemory { what: "globals, tables and counters" })
}

fn function_states(program: &Program, earlier: &Profile) -> Vec<FunctionState> {
    let record = |info: &FunctionInfo| info.key.and_then(|key| earlier.find(key)).cloned();
    program.functions.iter().map(|info| FunctionState { earlier: record(info), ..FunctionState::default() }).collect()
}
