//! Switching the machine off.
//!
//! [`SoftOff::find`] reads from the ACPI tables how this machine is switched off (state S5); [`off`] does it, and falls
//! back to what `arch` can do without tables. The tables, and the [`PowerTimer`] that they name, are found by
//! [`tables`], the one value that is hidden in ACPI bytecode by [`s5`].
//! Source: ACPI Specification 6.5, sections 4.8.3.2, 7.4.2 and 16.1.4.

mod s5;
pub(super) mod tables;

use core::fmt;
use x86_64::instructions::port::Port;

pub use tables::{PhysicalMemory, RootTable};

use super::poll;
use crate::arch::{self, ExitCode, interrupts};

/// PM1 control register: the firmware has handed its event registers over (ACPI mode).
const SCI_ENABLED: u16 = 1 << 0;
const SLEEP_TYPE_SHIFT: u16 = 10;
const SLEEP_TYPE_MASK: u16 = 0b111 << SLEEP_TYPE_SHIFT;
const SLEEP_ENABLE: u16 = 1 << 13;

/// The firmware changes to ACPI mode within milliseconds; a read takes about 1 us.
const ACPI_MODE_POLLS: u32 = 1_000_000;
/// After the command the machine is gone within microseconds, or some tens of milliseconds on real hardware.
const GONE_POLLS: u32 = 200_000;

/// How this machine is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftOff {
    /// I/O ports of the PM1a and, if there is one, PM1b control register.
    pm1a_control: u16,
    pm1b_control: Option<u16>,
    /// What their SLP_TYP fields take for S5.
    sleep_types: s5::SleepTypes,
    /// (port, value) that asks the firmware for ACPI mode; none if the machine is always in it.
    acpi_enable: Option<(u16, u8)>,
}

/// Why the ACPI tables do not tell how to switch off. [`off`] still tries the emulators' ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PowerError {
    /// The root pointer is too short, or its signature or checksum is wrong.
    BadRootPointer { len_bytes: usize },
    /// A table is missing or damaged, in the words of the table parser.
    BadTable { table: &'static str, reason: &'static str },
    /// The control register is not an I/O port.
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
            Self::NoControlPort { address } => write!(f, "the PM1 control register at {address:#x} is not a port"),
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
        self.enter_acpi_mode();
        let [type_a, type_b] = [self.sleep_types.a, self.sleep_types.b];
        write_sleep(self.pm1a_control, type_a);
        if let Some(port) = self.pm1b_control {
            write_sleep(port, type_b);
        }
        poll(GONE_POLLS, || read_word(self.pm1a_control) == u16::MAX);
    }

    fn enter_acpi_mode(&self) {
        let is_enabled = || read_word(self.pm1a_control) & SCI_ENABLED != 0;
        if let Some((port, value)) = self.acpi_enable
            && !is_enabled()
        {
            // SAFETY: the FADT names this port and value for this purpose.
            unsafe { Port::<u8>::new(port).write(value) };
            poll(ACPI_MODE_POLLS, is_enabled);
        }
    }
}

/// Switches the machine off; save everything first. An emulator with an exit device for tests ends with `code` instead.
/// Where ACPI does not work, tries the emulators' ports, and at last stops the CPU for ever.
pub fn off(soft_off: Option<&SoftOff>, code: ExitCode) -> ! {
    interrupts::disable();
    arch::debug_exit(code);
    if let Some(soft_off) = soft_off {
        soft_off.enter();
    }
    arch::power_off_after_failure(code)
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
