//! Counting boots that started from a generation, so that one that never comes to a clean end is noticed.
//!
//! The count names its generation by number and payload checksum: a commit ends it without writing anything, because
//! the new generation has another name.

use super::layout::{ATTEMPTS_SECTOR, Attempts};
use super::sector::Sector;
use super::{BlockDevice, InUse, Store, StoreError};

impl<D: BlockDevice> Store<D> {
    /// Boots that started from the generation in use and did not end with a commit. What cannot be read counts as 0.
    pub fn attempts(&mut self) -> u32 {
        let current = self.no_attempts();
        let sector = Sector::read(&mut self.device, ATTEMPTS_SECTOR).ok();
        let recorded = sector.as_ref().and_then(Attempts::decode);
        recorded.filter(|recorded| Attempts { count: 0, ..*recorded } == current).map_or(0, |recorded| recorded.count)
    }

    /// Records that a boot starts from the generation in use, and returns how many have, this one included. To be
    /// called before the program runs; the next [`Store::commit`] resets the count.
    pub fn begin_attempt(&mut self) -> Result<u32, StoreError> {
        self.ensure_loaded();
        let count = self.attempts().saturating_add(1);
        let record = Attempts { count, ..self.no_attempts() };
        self.device.write(ATTEMPTS_SECTOR, record.encode().bytes())?;
        self.device.flush()?;
        Ok(count)
    }

    fn no_attempts(&self) -> Attempts {
        let (generation, payload_crc) = match self.in_use {
            InUse::Slot { header, .. } => (header.generation, header.payload_crc),
            InUse::Nothing | InUse::Unknown => (0, 0),
        };
        Attempts { store: self.superblock.id, generation, payload_crc, count: 0 }
    }
}
