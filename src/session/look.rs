//! What a store holds, between boots: looked at, and saved once more.
//!
//! Key function: [`look`].

use alloc::string::{String, ToString};

use crate::profile::{Limits, Profile};
use crate::store::place::Region;
use crate::store::{BlockDevice, Code, Store, StoreId};

/// What was found.
pub struct Held {
    pub id: StoreId,
    pub version: u32,
    /// 0 if the store is empty.
    pub generation: u64,
    /// Most bytes that a profile in it may have.
    pub capacity_bytes: u64,
    pub profile: Profile,
    /// The generation, and what was passed over, in words.
    pub note: String,
}

/// Looks at the store in `region` without writing to it.
pub fn look(region: Region<&mut dyn BlockDevice>, limits: &Limits) -> Result<Held, String> {
    let mut store = Store::open_in(region).map_err(|error| error.to_string())?;
    let found = store.load_with(limits.bytes, |payload| Profile::decode_within(payload, limits));
    Ok(Held {
        id: store.id(),
        version: store.version(),
        generation: found.generation,
        capacity_bytes: store.capacity(),
        note: found.to_string(),
        profile: found.payload.map(|decoded| decoded.profile).unwrap_or_default(),
    })
}

/// Commits `profile` as the next generation of the store in `region`, beside the code that is there; its number.
pub fn save(region: Region<&mut dyn BlockDevice>, profile: &Profile) -> Result<u64, String> {
    let mut store = Store::open_in(region).map_err(|error| error.to_string())?;
    let bytes = profile.encode().map_err(|error| error.to_string())?;
    store.commit(&bytes, Code::Same).map_err(|error| error.to_string())
}
