//! Making a payload the newest generation.

use super::layout::{SLOTS, SlotHeader};
use super::sector::Sector;
use super::{BlockDevice, Code, InUse, SECTOR_BYTES, Store, StoreError};
use alloc::vec::Vec;

impl<D: BlockDevice> Store<D> {
    /// Writes `payload` and `code` as the newest generation and returns its number, once all is on the medium and was read
    /// back.
    ///
    /// The generation in use is not touched, nor is its code: after an error or a crash at any point, the store holds it or,
    /// whole, the new one. If nothing was loaded before, the newest intact generation counts as in use. Where code is the
    /// reason of an error, a commit of the payload without it may succeed.
    pub fn commit(&mut self, payload: &[u8], code: Code<&[u8]>) -> Result<u64, StoreError> {
        self.ensure_loaded();
        self.saving_begins()?;
        self.take_over()?;
        let (slot, generation) = self.next()?;
        self.check_size(slot, payload.len() as u64)?;
        let code = self.put_code(code)?;
        let header = SlotHeader {
            store: self.superblock.id,
            generation,
            payload_bytes: payload.len() as u64,
            payload_crc: crc32fast::hash(payload),
            code,
        };
        // Read back before the header makes it count: a bad copy must not become the newest generation.
        self.write_bytes(self.superblock.payload_sector(slot), payload)?;
        self.write_sector(self.superblock.header_sector(slot), &header.encode())?;
        self.in_use = InUse::Slot { slot, header, code };
        self.begun = None;
        Ok(generation)
    }

    /// The slot that does not hold the generation in use, and a number above all that the headers show.
    fn next(&mut self) -> Result<(usize, u64), StoreError> {
        let headers = self.newest_first(&mut Vec::new());
        // A header that cannot be read just now must not bring the number in use back.
        let highest = headers.first().map_or(0, |(_, header)| header.generation).max(self.generation());
        let slot = match self.in_use {
            InUse::Slot { slot, .. } => SLOTS - 1 - slot,
            // Nothing is usable: spare what looks newest, a later BareFlow may be able to read it. But beside the last
            // number there is, nothing would ever be newer.
            InUse::Nothing | InUse::Unknown => match headers.first() {
                Some((slot, header)) if header.generation == u64::MAX => *slot,
                Some((slot, _)) => SLOTS - 1 - slot,
                None => 0,
            },
        };
        // A slot that is about to be overwritten may hold the last number; one above what stays is enough then.
        let stays = headers.iter().filter(|(other, _)| *other != slot).map(|(_, header)| header.generation);
        let stays = stays.fold(self.generation(), u64::max);
        let generation = highest.checked_add(1).or(stays.checked_add(1));
        Ok((slot, generation.ok_or(StoreError::NoGenerationLeft)?))
    }

    /// Bytes that the payload of the next commit may have; 0 if there can be none.
    pub fn room(&mut self) -> u64 {
        self.ensure_loaded();
        let most = self.next_layout().map_or(u64::MAX, |layout| layout.payload_bytes());
        self.next().map_or(0, |(slot, _)| self.slot_bytes(slot).min(most))
    }

    /// Bytes of a payload that fit into `slot`, also when the disk was cut short.
    fn slot_bytes(&self, slot: usize) -> u64 {
        self.bytes_left(self.superblock.payload_sector(slot)).min(self.superblock.payload_bytes())
    }

    /// Bytes of the disk from sector `first` on.
    pub(super) fn bytes_left(&self, first: u64) -> u64 {
        self.device.sectors().saturating_sub(first).saturating_mul(SECTOR_BYTES as u64)
    }

    fn check_size(&self, slot: usize, bytes: u64) -> Result<(), StoreError> {
        let capacity = self.slot_bytes(slot);
        if bytes > capacity {
            return Err(StoreError::PayloadTooLarge { bytes, capacity });
        }
        Ok(())
    }

    /// Writes `sector`, until it is on the medium and is read back.
    pub(super) fn write_sector(&mut self, number: u64, sector: &Sector) -> Result<(), StoreError> {
        self.device.write(number, sector.bytes())?;
        self.device.flush()?;
        if Sector::read(&mut self.device, number)? != *sector {
            return Err(StoreError::NotWritten { sector: number });
        }
        Ok(())
    }
}
