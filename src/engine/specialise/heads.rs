//! The shortest way of some kernels with AVX-512, to be pasted in front of their calls: blocks of up to one vector, under a
//! mask. Neighbours: `any_fill` and `compare_blocks` do the rest, and the same again.

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::any_fill;
use super::compare_blocks::masked_comparison;
use super::lanes::Lanes;
use super::shape::Shape;
use super::strings::StringFunction;
use super::{Operation, Vectors};
use crate::engine::layout::NEAR_BYTES;

/// Code in front of a call of `operation`'s kernel, with the kernel's arguments and result in the same registers; it changes
/// others that the call may change.
///
/// Fills have one only if most are short. Copies gain nothing from one.
pub fn head(operation: Operation, detail: u32) -> Result<Option<Vec<u8>>, IcedError> {
    let work = match operation {
        Operation::Fill if Shape::from_number(detail).begins_with_a_vector() => fill,
        Operation::String(StringFunction::Memcmp) => compare,
        _ => return Ok(None),
    };
    let mut assembler = CodeAssembler::new(64)?;
    let (mut call, mut done) = (assembler.create_label(), assembler.create_label());
    assembler.cmp(rdx, Vectors::Avx512.masked_bytes() as i32)?;
    assembler.ja(call)?;
    work(&mut assembler, done)?;
    assembler.jmp(done)?;
    assembler.set_label(&mut call)?;
    assembler.db(&[0; NEAR_BYTES])?;
    assembler.set_label(&mut done)?;
    assembler.nop()?;
    let mut code = assembler.assemble(0)?;
    code.truncate(code.len() - NEAR_BYTES - 1);
    Ok(Some(code))
}

fn fill(assembler: &mut CodeAssembler, _done: CodeLabel) -> Result<(), IcedError> {
    any_fill::masked(assembler, Vectors::Avx512.masked_bytes())
}

fn compare(assembler: &mut CodeAssembler, done: CodeLabel) -> Result<(), IcedError> {
    masked_comparison(&mut Lanes::new(assembler, Vectors::Avx512), done)
}
