//! Making a store of version 1 one of this version, with its generation in use.
//!
//! Slot 0 begins at the same place in both, and a header of version 1 is one of this version that names no code. So the
//! generation is brought into slot 0 first, by the rules of version 1; one atomic sector then makes it this version's.

use super::layout::{SUPERBLOCK_SECTOR, SlotHeader, Superblock, VERSION};
use super::sector::Sector;
use super::{BlockDevice, InUse, Note, Obstacle, Store, StoreError};
use alloc::vec::Vec;

impl<D: BlockDevice> Store<D> {
    /// The layout that the next commit goes by, or why it cannot be that of this version.
    pub(super) fn next_layout(&mut self) -> Result<Superblock, Obstacle> {
        let Superblock { version, id, total_sectors, .. } = self.superblock;
        if version == VERSION {
            return Ok(self.superblock);
        }
        let next = Superblock::for_disk(total_sectors, id).map_err(|_| Obstacle::DiskCutShort)?;
        if self.device.sectors() < total_sectors {
            return Err(Obstacle::DiskCutShort);
        }
        match self.in_use {
            InUse::Slot { header: SlotHeader { payload_bytes: bytes, .. }, .. } => match next.payload_bytes() {
                capacity if bytes > capacity => Err(Obstacle::PayloadTooLarge { bytes, capacity }),
                _ => Ok(next),
            },
            InUse::Nothing | InUse::Unknown => match self.newest_first(&mut Vec::new())[..] {
                [] => Ok(next),
                // Spared, as by a commit: a later BareFlow may be able to read it.
                _ => Err(Obstacle::NothingUsable),
            },
        }
    }

    /// What there is to say of the version of this store.
    pub(super) fn version_note(&mut self) -> Option<Note> {
        match self.next_layout() {
            Ok(next) if next == self.superblock => None,
            Ok(_) => Some(Note::OldVersion),
            Err(obstacle) => Some(Note::KeepsOldVersion(obstacle)),
        }
    }

    /// Makes this a store of this version, unless it is or there is an obstacle. After an error or a crash at any point, it is
    /// one of either version, with the generation in use.
    pub(super) fn take_over(&mut self) -> Result<(), StoreError> {
        let Some(next) = self.next_layout().ok().filter(|next| *next != self.superblock) else { return Ok(()) };
        // On the smallest disks, both slots are where they were.
        if next.slot_sectors != self.superblock.slot_sectors {
            self.move_to_first_slot()?;
            self.write_sector(next.header_sector(1), &Sector::ZERO)?;
        }
        self.write_sector(SUPERBLOCK_SECTOR, &next.encode())?;
        self.superblock = next;
        Ok(())
    }

    /// Brings the generation in use into slot 0. Until its copy there is whole, the one in slot 1 counts.
    fn move_to_first_slot(&mut self) -> Result<(), StoreError> {
        let InUse::Slot { slot: slot @ 1.., header, .. } = self.in_use else { return Ok(()) };
        let (from, to) = (self.superblock.payload_sector(slot), self.superblock.payload_sector(0));
        let payload = self.read_bytes(from, header.payload_bytes)?;
        if crc32fast::hash(&payload) != header.payload_crc {
            return Err(StoreError::NotWritten { sector: from });
        }
        let header = SlotHeader { code: None, ..header };
        self.write_bytes(to, &payload)?;
        self.write_sector(self.superblock.header_sector(0), &header.encode())?;
        self.in_use = InUse::Slot { slot: 0, header, code: None };
        Ok(())
    }
}
