//! What something has to have for itself alone, such as an image the GUIDs of its partitions: derived from what it holds.
//!
//! Key type: [`Identity`].

use gpt_disk_types::Guid;
use std::format;
use std::string::String;

/// A name for what an image boots, or a bench: equal contents have equal ones.
#[derive(Clone, Copy)]
pub struct Identity(blake3::Hash);

impl Identity {
    pub fn of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            // With its length, so that no part can be taken for two.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(hasher.finalize())
    }

    /// Bytes that nothing else has, and no other `purpose` of the same contents.
    pub fn bytes<const COUNT: usize>(&self, purpose: &str) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        let mut hasher = blake3::Hasher::new_derive_key(&format!("bareflow image: {purpose}"));
        hasher.update(self.0.as_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    /// The same as a GUID.
    pub fn guid(&self, purpose: &str) -> Guid {
        Guid::from_random_bytes(self.bytes(purpose))
    }

    /// The same in hexadecimal digits.
    pub fn digits<const COUNT: usize>(&self, purpose: &str) -> String {
        self.bytes::<COUNT>(purpose).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_contents_and_purposes_have_other_bytes() {
        let bytes = |parts: &[&[u8]], purpose| Identity::of(parts.iter().copied()).bytes::<16>(purpose);
        let all =
            [bytes(&[b"ab", b"c"], "x"), bytes(&[b"a", b"bc"], "x"), bytes(&[b"abc"], "x"), bytes(&[b"ab", b"c"], "y")];
        assert!((0..4).all(|one| (0..one).all(|other| all[one] != all[other])), "{all:?}");
        assert_eq!(all[0], bytes(&[b"ab", b"c"], "x"));
        assert!(Identity::of([&b"x"[..]].into_iter()).digits::<16>("x").len() == 32);
    }
}
