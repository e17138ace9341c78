//! Counting boots that started from a generation, so that one that never comes to an end is noticed.
//!
//! The count names its generation, the newest that a header promises, by number and payload checksum: a commit ends it
//! without writing anything, because the new generation has another name. A boot that ends without a commit says so with
//! [`Store::end_attempt`].

use super::layout::{ATTEMPTS_SECTOR, Attempts, SlotHeader};
use super::sector::Sector;
use super::{BlockDevice, Store, StoreError};
use alloc::vec::Vec;

/// Attempts without an end after which what they have in common is distrusted.
pub const MOST_ATTEMPTS: u32 = 3;

/// An attempt that has begun and of which no end was recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    record: Attempts,
    /// Generations, newest first, that are not to be read this time: earlier attempts may have ended while reading them.
    pub suspects: u32,
}

impl<D: BlockDevice> Store<D> {
    /// Boots in a row that started from the newest generation and did not end. What cannot be read counts as 0.
    pub fn attempts(&mut self) -> u32 {
        let newest = self.newest();
        self.recorded(newest).map_or(0, |recorded| recorded.count)
    }

    /// Records that a boot starts from the newest generation, and returns how many did before and did not end, unless reading
    /// is to blame. To be called before anything of it is read; ended by [`Store::commit`] or [`Store::end_attempt`].
    pub fn begin_attempt(&mut self) -> Result<u32, StoreError> {
        let newest = self.newest();
        let earlier = self.recorded(newest);
        let before = earlier.map_or(0, |earlier| earlier.count);
        let count = before.saturating_add(1);
        let record = Attempts { count, reading: count >= MOST_ATTEMPTS, ..self.no_attempts(newest) };
        self.write_attempts(&record)?;
        let suspects = if earlier.is_some_and(|earlier| earlier.reading) { before / MOST_ATTEMPTS } else { 0 };
        self.begun = Some(Begun { record, suspects });
        Ok(if suspects > 0 { 0 } else { before })
    }

    /// Records that the boot ended, although it did not commit: what it started from is not to blame for anything. What it
    /// passed over still is.
    pub fn end_attempt(&mut self) -> Result<(), StoreError> {
        let Some(Begun { record, suspects }) = self.begun.take() else { return Ok(()) };
        self.write_attempts(&Attempts { count: suspects * MOST_ATTEMPTS, reading: suspects > 0, ..record })
    }

    /// Records that the attempt came through reading the store: if it does not end, that was not why.
    pub(super) fn reading_ended(&mut self) -> Result<(), StoreError> {
        let Some(Begun { record, suspects }) = &mut self.begun else { return Ok(()) };
        if !record.reading {
            return Ok(());
        }
        // What was passed over was not read, and stays suspected.
        match *suspects {
            0 => record.reading = false,
            suspects => record.count = suspects * MOST_ATTEMPTS,
        }
        let record = *record;
        self.write_attempts(&record)
    }

    fn newest(&mut self) -> Option<SlotHeader> {
        self.newest_first(&mut Vec::new()).first().map(|(_, header)| *header)
    }

    /// What the attempts sector says about `newest`.
    fn recorded(&mut self, newest: Option<SlotHeader>) -> Option<Attempts> {
        let name = self.no_attempts(newest);
        let sector = Sector::read(&mut self.device, ATTEMPTS_SECTOR).ok()?;
        Attempts::decode(&sector).filter(|recorded| Attempts { count: 0, reading: false, ..*recorded } == name)
    }

    fn write_attempts(&mut self, record: &Attempts) -> Result<(), StoreError> {
        self.device.write(ATTEMPTS_SECTOR, record.encode().bytes())?;
        Ok(self.device.flush()?)
    }

    fn no_attempts(&self, newest: Option<SlotHeader>) -> Attempts {
        let (generation, payload_crc) = newest.map_or((0, 0), |header| (header.generation, header.payload_crc));
        Attempts { store: self.superblock.id, generation, payload_crc, count: 0, reading: false }
    }
}
