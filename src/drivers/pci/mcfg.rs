//! Where configuration space is in memory, from the ACPI table that says so (MCFG), with the `acpi` crate.

use alloc::vec::Vec;
use core::mem;

use acpi::AcpiTable;
use acpi::mcfg::Mcfg;

use super::Window;
use crate::drivers::power::{PhysicalMemory, RootTable, tables};

/// Before the entries: the header of every table and eight reserved bytes.
const ENTRIES_OFFSET: usize = mem::size_of::<Mcfg>();

/// What the table says; nothing if there is none, or if it makes no sense.
///
/// # Safety
/// See [`SoftOff::find`](crate::drivers::power::SoftOff::find).
pub unsafe fn windows(root: RootTable, memory: &impl PhysicalMemory) -> Vec<Window> {
    // SAFETY: the caller vouches for the root table and for the access to its tables.
    let Some(tables) = (unsafe { tables::open(root, memory) }).ok() else { return Vec::new() };
    let Ok(mcfg) = tables.find_table::<Mcfg>() else { return Vec::new() };
    if (mcfg.header().length as usize) < ENTRIES_OFFSET {
        return Vec::new();
    }
    let window = |entry: &acpi::mcfg::McfgEntry| Window {
        address: entry.base_address,
        segment: entry.pci_segment_group,
        first_bus: entry.bus_number_start,
        last_bus: entry.bus_number_end,
    };
    let is_sound = |window: &Window| window.address != 0 && window.first_bus <= window.last_bus;
    mcfg.entries().iter().map(window).filter(is_sound).collect()
}
