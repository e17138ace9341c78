//! A module's file, read for its program: what only debuggers want stays where it is. That is often most of the file.
//!
//! Key function: [`read`]. Neighbours: the command runs what it reads.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str;
use std::vec;
use std::vec::Vec;

/// What is in front of the sections (WebAssembly core specification, 5.5.16).
const PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// The number of custom sections, which mean nothing to a program (5.5.3).
const CUSTOM: u8 = 0;

/// The one custom section that is used: names of functions.
const NAMES: &str = "name";

/// What is read of a section to know what it is.
const HEADER_BYTES: usize = 64;

/// The module in the file at `path`, less the custom sections behind all others: no offset that is ever shown changes. What is
/// not made of whole sections is read as it is.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut bytes = Vec::new();
    if !metadata.is_file() {
        file.read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let parts = parts(&file, metadata.len())?;
    let wanted = parts.iter().map(|part| part.end - part.start).sum::<u64>();
    bytes.try_reserve_exact(usize::try_from(wanted).map_err(|_| ErrorKind::FileTooLarge)?)?;
    for part in parts {
        let part_bytes = part.end - part.start;
        file.seek(SeekFrom::Start(part.start))?;
        if (&file).take(part_bytes).read_to_end(&mut bytes)? as u64 != part_bytes {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}

/// The parts of `file` that are read.
fn parts(file: &File, file_bytes: u64) -> io::Result<Vec<Range<u64>>> {
    let whole = 0..file_bytes;
    let mut preamble = PREAMBLE;
    if file_bytes > PREAMBLE.len() as u64 {
        file.read_exact_at(&mut preamble, 0)?;
    }
    if preamble != PREAMBLE {
        return Ok(vec![whole]);
    }
    let (mut at, mut behind_others, mut names) = (PREAMBLE.len() as u64, PREAMBLE.len() as u64, Vec::new());
    while at < file_bytes {
        let mut header = [0; HEADER_BYTES];
        let header = &mut header[..HEADER_BYTES.min((file_bytes - at) as usize)];
        file.read_exact_at(header, at)?;
        let section = Section::read(header).filter(|section| section.bytes <= file_bytes - at);
        let Some(section) = section else { return Ok(vec![whole]) };
        let end = at + section.bytes;
        match section.kind {
            Kind::Names => names.push(at..end),
            Kind::OtherCustom => {}
            Kind::NotCustom => {
                behind_others = end;
                names.clear();
            }
        }
        at = end;
    }
    names.insert(0, 0..behind_others.min(file_bytes));
    Ok(names)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Names,
    OtherCustom,
    NotCustom,
}

/// A section, its header included.
struct Section {
    kind: Kind,
    bytes: u64,
}

impl Section {
    /// The section that begins with `header`; none if that is none, or is a custom one without a name or with a long one.
    fn read(header: &[u8]) -> Option<Self> {
        let (number, rest) = header.split_first()?;
        let (content_bytes, content) = unsigned(rest)?;
        let bytes = (header.len() - content.len()) as u64 + u64::from(content_bytes);
        if *number != CUSTOM {
            return Some(Self { kind: Kind::NotCustom, bytes });
        }
        let (name_bytes, rest) = unsigned(&content[..content.len().min(content_bytes as usize)])?;
        let name = str::from_utf8(rest.get(..name_bytes as usize)?).ok()?;
        Some(Self { kind: if name == NAMES { Kind::Names } else { Kind::OtherCustom }, bytes })
    }
}

/// The number of 32 bits in LEB128 in front of `bytes` (5.2.2), and what follows it.
fn unsigned(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let last = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(last + 1);
    let number = number.iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((u32::try_from(number).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decode::module::Module;
    use std::fs;
    use std::string::ToString;
    use tempfile::NamedTempFile;

    /// The parts of a module with custom sections everywhere: what is in front of the last other one, names behind it, and
    /// what only debuggers want, before and behind them.
    fn module() -> [Vec<u8>; 4] {
        let program = wat::parse_str(
            r#"(module (@custom "first" (before first) "x") (func $f (result i32) (i32.const 7))
              (@custom "between" (before data) "yy") (memory 1) (data (i32.const 9) "abc"))"#,
        );
        let program = program.unwrap();
        // The assembler's own section of names is the last one.
        let names = program.windows(5).rposition(|bytes| bytes == b"\x04name").unwrap() - 2;
        let (program, names) = program.split_at(names);
        let custom = |name: &str, content: &[u8]| {
            let mut bytes = vec![CUSTOM];
            let size = 1 + name.len() + content.len();
            bytes.extend([size as u8 & 0x7f | 0x80, (size >> 7) as u8, name.len() as u8]);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(content);
            bytes
        };
        [program.to_vec(), custom(".debug_info", &[0xee; 900]), names.to_vec(), custom("nam", b"")]
    }

    fn read_file(bytes: &[u8]) -> Vec<u8> {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn what_only_debuggers_want_is_left_out() {
        let [program, info, names, producers] = module();
        let whole = [&program[..], &info, &names, &producers].concat();
        assert_eq!(read_file(&whole), [&program[..], &names].concat());
        let named = Module::decode(read_file(&whole).leak()).unwrap();
        assert_eq!(named.names.values().collect::<Vec<_>>(), [&"f"]);
        // Sections in front of others stay, since code behind them is told by its offset.
        let data = [11, 1, 0];
        let more = [&whole[..], &data, &info].concat();
        assert_eq!(read_file(&more), more[..whole.len() + data.len()]);
    }

    #[test]
    fn files_cut_or_damaged_anywhere_are_refused_as_they_would_be_whole() {
        let [program, info, names, producers] = module();
        let whole = [&program[..], &info, &names, &producers].concat();
        let refused = |bytes: &[u8]| Module::decode(bytes.to_vec().leak()).err().map(|error| error.to_string());
        for cut in 0..whole.len() {
            assert_eq!(refused(&read_file(&whole[..cut])), refused(&whole[..cut]), "cut at {cut}");
        }
        for at in (0..whole.len()).filter(|at| !(program.len() + 20..program.len() + info.len()).contains(at)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x81;
            assert_eq!(refused(&read_file(&damaged)), refused(&damaged), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_module_is_read_as_it_is() {
        for bytes in
            [&b""[..], b"\0asm", b"\0asm\x01\0\0", b"#!/bin/sh\necho this is a long line of no section\n", &[0xff; 99]]
        {
            assert_eq!(read_file(bytes), bytes);
        }
    }

    #[test]
    fn what_is_not_a_file_is_read_to_its_end() {
        assert_eq!(read(Path::new("/dev/null")).unwrap(), b"");
        assert!(read(Path::new("/")).is_err());
        assert_eq!(read(Path::new("/nowhere/at/all")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
