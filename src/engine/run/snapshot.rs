//! What the program's module has when it has ended: its memories and globals, for a core dump.

use wasmparser::GlobalType;

use super::{Engine, Value};
use crate::engine::decode::program::{GlobalSlot, PROGRAM};

impl Engine {
    /// Memories that the program's module imports or defines.
    pub fn memory_count(&self) -> usize {
        self.program.linkages[PROGRAM].memories.len()
    }

    /// What is in memory `index` of the program's module.
    pub fn memory_of_program(&mut self, index: usize) -> &mut [u8] {
        let id = self.program.linkages[PROGRAM].memories[index];
        self.platform.memories[id.0 as usize].memory.bytes()
    }

    /// Types and values of the globals of the program's module.
    pub fn globals_of_program(&self) -> impl Iterator<Item = (GlobalType, Value)> {
        let types = self.program.modules[PROGRAM].global_types.iter().copied();
        types.zip(self.program.linkages[PROGRAM].globals.iter().map(|slot| self.global_value(slot)))
    }

    pub(super) fn global_value(&self, slot: &GlobalSlot) -> Value {
        match slot {
            GlobalSlot::Constant(bits) => [*bits as u64, (*bits >> 64) as u64],
            GlobalSlot::Cell(offset) => [0, 8].map(|word| self.platform.state.read(*offset + word)),
        }
    }
}
