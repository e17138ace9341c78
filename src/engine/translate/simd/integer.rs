//! Integer arithmetic on lanes that keep their width.

use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::Operator;

use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles these operators. Returns whether it was one.
    pub fn vector_integer(&mut self, operator: &Operator<'_>) -> bool {
        self.vector_arithmetic(operator) || self.vector_unary(operator) || self.vector_shift(operator)
    }

    fn vector_arithmetic(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8, I32X4, I64X2};
        macro_rules! binary {
            ($method:ident, $lanes:expr) => {{
                let (a, b) = self.pop_two_vectors($lanes);
                self.builder.ins().$method(a, b)
            }};
        }
        let vector = match operator {
            O::I8x16Add => binary!(iadd, I8X16),
            O::I8x16Sub => binary!(isub, I8X16),
            O::I8x16AddSatS => binary!(sadd_sat, I8X16),
            O::I8x16AddSatU => binary!(uadd_sat, I8X16),
            O::I8x16SubSatS => binary!(ssub_sat, I8X16),
            O::I8x16SubSatU => binary!(usub_sat, I8X16),
            O::I8x16AvgrU => binary!(avg_round, I8X16),
            O::I8x16MinS => binary!(smin, I8X16),
            O::I8x16MinU => binary!(umin, I8X16),
            O::I8x16MaxS => binary!(smax, I8X16),
            O::I8x16MaxU => binary!(umax, I8X16),
            O::I16x8Add => binary!(iadd, I16X8),
            O::I16x8Sub => binary!(isub, I16X8),
            O::I16x8Mul => binary!(imul, I16X8),
            O::I16x8AddSatS => binary!(sadd_sat, I16X8),
            O::I16x8AddSatU => binary!(uadd_sat, I16X8),
            O::I16x8SubSatS => binary!(ssub_sat, I16X8),
            O::I16x8SubSatU => binary!(usub_sat, I16X8),
            O::I16x8AvgrU => binary!(avg_round, I16X8),
            O::I16x8MinS => binary!(smin, I16X8),
            O::I16x8MinU => binary!(umin, I16X8),
            O::I16x8MaxS => binary!(smax, I16X8),
            O::I16x8MaxU => binary!(umax, I16X8),
            O::I16x8Q15MulrSatS => binary!(sqmul_round_sat, I16X8),
            O::I32x4Add => binary!(iadd, I32X4),
            O::I32x4Sub => binary!(isub, I32X4),
            O::I32x4Mul => binary!(imul, I32X4),
            O::I32x4MinS => binary!(smin, I32X4),
            O::I32x4MinU => binary!(umin, I32X4),
            O::I32x4MaxS => binary!(smax, I32X4),
            O::I32x4MaxU => binary!(umax, I32X4),
            O::I64x2Add => binary!(iadd, I64X2),
            O::I64x2Sub => binary!(isub, I64X2),
            O::I64x2Mul => binary!(imul, I64X2),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    fn vector_unary(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8, I32X4, I64X2};
        macro_rules! unary {
            ($method:ident, $lanes:expr) => {{
                let a = self.pop_vector($lanes);
                self.builder.ins().$method(a)
            }};
        }
        let vector = match operator {
            O::I8x16Abs => unary!(iabs, I8X16),
            O::I8x16Neg => unary!(ineg, I8X16),
            O::I8x16Popcnt => unary!(popcnt, I8X16),
            O::I16x8Abs => unary!(iabs, I16X8),
            O::I16x8Neg => unary!(ineg, I16X8),
            O::I32x4Abs => unary!(iabs, I32X4),
            O::I32x4Neg => unary!(ineg, I32X4),
            O::I64x2Abs => unary!(iabs, I64X2),
            O::I64x2Neg => unary!(ineg, I64X2),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// Cranelift takes the distance modulo the width of a lane, as the specification does.
    fn vector_shift(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{I8X16, I16X8, I32X4, I64X2};
        macro_rules! shift {
            ($method:ident, $lanes:expr) => {{
                let distance = self.pop();
                let a = self.pop_vector($lanes);
                self.builder.ins().$method(a, distance)
            }};
        }
        let vector = match operator {
            O::I8x16Shl => shift!(ishl, I8X16),
            O::I8x16ShrS => shift!(sshr, I8X16),
            O::I8x16ShrU => shift!(ushr, I8X16),
            O::I16x8Shl => shift!(ishl, I16X8),
            O::I16x8ShrS => shift!(sshr, I16X8),
            O::I16x8ShrU => shift!(ushr, I16X8),
            O::I32x4Shl => shift!(ishl, I32X4),
            O::I32x4ShrS => shift!(sshr, I32X4),
            O::I32x4ShrU => shift!(ushr, I32X4),
            O::I64x2Shl => shift!(ishl, I64X2),
            O::I64x2ShrS => shift!(sshr, I64X2),
            O::I64x2ShrU => shift!(ushr, I64X2),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }
}
