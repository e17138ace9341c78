//! Where things stand in a store and what their sectors hold: `FORMAT.md` as types.

use super::sector::Sector;
use super::{SECTOR_BYTES, StoreError};

/// Bytes that tell one store from another.
pub type StoreId = [u8; 16];

/// Generations that the store can hold at once, and as many slots of code.
pub const SLOTS: usize = 2;

/// Sectors in the 4 KiB that many disks rewrite as a whole. Sectors written at different times stand this far apart.
const BLOCK_SECTORS: u64 = 8;

pub const SUPERBLOCK_SECTOR: u64 = 0;
pub const ATTEMPTS_SECTOR: u64 = BLOCK_SECTORS;
const FIRST_SLOT_SECTOR: u64 = 2 * BLOCK_SECTORS;

/// Size of the smallest slot: a block for the header and one for the payload.
const LEAST_SLOT_SECTORS: u64 = 2 * BLOCK_SECTORS;

/// Size of the largest slot, 32 MiB, so that a forged superblock cannot ask for unbounded memory.
const MOST_SLOT_SECTORS: u64 = 32 * 1024 * 1024 / SECTOR_BYTES as u64;

/// What a slot gets before there is any code, 32 KiB: profiles of small programs have a few.
const SLOT_SECTORS_BEFORE_CODE: u64 = 32 * 1024 / SECTOR_BYTES as u64;

/// Parts of the disk that one slot gets where that is more. Code has what is left: a profile is a few percent of it.
const SLOT_SHARE: u64 = 8;

/// What a store uses of the largest disks: 256 MiB, where the slots reach their largest size.
const MOST_USED_SECTORS: u64 = FIRST_SLOT_SECTOR + SLOT_SHARE * MOST_SLOT_SECTORS;

/// Size of the largest code slot, 96 MiB: half of what the largest slots leave of that.
const MOST_CODE_SECTORS: u64 = (SLOT_SHARE / SLOTS as u64 - 1) * MOST_SLOT_SECTORS;

/// Size of the smallest disk that holds a store.
pub const LEAST_SECTORS: u64 = FIRST_SLOT_SECTOR + SLOTS as u64 * LEAST_SLOT_SECTORS;

/// Version of the format. Any change to the layout needs a new one.
pub const VERSION: u32 = 2;

const SUPERBLOCK_MAGIC: [u8; 8] = *b"BAREFLOW";
const SLOT_MAGIC: [u8; 8] = *b"BFSLOT\0\0";
const ATTEMPTS_MAGIC: [u8; 8] = *b"BFTRIES\0";

/// Sector 0: says that there is a store, of which size, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// 1 or [`VERSION`].
    pub version: u32,
    pub id: StoreId,
    /// Sectors of the disk or partition when it was formatted.
    pub total_sectors: u64,
    pub slot_sectors: u64,
    /// Size of a slot of code; 0 if the store has none.
    pub code_sectors: u64,
    pub home: Home,
}

/// Where on a disk a store was formatted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// Sector of the disk at which the store begins: 0 for one that has the whole disk.
    pub first_sector: u64,
    /// The partition's unique GUID; zeros for a whole disk.
    pub partition: PartitionId,
}

/// A partition's unique GUID, byte for byte as it is in the table.
pub type PartitionId = [u8; 16];

impl Superblock {
    /// The layout for a disk of `sectors`.
    pub fn for_disk(sectors: u64, id: StoreId) -> Result<Self, StoreError> {
        let half = half_of_disk(sectors)?;
        let share = whole_blocks(half / (SLOT_SHARE / SLOTS as u64)).max(SLOT_SECTORS_BEFORE_CODE);
        let slot_sectors = share.min(whole_blocks(half)).min(MOST_SLOT_SECTORS);
        let code_sectors = whole_blocks(half - slot_sectors).min(MOST_CODE_SECTORS);
        Ok(Self { version: VERSION, id, total_sectors: sectors, slot_sectors, code_sectors, home: Home::default() })
    }

    /// The layout of version 1: the slots share what is free.
    pub fn of_version_1(sectors: u64, id: StoreId) -> Result<Self, StoreError> {
        let slot_sectors = whole_blocks(half_of_disk(sectors)?).min(MOST_SLOT_SECTORS);
        Ok(Self { version: 1, id, total_sectors: sectors, slot_sectors, code_sectors: 0, home: Home::default() })
    }

    /// The same layout at another place.
    pub fn at(self, home: Home) -> Self {
        Self { home, ..self }
    }

    pub fn encode(&self) -> Sector {
        Sector::ZERO
            .with(0, &SUPERBLOCK_MAGIC)
            .with(8, &self.version.to_le_bytes())
            .with(16, &self.id)
            .with(32, &self.total_sectors.to_le_bytes())
            .with(40, &self.slot_sectors.to_le_bytes())
            .with(48, &self.code_sectors.to_le_bytes())
            .with(56, &self.home.first_sector.to_le_bytes())
            .with(64, &self.home.partition)
            .sealed()
    }

    /// Whether `sector` means to be a superblock, right or wrong.
    pub fn is_meant(sector: &Sector) -> bool {
        sector.field(0) == SUPERBLOCK_MAGIC
    }

    pub fn decode(sector: &Sector) -> Result<Self, StoreError> {
        if !Self::is_meant(sector) {
            return Err(StoreError::NotFormatted);
        }
        if !sector.is_intact() {
            return Err(StoreError::SuperblockDamaged);
        }
        let (id, total_sectors) = (sector.field(16), sector.u64(32));
        let home = Home { first_sector: sector.u64(56), partition: sector.field(64) };
        let expected = match sector.u32(8) {
            1 => Self::of_version_1(total_sectors, id),
            VERSION => Self::for_disk(total_sectors, id).map(|superblock| superblock.at(home)),
            found => return Err(StoreError::UnknownVersion { found }),
        };
        // The sizes follow from the disk's, and what is not listed is zero: anything else was not written by `format`.
        expected.ok().filter(|expected| expected.encode() == *sector).ok_or(StoreError::SuperblockDamaged)
    }

    pub fn header_sector(&self, slot: usize) -> u64 {
        FIRST_SLOT_SECTOR + slot as u64 * self.slot_sectors
    }

    pub fn payload_sector(&self, slot: usize) -> u64 {
        self.header_sector(slot) + BLOCK_SECTORS
    }

    pub fn code_sector(&self, slot: usize) -> u64 {
        self.header_sector(SLOTS) + slot as u64 * self.code_sectors
    }

    /// Most bytes that a slot's payload may have: at most 32 MiB.
    pub fn payload_bytes(&self) -> u64 {
        (self.slot_sectors - BLOCK_SECTORS) * SECTOR_BYTES as u64
    }

    /// Most bytes that a slot of code may hold: at most 96 MiB.
    pub fn code_bytes(&self) -> u64 {
        self.code_sectors * SECTOR_BYTES as u64
    }
}

/// Half of what a disk of `sectors` has for slots.
fn half_of_disk(sectors: u64) -> Result<u64, StoreError> {
    if sectors < LEAST_SECTORS {
        return Err(StoreError::TooSmall { sectors, needed: LEAST_SECTORS });
    }
    Ok((sectors - FIRST_SLOT_SECTOR) / SLOTS as u64)
}

fn whole_blocks(sectors: u64) -> u64 {
    sectors - sectors % BLOCK_SECTORS
}

/// Bytes of the smallest disk whose store takes a payload of `payload_bytes` and code of `code_bytes`; none if no store does.
pub fn disk_bytes_for(payload_bytes: u64, code_bytes: u64) -> Option<u64> {
    let takes_both = |sectors| {
        Superblock::for_disk(sectors, StoreId::default())
            .is_ok_and(|disk| disk.payload_bytes() >= payload_bytes && disk.code_bytes() >= code_bytes)
    };
    // Neither size shrinks when a disk grows.
    let (mut least, mut enough) = (LEAST_SECTORS, MOST_USED_SECTORS);
    while least < enough {
        let middle = least.midpoint(enough);
        if takes_both(middle) { enough = middle } else { least = middle + 1 }
    }
    takes_both(enough).then_some(enough * SECTOR_BYTES as u64)
}

/// First sector of a slot: says which generation it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHeader {
    pub store: StoreId,
    /// 1 or more; the greater is the newer.
    pub generation: u64,
    pub payload_bytes: u64,
    /// CRC-32 of the payload.
    pub payload_crc: u32,
    /// The code that goes with the payload. A header of version 1 has zeros there: none.
    pub code: Option<CodeName>,
}

/// Which bytes of which slot of code belong to a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeName {
    pub slot: u32,
    /// 1 or more.
    pub bytes: u64,
    /// XXH3 of 128 bits of these bytes.
    pub hash: u128,
}

impl SlotHeader {
    pub fn encode(&self) -> Sector {
        let code = self.code.unwrap_or(CodeName { slot: 0, bytes: 0, hash: 0 });
        Sector::ZERO
            .with(0, &SLOT_MAGIC)
            .with(8, &self.generation.to_le_bytes())
            .with(16, &self.store)
            .with(32, &self.payload_bytes.to_le_bytes())
            .with(40, &self.payload_crc.to_le_bytes())
            .with(44, &code.slot.to_le_bytes())
            .with(48, &code.bytes.to_le_bytes())
            .with(56, &code.hash.to_le_bytes())
            .sealed()
    }

    /// The header, if the sector holds one.
    pub fn decode(sector: &Sector) -> Option<Self> {
        let is_header = sector.field(0) == SLOT_MAGIC && sector.is_intact();
        let hash = u128::from_le_bytes(sector.field(56));
        let code = CodeName { slot: sector.u32(44), bytes: sector.u64(48), hash };
        is_header.then(|| Self {
            store: sector.field(16),
            generation: sector.u64(8),
            payload_bytes: sector.u64(32),
            payload_crc: sector.u32(40),
            code: Some(code).filter(|code| code.bytes > 0),
        })
    }
}

/// The attempts sector: how many boots in a row started from one generation and did not end, and what is not done for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    pub store: StoreId,
    /// Generation and payload checksum of the header counted for; 0 and 0 for the empty store.
    pub generation: u64,
    pub payload_crc: u32,
    pub count: u32,
    /// What the last of them may have come to its end at.
    pub phase: Phase,
    /// Generations, newest first, that are not read: boots that read them did not get further.
    pub passed_over: u32,
    /// Boots until one reads again, that one included; 0 where every boot reads.
    pub unread: u32,
    /// Boots until one saves again, that one included; 0 where every boot saves.
    pub unsaved: u32,
}

/// What a boot does with its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Something else, or nobody wrote down what.
    Running,
    /// It reads payloads.
    Reading,
    Saving,
}

impl Attempts {
    pub fn encode(&self) -> Sector {
        let phase: u32 = match self.phase {
            Phase::Running => 0,
            Phase::Reading => 1,
            Phase::Saving => 2,
        };
        Sector::ZERO
            .with(0, &ATTEMPTS_MAGIC)
            .with(8, &self.generation.to_le_bytes())
            .with(16, &self.store)
            .with(32, &self.payload_crc.to_le_bytes())
            .with(36, &self.count.to_le_bytes())
            .with(40, &phase.to_le_bytes())
            .with(44, &self.passed_over.to_le_bytes())
            .with(48, &self.unread.to_le_bytes())
            .with(52, &self.unsaved.to_le_bytes())
            .sealed()
    }

    /// The record, if the sector holds one.
    pub fn decode(sector: &Sector) -> Option<Self> {
        let is_record = sector.field(0) == ATTEMPTS_MAGIC && sector.is_intact();
        is_record.then(|| Self {
            store: sector.field(16),
            generation: sector.u64(8),
            payload_crc: sector.u32(32),
            count: sector.u32(36),
            phase: match sector.u32(40) {
                0 => Phase::Running,
                2 => Phase::Saving,
                _ => Phase::Reading,
            },
            passed_over: sector.u32(44),
            unread: sector.u32(48),
            unsaved: sector.u32(52),
        })
    }

    /// Whether both count for the same generation of the same store.
    pub fn is_of(&self, other: &Self) -> bool {
        let name = |record: &Self| (record.store, record.generation, record.payload_crc);
        name(self) == name(other)
    }
}
