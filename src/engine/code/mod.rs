//! From Cranelift IR to machine code in its place.
//!
//! Top-down: `compile` makes machine code, `space` places it, `draft` places it for the next boot, `paste` puts kernels into it; `trampoline` and `library` are
//! what it finds there. Neighbours: `translate` makes the IR, `specialise` the kernels.

pub(super) mod compile;
mod details;
pub(super) mod draft;
pub(super) mod library;
pub(super) mod paste;
pub(super) mod space;
pub(super) mod trampoline;
