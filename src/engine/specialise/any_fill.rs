//! Fills of any size.
//!
//! Short blocks are covered by vectors from both ends that overlap in the middle, longer ones by a loop of aligned
//! stores between two ends. Neighbours: `shape` orders the tests, `vectors` encodes the moves.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::any_size::{Limits, Store, emit_classes, emit_ways, masks, quarters};
use super::shape::{Shape, SizeClass};
use super::vectors::{EVERY_BYTE, Moves};

/// Vectors that one round of a loop stores.
const ROUND: i32 = 4;

/// Emits the fill of `rdx` (at most 32 bits) bytes at `[rdi]` with the byte in `sil`, without its last `ret`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, shape: Shape, limits: Limits) -> Result<(), IcedError> {
    emit_classes(assembler, vectors, shape, |assembler, class| match class {
        SizeClass { min: 0, max } if vectors == Vectors::Avx512 => masked(assembler, max),
        SizeClass { max: 4, .. } => bytes(assembler),
        SizeClass { max: 16, .. } => words(assembler),
        class if class.is_open() => long(assembler, vectors, limits),
        SizeClass { min, max } if max / 2 < min => both_ends(assembler, vectors, max / 2),
        SizeClass { max, .. } => vector_quarters(assembler, vectors, max / 4),
    })
}

/// 0 to `max` bytes (64 or 128) without a branch: lanes that a mask leaves out are neither stored nor can they fault.
pub fn masked(assembler: &mut CodeAssembler, max: u32) -> Result<(), IcedError> {
    masks(assembler, max)?;
    assembler.vpbroadcastb(zmm16, esi)?;
    if max > 64 {
        assembler.vmovdqu8(zmmword_ptr(rdi + 64).k2(), zmm16)?;
    }
    assembler.vmovdqu8(zmmword_ptr(rdi).k1(), zmm16)
}

/// 0 to 4 bytes.
fn bytes(assembler: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut nothing = assembler.create_label();
    assembler.test(edx, edx)?;
    assembler.je(nothing)?;
    quarters(assembler, 1)?;
    assembler.mov(byte_ptr(rdi), sil)?;
    assembler.mov(byte_ptr(rdi + rax), sil)?;
    assembler.mov(byte_ptr(rdi + rcx - 1), sil)?;
    assembler.mov(byte_ptr(rdi + rdx - 1), sil)?;
    assembler.set_label(&mut nothing)
}

/// 4 to 16 bytes.
fn words(assembler: &mut CodeAssembler) -> Result<(), IcedError> {
    quarters(assembler, 4)?;
    assembler.movzx(esi, sil)?;
    assembler.imul_3(esi, esi, EVERY_BYTE)?;
    assembler.mov(dword_ptr(rdi), esi)?;
    assembler.mov(dword_ptr(rdi + rax), esi)?;
    assembler.mov(dword_ptr(rdi + rcx - 4), esi)?;
    assembler.mov(dword_ptr(rdi + rdx - 4), esi)
}

/// `half` to twice `half` bytes.
fn both_ends(assembler: &mut CodeAssembler, vectors: Vectors, half: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, half);
    let width = moves.width();
    moves.broadcast(0)?;
    for place in (0..half / width).map(|index| (index * width) as i32) {
        moves.store(rdi + place, 0)?;
        moves.store(rdi + rdx + (place - half as i32), 0)?;
    }
    moves.clean()
}

/// `quarter` to four times `quarter` bytes.
fn vector_quarters(assembler: &mut CodeAssembler, vectors: Vectors, quarter: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, quarter);
    let width = moves.width();
    moves.broadcast(0)?;
    quarters(moves.assembler, quarter)?;
    for place in (0..quarter / width).map(|index| (index * width) as i32) {
        moves.store(rdi + place, 0)?;
        moves.store(rdi + rax + place, 0)?;
        moves.store(rdi + rcx + (place - quarter as i32), 0)?;
        moves.store(rdi + rdx + (place - quarter as i32), 0)?;
    }
    moves.clean()
}

/// Fills blocks longer than [`ROUND`] vectors and two more.
fn long(assembler: &mut CodeAssembler, vectors: Vectors, limits: Limits) -> Result<(), IcedError> {
    let by_string = |assembler: &mut CodeAssembler| {
        assembler.mov(eax, esi)?;
        assembler.mov(ecx, edx)?;
        assembler.rep().stosb()
    };
    emit_ways(
        assembler,
        limits,
        |_, _| Ok(()),
        by_string,
        |assembler, store| aligned_loop(&mut Moves::widest(assembler, vectors, u32::MAX), store),
    )
}

/// `rdi` = the aligned place of the round, `rcx` = where the last round begins.
fn aligned_loop(moves: &mut Moves, store: Store) -> Result<(), IcedError> {
    let width = moves.width() as i32;
    let round = ROUND * width;
    moves.broadcast(0)?;
    moves.store(rdi + 0, 0)?;
    moves.assembler.lea(rcx, qword_ptr(rdi + rdx - round))?;
    moves.assembler.or(rdi, width - 1)?;
    moves.assembler.inc(rdi)?;
    let mut again = moves.assembler.create_label();
    moves.assembler.set_label(&mut again)?;
    for index in 0..ROUND {
        moves.store_as(store, rdi + index * width, 0)?;
    }
    moves.assembler.add(rdi, round)?;
    moves.assembler.cmp(rdi, rcx)?;
    moves.assembler.jb(again)?;
    if store == Store::PastCaches {
        moves.assembler.sfence()?;
    }
    for index in 0..ROUND {
        moves.store(rcx + index * width, 0)?;
    }
    moves.clean()
}
