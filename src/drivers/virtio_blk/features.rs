//! What a device offers and says of itself, and what is made of it.
//!
//! Source: VIRTIO 1.2, sections 5.2.3 to 5.2.6 (features, configuration, write caches) and 6 (reserved features).

use alloc::format;
use alloc::string::String;

use bitflags::bitflags;
use virtio_drivers::transport::Transport;

use super::queue::MAX_DATA_BYTES;
use crate::drivers::disk::{Failure, Geometry, SECTOR_BYTES};

bitflags! {
    /// The features that are used if a device has them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Features: u64 {
        /// Says how many bytes a buffer may have.
        const SIZE_MAX = 1 << 1;
        const READ_ONLY = 1 << 5;
        const BLOCK_SIZE = 1 << 6;
        /// Has a command that empties its write cache.
        const FLUSH = 1 << 9;
        /// Its write cache can be switched off.
        const CONFIGURABLE_CACHE = 1 << 11;
        /// Is not legacy.
        const VERSION_1 = 1 << 32;
        /// Is behind an IOMMU, which nobody has switched on here: addresses are as without.
        const ACCESS_PLATFORM = 1 << 33;
    }
}

/// Places in the configuration.
mod config {
    pub const CAPACITY: usize = 0;
    pub const CAPACITY_HIGH: usize = 4;
    pub const SIZE_MAX: usize = 8;
    pub const BLOCK_SIZE: usize = 20;
    pub const WRITE_BACK: usize = 32;
}

/// How often the configuration may change while it is read.
const MAX_READS: usize = 16;

impl Features {
    /// What is made use of, of what is `offered`. A cache that can be flushed is left on.
    pub(super) fn choose(offered: u64) -> Self {
        let features = Self::from_bits_truncate(offered);
        if features.contains(Self::FLUSH) { features - Self::CONFIGURABLE_CACHE } else { features }
    }
}

/// The numbers in a device's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    capacity: u64,
    size_max: Option<u32>,
    block_bytes: u32,
}

impl Configuration {
    /// Reads it until it stays the same.
    pub(super) fn read(transport: &impl Transport, features: Features) -> Result<Self, Failure> {
        let snapshot = || Ok((transport.read_config_generation(), Self::read_once(transport, features)?));
        let unreadable = |error: virtio_drivers::Error| Failure::Reported(format!("{error}"));
        let mut last = snapshot().map_err(unreadable)?;
        for _ in 0..MAX_READS {
            let now = snapshot().map_err(unreadable)?;
            if now == last {
                return Ok(now.1);
            }
            last = now;
        }
        Err(Failure::Reported("its configuration does not stop changing".into()))
    }

    fn read_once(transport: &impl Transport, features: Features) -> virtio_drivers::Result<Self> {
        let number = |at| transport.read_config_space::<u32>(at);
        let optional = |feature, at| features.contains(feature).then(|| number(at)).transpose();
        Ok(Self {
            capacity: u64::from(number(config::CAPACITY)?) | u64::from(number(config::CAPACITY_HIGH)?) << 32,
            size_max: optional(Features::SIZE_MAX, config::SIZE_MAX)?,
            block_bytes: optional(Features::BLOCK_SIZE, config::BLOCK_SIZE)?.unwrap_or(SECTOR_BYTES as u32),
        })
    }

    /// How the disk is divided, if that makes sense.
    pub(super) fn geometry(&self) -> Result<Geometry, Failure> {
        let Self { capacity, size_max, block_bytes } = *self;
        let wrong = |what: String| Err(Failure::Reported(what));
        let block = block_bytes as usize;
        if !block.is_power_of_two() || !(SECTOR_BYTES..=MAX_DATA_BYTES).contains(&block) {
            return wrong(format!("it says that its blocks have {block} bytes"));
        }
        let most = size_max.map_or(MAX_DATA_BYTES, |most| MAX_DATA_BYTES.min(most as usize));
        if most < block {
            return wrong(format!("it takes {most} bytes at a time, but its blocks have {block}"));
        }
        let block_sectors = (block / SECTOR_BYTES) as u64;
        let sectors = capacity - capacity % block_sectors;
        if sectors == 0 || sectors > u64::MAX / SECTOR_BYTES as u64 {
            return wrong(format!("it says that it has {capacity} sectors"));
        }
        Ok(Geometry { sectors, block_sectors, most_sectors: (most / block) as u64 * block_sectors })
    }
}

/// Sees to it that what was written is on the medium, or can be brought there; false if neither.
///
/// A device that says nothing of a cache has none.
pub(super) fn tame_cache(transport: &mut impl Transport, features: Features) -> bool {
    !features.contains(Features::CONFIGURABLE_CACHE) || {
        let done = transport.write_config_space(config::WRITE_BACK, 0u8);
        done.is_ok() && transport.read_config_space::<u8>(config::WRITE_BACK) == Ok(0)
    }
}
