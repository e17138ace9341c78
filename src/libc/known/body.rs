//! One body with what a linker decides set apart.

use alloc::vec::Vec;
use core::ops::Range;
use wasmparser::{BinaryReaderError, BlockType, FuncType, FunctionBody, Operator, ValType};
use xxhash_rust::xxh3::xxh3_64;

/// An operand that a linker may have put there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub operand: Operand,
    /// Where its operator is, in bytes from the start of what the body was read from.
    pub range: Range<usize>,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Index of the function called.
    Function(u32),
    /// Index of the global read or written.
    Global(u32),
    /// A constant, or the offset of a load or a store: perhaps an address.
    Number(u32),
}

/// A body whose slots are apart from everything else.
#[derive(Debug)]
pub struct Masked {
    /// Hash of all operators without what is in their slots.
    pub hash: u64,
    pub slots: Vec<Slot>,
}

impl Masked {
    /// Reads `body`. Types that it names are taken for what they are: `ty` has them by their index.
    ///
    /// # Errors
    /// The body is not well-formed.
    pub fn of<'t>(
        body: &FunctionBody<'_>,
        ty: impl Fn(u32) -> Option<&'t FuncType>,
    ) -> Result<Self, BinaryReaderError> {
        let mut text = Vec::with_capacity(body.as_bytes().len());
        let mut slots = Vec::new();
        let structure = |index| ty(index).map_or(0, signature_hash).to_le_bytes();
        let bytes = body.as_bytes();
        let start = body.range().start as usize;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let at = reader.original_position() as usize;
            let operator = reader.read()?;
            let range = at..reader.original_position() as usize;
            let encoded = &bytes[range.start - start..range.end - start];
            let mut slot = |kept: usize, operand| {
                text.extend(&encoded[..kept]);
                slots.push(Slot { operand, range: range.clone() });
            };
            match operator {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    slot(1, Operand::Function(function_index));
                }
                Operator::GlobalGet { global_index } | Operator::GlobalSet { global_index } => {
                    slot(1, Operand::Global(global_index));
                }
                Operator::I32Const { value } => slot(1, Operand::Number(value as u32)),
                Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                    text.push(encoded[0]);
                    text.extend(structure(type_index));
                }
                Operator::Block { blockty: BlockType::FuncType(index) }
                | Operator::Loop { blockty: BlockType::FuncType(index) }
                | Operator::If { blockty: BlockType::FuncType(index) } => {
                    text.push(encoded[0]);
                    text.extend(structure(index));
                }
                _ => match offset(encoded) {
                    Some((kept, offset)) => slot(kept, Operand::Number(offset)),
                    None => text.extend(encoded),
                },
            }
        }
        Ok(Self { hash: xxh3_64(&text), slots })
    }
}

/// First opcode of the loads, and last of the stores (WebAssembly 2.0, 5.4.6).
const MEMORY_OPCODES: core::ops::RangeInclusive<u8> = 0x28..=0x3e;

/// Bytes of a load or store before its offset, and the offset. None for other operators, and for other memories than the first.
fn offset(encoded: &[u8]) -> Option<(usize, u32)> {
    let [opcode, alignment, offset @ ..] = encoded else { return None };
    if !MEMORY_OPCODES.contains(opcode) || *alignment > 4 {
        return None;
    }
    let value = offset.iter().enumerate().map(|(place, byte)| u64::from(byte & 0x7f) << (7 * place));
    Some((2, value.sum::<u64>() as u32))
}

/// What can be known of a function without reading its operators: a hash of its type and of its local variables.
///
/// # Errors
/// The body is not well-formed.
pub fn shape(ty: &FuncType, body: &FunctionBody<'_>) -> Result<u64, BinaryReaderError> {
    let mut text = signature_hash(ty).to_le_bytes().to_vec();
    for local in body.get_locals_reader()? {
        let (count, ty) = local?;
        text.extend(count.to_le_bytes());
        text.push(type_code(ty));
    }
    Ok(xxh3_64(&text))
}

/// A hash of a type's structure.
fn signature_hash(ty: &FuncType) -> u64 {
    let mut text: Vec<u8> = ty.params().iter().copied().map(type_code).collect();
    text.push(0);
    text.extend(ty.results().iter().copied().map(type_code));
    xxh3_64(&text)
}

/// The encoding of a type (WebAssembly 2.0, 5.3); all references are one.
fn type_code(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => 0x7f,
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        ValType::V128 => 0x7b,
        ValType::Ref(_) => 0x70,
    }
}
