//! Constant expressions: initial values of globals, offsets of segments, items of element segments.
//!
//! They are WebAssembly 2.0's, with the integer arithmetic of the extended constant expressions proposal.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use wasmparser::{ConstExpr, Operator};

use crate::engine::EngineError;

/// What a constant expression stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstantValue {
    /// A number, vector or reference: its bits, from the lowest on.
    Bits(u128),
    Function(u32),
}

/// The value of `expression`, which was validated; `global` knows the globals that it may name.
pub fn evaluate(
    expression: &ConstExpr<'_>,
    global: impl Fn(u32) -> Option<u128>,
) -> Result<ConstantValue, EngineError> {
    let bad = |message: &str| EngineError::ConstantExpression { message: message.to_string() };
    let mut stack = Vec::new();
    for operator in expression.get_operators_reader() {
        let operator = operator.map_err(|error| bad(error.message()))?;
        let value = match operator {
            Operator::End => break,
            Operator::RefFunc { function_index } => ConstantValue::Function(function_index),
            Operator::GlobalGet { global_index } => {
                ConstantValue::Bits(global(global_index).ok_or_else(|| bad("a global it names is not known"))?)
            }
            _ => match literal(&operator).or_else(|| arithmetic(&operator, &mut stack)) {
                Some(bits) => ConstantValue::Bits(bits),
                None => return Err(bad(&format!("{operator:?} is not supported"))),
            },
        };
        stack.push(value);
    }
    stack.pop().ok_or_else(|| bad("it is empty"))
}

fn literal(operator: &Operator<'_>) -> Option<u128> {
    Some(match operator {
        Operator::I32Const { value } => u128::from(*value as u32),
        Operator::I64Const { value } => u128::from(*value as u64),
        Operator::F32Const { value } => u128::from(value.bits()),
        Operator::F64Const { value } => u128::from(value.bits()),
        Operator::V128Const { value } => value.i128() as u128,
        Operator::RefNull { .. } => 0,
        _ => return None,
    })
}

fn arithmetic(operator: &Operator<'_>, stack: &mut Vec<ConstantValue>) -> Option<u128> {
    use Operator as O;
    let compute: fn(u64, u64) -> u64 = match operator {
        O::I32Add | O::I64Add => u64::wrapping_add,
        O::I32Sub | O::I64Sub => u64::wrapping_sub,
        O::I32Mul | O::I64Mul => u64::wrapping_mul,
        _ => return None,
    };
    let (Some(ConstantValue::Bits(b)), Some(ConstantValue::Bits(a))) = (stack.pop(), stack.pop()) else { return None };
    let value = compute(a as u64, b as u64);
    let narrow = matches!(operator, O::I32Add | O::I32Sub | O::I32Mul);
    Some(u128::from(if narrow { u64::from(value as u32) } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::BinaryReader;

    fn value(body: &[u8]) -> Option<ConstantValue> {
        let expression = ConstExpr::new(BinaryReader::new(body, 0));
        evaluate(&expression, |index| (index == 7).then_some(1 << 100)).ok()
    }

    #[test]
    fn integers_are_computed_in_their_width() {
        // i32.const -1, i32.const 2, i32.add, i32.const 3, i32.mul
        assert_eq!(value(&[0x41, 0x7f, 0x41, 2, 0x6a, 0x41, 3, 0x6c, 0x0b]), Some(ConstantValue::Bits(3)));
        // i32.const 1, i32.const 2, i32.sub
        assert_eq!(value(&[0x41, 1, 0x41, 2, 0x6b, 0x0b]), Some(ConstantValue::Bits(0xffff_ffff)));
        // i64.const 1, i64.const 2, i64.sub
        assert_eq!(value(&[0x42, 1, 0x42, 2, 0x7d, 0x0b]), Some(ConstantValue::Bits(u128::from(u64::MAX))));
    }

    #[test]
    fn globals_keep_all_their_bits_and_unknown_ones_are_an_error() {
        assert_eq!(value(&[0x23, 7, 0x0b]), Some(ConstantValue::Bits(1 << 100)));
        assert_eq!(value(&[0x23, 6, 0x0b]), None);
    }

    #[test]
    fn nonsense_is_an_error() {
        assert_eq!(value(&[0x0b]), None);
        assert_eq!(value(&[0x6a, 0x0b]), None);
        assert_eq!(value(&[0x41, 1, 0x67, 0x0b]), None);
    }
}
