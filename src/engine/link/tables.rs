//! Bulk operations on memory and tables. Each changes nothing where it must trap, and says only that it must.

use alloc::vec::Vec;
use wasmparser::ElementItems;

use super::instantiate::funcref;
use crate::engine::decode::program::{FuncId, MemoryId, TableSlot};
use crate::engine::layout::table_entry;
use crate::engine::seams::WASM_PAGE_BYTES;
use crate::engine::{Engine, EngineError, Memory, room};

/// What there is of an element segment while the program runs.
pub(super) enum Elements {
    /// What the module says.
    Encoded,
    /// Its references, which it is asked for by position.
    Decoded(Vec<u64>),
    Dropped,
}

/// How many references an element segment has.
pub(super) fn item_count(items: &ElementItems<'_>) -> u32 {
    match items {
        ElementItems::Functions(functions) => functions.count(),
        ElementItems::Expressions(_, expressions) => expressions.count(),
    }
}

impl Engine {
    /// Grows a linear memory; returns the pages before.
    pub(in crate::engine) fn grow_memory(&mut self, id: MemoryId, delta: u64) -> Option<u64> {
        let Memory { memory, most_pages } = &mut self.platform.memories[id.0 as usize];
        let before = memory.pages();
        if before.checked_add(delta)? > *most_pages {
            return None;
        }
        memory.grow(delta).ok()?;
        let cell = self.program.memories[id.0 as usize].bytes_cell;
        self.platform.state.write(cell, (before + delta) * WASM_PAGE_BYTES);
        Some(before)
    }

    /// `memory.init`: (destination, source, length).
    pub(in crate::engine) fn memory_init(
        &mut self,
        module: usize,
        memory: u32,
        segment: usize,
        args: [u32; 3],
    ) -> Option<()> {
        let [destination, source, length] = args.map(|arg| arg as usize);
        let dropped = self.linked.dropped_data[module][segment];
        let data: &[u8] = if dropped { &[] } else { self.program.modules[module].data[segment].data };
        let bytes = data.get(source..source.checked_add(length)?)?;
        let memory = self.memory_bytes(module, memory);
        memory.get_mut(destination..destination.checked_add(length)?)?.copy_from_slice(bytes);
        Some(())
    }

    /// `data.drop`.
    pub(in crate::engine) fn data_drop(&mut self, module: usize, segment: usize) {
        self.linked.dropped_data[module][segment] = true;
    }

    /// `memory.copy` where it is not the libc's: (destination, source, length).
    pub(in crate::engine) fn memory_copy(&mut self, module: usize, to: u32, from: u32, args: [u32; 3]) -> Option<()> {
        let [destination, source, length] = args.map(|arg| arg as usize);
        let linkage = &self.program.linkages[module].memories;
        if linkage[to as usize] == linkage[from as usize] {
            let memory = self.memory_bytes(module, to);
            memory.get(destination..destination.checked_add(length)?)?;
            memory.get(source..source.checked_add(length)?)?;
            memory.copy_within(source..source + length, destination);
            return Some(());
        }
        let places = [linkage[to as usize], linkage[from as usize]].map(|id| id.0 as usize);
        let [to, from] = self.platform.memories.get_disjoint_mut(places).ok()?;
        let bytes = from.memory.bytes().get(source..source.checked_add(length)?)?;
        to.memory.bytes().get_mut(destination..destination.checked_add(length)?)?.copy_from_slice(bytes);
        Some(())
    }

    /// `memory.fill` where it is not the libc's: (destination, byte, length).
    pub(in crate::engine) fn memory_fill(&mut self, module: usize, memory: u32, args: [u32; 3]) -> Option<()> {
        let [destination, byte, length] = args;
        let (destination, length) = (destination as usize, length as usize);
        self.memory_bytes(module, memory).get_mut(destination..destination.checked_add(length)?)?.fill(byte as u8);
        Some(())
    }

    fn memory_bytes(&mut self, module: usize, index: u32) -> &mut [u8] {
        let id = self.program.linkages[module].memories[index as usize];
        self.platform.memories[id.0 as usize].memory.bytes()
    }

    /// `table.init`: (destination, source, length).
    pub(in crate::engine) fn table_init(
        &mut self,
        module: usize,
        table: u32,
        segment: usize,
        args: [u32; 3],
    ) -> Result<Option<()>, EngineError> {
        let [destination, source, length] = args;
        self.decode_elements(module, segment)?;
        let source = source as usize..source as usize + length as usize;
        if source.end > self.decoded(module, segment).len()
            || self.check_table(module, table, destination, length).is_none()
        {
            return Ok(None);
        }
        for (index, item) in (destination..).zip(source) {
            let reference = self.decoded(module, segment)[item];
            self.set_entry(module, table, index, reference);
        }
        Ok(Some(()))
    }

    /// `elem.drop`.
    pub(in crate::engine) fn element_drop(&mut self, module: usize, segment: usize) {
        self.linked.elements[module][segment] = Elements::Dropped;
    }

    /// Decodes an element segment at its first use.
    fn decode_elements(&mut self, module: usize, segment: usize) -> Result<(), EngineError> {
        if !matches!(self.linked.elements[module][segment], Elements::Encoded) {
            return Ok(());
        }
        let items = self.program.modules[module].elements[segment].items.clone();
        let mut decoded = Vec::new();
        room::reserve(&mut decoded, item_count(&items) as usize, "an element segment")?;
        self.for_each_item(module, &items, |_, reference| decoded.push(reference))?;
        self.linked.elements[module][segment] = Elements::Decoded(decoded);
        Ok(())
    }

    fn decoded(&self, module: usize, segment: usize) -> &[u64] {
        match &self.linked.elements[module][segment] {
            Elements::Decoded(references) => references,
            _ => &[],
        }
    }

    /// `table.copy`: (destination, source, length).
    pub(in crate::engine) fn table_copy(&mut self, module: usize, to: u32, from: u32, args: [u32; 3]) -> Option<()> {
        let [destination, source, length] = args;
        self.check_table(module, to, destination, length)?;
        self.check_table(module, from, source, length)?;
        let (to, from) = (self.slot(module, to), self.slot(module, from));
        let mut copy = |index: u32| {
            let (from, to) = (entry_offset(from, source + index), entry_offset(to, destination + index));
            for word in [0, 8] {
                let value = self.platform.state.read(from + word);
                self.platform.state.write(to + word, value);
            }
        };
        if destination <= source {
            (0..length).for_each(&mut copy)
        } else {
            (0..length).rev().for_each(&mut copy)
        }
        Some(())
    }

    /// `table.fill`: (index, length) with one reference.
    pub(in crate::engine) fn table_fill(
        &mut self,
        module: usize,
        table: u32,
        index: u32,
        reference: u64,
        length: u32,
    ) -> Option<()> {
        self.check_table(module, table, index, length)?;
        (index..index + length).for_each(|index| self.set_entry(module, table, index, reference));
        Some(())
    }

    /// `table.set`.
    pub(in crate::engine) fn table_set(&mut self, module: usize, table: u32, index: u32, reference: u64) -> Option<()> {
        self.table_fill(module, table, index, reference, 1)
    }

    /// `table.grow`: the length before.
    pub(in crate::engine) fn table_grow(
        &mut self,
        module: usize,
        table: u32,
        reference: u64,
        delta: u32,
    ) -> Option<u32> {
        let slot = self.slot(module, table);
        let before = self.platform.state.read(slot.length_cell) as u32;
        let after = before.checked_add(delta).filter(|after| *after <= slot.capacity)?;
        self.platform.state.write(slot.length_cell, u64::from(after));
        self.table_fill(module, table, before, reference, delta)?;
        Some(before)
    }

    fn slot(&self, module: usize, table: u32) -> TableSlot {
        self.program.linkages[module].tables[table as usize]
    }

    pub(super) fn check_table(&self, module: usize, table: u32, start: u32, length: u32) -> Option<()> {
        let entries = self.platform.state.read(self.slot(module, table).length_cell);
        (u64::from(start) + u64::from(length) <= entries).then_some(())
    }

    pub(super) fn set_entry(&mut self, module: usize, table: u32, index: u32, reference: u64) {
        let offset = entry_offset(self.slot(module, table), index);
        let functions = self.slot(module, table).element_type.is_func_ref();
        let (code, word) = match (functions, reference) {
            (false, reference) => (reference, table_entry::NULL_WORD),
            (true, 0) => (0, table_entry::NULL_WORD),
            (true, reference) => {
                let id = FuncId((reference - 1) as u32);
                debug_assert_eq!(funcref(id), reference);
                (self.code.entry(id), u64::from(self.program.info(id).signature.0) | reference << 32)
            }
        };
        self.platform.state.write(offset, code);
        self.platform.state.write(offset + 8, word);
    }
}

const fn entry_offset(slot: TableSlot, index: u32) -> usize {
    slot.entries + index as usize * table_entry::BYTES
}
