//! The machine code that goes with a generation: opaque bytes in slots of their own, known by their hash.
//!
//! Code is worth less than the profile that it was made by, which can make it again: whatever is wrong with code is an error
//! that leaves the payload as usable as it was.

use super::layout::{CodeName, SLOTS};
use super::{BlockDevice, Fault, InUse, Store, StoreError};
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_128;

/// What becomes of the code at a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<B> {
    /// The new generation has none.
    None,
    /// That of the generation in use goes on, if it has any.
    Same,
    /// These bytes; none, if there are 0. Not written where the generation in use has the same.
    New(B),
}

impl<B: AsRef<[u8]>> Code<B> {
    /// The same, of bytes that are borrowed.
    pub fn as_deref(&self) -> Code<&[u8]> {
        match self {
            Self::None => Code::None,
            Self::Same => Code::Same,
            Self::New(code) => Code::New(code.as_ref()),
        }
    }
}

impl<D: BlockDevice> Store<D> {
    /// The code of the generation in use, whole and with the right hash; nothing if it has none. `limit_bytes` is what there
    /// is memory for. Code that is found to be damaged does not go on with the next commit.
    pub fn load_code(&mut self, limit_bytes: u64) -> Result<Option<Vec<u8>>, Fault> {
        self.ensure_loaded();
        let (generation, InUse::Slot { code: Some(name), .. }) = (self.generation(), self.in_use) else {
            return Ok(None);
        };
        let CodeName { slot, bytes, hash } = name;
        let capacity = self.superblock.code_bytes();
        if slot as usize >= SLOTS || bytes > capacity {
            self.forget_code();
            return Err(Fault::CodePastSlot { generation, slot, bytes, capacity });
        }
        let room = if bytes > limit_bytes { Err(StoreError::OutOfMemory { bytes }) } else { Ok(()) };
        let code = room.and_then(|()| self.read_bytes(self.superblock.code_sector(slot as usize), bytes));
        let code = code.map_err(|error| Fault::CodeUnreadable { generation, error })?;
        if xxh3_128(&code) != hash {
            self.forget_code();
            return Err(Fault::CodeDamaged { generation });
        }
        Ok(Some(code))
    }

    /// Bytes that the code of the next commit may have; 0 if there can be none.
    pub fn code_room(&mut self) -> u64 {
        self.ensure_loaded();
        match self.next_layout() {
            // The disk is whole then.
            Ok(next) if next != self.superblock => next.code_bytes(),
            _ => self.code_slot_bytes(self.spare_code_slot()),
        }
    }

    /// Writes `code` where that of the generation in use is not; what the next header says of it.
    pub(super) fn put_code(&mut self, code: Code<&[u8]>) -> Result<Option<CodeName>, StoreError> {
        let in_use = match self.in_use {
            InUse::Slot { code, .. } => code,
            InUse::Nothing | InUse::Unknown => None,
        };
        let code = match code {
            Code::None | Code::New([]) => return Ok(None),
            Code::Same => return Ok(in_use),
            Code::New(code) => code,
        };
        let (bytes, hash) = (code.len() as u64, xxh3_128(code));
        if let Some(name) = in_use.filter(|name| (name.bytes, name.hash) == (bytes, hash))
            && self.holds_code(name.slot, code)
        {
            return Ok(in_use);
        }
        let slot = self.spare_code_slot();
        let capacity = self.code_slot_bytes(slot);
        if bytes > capacity {
            return Err(StoreError::CodeTooLarge { bytes, capacity });
        }
        self.write_bytes(self.superblock.code_sector(slot), code)?;
        Ok(Some(CodeName { slot: slot as u32, bytes, hash }))
    }

    /// The slot of code that the generation in use does not name.
    fn spare_code_slot(&self) -> usize {
        match self.in_use {
            InUse::Slot { header, .. } => usize::from(header.code.is_some_and(|name| name.slot == 0)),
            InUse::Nothing | InUse::Unknown => 0,
        }
    }

    /// Bytes of code that fit into `slot`, also when the disk was cut short.
    fn code_slot_bytes(&self, slot: usize) -> u64 {
        self.bytes_left(self.superblock.code_sector(slot)).min(self.superblock.code_bytes())
    }

    /// Whether `slot` really holds `code`, as a header says: nobody may have read it in this boot.
    fn holds_code(&mut self, slot: u32, code: &[u8]) -> bool {
        let slot = slot as usize;
        slot < SLOTS
            && code.len() as u64 <= self.code_slot_bytes(slot)
            && self.holds(self.superblock.code_sector(slot), code).unwrap_or(false)
    }

    fn forget_code(&mut self) {
        if let InUse::Slot { code, .. } = &mut self.in_use {
            *code = None;
        }
    }
}
