//! `strcmp` and `strncmp`: the first place where two strings differ or end.
//!
//! A vector of each, then four, with AVX-512 at once, else in pairs, are compared where they are; the rest with the first
//! block aligned. A vector that would cross a page is not loaded, because what lies in the next page matters only if all
//! before it is equal: the bytes up to the page's end come first, together with equal ones before them.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::lanes::{Lanes, MASKS, R8, RAX, RDI, RSI, SLOTS, ZMM};

const FIRST: usize = 0;
const ZERO: usize = 1;

/// Emits `strcmp`(rdi, rsi), or `strncmp`(rdi, rsi, rdx) if it is `bounded`.
pub fn emit(assembler: &mut CodeAssembler, vectors: Vectors, bounded: bool) -> Result<(), IcedError> {
    let mut compare = Compare { lanes: Lanes::new(assembler, vectors), bounded };
    let labels = Labels::new(&mut compare.lanes);
    compare.prepare(labels)?;
    compare.first(labels)?;
    compare.second(labels)?;
    compare.loop_of_four(labels)?;
    compare.single(labels)?;
    compare.across_pages(labels)?;
    compare.equal(labels)
}

#[derive(Clone, Copy)]
struct Labels {
    /// A vector at rdi and rsi, with rdx bytes to go, at least 1.
    begin: CodeLabel,
    /// One of these vectors would cross a page.
    crosses: CodeLabel,
    /// These vectors are equal.
    next: CodeLabel,
    /// At least a vector was equal before rdi and rsi.
    second: CodeLabel,
    /// The same, and four vectors would cross a page.
    single: CodeLabel,
    /// The vectors at rdi and rsi stop at rax.
    stop: CodeLabel,
    /// The four vectors there stop as the slots say.
    hit: CodeLabel,
    /// The two vectors there stop as the mask rax says.
    pair: CodeLabel,
    equal: CodeLabel,
}

impl Labels {
    fn new(lanes: &mut Lanes) -> Self {
        let mut label = || lanes.create_label();
        Self {
            begin: label(),
            crosses: label(),
            next: label(),
            second: label(),
            single: label(),
            stop: label(),
            hit: label(),
            pair: label(),
            equal: label(),
        }
    }
}

/// In use: rdi and rsi where to compare, rdx how many bytes from there, rax mask and index, rcx and r8 scratch.
struct Compare<'a> {
    lanes: Lanes<'a>,
    /// It ends after rdx bytes.
    bounded: bool,
}

impl Compare<'_> {
    fn prepare(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.lanes.vectors != Vectors::Avx512 {
            self.lanes.clear(ZERO)?;
        }
        if self.bounded {
            self.lanes.test(edx, edx)?;
            self.lanes.je(labels.equal)?;
        }
        Ok(())
    }

    fn first(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.lanes.place(labels.begin)?;
        self.lanes.jump_if_either_crosses(bytes, labels.crosses)?;
        self.look()?;
        self.lanes.first_or(RAX, labels.next)?;
        self.lanes.place(labels.stop)?;
        if self.bounded {
            // What stops behind the bound was equal before it, so that the first bytes will do.
            self.lanes.xor(ecx, ecx)?;
            self.lanes.cmp(rax, rdx)?;
            self.lanes.cmovae(rax, rcx)?;
        }
        self.lanes.byte_difference()?;
        self.lanes.leave()?;
        self.lanes.place(labels.next)?;
        self.advance(bytes, labels)
    }

    /// The next four vectors.
    fn second(&mut self, labels: Labels) -> Result<(), IcedError> {
        let block = self.lanes.bytes() * SLOTS as i32;
        self.lanes.place(labels.second)?;
        self.lanes.jump_if_either_crosses(block, labels.single)?;
        if self.lanes.vectors == Vectors::Avx512 {
            self.look_at_four(labels)?;
            return self.advance(block, labels);
        }
        for _ in 0..2 {
            self.look_at_pair(labels)?;
            self.advance(block / 2, labels)?;
        }
        Ok(())
    }

    fn look_at_pair(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        self.compare(0, 0)?;
        self.compare(1, bytes)?;
        self.lanes.pair_of_masks(RAX, 0, bytes as u32)?;
        self.lanes.jne(labels.pair)
    }

    /// Four vectors at a time, the first block aligned at the beginning.
    fn loop_of_four(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let block = bytes * SLOTS as i32;
        let (again, look, back) = (self.lanes.create_label(), self.lanes.create_label(), self.lanes.create_label());
        self.lanes.mov(rcx, rdi)?;
        self.lanes.and(rdi, -bytes)?;
        self.lanes.sub(rcx, rdi)?;
        self.lanes.sub(rsi, rcx)?;
        if self.bounded {
            self.lanes.add(rdx, rcx)?;
        }
        self.lanes.place(again)?;
        self.lanes.jump_if_either_crosses(block, back)?;
        self.lanes.place(look)?;
        self.look_at_four(labels)?;
        self.advance(block, labels)?;
        self.lanes.jmp(again)?;
        if self.lanes.vectors != Vectors::Avx512 {
            self.lanes.place(labels.pair)?;
            self.lanes.first_of(RAX, RAX)?;
            self.lanes.jmp(labels.stop)?;
        }
        self.lanes.place(labels.hit)?;
        self.lanes.first_of_slots()?;
        self.lanes.jmp(labels.stop)?;
        self.lanes.place(back)?;
        self.step_back(block)?;
        self.lanes.jmp(look)
    }

    /// A vector, before a page's end that is too near for four.
    fn single(&mut self, labels: Labels) -> Result<(), IcedError> {
        let bytes = self.lanes.bytes();
        let (look, next, back) = (self.lanes.create_label(), self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(labels.single)?;
        self.lanes.jump_if_either_crosses(bytes, back)?;
        self.lanes.place(look)?;
        self.look()?;
        self.lanes.first_or(RAX, next)?;
        self.lanes.jmp(labels.stop)?;
        self.lanes.place(next)?;
        self.advance(bytes, labels)?;
        self.lanes.jmp(labels.second)?;
        self.lanes.place(back)?;
        self.step_back(bytes)?;
        self.lanes.jmp(look)
    }

    /// Goes behind `bytes` bytes that are equal.
    fn advance(&mut self, bytes: i32, labels: Labels) -> Result<(), IcedError> {
        self.lanes.add(rdi, bytes)?;
        self.lanes.add(rsi, bytes)?;
        if self.bounded {
            self.lanes.sub(rdx, bytes)?;
            self.lanes.jbe(labels.equal)?;
        }
        Ok(())
    }

    /// Goes back so far that `bytes` bytes reach to the nearest end of a page. As many bytes before are known to be equal.
    fn step_back(&mut self, bytes: i32) -> Result<(), IcedError> {
        self.bytes_left_in_pages()?;
        self.lanes.sub(r8, bytes)?;
        self.lanes.add(rdi, r8)?;
        self.lanes.add(rsi, r8)?;
        if self.bounded {
            self.lanes.sub(rdx, r8)?;
        }
        Ok(())
    }

    /// r8 = the bytes from rdi or rsi to the nearest end of a page.
    fn bytes_left_in_pages(&mut self) -> Result<(), IcedError> {
        self.lanes.bytes_left_in_page(R8, RDI)?;
        self.lanes.bytes_left_in_page(RAX, RSI)?;
        self.lanes.cmp(r8d, eax)?;
        self.lanes.cmova(r8d, eax)
    }

    /// The bytes before the nearest end of a page, then from the beginning.
    fn across_pages(&mut self, labels: Labels) -> Result<(), IcedError> {
        self.lanes.place(labels.crosses)?;
        self.bytes_left_in_pages()?;
        match self.lanes.vectors {
            Vectors::Avx512 => self.masked(labels),
            _ => self.bytewise(labels),
        }
    }

    /// The next r8 bytes at once.
    fn masked(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (nearer, outcome) = (MASKS[1], MASKS[0]);
        self.lanes.mov(rax, -1i64)?;
        self.lanes.bzhi(rcx, rax, r8)?;
        self.lanes.kmovq(nearer, rcx)?;
        self.lanes.vmovdqu8(ZMM[FIRST].k2().z(), ptr(rdi))?;
        self.lanes.vptestmb(outcome.k2(), ZMM[FIRST], ZMM[FIRST])?;
        self.lanes.vpcmpeqb(outcome.k1(), ZMM[FIRST], ptr(rsi))?;
        self.lanes.kmovq(rax, outcome)?;
        self.lanes.xor(rax, rcx)?;
        let next = self.lanes.create_label();
        self.lanes.first_or(RAX, next)?;
        self.lanes.jmp(labels.stop)?;
        self.lanes.place(next)?;
        self.lanes.add(rdi, r8)?;
        self.lanes.add(rsi, r8)?;
        if self.bounded {
            self.lanes.sub(rdx, r8)?;
            self.lanes.jbe(labels.equal)?;
        }
        self.lanes.jmp(labels.begin)
    }

    /// The next r8 bytes one by one.
    fn bytewise(&mut self, labels: Labels) -> Result<(), IcedError> {
        let (again, differ) = (self.lanes.create_label(), self.lanes.create_label());
        self.lanes.place(again)?;
        self.lanes.movzx(eax, byte_ptr(rdi))?;
        self.lanes.movzx(ecx, byte_ptr(rsi))?;
        self.lanes.sub(eax, ecx)?;
        self.lanes.jne(differ)?;
        self.lanes.test(ecx, ecx)?;
        self.lanes.je(differ)?;
        if self.bounded {
            self.lanes.dec(rdx)?;
            self.lanes.je(differ)?;
        }
        self.lanes.inc(rdi)?;
        self.lanes.inc(rsi)?;
        self.lanes.dec(r8d)?;
        self.lanes.jne(again)?;
        self.lanes.jmp(labels.begin)?;
        self.lanes.place(differ)?;
        self.lanes.leave()
    }

    fn equal(&mut self, labels: Labels) -> Result<(), IcedError> {
        if self.bounded {
            self.lanes.place(labels.equal)?;
            self.lanes.leave_with_zero()?;
        }
        Ok(())
    }

    /// rax = the mask of where a comparison of the vectors at rdi and rsi stops.
    fn look(&mut self) -> Result<(), IcedError> {
        self.compare(0, 0)?;
        self.lanes.mask(RAX, 0)?;
        if self.lanes.vectors == Vectors::Avx512 { self.lanes.invert(RAX) } else { Ok(()) }
    }

    fn look_at_four(&mut self, labels: Labels) -> Result<(), IcedError> {
        for slot in 0..SLOTS {
            self.compare(slot, slot as i32 * self.lanes.bytes())?;
        }
        if self.lanes.vectors == Vectors::Avx512 {
            MASKS.into_iter().try_for_each(|mask| self.lanes.knotq(mask, mask))?;
        }
        self.lanes.jump_if_any_slot(labels.hit)
    }

    /// `slot` = where a comparison of the vectors at rdi and rsi + `offset` stops, with AVX-512 where it does not.
    ///
    /// A string stops where min(equal, byte) is 0, for `equal` is 255 or 0.
    fn compare(&mut self, slot: usize, offset: i32) -> Result<(), IcedError> {
        let (first, second) = (ptr(rdi + offset), ptr(rsi + offset));
        self.lanes.load(FIRST, first)?;
        if self.lanes.vectors == Vectors::Avx512 {
            self.lanes.vptestmb(MASKS[slot], ZMM[FIRST], ZMM[FIRST])?;
            let narrowed = [MASKS[slot].k1(), MASKS[slot].k2(), MASKS[slot].k3(), MASKS[slot].k4()][slot];
            return self.lanes.vpcmpeqb(narrowed, ZMM[FIRST], second);
        }
        self.lanes.equal(slot, FIRST, second)?;
        self.lanes.keep_zeros(slot, FIRST, ZERO)
    }
}
