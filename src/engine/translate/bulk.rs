//! Bulk memory and table operators. Copies and fills are sites of the libc's functions; the rest is the engine's.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

use super::{Refusal, Translator, scan};
use crate::engine::layout::{INDEX_BITS, MODULE_SHIFT, RuntimeOp, table_entry};
use crate::engine::names::trap_code;

impl Translator<'_> {
    /// Handles the bulk operators. Returns whether it was one.
    pub fn bulk(&mut self, operator: &Operator<'_>) -> Result<bool, Refusal> {
        match operator {
            Operator::MemoryCopy { dst_mem, src_mem } => self.memory_copy(*dst_mem, *src_mem)?,
            Operator::MemoryFill { mem } => self.memory_fill(*mem)?,
            Operator::MemoryInit { data_index, mem } => {
                self.bulk_runtime(RuntimeOp::MemoryInit, u64::from(*mem) | u64::from(*data_index) << INDEX_BITS, 3);
            }
            Operator::DataDrop { data_index } => self.bulk_runtime(RuntimeOp::DataDrop, u64::from(*data_index), 0),
            Operator::TableGet { table } => {
                let index = self.pop();
                let value = self.table_get(*table, index);
                self.stack.push(value);
            }
            Operator::TableSize { table } => {
                let cell = self.linkage.tables[*table as usize].length_cell as i32;
                let length = self.load_state(types::I32, cell);
                self.stack.push(length);
            }
            Operator::TableSet { table } => self.bulk_runtime(RuntimeOp::TableSet, u64::from(*table), 2),
            Operator::TableGrow { table } => {
                let args = self.pop_many(2);
                let length = self.bulk_call(RuntimeOp::TableGrow, u64::from(*table), &args);
                let length = self.builder.ins().ireduce(types::I32, length);
                self.stack.push(length);
            }
            Operator::TableFill { table } => self.bulk_runtime(RuntimeOp::TableFill, u64::from(*table), 3),
            Operator::TableCopy { dst_table, src_table } => {
                self.bulk_runtime(RuntimeOp::TableCopy, u64::from(*dst_table) | u64::from(*src_table) << INDEX_BITS, 3);
            }
            Operator::TableInit { elem_index, table } => {
                self.bulk_runtime(RuntimeOp::TableInit, u64::from(*table) | u64::from(*elem_index) << INDEX_BITS, 3);
            }
            Operator::ElemDrop { elem_index } => {
                self.bulk_runtime(RuntimeOp::ElementDrop, u64::from(*elem_index), 0);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn memory_copy(&mut self, to: u32, from: u32) -> Result<(), Refusal> {
        if scan::works_on_first_memory(self.linkage, &[to, from]) {
            return self.memory_libc("memmove", true);
        }
        self.bulk_runtime(RuntimeOp::MemoryCopy, u64::from(to) | u64::from(from) << INDEX_BITS, 3);
        Ok(())
    }

    fn memory_fill(&mut self, memory: u32) -> Result<(), Refusal> {
        if scan::works_on_first_memory(self.linkage, &[memory]) {
            return self.memory_libc("memset", false);
        }
        self.bulk_runtime(RuntimeOp::MemoryFill, u64::from(memory), 3);
        Ok(())
    }

    /// The bounds first, then a call of the libc's function at a site.
    fn memory_libc(&mut self, name: &str, copies: bool) -> Result<(), Refusal> {
        let args = self.pop_many(3);
        self.check_range(args[0], args[2]);
        if copies {
            self.check_range(args[1], args[2]);
        }
        let callee = self.program.libc_function(name);
        let Some((callee, site)) = callee.and_then(|id| Some((id, scan::sized(self.program, id)?))) else {
            unreachable!("the libc has {name}, and its size is recorded")
        };
        self.sized_call(callee, site, &args).map(drop)
    }

    fn bulk_runtime(&mut self, op: RuntimeOp, what: u64, arity: usize) {
        let args = self.pop_many(arity);
        self.bulk_call(op, what, &args);
    }

    /// Calls the engine with `what` (indices) of this module in front of `args`.
    fn bulk_call(&mut self, op: RuntimeOp, what: u64, args: &[Value]) -> Value {
        let what = what | (self.module as u64) << MODULE_SHIFT;
        let mut words = alloc::vec![self.builder.ins().iconst(types::I64, what as i64)];
        words.extend_from_slice(args);
        self.runtime(op, &words)
    }

    fn table_get(&mut self, table: u32, index: Value) -> Value {
        let entry = self.checked_entry(table, index, trap_code::TABLE_OUT_OF_BOUNDS);
        let flags = self.state_flags();
        let module = &self.program.modules[self.module];
        if module.tables[table as usize].element_type.is_func_ref() {
            let reference = self.builder.ins().load(types::I32, flags, entry, table_entry::REFERENCE);
            return self.builder.ins().uextend(types::I64, reference);
        }
        self.builder.ins().load(types::I64, flags, entry, table_entry::CODE)
    }
}
