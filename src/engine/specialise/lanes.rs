//! The assembler with a vocabulary for vectors of bytes, so that one text of an algorithm serves every level.
//!
//! Key type: [`Lanes`]. Vectors are numbered 0 to 7 and *slots*, which hold the outcome of comparing a vector, 0 to 3.
//! A slot is a vector too, except with AVX-512, where it is a mask register; there, vectors lie in zmm16 to zmm31,
//! which never have to be cleared for the sake of older code. A *mask* has one bit for each byte, the first byte's
//! lowest, and fills a general register with zeros. Neighbours: `find`, `compare` and the others that search in vectors.

use core::ops::{Deref, DerefMut};

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;

/// The smallest unit of memory that can be missing.
const PAGE_BYTES: u32 = 1 << PAGE_BITS;
const PAGE_BITS: u32 = 12;

/// Slots that a loop fills before it looks at them.
pub const SLOTS: usize = 4;

/// Where slots begin among vectors.
const FIRST_SLOT: usize = 8;
/// What the vocabulary itself uses.
const SCRATCH: usize = 12;

/// An assembler that speaks of whole vectors.
pub struct Lanes<'a> {
    assembler: &'a mut CodeAssembler,
    pub vectors: Vectors,
}

impl Deref for Lanes<'_> {
    type Target = CodeAssembler;

    fn deref(&self) -> &CodeAssembler {
        self.assembler
    }
}

impl DerefMut for Lanes<'_> {
    fn deref_mut(&mut self) -> &mut CodeAssembler {
        self.assembler
    }
}

impl<'a> Lanes<'a> {
    pub fn new(assembler: &'a mut CodeAssembler, vectors: Vectors) -> Self {
        Self { assembler, vectors }
    }

    /// Bytes in a vector.
    pub fn bytes(&self) -> i32 {
        match self.vectors {
            Vectors::Sse2 => 16,
            Vectors::Avx2 => 32,
            Vectors::Avx512 => 64,
        }
    }

    /// Places `label` here.
    pub fn place(&mut self, mut label: CodeLabel) -> Result<(), IcedError> {
        self.assembler.set_label(&mut label)
    }

    /// Ends the kernel.
    pub fn leave(&mut self) -> Result<(), IcedError> {
        if self.vectors == Vectors::Avx2 {
            self.vzeroupper()?;
        }
        self.ret()
    }

    /// Ends the kernel with `rax` = 0.
    pub fn leave_with_zero(&mut self) -> Result<(), IcedError> {
        self.xor(eax, eax)?;
        self.leave()
    }

    /// eax = the difference of the bytes at rax from rdi and rsi. Destroys rcx.
    pub fn byte_difference(&mut self) -> Result<(), IcedError> {
        self.movzx(ecx, byte_ptr(rsi + rax))?;
        self.movzx(eax, byte_ptr(rdi + rax))?;
        self.sub(eax, ecx)
    }

    /// Every byte of `vector` = 0.
    pub fn clear(&mut self, vector: usize) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.pxor(XMM[vector], XMM[vector]),
            Vectors::Avx2 => self.vpxor(XMM[vector], XMM[vector], XMM[vector]),
            Vectors::Avx512 => self.vpxord(ZMM[vector], ZMM[vector], ZMM[vector]),
        }
    }

    /// Every byte of `vector` = the low byte of `byte`.
    pub fn spread(&mut self, vector: usize, byte: AsmRegister32) -> Result<(), IcedError> {
        let xmm = XMM[vector];
        match self.vectors {
            Vectors::Sse2 => {
                self.movd(xmm, byte)?;
                self.punpcklbw(xmm, xmm)?;
                self.pshuflw(xmm, xmm, 0)?;
                self.punpcklqdq(xmm, xmm)
            }
            Vectors::Avx2 => {
                self.vmovd(xmm, byte)?;
                self.vpbroadcastb(YMM[vector], xmm)
            }
            Vectors::Avx512 => self.vpbroadcastb(ZMM[vector], byte),
        }
    }

    pub fn load(&mut self, vector: usize, from: AsmMemoryOperand) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.movdqu(XMM[vector], from),
            Vectors::Avx2 => self.vmovdqu(YMM[vector], from),
            Vectors::Avx512 => self.vmovdqu64(ZMM[vector], from),
        }
    }

    pub fn store(&mut self, to: AsmMemoryOperand, vector: usize) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.movdqu(to, XMM[vector]),
            Vectors::Avx2 => self.vmovdqu(to, YMM[vector]),
            Vectors::Avx512 => self.vmovdqu64(to, ZMM[vector]),
        }
    }

    /// `slot` = where the bytes of memory equal those of `vector`.
    pub fn equal(&mut self, slot: usize, vector: usize, memory: AsmMemoryOperand) -> Result<(), IcedError> {
        let (xmm, ymm) = (XMM[FIRST_SLOT + slot], YMM[FIRST_SLOT + slot]);
        match self.vectors {
            Vectors::Sse2 => {
                self.movdqu(xmm, memory)?;
                self.pcmpeqb(xmm, XMM[vector])
            }
            Vectors::Avx2 => self.vpcmpeqb(ymm, YMM[vector], memory),
            Vectors::Avx512 => self.vpcmpeqb(MASKS[slot], ZMM[vector], memory),
        }
    }

    /// `slot` = where the bytes of memory equal those of `vector` or are 0; `zero` is a cleared vector.
    pub fn equal_or_zero(
        &mut self,
        slot: usize,
        vector: usize,
        zero: usize,
        memory: AsmMemoryOperand,
    ) -> Result<(), IcedError> {
        let register = FIRST_SLOT + slot;
        match self.vectors {
            Vectors::Sse2 => {
                self.movdqu(XMM[register], memory)?;
                self.movdqa(XMM[SCRATCH], XMM[register])?;
                self.pcmpeqb(XMM[register], XMM[vector])?;
                self.pcmpeqb(XMM[SCRATCH], XMM[zero])?;
                self.por(XMM[register], XMM[SCRATCH])
            }
            Vectors::Avx2 => {
                self.vpcmpeqb(YMM[register], YMM[vector], memory)?;
                self.vpcmpeqb(YMM[SCRATCH], YMM[zero], memory)?;
                self.vpor(YMM[register], YMM[register], YMM[SCRATCH])
            }
            Vectors::Avx512 => {
                self.zero_where_equal_or_zero(slot, vector, memory)?;
                self.vptestnmb(MASKS[slot], ZMM[register], ZMM[register])
            }
        }
    }

    /// The vector of `slot` = 0 exactly where the bytes of memory equal those of `vector` or are 0.
    ///
    /// That is min(memory ^ vector, memory).
    pub fn zero_where_equal_or_zero(
        &mut self,
        slot: usize,
        vector: usize,
        memory: AsmMemoryOperand,
    ) -> Result<(), IcedError> {
        let register = FIRST_SLOT + slot;
        self.load(register, memory)?;
        match self.vectors {
            Vectors::Sse2 => {
                self.movdqa(XMM[SCRATCH], XMM[vector])?;
                self.pxor(XMM[SCRATCH], XMM[register])?;
                self.pminub(XMM[register], XMM[SCRATCH])
            }
            Vectors::Avx2 => {
                self.vpxor(YMM[SCRATCH], YMM[register], YMM[vector])?;
                self.vpminub(YMM[register], YMM[register], YMM[SCRATCH])
            }
            Vectors::Avx512 => {
                self.vpxord(ZMM[SCRATCH], ZMM[register], ZMM[vector])?;
                self.vpminub(ZMM[register], ZMM[register], ZMM[SCRATCH])
            }
        }
    }

    /// `slot` = 0 where `slot` or `other` is 0. Not with AVX-512.
    pub fn zeros_of_both(&mut self, slot: usize, other: usize) -> Result<(), IcedError> {
        let (slot, other) = (FIRST_SLOT + slot, FIRST_SLOT + other);
        match self.vectors {
            Vectors::Sse2 => self.pminub(XMM[slot], XMM[other]),
            _ => self.vpminub(YMM[slot], YMM[slot], YMM[other]),
        }
    }

    /// `slot` = 0 where the vectors at `first` or `second`, which are aligned, are 0. Not with AVX-512.
    pub fn zeros_of_two(
        &mut self,
        slot: usize,
        first: AsmMemoryOperand,
        second: AsmMemoryOperand,
    ) -> Result<(), IcedError> {
        let slot = FIRST_SLOT + slot;
        self.load(slot, first)?;
        match self.vectors {
            Vectors::Sse2 => self.pminub(XMM[slot], second),
            _ => self.vpminub(YMM[slot], YMM[slot], second),
        }
    }

    /// `slot` = where it is 0; `zero` is a cleared vector. Not with AVX-512.
    pub fn zeros(&mut self, slot: usize, zero: usize) -> Result<(), IcedError> {
        let slot = FIRST_SLOT + slot;
        match self.vectors {
            Vectors::Sse2 => self.pcmpeqb(XMM[slot], XMM[zero]),
            _ => self.vpcmpeqb(YMM[slot], YMM[slot], YMM[zero]),
        }
    }

    /// `slot` = where it and `other` have a bit. Not with AVX-512.
    pub fn meet(&mut self, slot: usize, other: usize) -> Result<(), IcedError> {
        let (slot, other) = (FIRST_SLOT + slot, FIRST_SLOT + other);
        match self.vectors {
            Vectors::Sse2 => self.pand(XMM[slot], XMM[other]),
            _ => self.vpand(YMM[slot], YMM[slot], YMM[other]),
        }
    }

    /// `slot` = where it or `other` has a bit. Not with AVX-512.
    pub fn join(&mut self, slot: usize, other: usize) -> Result<(), IcedError> {
        let (slot, other) = (FIRST_SLOT + slot, FIRST_SLOT + other);
        match self.vectors {
            Vectors::Sse2 => self.por(XMM[slot], XMM[other]),
            _ => self.vpor(YMM[slot], YMM[slot], YMM[other]),
        }
    }

    /// `slot` = where it is empty or `vector` is 0; `zero` is a cleared vector. Not with AVX-512.
    pub fn keep_zeros(&mut self, slot: usize, vector: usize, zero: usize) -> Result<(), IcedError> {
        let slot = FIRST_SLOT + slot;
        if self.vectors == Vectors::Sse2 {
            self.pminub(XMM[slot], XMM[vector])?;
            return self.pcmpeqb(XMM[slot], XMM[zero]);
        }
        self.vpminub(YMM[slot], YMM[slot], YMM[vector])?;
        self.vpcmpeqb(YMM[slot], YMM[slot], YMM[zero])
    }

    /// Turns every bit of `mask` over.
    pub fn invert(&mut self, mask: Gpr) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.xor(mask.low, 0xffff),
            Vectors::Avx2 => self.not(mask.low),
            Vectors::Avx512 => self.not(mask.whole),
        }
    }

    /// `mask` = the mask of `slot`.
    pub fn mask(&mut self, mask: Gpr, slot: usize) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.pmovmskb(mask.low, XMM[FIRST_SLOT + slot]),
            Vectors::Avx2 => self.vpmovmskb(mask.low, YMM[FIRST_SLOT + slot]),
            Vectors::Avx512 => self.kmovq(mask.whole, MASKS[slot]),
        }
    }

    /// Goes to `target` if any slot has a bit. Destroys rax.
    pub fn jump_if_any_slot(&mut self, target: CodeLabel) -> Result<(), IcedError> {
        let slot = |index| FIRST_SLOT + index;
        match self.vectors {
            Vectors::Sse2 => {
                self.movdqa(XMM[SCRATCH], XMM[slot(0)])?;
                for index in 1..SLOTS {
                    self.por(XMM[SCRATCH], XMM[slot(index)])?;
                }
                self.pmovmskb(eax, XMM[SCRATCH])?;
            }
            Vectors::Avx2 => {
                self.vpor(YMM[SCRATCH], YMM[slot(0)], YMM[slot(1)])?;
                self.vpor(YMM[SCRATCH + 1], YMM[slot(2)], YMM[slot(3)])?;
                self.vpor(YMM[SCRATCH], YMM[SCRATCH], YMM[SCRATCH + 1])?;
                self.vpmovmskb(eax, YMM[SCRATCH])?;
            }
            Vectors::Avx512 => {
                self.kortestq(MASKS[0], MASKS[1])?;
                self.jne(target)?;
                self.kortestq(MASKS[2], MASKS[3])?;
                return self.jne(target);
            }
        }
        self.test(eax, eax)?;
        self.jne(target)
    }

    /// Goes to `target` unless all slots have all bits. Destroys rax. Not with AVX-512.
    pub fn jump_unless_all_slots(&mut self, target: CodeLabel) -> Result<(), IcedError> {
        let slot = |index| FIRST_SLOT + index;
        if self.vectors == Vectors::Sse2 {
            self.movdqa(XMM[SCRATCH], XMM[slot(0)])?;
            for index in 1..SLOTS {
                self.pand(XMM[SCRATCH], XMM[slot(index)])?;
            }
            self.pmovmskb(eax, XMM[SCRATCH])?;
            self.sub(eax, 0xffff)?;
        } else {
            self.vpand(YMM[SCRATCH], YMM[slot(0)], YMM[slot(1)])?;
            self.vpand(YMM[SCRATCH + 1], YMM[slot(2)], YMM[slot(3)])?;
            self.vpand(YMM[SCRATCH], YMM[SCRATCH], YMM[SCRATCH + 1])?;
            self.vpmovmskb(eax, YMM[SCRATCH])?;
            self.inc(eax)?;
        }
        self.jne(target)
    }

    /// `mask` = the number of its lowest bit; goes to `none`, with `mask` lost, if it has none.
    pub fn first_or(&mut self, mask: Gpr, none: CodeLabel) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => {
                self.bsf(mask.low, mask.low)?;
                self.je(none)
            }
            // TZCNT of a value other than 0 is the same as BSF on CPUs that do not know it, and faster on those that do.
            Vectors::Avx2 => {
                self.test(mask.low, mask.low)?;
                self.je(none)?;
                self.tzcnt(mask.low, mask.low)
            }
            Vectors::Avx512 => {
                self.tzcnt(mask.whole, mask.whole)?;
                self.jb(none)
            }
        }
    }

    /// rax = the number of the lowest bit of all slots in a row, at least one of which has a bit. Destroys rcx and r9.
    ///
    /// Without a branch: in which of four vectors a string ends is hard to predict.
    pub fn first_of_slots(&mut self) -> Result<(), IcedError> {
        if self.vectors == Vectors::Avx512 {
            self.kmovq(rax, MASKS[SLOTS - 1])?;
            self.tzcnt(rax, rax)?;
            self.add(rax, 64 * (SLOTS as i32 - 1))?;
            for slot in (0..SLOTS - 1).rev() {
                self.kmovq(rcx, MASKS[slot])?;
                self.tzcnt(rcx, rcx)?;
                // LEA leaves the carry of TZCNT alone, which is set for a mask without bits.
                self.lea(rcx, ptr(rcx + 64 * slot))?;
                self.cmovae(rax, rcx)?;
            }
            return Ok(());
        }
        self.masks_of_slots()?;
        self.first_of_masks(ptr(r9 + 64))
    }

    /// rax = the number of the lowest bit that the slots in a row lack; they lack one. Destroys rcx and r9. Not with AVX-512.
    pub fn first_missing_of_slots(&mut self) -> Result<(), IcedError> {
        self.first_missing_of_pairs(ptr(r9 + 64))
    }

    /// The same where, with AVX2, bit r9 of the last two slots has the number `of_second_pair`.
    pub fn first_missing_of_pairs(&mut self, of_second_pair: AsmMemoryOperand) -> Result<(), IcedError> {
        self.masks_of_slots()?;
        self.not(rax)?;
        if self.vectors == Vectors::Avx2 {
            self.not(r9)?;
        }
        self.first_of_masks(of_second_pair)
    }

    /// rax = the masks of all slots in a row; with AVX2 of the first two, and r9 of the others. Destroys rcx and r9.
    fn masks_of_slots(&mut self) -> Result<(), IcedError> {
        if self.vectors == Vectors::Avx2 {
            self.pair_of_masks(R9, 2, 32)?;
            return self.pair_of_masks(RAX, 0, 32);
        }
        self.pair_of_masks(RAX, 0, 16)?;
        self.pair_of_masks(R9, 2, 16)?;
        self.shl(r9, 32)?;
        self.or(rax, r9)
    }

    /// rax = the number of its lowest bit or, with AVX2 and where it has none, `of_second_pair` with r9 = the number of r9's.
    fn first_of_masks(&mut self, of_second_pair: AsmMemoryOperand) -> Result<(), IcedError> {
        if self.vectors == Vectors::Sse2 {
            return self.bsf(rax, rax);
        }
        self.tzcnt(r9, r9)?;
        self.lea(r9, of_second_pair)?;
        self.tzcnt(rax, rax)?;
        self.cmovb(rax, r9)
    }

    /// `mask` = the masks of `slot` and, `width` bits higher, of the next, and the flag for "zero" as it is. Destroys rcx.
    pub fn pair_of_masks(&mut self, mask: Gpr, slot: usize, width: u32) -> Result<(), IcedError> {
        self.mask(RCX, slot + 1)?;
        self.mask(mask, slot)?;
        self.shl(rcx, width)?;
        self.or(mask.whole, rcx)
    }

    /// `to` = the number of the lowest bit of `mask`, which has one.
    pub fn first_of(&mut self, to: Gpr, mask: Gpr) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Sse2 => self.bsf(to.whole, mask.whole),
            Vectors::Avx2 | Vectors::Avx512 => self.tzcnt(to.whole, mask.whole),
        }
    }

    /// `mask` >>= the low bits of `rcx`, fewer than a vector has bytes.
    pub fn shift_by_rcx(&mut self, mask: Gpr) -> Result<(), IcedError> {
        match self.vectors {
            Vectors::Avx512 => self.shrx(mask.whole, mask.whole, rcx),
            _ => self.shr(mask.low, cl),
        }
    }

    /// Goes to `crosses` if `bytes` bytes at `address` would reach into the next page. Destroys rax.
    pub fn jump_if_crossing(&mut self, address: Gpr, bytes: i32, crosses: CodeLabel) -> Result<(), IcedError> {
        // With the offset in the page on top, one comparison will do.
        match self.vectors {
            Vectors::Sse2 => {
                self.mov(eax, address.low)?;
                self.shl(eax, u32::BITS - PAGE_BITS)?;
            }
            Vectors::Avx2 | Vectors::Avx512 => self.rorx(eax, address.low, PAGE_BITS)?,
        }
        self.cmp(eax, (PAGE_BYTES - bytes as u32 + 1) << (u32::BITS - PAGE_BITS))?;
        self.jae(crosses)
    }

    /// The same for each of rdi and rsi.
    pub fn jump_if_either_crosses(&mut self, bytes: i32, crosses: CodeLabel) -> Result<(), IcedError> {
        self.jump_if_crossing(RDI, bytes, crosses)?;
        self.jump_if_crossing(RSI, bytes, crosses)
    }

    /// `to` = the bytes from `address` to the end of its page, at least 1.
    pub fn bytes_left_in_page(&mut self, to: Gpr, address: Gpr) -> Result<(), IcedError> {
        self.mov(to.low, address.low)?;
        self.or(to.low, -(PAGE_BYTES as i32))?;
        self.neg(to.low)
    }
}

/// A general register by both of its names.
#[derive(Clone, Copy)]
pub struct Gpr {
    pub whole: AsmRegister64,
    pub low: AsmRegister32,
}

pub const RAX: Gpr = Gpr { whole: rax, low: eax };
pub const RCX: Gpr = Gpr { whole: rcx, low: ecx };
pub const RDX: Gpr = Gpr { whole: rdx, low: edx };
pub const RSI: Gpr = Gpr { whole: rsi, low: esi };
pub const RDI: Gpr = Gpr { whole: rdi, low: edi };
pub const R8: Gpr = Gpr { whole: r8, low: r8d };
pub const R9: Gpr = Gpr { whole: r9, low: r9d };

pub const R10: Gpr = Gpr { whole: r10, low: r10d };
pub const R11: Gpr = Gpr { whole: r11, low: r11d };

pub const XMM: [AsmRegisterXmm; 16] =
    [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];
pub const YMM: [AsmRegisterYmm; 16] =
    [ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15];
pub const ZMM: [AsmRegisterZmm; 16] =
    [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31];
/// Without k0, which means "no mask" where an instruction takes one.
pub const MASKS: [AsmRegisterK; SLOTS] = [k1, k2, k3, k4];
