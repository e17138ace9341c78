//! The bytes of files: borrowed and fixed, or the program's own and growing.
//!
//! Memory for a program's files is asked for, never taken: where there is none, or the [`Quota`] is used up, the
//! program gets [`Errno::Nospc`].

use super::abi::Errno;
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// What a file holds.
#[derive(Debug)]
pub enum Content<'a> {
    /// Given from outside: copied when it is to change.
    Given(Cow<'a, [u8]>),
    /// Made by the program.
    Scratch(Vec<u8>),
}

impl Content<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Given(bytes) => bytes,
            Self::Scratch(bytes) => bytes,
        }
    }

    /// Copies `bytes` to `offset`, as many of them as `quota` and memory allow; a gap before them reads as zero.
    /// Returns how many were copied, [`Errno::Nospc`] if none could be.
    pub fn write(&mut self, offset: u64, bytes: &[u8], quota: &mut Quota) -> Result<usize, Errno> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let content = self.own(u64::MAX, quota)?;
        let end = offset.checked_add(bytes.len() as u64).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::Fbig)?;
        let end = end.min(quota.room().saturating_add(content.len() as u64));
        let count = end.checked_sub(offset).filter(|&count| count > 0).ok_or(Errno::Nospc)? as usize;
        if end > content.len() as u64 {
            resize(content, end, quota)?;
        }
        let start = offset as usize;
        content[start..start + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Cuts the file, or adds zeros to it.
    pub fn set_len(&mut self, len: u64, quota: &mut Quota) -> Result<(), Errno> {
        resize(self.own(len, quota)?, len, quota)
    }

    /// The bytes, to be changed; of those that were given a copy, as long as `len` at most.
    fn own(&mut self, len: u64, quota: &mut Quota) -> Result<&mut Vec<u8>, Errno> {
        if let Self::Given(given) = self {
            let kept = &given[..given.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
            let mut copy = Vec::new();
            resize(&mut copy, kept.len() as u64, quota)?;
            copy.copy_from_slice(kept);
            *self = Self::Scratch(copy);
        }
        match self {
            Self::Scratch(content) => Ok(content),
            Self::Given(_) => Err(Errno::Rofs),
        }
    }
}

fn resize(content: &mut Vec<u8>, len: u64, quota: &mut Quota) -> Result<(), Errno> {
    let old = content.len();
    if len <= old as u64 {
        content.truncate(len as usize);
        give_back_memory(content);
        quota.give_back((old - content.len()) as u64);
        return Ok(());
    }
    let more = len - old as u64;
    quota.take(more)?;
    let grown = usize::try_from(more).map_err(|_| Errno::Nospc).and_then(|more| quota.reserve(content, more));
    if grown.is_err() {
        quota.give_back(more);
        return grown;
    }
    content.resize(len as usize, 0);
    Ok(())
}

/// Keeps what a file occupies near what it counts for, as far as memory for a smaller copy can be had.
fn give_back_memory(content: &mut Vec<u8>) {
    if content.len() >= content.capacity() / 2 {
        return;
    }
    let mut smaller = Vec::new();
    if smaller.try_reserve_exact(content.len()).is_ok() {
        smaller.extend_from_slice(content);
        *content = smaller;
    }
}

/// How much the program may keep in files: what it was allowed to, as long as memory for that is free.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    limit_bytes: u64,
    used_bytes: u64,
    free_memory: fn() -> u64,
}

impl Quota {
    pub fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, used_bytes: 0, free_memory: || u64::MAX }
    }

    /// What is used already does not count.
    pub fn limit_to(&mut self, limit_bytes: u64) {
        self.limit_bytes = limit_bytes.saturating_add(self.used_bytes);
    }

    /// Has `free_memory` say how much memory files may take at any time.
    pub fn watch(&mut self, free_memory: fn() -> u64) {
        self.free_memory = free_memory;
    }

    /// Bytes that are left.
    pub fn room(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes).min((self.free_memory)())
    }

    /// Makes room for `more` items in a list that may have to move; for even more where there is memory for that.
    pub fn reserve<T>(&self, list: &mut Vec<T>, more: usize) -> Result<(), Errno> {
        let len = list.len().saturating_add(more);
        if len <= list.capacity() {
            return Ok(());
        }
        let (bytes, free) = ((len as u64).saturating_mul(size_of::<T>() as u64), (self.free_memory)());
        let reserved = match free {
            _ if bytes > free => return Err(Errno::Nospc),
            _ if bytes > free / 2 => list.try_reserve_exact(more),
            _ => list.try_reserve(more).or_else(|_| list.try_reserve_exact(more)),
        };
        reserved.map_err(|_| Errno::Nospc)
    }

    pub fn take(&mut self, bytes: u64) -> Result<(), Errno> {
        if bytes > self.room() {
            return Err(Errno::Nospc);
        }
        self.used_bytes += bytes;
        Ok(())
    }

    /// Allows and takes at once what is not the program's doing; it can be given back like the rest.
    pub fn grant(&mut self, bytes: u64) -> Result<(), Errno> {
        if bytes > (self.free_memory)() {
            return Err(Errno::Nospc);
        }
        self.limit_bytes = self.limit_bytes.saturating_add(bytes);
        self.used_bytes = self.used_bytes.saturating_add(bytes);
        Ok(())
    }

    pub fn give_back(&mut self, bytes: u64) {
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> Content<'static> {
        Content::Scratch(Vec::new())
    }

    #[test]
    fn a_gap_reads_as_zero() {
        let (mut content, mut quota) = (scratch(), Quota::new(100));
        assert_eq!(content.write(5, b"abc", &mut quota), Ok(3));
        assert_eq!(content.bytes(), b"\0\0\0\0\0abc");
        assert_eq!(quota.room(), 92);
        assert_eq!(content.write(50, b"", &mut quota), Ok(0));
        assert_eq!(content.bytes().len(), 8);
    }

    #[test]
    fn writes_what_fits_and_then_nothing() {
        let (mut content, mut quota) = (scratch(), Quota::new(4));
        assert_eq!(content.write(2, b"abc", &mut quota), Ok(2));
        assert_eq!(content.write(4, b"d", &mut quota), Err(Errno::Nospc));
        assert_eq!(content.write(9, b"d", &mut quota), Err(Errno::Nospc));
        assert_eq!(content.write(0, b"xyz", &mut quota), Ok(3), "inside the file nothing is needed");
        assert_eq!(content.bytes(), b"xyzb");
    }

    #[test]
    fn cutting_gives_back_what_growing_took() {
        let (mut content, mut quota) = (scratch(), Quota::new(1 << 20));
        content.set_len(1 << 20, &mut quota).unwrap();
        assert_eq!((quota.room(), content.set_len((1 << 20) + 1, &mut quota)), (0, Err(Errno::Nospc)));
        content.set_len(10, &mut quota).unwrap();
        assert_eq!(quota.room(), (1 << 20) - 10);
        assert!(matches!(content, Content::Scratch(bytes) if bytes.capacity() < 1 << 10));
    }

    #[test]
    fn absurd_sizes_are_refused_without_a_panic() {
        let (mut content, mut quota) = (scratch(), Quota::new(u64::MAX));
        assert_eq!(content.write(u64::MAX, b"a", &mut quota), Err(Errno::Fbig));
        assert_eq!(content.write(i64::MAX as u64 - 1, b"a", &mut quota), Err(Errno::Nospc));
        assert_eq!(content.set_len(u64::MAX, &mut quota), Err(Errno::Nospc));
        assert_eq!((quota.room(), content.bytes().len()), (u64::MAX, 0));
    }

    #[test]
    fn takes_no_more_memory_than_is_free() {
        let (mut content, mut quota) = (scratch(), Quota::new(1 << 20));
        quota.watch(|| 100);
        assert_eq!((quota.room(), content.set_len(101, &mut quota)), (100, Err(Errno::Nospc)));
        assert_eq!(content.set_len(60, &mut quota), Ok(()));
        // It would have to move, and both would be there for a moment.
        assert_eq!((content.set_len(101, &mut quota), content.bytes().len()), (Err(Errno::Nospc), 60));
        assert_eq!(quota.room(), 100);
        quota.watch(|| 0);
        assert_eq!(content.write(0, b"inside", &mut quota), Ok(6), "inside the file nothing is needed");
        assert_eq!(content.write(60, b"x", &mut quota), Err(Errno::Nospc));
    }

    #[test]
    fn a_given_file_is_copied_when_it_changes() {
        let given = Content::Given(Cow::Borrowed(b"given"));
        let (mut content, mut quota) = (given, Quota::new(7));
        assert_eq!(content.write(0, b"", &mut quota), Ok(0));
        assert!(matches!(content, Content::Given(_)));
        assert_eq!(content.write(4, b"xyzz", &mut quota), Ok(3));
        assert_eq!((content.bytes(), quota.room()), (&b"givexyz"[..], 0));
        let mut cut = Content::Given(Cow::Borrowed(b"given"));
        assert_eq!(cut.write(0, b"x", &mut quota), Err(Errno::Nospc), "there is no room for a copy");
        assert_eq!(cut.set_len(0, &mut quota), Ok(()));
        assert!(matches!(cut, Content::Scratch(bytes) if bytes.is_empty()));
    }
}
