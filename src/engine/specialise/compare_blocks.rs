//! `memcmp`: the first place where two blocks differ.
//!
//! All of both blocks must be in memory, so the code loads what it likes inside them. Blocks of up to four vectors are
//! compared at once, by vectors from both ends that overlap: sizes vary, and a loop ends where nobody expects it. The shortest
//! go under a mask with AVX-512, else in whole vectors of which the bytes behind the block do not count, unless one would
//! cross a page. Longer blocks go four vectors at a time, and end in vectors that end with them.

use core::ops::RangeInclusive;

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::any_size::masks;
use super::lanes::{Lanes, MASKS, RAX, RCX, SLOTS, ZMM};
use crate::profile::ValueHistogram;

/// What is compared.
const FIRST: usize = 0;

/// Blocks of up to one vector are told apart from those of up to two where at least this many percent of all calls are known
/// to be of one kind. A wrong guess costs 20 cycles, the second vector about two.
const ALIKE_PERCENT: u128 = 95;

/// Whether blocks of up to one vector and of up to two may come in turns among calls that pass `sizes`, so that telling them
/// apart costs more than comparing two vectors of all.
pub fn are_mixed(vectors: Vectors, sizes: &ValueHistogram) -> bool {
    let vector = u64::from(vectors.bytes());
    let alike = |kind: RangeInclusive<u64>| sizes.least_count_in(kind) * 100 >= u128::from(sizes.total) * ALIKE_PERCENT;
    sizes.total == 0 || !(alike(0..=vector) || alike(vector + 1..=2 * vector))
}

/// Emits `memcmp`(rdi, rsi, rdx). `are_mixed`, which matters with AVX2 only, is what [`are_mixed`] says.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, are_mixed: bool) -> Result<(), IcedError> {
    let mut lanes = Lanes::new(assembler, vectors);
    let (stop, hit, equal) = (lanes.create_label(), lanes.create_label(), lanes.create_label());
    let mut compare = Compare { lanes, stop, hit, equal };
    match vectors {
        Vectors::Avx512 => compare.at_once()?,
        Vectors::Avx2 => compare.up_to_eight_vectors(are_mixed)?,
        Vectors::Sse2 => compare.up_to_four_vectors()?,
    }
    compare.long()?;
    compare.lanes.place(hit)?;
    match vectors {
        Vectors::Avx512 => compare.lanes.first_of_slots()?,
        Vectors::Sse2 | Vectors::Avx2 => compare.lanes.first_missing_of_slots()?,
    }
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
        self.compare_at(places)?;
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

    /// Blocks of up to eight vectors of AVX2; goes on behind this code for longer ones.
    fn up_to_eight_vectors(&mut self, are_mixed: bool) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (two, four, eight, more) = (label(), label(), label(), label());
        if are_mixed {
            self.lanes.cmp(rdx, 2 * vector)?;
            self.lanes.ja(four)?;
            self.up_to_two_vectors()?;
        } else {
            self.lanes.cmp(rdx, vector)?;
            self.lanes.ja(two)?;
            self.up_to_a_vector()?;
            self.lanes.place(two)?;
            self.lanes.cmp(rdx, 2 * vector)?;
            self.lanes.ja(four)?;
            self.two_from_both_ends()?;
        }
        self.lanes.place(four)?;
        self.lanes.cmp(rdx, 4 * vector)?;
        self.lanes.ja(eight)?;
        self.four_from_both_ends()?;
        self.lanes.place(eight)?;
        self.lanes.cmp(rdx, 8 * vector)?;
        self.lanes.ja(more)?;
        self.eight_from_both_ends()?;
        self.lanes.place(more)?;
        self.touch_ends()
    }

    fn up_to_a_vector(&mut self) -> Result<(), IcedError> {
        let crosses = self.lanes.create_label();
        self.begin_short(crosses)?;
        self.compare(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.invert(RAX)?;
        self.end_short()?;
        self.lanes.place(crosses)?;
        self.bytewise()
    }

    /// A vector from each end, or for less than a vector the same one twice.
    fn up_to_two_vectors(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let (crosses, whole) = (self.lanes.create_label(), self.lanes.create_label());
        self.begin_short(crosses)?;
        self.lanes.place(whole)?;
        // r8 = how far the second vector is from the first.
        self.lanes.xor(r8d, r8d)?;
        self.lanes.mov(eax, edx)?;
        self.lanes.sub(eax, vector)?;
        self.lanes.cmova(r8d, eax)?;
        self.compare(0, 0)?;
        self.lanes.load(FIRST, ptr(rdi + r8))?;
        self.lanes.equal(1, FIRST, ptr(rsi + r8))?;
        self.lanes.mask(RAX, 0)?;
        self.lanes.mask(RCX, 1)?;
        self.lanes.invert(RAX)?;
        self.lanes.invert(RCX)?;
        self.lanes.shlx(rcx, rcx, r8)?;
        self.lanes.or(rax, rcx)?;
        self.end_short()?;
        self.lanes.place(crosses)?;
        self.lanes.cmp(edx, vector)?;
        self.lanes.jae(whole)?;
        self.bytewise()
    }

    /// Goes to `crosses` if a vector of a block, which has at least one byte, would cross a page.
    fn begin_short(&mut self, crosses: CodeLabel) -> Result<(), IcedError> {
        self.lanes.test(edx, edx)?;
        self.lanes.je(self.equal)?;
        self.lanes.jump_if_either_crosses(self.lanes.bytes(), crosses)
    }

    /// Answers for blocks that differ at the bits of rax, of which those from rdx on do not count.
    fn end_short(&mut self) -> Result<(), IcedError> {
        let differ = self.lanes.create_label();
        self.lanes.bzhi(rax, rax, rdx)?;
        self.lanes.jne(differ)?;
        self.lanes.leave()?;
        self.lanes.place(differ)?;
        self.lanes.tzcnt(rax, rax)?;
        self.difference()
    }

    /// A vector from each end.
    fn two_from_both_ends(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let differ = self.lanes.create_label();
        self.compare(0, 0)?;
        self.lanes.load(FIRST, ptr(rdi + rdx - vector))?;
        self.lanes.equal(1, FIRST, ptr(rsi + rdx - vector))?;
        self.lanes.pair_of_masks(RAX, 0, 32)?;
        self.lanes.inc(rax)?;
        self.lanes.jne(differ)?;
        self.lanes.leave()?;
        self.lanes.place(differ)?;
        // The first bit that was not set; those of the second vector have other numbers.
        self.lanes.dec(rax)?;
        self.lanes.not(rax)?;
        self.lanes.tzcnt(rax, rax)?;
        self.lanes.lea(rcx, ptr(rax + rdx - 2 * vector))?;
        self.lanes.cmp(eax, vector)?;
        self.lanes.cmovae(rax, rcx)?;
        self.difference()
    }

    /// Two vectors from each end.
    fn four_from_both_ends(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let differ = self.lanes.create_label();
        self.lanes.lea(r8, ptr(rdi + rdx))?;
        self.lanes.lea(r9, ptr(rsi + rdx))?;
        self.compare_at(&[(0, rdi, rsi, 0), (1, rdi, rsi, vector), (2, r8, r9, -2 * vector), (3, r8, r9, -vector)])?;
        self.lanes.jump_unless_all_slots(differ)?;
        self.lanes.leave()?;
        self.lanes.place(differ)?;
        self.lanes.first_missing_of_pairs(ptr(r9 + rdx - 2 * vector))?;
        self.difference()
    }

    /// Four vectors from each end.
    fn eight_from_both_ends(&mut self) -> Result<(), IcedError> {
        let four = SLOTS as i32 * self.lanes.bytes();
        let differ = self.lanes.create_label();
        self.lanes.lea(r8, ptr(rdi + rdx - four))?;
        self.lanes.lea(r9, ptr(rsi + rdx - four))?;
        self.compare_four(rdi, rsi)?;
        for slot in 1..SLOTS {
            self.lanes.meet(0, slot)?;
        }
        for vector in 0..SLOTS as i32 {
            self.compare_at(&[(1, r8, r9, vector * self.lanes.bytes())])?;
            self.lanes.meet(0, 1)?;
        }
        self.lanes.mask(RAX, 0)?;
        self.lanes.inc(eax)?;
        self.lanes.jne(differ)?;
        self.lanes.leave()?;
        self.lanes.place(differ)?;
        self.look_at_four()?;
        self.lanes.mov(rdi, r8)?;
        self.lanes.mov(rsi, r9)?;
        self.compare_four(rdi, rsi)?;
        self.lanes.jmp(self.hit)
    }

    /// Blocks of up to four vectors of SSE2, one by one; goes on behind this code for longer ones.
    fn up_to_four_vectors(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let mut label = || self.lanes.create_label();
        let (less, again, next, more) = (label(), label(), label(), label());
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
        let crosses = self.lanes.create_label();
        self.lanes.test(edx, edx)?;
        self.lanes.je(self.equal)?;
        self.lanes.jump_if_either_crosses(self.lanes.bytes(), crosses)?;
        self.look(self.equal)?;
        self.lanes.cmp(rax, rdx)?;
        self.lanes.jb(self.stop)?;
        self.lanes.leave_with_zero()?;
        self.lanes.place(crosses)?;
        self.bytewise()
    }

    /// Blocks of at least one byte.
    fn bytewise(&mut self) -> Result<(), IcedError> {
        let (again, done) = (self.lanes.create_label(), self.lanes.create_label());
        self.touch_ends()?;
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rdi))?;
        self.lanes.movzx(ecx, byte_ptr(rsi))?;
        self.lanes.sub(eax, ecx)?;
        self.lanes.jne(done)?;
        self.lanes.inc(rdi)?;
        self.lanes.inc(rsi)?;
        self.lanes.dec(edx)?;
        self.lanes.jne(again)?;
        self.lanes.place(done)?;
        self.lanes.leave()
    }

    /// Blocks of more than four vectors. From the second four on, those of the first block are aligned.
    fn long(&mut self) -> Result<(), IcedError> {
        let vector = self.lanes.bytes();
        let four = SLOTS as i32 * vector;
        let (again, last) = (self.lanes.create_label(), self.lanes.create_label());
        self.look_at_four()?;
        // r8 = where the last four begin in the first block.
        self.lanes.lea(r8, ptr(rdi + rdx - four))?;
        self.lanes.mov(ecx, edi)?;
        self.lanes.and(ecx, vector - 1)?;
        self.lanes.sub(rcx, four)?;
        self.lanes.sub(rdi, rcx)?;
        self.lanes.sub(rsi, rcx)?;
        self.lanes.cmp(rdi, r8)?;
        self.lanes.jae(last)?;
        self.lanes.place(again)?;
        self.look_at_four()?;
        self.lanes.add(rdi, four)?;
        self.lanes.add(rsi, four)?;
        self.lanes.cmp(rdi, r8)?;
        self.lanes.jb(again)?;
        self.lanes.place(last)?;
        self.lanes.sub(rsi, rdi)?;
        self.lanes.add(rsi, r8)?;
        self.lanes.mov(rdi, r8)?;
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
        self.compare_four(rdi, rsi)?;
        match self.lanes.vectors {
            Vectors::Avx512 => self.lanes.jump_if_any_slot(self.hit),
            Vectors::Sse2 | Vectors::Avx2 => self.lanes.jump_unless_all_slots(self.hit),
        }
    }

    /// Fills the slots with the four vectors from `first` and `second` on.
    fn compare_four(&mut self, first: AsmRegister64, second: AsmRegister64) -> Result<(), IcedError> {
        let places: [Place; SLOTS] =
            core::array::from_fn(|slot| (slot, first, second, slot as i32 * self.lanes.bytes()));
        self.compare_at(&places)
    }

    fn compare(&mut self, slot: usize, offset: i32) -> Result<(), IcedError> {
        self.compare_at(&[(slot, rdi, rsi, offset)])
    }

    /// Each slot = where its vectors are equal, with AVX-512 where they differ.
    fn compare_at(&mut self, places: &[Place]) -> Result<(), IcedError> {
        for (slot, first, second, offset) in places {
            self.lanes.load(FIRST, ptr(*first + *offset))?;
            match self.lanes.vectors {
                Vectors::Avx512 => self.lanes.vpcmpneqb(MASKS[*slot], ZMM[FIRST], ptr(*second + *offset))?,
                _ => self.lanes.equal(*slot, FIRST, ptr(*second + *offset))?,
            }
        }
        Ok(())
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
