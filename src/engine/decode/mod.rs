//! From a module's bytes to what the rest of the engine asks of it.
//!
//! Top-down: `census` counts before anything is read, `module` decodes and validates, `program` is what modules are
//! together once `link` has resolved their names.

pub(super) mod census;
pub(super) mod constant;
pub mod module;
pub mod program;
pub mod proposals;
