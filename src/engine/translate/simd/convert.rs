//! Conversions between integer and floating-point lanes.

use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasmparser::Operator;

use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles the conversions. Returns whether it was one.
    pub fn vector_convert(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32X4, F64X2, I32X4};
        macro_rules! from {
            ($lanes:expr, $convert:ident) => {{
                let a = self.pop_vector($lanes);
                self.builder.ins().$convert(a)
            }};
            ($lanes:expr, $convert:ident, $to:expr) => {{
                let a = self.pop_vector($lanes);
                self.builder.ins().$convert($to, a)
            }};
        }
        let vector = match operator {
            O::I32x4TruncSatF32x4S | O::I32x4RelaxedTruncF32x4S => from!(F32X4, fcvt_to_sint_sat, I32X4),
            O::I32x4TruncSatF32x4U | O::I32x4RelaxedTruncF32x4U => from!(F32X4, fcvt_to_uint_sat, I32X4),
            O::I32x4TruncSatF64x2SZero | O::I32x4RelaxedTruncF64x2SZero => self.truncate_f64x2_signed(),
            O::I32x4TruncSatF64x2UZero | O::I32x4RelaxedTruncF64x2UZero => self.truncate_f64x2_unsigned(),
            O::F32x4ConvertI32x4S => from!(I32X4, fcvt_from_sint, F32X4),
            O::F32x4ConvertI32x4U => from!(I32X4, fcvt_from_uint, F32X4),
            O::F64x2ConvertLowI32x4S => {
                let wide = from!(I32X4, swiden_low);
                self.builder.ins().fcvt_from_sint(F64X2, wide)
            }
            O::F64x2ConvertLowI32x4U => {
                let wide = from!(I32X4, uwiden_low);
                self.builder.ins().fcvt_from_uint(F64X2, wide)
            }
            O::F32x4DemoteF64x2Zero => from!(F64X2, fvdemote),
            O::F64x2PromoteLowF32x4 => from!(F32X4, fvpromote_low),
            _ => return false,
        };
        self.push_vector(vector);
        true
    }

    fn truncate_f64x2_signed(&mut self) -> Value {
        let a = self.pop_vector(types::F64X2);
        let wide = self.builder.ins().fcvt_to_sint_sat(types::I64X2, a);
        let zero = self.vector_constant(types::I64X2, 0);
        self.builder.ins().snarrow(wide, zero)
    }

    fn truncate_f64x2_unsigned(&mut self) -> Value {
        let a = self.pop_vector(types::F64X2);
        let wide = self.builder.ins().fcvt_to_uint_sat(types::I64X2, a);
        let zero = self.vector_constant(types::I64X2, 0);
        self.builder.ins().uunarrow(wide, zero)
    }
}
