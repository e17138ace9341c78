//! What a disk says about itself: the 512 bytes that IDENTIFY DEVICE returns.
//!
//! Source: ATA/ATAPI-7 volume 1, section 6.17; long sectors and multiples: ATA8-ACS, words 106 and 117.

use alloc::string::String;
use core::fmt;

use crate::drivers::disk::SECTOR_BYTES;

/// 28 address bits.
const MAX_BLOCKS_LBA28: u64 = 1 << 28;
/// 48 address bits.
const MAX_BLOCKS_LBA48: u64 = 1 << 48;
/// The longest logical sectors that disks have.
const MAX_BLOCK_BYTES: u64 = 4096;

/// A disk's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub model: String,
    pub serial: String,
    /// Capacity in sectors of 512 bytes.
    pub sectors: u64,
    /// Sectors in what the disk numbers and moves as one: 1, or a power of two.
    pub block_sectors: u64,
    /// Takes the commands with 48-bit addresses.
    pub lba48: bool,
    /// Takes FLUSH CACHE EXT.
    pub flush_ext: bool,
    /// Sectors that it can move at once, without asking for each; 1 if it cannot.
    pub max_block_sectors: u8,
    /// Moves data by DMA, in a mode that the firmware has selected.
    pub has_dma: bool,
}

/// Why a disk that describes itself cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It has sectors of a size that its driver does not move.
    SectorSize { len_bytes: u64 },
    /// It cannot address sectors by number, or has none.
    NoSectors,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SectorSize { len_bytes } => {
                write!(f, "the disk has {len_bytes}-byte sectors; use one with {SECTOR_BYTES}-byte logical sectors")
            }
            Self::NoSectors => f.write_str("the disk has no sectors that can be addressed by number (LBA)"),
        }
    }
}

impl core::error::Error for Unusable {}

impl Identity {
    /// Whether both describe the same disk, which may have lost its modes by a reset.
    pub fn is_same_disk(&self, other: &Self) -> bool {
        let known = |disk: &Self| (disk.sectors, disk.block_sectors, disk.lba48);
        self.model == other.model && self.serial == other.serial && known(self) == known(other)
    }

    /// Parses the answer; refuses disks that the driver cannot use.
    pub fn parse(bytes: &[u8; SECTOR_BYTES]) -> Result<Self, Unusable> {
        let words = Words(bytes);
        let features = words.checked(83);
        let lba48 = features & 1 << 10 != 0 && words.number(100, 4) != 0;
        let blocks = if lba48 {
            words.number(100, 4).min(MAX_BLOCKS_LBA48)
        } else if words.at(49) & 1 << 9 != 0 {
            words.number(60, 2).min(MAX_BLOCKS_LBA28)
        } else {
            0
        };
        let block_bytes = words.block_bytes();
        let block_sectors = block_bytes / SECTOR_BYTES as u64;
        if block_bytes % SECTOR_BYTES as u64 != 0 || !block_sectors.is_power_of_two() || block_bytes > MAX_BLOCK_BYTES {
            return Err(Unusable::SectorSize { len_bytes: block_bytes });
        }
        if blocks == 0 {
            return Err(Unusable::NoSectors);
        }
        let sectors = blocks * block_sectors;
        let flush_ext = lba48 && features & 1 << 13 != 0;
        let [max_block_sectors, _] = words.at(47).to_le_bytes();
        let max_block_sectors = max_block_sectors.max(1);
        let (model, serial) = (words.text(27, 20), words.text(10, 10));
        let has_dma = words.has_dma();
        Ok(Self { model, serial, sectors, block_sectors, lba48, flush_ext, max_block_sectors, has_dma })
    }
}

/// The answer by 16-bit words, as the standard numbers it.
struct Words<'a>(&'a [u8; SECTOR_BYTES]);

impl Words<'_> {
    fn at(&self, word: usize) -> u16 {
        u16::from_le_bytes([self.0[2 * word], self.0[2 * word + 1]])
    }

    /// A word that is only valid if its top bits are 01; else zero.
    fn checked(&self, word: usize) -> u16 {
        Some(self.at(word)).filter(|value| value >> 14 == 0b01).unwrap_or(0)
    }

    /// A number in consecutive words, least significant first.
    fn number(&self, first: usize, words: usize) -> u64 {
        (first..first + words).rev().fold(0, |number, word| number << 16 | u64::from(self.at(word)))
    }

    /// Of the multiword and the ultra modes, the upper byte says which is selected.
    fn has_dma(&self) -> bool {
        let multiword = self.at(63) >> 8 & 0x7;
        let ultra = if self.at(53) & 1 << 2 != 0 { self.at(88) >> 8 & 0x7f } else { 0 };
        self.at(49) & 1 << 8 != 0 && (multiword | ultra) != 0
    }

    fn block_bytes(&self) -> u64 {
        if self.checked(106) & 1 << 12 != 0 { self.number(117, 2) * 2 } else { SECTOR_BYTES as u64 }
    }

    /// Text in consecutive words, the first character of each in its high byte, padded with spaces.
    fn text(&self, first: usize, words: usize) -> String {
        let bytes = (first..first + words).flat_map(|word| self.at(word).to_be_bytes());
        let printable = |byte: u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' };
        let text: String = bytes.filter(|&byte| byte != 0).map(printable).collect();
        text.trim().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn absurd_answers_are_refused_or_give_a_disk_that_can_be_addressed(
            words in proptest::collection::vec(any::<u16>(), 256),
            known in proptest::collection::vec((prop::sample::select(vec![47, 49, 83, 100, 103, 106, 117, 118]), any::<u16>()), 0..6),
            marked in prop_oneof![3 => Just(true), 1 => Just(false)],
        ) {
            let mut words = words;
            known.into_iter().for_each(|(word, value)| words[word] = value);
            if marked {
                // The features are valid, and so is what is said of the sectors: that nothing is.
                (words[83], words[106]) = (words[83] & 0x3fff | 0x4000, 0);
            }
            let bytes: Vec<u8> = words.into_iter().flat_map(u16::to_le_bytes).collect();
            match Identity::parse(bytes[..].try_into().expect("256 words")) {
                Ok(disk) => {
                    let blocks = disk.sectors / disk.block_sectors;
                    prop_assert!((1..=MAX_BLOCKS_LBA48).contains(&blocks) && disk.max_block_sectors > 0);
                    prop_assert!(disk.lba48 || blocks <= MAX_BLOCKS_LBA28);
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
