//! `memcmp`: the first place where two blocks differ.
//!
//! All of both blocks must be in memory, so the code loads what it likes inside them. Short blocks are compared at once:
//! with AVX-512 under a mask or from both ends by vectors that overlap, else in one vector, unless that would cross a
//! page behind the block. Longer ones go vector by vector, or four at a time, and end in vectors that end with them.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::any_size::masks;
use super::lanes::{Lanes, MASKS, RAX, SLOTS, ZMM};

/// What is compared, and what inverts the outcome except with AVX-512.
const FIRST: usize = 0;
const ONES: usize = 1;

/// Emits `memcmp`(rdi, rsi, rdx).
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors) -> Result<(), IcedError> {
    let mut lanes = Lanes::new(assembler, vectors);
    let (stop, hit, equal) = (lanes.create_label(), lanes.create_label(), lanes.create_label());
    let mut compare = Compare { lanes, stop, hit, equal };
    match vectors {
        Vectors::Avx512 => compare.at_once()?,
        Vectors::Sse2 | Vectors::Avx2 => compare.up_to_four_vectors()?,
    }
    compare.long()?;
    compare.lanes.place(hit)?;
    compare.lanes.first_of_slots()?;
    compare.lanes.place(stop)?;
    compare.difference()?;
    compare.lanes.place(equal)?;
    compare.lanes.leave_with_zero()
}

/// In use: rdi and rsi where to compare, rdx how many bytes from there, rax mask and index, rcx, r8 and r9 scratch.
struct Compare<'a> {
    lanes: Lanes<'a>,
    /// The blocks differ at rax from rdi and rsi.
    stop: CodeLabel,
    /// They differ in the slots.
    hit: CodeLabel,
    equal: CodeLabel,
}

/// A slot, the bases of the vectors compared in it, and how far from those they begin.
type Place = (usize, AsmRegister64, AsmRegister64, i32);

impl Compare<'_> {
    /// Blocks of up to four vectors of AVX-512; goes on behind this code for longer ones.
    fn at_once(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (two, four, more) = (label(), label(), label());
        self.lanes.cmp(rdx, vector)?;
        self.lanes.ja(two)?;
        self.masked()?;
        self.lanes.place(two)?;
        self.lanes.cmp(rdx, 2 * vector)?;
        self.lanes.ja(four)?;
        self.compare_ends(&[(0, rdi, rsi, 0), (1, r8, r9, -vector)])?;
        self.lanes.place(four)?;
        self.lanes.cmp(rdx, 4 * vector)?;
        self.lanes.ja(more)?;
        let ends = [(0, rdi, rsi, 0), (1, rdi, rsi, vector), (2, r8, r9, -2 * vector), (3, r8, r9, -vector)];
        self.compare_ends(&ends)?;
        self.lanes.place(more)?;
        self.touch_ends()
    }

    /// Up to one vector: bytes that the mask leaves out are not loaded.
    fn masked(&mut self) -> Result<(), IcedError> {
        let done = self.lanes.create_label();
        masked_comparison(&mut self.lanes, done)?;
        self.lanes.place(done)?;
        self.lanes.leave()
    }

    /// Compares the vectors at `places`, which cover the blocks, and ends. r8 and r9 become the ends of the blocks.
    fn compare_ends(&mut self, places: &[Place]) -> Result<(), IcedError> {
        let differ = self.lanes.create_label();
        self.lanes.lea(r8, ptr(rdi + rdx))?;
        self.lanes.lea(r9, ptr(rsi + rdx))?;
        for (slot, first, second, offset) in places {
            self.lanes.vmovdqu64(ZMM[*slot], ptr(*first + *offset))?;
            self.lanes.vpcmpneqb(MASKS[*slot], ZMM[*slot], ptr(*second + *offset))?;
        }
        for pair in places.chunks(2) {
            self.lanes.kortestq(MASKS[pair[0].0], MASKS[pair[1].0])?;
            self.lanes.jne(differ)?;
        }
        self.lanes.leave_with_zero()?;
        self.lanes.place(differ)?;
        self.lanes.sub(r8, rdi)?;
        for (index, (slot, first, _, offset)) in places.iter().rev().enumerate() {
            self.lanes.kmovq(rcx, MASKS[*slot])?;
            self.lanes.tzcnt(rcx, rcx)?;
            // LEA leaves the carry of TZCNT alone, which is set for a mask without bits.
            let at = if *first == rdi { ptr(rcx + *offset) } else { ptr(rcx + r8 + *offset) };
            self.lanes.lea(rcx, at)?;
            if index == 0 { self.lanes.mov(rax, rcx)? } else { self.lanes.cmovae(rax, rcx)? }
        }
        self.difference()
    }

    /// Blocks of up to four vectors, one by one, but not with AVX-512; goes on behind this code for longer ones.
    fn up_to_four_vectors(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (less, again, next, more) = (label(), label(), label(), label());
        self.lanes.fill(ONES)?;
        self.lanes.cmp(rdx, vector)?;
        self.lanes.jb(less)?;
        self.touch_ends()?;
        self.lanes.cmp(rdx, SLOTS as i32 * vector)?;
        self.lanes.ja(more)?;
        self.lanes.place(again)?;
        self.look(next)?;
        self.lanes.jmp(self.stop)?;
        self.lanes.place(next)?;
        self.lanes.add(rdi, vector)?;
        self.lanes.add(rsi, vector)?;
        self.lanes.sub(rdx, vector)?;
        self.lanes.je(self.equal)?;
        self.lanes.cmp(rdx, vector)?;
        self.lanes.jae(again)?;
        self.go_to_last(vector)?;
        self.lanes.mov(edx, vector)?;
        self.lanes.jmp(again)?;
        self.lanes.place(less)?;
        self.less_than_a_vector()?;
        self.lanes.place(more)
    }

    fn less_than_a_vector(&mut self) -> Result<(), IcedError> {
        let (crosses, done) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.test(edx, edx)?;
        self.lanes.je(self.equal)?;
        self.touch_ends()?;
        self.lanes.jump_if_either_crosses(self.lanes.bytes(), crosses)?;
        self.look(self.equal)?;
        self.lanes.cmp(rax, rdx)?;
        self.lanes.jb(self.stop)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(crosses)?;
        self.lanes.movzx(eax, byte_ptr(rdi))?;
        self.lanes.movzx(ecx, byte_ptr(rsi))?;
        self.lanes.sub(eax, ecx)?;
        self.lanes.jne(done)?;
        self.lanes.inc(rdi)?;
        self.lanes.inc(rsi)?;
        self.lanes.dec(edx)?;
        self.lanes.jne(crosses)?;
        self.lanes.place(done)?;
        self.lanes.leave()
    }

    /// Blocks of more than four vectors. From the second four on, those of the first block are aligned.
    fn long(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let four = SLOTS as i32 * vector;
        let (again, last) = (self.lanes.create_label(), self.lanes.create_label());
        self.look_at_four()?;
        self.lanes.mov(ecx, edi)?;
        self.lanes.and(ecx, vector - 1)?;
        self.lanes.sub(rcx, four)?;
        self.lanes.sub(rdi, rcx)?;
        self.lanes.sub(rsi, rcx)?;
        self.lanes.add(rdx, rcx)?;
        self.lanes.cmp(rdx, four)?;
        self.lanes.jbe(last)?;
        self.lanes.place(again)?;
        self.look_at_four()?;
        self.lanes.add(rdi, four)?;
        self.lanes.add(rsi, four)?;
        self.lanes.sub(rdx, four)?;
        self.lanes.cmp(rdx, four)?;
        self.lanes.ja(again)?;
        self.lanes.place(last)?;
        self.go_to_last(four)?;
        self.look_at_four()?;
        self.lanes.leave_with_zero()
    }

    /// Faults if a block of at least one byte is not all there.
    fn touch_ends(&mut self) -> Result<(), IcedError> {
        self.lanes.movzx(eax, byte_ptr(rdi + rdx - 1))?;
        self.lanes.movzx(eax, byte_ptr(rsi + rdx - 1))
    }

    /// Goes to the last `bytes` bytes of the blocks.
    fn go_to_last(&mut self, bytes: i32) -> Result<(), IcedError> {
        self.lanes.lea(rdi, ptr(rdi + rdx - bytes))?;
        self.lanes.lea(rsi, ptr(rsi + rdx - bytes))
    }

    /// Where a vector differs, in rax; goes to `equal` if it does not.
    fn look(&mut self, equal: CodeLabel) -> Result<(), IcedError> {
        self.compare(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.invert(RAX)?;
        self.lanes.first_or(RAX, equal)
    }

    /// Goes to `hit` if one of four vectors differs.
    fn look_at_four(&mut self) -> Result<(), IcedError> {
        for slot in 0..SLOTS {
            self.compare(slot, slot as i32 * self.lanes.bytes())?;
            if self.lanes.vectors != Vectors::Avx512 {
                self.lanes.invert_slot(slot, ONES)?;
            }
        }
        self.lanes.jump_if_any_slot(self.hit)
    }

    /// `slot` = where the vectors at rdi and rsi + `offset` are equal, with AVX-512 where they differ.
    fn compare(&mut self, slot: usize, offset: i32) -> Result<(), IcedError> {
        self.lanes.load(FIRST, ptr(rdi + offset))?;
        match self.lanes.vectors {
            Vectors::Avx512 => self.lanes.vpcmpneqb(MASKS[slot], ZMM[FIRST], ptr(rsi + offset)),
            _ => self.lanes.equal(slot, FIRST, ptr(rsi + offset)),
        }
    }

    /// Answers with the difference of the bytes at rax.
    fn difference(&mut self) -> Result<(), IcedError> {
        self.lanes.byte_difference()?;
        self.lanes.leave()
    }
}

/// With AVX-512, eax = the answer for blocks of up to one vector; goes to `equal` if it is 0, else on behind this code.
pub fn masked_comparison(lanes: &mut Lanes, equal: CodeLabel) -> Result<(), IcedError> {
    masks(lanes, Vectors::Avx512.masked_bytes())?;
    lanes.vmovdqu8(ZMM[FIRST].k1().z(), ptr(rdi))?;
    lanes.vpcmpneqb(MASKS[1].k1(), ZMM[FIRST], ptr(rsi))?;
    lanes.kmovq(rax, MASKS[1])?;
    lanes.test(rax, rax)?;
    lanes.je(equal)?;
    lanes.tzcnt(rax, rax)?;
    lanes.byte_difference()
}
