//! Running a program, and finding out how it ended.

pub(super) mod backtrace;
mod cells;
mod enter;
pub(super) mod entry;
pub(super) mod listing;
mod reserve;
mod serve;
mod snapshot;
pub(super) mod stack;
pub(super) mod throw;
pub(super) mod trap;

use alloc::vec;
use alloc::vec::Vec;
use wasmparser::{ExternalKind, ValType};

use crate::engine::code::compile::{Effort, MachineCode};
use crate::engine::code::space::{Piece, Placed};
use crate::engine::decide::promotion::environment;
use crate::engine::decode::program::{FuncId, FunctionKind, PROGRAM, SignatureId};
use crate::engine::layout::cell;
use crate::engine::seams::{MEMORY_RESERVATION_BYTES, MemoryBase};
use crate::engine::translate::entry_wrapper;
use crate::engine::{Engine, EngineError};
use backtrace::{Backtrace, Trace, TraceFrame};
use enter::read_word;
use trap::{Ending, Fault, FaultKind, Pending, Trap, TrapKind};

/// A WebAssembly value: the low bits, first word first; the rest is 0.
pub type Value = [u64; 2];

/// The bits of `value` that a value of this type has.
fn low_bits(value: Value, ty: ValType) -> Value {
    match ty {
        ValType::I32 | ValType::F32 => [u64::from(value[0] as u32), 0],
        ValType::V128 => value,
        _ => [value[0], 0],
    }
}

impl Engine {
    /// Runs the program as a WASI command: its start function, then `_start`.
    pub fn run(&mut self) -> Result<Ending, EngineError> {
        let entry = self.command_entry()?;
        if let Some(ending) = self.start(PROGRAM)? {
            return Ok(ending);
        }
        Ok(self.call(entry, &mut [])?.unwrap_or(Ending::Exit(0)))
    }

    /// Runs the start function of module `number`, if it has one; how the program ended, if it did.
    pub fn start(&mut self, number: usize) -> Result<Option<Ending>, EngineError> {
        match self.program.modules[number].start {
            Some(start) => self.call(self.program.resolve(number, start), &mut []),
            None => Ok(None),
        }
    }

    /// Calls the program's exported function `name`; one word per argument and result.
    pub fn invoke(&mut self, name: &str, args: &[u64]) -> Result<Result<Vec<u64>, Ending>, EngineError> {
        let args: Vec<Value> = args.iter().map(|arg| [*arg, 0]).collect();
        let results = self.invoke_in(PROGRAM, name, &args)?;
        Ok(results.map(|results| results.iter().map(|result| result[0]).collect()))
    }

    /// Calls the function that module `number` exports as `name`.
    pub fn invoke_in(
        &mut self,
        number: usize,
        name: &str,
        args: &[Value],
    ) -> Result<Result<Vec<Value>, Ending>, EngineError> {
        let id = self.exported(number, name).ok_or_else(|| self.no_entry(name))?;
        let ty = self.program.function_type(id).clone();
        let mut values = vec![[0; 2]; args.len().max(ty.params().len()).max(ty.results().len())];
        values[..args.len()].copy_from_slice(args);
        let ending = self.call(id, &mut values)?;
        let results = values.iter().zip(ty.results()).map(|(value, ty)| low_bits(*value, *ty));
        Ok(ending.map_or_else(|| Ok(results.collect()), Err))
    }

    /// The value of the global that module `number` exports as `name`.
    pub fn global(&self, number: usize, name: &str) -> Option<Value> {
        let mut exports = self.program.modules[number].exports.iter();
        let export = exports.find(|export| export.kind == ExternalKind::Global && export.name == name)?;
        Some(self.global_value(&self.program.linkages[number].globals[export.index as usize]))
    }

    /// Adds a sample of the timer: `ticks` were spent at `address`.
    pub fn add_sample(&mut self, address: u64, ticks: u64) {
        if let Some(function) = self.code.find(address).and_then(Placed::function) {
            let state = &mut self.functions[function.0 as usize];
            state.ticks = state.ticks.saturating_add(ticks);
        }
    }

    /// Ticks now, on the platform's clock.
    pub fn now(&self) -> u64 {
        self.platform.ticks.now()
    }

    /// The program's first linear memory.
    pub fn memory(&mut self) -> &mut [u8] {
        self.platform.memories[0].memory.bytes()
    }

    fn exported(&self, number: usize, name: &str) -> Option<FuncId> {
        let mut exports = self.program.modules[number].exports.iter();
        let export = exports.find(|export| export.kind == ExternalKind::Func && export.name == name)?;
        Some(self.program.resolve(number, export.index))
    }

    /// Calls `id`; how the program ended, if it did.
    fn call(&mut self, id: FuncId, values: &mut [[u64; 2]]) -> Result<Option<Ending>, EngineError> {
        let wrapper = self.wrapper(id)?;
        let compiling_before = self.statistics.ticks_compile;
        let started = self.platform.ticks.now();
        if self.functions[id.0 as usize].tier.is_some() {
            self.statistics.first_instruction.get_or_insert(started);
        }
        let abandoned = self.enter(wrapper, self.code.entry(id), values);
        let elapsed = self.platform.ticks.now().saturating_sub(started);
        let compiling = self.statistics.ticks_compile - compiling_before;
        self.statistics.ticks_program += elapsed.saturating_sub(compiling);
        if !abandoned {
            return Ok(None);
        }
        if let Some(fault) = self.platform.activation.take() {
            return Ok(Some(Ending::Trap(self.fault_trap(fault))));
        }
        let frame = self.platform.state.read(cell::PROGRAM_STACK);
        Ok(Some(match self.stop.take() {
            Some(Pending::Exit(code)) => Ending::Exit(code),
            Some(Pending::Trap(kind @ TrapKind::UncaughtException { .. })) => {
                Ending::Trap(Trap { kind, backtrace: self.trace_of_thrown() })
            }
            Some(Pending::Trap(kind)) => Ending::Trap(Trap { kind, backtrace: self.backtrace(None, frame) }),
            None => unreachable!("a program is abandoned for a fault or a stop"),
        }))
    }

    /// Code that calls functions of `id`'s type.
    fn wrapper(&mut self, id: FuncId) -> Result<u64, EngineError> {
        let signature = self.program.info(id).signature.0;
        if let Some(known) = self.code.wrapper(signature) {
            return Ok(known);
        }
        let code = self.entry_wrapper(SignatureId(signature))?;
        self.code.place(code, Piece::Wrapper(signature))
    }

    pub(in crate::engine) fn entry_wrapper(&mut self, signature: SignatureId) -> Result<MachineCode, EngineError> {
        let config = self.compiler.frontend_config()?;
        let environment = environment(&self.program, &self.platform, config);
        let ty = self.program.signatures.get(signature);
        self.compiler.compile(|function, context| {
            entry_wrapper(environment, ty, function, context);
            Ok(Effort::Least)
        })
    }

    fn fault_trap(&self, fault: Fault) -> Trap {
        let backtrace = self.backtrace(self.innermost(&fault), fault.frame_pointer);
        Trap { kind: self.fault_trap_kind(&fault), backtrace }
    }

    /// What a fault means. An access that reaches none of the program's memories and not its stack is our own bug.
    fn fault_trap_kind(&self, fault: &Fault) -> TrapKind {
        let stack = &self.platform.stack;
        match fault.kind() {
            FaultKind::Access(address) if stack.guard.contains(&address) => TrapKind::StackOverflow,
            FaultKind::Access(address) if stack.usable.contains(&address) => TrapKind::StackOutOfMemory,
            FaultKind::Access(address) if self.is_in_a_memory(address) => TrapKind::MemoryOutOfBounds,
            FaultKind::Access(address) => TrapKind::WildAccess { address: Some(address) },
            FaultKind::Interruption => TrapKind::Interrupted,
            FaultKind::Protection => TrapKind::WildAccess { address: None },
            FaultKind::Operation => {
                self.code.trap(fault.pc).map_or(TrapKind::WildAccess { address: None }, TrapKind::from_code)
            }
        }
    }

    /// Whether `address` is in a linear memory or in the guard behind it.
    fn is_in_a_memory(&self, address: u64) -> bool {
        self.platform.memories.iter().any(|memory| {
            let base = match memory.memory.base() {
                MemoryBase::Zero => 0,
                MemoryBase::At(base) => base,
            };
            (base..base + MEMORY_RESERVATION_BYTES).contains(&address)
        })
    }

    /// The instruction that the program was at. A kernel makes no frame: the one that calls it, before the return address.
    fn innermost(&self, fault: &Fault) -> Option<u64> {
        let in_kernel = self.code.find(fault.pc).is_some_and(|placed| placed.function().is_none());
        if !in_kernel {
            return Some(fault.pc);
        }
        read_word(&self.platform.stack, fault.stack_pointer).map(|returns_to| returns_to.wrapping_sub(1))
    }

    /// The active calls, from the instruction at `pc` and the chain of frames (saved frame pointer, return address)
    /// that starts at `frame`.
    fn backtrace(&self, pc: Option<u64>, mut frame: u64) -> Backtrace {
        let mut trace = Trace::default();
        // Recursion has the same place again and again.
        let mut known = None;
        let mut push = |pc| {
            if known == Some(pc) || self.is_in_function(pc) {
                known = Some(pc);
                trace.push(pc);
            }
        };
        pc.into_iter().for_each(&mut push);
        let word = |address| read_word(&self.platform.stack, address);
        while let (Some(caller), Some(returns_to)) = (word(frame), word(frame.wrapping_add(8))) {
            push(returns_to.wrapping_sub(1));
            if caller <= frame {
                break;
            }
            frame = caller;
        }
        self.name_calls(trace)
    }

    fn is_in_function(&self, pc: u64) -> bool {
        self.code.find(pc).is_some_and(|placed| placed.function().is_some())
    }

    fn name_calls(&self, trace: Trace) -> Backtrace {
        trace.finish(|pc| {
            let id = self.code.find(pc)?.function()?;
            let start = self.program.body_start(id);
            let is_own = matches!(self.program.info(id).kind, FunctionKind::Defined { module: PROGRAM, .. });
            Some(TraceFrame {
                function: self.program.name(id),
                index: self.program.index_in_program(id),
                offset: self.code.body_offset(pc).map(|offset| start + offset),
                body_start: is_own.then_some(start),
                ..TraceFrame::default()
            })
        })
    }
}
