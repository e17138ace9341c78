//! What compiled code asks of the engine: to compile a function at its first call, and the `RuntimeOp`s.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use super::enter::{read_words, write_words};
use super::trap::{Pending, TrapKind};
use crate::engine::decode::program::{FuncId, FunctionKind, MemoryId};
use crate::engine::layout::{EDITION_SHIFT, INDEX_BITS, INDEX_MASK, MODULE_SHIFT, RuntimeOp, cell};
use crate::engine::{Engine, EngineError};

impl Engine {
    /// Compiles the function whose entry made the call that returns to `address`, at its first call or where that was asked
    /// for since; its code's address, or 0 if the program is to be abandoned.
    pub(in crate::engine) fn compile_called(&mut self, address: u64) -> u64 {
        let id = self.code.function_of_entry(address);
        let started = self.platform.ticks.now();
        let result = self.compile_entered(id).and_then(|code| self.check_reserve(|| self.compiling(id)).map(|()| code));
        let now = self.platform.ticks.now();
        self.statistics.ticks_compile += now.saturating_sub(started);
        self.statistics.first_instruction.get_or_insert(now);
        result.unwrap_or_else(|error| {
            self.abandon(Pending::Trap(TrapKind::Host(error.to_string())));
            0
        })
    }

    /// Serves one operation. Where the program is to be abandoned, the cell `STOPPED` says so afterwards.
    pub(in crate::engine) fn serve(&mut self, op: u64, args: [u64; 4]) -> u64 {
        let Some(op) = RuntimeOp::from_number(op) else {
            self.abandon(Pending::Trap(TrapKind::Host(format!("compiled code asked for operation {op}"))));
            return 0;
        };
        let [first, second, third, fourth] = args;
        let (module, what) = ((first >> MODULE_SHIFT) as usize, first as u32);
        let range = [second as u32, third as u32, fourth as u32];
        let (index, segment) = (what & INDEX_MASK, (first >> INDEX_BITS) as usize & INDEX_MASK as usize);
        let done = match op {
            RuntimeOp::Promote => return self.promote(FuncId(what)),
            RuntimeOp::PromoteThroughLoop => return self.promote_through_loop(FuncId(what)),
            RuntimeOp::Record => return self.record(first as usize, second),
            RuntimeOp::Sample => return self.sample(first, second, third),
            RuntimeOp::Host => return self.call_host(FuncId(what), second, third),
            RuntimeOp::MemoryGrow => return self.grow_memory(MemoryId(what), second).unwrap_or(u64::MAX),
            RuntimeOp::TableGrow => {
                return self.table_grow(module, what, second, third as u32).map_or(u64::MAX, u64::from);
            }
            RuntimeOp::Throw => {
                self.throw();
                return 0;
            }
            RuntimeOp::KeepException => match self.keep_exception() {
                Ok(reference) => return reference,
                Err(error) => Err(TrapKind::Host(EngineError::from(error).to_string())),
            },
            RuntimeOp::TakeException => {
                self.take_exception(first);
                return 0;
            }
            RuntimeOp::MemoryInit => self.memory_init(module, index, segment, range).ok_or(TrapKind::MemoryOutOfBounds),
            RuntimeOp::MemoryCopy => {
                self.memory_copy(module, index, segment as u32, range).ok_or(TrapKind::MemoryOutOfBounds)
            }
            RuntimeOp::MemoryFill => self.memory_fill(module, what, range).ok_or(TrapKind::MemoryOutOfBounds),
            RuntimeOp::DataDrop => {
                self.data_drop(module, what as usize);
                Ok(())
            }
            RuntimeOp::ElementDrop => {
                self.element_drop(module, what as usize);
                Ok(())
            }
            RuntimeOp::TableSet => self.table_set(module, what, second as u32, third).ok_or(TrapKind::TableOutOfBounds),
            RuntimeOp::TableFill => {
                self.table_fill(module, what, second as u32, third, fourth as u32).ok_or(TrapKind::TableOutOfBounds)
            }
            RuntimeOp::TableCopy => {
                self.table_copy(module, index, segment as u32, range).ok_or(TrapKind::TableOutOfBounds)
            }
            RuntimeOp::TableInit => match self.table_init(module, index, segment, range) {
                Ok(done) => done.ok_or(TrapKind::TableOutOfBounds),
                Err(error) => Err(TrapKind::Host(error.to_string())),
            },
        };
        if let Err(kind) = done {
            self.abandon(Pending::Trap(kind));
        }
        0
    }

    /// Makes the running program end as soon as control returns to it.
    pub(in crate::engine) fn abandon(&mut self, stop: Pending) {
        self.stop = Some(stop);
        self.platform.state.write(cell::STOPPED, cell::ABANDONED);
    }

    fn compile_entered(&mut self, id: FuncId) -> Result<u64, EngineError> {
        match self.program.info(id).kind {
            FunctionKind::Host { .. } => self.compile_host_wrapper(id),
            FunctionKind::Defined { .. } if self.functions[id.0 as usize].tier.is_some() => self.compile_next_call(id),
            FunctionKind::Defined { .. } => self.compile_for_first_call(id),
        }
    }

    fn promote(&mut self, id: FuncId) -> u64 {
        let started = self.platform.ticks.now();
        self.promote_function(id);
        self.end_where_the_reserve_is_opened(|engine| engine.compiling(id));
        self.statistics.ticks_compile += self.platform.ticks.now().saturating_sub(started);
        0
    }

    /// The first hot loop has the function compiled at once. Code that runs is not replaced, so what the loops after it add
    /// is for the next call, and is waited for until they are twice as many as were known.
    fn promote_through_loop(&mut self, id: FuncId) -> u64 {
        let state = &mut self.functions[id.0 as usize];
        state.hot_loops += 1;
        if state.hot_loops == 1 {
            return self.promote(id);
        }
        if state.hot_loops == 2 * state.hot_loops_known.max(1) {
            self.code.compile_at_next_call(id);
        }
        0
    }

    /// The value at a fully probed site is not the last one any more: keeps the finished run, starts the next.
    fn record(&mut self, number: usize, value: u64) -> u64 {
        self.sites[number].end_run(value, &mut *self.platform.state);
        0
    }

    fn sample(&mut self, number: u64, value: u64, address_bits: u64) -> u64 {
        let (site, edition) = (number as u32 as usize, (number >> EDITION_SHIFT) as usize);
        self.sites[site].sample(edition, value, address_bits, &mut *self.platform.state);
        0
    }

    fn call_host(&mut self, id: FuncId, args_address: u64, results_address: u64) -> u64 {
        let FunctionKind::Host { id: host } = self.program.info(id).kind else {
            unreachable!("only wrappers of host functions make this call")
        };
        self.count_host_call(id);
        let ty = self.program.function_type(id);
        let mut results = vec![0; ty.results().len()];
        let args = read_words(&self.platform.stack, args_address, ty.params().len());
        match self.imports.call(host, &args, &mut results, self.platform.memories[0].memory.bytes()) {
            Ok(()) => {
                write_words(&self.platform.stack, results_address, &results);
                self.end_where_the_reserve_is_opened(|engine| engine.program.name(id));
            }
            Err(stop) => self.abandon(stop.into()),
        }
        0
    }
}
