//! Program and libc linked into one space: functions numbered, types interned, imports found, globals and tables placed,
//! the program's own libc functions replaced.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use wasmparser::{ConstExpr, ElementItems, FuncType, Operator, TypeRef, ValType};

use super::EngineError;
use super::constant::{ConstantValue, evaluate};
use super::layout::{GLOBAL_BYTES, StateAllocator, table_entry};
use super::module::Module;
use super::program::{
    FuncId, FunctionInfo, FunctionKind, GlobalSlot, LIBC, Linkage, PROGRAM, Program, SignatureInterner, TableSlot,
    function_name,
};
use super::seams::Imports;
use crate::libc::{self, NamedFunction, Reference};

/// Entries by which a table may outgrow its initial size.
const TABLE_GROWTH: u32 = 1 << 16;

/// Numbers functions, interns types, and gives globals and tables their places.
pub fn link(
    modules: Vec<Module>,
    imports: &dyn Imports,
    allocator: &mut StateAllocator,
) -> Result<Program, EngineError> {
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

/// The functions that the program imports, in order.
fn imported_functions(
    module: &Module,
    linkage: &Linkage,
    imports: &dyn Imports,
    libc_function: impl Fn(&str) -> Option<FuncId>,
) -> Result<Vec<FunctionInfo>, EngineError> {
    let (mut functions, mut unknown) = (Vec::new(), Vec::new());
    for import in &module.imports {
        let name = format!("{}.{}", import.module, import.name);
        let type_index =
            function_import(import.ty).map_err(|what| EngineError::UnsupportedImport { name: name.clone(), what })?;
        let found = if import.module == "libc" {
            offered_by_libc(import.name, &libc_function)
        } else {
            imports.find(import.module, import.name).map(|function| {
                (FunctionKind::Host { id: function.id }, function_type(function.params, function.results))
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

/// The type index of a function import; what it is if it is none.
fn function_import(ty: TypeRef) -> Result<u32, &'static str> {
    match ty {
        TypeRef::Func(index) | TypeRef::FuncExact(index) => Ok(index),
        TypeRef::Table(_) => Err("table"),
        TypeRef::Memory(_) => Err("memory"),
        TypeRef::Global(_) => Err("global"),
        TypeRef::Tag(_) => Err("tag"),
    }
}

fn offered_by_libc(name: &str, libc_function: impl Fn(&str) -> Option<FuncId>) -> Option<(FunctionKind, FuncType)> {
    let function = libc::find(name)?;
    Some((FunctionKind::Alias(libc_function(name)?), function_type(function.params, function.results)))
}

fn function_type(params: &[ValType], results: &[ValType]) -> FuncType {
    FuncType::new(params.iter().copied(), results.iter().copied())
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
