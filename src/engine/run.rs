//! Running a program, and finding out how it ended.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use cranelift_codegen::ir::TrapCode;
use wasmparser::{ExternalKind, FuncType};

use super::enter::read_word;
use super::layout::cell;
use super::program::{FuncId, PROGRAM};
use super::tier::Tier;
use super::translate::{Environment, entry_wrapper};
use super::trap::{Ending, Fault, Pending, TraceFrame, Trap, TrapKind};
use super::{Engine, EngineError};

/// Most calls that a backtrace shows.
const BACKTRACE_DEPTH: usize = 32;

impl Engine {
    /// Runs the program as a WASI command: its start function, then `_start`.
    pub fn run(&mut self) -> Result<Ending, EngineError> {
        let entry = self.command_entry()?;
        if let Some(start) = self.program.modules[PROGRAM].start
            && let Some(ending) = self.call(self.program.resolve(PROGRAM, start), &mut [])?
        {
            return Ok(ending);
        }
        Ok(self.call(entry, &mut [])?.unwrap_or(Ending::Exit(0)))
    }

    /// Calls the exported function `name`; one word per argument and result.
    pub fn invoke(&mut self, name: &str, args: &[u64]) -> Result<Result<Vec<u64>, Ending>, EngineError> {
        let id = self.exported(name).ok_or_else(|| EngineError::NoEntry { name: name.to_string() })?;
        let ty = self.program.function_type(id);
        let results = ty.results().len();
        let mut values = vec![[0; 2]; args.len().max(ty.params().len()).max(results)];
        values.iter_mut().zip(args).for_each(|(value, arg)| value[0] = *arg);
        let ending = self.call(id, &mut values)?;
        Ok(match ending {
            Some(ending) => Err(ending),
            None => Ok(values[..results].iter().map(|value| value[0]).collect()),
        })
    }

    /// Adds a sample of the timer: `ticks` were spent at `address`.
    pub fn add_sample(&mut self, address: u64, ticks: u64) {
        if let Some(function) = self.code.find(address).and_then(|placed| placed.function) {
            let state = &mut self.functions[function.0 as usize];
            state.ticks = state.ticks.saturating_add(ticks);
        }
    }

    /// Ticks now, on the platform's clock.
    pub fn now(&self) -> u64 {
        self.platform.ticks.now()
    }

    /// The program's linear memory.
    pub fn memory(&mut self) -> &mut [u8] {
        self.platform.memory.bytes()
    }

    fn exported(&self, name: &str) -> Option<FuncId> {
        let mut exports = self.program.modules[PROGRAM].exports.iter();
        let export = exports.find(|export| export.kind == ExternalKind::Func && export.name == name)?;
        Some(self.program.resolve(PROGRAM, export.index))
    }

    fn command_entry(&self) -> Result<FuncId, EngineError> {
        let name = "_start";
        let plain = |id: &FuncId| *self.program.function_type(*id) == FuncType::new([], []);
        self.exported(name).filter(plain).ok_or_else(|| EngineError::NoEntry { name: name.to_string() })
    }

    /// Calls `id`; how the program ended, if it did.
    fn call(&mut self, id: FuncId, values: &mut [[u64; 2]]) -> Result<Option<Ending>, EngineError> {
        let wrapper = self.wrapper(id)?;
        let compiling_before = self.statistics.ticks_compile;
        let started = self.platform.ticks.now();
        let abandoned = self.enter(wrapper, self.code.entry(id), values);
        let elapsed = self.platform.ticks.now() - started;
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
            Some(Pending::Trap(kind)) => Ending::Trap(Trap { kind, backtrace: self.backtrace(None, frame) }),
            None => unreachable!("a program is abandoned for a fault or a stop"),
        }))
    }

    /// Code that calls functions of `id`'s type.
    fn wrapper(&mut self, id: FuncId) -> Result<u64, EngineError> {
        let signature = self.program.info(id).signature.0;
        if let Some(known) = self.wrappers.get(&signature) {
            return Ok(*known);
        }
        let (pinned_base, config) = (self.pinned_base(), self.compiler.frontend_config());
        let environment = Environment { program: &self.program, pinned_base, config };
        let ty = self.program.function_type(id);
        let code = self.compiler.compile(Tier::Baseline, |function, context| {
            entry_wrapper(environment, ty, function, context);
            Ok::<(), EngineError>(())
        })?;
        let address = self.code.place(code, None)?;
        self.wrappers.insert(signature, address);
        Ok(address)
    }

    fn fault_trap(&self, fault: Fault) -> Trap {
        let backtrace = self.backtrace(self.innermost(&fault), fault.frame_pointer);
        if self.platform.stack.guard.contains(&fault.address) {
            return Trap { kind: TrapKind::StackOverflow, backtrace };
        }
        let code = self.code.find(fault.pc).and_then(|placed| placed.trap(fault.pc));
        Trap { kind: TrapKind::from_code(code.unwrap_or(TrapCode::HEAP_OUT_OF_BOUNDS)), backtrace }
    }

    /// The instruction that the program was at. A kernel makes no frame: the one that calls it, before the return address.
    fn innermost(&self, fault: &Fault) -> Option<u64> {
        let in_kernel = self.code.find(fault.pc).is_some_and(|placed| placed.function.is_none());
        if !in_kernel {
            return Some(fault.pc);
        }
        read_word(&self.platform.stack, fault.stack_pointer).map(|returns_to| returns_to.wrapping_sub(1))
    }

    /// The active calls, from the instruction at `pc` and the chain of frames (saved frame pointer, return address)
    /// that starts at `frame`.
    fn backtrace(&self, pc: Option<u64>, mut frame: u64) -> Vec<TraceFrame> {
        let mut frames: Vec<TraceFrame> = pc.and_then(|pc| self.trace_frame(pc)).into_iter().collect();
        let word = |address| read_word(&self.platform.stack, address);
        while frames.len() < BACKTRACE_DEPTH {
            let (Some(caller), Some(returns_to)) = (word(frame), word(frame.wrapping_add(8))) else { break };
            frames.extend(self.trace_frame(returns_to.wrapping_sub(1)));
            if caller <= frame {
                break;
            }
            frame = caller;
        }
        frames
    }

    fn trace_frame(&self, pc: u64) -> Option<TraceFrame> {
        let placed = self.code.find(pc)?;
        let name = self.program.info(placed.function?).name.clone();
        Some(TraceFrame { function: name, offset: placed.module_offset(pc) })
    }
}
