//! What controllers and namespaces say about themselves: the 4096 bytes that IDENTIFY leaves.
//!
//! Source: NVM Express Base Specification 1.4, section 5.15.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::NvmeError;
use crate::drivers::disk::SECTOR_BYTES;

pub(super) const IDENTIFY_BYTES: usize = 4096;
/// Namespaces of one controller that are looked at.
pub(super) const MOST_NAMESPACES: usize = 64;

/// Stands for all namespaces.
const BROADCAST: u32 = u32::MAX;

/// Block sizes that the store can live with, as powers of two: 512 and 4096 bytes.
const BLOCK_SHIFTS: [u8; 2] = [9, 12];
const SECTOR_SHIFT: u8 = SECTOR_BYTES.trailing_zeros() as u8;

/// A controller's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ControllerIdentity {
    pub model: String,
    pub serial: String,
    /// The most that one command moves, in bytes; none if there is no limit.
    pub most_bytes: Option<usize>,
    /// The highest number that a namespace may have.
    pub namespaces: u32,
    /// What was written may be lost with the power until it is flushed.
    pub has_volatile_cache: bool,
}

impl ControllerIdentity {
    pub fn parse(bytes: &[u8; IDENTIFY_BYTES]) -> Self {
        // The limit is a power of two, in pages of 4096 bytes.
        let limit = Some(u32::from(bytes[77])).filter(|&power| power != 0);
        Self {
            serial: text(&bytes[4..24]),
            model: text(&bytes[24..64]),
            most_bytes: limit.map(|power| 1usize.checked_shl(power + 12).unwrap_or(usize::MAX)),
            namespaces: number(bytes, 516, 4) as u32,
            has_volatile_cache: bytes[525] & 1 != 0,
        }
    }
}

/// A namespace's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NamespaceIdentity {
    /// In sectors of 512 bytes.
    pub sectors: u64,
    /// In sectors of 512 bytes: 1 or 8.
    pub block_sectors: u64,
}

impl NamespaceIdentity {
    /// Parses the answer: none if there is no such namespace. Refuses those that the driver cannot use.
    pub fn parse(bytes: &[u8; IDENTIFY_BYTES]) -> Result<Option<Self>, NvmeError> {
        let blocks = number(bytes, 0, 8);
        if blocks == 0 {
            return Ok(None);
        }
        let (last, chosen) = (bytes[25], bytes[26]);
        let format = chosen & 0xf | if last > 15 { chosen >> 1 & 0x30 } else { 0 };
        if format > last {
            return Err(NvmeError::Format { format, last });
        }
        let at = 128 + 4 * usize::from(format);
        let (metadata_bytes, shift) = (number(bytes, at, 2) as u16, bytes[at + 2]);
        if metadata_bytes != 0 {
            return Err(NvmeError::Metadata { len_bytes: metadata_bytes });
        }
        if !BLOCK_SHIFTS.contains(&shift) {
            return Err(NvmeError::BlockSize { shift });
        }
        let block_sectors = 1 << (shift - SECTOR_SHIFT);
        let sectors = blocks.checked_mul(block_sectors).ok_or(NvmeError::Size { blocks })?;
        Ok(Some(Self { sectors, block_sectors }))
    }
}

/// Numbers of namespaces from a list of them, which is in rising order and ends with a zero.
pub(super) fn namespaces(bytes: &[u8; IDENTIFY_BYTES]) -> Vec<u32> {
    let listed = (0..MOST_NAMESPACES).map(|entry| number(bytes, 4 * entry, 4) as u32);
    let mut before = 0;
    listed
        .take_while(|&namespace| namespace > core::mem::replace(&mut before, namespace) && namespace != BROADCAST)
        .collect()
}

fn number(bytes: &[u8; IDENTIFY_BYTES], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::boxed::Box;
    use std::string::ToString;

    fn page(parts: &[(usize, &[u8])]) -> Box<[u8; IDENTIFY_BYTES]> {
        let mut bytes = Box::new([0; IDENTIFY_BYTES]);
        parts.iter().for_each(|(at, part)| bytes[*at..at + part.len()].copy_from_slice(part));
        bytes
    }

    /// A namespace of 100 blocks in the fourth of six formats.
    fn formatted(metadata_bytes: u8, shift: u8) -> Box<[u8; IDENTIFY_BYTES]> {
        page(&[(0, &[100]), (25, &[5, 3]), (128 + 12, &[metadata_bytes, 0, shift])])
    }

    #[test]
    fn blocks_of_512_and_4096_bytes_are_used() {
        let parse = |shift| NamespaceIdentity::parse(&formatted(0, shift));
        assert_eq!(parse(9), Ok(Some(NamespaceIdentity { sectors: 100, block_sectors: 1 })));
        assert_eq!(parse(12), Ok(Some(NamespaceIdentity { sectors: 800, block_sectors: 8 })));
        assert_eq!(NamespaceIdentity::parse(&page(&[])), Ok(None), "there is no such namespace");
    }

    #[test]
    fn other_formats_are_refused_with_words() {
        let refusal = |bytes: &[u8; IDENTIFY_BYTES]| match NamespaceIdentity::parse(bytes) {
            Err(error) => error.to_string(),
            Ok(identity) => panic!("taken: {identity:?}"),
        };
        assert!(refusal(&formatted(0, 14)).contains("blocks of 16384 bytes"));
        assert!(refusal(&formatted(0, 200)).contains("blocks of 2^200 bytes"));
        assert!(refusal(&formatted(8, 9)).contains("8 bytes of metadata"));
        assert!(refusal(&page(&[(0, &[1]), (25, &[5, 6])])).contains("block format 6"));
        let huge = page(&[(0, &[0xff; 8]), (130, &[12])]);
        assert!(refusal(&huge).contains("18446744073709551615 blocks"));
    }

    #[test]
    fn more_than_sixteen_formats_are_counted_with_six_bits() {
        let far = page(&[(0, &[7]), (25, &[40, 0x20 | 5]), (128 + 4 * 21, &[0, 0, 12])]);
        assert_eq!(NamespaceIdentity::parse(&far), Ok(Some(NamespaceIdentity { sectors: 56, block_sectors: 8 })));
    }

    #[test]
    fn list_of_namespaces_ends_where_it_no_longer_rises() {
        let list = |numbers: &[u32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            namespaces(&page(&[(0, &bytes)]))
        };
        assert_eq!(list(&[1, 3, 900]), [1, 3, 900]);
        assert!(list(&[]).is_empty());
        assert_eq!(list(&[5, 5, 6]), [5]);
        assert_eq!(list(&[2, BROADCAST]), [2]);
        assert_eq!(list(&(1..=1024).collect::<Vec<u32>>()).len(), MOST_NAMESPACES);
    }

    proptest! {
        #[test]
        fn absurd_descriptions_are_refused_or_give_a_disk_that_can_be_addressed(
            bytes in proptest::collection::vec(any::<u8>(), IDENTIFY_BYTES),
            formats in 0..64u8,
            shift in prop::sample::select(&[9u8, 12, 13][..]),
            plain in any::<bool>(),
        ) {
            let mut bytes = bytes;
            (bytes[25], bytes[26]) = (formats, bytes[26] % 64);
            if plain {
                bytes[128..384].chunks_mut(4).for_each(|format| format.copy_from_slice(&[0, 0, shift, 0]));
            }
            let bytes: &[u8; IDENTIFY_BYTES] = bytes[..].try_into().expect("one page");
            match NamespaceIdentity::parse(bytes) {
                Ok(Some(disk)) => prop_assert!(disk.sectors > 0 && disk.sectors.is_multiple_of(disk.block_sectors)),
                Ok(None) => {}
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            let controller = ControllerIdentity::parse(bytes);
            prop_assert!(controller.most_bytes.is_none_or(|bytes| bytes >= 8192));
            prop_assert!(namespaces(bytes).len() <= MOST_NAMESPACES);
        }
    }
}
