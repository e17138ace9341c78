//! The seal of machine code: who has the key has made it. Only such code is run, since a store may come from elsewhere.
//!
//! Key types: [`Key`], [`SealError`]. Neighbours: a face that has a key gives it to the session; `host/key.rs` keeps one for
//! each user. Without a key, seals are empty: who can write the kernel's disk can write the kernel.

use core::fmt;

/// What a seal takes, in front of what is sealed.
pub const SEAL_BYTES: usize = blake3::OUT_LEN;

/// The seal of those who have no key.
const EMPTY: [u8; SEAL_BYTES] = [0; SEAL_BYTES];

/// What only one user knows.
#[derive(Clone)]
pub struct Key([u8; Self::BYTES]);

impl Key {
    pub const BYTES: usize = blake3::KEY_LEN;

    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }
}

/// Not what is in it, which is secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Why sealed bytes are not to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    TooShort { bytes: usize },
    Empty,
    Other,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { bytes } => write!(f, "of {bytes} bytes, it has no seal"),
            Self::Empty => f.write_str("it is not sealed: it was made by a kernel"),
            Self::Other => f.write_str("its seal is not this user's"),
        }
    }
}

impl core::error::Error for SealError {}

/// Seals `bytes`, whose first [`SEAL_BYTES`] are for the seal.
pub fn seal(key: Option<&Key>, bytes: &mut [u8]) {
    let (place, content) = bytes.split_at_mut(SEAL_BYTES);
    place.copy_from_slice(&key.map_or(EMPTY, |key| *seal_of(key, content).as_bytes()));
}

/// What is sealed in `bytes`, if it was sealed with the same key.
pub fn open<'b>(key: Option<&Key>, bytes: &'b [u8]) -> Result<&'b [u8], SealError> {
    let (found, content) = bytes.split_first_chunk().ok_or(SealError::TooShort { bytes: bytes.len() })?;
    let matches = match key {
        None => *found == EMPTY,
        Some(_) if *found == EMPTY => return Err(SealError::Empty),
        // Compared in a time that does not depend on what differs.
        Some(key) => seal_of(key, content) == *found,
    };
    if matches { Ok(content) } else { Err(SealError::Other) }
}

fn seal_of(key: &Key, content: &[u8]) -> blake3::Hash {
    blake3::keyed_hash(&key.0, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    const MINE: Key = Key::new([7; Key::BYTES]);

    fn sealed(key: Option<&Key>, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xee; SEAL_BYTES];
        bytes.extend_from_slice(content);
        seal(key, &mut bytes);
        bytes
    }

    #[test]
    fn what_was_sealed_is_opened_with_the_same_key_alone() {
        let mut almost = [7; Key::BYTES];
        almost[Key::BYTES - 1] ^= 0x80;
        let theirs = Key::new(almost);
        for content in [&b""[..], b"x", &[0xc3; 5000]] {
            let bytes = sealed(Some(&MINE), content);
            assert_eq!(open(Some(&MINE), &bytes), Ok(content));
            assert_eq!(open(Some(&theirs), &bytes), Err(SealError::Other));
            assert_eq!(open(None, &bytes), Err(SealError::Other));
        }
    }

    #[test]
    fn without_a_key_there_is_nothing_that_a_key_opens() {
        let bytes = sealed(None, b"code");
        assert_eq!(open(None, &bytes), Ok(&b"code"[..]));
        assert_eq!(open(Some(&MINE), &bytes), Err(SealError::Empty));
    }

    #[test]
    fn no_bit_of_seal_or_content_can_change() {
        let whole = sealed(Some(&MINE), &[0x90; 300]);
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(Some(&MINE), &bytes), Err(SealError::Other), "bit {bit}");
        }
        assert_eq!(open(Some(&MINE), &whole[..whole.len() - 1]), Err(SealError::Other));
    }

    #[test]
    fn what_is_too_short_has_no_seal() {
        for bytes in [0, 1, SEAL_BYTES - 1] {
            let short = vec![0; bytes];
            assert_eq!(open(Some(&MINE), &short), Err(SealError::TooShort { bytes }));
            assert_eq!(open(None, &short), Err(SealError::TooShort { bytes }));
        }
    }
}
