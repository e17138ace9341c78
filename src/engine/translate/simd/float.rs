//! Floating-point arithmetic on lanes.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles these operators. Returns whether it was one.
    pub fn vector_float(&mut self, operator: &Operator<'_>) -> bool {
        self.float_binary(operator) || self.float_unary(operator)
    }

    fn float_binary(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32X4, F64X2};
        macro_rules! binary {
            ($method:ident, $lanes:expr) => {{
                let (a, b) = self.pop_two_vectors($lanes);
                self.builder.ins().$method(a, b)
            }};
        }
        let vector = match operator {
            O::F32x4Add => binary!(fadd, F32X4),
            O::F32x4Sub => binary!(fsub, F32X4),
            O::F32x4Mul => binary!(fmul, F32X4),
            O::F32x4Div => binary!(fdiv, F32X4),
            O::F32x4Min => binary!(fmin, F32X4),
            O::F32x4Max => binary!(fmax, F32X4),
            O::F32x4PMin => self.pseudo_minimum(F32X4),
            O::F32x4PMax => self.pseudo_maximum(F32X4),
            O::F64x2Add => binary!(fadd, F64X2),
            O::F64x2Sub => binary!(fsub, F64X2),
            O::F64x2Mul => binary!(fmul, F64X2),
            O::F64x2Div => binary!(fdiv, F64X2),
            O::F64x2Min => binary!(fmin, F64X2),
            O::F64x2Max => binary!(fmax, F64X2),
            O::F64x2PMin => self.pseudo_minimum(F64X2),
            O::F64x2PMax => self.pseudo_maximum(F64X2),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    /// The second operand where it is less, else the first.
    fn pseudo_minimum(&mut self, lanes: Type) -> Value {
        let (a, b) = self.pop_two_vectors(lanes);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, b, a);
        let less = self.as_lanes(less, lanes);
        self.builder.ins().bitselect(less, b, a)
    }

    /// The second operand where the first is less, else the first.
    fn pseudo_maximum(&mut self, lanes: Type) -> Value {
        let (a, b) = self.pop_two_vectors(lanes);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, a, b);
        let less = self.as_lanes(less, lanes);
        self.builder.ins().bitselect(less, b, a)
    }

    fn float_unary(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32X4, F64X2};
        macro_rules! unary {
            ($method:ident, $lanes:expr) => {{
                let a = self.pop_vector($lanes);
                self.builder.ins().$method(a)
            }};
        }
        let vector = match operator {
            O::F32x4Abs => unary!(fabs, F32X4),
            O::F32x4Neg => unary!(fneg, F32X4),
            O::F32x4Sqrt => unary!(sqrt, F32X4),
            O::F32x4Ceil => unary!(ceil, F32X4),
            O::F32x4Floor => unary!(floor, F32X4),
            O::F32x4Trunc => unary!(trunc, F32X4),
            O::F32x4Nearest => unary!(nearest, F32X4),
            O::F64x2Abs => unary!(fabs, F64X2),
            O::F64x2Neg => unary!(fneg, F64X2),
            O::F64x2Sqrt => unary!(sqrt, F64X2),
            O::F64x2Ceil => unary!(ceil, F64X2),
            O::F64x2Floor => unary!(floor, F64X2),
            O::F64x2Trunc => unary!(trunc, F64X2),
            O::F64x2Nearest => unary!(nearest, F64X2),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }
}
