//! The registers that a function in the C convention need not keep (System V ABI for AMD64, 3.2.1), kept around a call of
//! one that compiled code makes without expecting any register to change.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

const GENERAL: [AsmRegister64; 9] = [rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11];

/// The vector registers that Cranelift knows of. Of wider vectors compiled code uses these 128 bits.
pub const VECTORS: [AsmRegisterXmm; 16] =
    [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

/// Makes a frame, for backtraces, and saves the general registers and `vectors` in it.
pub fn save(assembler: &mut CodeAssembler, vectors: &[AsmRegisterXmm]) -> Result<(), IcedError> {
    assembler.push(rbp)?;
    assembler.mov(rbp, rsp)?;
    GENERAL.into_iter().try_for_each(|register| assembler.push(register))?;
    assembler.sub(rsp, 16 * vectors.len() as i32)?;
    for (index, register) in vectors.iter().enumerate() {
        assembler.movdqu(xmmword_ptr(rsp + 16 * index as i32), *register)?;
    }
    Ok(())
}

/// Restores what [`save`] saved, and returns.
pub fn restore(assembler: &mut CodeAssembler, vectors: &[AsmRegisterXmm]) -> Result<(), IcedError> {
    for (index, register) in vectors.iter().enumerate() {
        assembler.movdqu(*register, xmmword_ptr(rsp + 16 * index as i32))?;
    }
    assembler.add(rsp, 16 * vectors.len() as i32)?;
    GENERAL.into_iter().rev().try_for_each(|register| assembler.pop(register))?;
    assembler.pop(rbp)?;
    assembler.ret()
}
