//! Code laid out in a row behind the entries, for a later boot to put there as it is.
//!
//! Key types: [`Loose`] (a piece of code that can be placed anywhere), [`Draft`] (pieces that have their places).
//! Neighbours: `space` holds the code of this boot, `cache` decides which pieces the next one gets.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;
use serde::{Deserialize, Serialize};

use super::compile::{MachineCode, Symbol};
use super::details::Details;
use super::paste::paste;
use super::space::{BREAKPOINT, CodeSpace, FUNCTION_ALIGN, Piece, Placed, Targets, apply, kernel_code};
use crate::engine::EngineError;
use crate::engine::decode::program::FuncId;
use crate::engine::room;
use crate::engine::specialise::KernelId;

/// What is stored about a piece at most, its function included.
const BESIDE_BYTES: usize = 128;

/// A piece of code and all that has to be known to place it.
pub struct Loose {
    pub piece: Piece,
    pub bytes: Vec<u8>,
    pub details: Details,
    /// Whether calls of the function may go straight to it.
    pub settled: bool,
}

impl Loose {
    /// What the code generator made.
    pub fn new(piece: Piece, mut code: MachineCode, settled: bool) -> Result<Self, EngineError> {
        paste(&mut code).map_err(|error| EngineError::Codegen(format!("kernels: {error}")))?;
        let details = Details::of(&code);
        Ok(Self { piece, bytes: code.bytes, details, settled })
    }

    /// The piece that is `stored` in `code`, with its own `details`.
    pub fn stored(stored: &StoredPiece, code: &[u8], details: &[u8]) -> Self {
        let bytes = code[stored.offset as usize..][..stored.bytes as usize].to_vec();
        Self { piece: stored.piece, bytes, details: Details::read(details), settled: stored.settled }
    }

    /// What it takes at most where it is stored.
    pub fn most_bytes(&self) -> usize {
        self.bytes.len().next_multiple_of(FUNCTION_ALIGN) + self.details.most_bytes() + BESIDE_BYTES
    }
}

/// Pieces with their places.
pub struct Draft {
    pub code: Vec<u8>,
    pub pieces: Vec<StoredPiece>,
    /// What is known of places in them.
    pub details: Vec<u8>,
}

/// A piece of code that has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPiece {
    pub piece: Piece,
    /// Bytes behind the entries.
    pub offset: u32,
    pub bytes: u32,
    /// How much of the details is its; those of the pieces follow each other.
    pub details_bytes: u32,
    pub settled: bool,
}

/// Each of `pieces` with where in the details those of its own are.
pub fn with_details(pieces: &[StoredPiece]) -> impl Iterator<Item = (&StoredPiece, Range<usize>)> {
    pieces.iter().scan(0, |end, stored| {
        let start = *end;
        *end += stored.details_bytes as usize;
        Some((stored, start..*end))
    })
}

impl CodeSpace {
    /// The piece at `address`, ready to be placed elsewhere; none if what is known of it cannot be true.
    pub fn loose(&self, address: u64) -> Option<Loose> {
        let placed = self.find(address)?;
        let bytes = (placed.range.end - placed.range.start) as usize;
        let details = Some(self.details(placed)).filter(|details| self.is_consistent(details, bytes))?;
        let settled = placed.function().is_some_and(|id| self.settled.contains_key(&id));
        let start = (placed.range.start - self.base()) as usize;
        let code = self.memory.bytes(start..start + bytes);
        let mut bytes = Vec::new();
        room::reserve(&mut bytes, code.len(), "code for the next boot").ok()?;
        bytes.extend_from_slice(code);
        Some(Loose { piece: placed.piece, bytes, details, settled })
    }

    /// Gives `pieces`, and the kernels that they call, places in a row. Kernels that were placed before are not made again.
    pub fn draft(&self, pieces: Vec<Loose>) -> Result<Draft, EngineError> {
        let kernels = self.kernels_of(&pieces)?;
        let mut places = BTreeMap::new();
        let (mut settled, mut offset) = (BTreeMap::new(), 0_usize);
        let base = self.base() + self.first as u64;
        let all = || kernels.values().chain(&pieces);
        for loose in all() {
            let address = base + offset as u64;
            match loose.piece {
                Piece::Kernel(id) => drop(places.insert(id, address)),
                Piece::Function(id) if loose.settled => drop(settled.insert(FuncId(id), address)),
                Piece::Function(_) | Piece::Wrapper(_) => {}
            }
            offset = (offset + loose.bytes.len()).next_multiple_of(FUNCTION_ALIGN);
        }
        let targets = Targets { kernels: &places, settled: &settled };
        let what = "code for the next boot";
        let mut draft = Draft { code: Vec::new(), pieces: Vec::new(), details: Vec::new() };
        room::reserve(&mut draft.code, offset, what)?;
        room::reserve(&mut draft.pieces, kernels.len() + pieces.len(), what)?;
        for loose in all() {
            let start = draft.code.len();
            draft.code.extend_from_slice(&loose.bytes);
            let code = &mut draft.code[start..];
            for relocation in &loose.details.relocations {
                apply(code, relocation, base + start as u64, self.target(relocation, targets)?);
            }
            let details = loose.details.append_to(&mut draft.details)?;
            draft.pieces.push(StoredPiece {
                piece: loose.piece,
                offset: start as u32,
                bytes: loose.bytes.len() as u32,
                details_bytes: details.len() as u32,
                settled: loose.settled,
            });
            draft.code.resize(draft.code.len().next_multiple_of(FUNCTION_ALIGN), BREAKPOINT);
        }
        Ok(draft)
    }

    /// The kernels that `pieces` call, and those that these call.
    fn kernels_of(&self, pieces: &[Loose]) -> Result<BTreeMap<KernelId, Loose>, EngineError> {
        let of = |details: &Details| -> Vec<KernelId> {
            details.relocations.iter().filter_map(|relocation| relocation.target.kernel()).collect()
        };
        let mut next: Vec<KernelId> = pieces.iter().flat_map(|loose| of(&loose.details)).collect();
        let mut kernels = BTreeMap::new();
        while let Some(id) = next.pop() {
            if kernels.contains_key(&id) {
                continue;
            }
            let placed = self.kernels.get(&id).and_then(|address| self.loose(*address));
            let loose = match placed {
                Some(loose) => loose,
                None => {
                    let code = kernel_code(id, self.cpu)?;
                    Loose::new(Piece::Kernel(id), code, false)?
                }
            };
            next.extend(of(&loose.details));
            kernels.insert(id, loose);
        }
        Ok(kernels)
    }

    /// Puts `code` behind the entries, where nothing is yet, and sends calls of its functions there: `pieces` are in it, with
    /// `details`, but for those that are not `wanted`.
    pub fn load(
        &mut self,
        code: &[u8],
        pieces: &[StoredPiece],
        details: Vec<u8>,
        wanted: impl Fn(Piece) -> bool,
    ) -> Result<(), EngineError> {
        debug_assert!(self.placed.is_empty() && self.next == self.first);
        room::reserve(&mut self.placed, pieces.len(), "the list of machine code")?;
        let offset = self.reserve(code.len())?;
        self.write(offset, code)?;
        for (stored, own) in with_details(pieces).filter(|(stored, _)| wanted(stored.piece)) {
            let first = self.base() + (offset + stored.offset as usize) as u64;
            self.add(stored, first, own);
        }
        self.details = details;
        let functions = self.placed.iter().filter_map(|placed| Some((placed.function()?, placed.range.start)));
        let functions: BTreeMap<FuncId, u64> = functions.collect();
        (0..self.entries.len()).try_for_each(|block| self.write_entries(block, |id| functions.get(&id).copied()))
    }

    /// Whether `pieces` with these `details` refer to nothing that is not there.
    pub fn are_consistent(&self, pieces: &[StoredPiece], details: &[u8]) -> bool {
        let is_consistent = |(stored, own): (&StoredPiece, Range<usize>)| {
            self.is_consistent(&Details::read(&details[own]), stored.bytes as usize)
        };
        with_details(pieces).all(is_consistent)
    }

    fn is_consistent(&self, details: &Details, bytes: usize) -> bool {
        let functions = self.entries.last().map_or(0, |block| block.first + block.count);
        let are_there = details.relocations.iter().all(|relocation| {
            let is_missing = match relocation.target {
                Symbol::Function(id) => id.0 >= functions,
                Symbol::Room(_) => true,
                _ => false,
            };
            !is_missing && relocation.offset as usize + size_of::<i32>() <= bytes
        });
        are_there && details.handlers.are_within(bytes)
    }

    /// Has `code`, in which `pieces` with these `details` are, go through the entries of the functions `elsewhere`.
    pub fn detach(&self, code: &mut [u8], pieces: &[StoredPiece], details: &[u8], elsewhere: &BTreeSet<FuncId>) {
        for (stored, own) in with_details(pieces) {
            let piece = &mut code[stored.offset as usize..][..stored.bytes as usize];
            let address = self.base() + (self.first + stored.offset as usize) as u64;
            for relocation in Details::read(&details[own]).relocations {
                if let Symbol::Function(id) = relocation.target
                    && elsewhere.contains(&id)
                {
                    apply(piece, &relocation, address, self.entry(id));
                }
            }
        }
    }

    fn add(&mut self, stored: &StoredPiece, address: u64, details: Range<usize>) {
        self.bytes += stored.bytes as usize;
        match stored.piece {
            Piece::Kernel(id) => {
                self.kernel_bytes += stored.bytes as usize;
                self.kernels.insert(id, address);
            }
            Piece::Wrapper(signature) => drop(self.wrappers.insert(signature, address)),
            Piece::Function(id) if stored.settled => drop(self.settled.insert(FuncId(id), address)),
            Piece::Function(_) => {}
        }
        let range = address..address + u64::from(stored.bytes);
        self.placed.push(Placed { piece: stored.piece, range, details });
    }
}
