//! What the engine needs from the face it runs on. Each face implements these once; tests use the host's.

use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;
use core::ops::Range;

/// Memory or address space ran out; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Where machine code lives: one contiguous region, executable and never writable at the address it runs at.
pub trait CodeMemory {
    /// Address at which byte 0 of the region executes. Constant.
    fn base(&self) -> u64;

    /// Bytes in the region. Constant; backed on demand.
    fn capacity(&self) -> usize;

    /// Copies `bytes` to `offset` through a writable alias and returns once this CPU would execute them.
    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), OutOfMemory>;

    /// What is at `range`, all of which was written.
    fn bytes(&self, range: Range<usize>) -> &[u8];
}

/// The engine's data that compiled code addresses directly: runtime cells, globals, counters, tables.
/// Lies within 2 GiB of the code, so that code reaches it relative to the instruction pointer.
pub trait StateMemory {
    /// Address of byte 0. Constant.
    fn base(&self) -> u64;

    /// Makes bytes `0..len` accessible; new bytes are zero.
    fn ensure(&mut self, len: usize) -> Result<(), OutOfMemory>;

    /// Reads the 8-byte word at `offset` (a multiple of 8 below the ensured length).
    fn read(&self, offset: usize) -> u64;

    /// Writes the 8-byte word at `offset` (a multiple of 8 below the ensured length).
    fn write(&mut self, offset: usize, value: u64);
}

/// Bytes in a WebAssembly page.
pub const WASM_PAGE_BYTES: u64 = 65536;

/// Address space of a linear memory and the guard behind it: a 32-bit index, a 32-bit offset, and the widest access.
pub const MEMORY_RESERVATION_BYTES: u64 = (8 << 30) + WASM_PAGE_BYTES;

/// A program's first memory begins at a multiple of this, so that the low 32 bits of a machine address are the index.
pub const MEMORY_ALIGNMENT: u64 = 1 << 32;

/// Where compiled code finds linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemoryBase {
    /// At machine address 0: a WebAssembly address is the machine address.
    Zero,
    /// At this machine address: in the pinned register for a program's first memory (a multiple of [`MEMORY_ALIGNMENT`]),
    /// loaded where it is needed for others.
    At(u64),
}

/// The program's linear memory: 4 GiB of address space of which the first `pages` are mapped, and an unmapped guard
/// up to [`MEMORY_RESERVATION_BYTES`].
pub trait LinearMemory {
    fn base(&self) -> MemoryBase;

    /// Mapped pages of 64 KiB.
    fn pages(&self) -> u64;

    /// Maps `delta` more zeroed pages; returns the number before.
    fn grow(&mut self, delta: u64) -> Result<u64, OutOfMemory>;

    /// The mapped bytes, through an address that Rust may use.
    fn bytes(&mut self) -> &mut [u8];
}

/// A source of ticks: the time-stamp counter (Intel SDM volume 3, section 19.17).
pub trait Ticks {
    fn now(&self) -> u64;
}

/// The stack that compiled code runs on. Grows down from `usable.end`.
pub struct CallStack {
    /// Addresses behind which there is memory once they were accessed, as long as there is any. `end` is 16-byte aligned.
    pub usable: Range<u64>,
    /// Addresses just below `usable` that are never mapped: a fault here is a stack overflow.
    pub guard: Range<u64>,
    /// Gives back the memory when it is dropped.
    pub owner: Box<dyn Any>,
}

/// Why a host function ends the program instead of returning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program asked to end with this code.
    Exit(i32),
    /// The program cannot go on; the reason is shown to the user.
    Trap(alloc::string::String),
}

/// A host function that a program may import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFunction {
    /// Passed back to [`Imports::call`].
    pub id: u32,
    pub params: &'static [wasmparser::ValType],
    pub results: &'static [wasmparser::ValType],
}

/// The functions that the face offers to programs (WASI).
pub trait Imports {
    /// The function `module.name`, if offered.
    fn find(&self, module: &str, name: &str) -> Option<HostFunction>;

    /// Calls function `id`. Each argument and result is one word: i32 and f32 in the low half.
    fn call(&mut self, id: u32, args: &[u64], results: &mut [u64], memory: &mut [u8]) -> Result<(), Stop>;
}

/// What may take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading and validating the program, in bytes.
    Decoding,
    /// Functions, at their first calls and again.
    Compiling,
    /// Code for the next boot, in functions.
    Preparing,
    /// What earlier boots know, from the store, in bytes.
    Loading,
    /// What the program is known by, in bytes of it.
    Hashing,
    /// What later boots are to know, into the store, in bytes.
    Saving,
}

/// Is told how far work is, and by the engine of machine code. It is called for every function, so it does little.
pub trait Progress {
    /// So many of `all` bytes or functions are done, in so many ticks.
    fn advanced(&mut self, work: Work, done: u64, all: u64, ticks: u64);

    /// There is machine code at these addresses; `name` makes what people know it by.
    fn placed(&mut self, range: Range<u64>, name: &dyn Fn() -> String);
}

/// Nobody asks.
impl Progress for () {
    fn advanced(&mut self, _: Work, _: u64, _: u64, _: u64) {}

    fn placed(&mut self, _: Range<u64>, _: &dyn Fn() -> String) {}
}
