//! Faults in compiled code become WebAssembly traps: the exception handler asks the engine's [`Activation`] and goes on
//! where that says. Those of a call stack that grows are no faults: it gets memory. Ctrl-C ends a program as a
//! fault does.
//!
//! Neighbours: `arch::interrupts` calls the hook; the engine arms it before it runs code.

use spin::Mutex;

use crate::arch::interrupts::{self, TrapFrame, vector};
use crate::drivers::interruption;
use crate::engine::{Activation, Fault};
use crate::memory;

/// Reached by the exception handler.
static ACTIVATION: Mutex<Option<&'static Activation>> = Mutex::new(None);

/// From now on, faults in the code of `activation` are its own.
pub fn arm(activation: &'static Activation) {
    *ACTIVATION.lock() = Some(activation);
    interrupts::set_fault_hook(catch);
}

/// The fault hook: what touched a new page of the call stack goes on with memory there. The lock is free, unless the fault
/// was in `arm`, which is not compiled code.
fn catch(frame: &mut TrapFrame) -> bool {
    if frame.vector == u64::from(vector::PAGE_FAULT) && memory::back_call_stack(frame.cr2) {
        return true;
    }
    let activation = ACTIVATION.try_lock().and_then(|activation| *activation);
    let resume = activation.and_then(|activation| activation.catch(fault(frame)));
    if let Some(address) = resume {
        frame.rip = address;
    }
    resume.is_some()
}

/// Ends the program that an interrupt came to, if somebody asked for that: it goes on where a fault would lead it. Elsewhere,
/// the next interrupt is waited for.
pub fn interrupt_if_asked(frame: &mut TrapFrame) {
    if !interruption::is_asked() {
        return;
    }
    let activation = ACTIVATION.try_lock().and_then(|activation| *activation);
    if let Some(address) = activation.and_then(|activation| activation.interrupt(fault(frame))) {
        interruption::clear();
        frame.rip = address;
    }
}

fn fault(frame: &TrapFrame) -> Fault {
    Fault {
        pc: frame.rip,
        frame_pointer: frame.rbp,
        stack_pointer: frame.rsp,
        vector: frame.vector,
        address: frame.cr2,
    }
}
