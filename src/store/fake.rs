//! A disk for tests: a volatile write cache in front of a medium, a log, and failures on demand.

use super::{BlockDevice, BlockError, SECTOR_BYTES};
use alloc::vec;
use alloc::vec::Vec;

type Bytes = [u8; SECTOR_BYTES];

/// One request, as the disk saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    Read { first: u64, sectors: u64 },
    Write { first: u64, sectors: u64 },
    Flush,
}

/// Which request fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failure {
    #[default]
    Never,
    /// Only request number `n`, from 0; a write is carried out nevertheless.
    Once(usize),
    /// Only request number `n`, from 0, and a write is not carried out.
    Refused(usize),
    /// Request number `n` and all later ones; a write is in the cache when the power goes.
    PowerCut(usize),
}

#[derive(Clone, Debug, Default)]
pub struct FakeDisk {
    /// What survives a power cut.
    pub medium: Vec<u8>,
    /// Sectors written since the last flush, in order.
    cache: Vec<(u64, Bytes)>,
    pub log: Vec<Request>,
    pub failure: Failure,
}

impl FakeDisk {
    pub fn new(sectors: u64) -> Self {
        Self::of(vec![0; sectors as usize * SECTOR_BYTES])
    }

    /// A disk that holds `medium`, less an incomplete sector at its end.
    pub fn of(mut medium: Vec<u8>) -> Self {
        medium.truncate(medium.len() / SECTOR_BYTES * SECTOR_BYTES);
        Self { medium, ..Self::default() }
    }

    /// The same disk with an empty log, where `failure` is going to happen.
    pub fn with(&self, failure: Failure) -> Self {
        Self { failure, log: Vec::new(), ..self.clone() }
    }

    /// Sectors that a power cut may lose.
    pub fn unflushed(&self) -> usize {
        self.cache.len()
    }

    /// The disk after a power cut that spared exactly the unflushed sectors for which `spared` says so.
    pub fn after_power_cut(&self, spared: impl Fn(usize) -> bool) -> Self {
        let mut medium = self.medium.clone();
        let kept = self.cache.iter().enumerate().filter(|(index, _)| spared(*index));
        kept.for_each(|(_, (sector, bytes))| put(&mut medium, *sector, bytes));
        Self::of(medium)
    }

    /// The disk after every possible power cut.
    pub fn after_every_power_cut(&self) -> impl Iterator<Item = Self> {
        assert!(self.unflushed() <= 12, "{} unflushed sectors are too many subsets", self.unflushed());
        (0u32..1 << self.unflushed()).map(|subset| self.after_power_cut(|index| subset >> index & 1 == 1))
    }

    fn request(&mut self, request: Request) -> Result<(), BlockError> {
        let number = self.log.len();
        self.log.push(request);
        let fails = match self.failure {
            Failure::Never => false,
            Failure::Once(n) | Failure::Refused(n) => number == n,
            Failure::PowerCut(n) => number >= n,
        };
        let (operation, sector) = match request {
            Request::Read { first, .. } => ("read", first),
            Request::Write { first, .. } => ("write", first),
            Request::Flush => ("flush", 0),
        };
        if fails { Err(BlockError { operation, sector, reason: "injected failure".into() }) } else { Ok(()) }
    }

    fn check(&self, operation: &'static str, first: u64, len: usize) -> Result<(), BlockError> {
        assert!(len > 0 && len.is_multiple_of(SECTOR_BYTES), "{operation} of {len} bytes");
        let end = first.checked_add((len / SECTOR_BYTES) as u64);
        if end.is_none_or(|end| end > self.sectors()) {
            return Err(BlockError { operation, sector: first, reason: "past the end".into() });
        }
        Ok(())
    }
}

impl BlockDevice for FakeDisk {
    fn sectors(&self) -> u64 {
        (self.medium.len() / SECTOR_BYTES) as u64
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.request(Request::Read { first, sectors: (buffer.len() / SECTOR_BYTES) as u64 })?;
        self.check("read", first, buffer.len())?;
        buffer.copy_from_slice(&self.medium[first as usize * SECTOR_BYTES..][..buffer.len()]);
        let read = first..first + (buffer.len() / SECTOR_BYTES) as u64;
        let cached = self.cache.iter().filter(|(sector, _)| read.contains(sector));
        cached.for_each(|(sector, bytes)| put(buffer, sector - first, bytes));
        Ok(())
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.check("write", first, bytes.len())?;
        // A disk without power takes nothing more, but the write during which the power goes may still arrive.
        let number = self.log.len();
        let is_lost = match self.failure {
            Failure::PowerCut(n) => number > n,
            Failure::Refused(n) => number == n,
            Failure::Never | Failure::Once(_) => false,
        };
        if !is_lost {
            let sectors = bytes.chunks_exact(SECTOR_BYTES).map(|sector| sector.try_into().expect("a whole sector"));
            self.cache.extend((first..).zip(sectors));
        }
        self.request(Request::Write { first, sectors: (bytes.len() / SECTOR_BYTES) as u64 })
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.request(Request::Flush)?;
        self.medium = self.after_power_cut(|_| true).medium;
        self.cache.clear();
        Ok(())
    }
}

fn put(medium: &mut [u8], sector: u64, bytes: &Bytes) {
    medium[sector as usize * SECTOR_BYTES..][..SECTOR_BYTES].copy_from_slice(bytes);
}
