//! Arithmetic, comparisons and conversions.

use cranelift_codegen::ir::condcodes::{CondCode, FloatCC, IntCC};
use cranelift_codegen::ir::immediates::Ieee64;
use cranelift_codegen::ir::{InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, types};
use wasmparser::Operator;

use super::Translator;

/// Pops two operands, the second one first, and emits `$method`.
macro_rules! binary {
    ($translator:ident, $method:ident) => {{
        let (a, b) = $translator.pop_two();
        $translator.builder.ins().$method(a, b)
    }};
}

/// Pops an operand and emits `$method`.
macro_rules! unary {
    ($translator:ident, $method:ident) => {{
        let a = $translator.pop();
        $translator.builder.ins().$method(a)
    }};
}

impl Translator<'_> {
    /// Handles the numeric operators. Returns whether it was one.
    pub fn numeric(&mut self, operator: &Operator<'_>) -> bool {
        self.fold(operator)
            || self.compare(operator)
            || self.integer(operator)
            || self.float(operator)
            || self.convert(operator)
    }

    fn compare(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        if let Some(condition) = integer_condition(operator) {
            let (a, b) = self.pop_two();
            self.push_condition(condition, a, b);
            return true;
        }
        if let Some(condition) = float_condition(operator) {
            let (a, b) = self.pop_two();
            let bit = self.builder.ins().fcmp(condition, a, b);
            self.push_bit(bit);
            return true;
        }
        if matches!(operator, O::I32Eqz | O::I64Eqz) {
            let value = self.pop();
            if let Some((condition, a, b)) = self.float_comparison(value) {
                // A branch on a comparison is one instruction less than a branch on a comparison with its result.
                let bit = self.builder.ins().fcmp(condition.complement(), a, b);
                self.push_bit(bit);
                return true;
            }
            let ty = self.builder.func.dfg.value_type(value);
            let zero = self.builder.ins().iconst(ty, 0);
            self.push_condition(IntCC::Equal, value, zero);
            return true;
        }
        false
    }

    /// The comparison of floats that `value` is the truth of.
    fn float_comparison(&self, value: Value) -> Option<(FloatCC, Value, Value)> {
        let dfg = &self.builder.func.dfg;
        let InstructionData::Unary { opcode: Opcode::Uextend, arg } = dfg.insts[dfg.value_def(value).inst()?] else {
            return None;
        };
        match dfg.insts[dfg.value_def(arg).inst()?] {
            InstructionData::FloatCompare { cond, args: [a, b], .. } => Some((cond, a, b)),
            _ => None,
        }
    }

    /// Pushes the comparison as an i32 of 0 or 1.
    pub fn push_condition(&mut self, condition: IntCC, a: Value, b: Value) {
        let bit = self.builder.ins().icmp(condition, a, b);
        self.push_bit(bit);
    }

    fn push_bit(&mut self, bit: Value) {
        let value = self.builder.ins().uextend(types::I32, bit);
        self.stack.push(value);
    }

    fn integer(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        let value = match operator {
            O::I32Add | O::I64Add => binary!(self, iadd),
            O::I32Sub | O::I64Sub => binary!(self, isub),
            O::I32Mul | O::I64Mul => binary!(self, imul),
            O::I32DivS | O::I64DivS => binary!(self, sdiv),
            O::I32DivU | O::I64DivU => binary!(self, udiv),
            O::I32RemS | O::I64RemS => binary!(self, srem),
            O::I32RemU | O::I64RemU => binary!(self, urem),
            O::I32And | O::I64And => binary!(self, band),
            O::I32Or | O::I64Or => binary!(self, bor),
            O::I32Xor | O::I64Xor => binary!(self, bxor),
            O::I32Shl | O::I64Shl => binary!(self, ishl),
            O::I32ShrS | O::I64ShrS => binary!(self, sshr),
            O::I32ShrU | O::I64ShrU => binary!(self, ushr),
            O::I32Rotl | O::I64Rotl => binary!(self, rotl),
            O::I32Rotr | O::I64Rotr => binary!(self, rotr),
            O::I32Clz | O::I64Clz => unary!(self, clz),
            O::I32Ctz | O::I64Ctz => unary!(self, ctz),
            O::I32Popcnt | O::I64Popcnt => unary!(self, popcnt),
            _ => return false,
        };
        self.stack.push(value);
        true
    }

    fn float(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        let value = match operator {
            O::F32Add | O::F64Add => {
                let (a, b) = self.pop_with_constant_last();
                self.builder.ins().fadd(a, b)
            }
            O::F32Sub | O::F64Sub => binary!(self, fsub),
            O::F32Mul | O::F64Mul => {
                let (a, b) = self.pop_with_constant_last();
                self.builder.ins().fmul(a, b)
            }
            O::F32Div | O::F64Div => binary!(self, fdiv),
            O::F32Min | O::F64Min => binary!(self, fmin),
            O::F32Max | O::F64Max => binary!(self, fmax),
            O::F32Copysign | O::F64Copysign => binary!(self, fcopysign),
            O::F32Abs | O::F64Abs => unary!(self, fabs),
            O::F32Neg | O::F64Neg => unary!(self, fneg),
            O::F32Sqrt | O::F64Sqrt => unary!(self, sqrt),
            O::F32Ceil | O::F64Ceil => unary!(self, ceil),
            O::F32Floor | O::F64Floor => unary!(self, floor),
            O::F32Trunc | O::F64Trunc => unary!(self, trunc),
            O::F32Nearest | O::F64Nearest => unary!(self, nearest),
            _ => return false,
        };
        self.stack.push(value);
        true
    }

    fn convert(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32, F64, I8, I16, I32, I64};
        macro_rules! to {
            ($method:ident, $ty:expr) => {{
                let a = self.pop();
                self.builder.ins().$method($ty, a)
            }};
        }
        let value = match operator {
            O::I32WrapI64 => to!(ireduce, I32),
            O::I64ExtendI32S => to!(sextend, I64),
            O::I64ExtendI32U => to!(uextend, I64),
            O::I32Extend8S => self.sign_extend_low(I8, I32),
            O::I32Extend16S => self.sign_extend_low(I16, I32),
            O::I64Extend8S => self.sign_extend_low(I8, I64),
            O::I64Extend16S => self.sign_extend_low(I16, I64),
            O::I64Extend32S => self.sign_extend_low(I32, I64),
            O::I32TruncF32S | O::I32TruncF64S => to!(fcvt_to_sint, I32),
            O::I32TruncF32U | O::I32TruncF64U => to!(fcvt_to_uint, I32),
            O::I64TruncF32S | O::I64TruncF64S => to!(fcvt_to_sint, I64),
            O::I64TruncF32U | O::I64TruncF64U => to!(fcvt_to_uint, I64),
            O::I32TruncSatF32S | O::I32TruncSatF64S => to!(fcvt_to_sint_sat, I32),
            O::I32TruncSatF32U | O::I32TruncSatF64U => to!(fcvt_to_uint_sat, I32),
            O::I64TruncSatF32S | O::I64TruncSatF64S => to!(fcvt_to_sint_sat, I64),
            O::I64TruncSatF32U | O::I64TruncSatF64U => to!(fcvt_to_uint_sat, I64),
            O::F32ConvertI32S | O::F32ConvertI64S => to!(fcvt_from_sint, F32),
            O::F32ConvertI32U | O::F32ConvertI64U => to!(fcvt_from_uint, F32),
            O::F64ConvertI32S | O::F64ConvertI64S => to!(fcvt_from_sint, F64),
            O::F64ConvertI32U | O::F64ConvertI64U => to!(fcvt_from_uint, F64),
            O::F32DemoteF64 => to!(fdemote, F32),
            O::F64PromoteF32 => to!(fpromote, F64),
            O::I32ReinterpretF32 => self.reinterpret(I32),
            O::I64ReinterpretF64 => self.reinterpret(I64),
            O::F32ReinterpretI32 => self.reinterpret(F32),
            O::F64ReinterpretI64 => self.reinterpret(F64),
            _ => return false,
        };
        self.stack.push(value);
        true
    }

    fn sign_extend_low(&mut self, low: Type, ty: Type) -> Value {
        let value = self.pop();
        let value = self.builder.ins().ireduce(low, value);
        self.builder.ins().sextend(ty, value)
    }

    fn reinterpret(&mut self, ty: Type) -> Value {
        let value = self.pop();
        if let Some((float, mask)) = self.masked_float(value).filter(|_| ty == types::F64) {
            let mask = self.builder.ins().f64const(Ieee64::with_bits(mask));
            return self.builder.ins().band(float, mask);
        }
        self.builder.ins().bitcast(ty, MemFlagsData::new(), value)
    }

    /// The double, and the constant, that `value` is the conjunction of: that takes no way through a general register.
    fn masked_float(&self, value: Value) -> Option<(Value, u64)> {
        let dfg = &self.builder.func.dfg;
        let InstructionData::Binary { opcode: Opcode::Band, args: [bits, mask] } =
            dfg.insts[dfg.value_def(value).inst()?]
        else {
            return None;
        };
        let InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg: float, .. } =
            dfg.insts[dfg.value_def(bits).inst()?]
        else {
            return None;
        };
        (dfg.value_type(float) == types::F64).then_some((float, self.constant(mask)? as u64))
    }

    pub fn pop_two(&mut self) -> (Value, Value) {
        let (b, a) = (self.pop(), self.pop());
        (a, b)
    }

    /// Two operands of a sum or product: the second one can be an operand in memory, so a constant takes no register there.
    /// Where both are NaNs the result has the first one's bits, so those stay where they are.
    fn pop_with_constant_last(&mut self) -> (Value, Value) {
        let (a, b) = self.pop_two();
        if self.is_ordered_constant(a) { (b, a) } else { (a, b) }
    }
}

fn integer_condition(operator: &Operator<'_>) -> Option<IntCC> {
    use Operator as O;
    Some(match operator {
        O::I32Eq | O::I64Eq => IntCC::Equal,
        O::I32Ne | O::I64Ne => IntCC::NotEqual,
        O::I32LtS | O::I64LtS => IntCC::SignedLessThan,
        O::I32LtU | O::I64LtU => IntCC::UnsignedLessThan,
        O::I32GtS | O::I64GtS => IntCC::SignedGreaterThan,
        O::I32GtU | O::I64GtU => IntCC::UnsignedGreaterThan,
        O::I32LeS | O::I64LeS => IntCC::SignedLessThanOrEqual,
        O::I32LeU | O::I64LeU => IntCC::UnsignedLessThanOrEqual,
        O::I32GeS | O::I64GeS => IntCC::SignedGreaterThanOrEqual,
        O::I32GeU | O::I64GeU => IntCC::UnsignedGreaterThanOrEqual,
        _ => return None,
    })
}

fn float_condition(operator: &Operator<'_>) -> Option<FloatCC> {
    use Operator as O;
    Some(match operator {
        O::F32Eq | O::F64Eq => FloatCC::Equal,
        O::F32Ne | O::F64Ne => FloatCC::NotEqual,
        O::F32Lt | O::F64Lt => FloatCC::LessThan,
        O::F32Gt | O::F64Gt => FloatCC::GreaterThan,
        O::F32Le | O::F64Le => FloatCC::LessThanOrEqual,
        O::F32Ge | O::F64Ge => FloatCC::GreaterThanOrEqual,
        _ => return None,
    })
}
