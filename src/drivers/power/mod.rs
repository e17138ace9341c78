//! Switching the machine off, and starting it again.
//!
//! [`SoftOff::find`] reads from the ACPI tables how this machine is switched off (state S5); [`off`] does it, and falls
//! back to what `arch` can do without tables. So do [`Reset::find`] and [`restart`]. The tables, and the [`PowerTimer`] that they name, are found by
//! [`tables`], the one value that is hidden in ACPI bytecode by [`s5`].
//! Source: ACPI Specification 6.5, sections 4.8.3.2, 4.8.3.6, 4.8.3.7, 7.4.2 and 16.1.4.

mod s5;
pub(super) mod tables;

use core::fmt;
use x86_64::instructions::port::Port;

pub use s5::SleepTypes;
pub use tables::{PhysicalMemory, RootTable};

use super::poll;
use crate::arch::{self, ExitCode, interrupts};
use crate::memory::DeviceRegisters;

/// PM1 control register: the firmware has handed its event registers over (ACPI mode).
const SCI_ENABLED: u16 = 1 << 0;
const SLEEP_TYPE_SHIFT: u16 = 10;
const SLEEP_TYPE_MASK: u16 = 0b111 << SLEEP_TYPE_SHIFT;
const SLEEP_ENABLE: u16 = 1 << 13;

/// Sleep control register of hardware-reduced machines.
const REDUCED_SLEEP_TYPE_SHIFT: u8 = 2;
const REDUCED_SLEEP_ENABLE: u8 = 1 << 5;

/// The firmware changes to ACPI mode within milliseconds; a read takes about 1 us.
const ACPI_MODE_POLLS: u32 = 1_000_000;
/// After the command the machine is gone within microseconds, or some tens of milliseconds on real hardware.
const GONE_POLLS: u32 = 200_000;

/// How this machine is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftOff {
    /// By control registers, as PCs have them.
    Control {
        /// I/O ports of the PM1a and, if there is one, PM1b control register.
        pm1a_control: u16,
        pm1b_control: Option<u16>,
        /// What their SLP_TYP fields take for S5.
        sleep_types: SleepTypes,
        /// (port, value) that asks the firmware for ACPI mode; none if the machine is always in it.
        acpi_enable: Option<(u16, u8)>,
    },
    /// By the sleep control register of machines without those.
    Reduced { register: Register, sleep_type: u8 },
}

/// How this machine is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    register: Register,
    value: u8,
}

/// Where a register of a byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    Port(u16),
    /// At this physical address.
    Memory(u64),
}

impl Register {
    /// Writes to it, if it can be reached.
    ///
    /// # Safety
    /// It is the register that the firmware's tables name for what the value does.
    unsafe fn write(self, value: u8) {
        match self {
            // SAFETY: the caller's.
            Self::Port(port) => unsafe { Port::<u8>::new(port).write(value) },
            Self::Memory(address) => {
                // SAFETY: the caller's: a register is no memory.
                if let Ok(register) = unsafe { DeviceRegisters::map(address, 1) } {
                    register.write_u8(0, value);
                }
            }
        }
    }
}

/// Why the ACPI tables do not tell how to switch off. [`off`] still tries the emulators' ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PowerError {
    /// The root pointer is too short, or its signature or checksum is wrong.
    BadRootPointer { len_bytes: usize },
    /// A table is missing or damaged, in the words of the table parser.
    BadTable { table: &'static str, reason: &'static str },
    /// The control register is not where one can be reached.
    NoControlPort { address: u64 },
    /// No `\_S5` object that the scanner understands.
    NoS5 { bytecode_bytes: usize },
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot switch off by ACPI: ")?;
        match self {
            Self::BadRootPointer { len_bytes } => write!(f, "the root pointer ({len_bytes} bytes) is damaged"),
            Self::BadTable { table, reason } => write!(f, "table {table}: {reason}"),
            Self::NoControlPort { address } => write!(f, "the control register at {address:#x} cannot be reached"),
            Self::NoS5 { bytecode_bytes } => write!(f, "no \\_S5 package in {bytecode_bytes} bytes of bytecode"),
        }
    }
}

impl core::error::Error for PowerError {}

/// The power management timer: a counter of 24 or 32 bits that runs freely (ACPI Specification 6.5, section 4.8.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerTimer {
    port: u16,
}

impl PowerTimer {
    /// Counts per second.
    pub const HZ: u32 = 3_579_545;

    /// Finds it in the FADT; `None` where there is none behind a port.
    ///
    /// # Safety
    /// As for [`SoftOff::find`].
    pub unsafe fn find(root: RootTable, memory: &impl PhysicalMemory) -> Option<Self> {
        // SAFETY: passed on to the caller.
        unsafe { tables::find_power_timer(root, memory) }
    }

    /// What it has counted to.
    pub fn read(&self) -> u32 {
        // SAFETY: the FADT names this port as the timer, and reading it has no effect.
        unsafe { Port::<u32>::new(self.port).read() }
    }
}

impl SoftOff {
    /// Reads the ACPI tables: control registers from the FADT, sleep types from the DSDT or an SSDT.
    ///
    /// # Safety
    /// `root` is the machine's own root table, and `memory` gives access to wherever its tables lie.
    pub unsafe fn find(root: RootTable, memory: &impl PhysicalMemory) -> Result<Self, PowerError> {
        // SAFETY: passed on to the caller.
        unsafe { tables::find_soft_off(root, memory) }
    }

    /// Asks for S5. Returns if nothing happened.
    fn enter(&self) {
        match *self {
            Self::Control { pm1a_control, pm1b_control, sleep_types, acpi_enable } => {
                enter_acpi_mode(pm1a_control, acpi_enable);
                write_sleep(pm1a_control, sleep_types.a);
                if let Some(port) = pm1b_control {
                    write_sleep(port, sleep_types.b);
                }
                poll(GONE_POLLS, || read_word(pm1a_control) == u16::MAX);
            }
            Self::Reduced { register, sleep_type } => {
                // SAFETY: the FADT names this register for this purpose; interrupts are off and everything is saved.
                unsafe { register.write(sleep_type << REDUCED_SLEEP_TYPE_SHIFT | REDUCED_SLEEP_ENABLE) };
                poll(GONE_POLLS, || false);
            }
        }
    }
}

fn enter_acpi_mode(pm1a_control: u16, acpi_enable: Option<(u16, u8)>) {
    let is_enabled = || read_word(pm1a_control) & SCI_ENABLED != 0;
    if let Some((port, value)) = acpi_enable
        && !is_enabled()
    {
        // SAFETY: the FADT names this port and value for this purpose.
        unsafe { Port::<u8>::new(port).write(value) };
        poll(ACPI_MODE_POLLS, is_enabled);
    }
}

impl Reset {
    /// Reads the FADT; nothing, if it names no register that can be reached.
    ///
    /// # Safety
    /// As for [`SoftOff::find`].
    pub unsafe fn find(root: RootTable, memory: &impl PhysicalMemory) -> Option<Self> {
        // SAFETY: passed on to the caller.
        unsafe { tables::find_reset(root, memory) }
    }
}

/// Starts the machine again; save everything first. An emulator with an exit device for tests ends with `code` instead. Where ACPI
/// does not work, does it as PCs have always done.
pub fn restart(reset: Option<&Reset>, code: ExitCode) -> ! {
    interrupts::disable();
    arch::debug_exit(code);
    if let Some(reset) = reset {
        // SAFETY: the FADT names this register and value for this purpose.
        unsafe { reset.register.write(reset.value) };
        poll(GONE_POLLS, || false);
    }
    arch::restart()
}

/// Switches the machine off; save everything first. An emulator with an exit device for tests ends with `code` instead.
/// Where ACPI does not work, tries the emulators' ports. If the machine stays on all the same, calls `say_so` and stops the CPU
/// for ever.
pub fn off(soft_off: Option<&SoftOff>, code: ExitCode, say_so: impl FnOnce()) -> ! {
    interrupts::disable();
    arch::debug_exit(code);
    if let Some(soft_off) = soft_off {
        soft_off.enter();
    }
    arch::power_off_emulator();
    say_so();
    arch::halt()
}

fn write_sleep(port: u16, sleep_type: u8) {
    let value = read_word(port) & !SLEEP_TYPE_MASK | u16::from(sleep_type) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE;
    // SAFETY: the FADT names this port as a PM1 control register; interrupts are off and everything is saved.
    unsafe { Port::<u16>::new(port).write(value) };
}

fn read_word(port: u16) -> u16 {
    // SAFETY: the FADT names this port as a PM1 control register, and reading it has no effect.
    unsafe { Port::<u16>::new(port).read() }
}

#[cfg(test)]
mod tests;
