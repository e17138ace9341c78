//! Code memory filled: trampolines, function entries, functions and kernels, and whose an address is.
//!
//! Key types: [`CodeSpace`]. Code only ever grows; a function's newer code is reached by patching its entry.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use cranelift_codegen::ir::TrapCode;
use iced_x86::IcedError;
use serde::{Deserialize, Serialize};

use super::compile::{Effort, MachineCode, Relocation, Symbol};
use super::details::{Details, Handlers};
use super::library;
use super::paste::paste;
use super::trampoline::{self, Trampolines};
use crate::engine::cpu::CpuFeatures;
use crate::engine::decode::program::FuncId;
use crate::engine::layout::{ENTRY_BYTES, NEAR_BYTES, TRAMPOLINE_BYTES};
use crate::engine::seams::CodeMemory;
use crate::engine::specialise::{KernelId, keeping_registers, kernel};
use crate::engine::{EngineError, room};

/// Alignment of functions: a cache line.
pub(super) const FUNCTION_ALIGN: usize = 64;

/// A call or jump with a 32-bit distance.
const NEAR_CALL: u8 = 0xe8;
const NEAR_JUMP: u8 = 0xe9;

/// Fills what is never run.
pub(super) const BREAKPOINT: u8 = 0xcc;

/// All code of one engine.
pub struct CodeSpace {
    pub(super) memory: Box<dyn CodeMemory>,
    state_base: u64,
    pub(super) next: usize,
    /// Where code begins: behind the newest entries.
    pub(super) first: usize,
    /// Entries of functions, ascending by function.
    pub(super) entries: Vec<EntryBlock>,
    pub trampolines: Trampolines,
    pub(super) cpu: CpuFeatures,
    pub(super) kernels: BTreeMap<KernelId, u64>,
    /// By signature.
    pub(super) wrappers: BTreeMap<u32, u64>,
    /// Functions whose code will not be replaced, with its address: calls need not go through the entry.
    pub(super) settled: BTreeMap<FuncId, u64>,
    /// Placed code, ascending by address.
    pub(super) placed: Vec<Placed>,
    /// What is known of the places in it, piece by piece.
    pub(super) details: Vec<u8>,
    /// The handlers in pieces that something was thrown through, by address.
    handlers: BTreeMap<u64, Handlers>,
    /// Bytes of functions, wrappers and kernels.
    pub bytes: usize,
    /// Bytes of kernels.
    pub kernel_bytes: usize,
}

/// Entries of functions with consecutive numbers.
#[derive(Clone, Copy)]
pub(super) struct EntryBlock {
    pub(super) first: u32,
    pub(super) count: u32,
    offset: usize,
}

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Piece {
    Kernel(KernelId),
    /// Calls functions of this signature.
    Wrapper(u32),
    Function(u32),
}

/// A piece of placed code.
#[derive(Clone, Debug)]
pub struct Placed {
    pub piece: Piece,
    pub range: Range<u64>,
    /// Where what is known of the places in it is.
    pub(super) details: Range<usize>,
}

impl Placed {
    /// The function it belongs to; none for wrappers and kernels.
    pub const fn function(&self) -> Option<FuncId> {
        match self.piece {
            Piece::Function(id) => Some(FuncId(id)),
            Piece::Kernel(_) | Piece::Wrapper(_) => None,
        }
    }
}

impl CodeSpace {
    /// Places the trampolines: those `known`, which were made for the same places, or new ones.
    pub fn new(
        memory: Box<dyn CodeMemory>,
        state_base: u64,
        pinned: bool,
        cpu: CpuFeatures,
        known: Option<&Trampolines>,
    ) -> Result<Self, EngineError> {
        let trampolines = match known {
            Some(known) => known.clone(),
            None => trampoline::assemble(memory.base(), state_base, pinned)
                .map_err(|error| EngineError::Codegen(alloc::format!("trampolines: {error}")))?,
        };
        let mut space = Self {
            memory,
            state_base,
            next: TRAMPOLINE_BYTES,
            first: TRAMPOLINE_BYTES,
            entries: Vec::new(),
            trampolines,
            cpu,
            kernels: BTreeMap::new(),
            wrappers: BTreeMap::new(),
            settled: BTreeMap::new(),
            placed: Vec::new(),
            details: Vec::new(),
            handlers: BTreeMap::new(),
            bytes: 0,
            kernel_bytes: 0,
        };
        space.write(0, &space.trampolines.bytes.clone())?;
        Ok(space)
    }

    /// Places entries for `count` functions from number `first` on, which compile at first call.
    pub fn add_entries(&mut self, first: u32, count: u32) -> Result<(), EngineError> {
        let offset = self.reserve(count as usize * ENTRY_BYTES)?;
        self.first = self.next;
        room::push(&mut self.entries, EntryBlock { first, count, offset }, "entries of functions")?;
        self.write_entries(self.entries.len() - 1, |_| None)
    }

    /// Has the entries of a block jump to the code that `address` has of their functions, or compile that.
    pub(super) fn write_entries(
        &mut self,
        block: usize,
        address: impl Fn(FuncId) -> Option<u64>,
    ) -> Result<(), EngineError> {
        let EntryBlock { first, count, offset } = self.entries[block];
        let mut bytes = Vec::new();
        room::reserve(&mut bytes, count as usize * ENTRY_BYTES, "entries of functions")?;
        bytes.resize(count as usize * ENTRY_BYTES, BREAKPOINT);
        for ((id, at), entry) in (first..).zip((offset..).step_by(ENTRY_BYTES)).zip(bytes.chunks_exact_mut(ENTRY_BYTES))
        {
            let near = match address(FuncId(id)) {
                Some(address) => near(NEAR_JUMP, at, (address - self.base()) as usize),
                None => near(NEAR_CALL, at, self.trampolines.compile),
            };
            entry[..NEAR_BYTES].copy_from_slice(&near);
        }
        self.write(offset, &bytes)
    }

    pub fn base(&self) -> u64 {
        self.memory.base()
    }

    /// Addresses that hold code.
    pub fn range(&self) -> Range<u64> {
        self.base()..self.base() + self.memory.capacity() as u64
    }

    /// The address by which everyone knows `function`.
    pub fn entry(&self, function: FuncId) -> u64 {
        self.base() + self.entry_offset(function) as u64
    }

    fn entry_offset(&self, function: FuncId) -> usize {
        let after = self.entries.partition_point(|block| block.first <= function.0);
        let block = &self.entries[after - 1];
        block.offset + (function.0 - block.first) as usize * ENTRY_BYTES
    }

    /// Which function's entry made the call that returns to `address`.
    pub fn function_of_entry(&self, address: u64) -> FuncId {
        let offset = (address - self.base()) as usize - NEAR_BYTES;
        let after = self.entries.partition_point(|block| block.offset <= offset);
        let block = &self.entries[after - 1];
        let index = ((offset - block.offset) / ENTRY_BYTES) as u32;
        debug_assert!(index < block.count);
        FuncId(block.first + index)
    }

    /// The function whose entry is at `address`.
    pub fn entry_at(&self, address: u64) -> Option<FuncId> {
        let offset = usize::try_from(address.checked_sub(self.base())?).ok()?;
        let begins =
            |block: &&EntryBlock| offset >= block.offset && (offset - block.offset).is_multiple_of(ENTRY_BYTES);
        let index = |block: &EntryBlock| (offset - block.offset) / ENTRY_BYTES;
        let block = self.entries.iter().find(|block| begins(block) && index(block) < block.count as usize)?;
        Some(FuncId(block.first + index(block) as u32))
    }

    /// The bytes of a piece.
    pub fn bytes_of(&self, placed: &Placed) -> &[u8] {
        let place = |address: u64| (address - self.base()) as usize;
        self.memory.bytes(place(placed.range.start)..place(placed.range.end))
    }

    /// Places `code` and returns its address.
    pub fn place(&mut self, mut code: MachineCode, piece: Piece) -> Result<u64, EngineError> {
        paste(&mut code).map_err(|error| EngineError::Codegen(alloc::format!("kernels: {error}")))?;
        for id in code.relocations.iter().filter_map(|relocation| relocation.target.kernel()) {
            self.kernel(id)?;
        }
        room::reserve(&mut self.placed, 1, "the list of machine code")?;
        let details = Details::of(&code).append_to(&mut self.details)?;
        let offset = self.reserve(code.bytes.len())?;
        let address = self.base() + offset as u64;
        for relocation in &code.relocations {
            let target = self.target(relocation, Targets { kernels: &self.kernels, settled: &self.settled })?;
            apply(&mut code.bytes, relocation, address, target);
        }
        self.write(offset, &code.bytes)?;
        if let Piece::Wrapper(signature) = piece {
            self.wrappers.insert(signature, address);
        }
        self.bytes += code.bytes.len();
        self.placed.push(Placed { piece, range: address..address + code.bytes.len() as u64, details });
        Ok(address)
    }

    /// From now on calls of `function` go to `address`; `settled` says that they will for ever.
    pub fn patch_entry(&mut self, function: FuncId, address: u64, settled: bool) -> Result<(), EngineError> {
        if settled {
            self.settled.insert(function, address);
        }
        let offset = self.entry_offset(function);
        let jump = near(NEAR_JUMP, offset, (address - self.base()) as usize);
        self.write(offset, &jump)
    }

    /// The next call of `function` that goes through its entry compiles it once more. Where that cannot be arranged, calls go
    /// where they went.
    pub fn compile_at_next_call(&mut self, function: FuncId) {
        let offset = self.entry_offset(function);
        let call = near(NEAR_CALL, offset, self.trampolines.compile);
        // What is written over was written before, so there is memory.
        let _ = self.write(offset, &call);
    }

    /// The address of what calls functions of this signature.
    pub fn wrapper(&self, signature: u32) -> Option<u64> {
        self.wrappers.get(&signature).copied()
    }

    /// All code, by rising address.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// The piece of code at `address`.
    pub fn find(&self, address: u64) -> Option<&Placed> {
        let after = self.placed.partition_point(|placed| placed.range.start <= address);
        self.placed[..after].last().filter(|placed| placed.range.contains(&address))
    }

    /// Why the instruction at `address` faults, if it is one that may.
    pub fn trap(&self, address: u64) -> Option<TrapCode> {
        let placed = self.find(address)?;
        self.details(placed).trap((address - placed.range.start) as u32)
    }

    /// The offset in the body of its function of the operator that the code at `address` belongs to.
    pub fn body_offset(&self, address: u64) -> Option<u32> {
        let placed = self.find(address)?;
        self.details(placed).location((address - placed.range.start) as u32)
    }

    /// Where the call that returns to this address goes on if it throws, and the bytes of the frame there.
    pub fn handler(&mut self, returns_to: u64) -> Option<(u64, u32)> {
        let placed = self.find(returns_to.wrapping_sub(1))?;
        let start = placed.range.start;
        let handlers = match self.handlers.get(&start) {
            Some(known) => known,
            None => {
                let handlers = self.details(placed).handlers;
                self.handlers.entry(start).or_insert(handlers)
            }
        };
        let (offset, frame_bytes) = handlers.of((returns_to - start) as u32)?;
        Some((start + u64::from(offset), frame_bytes))
    }

    pub(super) fn details(&self, placed: &Placed) -> Details {
        Details::read(&self.details[placed.details.clone()])
    }

    fn kernel(&mut self, id: KernelId) -> Result<(), EngineError> {
        if self.kernels.contains_key(&id) {
            return Ok(());
        }
        let code = kernel_code(id, self.cpu)?;
        self.kernel_bytes += code.bytes.len();
        let address = self.place(code, Piece::Kernel(id))?;
        self.kernels.insert(id, address);
        Ok(())
    }

    /// What `relocation` refers to, for code whose kernels and settled functions are at `targets`.
    pub(super) fn target(&self, relocation: &Relocation, targets: Targets<'_>) -> Result<u64, EngineError> {
        Ok(match relocation.target {
            Symbol::Function(id) => targets.settled.get(&id).copied().unwrap_or_else(|| self.entry(id)),
            Symbol::RuntimeTrampoline => self.base() + self.trampolines.runtime as u64,
            Symbol::NoteTrampoline => self.base() + self.trampolines.note as u64,
            Symbol::State => self.state_base,
            Symbol::Kernel(id) | Symbol::Room(id) => targets.kernels[&id],
            Symbol::Library(call) => {
                let number = library::number(call)
                    .ok_or_else(|| EngineError::Codegen(alloc::format!("no implementation of {call:?}")))?;
                self.base() + self.trampolines.library[number] as u64
            }
        })
    }

    pub(super) fn reserve(&mut self, bytes: usize) -> Result<usize, EngineError> {
        let offset = self.next;
        let next = (offset + bytes).next_multiple_of(FUNCTION_ALIGN);
        if next > self.memory.capacity() {
            return Err(no_room(bytes));
        }
        self.next = next;
        Ok(offset)
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), EngineError> {
        self.memory.write(offset, bytes).map_err(|_| no_room(bytes.len()))
    }
}

fn no_room(bytes: usize) -> EngineError {
    EngineError::OutOfMemory { what: "code memory", bytes: bytes as u64 }
}

/// Where code finds what it refers to by its address.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub kernels: &'a BTreeMap<KernelId, u64>,
    pub settled: &'a BTreeMap<FuncId, u64>,
}

/// The code of kernel `id`: where it is called rarely, a call of the kernel between what keeps all registers.
pub(super) fn kernel_code(id: KernelId, cpu: CpuFeatures) -> Result<MachineCode, EngineError> {
    encoded(id, cpu).map_err(|error| EngineError::Codegen(alloc::format!("{id:?}: {error}")))
}

fn encoded(id: KernelId, cpu: CpuFeatures) -> Result<MachineCode, IcedError> {
    let mut code = MachineCode {
        bytes: Vec::new(),
        relocations: Vec::new(),
        traps: Vec::new(),
        locations: Vec::new(),
        handlers: Vec::new(),
        frame_bytes: 0,
        effort: Effort::Full,
    };
    if !id.rare {
        code.bytes = kernel(id, cpu)?;
        return Ok(code);
    }
    let [before, after] = keeping_registers(id.vectors)?;
    code.bytes = before;
    code.bytes.push(NEAR_CALL);
    let (offset, target) = (code.bytes.len() as u32, Symbol::Kernel(KernelId { rare: false, ..id }));
    code.relocations.push(Relocation { offset, target, addend: -4 });
    code.bytes.extend([0; 4]);
    code.bytes.extend(after);
    Ok(code)
}

/// A near call or jump placed at `from`, both as offsets.
fn near(opcode: u8, from: usize, to: usize) -> [u8; NEAR_BYTES] {
    let [a, b, c, d] = ((to as i64 - (from + NEAR_BYTES) as i64) as i32).to_le_bytes();
    [opcode, a, b, c, d]
}

pub(super) fn apply(code: &mut [u8], relocation: &Relocation, address: u64, target: u64) {
    let at = relocation.offset as usize;
    let value = target.wrapping_add_signed(relocation.addend);
    let distance = value.wrapping_sub(address + at as u64) as i64;
    let distance = i32::try_from(distance).expect("code and state are within 2 GiB of each other");
    code[at..at + 4].copy_from_slice(&distance.to_le_bytes());
}
