//! How many of what a module has, counted before it is read, and what reading and linking it takes of memory.
//!
//! The validator and the linker collect what there is in lists and trees that cannot fail: a module that is too large for
//! the machine has to be refused beforehand. Neighbours: `instantiate` asks, `translate/extent.rs` does the same for a body.

use core::ops::Range;
use wasmparser::{
    BlockType, FunctionBody, KnownCustom, Name, NameSectionReader, Operator, Parser, Payload, TableType,
    TypeSectionReader,
};

use super::program::table_capacity;
use crate::engine::layout::table_entry;

/// Bodies that may take more than this to validate are looked at one operator at a time.
const LARGE_BODY_BYTES: u64 = 1 << 20;

/// What each takes, as measured on modules that consist of little else (`tests/start_memory.rs`).
mod bytes_of {
    pub const TYPE: u64 = 350;
    pub const TYPE_BYTE: u64 = 32;
    pub const IMPORT: u64 = 600;
    pub const FUNCTION: u64 = 950;
    pub const GLOBAL: u64 = 136;
    pub const EXPORT: u64 = 200;
    pub const TAG: u64 = 64;
    pub const SEGMENT: u64 = 170;
    pub const NAME: u64 = 60;
    /// A block that is open while its body is validated, and a value that is on the stack.
    pub const LEVEL: u64 = 120;
    pub const VALUE: u64 = 24;
}

/// What reading and linking the module `bytes` takes at most. Where it is broken, what is in front of that. Tells again and again
/// how many bytes are done.
pub fn bytes_to_start(bytes: &[u8], tell: &mut dyn FnMut(u64)) -> u64 {
    let (mut sum, mut largest_body, mut widest) = (0_u64, 0, 1);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match &payload {
            Payload::TypeSection(reader) => widest = widest_type(reader).max(1),
            Payload::CodeSectionEntry(body) => {
                largest_body = largest_body.max(bytes_to_validate(body, widest));
                tell(body.range().end);
            }
            _ => {}
        }
        sum = sum.saturating_add(bytes_to_read(payload));
    }
    sum.saturating_add(largest_body)
}

/// Most parameters or results of one type.
fn widest_type(reader: &TypeSectionReader<'_>) -> u64 {
    let types = reader.clone().into_iter_err_on_gc_types().map_while(Result::ok);
    types.map(|ty| ty.params().len().max(ty.results().len()) as u64).max().unwrap_or(0)
}

fn bytes_to_read(payload: Payload<'_>) -> u64 {
    let of = |count: u32, each: u64| u64::from(count) * each;
    match payload {
        Payload::TypeSection(reader) => {
            of(reader.count(), bytes_of::TYPE) + length(reader.range()) * bytes_of::TYPE_BYTE
        }
        // Names are kept by the validator.
        Payload::ImportSection(reader) => of(reader.count(), bytes_of::IMPORT) + 2 * length(reader.range()),
        Payload::FunctionSection(reader) => of(reader.count(), bytes_of::FUNCTION),
        Payload::TableSection(reader) => reader.into_iter().map_while(Result::ok).map(|table| entries(&table.ty)).sum(),
        Payload::GlobalSection(reader) => of(reader.count(), bytes_of::GLOBAL),
        Payload::TagSection(reader) => of(reader.count(), bytes_of::TAG),
        Payload::ExportSection(reader) => of(reader.count(), bytes_of::EXPORT) + 2 * length(reader.range()),
        Payload::ElementSection(reader) => of(reader.count(), bytes_of::SEGMENT),
        Payload::DataSection(reader) => of(reader.count(), bytes_of::SEGMENT),
        Payload::CustomSection(section) => match section.as_known() {
            KnownCustom::Name(reader) => 2 * length(section.range()) + names(reader),
            _ => 0,
        },
        _ => 0,
    }
}

fn length(range: Range<u64>) -> u64 {
    range.end - range.start
}

fn entries(ty: &TableType) -> u64 {
    u64::from(table_capacity(ty)) * table_entry::BYTES as u64
}

fn names(reader: NameSectionReader<'_>) -> u64 {
    let functions = reader.into_iter().map_while(Result::ok).map(|names| match names {
        Name::Function(map) => map.count(),
        _ => 0,
    });
    functions.map(|count| count as u64 * bytes_of::NAME).sum()
}

/// What the validator takes for this body alone; one operator puts at most `widest` values on its stack.
fn bytes_to_validate(body: &FunctionBody<'_>, widest: u64) -> u64 {
    // The shortest operator that opens a block or leaves a value has two bytes.
    let operators = body.as_bytes().len() as u64 / 2;
    let bound = operators * (bytes_of::LEVEL + bytes_of::VALUE * widest);
    if bound <= LARGE_BODY_BYTES { bound } else { bytes_for_operators(body, widest).min(bound) }
}

fn bytes_for_operators(body: &FunctionBody<'_>, widest: u64) -> u64 {
    let operators = body.get_operators_reader().into_iter().flatten().map_while(Result::ok);
    let (mut open, mut deepest, mut values) = (0_u64, 0, 0);
    for operator in operators {
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => open += 1,
            Operator::End | Operator::Delegate { .. } => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
        values += values_left(&operator, widest);
    }
    deepest * bytes_of::LEVEL + values * bytes_of::VALUE
}

/// How many values the stack may have more after `operator`.
fn values_left(operator: &Operator<'_>, widest: u64) -> u64 {
    use Operator as O;
    match operator {
        O::Call { .. } | O::CallIndirect { .. } | O::Catch { .. } | O::TryTable { .. } => widest,
        O::Block { blockty } | O::Loop { blockty } | O::If { blockty } | O::Try { blockty } => match blockty {
            BlockType::FuncType(_) => widest,
            _ => 1,
        },
        O::LocalGet { .. } | O::GlobalGet { .. } | O::MemorySize { .. } | O::TableSize { .. } => 1,
        O::I32Const { .. } | O::I64Const { .. } | O::F32Const { .. } | O::F64Const { .. } | O::V128Const { .. } => 1,
        O::RefNull { .. } | O::RefFunc { .. } => 1,
        // Behind these, operators take what is not there.
        O::Unreachable | O::Br { .. } | O::BrTable { .. } | O::Return => 1,
        O::Throw { .. } | O::ThrowRef | O::Rethrow { .. } => 1,
        _ => 0,
    }
}
