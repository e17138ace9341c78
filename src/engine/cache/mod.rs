//! Code from boot to boot: what one boot compiled, the next one takes over at the same addresses, and compiles nothing.
//!
//! Key types: [`Image`](image::Image) (what is stored). Top-down: `prepare` makes the image of the next boot once the program
//! has ended, `load` takes one over, `verify` makes it again to compare. Neighbours: `session` carries images between engine and
//! store, `code/draft.rs` gives code its places, `decide` says what every function deserves.

pub mod image;
pub mod load;
mod prepare;
mod verify;

use alloc::string::String;

use image::ModuleName;

pub use prepare::Prepared;

/// What the code of a program is known by from boot to boot, and what became of that of an earlier one.
#[derive(Default)]
pub(super) struct CacheState {
    /// What the program is known by, once that was asked.
    pub name: Option<ModuleName>,
    /// What reading and linking the program takes of memory.
    pub bytes_to_start: u64,
    /// State memory used once all modules were linked.
    pub linked_end: usize,
    /// Pieces of code taken over from an earlier boot, if that was all it had.
    loaded_pieces: Option<usize>,
    /// Why code of an earlier boot is not used, if any is not.
    reason: Option<String>,
}
