//! Where the calls of a backtrace are in the source, by the DWARF that the program's module carries.
//!
//! Key function: [`tell`]. Addresses in a module's DWARF are offsets from where the contents of its code section begin (DWARF for
//! WebAssembly, 2.1). A module says whatever somebody wrote into it, and little memory may be left: so everything is read once,
//! for all calls at a time, without recursion, in tables whose size is bounded by what is free, and for a limited time. Neighbours:
//! both faces call it after a trap; [`unit`] reads what one compiler made at a time.

mod name;
mod ranges;
mod unit;

use alloc::vec::Vec;
use core::ops::Range;
use gimli::{Dwarf, EndianSlice, Error, LittleEndian};
use wasmparser::{Parser, Payload};

use crate::engine::TraceFrame;
use unit::Place;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Ticks that are spent on it: a second or two.
const MOST_TICKS: u64 = 1 << 32;

/// What is left free, also for the lines themselves. Where there is not even that, nothing is read.
const LEAVES_BYTES: u64 = 4 << 20;

/// What a table takes, at the most, of memory for each byte that it is read from.
const MEMORY_PER_BYTE: u64 = 512;

/// More than any compiler writes into one table.
const MOST_TABLE_BYTES: u64 = 1 << 20;

/// What may be spent on finding lines.
pub struct Means<'a> {
    /// Memory that can be had.
    pub free_bytes: u64,
    pub now: &'a dyn Fn() -> u64,
}

/// The DWARF, and what may be spent on it.
struct Reading<'a> {
    dwarf: Dwarf<Slice<'a>>,
    /// Largest table that is read.
    most_table_bytes: usize,
    is_over: &'a dyn Fn() -> bool,
}

/// Has frames say where in the source they are, as far as the DWARF of `module` tells.
pub fn tell(module: &[u8], frames: &mut [TraceFrame], means: &Means<'_>) {
    let most_table_bytes = means.free_bytes.saturating_sub(LEAVES_BYTES) / MEMORY_PER_BYTE;
    let until = (means.now)().saturating_add(MOST_TICKS);
    let is_over = || (means.now)() > until;
    let Some((dwarf, code)) = dwarf(module).filter(|_| most_table_bytes > 0) else { return };
    let most_table_bytes = most_table_bytes.min(MOST_TABLE_BYTES) as usize;
    let reading = Reading { dwarf, most_table_bytes, is_over: &is_over };
    let address = |offset: u32| Some((offset as usize).checked_sub(code.start)? as u64);
    let (mut ours, mut places) = (Vec::new(), Vec::new());
    for frame in frames.iter_mut().filter(|frame| frame.body_start.is_some()) {
        if let Some(address) = frame.offset.and_then(address) {
            places.push(Place::new(address));
            ours.push(frame);
        }
    }
    reading.find(&mut places);
    for (frame, place) in ours.into_iter().zip(places) {
        frame.source = place.lines;
    }
}

/// Where the contents of the code section are in `module`; none if it is no module, or has no DWARF.
pub fn described_code(module: &[u8]) -> Option<Range<usize>> {
    dwarf(module).map(|(_, code)| code)
}

/// The DWARF of `module`, and where the contents of its code section are.
fn dwarf(module: &[u8]) -> Option<(Dwarf<Slice<'_>>, Range<usize>)> {
    let (mut sections, mut code) = (Vec::new(), None);
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::CodeSectionStart { unchecked_range, .. } => code = Some(unchecked_range),
            Payload::CustomSection(section) if section.name().starts_with(".debug_") => {
                sections.push((section.name(), section.data()));
            }
            _ => {}
        }
    }
    let content = |name: &str| sections.iter().rfind(|(known, _)| *known == name).map(|(_, content)| *content);
    content(".debug_info")?;
    let slice = |name: &str| EndianSlice::new(content(name).unwrap_or_default(), LittleEndian);
    let dwarf = Dwarf::load(|id| Ok::<_, Error>(slice(id.name()))).ok()?;
    let code = code?;
    Some((dwarf, usize::try_from(code.start).ok()?..usize::try_from(code.end).ok()?))
}

#[cfg(test)]
mod tests;
