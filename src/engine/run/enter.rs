//! The one call into compiled code, the two calls out of it, and its stack. All of the engine's `unsafe`.

use alloc::vec::Vec;
use core::mem::size_of;

use crate::engine::Engine;
use crate::engine::layout::cell;
use crate::engine::seams::CallStack;

impl Engine {
    /// Calls `code` through `wrapper`, with arguments and results in `values` (16 bytes each). Returns whether the
    /// program was abandoned.
    pub(in crate::engine) fn enter(&mut self, wrapper: u64, code: u64, values: &mut [[u64; 2]]) -> bool {
        let enter = self.code.base() + self.code.trampolines.enter as u64;
        let abandon = self.code.base() + self.code.trampolines.abandon as u64;
        let stack = self.platform.stack.guard.start..self.platform.stack.usable.end;
        self.platform.activation.set(self.code.range(), stack, abandon);
        (self.platform.arm)(self.platform.activation);
        let context: *mut Self = self;
        self.platform.state.write(cell::CONTEXT, context as u64);
        self.platform.state.write(cell::RUNTIME_ENTRY, runtime_entry as *const () as u64);
        self.platform.state.write(cell::COMPILE_ENTRY, compile_entry as *const () as u64);
        self.platform.state.write(cell::STOPPED, 0);
        // SAFETY: 1. `enter` is the address of a trampoline of this type that `CodeSpace::new` placed in executable
        // memory. 2. `wrapper` was compiled for the signature of `code`, and `values` has a slot for each argument
        // and result of it (`call`). 3. The trampoline keeps the registers that the C convention keeps and returns on
        // the stack it was called on, also when the program is abandoned. 4. Until then `self` is used only through
        // `context`, by the two functions below.
        let run: extern "C" fn(u64, u64, *mut [u64; 2]) -> u64 = unsafe { core::mem::transmute(enter as usize) };
        run(wrapper, code, values.as_mut_ptr()) != 0
    }
}

/// Called by the trampoline `compile`, on the engine's stack.
extern "C" fn compile_entry(context: *mut Engine, address: u64) -> u64 {
    // SAFETY: the trampolines pass the cell `CONTEXT`, which `enter` set to an engine it has exclusive access to and
    // does not use while compiled code runs; compiled code does not run while the engine serves it.
    let engine = unsafe { &mut *context };
    engine.compile_called(address)
}

/// Called by the trampoline `runtime`, on the engine's stack.
extern "C" fn runtime_entry(context: *mut Engine, op: u64, a: u64, b: u64, c: u64, d: u64) -> u64 {
    // SAFETY: as in `compile_entry`.
    let engine = unsafe { &mut *context };
    engine.serve(op, [a, b, c, d])
}

/// The word at `address` of the program's stack; none outside of it.
pub(in crate::engine) fn read_word(stack: &CallStack, address: u64) -> Option<u64> {
    if !on_stack(stack, address) {
        return None;
    }
    // SAFETY: the address is a multiple of 8 inside the mapped stack, whose words are plain integers, and compiled
    // code, which writes there, does not run now.
    Some(unsafe { (address as *const u64).read_volatile() })
}

/// `count` words from `address` of the program's stack on; 0 for those outside of it.
pub(in crate::engine) fn read_words(stack: &CallStack, address: u64, count: usize) -> Vec<u64> {
    let words = (0..count).map(|index| address + (index * size_of::<u64>()) as u64);
    words.map(|address| read_word(stack, address).unwrap_or(0)).collect()
}

/// Writes `words` from `address` of the program's stack on.
pub(in crate::engine) fn write_words(stack: &CallStack, address: u64, words: &[u64]) {
    for (index, word) in words.iter().enumerate() {
        let address = address + (index * size_of::<u64>()) as u64;
        if on_stack(stack, address) {
            // SAFETY: as in `read_word`; the slot is one that the calling wrapper reserved for its results.
            unsafe { (address as *mut u64).write_volatile(*word) };
        }
    }
}

fn on_stack(stack: &CallStack, address: u64) -> bool {
    let inside = stack.usable.contains(&address) && stack.usable.end - address >= size_of::<u64>() as u64;
    inside && address.is_multiple_of(size_of::<u64>() as u64)
}
