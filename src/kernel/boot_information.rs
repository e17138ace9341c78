//! What the loader passed (Multiboot2 specification 2.0, section 3.6): the memory map, the command line, the modules and
//! the kernel's own symbols.
//!
//! Modules and command lines are the user's: whatever they hold, reading them does not fail.
//!
//! Key types: [`BootInformation`], [`Module`].

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use multiboot2::{MaybeDynSized, MemoryArea, MemoryAreaType, TagType};

use super::{BootError, command_line};
use crate::arch::symbols::SymbolTable;
use crate::drivers::console::{Channel, Layout, LayoutFault, PixelLayout, TextLayout};
use crate::memory::layout::{PAGE_BYTES, PHYSICAL_MAP};
use crate::memory::ranges::{Ranges, Survey};
use crate::memory::{image_range, physical_bytes, range_list};

/// Below 1 MiB is firmware's and the screen's memory.
const LOW_MEMORY_END: u64 = 1 << 20;
/// Physical memory that the map of the loader's modules covers.
const REACHABLE: u64 = 4 << 30;

/// ELF section types (System V ABI, figure 4-9).
const SYMBOL_TABLE_SECTION: u32 = 2;

/// Bytes before the command line in the payload of a module's tag: its start and end.
const MODULE_ADDRESSES_BYTES: usize = 8;
/// Bytes of an entry of the memory map.
const AREA_BYTES: usize = size_of::<MemoryArea>();
/// Bytes of a section header, of 32 and 64 bits.
const SECTION_HEADER_BYTES: [u32; 2] = [40, 64];

/// The loader's information, in place.
pub struct BootInformation {
    information: multiboot2::BootInformation<'static>,
    range: Range<u64>,
}

/// A file that the loader put into memory.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    pub bytes: &'static [u8],
    pub command_line: &'static [u8],
}

impl Module {
    /// The words of the command line: a name by convention, then arguments.
    pub fn words(&self) -> Vec<Vec<u8>> {
        command_line::words(self.command_line)
    }
}

impl BootInformation {
    /// The information at physical address `address`.
    ///
    /// # Safety
    /// It is what a Multiboot2 loader left there, the physical map covers it, and nothing writes to it or to the
    /// modules that it names.
    pub unsafe fn load(address: u32) -> Result<Self, BootError> {
        let address = u64::from(address);
        let pointer = (PHYSICAL_MAP + address) as *const multiboot2::BootInformationHeader;
        // SAFETY: the caller's.
        let information = unsafe { multiboot2::BootInformation::load(pointer) };
        let information = information.map_err(|_| BootError::MalformedBootInformation)?;
        let range = address..address + information.total_size() as u64;
        let loaded = Self { information, range };
        loaded.check()?;
        Ok(loaded)
    }

    /// Refuses what the parser would panic on.
    fn check(&self) -> Result<(), BootError> {
        for tag in self.information.tags() {
            let (kind, payload) = (tag.header().typ, tag.payload());
            let word = |at: usize| {
                payload.get(at..at + 4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
            };
            let (kind, is_whole) = if kind == TagType::Mmap {
                let areas = payload.get(8..).filter(|areas| areas.len().is_multiple_of(AREA_BYTES));
                ("the memory map", areas.is_some() && word(0) == Some(AREA_BYTES as u32))
            } else if kind == TagType::Module {
                ("a module", payload.len() >= MODULE_ADDRESSES_BYTES)
            } else if kind == TagType::ElfSections {
                (
                    "the kernel's sections",
                    payload.len() >= 12 && word(4).is_some_and(|bytes| SECTION_HEADER_BYTES.contains(&bytes)),
                )
            } else {
                continue;
            };
            if !is_whole {
                return Err(BootError::MalformedTag { kind, bytes: tag.header().size });
            }
        }
        Ok(())
    }

    /// The kernel's command line; empty if there is none. What is not UTF-8 in it is replaced.
    pub fn command_line(&self) -> Cow<'static, str> {
        let line = self.information.command_line_tag().map_or(&[][..], |tag| until_nul(tag.payload()));
        String::from_utf8_lossy(line)
    }

    /// The value of the last `name=value` on the command line.
    pub fn option(&self, name: &str) -> Option<String> {
        command_line::option(&self.command_line(), name)
    }

    /// Whether `word` stands alone on the command line.
    pub fn has_word(&self, word: &str) -> bool {
        command_line::words(self.command_line().as_bytes()).iter().any(|other| other == word.as_bytes())
    }

    /// The modules, in the order of the loader's configuration.
    pub fn modules(&self) -> impl Iterator<Item = Module> {
        self.information.module_tags().map(|tag| {
            let start = u64::from(tag.start_address());
            let end = u64::from(tag.end_address()).max(start);
            // SAFETY: 32-bit addresses are in the initial physical map; the loader put the module there, and
            // `free_memory` leaves it out.
            let bytes = unsafe { physical_bytes(start, end - start) };
            let command_line = tag.payload().get(MODULE_ADDRESSES_BYTES..).unwrap_or_default();
            Module { bytes, command_line: until_nul(command_line) }
        })
    }

    /// A copy of the ACPI root pointer (RSDP), the newer kind if the loader found both.
    pub fn acpi_root_pointer(&self) -> Option<&[u8]> {
        /// Bytes of each kind (ACPI Specification 6.5, section 5.2.5.3).
        const LENGTHS: [usize; 2] = [36, 20];
        let tag = |kind: TagType| self.information.tags().find(|tag| tag.header().typ == kind);
        let [newer, older] = [TagType::AcpiV2, TagType::AcpiV1].map(tag);
        [newer, older].into_iter().zip(LENGTHS).find_map(|(tag, length)| tag?.payload().get(..length))
    }

    /// The screen that the loader left, if it knows of one (section 3.6.12).
    pub fn screen(&self) -> Result<Option<Layout>, LayoutFault> {
        let tag = self.information.tags().find(|tag| tag.header().typ == TagType::Framebuffer);
        tag.map(|tag| screen(tag.payload())).transpose().map(Option::flatten)
    }

    /// The kernel's symbol table, if the loader kept it.
    pub fn symbols(&self) -> Option<SymbolTable> {
        let (symbols, names) = self.symbol_sections()?;
        // SAFETY: `symbol_sections` checked that both are in the initial physical map; the loader put them there, and
        // `free_memory` leaves them out.
        let [symbols, names] =
            [symbols, names].map(|range| unsafe { physical_bytes(range.start, range.end - range.start) });
        Some(SymbolTable { symbols, names })
    }

    /// The memory that the loader reports as available, less everything in it that is in use; in whole frames.
    pub fn free_memory(&self) -> Result<Ranges, BootError> {
        let survey = self.survey(image_range())?;
        let entries = survey.list_entries();
        let list_bytes = (entries * size_of::<Range<u64>>()) as u64;
        let none = BootError::NoRoomForMemoryMap { list_bytes };
        let place = survey.room(list_bytes.next_multiple_of(PAGE_BYTES), REACHABLE).ok_or(none.clone())?;
        // SAFETY: the place is free memory in whole pages, and is taken from now on.
        let list = unsafe { range_list(place.start, entries) };
        survey.free(place, list).ok_or(none)
    }

    /// What is available, and what of it is taken; `image` is the kernel's.
    #[allow(clippy::type_complexity)]
    fn survey(
        &self,
        image: Range<u64>,
    ) -> Result<Survey<impl Iterator<Item = Range<u64>> + Clone, impl Iterator<Item = Range<u64>> + Clone>, BootError>
    {
        let areas = self.information.memory_map_tag().ok_or(BootError::NoMemoryMap)?.memory_areas().iter();
        let range = |area: &MemoryArea| area.start_address()..area.start_address().saturating_add(area.size());
        let is_available = |area: &&MemoryArea| area.typ() == MemoryAreaType::Available;
        Ok(Survey {
            available: areas.clone().filter(is_available).map(range),
            taken: areas.filter(move |area| !is_available(area)).map(range).chain(self.taken(image)),
            unit: PAGE_BYTES,
        })
    }

    /// Memory that is in use although the map calls it available.
    fn taken(&self, image: Range<u64>) -> impl Iterator<Item = Range<u64>> + Clone {
        let pixels = match self.screen() {
            Ok(Some(Layout::Pixels(layout))) => layout.address..layout.address.saturating_add(layout.bytes()),
            _ => 0..0,
        };
        let modules = self.information.module_tags();
        let modules = modules.map(|tag| u64::from(tag.start_address())..u64::from(tag.end_address()));
        let (symbols, names) = self.symbol_sections().unwrap_or_default();
        [0..LOW_MEMORY_END, image, self.range.clone(), symbols, names, pixels].into_iter().chain(modules)
    }

    /// Where the loader put `.symtab` and the string table that it links to.
    fn symbol_sections(&self) -> Option<(Range<u64>, Range<u64>)> {
        let sections = self.information.elf_sections_tag()?;
        let symbols = sections.sections().find(|section| section.sh_type == SYMBOL_TABLE_SECTION)?;
        let names = sections.sections().nth(symbols.sh_link as usize)?;
        let [symbols, names] = [symbols, names].map(|section| {
            let end = section.sh_addr.checked_add(section.sh_size)?;
            (section.sh_addr != 0 && end <= REACHABLE).then_some(section.sh_addr..end)
        });
        symbols.zip(names)
    }
}

/// What the payload of a framebuffer's tag says; nothing, if its kind is one that nothing here writes to.
fn screen(payload: &[u8]) -> Result<Option<Layout>, LayoutFault> {
    const PIXELS: u8 = 1;
    const TEXT: u8 = 2;
    let (head, colours) = payload.split_first_chunk::<24>().ok_or(LayoutFault::Size)?;
    let word = |at: usize| u32::from_le_bytes(core::array::from_fn(|byte| head[at + byte]));
    let (width, height, bits, kind) = (word(12), word(16), head[20], head[21]);
    match kind {
        TEXT => {
            let layout = TextLayout { columns: width, rows: height }.checked().ok_or(LayoutFault::Size)?;
            Ok((u64::from(word(0)) == TextLayout::ADDRESS).then_some(Layout::Text(layout)))
        }
        PIXELS => {
            let colours = colours.first_chunk::<6>().ok_or(LayoutFault::Colours)?;
            let channel = |at: usize| Channel { position: colours[at], bits: colours[at + 1] };
            if !bits.is_multiple_of(8) {
                return Err(LayoutFault::PixelBits(bits));
            }
            let layout = PixelLayout {
                address: u64::from(word(4)) << 32 | u64::from(word(0)),
                pitch: word(8),
                width,
                height,
                pixel_bytes: bits / 8,
                red: channel(0),
                green: channel(2),
                blue: channel(4),
            };
            layout.checked().map(|layout| Some(Layout::Pixels(layout)))
        }
        _ => Ok(None),
    }
}

/// The string in `bytes`, which lie in the loader's information, for as long as that is there.
fn until_nul(bytes: &[u8]) -> &'static [u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let string: *const [u8] = &bytes[..end];
    // SAFETY: see `BootInformation::load`: the information is neither freed nor written to.
    unsafe { &*string }
}

#[cfg(test)]
#[path = "boot_information_tests.rs"]
mod tests;
