//! Copies of one size.
//!
//! As long as there are registers enough, everything is loaded before anything is stored, and blocks may overlap. Larger
//! copies stand behind a guard that admits a destination below the source, even overlapping it. Copying upwards is then
//! right as long as no byte is loaded after it was overwritten: each group is loaded before it is stored, and the last
//! vector, which may overlap the one before it, is loaded before everything.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::vectors::{COPY_BYTES, Moves, REGISTERS};

/// The register of the last vector of the block; those before it take the vectors of a group.
const LAST: usize = REGISTERS - 1;
const GROUP: u32 = LAST as u32;

/// Whether a copy of `bytes` loads everything before it stores anything.
pub const fn loads_first(vectors: Vectors, bytes: u32) -> bool {
    let width = if vectors.bytes() < COPY_BYTES { vectors.bytes() } else { COPY_BYTES };
    bytes <= REGISTERS as u32 * width
}

/// Emits the copy of `bytes`, at least a vector of them, from `[rsi]` to `[rdi]`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, bytes: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, bytes.min(COPY_BYTES));
    let step = moves.width();
    let whole = (bytes - 1) / step;
    moves.load(LAST, rsi + (bytes - step))?;
    for group in (0..whole).step_by(GROUP as usize) {
        let members = group..whole.min(group + GROUP);
        for member in members.clone() {
            moves.load((member - group) as usize, rsi + member * step)?;
        }
        for member in members {
            moves.store(rdi + member * step, (member - group) as usize)?;
        }
    }
    moves.store(rdi + (bytes - step), LAST)?;
    moves.clean()
}
