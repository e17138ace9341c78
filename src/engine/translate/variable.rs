//! Constants, locals, globals and the operators that only move values.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::Operator;

use super::{Translator, machine_type};
use crate::engine::decode::program::GlobalSlot;

impl Translator<'_> {
    /// Handles these operators. Returns whether it was one.
    pub fn variable(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::I32Const { value } => self.push_const(types::I32, i64::from(*value)),
            Operator::I64Const { value } => self.push_const(types::I64, *value),
            Operator::F32Const { value } => {
                let value = self.builder.ins().f32const(Ieee32::with_bits(value.bits()));
                self.stack.push(value);
            }
            Operator::F64Const { value } => {
                let value = self.builder.ins().f64const(Ieee64::with_bits(value.bits()));
                self.stack.push(value);
            }
            Operator::LocalGet { local_index } => {
                let value = self.get_local(*local_index as usize);
                self.stack.push(value);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.set_local(*local_index as usize, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.top();
                self.set_local(*local_index as usize, value);
            }
            Operator::GlobalGet { global_index } => self.global_get(*global_index),
            Operator::GlobalSet { global_index } => self.global_set(*global_index),
            Operator::Drop => drop(self.pop()),
            Operator::Select | Operator::TypedSelect { .. } => {
                let (condition, otherwise, then) = (self.pop(), self.pop(), self.pop());
                let value = match self.known_condition(condition) {
                    Some(holds) => {
                        if holds {
                            then
                        } else {
                            otherwise
                        }
                    }
                    None => self.builder.ins().select(condition, then, otherwise),
                };
                self.stack.push(value);
            }
            Operator::RefNull { .. } => self.push_const(types::I64, 0),
            Operator::RefIsNull => {
                let reference = self.pop();
                let zero = self.builder.ins().iconst(types::I64, 0);
                self.push_condition(IntCC::Equal, reference, zero);
            }
            Operator::RefFunc { function_index } => {
                let id = self.program.resolve(self.module, *function_index);
                self.push_const(types::I64, i64::from(id.0) + 1);
            }
            _ => return false,
        }
        true
    }

    fn global_get(&mut self, index: u32) {
        let ty = self.global_type(index);
        let value = match self.linkage.globals[index as usize] {
            GlobalSlot::Constant(bits) => match ty {
                types::F32 => self.builder.ins().f32const(Ieee32::with_bits(bits as u32)),
                types::F64 => self.builder.ins().f64const(Ieee64::with_bits(bits as u64)),
                types::I8X16 => self.vector_constant(ty, bits),
                types::I32 => self.builder.ins().iconst(ty, i64::from(bits as u32 as i32)),
                _ => self.builder.ins().iconst(ty, bits as i64),
            },
            GlobalSlot::Cell(offset) => self.load_state(ty, offset as i32),
        };
        self.stack.push(value);
    }

    fn global_set(&mut self, index: u32) {
        let value = self.pop();
        if let GlobalSlot::Cell(offset) = self.linkage.globals[index as usize] {
            self.store_state(value, offset as i32);
        }
    }

    fn global_type(&self, index: u32) -> Type {
        let module = &self.program.modules[self.module];
        machine_type(module.global_types[index as usize].content_type)
    }
}
