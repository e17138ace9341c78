//! The face as an ordinary Linux process: the same engine on `mmap`, signals and files, for fast tests, benchmarks and
//! the `bareflow` command.

pub mod disk;
mod mapping;
pub mod memory;
mod platform;
pub mod qemu;
mod signals;
pub mod wasi;

pub use platform::{platform, platform_with_stack};
