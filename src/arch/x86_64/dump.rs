//! What is printed when the kernel itself has failed: registers, backtrace, and then the machine powers off.
//!
//! Runs with interrupts off on whatever stack there is; takes no locks and allocates nothing.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::registers::control::{Cr0, Cr2, Cr3, Cr4, Efer};

use super::early_console::EarlyConsole;
use super::interrupts::{TrapFrame, vector};
use super::stacks::overflowed_stack;
use super::symbols::Symbolised;
use super::{ExitCode, end_after_failure};

/// Most lines of a backtrace.
const BACKTRACE_LINES: usize = 40;

/// Lowest address of the upper half.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;

/// Set while something is being printed: a failure inside must not print itself for ever.
static PRINTING: AtomicBool = AtomicBool::new(false);

/// Prints an exception that nobody handled, and ends the machine's work.
pub fn exception(frame: &TrapFrame) -> ! {
    let code = match frame.vector as u8 {
        vector::DOUBLE_FAULT => ExitCode::DoubleFault,
        _ => ExitCode::Exception,
    };
    print_once(code, |console| {
        write_headline(console, frame)?;
        write_registers(console, frame)?;
        writeln!(console, "backtrace:")?;
        writeln!(console, "  {}", Symbolised::Instruction(frame.rip))?;
        if let Some(return_address) = failed_call(frame) {
            writeln!(console, "  {}", Symbolised::Return(return_address))?;
        }
        write_backtrace(console, frame.rbp)
    })
}

/// Prints a panic and lines of advice, and ends the machine's work.
pub fn panic(info: &PanicInfo, advice: fmt::Arguments<'_>) -> ! {
    super::interrupts::disable();
    let frame_pointer: u64;
    // SAFETY: copies a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame_pointer, options(nomem, nostack)) };
    print_once(ExitCode::Panic, |console| {
        write!(console, "\nKERNEL PANIC: {info}\n{advice}")?;
        writeln!(console, "backtrace:")?;
        write_backtrace(console, frame_pointer)
    })
}

/// Runs `print` unless this is a failure inside `print`, and ends the machine's work.
fn print_once(code: ExitCode, print: impl FnOnce(&mut EarlyConsole) -> fmt::Result) -> ! {
    // The console itself never fails, and there is nobody left to tell.
    if PRINTING.swap(true, Ordering::AcqRel) {
        let _ = writeln!(EarlyConsole::new(), "\nanother failure while printing this one; stopping");
    } else {
        let _ = print(&mut EarlyConsole::alarm());
    }
    end_after_failure(code)
}

fn write_headline(console: &mut EarlyConsole, frame: &TrapFrame) -> fmt::Result {
    let number = frame.vector;
    write!(console, "\nKERNEL EXCEPTION: {} (vector {number})", vector_name(number as u8))?;
    if number == u64::from(vector::PAGE_FAULT) {
        write!(console, ": {} at {:#x}", PageFault(frame.error_code), frame.cr2)?;
    }
    // A push onto an exhausted stack faults on the guard.
    let overflowed = overflowed_stack(frame.cr2).or_else(|| overflowed_stack(frame.rsp));
    if let Some(stack) = overflowed.filter(|_| matches!(number as u8, vector::PAGE_FAULT | vector::DOUBLE_FAULT)) {
        write!(console, ": {stack} overflow")?;
    }
    writeln!(console)
}

fn write_registers(console: &mut EarlyConsole, frame: &TrapFrame) -> fmt::Result {
    let TrapFrame { rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, .. } = *frame;
    let TrapFrame { rip, cs, rflags, rsp, ss, error_code, .. } = *frame;
    let (cr3, _) = Cr3::read_raw();
    let rows = [
        [("rax", rax), ("rbx", rbx), ("rcx", rcx)],
        [("rdx", rdx), ("rsi", rsi), ("rdi", rdi)],
        [("rbp", rbp), ("rsp", rsp), ("r8 ", r8)],
        [("r9 ", r9), ("r10", r10), ("r11", r11)],
        [("r12", r12), ("r13", r13), ("r14", r14)],
        [("r15", r15), ("cr0", Cr0::read_raw()), ("cr2", Cr2::read_raw())],
        [("cr3", cr3.start_address().as_u64()), ("cr4", Cr4::read_raw()), ("efer", Efer::read_raw())],
    ];
    writeln!(console, "rip {}", Symbolised::Instruction(rip))?;
    for row in rows {
        // Three to a line: the screen has 80 columns.
        row.iter().try_for_each(|(name, value)| write!(console, "{name} {value:016x}  "))?;
        writeln!(console)?;
    }
    writeln!(console, "rflags {rflags:08x}  cs {cs:04x}  ss {ss:04x}  error code {error_code:#x}")
}

/// Follows the chain of frame pointers from `frame_pointer` on. Recursion prints once, with its depth.
fn write_backtrace(console: &mut EarlyConsole, mut frame_pointer: u64) -> fmt::Result {
    let (mut lines, mut previous, mut repeats) = (0, 0, 0_u64);
    while let Some((caller_frame, return_address)) = frame_record(frame_pointer) {
        if return_address == previous {
            repeats += 1;
        } else {
            write_repeats(console, repeats)?;
            writeln!(console, "  {}", Symbolised::Return(return_address))?;
            (previous, repeats) = (return_address, 0);
            lines += 1;
        }
        // Callers lie further up; anything else is not a chain.
        if caller_frame <= frame_pointer || lines == BACKTRACE_LINES {
            break;
        }
        frame_pointer = caller_frame;
    }
    write_repeats(console, repeats)
}

fn write_repeats(console: &mut EarlyConsole, repeats: u64) -> fmt::Result {
    if repeats > 0 { writeln!(console, "    and {repeats} times more") } else { Ok(()) }
}

/// What a function with a frame pointer keeps on its stack: its caller's frame pointer and its return address.
fn frame_record(frame_pointer: u64) -> Option<(u64, u64)> {
    let [caller_frame, return_address] = stack_words(frame_pointer)?;
    (return_address >= UPPER_HALF).then_some((caller_frame, return_address))
}

/// Where the call returns to that led to where nothing can be executed: no function there has made a frame for it.
fn failed_call(frame: &TrapFrame) -> Option<u64> {
    let is_fetch = frame.vector == u64::from(vector::PAGE_FAULT) && frame.error_code & INSTRUCTION_FETCH != 0;
    let [return_address] = stack_words(frame.rsp).filter(|_| is_fetch)?;
    (return_address >= UPPER_HALF).then_some(return_address)
}

/// Words on a stack, unless no stack can be there.
fn stack_words<const COUNT: usize>(address: u64) -> Option<[u64; COUNT]> {
    if address < UPPER_HALF || !address.is_multiple_of(8) || overflowed_stack(address).is_some() {
        return None;
    }
    // SAFETY: an aligned address of the upper half, where the stacks are. If it is garbage all the same, the page fault
    // ends up in `print_once`, which stops.
    Some(unsafe { (address as *const [u64; COUNT]).read_volatile() })
}

/// Bit of a page fault's error code: the access was an instruction fetch.
const INSTRUCTION_FETCH: u64 = 1 << 4;

/// The error code of a page fault in words (Intel SDM volume 3, figure 5-12).
struct PageFault(u64);

impl fmt::Display for PageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PageFault(code) = *self;
        let access = match (code & INSTRUCTION_FETCH != 0, code & (1 << 1) != 0) {
            (true, _) => "execution",
            (_, true) => "write",
            _ => "read",
        };
        write!(f, "{access} {}", if code & 1 == 0 { "of an unmapped page" } else { "that the page forbids" })
    }
}

/// Names of the exception vectors (Intel SDM volume 3, table 7-1; AMD APM volume 2, table 8-1).
fn vector_name(number: u8) -> &'static str {
    match number {
        0 => "divide error",
        1 => "debug",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid task state segment",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point error",
        20 => "virtualisation exception",
        21 => "control protection fault",
        28 => "hypervisor injection",
        29 => "VMM communication",
        30 => "security exception",
        vector::FIRST_INTERRUPT.. => "interrupt that no driver claimed",
        _ => "reserved exception",
    }
}
