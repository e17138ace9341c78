//! Comparisons of lanes, bitwise operators, and questions about all lanes.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

use super::ANY;
use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles these operators. Returns whether it was one.
    pub fn vector_compare(&mut self, operator: &Operator<'_>) -> bool {
        if let Some((lanes, condition)) = integer_comparison(operator) {
            let (a, b) = self.pop_two_vectors(lanes);
            let vector = self.builder.ins().icmp(condition, a, b);
            self.push_vector(vector);
            return true;
        }
        if let Some((lanes, condition)) = float_comparison(operator) {
            let (a, b) = self.pop_two_vectors(lanes);
            let vector = self.builder.ins().fcmp(condition, a, b);
            self.push_vector(vector);
            return true;
        }
        self.bitwise(operator) || self.all_lanes(operator)
    }

    fn bitwise(&mut self, operator: &Operator<'_>) -> bool {
        let vector = match operator {
            Operator::V128Not => {
                let a = self.pop_vector(ANY);
                self.builder.ins().bnot(a)
            }
            Operator::V128Bitselect => {
                self.bit_select(ANY);
                return true;
            }
            Operator::V128And | Operator::V128AndNot | Operator::V128Or | Operator::V128Xor => {
                let (a, b) = self.pop_two_vectors(ANY);
                match operator {
                    Operator::V128And => self.builder.ins().band(a, b),
                    Operator::V128AndNot => self.builder.ins().band_not(a, b),
                    Operator::V128Or => self.builder.ins().bor(a, b),
                    _ => self.builder.ins().bxor(a, b),
                }
            }
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// Bits of the first vector where the third has ones, of the second elsewhere.
    pub fn bit_select(&mut self, lanes: Type) {
        let (a, b, mask) = self.pop_three_vectors(lanes);
        let vector = self.builder.ins().bitselect(mask, a, b);
        self.push_vector(vector);
    }

    fn all_lanes(&mut self, operator: &Operator<'_>) -> bool {
        let value = match operator {
            Operator::V128AnyTrue => {
                let a = self.pop_vector(ANY);
                let bit = self.builder.ins().vany_true(a);
                self.builder.ins().uextend(types::I32, bit)
            }
            Operator::I8x16AllTrue => self.all_true(types::I8X16),
            Operator::I16x8AllTrue => self.all_true(types::I16X8),
            Operator::I32x4AllTrue => self.all_true(types::I32X4),
            Operator::I64x2AllTrue => self.all_true(types::I64X2),
            Operator::I8x16Bitmask => self.high_bits(types::I8X16),
            Operator::I16x8Bitmask => self.high_bits(types::I16X8),
            Operator::I32x4Bitmask => self.high_bits(types::I32X4),
            Operator::I64x2Bitmask => self.high_bits(types::I64X2),
            _ => return false,
        };
        self.stack.push(value);
        true
    }

    fn all_true(&mut self, lanes: Type) -> Value {
        let a = self.pop_vector(lanes);
        let bit = self.builder.ins().vall_true(a);
        self.builder.ins().uextend(types::I32, bit)
    }

    fn high_bits(&mut self, lanes: Type) -> Value {
        let a = self.pop_vector(lanes);
        self.builder.ins().vhigh_bits(types::I32, a)
    }
}

fn integer_comparison(operator: &Operator<'_>) -> Option<(Type, IntCC)> {
    use Operator as O;
    use types::{I8X16, I16X8, I32X4, I64X2};
    Some(match operator {
        O::I8x16Eq => (I8X16, IntCC::Equal),
        O::I8x16Ne => (I8X16, IntCC::NotEqual),
        O::I8x16LtS => (I8X16, IntCC::SignedLessThan),
        O::I8x16LtU => (I8X16, IntCC::UnsignedLessThan),
        O::I8x16GtS => (I8X16, IntCC::SignedGreaterThan),
        O::I8x16GtU => (I8X16, IntCC::UnsignedGreaterThan),
        O::I8x16LeS => (I8X16, IntCC::SignedLessThanOrEqual),
        O::I8x16LeU => (I8X16, IntCC::UnsignedLessThanOrEqual),
        O::I8x16GeS => (I8X16, IntCC::SignedGreaterThanOrEqual),
        O::I8x16GeU => (I8X16, IntCC::UnsignedGreaterThanOrEqual),
        O::I16x8Eq => (I16X8, IntCC::Equal),
        O::I16x8Ne => (I16X8, IntCC::NotEqual),
        O::I16x8LtS => (I16X8, IntCC::SignedLessThan),
        O::I16x8LtU => (I16X8, IntCC::UnsignedLessThan),
        O::I16x8GtS => (I16X8, IntCC::SignedGreaterThan),
        O::I16x8GtU => (I16X8, IntCC::UnsignedGreaterThan),
        O::I16x8LeS => (I16X8, IntCC::SignedLessThanOrEqual),
        O::I16x8LeU => (I16X8, IntCC::UnsignedLessThanOrEqual),
        O::I16x8GeS => (I16X8, IntCC::SignedGreaterThanOrEqual),
        O::I16x8GeU => (I16X8, IntCC::UnsignedGreaterThanOrEqual),
        O::I32x4Eq => (I32X4, IntCC::Equal),
        O::I32x4Ne => (I32X4, IntCC::NotEqual),
        O::I32x4LtS => (I32X4, IntCC::SignedLessThan),
        O::I32x4LtU => (I32X4, IntCC::UnsignedLessThan),
        O::I32x4GtS => (I32X4, IntCC::SignedGreaterThan),
        O::I32x4GtU => (I32X4, IntCC::UnsignedGreaterThan),
        O::I32x4LeS => (I32X4, IntCC::SignedLessThanOrEqual),
        O::I32x4LeU => (I32X4, IntCC::UnsignedLessThanOrEqual),
        O::I32x4GeS => (I32X4, IntCC::SignedGreaterThanOrEqual),
        O::I32x4GeU => (I32X4, IntCC::UnsignedGreaterThanOrEqual),
        O::I64x2Eq => (I64X2, IntCC::Equal),
        O::I64x2Ne => (I64X2, IntCC::NotEqual),
        O::I64x2LtS => (I64X2, IntCC::SignedLessThan),
        O::I64x2GtS => (I64X2, IntCC::SignedGreaterThan),
        O::I64x2LeS => (I64X2, IntCC::SignedLessThanOrEqual),
        O::I64x2GeS => (I64X2, IntCC::SignedGreaterThanOrEqual),
        _ => return None,
    })
}

fn float_comparison(operator: &Operator<'_>) -> Option<(Type, FloatCC)> {
    use Operator as O;
    use types::{F32X4, F64X2};
    Some(match operator {
        O::F32x4Eq => (F32X4, FloatCC::Equal),
        O::F32x4Ne => (F32X4, FloatCC::NotEqual),
        O::F32x4Lt => (F32X4, FloatCC::LessThan),
        O::F32x4Gt => (F32X4, FloatCC::GreaterThan),
        O::F32x4Le => (F32X4, FloatCC::LessThanOrEqual),
        O::F32x4Ge => (F32X4, FloatCC::GreaterThanOrEqual),
        O::F64x2Eq => (F64X2, FloatCC::Equal),
        O::F64x2Ne => (F64X2, FloatCC::NotEqual),
        O::F64x2Lt => (F64X2, FloatCC::LessThan),
        O::F64x2Gt => (F64X2, FloatCC::GreaterThan),
        O::F64x2Le => (F64X2, FloatCC::LessThanOrEqual),
        O::F64x2Ge => (F64X2, FloatCC::GreaterThanOrEqual),
        _ => return None,
    })
}
