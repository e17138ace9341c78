//! Code from boot to boot: what one boot compiled, the next one takes over at the same addresses, and compiles nothing.
//!
//! Key types: [`Image`](image::Image) (what is stored). Top-down: `prepare` makes the image of the next boot once the program
//! has ended, `load` takes one over, `verify` makes it again to compare. Neighbours: `session` carries images between engine and
//! store, `code/draft.rs` gives code its places, `decide` says what every function deserves.

pub mod image;
pub mod load;
mod prepare;
mod verify;

pub use prepare::Prepared;
