//! From a program's bytes to an engine that is ready to run: modules linked into one space, state laid out, memory and
//! tables initialised. Nothing is compiled yet.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use wasmparser::{ConstExpr, DataKind, ElementItems, ElementKind, TypeRef};

use super::tables::{Elements, item_count};
use super::{Exporter, Linked};
use crate::engine::cache::CacheState;
use crate::engine::cache::image::{Head, Image};
use crate::engine::cache::load::key;
use crate::engine::code::compile::Compiler;
use crate::engine::code::library;
use crate::engine::code::space::CodeSpace;
use crate::engine::decode::census::bytes_to_start;
use crate::engine::decode::constant::{ConstantValue, evaluate};
use crate::engine::decode::module::Module;
use crate::engine::decode::program::{
    FIRST_MEMORY, FuncId, FunctionInfo, GlobalSlot, LIBC, Linkage, MemorySlot, Program,
};
use crate::engine::layout::{StateAllocator, cell, function, table_entry};
use crate::engine::seams::{Imports, MemoryBase, WASM_PAGE_BYTES, Work};
use crate::engine::{Engine, EngineError, FunctionState, Memory, Options, Platform, Rest, Source, Statistics, room};
use crate::libc;
use crate::profile::Profile;

impl Engine {
    /// Makes an engine for the program `bytes`. `earlier` is what is known of it from earlier boots.
    pub fn new(
        bytes: &'static [u8],
        platform: Platform,
        imports: Box<dyn Imports>,
        options: Options,
        earlier: Profile,
    ) -> Result<Self, EngineError> {
        Self::with_code(bytes, platform, imports, options, earlier, None)
    }

    /// The same with `code` that an earlier boot made ([`Engine::prepare`]), as far as it fits.
    pub fn with_code(
        program: impl Into<Source>,
        platform: Platform,
        imports: Box<dyn Imports>,
        options: Options,
        earlier: Profile,
        code: Option<&[u8]>,
    ) -> Result<Self, EngineError> {
        let Source { bytes, hash } = program.into();
        let started = platform.ticks.now();
        let cpu = platform.cpu.without(options.without);
        let key = || key(cpu, options, platform.code.base(), platform.state.base(), platform.memory.base());
        let image = code.map(|code| Image::decode(code, &key())).transpose();
        let known = image.as_ref().ok().and_then(Option::as_ref).map(|image| &image.head);
        let mut engine = Self::empty(platform, imports, options, earlier, known)?;
        engine.program_bytes = bytes;
        engine.cache.name = hash;
        let image = image.map_err(|(functions, reason)| engine.reject(functions as usize, reason)).unwrap_or_default();
        let head = image.as_ref().map(|image| &image.head);
        let known = head.filter(|head| head.program == engine.program_name());
        let is_known = known.is_some();
        engine.statistics.ticks_load = engine.now().saturating_sub(started);
        engine.add(options.heap.module(), head)?;
        engine.add(bytes, known)?;
        engine.cache.linked_end = engine.allocator.end();
        let started = engine.now();
        if let Some(image) = image {
            engine.load(image, is_known);
        }
        engine.statistics.ticks_load += engine.now().saturating_sub(started);
        engine.tell_of_code();
        Ok(engine)
    }

    fn empty(
        mut platform: Platform,
        imports: Box<dyn Imports>,
        options: Options,
        earlier: Profile,
        known: Option<&Head>,
    ) -> Result<Self, EngineError> {
        let cpu = platform.cpu.without(options.without);
        let base = platform.memory.base();
        let pinned = matches!(base, MemoryBase::At(_));
        let allocator = StateAllocator::new();
        allocator.ensure(&mut *platform.state)?;
        platform.state.write(cell::STACK_TOP, platform.stack.usable.end);
        for (number, address) in library::addresses().into_iter().enumerate() {
            platform.state.write(cell::LIBRARY + 8 * number, address);
        }
        if let MemoryBase::At(address) = base {
            platform.state.write(cell::FIRST_MEMORY_BASE, address);
        }
        let first = MemorySlot { base, bytes_cell: cell::FIRST_MEMORY_BYTES, constant: false, maximum: None };
        let program = Program { memories: vec![first], ..Program::default() };
        let (state_base, trampolines) = (platform.state.base(), known.map(|head| &head.trampolines));
        Ok(Self {
            imports,
            options,
            compiler: Compiler::new(cpu, pinned),
            code: CodeSpace::new(platform.code, state_base, pinned, cpu, trampolines)?,
            allocator,
            functions: Vec::new(),
            tiers: Vec::new(),
            sites: Vec::new(),
            linked: Linked::default(),
            thrown: Default::default(),
            told: 0,
            stop: None,
            earlier,
            behind_mathematics: None,
            program_bytes: &[],
            cache: CacheState::default(),
            statistics: Statistics::default(),
            program,
            platform: Rest {
                state: platform.state,
                memories: vec![Memory { memory: platform.memory, most_pages: 0 }],
                another_memory: platform.another_memory,
                stack: platform.stack,
                ticks: platform.ticks,
                cpu,
                free_memory: platform.free_memory,
                reserve_bytes: platform.reserve_bytes,
                activation: platform.activation,
                arm: platform.arm,
                progress: platform.progress,
            },
        })
    }

    /// Adds the module `bytes`, linked to what is there; its number. On an error its segments may have been written in
    /// part, as the specification has it, but nothing refers to it.
    pub fn add_module(&mut self, bytes: &'static [u8]) -> Result<usize, EngineError> {
        self.add(bytes, None)
    }

    /// Adds the module `bytes`; `known` is what an earlier boot found out about it.
    fn add(&mut self, bytes: &'static [u8], known: Option<&Head>) -> Result<usize, EngineError> {
        let number = self.program.modules.len();
        let is_known = known.is_some() || number == LIBC;
        let started = self.now();
        if number != LIBC {
            self.cache.bytes_to_start = match known {
                Some(head) => head.bytes_to_start,
                None => bytes_to_start(bytes, &mut self.decoding(bytes, started, 0)),
            };
            self.check_room_for(self.cache.bytes_to_start)?;
        }
        let module = if is_known {
            // Tests hold the libc's module to being valid.
            Module::decode_valid(bytes)?
        } else {
            Module::decode_telling(bytes, &mut self.decoding(bytes, started, bytes.len() as u64))?
        };
        let (linkage, added) = self.link(number, &module, known)?;
        let data = room::collect(module.data.iter().map(|_| false), "data segments")?;
        let elements = room::collect(module.elements.iter().map(|_| Elements::Encoded), "element segments")?;
        self.add_functions(added)?;
        self.linked.dropped_data.push(data);
        self.linked.elements.push(elements);
        if number == LIBC {
            let exports = module.exports.iter();
            let functions = exports.map(|export| (export.name, linkage.functions[export.index as usize]));
            self.program.libc_functions = functions.collect();
            let names = module.names().into_iter().filter(|(_, name)| libc::FUSED.contains(name));
            self.program.fused = names.map(|(index, _)| linkage.functions[index as usize]).collect();
        }
        self.program.modules.push(module);
        self.program.linkages.push(linkage);
        self.allocator.ensure(&mut *self.platform.state)?;
        self.initialise_memories(number)?;
        self.initialise_globals(number)?;
        self.initialise_tables(number)?;
        self.initialise_data(number)?;
        self.check_reserve(|| format!("loading a module of {} bytes", bytes.len()))?;
        Ok(number)
    }

    /// Tells how far reading of the module `bytes` is, which began when the clock showed `started`: it is read twice, and so many
    /// bytes were `before`.
    fn decoding(&mut self, bytes: &[u8], started: u64, before: u64) -> impl FnMut(u64) {
        let Rest { ticks, progress, .. } = &mut self.platform;
        let all = bytes.len() as u64;
        move |done| {
            let spent = ticks.now().saturating_sub(started);
            progress.advanced(Work::Decoding, (before + done) / 2, all, spent);
        }
    }

    /// Fails where there is not so much memory to start in.
    fn check_room_for(&self, needed: u64) -> Result<(), EngineError> {
        if needed <= self.bytes_to_compile_in() {
            return Ok(());
        }
        Err(EngineError::OutOfMemory { what: "reading and linking a module", bytes: needed })
    }

    /// Later modules can import the exports of module `number` from `name`.
    pub fn register(&mut self, name: &str, number: usize) {
        let exports = self.program.modules[number].exports.iter().enumerate();
        let exports = exports.map(|(position, export)| (export.name, position)).collect();
        self.linked.registered.insert(name.to_string(), Exporter { module: number, exports });
    }

    fn add_functions(&mut self, added: Vec<FunctionInfo>) -> Result<(), EngineError> {
        self.code.add_entries(self.program.functions.len() as u32, added.len() as u32)?;
        room::reserve(&mut self.functions, added.len(), "functions")?;
        room::reserve(&mut self.program.functions, added.len(), "functions")?;
        for info in added {
            let earlier = info.key.and_then(|key| self.earlier.position(key).ok());
            let counters = self.allocator.allocate(function::END);
            self.functions.push(FunctionState { counters, earlier, ..FunctionState::default() });
            self.program.functions.push(info);
        }
        Ok(())
    }

    fn initialise_memories(&mut self, module: usize) -> Result<(), EngineError> {
        let imported = self.program.modules[module].imported(|ty| matches!(ty, TypeRef::Memory(_)));
        for index in imported..self.program.modules[module].memories.len() {
            let id = self.program.linkages[module].memories[index];
            let pages = self.program.modules[module].memories[index].initial;
            let bytes = pages.saturating_mul(WASM_PAGE_BYTES);
            let what = "the program's linear memory";
            self.grow_memory(id, pages).ok_or(EngineError::OutOfMemory { what, bytes })?;
        }
        Ok(())
    }

    fn initialise_globals(&mut self, module: usize) -> Result<(), EngineError> {
        let first = self.program.modules[module].imported(|ty| matches!(ty, TypeRef::Global(_)));
        for index in 0..self.program.modules[module].globals.len() {
            if let GlobalSlot::Cell(offset) = self.program.linkages[module].globals[first + index] {
                let value = self.constant(module, &self.program.modules[module].globals[index].init_expr)?;
                self.platform.state.write(offset, value as u64);
                self.platform.state.write(offset + 8, (value >> 64) as u64);
            }
        }
        Ok(())
    }

    fn initialise_tables(&mut self, module: usize) -> Result<(), EngineError> {
        let imported = self.program.modules[module].imported(|ty| matches!(ty, TypeRef::Table(_)));
        for index in imported..self.program.linkages[module].tables.len() {
            let slot = self.program.linkages[module].tables[index];
            let initial = self.program.modules[module].tables[index].initial;
            self.platform.state.write(slot.length_cell, initial);
            let signature_word = slot.entries + table_entry::SIGNATURE as usize;
            // Those behind are written when the table grows.
            for entry in 0..initial as usize {
                self.platform.state.write(signature_word + entry * table_entry::BYTES, table_entry::NULL_WORD);
            }
        }
        for index in 0..self.program.modules[module].elements.len() {
            let element = self.program.modules[module].elements[index].clone();
            match &element.kind {
                ElementKind::Active { table_index, offset_expr } => {
                    let start = self.constant(module, offset_expr)? as u32;
                    self.initialise_entries(module, table_index.unwrap_or(0), start, &element.items)?
                        .ok_or(EngineError::SegmentOutOfBounds { what: "element", index })?;
                    self.linked.elements[module][index] = Elements::Dropped;
                }
                ElementKind::Declared => self.linked.elements[module][index] = Elements::Dropped,
                ElementKind::Passive => {}
            }
        }
        Ok(())
    }

    /// Puts `items` into a table from `start` on; none where they do not fit.
    fn initialise_entries(
        &mut self,
        module: usize,
        table: u32,
        start: u32,
        items: &ElementItems<'static>,
    ) -> Result<Option<()>, EngineError> {
        if self.check_table(module, table, start, item_count(items)).is_none() {
            return Ok(None);
        }
        let mut index = start;
        self.for_each_item(module, items, |engine, reference| {
            engine.set_entry(module, table, index, reference);
            index += 1;
        })?;
        Ok(Some(()))
    }

    fn initialise_data(&mut self, module: usize) -> Result<(), EngineError> {
        for index in 0..self.program.modules[module].data.len() {
            let data = self.program.modules[module].data[index].clone();
            let DataKind::Active { memory_index, offset_expr } = &data.kind else { continue };
            let start = self.constant(module, offset_expr)? as u32;
            let length = data.data.len() as u32;
            self.memory_init(module, *memory_index, index, [start, 0, length])
                .ok_or(EngineError::SegmentOutOfBounds { what: "data", index })?;
            self.linked.dropped_data[module][index] = true;
            let linkage = &mut self.program.linkages[module];
            let memory = linkage.memories[*memory_index as usize];
            if memory == FIRST_MEMORY {
                room::push(&mut linkage.data, (start, data.data), "data segments")?;
            } else if self.program.memories[memory.0 as usize].constant {
                room::push(&mut linkage.constants, (start, data.data), "data segments")?;
            }
        }
        // Of two at one address the later one counts. It is behind the other in the module, too.
        let Linkage { data, constants, .. } = &mut self.program.linkages[module];
        data.sort_unstable_by_key(|(start, bytes)| (*start, bytes.as_ptr()));
        constants.sort_unstable_by_key(|(start, bytes)| (*start, bytes.as_ptr()));
        Ok(())
    }

    /// Hands on the references in an element segment, as funcref or externref words.
    pub(super) fn for_each_item(
        &mut self,
        module: usize,
        items: &ElementItems<'static>,
        mut then: impl FnMut(&mut Self, u64),
    ) -> Result<(), EngineError> {
        let bad = |error: wasmparser::BinaryReaderError| EngineError::ConstantExpression { message: error.to_string() };
        match items {
            ElementItems::Functions(functions) => {
                for function in functions.clone() {
                    let reference = funcref(self.program.resolve(module, function.map_err(bad)?));
                    then(self, reference);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions.clone() {
                    let reference = self.constant(module, &expression.map_err(bad)?)? as u64;
                    then(self, reference);
                }
            }
        }
        Ok(())
    }

    /// The bits of a constant expression.
    fn constant(&self, module: usize, expression: &ConstExpr<'_>) -> Result<u128, EngineError> {
        evaluate(expression, |index| match self.program.linkages[module].globals.get(index as usize)? {
            GlobalSlot::Constant(bits) => Some(*bits),
            GlobalSlot::Cell(offset) => {
                let word = |offset| u128::from(self.platform.state.read(offset));
                Some(word(*offset) | word(*offset + 8) << 64)
            }
        })
        .map(|value| match value {
            ConstantValue::Bits(bits) => bits,
            ConstantValue::Function(index) => u128::from(funcref(self.program.resolve(module, index))),
        })
    }
}

/// A funcref: the function's number plus one.
pub(super) const fn funcref(id: FuncId) -> u64 {
    id.0 as u64 + 1
}
