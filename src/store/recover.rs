//! Finding the newest generation that is whole.

use super::layout::{SLOTS, SlotHeader};
use super::sector::Sector;
use super::{BlockDevice, Fault, InUse, Note, Store, StoreError};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

/// What the store gave a boot to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered<T> {
    /// Generation of the payload; 0 when there is none.
    pub generation: u64,
    /// The newest payload that is whole and that the reader accepts.
    pub payload: Option<T>,
    /// Why something newer was passed over, or why there is nothing. Empty when all is well.
    pub notes: Vec<Note>,
}

impl<T> Recovered<T> {
    /// Whether something was passed over that may be whole: there was no memory to read it.
    pub fn lacked_memory(&self) -> bool {
        let unreadable = |note: &Note| match note {
            Note::PassedOver { fault: Fault::PayloadUnreadable { error, .. }, .. } => Some(error.clone()),
            _ => None,
        };
        self.notes.iter().filter_map(unreadable).any(|error| matches!(error, StoreError::OutOfMemory { .. }))
    }
}

impl<T> fmt::Display for Recovered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "store: starting empty")?,
            generation => write!(f, "store: starting from generation {generation}")?,
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

impl<D: BlockDevice> Store<D> {
    /// The newest intact payload. See [`Store::load_with`].
    pub fn load(&mut self) -> Recovered<Vec<u8>> {
        self.load_with(u64::MAX, |payload| Ok::<_, Infallible>(payload.to_vec()))
    }

    /// The newest intact payload for which `read` gives a result; what `read` refuses is passed over like a damaged
    /// one, and so is what has more than `limit_bytes`. Whatever the disk holds or fails to give, the result is a whole
    /// payload or none: nothing here stops a boot.
    pub fn load_with<T, E: fmt::Display>(
        &mut self,
        limit_bytes: u64,
        mut read: impl FnMut(&[u8]) -> Result<T, E>,
    ) -> Recovered<T> {
        let mut notes = Vec::from_iter(self.cut_short());
        self.in_use = InUse::Nothing;
        let mut payload = None;
        let suspects = self.suspects();
        for (rank, (slot, header)) in (0..).zip(self.newest_first(&mut notes)) {
            let found = match rank < suspects {
                true => Err(Fault::Suspected { generation: header.generation }),
                false => self.read_generation(slot, &header, limit_bytes, &mut read),
            };
            match found {
                Ok(found) => {
                    self.in_use = InUse::Slot { slot, header, code: header.code };
                    payload = Some(found);
                    break;
                }
                Err(fault) => notes.push(Note::PassedOver { slot, fault }),
            }
        }
        if let Err(error) = self.reading_ended() {
            notes.push(Note::AttemptUnknown(error));
        }
        notes.extend(self.version_note());
        Recovered { generation: self.generation(), payload, notes }
    }

    /// Number of the generation in use; 0 when there is none or none was loaded.
    pub fn generation(&self) -> u64 {
        match self.in_use {
            InUse::Slot { header, .. } => header.generation,
            InUse::Nothing | InUse::Unknown => 0,
        }
    }

    /// Decides what is in use, by checksums only, if nothing was loaded yet.
    pub(super) fn ensure_loaded(&mut self) {
        if matches!(self.in_use, InUse::Unknown) {
            self.load_with(u64::MAX, |_| Ok::<_, Infallible>(()));
        }
    }

    /// The headers that promise a generation, newest first; what is wrong with the others goes to `notes`.
    pub(super) fn newest_first(&mut self, notes: &mut Vec<Note>) -> Vec<(usize, SlotHeader)> {
        let mut found = Vec::with_capacity(SLOTS);
        for slot in 0..SLOTS {
            match self.read_header(slot) {
                Ok(Some(header)) => found.push((slot, header)),
                Ok(None) => {}
                Err(fault) => notes.push(Note::PassedOver { slot, fault }),
            }
        }
        // Stable: of equal generations, which no commit writes, slot 0 comes first.
        found.sort_by_key(|(_, header)| core::cmp::Reverse(header.generation));
        found
    }

    /// The header of `slot`, or nothing if the slot was never written.
    fn read_header(&mut self, slot: usize) -> Result<Option<SlotHeader>, Fault> {
        let sector =
            Sector::read(&mut self.device, self.superblock.header_sector(slot)).map_err(Fault::HeaderUnreadable)?;
        if sector == Sector::ZERO {
            return Ok(None);
        }
        let header = SlotHeader::decode(&sector).ok_or(Fault::HeaderDamaged)?;
        // Generation 0 stands for "none"; no commit writes it.
        if header.generation == 0 {
            return Err(Fault::HeaderDamaged);
        }
        if header.store != self.superblock.id {
            return Err(Fault::Foreign);
        }
        let SlotHeader { generation, payload_bytes: bytes, .. } = header;
        let capacity = self.superblock.payload_bytes();
        if bytes > capacity {
            return Err(Fault::LengthPastSlot { generation, bytes, capacity });
        }
        Ok(Some(header))
    }

    fn read_generation<T, E: fmt::Display>(
        &mut self,
        slot: usize,
        header: &SlotHeader,
        limit_bytes: u64,
        read: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, Fault> {
        let SlotHeader { generation, payload_bytes: bytes, payload_crc: stored, .. } = *header;
        let room = if bytes > limit_bytes { Err(StoreError::OutOfMemory { bytes }) } else { Ok(()) };
        let payload = room.and_then(|()| self.read_bytes(self.superblock.payload_sector(slot), bytes));
        let payload = payload.map_err(|error| Fault::PayloadUnreadable { generation, error })?;
        let computed = crc32fast::hash(&payload);
        if computed != stored {
            return Err(Fault::PayloadDamaged { generation, stored, computed });
        }
        read(&payload).map_err(|error| Fault::Rejected { generation, reason: error.to_string() })
    }

    fn cut_short(&self) -> Option<Note> {
        let (sectors, formatted) = (self.device.sectors(), self.superblock.total_sectors);
        (sectors < formatted).then_some(Note::DiskCutShort { sectors, formatted })
    }
}
