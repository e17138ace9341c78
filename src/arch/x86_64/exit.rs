//! How the machine stops: the exit codes, and the ways to stop that need no tables and no locks.

use core::sync::atomic::{AtomicU8, Ordering};

use x86_64::instructions::{hlt, interrupts, port::Port};
use x86_64::structures::DescriptorTablePointer;

/// Port of QEMU's `isa-debug-exit` device as the tests and recipes configure it.
pub const DEBUG_EXIT_PORT: u16 = 0xf4;

/// What the machine tells a test when it stops. Under `-device isa-debug-exit,iobase=0xf4,iosize=0x04` QEMU ends with
/// [`status`](Self::status), which is never 1, QEMU's own failure. All exit codes of the project's kernel are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The program returned, or left with exit code 0. Status 33.
    Success = 0x10,
    /// The program left with another exit code. Status 35.
    ProgramFailed = 0x11,
    /// The program ended in a WebAssembly trap. Status 37.
    ProgramTrapped = 0x12,
    /// There was no program to run, or it is not one that can run. Status 39.
    NoProgram = 0x13,
    /// The kernel panicked. Status 65.
    Panic = 0x20,
    /// An exception that nobody handles. Status 67.
    Exception = 0x21,
    /// A double fault. Status 69.
    DoubleFault = 0x22,
    /// The machine or its loader cannot boot the kernel. Status 71.
    CannotBoot = 0x23,
    /// A self-test found what it expects. Status 97.
    SelfTestPassed = 0x30,
    /// A self-test did not. Status 99.
    SelfTestFailed = 0x31,
}

impl ExitCode {
    /// The status with which QEMU ends.
    pub const fn status(self) -> i32 {
        ((self as i32) << 1) | 1
    }
}

/// Ends the emulator, if it has the exit device; otherwise returns.
pub fn debug_exit(code: ExitCode) {
    let mut port = Port::<u32>::new(DEBUG_EXIT_PORT);
    // SAFETY: the port belongs to the exit device, or to nothing, where the write has no effect.
    unsafe { port.write(u32::from(code as u8)) };
}

/// Power-off ports of emulators, with the value each wants: QEMU since 2.0, Bochs and older QEMU, VirtualBox.
const EMULATOR_POWER_OFF: [(u16, u16); 3] = [(0x604, 0x2000), (0xb004, 0x2000), (0x4004, 0x3400)];

/// What becomes of a machine whose kernel has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AfterFailure {
    /// It stays on: its screen says what happened.
    Stay,
    PowerOff,
    Restart,
}

/// Static because exceptions and panics have no other way to it.
static AFTER_FAILURE: AtomicU8 = AtomicU8::new(AfterFailure::Stay as u8);

/// Says what becomes of the machine if the kernel fails from now on; before, it stays on.
pub fn set_after_failure(after: AfterFailure) {
    AFTER_FAILURE.store(after as u8, Ordering::Relaxed);
}

/// Ends the machine's work without tables, allocation or locks: the last step after an exception or a panic. An emulator with an
/// exit device ends with `code`.
pub fn end_after_failure(code: ExitCode) -> ! {
    debug_exit(code);
    match AFTER_FAILURE.load(Ordering::Relaxed) {
        after if after == AfterFailure::PowerOff as u8 => power_off_emulator(),
        after if after == AfterFailure::Restart as u8 => restart(),
        _ => {}
    }
    halt()
}

/// Powers off the emulators that are known; on other machines, returns.
pub fn power_off_emulator() {
    for (port, value) in EMULATOR_POWER_OFF {
        // SAFETY: on these emulators the write powers off; elsewhere nothing listens at the port.
        unsafe { Port::<u16>::new(port).write(value) };
    }
}

/// Starts the machine again, without tables: by the chipset's reset register (Intel ICH9 data sheet, section 13.7.5), by the keyboard
/// controller's pulse, and at last by an exception that cannot be handled.
pub fn restart() -> ! {
    interrupts::disable();
    // SAFETY: a full reset on chipsets since the PIIX3; elsewhere the port is the PCI configuration's, of which this is no address.
    unsafe { Port::<u8>::new(0xcf9).write(0x06) };
    // SAFETY: the controller pulses the CPU's reset line, or there is none and nothing happens.
    unsafe { Port::<u8>::new(0x64).write(0xfe) };
    let empty = DescriptorTablePointer { limit: 0, base: x86_64::VirtAddr::zero() };
    // SAFETY: nothing runs after it: the exception below finds no handler, which resets the CPU.
    unsafe { x86_64::instructions::tables::lidt(&empty) };
    x86_64::instructions::interrupts::int3();
    halt()
}

/// Stands still for ever.
pub fn halt() -> ! {
    loop {
        interrupts::disable();
        hlt();
    }
}
