//! Which of a program's own functions the libc's replace: what the rules in `libc` look at, taken from a module.

use alloc::vec;
use alloc::vec::Vec;
use wasmparser::{ConstExpr, DataKind, ElementItems, ExternalKind, FuncType, FunctionBody, Operator, TypeRef, ValType};

use crate::engine::decode::constant::{ConstantValue, evaluate};
use crate::engine::decode::module::Module;
use crate::libc::known::Bodies;
use crate::libc::{self, Interpose, NamedFunction, Reference};

/// The functions of `module` that the libc replaces, by rising index.
pub fn interposed(module: &Module, rule: Interpose) -> Vec<(u32, &'static libc::LibcFunction)> {
    match rule {
        Interpose::Proof => libc::proved(module),
        Interpose::Names => {
            let names = module.names().into_iter();
            let named = names.filter(|(index, _)| module.body(*index).is_some()).map(|(index, name)| {
                let ty = module.function_type(index);
                NamedFunction { index, name, params: ty.params(), results: ty.results() }
            });
            libc::interpositions(named, module.references())
        }
        Interpose::Off => Vec::new(),
    }
}

impl Bodies for Module {
    fn defined(&self) -> impl Iterator<Item = (u32, &FuncType, &FunctionBody<'static>)> {
        let indices = self.imported_functions..;
        indices.zip(&self.bodies).map(|(index, body)| (index, self.function_type(index), body))
    }

    fn ty(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)
    }

    fn import(&self, index: u32) -> Option<(&'static str, &'static str)> {
        let mut functions = self.imports.iter().filter(|import| matches!(import.ty, TypeRef::Func(_)));
        functions.nth(index as usize).map(|import| (import.module, import.name))
    }

    fn is_stack_pointer(&self, index: u32) -> bool {
        let global = self.global_types.get(index as usize);
        global.is_some_and(|global| global.mutable && global.content_type == ValType::I32)
    }

    fn bytes_at(&self, address: u32, bytes: u32) -> Option<Vec<u8>> {
        let range = u64::from(address)..u64::from(address) + u64::from(bytes);
        let mut content = vec![0; bytes as usize];
        for segment in &self.data {
            let DataKind::Active { memory_index: 0, offset_expr } = &segment.kind else { continue };
            let ConstantValue::Bits(start) = evaluate(offset_expr, |_| None).ok()? else { return None };
            let start = start as u64;
            let (first, end) = (start.max(range.start), (start + segment.data.len() as u64).min(range.end));
            if first < end {
                let part = &segment.data[(first - start) as usize..(end - start) as usize];
                content[(first - range.start) as usize..][..part.len()].copy_from_slice(part);
            }
        }
        Some(content)
    }

    fn references(&self) -> impl Iterator<Item = Reference> {
        let bodies = self.bodies.iter().enumerate().flat_map(|(index, body)| {
            let from = Some(self.imported_functions + index as u32);
            let operators = body.get_operators_reader().into_iter().flatten();
            operators.map_while(Result::ok).filter_map(move |operator| match operator {
                Operator::Call { function_index: to }
                | Operator::ReturnCall { function_index: to }
                | Operator::RefFunc { function_index: to } => Some(Reference { from, to }),
                _ => None,
            })
        });
        let elements = self.elements.iter().flat_map(|element| match &element.items {
            ElementItems::Functions(functions) => functions.clone().into_iter().map_while(Result::ok).collect(),
            ElementItems::Expressions(_, expressions) => {
                let expressions = expressions.clone().into_iter().map_while(Result::ok);
                expressions.filter_map(|expression| named_function(&expression)).collect::<Vec<u32>>()
            }
        });
        let globals = self.globals.iter().filter_map(|global| named_function(&global.init_expr));
        let functions = self.exports.iter().filter(|export| export.kind == ExternalKind::Func);
        let exports = functions.map(|export| export.index);
        bodies.chain(elements.chain(globals).chain(exports).map(|to| Reference { from: None, to }))
    }

    fn growing(&self) -> impl Iterator<Item = u32> {
        let bodies = self.bodies.iter().zip(self.imported_functions..).filter(|(body, _)| may_grow(body.as_bytes()));
        bodies.filter_map(|(body, index)| {
            let mut operators = body.get_operators_reader().into_iter().flatten().map_while(Result::ok);
            operators.any(|operator| matches!(operator, Operator::MemoryGrow { mem: 0 })).then_some(index)
        })
    }
}

fn named_function(expression: &ConstExpr<'_>) -> Option<u32> {
    match evaluate(expression, |_| None) {
        Ok(ConstantValue::Function(index)) => Some(index),
        _ => None,
    }
}

/// Whether the encoding of `memory.grow` with index 0, in one byte or more, is anywhere in a body. Looking for that is faster
/// than reading operators.
fn may_grow(body: &[u8]) -> bool {
    body.windows(2).any(|bytes| bytes[0] == 0x40 && matches!(bytes[1], 0 | 0x80))
}
