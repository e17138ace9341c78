//! Comparisons with a string of the module's data, in place of calls of `strcmp` and `strncmp`.
//!
//! The data says only how many bytes are compared before the general way takes over. The program may have written to its
//! memory since, so both strings are loaded, and the answer is the function's whatever they hold by then. Neighbours:
//! `in_place` has comparisons of a known size, `libc_call` calls the kernel where there is no such string.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Value, types};

use super::Translator;
use crate::engine::decode::program::FIRST_MEMORY;
use crate::engine::seams::WASM_PAGE_BYTES;
use crate::engine::specialise::strings::StringFunction;
use crate::engine::specialise::{KernelId, Operation, Vectors};

/// Bytes compared at once.
const WORD_BYTES: u32 = 16;

/// The most bytes compared in place, ends included. One word is always faster than the kernel: at least the call is saved.
/// So are two where the kernel has wider vectors, but one with vectors of a word is faster than two at strings that differ
/// in the first.
const fn max_bytes(vectors: Vectors) -> u32 {
    match vectors {
        Vectors::Sse2 => WORD_BYTES,
        Vectors::Avx2 | Vectors::Avx512 => 2 * WORD_BYTES,
    }
}

impl Translator<'_> {
    /// What a call of `kernel` answers, if it compares a short string of the module's data with another. Bytes behind those
    /// compared in place are the kernel's.
    pub fn compare_with_literal(&mut self, kernel: KernelId, args: &[Value]) -> Option<Value> {
        let most = match kernel.operation {
            Operation::String(StringFunction::Strcmp) => u32::MAX,
            Operation::String(StringFunction::Strncmp) => self.constant(args[2])? as u32,
            _ => return None,
        };
        let longest = max_bytes(kernel.vectors);
        let literal = args[..2].iter().find_map(|address| self.literal_bytes(*address, longest))?;
        let bytes = literal.min(most);
        if !(1..=longest).contains(&bytes) {
            return None;
        }
        let join = self.builder.create_block();
        let result = self.builder.append_block_param(join, types::I32);
        let general = self.builder.create_block();
        self.builder.set_cold_block(general);
        let difference = self.compare_words(args, bytes.next_multiple_of(WORD_BYTES), most, general);
        self.jump(join, &[difference]);

        self.builder.seal_block(general);
        self.builder.switch_to_block(general);
        let results = self.kernel_call(kernel, args);
        self.jump(join, &results);

        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        Some(result)
    }

    /// The answer for strings of which at most `most` bytes count; goes to `general` where the first `bytes` do not tell.
    fn compare_words(&mut self, args: &[Value], bytes: u32, most: u32, general: Block) -> Value {
        for index in &args[..2] {
            self.guard_inside(*index, bytes, general);
        }
        let [a, b] = [args[0], args[1]].map(|index| self.machine_address(FIRST_MEMORY, index));
        let mut stops = self.stops(a, b, 0);
        for offset in (WORD_BYTES..bytes).step_by(WORD_BYTES as usize) {
            let more = self.stops(a, b, offset);
            stops = self.builder.ins().bor(stops, more);
        }
        if most <= bytes {
            // The last byte that counts decides where none before it does.
            let last = self.builder.ins().iconst(types::I64, 1 << (most - 1));
            stops = self.builder.ins().bor(stops, last);
        } else {
            self.guard(stops, general);
        }
        self.difference_at_first(stops, a, b)
    }

    /// Bit n is set where byte n differs or ends both strings, for the bytes of the word at `offset`.
    fn stops(&mut self, a: Value, b: Value, offset: u32) -> Value {
        let flags = self.memory_flags();
        let [x, y] = [a, b].map(|address| self.builder.ins().load(types::I8X16, flags, address, offset as i32));
        // Where bytes are equal, `equal` is -1, and added to anything but 0 makes it less; where they differ, it is 0. Asked so,
        // no constant has to be kept in a register.
        let equal = self.builder.ins().icmp(IntCC::Equal, y, x);
        let sum = self.builder.ins().iadd(equal, x);
        let stops = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, sum, x);
        let mask = self.builder.ins().vhigh_bits(types::I64, stops);
        let places = self.builder.ins().iconst(types::I64, i64::from(offset));
        self.builder.ins().ishl(mask, places)
    }

    /// The difference of the bytes whose number is that of the lowest bit set in `stops`, which is not 0.
    fn difference_at_first(&mut self, stops: Value, a: Value, b: Value) -> Value {
        let index = self.builder.ins().ctz(stops);
        let flags = self.memory_flags();
        let [x, y] = [a, b].map(|address| {
            let address = self.builder.ins().iadd(address, index);
            self.builder.ins().uload8(types::I32, flags, address, 0)
        });
        self.builder.ins().isub(x, y)
    }

    /// Goes on only where `bytes` bytes from `index` lie inside memory. A constant inside its least size needs no test:
    /// memory never shrinks.
    fn guard_inside(&mut self, index: Value, bytes: u32, general: Block) {
        let past = |index: i64| u64::from(index as u32) + u64::from(bytes);
        if self.constant(index).is_some_and(|index| past(index) <= self.least_memory_bytes()) {
            return;
        }
        let end = self.memory_bytes(FIRST_MEMORY);
        let index = self.builder.ins().uextend(types::I64, index);
        let past = self.builder.ins().iadd_imm_u(index, i64::from(bytes));
        let inside = self.builder.ins().icmp(IntCC::UnsignedLessThanOrEqual, past, end);
        self.guard(inside, general);
    }

    /// What this module says that the first memory has at least.
    fn least_memory_bytes(&self) -> u64 {
        let memories = self.linkage.memories.iter().zip(&self.program.modules[self.module].memories);
        let least = memories.filter(|(id, _)| **id == FIRST_MEMORY).map(|(_, ty)| ty.initial * WASM_PAGE_BYTES);
        least.max().unwrap_or(0)
    }

    /// The bytes of the string at a constant address, with its end, as the module's data has it; `longest` + 1 where there
    /// are more.
    fn literal_bytes(&self, address: Value, longest: u32) -> Option<u32> {
        let text = self.linkage.data_at(self.constant(address)? as u32)?;
        let text = &text[..text.len().min(longest as usize)];
        // Tools leave zeros out where a segment would end in them.
        Some(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()) as u32 + 1)
    }
}
