//! Fills of one size.
//!
//! Larger ones store at multiples of the width between their ends: a store across cache lines takes two cycles.

use alloc::vec::Vec;

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::vectors::Moves;
use super::{MAX_BYTES_PASTED, Vectors};

/// Vectors from which on the stores in between are aligned.
const ALIGNED_FROM: u32 = 8;

/// Emits the fill of `bytes`, at least a vector of them, at `[rdi]` with the byte in `sil`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, bytes: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, bytes);
    let step = moves.width();
    moves.broadcast(0)?;
    if bytes < ALIGNED_FROM * step || !aligns(vectors, bytes) {
        for index in 0..(bytes - 1) / step {
            moves.store(rdi + index * step, 0)?;
        }
        moves.store(rdi + (bytes - step), 0)?;
        return moves.clean();
    }
    for place in ends(bytes, step) {
        moves.store(rdi + place, 0)?;
    }
    moves.assembler.or(rdi, step as i32 - 1)?;
    moves.assembler.inc(rdi)?;
    for index in 0..aligned(bytes, step) {
        moves.store(rdi + index * step, 0)?;
    }
    moves.clean()
}

/// Whether a block of one size is stored at aligned places if it is large. Few vectors of 16 bytes cross a cache line, and
/// what is pasted keeps all registers.
pub fn aligns(vectors: Vectors, bytes: u32) -> bool {
    match vectors {
        Vectors::Sse2 => false,
        Vectors::Avx2 => true,
        Vectors::Avx512 => bytes > MAX_BYTES_PASTED,
    }
}

/// How many vectors of `step` bytes lie in a block of `bytes` from its second aligned place on, wherever it begins.
pub fn aligned(bytes: u32, step: u32) -> u32 {
    bytes / step - 1
}

/// Where vectors that are not aligned cover the rest of it: what lies before those and, at most two vectors, behind.
pub fn ends(bytes: u32, step: u32) -> Vec<u32> {
    let rest = if bytes % step > 1 { 2 } else { 1 };
    [0].into_iter().chain((1..=rest).map(|index| bytes - index * step)).collect()
}
