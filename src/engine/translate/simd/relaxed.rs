//! The relaxed operators, except the conversions, which are the saturating ones. Of the results that the specification
//! allows, those are taken that need no particular CPU:
//!
//! - multiply-add rounds twice;
//! - minima and maxima, lane selection, `q15mulr` and swizzles are the strict operators;
//! - dot products take both operands as signed, and an i16 sum wraps.

use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

use super::ANY;
use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles the relaxed operators. Returns whether it was one.
    pub fn relaxed(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32X4, F64X2, I8X16, I16X8};
        macro_rules! binary {
            ($method:ident, $lanes:expr) => {{
                let (a, b) = self.pop_two_vectors($lanes);
                self.builder.ins().$method(a, b)
            }};
        }
        let vector = match operator {
            O::I8x16RelaxedSwizzle => {
                self.swizzle();
                return true;
            }
            O::I8x16RelaxedLaneselect
            | O::I16x8RelaxedLaneselect
            | O::I32x4RelaxedLaneselect
            | O::I64x2RelaxedLaneselect => {
                self.bit_select(ANY);
                return true;
            }
            O::F32x4RelaxedMadd => self.multiply_add(F32X4, false),
            O::F32x4RelaxedNmadd => self.multiply_add(F32X4, true),
            O::F64x2RelaxedMadd => self.multiply_add(F64X2, false),
            O::F64x2RelaxedNmadd => self.multiply_add(F64X2, true),
            O::F32x4RelaxedMin => binary!(fmin, F32X4),
            O::F32x4RelaxedMax => binary!(fmax, F32X4),
            O::F64x2RelaxedMin => binary!(fmin, F64X2),
            O::F64x2RelaxedMax => binary!(fmax, F64X2),
            O::I16x8RelaxedQ15mulrS => binary!(sqmul_round_sat, I16X8),
            O::I16x8RelaxedDotI8x16I7x16S => {
                let (a, b) = self.pop_two_vectors(I8X16);
                self.dot_product(a, b)
            }
            O::I32x4RelaxedDotI8x16I7x16AddS => self.dot_product_add(),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// `a * b + c`, or `-(a * b) + c`.
    fn multiply_add(&mut self, lanes: Type, negated: bool) -> Value {
        let (a, b, c) = self.pop_three_vectors(lanes);
        let product = self.builder.ins().fmul(a, b);
        if negated { self.builder.ins().fsub(c, product) } else { self.builder.ins().fadd(product, c) }
    }

    /// Each sum of two products wraps in an i16; two of them are added to an i32.
    fn dot_product_add(&mut self) -> Value {
        let sum = self.pop_vector(types::I32X4);
        let (a, b) = self.pop_two_vectors(types::I8X16);
        let products = self.dot_product(a, b);
        let (low, high) = (self.builder.ins().swiden_low(products), self.builder.ins().swiden_high(products));
        let pairs = self.builder.ins().iadd_pairwise(low, high);
        self.builder.ins().iadd(pairs, sum)
    }
}
