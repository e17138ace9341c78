//! The kernel binary: the entry from `boot/`, the global allocator, the panic handler, and what compiled Rust expects of
//! a C library. Everything else is in the library.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

use bareflow::arch::stacks::{KERNEL_STACK, KERNEL_STACK_BYTES, Stack};
use bareflow::arch::{self, DEBUG_EXIT_PORT, ExitCode};
use bareflow::memory::heap::KernelHeap;
use bareflow::memory::{self, layout};

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
    if !is_failed_allocation(info) {
        arch::dump::panic(info, format_args!(""));
    }
    let free = memory::statistics_unless_locked().map_or(0, |memory| memory.free);
    arch::dump::panic(
        info,
        format_args!("out of memory: {free} bytes are free; give the machine more (under QEMU: -m 512M)\n"),
    )
}

/// Whether it is the language's own panic after an allocation that nobody could do without, which says how much it was.
fn is_failed_allocation(info: &PanicInfo) -> bool {
    let mut start = Start { expected: "memory allocation of " };
    write!(start, "{}", info.message()).is_ok() && start.expected.is_empty()
}

/// What a text is still expected to go on with; what follows that does not matter.
struct Start {
    expected: &'static str,
}

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (len, expected) = (text.len().min(self.expected.len()), self.expected);
        let same = expected.as_bytes()[..len] == text.as_bytes()[..len];
        self.expected = expected.get(len..).filter(|_| same).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// The dependencies are compiled for unwinding and name this; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above. Reaching it means that something tried to unwind after all.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    arch::halt()
}
