//! BareFlow: a kernel that runs one WebAssembly program, profiles it, and specialises itself from boot to boot.
//!
//! The modules below stand in layer order: each names only those after it. `tests/layers.rs` holds them to that.
//! `kernel` and `host` are the two faces of the same engine, in ring 0 and in a Linux process; each implements the
//! seams (small traits) that the pure layers own.

#![no_std]

/// The version, and a hash of the sources that the build is of: the same for both faces.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("BAREFLOW_BUILD"), ")");

extern crate alloc;
#[cfg(feature = "host")]
extern crate std;

#[cfg(feature = "host")]
pub mod host;
#[cfg(feature = "kernel")]
pub mod kernel;

#[cfg(feature = "kernel")]
pub mod dashboard;

pub mod script;

pub mod shell;

pub mod session;

pub mod wasi;

pub mod engine;

pub mod libc;

pub mod profile;

pub mod store;

#[cfg(feature = "kernel")]
pub mod drivers;
#[cfg(feature = "kernel")]
pub mod memory;

#[cfg(feature = "kernel")]
#[path = "arch/x86_64/mod.rs"]
pub mod arch;
