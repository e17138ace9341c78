//! What a disk or partition seems to hold, before somebody formats it.

use super::super::sector::Sector;
use super::super::transfer::zeroed_sectors;
use super::{Region, gpt};
use crate::store::layout::Superblock;
use crate::store::{BlockDevice, SECTOR_BYTES, StoreError};
use alloc::vec::Vec;
use core::fmt;

/// Sectors at the beginning that are looked at: 1 MiB.
const FIRST_SECTORS: u64 = 2048;
/// Sectors at the end: a partition table's copy, counted in blocks of 4 KiB too, has 40.
const LAST_SECTORS: u64 = 64;

/// What a device seems to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Zeros in [`FIRST_SECTORS`] and [`LAST_SECTORS`].
    Blank,
    /// A store of BareFlow's, right or wrong.
    Store,
    /// A file system, a partition table, or what else is known by its name.
    Known(&'static str),
    /// Something else; the first byte that is not 0 in what was looked at is that at this offset.
    Unknown { offset: u64 },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("nothing"),
            Self::Store => f.write_str("a store of BareFlow's"),
            Self::Known(name) => f.write_str(name),
            Self::Unknown { offset } => write!(f, "data of a kind that is not known, from byte {offset} on"),
        }
    }
}

/// Where which bytes tell what. What can be inside of something else comes after it.
const SIGNATURES: [(usize, &[u8], &str); 31] = [
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)"),
    (24, b"LVM2 001", "a physical volume of LVM"),
    (SECTOR_BYTES + 24, b"LVM2 001", "a physical volume of LVM"),
    (2 * SECTOR_BYTES + 24, b"LVM2 001", "a physical volume of LVM"),
    (3 * SECTOR_BYTES + 24, b"LVM2 001", "a physical volume of LVM"),
    (0, b"\xfc\x4e\x2b\xa9", "a member of a software RAID"),
    (4096, b"\xfc\x4e\x2b\xa9", "a member of a software RAID"),
    (0, b"XFSB", "a file system (XFS)"),
    (64 * 1024 + 64, b"_BHRfS_M", "a file system (btrfs)"),
    (4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "a file system (bcachefs)"),
    (1024, b"\x10\x20\xf5\xf2", "a file system (F2FS)"),
    (1024, b"\xe2\xe1\xf5\xe0", "a file system (EROFS)"),
    (1024, b"H+\0\x04", "a file system (HFS+)"),
    (1024, b"HX\0\x05", "a file system (HFSX)"),
    (32, b"NXSB", "a file system (APFS)"),
    (3, b"NTFS    ", "a file system (NTFS)"),
    (3, b"EXFAT   ", "a file system (exFAT)"),
    (3, b"-FVE-FS-", "an encrypted volume (BitLocker)"),
    (54, b"FAT12   ", "a file system (FAT12)"),
    (54, b"FAT16   ", "a file system (FAT16)"),
    (82, b"FAT32   ", "a file system (FAT32)"),
    (32 * 1024 + 1, b"CD001", "an ISO 9660 image"),
    (32 * 1024 + 1, b"BEA01", "a file system (UDF)"),
    (0, b"hsqs", "a file system (squashfs)"),
    (4096 - 10, b"SWAPSPACE2", "swap space"),
    (4096 - 10, b"SWAP-SPACE", "swap space"),
    (16 * 1024 - 10, b"SWAPSPACE2", "swap space"),
    (64 * 1024 - 10, b"SWAPSPACE2", "swap space"),
    (0, b"QFI\xfb", "an image in the format QCOW2"),
    (SECTOR_BYTES, &gpt::SIGNATURE, "a partition table (GPT)"),
    (4096, &gpt::SIGNATURE, "a partition table (GPT)"),
];

/// What `device` seems to hold.
pub fn content(device: &mut (impl BlockDevice + ?Sized)) -> Result<Content, StoreError> {
    let sectors = device.sectors();
    let first = read(device, 0, sectors.min(FIRST_SECTORS))?;
    let last_at = sectors.saturating_sub(LAST_SECTORS);
    let last = read(device, last_at, sectors - last_at)?;
    if let Some(content) = known(&first, &last) {
        return Ok(content);
    }
    let offset = |bytes: &[u8], from: u64| {
        let at = bytes.iter().position(|byte| *byte != 0)?;
        Some(from * SECTOR_BYTES as u64 + at as u64)
    };
    let offset = offset(&first, 0).or_else(|| offset(&last, last_at));
    Ok(offset.map_or(Content::Blank, |offset| Content::Unknown { offset }))
}

/// Zeros what [`content`] looks at, but for the first sector: that tells what is there until a superblock takes its place. The end
/// goes first, so that a crash leaves an old partition table whole, or neither copy of it.
pub fn wipe(device: &mut Region<impl BlockDevice>) -> Result<(), StoreError> {
    let sectors = device.sectors();
    zero(device, sectors.saturating_sub(LAST_SECTORS).max(1), sectors)?;
    zero(device, 1, sectors.min(FIRST_SECTORS))
}

fn zero(device: &mut Region<impl BlockDevice>, first: u64, end: u64) -> Result<(), StoreError> {
    let zeros = zeroed_sectors(end.saturating_sub(first) * SECTOR_BYTES as u64)?;
    if !zeros.is_empty() {
        device.write(first, &zeros)?;
        device.flush()?;
    }
    Ok(())
}

fn read(device: &mut (impl BlockDevice + ?Sized), first: u64, sectors: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = zeroed_sectors(sectors * SECTOR_BYTES as u64)?;
    if !bytes.is_empty() {
        device.read(first, &mut bytes)?;
    }
    Ok(bytes)
}

fn known(first: &[u8], last: &[u8]) -> Option<Content> {
    let sector = Sector::of(first)?;
    if Superblock::is_meant(&sector) {
        return Some(Content::Store);
    }
    let named = |(at, bytes, name): &(usize, &[u8], &'static str)| {
        first.get(*at..).is_some_and(|rest| rest.starts_with(bytes)).then_some(*name)
    };
    let name = extended(first).or_else(|| SIGNATURES.iter().find_map(named)).or_else(|| {
        let copy = last.chunks_exact(SECTOR_BYTES).any(|sector| sector.starts_with(&gpt::SIGNATURE));
        copy.then_some("the copy of a partition table (GPT) at its end")
    });
    let name = name.or_else(|| match gpt::mbr_types(&sector) {
        _ if !gpt::has_boot_signature(&sector) => None,
        [0, 0, 0, 0] => Some("a boot sector"),
        _ => Some("a partition table (MBR)"),
    });
    name.map(Content::Known)
}

/// Which of the three a file system of that family is.
fn extended(first: &[u8]) -> Option<&'static str> {
    const SUPERBLOCK: usize = 1024;
    let word = |at: usize| first.get(SUPERBLOCK + at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    if first.get(SUPERBLOCK + 56..)?.first_chunk() != Some(&[0x53, 0xef]) {
        return None;
    }
    let (has_journal, has_extents) = (word(0x5c)? & 4 != 0, word(0x60)? & 0x40 != 0);
    Some(match (has_journal, has_extents) {
        (_, true) => "a file system (ext4)",
        (true, false) => "a file system (ext3)",
        (false, false) => "a file system (ext2)",
    })
}
