//! Copies of one size.
//!
//! The guard admits a destination below the source, even overlapping it. Copying upwards is then right as long as no
//! byte is loaded after it was overwritten: each group is loaded before it is stored, and the last vector, which may
//! overlap the one before it, is loaded before everything.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::{KernelId, Vectors, pieces};

/// Vectors loaded before the first of them is stored. The last vector of the block keeps register 15.
const GROUP: u32 = 8;
const LAST: usize = 15;

/// Emits the copy of `id.detail` from `[rsi]` to `[rdi]`.
pub fn emit(assembler: &mut CodeAssembler, id: KernelId) -> Result<(), IcedError> {
    match id.detail {
        0..16 => small(assembler, id.detail),
        16..32 => vectors(assembler, Vectors::Sse2, id.detail),
        _ => {
            vectors(assembler, id.vectors, id.detail)?;
            if id.vectors == Vectors::Avx2 { assembler.vzeroupper() } else { Ok(()) }
        }
    }
}

fn small(assembler: &mut CodeAssembler, bytes: u32) -> Result<(), IcedError> {
    let pieces = pieces(bytes, 8);
    for (register, (offset, width)) in pieces.iter().enumerate() {
        let first = register == 0;
        match width {
            8 => assembler.mov(if first { rax } else { rcx }, qword_ptr(rsi + *offset))?,
            4 => assembler.mov(if first { eax } else { ecx }, dword_ptr(rsi + *offset))?,
            2 => assembler.mov(if first { ax } else { cx }, word_ptr(rsi + *offset))?,
            _ => assembler.mov(if first { al } else { cl }, byte_ptr(rsi + *offset))?,
        }
    }
    for (register, (offset, width)) in pieces.iter().enumerate() {
        let first = register == 0;
        match width {
            8 => assembler.mov(qword_ptr(rdi + *offset), if first { rax } else { rcx })?,
            4 => assembler.mov(dword_ptr(rdi + *offset), if first { eax } else { ecx })?,
            2 => assembler.mov(word_ptr(rdi + *offset), if first { ax } else { cx })?,
            _ => assembler.mov(byte_ptr(rdi + *offset), if first { al } else { cl })?,
        }
    }
    Ok(())
}

fn vectors(assembler: &mut CodeAssembler, width: Vectors, bytes: u32) -> Result<(), IcedError> {
    let step = width.bytes();
    let whole = (bytes - 1) / step;
    load(assembler, width, LAST, bytes - step)?;
    for group in (0..whole).step_by(GROUP as usize) {
        let members = group..whole.min(group + GROUP);
        for member in members.clone() {
            load(assembler, width, (member - group) as usize, member * step)?;
        }
        for member in members {
            store(assembler, width, (member - group) as usize, member * step)?;
        }
    }
    store(assembler, width, LAST, bytes - step)
}

fn load(assembler: &mut CodeAssembler, width: Vectors, register: usize, offset: u32) -> Result<(), IcedError> {
    match width {
        Vectors::Sse2 => assembler.movdqu(XMM[register], xmmword_ptr(rsi + offset)),
        Vectors::Avx2 | Vectors::Avx512 => assembler.vmovdqu(YMM[register], ymmword_ptr(rsi + offset)),
    }
}

fn store(assembler: &mut CodeAssembler, width: Vectors, register: usize, offset: u32) -> Result<(), IcedError> {
    match width {
        Vectors::Sse2 => assembler.movdqu(xmmword_ptr(rdi + offset), XMM[register]),
        Vectors::Avx2 | Vectors::Avx512 => assembler.vmovdqu(ymmword_ptr(rdi + offset), YMM[register]),
    }
}

const XMM: [AsmRegisterXmm; 16] =
    [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];
const YMM: [AsmRegisterYmm; 16] =
    [ymm0, ymm1, ymm2, ymm3, ymm4, ymm5, ymm6, ymm7, ymm8, ymm9, ymm10, ymm11, ymm12, ymm13, ymm14, ymm15];
