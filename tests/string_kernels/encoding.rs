//! Which instructions and registers the kernels consist of.

use bareflow::engine::specialise::Vectors;
use bareflow::engine::specialise::strings::{StringFunction, string_kernel};
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register,
};

use super::ALL_VECTORS;

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
    ALL_VECTORS.into_iter().flat_map(|vectors| {
        let all = StringFunction::ALL.into_iter().flat_map(|function| [(function, 0), (function, 1)]);
        let named = all.map(move |(function, detail)| {
            (format!("{} {detail}", function.name()), string_kernel(function, vectors, detail).unwrap())
        });
        named.map(move |(name, code)| {
            let decoded = Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).into_iter().collect();
            (name, vectors, decoded)
        })
    })
}

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
    let kept =
        [Register::RBX, Register::RSP, Register::RBP, Register::R12, Register::R13, Register::R14, Register::R15];
    let mut factory = InstructionInfoFactory::new();
    for (name, vectors, instructions) in kernels() {
        for instruction in instructions.iter().filter(|instruction| instruction.mnemonic() != Mnemonic::Ret) {
            for used in factory.info(instruction).used_registers() {
                let written = !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
                let place = (&name, vectors, instruction.ip());
                assert!(
                    !written || !kept.contains(&used.register().full_register()),
                    "{place:?}: {:?}",
                    used.register()
                );
            }
        }
    }
}

/// Of ymm0 to ymm15, code in the old encoding would wait for upper halves that are not 0.
#[test]
fn upper_halves_of_the_first_registers_stay_clean() {
    for (name, vectors, instructions) in kernels() {
        let is_wide = |register: Register| {
            let number = register.number();
            (register.is_ymm() || register.is_zmm()) && number < 16
        };
        let wide = instructions
            .iter()
            .any(|instruction| (0..instruction.op_count()).any(|index| is_wide(instruction.op_register(index))));
        assert!(!wide || vectors == Vectors::Avx2, "{name} for {vectors:?}");
        for (before, end) in
            instructions.iter().zip(&instructions[1..]).filter(|(_, end)| end.mnemonic() == Mnemonic::Ret)
        {
            let at = end.ip();
            assert!(!wide || before.mnemonic() == Mnemonic::Vzeroupper, "{name} for {vectors:?} at {at:#x}");
        }
    }
}
