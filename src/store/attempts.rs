//! Counting boots that started from a generation, so that one that never comes to an end is noticed, wherever it stops.
//!
//! Key type: [`Attempt`]. The count names its generation, the newest that a header promises, by number and payload checksum: a
//! commit ends it without writing anything, because the new generation has another name. A boot that ends without a commit says
//! so with [`Store::end_attempt`].
//!
//! From the third attempt on, a boot writes down what it begins: to read, to save. One that finds such a mark leaves out what it
//! stands for, so that it comes to its end, and later ones take it up again, with the mark from the beginning.

use super::layout::{ATTEMPTS_SECTOR, Attempts, Phase, SLOTS, SlotHeader};
use super::sector::Sector;
use super::{BlockDevice, Store, StoreError};
use alloc::vec::Vec;

/// Attempts without an end after which what they have in common is distrusted.
pub const MOST_ATTEMPTS: u32 = 3;

/// After one that stopped saving, every how many boots it is tried again: a stop costs the user a reset.
const BOOTS_UNTIL_SAVED: u32 = 8;
/// After one that stopped reading, the boot that leaves the store alone, and the one that reads what is older.
const BOOTS_UNTIL_READ: u32 = 2;

/// How a boot has to go about its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Boots in a row before this one that did not end, unless they stopped reading or saving.
    pub unclean: u32,
    /// Boots until one saves again: this one does, if that is 0.
    pub boots_until_saved: u32,
}

impl<D: BlockDevice> Store<D> {
    /// Boots in a row that started from the newest generation and did not end. What cannot be read counts as 0.
    pub fn attempts(&mut self) -> u32 {
        self.recorded().count
    }

    /// Boots that are not going to be saved because earlier ones stopped while they saved, or while they read.
    pub fn boots_until_saved(&mut self) -> u32 {
        resumed(self.recorded()).unsaved.saturating_sub(1)
    }

    /// Records that a boot starts from the newest generation. To be called before anything of it is read; ended by
    /// [`Store::commit`] or [`Store::end_attempt`].
    pub fn begin_attempt(&mut self) -> Result<Attempt, StoreError> {
        let mut record = resumed(self.recorded());
        let unclean = record.count;
        record.count = unclean.saturating_add(1);
        let is_marked = record.count >= MOST_ATTEMPTS || record.unread == 1;
        record.phase = if is_marked && suspects(&record) < SLOTS { Phase::Reading } else { Phase::Running };
        self.write_attempts(&record)?;
        self.begun = Some(record);
        Ok(Attempt { unclean, boots_until_saved: record.unsaved.saturating_sub(1) })
    }

    /// Records that the boot ended, although it did not commit: what it started from is not to blame for anything. What it
    /// left out still is.
    pub fn end_attempt(&mut self) -> Result<(), StoreError> {
        let Some(record) = self.begun.take() else { return Ok(()) };
        let one_less = |boots: u32| if boots > 1 { boots - 1 } else { boots };
        let (unread, unsaved) = (one_less(record.unread), one_less(record.unsaved));
        self.write_attempts(&Attempts { count: 0, phase: Phase::Running, unread, unsaved, ..record })
    }

    /// Generations, newest first, that are not to be read in this boot.
    pub(super) fn suspects(&self) -> usize {
        self.begun.map_or(0, |record| suspects(&record))
    }

    /// Records that the attempt came through reading the store: if it does not end, that was not why.
    pub(super) fn reading_ended(&mut self) -> Result<(), StoreError> {
        match self.begun {
            Some(record) if record.phase == Phase::Reading => {
                self.mark(Attempts { phase: Phase::Running, unread: 0, ..record })
            }
            _ => Ok(()),
        }
    }

    /// Records that the attempt begins to save, if earlier ones did not end.
    pub(super) fn saving_begins(&mut self) -> Result<(), StoreError> {
        match self.begun {
            Some(record) if record.count >= MOST_ATTEMPTS || record.unsaved == 1 => {
                self.mark(Attempts { phase: Phase::Saving, ..record })
            }
            _ => Ok(()),
        }
    }

    fn mark(&mut self, record: Attempts) -> Result<(), StoreError> {
        self.begun = Some(record);
        self.write_attempts(&record)
    }

    fn newest(&mut self) -> Option<SlotHeader> {
        self.newest_first(&mut Vec::new()).first().map(|(_, header)| *header)
    }

    /// What the attempts sector says about the newest generation.
    fn recorded(&mut self) -> Attempts {
        let (generation, payload_crc) = self.newest().map_or((0, 0), |header| (header.generation, header.payload_crc));
        let store = self.superblock.id;
        let (phase, passed_over, unread, unsaved) = (Phase::Running, 0, 0, 0);
        let none = Attempts { store, generation, payload_crc, count: 0, phase, passed_over, unread, unsaved };
        let sector = Sector::read(&mut self.device, ATTEMPTS_SECTOR).ok();
        sector.and_then(|sector| Attempts::decode(&sector)).filter(|recorded| recorded.is_of(&none)).unwrap_or(none)
    }

    fn write_attempts(&mut self, record: &Attempts) -> Result<(), StoreError> {
        self.device.write(ATTEMPTS_SECTOR, record.encode().bytes())?;
        Ok(self.device.flush()?)
    }
}

/// What follows from where the last attempt stopped. Its successors are counted anew, but where others had stopped for another
/// reason before it: that one still holds.
fn resumed(last: Attempts) -> Attempts {
    let passed_over = last.passed_over.min(SLOTS as u32);
    let (unread, unsaved) = (last.unread.min(BOOTS_UNTIL_READ), last.unsaved.min(BOOTS_UNTIL_SAVED));
    let last = Attempts { passed_over, unread, unsaved, ..last };
    let count = if last.count > MOST_ATTEMPTS { MOST_ATTEMPTS } else { 0 };
    match last.phase {
        Phase::Running => last,
        // Saving would read back, from the same place perhaps.
        Phase::Reading => Attempts {
            count,
            passed_over: (passed_over + 1).min(SLOTS as u32),
            unread: BOOTS_UNTIL_READ,
            unsaved: unsaved.max(BOOTS_UNTIL_READ),
            ..last
        },
        Phase::Saving => Attempts { count, unsaved: BOOTS_UNTIL_SAVED, ..last },
    }
}

fn suspects(record: &Attempts) -> usize {
    if record.unread > 1 { SLOTS } else { record.passed_over as usize }
}
