//! Who leaves how much memory to those that come after.
//!
//! Much of what the compiler and the kernel allocate cannot fail. So whoever can be refused is, before memory is gone:
//!
//! | who asks | leaves |
//! |---|---|
//! | the program: linear memory, its files | [`PROGRAM_LEAVES`] |
//! | the engine: compiled code, its state, the program's stack, what the compiler is about to take | [`ENGINE_LEAVES`] |
//! | the heap, for one request of at least [`LARGE_BYTES`] | [`HEAP_LEAVES`] |
//! | the heap, for any other | nothing |
//!
//! Once less is left than the engine leaves, the engine ends the program, gives back its memory and saves in what there is.

use super::{heap, statistics};

pub const PROGRAM_LEAVES: u64 = 8 << 20;
pub const ENGINE_LEAVES: u64 = 4 << 20;
pub const HEAP_LEAVES: u64 = 2 << 20;

/// A request of the heap that is expected to be refused at times.
pub const LARGE_BYTES: u64 = 1 << 20;

/// What the program can still have.
pub fn free_for_program() -> u64 {
    statistics().free.saturating_sub(PROGRAM_LEAVES)
}

/// What there is for everything else. What is free in the heap may be in pieces: only so much of it counts.
pub fn free() -> u64 {
    statistics().free + heap::free_bytes().min(HEAP_LEAVES)
}
