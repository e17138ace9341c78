//! Copies of any size, with `memmove`'s semantics.
//!
//! Up to a few vectors, everything is loaded before anything is stored, so the direction does not matter. Longer
//! blocks go through a loop upwards, or downwards where the destination begins inside the source; its stores are
//! aligned, and what is left at both ends was loaded before the loop began.
//!
//! Neighbours: `shape` orders the tests, `vectors` encodes the moves.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::any_size::{Limits, Store, emit_classes, emit_ways, masks, quarters};
use super::shape::{Shape, SizeClass};
use super::vectors::{COPY_BYTES, Moves};

/// Vectors that one round of a loop moves.
const ROUND: u32 = 4;
/// The registers of a round, after it those of the far end, and the one of the near end.
const FAR_END: usize = ROUND as usize;
const NEAR_END: usize = 2 * ROUND as usize;

/// Emits the copy of `rdx` (at most 32 bits) bytes from `[rsi]` to `[rdi]`, without its last `ret`.
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

/// 0 to `max` bytes (64 or 128) without a branch: lanes that a mask leaves out are neither moved nor can they fault.
///
/// The price is that a masked store is not forwarded: a load of the copy that is waited for at once comes 3 to 5 ns later
/// on Zen 4. The branches it saves cost about as much at every other call whose size is not foreseen.
fn masked(assembler: &mut CodeAssembler, max: u32) -> Result<(), IcedError> {
    masks(assembler, max)?;
    assembler.vmovdqu8(zmm16.k1().z(), zmmword_ptr(rsi))?;
    if max > 64 {
        assembler.vmovdqu8(zmm17.k2().z(), zmmword_ptr(rsi + 64))?;
        assembler.vmovdqu8(zmmword_ptr(rdi + 64).k2(), zmm17)?;
    }
    assembler.vmovdqu8(zmmword_ptr(rdi).k1(), zmm16)
}

/// 0 to 4 bytes.
fn bytes(assembler: &mut CodeAssembler) -> Result<(), IcedError> {
    let mut nothing = assembler.create_label();
    assembler.test(edx, edx)?;
    assembler.je(nothing)?;
    quarters(assembler, 1)?;
    assembler.movzx(r8d, byte_ptr(rsi))?;
    assembler.movzx(r9d, byte_ptr(rsi + rax))?;
    assembler.movzx(r10d, byte_ptr(rsi + rcx - 1))?;
    assembler.movzx(r11d, byte_ptr(rsi + rdx - 1))?;
    assembler.mov(byte_ptr(rdi), r8b)?;
    assembler.mov(byte_ptr(rdi + rax), r9b)?;
    assembler.mov(byte_ptr(rdi + rcx - 1), r10b)?;
    assembler.mov(byte_ptr(rdi + rdx - 1), r11b)?;
    assembler.set_label(&mut nothing)
}

/// 4 to 16 bytes.
fn words(assembler: &mut CodeAssembler) -> Result<(), IcedError> {
    quarters(assembler, 4)?;
    assembler.mov(r8d, dword_ptr(rsi))?;
    assembler.mov(r9d, dword_ptr(rsi + rax))?;
    assembler.mov(r10d, dword_ptr(rsi + rcx - 4))?;
    assembler.mov(r11d, dword_ptr(rsi + rdx - 4))?;
    assembler.mov(dword_ptr(rdi), r8d)?;
    assembler.mov(dword_ptr(rdi + rax), r9d)?;
    assembler.mov(dword_ptr(rdi + rcx - 4), r10d)?;
    assembler.mov(dword_ptr(rdi + rdx - 4), r11d)
}

/// `half` to twice `half` bytes.
fn both_ends(assembler: &mut CodeAssembler, vectors: Vectors, half: u32) -> Result<(), IcedError> {
    let mut moves = Moves::widest(assembler, vectors, half.min(COPY_BYTES));
    let width = moves.width() as i32;
    let offsets = |base: AsmRegister64| {
        let places = (0..half as i32 / width).map(move |index| index * width);
        places.flat_map(move |place| [base + place, base + rdx + (place - half as i32)])
    };
    for (register, from) in offsets(rsi).enumerate() {
        moves.load(register, from)?;
    }
    for (register, to) in offsets(rdi).enumerate() {
        moves.store(to, register)?;
    }
    moves.clean()
}

/// `quarter` to four times `quarter` bytes.
fn vector_quarters(assembler: &mut CodeAssembler, vectors: Vectors, quarter: u32) -> Result<(), IcedError> {
    quarters(assembler, quarter)?;
    let mut moves = Moves::widest(assembler, vectors, quarter.min(COPY_BYTES));
    let width = moves.width();
    let offsets = |base: AsmRegister64| {
        let places = (0..quarter / width).map(move |index| (index * width) as i32);
        places.flat_map(move |place| {
            [
                base + place,
                base + rax + place,
                base + rcx + (place - quarter as i32),
                base + rdx + (place - quarter as i32),
            ]
        })
    };
    for (register, from) in offsets(rsi).enumerate() {
        moves.load(register, from)?;
    }
    for (register, to) in offsets(rdi).enumerate() {
        moves.store(to, register)?;
    }
    moves.clean()
}

/// Copies blocks longer than [`ROUND`] vectors and two more.
fn long(assembler: &mut CodeAssembler, vectors: Vectors, limits: Limits) -> Result<(), IcedError> {
    let mut downwards = assembler.create_label();
    // How far the destination is above the source, modulo 2^64.
    assembler.mov(rax, rdi)?;
    assembler.sub(rax, rsi)?;
    assembler.cmp(rax, rdx)?;
    assembler.jb(downwards)?;
    // The string instruction is slow where blocks overlap, and what was streamed would be read again.
    let unless_apart = |assembler: &mut CodeAssembler, label| {
        assembler.neg(rax)?;
        assembler.cmp(rax, rdx)?;
        assembler.jb(label)
    };
    let by_string = |assembler: &mut CodeAssembler| {
        assembler.mov(ecx, edx)?;
        assembler.rep().movsb()
    };
    emit_ways(assembler, limits, unless_apart, by_string, |assembler, store| {
        loop_upwards(&mut Moves::widest(assembler, vectors, COPY_BYTES), store)
    })?;
    assembler.ret()?;
    assembler.set_label(&mut downwards)?;
    loop_downwards(&mut Moves::widest(assembler, vectors, COPY_BYTES))
}

/// `r8` = the first byte to store, `rdi` = the aligned place of the round, `rcx` = where the last round begins.
fn loop_upwards(moves: &mut Moves, store: Store) -> Result<(), IcedError> {
    let width = moves.width() as i32;
    let round = ROUND as i32 * width;
    for index in 0..ROUND as i32 {
        moves.load(FAR_END + index as usize, rsi + rdx - (index + 1) * width)?;
    }
    moves.load(NEAR_END, rsi + 0)?;
    let assembler = &mut *moves.assembler;
    assembler.mov(r8, rdi)?;
    assembler.lea(rcx, qword_ptr(rdi + rdx - round))?;
    assembler.sub(rsi, rdi)?;
    assembler.or(rdi, width - 1)?;
    assembler.inc(rdi)?;
    let mut again = assembler.create_label();
    assembler.set_label(&mut again)?;
    for index in 0..ROUND as i32 {
        moves.load(index as usize, rsi + rdi + index * width)?;
    }
    for index in 0..ROUND as i32 {
        moves.store_as(store, rdi + index * width, index as usize)?;
    }
    moves.assembler.add(rdi, round)?;
    moves.assembler.cmp(rdi, rcx)?;
    moves.assembler.jb(again)?;
    if store == Store::PastCaches {
        moves.assembler.sfence()?;
    }
    for index in 0..ROUND as i32 {
        moves.store(rcx + (round - (index + 1) * width), FAR_END + index as usize)?;
    }
    moves.store(r8 + 0, NEAR_END)?;
    moves.clean()
}

/// The mirror of [`loop_upwards`]: `r8` = the end of the block, `rax` = the aligned end of the round, `rcx` = where the
/// last round ends.
fn loop_downwards(moves: &mut Moves) -> Result<(), IcedError> {
    let width = moves.width() as i32;
    let round = ROUND as i32 * width;
    for index in 0..ROUND as i32 {
        moves.load(FAR_END + index as usize, rsi + index * width)?;
    }
    moves.load(NEAR_END, rsi + rdx - width)?;
    let assembler = &mut *moves.assembler;
    assembler.lea(r8, qword_ptr(rdi + rdx))?;
    assembler.lea(rax, qword_ptr(rdi + rdx - 1))?;
    assembler.and(rax, -width)?;
    assembler.lea(rcx, qword_ptr(rdi + round))?;
    assembler.sub(rsi, rdi)?;
    let mut again = assembler.create_label();
    assembler.set_label(&mut again)?;
    for index in 0..ROUND as i32 {
        moves.load(index as usize, rsi + rax - (index + 1) * width)?;
    }
    for index in 0..ROUND as i32 {
        moves.store(rax - (index + 1) * width, index as usize)?;
    }
    moves.assembler.sub(rax, round)?;
    moves.assembler.cmp(rax, rcx)?;
    moves.assembler.ja(again)?;
    for index in 0..ROUND as i32 {
        moves.store(rdi + index * width, FAR_END + index as usize)?;
    }
    moves.store(r8 - width, NEAR_END)?;
    moves.clean()
}
