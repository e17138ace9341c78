//! The face as an ordinary Linux process: the same engine on `mmap`, signals and files, for fast tests, benchmarks and
//! the `bareflow` command.

pub mod archive;
mod block;
pub mod directories;
pub mod disk;
pub mod folder;
pub mod image;
pub mod key;
mod mapping;
pub mod memory;
pub mod module;
pub mod output;
pub mod perf_map;
mod platform;
pub mod qemu;
mod signals;
pub mod unpack;
pub mod wasi;

pub use platform::{platform, platform_for_perf, platform_with_stack};
pub use signals::end_at_broken_pipes;
