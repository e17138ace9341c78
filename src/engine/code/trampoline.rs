//! The few hand-written pieces of code between compiled code and the engine. They stand at the start of code memory, so
//! compiled code reaches them with near calls and a fault inside them counts as the program's.
//!
//! Each finds the runtime cells through r11, which no convention keeps or passes arguments in.

use alloc::vec::Vec;
use iced_x86::code_asm::*;
use iced_x86::{BlockEncoderOptions, IcedError};
use serde::{Deserialize, Serialize};

use crate::engine::layout::{TRAMPOLINE_BYTES, cell};
use crate::engine::registers;

/// The trampolines' bytes and where each begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trampolines {
    pub bytes: Vec<u8>,
    /// `extern "C" fn(wrapper, code, values) -> stopped`: runs compiled code on its own stack.
    pub enter: usize,
    /// Where control goes to abandon the program: returns 1 from `enter`.
    pub abandon: usize,
    /// What a function's entry calls before it has code.
    pub compile: usize,
    /// What compiled code calls for a `RuntimeOp`.
    pub runtime: usize,
    /// The same for those without result that compiled code calls rarely: it keeps all registers, so that code around the
    /// call can leave its values in them.
    pub note: usize,
    /// What compiled code calls in place of the instructions that `library` stands in for.
    pub library: [usize; cell::LIBRARY_FUNCTIONS],
}

/// Assembles the trampolines for code memory at `code_base` and state memory at `state_base`. `pinned` says whether
/// the memory base is kept in r15.
pub fn assemble(code_base: u64, state_base: u64, pinned: bool) -> Result<Trampolines, IcedError> {
    let mut assembler = CodeAssembler::new(64)?;
    let mut labels = Labels::new(&mut assembler);
    enter(&mut assembler, &mut labels, state_base, pinned)?;
    compile(&mut assembler, &mut labels, state_base)?;
    runtime(&mut assembler, &mut labels, state_base)?;
    note(&mut assembler, &mut labels, state_base)?;
    library(&mut assembler, &mut labels, state_base)?;

    let options = BlockEncoderOptions::RETURN_NEW_INSTRUCTION_OFFSETS;
    let result = assembler.assemble_options(code_base, options)?;
    let offset = |label| result.label_ip(label).map(|ip| (ip - code_base) as usize);
    let (enter, abandon) = (offset(&labels.enter)?, offset(&labels.abandon)?);
    let (compile, runtime, note) = (offset(&labels.compile)?, offset(&labels.runtime)?, offset(&labels.note)?);
    let mut library = [0; cell::LIBRARY_FUNCTIONS];
    for (place, label) in library.iter_mut().zip(&labels.library) {
        *place = offset(label)?;
    }
    let bytes = result.inner.code_buffer;
    assert!(bytes.len() <= TRAMPOLINE_BYTES, "the trampolines take {} bytes", bytes.len());
    Ok(Trampolines { bytes, enter, abandon, compile, runtime, note, library })
}

struct Labels {
    enter: CodeLabel,
    abandon: CodeLabel,
    compile: CodeLabel,
    runtime: CodeLabel,
    note: CodeLabel,
    library: [CodeLabel; cell::LIBRARY_FUNCTIONS],
}

impl Labels {
    fn new(assembler: &mut CodeAssembler) -> Self {
        let mut label = || assembler.create_label();
        Self {
            enter: label(),
            abandon: label(),
            compile: label(),
            runtime: label(),
            note: label(),
            library: core::array::from_fn(|_| label()),
        }
    }
}

const CALLEE_SAVED: [AsmRegister64; 6] = [rbx, rbp, r12, r13, r14, r15];
/// Those of them in which a function may have a reference.
const KEPT: [AsmRegister64; cell::KEPT_REGISTERS_BYTES as usize / 8] = [rbx, r12, r13, r14, r15];

fn at(offset: usize) -> AsmMemoryOperand {
    qword_ptr(r11 + offset as u32)
}

/// rdi = wrapper, rsi = code, rdx = values. With the return address and six registers saved, 8 more bytes align the
/// engine's stack for its own calls.
fn enter(assembler: &mut CodeAssembler, labels: &mut Labels, state_base: u64, pinned: bool) -> Result<(), IcedError> {
    assembler.set_label(&mut labels.enter)?;
    for register in CALLEE_SAVED {
        assembler.push(register)?;
    }
    assembler.sub(rsp, 8)?;
    assembler.mov(r11, state_base)?;
    assembler.mov(at(cell::ENGINE_STACK), rsp)?;
    assembler.mov(rsp, at(cell::STACK_TOP))?;
    assembler.xor(ebp, ebp)?;
    if pinned {
        assembler.mov(r15, at(cell::FIRST_MEMORY_BASE))?;
    }
    assembler.mov(rax, rdi)?;
    assembler.mov(rdi, rsi)?;
    assembler.mov(rsi, rdx)?;
    assembler.call(rax)?;
    assembler.xor(eax, eax)?;
    let mut leave = assembler.create_label();
    assembler.jmp(leave)?;
    assembler.set_label(&mut labels.abandon)?;
    assembler.mov(eax, 1)?;
    assembler.set_label(&mut leave)?;
    assembler.cld()?;
    assembler.mov(r11, state_base)?;
    assembler.mov(rsp, at(cell::ENGINE_STACK))?;
    assembler.add(rsp, 8)?;
    for register in CALLEE_SAVED.into_iter().rev() {
        assembler.pop(register)?;
    }
    assembler.ret()
}

const INTEGER_ARGUMENTS: [AsmRegister64; 6] = [rdi, rsi, rdx, rcx, r8, r9];
const FLOAT_ARGUMENTS: [AsmRegisterXmm; 8] = [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6, xmm7];

/// Called from a function's entry: the return address on the stack tells which. Keeps the arguments, lets the engine
/// compile, and goes on in the code it answers with.
fn compile(assembler: &mut CodeAssembler, labels: &mut Labels, state_base: u64) -> Result<(), IcedError> {
    assembler.set_label(&mut labels.compile)?;
    // A frame like any other, so that backtraces go through; the return address is the entry's.
    assembler.pop(rax)?;
    assembler.push(rbp)?;
    assembler.mov(rbp, rsp)?;
    for register in INTEGER_ARGUMENTS {
        assembler.push(register)?;
    }
    assembler.sub(rsp, 16 * FLOAT_ARGUMENTS.len() as i32)?;
    for (index, register) in FLOAT_ARGUMENTS.into_iter().enumerate() {
        assembler.movdqu(xmmword_ptr(rsp + 16 * index as i32), register)?;
    }
    assembler.mov(r11, state_base)?;
    assembler.mov(rdi, at(cell::CONTEXT))?;
    assembler.mov(rsi, rax)?;
    assembler.mov(at(cell::PROGRAM_STACK), rsp)?;
    assembler.mov(rsp, at(cell::ENGINE_STACK))?;
    assembler.call(at(cell::COMPILE_ENTRY))?;
    assembler.mov(r11, state_base)?;
    assembler.mov(rsp, at(cell::PROGRAM_STACK))?;
    assembler.test(rax, rax)?;
    assembler.jz(labels.abandon)?;
    for (index, register) in FLOAT_ARGUMENTS.into_iter().enumerate() {
        assembler.movdqu(register, xmmword_ptr(rsp + 16 * index as i32))?;
    }
    assembler.add(rsp, 16 * FLOAT_ARGUMENTS.len() as i32)?;
    for register in INTEGER_ARGUMENTS.into_iter().rev() {
        assembler.pop(register)?;
    }
    assembler.pop(rbp)?;
    assembler.jmp(rax)
}

/// (operation, four words) -> word. Shifts the arguments by one to make room for the context.
fn runtime(assembler: &mut CodeAssembler, labels: &mut Labels, state_base: u64) -> Result<(), IcedError> {
    assembler.set_label(&mut labels.runtime)?;
    assembler.push(rbp)?;
    assembler.mov(rbp, rsp)?;
    // The registers that functions keep are left below the stack, for the engine to look for references in.
    for (number, register) in KEPT.into_iter().enumerate() {
        assembler.mov(qword_ptr(rsp - 8 * (number as i32 + 1)), register)?;
    }
    ask_engine(assembler, state_base)?;
    assembler.cmp(at(cell::STOPPED), 0)?;
    let mut stopped = assembler.create_label();
    assembler.jne(stopped)?;
    assembler.pop(rbp)?;
    assembler.ret()?;
    assembler.set_label(&mut stopped)?;
    assembler.cmp(at(cell::STOPPED), cell::CAUGHT as i32)?;
    assembler.jne(labels.abandon)?;
    // The stack pointer is the handler's. Nothing else is expected to be in registers there.
    assembler.mov(at(cell::STOPPED), 0)?;
    assembler.mov(rbp, at(cell::HANDLER_FRAME))?;
    assembler.jmp(at(cell::HANDLER))
}

/// (operation, four words), keeping all registers.
fn note(assembler: &mut CodeAssembler, labels: &mut Labels, state_base: u64) -> Result<(), IcedError> {
    assembler.set_label(&mut labels.note)?;
    registers::save(assembler, &registers::VECTORS)?;
    ask_engine(assembler, state_base)?;
    registers::restore(assembler, &registers::VECTORS)
}

/// Arguments and results in vector registers, by the C convention: calls the function in one of the cells on the engine's
/// stack.
fn library(assembler: &mut CodeAssembler, labels: &mut Labels, state_base: u64) -> Result<(), IcedError> {
    let mut call = assembler.create_label();
    for (number, label) in labels.library.iter_mut().enumerate() {
        assembler.set_label(label)?;
        assembler.mov(eax, (cell::LIBRARY + 8 * number) as u32)?;
        assembler.jmp(call)?;
    }
    assembler.set_label(&mut call)?;
    assembler.mov(r11, state_base)?;
    assembler.mov(at(cell::PROGRAM_STACK), rsp)?;
    assembler.mov(rsp, at(cell::ENGINE_STACK))?;
    assembler.call(qword_ptr(r11 + rax))?;
    assembler.mov(r11, state_base)?;
    assembler.mov(rsp, at(cell::PROGRAM_STACK))?;
    assembler.ret()
}

/// Calls the engine on its own stack; leaves r11 with the state's address.
fn ask_engine(assembler: &mut CodeAssembler, state_base: u64) -> Result<(), IcedError> {
    assembler.mov(r9, r8)?;
    assembler.mov(r8, rcx)?;
    assembler.mov(rcx, rdx)?;
    assembler.mov(rdx, rsi)?;
    assembler.mov(rsi, rdi)?;
    assembler.mov(r11, state_base)?;
    assembler.mov(rdi, at(cell::CONTEXT))?;
    assembler.mov(at(cell::PROGRAM_STACK), rsp)?;
    assembler.mov(rsp, at(cell::ENGINE_STACK))?;
    assembler.call(at(cell::RUNTIME_ENTRY))?;
    assembler.mov(r11, state_base)?;
    assembler.mov(rsp, at(cell::PROGRAM_STACK))
}
