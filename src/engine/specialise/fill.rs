//! Fills of one size.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::vectors::Moves;

/// Emits the fill of `bytes`, at least a vector of them, at `[rdi]` with the byte in `sil`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, bytes: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, bytes);
    let step = moves.width();
    moves.broadcast(0)?;
    for index in 0..(bytes - 1) / step {
        moves.store(rdi + index * step, 0)?;
    }
    moves.store(rdi + (bytes - step), 0)?;
    moves.clean()
}
