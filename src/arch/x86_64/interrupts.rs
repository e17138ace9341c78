//! Interrupts and exceptions: all 256 vectors, the frame a handler sees, and who handles what.
//!
//! Every gate names an interrupt stack (the prebuilt `core` uses the red zone), and every entry saves the general
//! registers and the whole vector state (`trap.s`), so a handler is an ordinary Rust function. Gates are interrupt
//! gates: a handler runs with interrupts off. A handler must not allocate and must not take a lock that the
//! interrupted code may hold.
//!
//! Key types: [`TrapFrame`], [`Handler`], [`FaultHook`]. Neighbours: `drivers` registers the handlers of its
//! interrupt lines; the engine's hook turns faults in compiled code into WebAssembly traps; exceptions that nobody
//! handles go to [`super::dump`], and interrupts that nobody asked for are counted.

use core::arch::global_asm;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

use super::segments::{self, InterruptStack};
use super::{dump, vector_state};

/// The machine state that an interrupt or exception found, in the order in which `trap.s` pushes it. What a handler
/// changes here is what the interrupted code continues with.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct TrapFrame {
    /// The address whose access failed; meaningful for [`vector::PAGE_FAULT`] only.
    pub cr2: u64,
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// 0 to 255.
    pub vector: u64,
    /// What the CPU pushed, or 0 for the vectors without an error code.
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// Called for one vector, with interrupts off, on an interrupt stack.
pub type Handler = fn(&mut TrapFrame);

/// Asked about a fault before it counts as the kernel's own: true if it has changed the frame so that execution can
/// continue.
pub type FaultHook = fn(&mut TrapFrame) -> bool;

/// Exception vectors (Intel SDM volume 3, table 7-1).
pub mod vector {
    pub const DIVIDE_ERROR: u8 = 0;
    pub const NON_MASKABLE: u8 = 2;
    pub const INVALID_OPCODE: u8 = 6;
    pub const DOUBLE_FAULT: u8 = 8;
    pub const STACK_SEGMENT: u8 = 12;
    pub const GENERAL_PROTECTION: u8 = 13;
    pub const PAGE_FAULT: u8 = 14;
    pub const MACHINE_CHECK: u8 = 18;
    /// First vector that is not reserved for exceptions: interrupt lines are mapped from here on.
    pub const FIRST_INTERRUPT: u8 = 32;
}

/// Vectors that a [`FaultHook`] is asked about: what an instruction of compiled code can raise.
const HOOKED: [u8; 5] = [
    vector::DIVIDE_ERROR,
    vector::INVALID_OPCODE,
    vector::STACK_SEGMENT,
    vector::GENERAL_PROTECTION,
    vector::PAGE_FAULT,
];

/// One [`Handler`] per vector; null where there is none.
static HANDLERS: [AtomicPtr<()>; 256] = [const { AtomicPtr::new(ptr::null_mut()) }; 256];

/// Interrupts that nobody asked for.
static UNEXPECTED: AtomicU64 = AtomicU64::new(0);
/// The vector of the last one.
static LAST_UNEXPECTED: AtomicU64 = AtomicU64::new(0);

/// The [`FaultHook`]; null until set.
static FAULT_HOOK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Registers the handler of `vector`, replacing an earlier one. For exception vectors the fault hook comes first.
pub fn set_handler(vector: u8, handler: Handler) {
    HANDLERS[usize::from(vector)].store(handler as *mut (), Ordering::Release);
}

/// Registers the hook that is asked first about #DE, #UD, #SS, #GP and #PF.
pub fn set_fault_hook(hook: FaultHook) {
    FAULT_HOOK.store(hook as *mut (), Ordering::Release);
}

/// Counts an interrupt that nobody asked for: firmware leaves devices behind that raise some.
pub fn count_unexpected(vector: u8) {
    LAST_UNEXPECTED.store(vector.into(), Ordering::Relaxed);
    UNEXPECTED.fetch_add(1, Ordering::Relaxed);
}

/// How many interrupts came that nobody asked for, and the vector of the last one.
pub fn unexpected() -> (u64, u64) {
    (UNEXPECTED.load(Ordering::Relaxed), LAST_UNEXPECTED.load(Ordering::Relaxed))
}

/// Lets maskable interrupts in.
pub fn enable() {
    x86_64::instructions::interrupts::enable();
}

/// Keeps maskable interrupts out.
pub fn disable() {
    x86_64::instructions::interrupts::disable();
}

/// Enables interrupts and sleeps until one has been handled. One arriving just before the sleep still ends it.
pub fn wait_for_interrupt() {
    x86_64::instructions::interrupts::enable_and_hlt();
}

/// Bytes between the entries of `trap.s`.
const ENTRY_BYTES: u64 = 16;

global_asm!(
    include_str!("trap.s"),
    AREA_BYTES = sym vector_state::AREA_BYTES,
    dispatch = sym dispatch,
);

unsafe extern "C" {
    static trap_entries: [u8; 256 * ENTRY_BYTES as usize];
}

/// A gate of the interrupt descriptor table (Intel SDM volume 3, figure 7-8).
#[repr(C)]
#[derive(Clone, Copy)]
struct Gate {
    offset_low: u16,
    selector: u16,
    stack: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

impl Gate {
    /// Present, ring 0, 64-bit interrupt gate: the CPU turns interrupts off.
    const INTERRUPT: u8 = 0x8e;

    fn new(entry: u64, stack: InterruptStack) -> Self {
        Self {
            offset_low: entry as u16,
            selector: segments::CODE_SELECTOR.0,
            stack: stack as u8,
            kind: Self::INTERRUPT,
            offset_middle: (entry >> 16) as u16,
            offset_high: (entry >> 32) as u32,
            reserved: 0,
        }
    }
}

/// The CPU reads it for as long as it runs.
static GATES: Once<[Gate; 256]> = Once::new();

/// Loads the interrupt descriptor table: from here on every exception prints rather than resets the machine.
/// The segments must be loaded.
pub fn load() {
    let gates = GATES.call_once(|| core::array::from_fn(|vector| gate(vector as u8)));
    let limit = (mem::size_of_val(gates) - 1) as u16;
    let pointer = DescriptorTablePointer { limit, base: VirtAddr::from_ptr(gates) };
    // SAFETY: the table is static, has 256 gates, and each leads to an entry of `trap.s` that preserves all state.
    unsafe { lidt(&pointer) };
}

fn gate(vector: u8) -> Gate {
    let entries = &raw const trap_entries as u64;
    let stack = match vector {
        vector::DOUBLE_FAULT => InterruptStack::DoubleFault,
        vector::NON_MASKABLE | vector::MACHINE_CHECK => InterruptStack::NonMaskable,
        0..vector::FIRST_INTERRUPT => InterruptStack::Exception,
        _ => InterruptStack::Interrupt,
    };
    Gate::new(entries + u64::from(vector) * ENTRY_BYTES, stack)
}

/// Where `trap.s` arrives with every interrupt and exception.
extern "C" fn dispatch(frame: &mut TrapFrame) {
    let vector = frame.vector as u8;
    if HOOKED.contains(&vector) && asks_hook(frame) {
        return;
    }
    let handler = HANDLERS[usize::from(vector)].load(Ordering::Acquire);
    if handler.is_null() {
        if vector >= vector::FIRST_INTERRUPT {
            return count_unexpected(vector);
        }
        dump::exception(frame);
    }
    // SAFETY: non-null entries were stored by `set_handler`, from a `Handler`.
    let handler: Handler = unsafe { mem::transmute(handler) };
    handler(frame);
}

fn asks_hook(frame: &mut TrapFrame) -> bool {
    let hook = FAULT_HOOK.load(Ordering::Acquire);
    if hook.is_null() {
        return false;
    }
    // SAFETY: a non-null value was stored by `set_fault_hook`, from a `FaultHook`.
    let hook: FaultHook = unsafe { mem::transmute(hook) };
    hook(frame)
}
