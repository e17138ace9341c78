//! What a boot recalls from the store, and what it puts back.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::engine::EngineError;
use crate::profile::{BootRow, Profile};
use crate::store::{BlockDevice, Store};

/// The store of this boot, if there is one, and what it held.
pub struct Recalled<'d> {
    store: Option<Store<&'d mut dyn BlockDevice>>,
    pub profile: Profile,
    generation: u64,
    profile_bytes: u64,
    /// Boots in a row that started from this generation and did not save.
    pub unclean_boots: u32,
}

impl<'d> Recalled<'d> {
    /// Opens the store on `disk` and takes the newest valid generation. Nothing that a disk holds stops a boot: what
    /// cannot be used is said to `note`.
    pub fn open(disk: Option<&'d mut dyn BlockDevice>, note: &mut dyn FnMut(&str)) -> Self {
        let mut recalled =
            Self { store: None, profile: Profile::default(), generation: 0, profile_bytes: 0, unclean_boots: 0 };
        let Some(disk) = disk else {
            note("there is no store disk; running unprofiled, nothing will be remembered");
            return recalled;
        };
        let mut store = match Store::open(disk) {
            Ok(store) => store,
            Err(error) => {
                note(&format!("{error}; running unprofiled, nothing will be remembered"));
                return recalled;
            }
        };
        let mut bytes = 0;
        let found = store.load_with(|payload| {
            bytes = payload.len() as u64;
            Profile::decode(payload)
        });
        note(&found.to_string());
        recalled.generation = found.generation;
        recalled.unclean_boots = found.attempts;
        if let Some(profile) = found.payload {
            recalled.profile = profile;
            recalled.profile_bytes = bytes;
        }
        match store.begin_attempt() {
            Ok(_) => recalled.store = Some(store),
            Err(error) => note(&format!("{error}; this boot will not be remembered")),
        }
        recalled
    }

    /// Starts from the exported profile `bytes`, unless the store already holds one. The boots in it were another
    /// machine's.
    pub fn start_from(&mut self, bytes: &[u8], note: &mut dyn FnMut(&str)) {
        if self.generation > 0 {
            return;
        }
        match Profile::decode(bytes) {
            Ok(profile) => {
                note(&format!("starting from the shipped profile of {} functions", profile.functions.len()));
                self.profile = Profile { boots: Vec::new(), ..profile };
                self.profile_bytes = bytes.len() as u64;
            }
            Err(error) => note(&format!("the shipped profile is not used: {error}")),
        }
    }

    /// The row of this boot as far as it is known before the program runs.
    pub fn row(&self, program: &str) -> BootRow {
        BootRow {
            boot: self.profile.last_boot() + 1,
            generation: self.generation,
            program: program.to_string(),
            profile_bytes: self.profile_bytes,
            ..BootRow::default()
        }
    }

    /// Commits what was `learned` as the next generation; what became of it.
    pub fn save(&mut self, learned: Result<Profile, EngineError>, note: &mut dyn FnMut(&str)) -> &'static str {
        let Some(store) = &mut self.store else { return "none" };
        let bytes = learned.map_err(|error| error.to_string());
        let bytes = bytes.and_then(|profile| profile.encode().map_err(|error| error.to_string()));
        match bytes.and_then(|bytes| store.commit(&bytes).map_err(|error| error.to_string())) {
            Ok(generation) => {
                note(&format!("profile saved as generation {generation}"));
                "saved"
            }
            Err(reason) => {
                note(&format!("the profile was not saved: {reason}"));
                "failed"
            }
        }
    }
}
