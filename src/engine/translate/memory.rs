//! Loads and stores. Bounds are checked by the guard pages: 32-bit index plus 32-bit offset stays below 8 GiB + 64 KiB.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Opcode, TrapCode, Type, Value, types};
use wasmparser::{MemArg, MemArgTarget, Operator};

use super::Translator;
use crate::engine::decode::program::{FIRST_MEMORY, MemoryId};
use crate::engine::layout::RuntimeOp;
use crate::engine::seams::{MemoryBase, WASM_PAGE_BYTES};

impl Translator<'_> {
    /// Handles loads, stores, `memory.size` and `memory.grow`. Returns whether it was one.
    pub fn access(&mut self, operator: &Operator<'_>) -> bool {
        self.load_constant(operator) || self.load(operator) || self.store(operator) || self.size(operator)
    }

    fn load(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32, F64, I32, I64};
        macro_rules! narrow {
            ($method:ident, $ty:expr, $memarg:expr) => {{
                let (address, offset, flags) = self.address($memarg);
                let value = self.builder.ins().$method($ty, flags, address, offset);
                self.stack.push(value);
            }};
        }
        match operator {
            O::I32Load { memarg } => self.load_whole(I32, memarg),
            O::I64Load { memarg } => self.load_whole(I64, memarg),
            O::F32Load { memarg } => self.load_whole(F32, memarg),
            O::F64Load { memarg } => self.load_whole(F64, memarg),
            O::I32Load8S { memarg } => narrow!(sload8, I32, memarg),
            O::I32Load8U { memarg } => narrow!(uload8, I32, memarg),
            O::I32Load16S { memarg } => narrow!(sload16, I32, memarg),
            O::I32Load16U { memarg } => narrow!(uload16, I32, memarg),
            O::I64Load8S { memarg } => narrow!(sload8, I64, memarg),
            O::I64Load8U { memarg } => narrow!(uload8, I64, memarg),
            O::I64Load16S { memarg } => narrow!(sload16, I64, memarg),
            O::I64Load16U { memarg } => narrow!(uload16, I64, memarg),
            O::I64Load32S { memarg } => {
                let (address, offset, flags) = self.address(memarg);
                let value = self.builder.ins().sload32(flags, address, offset);
                self.stack.push(value);
            }
            O::I64Load32U { memarg } => {
                let (address, offset, flags) = self.address(memarg);
                let value = self.builder.ins().uload32(flags, address, offset);
                self.stack.push(value);
            }
            _ => return false,
        }
        true
    }

    fn load_whole(&mut self, ty: Type, memarg: &MemArg) {
        let (address, offset, flags) = self.address(memarg);
        let value = self.builder.ins().load(ty, flags, address, offset);
        self.stack.push(value);
    }

    fn store(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        macro_rules! store {
            ($method:ident, $memarg:expr) => {{
                let value = self.pop();
                let (address, offset, flags) = self.address($memarg);
                self.builder.ins().$method(flags, value, address, offset);
            }};
        }
        match operator {
            O::I32Store { memarg } | O::I64Store { memarg } | O::F32Store { memarg } | O::F64Store { memarg } => {
                store!(store, memarg);
            }
            O::I32Store8 { memarg } | O::I64Store8 { memarg } => store!(istore8, memarg),
            O::I32Store16 { memarg } | O::I64Store16 { memarg } => store!(istore16, memarg),
            O::I64Store32 { memarg } => store!(istore32, memarg),
            _ => return false,
        }
        true
    }

    /// Pops the index and returns (machine address, static offset, flags) of the access.
    pub fn address(&mut self, memarg: &MemArg) -> (Value, i32, MemFlagsData) {
        let index = self.pop();
        let MemArgTarget::Memory(memory) = memarg.target else { unreachable!("arrays are not enabled") };
        let memory = self.linkage.memories[memory as usize];
        let address = self.machine_address(memory, index);
        let flags = match self.program.memories[memory.0 as usize].constant {
            // The libc masks indices of its tables: they trap nowhere.
            true => MemFlagsData::trusted().with_readonly().with_can_move(),
            false => self.memory_flags(),
        };
        match i32::try_from(memarg.offset) {
            Ok(offset) => (address, offset, flags),
            Err(_) => {
                let offset = self.builder.ins().iconst(types::I64, memarg.offset as i64);
                (self.builder.ins().iadd(address, offset), 0, flags)
            }
        }
    }

    /// Of an access to linear memory.
    pub fn memory_flags(&self) -> MemFlagsData {
        MemFlagsData::new()
            .with_trap_code(Some(TrapCode::HEAP_OUT_OF_BOUNDS))
            .with_alias_region(Some(self.memory_region))
    }

    /// Where the byte at `index` (32 bits) of `memory` is.
    pub fn machine_address(&mut self, memory: MemoryId, index: Value) -> Value {
        let index = match self.known_index(index) {
            Some(known) => self.builder.ins().iconst(types::I64, i64::from(known)),
            None => self.word_of(index),
        };
        let base = match self.program.memories[memory.0 as usize].base {
            MemoryBase::Zero => return index,
            MemoryBase::At(_) if memory == FIRST_MEMORY => self.pinned_register(),
            MemoryBase::At(address) => self.builder.ins().iconst(types::I64, address as i64),
        };
        self.builder.ins().iadd(base, index)
    }

    /// `number` (32 bits) as a word. One that was loaded takes no instruction: loading it clears the upper half.
    pub fn word_of(&mut self, number: Value) -> Value {
        if let Some(word) = self.loaded_word(number) {
            return word;
        }
        self.builder.ins().uextend(types::I64, number)
    }

    /// The word whose lower half `number` is, if that was loaded from memory: now or earlier made of the load.
    fn loaded_word(&mut self, number: Value) -> Option<Value> {
        let func = &mut *self.builder.func;
        let inst = func.dfg.value_def(number).inst()?;
        match func.dfg.insts[inst] {
            InstructionData::Load { opcode: Opcode::Load, arg, flags, offset } => {
                func.dfg.insts[inst] = InstructionData::Load { opcode: Opcode::Uload32, arg, flags, offset };
                let number = func.dfg.first_result(inst);
                let word = func.dfg.replace_result(number, types::I64);
                let lower = FuncCursor::new(func).after_inst(inst).ins().ireduce(types::I32, word);
                func.dfg.change_to_alias(number, lower);
                Some(word)
            }
            InstructionData::Unary { opcode: Opcode::Ireduce, arg } => {
                let inst = func.dfg.value_def(arg).inst()?;
                (func.dfg.insts[inst].opcode() == Opcode::Uload32).then_some(arg)
            }
            _ => None,
        }
    }

    /// The base of the first memory, read once per block and call: Cranelift takes every read for one that matters.
    fn pinned_register(&mut self) -> Value {
        match self.pinned {
            Some(recent) if self.is_current(recent) => recent.value,
            _ => {
                let base = self.builder.ins().get_pinned_reg(types::I64);
                self.pinned = self.recent(base);
                base
            }
        }
    }

    /// The index in the first memory of the byte at machine `address`; 0 for 0.
    pub fn index_of(&mut self, address: Value) -> Value {
        // The memory begins at a multiple of what 32 bits address.
        self.builder.ins().ireduce(types::I32, address)
    }

    /// The bytes of `memory`, as a word.
    pub fn memory_bytes(&mut self, memory: MemoryId) -> Value {
        let cell = self.program.memories[memory.0 as usize].bytes_cell;
        self.load_state(types::I64, cell as i32)
    }

    fn size(&mut self, operator: &Operator<'_>) -> bool {
        let pages = match operator {
            Operator::MemorySize { mem } => {
                let bytes = self.memory_bytes(self.linkage.memories[*mem as usize]);
                let shift = self.builder.ins().iconst(types::I32, i64::from(WASM_PAGE_BYTES.ilog2()));
                self.builder.ins().ushr(bytes, shift)
            }
            Operator::MemoryGrow { mem } => {
                let delta = self.pop();
                let memory = i64::from(self.linkage.memories[*mem as usize].0);
                let memory = self.builder.ins().iconst(types::I64, memory);
                self.runtime(RuntimeOp::MemoryGrow, &[memory, delta])
            }
            _ => return false,
        };
        let pages = self.builder.ins().ireduce(types::I32, pages);
        self.stack.push(pages);
        true
    }
}
