//! Faults in compiled code become WebAssembly traps: the exception handler asks the engine's [`Activation`] and goes on
//! where that says.
//!
//! Neighbours: `arch::interrupts` calls the hook; the engine arms it before it runs code.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::arch::interrupts::{self, TrapFrame, vector};
use crate::engine::{Activation, Fault};

/// Reached by the exception handler.
static ACTIVATION: AtomicPtr<Activation> = AtomicPtr::new(ptr::null_mut());

/// From now on, faults in the code of `activation` are its own.
pub fn arm(activation: &'static Activation) {
    ACTIVATION.store(ptr::from_ref(activation).cast_mut(), Ordering::Release);
    interrupts::set_fault_hook(catch);
}

/// The fault hook.
fn catch(frame: &mut TrapFrame) -> bool {
    // SAFETY: null, or stored by `arm` from a shared reference that never ends.
    let activation = unsafe { ACTIVATION.load(Ordering::Acquire).as_ref() };
    let resume = activation.and_then(|activation| activation.catch(fault(frame)));
    if let Some(address) = resume {
        frame.rip = address;
    }
    resume.is_some()
}

fn fault(frame: &TrapFrame) -> Fault {
    let address = if frame.vector == u64::from(vector::PAGE_FAULT) { frame.cr2 } else { 0 };
    Fault { pc: frame.rip, frame_pointer: frame.rbp, address }
}
