//! From a program's bytes to an engine that is ready to run: modules linked into one space, state laid out, memory and
//! tables initialised. Nothing is compiled yet.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use wasmparser::{ConstExpr, DataKind, ElementItems, ElementKind, FuncType, Operator, TypeRef};

use super::code::CodeSpace;
use super::compile::Compiler;
use super::layout::{GLOBAL_BYTES, StateAllocator, cell, table_entry};
use super::module::Module;
use super::program::{
    FuncId, FunctionInfo, FunctionKind, GlobalSlot, LIBC, Linkage, PROGRAM, Program, SignatureInterner, TableSlot,
    function_name,
};
use super::seams::{Imports, MemoryBase, StateMemory};
use super::{Engine, EngineError, FunctionState, Options, Platform, Rest, Statistics};
use crate::libc::{self, NamedFunction, Reference};
use crate::profile::Profile;

/// Entries by which a table may outgrow its initial size.
const TABLE_GROWTH: u32 = 1 << 16;

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

enum ConstantValue {
    Bits(u64),
    Function(u32),
}

fn evaluate(expression: &ConstExpr<'_>, global: impl Fn(u32) -> Option<u64>) -> Result<ConstantValue, EngineError> {
    let bad = |message: &str| EngineError::ConstantExpression { message: message.to_string() };
    let operator = expression.get_operators_reader().read().map_err(|error| bad(error.message()))?;
    let bits = match operator {
        Operator::I32Const { value } => value as u32 as u64,
        Operator::I64Const { value } => value as u64,
        Operator::F32Const { value } => u64::from(value.bits()),
        Operator::F64Const { value } => value.bits(),
        Operator::RefNull { .. } => 0,
        Operator::RefFunc { function_index } => return Ok(ConstantValue::Function(function_index)),
        Operator::GlobalGet { global_index } => {
            global(global_index).ok_or_else(|| bad("a global it names is not known"))?
        }
        other => return Err(bad(&format!("{other:?} is not supported"))),
    };
    Ok(ConstantValue::Bits(bits))
}

fn function_states(program: &Program, earlier: &Profile) -> Vec<FunctionState> {
    let record = |info: &FunctionInfo| info.key.and_then(|key| earlier.find(key)).cloned();
    program.functions.iter().map(|info| FunctionState { earlier: record(info), ..FunctionState::default() }).collect()
}

/// Numbers functions, interns types, and gives globals and tables their places.
fn link(modules: Vec<Module>, imports: &dyn Imports, allocator: &mut StateAllocator) -> Result<Program, EngineError> {
    let mut interner = SignatureInterner::default();
    let mut linkages = Vec::new();
    let mut first_function = 0;
    for module in &modules {
        linkages.push(Linkage {
            first_function,
            globals: global_slots(module, allocator)?,
            tables: module.tables.iter().map(|ty| table_slot(ty.initial, ty.maximum, allocator)).collect(),
            signatures: module.types.iter().map(|ty| interner.intern(ty)).collect(),
        });
        first_function += module.functions.len() as u32;
    }
    let libc_first = linkages[LIBC].first_function;
    let mut functions = imported_functions(&modules[PROGRAM], &linkages[PROGRAM], imports, |name| {
        exported(&modules[LIBC], name).map(|index| FuncId(libc_first + index))
    })?;
    for (number, module) in modules.iter().enumerate() {
        functions.extend(defined_functions(number, module, &linkages[number]));
    }
    for (index, replacement) in interposed(&modules[PROGRAM]) {
        if let Some(target) = exported(&modules[LIBC], replacement.name) {
            functions[index as usize].kind = FunctionKind::Alias(FuncId(libc_first + target));
            functions[index as usize].key = None;
        }
    }
    Ok(Program { modules, linkages, functions, signatures: interner.types })
}

fn exported(module: &Module, name: &str) -> Option<u32> {
    module.exports.iter().find(|export| export.name == name).map(|export| export.index)
}

fn global_slots(module: &Module, allocator: &mut StateAllocator) -> Result<Vec<GlobalSlot>, EngineError> {
    let mut slots: Vec<GlobalSlot> = Vec::new();
    for global in &module.globals {
        let known = |index: u32| match slots.get(index as usize) {
            Some(GlobalSlot::Constant(bits)) => Some(*bits),
            _ => None,
        };
        let constant = match evaluate(&global.init_expr, known) {
            Ok(ConstantValue::Bits(bits)) if !global.ty.mutable => Some(bits),
            _ => None,
        };
        let place = |allocator: &mut StateAllocator| GlobalSlot::Cell(allocator.allocate(GLOBAL_BYTES));
        slots.push(constant.map_or_else(|| place(allocator), GlobalSlot::Constant));
    }
    Ok(slots)
}

fn table_slot(initial: u64, maximum: Option<u64>, allocator: &mut StateAllocator) -> TableSlot {
    let initial = initial as u32;
    let most = maximum.map_or(u32::MAX, |maximum| u32::try_from(maximum).unwrap_or(u32::MAX));
    let capacity = most.min(initial.saturating_add(TABLE_GROWTH));
    TableSlot {
        length_cell: allocator.allocate(8),
        entries: allocator.allocate(capacity as usize * table_entry::BYTES),
        capacity,
        fixed_length: (maximum == Some(u64::from(initial))).then_some(initial),
    }
}

fn imported_functions(
    module: &Module,
    linkage: &Linkage,
    imports: &dyn Imports,
    libc_function: impl Fn(&str) -> Option<FuncId>,
) -> Result<Vec<FunctionInfo>, EngineError> {
    let (mut functions, mut unknown) = (Vec::new(), Vec::new());
    for import in &module.imports {
        let name = format!("{}.{}", import.module, import.name);
        let type_index = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => index,
            TypeRef::Table(_) => return Err(EngineError::UnsupportedImport { name, what: "table" }),
            TypeRef::Memory(_) => return Err(EngineError::UnsupportedImport { name, what: "memory" }),
            TypeRef::Global(_) => return Err(EngineError::UnsupportedImport { name, what: "global" }),
            TypeRef::Tag(_) => return Err(EngineError::UnsupportedImport { name, what: "tag" }),
        };
        let found = if import.module == "libc" {
            libc::find(import.name).and_then(|function| {
                let ty = FuncType::new(function.params.iter().copied(), function.results.iter().copied());
                Some((FunctionKind::Alias(libc_function(import.name)?), ty))
            })
        } else {
            imports.find(import.module, import.name).map(|function| {
                let ty = FuncType::new(function.params.iter().copied(), function.results.iter().copied());
                (FunctionKind::Host { id: function.id }, ty)
            })
        };
        let Some((kind, offered)) = found else {
            unknown.push(name);
            continue;
        };
        let wanted = &module.types[type_index as usize];
        if *wanted != offered {
            let (wanted, offered) = (wanted.to_string(), offered.to_string());
            return Err(EngineError::ImportSignature { name, wanted, offered });
        }
        let signature = linkage.signatures[type_index as usize];
        functions.push(FunctionInfo { kind, signature, name, key: None, libc: None });
    }
    if unknown.is_empty() { Ok(functions) } else { Err(EngineError::UnknownImports(unknown)) }
}

fn defined_functions(number: usize, module: &Module, linkage: &Linkage) -> Vec<FunctionInfo> {
    let info = |(offset, key)| {
        let index = module.imported_functions + offset as u32;
        let name = function_name(module, index);
        FunctionInfo {
            kind: FunctionKind::Defined { module: number, index },
            signature: linkage.signatures[module.functions[index as usize] as usize],
            libc: if number == LIBC { libc::find(&name) } else { None },
            name,
            key: Some(key),
        }
    };
    module.keys().into_iter().enumerate().map(info).collect()
}

/// The program's functions that the libc replaces.
fn interposed(module: &Module) -> Vec<(u32, &'static libc::LibcFunction)> {
    let named = module.names.iter().filter(|(index, _)| module.body(**index).is_some()).map(|(index, name)| {
        let ty = module.function_type(*index);
        NamedFunction { index: *index, name, params: ty.params(), results: ty.results() }
    });
    libc::interpositions(named, references(module))
}

/// Every place in `module` that names a function.
fn references(module: &Module) -> impl Iterator<Item = Reference> + '_ {
    let bodies = module.bodies.iter().enumerate().flat_map(|(index, body)| {
        let from = Some(module.imported_functions + index as u32);
        let operators = body.get_operators_reader().into_iter().flatten();
        operators.map_while(Result::ok).filter_map(move |operator| match operator {
            Operator::Call { function_index: to } | Operator::RefFunc { function_index: to } => {
                Some(Reference { from, to })
            }
            _ => None,
        })
    });
    let elements = module.elements.iter().flat_map(|element| match &element.items {
        ElementItems::Functions(functions) => functions.clone().into_iter().map_while(Result::ok).collect(),
        ElementItems::Expressions(_, expressions) => {
            let expressions = expressions.clone().into_iter().map_while(Result::ok);
            expressions.filter_map(|expression| named_function(&expression)).collect::<Vec<u32>>()
        }
    });
    let globals = module.globals.iter().filter_map(|global| named_function(&global.init_expr));
    let functions = module.exports.iter().filter(|export| export.kind == wasmparser::ExternalKind::Func);
    let exports = functions.map(|export| export.index);
    bodies.chain(elements.chain(globals).chain(exports).map(|to| Reference { from: None, to }))
}

fn named_function(expression: &ConstExpr<'_>) -> Option<u32> {
    match evaluate(expression, |_| None) {
        Ok(ConstantValue::Function(index)) => Some(index),
        _ => None,
    }
}
