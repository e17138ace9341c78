//! Reading and writing what may be large: in pieces, and telling how far it is.
//!
//! Key types: [`Transfer`], [`Told`].

use super::sector::Sector;
use super::{BlockDevice, SECTOR_BYTES, Store, StoreError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// What is read or written at once: whole sectors.
const PIECE_BYTES: usize = 1 << 20;

/// What is read back at once, for which there is memory at any time.
const CHECKED_BYTES: usize = 128 * SECTOR_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    Reading,
    /// And reading it back.
    Writing,
}

/// Who is told how many of all bytes are done, from 0 on: that is when a transfer begins.
pub(super) struct Told(Box<dyn FnMut(Transfer, u64, u64)>);

impl Default for Told {
    fn default() -> Self {
        Self(Box::new(|_, _, _| ()))
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl<D: BlockDevice> Store<D> {
    /// Has `told` be told how far each transfer is.
    pub fn tell(&mut self, told: impl FnMut(Transfer, u64, u64) + 'static) {
        self.told = Told(Box::new(told));
    }

    /// `bytes` from sector `first` on.
    pub(super) fn read_bytes(&mut self, first: u64, bytes: u64) -> Result<Vec<u8>, StoreError> {
        let mut buffer = zeroed_sectors(bytes)?;
        let (mut done, all) = (0, buffer.len() as u64);
        self.told.0(Transfer::Reading, 0, all);
        for (sector, piece) in sectors(first, PIECE_BYTES).zip(buffer.chunks_mut(PIECE_BYTES)) {
            self.device.read(sector, piece)?;
            done += piece.len() as u64;
            self.told.0(Transfer::Reading, done, all);
        }
        buffer.truncate(bytes as usize);
        Ok(buffer)
    }

    /// Writes `bytes` from sector `first` on, filled up with zeros to a whole sector, until they are on the medium and are
    /// read back.
    pub(super) fn write_bytes(&mut self, first: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let (whole, rest) = bytes.split_at(bytes.len() / SECTOR_BYTES * SECTOR_BYTES);
        // Each byte is done twice.
        let (mut done, all) = (0, bytes.len() as u64);
        self.told.0(Transfer::Writing, 0, all);
        for (sector, piece) in sectors(first, PIECE_BYTES).zip(whole.chunks(PIECE_BYTES)) {
            self.device.write(sector, piece)?;
            done += piece.len() as u64;
            self.told.0(Transfer::Writing, done / 2, all);
        }
        if !rest.is_empty() {
            let last = first + (whole.len() / SECTOR_BYTES) as u64;
            self.device.write(last, Sector::ZERO.with(0, rest).bytes())?;
        }
        self.device.flush()?;
        let mut tell = |told: &mut Told, checked: u64| told.0(Transfer::Writing, (all + checked) / 2, all);
        if self.holds_telling(first, bytes, &mut tell)? {
            Ok(())
        } else {
            Err(StoreError::NotWritten { sector: first })
        }
    }

    /// Whether the disk holds `bytes` from sector `first` on.
    pub(super) fn holds(&mut self, first: u64, bytes: &[u8]) -> Result<bool, StoreError> {
        self.told.0(Transfer::Reading, 0, bytes.len() as u64);
        let mut tell = |told: &mut Told, checked| told.0(Transfer::Reading, checked, bytes.len() as u64);
        self.holds_telling(first, bytes, &mut tell)
    }

    fn holds_telling(
        &mut self,
        first: u64,
        bytes: &[u8],
        tell: &mut dyn FnMut(&mut Told, u64),
    ) -> Result<bool, StoreError> {
        let mut buffer = zeroed_sectors(bytes.len().min(CHECKED_BYTES) as u64)?;
        let mut checked = 0;
        for (sector, piece) in sectors(first, CHECKED_BYTES).zip(bytes.chunks(CHECKED_BYTES)) {
            let read = &mut buffer[..piece.len().next_multiple_of(SECTOR_BYTES)];
            self.device.read(sector, read)?;
            if read[..piece.len()] != *piece {
                return Ok(false);
            }
            checked += piece.len() as u64;
            tell(&mut self.told, checked);
        }
        Ok(true)
    }
}

/// The first sectors of pieces of so many bytes, from `first` on.
fn sectors(first: u64, piece_bytes: usize) -> impl Iterator<Item = u64> {
    (first..).step_by(piece_bytes / SECTOR_BYTES)
}

/// Zeros for `bytes`, at most what a slot takes, in whole sectors; an error instead of an abort when memory runs out.
pub(super) fn zeroed_sectors(bytes: u64) -> Result<Vec<u8>, StoreError> {
    let len = (bytes as usize).next_multiple_of(SECTOR_BYTES);
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(len).map_err(|_| StoreError::OutOfMemory { bytes })?;
    buffer.resize(len, 0);
    Ok(buffer)
}
