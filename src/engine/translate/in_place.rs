//! Copies, fills and comparisons of a known small size, as moves in the caller.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value, types};

use super::Translator;
use crate::engine::program::FIRST_MEMORY;
use crate::engine::seams::WASM_PAGE_BYTES;
use crate::engine::specialise::pieces;

/// A byte times this is the byte eight times.
const EVERY_BYTE: i64 = 0x0101_0101_0101_0101;

impl Translator<'_> {
    /// Copies `bytes` from `source` to `destination`, both indices. Everything is loaded before anything is stored, so the
    /// blocks may overlap.
    pub fn copy_in_place(&mut self, destination: Value, source: Value, bytes: u32) {
        let to = self.machine_address(FIRST_MEMORY, destination);
        let from = self.machine_address(FIRST_MEMORY, source);
        let flags = self.memory_flags();
        let pieces = pieces(bytes, 16);
        let mut loaded = alloc::vec::Vec::with_capacity(pieces.len());
        for (offset, width) in &pieces {
            loaded.push(self.builder.ins().load(piece_type(*width), flags, from, *offset as i32));
        }
        for ((offset, _), value) in pieces.into_iter().zip(loaded) {
            self.builder.ins().store(flags, value, to, offset as i32);
        }
    }

    /// Fills `bytes` at `destination` with the low byte of `byte`.
    pub fn fill_in_place(&mut self, destination: Value, byte: Value, bytes: u32) {
        let to = self.machine_address(FIRST_MEMORY, destination);
        let flags = self.memory_flags();
        let byte = self.builder.ins().ireduce(types::I8, byte);
        let word = self.builder.ins().uextend(types::I64, byte);
        let every = self.builder.ins().iconst(types::I64, EVERY_BYTE);
        let word = self.builder.ins().imul(word, every);
        for (offset, width) in pieces(bytes, 16) {
            let value = match piece_type(width) {
                types::I64 => word,
                types::I8X16 => self.builder.ins().splat(types::I8X16, byte),
                narrow => self.builder.ins().ireduce(narrow, word),
            };
            self.builder.ins().store(flags, value, to, offset as i32);
        }
    }

    /// The difference of the first bytes that differ, word by word. The blocks must lie inside memory, or `general` decides
    /// whether a difference before its end saves the call.
    pub fn compare_in_place(&mut self, a: Value, b: Value, bytes: u32, general: Block) -> Value {
        for index in [a, b] {
            self.guard_inside(index, bytes, general);
        }
        let [a, b] = [a, b].map(|index| self.machine_address(FIRST_MEMORY, index));
        let join = self.builder.create_block();
        let result = self.builder.append_block_param(join, types::I32);
        let differ = self.builder.create_block();
        let [word_a, word_b] = [(); 2].map(|()| self.builder.append_block_param(differ, types::I64));
        let flags = self.memory_flags();
        for (offset, width) in pieces(bytes, 8) {
            let [x, y] = [a, b].map(|address| {
                let word = self.builder.ins().load(piece_type(width), flags, address, offset as i32);
                if width == 8 { word } else { self.builder.ins().uextend(types::I64, word) }
            });
            let same = self.builder.ins().icmp(IntCC::Equal, x, y);
            let next = self.builder.create_block();
            self.builder.ins().brif(same, next, &[], differ, &[x.into(), y.into()]);
            self.builder.seal_block(next);
            self.builder.switch_to_block(next);
        }
        let zero = self.builder.ins().iconst(types::I32, 0);
        self.jump(join, &[zero]);

        self.builder.seal_block(differ);
        self.builder.switch_to_block(differ);
        let difference = self.byte_difference(word_a, word_b);
        self.jump(join, &[difference]);
        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        result
    }

    /// Goes on only where `bytes` bytes from `index` lie inside memory. A constant inside its least size needs no test:
    /// memory never shrinks.
    pub fn guard_inside(&mut self, index: Value, bytes: u32, general: Block) {
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

    /// The difference of the lowest bytes in which two words differ.
    fn byte_difference(&mut self, a: Value, b: Value) -> Value {
        let differing = self.builder.ins().bxor(a, b);
        let bit = self.builder.ins().ctz(differing);
        let shift = self.builder.ins().band_imm_s(bit, !7);
        let [a, b] = [a, b].map(|word| {
            let shifted = self.builder.ins().ushr(word, shift);
            let byte = self.builder.ins().ireduce(types::I8, shifted);
            self.builder.ins().uextend(types::I32, byte)
        });
        self.builder.ins().isub(a, b)
    }
}

const fn piece_type(width: u32) -> Type {
    match width {
        16 => types::I8X16,
        8 => types::I64,
        4 => types::I32,
        2 => types::I16,
        _ => types::I8,
    }
}
