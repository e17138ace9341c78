//! Tests by encoding: no kernel has an instruction or a register beyond its level, or beyond its calling convention.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use iced_x86::code_asm::CodeAssembler;
use iced_x86::{Instruction, OpKind, Register};

use super::any_size::Limits;
use super::shape::Shape;
use super::{Operation, Vectors, any_copy, any_fill, copy, fill};

const OPERATIONS: [Operation; 2] = [Operation::Copy, Operation::Fill];
const LEVELS: [Vectors; 3] = [Vectors::Sse2, Vectors::Avx2, Vectors::Avx512];

fn of_size(operation: Operation, vectors: Vectors, bytes: u32) -> Vec<Instruction> {
    let mut assembler = CodeAssembler::new(64).unwrap();
    match operation {
        Operation::Copy => copy::emit(&mut assembler, vectors, bytes).unwrap(),
        _ => fill::emit(&mut assembler, vectors, bytes).unwrap(),
    }
    assembler.ret().unwrap();
    assembler.take_instructions()
}

fn of_any_size(operation: Operation, vectors: Vectors, number: u32) -> Vec<Instruction> {
    let mut assembler = CodeAssembler::new(64).unwrap();
    let limits = Limits { string_from: Some(2048), streaming_from: Some(1 << 20) };
    match operation {
        Operation::Copy => any_copy::emit(&mut assembler, vectors, Shape::from_number(number), limits).unwrap(),
        _ => any_fill::emit(&mut assembler, vectors, Shape::from_number(number), limits).unwrap(),
    }
    assembler.ret().unwrap();
    assembler.take_instructions()
}

/// Every kernel's code, for each way to divide sizes.
fn all(vectors: Vectors) -> Vec<(String, Vec<Instruction>)> {
    let mut kernels = Vec::new();
    for operation in OPERATIONS {
        for bytes in (64..=600).chain([4096]) {
            kernels.push((format!("{operation:?} of {bytes}"), of_size(operation, vectors, bytes)));
        }
        for division in 0..4 {
            let code = of_any_size(operation, vectors, division << 12);
            kernels.push((format!("{operation:?} of any size {division}"), code));
        }
    }
    kernels
}

fn registers(instruction: &Instruction) -> Vec<Register> {
    let operands = (0..instruction.op_count()).filter(|operand| instruction.op_kind(*operand) == OpKind::Register);
    let registers = operands.map(|operand| instruction.op_register(operand)).chain([instruction.op_mask()]);
    registers.filter(|register| *register != Register::None).collect()
}

/// The file and number of a vector or mask register.
fn vector(register: Register) -> Option<(&'static str, u32)> {
    let name = format!("{register:?}");
    let file = ["XMM", "YMM", "ZMM", "K"].into_iter().find(|file| name.starts_with(file))?;
    Some((file, name[file.len()..].parse().unwrap()))
}

fn vectors_of(code: &[Instruction]) -> Vec<(&'static str, u32)> {
    code.iter().flat_map(registers).filter_map(vector).collect()
}

fn mnemonics(code: &[Instruction]) -> Vec<String> {
    code.iter().map(|instruction| format!("{:?}", instruction.mnemonic())).collect()
}

#[test]
fn sse2_kernels_stay_within_sse2() {
    for (what, code) in all(Vectors::Sse2) {
        assert!(vectors_of(&code).iter().all(|(file, number)| *file == "XMM" && *number < 16), "{what}");
        let beyond = mnemonics(&code).into_iter().find(|name| name.starts_with('V') || name == "Bzhi");
        assert_eq!(beyond, None, "{what}");
    }
}

#[test]
fn avx2_kernels_stay_within_avx2_and_clean_what_they_dirty() {
    let known = ["Vmovdqu", "Vmovd", "Vmovntdq", "Vpbroadcastb", "Vzeroupper"];
    for (what, code) in all(Vectors::Avx2) {
        let within = |(file, number): &(&str, u32)| ["XMM", "YMM"].contains(file) && *number < 16;
        assert!(vectors_of(&code).iter().all(within), "{what}");
        let vector = mnemonics(&code).into_iter().filter(|name| name.starts_with('V') || name == "Bzhi");
        assert_eq!(vector.into_iter().find(|name| !known.contains(&name.as_str())), None, "{what}");
        let mut dirty = false;
        for instruction in &code {
            dirty |= vectors_of(&[*instruction]).iter().any(|(file, _)| *file == "YMM");
            match format!("{:?}", instruction.mnemonic()).as_str() {
                "Vzeroupper" => dirty = false,
                "Ret" => assert!(!dirty, "{what}: returns with dirty upper halves"),
                _ => {}
            }
        }
    }
}

#[test]
fn avx512_kernels_leave_the_registers_with_upper_halves_alone() {
    for (what, code) in all(Vectors::Avx512) {
        let outside = vectors_of(&code).into_iter().find(|(file, number)| *file != "K" && *number < 16);
        assert_eq!(outside, None, "{what}");
    }
}

#[test]
fn kernels_are_leaves_that_use_caller_saved_registers_only() {
    let kept = ["RBX", "EBX", "BL", "RBP", "EBP", "RSP", "ESP", "R12", "R13", "R14", "R15"];
    for (what, code) in LEVELS.into_iter().flat_map(all) {
        for instruction in &code {
            for register in registers(instruction).iter().map(|register| format!("{register:?}")) {
                assert!(!kept.iter().any(|kept| register.starts_with(kept)), "{what}: {register}");
            }
            let name = format!("{:?}", instruction.mnemonic());
            assert!(!["Push", "Pop", "Call", "Cld", "Std"].contains(&name.as_str()), "{what}: {name}");
        }
    }
}

#[test]
fn a_copy_of_512_bytes_is_16_loads_and_16_stores() {
    for (vectors, expected) in [(Vectors::Sse2, 2 * 32 + 1), (Vectors::Avx2, 2 * 16 + 2), (Vectors::Avx512, 2 * 16 + 1)]
    {
        assert_eq!(of_size(Operation::Copy, vectors, 512).len(), expected, "{vectors:?}");
    }
}
