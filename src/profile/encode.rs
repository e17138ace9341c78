//! A profile as bytes, in the store and in files.
//!
//! All integers of the header are little-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic, `BFPROFIL` |
//! | 8 | 4 | schema: version of the record types, [`SCHEMA`] |
//! | 12 | 4 | CRC-32 (IEEE 802.3) of everything from offset 16 on |
//! | 16 | 8 | length of the body in bytes |
//! | 24 | | body: [`Profile`] in the postcard wire format, version 1 |
//!
//! Bytes are untrusted: `decode` reads them.

use super::fit::encoded_bytes;
use super::{Profile, earlier};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Version of the record types. Any change to them needs a new one, so that old profiles are refused, not misread, unless
/// [`earlier`] knows them.
pub const SCHEMA: u32 = 7;

const MAGIC: [u8; 8] = *b"BFPROFIL";
const SCHEMA_AT: usize = 8;
pub(super) const CRC_AT: usize = 12;
pub(super) const LENGTH_AT: usize = 16;
pub(super) const HEADER_BYTES: usize = 24;

impl Profile {
    /// The profile as bytes, for [`Profile::decode`]. Equal profiles have equal bytes. Fails only where there is no memory
    /// for them.
    pub fn encode(&self) -> Result<Vec<u8>, ProfileError> {
        let size = encoded_bytes(self) as usize;
        let mut bytes = Vec::new();
        let needed_bytes = (HEADER_BYTES + size) as u64;
        bytes.try_reserve_exact(HEADER_BYTES + size).map_err(|_| ProfileError::OutOfMemory { needed_bytes })?;
        bytes.resize(HEADER_BYTES, 0);
        // Postcard fails on sequences of unknown length and when its output is full: records have no such sequence,
        // and a vector grows.
        let mut bytes = postcard::to_extend(self, bytes).expect("records are always encodable");
        let body_bytes = (bytes.len() - HEADER_BYTES) as u64;
        bytes[..SCHEMA_AT].copy_from_slice(&MAGIC);
        bytes[SCHEMA_AT..CRC_AT].copy_from_slice(&SCHEMA.to_le_bytes());
        bytes[LENGTH_AT..HEADER_BYTES].copy_from_slice(&body_bytes.to_le_bytes());
        let crc = crc32fast::hash(&bytes[LENGTH_AT..]);
        bytes[CRC_AT..LENGTH_AT].copy_from_slice(&crc.to_le_bytes());
        Ok(bytes)
    }
}

/// Whether `bytes` begin as an encoded profile does.
pub fn is_encoded(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// The schema and the body, if the header vouches for it.
pub(super) fn checked_body(bytes: &[u8]) -> Result<(u32, &[u8]), ProfileError> {
    let (magic, rest) = bytes.split_first_chunk().ok_or(ProfileError::NotAProfile)?;
    if *magic != MAGIC {
        return Err(ProfileError::NotAProfile);
    }
    let truncated = |needed_bytes| ProfileError::Length { needed_bytes, bytes: bytes.len() as u64 };
    let too_short = || truncated(HEADER_BYTES as u64);
    let (schema, rest) = rest.split_first_chunk().ok_or_else(too_short)?;
    let (stored, checked) = rest.split_first_chunk().ok_or_else(too_short)?;
    let (length, body) = checked.split_first_chunk().ok_or_else(too_short)?;
    let (schema, stored) = (u32::from_le_bytes(*schema), u32::from_le_bytes(*stored));
    if !(earlier::FIRST_SCHEMA..=SCHEMA).contains(&schema) {
        return Err(ProfileError::UnknownSchema { found: schema });
    }
    let body_bytes = u64::from_le_bytes(*length);
    if body_bytes != body.len() as u64 {
        return Err(truncated(body_bytes.saturating_add(HEADER_BYTES as u64)));
    }
    let computed = crc32fast::hash(checked);
    if computed != stored {
        return Err(ProfileError::Checksum { stored, computed });
    }
    Ok((schema, body))
}

/// Why bytes are not a profile that this version can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileError {
    /// The bytes do not begin as a profile does.
    NotAProfile,
    /// The profile was written by another version of BareFlow.
    UnknownSchema { found: u32 },
    /// Bytes are missing at the end, or there are too many.
    Length { needed_bytes: u64, bytes: u64 },
    /// The bytes were damaged.
    Checksum { stored: u32, computed: u32 },
    /// The checksum is right, but what it covers is not a profile: a forgery, or a bug of the writer.
    Malformed { reason: String },
    /// The profile is intact, but its records take more memory than they may.
    TooLarge { bytes: u64, limit_bytes: u64 },
    /// There is no memory for the profile, as bytes or as records.
    OutOfMemory { needed_bytes: u64 },
}

impl ProfileError {
    /// Whether the profile may be good, and only memory is lacking.
    pub fn is_of_memory(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::OutOfMemory { .. })
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAProfile => write!(f, "not a profile: it does not begin with BFPROFIL; name an exported profile"),
            Self::UnknownSchema { found } if *found > SCHEMA => {
                write!(f, "profile has schema {found}, newer than {SCHEMA}: read it with a newer BareFlow")
            }
            Self::UnknownSchema { found } => {
                let earliest = earlier::FIRST_SCHEMA;
                write!(f, "profile has schema {found}, this BareFlow reads {earliest} to {SCHEMA}: record it anew")
            }
            Self::Length { needed_bytes, bytes } => {
                write!(f, "profile has {bytes} bytes where it needs {needed_bytes}: copy or export it again")
            }
            Self::Checksum { stored, computed } => {
                write!(f, "profile is damaged: checksum {computed:#010x}, header says {stored:#010x}; export it again")
            }
            Self::Malformed { reason } => write!(f, "profile is malformed: {reason}; record it anew"),
            Self::TooLarge { bytes, limit_bytes } => write!(
                f,
                "profile of {bytes} bytes takes more than the {} KiB of memory that it may; give the machine more RAM",
                limit_bytes / 1024
            ),
            Self::OutOfMemory { needed_bytes } => {
                write!(f, "not enough memory for the profile: {needed_bytes} bytes wanted; give the machine more RAM")
            }
        }
    }
}

impl core::error::Error for ProfileError {}

#[cfg(test)]
mod tests {
    use super::super::testing::{forge, profile};
    use super::super::{
        BootRow, Decay, Dropped, FunctionKey, FunctionRecord, SiteKind, SiteRecord, ValueCount, ValueHistogram,
    };
    use super::*;
    use alloc::{string::ToString, vec};
    use proptest::prelude::*;

    fn sample() -> Profile {
        let mut values = ValueHistogram::default();
        [(512, 90), (24, 10)].into_iter().for_each(|(value, count)| values.record(value, count));
        let site = SiteRecord {
            kind: SiteKind::Size,
            callee: None,
            values,
            address_bits: 0x30,
            guards_passed: 80,
            guards_failed: 1,
            chosen: vec![512],
            passes: vec![80],
            dropped: vec![Dropped { value: 24, share: 100 }],
        };
        let key = FunctionKey { hash: 0xdead_beef_0bad_cafe, ordinal: 1 };
        let function = FunctionRecord {
            key,
            calls: 100,
            ticks: 5000,
            generic_calls: 60,
            generic_ticks: 4000,
            code_bytes: 64,
            blocks: vec![1, 2, 3],
            sites: vec![site],
        };
        let row = BootRow {
            boot: 1,
            program: "concordance".into(),
            exit_code: -1,
            ticks_console: 9,
            ticks_total: 7,
            code_loaded: 5,
            ..BootRow::default()
        };
        Profile { program: 7, cpu: 3, boots_observed: 1917, functions: vec![function], boots: vec![row] }
    }

    fn encoded(profile: &Profile) -> Vec<u8> {
        profile.encode().expect("there is memory")
    }

    /// `profile` as bytes, with a right checksum, although it may not be well-formed.
    fn forged(change: impl FnOnce(&mut Profile)) -> Vec<u8> {
        let mut profile = sample();
        change(&mut profile);
        encoded(&profile)
    }

    #[test]
    fn every_truncation_is_an_error() {
        let bytes = encoded(&sample());
        for end in 0..bytes.len() {
            let error = Profile::decode(&bytes[..end]).expect_err("bytes are missing");
            assert!(matches!(error, ProfileError::NotAProfile | ProfileError::Length { .. }), "{end}: {error}");
        }
    }

    #[test]
    fn every_changed_byte_is_an_error() {
        let bytes = encoded(&sample());
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                assert!(Profile::decode(&damaged).is_err(), "byte {at} changed by {flip:#x}");
            }
        }
    }

    #[test]
    fn newer_schema_is_refused_by_name() {
        let mut bytes = encoded(&sample());
        bytes[SCHEMA_AT] = SCHEMA as u8 + 1;
        assert_eq!(Profile::decode(&bytes), Err(ProfileError::UnknownSchema { found: SCHEMA + 1 }));
        let message = ProfileError::UnknownSchema { found: SCHEMA + 1 }.to_string();
        assert_eq!(message, "profile has schema 8, newer than 7: read it with a newer BareFlow");
    }

    #[test]
    fn profiles_of_earlier_schemas_are_read() {
        let of_schema = |schema: u32| {
            let mut bytes = forge(&earlier::body(&sample(), schema));
            bytes[SCHEMA_AT] = schema as u8;
            Profile::decode(&bytes)
        };
        let mut profile = sample();
        assert_eq!(of_schema(6), Ok(profile.clone()));
        (profile.boots[0].ticks_total, profile.boots[0].code_loaded) = (0, 0);
        assert_eq!(of_schema(5), Ok(profile.clone()));
        let site = &mut profile.functions[0].sites[0];
        (site.guards_passed, site.guards_failed) = (0, 0);
        (site.passes, site.dropped) = (vec![], vec![]);
        assert_eq!(of_schema(4), Ok(profile.clone()));
        profile.boots[0].ticks_console = 0;
        assert_eq!(of_schema(3), Ok(profile));
        let message = of_schema(2).expect_err("nobody reads it").to_string();
        assert_eq!(message, "profile has schema 2, this BareFlow reads 3 to 7: record it anew");
    }

    #[test]
    fn forged_records_are_refused() {
        let refused = |bytes: Vec<u8>| matches!(Profile::decode(&bytes), Err(ProfileError::Malformed { .. }));
        assert!(refused(forged(|p| p.functions.push(FunctionRecord::default()))));
        assert!(refused(forged(|p| p.functions.push(p.functions[0].clone()))));
        let with = |slots: &[(u64, u64)], floor| {
            let slots = slots.iter().map(|&(value, count)| ValueCount { value, count }).collect();
            forged(|p| p.functions[0].sites[0].values = ValueHistogram { slots, total: 100, floor })
        };
        let with_slots = |slots: &[(u64, u64)]| with(slots, 0);
        assert!(!refused(with_slots(&[(1, 60), (2, 40)])));
        assert!(refused(with_slots(&[(1, 60), (2, 41)])));
        assert!(refused(with_slots(&[(1, 40), (2, 60)])));
        assert!(refused(with_slots(&[(1, 40), (1, 40)])));
        assert!(refused(with_slots(&[(1, 40), (2, 0)])));
        assert!(!refused(with_slots(&[1, 2, 3, 4, 5, 6, 7, 8, 9].map(|value| (value, 1)))), "as merging leaves it");
        assert!(refused(with_slots(&[1, 2, 3, 4, 5, 6, 7, 8, 1].map(|value| (value, 1)))));
        assert!(!refused(with(&[(1, 22), (2, 10)], 10)) && refused(with(&[(1, 33), (2, 10)], 10)));
        assert!(refused(with(&[(1, 22), (2, 9)], 10)));
        let dropped = |values: [u64; 2]| {
            forged(|p| p.functions[0].sites[0].dropped = values.map(|value| Dropped { value, share: 1 }).to_vec())
        };
        assert!(!refused(dropped([1, 2])) && refused(dropped([2, 1])) && refused(dropped([1, 1])));
    }

    #[test]
    fn claimed_lengths_past_the_end_are_refused_without_reserving_them() {
        // program, cpu, boots observed, then 2^63 functions.
        let functions = [&[0, 0, 0][..], &[0xff; 9], &[1]].concat();
        // One function: hash, ordinal, calls, ticks, then 2^63 blocks.
        let blocks = [&[0, 0, 0, 1, 0, 0, 0, 0][..], &[0xff; 9], &[1]].concat();
        for body in [functions, blocks, vec![0xff; 40], vec![0; 6], vec![]] {
            let error = Profile::decode(&forge(&body)).expect_err("the body is not a profile");
            assert!(matches!(error, ProfileError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn reads_as_json_for_people_and_scripts() {
        let json = serde_json::to_string(&sample().functions[0].sites[0].values).expect("a histogram is plain data");
        assert_eq!(json, r#"{"slots":[{"value":512,"count":90},{"value":24,"count":10}],"total":100,"floor":0}"#);
    }

    proptest! {
        #[test]
        fn decoding_gives_back_what_was_encoded(profile in profile()) {
            prop_assert_eq!(Profile::decode(&encoded(&profile)), Ok(profile));
        }

        #[test]
        fn merged_and_aged_profiles_decode(mut a in profile(), b in profile(), half_life in 0..9u32) {
            a.merge(&b);
            a.age(Decay::of_half_life(half_life));
            prop_assert_eq!(Profile::decode(&encoded(&a)), Ok(a));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Profile::decode(&bytes).is_err());
        }

        #[test]
        fn random_bodies_never_panic_and_give_well_formed_profiles(
            body in proptest::collection::vec(prop_oneof![3 => 0..4u8, 1 => any::<u8>()], 0..80),
        ) {
            if let Ok(profile) = Profile::decode(&forge(&body)) {
                prop_assert_eq!(Profile::decode(&encoded(&profile)), Ok(profile));
            }
        }
    }
}
