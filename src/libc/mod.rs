//! The C library that the kernel offers to programs, written in WebAssembly.
//!
//! The functions are [`MODULE`], one WebAssembly module assembled at build time from the `.wat` files of this folder:
//! blocks of bytes in `memory.wat`, strings in `string.wat`, the heap in `allocation.wat` on top of `tlsf.wat`, the
//! mathematics in the others, with tables in a memory of the module's own that nothing writes (`tables.wat`). It imports the
//! program's linear memory as `program.memory` and exports each function under
//! its C name, with the wasm32 C ABI: pointers and `size_t` are i32. The bodies of blocks and strings are the plainest
//! correct ones, mostly byte loops; speed comes from specialising them to the sizes that a program passes. The mathematics
//! give the same bits on every CPU. [`functions`] says what there is, as data. [`Heap::Checked`] is
//! the same module with `allocation_checked.wat` for a heap: slower, and a program that misuses it ends.
//!
//! A program reaches these functions in two ways: it imports them from the module `libc`, or it brings those of another C
//! library, as every program linked with wasi-libc does, and they are recognised by their bodies ([`proved`]) or, if that is
//! asked for, by their names ([`interpositions`]).
//!
//! Neighbours: `engine` compiles [`MODULE`] together with the program, records values at the sites that
//! [`LibcFunction::site`] describes, and specialises.
//!
//! # Why replacing is safe
//!
//! A block function or string function depends on its arguments and memory alone, a function of the mathematics on its
//! arguments alone, so it can be replaced alone; calls that a compiler inlined keep doing the same thing. The heap has state, and two heaps must not meet: a block that
//! one allocated must not reach the other's `free`. `interpose.rs` states the rule that keeps them apart.
//!
//! # What differs from wasi-libc
//!
//! `malloc`, `calloc` and `realloc` return NULL on exhaustion without setting `errno`, and `free` ignores a block that
//! is plainly not live where wasi-libc's may call `abort`. The C standard asks for neither. Results of the mathematics can
//! be another of the doubles next to the exact result; [`LibcFunction::contract`] says how far off they are at most.

#![forbid(unsafe_code)]

mod interpose;
pub mod known;
mod registry;

pub use interpose::{Interpose, Interposed, NamedFunction, Reference, interpositions, proved};
pub use registry::{FUSED, Family, LibcFunction, SizeSite, find, functions};

/// The libc as a WebAssembly module.
pub const MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libc.wasm"));

/// The same with the heap that checks.
pub const CHECKED_MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libc_checked.wasm"));

/// Which heap a program gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heap {
    #[default]
    Fast,
    /// Ends a program that writes outside its blocks, writes to freed ones, or frees what is no live block.
    Checked,
}

impl Heap {
    /// The libc with this heap.
    pub const fn module(self) -> &'static [u8] {
        match self {
            Self::Fast => MODULE,
            Self::Checked => CHECKED_MODULE,
        }
    }
}

#[cfg(test)]
mod tests;
