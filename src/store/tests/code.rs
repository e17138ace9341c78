//! The code that goes with a generation.

use super::*;
use std::string::ToString;

/// What a boot finds.
fn found(disk: &FakeDisk) -> (u64, Result<Option<Vec<u8>>, Fault>) {
    let generation = recovered(disk).generation;
    (generation, Store::open(disk.clone()).expect("formatted").load_code(u64::MAX))
}

/// Whether `disk` was asked to write to the code area.
fn wrote_code(disk: &FakeDisk) -> bool {
    let area = Store::open(disk.clone()).expect("formatted").superblock.code_sector(0);
    disk.log.iter().any(|request| matches!(request, Request::Write { first, .. } if *first >= area))
}

#[test]
fn code_comes_back_with_its_generation() {
    use Code::{New, None as Nothing, Same};
    let [one, two] = [code(1), code(2)];
    type History<'a> = (&'a [Code<&'a [u8]>], Option<&'a Vec<u8>>);
    let histories: [History<'_>; 10] = [
        (&[], None),
        (&[Nothing], None),
        (&[Same], None),
        (&[New(&[])], None),
        (&[New(&one)], Some(&one)),
        (&[New(&one), Same, Same, Same], Some(&one)),
        (&[New(&one), New(&two)], Some(&two)),
        (&[New(&one), New(&two), New(&one), Same], Some(&one)),
        (&[New(&one), Nothing], None),
        (&[New(&one), Nothing, Same], None),
    ];
    for (codes, expected) in histories {
        assert_eq!(found(&disk_with(codes)), (codes.len() as u64, Ok(expected.cloned())), "{codes:?}");
    }
}

#[test]
fn code_that_did_not_change_is_not_written() {
    let one = code(1);
    for again in [Code::Same, Code::New(&one[..])] {
        let mut store = Store::open(disk_with(&[Code::New(&one)])).expect("formatted");
        store.commit(&payload(2), again).expect("it fits");
        let disk = store.into_device();
        assert!(!wrote_code(&disk));
        assert_eq!(found(&disk), (2, Ok(Some(one.clone()))));
    }
}

#[test]
fn code_is_flushed_before_the_payload_and_that_before_the_header() {
    let mut store = Store::open(disk_with(&[Code::New(&code(1))])).expect("formatted");
    store.load();
    let superblock = store.superblock;
    store.commit(&payload(2), Code::New(&code(2))).expect("it fits");
    let is_read = |request: &Request| matches!(request, Request::Read { .. });
    let writes: Vec<_> = store.device.disk().log.iter().copied().filter(|request| !is_read(request)).collect();
    let (code_at, payload_at) = (superblock.code_sector(1), superblock.payload_sector(1));
    assert_eq!(
        writes,
        [
            Request::Write { first: code_at, sectors: 2 },
            Request::Write { first: code_at + 2, sectors: 1 },
            Request::Flush,
            Request::Write { first: payload_at, sectors: 2 },
            Request::Write { first: payload_at + 2, sectors: 1 },
            Request::Flush,
            Request::Write { first: superblock.header_sector(1), sectors: 1 },
            Request::Flush,
        ]
    );
}

#[test]
fn sizes_from_one_byte_to_the_whole_slot_come_back_and_larger_ones_are_refused() {
    let mut store = Store::open(disk_with(&[])).expect("formatted");
    let room = store.code_room();
    assert_eq!(room, 8192);
    for len in [1, 511, 512, 513, room - 1, room] {
        let code = vec![9; len as usize];
        store.commit(&payload(1), Code::New(&code)).expect("it fits");
        assert_eq!(store.load_code(len), Ok(Some(code)));
    }
    let (before, writes) = (store.generation(), store.device.disk().log.len());
    let error = store.commit(&payload(1), Code::New(&[7; 8193])).expect_err("a slot takes 8192 bytes");
    assert_eq!(error, StoreError::CodeTooLarge { bytes: 8193, capacity: 8192 });
    assert!(!store.device.disk().log[writes..].iter().any(|request| matches!(request, Request::Write { .. })));
    assert_eq!((store.load().generation, store.load_code(room)), (before, Ok(Some(vec![9; 8192]))));
}

#[test]
fn smallest_stores_have_no_room_for_code_and_work_all_the_same() {
    let mut store = Store::open(disk(1)).expect("formatted");
    assert_eq!((store.code_room(), store.load_code(u64::MAX)), (0, Ok(None)));
    let error = store.commit(&payload(2), Code::New(&[1])).expect_err("there are no slots of code");
    assert_eq!(error, StoreError::CodeTooLarge { bytes: 1, capacity: 0 });
    assert_eq!(store.commit(&payload(2), Code::Same), Ok(2));
    assert_eq!(found(&store.into_device()), (2, Ok(None)));
}

#[test]
fn every_changed_byte_of_the_code_area_costs_the_code_or_nothing() {
    let disk = disk_with(&[Code::New(&code(1)), Code::New(&code(2))]);
    let layout = Store::open(disk.clone()).expect("formatted").superblock;
    let area = layout.code_sector(0) as usize * SECTOR_BYTES..disk.medium.len();
    let named = layout.code_sector(1) as usize * SECTOR_BYTES..;
    let named = named.start..named.start + code(2).len();
    let mut damaged = disk;
    for at in area {
        for flip in [0x01, 0x80, 0xff] {
            damaged.medium[at] ^= flip;
            let mut store = Store::open(&mut damaged).expect("formatted");
            assert_eq!((store.load().generation, store.load().payload), (2, Some(payload(2))));
            let expected =
                if named.contains(&at) { Err(Fault::CodeDamaged { generation: 2 }) } else { Ok(Some(code(2))) };
            assert_eq!(store.load_code(u64::MAX), expected, "byte {at}");
            damaged.medium[at] ^= flip;
        }
        damaged.log.clear();
    }
}

#[test]
fn damaged_code_does_not_go_on_and_is_written_again() {
    let one = code(1);
    let mut disk = disk_with(&[Code::New(&one)]);
    let layout = Store::open(disk.clone()).expect("formatted").superblock;
    disk.medium[layout.code_sector(0) as usize * SECTOR_BYTES + 7] ^= 1;
    // Whether it was loaded in this boot, or not.
    for loaded in [false, true] {
        let mut store = Store::open(disk.clone()).expect("formatted");
        if loaded {
            let fault = store.load_code(u64::MAX).expect_err("a bit is wrong");
            assert_eq!(fault.to_string(), "code of generation 1 is damaged: its hash is not that of the header");
        }
        assert_eq!(store.commit(&payload(2), Code::New(&one)), Ok(2));
        assert_eq!(found(&store.into_device()), (2, Ok(Some(one.clone()))));
    }
    let mut store = Store::open(disk).expect("formatted");
    assert!(store.load_code(u64::MAX).is_err());
    assert_eq!(store.commit(&payload(2), Code::Same), Ok(2));
    assert_eq!(found(&store.into_device()), (2, Ok(None)));
}

#[test]
fn code_for_which_there_is_no_memory_goes_on() {
    let one = code(1);
    let mut store = Store::open(disk_with(&[Code::New(&one)])).expect("formatted");
    let fault = store.load_code(1099).expect_err("it has 1100 bytes");
    let error = StoreError::OutOfMemory { bytes: 1100 };
    assert_eq!(fault, Fault::CodeUnreadable { generation: 1, error });
    assert_eq!(store.commit(&payload(2), Code::Same), Ok(2));
    assert_eq!(found(&store.into_device()), (2, Ok(Some(one))));
}

#[test]
fn generation_whose_code_a_commit_began_to_overwrite_keeps_its_payload() {
    let before = disk_with(&[Code::New(&code(1)), Code::New(&code(2))]);
    // The power goes once code 3 is where code 1 was.
    let flush = Store::open(before.clone()).and_then(|mut store| {
        store.commit(&payload(3), Code::New(&code(3)))?;
        Ok(store.device.disk().log.iter().position(|request| *request == Request::Flush).expect("commits flush"))
    });
    let mut disk = before.with(Failure::PowerCut(flush.expect("it fits") + 1));
    assert!(Store::open(&mut disk).expect("formatted").commit(&payload(3), Code::New(&code(3))).is_err());
    let mut disk = disk.after_power_cut(|_| true);
    assert_eq!(found(&disk), (2, Ok(Some(code(2)))));
    // Should generation 2 rot as well, the older one is there, without code.
    forge_header(&mut disk, 1, |header| header.payload_crc ^= 1);
    assert_eq!(found(&disk), (1, Err(Fault::CodeDamaged { generation: 1 })));
}

#[test]
fn names_of_code_that_no_slot_can_hold_cost_the_code_only() {
    let changes: [fn(&mut CodeName); 5] = [
        |name| name.slot = 2,
        |name| name.slot = u32::MAX,
        |name| name.bytes = 8193,
        |name| name.bytes = u64::MAX,
        |name| name.hash ^= 1 << 127,
    ];
    for change in changes {
        let mut disk = disk_with(&[Code::New(&code(1))]);
        forge_header(&mut disk, 0, |header| change(header.code.as_mut().expect("the generation has code")));
        let (generation, code_found) = found(&disk);
        let fault = code_found.expect_err("the name is wrong");
        assert!(generation == 1 && fault.to_string().contains("generation 1"), "{fault}");
        for next in [Code::Same, Code::New(&code(2)[..]), Code::New(&code(1)[..])] {
            let mut store = Store::open(disk.clone()).expect("formatted");
            assert_eq!((store.load().generation, store.load_code(u64::MAX)), (1, Err(fault.clone())));
            assert_eq!(store.commit(&payload(2), next), Ok(2));
            let expected = if let Code::New(code) = next { Some(code.to_vec()) } else { None };
            assert_eq!(found(&store.into_device()), (2, Ok(expected)));
        }
    }
}
