//! How a program ends: exits, traps by name, and backtraces in WebAssembly terms.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use cranelift_codegen::ir::TrapCode;

use super::seams::Stop;
use super::translate::trap_code;

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Exit(i32),
    Trap(Trap),
}

impl Ending {
    /// The exit code, 134 (as a shell shows SIGABRT) for a trap.
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Exit(code) => *code,
            Self::Trap(_) => 134,
        }
    }
}

/// An ending that is decided but not yet carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Exit(i32),
    Trap(TrapKind),
}

impl From<Stop> for Pending {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Exit(code) => Self::Exit(code),
            Stop::Trap(reason) => Self::Trap(TrapKind::Host(reason)),
        }
    }
}

/// Why and where the program could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    pub kind: TrapKind,
    /// Innermost first.
    pub backtrace: Vec<TraceFrame>,
}

/// One call that was active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFrame {
    pub function: String,
    /// Offset in the module, as `wasm-objdump -d` shows it.
    pub offset: Option<u32>,
}

/// The traps of the WebAssembly specification, and the engine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrapKind {
    Unreachable,
    MemoryOutOfBounds,
    TableOutOfBounds,
    UndefinedElement,
    NullFunction,
    SignatureMismatch,
    DivisionByZero,
    IntegerOverflow,
    InvalidConversion,
    StackOverflow,
    /// A host function or the engine gave up, for this reason.
    Host(String),
}

impl TrapKind {
    pub fn from_code(code: TrapCode) -> Self {
        match code {
            trap_code::UNREACHABLE => Self::Unreachable,
            trap_code::TABLE_OUT_OF_BOUNDS => Self::TableOutOfBounds,
            trap_code::UNDEFINED_ELEMENT => Self::UndefinedElement,
            trap_code::NULL_FUNCTION => Self::NullFunction,
            trap_code::SIGNATURE_MISMATCH => Self::SignatureMismatch,
            TrapCode::INTEGER_DIVISION_BY_ZERO => Self::DivisionByZero,
            TrapCode::INTEGER_OVERFLOW => Self::IntegerOverflow,
            TrapCode::BAD_CONVERSION_TO_INTEGER => Self::InvalidConversion,
            TrapCode::STACK_OVERFLOW => Self::StackOverflow,
            _ => Self::MemoryOutOfBounds,
        }
    }
}

/// In the words of the official tests.
impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::UndefinedElement => "undefined element",
            Self::NullFunction => "uninitialized element",
            Self::SignatureMismatch => "indirect call type mismatch",
            Self::DivisionByZero => "integer divide by zero",
            Self::IntegerOverflow => "integer overflow",
            Self::InvalidConversion => "invalid conversion to integer",
            Self::StackOverflow => "call stack exhausted",
            Self::Host(reason) => reason,
        })
    }
}

/// One line per call, a recursion in one line.
impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trap: {}", self.kind)?;
        let mut depth = 0;
        for run in self.backtrace.chunk_by(|a, b| a == b) {
            write!(f, "\n  {depth}: {}", run[0].function)?;
            if let Some(offset) = run[0].offset {
                write!(f, " @ {offset:#x}")?;
            }
            if run.len() > 1 {
                write!(f, ", {} times", run.len())?;
            }
            depth += run.len();
        }
        Ok(())
    }
}

/// What the CPU said when an instruction faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub pc: u64,
    pub frame_pointer: u64,
    pub stack_pointer: u64,
    /// The address that could not be accessed; 0 where the fault was not a memory access.
    pub address: u64,
}

/// What an exception or signal handler must know of running code: which addresses are its, which guard its stack, where
/// to go on when it faults, and room for one fault. Shared with a handler, hence atomics; there is one CPU, hence relaxed.
#[derive(Default)]
pub struct Activation {
    code_start: AtomicU64,
    code_end: AtomicU64,
    guard_start: AtomicU64,
    guard_end: AtomicU64,
    abandon: AtomicU64,
    faulted: AtomicBool,
    pc: AtomicU64,
    frame_pointer: AtomicU64,
    stack_pointer: AtomicU64,
    address: AtomicU64,
}

impl Activation {
    pub const fn new() -> Self {
        Self {
            code_start: AtomicU64::new(0),
            code_end: AtomicU64::new(0),
            guard_start: AtomicU64::new(0),
            guard_end: AtomicU64::new(0),
            abandon: AtomicU64::new(0),
            faulted: AtomicBool::new(false),
            pc: AtomicU64::new(0),
            frame_pointer: AtomicU64::new(0),
            stack_pointer: AtomicU64::new(0),
            address: AtomicU64::new(0),
        }
    }

    /// Says where code is, where the guard below its stack is, and where to go on after a fault.
    pub fn set(&self, code: Range<u64>, guard: Range<u64>, abandon: u64) {
        self.code_start.store(code.start, Ordering::Relaxed);
        self.code_end.store(code.end, Ordering::Relaxed);
        self.guard_start.store(guard.start, Ordering::Relaxed);
        self.guard_end.store(guard.end, Ordering::Relaxed);
        self.abandon.store(abandon, Ordering::Relaxed);
    }

    /// Called by the handler: if the fault is the code's, keeps it and returns where to go on. Functions of `library` run
    /// on the program's stack: a fault in its guard is the program's, wherever it happens.
    pub fn catch(&self, fault: Fault) -> Option<u64> {
        let code = self.code_start.load(Ordering::Relaxed)..self.code_end.load(Ordering::Relaxed);
        let guard = self.guard_start.load(Ordering::Relaxed)..self.guard_end.load(Ordering::Relaxed);
        if !code.contains(&fault.pc) && !guard.contains(&fault.address) {
            return None;
        }
        self.pc.store(fault.pc, Ordering::Relaxed);
        self.frame_pointer.store(fault.frame_pointer, Ordering::Relaxed);
        self.stack_pointer.store(fault.stack_pointer, Ordering::Relaxed);
        self.address.store(fault.address, Ordering::Relaxed);
        self.faulted.store(true, Ordering::Relaxed);
        Some(self.abandon.load(Ordering::Relaxed))
    }

    /// The fault caught since the last call.
    pub fn take(&self) -> Option<Fault> {
        self.faulted.swap(false, Ordering::Relaxed).then(|| Fault {
            pc: self.pc.load(Ordering::Relaxed),
            frame_pointer: self.frame_pointer.load(Ordering::Relaxed),
            stack_pointer: self.stack_pointer.load(Ordering::Relaxed),
            address: self.address.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_inside_the_code_or_its_stack_guard_are_caught() {
        let activation = Activation::new();
        activation.set(0x1000..0x2000, 0x5000..0x6000, 0x1010);
        let fault = |pc| Fault { pc, frame_pointer: 1, stack_pointer: 3, address: 2 };
        assert_eq!(activation.catch(fault(0xfff)), None);
        assert_eq!(activation.take(), None);
        assert_eq!(activation.catch(fault(0x1fff)), Some(0x1010));
        assert_eq!(activation.take(), Some(fault(0x1fff)));
        assert_eq!(activation.take(), None);
        let overflow = |address| Fault { address, ..fault(0xfff) };
        assert_eq!(activation.catch(overflow(0x6000)), None);
        assert_eq!(activation.catch(overflow(0x5fff)), Some(0x1010));
    }
}
