//! The crash-safe region of a disk that keeps generations of one payload (the encoded profile) and of the machine code that
//! goes with it.
//!
//! Key types: [`BlockDevice`] (the seam), [`place::Region`] (the sectors of a disk that are the store's), [`Store`], [`Recovered`]
//! (what a boot starts from), [`Code`]. `FORMAT.md` beside this file describes every byte and the assumptions about the disk.
//! Neighbours: `drivers` and `host` supply disks; the payload's meaning is `profile`'s, that of code the engine's.
//!
//! Two slots take turns. A commit writes the slot that does not hold the generation in use, and makes it count by one
//! atomic sector at the very end, so that a crash at any point leaves the old or the new generation whole. Code has two
//! slots of its own, and is written only when it changed.

#![forbid(unsafe_code)]

mod attempts;
mod code;
mod commit;
mod device;
mod error;
#[cfg(test)]
mod fake;
mod layout;
pub mod place;
mod recover;
mod sector;
mod take_over;
#[cfg(test)]
mod tests;
mod transfer;

pub use attempts::{Attempt, MOST_ATTEMPTS};
pub use code::Code;
pub use device::*;
pub use error::{Fault, Note, Obstacle, StoreError};
pub use layout::{Home, PartitionId, StoreId, disk_bytes_for};
pub use recover::Recovered;
pub use transfer::Transfer;

use layout::{Attempts, CodeName, SLOTS, SlotHeader, Superblock};
use place::Region;
use sector::Sector;
use transfer::Told;

/// An opened store.
#[derive(Debug)]
pub struct Store<D: BlockDevice> {
    device: Region<D>,
    superblock: Superblock,
    /// The generation that [`Store::load_with`] chose or [`Store::commit`] wrote last; no commit touches its slot.
    in_use: InUse,
    /// What was recorded of the attempt that has begun and of which no end was recorded.
    begun: Option<Attempts>,
    told: Told,
}

/// What later commits must leave alone.
#[derive(Clone, Copy, Debug)]
enum InUse {
    /// Nothing was loaded yet.
    Unknown,
    /// The store holds nothing usable.
    Nothing,
    Slot {
        slot: usize,
        header: SlotHeader,
        /// The code of that header, unless it was found to be damaged.
        code: Option<CodeName>,
    },
}

impl<D: BlockDevice> Store<D> {
    /// Prepares all of `disk` as an empty store, discarding what it holds. `id` must differ from that of every other store
    /// (16 random bytes), so that remains of an earlier store are never taken for this one's.
    pub fn format(disk: D, id: StoreId) -> Result<Self, StoreError> {
        Self::format_in(Region::whole(disk), || id)
    }

    /// Prepares a region of a disk as an empty store. Of the identifiers that `new_id` gives, each a new one, the first is taken
    /// with which nobody can take the superblock for a boot sector: all but one in 65,536.
    pub fn format_in(mut device: Region<D>, mut new_id: impl FnMut() -> StoreId) -> Result<Self, StoreError> {
        let mut superblock = Superblock::for_disk(device.sectors(), new_id())?.at(device.place().home());
        for _ in 0..SLOTS {
            if place::is_boot_sector(&superblock.encode()) {
                superblock.id = new_id();
            }
        }
        // The superblock comes last: until it is there, a crash leaves the earlier store, empty, or no store.
        for slot in 0..SLOTS {
            device.write(superblock.header_sector(slot), Sector::ZERO.bytes())?;
        }
        device.write(layout::ATTEMPTS_SECTOR, Sector::ZERO.bytes())?;
        device.flush()?;
        device.write(layout::SUPERBLOCK_SECTOR, superblock.encode().bytes())?;
        device.flush()?;
        Ok(Self { device, superblock, in_use: InUse::Nothing, begun: None, told: Told::default() })
    }

    /// Opens the store that has all of `disk`. Reads one sector and writes nothing.
    pub fn open(disk: D) -> Result<Self, StoreError> {
        Self::open_in(Region::whole(disk))
    }

    /// Opens the store in a region of a disk: nothing outside of that is read or written.
    pub fn open_in(mut device: Region<D>) -> Result<Self, StoreError> {
        if device.sectors() == 0 {
            return Err(StoreError::TooSmall { sectors: device.sectors(), needed: layout::LEAST_SECTORS });
        }
        let sector = Sector::read(&mut device, layout::SUPERBLOCK_SECTOR)?;
        let superblock = place::superblock(&sector, &device.place(), device.sectors())?;
        let device = device.narrowed(superblock.total_sectors);
        Ok(Self { device, superblock, in_use: InUse::Unknown, begun: None, told: Told::default() })
    }

    /// The bytes that tell this store from others.
    pub fn id(&self) -> StoreId {
        self.superblock.id
    }

    /// Version of the format: 1, until the first commit, or that of this BareFlow.
    pub fn version(&self) -> u32 {
        self.superblock.version
    }

    /// Most bytes that a payload may have.
    pub fn capacity(&self) -> u64 {
        self.superblock.payload_bytes()
    }

    /// Gives the disk back.
    pub fn into_device(self) -> D {
        self.device.into_disk()
    }
}
