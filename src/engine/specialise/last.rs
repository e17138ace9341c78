//! `strrchr`: the last byte of one kind before the terminator, or the terminator.
//!
//! The first vector is looked at where the string begins, unless it would cross a page; the rest in aligned vectors. The
//! newest vector that holds the byte is remembered until the terminator appears.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Lanes, RAX, RDI, RDX};

const WANTED: usize = 0;
const ZERO: usize = 1;

pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut last = Last { lanes: Lanes::new(assembler, vectors) };
    let (crosses, looked) = (last.lanes.create_label(), last.lanes.create_label());
    last.lanes.spread(WANTED, esi)?;
    last.lanes.clear(ZERO)?;
    let bytes = last.lanes.bytes();
    last.lanes.jump_if_crossing(RDI, bytes, crosses)?;
    last.look()?;
    last.lanes.place(looked)?;
    last.search()?;
    last.lanes.place(crosses)?;
    last.across_pages()?;
    last.lanes.jmp(looked)
}

/// In use: rdi where to look, rax the mask of zeros, rdx that of the byte; r9 the newest mask of the byte that is not
/// empty, and r8 where its vector is; rcx scratch.
struct Last<'a> {
    lanes: Lanes<'a>,
}

impl Last<'_> {
    fn look(&mut self) -> Result<(), IcedError> {
        self.lanes.equal(0, ZERO, ptr(rdi))?;
        self.lanes.equal(1, WANTED, ptr(rdi))?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.mask(RDX, 1)
    }

    /// From the masks of the vector at rdi to the end.
    fn search(&mut self) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (again, ended, next, none) = (label(), label(), label(), label());
        self.lanes.xor(r9d, r9d)?;
        self.lanes.test(rax, rax)?;
        self.lanes.je(next)?;
        self.lanes.place(ended)?;
        self.lanes.lea(rcx, ptr(rax - 1))?;
        self.lanes.xor(rax, rcx)?;
        self.lanes.and(rdx, rax)?;
        self.lanes.cmove(rdx, r9)?;
        self.lanes.cmove(rdi, r8)?;
        self.highest_bit_or(none)?;
        self.lanes.add(rax, rdi)?;
        self.lanes.leave()?;
        self.lanes.place(none)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(next)?;
        self.lanes.mov(r9, rdx)?;
        self.lanes.mov(r8, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.lanes.place(again)?;
        self.lanes.add(rdi, bytes)?;
        self.look()?;
        self.lanes.test(rax, rax)?;
        self.lanes.jne(ended)?;
        self.lanes.test(rdx, rdx)?;
        self.lanes.cmovne(r9, rdx)?;
        self.lanes.cmovne(r8, rdi)?;
        self.lanes.jmp(again)
    }

    /// The masks of the first vector from the aligned one that holds its beginning.
    fn across_pages(&mut self) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.mov(r8, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.look()?;
        self.lanes.mov(rcx, r8)?;
        self.lanes.sub(rcx, rdi)?;
        self.lanes.shift_by_rcx(RAX)?;
        self.lanes.shift_by_rcx(RDX)?;
        self.lanes.mov(rdi, r8)
    }

    /// rax = the number of the highest bit of rdx; goes to `none` if it has none.
    fn highest_bit_or(&mut self, none: CodeLabel) -> Result<(), IcedError> {
        if self.lanes.vectors == Vectors::Avx512 {
            self.lanes.lzcnt(rax, rdx)?;
            self.lanes.jb(none)?;
            return self.lanes.xor(rax, 63);
        }
        self.lanes.bsr(rax, rdx)?;
        self.lanes.je(none)
    }
}
