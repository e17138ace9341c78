//! What became of a function, for people: its tier, its machine code, and what that refers to.
//!
//! Key types: [`Status`], [`Listing`]. `cells` says what code counts where.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::cells::Cells;
use crate::engine::Engine;
use crate::engine::code::space::{Piece, Placed};
use crate::engine::decide::tier::{InFlight, Tier};
use crate::engine::decode::program::FuncId;
use crate::engine::layout::{RuntimeOp, TRAMPOLINE_BYTES};
use crate::profile::{FunctionKey, Profile};

/// What became of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Of its newest code; none if it has none.
    pub tier: Option<Tier>,
    pub address: u64,
    pub code_bytes: u64,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When it is promoted.
    pub promoted: InFlight,
}

/// A piece of machine code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub address: u64,
    pub bytes: Vec<u8>,
    /// What is at the addresses that it calls or jumps to.
    pub places: BTreeMap<u64, String>,
    /// What there is to say about instructions, by their addresses: what they count, or test for.
    pub notes: BTreeMap<u64, String>,
}

impl Engine {
    /// What became of the function with this key.
    pub fn status(&self, key: FunctionKey) -> Option<Status> {
        let id = self.id_of(key)?;
        let state = &self.functions[id.0 as usize];
        Some(Status {
            tier: self.placed(id).next().map(|(tier, _)| tier),
            address: state.address,
            code_bytes: state.code_bytes,
            body_bytes: self.program.body_bytes(id),
            promoted: self.in_flight(id),
        })
    }

    /// The newest machine code of that function, of this tier if one is given.
    pub fn listing(&self, key: FunctionKey, tier: Option<Tier>) -> Option<Listing> {
        let mut placed = self.placed(self.id_of(key)?);
        let (_, address) = placed.find(|(placed, _)| tier.is_none_or(|tier| tier == *placed))?;
        let bytes = self.code.bytes_of(self.code.find(address)?);
        let mut listing = Listing { address, bytes: bytes.to_vec(), ..Listing::default() };
        let mut reads = Vec::new();
        let mut known = KnownRegisters::default();
        for instruction in Decoder::with_ip(64, bytes, address, DecoderOptions::NONE) {
            known.arrive(instruction.ip());
            if let Some(target) = near_target(&instruction) {
                listing.places.extend(self.code_at(target).map(|name| (target, name)));
                let asked = known.values.get(&Register::RDI).filter(|_| self.is_trampoline(target));
                let asked = asked.and_then(|number| RuntimeOp::from_number(*number));
                listing.notes.extend(asked.map(|op| (instruction.ip(), format!("{op:?}"))));
            }
            if let Some(address) = known.address(&instruction) {
                listing.notes.extend(self.code_at(address).map(|name| (instruction.ip(), name)));
                let cell = address.wrapping_sub(self.platform.state.base());
                reads.extend(usize::try_from(cell).ok().map(|cell| (instruction.ip(), cell)));
            }
            known.pass(&instruction);
        }
        let cells = Cells::of(self, reads.iter().map(|(_, cell)| *cell));
        listing.notes.extend(reads.iter().filter_map(|(at, cell)| Some((*at, cells.what.get(cell)?.clone()))));
        for instruction in Decoder::with_ip(64, bytes, address, DecoderOptions::NONE) {
            let guard = compared(&instruction).and_then(|value| cells.guards.get(&value));
            listing.notes.extend(guard.map(|what| (instruction.ip(), format!("guard: {what}?"))));
        }
        Some(listing)
    }

    /// The code of a function, newest first.
    fn placed(&self, id: FuncId) -> impl Iterator<Item = (Tier, u64)> {
        self.tiers.iter().rev().filter(move |(of, ..)| *of == id).map(|(_, tier, address)| (*tier, *address))
    }

    /// What earlier boots learned, until this one has learned more.
    pub fn earlier(&self) -> &Profile {
        &self.earlier
    }

    /// What people know the functions with these keys by.
    pub fn names_of(&self, keys: &BTreeSet<FunctionKey>) -> BTreeMap<FunctionKey, String> {
        self.program.names_of(keys)
    }

    /// What people know the function by that a [`SiteKind::Target`](crate::profile::SiteKind::Target) site calls with this value.
    pub fn target_name(&self, value: u64) -> Option<String> {
        let id = u32::try_from(value.checked_sub(1)?).ok()?;
        ((id as usize) < self.program.functions.len()).then(|| self.program.name(FuncId(id)))
    }

    fn id_of(&self, key: FunctionKey) -> Option<FuncId> {
        self.program.defined().find(|(_, known)| *known == key).map(|(id, _)| id)
    }

    fn is_trampoline(&self, address: u64) -> bool {
        address.wrapping_sub(self.code.base()) < TRAMPOLINE_BYTES as u64
    }

    /// What the code that begins at `address` is.
    fn code_at(&self, address: u64) -> Option<String> {
        if let Some(id) = self.code.entry_at(address) {
            return Some(self.program.name(id));
        }
        if self.is_trampoline(address) {
            return Some("the engine".into());
        }
        let Placed { piece, range, .. } = self.code.find(address)?;
        match piece {
            _ if range.start != address => None,
            Piece::Function(id) => Some(self.program.name(FuncId(*id))),
            Piece::Kernel(id) => Some(id.name()),
            Piece::Wrapper(_) => None,
        }
    }
}

/// Where a jump or call leads, if it says that.
fn near_target(instruction: &Instruction) -> Option<u64> {
    let near = instruction.op_count() == 1 && instruction.op0_kind() == OpKind::NearBranch64;
    near.then(|| instruction.near_branch64())
}

/// The constant that a register is compared with; of 32 bits, for sizes are.
fn compared(instruction: &Instruction) -> Option<u64> {
    let constants = [OpKind::Immediate8to32, OpKind::Immediate8to64, OpKind::Immediate32, OpKind::Immediate32to64];
    let compares = instruction.mnemonic() == Mnemonic::Cmp && constants.contains(&instruction.op1_kind());
    compares.then(|| u64::from(instruction.immediate(1) as u32))
}

/// Which registers and slots of the frame hold which constants, as far as code says so in passing: it reaches cells from an
/// address that it keeps.
#[derive(Clone, Default)]
struct Known {
    values: BTreeMap<Register, u64>,
    /// By their distance from the stack pointer.
    slots: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct KnownRegisters {
    now: Known,
    /// What is known where jumps lead to.
    at: BTreeMap<u64, Known>,
    /// Control does not go on from the instruction before.
    ended: bool,
}

impl Deref for KnownRegisters {
    type Target = Known;

    fn deref(&self) -> &Known {
        &self.now
    }
}

impl KnownRegisters {
    /// The next instruction is at `address`.
    fn arrive(&mut self, address: u64) {
        let jumped = self.at.remove(&address);
        if core::mem::take(&mut self.ended) {
            self.now = jumped.unwrap_or_default();
        }
    }

    /// The address in memory that `instruction` reads, writes or takes.
    fn address(&self, instruction: &Instruction) -> Option<u64> {
        if instruction.is_ip_rel_memory_operand() {
            return Some(instruction.ip_rel_memory_address());
        }
        let has_memory = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
        let based = has_memory && instruction.memory_index() == Register::None;
        let base = self.values.get(&instruction.memory_base()).filter(|_| based)?;
        Some(base.wrapping_add(instruction.memory_displacement64()))
    }

    /// Goes on behind `instruction`.
    fn pass(&mut self, instruction: &Instruction) {
        let mnemonic = instruction.mnemonic();
        if let Some(target) = near_target(instruction).filter(|_| mnemonic != Mnemonic::Call) {
            self.at.entry(target).or_insert_with(|| self.now.clone());
        }
        self.ended = matches!(mnemonic, Mnemonic::Jmp | Mnemonic::Ret | Mnemonic::Ud2);
        let moved = self.moved(instruction);
        let only_reads = matches!(mnemonic, Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push);
        if instruction.op0_kind() == OpKind::Register && !only_reads {
            let register = instruction.op0_register().full_register();
            self.now.values.remove(&register);
            self.now.values.extend(moved.map(|value| (register, value)));
        } else if let Some(slot) = slot(instruction).filter(|_| mnemonic == Mnemonic::Mov) {
            self.now.slots.remove(&slot);
            self.now.slots.extend(moved.map(|value| (slot, value)));
        }
    }

    /// What `instruction` leaves in its first operand.
    fn moved(&self, instruction: &Instruction) -> Option<u64> {
        let register = |operand| self.values.get(&instruction.op_register(operand)).copied();
        let constants = [OpKind::Immediate32, OpKind::Immediate64, OpKind::Immediate32to64];
        match (instruction.mnemonic(), instruction.op1_kind()) {
            (Mnemonic::Lea, _) => self.address(instruction),
            (Mnemonic::Mov, OpKind::Register) => register(1),
            (Mnemonic::Mov, OpKind::Memory) => self.slots.get(&slot(instruction)?).copied(),
            (Mnemonic::Mov, kind) if constants.contains(&kind) => Some(instruction.immediate(1)),
            (Mnemonic::Xor, OpKind::Register) if instruction.op0_register() == instruction.op1_register() => Some(0),
            _ => None,
        }
    }
}

/// The slot of the frame that `instruction` reads or writes.
fn slot(instruction: &Instruction) -> Option<u64> {
    let in_frame = instruction.memory_base() == Register::RSP && instruction.memory_index() == Register::None;
    in_frame.then(|| instruction.memory_displacement64())
}
