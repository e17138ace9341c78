//! 128-bit vectors: the SIMD and relaxed SIMD operators.
//!
//! Cranelift's vectors have lanes, WebAssembly's have none until an operator gives them some. On the value stack, in
//! locals and across calls every vector is `I8X16`; operators see it as the lanes they need by a bitcast, which costs no
//! instruction. Where the specification leaves relaxed operators open, one choice holds at every tier and on every CPU.

mod compare;
mod convert;
mod float;
mod integer;
mod lanes;
mod memory;
mod relaxed;
mod widen;

use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef, types,
};
use wasmparser::Operator;

use super::Translator;

/// The lanes of vectors that no operator looks at.
const ANY: Type = types::I8X16;

impl Translator<'_> {
    /// Handles the SIMD operators. Returns whether it was one.
    pub fn simd(&mut self, operator: &Operator<'_>) -> bool {
        self.vector_load(operator)
            || self.vector_store(operator)
            || self.lanes(operator)
            || self.vector_compare(operator)
            || self.vector_integer(operator)
            || self.vector_widen(operator)
            || self.vector_float(operator)
            || self.vector_convert(operator)
            || self.relaxed(operator)
    }

    pub fn vector_constant(&mut self, lanes: Type, bits: u128) -> Value {
        let bytes = ConstantData::from(&bits.to_le_bytes()[..]);
        let constant = self.builder.func.dfg.constants.insert(bytes);
        self.builder.ins().vconst(lanes, constant)
    }

    fn push_vector(&mut self, vector: Value) {
        let vector = self.as_lanes(vector, ANY);
        self.stack.push(vector);
    }

    fn pop_vector(&mut self, lanes: Type) -> Value {
        let vector = self.pop();
        self.as_lanes(vector, lanes)
    }

    fn pop_two_vectors(&mut self, lanes: Type) -> (Value, Value) {
        let (b, a) = (self.pop_vector(lanes), self.pop_vector(lanes));
        (a, b)
    }

    fn pop_three_vectors(&mut self, lanes: Type) -> (Value, Value, Value) {
        let (c, b, a) = (self.pop_vector(lanes), self.pop_vector(lanes), self.pop_vector(lanes));
        (a, b, c)
    }

    /// The same bits with other lanes. A vector that came from these lanes by a bitcast is taken from before it.
    fn as_lanes(&mut self, vector: Value, lanes: Type) -> Value {
        let dfg = &self.builder.func.dfg;
        if dfg.value_type(vector) == lanes {
            return vector;
        }
        if let ValueDef::Result(inst, _) = dfg.value_def(dfg.resolve_aliases(vector))
            && let InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. } = dfg.insts[inst]
            && dfg.value_type(arg) == lanes
        {
            return arg;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(lanes, flags, vector)
    }
}
