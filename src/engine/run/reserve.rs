//! Watching memory: most of what the compiler allocates cannot fail, so the engine looks at what is left whenever something
//! that can have taken much is done, and ends the program while there is still enough to save what was learned.
//!
//! Neighbours: the face says in [`Platform`](crate::engine::Platform) how much is free and how much of that is the reserve;
//! `translate::extent` asks beforehand whether a body can be compiled; `session` has the engine give back what only a running
//! program needs, and learn.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::mem::size_of;

use super::trap::{Pending, TrapKind};
use crate::engine::decode::program::FuncId;
use crate::engine::seams::{HostFunction, Imports, Stop};
use crate::engine::{Engine, EngineError, Rest};
use crate::profile::{FunctionRecord, SiteRecord, ValueCount, ValueHistogram};

/// What the heap may keep beside each block.
const BESIDE_A_BLOCK: usize = 64;

impl Rest {
    /// Memory that reading a module or compiling may take.
    pub(in crate::engine) fn bytes_to_compile_in(&self) -> u64 {
        (self.free_memory)().saturating_sub(self.reserve_bytes)
    }
}

impl Engine {
    pub(in crate::engine) fn bytes_to_compile_in(&self) -> u64 {
        self.platform.bytes_to_compile_in()
    }

    /// Fails where less is left than the reserve. `by` names what was done.
    pub(in crate::engine) fn check_reserve(&self, by: impl FnOnce() -> String) -> Result<(), EngineError> {
        let (free_bytes, reserve_bytes) = ((self.platform.free_memory)(), self.platform.reserve_bytes);
        if free_bytes >= reserve_bytes {
            return Ok(());
        }
        Err(EngineError::ReserveOpened { by: by(), free_bytes, reserve_bytes })
    }

    pub(in crate::engine) fn end_where_the_reserve_is_opened(&mut self, by: impl FnOnce(&Self) -> String) {
        if let Err(error) = self.check_reserve(|| by(self)) {
            self.abandon(Pending::Trap(TrapKind::Host(error.to_string())));
        }
    }

    pub(in crate::engine) fn compiling(&self, id: FuncId) -> String {
        format!("compiling {} ({} bytes)", self.program.name(id), self.program.body_bytes(id))
    }

    /// Gives back what only a running program needs: its memories, its stack, its system with the files in it, the compiler's
    /// memory.
    /// Nothing may be run after.
    pub fn release(&mut self) {
        self.platform.memories.clear();
        self.platform.stack.owner = Box::new(());
        self.imports = Box::new(NothingOffered);
        self.compiler.release();
    }

    /// Makes room for what [`Engine::learned`] will add to what was known before; refused where there is none.
    pub fn prepare_to_learn(&mut self) -> Result<(), EngineError> {
        let (mut new_records, mut bytes) = (0, 0);
        for (id, key) in self.program.defined() {
            let Some(observed) = self.functions[id.0 as usize].observed else { continue };
            new_records += usize::from(self.earlier.find(key).is_none());
            bytes += observed.block_count * size_of::<u64>() + observed.site_count * SITE_BYTES + 2 * BESIDE_A_BLOCK;
        }
        let refused = |bytes| EngineError::OutOfMemory { what: "what this boot learned", bytes };
        let list = (self.earlier.functions.len() + new_records) * size_of::<FunctionRecord>();
        self.earlier.functions.try_reserve_exact(new_records).map_err(|_| refused(list as u64))?;
        // One that is large is refused while there still is some, and that cannot be reported.
        if bytes as u64 + self.platform.reserve_bytes / 2 > (self.platform.free_memory)() {
            return Err(refused(bytes as u64));
        }
        Ok(())
    }
}

/// Most memory that the record of a site takes.
const SITE_BYTES: usize =
    size_of::<SiteRecord>() + ValueHistogram::SLOTS * (size_of::<ValueCount>() + size_of::<u64>()) + 2 * BESIDE_A_BLOCK;

/// What a program that has ended can call.
struct NothingOffered;

impl Imports for NothingOffered {
    fn find(&self, _: &str, _: &str) -> Option<HostFunction> {
        None
    }

    fn call(&mut self, _: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Err(Stop::Trap("the program has ended".into()))
    }
}
