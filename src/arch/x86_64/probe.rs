//! Failures on demand, for the self-tests: instructions that raise a given exception, and probes that find out whether
//! an access would.
//!
//! Neighbours: `kernel::selftest`.

use core::arch::{asm, naked_asm};

use x86_64::instructions::tables::{lidt, sidt};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::debug::Dr7;
use x86_64::registers::mxcsr::{self, MxCsr};
use x86_64::registers::rflags::{self, RFlags};

use super::interrupts::{self, TrapFrame, vector};

/// What a probe tries to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    Read,
    Write,
    Execute,
}

/// Divides by zero.
pub fn divide_by_zero() {
    // SAFETY: the exception is the purpose; it does not return.
    unsafe { asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("eax") _, out("edx") _, out("ecx") _) };
}

/// Executes an instruction that is none.
pub fn undefined_instruction() {
    // SAFETY: as above.
    unsafe { asm!("ud2") };
}

/// Reads the byte at `address`, unless that faults.
pub fn read(address: u64) -> u8 {
    let value: u8;
    // SAFETY: reads one byte, or raises the exception that is the purpose.
    unsafe { asm!("mov {}, [{}]", out(reg_byte) value, in(reg) address, options(nostack, readonly)) };
    value
}

/// Writes the byte at `address` back to where it was read from, unless that faults.
pub fn write(address: u64) {
    // SAFETY: changes nothing, or raises the exception that is the purpose.
    unsafe { asm!("lock or byte ptr [{}], 0", in(reg) address, options(nostack)) };
}

/// Raises four interrupts that no device does: one that the two 8259A report when a request has vanished each, one in the
/// middle, and the one that a local APIC reports.
pub fn unexpected_interrupts() {
    // SAFETY: every vector has a gate, and what arrives there preserves all state.
    unsafe { asm!("int 0x27", "int 0x2f", "int 0x70", "int 0xff", options(nostack)) };
}

/// CR0, CR4, EFER, MXCSR, the x87 control word, DR7, and the flags that compiled code relies on.
pub fn modes() -> [u64; 7] {
    let mut control_word = 0_u16;
    // SAFETY: stores the word, and changes nothing.
    unsafe { asm!("fnstcw [{}]", in(reg) &raw mut control_word, options(nostack)) };
    let flags = rflags::read() & (RFlags::ALIGNMENT_CHECK | RFlags::NESTED_TASK | RFlags::DIRECTION_FLAG);
    let [cr0, cr4, efer] = [Cr0::read_raw(), Cr4::read_raw(), Efer::read_raw()];
    [cr0, cr4, efer, mxcsr::read().bits().into(), control_word.into(), Dr7::read_raw(), flags.bits()]
}

/// Leaves the CPU as firmware might: small numbers are zero and rounding is down; x87 rounds to single precision; reading
/// the time is for ring 0 only, and so are SYSCALL off and alignment checks on; a breakpoint is set where nothing runs.
pub fn spoil_modes() {
    mxcsr::write(
        MxCsr::from_bits_retain(0x1f80)
            | MxCsr::FLUSH_TO_ZERO
            | MxCsr::DENORMALS_ARE_ZEROS
            | MxCsr::ROUNDING_CONTROL_NEGATIVE,
    );
    let control_word = 0x0440_u16;
    // SAFETY: nothing computes with x87 registers until they are set up again.
    unsafe { asm!("fldcw [{}]", in(reg) &raw const control_word, options(nostack)) };
    // SAFETY: ring 0 may read the time all the same.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::TIMESTAMP_DISABLE | Cr4Flags::DEBUGGING_EXTENSIONS)) };
    // SAFETY: alignment is checked in ring 3 only.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::ALIGNMENT_MASK)) };
    // SAFETY: the instruction is not used.
    unsafe { Efer::update(|flags| flags.insert(EferFlags::SYSTEM_CALL_EXTENSIONS)) };
    // SAFETY: see above; no other flag changes.
    unsafe { rflags::write(rflags::read() | RFlags::ALIGNMENT_CHECK) };
    /// Breakpoint 0 on execution, at the address in DR0, which is 0 after a reset and never executed.
    const BREAKPOINT: u64 = 1 << 10 | 1 << 1;
    Dr7::write_raw(BREAKPOINT);
}

/// The return instruction: the shortest function.
pub const RETURN: u8 = 0xc3;

/// Calls the return instruction at `address`.
#[inline(never)]
pub fn call_return(address: u64) {
    assert_eq!(read(address), RETURN, "there is something else at {address:#x}");
    // SAFETY: a return instruction is a function without arguments and result.
    let function: extern "C" fn() = unsafe { core::mem::transmute(address) };
    function();
    // Keeps the call from becoming a jump, which would leave no frame for the backtrace.
    core::hint::black_box(address);
}

/// Raises a page fault for which there is no gate, nor one for the general protection fault that this raises.
pub fn double_fault() {
    const GATE_BYTES: u16 = 16;
    interrupts::disable();
    let mut table = sidt();
    table.limit = (u16::from(vector::DOUBLE_FAULT) + 1) * GATE_BYTES - 1;
    // SAFETY: the gates up to the double fault's are the kernel's own; the machine stops at the next.
    unsafe { lidt(&table) };
    read(0x10);
}

/// Uses up the stack.
#[expect(unconditional_recursion, reason = "the purpose")]
pub fn overflow_stack(depth: u64) -> u64 {
    let block = core::hint::black_box([depth; 64]);
    overflow_stack(block[7] + 1) + block[9]
}

/// Whether `attempt` at `address` goes without a fault. For [`Attempt::Execute`] the address must hold a return
/// instruction or not be executable; a write changes nothing. Replaces the fault hook.
pub fn succeeds(attempt: Attempt, address: u64) -> bool {
    interrupts::set_fault_hook(end_probe);
    // SAFETY: the probes preserve what the calling convention wants, whether they fault or not, since the hook sends
    // every fault to where `probe` would have gone with result 0.
    unsafe { probe(attempt as u64, address) != 0 }
}

/// Tries `attempt` (0 read, 1 write, 2 call) at `address` and returns 1. The hook makes it return 0.
#[unsafe(naked)]
unsafe extern "C" fn probe(_attempt: u64, _address: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "mov rbx, rsp", // where the hook finds its way back from a call
        "cmp edi, 1",
        "je 2f",
        "ja 3f",
        "mov al, [rsi]",
        "jmp 4f",
        "2: lock or byte ptr [rsi], 0",
        "jmp 4f",
        "3: call rsi",
        "4: mov eax, 1",
        "pop rbx",
        "ret",
    )
}

/// The fault hook of [`succeeds`]: unwinds `probe`, which keeps its stack pointer in RBX.
fn end_probe(frame: &mut TrapFrame) -> bool {
    if frame.vector != u64::from(vector::PAGE_FAULT) {
        return false;
    }
    let stack = frame.rbx as *const u64;
    // SAFETY: only `probe` runs between the setting of the hook and the result, so RBX is its stack pointer, at which it
    // saved its caller's RBX below its return address.
    unsafe {
        frame.rbx = stack.read();
        frame.rip = stack.add(1).read();
        frame.rsp = stack.add(2) as u64;
    }
    frame.rax = 0;
    true
}

/// Whether an interrupt whose handler overwrites XMM0 leaves it alone. `vector` must be free.
pub fn interrupt_preserves_vectors() -> bool {
    const VECTOR: u8 = 0x81;
    interrupts::set_handler(VECTOR, |frame| {
        // SAFETY: overwrites a register that is declared.
        unsafe { asm!("pcmpeqb xmm0, xmm0", out("xmm0") _) };
        frame.rax += 1;
    });
    let (low, high, count): (u64, u64, u64);
    // SAFETY: the interrupt returns, having changed RAX only.
    unsafe {
        asm!(
            "movq xmm0, {pattern}", "punpcklqdq xmm0, xmm0", "int {vector}", "movq {low}, xmm0", "psrldq xmm0, 8",
            "movq {high}, xmm0",
            pattern = in(reg) PATTERN, vector = const VECTOR, low = out(reg) low, high = out(reg) high,
            inout("rax") 41_u64 => count, out("xmm0") _,
        );
    }
    low == PATTERN && high == PATTERN && count == 42
}

/// As [`interrupt_preserves_vectors`], for the upper half of YMM0. AVX must be enabled.
pub fn interrupt_preserves_wide_vectors() -> bool {
    const VECTOR: u8 = 0x82;
    interrupts::set_handler(VECTOR, |_| {
        // SAFETY: overwrites a register that is declared; AVX is enabled, as the caller of the test knows.
        unsafe { asm!("vpxor xmm0, xmm0, xmm0", out("xmm0") _) };
    });
    let high: u64;
    // SAFETY: the interrupt returns, having changed nothing; AVX is enabled.
    unsafe {
        asm!(
            "movq xmm0, {pattern}", "vinsertf128 ymm0, ymm0, xmm0, 1", "int {vector}", "vextractf128 xmm0, ymm0, 1",
            "movq {high}, xmm0", "vzeroupper",
            pattern = in(reg) PATTERN, vector = const VECTOR, high = out(reg) high, out("xmm0") _,
        );
    }
    high == PATTERN
}

/// What the vector registers hold meanwhile.
const PATTERN: u64 = 0x0123_4567_89ab_cdef;
