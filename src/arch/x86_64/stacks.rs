//! The stacks of the kernel itself, each above a guard page that `memory` unmaps.

use core::cell::UnsafeCell;
use core::ops::Range;

/// Bytes in the guard below each stack.
const GUARD_BYTES: usize = 4096;

/// The compiler that runs on it recurses.
pub const KERNEL_STACK_BYTES: usize = 4 << 20;

/// A register dump with symbol names fits, on top of the largest vector state.
const INTERRUPT_STACK_BYTES: usize = 64 << 10;

/// A stack and its guard. Grows down from the end of `bytes`.
#[repr(C, align(4096))]
pub struct Stack<const BYTES: usize> {
    guard: UnsafeCell<[u8; GUARD_BYTES]>,
    bytes: UnsafeCell<[u8; BYTES]>,
}

// SAFETY: Rust code never reads or writes the contents through the static; the CPU does, as its stack.
unsafe impl<const BYTES: usize> Sync for Stack<BYTES> {}

impl<const BYTES: usize> Stack<BYTES> {
    /// Distance from the start of the static to the first address above the stack.
    pub const TOP_OFFSET: usize = GUARD_BYTES + BYTES;

    const fn new() -> Self {
        Self { guard: UnsafeCell::new([0; GUARD_BYTES]), bytes: UnsafeCell::new([0; BYTES]) }
    }

    /// First address above the stack.
    pub fn top(&self) -> u64 {
        self.bytes.get() as u64 + BYTES as u64
    }

    fn guard_range(&self) -> Range<u64> {
        let start = self.guard.get() as u64;
        start..start + GUARD_BYTES as u64
    }
}

/// Where the kernel and the compiler run.
pub static KERNEL_STACK: Stack<KERNEL_STACK_BYTES> = Stack::new();
/// Where double faults are handled: no other stack can be trusted then.
pub static DOUBLE_FAULT_STACK: Stack<INTERRUPT_STACK_BYTES> = Stack::new();
/// Where non-maskable interrupts and machine checks are handled: they can interrupt anything.
pub static NON_MASKABLE_STACK: Stack<INTERRUPT_STACK_BYTES> = Stack::new();
/// Where the other exceptions are handled.
pub static EXCEPTION_STACK: Stack<INTERRUPT_STACK_BYTES> = Stack::new();
/// Where interrupts of devices are handled; an exception in such a handler has its own stack.
pub static INTERRUPT_STACK: Stack<INTERRUPT_STACK_BYTES> = Stack::new();

/// Every guard, with the name of the stack above it.
pub fn guards() -> [(&'static str, Range<u64>); 5] {
    [
        ("kernel stack", KERNEL_STACK.guard_range()),
        ("double fault stack", DOUBLE_FAULT_STACK.guard_range()),
        ("non-maskable interrupt stack", NON_MASKABLE_STACK.guard_range()),
        ("exception stack", EXCEPTION_STACK.guard_range()),
        ("interrupt stack", INTERRUPT_STACK.guard_range()),
    ]
}

/// The stack whose guard contains `address`.
pub fn overflowed_stack(address: u64) -> Option<&'static str> {
    guards().into_iter().find(|(_, guard)| guard.contains(&address)).map(|(name, _)| name)
}
