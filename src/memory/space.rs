//! The address space: four levels of page tables, edited through the physical map.
//!
//! Key types: [`AddressSpace`], [`Access`], [`Mapped`]. Neighbours: [`super::frames`] supplies tables; the regions of
//! [`super::layout`] are mapped by [`super::region`], [`super::linear`] and [`super::image`].

use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::page_table::{PageTable, PageTableEntry, PageTableFlags};
use x86_64::structures::paging::{PhysFrame, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

use super::MemoryError;
use super::frames::{Frame, Frames, LargeFrame};
use super::layout::{self, LARGE_PAGE_BYTES, PAGE_BYTES};
use super::physical::PhysicalMap;

/// What may be done with a page. There is no page that can be both written and executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
    ReadExecute,
    /// Read and written as it is said, each time, without caches.
    Device,
    /// Written without caches, many bytes at a time ([`crate::arch::cpu::enable_features`]).
    Pixels,
}

impl Access {
    pub(super) fn flags(self) -> PageTableFlags {
        match self {
            Self::Read => PageTableFlags::PRESENT | PageTableFlags::NO_EXECUTE,
            Self::ReadWrite => PageTableFlags::PRESENT | PageTableFlags::NO_EXECUTE | PageTableFlags::WRITABLE,
            Self::ReadExecute => PageTableFlags::PRESENT,
            Self::Device => Self::ReadWrite.flags() | PageTableFlags::NO_CACHE | PageTableFlags::WRITE_THROUGH,
            Self::Pixels => Self::ReadWrite.flags() | PageTableFlags::WRITE_THROUGH,
        }
    }
}

/// A page and the physical memory behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    Small { address: u64 },
    Large { address: u64 },
}

/// Flags of an entry that names a table: the pages decide.
const TABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

/// Levels of page tables; level 1 holds small pages, level 2 large ones.
const TOP_LEVEL: u32 = 4;

/// The page tables that CR3 names, once [activated](Self::activate).
pub struct AddressSpace {
    /// Physical address of the top-level table.
    top: u64,
}

impl AddressSpace {
    /// Tables that map all physical memory that the machine has below 4 GiB, and nothing else.
    pub fn new(frames: &mut Frames, gigabyte_pages: bool) -> Result<Self, MemoryError> {
        let space = Self { top: frames.allocate_zeroed()?.address() };
        let pointers = frames.allocate_zeroed()?.address();
        let map = PhysicalMap::growing(layout::PHYSICAL_MAP, pointers, gigabyte_pages);
        map.fill_start(|| Ok(frames.allocate_zeroed()?.address()))?;
        space.set_slot(frames, layout::PHYSICAL_MAP, pointers);
        frames.replace_physical_map(map);
        Ok(space)
    }

    /// Gives the 512 GiB at `first` and at `second` the same, empty, table: whatever is mapped in one is in both.
    pub fn share_slot(&mut self, frames: &mut Frames, first: u64, second: u64) -> Result<(), MemoryError> {
        let pointers = frames.allocate_zeroed()?.address();
        self.set_slot(frames, first, pointers);
        self.set_slot(frames, second, pointers);
        Ok(())
    }

    /// Makes the CPU use these tables.
    ///
    /// # Safety
    /// They map, with sufficient access, everything that is in use: code, stack, data and physical memory.
    pub unsafe fn activate(&self) {
        let top = PhysFrame::<Size4KiB>::containing_address(PhysAddr::new(self.top));
        // SAFETY: `top` is a top-level table, and the caller vouches for what it maps.
        unsafe { Cr3::write(top, Cr3Flags::empty()) };
    }

    /// Maps the small page at `page` to physical address `frame`.
    pub fn map(&mut self, frames: &mut Frames, page: u64, frame: u64, access: Access) -> Result<(), MemoryError> {
        let entry = self.entry_or_create(frames, page, 1)?;
        if !entry.is_unused() {
            return Err(MemoryError::AlreadyMapped { page });
        }
        entry.set_addr(PhysAddr::new(frame), access.flags());
        Ok(())
    }

    /// Maps the large page at `page` to physical address `frame`.
    pub fn map_large(&mut self, frames: &mut Frames, page: u64, frame: u64, access: Access) -> Result<(), MemoryError> {
        let entry = self.entry_or_create(frames, page, 2)?;
        if !entry.is_unused() {
            return Err(MemoryError::AlreadyMapped { page });
        }
        entry.set_addr(PhysAddr::new(frame), access.flags() | PageTableFlags::HUGE_PAGE);
        Ok(())
    }

    /// Replaces the table of small pages that covers the large page at `page` by that large page.
    pub fn replace_by_large(
        &mut self,
        frames: &mut Frames,
        page: u64,
        frame: u64,
        access: Access,
    ) -> Result<(), MemoryError> {
        let entry = self.entry_or_create(frames, page, 2)?;
        let table = (entry.flags().contains(TABLE) && !is_page(entry, 2)).then(|| entry.addr().as_u64());
        entry.set_addr(PhysAddr::new(frame), access.flags() | PageTableFlags::HUGE_PAGE);
        flush_all();
        if let Some(table) = table {
            frames.free(Frame::from_address(table));
        }
        Ok(())
    }

    /// Maps `bytes` bytes at `start` to the physical memory at `physical`, in the largest pages that fit.
    pub fn map_range(
        &mut self,
        frames: &mut Frames,
        start: u64,
        physical: u64,
        bytes: u64,
        access: Access,
    ) -> Result<(), MemoryError> {
        let mut offset = 0;
        while offset < bytes {
            let (page, frame) = (start + offset, physical + offset);
            if (page | frame).is_multiple_of(LARGE_PAGE_BYTES) && bytes - offset >= LARGE_PAGE_BYTES {
                self.map_large(frames, page, frame, access)?;
                offset += LARGE_PAGE_BYTES;
            } else {
                // All that one table holds: to look it up takes longer than to fill its entries.
                let table = self.table_or_create(frames, page, 1)?;
                let end = bytes.min(offset + LARGE_PAGE_BYTES - page % LARGE_PAGE_BYTES);
                for offset in (offset..end).step_by(PAGE_BYTES as usize) {
                    let entry = entry(frames.physical(), table, start + offset, 1);
                    if !entry.is_unused() {
                        return Err(MemoryError::AlreadyMapped { page: start + offset });
                    }
                    entry.set_addr(PhysAddr::new(physical + offset), access.flags());
                }
                offset = end;
            }
        }
        Ok(())
    }

    /// Removes the page at `page` and tells what was behind it. The table that held it stays.
    pub fn unmap(&mut self, frames: &Frames, page: u64) -> Option<Mapped> {
        let (entry, mapped) = self.page_entry(frames, page)?;
        entry.set_unused();
        flush(page);
        Some(mapped)
    }

    /// What is behind the page that contains `address`.
    pub fn mapped_at(&self, frames: &Frames, address: u64) -> Option<Mapped> {
        self.page_entry(frames, address).map(|(_, mapped)| mapped)
    }

    /// The physical address behind `address`, if it is mapped.
    pub fn translate(&self, frames: &Frames, address: u64) -> Option<u64> {
        Some(match self.mapped_at(frames, address)? {
            Mapped::Small { address: frame } => frame + address % PAGE_BYTES,
            Mapped::Large { address: frame } => frame + address % LARGE_PAGE_BYTES,
        })
    }

    /// The entry of the small or large page that contains `address`.
    fn page_entry<'a>(&self, frames: &'a Frames, address: u64) -> Option<(&'a mut PageTableEntry, Mapped)> {
        let mut table = self.top;
        for level in (1..=TOP_LEVEL).rev() {
            let entry = entry(frames.physical(), table, address, level);
            if entry.is_unused() {
                return None;
            }
            let frame = entry.addr().as_u64();
            if is_page(entry, level) {
                let mapped =
                    if level == 1 { Mapped::Small { address: frame } } else { Mapped::Large { address: frame } };
                return Some((entry, mapped));
            }
            table = frame;
        }
        None
    }

    /// The entry for `address` at `level`, with all tables above it.
    fn entry_or_create<'a>(
        &mut self,
        frames: &'a mut Frames,
        address: u64,
        level: u32,
    ) -> Result<&'a mut PageTableEntry, MemoryError> {
        let table = self.table_or_create(frames, address, level)?;
        Ok(entry(frames.physical(), table, address, level))
    }

    /// The physical address of the table of `level` that covers `address`.
    fn table_or_create(&mut self, frames: &mut Frames, address: u64, level: u32) -> Result<u64, MemoryError> {
        let mut table = self.top;
        for upper in (level + 1..=TOP_LEVEL).rev() {
            let next = entry(frames.physical(), table, address, upper);
            if next.is_unused() {
                let new = frames.allocate_zeroed()?;
                entry(frames.physical(), table, address, upper).set_addr(PhysAddr::new(new.address()), TABLE);
                table = new.address();
            } else if is_page(next, upper) {
                return Err(MemoryError::AlreadyMapped { page: address });
            } else {
                table = next.addr().as_u64();
            }
        }
        Ok(table)
    }

    /// The entry of the top-level table for `address`.
    pub(super) fn slot<'a>(&mut self, frames: &'a Frames, address: u64) -> &'a mut PageTableEntry {
        entry(frames.physical(), self.top, address, TOP_LEVEL)
    }

    fn set_slot(&self, frames: &Frames, address: u64, pointers: u64) {
        entry(frames.physical(), self.top, address, TOP_LEVEL).set_addr(PhysAddr::new(pointers), TABLE);
    }
}

/// Gives back to the allocator what a page had behind it.
pub fn free_mapped(frames: &mut Frames, mapped: Mapped) {
    match mapped {
        Mapped::Small { address } => frames.free(Frame::from_address(address)),
        Mapped::Large { address } => frames.free_large(LargeFrame::from_address(address)),
    }
}

/// The entry for `address` in the table of `level` at physical address `table`.
#[expect(clippy::mut_from_ref, reason = "the table is memory that the space owns, not a part of the map")]
fn entry(physical: &PhysicalMap, table: u64, address: u64, level: u32) -> &mut PageTableEntry {
    let index = address >> (12 + 9 * (level - 1)) & 511;
    // SAFETY: `table` came from an address space, whose tables are reachable frames that only it changes; there is one
    // address space, behind one lock.
    unsafe { &mut (&mut *physical.pointer::<PageTable>(table))[index as usize] }
}

fn is_page(entry: &PageTableEntry, level: u32) -> bool {
    level == 1 || entry.flags().contains(PageTableFlags::HUGE_PAGE)
}

fn flush(page: u64) {
    x86_64::instructions::tlb::flush(VirtAddr::new_truncate(page));
}

/// Forgets every translation: no page is global.
pub fn flush_all() {
    x86_64::instructions::tlb::flush_all();
}
