//! Copies, fills and comparisons of a known small size, as moves in the caller.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, Type, Value, types};

use super::Translator;
use crate::engine::decode::program::FIRST_MEMORY;
use crate::engine::specialise::{Piece, pieces};

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

    /// The difference of the first bytes that differ, word by word. The last words are loaded first: all of both blocks must
    /// lie in memory.
    pub fn compare_in_place(&mut self, a: Value, b: Value, bytes: u32) -> Value {
        let addresses = [a, b].map(|index| self.machine_address(FIRST_MEMORY, index));
        let pieces = pieces(bytes, 8);
        let Some((last, first)) = pieces.split_last() else { return self.builder.ins().iconst(types::I32, 0) };
        let last = self.words(addresses, *last);
        let join = self.builder.create_block();
        let result = self.builder.append_block_param(join, types::I32);
        let differ = self.builder.create_block();
        let [word_a, word_b] = [(); 2].map(|()| self.builder.append_block_param(differ, types::I64));
        for piece in first {
            let words = self.words(addresses, *piece);
            self.go_on_if_equal(words, differ);
        }
        self.go_on_if_equal(last, differ);
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

    /// The words, zero-extended, at a piece of the blocks at `addresses`.
    fn words(&mut self, addresses: [Value; 2], (offset, width): Piece) -> [Value; 2] {
        let flags = self.memory_flags();
        addresses.map(|address| {
            let word = self.builder.ins().load(piece_type(width), flags, address, offset as i32);
            if width == 8 { word } else { self.builder.ins().uextend(types::I64, word) }
        })
    }

    /// Goes to `differ` with words that do.
    fn go_on_if_equal(&mut self, [a, b]: [Value; 2], differ: Block) {
        let same = self.builder.ins().icmp(IntCC::Equal, a, b);
        let next = self.following_block();
        self.builder.ins().brif(same, next, &[], differ, &[a.into(), b.into()]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
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
