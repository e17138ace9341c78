//! What one unit, the work of a compiler on one source, says of addresses.
//!
//! Key type: [`Place`]. A unit's entries are a tree, which is read once from its beginning: functions, and in them those whose
//! bodies stand in place of calls. Its line program says where an address is in the innermost of them, and each of these where it
//! was called.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use gimli::{
    AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugLineOffset, Error, IncompleteLineProgram, LineInstruction,
    LineProgramHeader, Reader, Section, Unit, UnitHeader, UnitOffset, UnitRef,
};

use super::name::{cut, name_at};
use super::ranges::Covered;
use super::{Reading, Slice};

/// Most functions that are named of those whose bodies were put in place of each other's calls.
const MOST_INLINED: usize = 16;

/// Most that are looked at.
const MOST_DEPTH: usize = 256;

/// An address, and what is known of it, in lines for people: innermost first the functions whose bodies the compiler put in place
/// of calls, and then the place in the function itself.
pub struct Place {
    address: u64,
    pub lines: Vec<String>,
}

impl Place {
    pub fn new(address: u64) -> Self {
        Self { address, lines: Vec::new() }
    }
}

/// What a unit says of an address.
#[derive(Clone, Default)]
struct Found {
    /// The function, and in it those whose bodies are around the address, outermost first.
    around: Vec<Around>,
    position: Option<Position>,
}

/// An entry around an address.
#[derive(Clone)]
struct Around {
    entry: UnitOffset,
    depth: isize,
    /// Where the body stands in place of a call, if it does.
    call: Option<Position>,
}

/// A file by its number in the line program; lines and columns from 1 on, 0 where nothing is said.
#[derive(Clone, Copy, Default)]
struct Position {
    file: u64,
    line: u64,
    column: u64,
}

impl<'a> Reading<'a> {
    /// Finds what there is about `places`.
    pub fn find(&self, places: &mut [Place]) {
        let mut headers = self.dwarf.units();
        // What cannot be read any more ends it, be that an error.
        while let Ok(Some(header)) = headers.next()
            && !(self.is_over)()
            && places.iter().any(|place| place.lines.is_empty())
        {
            // What is wrong with one unit is wrong with no other.
            let _ = self.find_in(header, places);
        }
    }

    fn find_in(&self, header: UnitHeader<Slice<'a>>, places: &mut [Place]) -> Result<(), Error> {
        let unit = unit_of(self, header)?;
        let unit = UnitRef::new(&self.dwarf, &unit);
        let covered = covered_by(&unit)?;
        if covered.says_any() {
            let mut has_some = false;
            covered.for_each(&unit, self.is_over, |range| {
                has_some |= places.iter().any(|place| range.contains(&place.address));
            })?;
            if !has_some {
                return Ok(());
            }
        }
        let mut found = vec![Found::default(); places.len()];
        self.find_functions(&unit, places, &mut found)?;
        if let Some(program) = unit.line_program.clone() {
            self.find_positions(program, places, &mut found)?;
        }
        for (place, found) in places.iter_mut().zip(found) {
            if place.lines.is_empty() {
                place.lines = self.lines(&unit, &found);
            }
        }
        Ok(())
    }

    fn find_functions(
        &self,
        unit: &UnitRef<'_, Slice<'a>>,
        places: &[Place],
        found: &mut [Found],
    ) -> Result<(), Error> {
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() && !(self.is_over)() {
            let (entry, depth) = (entries.next_offset(), entries.next_depth());
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let is_function = abbreviation.tag() == gimli::DW_TAG_subprogram;
            if !is_function && abbreviation.tag() != gimli::DW_TAG_inlined_subroutine {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let (mut covered, mut call) = (Covered::default(), Position::default());
            for spec in abbreviation.attributes() {
                let attribute = entries.read_attribute(*spec)?;
                covered.note(unit, &attribute)?;
                call.note(attribute.name(), attribute.value());
            }
            let around = Around { entry, depth, call: Some(call).filter(|_| !is_function) };
            covered.for_each(unit, self.is_over, |range| {
                for (place, found) in places.iter().zip(&mut *found) {
                    if range.contains(&place.address) {
                        found.add(&around);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Fails if the tables in front of the line program at `offset` are too large.
    fn check_files(&self, offset: DebugLineOffset) -> Result<(), Error> {
        let mut input = *self.dwarf.debug_line.reader();
        input.skip(offset.0)?;
        let (_, format) = input.read_initial_length()?;
        if input.read_u16()? >= 5 {
            input.skip(2)?;
        }
        let fits = input.read_length(format)? <= self.most_table_bytes;
        if fits { Ok(()) } else { Err(Error::UnsupportedOffset) }
    }

    fn find_positions(
        &self,
        program: IncompleteLineProgram<Slice<'a>>,
        places: &[Place],
        found: &mut [Found],
    ) -> Result<(), Error> {
        if self.defines_files(program.header())? {
            return Ok(());
        }
        let mut rows = program.rows();
        // Where the row before begins, unless that was the end of a sequence, and what it says.
        let mut before: Option<(u64, Position)> = None;
        while let Some((_, row)) = rows.next_row()?
            && !(self.is_over)()
        {
            if let Some((start, position)) = before {
                for (place, found) in places.iter().zip(&mut *found) {
                    if (start..row.address()).contains(&place.address) {
                        found.position.get_or_insert(position);
                    }
                }
            }
            // A sequence that begins at 0 is one that a linker left out.
            let goes_on = !row.end_sequence() && row.address() > 0;
            before = goes_on.then(|| (row.address(), Position::of(row)));
        }
        Ok(())
    }

    /// Whether the table of files grows while the program is read, by as much as somebody liked. No compiler does that.
    fn defines_files(&self, header: &LineProgramHeader<Slice<'a>>) -> Result<bool, Error> {
        let mut instructions = header.instructions();
        while let Some(instruction) = instructions.next_instruction(header)? {
            if matches!(instruction, LineInstruction::DefineFile(_)) || (self.is_over)() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was `found` of a place, for people.
    fn lines(&self, unit: &UnitRef<'_, Slice<'a>>, found: &Found) -> Vec<String> {
        let shown = |position: Option<Position>| position.and_then(|position| position.shown(unit));
        let (mut lines, mut position) = (Vec::new(), found.position);
        for Around { entry, call, .. } in found.around.iter().rev() {
            let Some(call) = call else { break };
            if lines.len() < MOST_INLINED {
                let name = name_at(self, unit, *entry).unwrap_or_else(|| String::from("a function"));
                let place = shown(position).map(|place| format!(" at {place}")).unwrap_or_default();
                lines.push(format!("inlined {name}{place}"));
            }
            position = Some(*call);
        }
        lines.extend(shown(position).map(|place| format!("at {place}")));
        lines
    }
}

impl Found {
    /// Adds what is around the address, and within all that was added before. Of several, the first is it.
    fn add(&mut self, around: &Around) {
        let is_within = self.around.last().is_none_or(|last| last.depth < around.depth);
        if around.call.is_none() && is_within {
            // A function within another one is its own.
            self.around.clear();
        }
        let begins = !self.around.is_empty() || around.call.is_none();
        if is_within && begins && self.around.len() < MOST_DEPTH {
            self.around.push(around.clone());
        }
    }
}

impl Position {
    fn of(row: &gimli::LineRow) -> Self {
        let column = match row.column() {
            gimli::ColumnType::LeftEdge => 0,
            gimli::ColumnType::Column(column) => column.get(),
        };
        Self { file: row.file_index(), line: row.line().map_or(0, |line| line.get()), column }
    }

    /// Reads an attribute that may be about a call.
    fn note(&mut self, name: gimli::DwAt, value: AttributeValue<Slice<'_>>) {
        match (name, value) {
            (gimli::DW_AT_call_file, AttributeValue::FileIndex(file)) => self.file = file,
            (gimli::DW_AT_call_line, value) => self.line = value.udata_value().unwrap_or(0),
            (gimli::DW_AT_call_column, value) => self.column = value.udata_value().unwrap_or(0),
            _ => {}
        }
    }

    /// None where no line is said.
    fn shown(self, unit: &UnitRef<'_, Slice<'_>>) -> Option<String> {
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(self.file).filter(|_| self.line > 0)?;
        let text = |value| unit.attr_string(value).ok().map(|text| text.slice());
        let name = text(file.path_name())?;
        let directory = file.directory(header).and_then(text).unwrap_or_default();
        let root = unit.comp_dir.map(|text| text.slice()).unwrap_or_default();
        let mut parts = vec![name];
        for around in [directory, root] {
            if parts[0].starts_with(b"/") {
                break;
            }
            if !around.is_empty() && around != parts[0] {
                parts.insert(0, around);
            }
        }
        let path = cut(&parts.join(&b"/"[..]));
        let column = if self.column > 0 { format!(":{}", self.column) } else { String::new() };
        Some(format!("{path}:{}{column}", self.line))
    }
}

/// The unit of `header`; an error also if its tables are too large.
pub fn unit_of<'a>(reading: &Reading<'a>, header: UnitHeader<Slice<'a>>) -> Result<Unit<Slice<'a>>, Error> {
    let mut table = *reading.dwarf.debug_abbrev.reader();
    table.skip(header.debug_abbrev_offset().0)?;
    table.truncate(table.len().min(reading.most_table_bytes))?;
    let abbreviations = Arc::new(DebugAbbrev::from(table).abbreviations(DebugAbbrevOffset(0))?);
    let mut entries = header.entries_raw(&abbreviations, None)?;
    let root = entries.read_abbreviation()?.ok_or(Error::MissingUnitDie)?;
    for spec in root.attributes() {
        if let AttributeValue::DebugLineRef(offset) = entries.read_attribute(*spec)?.value() {
            reading.check_files(offset)?;
        }
    }
    Unit::new_with_abbreviations(&reading.dwarf, header, abbreviations)
}

/// The addresses that a unit says that it is about.
fn covered_by(unit: &UnitRef<'_, Slice<'_>>) -> Result<Covered, Error> {
    let mut entries = unit.entries_raw(None)?;
    let mut covered = Covered::default();
    let root = entries.read_abbreviation()?.ok_or(Error::MissingUnitDie)?;
    for spec in root.attributes() {
        covered.note(unit, &entries.read_attribute(*spec)?)?;
    }
    Ok(covered)
}
