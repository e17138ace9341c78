//! Where things stand on the disk and what their sectors hold: `FORMAT.md` as types.

use super::sector::Sector;
use super::{SECTOR_BYTES, StoreError};

/// Bytes that tell one store from another.
pub type StoreId = [u8; 16];

/// Generations that the store can hold at once.
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

/// Size of the smallest disk that holds a store.
pub const LEAST_SECTORS: u64 = FIRST_SLOT_SECTOR + SLOTS as u64 * LEAST_SLOT_SECTORS;

/// Version of the format. Any change to the layout needs a new one.
pub const VERSION: u32 = 1;

const SUPERBLOCK_MAGIC: [u8; 8] = *b"BAREFLOW";
const SLOT_MAGIC: [u8; 8] = *b"BFSLOT\0\0";
const ATTEMPTS_MAGIC: [u8; 8] = *b"BFTRIES\0";

/// Sector 0: says that there is a store, and of which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    pub id: StoreId,
    /// Sectors of the disk when it was formatted.
    pub total_sectors: u64,
    pub slot_sectors: u64,
}

impl Superblock {
    /// The layout for a disk of `sectors`: the slots share what is free, up to the largest size.
    pub fn for_disk(sectors: u64, id: StoreId) -> Result<Self, StoreError> {
        if sectors < LEAST_SECTORS {
            return Err(StoreError::TooSmall { sectors, needed: LEAST_SECTORS });
        }
        let share = (sectors - FIRST_SLOT_SECTOR) / SLOTS as u64;
        let slot_sectors = (share - share % BLOCK_SECTORS).min(MOST_SLOT_SECTORS);
        Ok(Self { id, total_sectors: sectors, slot_sectors })
    }

    pub fn encode(&self) -> Sector {
        Sector::ZERO
            .with(0, &SUPERBLOCK_MAGIC)
            .with(8, &VERSION.to_le_bytes())
            .with(16, &self.id)
            .with(32, &self.total_sectors.to_le_bytes())
            .with(40, &self.slot_sectors.to_le_bytes())
            .sealed()
    }

    pub fn decode(sector: &Sector) -> Result<Self, StoreError> {
        if sector.field(0) != SUPERBLOCK_MAGIC {
            return Err(StoreError::NotFormatted);
        }
        if !sector.is_intact() {
            return Err(StoreError::SuperblockDamaged);
        }
        let found = sector.u32(8);
        if found != VERSION {
            return Err(StoreError::UnknownVersion { found });
        }
        let superblock = Self { id: sector.field(16), total_sectors: sector.u64(32), slot_sectors: sector.u64(40) };
        // The sizes follow from the disk's: other ones were not written by `format`.
        match Self::for_disk(superblock.total_sectors, superblock.id) {
            Ok(expected) if expected == superblock => Ok(superblock),
            _ => Err(StoreError::SuperblockDamaged),
        }
    }

    pub fn header_sector(&self, slot: usize) -> u64 {
        FIRST_SLOT_SECTOR + slot as u64 * self.slot_sectors
    }

    pub fn payload_sector(&self, slot: usize) -> u64 {
        self.header_sector(slot) + BLOCK_SECTORS
    }

    /// Most bytes that a slot's payload may have: at most 32 MiB.
    pub fn payload_bytes(&self) -> u64 {
        (self.slot_sectors - BLOCK_SECTORS) * SECTOR_BYTES as u64
    }
}

/// Bytes of the smallest disk whose store takes a payload of `payload_bytes`; none if no store does.
pub fn disk_bytes_for(payload_bytes: u64) -> Option<u64> {
    let slot_sectors = payload_bytes.div_ceil(SECTOR_BYTES as u64).checked_add(BLOCK_SECTORS)?;
    let slot_sectors = slot_sectors.max(LEAST_SLOT_SECTORS).checked_next_multiple_of(BLOCK_SECTORS)?;
    let sectors = FIRST_SLOT_SECTOR + SLOTS as u64 * slot_sectors;
    (slot_sectors <= MOST_SLOT_SECTORS).then_some(sectors * SECTOR_BYTES as u64)
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
}

impl SlotHeader {
    pub fn encode(&self) -> Sector {
        Sector::ZERO
            .with(0, &SLOT_MAGIC)
            .with(8, &self.generation.to_le_bytes())
            .with(16, &self.store)
            .with(32, &self.payload_bytes.to_le_bytes())
            .with(40, &self.payload_crc.to_le_bytes())
            .sealed()
    }

    /// The header, if the sector holds one.
    pub fn decode(sector: &Sector) -> Option<Self> {
        let is_header = sector.field(0) == SLOT_MAGIC && sector.is_intact();
        is_header.then(|| Self {
            store: sector.field(16),
            generation: sector.u64(8),
            payload_bytes: sector.u64(32),
            payload_crc: sector.u32(40),
        })
    }
}

/// The attempts sector: how many boots in a row started from one generation and did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    pub store: StoreId,
    /// Generation and payload checksum of the header counted for; 0 and 0 for the empty store.
    pub generation: u64,
    pub payload_crc: u32,
    pub count: u32,
    /// The last of them may have come to its end while it read the store.
    pub reading: bool,
}

impl Attempts {
    pub fn encode(&self) -> Sector {
        Sector::ZERO
            .with(0, &ATTEMPTS_MAGIC)
            .with(8, &self.generation.to_le_bytes())
            .with(16, &self.store)
            .with(32, &self.payload_crc.to_le_bytes())
            .with(36, &self.count.to_le_bytes())
            .with(40, &u32::from(self.reading).to_le_bytes())
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
            reading: sector.u32(40) != 0,
        })
    }
}
