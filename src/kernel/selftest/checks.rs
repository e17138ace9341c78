//! Self-tests of page permissions and of interrupt entries.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::Verdict;
use crate::arch::probe::{self, Attempt, RETURN};
use crate::arch::{cpu, stacks};
use crate::kernel::System;
use crate::memory::{
    self,
    layout::{CODE_BASE, PAGE_BYTES, PHYSICAL_MAP, STATE_BASE},
};

/// Something in the read-only data.
pub static READ_ONLY: [u8; 16] = [RETURN; 16];

/// Something in the data.
static DATA: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(RETURN);

/// Calls a byte of data.
pub fn execute_data() {
    probe::call_return(DATA.as_ptr() as u64);
}

/// Calls a byte of the heap.
pub fn execute_heap() {
    let byte = Box::new(RETURN);
    probe::call_return(&raw const *byte as u64);
}

/// Of the call stack of an engine that runs nothing.
const STACK_BYTES: u64 = 1 << 20;

/// Tries every kind of access to every kind of memory.
pub fn permissions(system: &mut System) -> Result<Verdict, Verdict> {
    let mut regions = system.regions.take(STACK_BYTES).map_err(|error| format!("{error}"))?;
    regions.code.write(0, &[RETURN]).map_err(|error| format!("{error}"))?;
    regions.state.ensure(1).map_err(|error| format!("{error}"))?;
    regions.state.write(0, u64::from(RETURN));
    if !memory::back_call_stack(regions.call_stack.usable().start) {
        return Err("the call stack gets no memory".into());
    }
    let heap = Box::new(RETURN);
    let mut frame = memory::allocate_frame().map_err(|error| format!("{error}"))?;
    frame.bytes()[0] = RETURN;
    // Memory, and whether it may be read, written and executed.
    let mut expectations: Vec<(&str, u64, [bool; 3])> = alloc::vec![
        ("text", permissions as *const () as u64, [true, false, true]),
        ("read-only data", READ_ONLY.as_ptr() as u64, [true, false, false]),
        ("data", DATA.as_ptr() as u64, [true, true, false]),
        ("heap", &raw const *heap as u64, [true, true, false]),
        ("physical map", PHYSICAL_MAP + frame.address(), [true, true, false]),
        ("code", CODE_BASE, [true, false, true]),
        ("state", STATE_BASE, [true, true, false]),
        ("call stack", regions.call_stack.usable().start, [true, true, false]),
        ("call stack, not used yet", regions.call_stack.usable().start + PAGE_BYTES, [false; 3]),
        ("call stack guard", regions.call_stack.guard().end - 1, [false; 3]),
        ("linear memory, empty", 0, [false; 3]),
    ];
    expectations.extend(stacks::guards().map(|(name, guard)| (name, guard.end - 1, [false; 3])));
    for (name, address, expected) in &expectations {
        check(name, *address, *expected)?;
    }
    Ok(format!("{} kinds of memory", expectations.len()))
}

fn check(name: &str, address: u64, expected: [bool; 3]) -> Result<(), Verdict> {
    for (attempt, expected) in [Attempt::Read, Attempt::Write, Attempt::Execute].into_iter().zip(expected) {
        // What may be executed is a whole function, not one that may be called by a probe, except for code.
        if expected && attempt == Attempt::Execute && name != "code" {
            continue;
        }
        if probe::succeeds(attempt, address) != expected {
            return Err(format!("{name} at {address:#x}: {attempt:?} should be {expected}"));
        }
    }
    Ok(())
}

/// A registered handler runs and returns, and the vector registers survive it.
pub fn interrupts(system: &mut System) -> Result<Verdict, Verdict> {
    if !probe::interrupt_preserves_vectors() {
        return Err("XMM0 was not preserved, or RAX was not changed".into());
    }
    if system.features.avx && !probe::interrupt_preserves_wide_vectors() {
        return Err("the upper half of YMM0 was not preserved".into());
    }
    Ok(format!("{} bytes of vector state preserved", system.features.vector_state_bytes))
}

/// Modes as bad firmware might leave them are gone once the CPU has been set up again: numbers are as they should be.
pub fn modes(system: &mut System) -> Result<Verdict, Verdict> {
    let before = probe::modes();
    probe::spoil_modes();
    if probe::modes() == before {
        return Err(format!("nothing could be spoilt of {before:x?}"));
    }
    let spoilt = numbers();
    let features = cpu::enable_features();
    let after = probe::modes();
    if after != before || features != system.features {
        return Err(format!("{after:x?} should be {before:x?}"));
    }
    // 1/3 to nearest, and the smallest number there is.
    let right = [0x3fd5_5555_5555_5555, 1];
    if numbers() == right && spoilt != right { Ok(format!("{after:x?}")) } else { Err(format!("{:x?}", numbers())) }
}

/// The bits of a quotient, and of a product that is too small for the ordinary format.
fn numbers() -> [u64; 2] {
    use core::hint::black_box;
    let smallest = black_box(f64::MIN_POSITIVE) * black_box(f64::EPSILON);
    [black_box(1.0_f64) / black_box(3.0), smallest].map(f64::to_bits)
}
