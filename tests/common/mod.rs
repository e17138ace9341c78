//! What the tests share.

pub mod qemu;
