//! Where code is in the source that it was compiled from, by the DWARF that its module carries.
//!
//! Key type: [`SourceLines`]. Addresses in a module's DWARF are offsets from where the contents of its code section begin (DWARF for
//! WebAssembly, 2.1). Neighbour: the command asks it after a trap.

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, Error, LittleEndian};
use std::collections::BTreeMap;
use std::format;
use std::ops::Range;
use std::string::String;
use std::vec::Vec;
use wasmparser::{Parser, Payload};

/// Most functions that are named of those whose bodies were put in place of each other's calls.
const MOST_INLINED: usize = 16;

/// What a module's DWARF says about its code.
pub struct SourceLines<'a> {
    context: Context<EndianSlice<'a, LittleEndian>>,
    code: Range<usize>,
}

impl<'a> SourceLines<'a> {
    /// None if `module` carries no DWARF, or such as cannot be read.
    pub fn of(module: &'a [u8]) -> Option<Self> {
        let (mut sections, mut code) = (BTreeMap::new(), None);
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::CodeSectionStart { unchecked_range, .. } => code = Some(unchecked_range),
                Payload::CustomSection(section) => {
                    sections.insert(section.name(), section.data());
                }
                _ => {}
            }
        }
        sections.get(".debug_info")?;
        let section = |name: &str| EndianSlice::new(sections.get(name).copied().unwrap_or_default(), LittleEndian);
        let dwarf = Dwarf::load(|id| Ok::<_, Error>(section(id.name()))).ok()?;
        let code = code?;
        let code = usize::try_from(code.start).ok()?..usize::try_from(code.end).ok()?;
        Some(Self { context: Context::from_dwarf(dwarf).ok()?, code })
    }

    /// Where the code is in the module.
    pub fn code(&self) -> Range<usize> {
        self.code.clone()
    }

    /// What is known of the operator at `offset` in the module, in lines for people: innermost first the functions whose bodies
    /// the compiler put in place of calls, and then the place in the function itself.
    pub fn at(&self, offset: u32) -> Vec<String> {
        let Some(address) = (offset as usize).checked_sub(self.code.start) else { return Vec::new() };
        self.lines(address as u64).unwrap_or_default()
    }

    fn lines(&self, address: u64) -> Result<Vec<String>, Error> {
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let (mut lines, mut inlined) = (Vec::new(), None);
        while let Some(frame) = frames.next()? {
            // That of the function itself comes last.
            if let Some((name, place)) = inlined.take() {
                lines.push(format!("inlined {name}{place}"));
            }
            let place = frame.location.and_then(|location| {
                let file = printable(location.file?);
                let line = location.line?;
                Some(location.column.map_or_else(|| format!("{file}:{line}"), |at| format!("{file}:{line}:{at}")))
            });
            let name = frame.function.and_then(|name| name.demangle().map(|name| printable(&name)).ok());
            let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
            inlined = Some((name.unwrap_or_else(|| String::from("a function")), place));
            if lines.len() == MOST_INLINED {
                break;
            }
        }
        lines.extend(inlined.map(|(_, place)| String::from(place.trim_start())).filter(|place| !place.is_empty()));
        Ok(lines)
    }
}

/// Names in a module are whatever somebody wrote there.
fn printable(name: &str) -> String {
    name.escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut module = wat::parse_str("(module (func $f (nop) (unreachable)))").unwrap();
        for (name, content) in sections {
            let bytes = 1 + name.len() + content.len();
            module.extend([0, bytes as u8 | 0x80, (bytes >> 7) as u8, name.len() as u8]);
            module.extend(name.as_bytes());
            module.extend_from_slice(content);
        }
        module
    }

    #[test]
    fn modules_without_dwarf_have_no_lines() {
        assert!(SourceLines::of(&module(&[])).is_none());
        assert!(SourceLines::of(b"no module").is_none());
        assert!(SourceLines::of(b"").is_none());
    }

    #[test]
    fn absurd_dwarf_says_nothing_or_something() {
        for byte in 0..=255_u8 {
            let contents: Vec<u8> = (0..200).map(|index: u32| byte.wrapping_mul(index as u8 ^ 0x5b)).collect();
            let names = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges"];
            let module = module(&names.map(|name| (name, &contents[..])));
            if let Some(lines) = SourceLines::of(&module) {
                (0..module.len() as u32).for_each(|offset| drop(lines.at(offset)));
            }
        }
    }
}
