//! `strcpy`, `strcat` and `strncpy`: copies up to a terminator.
//!
//! A vector that would cross a page is not loaded before its first part is known to hold no terminator. Strings that
//! begin less than a vector apart are copied byte by byte; farther apart, copying by vectors upwards has the same outcome
//! even if they overlap.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::find::emit_end;
use super::lanes::{Lanes, MASKS, R8, RAX, RSI, ZMM};

const TEXT: usize = 0;
const ZERO: usize = 1;

/// `strcpy`(rdi, rsi).
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut copy = Copy { lanes: Lanes::new(assembler, vectors) };
    let labels = Labels::new(&mut copy.lanes);
    copy.lanes.clear(ZERO)?;
    copy.first(labels)?;
    copy.rest(labels)?;
    if vectors == Vectors::Avx512 {
        copy.masked(labels)?;
    }
    copy.bytewise(labels)
}

/// `strcat`(rdi, rsi).
pub fn emit_append(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut copy = assembler.create_label();
    emit_end(assembler, vectors, copy)?;
    assembler.set_label(&mut copy)?;
    emit(assembler, vectors)
}

#[derive(Clone, Copy)]
struct Labels {
    /// From rsi to rdi.
    begin: CodeLabel,
    /// The vector at rsi would cross a page.
    crosses: CodeLabel,
    /// The vector at rsi holds no terminator.
    next: CodeLabel,
    /// The next r8 bytes, one by one.
    bytes: CodeLabel,
    /// rsi and rdi are less than a vector apart.
    near: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self { begin: label(), crosses: label(), next: label(), bytes: label(), near: label() }
    }
}

/// In use: rdi and rsi where to copy, rax mask and index, rcx and r8 scratch.
struct Copy<'a> {
    lanes: Lanes<'a>,
}

impl Copy<'_> {
    fn first(&mut self, labels: Labels) -> Result<(), IcedError> {
        self.lanes.place(labels.begin)?;
        jump_if_near(&mut self.lanes, labels.near)?;
        self.lanes.jump_if_crossing(RSI, self.lanes.bytes(), labels.crosses)?;
        self.lanes.load(TEXT, ptr(rsi))?;
        self.lanes.equal(0, ZERO, ptr(rsi))?;
        self.lanes.mask(RAX, 0)?;
        if self.lanes.vectors == Vectors::Avx512 {
            self.lanes.test(rax, rax)?;
            self.lanes.je(labels.next)?;
            return self.store_through_lowest_bit();
        }
        self.lanes.first_or(RAX, labels.next)?;
        self.short()
    }

    /// Stores the bytes of the vector up to the lowest bit of rax and ends.
    fn store_through_lowest_bit(&mut self) -> Result<(), IcedError> {
        self.lanes.blsmsk(rax, rax)?;
        self.lanes.kmovq(MASKS[0], rax)?;
        self.lanes.vmovdqu8(ptr(rdi).k1(), ZMM[TEXT])?;
        self.lanes.leave()
    }

    /// Copies rax + 1 bytes, at most a vector, and ends.
    fn short(&mut self) -> Result<(), IcedError> {
        let mut label = || self.lanes.create_label();
        let (below_16, below_8, below_4, below_2) = (label(), label(), label(), label());
        self.lanes.cmp(eax, 15)?;
        self.lanes.jb(below_16)?;
        self.lanes.movdqu(xmm0, ptr(rsi))?;
        self.lanes.movdqu(xmm1, ptr(rsi + rax - 15))?;
        self.lanes.movdqu(ptr(rdi), xmm0)?;
        self.lanes.movdqu(ptr(rdi + rax - 15), xmm1)?;
        self.lanes.leave()?;
        self.lanes.place(below_16)?;
        self.lanes.cmp(eax, 7)?;
        self.lanes.jb(below_8)?;
        self.lanes.mov(rcx, ptr(rsi))?;
        self.lanes.mov(r8, ptr(rsi + rax - 7))?;
        self.lanes.mov(ptr(rdi), rcx)?;
        self.lanes.mov(ptr(rdi + rax - 7), r8)?;
        self.lanes.leave()?;
        self.lanes.place(below_8)?;
        self.lanes.cmp(eax, 3)?;
        self.lanes.jb(below_4)?;
        self.lanes.mov(ecx, ptr(rsi))?;
        self.lanes.mov(r8d, ptr(rsi + rax - 3))?;
        self.lanes.mov(ptr(rdi), ecx)?;
        self.lanes.mov(ptr(rdi + rax - 3), r8d)?;
        self.lanes.leave()?;
        self.lanes.place(below_4)?;
        self.lanes.test(eax, eax)?;
        self.lanes.je(below_2)?;
        self.lanes.movzx(ecx, word_ptr(rsi))?;
        self.lanes.mov(word_ptr(rdi), cx)?;
        self.lanes.place(below_2)?;
        self.lanes.mov(byte_ptr(rdi + rax), 0)?;
        self.lanes.leave()
    }

    /// Aligned vectors behind the first; the last ends with the terminator.
    fn rest(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let (again, look) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(labels.next)?;
        self.lanes.store(ptr(rdi), TEXT)?;
        self.lanes.mov(rcx, rsi)?;
        self.lanes.and(rsi, -bytes)?;
        self.lanes.sub(rcx, rsi)?;
        self.lanes.sub(rdi, rcx)?;
        self.lanes.jmp(look)?;
        self.lanes.place(again)?;
        self.lanes.store(ptr(rdi), TEXT)?;
        self.lanes.place(look)?;
        self.lanes.add(rsi, bytes)?;
        self.lanes.add(rdi, bytes)?;
        self.lanes.load(TEXT, ptr(rsi))?;
        self.lanes.equal(0, ZERO, ptr(rsi))?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.first_or(RAX, again)?;
        self.lanes.load(TEXT, ptr(rsi + rax + (1 - bytes)))?;
        self.lanes.store(ptr(rdi + rax + (1 - bytes)), TEXT)?;
        self.lanes.leave()
    }

    /// What is left of the page at once.
    fn masked(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (in_page, next) = (MASKS[1], self.lanes.create_label());
        self.lanes.place(labels.crosses)?;
        self.lanes.bytes_left_in_page(R8, RSI)?;
        self.lanes.mov(rax, -1i64)?;
        self.lanes.bzhi(rax, rax, r8)?;
        self.lanes.kmovq(in_page, rax)?;
        self.lanes.vmovdqu8(ZMM[TEXT].k2().z(), ptr(rsi))?;
        self.lanes.vptestnmb(MASKS[0].k2(), ZMM[TEXT], ZMM[TEXT])?;
        self.lanes.kmovq(rax, MASKS[0])?;
        self.lanes.test(rax, rax)?;
        self.lanes.je(next)?;
        self.store_through_lowest_bit()?;
        self.lanes.place(next)?;
        self.lanes.vmovdqu8(ptr(rdi).k2(), ZMM[TEXT])?;
        self.lanes.add(rsi, r8)?;
        self.lanes.add(rdi, r8)?;
        self.lanes.jmp(labels.begin)
    }

    fn bytewise(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (ended, again) = (self.lanes.create_label(), labels.bytes);
        if self.lanes.vectors != Vectors::Avx512 {
            self.lanes.place(labels.crosses)?;
            self.lanes.bytes_left_in_page(R8, RSI)?;
            self.lanes.jmp(again)?;
        }
        self.lanes.place(labels.near)?;
        self.lanes.mov(r8, -1i64)?;
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rsi))?;
        self.lanes.mov(byte_ptr(rdi), al)?;
        self.lanes.test(eax, eax)?;
        self.lanes.je(ended)?;
        self.lanes.inc(rsi)?;
        self.lanes.inc(rdi)?;
        self.lanes.dec(r8)?;
        self.lanes.jne(again)?;
        self.lanes.jmp(labels.begin)?;
        self.lanes.place(ended)?;
        self.lanes.leave()
    }
}

/// `strncpy`(rdi, rsi, rdx). In use: as in [`Copy`], and rdx bytes to write.
pub fn emit_bounded(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut lanes = Lanes::new(assembler, vectors);
    let mut label = || lanes.create_label();
    let (begin, one, string_end, fill) = (label(), label(), label(), label());
    let done = label();
    lanes.clear(ZERO)?;
    lanes.place(begin)?;
    jump_if_near(&mut lanes, one)?;
    if vectors == Vectors::Avx512 {
        bounded_masked(&mut lanes, begin, fill)?;
    } else {
        bounded_whole(&mut lanes, begin, one, string_end)?;
    }
    // A byte, because a vector may be too much.
    lanes.place(one)?;
    lanes.test(rdx, rdx)?;
    lanes.je(done)?;
    copy_byte(&mut lanes)?;
    lanes.jne(begin)?;
    if vectors != Vectors::Avx512 {
        lanes.jmp(fill)?;
        lanes.place(string_end)?;
        copy_byte(&mut lanes)?;
        lanes.jne(string_end)?;
    }
    emit_zeros(&mut lanes, fill, done)?;
    lanes.place(done)?;
    lanes.leave()
}

/// A vector, unless one would be too much.
fn bounded_whole(lanes: &mut Lanes, begin: CodeLabel, one: CodeLabel, string_end: CodeLabel) -> Result<(), IcedError> {
    let bytes = lanes.bytes();
    lanes.jump_if_crossing(RSI, bytes, one)?;
    lanes.cmp(rdx, bytes)?;
    lanes.jb(one)?;
    lanes.load(TEXT, ptr(rsi))?;
    lanes.equal(0, ZERO, ptr(rsi))?;
    lanes.mask(RAX, 0)?;
    lanes.test(rax, rax)?;
    lanes.jne(string_end)?;
    lanes.store(ptr(rdi), TEXT)?;
    lanes.add(rsi, bytes)?;
    lanes.add(rdi, bytes)?;
    lanes.sub(rdx, bytes)?;
    lanes.jmp(begin)
}

/// As much of a vector as there is of the page and the bound; what follows the terminator becomes zeros.
fn bounded_masked(lanes: &mut Lanes, begin: CodeLabel, fill: CodeLabel) -> Result<(), IcedError> {
    let (terminator, written, ended) = (MASKS[0], MASKS[1], lanes.create_label());
    lanes.bytes_left_in_page(R8, RSI)?;
    lanes.mov(eax, 64)?;
    lanes.cmp(r8d, eax)?;
    lanes.cmova(r8d, eax)?;
    lanes.cmp(r8, rdx)?;
    lanes.cmova(r8, rdx)?;
    lanes.mov(rax, -1i64)?;
    lanes.bzhi(rax, rax, r8)?;
    lanes.kmovq(written, rax)?;
    lanes.vmovdqu8(ZMM[TEXT].k2().z(), ptr(rsi))?;
    lanes.vptestnmb(terminator.k2(), ZMM[TEXT], ZMM[TEXT])?;
    lanes.kmovq(rax, terminator)?;
    lanes.add(rsi, r8)?;
    lanes.test(rax, rax)?;
    lanes.jne(ended)?;
    lanes.vmovdqu8(ptr(rdi).k2(), ZMM[TEXT])?;
    lanes.add(rdi, r8)?;
    lanes.sub(rdx, r8)?;
    lanes.jne(begin)?;
    lanes.leave()?;
    lanes.place(ended)?;
    lanes.blsmsk(rax, rax)?;
    lanes.kmovq(terminator, rax)?;
    lanes.vmovdqu8(ZMM[TEXT].k1().z(), ZMM[TEXT])?;
    lanes.vmovdqu8(ptr(rdi).k2(), ZMM[TEXT])?;
    lanes.add(rdi, r8)?;
    lanes.sub(rdx, r8)?;
    lanes.jne(fill)?;
    lanes.leave()
}

/// The byte at rsi to rdi; the zero flag says whether it is the terminator.
fn copy_byte(lanes: &mut Lanes) -> Result<(), IcedError> {
    lanes.movzx(eax, byte_ptr(rsi))?;
    lanes.mov(byte_ptr(rdi), al)?;
    lanes.inc(rsi)?;
    lanes.inc(rdi)?;
    lanes.dec(rdx)?;
    lanes.test(eax, eax)
}

/// rdx zeros at rdi, beginning at `vector`; goes to `done`, which follows.
fn emit_zeros(lanes: &mut Lanes, vector: CodeLabel, done: CodeLabel) -> Result<(), IcedError> {
    let bytes = lanes.bytes();
    let mut label = || lanes.create_label();
    let (rest, one) = (label(), label());
    lanes.place(vector)?;
    lanes.cmp(rdx, bytes)?;
    lanes.jb(rest)?;
    lanes.store(ptr(rdi), ZERO)?;
    lanes.add(rdi, bytes)?;
    lanes.sub(rdx, bytes)?;
    lanes.jmp(vector)?;
    lanes.place(rest)?;
    if lanes.vectors == Vectors::Avx512 {
        lanes.mov(rax, -1i64)?;
        lanes.bzhi(rax, rax, rdx)?;
        lanes.kmovq(MASKS[0], rax)?;
        return lanes.vmovdqu8(ptr(rdi).k1(), ZMM[ZERO]);
    }
    lanes.test(rdx, rdx)?;
    lanes.je(done)?;
    lanes.place(one)?;
    lanes.mov(byte_ptr(rdi), 0)?;
    lanes.inc(rdi)?;
    lanes.dec(rdx)?;
    lanes.jne(one)
}

/// Goes to `near` if rdi and rsi are less than a vector apart. Destroys rax.
fn jump_if_near(lanes: &mut Lanes, near: CodeLabel) -> Result<(), IcedError> {
    let bytes = lanes.bytes();
    lanes.lea(rax, ptr(rdi + (bytes - 1)))?;
    lanes.sub(rax, rsi)?;
    lanes.cmp(rax, 2 * bytes - 2)?;
    lanes.jbe(near)
}
