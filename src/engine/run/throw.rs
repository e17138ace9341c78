//! Exceptions that leave the function that throws them, and those that the program keeps references to.
//!
//! What is being thrown is in state memory (`translate/exception.rs`). The engine goes from frame to frame until the code
//! there has a handler behind the call, and has control go on in it: a throw costs in proportion to the frames it leaves.
//!
//! A reference names an exception that is kept here. Nobody counts references: now and then those kept are looked for
//! wherever references can be, and what is not found is dropped. The stack does not tell what a word on it is, so a number
//! that looks like a reference keeps an exception as well.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use wasmparser::{ExternalKind, RefType, TypeRef, ValType};

use super::backtrace::{Backtrace, Trace};
use super::enter::read_word;
use super::trap::{Pending, TrapKind};
use crate::engine::decode::program::{GlobalSlot, TagId};
use crate::engine::layout::{cell, table_entry};
use crate::engine::room::{self, NoRoom};
use crate::engine::{Engine, Value};

/// The upper half of a reference: a pattern that numbers and addresses seldom have.
const REFERENCE: u64 = 0x7865_6e21 << 32;

/// Exceptions kept before it is first looked which are needed.
const FIRST_COLLECTION: usize = 1 << 10;

/// Words of the stack to look at for each exception that may be kept.
const WORDS_PER_EXCEPTION: usize = 64;

/// What the program threw.
#[derive(Default)]
pub(in crate::engine) struct Thrown {
    /// The calls that it left so far.
    trace: Trace,
    kept: Vec<Kept>,
    free: Vec<u32>,
    /// How many may be kept until it is looked which are needed.
    collect_at: usize,
}

struct Kept {
    tag: TagId,
    /// Empty where it is free.
    values: Vec<Value>,
    is_free: bool,
    is_needed: bool,
}

impl Engine {
    /// Lets what was thrown leave the function that asks for this. Control goes on where it is caught, or the program ends.
    pub(super) fn throw(&mut self) {
        let thrown = self.platform.state.read(cell::EXCEPTION);
        let is_new = thrown & cell::NEWLY_THROWN != 0;
        self.platform.state.write(cell::EXCEPTION, thrown & !cell::NEWLY_THROWN);
        if is_new {
            self.thrown.trace = Trace::default();
        }
        // The frame that it goes on in was left already.
        let mut is_known = !is_new;
        let mut frame = self.platform.state.read(cell::PROGRAM_STACK);
        let word = |engine: &Self, address| read_word(&engine.platform.stack, address);
        while let (Some(caller), Some(returns_to)) = (word(self, frame), word(self, frame.wrapping_add(8))) {
            let pc = returns_to.wrapping_sub(1);
            if !is_known && self.is_in_function(pc) {
                self.thrown.trace.push(pc);
            }
            if let Some((handler, frame_bytes)) = self.code.handler(returns_to) {
                self.platform.state.write(cell::HANDLER, handler);
                self.platform.state.write(cell::HANDLER_FRAME, caller);
                self.platform.state.write(cell::PROGRAM_STACK, caller.wrapping_sub(u64::from(frame_bytes)));
                self.platform.state.write(cell::STOPPED, cell::CAUGHT);
                return;
            }
            if caller <= frame {
                break;
            }
            (frame, is_known) = (caller, false);
        }
        let tag = self.tag_name(TagId(thrown as u32));
        self.abandon(Pending::Trap(TrapKind::UncaughtException { tag }));
    }

    /// The calls that were active when what nobody caught was thrown.
    pub(super) fn trace_of_thrown(&mut self) -> Backtrace {
        let trace = core::mem::take(&mut self.thrown.trace);
        self.name_calls(trace)
    }

    /// A reference to what was thrown last.
    pub(super) fn keep_exception(&mut self) -> Result<u64, NoRoom> {
        let tag = TagId(self.platform.state.read(cell::EXCEPTION) as u32);
        let word = |offset| self.platform.state.read(offset);
        let values = self.program.tag_places(tag).map(|place| [word(place), word(place + 8)]);
        let values = room::collect(values, "exceptions")?;
        let kept = Kept { tag, values, is_free: false, is_needed: false };
        let Thrown { kept: all, free, collect_at, .. } = &mut self.thrown;
        let index = match free.pop() {
            Some(index) => {
                all[index as usize] = kept;
                index
            }
            None => {
                room::push(all, kept, "exceptions")?;
                all.len() as u32 - 1
            }
        };
        if all.len() - free.len() > (*collect_at).max(FIRST_COLLECTION) {
            self.drop_exceptions(REFERENCE | u64::from(index))?;
            self.end_where_the_reserve_is_opened(|_| String::from("keeping exceptions"));
        }
        Ok(REFERENCE | u64::from(index))
    }

    /// Throws the exception that `reference` names.
    pub(super) fn take_exception(&mut self, reference: u64) {
        let kept = index_of(reference).and_then(|index| self.thrown.kept.get(index as usize));
        let Some(Kept { tag, values, .. }) = kept.filter(|kept| !kept.is_free) else {
            unreachable!("a reference names what is kept")
        };
        for (value, place) in values.iter().zip(self.program.tag_places(*tag)) {
            self.platform.state.write(place, value[0]);
            self.platform.state.write(place + 8, value[1]);
        }
        self.platform.state.write(cell::EXCEPTION, u64::from(tag.0) | cell::NEWLY_THROWN);
    }

    /// Drops the exceptions that nothing refers to; there is one reference that is nowhere yet.
    fn drop_exceptions(&mut self, newest: u64) -> Result<(), NoRoom> {
        let mut found = Vec::new();
        let mut note = |word: u64| index_of(word).map_or(Ok(()), |index| room::push(&mut found, index, "exceptions"));
        note(newest)?;
        // Registers that functions keep are just below the stack.
        let stack = &self.platform.stack;
        let first = self.platform.state.read(cell::PROGRAM_STACK) - cell::KEPT_REGISTERS_BYTES;
        let addresses = (first..stack.usable.end).step_by(size_of::<u64>());
        addresses.clone().filter_map(|address| read_word(stack, address)).try_for_each(&mut note)?;
        for cell in self.cells_of_references() {
            note(self.platform.state.read(cell))?;
        }
        let Thrown { kept, free, .. } = &mut self.thrown;
        while let Some(index) = found.pop() {
            let Some(one) = kept.get_mut(index as usize).filter(|one| !one.is_free && !one.is_needed) else { continue };
            one.is_needed = true;
            for index in one.values.iter().filter_map(|value| index_of(value[0])) {
                room::push(&mut found, index, "exceptions")?;
            }
        }
        for (index, one) in kept.iter_mut().enumerate() {
            if !core::mem::take(&mut one.is_needed) && !one.is_free {
                room::push(free, index as u32, "exceptions")?;
                (one.values, one.is_free) = (Vec::new(), true);
            }
        }
        self.thrown.collect_at = (2 * (kept.len() - free.len())).max(addresses.count() / WORDS_PER_EXCEPTION);
        Ok(())
    }

    /// State offsets of the globals and of the entries of tables that hold references to exceptions.
    fn cells_of_references(&self) -> Vec<usize> {
        let mut cells = Vec::new();
        for (module, linkage) in self.program.modules.iter().zip(&self.program.linkages) {
            for (ty, slot) in module.global_types.iter().zip(&linkage.globals) {
                if let (true, GlobalSlot::Cell(offset)) = (is_exception(ty.content_type), slot) {
                    cells.push(*offset);
                }
            }
            for slot in linkage.tables.iter().filter(|slot| is_exception(ValType::Ref(slot.element_type))) {
                let length = self.platform.state.read(slot.length_cell) as usize;
                let code = slot.entries + table_entry::CODE as usize;
                cells.extend((code..).step_by(table_entry::BYTES).take(length));
            }
        }
        cells
    }

    /// What people know a tag by: the first name that it is exported or imported by.
    fn tag_name(&self, tag: TagId) -> String {
        let named = self.program.modules.iter().zip(&self.program.linkages).find_map(|(module, linkage)| {
            let index = linkage.tags.iter().position(|known| *known == tag)?;
            let is_it = |at: u32, kind: ExternalKind| kind == ExternalKind::Tag && at as usize == index;
            let exported = module.exports.iter().find(|export| is_it(export.index, export.kind));
            let imports = || module.imports.iter().filter(|import| matches!(import.ty, TypeRef::Tag(_)));
            exported.map(|export| export.name).or_else(|| imports().nth(index).map(|import| import.name))
        });
        named.map_or_else(|| alloc::format!("tag[{}]", tag.0), ToString::to_string)
    }
}

/// The number of the exception that `word` names, if it is a reference or looks like one.
fn index_of(word: u64) -> Option<u32> {
    (word & !u64::from(u32::MAX) == REFERENCE).then_some(word as u32)
}

fn is_exception(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(reference) if reference.as_non_null() == RefType::EXN)
}
