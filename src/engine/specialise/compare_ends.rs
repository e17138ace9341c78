//! The beginning of `memcmp` with AVX-512: blocks of up to four vectors, compared at once.
//!
//! Up to a vector, a mask keeps to the block. Longer blocks are covered from both ends by two or four vectors, which
//! overlap. Blocks that reach into another page, where a byte may be out of bounds that no longer matters, go on in
//! `compare`.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::lanes::{Lanes, MASKS, ZMM};

/// Bytes in a vector.
const VECTOR: i32 = 64;

/// `memcmp`(rdi, rsi, rdx); goes to `elsewhere`, with at least one byte, for longer blocks and for those that may cross a
/// page.
pub fn emit(lanes: &mut Lanes, elsewhere: CodeLabel) -> Result<(), IcedError> {
    let (two, four, crosses) = (lanes.create_label(), lanes.create_label(), lanes.create_label());
    lanes.cmp(rdx, VECTOR)?;
    lanes.ja(two)?;
    jump_if_block_crosses(lanes, crosses)?;
    one_vector(lanes)?;
    lanes.place(two)?;
    lanes.cmp(rdx, 2 * VECTOR)?;
    lanes.ja(four)?;
    jump_if_block_crosses(lanes, elsewhere)?;
    vectors(lanes, &[(0, rdi, rsi, 0), (1, r8, r9, -VECTOR)])?;
    lanes.place(four)?;
    lanes.cmp(rdx, 4 * VECTOR)?;
    lanes.ja(elsewhere)?;
    jump_if_block_crosses(lanes, elsewhere)?;
    let ends = [(0, rdi, rsi, 0), (1, rdi, rsi, VECTOR), (2, r8, r9, -2 * VECTOR), (3, r8, r9, -VECTOR)];
    vectors(lanes, &ends)?;
    lanes.place(crosses)?;
    lanes.test(edx, edx)?;
    lanes.jne(elsewhere)?;
    lanes.leave_with_zero()
}

/// Goes to `crosses` if one of the blocks lies in two pages, or may if rdx is 0.
fn jump_if_block_crosses(lanes: &mut Lanes, crosses: CodeLabel) -> Result<(), IcedError> {
    lanes.lea(eax, ptr(rdi + rdx - 1))?;
    lanes.lea(ecx, ptr(rsi + rdx - 1))?;
    lanes.xor(eax, edi)?;
    lanes.xor(ecx, esi)?;
    lanes.or(eax, ecx)?;
    lanes.test(eax, 4096)?;
    lanes.jne(crosses)
}

fn one_vector(lanes: &mut Lanes) -> Result<(), IcedError> {
    let differ = lanes.create_label();
    lanes.mov(rax, -1i64)?;
    lanes.bzhi(rax, rax, rdx)?;
    lanes.kmovq(MASKS[1], rax)?;
    lanes.vmovdqu8(ZMM[0].k2().z(), ptr(rdi))?;
    lanes.vpcmpneqb(MASKS[0].k2(), ZMM[0], ptr(rsi))?;
    lanes.kmovq(rax, MASKS[0])?;
    lanes.test(rax, rax)?;
    lanes.jne(differ)?;
    lanes.leave()?;
    lanes.place(differ)?;
    lanes.tzcnt(rax, rax)?;
    difference(lanes)
}

/// A slot, the bases of the vectors compared in it, and how far from those they begin.
type Place = (usize, AsmRegister64, AsmRegister64, i32);

/// Compares the vectors at `places`, which cover the blocks, and ends. r8 and r9 become the ends
/// of the blocks.
fn vectors(lanes: &mut Lanes, places: &[Place]) -> Result<(), IcedError> {
    let differ = lanes.create_label();
    lanes.lea(r8, ptr(rdi + rdx))?;
    lanes.lea(r9, ptr(rsi + rdx))?;
    for (slot, first, second, offset) in places {
        lanes.vmovdqu64(ZMM[*slot], ptr(*first + *offset))?;
        lanes.vpcmpneqb(MASKS[*slot], ZMM[*slot], ptr(*second + *offset))?;
    }
    for pair in places.chunks(2) {
        lanes.kortestq(MASKS[pair[0].0], MASKS[pair[1].0])?;
        lanes.jne(differ)?;
    }
    lanes.leave_with_zero()?;
    lanes.place(differ)?;
    lanes.sub(r8, rdi)?;
    for (index, (slot, first, _, offset)) in places.iter().rev().enumerate() {
        lanes.kmovq(rcx, MASKS[*slot])?;
        lanes.tzcnt(rcx, rcx)?;
        // LEA leaves the carry of TZCNT alone, which is set for a mask without bits.
        let at = if *first == rdi { ptr(rcx + *offset) } else { ptr(rcx + r8 + *offset) };
        lanes.lea(rcx, at)?;
        if index == 0 { lanes.mov(rax, rcx)? } else { lanes.cmovae(rax, rcx)? }
    }
    difference(lanes)
}

/// Answers with the difference of the bytes at rax.
fn difference(lanes: &mut Lanes) -> Result<(), IcedError> {
    lanes.movzx(ecx, byte_ptr(rsi + rax))?;
    lanes.movzx(eax, byte_ptr(rdi + rax))?;
    lanes.sub(eax, ecx)?;
    lanes.leave()
}
