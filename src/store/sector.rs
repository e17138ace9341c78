//! One sector with a checksum: the unit that the disk writes whole or not at all.

use super::{BlockDevice, BlockError, SECTOR_BYTES};

/// Where the CRC-32 (IEEE 802.3) of all bytes before it stands.
const CRC_AT: usize = SECTOR_BYTES - 4;

/// The bytes of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector([u8; SECTOR_BYTES]);

impl Sector {
    pub const ZERO: Self = Self([0; SECTOR_BYTES]);

    /// Reads sector `number`.
    pub fn read<D: BlockDevice + ?Sized>(device: &mut D, number: u64) -> Result<Self, BlockError> {
        let mut sector = Self::ZERO;
        device.read(number, &mut sector.0)?;
        Ok(sector)
    }

    /// The first sector of `bytes`, if they are that many.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|sector| Self(*sector))
    }

    pub fn bytes(&self) -> &[u8; SECTOR_BYTES] {
        &self.0
    }

    /// The field of `N` bytes at `offset`, both constants of the format.
    pub fn field<const N: usize>(&self, offset: usize) -> [u8; N] {
        core::array::from_fn(|index| self.0[offset + index])
    }

    pub fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.field(offset))
    }

    pub fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.field(offset))
    }

    /// Sets the bytes at `offset`.
    #[must_use]
    pub fn with(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Sets the checksum; no field may change after that.
    #[must_use]
    pub fn sealed(self) -> Self {
        let crc = crc32fast::hash(&self.0[..CRC_AT]);
        self.with(CRC_AT, &crc.to_le_bytes())
    }

    /// Whether the checksum is right. A sector of zeros has the wrong one.
    pub fn is_intact(&self) -> bool {
        self.u32(CRC_AT) == crc32fast::hash(&self.0[..CRC_AT])
    }
}
