//! Fills of one size.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::{KernelId, Vectors, pieces};

/// A byte times this is the byte eight times.
const EVERY_BYTE: u64 = 0x0101_0101_0101_0101;

/// Emits the fill of `id.detail` at `[rdi]` with the byte in `sil`.
pub fn emit(assembler: &mut CodeAssembler, id: KernelId) -> Result<(), IcedError> {
    match (id.detail, id.vectors) {
        (0..16, _) => small(assembler, id.detail),
        (32.., Vectors::Avx2) => {
            assembler.vmovd(xmm0, esi)?;
            assembler.vpbroadcastb(ymm0, xmm0)?;
            stores(assembler, Vectors::Avx2, id.detail)?;
            assembler.vzeroupper()
        }
        _ => {
            spread(assembler)?;
            assembler.movq(xmm0, rax)?;
            assembler.punpcklqdq(xmm0, xmm0)?;
            stores(assembler, Vectors::Sse2, id.detail)
        }
    }
}

/// `rax` = the byte eight times.
fn spread(assembler: &mut CodeAssembler) -> Result<(), IcedError> {
    assembler.movzx(eax, sil)?;
    assembler.mov(rcx, EVERY_BYTE)?;
    assembler.imul_2(rax, rcx)
}

fn small(assembler: &mut CodeAssembler, bytes: u32) -> Result<(), IcedError> {
    spread(assembler)?;
    for (offset, width) in pieces(bytes, 8) {
        match width {
            8 => assembler.mov(qword_ptr(rdi + offset), rax)?,
            4 => assembler.mov(dword_ptr(rdi + offset), eax)?,
            2 => assembler.mov(word_ptr(rdi + offset), ax)?,
            _ => assembler.mov(byte_ptr(rdi + offset), al)?,
        }
    }
    Ok(())
}

fn stores(assembler: &mut CodeAssembler, width: Vectors, bytes: u32) -> Result<(), IcedError> {
    let step = width.bytes();
    let starts = (0..(bytes - 1) / step).map(|index| index * step);
    for offset in starts.chain([bytes - step]) {
        match width {
            Vectors::Sse2 => assembler.movdqu(xmmword_ptr(rdi + offset), xmm0)?,
            Vectors::Avx2 | Vectors::Avx512 => assembler.vmovdqu(ymmword_ptr(rdi + offset), ymm0)?,
        }
    }
    Ok(())
}
