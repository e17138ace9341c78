//! Vector moves, whatever the CPU calls them.
//!
//! Key types: [`Vectors`] (what a kernel may use), [`Moves`] (loads and stores of one width). Neighbours: the kernels
//! number registers from 0 and never see which file those are in.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::Vectors;
use super::any_size::Store;

/// Registers of each width that a kernel may use.
pub const REGISTERS: usize = 16;

/// The widest moves of copies: on Zen 4, 64 bytes at a time are no faster where both blocks are aligned and a fifth slower
/// where they are not. Fills are 4 % faster with them.
pub const COPY_BYTES: u32 = 32;

/// Loads and stores of one width.
///
/// With AVX-512 these are registers 16 to 31: nothing but EVEX code reaches them, so they leave no upper halves that
/// slow down SSE code after the kernel.
pub struct Moves<'a> {
    pub assembler: &'a mut CodeAssembler,
    vectors: Vectors,
    width: u32,
}

impl<'a> Moves<'a> {
    /// Moves as wide as the CPU's vectors, but no wider than `bytes`, which are at least 16.
    pub fn widest(assembler: &'a mut CodeAssembler, vectors: Vectors, bytes: u32) -> Self {
        let width = [64, 32].into_iter().find(|width| *width <= bytes.min(vectors.bytes()));
        Self { assembler, vectors, width: width.unwrap_or(16) }
    }

    /// In bytes.
    pub fn width(&self) -> u32 {
        self.width
    }

    pub fn load(&mut self, register: usize, from: AsmMemoryOperand) -> Result<(), IcedError> {
        let assembler = &mut *self.assembler;
        match (self.vectors, self.width) {
            (Vectors::Sse2, _) => assembler.movdqu(XMM[register], xmmword_ptr(from)),
            (Vectors::Avx2, 16) => assembler.vmovdqu(XMM[register], xmmword_ptr(from)),
            (Vectors::Avx2, _) => assembler.vmovdqu(YMM[register], ymmword_ptr(from)),
            (Vectors::Avx512, 16) => assembler.vmovdqu64(XMM[REGISTERS + register], xmmword_ptr(from)),
            (Vectors::Avx512, 32) => assembler.vmovdqu64(YMM[REGISTERS + register], ymmword_ptr(from)),
            (Vectors::Avx512, _) => assembler.vmovdqu64(ZMM[register], zmmword_ptr(from)),
        }
    }

    pub fn store(&mut self, to: AsmMemoryOperand, register: usize) -> Result<(), IcedError> {
        let assembler = &mut *self.assembler;
        match (self.vectors, self.width) {
            (Vectors::Sse2, _) => assembler.movdqu(xmmword_ptr(to), XMM[register]),
            (Vectors::Avx2, 16) => assembler.vmovdqu(xmmword_ptr(to), XMM[register]),
            (Vectors::Avx2, _) => assembler.vmovdqu(ymmword_ptr(to), YMM[register]),
            (Vectors::Avx512, 16) => assembler.vmovdqu64(xmmword_ptr(to), XMM[REGISTERS + register]),
            (Vectors::Avx512, 32) => assembler.vmovdqu64(ymmword_ptr(to), YMM[REGISTERS + register]),
            (Vectors::Avx512, _) => assembler.vmovdqu64(zmmword_ptr(to), ZMM[register]),
        }
    }

    /// Stores as a loop does; `to` is a multiple of the width.
    pub fn store_as(&mut self, store: Store, to: AsmMemoryOperand, register: usize) -> Result<(), IcedError> {
        match store {
            Store::Cached => self.store(to, register),
            Store::PastCaches => self.stream(to, register),
        }
    }

    fn stream(&mut self, to: AsmMemoryOperand, register: usize) -> Result<(), IcedError> {
        let assembler = &mut *self.assembler;
        match (self.vectors, self.width) {
            (Vectors::Sse2, _) => assembler.movntdq(xmmword_ptr(to), XMM[register]),
            (Vectors::Avx2, 16) => assembler.vmovntdq(xmmword_ptr(to), XMM[register]),
            (Vectors::Avx2, _) => assembler.vmovntdq(ymmword_ptr(to), YMM[register]),
            (Vectors::Avx512, 16) => assembler.evex().vmovntdq(xmmword_ptr(to), XMM[REGISTERS + register]),
            (Vectors::Avx512, 32) => assembler.evex().vmovntdq(ymmword_ptr(to), YMM[REGISTERS + register]),
            (Vectors::Avx512, _) => assembler.vmovntdq(zmmword_ptr(to), ZMM[register]),
        }
    }

    /// Every byte of `register` = `esi`'s lowest. Uses rax.
    pub fn broadcast(&mut self, register: usize) -> Result<(), IcedError> {
        let assembler = &mut *self.assembler;
        match (self.vectors, self.width) {
            (Vectors::Sse2, _) => {
                assembler.movzx(eax, sil)?;
                assembler.imul_3(eax, eax, EVERY_BYTE)?;
                assembler.movd(XMM[register], eax)?;
                assembler.pshufd(XMM[register], XMM[register], 0)
            }
            (Vectors::Avx2, 16) => {
                assembler.vmovd(XMM[register], esi)?;
                assembler.vpbroadcastb(XMM[register], XMM[register])
            }
            (Vectors::Avx2, _) => {
                assembler.vmovd(XMM[register], esi)?;
                assembler.vpbroadcastb(YMM[register], XMM[register])
            }
            (Vectors::Avx512, 16) => assembler.vpbroadcastb(XMM[REGISTERS + register], esi),
            (Vectors::Avx512, 32) => assembler.vpbroadcastb(YMM[REGISTERS + register], esi),
            (Vectors::Avx512, _) => assembler.vpbroadcastb(ZMM[register], esi),
        }
    }

    /// Ends the use of these registers.
    pub fn clean(&mut self) -> Result<(), IcedError> {
        match (self.vectors, self.width) {
            (Vectors::Avx2, 32) => self.assembler.vzeroupper(),
            _ => Ok(()),
        }
    }
}

/// A byte times this is the byte four times.
pub const EVERY_BYTE: i32 = 0x0101_0101;

const XMM: [AsmRegisterXmm; 32] = [
    xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15, xmm16, xmm17,
    xmm18, xmm19, xmm20, xmm21, xmm22, xmm23, xmm24, xmm25, xmm26, xmm27, xmm28, xmm29, xmm30, xmm31,
];
const YMM: [AsmRegisterYmm; 32] = [
    ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15, ymm16, ymm17,
    ymm18, ymm19, ymm20, ymm21, ymm22, ymm23, ymm24, ymm25, ymm26, ymm27, ymm28, ymm29, ymm30, ymm31,
];
const ZMM: [AsmRegisterZmm; REGISTERS] =
    [zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31];
