//! Vector loads and stores.

use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::{MemArg, Operator};

use super::ANY;
use crate::engine::translate::Translator;

impl Translator<'_> {
    /// Handles the vector loads. Returns whether it was one.
    pub fn vector_load(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        macro_rules! widening {
            ($method:ident, $memarg:expr) => {{
                let (address, offset, flags) = self.address($memarg);
                let vector = self.builder.ins().$method(flags, address, offset);
                self.push_vector(vector);
            }};
        }
        match operator {
            O::V128Load { memarg } => {
                let (address, offset, flags) = self.address(memarg);
                let vector = self.builder.ins().load(ANY, flags, address, offset);
                self.push_vector(vector);
            }
            O::V128Load8x8S { memarg } => widening!(sload8x8, memarg),
            O::V128Load8x8U { memarg } => widening!(uload8x8, memarg),
            O::V128Load16x4S { memarg } => widening!(sload16x4, memarg),
            O::V128Load16x4U { memarg } => widening!(uload16x4, memarg),
            O::V128Load32x2S { memarg } => widening!(sload32x2, memarg),
            O::V128Load32x2U { memarg } => widening!(uload32x2, memarg),
            O::V128Load8Splat { memarg } => self.load_splat(types::I8X16, memarg),
            O::V128Load16Splat { memarg } => self.load_splat(types::I16X8, memarg),
            O::V128Load32Splat { memarg } => self.load_splat(types::I32X4, memarg),
            O::V128Load64Splat { memarg } => self.load_splat(types::I64X2, memarg),
            O::V128Load32Zero { memarg } => self.load_zero(types::I32X4, memarg),
            O::V128Load64Zero { memarg } => self.load_zero(types::I64X2, memarg),
            O::V128Load8Lane { memarg, lane } => self.load_lane(types::I8X16, memarg, *lane),
            O::V128Load16Lane { memarg, lane } => self.load_lane(types::I16X8, memarg, *lane),
            O::V128Load32Lane { memarg, lane } => self.load_lane(types::I32X4, memarg, *lane),
            O::V128Load64Lane { memarg, lane } => self.load_lane(types::I64X2, memarg, *lane),
            _ => return false,
        }
        true
    }

    fn load_splat(&mut self, lanes: Type, memarg: &MemArg) {
        let (address, offset, flags) = self.address(memarg);
        let scalar = self.builder.ins().load(lanes.lane_type(), flags, address, offset);
        let vector = self.builder.ins().splat(lanes, scalar);
        self.push_vector(vector);
    }

    fn load_zero(&mut self, lanes: Type, memarg: &MemArg) {
        let (address, offset, flags) = self.address(memarg);
        let scalar = self.builder.ins().load(lanes.lane_type(), flags, address, offset);
        let vector = self.builder.ins().scalar_to_vector(lanes, scalar);
        self.push_vector(vector);
    }

    fn load_lane(&mut self, lanes: Type, memarg: &MemArg, lane: u8) {
        let vector = self.pop_vector(lanes);
        let (address, offset, flags) = self.address(memarg);
        let scalar = self.builder.ins().load(lanes.lane_type(), flags, address, offset);
        let vector = self.builder.ins().insertlane(vector, scalar, lane);
        self.push_vector(vector);
    }

    /// Handles the vector stores. Returns whether it was one.
    pub fn vector_store(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::V128Store { memarg } => {
                let vector = self.pop_vector(ANY);
                let (address, offset, flags) = self.address(memarg);
                self.builder.ins().store(flags, vector, address, offset);
            }
            O::V128Store8Lane { memarg, lane } => self.store_lane(types::I8X16, memarg, *lane),
            O::V128Store16Lane { memarg, lane } => self.store_lane(types::I16X8, memarg, *lane),
            O::V128Store32Lane { memarg, lane } => self.store_lane(types::I32X4, memarg, *lane),
            O::V128Store64Lane { memarg, lane } => self.store_lane(types::I64X2, memarg, *lane),
            _ => return false,
        }
        true
    }

    fn store_lane(&mut self, lanes: Type, memarg: &MemArg, lane: u8) {
        let vector = self.pop_vector(lanes);
        let (address, offset, flags) = self.address(memarg);
        let scalar = self.builder.ins().extractlane(vector, lane);
        self.builder.ins().store(flags, scalar, address, offset);
    }
}
