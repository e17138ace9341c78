//! The kernel image: which part of it may be executed, read or written. The linker script supplies the borders.

use core::ops::Range;

use super::MemoryError;
use super::frames::Frames;
use super::layout::{KERNEL_BASE, PAGE_BYTES};
use super::space::{Access, AddressSpace};
use crate::arch::stacks;

unsafe extern "C" {
    static image_start: u8;
    static image_end: u8;
    static text_start: u8;
    static text_end: u8;
    static rodata_start: u8;
    static rodata_end: u8;
    static data_start: u8;
    static data_end: u8;
}

/// The physical addresses that the image occupies, boot code and uninitialised data included.
pub fn image_range() -> Range<u64> {
    physical(&raw const image_start)..physical(&raw const image_end)
}

/// Maps text R-X, read-only data R, data RW, and nothing at the guards of the stacks.
pub(super) fn map(space: &mut AddressSpace, frames: &mut Frames) -> Result<(), MemoryError> {
    let parts = [
        (&raw const text_start, &raw const text_end, Access::ReadExecute),
        (&raw const rodata_start, &raw const rodata_end, Access::Read),
    ];
    for (start, end, access) in parts {
        map_part(space, frames, start as u64..end as u64, access)?;
    }
    map_data(space, frames, &raw const data_start as u64..&raw const data_end as u64)
}

/// Maps `data` but for the guards, which lie in it.
fn map_data(space: &mut AddressSpace, frames: &mut Frames, data: Range<u64>) -> Result<(), MemoryError> {
    let mut guards = stacks::guards().map(|(_, guard)| guard);
    guards.sort_unstable_by_key(|guard| guard.start);
    let mut start = data.start;
    for guard in guards {
        map_part(space, frames, start..guard.start, Access::ReadWrite)?;
        start = guard.end;
    }
    map_part(space, frames, start..data.end, Access::ReadWrite)
}

fn map_part(
    space: &mut AddressSpace,
    frames: &mut Frames,
    part: Range<u64>,
    access: Access,
) -> Result<(), MemoryError> {
    debug_assert!(part.start.is_multiple_of(PAGE_BYTES) && part.end.is_multiple_of(PAGE_BYTES));
    space.map_range(frames, part.start, part.start - KERNEL_BASE, part.end - part.start, access)
}

fn physical(symbol: *const u8) -> u64 {
    symbol as u64 - KERNEL_BASE
}
