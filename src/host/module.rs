//! A module's file, read for its program: what only debuggers want stays where it is. That is often most of the file.
//!
//! Key functions: [`read`], [`read_and_hash`], [`read_input`]. Neighbours: the command runs what it reads.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str;
use std::sync::mpsc;
use std::thread;
use std::vec;
use std::vec::Vec;

use blake3::Hasher;

use super::mapping::Mapping;
use crate::engine::Source;

/// What is in front of the sections (WebAssembly core specification, 5.5.16).
const PREAMBLE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// The number of custom sections, which mean nothing to a program (5.5.3).
const CUSTOM: u8 = 0;

/// The one custom section that is used: names of functions.
const NAMES: &str = "name";

/// What is read at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What is read of a section to know what it is.
const HEADER_BYTES: usize = 64;

/// The module in the file at `path`, less the custom sections behind all others: no offset that is ever shown changes. What is
/// not made of whole sections is read as it is.
pub fn read(path: &Path) -> io::Result<Source> {
    let mut file = File::open(path)?;
    match Parts::of(&file)? {
        None => Ok(to_end(&mut file)?.into()),
        Some(parts) => {
            let bytes = parts.room()?;
            parts.fill(&file, bytes, |_| ())?;
            Ok(Source { bytes, hash: None })
        }
    }
}

/// The same, and BLAKE3 of it if that is worth a thread, which hashes what is there while more is read.
pub fn read_and_hash(path: &Path) -> io::Result<Source> {
    let mut file = File::open(path)?;
    let Some(parts) = Parts::of(&file)? else { return Ok(to_end(&mut file)?.into()) };
    let bytes = parts.room()?;
    if bytes.len() < 2 * PIECE_BYTES {
        parts.fill(&file, bytes, |_| ())?;
        return Ok(Source { bytes, hash: None });
    }
    let hash = thread::scope(|scope| {
        let (there, coming) = mpsc::channel();
        let hash = move || coming.into_iter().fold(Hasher::new(), hash_more).finalize();
        // Where no thread can be had, nobody takes the pieces.
        let hashing = thread::Builder::new().spawn_scoped(scope, hash).ok();
        parts.fill(&file, &mut *bytes, |piece| {
            let _ = there.send(piece);
        })?;
        drop(there);
        Ok::<_, io::Error>(hashing.and_then(|hashing| hashing.join().ok()))
    })?;
    Ok(Source { bytes, hash: hash.map(|hash| *hash.as_bytes()) })
}

/// The module on the standard input, all of it.
pub fn read_input() -> io::Result<Source> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    Ok(to_end(&mut input)?.into())
}

fn hash_more(mut hasher: Hasher, piece: &[u8]) -> Hasher {
    hasher.update(piece);
    hasher
}

fn to_end(file: &mut File) -> io::Result<&'static [u8]> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.leak())
}

/// The parts of a file that are read.
struct Parts(Vec<Range<u64>>);

impl Parts {
    /// None if `file` is something else than a file.
    fn of(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        metadata.is_file().then(|| parts(file, metadata.len()).map(Self)).transpose()
    }

    /// Memory for them.
    fn room(&self) -> io::Result<&'static mut [u8]> {
        let bytes = self.0.iter().map(|part| part.end - part.start).sum::<u64>();
        let bytes = usize::try_from(bytes).map_err(|_| ErrorKind::FileTooLarge)?;
        if bytes == 0 { Ok(&mut []) } else { Mapping::zeroed(bytes) }
    }

    /// Reads them into `bytes`, which has as many, and hands on each piece as it comes.
    fn fill<'b>(&self, file: &File, mut bytes: &'b mut [u8], mut then: impl FnMut(&'b [u8])) -> io::Result<()> {
        for part in &self.0 {
            let (place, behind) = bytes.split_at_mut((part.end - part.start) as usize);
            let starts = (part.start..).step_by(PIECE_BYTES);
            for (piece, start) in place.chunks_mut(PIECE_BYTES).zip(starts) {
                file.read_exact_at(piece, start)?;
                then(piece);
            }
            bytes = behind;
        }
        Ok(())
    }
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
        let [bytes, again] = [read, read_and_hash].map(|read| read(file.path()).unwrap().bytes);
        assert_eq!(bytes, again);
        bytes.to_vec()
    }

    #[test]
    fn what_only_debuggers_want_is_left_out() {
        let [program, info, names, producers] = module();
        let whole = [&program[..], &info, &names, &producers].concat();
        assert_eq!(read_file(&whole), [&program[..], &names].concat());
        let named = Module::decode(read_file(&whole).leak()).unwrap();
        assert_eq!(named.names().values().collect::<Vec<_>>(), [&"f"]);
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
    fn what_is_large_is_hashed_while_it_is_read() {
        let [mut program, info, names, _] = module();
        // A custom section of five million bytes in front of another one.
        program.extend([CUSTOM, 0xc5, 0x96, 0xb1, 0x02, 4]);
        program.extend_from_slice(b"more");
        program.extend((0..5_000_000_u32).map(|index| (index >> 8 ^ index) as u8));
        program.extend([11, 1, 0]);
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), [&program[..], &info, &names].concat()).unwrap();
        let expected = [&program[..], &names].concat();
        let Source { bytes, hash } = read_and_hash(file.path()).unwrap();
        assert!(bytes == expected && read(file.path()).unwrap().bytes == expected);
        assert_eq!(hash, Some(*blake3::hash(&expected).as_bytes()));
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
        assert_eq!(read(Path::new("/dev/null")).unwrap().bytes, b"");
        assert!(read(Path::new("/")).is_err());
        assert_eq!(read(Path::new("/nowhere/at/all")).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    }
}
