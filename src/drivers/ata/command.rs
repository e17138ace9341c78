//! The commands that disks are given, behind whichever controller. Source: ATA/ATAPI-7 volume 1, section 6.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    ReadSectors = 0x20,
    ReadSectorsExt = 0x24,
    ReadDmaExt = 0x25,
    ReadMultipleExt = 0x29,
    WriteSectors = 0x30,
    WriteSectorsExt = 0x34,
    WriteDmaExt = 0x35,
    WriteMultipleExt = 0x39,
    ReadMultiple = 0xc4,
    WriteMultiple = 0xc5,
    SetMultipleMode = 0xc6,
    ReadDma = 0xc8,
    WriteDma = 0xca,
    FlushCache = 0xe7,
    FlushCacheExt = 0xea,
    Identify = 0xec,
}

impl Command {
    /// The command for a transfer by DMA, with long addresses or short.
    pub(in crate::drivers) fn dma(lba48: bool, writes: bool) -> Self {
        match (lba48, writes) {
            (true, true) => Self::WriteDmaExt,
            (true, false) => Self::ReadDmaExt,
            (false, true) => Self::WriteDma,
            (false, false) => Self::ReadDma,
        }
    }

    /// The read command for long addresses or short, blocks of sectors or single ones.
    pub(super) fn read(lba48: bool, blocks: bool) -> Self {
        match (lba48, blocks) {
            (true, true) => Self::ReadMultipleExt,
            (true, false) => Self::ReadSectorsExt,
            (false, true) => Self::ReadMultiple,
            (false, false) => Self::ReadSectors,
        }
    }

    /// The write command for long addresses or short, blocks of sectors or single ones.
    pub(super) fn write(lba48: bool, blocks: bool) -> Self {
        match (lba48, blocks) {
            (true, true) => Self::WriteMultipleExt,
            (true, false) => Self::WriteSectorsExt,
            (false, true) => Self::WriteMultiple,
            (false, false) => Self::WriteSectors,
        }
    }
}
