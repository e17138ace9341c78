//! Everything that needs an instruction of ring 0, and all assembly wrappers.
//!
//! Key types: [`interrupts::TrapFrame`], [`ExitCode`], [`cpu::Features`]. Neighbours: nothing below; `memory`,
//! `drivers` and `kernel` build on it. What it needs to know of the address space (where the screen's memory is, which
//! range is a guard page) is passed in.

pub mod cpu;
pub mod dump;
pub mod early_console;
mod exit;
pub mod interrupts;
pub mod probe;
pub mod segments;
pub mod stacks;
pub mod symbols;
pub mod ticks;
mod vector_state;

pub use exit::{
    AfterFailure, DEBUG_EXIT_PORT, ExitCode, debug_exit, end_after_failure, halt, power_off_emulator, restart,
    set_after_failure,
};
