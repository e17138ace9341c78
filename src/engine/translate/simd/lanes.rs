//! Constants, lanes, shuffles.

use cranelift_codegen::ir::{ConstantData, InstBuilder, Type, Value, types};
use wasmparser::Operator;

use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles constants, splats, lanes and shuffles. Returns whether it was one.
    pub fn lanes(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::V128Const { value } => {
                let vector = self.vector_constant(types::I8X16, value.i128() as u128);
                self.push_vector(vector);
            }
            Operator::I8x16Shuffle { lanes } => {
                let (a, b) = self.pop_two_vectors(types::I8X16);
                let mask = self.builder.func.dfg.immediates.push(ConstantData::from(&lanes[..]));
                let vector = self.builder.ins().shuffle(a, b, mask);
                self.push_vector(vector);
            }
            Operator::I8x16Swizzle => self.swizzle(),
            _ => return self.splat(operator) || self.extract_lane(operator) || self.replace_lane(operator),
        }
        true
    }

    pub fn swizzle(&mut self) {
        let (vector, indices) = self.pop_two_vectors(types::I8X16);
        let vector = self.builder.ins().swizzle(vector, indices);
        self.push_vector(vector);
    }

    fn splat(&mut self, operator: &Operator<'_>) -> bool {
        let lanes = match operator {
            Operator::I8x16Splat => types::I8X16,
            Operator::I16x8Splat => types::I16X8,
            Operator::I32x4Splat => types::I32X4,
            Operator::I64x2Splat => types::I64X2,
            Operator::F32x4Splat => types::F32X4,
            Operator::F64x2Splat => types::F64X2,
            _ => return false,
        };
        let scalar = self.pop_lane(lanes);
        let vector = self.builder.ins().splat(lanes, scalar);
        self.push_vector(vector);
        true
    }

    /// A scalar as wide as a lane: 8 and 16 bits come in an i32.
    fn pop_lane(&mut self, lanes: Type) -> Value {
        let scalar = self.pop();
        match lanes.lane_type() {
            narrow @ (types::I8 | types::I16) => self.builder.ins().ireduce(narrow, scalar),
            _ => scalar,
        }
    }

    fn extract_lane(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        let (lanes, lane) = match operator {
            O::I8x16ExtractLaneS { lane } | O::I8x16ExtractLaneU { lane } => (types::I8X16, *lane),
            O::I16x8ExtractLaneS { lane } | O::I16x8ExtractLaneU { lane } => (types::I16X8, *lane),
            O::I32x4ExtractLane { lane } => (types::I32X4, *lane),
            O::I64x2ExtractLane { lane } => (types::I64X2, *lane),
            O::F32x4ExtractLane { lane } => (types::F32X4, *lane),
            O::F64x2ExtractLane { lane } => (types::F64X2, *lane),
            _ => return false,
        };
        let vector = self.pop_vector(lanes);
        let scalar = self.builder.ins().extractlane(vector, lane);
        let scalar = match operator {
            O::I8x16ExtractLaneS { .. } | O::I16x8ExtractLaneS { .. } => self.builder.ins().sextend(types::I32, scalar),
            O::I8x16ExtractLaneU { .. } | O::I16x8ExtractLaneU { .. } => self.builder.ins().uextend(types::I32, scalar),
            _ => scalar,
        };
        self.stack.push(scalar);
        true
    }

    fn replace_lane(&mut self, operator: &Operator<'_>) -> bool {
        let (lanes, lane) = match operator {
            Operator::I8x16ReplaceLane { lane } => (types::I8X16, *lane),
            Operator::I16x8ReplaceLane { lane } => (types::I16X8, *lane),
            Operator::I32x4ReplaceLane { lane } => (types::I32X4, *lane),
            Operator::I64x2ReplaceLane { lane } => (types::I64X2, *lane),
            Operator::F32x4ReplaceLane { lane } => (types::F32X4, *lane),
            Operator::F64x2ReplaceLane { lane } => (types::F64X2, *lane),
            _ => return false,
        };
        let scalar = self.pop_lane(lanes);
        let vector = self.pop_vector(lanes);
        let vector = self.builder.ins().insertlane(vector, scalar, lane);
        self.push_vector(vector);
        true
    }
}
