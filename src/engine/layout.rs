//! Where things stand in code memory and in state memory: the contract between compiled code, the trampolines and the
//! engine.

use core::mem::size_of;

use super::EngineError;
use super::seams::StateMemory;

/// Offsets of the runtime cells at the start of state memory, one word each.
pub mod cell {
    /// Stack pointer of the engine while compiled code runs: builtins run below it.
    pub const ENGINE_STACK: usize = 0;
    /// Stack pointer of compiled code while the engine serves it.
    pub const PROGRAM_STACK: usize = 8;
    /// Address of the engine, first argument of the two entries below.
    pub const CONTEXT: usize = 16;
    /// Address of the function that serves [`super::RuntimeOp`]s.
    pub const RUNTIME_ENTRY: usize = 24;
    /// Address of the function that compiles at first call.
    pub const COMPILE_ENTRY: usize = 32;
    /// What is to become of the running program, if it cannot simply go on: one of the two below.
    pub const STOPPED: usize = 40;
    /// It is to be abandoned.
    pub const ABANDONED: u64 = 1;
    /// It is to go on where the cells below say, for an exception that is caught there.
    pub const CAUGHT: u64 = 2;
    /// Bytes of the first memory.
    pub const FIRST_MEMORY_BYTES: usize = 48;
    /// Machine address of the first memory, where it has one.
    pub const FIRST_MEMORY_BASE: usize = 56;
    /// First byte past the program's call stack.
    pub const STACK_TOP: usize = 64;
    /// Addresses of the functions that stand in for instructions which the CPU lacks.
    pub const LIBRARY: usize = 72;
    /// How many there are.
    pub const LIBRARY_FUNCTIONS: usize = 9;
    /// The tag of the exception that is being thrown; [`NEWLY_THROWN`] beside it until the engine has seen it.
    pub const EXCEPTION: usize = LIBRARY + 8 * LIBRARY_FUNCTIONS;
    pub const NEWLY_THROWN: u64 = 1 << 32;
    /// Where to go on if it is caught, and the frame pointer there; `PROGRAM_STACK` has the stack pointer.
    pub const HANDLER: usize = EXCEPTION + 8;
    pub const HANDLER_FRAME: usize = HANDLER + 8;
    /// Bytes taken by the cells, so many that vectors behind them are aligned.
    pub const END: usize = (HANDLER_FRAME + 8).next_multiple_of(super::VALUE_BYTES);

    /// Bytes below the program's stack in which the registers are that functions keep, while the engine serves it.
    pub const KEPT_REGISTERS_BYTES: u64 = 40;
}

/// The words that state memory holds of each function, by offset.
pub mod function {
    /// Calls in this boot.
    pub const CALLS: usize = 0;
    /// Number of calls at which it asks for promotion.
    pub const THRESHOLD: usize = 8;
    /// Bytes taken by the words.
    pub const END: usize = 16;
}

/// Bytes per global and per value of an exception: enough for a 128-bit vector.
pub const VALUE_BYTES: usize = 16;

/// A table entry: code address (or the reference itself in a table of externref), then signature and function.
pub mod table_entry {
    pub const BYTES: usize = 16;
    pub const CODE: i32 = 0;
    /// Interned signature, [`NULL_SIGNATURE`] in an empty entry.
    pub const SIGNATURE: i32 = 8;
    /// Function identifier plus one, 0 in an empty entry: the representation of a funcref.
    pub const REFERENCE: i32 = 12;
    pub const NULL_SIGNATURE: u32 = u32::MAX;
    /// The second word of an empty entry.
    pub const NULL_WORD: u64 = NULL_SIGNATURE as u64;
}

/// What a site keeps in state memory. The histogram itself is the engine's; code only counts runs of equal values.
pub mod site {
    pub const BYTES: usize = 32;
    /// Most values that a site is specialised for.
    pub const PATHS: usize = 4;
    /// The value seen last.
    pub const VALUE: i32 = 0;
    /// How many times in a row.
    pub const RUN: i32 = 8;
    /// OR of all addresses.
    pub const ADDRESS_BITS: i32 = 16;
    /// The cells of its first edition, which has no paths.
    pub const FIRST_EDITION: usize = 24;
}

/// What code above the baseline counts for all copies of a site that are specialised alike, its *edition*.
pub mod edition {
    /// Calls until the next sample is due; only calls that take none of the edition's paths count down.
    pub const UNTIL_SAMPLE: usize = 0;
    /// Calls that took each path, in the order of the tests.
    pub const PASSED: usize = 8;

    /// Bytes of the cells of an edition with so many paths.
    pub const fn bytes(paths: usize) -> usize {
        PASSED + 8 * paths
    }
}

/// Calls that sample `number` of a sampled probe stands for: 64 on average. The periods vary, or a probe would see only
/// some of the values of a program that repeats itself in step with them. Every boot draws the same ones.
pub const fn sample_period(number: u64) -> u64 {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let spread = (spread ^ spread >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    33 + (spread >> 58)
}

/// Bytes of code memory kept for the trampolines, at offset 0.
pub const TRAMPOLINE_BYTES: usize = 1024;

/// Bytes of a call or jump with a 32-bit distance.
pub const NEAR_BYTES: usize = 5;

/// Every function has an entry of this size: a jump to its newest code, or a call that compiles it first. Addresses of
/// functions are addresses of entries, so that new code needs no other patch.
pub const ENTRY_BYTES: usize = 16;

/// Bits of an index of a table, memory or segment where it is packed with others; a module has at most 100,000 of each.
pub const INDEX_BITS: u32 = 20;
pub const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
/// Where the module's number is in the same word.
pub const MODULE_SHIFT: u32 = 2 * INDEX_BITS;
/// Where the number of an edition is in one word with that of its site.
pub const EDITION_SHIFT: u32 = 32;

/// What compiled code asks of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum RuntimeOp {
    /// (function): it became hot.
    Promote,
    /// (function): one of its loops became hot.
    PromoteThroughLoop,
    /// (site, value): the run of equal values ended.
    Record,
    /// (site | edition << 32, value, address bits): a sampled value.
    Sample,
    /// (function, &arguments, &results): call a host function.
    Host,
    /// (memory, pages) -> previous pages or -1.
    MemoryGrow,
    /// (memory | segment << 20 | module << 40, destination, source, length)
    MemoryInit,
    /// (destination memory | source memory << 20 | module << 40, destination, source, length)
    MemoryCopy,
    /// (memory | module << 40, destination, byte, length)
    MemoryFill,
    /// (segment | module << 40)
    DataDrop,
    /// (table | module << 40, index, reference)
    TableSet,
    /// (table | module << 40, reference, delta) -> previous length or -1.
    TableGrow,
    /// (table | module << 40, index, reference, length)
    TableFill,
    /// (destination table | source table << 20 | module << 40, destination, source, length)
    TableCopy,
    /// (table | segment << 20 | module << 40, destination, source, length)
    TableInit,
    /// (segment | module << 40)
    ElementDrop,
    /// Lets the exception that is being thrown leave the function.
    Throw,
    /// -> a reference to the exception that was thrown last.
    KeepException,
    /// (reference): that exception is thrown.
    TakeException,
}

impl RuntimeOp {
    const ALL: [Self; 19] = [
        Self::Promote,
        Self::PromoteThroughLoop,
        Self::Record,
        Self::Sample,
        Self::Host,
        Self::MemoryGrow,
        Self::MemoryInit,
        Self::MemoryCopy,
        Self::MemoryFill,
        Self::DataDrop,
        Self::TableSet,
        Self::TableGrow,
        Self::TableFill,
        Self::TableCopy,
        Self::TableInit,
        Self::ElementDrop,
        Self::Throw,
        Self::KeepException,
        Self::TakeException,
    ];

    /// The operation that compiled code passed as a number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// A bump allocator of offsets in state memory.
#[derive(Debug)]
pub struct StateAllocator {
    next: usize,
}

impl StateAllocator {
    pub const fn new() -> Self {
        Self { next: cell::END }
    }

    /// Offset of `bytes` new bytes, 16-byte aligned.
    pub fn allocate(&mut self, bytes: usize) -> usize {
        let offset = self.next;
        self.next += bytes.next_multiple_of(2 * size_of::<u64>());
        offset
    }

    /// Takes back what was allocated since [`Self::end`] was `end`.
    pub const fn take_back(&mut self, end: usize) {
        self.next = end;
    }

    /// Bytes allocated so far.
    pub const fn end(&self) -> usize {
        self.next
    }

    /// Makes all that was allocated accessible.
    pub fn ensure(&self, state: &mut dyn StateMemory) -> Result<(), EngineError> {
        let (what, bytes) = ("globals, tables and counters", self.next as u64);
        state.ensure(self.next).map_err(|_| EngineError::OutOfMemory { what, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_periods_are_64_on_average_and_in_step_with_nothing() {
        let periods = || (0..10_000).map(sample_period);
        assert!((63..=66).contains(&(periods().sum::<u64>() / 10_000)));
        for step in 2..9 {
            let mut seen = alloc::vec![0; step as usize];
            let mut at = 0;
            periods().for_each(|period| {
                at += period;
                seen[(at % step) as usize] += 1;
            });
            assert!(seen.iter().all(|count| *count * step > 9_000), "{step}: {seen:?}");
        }
    }

    #[test]
    fn operations_survive_the_trip_through_compiled_code() {
        for op in RuntimeOp::ALL {
            assert_eq!(RuntimeOp::from_number(op as u64), Some(op));
        }
        assert_eq!(RuntimeOp::from_number(RuntimeOp::ALL.len() as u64), None);
    }
}
