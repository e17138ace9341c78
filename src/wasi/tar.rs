//! Tar archives (POSIX.1-2017 `pax`, "ustar Interchange Format" and "pax Interchange Format"; GNU tar's long names and large
//! numbers), read where they lie: a pure function of bytes that anybody may have made.
//!
//! [`members`] gives one [`Member`] after another. What an archive can hold and a tree of files cannot is a [`TarError`] that
//! names it: nothing is left out silently.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

const BLOCK_BYTES: usize = 512;

/// Most bytes in the name of a member or what a link leads to.
const NAME_BYTES_MAX: usize = 4096;

/// What an archive holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// As it stands in the archive.
    pub path: Cow<'a, str>,
    pub kind: Kind<'a>,
    /// Since 1970; 0 for what was before.
    pub modified_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    File(&'a [u8]),
    Directory,
    /// Another name of the member with this path.
    HardLink(Cow<'a, str>),
    SymbolicLink(Cow<'a, str>),
}

/// Why an archive cannot be read. Offsets are in bytes from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TarError {
    /// It ends within what the header at `offset` announces.
    CutOff { offset: usize },
    /// There is no header where one has to be.
    NoHeader { offset: usize },
    /// A field of the header at `offset` is not what it has to be.
    BadField { offset: usize, field: &'static str },
    /// A name is not UTF-8, or longer than any path.
    BadName { offset: usize },
    /// Something that is neither a file, a directory nor a link.
    Unsupported { path: String, what: &'static str },
}

/// The members of `archive`, in their order, until one is not as it has to be.
pub fn members(archive: &[u8]) -> Members<'_> {
    Members { archive, offset: 0, extended: Extended::default() }
}

pub struct Members<'a> {
    archive: &'a [u8],
    offset: usize,
    /// What members before it say of the next one.
    extended: Extended<'a>,
}

#[derive(Default)]
struct Extended<'a> {
    path: Option<&'a [u8]>,
    target: Option<&'a [u8]>,
    size: Option<u64>,
    modified_ns: Option<u64>,
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, TarError>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member().transpose();
        if !matches!(member, Some(Ok(_))) {
            self.offset = self.archive.len();
        }
        member
    }
}

impl<'a> Members<'a> {
    fn member(&mut self) -> Result<Option<Member<'a>>, TarError> {
        loop {
            let Some(header) = Header::at(self.archive, self.offset)? else { return Ok(None) };
            let kind = header.kind();
            let own_size = match kind {
                // Of what has no contents, some give the size of what it is a name of.
                b'1' | b'2' | b'5' => 0,
                _ => header.number(124..136, "size")?,
            };
            let size = if is_about_next(kind) { own_size } else { self.extended.size.take().unwrap_or(own_size) };
            let contents = self.contents(&header, size)?;
            match kind {
                b'x' => self.extended.read(contents, header.offset)?,
                // What it says holds for all that follow, and none of that matters here.
                b'g' => Extended::default().read(contents, header.offset)?,
                b'L' => self.extended.path = Some(until_nul(contents)),
                b'K' => self.extended.target = Some(until_nul(contents)),
                _ => return self.found(&header, contents).map(Some),
            }
        }
    }

    /// The bytes behind the header, which `offset` then is behind.
    fn contents(&mut self, header: &Header<'a>, size: u64) -> Result<&'a [u8], TarError> {
        let cut_off = TarError::CutOff { offset: header.offset };
        let start = header.offset + BLOCK_BYTES;
        let contents = usize::try_from(size).ok().and_then(|size| self.archive[start..].get(..size)).ok_or(cut_off)?;
        // The last block may be cut off where the archive ends.
        self.offset = (start + contents.len().next_multiple_of(BLOCK_BYTES)).min(self.archive.len());
        Ok(contents)
    }

    fn found(&mut self, header: &Header<'a>, contents: &'a [u8]) -> Result<Member<'a>, TarError> {
        let extended = core::mem::take(&mut self.extended);
        let path = header.name(extended.path, || header.path())?;
        let target = || header.name(extended.target, || until_nul(&header.bytes[157..257]).into());
        let kind = match header.kind() {
            // Before there was a type for directories, they had a slash.
            b'0' | 0 if path.ends_with('/') => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File(contents),
            b'1' => Kind::HardLink(target()?),
            b'2' => Kind::SymbolicLink(target()?),
            b'5' => Kind::Directory,
            b'3' | b'4' => return Err(TarError::Unsupported { path: path.into(), what: "a device" }),
            b'6' => return Err(TarError::Unsupported { path: path.into(), what: "a pipe" }),
            b'S' => return Err(TarError::Unsupported { path: path.into(), what: SPARSE }),
            _ => return Err(TarError::Unsupported { path: path.into(), what: "of a type that is not known" }),
        };
        let modified_ns = match extended.modified_ns {
            Some(modified_ns) => modified_ns,
            None => header.number(136..148, "time")?.saturating_mul(1_000_000_000),
        };
        Ok(Member { path, kind, modified_ns })
    }
}

const SPARSE: &str = "a file with holes";

/// Whether a member of this type says something about the next one.
fn is_about_next(kind: u8) -> bool {
    matches!(kind, b'x' | b'g' | b'L' | b'K')
}

struct Header<'a> {
    offset: usize,
    bytes: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header at `offset`; none where the archive ends.
    fn at(archive: &'a [u8], offset: usize) -> Result<Option<Self>, TarError> {
        let rest = &archive[offset..];
        let Some(bytes) = rest.get(..BLOCK_BYTES) else {
            return if rest.iter().all(|&byte| byte == 0) { Ok(None) } else { Err(TarError::CutOff { offset }) };
        };
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Self { offset, bytes };
        // The checksum counts as blanks itself.
        let sum = bytes.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { byte.into() });
        match header.number(148..156, "checksum") {
            Ok(checksum) if checksum == sum.sum::<u64>() => Ok(Some(header)),
            _ => Err(TarError::NoHeader { offset }),
        }
    }

    fn kind(&self) -> u8 {
        self.bytes[156]
    }

    /// Octal digits, or a number in the bytes themselves where the first has its highest bit set. What is below 0 is 0.
    fn number(&self, field: core::ops::Range<usize>, name: &'static str) -> Result<u64, TarError> {
        let bad = TarError::BadField { offset: self.offset, field: name };
        let bytes = &self.bytes[field];
        if bytes[0] & 0x80 != 0 {
            let first = u64::from(bytes[0] & 0x3f);
            let is_negative = bytes[0] & 0x40 != 0;
            let number = bytes[1..]
                .iter()
                .try_fold(first, |number, &byte| number.checked_mul(256).map(|number| number | u64::from(byte)));
            return if is_negative { Ok(0) } else { number.ok_or(bad) };
        }
        let text = bytes.trim_ascii_start();
        let digits = text.split(|byte| matches!(byte, 0 | b' ')).next().unwrap_or_default();
        digits
            .iter()
            .try_fold(0u64, |number, &digit| match digit {
                b'0'..=b'7' => number.checked_mul(8).map(|number| number + u64::from(digit - b'0')),
                _ => None,
            })
            .ok_or(bad)
    }

    /// The name in the header.
    fn path(&self) -> Cow<'a, [u8]> {
        let (name, prefix) = (until_nul(&self.bytes[..100]), until_nul(&self.bytes[345..500]));
        // GNU tar has other things there.
        if prefix.is_empty() || &self.bytes[257..263] != b"ustar\0" {
            return name.into();
        }
        [prefix, b"/", name].concat().into()
    }

    /// The name that an earlier member gives, or that in the header.
    fn name(&self, extended: Option<&'a [u8]>, own: impl FnOnce() -> Cow<'a, [u8]>) -> Result<Cow<'a, str>, TarError> {
        let bad = TarError::BadName { offset: self.offset };
        let name = match extended.map_or_else(own, Cow::Borrowed) {
            Cow::Borrowed(name) => core::str::from_utf8(name).ok().map(Cow::Borrowed),
            Cow::Owned(name) => String::from_utf8(name).ok().map(Cow::Owned),
        };
        name.filter(|name| name.len() <= NAME_BYTES_MAX && !name.contains('\0')).ok_or(bad)
    }
}

impl<'a> Extended<'a> {
    /// Reads records of the form `LENGTH KEYWORD=VALUE\n`, where the length is that of the record.
    fn read(&mut self, mut records: &'a [u8], offset: usize) -> Result<(), TarError> {
        let bad = || TarError::BadField { offset, field: "extended header" };
        while !records.is_empty() {
            let digits = records.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let len: usize =
                core::str::from_utf8(&records[..digits]).ok().and_then(|len| len.parse().ok()).ok_or_else(bad)?;
            let record = records.get(digits..len).and_then(|record| record.strip_prefix(b" ")?.strip_suffix(b"\n"));
            let (key, value) = record.and_then(split_at_equals).ok_or_else(bad)?;
            match key {
                b"path" => self.path = Some(value),
                b"linkpath" => self.target = Some(value),
                b"size" => self.size = Some(decimal(value).ok_or_else(bad)?),
                b"mtime" => self.modified_ns = Some(seconds(value).ok_or_else(bad)?),
                _ if key.starts_with(b"GNU.sparse.") => {
                    let path = String::from_utf8_lossy(self.path.unwrap_or_default()).into();
                    return Err(TarError::Unsupported { path, what: SPARSE });
                }
                _ => {}
            }
            records = &records[len..];
        }
        Ok(())
    }
}

fn split_at_equals(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..at], &record[at + 1..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    core::str::from_utf8(digits).ok()?.parse().ok()
}

/// Nanoseconds of seconds since 1970 with a fraction; 0 for what was before.
fn seconds(text: &[u8]) -> Option<u64> {
    let (text, is_negative) = text.strip_prefix(b"-").map_or((text, false), |text| (text, true));
    let dot = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = (decimal(&text[..dot])?, text.get(dot + 1..).unwrap_or_default());
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(core::iter::repeat(b'0')).take(9);
    let nanoseconds = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let since = whole.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
    Some(if is_negative { 0 } else { since })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

impl fmt::Display for TarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const AGAIN: &str = "make it again with `tar --create`";
        match self {
            Self::CutOff { offset } => {
                write!(f, "the archive is cut off: it ends within what begins at byte {offset}; {AGAIN}")
            }
            Self::NoHeader { offset } => {
                write!(f, "this is no tar archive, or it is damaged: there is no header at byte {offset}; {AGAIN}")
            }
            Self::BadField { offset, field } => {
                write!(f, "the archive is damaged: the {field} of the header at byte {offset} makes no sense; {AGAIN}")
            }
            Self::BadName { offset } => write!(
                f,
                "a name at byte {offset} of the archive is not UTF-8, or longer than {NAME_BYTES_MAX} bytes: rename the file"
            ),
            Self::Unsupported { path, what } => {
                write!(f, "{path:?} in the archive is {what}, which a program cannot be given: leave it out")
            }
        }
    }
}

impl core::error::Error for TarError {}

#[cfg(test)]
#[path = "tests/tar.rs"]
mod tests;
