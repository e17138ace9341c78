//! Arguments and expected results of the test scripts.

use bareflow::engine::Value;
use wast::core::{NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::{WastArg, WastRet};

pub fn argument(arg: &WastArg<'_>) -> Value {
    let WastArg::Core(arg) = arg else { panic!("components have no place here") };
    match arg {
        WastArgCore::I32(value) => [u64::from(*value as u32), 0],
        WastArgCore::I64(value) => [*value as u64, 0],
        WastArgCore::F32(value) => [u64::from(value.bits), 0],
        WastArgCore::F64(value) => [value.bits, 0],
        WastArgCore::V128(value) => words(&value.to_le_bytes()),
        WastArgCore::RefNull(_) => [0, 0],
        WastArgCore::RefExtern(value) | WastArgCore::RefHost(value) => [u64::from(*value) + 1, 0],
    }
}

pub fn matches(value: &Value, expected: &WastRet<'_>) -> bool {
    let WastRet::Core(expected) = expected else { panic!("components have no place here") };
    matches_core(value, expected)
}

fn matches_core(value: &Value, expected: &WastRetCore<'_>) -> bool {
    let low = value[0];
    match expected {
        WastRetCore::I32(expected) => low == u64::from(*expected as u32),
        WastRetCore::I64(expected) => low == *expected as u64,
        WastRetCore::F32(pattern) => matches_f32(low as u32, pattern) && low >> 32 == 0,
        WastRetCore::F64(pattern) => matches_f64(low, pattern),
        WastRetCore::V128(pattern) => matches_v128(value, pattern),
        WastRetCore::RefNull(_) => low == 0,
        WastRetCore::RefExtern(Some(expected)) => low == u64::from(*expected) + 1,
        WastRetCore::RefHost(expected) => low == u64::from(*expected) + 1,
        WastRetCore::RefExtern(None) | WastRetCore::RefFunc(None) => low != 0,
        WastRetCore::Either(patterns) => patterns.iter().any(|pattern| matches_core(value, pattern)),
        other => panic!("{other:?} cannot come out of these proposals"),
    }
}

fn matches_f32(bits: u32, pattern: &NanPattern<wast::token::F32>) -> bool {
    const QUIET: u32 = 0x7fc0_0000;
    match pattern {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == QUIET,
        NanPattern::ArithmeticNan => bits & QUIET == QUIET,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn matches_f64(bits: u64, pattern: &NanPattern<wast::token::F64>) -> bool {
    const QUIET: u64 = 0x7ff8_0000_0000_0000;
    match pattern {
        NanPattern::CanonicalNan => bits & (u64::MAX >> 1) == QUIET,
        NanPattern::ArithmeticNan => bits & QUIET == QUIET,
        NanPattern::Value(value) => bits == value.bits,
    }
}

fn matches_v128(value: &Value, pattern: &V128Pattern) -> bool {
    let bytes: Vec<u8> = value.iter().flat_map(|word| word.to_le_bytes()).collect();
    let lane = |index: usize, width: usize| {
        let mut word = [0; 8];
        word[..width].copy_from_slice(&bytes[index * width..][..width]);
        u64::from_le_bytes(word)
    };
    match pattern {
        V128Pattern::I8x16(lanes) => (0..16).all(|at| lane(at, 1) as u8 == lanes[at] as u8),
        V128Pattern::I16x8(lanes) => (0..8).all(|at| lane(at, 2) as u16 == lanes[at] as u16),
        V128Pattern::I32x4(lanes) => (0..4).all(|at| lane(at, 4) as u32 == lanes[at] as u32),
        V128Pattern::I64x2(lanes) => (0..2).all(|at| lane(at, 8) == lanes[at] as u64),
        V128Pattern::F32x4(lanes) => (0..4).all(|at| matches_f32(lane(at, 4) as u32, &lanes[at])),
        V128Pattern::F64x2(lanes) => (0..2).all(|at| matches_f64(lane(at, 8), &lanes[at])),
    }
}

fn words(bytes: &[u8; 16]) -> Value {
    let word = |at: usize| bytes[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    [word(0), word(8)]
}
