//! What is stored of a boot's code: the code as it was placed, and all that has to be known to use it.
//!
//! In front, packed by postcard, is the [`Head`]; then what is known of places in code; then the code. Only what its own build
//! wrote is ever read: the [`Key`] comes first and is compared before anything else is believed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::engine::code::draft::{Draft, StoredPiece};
use crate::engine::code::trampoline::Trampolines;
use crate::engine::decode::program::FuncId;
use crate::engine::observe::site::StoredSite;
use crate::engine::room;
use crate::engine::translate::Tier;
use crate::libc::{self, LibcFunction};
use crate::profile::FunctionKey;

/// What code depends on beside its function, as pairs of what it is for people, and its value. All must be equal.
pub type Key = Vec<(String, String)>;

/// BLAKE3 of a module.
pub type ModuleName = [u8; 32];

/// What is stored of one boot, but for its key.
pub struct Image<'a> {
    pub head: Head,
    pub details: &'a [u8],
    pub code: &'a [u8],
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The program that the code was made for.
    pub program: ModuleName,
    /// What reading and linking it takes of memory.
    pub bytes_to_start: u64,
    /// Which of its functions the libc replaces: index, and the place of the other among the functions of the libc.
    pub replaced: Vec<(u32, u32)>,
    /// Keys of the functions that the libc and the program define, in order.
    pub keys: [Vec<FunctionKey>; 2],
    /// Where its memories are, those of the libc included, but for the first.
    pub memories: Vec<u64>,
    /// Hash of what linking made of the modules, bodies of functions excepted.
    pub linkage: u64,
    /// State memory used once the modules were linked, and once the code was made.
    pub linked_end: u64,
    pub state_end: u64,
    pub functions: Vec<StoredFunction>,
    pub observed: Vec<StoredObserved>,
    pub sites: Vec<StoredSite>,
    pub pieces: Vec<StoredPiece>,
    pub trampolines: Trampolines,
}

impl Head {
    /// Keys of the functions that module `number` defines, in order.
    pub fn keys(&self, number: usize) -> &[FunctionKey] {
        self.keys.get(number).map_or(&[], Vec::as_slice)
    }

    /// Which functions of the program the libc replaces, by rising index.
    pub fn replaced(&self) -> impl Iterator<Item = (u32, &'static LibcFunction)> + '_ {
        self.replaced.iter().filter_map(|(index, place)| Some((*index, libc::functions().get(*place as usize)?)))
    }
}

/// A function of a module that has code.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredFunction {
    pub id: u32,
    pub tier: Tier,
    /// Hashes of the plan that its code embodies, and of what that is specialised for.
    pub plan: u64,
    pub choices: u64,
    /// Functions whose calls it does without.
    pub without: Vec<FuncId>,
    pub large_frame_bytes: Option<u32>,
}

/// Where the counters of a function are, in state memory and among the sites.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredObserved {
    pub id: u32,
    pub blocks: u32,
    pub block_count: u32,
    pub first_site: u32,
    pub site_count: u32,
    pub libc_callees: Vec<FuncId>,
}

/// In front are four numbers of 32 bits: how many functions there are, and the bytes of key, head and details.
const LENGTHS_BYTES: usize = 16;

impl<'a> Image<'a> {
    /// The image in `bytes`, if it was made with `key`; else of how many functions it is, and why it is not used.
    pub fn decode(bytes: &'a [u8], key: &Key) -> Result<Self, (u32, String)> {
        let count = bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        Self::read(bytes, key).map_err(|reason| (count, reason))
    }

    fn read(bytes: &'a [u8], key: &Key) -> Result<Self, String> {
        let cut = || String::from("the code is cut short");
        let (lengths, rest) = bytes.split_at_checked(LENGTHS_BYTES).ok_or_else(cut)?;
        let length = |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| lengths[4 * index + byte])) as usize;
        let (their_key, rest) = rest.split_at_checked(length(1)).ok_or_else(cut)?;
        let (head, rest) = rest.split_at_checked(length(2)).ok_or_else(cut)?;
        let (details, code) = rest.split_at_checked(length(3)).ok_or_else(cut)?;
        let their_key: Key = postcard::from_bytes(their_key).map_err(|_| "the key of the code is damaged")?;
        if let Some(reason) = difference(&their_key, key) {
            return Err(reason);
        }
        let head: Head = postcard::from_bytes(head).map_err(|_| "what is known of the code is damaged")?;
        Ok(Self { head, details, code })
    }
}

/// What is stored of `draft`, about which `head` says the rest.
pub fn encode(key: &Key, head: &Head, draft: &Draft) -> Result<Vec<u8>, EngineError> {
    let failed = |error: postcard::Error| EngineError::Codegen(format!("code for the next boot: {error}"));
    let functions = head.functions.len() as u32;
    let key = postcard::to_allocvec(key).map_err(failed)?;
    let head = postcard::to_allocvec(head).map_err(failed)?;
    let parts = [&key[..], &head, &draft.details, &draft.code];
    let mut bytes = Vec::new();
    room::reserve(&mut bytes, LENGTHS_BYTES + parts.iter().map(|part| part.len()).sum::<usize>(), "code to be stored")?;
    bytes.extend_from_slice(&functions.to_le_bytes());
    parts[..3].iter().for_each(|part| bytes.extend_from_slice(&(part.len() as u32).to_le_bytes()));
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

/// The first thing in which `theirs` is another key than `ours`, in words.
fn difference(theirs: &Key, ours: &Key) -> Option<String> {
    let other = theirs.iter().zip(ours).find(|(their, our)| their != our);
    let named = other.map(|((_, their), (name, our))| format!("it was made for another {name}: {their}, not {our}"));
    named.or_else(|| (theirs.len() != ours.len()).then(|| String::from("its key is of another kind")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::code::space::Piece;
    use alloc::vec;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn key(options: &str) -> Key {
        [("build", "a"), ("options", options)].map(|(name, value)| (name.into(), value.into())).to_vec()
    }

    fn image(key: &Key, numbers: &[u32]) -> Vec<u8> {
        let first = numbers.first().copied().unwrap_or(0);
        let functions = numbers.iter().map(|number| StoredFunction {
            id: *number,
            tier: Tier::Optimised,
            plan: u64::from(*number) << 9,
            choices: 0,
            without: numbers.iter().copied().map(FuncId).collect(),
            large_frame_bytes: (*number % 3 == 0).then_some(*number),
        });
        let observed = |id: &u32| StoredObserved {
            id: *id,
            blocks: 8,
            block_count: 1,
            first_site: 0,
            site_count: 0,
            libc_callees: numbers.iter().copied().map(FuncId).collect(),
        };
        let piece = |id: &u32| StoredPiece {
            piece: Piece::Function(*id),
            offset: 0,
            bytes: 1,
            details_bytes: 0,
            settled: false,
        };
        let pieces: Vec<StoredPiece> = numbers.iter().map(piece).collect();
        let head = Head {
            program: [first as u8; 32],
            bytes_to_start: first.into(),
            replaced: numbers.iter().map(|number| (*number, number / 2)).collect(),
            keys: [Vec::new(), vec![FunctionKey::default(); numbers.len()]],
            memories: vec![first.into()],
            linkage: 1,
            linked_end: 2,
            state_end: 3,
            functions: functions.collect(),
            observed: numbers.iter().map(observed).collect(),
            sites: Vec::new(),
            pieces: pieces.clone(),
            trampolines: Trampolines::default(),
        };
        let draft = Draft { code: vec![0xcc; numbers.len()], pieces, details: vec![1, 2, 3] };
        encode(key, &head, &draft).expect("there is memory")
    }

    #[test]
    fn what_was_encoded_is_decoded_with_its_key_alone() {
        let bytes = image(&key("a"), &[7, 8]);
        let decoded = Image::decode(&bytes, &key("a")).expect("it was made with this key");
        assert_eq!((decoded.head.functions.len(), decoded.details, decoded.code), (2, &[1, 2, 3][..], &[0xcc; 2][..]));
        let reason = |key: &Key| Image::decode(&bytes, key).map(|_| ()).expect_err("it was made with another key");
        assert_eq!(reason(&key("b")), (2, "it was made for another options: a, not b".into()));
        assert_eq!(reason(&key("a")[..1].to_vec()), (2, "its key is of another kind".into()));
    }

    proptest! {
        #[test]
        fn absurd_images_are_refused_or_read(
            numbers in vec(any::<u32>(), 0..5),
            edits in vec((any::<Index>(), prop_oneof![any::<u8>(), Just(0xff), Just(0)], 1..10usize), 0..4),
            bytes_left in prop_oneof![3 => Just(usize::MAX), 1 => 0..300usize],
        ) {
            let mut bytes = image(&key("a"), &numbers);
            for (at, byte, count) in edits {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + count);
                bytes[at..end].fill(byte);
            }
            bytes.truncate(bytes_left);
            match Image::decode(&bytes, &key("a")) {
                Ok(image) => prop_assert!(image.code.len() + image.details.len() <= bytes.len()),
                Err((_, reason)) => prop_assert!(!reason.is_empty()),
            }
        }
    }
}
