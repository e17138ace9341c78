//! Arguments and expected results of the test scripts.

use bareflow::engine::Value;
use bareflow::script::Pattern;
use wast::core::{NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

pub fn argument(arg: &WastArg<'_>) -> Value {
    let WastArg::Core(arg) = arg else { panic!("components have no place here") };
    match arg {
        WastArgCore::I32(value) => [u64::from(*value as u32), 0],
        WastArgCore::I64(value) => [*value as u64, 0],
        WastArgCore::F32(value) => [u64::from(value.bits), 0],
        WastArgCore::F64(value) => [value.bits, 0],
        WastArgCore::V128(value) => words(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(_) => [0, 0],
        WastArgCore::RefExtern(value) | WastArgCore::RefHost(value) => [u64::from(*value) + 1, 0],
    }
}

pub fn pattern(expected: &WastRet<'_>) -> Pattern {
    let WastRet::Core(expected) = expected else { panic!("components have no place here") };
    pattern_core(expected)
}

fn pattern_core(expected: &WastRetCore<'_>) -> Pattern {
    match expected {
        WastRetCore::I32(expected) => exactly(u64::from(*expected as u32)),
        WastRetCore::I64(expected) => exactly(*expected as u64),
        WastRetCore::F32(pattern) => {
            let lane = f32_lane(pattern);
            // The bits that an f32 does not have are 0.
            Pattern::Bits { mask: words(!u128::from(u32::MAX) | lane.mask), bits: words(lane.bits) }
        }
        WastRetCore::F64(pattern) => {
            let lane = f64_lane(pattern);
            Pattern::Bits { mask: words(!u128::from(u64::MAX) | lane.mask), bits: words(lane.bits) }
        }
        WastRetCore::V128(pattern) => vector(pattern),
        WastRetCore::RefNull(_) => exactly(0),
        WastRetCore::RefExtern(Some(expected)) | WastRetCore::RefHost(expected) => exactly(u64::from(*expected) + 1),
        WastRetCore::RefExtern(None) | WastRetCore::RefFunc(None) => Pattern::NotNull,
        WastRetCore::Either(patterns) => Pattern::Either(patterns.iter().map(pattern_core).collect()),
        other => panic!("{other:?} cannot come out of these proposals"),
    }
}

fn exactly(low: u64) -> Pattern {
    Pattern::Bits { mask: [u64::MAX; 2], bits: [low, 0] }
}

/// What a lane must be: those of its bits that are in `mask`.
struct Lane {
    mask: u128,
    bits: u128,
}

/// A canonical NaN has the quiet bit only, an arithmetic one that at least (core specification, "NaN propagation").
fn f32_lane(pattern: &NanPattern<F32>) -> Lane {
    const QUIET: u128 = 0x7fc0_0000;
    match pattern {
        NanPattern::CanonicalNan => Lane { mask: 0x7fff_ffff, bits: QUIET },
        NanPattern::ArithmeticNan => Lane { mask: QUIET, bits: QUIET },
        NanPattern::Value(value) => Lane { mask: u128::from(u32::MAX), bits: value.bits.into() },
    }
}

fn f64_lane(pattern: &NanPattern<F64>) -> Lane {
    const QUIET: u128 = 0x7ff8_0000_0000_0000;
    match pattern {
        NanPattern::CanonicalNan => Lane { mask: u128::from(u64::MAX >> 1), bits: QUIET },
        NanPattern::ArithmeticNan => Lane { mask: QUIET, bits: QUIET },
        NanPattern::Value(value) => Lane { mask: u128::from(u64::MAX), bits: value.bits.into() },
    }
}

fn vector(pattern: &V128Pattern) -> Pattern {
    let exact = |bytes: u32, bits: u64| Lane { mask: u128::from(u64::MAX >> (64 - 8 * bytes)), bits: bits.into() };
    match pattern {
        V128Pattern::I8x16(lanes) => join(lanes.map(|lane| exact(1, u64::from(lane as u8)))),
        V128Pattern::I16x8(lanes) => join(lanes.map(|lane| exact(2, u64::from(lane as u16)))),
        V128Pattern::I32x4(lanes) => join(lanes.map(|lane| exact(4, u64::from(lane as u32)))),
        V128Pattern::I64x2(lanes) => join(lanes.map(|lane| exact(8, lane as u64))),
        V128Pattern::F32x4(lanes) => join(lanes.each_ref().map(f32_lane)),
        V128Pattern::F64x2(lanes) => join(lanes.each_ref().map(f64_lane)),
    }
}

/// The lanes side by side, the first lowest.
fn join<const LANES: usize>(lanes: [Lane; LANES]) -> Pattern {
    let (mut mask, mut bits) = (0, 0);
    for lane in lanes.iter().rev() {
        mask = mask << (128 / LANES) | lane.mask;
        bits = bits << (128 / LANES) | lane.bits;
    }
    Pattern::Bits { mask: words(mask), bits: words(bits) }
}

fn words(bits: u128) -> Value {
    [bits as u64, (bits >> 64) as u64]
}
