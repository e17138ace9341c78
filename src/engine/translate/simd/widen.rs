//! Lanes made wider and narrower, and arithmetic that widens.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles these operators. Returns whether it was one.
    pub fn vector_widen(&mut self, operator: &Operator<'_>) -> bool {
        self.extend(operator) || self.widening_multiply(operator) || self.pairwise(operator) || self.narrow(operator)
    }

    fn extend(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8, I32X4};
        macro_rules! extend {
            ($method:ident, $lanes:expr) => {{
                let a = self.pop_vector($lanes);
                self.builder.ins().$method(a)
            }};
        }
        let vector = match operator {
            O::I16x8ExtendLowI8x16S => extend!(swiden_low, I8X16),
            O::I16x8ExtendLowI8x16U => extend!(uwiden_low, I8X16),
            O::I16x8ExtendHighI8x16S => extend!(swiden_high, I8X16),
            O::I16x8ExtendHighI8x16U => extend!(uwiden_high, I8X16),
            O::I32x4ExtendLowI16x8S => extend!(swiden_low, I16X8),
            O::I32x4ExtendLowI16x8U => extend!(uwiden_low, I16X8),
            O::I32x4ExtendHighI16x8S => extend!(swiden_high, I16X8),
            O::I32x4ExtendHighI16x8U => extend!(uwiden_high, I16X8),
            O::I64x2ExtendLowI32x4S => extend!(swiden_low, I32X4),
            O::I64x2ExtendLowI32x4U => extend!(uwiden_low, I32X4),
            O::I64x2ExtendHighI32x4S => extend!(swiden_high, I32X4),
            O::I64x2ExtendHighI32x4U => extend!(uwiden_high, I32X4),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    fn widening_multiply(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8, I32X4};
        macro_rules! multiply {
            ($method:ident, $lanes:expr) => {{
                let (a, b) = self.pop_two_vectors($lanes);
                let (a, b) = (self.builder.ins().$method(a), self.builder.ins().$method(b));
                self.builder.ins().imul(a, b)
            }};
        }
        let vector = match operator {
            O::I16x8ExtMulLowI8x16S => multiply!(swiden_low, I8X16),
            O::I16x8ExtMulLowI8x16U => multiply!(uwiden_low, I8X16),
            O::I16x8ExtMulHighI8x16S => multiply!(swiden_high, I8X16),
            O::I16x8ExtMulHighI8x16U => multiply!(uwiden_high, I8X16),
            O::I32x4ExtMulLowI16x8S => multiply!(swiden_low, I16X8),
            O::I32x4ExtMulLowI16x8U => multiply!(uwiden_low, I16X8),
            O::I32x4ExtMulHighI16x8S => multiply!(swiden_high, I16X8),
            O::I32x4ExtMulHighI16x8U => multiply!(uwiden_high, I16X8),
            O::I64x2ExtMulLowI32x4S => multiply!(swiden_low, I32X4),
            O::I64x2ExtMulLowI32x4U => multiply!(uwiden_low, I32X4),
            O::I64x2ExtMulHighI32x4S => multiply!(swiden_high, I32X4),
            O::I64x2ExtMulHighI32x4U => multiply!(uwiden_high, I32X4),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// Sums of neighbouring lanes, or of their products.
    fn pairwise(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8};
        macro_rules! sums {
            ($low:ident, $high:ident, $lanes:expr) => {{
                let a = self.pop_vector($lanes);
                let (low, high) = (self.builder.ins().$low(a), self.builder.ins().$high(a));
                self.builder.ins().iadd_pairwise(low, high)
            }};
        }
        let vector = match operator {
            O::I16x8ExtAddPairwiseI8x16S => sums!(swiden_low, swiden_high, I8X16),
            O::I16x8ExtAddPairwiseI8x16U => sums!(uwiden_low, uwiden_high, I8X16),
            O::I32x4ExtAddPairwiseI16x8S => sums!(swiden_low, swiden_high, I16X8),
            O::I32x4ExtAddPairwiseI16x8U => sums!(uwiden_low, uwiden_high, I16X8),
            O::I32x4DotI16x8S => {
                let (a, b) = self.pop_two_vectors(I16X8);
                self.dot_product(a, b)
            }
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// Sums of the products of neighbouring signed lanes, in lanes twice as wide.
    pub fn dot_product(&mut self, a: Value, b: Value) -> Value {
        let (a_low, b_low) = (self.builder.ins().swiden_low(a), self.builder.ins().swiden_low(b));
        let low = self.builder.ins().imul(a_low, b_low);
        let (a_high, b_high) = (self.builder.ins().swiden_high(a), self.builder.ins().swiden_high(b));
        let high = self.builder.ins().imul(a_high, b_high);
        self.builder.ins().iadd_pairwise(low, high)
    }

    fn narrow(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I16X8, I32X4};
        macro_rules! narrow {
            ($method:ident, $lanes:expr) => {{
                let (a, b) = self.pop_two_vectors($lanes);
                self.builder.ins().$method(a, b)
            }};
        }
        let vector = match operator {
            O::I8x16NarrowI16x8S => narrow!(snarrow, I16X8),
            O::I8x16NarrowI16x8U => narrow!(unarrow, I16X8),
            O::I16x8NarrowI32x4S => narrow!(snarrow, I32X4),
            O::I16x8NarrowI32x4U => narrow!(unarrow, I32X4),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }
}
