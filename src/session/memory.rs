//! What a boot recalls from the store, and what it puts back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::progress::Shared;
use super::seal::{self, Key, SEAL_BYTES};
use crate::profile::{BootRow, Decoded, LeftOut, Limits, Profile, ProfileError};
use crate::store::place::Region;
use crate::store::{self, Attempt, BlockDevice, Code, Store};

/// What a boot leaves to be saved.
pub struct Learned {
    pub profile: Profile,
    /// What had to be left out of it, for the store is too small.
    pub left_out: Option<LeftOut>,
    /// What is to become of the machine code in the store; that has no seal yet.
    pub code: Code<Vec<u8>>,
}

/// The store of this boot, if there is one, and what it held.
pub struct Recalled<'d> {
    store: Option<Store<&'d mut dyn BlockDevice>>,
    pub profile: Profile,
    generation: u64,
    profile_bytes: u64,
    /// Boots in a row before this one that started from the newest generation and did not end.
    pub unclean_boots: u32,
    /// Whether this boot is going to be saved.
    saves: bool,
}

impl<'d> Recalled<'d> {
    /// Opens the store in `region` and takes the newest valid generation. Nothing that a disk holds stops a boot: what
    /// cannot be used is said to `note`.
    /// `progress` is told of reading and writing.
    pub fn open(
        region: Option<Region<&'d mut dyn BlockDevice>>,
        limits: &Limits,
        progress: &Shared,
        note: &mut dyn FnMut(&str),
    ) -> Self {
        let mut recalled = Self {
            store: None,
            profile: Profile::default(),
            generation: 0,
            profile_bytes: 0,
            unclean_boots: 0,
            saves: false,
        };
        let Some(region) = region else {
            note("there is no store disk; running unprofiled, nothing will be remembered");
            return recalled;
        };
        let mut store = match Store::open_in(region) {
            Ok(store) => store,
            Err(error) => {
                note(&format!("{error}; running unprofiled, nothing will be remembered"));
                return recalled;
            }
        };
        store.tell(progress.of_transfers());
        // Before anything is read: a store that brings reading down must be found out, too.
        let begun = store.begin_attempt();
        let (mut bytes, mut lacked_memory) = (0, false);
        let found = store.load_with(limits.bytes, |payload| {
            bytes = payload.len() as u64;
            let decoded = Profile::decode_within(payload, limits);
            lacked_memory |= decoded.as_ref().is_err_and(ProfileError::is_of_memory);
            decoded
        });
        note(&found.to_string());
        if lacked_memory || found.lacked_memory() {
            // What there is no memory for is worth more than what this boot could save over it.
            note("this boot will not be remembered: what the store holds must not be lost");
            end_attempt(&mut store, note);
            return recalled;
        }
        recalled.generation = found.generation;
        if let Some(decoded) = found.payload {
            recalled.profile = whole(decoded, note);
            recalled.profile_bytes = bytes;
        }
        match begun {
            Ok(Attempt { unclean, boots_until_saved }) => {
                if boots_until_saved > 0 {
                    note(&format!(
                        "boots before this one stopped while they saved, or read what was saved; this one is not saved (boots \
                         until saving is tried again: {boots_until_saved})"
                    ));
                }
                recalled.unclean_boots = unclean;
                recalled.saves = boots_until_saved == 0;
                recalled.store = Some(store);
            }
            Err(error) => note(&format!("{error}; this boot will not be remembered")),
        }
        recalled
    }

    /// Starts from the exported profile `bytes`, unless the store already holds one. The boots in it were another
    /// machine's.
    pub fn start_from(&mut self, bytes: &[u8], limits: &Limits, note: &mut dyn FnMut(&str)) {
        if self.generation > 0 {
            return;
        }
        match Profile::decode_within(bytes, limits) {
            Ok(decoded) => {
                let profile = whole(decoded, note);
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
            boot: self.profile.last_boot().saturating_add(1),
            generation: self.generation,
            program: program.to_string(),
            profile_bytes: self.profile_bytes,
            ..BootRow::default()
        }
    }

    /// Whether what this boot learns is going to be saved.
    pub fn saves(&self) -> bool {
        self.saves
    }

    /// The machine code that goes with the profile, behind its seal, if there is any: at most so many bytes; else why it cannot
    /// be used, as when it is not sealed with `key`.
    pub fn code(&mut self, key: Option<&Key>, most_bytes: u64) -> Result<Option<Vec<u8>>, String> {
        let Some(store) = &mut self.store else { return Ok(None) };
        let Some(code) = store.load_code(most_bytes).map_err(|fault| fault.to_string())? else { return Ok(None) };
        seal::open(key, &code).map_err(|error| error.to_string())?;
        Ok(Some(code))
    }

    /// Bytes that machine code to be saved may have.
    pub fn code_room(&mut self) -> u64 {
        self.store.as_mut().map_or(0, |store| store.code_room().saturating_sub(SEAL_BYTES as u64))
    }

    /// Bytes that a profile to be saved may have.
    pub fn room(&mut self) -> u64 {
        self.store.as_mut().map_or(u64::MAX, Store::room)
    }

    /// Commits what was `learned` as the next generation; what became of it, and what is known now.
    pub fn save(
        &mut self,
        learned: Result<Learned, String>,
        key: Option<&Key>,
        note: &mut dyn FnMut(&str),
    ) -> (&'static str, Profile) {
        let Some(store) = self.store.as_mut().filter(|_| self.saves) else {
            self.end(note);
            return ("none", learned.map(|learned| learned.profile).unwrap_or_default());
        };
        let (profile, rest) = match learned {
            Ok(Learned { profile, left_out, code }) => (profile, Ok((left_out, code))),
            Err(reason) => (Profile::default(), Err(reason)),
        };
        let saved = rest.and_then(|(left_out, code)| {
            let bytes = profile.encode().map_err(|error| error.to_string())?;
            let code = sealed(code, key);
            let committed = match store.commit(&bytes, code.as_deref()) {
                Err(error) if matches!(code, Code::New(_)) => {
                    note(&format!("the code was not saved: {error}"));
                    store.commit(&bytes, Code::Same)
                }
                committed => committed,
            };
            let generation = committed.map_err(|error| error.to_string())?;
            Ok(format!("profile saved as generation {generation}{}", left_out.map_or_else(String::new, without)))
        });
        match saved {
            Ok(line) => {
                note(&line);
                ("saved", profile)
            }
            Err(reason) => {
                note(&format!("the profile was not saved: {reason}"));
                self.end(note);
                ("failed", profile)
            }
        }
    }

    /// Writes down that this boot ended, although it saves nothing.
    pub fn end(&mut self, note: &mut dyn FnMut(&str)) {
        if let Some(store) = &mut self.store {
            end_attempt(store, note);
        }
    }
}

fn end_attempt(store: &mut Store<&mut dyn BlockDevice>, note: &mut dyn FnMut(&str)) {
    if let Err(error) = store.end_attempt() {
        note(&format!("{error}; the next boots will count this one among those that did not end"));
    }
}

/// `code` with a seal in front; none where there is no memory for it.
fn sealed(code: Code<Vec<u8>>, key: Option<&Key>) -> Code<Vec<u8>> {
    let Code::New(mut code) = code else { return code };
    if code.try_reserve_exact(SEAL_BYTES).is_err() {
        return Code::None;
    }
    code.splice(..0, [0; SEAL_BYTES]);
    seal::seal(key, &mut code);
    Code::New(code)
}

/// What the profile was saved without, and what would help.
fn without(left_out: LeftOut) -> String {
    let LeftOut { gone, least_used, known, rows, whole_bytes } = left_out;
    let mut parts = Vec::new();
    if gone > 0 {
        parts.push(format!("{gone} functions that the program no longer has"));
    }
    if least_used > 0 {
        parts.push(format!("{least_used} of its {known} functions, those used least"));
    }
    if rows > 0 {
        parts.push(format!("the rows of {rows} boots"));
    }
    let remedy = match store::disk_bytes_for(whole_bytes, 0) {
        Some(bytes) => format!("a store of {} KiB would hold all", bytes.div_ceil(1024)),
        None => String::from("no store can hold all"),
    };
    format!(", without {}; {remedy}", parts.join(" and "))
}

/// What was read, once what was not is said.
fn whole(decoded: Decoded, note: &mut dyn FnMut(&str)) -> Profile {
    if decoded.left_out > 0 {
        let count = decoded.left_out;
        note(&format!(
            "the profile is used without {count} functions: it counts more in each than any of this program has"
        ));
    }
    let mut profile = decoded.profile;
    profile.narrow();
    profile
}
