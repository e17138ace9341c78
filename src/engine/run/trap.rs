//! How a program ends: exits, traps by name, and backtraces in WebAssembly terms.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use cranelift_codegen::ir::TrapCode;

use super::backtrace::Backtrace;
use crate::engine::layout::TRAMPOLINE_BYTES;
use crate::engine::names::trap_code;
use crate::engine::seams::Stop;

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Exit(i32),
    Trap(Trap),
}

impl Ending {
    /// The exit code: as a shell shows SIGABRT for a trap, 134, and SIGINT for an interruption, 130.
    pub const fn exit_code(&self) -> i32 {
        match self {
            Self::Exit(code) => *code,
            Self::Trap(Trap { kind: TrapKind::Interrupted, .. }) => 130,
            Self::Trap(_) => 134,
        }
    }
}

/// An ending that is decided but not yet carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Pending {
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
    pub backtrace: Backtrace,
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
    NullException,
    UnalignedAtomic,
    /// Waiting for another thread, of which there is none.
    UnsharedMemory,
    /// Thrown with the tag of this name, and nobody caught it.
    UncaughtException {
        tag: String,
    },
    StackOverflow,
    /// The machine has no memory left for the call stack, although the stack may grow.
    StackOutOfMemory,
    /// Somebody asked for the end.
    Interrupted,
    /// Compiled code accessed what is no memory of the program, here where the CPU says where: a bug of the engine.
    WildAccess {
        address: Option<u64>,
    },
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
            trap_code::NULL_EXCEPTION => Self::NullException,
            trap_code::UNALIGNED_ATOMIC => Self::UnalignedAtomic,
            trap_code::UNSHARED_MEMORY => Self::UnsharedMemory,
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
            Self::WildAccess { address } => {
                let address = address.map_or_else(|| "an unknown address".into(), |address| format!("{address:#x}"));
                return write!(
                    f,
                    "access to {address}, outside of the program's memories: a bug in BareFlow, report it"
                );
            }
            Self::UncaughtException { tag } => return write!(f, "uncaught exception {tag}"),
            Self::Unreachable => "unreachable",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::UndefinedElement => "undefined element",
            Self::NullFunction => "uninitialized element",
            Self::SignatureMismatch => "indirect call type mismatch",
            Self::DivisionByZero => "integer divide by zero",
            Self::IntegerOverflow => "integer overflow",
            Self::NullException => "null exception reference",
            Self::UnalignedAtomic => "unaligned atomic",
            Self::UnsharedMemory => "expected shared memory",
            Self::InvalidConversion => "invalid conversion to integer",
            Self::StackOverflow => "call stack exhausted",
            Self::StackOutOfMemory => "call stack exhausted: no memory is left for it, give the machine more RAM",
            Self::Interrupted => "interrupted",
            Self::Host(reason) => reason,
        })
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trap: {}{}", self.kind, self.backtrace)
    }
}

/// What the CPU said when an instruction faulted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub pc: u64,
    pub frame_pointer: u64,
    pub stack_pointer: u64,
    /// Number of the exception (Intel SDM volume 3, table 7-1), or [`Fault::INTERRUPTED`].
    pub vector: u64,
    /// The address that could not be accessed, for a page fault.
    pub address: u64,
}

/// What the CPU could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum FaultKind {
    /// Access this address.
    Access(u64),
    /// Access an address that it does not tell: nothing can be there.
    Protection,
    /// Anything else, such as to divide by zero.
    Operation,
    /// Go on: it was asked to end.
    Interruption,
}

impl Fault {
    /// No exception: see [`Activation::interrupt`].
    pub const INTERRUPTED: u64 = u64::MAX;

    pub(in crate::engine) const fn kind(&self) -> FaultKind {
        match self.vector {
            14 => FaultKind::Access(self.address),
            12 | 13 => FaultKind::Protection,
            Self::INTERRUPTED => FaultKind::Interruption,
            _ => FaultKind::Operation,
        }
    }
}

/// What an exception or signal handler must know of running code: which addresses are its, which its stack, where
/// to go on when it faults, and room for one fault. Shared with a handler, hence atomics; there is one CPU, hence relaxed.
#[derive(Default)]
pub struct Activation {
    code_start: AtomicU64,
    code_end: AtomicU64,
    stack_start: AtomicU64,
    stack_end: AtomicU64,
    abandon: AtomicU64,
    faulted: AtomicBool,
    pc: AtomicU64,
    frame_pointer: AtomicU64,
    stack_pointer: AtomicU64,
    vector: AtomicU64,
    address: AtomicU64,
}

impl Activation {
    pub const fn new() -> Self {
        Self {
            code_start: AtomicU64::new(0),
            code_end: AtomicU64::new(0),
            stack_start: AtomicU64::new(0),
            stack_end: AtomicU64::new(0),
            abandon: AtomicU64::new(0),
            faulted: AtomicBool::new(false),
            pc: AtomicU64::new(0),
            frame_pointer: AtomicU64::new(0),
            stack_pointer: AtomicU64::new(0),
            vector: AtomicU64::new(0),
            address: AtomicU64::new(0),
        }
    }

    /// Says where code is, where its stack and the guard below are, and where to go on after a fault.
    pub fn set(&self, code: Range<u64>, stack: Range<u64>, abandon: u64) {
        self.code_start.store(code.start, Ordering::Relaxed);
        self.code_end.store(code.end, Ordering::Relaxed);
        self.stack_start.store(stack.start, Ordering::Relaxed);
        self.stack_end.store(stack.end, Ordering::Relaxed);
        self.abandon.store(abandon, Ordering::Relaxed);
    }

    /// Called by the handler: if the fault is the code's, keeps it and returns where to go on. Functions of `library` run
    /// on the program's stack: a fault there or in the guard is the program's, wherever it happens.
    pub fn catch(&self, fault: Fault) -> Option<u64> {
        let code = self.code_start.load(Ordering::Relaxed)..self.code_end.load(Ordering::Relaxed);
        let stack = self.stack_start.load(Ordering::Relaxed)..self.stack_end.load(Ordering::Relaxed);
        let on_stack = matches!(fault.kind(), FaultKind::Access(address) if stack.contains(&address));
        if code.contains(&fault.pc) || on_stack { Some(self.keep(fault)) } else { None }
    }

    /// Called by the handler of an interrupt after which the program is to end: if it came at an instruction of the program's,
    /// returns where to go on; else the next one has to be waited for. The trampolines must be left alone: they change stacks.
    pub fn interrupt(&self, at: Fault) -> Option<u64> {
        let code =
            self.code_start.load(Ordering::Relaxed) + TRAMPOLINE_BYTES as u64..self.code_end.load(Ordering::Relaxed);
        code.contains(&at.pc).then(|| self.keep(Fault { vector: Fault::INTERRUPTED, ..at }))
    }

    /// Keeps the fault; where to go on.
    fn keep(&self, fault: Fault) -> u64 {
        self.pc.store(fault.pc, Ordering::Relaxed);
        self.frame_pointer.store(fault.frame_pointer, Ordering::Relaxed);
        self.stack_pointer.store(fault.stack_pointer, Ordering::Relaxed);
        self.vector.store(fault.vector, Ordering::Relaxed);
        self.address.store(fault.address, Ordering::Relaxed);
        self.faulted.store(true, Ordering::Relaxed);
        self.abandon.load(Ordering::Relaxed)
    }

    /// The fault caught since the last call.
    pub fn take(&self) -> Option<Fault> {
        self.faulted.swap(false, Ordering::Relaxed).then(|| Fault {
            pc: self.pc.load(Ordering::Relaxed),
            frame_pointer: self.frame_pointer.load(Ordering::Relaxed),
            stack_pointer: self.stack_pointer.load(Ordering::Relaxed),
            vector: self.vector.load(Ordering::Relaxed),
            address: self.address.load(Ordering::Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_inside_the_code_or_on_its_stack_are_caught() {
        let activation = Activation::new();
        activation.set(0x1000..0x2000, 0x5000..0x6000, 0x1010);
        let fault = |pc| Fault { pc, frame_pointer: 1, stack_pointer: 3, vector: 14, address: 2 };
        assert_eq!(activation.catch(fault(0xfff)), None);
        assert_eq!(activation.take(), None);
        assert_eq!(activation.catch(fault(0x1fff)), Some(0x1010));
        assert_eq!(activation.take(), Some(fault(0x1fff)));
        assert_eq!(activation.take(), None);
        let overflow = |address| Fault { address, ..fault(0xfff) };
        assert_eq!(activation.catch(overflow(0x6000)), None);
        assert_eq!(activation.catch(overflow(0x5fff)), Some(0x1010));
    }

    #[test]
    fn an_interruption_waits_for_an_instruction_of_the_program() {
        let activation = Activation::new();
        activation.set(0x1000..0x9000, 0xa000..0xb000, 0x1010);
        let at = |pc| Fault { pc, frame_pointer: 1, stack_pointer: 3, vector: 32, address: 0xa008 };
        for elsewhere in [0xfff, 0x1000, 0x13ff, 0x9000] {
            assert_eq!((activation.interrupt(at(elsewhere)), activation.take()), (None, None), "{elsewhere:#x}");
        }
        assert_eq!(activation.interrupt(at(0x1400)), Some(0x1010));
        let kept = activation.take();
        assert_eq!(kept, Some(Fault { vector: Fault::INTERRUPTED, ..at(0x1400) }));
        assert_eq!(kept.map(|fault| fault.kind()), Some(FaultKind::Interruption));
    }
}
