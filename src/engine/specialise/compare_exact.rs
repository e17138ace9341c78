//! `memcmp` of one small size, without a loop.
//!
//! Blocks that reach into another page are compared byte by byte, because what lies there matters only if all before it is
//! equal.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Gpr, Lanes, R8, R9, RAX, RCX};

/// The largest size for which there is such code.
pub const MAX_BYTES: u32 = 32;

/// Emits `memcmp`(rdi, rsi, `bytes`) for 1 to [`MAX_BYTES`] bytes, every end with its own `ret`.
pub fn emit_exact(assembler: &mut CodeAssembler, vectors: Vectors, bytes: u32) -> Result<(), IcedError> {
    let mut lanes = Lanes::new(assembler, vectors);
    let crosses = lanes.create_label();
    let bytes = bytes as i32;
    if bytes > 1 {
        lanes.jump_if_either_crosses(bytes, crosses)?;
    }
    match bytes {
        0..=1 => one(&mut lanes)?,
        2..=16 => words(&mut lanes, bytes)?,
        _ => vectors_of_16(&mut lanes, bytes)?,
    }
    if bytes > 1 {
        lanes.place(crosses)?;
        bytewise(&mut lanes, bytes)?;
    }
    Ok(())
}

fn one(lanes: &mut Lanes) -> Result<(), IcedError> {
    lanes.movzx(eax, byte_ptr(rdi))?;
    lanes.movzx(ecx, byte_ptr(rsi))?;
    lanes.sub(eax, ecx)?;
    lanes.ret()
}

/// Up to 8 bytes as one word, more as two that overlap.
fn words(lanes: &mut Lanes, bytes: i32) -> Result<(), IcedError> {
    let differ = lanes.create_label();
    let starts: &[i32] = if bytes > 8 { &[0, bytes - 8] } else { &[0] };
    for start in starts {
        load(lanes, RAX, rdi + *start, bytes.min(8))?;
        load(lanes, RCX, rsi + *start, bytes.min(8))?;
        lanes.cmp(rax, rcx)?;
        lanes.jne(differ)?;
    }
    lanes.xor(eax, eax)?;
    lanes.ret()?;
    lanes.place(differ)?;
    lanes.mov(r8, rax)?;
    lanes.xor(r8, rcx)?;
    lanes.first_of(R9, R8)?;
    lanes.mov(r8, rcx)?;
    // The bit's byte: a shift by whole bytes brings it down.
    lanes.mov(ecx, r9d)?;
    lanes.and(ecx, -8)?;
    lanes.shr(rax, cl)?;
    lanes.shr(r8, cl)?;
    lanes.movzx(eax, al)?;
    lanes.movzx(ecx, r8b)?;
    lanes.sub(eax, ecx)?;
    lanes.ret()
}

/// `to` = 2 to 8 bytes, the first lowest: one load, or two that overlap. Destroys r8.
fn load(lanes: &mut Lanes, to: Gpr, from: AsmMemoryOperand, bytes: i32) -> Result<(), IcedError> {
    let width = [8, 4, 2].into_iter().find(|width| *width <= bytes).unwrap_or(2);
    load_word(lanes, to, from, width)?;
    let rest = bytes - width;
    if rest > 0 {
        load_word(lanes, R8, from + rest, width)?;
        lanes.shl(r8, 8 * rest)?;
        lanes.or(to.whole, r8)?;
    }
    Ok(())
}

fn load_word(lanes: &mut Lanes, to: Gpr, from: AsmMemoryOperand, width: i32) -> Result<(), IcedError> {
    match width {
        8 => lanes.mov(to.whole, qword_ptr(from)),
        4 => lanes.mov(to.low, dword_ptr(from)),
        _ => lanes.movzx(to.low, word_ptr(from)),
    }
}

/// 17 to 32 bytes as two vectors that overlap.
fn vectors_of_16(lanes: &mut Lanes, bytes: i32) -> Result<(), IcedError> {
    let (rest, differ) = (bytes - 16, lanes.create_label());
    lanes.movdqu(xmm0, ptr(rdi))?;
    lanes.movdqu(xmm1, ptr(rsi))?;
    lanes.movdqu(xmm2, ptr(rdi + rest))?;
    lanes.movdqu(xmm3, ptr(rsi + rest))?;
    lanes.pcmpeqb(xmm0, xmm1)?;
    lanes.pcmpeqb(xmm2, xmm3)?;
    lanes.pmovmskb(eax, xmm0)?;
    lanes.pmovmskb(ecx, xmm2)?;
    lanes.shl(ecx, rest)?;
    lanes.or(eax, ecx)?;
    lanes.xor(eax, u32::MAX >> (32 - bytes))?;
    lanes.jne(differ)?;
    lanes.ret()?;
    lanes.place(differ)?;
    lanes.first_of(RAX, RAX)?;
    lanes.movzx(ecx, byte_ptr(rsi + rax))?;
    lanes.movzx(eax, byte_ptr(rdi + rax))?;
    lanes.sub(eax, ecx)?;
    lanes.ret()
}

fn bytewise(lanes: &mut Lanes, bytes: i32) -> Result<(), IcedError> {
    let (again, done) = (lanes.create_label(), lanes.create_label());
    lanes.mov(edx, bytes)?;
    lanes.place(again)?;
    lanes.movzx(eax, byte_ptr(rdi))?;
    lanes.movzx(ecx, byte_ptr(rsi))?;
    lanes.sub(eax, ecx)?;
    lanes.jne(done)?;
    lanes.inc(rdi)?;
    lanes.inc(rsi)?;
    lanes.dec(edx)?;
    lanes.jne(again)?;
    lanes.place(done)?;
    lanes.ret()
}
