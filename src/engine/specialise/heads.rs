//! The shortest way of some kernels, to be pasted in front of their calls: blocks of up to one vector. Neighbours: `any_fill`,
//! `compare_blocks` and `find` do the rest, and the same again.

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::any_fill;
use super::compare_blocks::masked_comparison;
use super::lanes::Lanes;
use super::shape::Shape;
use super::strings::StringFunction;
use super::{KernelId, Operation, Vectors, find};
use crate::engine::layout::NEAR_BYTES;

/// Code in front of a call of `kernel`, with the kernel's arguments and result in the same registers; it changes others that
/// the call may change.
///
/// Fills and searches have one only if most are short. Copies gain nothing from one.
pub fn head(kernel: KernelId) -> Result<Option<Vec<u8>>, IcedError> {
    let emit = match (kernel.operation, kernel.vectors) {
        (Operation::Fill, Vectors::Avx512) if Shape::from_number(kernel.detail).begins_with_a_vector() => fill,
        (Operation::String(StringFunction::Memcmp), Vectors::Avx512) => compare,
        (Operation::String(StringFunction::Memchr), Vectors::Avx2) if kernel.detail != 0 => find::head_of_byte,
        (Operation::String(StringFunction::Strlen), Vectors::Avx2) => find::head_of_length,
        _ => return Ok(None),
    };
    let mut assembler = CodeAssembler::new(64)?;
    let (mut call, mut done) = (assembler.create_label(), assembler.create_label());
    emit(&mut Lanes::new(&mut assembler, kernel.vectors), call, done)?;
    assembler.jmp(done)?;
    assembler.set_label(&mut call)?;
    assembler.db(&[0; NEAR_BYTES])?;
    assembler.set_label(&mut done)?;
    assembler.nop()?;
    let mut code = assembler.assemble(0)?;
    code.truncate(code.len() - NEAR_BYTES - 1);
    Ok(Some(code))
}

fn fill(lanes: &mut Lanes, call: CodeLabel, _done: CodeLabel) -> Result<(), IcedError> {
    unless_masked(lanes, call)?;
    any_fill::masked(lanes, Vectors::Avx512.masked_bytes())
}

fn compare(lanes: &mut Lanes, call: CodeLabel, done: CodeLabel) -> Result<(), IcedError> {
    unless_masked(lanes, call)?;
    masked_comparison(lanes, done)
}

/// Goes to `call` with blocks of more than one vector.
fn unless_masked(lanes: &mut Lanes, call: CodeLabel) -> Result<(), IcedError> {
    lanes.cmp(rdx, Vectors::Avx512.masked_bytes() as i32)?;
    lanes.ja(call)
}
