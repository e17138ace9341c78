//! Which instructions and registers the kernels consist of.

use bareflow::engine::specialise::Vectors;
use bareflow::engine::specialise::strings::string_kernel;
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register,
};

use super::{all, head};

const SSE2: [CpuidFeature; 6] = [
    CpuidFeature::INTEL8086,
    CpuidFeature::INTEL386,
    CpuidFeature::X64,
    CpuidFeature::CMOV,
    CpuidFeature::SSE,
    CpuidFeature::SSE2,
];
const AVX2: [CpuidFeature; 5] =
    [CpuidFeature::AVX, CpuidFeature::AVX2, CpuidFeature::BMI1, CpuidFeature::BMI2, CpuidFeature::LZCNT];
const AVX512: [CpuidFeature; 3] = [CpuidFeature::AVX512F, CpuidFeature::AVX512BW, CpuidFeature::AVX512VL];

/// Every kernel with its name and level.
fn kernels() -> impl Iterator<Item = (String, Vectors, Vec<Instruction>)> {
    all().map(|(function, vectors, detail)| {
        let code = string_kernel(function, vectors, detail).unwrap();
        (format!("{} {detail}", function.name()), vectors, decoded(&code))
    })
}

fn decoded(code: &[u8]) -> Vec<Instruction> {
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).into_iter().collect()
}

/// The registers that an instruction writes, each by its widest name.
fn written(factory: &mut InstructionInfoFactory, instruction: &Instruction) -> Vec<Register> {
    let reads = |access| matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
    let used = factory.info(instruction).used_registers().iter();
    used.filter(|used| !reads(used.access())).map(|used| used.register().full_register()).collect()
}

/// What a function in the C convention may not change (System V ABI for AMD64, 3.2.1).
const KEPT: [Register; 7] =
    [Register::RBX, Register::RSP, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];

fn is_allowed(vectors: Vectors, instruction: &Instruction) -> bool {
    instruction.cpuid_features().iter().all(|feature| {
        SSE2.contains(feature)
            || vectors >= Vectors::Avx2 && AVX2.contains(feature)
            || vectors == Vectors::Avx512 && AVX512.contains(feature)
    })
}

#[test]
fn no_kernel_needs_more_than_its_level() {
    for (name, vectors, instructions) in kernels() {
        for instruction in instructions {
            let needs = instruction.cpuid_features();
            assert!(is_allowed(vectors, &instruction), "{name} for {vectors:?} at {:#x}: {needs:?}", instruction.ip());
        }
    }
}

#[test]
fn only_registers_that_calls_may_change_are_written() {
    let mut factory = InstructionInfoFactory::new();
    for (name, vectors, instructions) in kernels() {
        for instruction in instructions.iter().filter(|instruction| instruction.mnemonic() != Mnemonic::Ret) {
            let written = written(&mut factory, instruction);
            let place = (&name, vectors, instruction.ip());
            assert!(!written.iter().any(|register| KEPT.contains(register)), "{place:?}: {written:?}");
        }
    }
}

/// The call that may follow has the same arguments, and knows of no register that is wide.
#[test]
fn what_stands_in_front_of_a_call_keeps_its_arguments() {
    let mut factory = InstructionInfoFactory::new();
    for named in all() {
        let (function, vectors, _) = named;
        let Some(head) = head(named) else { continue };
        let instructions = decoded(&head);
        for instruction in &instructions {
            let written = written(&mut factory, instruction);
            let arguments = [Register::RDI, Register::RSI, Register::RDX];
            let is_kept = |register| KEPT.contains(register) || arguments.contains(register);
            assert!(!written.iter().any(is_kept) && is_allowed(vectors, instruction), "{function:?}: {instruction}");
        }
        let last = instructions
            .iter()
            .rposition(|instruction| is_wide(instruction) || instruction.mnemonic() == Mnemonic::Vzeroupper);
        let is_clean = last.is_none_or(|last| instructions[last].mnemonic() == Mnemonic::Vzeroupper);
        assert!(is_clean, "{function:?} for {vectors:?}");
    }
}

/// Whether it works on more than 16 bytes of ymm0 to ymm15.
fn is_wide(instruction: &Instruction) -> bool {
    (0..instruction.op_count())
        .map(|index| instruction.op_register(index))
        .any(|register| (register.is_ymm() || register.is_zmm()) && register.number() < 16)
}

/// Of ymm0 to ymm15, code in the old encoding would wait for upper halves that are not 0.
#[test]
fn upper_halves_of_the_first_registers_stay_clean() {
    for (name, vectors, instructions) in kernels() {
        let wide = instructions.iter().any(is_wide);
        assert!(!wide || vectors == Vectors::Avx2, "{name} for {vectors:?}");
        for (before, end) in
            instructions.iter().zip(&instructions[1..]).filter(|(_, end)| end.mnemonic() == Mnemonic::Ret)
        {
            let at = end.ip();
            assert!(!wide || before.mnemonic() == Mnemonic::Vzeroupper, "{name} for {vectors:?} at {at:#x}");
        }
    }
}
