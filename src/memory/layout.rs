//! The address space of the kernel: the one place where its regions are written down.
//!
//! | from | to | what | pages |
//! |---|---|---|---|
//! | `0` | `+ 4 GiB` | [the program's linear memory](LINEAR_BASE), guarded up to `8 GiB + 64 KiB` | RW, no-execute |
//! | `16 GiB` | `+ 496 GiB` | [further linear memories](LINEAR_STRIDE), 16 GiB apart | RW, no-execute |
//! | `0xffff_8000_0000_0000` | `+ 512 GiB` | [all physical memory](PHYSICAL_MAP) | RW, no-execute |
//! | `0xffff_9000_0000_0000` | `+ 512 GiB` | [devices' registers](DEVICES_BASE), each in GiB of its own | RW, no-execute, uncached |
//! | `0xffff_a000_0000_0000` | `+ 64 GiB` | [the kernel's heap](HEAP_BASE) | RW, no-execute |
//! | `0xffff_b000_0000_0000` | `+ 1 GiB + 1 MiB` | [the program's call stack](CALL_STACK_BASE) at the end, an unmapped guard below it | RW, no-execute |
//! | `0xffff_c000_0000_0000` | `+ 4 GiB` | [linear memory again](LINEAR_ALIAS), at an address that Rust may dereference | RW, no-execute |
//! | `0xffff_d000_0000_0000` | `+ 1 GiB` | [the screen's pixels](SCREEN_BASE) | RW, no-execute, write-combining |
//! | `-2 GiB` | `+ 512 MiB` | [the kernel image](KERNEL_BASE) | text R-X, rodata R, data RW no-execute |
//! | `-1.5 GiB` | `+ 512 MiB` | [compiled code](CODE_BASE), written through the physical map | R-X |
//! | `-1 GiB` | `+ 960 MiB` | [engine state](STATE_BASE): globals, tables, counters | RW, no-execute |
//!
//! Everything belongs to ring 0. The layout is the same at every boot.

/// Bytes in a small page or frame.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes in a large page or frame.
pub const LARGE_PAGE_BYTES: u64 = 2 << 20;
/// Bytes that one entry of a page-directory-pointer table covers.
pub const GIB: u64 = 1 << 30;
/// Bytes that one entry of the top-level table covers.
pub const SLOT_BYTES: u64 = 512 * GIB;

/// The program's linear memory: a WebAssembly address is the machine address.
pub const LINEAR_BASE: u64 = 0;
/// The most linear memory a program can have.
pub const LINEAR_BYTES: u64 = 4 * GIB;
/// Where an access that leaves linear memory can end up: a 32-bit address plus a 32-bit offset plus the access.
pub const LINEAR_GUARD_END: u64 = 8 * GIB + 65536;

/// From one linear memory to the next: a program can have more than one.
pub const LINEAR_STRIDE: u64 = 16 * GIB;
/// How many there can be: as many as one entry of the top-level table covers.
pub const LINEAR_MEMORIES: u64 = SLOT_BYTES / LINEAR_STRIDE;

/// Physical address `p` is at `PHYSICAL_MAP + p`.
pub const PHYSICAL_MAP: u64 = 0xffff_8000_0000_0000;
/// The most physical memory that is used.
pub const PHYSICAL_MAP_BYTES: u64 = SLOT_BYTES;

pub const DEVICES_BASE: u64 = 0xffff_9000_0000_0000;
pub const DEVICES_BYTES: u64 = SLOT_BYTES;

pub const HEAP_BASE: u64 = 0xffff_a000_0000_0000;
pub const HEAP_BYTES: u64 = 64 * GIB;

/// Of the stack and what it leaves of the addresses, the stack is the last part: it grows down from [`CALL_STACK_END`].
pub const CALL_STACK_BASE: u64 = 0xffff_b000_0000_0000;
pub const CALL_STACK_END: u64 = CALL_STACK_BASE + CALL_STACK_GUARD_BYTES + CALL_STACK_MOST_BYTES;
/// The least of the addresses below the stack, never mapped: more than compiled code ever skips.
pub const CALL_STACK_GUARD_BYTES: u64 = 1 << 20;
/// The largest stack that can be had.
pub const CALL_STACK_MOST_BYTES: u64 = GIB;

/// A second way to the pages at [`LINEAR_BASE`].
pub const LINEAR_ALIAS: u64 = 0xffff_c000_0000_0000;

/// The screen's pixels, from before the kernel has tables of its own.
pub const SCREEN_BASE: u64 = 0xffff_d000_0000_0000;
pub const SCREEN_BYTES: u64 = GIB;

/// Physical address `p` of the kernel image is at `KERNEL_BASE + p`. `linker.ld` holds the same number.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

pub const CODE_BASE: u64 = 0xffff_ffff_a000_0000;
pub const CODE_BYTES: u64 = 512 << 20;

/// Within 2 GiB of all code, so that code reaches it relative to the instruction pointer.
pub const STATE_BASE: u64 = 0xffff_ffff_c000_0000;
pub const STATE_BYTES: u64 = 960 << 20;

/// Index of `address` in the top-level table.
pub const fn slot(address: u64) -> u64 {
    (address / SLOT_BYTES) % 512
}
