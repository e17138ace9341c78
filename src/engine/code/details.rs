//! What is known of places in a piece of code: where it may fault and why, which operator it is from, what it refers to.
//!
//! Needed after a trap and to place code anew, so it is kept as it is stored, packed. Key type: [`Details`].

use alloc::vec::Vec;
use core::num::NonZeroU8;
use core::ops::Range;
use cranelift_codegen::ir::TrapCode;
use serde::{Deserialize, Serialize};

use super::compile::{MachineCode, Relocation};
use crate::engine::EngineError;
use crate::engine::room;

/// Places are offsets in the code.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Ascending; the second is the number of a `TrapCode`.
    traps: Vec<(u32, u8)>,
    /// (offset in the code, offset in the body), ascending.
    locations: Vec<(u32, u32)>,
    pub relocations: Vec<Relocation>,
    pub handlers: Handlers,
}

/// Where calls in a piece of code go on that throw.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handlers {
    /// What the piece's function takes of the stack below its frame pointer; 0 if there are none.
    frame_bytes: u32,
    /// (offset of the instruction behind the call, offset of the handler), ascending.
    calls: Vec<(u32, u32)>,
}

impl Handlers {
    /// Whether all are in a piece of so many bytes.
    pub fn are_within(&self, bytes: usize) -> bool {
        self.calls.iter().all(|(_, handler)| (*handler as usize) < bytes)
    }

    /// The handler of the call that returns to `offset`, and the bytes of the frame; none if it has none.
    pub fn of(&self, offset: u32) -> Option<(u32, u32)> {
        let index = self.calls.binary_search_by_key(&offset, |(returns_to, _)| *returns_to).ok()?;
        Some((self.calls[index].1, self.frame_bytes))
    }
}

/// Most bytes that one of each takes, packed.
const TRAP_BYTES: usize = 6;
const LOCATION_BYTES: usize = 10;
const RELOCATION_BYTES: usize = 24;
const HANDLER_BYTES: usize = 10;
/// And the four lengths and the bytes of a frame.
const LENGTHS_BYTES: usize = 25;

impl Details {
    pub fn of(code: &MachineCode) -> Self {
        Self {
            traps: code.traps.iter().map(|(at, trap)| (*at, trap.as_raw().get())).collect(),
            locations: code.locations.clone(),
            relocations: code.relocations.clone(),
            handlers: Handlers {
                frame_bytes: if code.handlers.is_empty() { 0 } else { code.frame_bytes },
                calls: code.handlers.clone(),
            },
        }
    }

    /// Bytes that they take packed, at most.
    pub fn most_bytes(&self) -> usize {
        self.traps.len() * TRAP_BYTES
            + self.locations.len() * LOCATION_BYTES
            + self.relocations.len() * RELOCATION_BYTES
            + self.handlers.calls.len() * HANDLER_BYTES
            + LENGTHS_BYTES
    }

    /// Packs them behind what is in `bytes`; where they are.
    pub fn append_to(&self, bytes: &mut Vec<u8>) -> Result<Range<usize>, EngineError> {
        let most = self.most_bytes();
        let start = bytes.len();
        room::reserve(bytes, most, "what is known of machine code")?;
        bytes.resize(start + most, 0);
        let used = postcard::to_slice(self, &mut bytes[start..]).map(|packed| packed.len());
        let used =
            used.map_err(|error| EngineError::Codegen(alloc::format!("what is known of machine code: {error}")))?;
        bytes.truncate(start + used);
        Ok(start..start + used)
    }

    /// Those packed in `bytes`; none where that is not what they are.
    pub fn read(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).unwrap_or_default()
    }

    /// Why the instruction at `offset` faults, if it is one that may.
    pub fn trap(&self, offset: u32) -> Option<TrapCode> {
        let index = self.traps.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        NonZeroU8::new(self.traps[index].1).map(TrapCode::from_raw)
    }

    /// The offset in the body of the operator that the code at `offset` belongs to.
    pub fn location(&self, offset: u32) -> Option<u32> {
        let after = self.locations.partition_point(|(at, _)| *at <= offset);
        self.locations[..after].last().map(|(_, offset)| *offset).filter(|offset| *offset != u32::MAX)
    }
}
