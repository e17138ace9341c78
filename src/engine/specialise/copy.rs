//! Copies of one size.
//!
//! As long as there are registers enough, everything is loaded before anything is stored, and blocks may overlap. Larger
//! copies stand behind a guard that admits a destination below the source, even overlapping it. Copying upwards is then
//! right as long as no byte is loaded after it was overwritten: each group is loaded before it is stored, and vectors that
//! overlap others are loaded before everything. The stores of these are aligned, as those of large fills, but
//! not with SSE2.

use alloc::vec::Vec;

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::fill::{aligned, aligns, ends};
use super::vectors::{COPY_BYTES, Moves, REGISTERS};

/// The registers of a group; those of vectors at the ends come after it.
const GROUP: u32 = REGISTERS as u32 - 3;

/// Whether a copy of `bytes` loads everything before it stores anything.
pub const fn loads_first(vectors: Vectors, bytes: u32) -> bool {
    let width = if vectors.bytes() < COPY_BYTES { vectors.bytes() } else { COPY_BYTES };
    bytes <= REGISTERS as u32 * width
}

/// Emits the copy of `bytes`, at least a vector of them, from `[rsi]` to `[rdi]`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, bytes: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, bytes.min(COPY_BYTES));
    let step = moves.width();
    if loads_first(vectors, bytes) {
        let places: Vec<u32> = (0..(bytes - 1) / step).map(|index| index * step).chain([bytes - step]).collect();
        for (register, place) in places.iter().enumerate() {
            moves.load(register, rsi + *place)?;
        }
        for (register, place) in places.iter().enumerate() {
            moves.store(rdi + *place, register)?;
        }
        return moves.clean();
    }
    if !aligns(vectors, bytes) {
        moves.load(GROUP as usize, rsi + (bytes - step))?;
        groups(&mut moves, (bytes - 1) / step)?;
        moves.store(rdi + (bytes - step), GROUP as usize)?;
        return moves.clean();
    }
    let ends = ends(bytes, step);
    for (register, place) in (GROUP as usize..).zip(&ends) {
        moves.load(register, rsi + *place)?;
    }
    moves.assembler.mov(rax, rdi)?;
    moves.assembler.or(rdi, step as i32 - 1)?;
    moves.assembler.inc(rdi)?;
    moves.assembler.sub(rsi, rax)?;
    moves.assembler.add(rsi, rdi)?;
    groups(&mut moves, aligned(bytes, step))?;
    for (register, place) in (GROUP as usize..).zip(&ends) {
        moves.store(rax + *place, register)?;
    }
    moves.clean()
}

/// Copies so many vectors, each group loaded before it is stored.
fn groups(moves: &mut Moves, count: u32) -> Result<(), IcedError> {
    let step = moves.width();
    for group in (0..count).step_by(GROUP as usize) {
        let members = group..count.min(group + GROUP);
        for member in members.clone() {
            moves.load((member - group) as usize, rsi + member * step)?;
        }
        for member in members {
            moves.store(rdi + member * step, (member - group) as usize)?;
        }
    }
    Ok(())
}
