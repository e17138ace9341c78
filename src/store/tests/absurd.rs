//! Stores with right checksums that nothing wrote. `./just fuzz-parsers` opens many more of them.

use super::*;
use crate::store::layout::{Attempts, Phase, SUPERBLOCK_SECTOR, Superblock};
use core::convert::Infallible;
use proptest::collection::vec;
use proptest::prelude::*;
use std::string::ToString;
use std::sync::OnceLock;
use xxhash_rust::xxh3::xxh3_128;

/// Small, extreme and any numbers.
fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..9u64, 1 => Just(4096), 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1), 1 => any::<u64>()]
}

fn id() -> impl Strategy<Value = StoreId> {
    prop_oneof![7 => Just(ID), 1 => any::<StoreId>()]
}

/// The layout that a superblock of this version has, if there is such a version.
fn layout_of(version: u32, sectors: u64, id: StoreId) -> Option<Superblock> {
    match version {
        1 => Superblock::of_version_1(sectors, id).ok(),
        2 => Superblock::for_disk(sectors, id).ok(),
        _ => None,
    }
}

fn superblock() -> impl Strategy<Value = Superblock> {
    let versions = prop_oneof![10 => Just(2), 5 => Just(1), 1 => any::<u32>()];
    let sizes = prop_oneof![7 => LEAST_SECTORS..220, 3 => LEAST_SECTORS..9999, 1 => numbers()];
    let forged = || prop_oneof![12 => Just(None), 1 => numbers().prop_map(Some)];
    (versions, id(), sizes, forged(), forged()).prop_map(|(version, id, total_sectors, forged_slot, forged_code)| {
        let honest = layout_of(version, total_sectors, id);
        let slot_sectors = forged_slot.unwrap_or(honest.map_or(0, |layout| layout.slot_sectors));
        let code_sectors = forged_code.unwrap_or(honest.map_or(0, |layout| layout.code_sectors));
        Superblock { version, id, total_sectors, slot_sectors, code_sectors, home: Home::default() }
    })
}

/// The name of code, and the code that it is of; the hash is right unless another one is given.
fn code_name() -> impl Strategy<Value = Option<(CodeName, Vec<u8>)>> {
    let slots = prop_oneof![9 => 0..2u32, 1 => any::<u32>()];
    let length = prop_oneof![5 => Just(None), 1 => numbers().prop_map(Some)];
    let hash = prop_oneof![7 => Just(None), 1 => any::<u128>().prop_map(Some)];
    let name = (slots, vec(any::<u8>(), 1..1500), length, hash).prop_map(|(slot, code, length, hash)| {
        let (bytes, hash) = (length.unwrap_or(code.len() as u64), hash.unwrap_or_else(|| xxh3_128(&code)));
        (CodeName { slot, bytes, hash }, code)
    });
    proptest::option::weighted(0.7, name)
}

/// What a slot is forged to hold.
#[derive(Clone, Debug)]
struct Forged {
    header: SlotHeader,
    payload: Vec<u8>,
    code: Vec<u8>,
}

/// A header, and the payload and code that it is of; the checksum is right unless another one is given.
fn slot() -> impl Strategy<Value = Option<Forged>> {
    let length = prop_oneof![3 => Just(None), 1 => numbers().prop_map(Some)];
    let crc = prop_oneof![7 => Just(None), 1 => any::<u32>().prop_map(Some)];
    let slot = (id(), numbers(), vec(any::<u8>(), 0..1500), length, crc, code_name());
    proptest::option::weighted(
        0.9,
        slot.prop_map(|(store, generation, payload, length, crc, code)| {
            let payload_bytes = length.unwrap_or(payload.len() as u64);
            let payload_crc = crc.unwrap_or_else(|| crc32fast::hash(&payload));
            let (name, code) = code.unzip();
            let header = SlotHeader { store, generation, payload_bytes, payload_crc, code: name };
            Forged { header, payload, code: code.unwrap_or_default() }
        }),
    )
}

/// Attempts at one of the two slots, or at anything.
fn attempts() -> impl Strategy<Value = (Option<usize>, Attempts)> {
    let count = prop_oneof![3 => 0..9u32, 1 => Just(u32::MAX)];
    let phase = prop_oneof![Just(Phase::Running), Just(Phase::Reading), Just(Phase::Saving)];
    let boots = || prop_oneof![3 => 0..9u32, 1 => any::<u32>()];
    let name = (proptest::option::weighted(0.8, 0..2usize), id(), numbers(), any::<u32>());
    (name, count, phase, boots(), boots(), boots()).prop_map(
        |((of, store, generation, payload_crc), count, phase, passed_over, unread, unsaved)| {
            (of, Attempts { store, generation, payload_crc, count, phase, passed_over, unread, unsaved })
        },
    )
}

/// Puts `bytes` on the disk, filled up with zeros to a whole sector, if there is such a place.
fn place(disk: &mut FakeDisk, sector: u64, bytes: &[u8]) {
    let mut sectors = bytes.to_vec();
    sectors.resize(sectors.len().next_multiple_of(SECTOR_BYTES), 0);
    let Some(at) = usize::try_from(sector).ok().and_then(|sector| sector.checked_mul(SECTOR_BYTES)) else { return };
    if let Some(place) = at.checked_add(sectors.len()).and_then(|end| disk.medium.get_mut(at..end)) {
        place.copy_from_slice(&sectors);
    }
}

fn forged(
    sectors: u64,
    superblock: Superblock,
    slots: &[Option<Forged>; 2],
    attempts: (Option<usize>, Attempts),
) -> FakeDisk {
    let mut disk = FakeDisk::new(sectors);
    place(&mut disk, SUPERBLOCK_SECTOR, superblock.encode().bytes());
    let (of, mut record) = attempts;
    if let Some(Forged { header, .. }) = of.and_then(|of| slots[of].as_ref()) {
        (record.generation, record.payload_crc) = (header.generation, header.payload_crc);
    }
    place(&mut disk, ATTEMPTS_SECTOR, record.encode().bytes());
    // Where they would be on the disk as it is: a superblock with other sizes is refused.
    let honest = layout_of(superblock.version, superblock.total_sectors, superblock.id);
    let Some(honest) = honest else { return disk };
    for (slot, forged) in slots.iter().enumerate() {
        let Some(Forged { header, payload, code }) = forged else { continue };
        place(&mut disk, honest.header_sector(slot), header.encode().bytes());
        place(&mut disk, honest.payload_sector(slot), payload);
        if let Some(name) = header.code.filter(|name| name.slot < 2) {
            place(&mut disk, honest.code_sector(name.slot as usize), code);
        }
    }
    disk
}

/// What the generation after one with the code `before` has, if it is committed with `code`; nothing where that is not known.
fn code_after(before: &Result<Option<Vec<u8>>, Fault>, code: Code<&[u8]>) -> Option<Option<Vec<u8>>> {
    match (code, before) {
        (Code::None, _) => Some(None),
        (Code::New(code), _) => Some(Some(code.to_vec()).filter(|code| !code.is_empty())),
        (Code::Same, Ok(before)) => Some(before.clone()),
        // It may be whole.
        (Code::Same, Err(Fault::CodeUnreadable { .. })) => None,
        (Code::Same, Err(_)) => Some(None),
    }
}

proptest! {
    #[test]
    fn absurd_stores_are_refused_or_used(
        sectors in prop_oneof![2 => 0..60u64, 3 => 60..220u64],
        superblock in superblock(),
        slots in [slot(), slot()],
        attempts in attempts(),
        refused in any::<bool>(),
        limit_bytes in prop_oneof![3 => Just(u64::MAX), 1 => 0..2000u64],
        payload in vec(any::<u8>(), 0..3000),
        new_code in proptest::option::of(vec(any::<u8>(), 0..3000)),
        same_code in any::<bool>(),
        crash in any::<bool>(),
    ) {
        let mut store = match Store::open(forged(sectors, superblock, &slots, attempts)) {
            Ok(store) => store,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let begun = store.begin_attempt();
        let found = store.load_with(limit_bytes, |payload| match refused {
            true => Err("refused"),
            false => Ok(payload.to_vec()),
        });
        prop_assert!(found.payload.is_none_or(|payload| payload.len() as u64 <= limit_bytes));
        prop_assert!(store.room() <= store.capacity());
        let loaded = store.load_code(limit_bytes);
        if let Ok(Some(code)) = &loaded {
            prop_assert!(code.len() as u64 <= limit_bytes);
            let names = slots.iter().flatten().filter_map(|slot| slot.header.code);
            prop_assert!(names.map(|name| name.hash).any(|hash| hash == xxh3_128(code)));
        }
        let code = match &new_code {
            Some(code) => Code::New(&code[..]),
            None if same_code => Code::Same,
            None => Code::None,
        };
        let (room, code_room) = (store.room(), store.code_room());
        if crash && begun.is_ok() {
            let mut later = Store::open(store.into_device()).expect("it was one");
            prop_assert!(later.attempts() > 0);
            return Ok(());
        }
        match store.commit(&payload, code) {
            Ok(generation) => {
                prop_assert!(payload.len() as u64 <= room);
                let mut later = Store::open(store.into_device()).expect("it was one");
                if let Some(expected) = code_after(&loaded, code) {
                    prop_assert_eq!(later.load_code(u64::MAX), Ok(expected));
                }
                prop_assert_eq!(later.attempts(), 0);
                let found = later.load();
                prop_assert_eq!((found.generation, found.payload), (generation, Some(payload)));
            }
            Err(error) if begun.is_ok() => {
                let fits = room > 0 && payload.len() as u64 <= room && new_code.is_none_or(|code| code.len() as u64 <= code_room);
                prop_assert!(!fits || error == StoreError::NoGenerationLeft, "{}", error);
                prop_assert_eq!(store.end_attempt(), Ok(()));
                prop_assert_eq!(store.attempts(), 0);
            }
            Err(_) => {}
        }
    }
}

/// What is changed of a sound store: which sector, at which offset, how many bytes of which number.
fn changes() -> impl Strategy<Value = Vec<(usize, usize, usize, u64)>> {
    // Superblock, attempts, headers, and the first sectors of payloads and code.
    let change = (0..8usize, prop_oneof![5 => 0..96usize, 1 => 0..SECTOR_BYTES], 1..=8usize, numbers());
    vec(change, 1..6)
}

proptest! {
    #[test]
    fn absurd_changes_of_a_store_are_refused_or_used(
        changes in changes(),
        sealed in prop_oneof![6 => Just(true), 1 => Just(false)],
        begins in any::<bool>(),
        limit_bytes in prop_oneof![3 => Just(u64::MAX), 1 => 0..2000u64],
    ) {
        static BASE: OnceLock<FakeDisk> = OnceLock::new();
        let base = BASE.get_or_init(|| {
            let mut store = Store::open(disk_with(&[Code::New(&code(1)), Code::New(&code(2))])).expect("formatted");
            store.begin_attempt().expect("the disk works");
            FakeDisk::of(store.into_device().medium)
        });
        let layout = Superblock::for_disk(SECTORS_WITH_CODE, ID).expect("large enough");
        let pieces = [0, 1].map(|slot| [layout.header_sector(slot), layout.payload_sector(slot), layout.code_sector(slot)]);
        let sectors = [&[SUPERBLOCK_SECTOR, ATTEMPTS_SECTOR][..], &pieces.concat()].concat();
        let mut disk = base.clone();
        for (sector, at, width, number) in changes {
            let place = &mut disk.medium[sectors[sector] as usize * SECTOR_BYTES..][..SECTOR_BYTES];
            let end = (at + width).min(SECTOR_BYTES);
            place[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
            let is_sealed = sector < 2 || pieces.iter().any(|piece| piece[0] == sectors[sector]);
            if sealed && is_sealed {
                let sector = sector::Sector::of(place).expect("a whole one").sealed();
                place.copy_from_slice(sector.bytes());
            }
        }
        let mut store = match Store::open(disk) {
            Ok(store) => store,
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        if begins {
            prop_assert!(store.begin_attempt().is_ok_and(|attempt| attempt.boots_until_saved < 8));
        }
        let found = store.load_with(limit_bytes, |payload| Ok::<_, Infallible>(payload.to_vec()));
        // Only what some header's checksum is of.
        let headers = store.newest_first(&mut Vec::new());
        let is_whole = |payload: &Vec<u8>| headers.iter().any(|(_, header)| header.payload_crc == crc32fast::hash(payload));
        prop_assert!(found.payload.as_ref().is_none_or(is_whole) && !found.to_string().is_empty());
        let loaded = store.load_code(limit_bytes);
        let is_named = |code: &Vec<u8>| headers.iter().any(|(_, header)| header.code.is_some_and(|name| name.hash == xxh3_128(code)));
        prop_assert!(loaded.ok().flatten().as_ref().is_none_or(is_named));
        match store.commit(b"new", Code::New(b"newer")) {
            Ok(generation) => {
                let mut later = Store::open(store.into_device()).expect("it was one");
                let found = later.load();
                prop_assert_eq!((found.generation, found.payload), (generation, Some(b"new".to_vec())));
                prop_assert_eq!((later.load_code(u64::MAX), later.attempts()), (Ok(Some(b"newer".to_vec())), 0));
            }
            Err(error) => prop_assert_eq!(error, StoreError::NoGenerationLeft),
        }
    }
}
