//! The kernel binary: the entry from `boot/`, the global allocator, the panic handler, and what compiled Rust expects of
//! a C library. Everything else is in the library.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::panic::PanicInfo;

use bareflow::arch::stacks::{KERNEL_STACK, KERNEL_STACK_BYTES, Stack};
use bareflow::arch::{self, DEBUG_EXIT_PORT, ExitCode};
use bareflow::memory::heap::{self, KernelHeap};
use bareflow::memory::layout;

global_asm!(include_str!("../../boot/multiboot2.s"));
global_asm!(
    include_str!("../../boot/entry.s"),
    PHYSICAL_MAP_SLOT = const layout::slot(layout::PHYSICAL_MAP),
    KERNEL_POINTER = const (layout::KERNEL_BASE / layout::GIB) % 512,
    EXIT_CANNOT_BOOT = const ExitCode::CannotBoot as u8,
    EXIT_PORT = const DEBUG_EXIT_PORT,
    KERNEL_STACK = sym KERNEL_STACK,
    KERNEL_STACK_BYTES = const Stack::<KERNEL_STACK_BYTES>::TOP_OFFSET,
    kernel_start = sym kernel_start,
);

// `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen`.
global_asm!(include_str!("../arch/x86_64/mem.s"));

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

/// Where `boot/entry.s` arrives: in long mode, on the kernel stack.
extern "C" fn kernel_start(boot_information: u32, ticks_at_entry: u64) -> ! {
    bareflow::kernel::start(boot_information, ticks_at_entry)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let advice = if heap::is_exhausted() { "out of memory: give the machine more (under QEMU: -m 512M)" } else { "" };
    arch::dump::panic(info, advice)
}

/// The dependencies are compiled for unwinding and name this; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above. Reaching it means that something tried to unwind after all.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    arch::halt()
}
