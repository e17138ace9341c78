//! What the store does on a disk that works.

use super::*;
use std::string::ToString;

#[test]
fn fresh_store_starts_empty_and_silent() {
    let recovered = recovered(&disk(0));
    assert_eq!(recovered, Recovered { generation: 0, payload: None, notes: vec![] });
    assert_eq!(recovered.to_string(), "store: starting empty");
}

#[test]
fn newest_generation_comes_back() {
    for generations in 1..6 {
        let recovered = recovered(&disk(generations));
        assert_eq!((recovered.generation, &recovered.notes), (generations, &vec![]));
        assert_eq!(recovered.to_string(), std::format!("store: starting from generation {generations}"));
    }
}

#[test]
fn payload_sizes_from_nothing_to_capacity_come_back() {
    let mut store = Store::open(disk(1)).expect("formatted");
    let capacity = store.capacity() as usize;
    assert_eq!(capacity, 4096);
    for len in [0, 1, 511, 512, 513, capacity - 1, capacity] {
        store.commit(&vec![7; len], Code::None).expect("it fits");
        assert_eq!(store.load().payload, Some(vec![7; len]));
    }
}

#[test]
fn too_large_a_payload_leaves_everything_intact() {
    let mut store = Store::open(disk(2)).expect("formatted");
    let error = store.commit(&[0; 4097], Code::None).expect_err("a slot takes 4096 bytes");
    assert_eq!(error, StoreError::PayloadTooLarge { bytes: 4097, capacity: 4096 });
    let disk = store.into_device();
    assert!(!disk.log.iter().any(|request| matches!(request, Request::Write { .. })));
    assert_eq!(recovered(&disk).generation, 2);
}

#[test]
fn commit_flushes_the_payload_before_the_header_and_then_the_header() {
    let mut store = Store::open(disk(1)).expect("formatted");
    store.load();
    let (header, payload_at) = (store.superblock.header_sector(1), store.superblock.payload_sector(1));
    store.commit(&payload(2), Code::None).expect("it fits");
    let writes: Vec<_> =
        store.device.disk().log.iter().copied().filter(|request| !matches!(request, Request::Read { .. })).collect();
    assert_eq!(
        writes,
        [
            Request::Write { first: payload_at, sectors: 2 },
            Request::Write { first: payload_at + 2, sectors: 1 },
            Request::Flush,
            Request::Write { first: header, sectors: 1 },
            Request::Flush,
        ]
    );
}

#[test]
fn commit_without_a_load_spares_the_newest_generation() {
    for generations in 1..4 {
        let mut store = Store::open(disk(generations)).expect("formatted");
        assert_eq!(store.commit(&payload(generations + 1), Code::None), Ok(generations + 1));
        let mut disk = store.into_device();
        // Losing the new generation must bring back the one before.
        let slot = (generations % 2) as usize;
        forge_header(&mut disk, slot, |header| header.payload_crc ^= 1);
        assert_eq!(recovered(&disk).generation, generations);
    }
}

/// Begins an attempt; how many before it did not end.
fn unclean(store: &mut Store<impl BlockDevice>) -> u32 {
    store.begin_attempt().expect("the disk works").unclean
}

#[test]
fn attempts_count_until_a_commit() {
    for generations in 0..3 {
        let mut disk = disk(generations);
        for expected in 0..3 {
            let mut store = Store::open(&mut disk).expect("formatted");
            assert_eq!(store.attempts(), expected);
            assert_eq!(unclean(&mut store), expected);
            store.load();
        }
        let mut store = Store::open(&mut disk).expect("formatted");
        assert_eq!(store.attempts(), 3);
        store.commit(&payload(generations + 1), Code::None).expect("it fits");
        assert_eq!(store.attempts(), 0);
        assert_eq!(unclean(&mut store), 0);
    }
}

#[test]
fn an_attempt_that_ends_without_a_commit_does_not_count() {
    for generations in 0..3 {
        let mut disk = disk(generations);
        for ends in [false, false, true] {
            let mut store = Store::open(&mut disk).expect("formatted");
            store.begin_attempt().expect("the disk works");
            store.load();
            if ends {
                store.end_attempt().expect("the disk works");
            }
        }
        assert_eq!(Store::open(&mut disk).expect("formatted").attempts(), 0);
        assert_eq!(recovered(&disk).generation, generations);
    }
}

#[test]
fn boots_that_do_not_end_after_reading_go_on_reading() {
    let mut disk = disk(2);
    for before in 0..9 {
        let mut store = Store::open(&mut disk).expect("formatted");
        assert_eq!((unclean(&mut store), store.load().generation), (before, 2));
    }
}

#[test]
fn damaged_attempts_read_as_none() {
    let mut disk = disk(1);
    Store::open(&mut disk).expect("formatted").begin_attempt().expect("the disk works");
    assert_eq!(Store::open(&mut disk).expect("formatted").attempts(), 1);
    for at in 0..SECTOR_BYTES {
        let mut damaged = disk.clone();
        damaged.medium[ATTEMPTS_SECTOR as usize * SECTOR_BYTES + at] ^= 0x40;
        assert_eq!(Store::open(damaged).expect("formatted").attempts(), 0);
    }
}

#[test]
fn reader_that_refuses_a_payload_gets_the_one_before() {
    let mut store = Store::open(disk(3)).expect("formatted");
    let recovered =
        store.load_with(u64::MAX, |bytes| if bytes == payload(3) { Err("not my kind") } else { Ok(bytes.to_vec()) });
    assert_eq!((recovered.generation, recovered.payload.as_deref()), (2, Some(&payload(2)[..])));
    assert_eq!(recovered.to_string(), "store: starting from generation 2; slot 0: generation 3: not my kind");
    // The next commit takes the place of what was refused.
    assert_eq!(store.commit(&payload(4), Code::None), Ok(4));
    let disk = store.into_device();
    assert_eq!(super::recovered(&disk).generation, 4);
    assert_eq!(
        Store::open(disk)
            .expect("formatted")
            .load_with(u64::MAX, |b| (b == payload(2)).then_some(()).ok_or(""))
            .generation,
        2
    );
}

#[test]
fn reader_that_refuses_everything_starts_empty_and_goes_on_counting() {
    let mut store = Store::open(disk(2)).expect("formatted");
    let recovered = store.load_with(u64::MAX, |_| Err::<(), _>("no"));
    assert_eq!((recovered.generation, recovered.payload, recovered.notes.len()), (0, None, 2));
    assert_eq!(store.commit(&payload(3), Code::None), Ok(3));
    assert_eq!(super::recovered(&store.into_device()).generation, 3);
}

#[test]
fn formatting_discards_the_earlier_store() {
    let store = Store::format(disk(2), *b"another store id").expect("the disk is large enough");
    let disk = store.into_device();
    assert_eq!(recovered(&disk).generation, 0);
    assert_eq!(Store::open(disk).expect("formatted").id(), *b"another store id");
}

#[test]
fn disks_of_every_size_are_formatted_or_refused() {
    for sectors in (0..200).chain([1 << 16, 1 << 17]) {
        match Store::format(FakeDisk::new(sectors), ID) {
            Ok(mut store) => {
                assert!(sectors >= LEAST_SECTORS);
                let full = vec![5; store.capacity() as usize];
                assert_eq!(store.commit(&full, Code::None), Ok(1));
                assert_eq!(store.commit(&full, Code::None), Ok(2));
            }
            Err(error) => assert_eq!(error, StoreError::TooSmall { sectors, needed: LEAST_SECTORS }),
        }
    }
}

#[test]
fn slots_stay_below_32_mib_on_the_largest_disks() {
    let superblock = layout::Superblock::for_disk(u64::MAX, ID).expect("large enough");
    assert_eq!(superblock.payload_bytes(), (32 << 20) - 4096);
}

#[test]
fn who_asks_is_told_how_far_a_transfer_is() {
    use std::cell::RefCell;
    use std::rc::Rc;
    let told: Rc<RefCell<Vec<(Transfer, u64, u64)>>> = Rc::default();
    let mut store = Store::format(FakeDisk::new(40_000), ID).expect("large enough");
    let heard = Rc::clone(&told);
    store.tell(move |transfer, done, all| heard.borrow_mut().push((transfer, done, all)));
    let all = 2_500_000;
    let payload = vec![7; all];
    store.commit(&payload, Code::None).expect("it fits");
    let written: Vec<u64> = told
        .take()
        .into_iter()
        .map(|(transfer, done, of)| {
            assert_eq!((transfer, of), (Transfer::Writing, all as u64));
            done
        })
        .collect();
    assert!(written.is_sorted() && written[..3] == [0, 1 << 19, 1 << 20] && written.last() == Some(&(all as u64)));
    assert_eq!(store.load().payload, Some(payload));
    let sectors = (all as u64).next_multiple_of(512);
    let read = [0, 1 << 20, 2 << 20, sectors].map(|done| (Transfer::Reading, done, sectors));
    assert_eq!(told.take(), read);
}
