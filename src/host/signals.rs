//! Faults of compiled code on Linux: signals, turned into traps.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::Once;

use crate::engine::{Activation, Fault};

std::thread_local! {
    /// Whose code this thread runs.
    static CURRENT: Cell<Option<&'static Activation>> = const { Cell::new(None) };
}

const SIGNALS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// Room for a signal frame with AVX-512 state and the handler.
const STACK_BYTES: usize = 64 << 10;

/// Installs the handler, once per process.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for signal in SIGNALS {
            // SAFETY: an all-zero sigaction is a valid value of that C structure.
            let mut action: libc::sigaction = unsafe { mem::zeroed() };
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // SAFETY: the handler has the signature that SA_SIGINFO asks for and calls only async-signal-safe code.
            let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
            assert_eq!(result, 0, "sigaction refused signal {signal}");
        }
    });
}

/// Has a write to a pipe that nobody reads end this process, as it ends other commands; Rust's start-up code turns that
/// off. For a process that has nothing to save or to clear away.
pub fn end_at_broken_pipes() {
    // SAFETY: the default action is one that any signal may have.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Says that this thread is about to run code of `activation`.
pub fn arm(activation: &'static Activation) {
    ensure_signal_stack();
    CURRENT.set(Some(activation));
}

/// A fault may be an overflow of the stack: the handler needs another one. Rust gives its threads one; others do not.
fn ensure_signal_stack() {
    // SAFETY: an all-zero stack_t is a valid value of that C structure.
    let mut current: libc::stack_t = unsafe { mem::zeroed() };
    // SAFETY: only asks for this thread's setting.
    let asked = unsafe { libc::sigaltstack(ptr::null(), &raw mut current) };
    if asked == 0 && current.ss_flags & libc::SS_DISABLE == 0 {
        return;
    }
    let stack = std::vec![0_u8; STACK_BYTES].leak();
    let new = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK_BYTES };
    // SAFETY: the memory was leaked, so it is this thread's signal stack for good.
    unsafe { libc::sigaltstack(&raw const new, ptr::null_mut()) };
}

extern "C" fn handle(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid ucontext_t that nobody else uses during the handler.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let fault = Fault {
        pc: registers[libc::REG_RIP as usize] as u64,
        frame_pointer: registers[libc::REG_RBP as usize] as u64,
        stack_pointer: registers[libc::REG_RSP as usize] as u64,
        vector: registers[libc::REG_TRAPNO as usize] as u64,
        address: registers[libc::REG_CR2 as usize] as u64,
    };
    match CURRENT.get().and_then(|activation| activation.catch(fault)) {
        Some(resume) => registers[libc::REG_RIP as usize] = resume as i64,
        // Not compiled code: the fault is ours. It repeats with the default action, which reports it.
        // SAFETY: resetting a signal's action is async-signal-safe.
        None => unsafe {
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}
