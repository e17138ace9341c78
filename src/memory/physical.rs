//! The map of all physical memory, and how it grows.
//!
//! The first 4 GiB, where firmware tables and devices are, are always mapped. What lies beyond is added by the GiB when
//! the frame allocator first hands out memory there, so that a machine with much memory starts as fast as a small one.
//!
//! Key type: [`PhysicalMap`].

use x86_64::PhysAddr;
use x86_64::structures::paging::page_table::{PageTable, PageTableFlags};

use super::MemoryError;
use super::layout::{GIB, LARGE_PAGE_BYTES, PHYSICAL_MAP_BYTES};

/// GiB that are mapped from the start.
const MAPPED_AT_START: u64 = 4;

/// Flags of a page of the map: data, never executed.
const PAGE: PageTableFlags = PageTableFlags::PRESENT
    .union(PageTableFlags::WRITABLE)
    .union(PageTableFlags::NO_EXECUTE)
    .union(PageTableFlags::HUGE_PAGE);
/// Flags of an entry that names a table.
const TABLE: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE);

/// Where physical memory is mapped.
pub struct PhysicalMap {
    /// Virtual address of physical address 0.
    base: u64,
    growth: Growth,
}

/// What it takes to map another GiB.
enum Growth {
    /// The tables are not the allocator's to change.
    Fixed,
    /// One entry in the page-directory-pointer table at this physical address.
    GigabytePages { pointers: u64 },
    /// A page directory as well, in the spare frame.
    LargePages { pointers: u64, spare: Option<u64> },
}

impl PhysicalMap {
    /// A map of a fixed extent: the boot tables' 4 GiB.
    pub const fn fixed(base: u64) -> Self {
        Self { base, growth: Growth::Fixed }
    }

    /// A map whose page-directory-pointer table, at physical address `pointers`, is empty but for what
    /// [`fill_start`](Self::fill_start) puts there.
    pub const fn growing(base: u64, pointers: u64, gigabyte_pages: bool) -> Self {
        let growth = if gigabyte_pages {
            Growth::GigabytePages { pointers }
        } else {
            Growth::LargePages { pointers, spare: None }
        };
        Self { base, growth }
    }

    /// Maps the GiB that are mapped from the start. `directory` supplies zeroed frames for page directories.
    pub fn fill_start(&self, mut directory: impl FnMut() -> Result<u64, MemoryError>) -> Result<(), MemoryError> {
        for gib in 0..MAPPED_AT_START {
            match self.growth {
                Growth::Fixed => {}
                Growth::GigabytePages { pointers } => self.set_gigabyte_page(pointers, gib),
                Growth::LargePages { pointers, .. } => self.set_directory(pointers, gib, directory()?),
            }
        }
        Ok(())
    }

    /// Where physical address `address` is mapped.
    pub fn pointer<T>(&self, address: u64) -> *mut T {
        (self.base + address) as *mut T
    }

    /// Maps the GiB around `address` unless it is mapped.
    pub(super) fn reach(&mut self, address: u64) -> Result<(), MemoryError> {
        let gib = address / GIB;
        if gib < MAPPED_AT_START {
            return Ok(());
        }
        if address >= PHYSICAL_MAP_BYTES {
            return Err(MemoryError::OutOfFrames);
        }
        match self.growth {
            Growth::Fixed => return Err(MemoryError::OutOfFrames),
            Growth::GigabytePages { pointers } => self.set_gigabyte_page(pointers, gib),
            Growth::LargePages { pointers, .. } if self.is_mapped(pointers, gib) => {}
            Growth::LargePages { pointers, ref mut spare } => {
                let directory = spare.take().ok_or(MemoryError::OutOfFrames)?;
                self.set_directory(pointers, gib, directory);
            }
        }
        Ok(())
    }

    /// Whether [`reach`](Self::reach) may need a frame that it does not have.
    pub(super) fn wants_spare(&self) -> bool {
        matches!(self.growth, Growth::LargePages { spare: None, .. })
    }

    /// Gives the frame at physical address `frame` to the next page directory.
    pub(super) fn give_spare(&mut self, frame: u64) {
        if let Growth::LargePages { spare, .. } = &mut self.growth {
            *spare = Some(frame);
        }
    }

    fn set_gigabyte_page(&self, pointers: u64, gib: u64) {
        self.table(pointers)[gib as usize].set_addr(PhysAddr::new(gib * GIB), PAGE);
    }

    /// Fills the frame `directory` with 1 GiB of large pages and makes it the directory of `gib`.
    fn set_directory(&self, pointers: u64, gib: u64, directory: u64) {
        for (page, entry) in (0..).zip(self.table(directory).iter_mut()) {
            entry.set_addr(PhysAddr::new(gib * GIB + page * LARGE_PAGE_BYTES), PAGE);
        }
        self.table(pointers)[gib as usize].set_addr(PhysAddr::new(directory), TABLE);
    }

    fn is_mapped(&self, pointers: u64, gib: u64) -> bool {
        !self.table(pointers)[gib as usize].is_unused()
    }

    #[expect(clippy::mut_from_ref, reason = "the table is memory that the map owns, not a part of the map")]
    fn table(&self, address: u64) -> &mut PageTable {
        // SAFETY: the tables of the map are frames in the first 4 GiB or in a GiB that is mapped, and are used by it
        // alone; each reference ends within one expression.
        unsafe { &mut *self.pointer::<PageTable>(address) }
    }
}
