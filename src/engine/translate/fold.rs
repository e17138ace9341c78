//! Operators whose operands are constants, computed while translating.
//!
//! Bodies of the libc in place of calls often get a constant argument (`pow(x, 2.0)`). The code generator folds constants
//! too, but only after the translation, when both arms of a condition on them are there already; and it folds no
//! comparison of floats. What would be a NaN or a trap is left to the CPU, so results have the bits that it gives.

use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Value, ValueDef, types};
use wasmparser::{MemArgTarget, Operator};

use super::Translator;

/// The value of an operand that is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    I32(u32),
    I64(u64),
    F32(f32),
    F64(f64),
}

use Number::{F32, F64, I32, I64};

impl Translator<'_> {
    /// Does the numeric `operator` on the operands on the stack, if they are constants. Returns whether it did.
    pub fn fold(&mut self, operator: &Operator<'_>) -> bool {
        let Some(last) = self.stack.last().and_then(|value| self.number(*value)) else { return false };
        if let Some(result) = unary(operator, last) {
            self.pop();
            self.push_number(result);
            return true;
        }
        let Some(before) = self.stack.len().checked_sub(2).map(|index| self.stack[index]) else { return false };
        if matches!((operator, last), (Operator::I32Or, I32(0))) {
            self.pop();
            return true;
        }
        let result = self.number(before).and_then(|first| binary(operator, first, last));
        if let Some(result) = result {
            self.pop_two();
            self.push_number(result);
        }
        result.is_some()
    }

    /// Does the load `operator`, if it reads a constant memory at a constant index.
    pub fn load_constant(&mut self, operator: &Operator<'_>) -> bool {
        let (Operator::I64Load { memarg } | Operator::F64Load { memarg }) = operator else { return false };
        let MemArgTarget::Memory(memory) = memarg.target else { return false };
        let memory = self.linkage.memories[memory as usize];
        let index = self.stack.last().and_then(|value| self.number(*value));
        let (true, Some(I32(index))) = (self.program.memories[memory.0 as usize].constant, index) else { return false };
        let address = u32::try_from(u64::from(index) + memarg.offset).ok();
        let bytes =
            address.and_then(|address| self.linkage.constants_at(address)).and_then(|bytes| bytes.first_chunk());
        let Some(bytes) = bytes else { return false };
        let bits = u64::from_le_bytes(*bytes);
        self.pop();
        self.push_number(if matches!(operator, Operator::I64Load { .. }) {
            I64(bits)
        } else {
            F64(f64::from_bits(bits))
        });
        true
    }

    /// The truth of a condition that is a constant.
    pub fn known_condition(&self, condition: Value) -> Option<bool> {
        match self.number(condition) {
            Some(I32(bits)) => Some(bits != 0),
            _ => None,
        }
    }

    /// The index that `value` is, if it is a constant.
    pub fn known_index(&self, value: Value) -> Option<u32> {
        match self.number(value) {
            Some(I32(index)) => Some(index),
            _ => None,
        }
    }

    /// Whether `value` is a constant number.
    pub fn is_constant(&self, value: Value) -> bool {
        self.number(value).is_some()
    }

    /// Whether `value` is a constant float that is no NaN.
    pub fn is_ordered_constant(&self, value: Value) -> bool {
        match self.number(value) {
            Some(F32(number)) => !number.is_nan(),
            Some(F64(number)) => !number.is_nan(),
            _ => false,
        }
    }

    fn number(&self, value: Value) -> Option<Number> {
        let dfg = &self.builder.func.dfg;
        let value = dfg.resolve_aliases(value);
        let ValueDef::Result(inst, _) = dfg.value_def(value) else { return None };
        match dfg.insts[inst] {
            InstructionData::UnaryImm { imm, .. } if dfg.value_type(value) == types::I32 => {
                Some(I32(imm.bits() as u32))
            }
            InstructionData::UnaryImm { imm, .. } if dfg.value_type(value) == types::I64 => {
                Some(I64(imm.bits() as u64))
            }
            InstructionData::UnaryIeee32 { imm, .. } => Some(F32(f32::from_bits(imm.bits()))),
            InstructionData::UnaryIeee64 { imm, .. } => Some(F64(f64::from_bits(imm.bits()))),
            _ => None,
        }
    }

    fn push_number(&mut self, number: Number) {
        let value = match number {
            I32(bits) => self.builder.ins().iconst(types::I32, i64::from(bits)),
            I64(bits) => self.builder.ins().iconst(types::I64, bits as i64),
            F32(number) => self.builder.ins().f32const(Ieee32::with_bits(number.to_bits())),
            F64(number) => self.builder.ins().f64const(Ieee64::with_bits(number.to_bits())),
        };
        self.stack.push(value);
    }
}

fn unary(operator: &Operator<'_>, operand: Number) -> Option<Number> {
    use Operator as O;
    Some(match (operator, operand) {
        (O::I32Eqz, I32(a)) => truth(a == 0),
        (O::I64Eqz, I64(a)) => truth(a == 0),
        (O::I32Clz, I32(a)) => I32(a.leading_zeros()),
        (O::I32WrapI64, I64(a)) => I32(a as u32),
        (O::I64ExtendI32S, I32(a)) => I64(i64::from(a as i32) as u64),
        (O::I64ExtendI32U, I32(a)) => I64(u64::from(a)),
        (O::I32ReinterpretF32, F32(a)) => I32(a.to_bits()),
        (O::I64ReinterpretF64, F64(a)) => I64(a.to_bits()),
        (O::F32ReinterpretI32, I32(a)) => F32(f32::from_bits(a)),
        (O::F64ReinterpretI64, I64(a)) => F64(f64::from_bits(a)),
        (O::F32Abs, F32(a)) => F32(a.abs()),
        (O::F64Abs, F64(a)) => F64(a.abs()),
        (O::F32Neg, F32(a)) => F32(-a),
        (O::F64Neg, F64(a)) => F64(-a),
        (O::F64Sqrt, F64(a)) if a >= 0.0 => F64(libm::sqrt(a)),
        (O::F64Trunc, F64(a)) if !a.is_nan() => F64(libm::trunc(a)),
        (O::F64Nearest, F64(a)) if !a.is_nan() => F64(libm::roundeven(a)),
        (O::F64PromoteF32, F32(a)) if !a.is_nan() => F64(f64::from(a)),
        (O::F32DemoteF64, F64(a)) if !a.is_nan() => F32(a as f32),
        (O::F64ConvertI32S, I32(a)) => F64(f64::from(a as i32)),
        (O::F64ConvertI32U, I32(a)) => F64(f64::from(a)),
        (O::F64ConvertI64S, I64(a)) => F64(a as i64 as f64),
        (O::F64ConvertI64U, I64(a)) => F64(a as f64),
        (O::I32TruncF64S, F64(a)) if a > -2_147_483_649.0 && a < 2_147_483_648.0 => I32(a as i32 as u32),
        _ => return None,
    })
}

fn binary(operator: &Operator<'_>, first: Number, second: Number) -> Option<Number> {
    match (first, second) {
        (I32(a), I32(b)) => binary_i32(operator, a, b),
        (I64(a), I64(b)) => binary_i64(operator, a, b),
        (F32(a), F32(b)) => binary_f32(operator, a, b),
        (F64(a), F64(b)) => binary_f64(operator, a, b),
        _ => None,
    }
}

fn truth(condition: bool) -> Number {
    I32(u32::from(condition))
}

/// The operators of both widths of integers.
macro_rules! binary_integer {
    ($name:ident, $number:ident, $unsigned:ty, $signed:ty, $($operator:ident)+) => {
        fn $name(operator: &Operator<'_>, a: $unsigned, b: $unsigned) -> Option<Number> {
            binary_integer!(@match operator, a, b, $number, $signed, $($operator)+)
        }
    };
    (@match $operator:ident, $a:ident, $b:ident, $number:ident, $signed:ty, $add:ident $sub:ident $and:ident $or:ident
        $xor:ident $shl:ident $shr_u:ident $eq:ident $ne:ident $lt_s:ident $lt_u:ident $gt_s:ident $gt_u:ident
        $le_s:ident $le_u:ident $ge_s:ident $ge_u:ident) => {
        Some(match $operator {
            Operator::$add => $number($a.wrapping_add($b)),
            Operator::$sub => $number($a.wrapping_sub($b)),
            Operator::$and => $number($a & $b),
            Operator::$or => $number($a | $b),
            Operator::$xor => $number($a ^ $b),
            Operator::$shl => $number($a.wrapping_shl($b as u32)),
            Operator::$shr_u => $number($a.wrapping_shr($b as u32)),
            Operator::$eq => truth($a == $b),
            Operator::$ne => truth($a != $b),
            Operator::$lt_s => truth(($a as $signed) < $b as $signed),
            Operator::$lt_u => truth($a < $b),
            Operator::$gt_s => truth($a as $signed > $b as $signed),
            Operator::$gt_u => truth($a > $b),
            Operator::$le_s => truth($a as $signed <= $b as $signed),
            Operator::$le_u => truth($a <= $b),
            Operator::$ge_s => truth($a as $signed >= $b as $signed),
            Operator::$ge_u => truth($a >= $b),
            _ => return None,
        })
    };
}

binary_integer!(binary_i32, I32, u32, i32, I32Add I32Sub I32And I32Or I32Xor I32Shl I32ShrU I32Eq I32Ne I32LtS I32LtU
    I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU);
binary_integer!(binary_i64, I64, u64, i64, I64Add I64Sub I64And I64Or I64Xor I64Shl I64ShrU I64Eq I64Ne I64LtS I64LtU
    I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU);

/// The operators of both widths of floats.
macro_rules! binary_float {
    ($name:ident, $number:ident, $float:ty, $add:ident $sub:ident $mul:ident $div:ident $copysign:ident $eq:ident
        $ne:ident $lt:ident $gt:ident $le:ident $ge:ident) => {
        fn $name(operator: &Operator<'_>, a: $float, b: $float) -> Option<Number> {
            let result = match operator {
                Operator::$add => a + b,
                Operator::$sub => a - b,
                Operator::$mul => a * b,
                Operator::$div => a / b,
                Operator::$copysign => return Some($number(a.copysign(b))),
                Operator::$eq => return Some(truth(a == b)),
                Operator::$ne => return Some(truth(a != b)),
                Operator::$lt => return Some(truth(a < b)),
                Operator::$gt => return Some(truth(a > b)),
                Operator::$le => return Some(truth(a <= b)),
                Operator::$ge => return Some(truth(a >= b)),
                _ => return None,
            };
            (!result.is_nan()).then_some($number(result))
        }
    };
}

binary_float!(binary_f32, F32, f32, F32Add F32Sub F32Mul F32Div F32Copysign F32Eq F32Ne F32Lt F32Gt F32Le F32Ge);
binary_float!(binary_f64, F64, f64, F64Add F64Sub F64Mul F64Div F64Copysign F64Eq F64Ne F64Lt F64Gt F64Le F64Ge);
