//! Constant expressions: initial values of globals, offsets of segments, items of element segments.

use alloc::format;
use alloc::string::ToString;
use wasmparser::{ConstExpr, Operator};

use super::EngineError;

/// What a constant expression stands for.
pub enum ConstantValue {
    Bits(u64),
    Function(u32),
}

/// The value of `expression`; `global` knows the globals that it may name.
pub fn evaluate(expression: &ConstExpr<'_>, global: impl Fn(u32) -> Option<u64>) -> Result<ConstantValue, EngineError> {
    let bad = |message: &str| EngineError::ConstantExpression { message: message.to_string() };
    let operator = expression.get_operators_reader().read().map_err(|error| bad(error.message()))?;
    let bits = match operator {
        Operator::I32Const { value } => value as u32 as u64,
        Operator::I64Const { value } => value as u64,
        Operator::F32Const { value } => u64::from(value.bits()),
        Operator::F64Const { value } => value.bits(),
        Operator::RefNull { .. } => 0,
        Operator::RefFunc { function_index } => return Ok(ConstantValue::Function(function_index)),
        Operator::GlobalGet { global_index } => {
            global(global_index).ok_or_else(|| bad("a global it names is not known"))?
        }
        other => return Err(bad(&format!("{other:?} is not supported"))),
    };
    Ok(ConstantValue::Bits(bits))
}
