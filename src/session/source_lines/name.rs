//! What a function is called whose body stands in place of a call.
//!
//! Key function: [`name_at`].

use alloc::string::String;
use core::fmt::{self, Write};
use gimli::{AttributeValue, DebugInfoOffset, Error, Unit, UnitOffset, UnitRef};

use super::unit::unit_of;
use super::{Reading, Slice};

/// So many entries refer to each other at the most.
const MOST_STEPS: usize = 16;

/// Longer names and paths are cut.
const MOST_CHARACTERS: usize = 200;

/// What there is of a name where an entry is.
enum Step<'a> {
    Named(String),
    /// The entry that it refers to, which may be another unit's, and what a linker calls it.
    Refers(AttributeValue<Slice<'a>>, Option<&'a [u8]>),
    Nothing,
}

/// The name of the entry at `offset`, or of what that refers to.
pub fn name_at<'a>(reading: &Reading<'a>, unit: &UnitRef<'_, Slice<'a>>, offset: UnitOffset) -> Option<String> {
    let mut step = step(unit, offset).ok()?;
    let mut linkage_name = None;
    let mut other: Option<Unit<Slice<'a>>> = None;
    for _ in 0..MOST_STEPS {
        let value = match step {
            Step::Named(name) => return Some(name),
            Step::Nothing => break,
            Step::Refers(value, name) => {
                linkage_name = linkage_name.or(name);
                value
            }
        };
        let offset = match value {
            AttributeValue::UnitRef(offset) => offset,
            AttributeValue::DebugInfoRef(offset) => {
                let (unit, offset) = unit_around(reading, offset)?;
                other = Some(unit);
                offset
            }
            _ => break,
        };
        let unit = other.as_ref().map_or(*unit, |other| UnitRef::new(&reading.dwarf, other));
        step = self::step(&unit, offset).ok()?;
    }
    linkage_name.map(cut)
}

fn step<'a>(unit: &UnitRef<'_, Slice<'a>>, offset: UnitOffset) -> Result<Step<'a>, Error> {
    let mut entries = unit.entries_raw(Some(offset))?;
    let (mut name, mut linkage_name, mut refers) = (None, None, None);
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(Step::Nothing) };
    for spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(*spec)?;
        let text = || unit.attr_string(attribute.value()).ok().map(|name| name.slice());
        match attribute.name() {
            gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => linkage_name = text(),
            gimli::DW_AT_name => name = text(),
            gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => refers = Some(attribute.value()),
            _ => {}
        }
    }
    let named = linkage_name.and_then(path_in_rust).or_else(|| name.map(cut));
    Ok(match (named, refers) {
        (Some(name), _) => Step::Named(name),
        (None, Some(value)) => Step::Refers(value, linkage_name),
        (None, None) => linkage_name.map_or(Step::Nothing, |name| Step::Named(cut(name))),
    })
}

/// Rust's name for the linker says all; that of C++ only to those who can read it.
fn path_in_rust(linkage_name: &[u8]) -> Option<String> {
    let path = rustc_demangle::try_demangle(core::str::from_utf8(linkage_name).ok()?).ok()?;
    Some(short(format_args!("{path:#}")))
}

/// `bytes` in print, as much of them as is shown.
pub fn cut(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(4 * MOST_CHARACTERS)];
    short(format_args!("{}", String::from_utf8_lossy(bytes)))
}

fn short(text: fmt::Arguments<'_>) -> String {
    let mut short = Short { text: String::new(), left: MOST_CHARACTERS };
    if short.write_fmt(text).is_err() {
        short.text.push_str("...");
    }
    short.text
}

/// Takes so many characters. Names in a module are whatever somebody wrote there: they are escaped.
struct Short {
    text: String,
    left: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.extend(character.escape_debug());
        }
        Ok(())
    }
}

/// The unit in which `offset` is, and where in it.
fn unit_around<'a>(reading: &Reading<'a>, offset: DebugInfoOffset) -> Option<(Unit<Slice<'a>>, UnitOffset)> {
    let mut headers = reading.dwarf.units();
    while let Some(header) = headers.next().ok()? {
        if (reading.is_over)() {
            return None;
        }
        if let Some(place) = offset.to_unit_offset(&header) {
            return Some((unit_of(reading, header).ok()?, place));
        }
    }
    None
}
