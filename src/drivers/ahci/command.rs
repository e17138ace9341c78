//! What a command looks like in the shared memory. Source: Serial ATA AHCI 1.3.1, section 4.2; the command's frame: Serial ATA
//! 3.0, section 10.3.4.

use crate::drivers::ata::{Command, Identity};
use crate::drivers::disk::SECTOR_BYTES;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    FromDisk,
    ToDisk,
}

/// A command for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub command: Command,
    /// The disk's own number of the first block.
    pub block: u64,
    pub blocks: u16,
    pub lba48: bool,
    pub direction: Direction,
    pub bytes: usize,
}

impl Request {
    pub(super) const IDENTIFY: Self = Self {
        command: Command::Identify,
        block: 0,
        blocks: 0,
        lba48: false,
        direction: Direction::FromDisk,
        bytes: SECTOR_BYTES,
    };

    /// Moves `bytes` bytes, from sector `first` on; both are whole blocks of the disk.
    pub(super) fn transfer(disk: &Identity, direction: Direction, first: u64, bytes: usize) -> Self {
        let command = Command::dma(disk.lba48, direction == Direction::ToDisk);
        let block_bytes = disk.block_sectors as usize * SECTOR_BYTES;
        let (block, blocks) = (first / disk.block_sectors, (bytes / block_bytes) as u16);
        Self { command, block, blocks, lba48: disk.lba48, direction, bytes }
    }

    pub(super) fn flush(disk: &Identity) -> Self {
        let command = if disk.flush_ext { Command::FlushCacheExt } else { Command::FlushCache };
        Self { command, lba48: disk.lba48, bytes: 0, ..Self::IDENTIFY }
    }

    /// The frame that gives the command: register, host to device.
    pub(super) fn frame(&self) -> [u8; FRAME_BYTES] {
        const HOST_TO_DEVICE: u8 = 0x27;
        const IS_COMMAND: u8 = 1 << 7;
        const BY_SECTOR_NUMBER: u8 = 1 << 6;
        let block = self.block.to_le_bytes();
        // With 28-bit addresses, the count 0 stands for 256.
        let [blocks_low, blocks_high] = self.blocks.to_le_bytes();
        let top = if self.lba48 { 0 } else { block[3] & 0xf };
        let mut frame = [0; FRAME_BYTES];
        frame[..3].copy_from_slice(&[HOST_TO_DEVICE, IS_COMMAND, self.command as u8]);
        frame[4..7].copy_from_slice(&block[..3]);
        frame[7] = BY_SECTOR_NUMBER | top;
        frame[12] = blocks_low;
        if self.lba48 {
            frame[8..11].copy_from_slice(&block[3..6]);
            frame[13] = blocks_high;
        }
        frame
    }

    /// The entry of the command list for this command, whose table is at `table` in memory.
    pub(super) fn header(&self, table: u32) -> [u8; HEADER_BYTES] {
        const WRITES: u32 = 1 << 6;
        let writes = if self.direction == Direction::ToDisk { WRITES } else { 0 };
        let regions = u32::from(self.bytes > 0) << 16;
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&((FRAME_BYTES / 4) as u32 | writes | regions).to_le_bytes());
        header[8..12].copy_from_slice(&table.to_le_bytes());
        header
    }

    /// The command table's only region, the data at `data` in memory.
    pub(super) fn region(&self, data: u32) -> [u8; REGION_BYTES] {
        let mut region = [0; REGION_BYTES];
        region[..4].copy_from_slice(&data.to_le_bytes());
        region[12..].copy_from_slice(&(self.bytes.saturating_sub(1) as u32).to_le_bytes());
        region
    }
}

pub(super) const FRAME_BYTES: usize = 20;
pub(super) const HEADER_BYTES: usize = 32;
/// Where the count of bytes moved is in a header.
pub(super) const MOVED_AT: usize = 4;
pub(super) const REGION_BYTES: usize = 16;
/// Where the regions start in a command table.
pub(super) const REGIONS_AT: usize = 0x80;
