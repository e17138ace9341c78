//! The screen's pixels, mapped before there is anything else: a failure must be seen whenever it happens.
//!
//! Key function: [`map`]. Its tables are a part of the kernel image; the boot tables name them first, the kernel's own
//! after that.

use spin::Mutex;
use x86_64::PhysAddr;
use x86_64::registers::control::Cr3;
use x86_64::structures::paging::page_table::{PageTable, PageTableEntry, PageTableFlags};

use super::MemoryError;
use super::device::address_bits;
use super::layout::{GIB, KERNEL_BASE, LARGE_PAGE_BYTES, SCREEN_BASE, SCREEN_BYTES, slot};
use super::physical_pointer;
use super::space::Access;

/// A table of pointers, and the directories of the first GiB after [`SCREEN_BASE`] and of what its end needs of the next one.
static TABLES: Mutex<[PageTable; 3]> = Mutex::new([const { PageTable::new() }; 3]);

const TABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

/// Maps `bytes` bytes of pixels at physical address `address` and returns where, in the boot tables, which are active, and in
/// those that [`super::initialise`] makes. Called at most once.
///
/// # Safety
/// They are pixels, and no memory.
pub unsafe fn map(address: u64, bytes: u64) -> Result<*mut u8, MemoryError> {
    let outside = MemoryError::NoSuchAddress { address, bytes };
    let end = address.checked_add(bytes).filter(|end| *end <= 1 << address_bits()).ok_or(outside)?;
    let first = address - address % LARGE_PAGE_BYTES;
    if end - first > SCREEN_BYTES {
        return Err(outside);
    }
    let mut tables = TABLES.lock();
    let [_, lower, upper] = tables.each_ref().map(physical_address);
    let [pointers, directories @ ..] = &mut *tables;
    for (index, directory) in [lower, upper].into_iter().enumerate() {
        pointers[index].set_addr(directory, TABLE);
    }
    let entries = directories.iter_mut().flat_map(|directory| directory.iter_mut());
    let pages = (first..end).step_by(LARGE_PAGE_BYTES as usize);
    for (entry, page) in entries.zip(pages) {
        entry.set_addr(PhysAddr::new(page), Access::Pixels.flags() | PageTableFlags::HUGE_PAGE);
    }
    drop(tables);
    let top = Cr3::read().0.start_address().as_u64();
    // SAFETY: the boot tables are below 4 GiB, where the physical map is, and nobody else changes them.
    let top = unsafe { &mut *physical_pointer::<PageTable>(top) };
    adopt(&mut top[slot(SCREEN_BASE) as usize]);
    Ok((SCREEN_BASE + (address - first)) as *mut u8)
}

/// Makes `entry`, of a top-level table, name what is mapped here.
pub(super) fn adopt(entry: &mut PageTableEntry) {
    entry.set_addr(physical_address(&TABLES.lock()[0]), TABLE);
}

fn physical_address(table: &PageTable) -> PhysAddr {
    PhysAddr::new(&raw const *table as u64 - KERNEL_BASE)
}

const _: () = assert!(SCREEN_BYTES + LARGE_PAGE_BYTES <= 2 * GIB);
