//! The shortest way of some kernels with AVX-512, to be pasted in front of their calls: blocks of up to one vector, under a
//! mask. Neighbours: `any_fill` and `compare_blocks` do the rest, and the same again.

use alloc::vec::Vec;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Operation;
use super::shape::Shape;
use super::strings::StringFunction;

/// Bytes of the call that a head jumps over.
const CALL_BYTES: usize = 5;
/// The largest block that a head does.
const VECTOR: i32 = 64;

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
    assembler.cmp(rdx, VECTOR)?;
    assembler.ja(call)?;
    assembler.or(rax, -1)?;
    assembler.bzhi(rax, rax, rdx)?;
    assembler.kmovq(k1, rax)?;
    work(&mut assembler, done)?;
    assembler.set_label(&mut call)?;
    assembler.db(&[0; CALL_BYTES])?;
    assembler.set_label(&mut done)?;
    assembler.nop()?;
    let mut code = assembler.assemble(0)?;
    code.truncate(code.len() - CALL_BYTES - 1);
    Ok(Some(code))
}

fn fill(assembler: &mut CodeAssembler, done: CodeLabel) -> Result<(), IcedError> {
    assembler.vpbroadcastb(zmm16, esi)?;
    assembler.vmovdqu8(zmmword_ptr(rdi).k1(), zmm16)?;
    assembler.jmp(done)
}

fn compare(assembler: &mut CodeAssembler, done: CodeLabel) -> Result<(), IcedError> {
    assembler.vmovdqu8(zmm16.k1().z(), zmmword_ptr(rdi))?;
    assembler.vpcmpneqb(k2.k1(), zmm16, zmmword_ptr(rsi))?;
    assembler.kmovq(rax, k2)?;
    assembler.test(rax, rax)?;
    assembler.je(done)?;
    assembler.tzcnt(rax, rax)?;
    assembler.movzx(ecx, byte_ptr(rsi + rax))?;
    assembler.movzx(eax, byte_ptr(rdi + rax))?;
    assembler.sub(eax, ecx)?;
    assembler.jmp(done)
}
