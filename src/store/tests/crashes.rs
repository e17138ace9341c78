//! Power cuts at every point, and requests that fail.

use super::*;
use proptest::collection::vec as vec_of;
use proptest::prelude::*;

/// Cuts the power at every request of `operation` on `before`, with every subset of the unflushed sectors surviving,
/// and hands each resulting disk to `check`, with whether the operation had returned success.
fn at_every_power_cut(before: &FakeDisk, operation: impl Fn(&mut FakeDisk) -> bool, check: impl Fn(&FakeDisk, bool)) {
    for request in 0.. {
        let mut disk = before.with(Failure::PowerCut(request));
        let done = operation(&mut disk);
        disk.after_every_power_cut().for_each(|after| check(&after, done));
        if disk.log.len() <= request {
            assert!(done && request > 2, "the operation ended without a failure");
            return;
        }
    }
}

#[test]
fn power_cut_during_a_commit_leaves_the_old_or_the_new_generation_whole() {
    for old in 0..4 {
        let commit = |disk: &mut FakeDisk| {
            Store::open(disk).is_ok_and(|mut store| store.commit(&payload(old + 1), Code::None).is_ok())
        };
        at_every_power_cut(&disk(old), commit, |after, done| {
            let generation = recovered(after).generation;
            assert!(generation == old + 1 || generation == old && !done, "{generation} after {old}, done: {done}");
            // And the store works on.
            let mut store = Store::open(after.clone()).expect("formatted");
            assert_eq!(store.commit(&payload(generation + 1), Code::None), Ok(generation + 1));
            assert_eq!(recovered(&store.into_device()).generation, generation + 1);
        });
    }
}

#[test]
fn power_cut_during_begin_attempt_keeps_the_generation_and_an_earlier_count() {
    let mut before = disk(2);
    Store::open(&mut before).expect("formatted").begin_attempt().expect("the disk works");
    let begin = |disk: &mut FakeDisk| Store::open(disk).is_ok_and(|mut store| store.begin_attempt().is_ok());
    at_every_power_cut(&before, begin, |after, done| {
        let recovered = recovered(after);
        assert_eq!((recovered.generation, recovered.notes.len()), (2, 0));
        let attempts = Store::open(after.clone()).expect("formatted").attempts();
        assert!(attempts == 2 || attempts == 1 && !done);
    });
}

#[test]
fn power_cut_during_formatting_leaves_the_earlier_store_or_an_empty_one() {
    let format = |disk: &mut FakeDisk| Store::format(disk, *b"another store id").is_ok();
    at_every_power_cut(&disk(3), format, |after, done| {
        let store = Store::open(after.clone()).expect("either superblock is intact");
        let recovered = recovered(after);
        if store.id() == ID {
            assert!(!done && [0, 2, 3].contains(&recovered.generation));
        } else {
            assert_eq!((recovered.generation, recovered.notes), (0, vec![]), "remains of the earlier store");
        }
    });
    at_every_power_cut(&FakeDisk::new(LEAST_SECTORS), format, |after, done| match Store::open(after.clone()) {
        Ok(_) => assert_eq!(recovered(after).generation, 0),
        Err(error) => assert!(!done && error == StoreError::NotFormatted),
    });
}

#[test]
fn failing_request_never_costs_the_generation_in_use() {
    for request in 0..12 {
        let mut store = Store::open(disk(2)).expect("formatted");
        store.load();
        *store.device.disk() = store.device.disk().with(Failure::Once(request));
        let failed = store.commit(&payload(3), Code::None).is_err();
        store.device.disk().failure = Failure::Never;
        let cut = store.device.disk().after_power_cut(|_| false);
        assert!([2, 3].contains(&recovered(&cut).generation));
        assert!(failed || recovered(&cut).generation == 3);
        // The same store can commit again, and still spares the generation in use.
        let generation =
            store.commit(&payload(3), Code::None).map(|_| store.generation()).expect("the disk works again");
        assert!([3, 4].contains(&generation));
        assert_eq!(store.load().payload, Some(payload(3)));
    }
}

#[test]
fn failing_request_at_load_gives_an_older_generation_or_none_with_a_note() {
    for request in 0..6 {
        let mut store = Store::open(disk(2)).expect("formatted");
        *store.device.disk() = store.device.disk().with(Failure::Once(request));
        let recovered = store.load();
        assert_eq!(recovered.payload, (recovered.generation > 0).then(|| payload(recovered.generation)));
        assert!(recovered.generation == 2 || recovered.notes.len() == 1, "request {request}: {recovered:?}");
    }
}

#[test]
fn disk_that_drops_writes_is_found_out_before_the_header_counts() {
    struct Forgetful(FakeDisk);
    impl BlockDevice for Forgetful {
        fn sectors(&self) -> u64 {
            self.0.sectors()
        }
        fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
            self.0.read(first, buffer)
        }
        fn write(&mut self, _: u64, _: &[u8]) -> Result<(), BlockError> {
            Ok(())
        }
        fn flush(&mut self) -> Result<(), BlockError> {
            self.0.flush()
        }
    }
    let mut store = Store::open(Forgetful(disk(1))).expect("formatted");
    let sector = store.superblock.payload_sector(1);
    assert_eq!(store.commit(&payload(2), Code::None), Err(StoreError::NotWritten { sector }));
    assert_eq!(store.load().generation, 1);
}

/// A boot that may lose power: does it commit, at which request does the power go, which sectors are spared.
fn boot() -> impl Strategy<Value = (bool, Option<usize>, u64)> {
    (any::<bool>(), proptest::option::of(0..16usize), any::<u64>())
}

proptest! {
    #[test]
    fn any_history_of_power_cuts_leaves_the_last_generation_or_the_one_under_way(boots in vec_of(boot(), 1..30)) {
        let (mut disk, mut last) = (disk(0), 0);
        for (commits, power_cut, spared) in boots {
            disk = disk.with(power_cut.map_or(Failure::Never, Failure::PowerCut));
            let mut done = false;
            if let Ok(mut store) = Store::open(&mut disk) {
                let _ = store.begin_attempt();
                let _ = store.load();
                // A crash can make load fall back; only the real newest generation may be committed upon here.
                let next = last + 1;
                done = commits && store.generation() == last && store.commit(&payload(next), Code::None) == Ok(next);
            }
            disk = disk.after_power_cut(|index| spared >> (index % 64) & 1 == 1);
            let generation = recovered(&disk).generation;
            prop_assert!(generation == last + 1 && commits || generation == last && !done);
            last = generation;
        }
    }

    #[test]
    fn large_torn_commits_leave_the_old_generation(spared in vec_of(any::<bool>(), 40), request in 0..16usize) {
        let mut disk = FakeDisk::new(400);
        Store::format(&mut disk, ID).and_then(|mut store| store.commit(&payload(1), Code::None)).expect("the disk works");
        let mut cut = disk.with(Failure::PowerCut(request));
        let large = vec![0xa5; 40 * SECTOR_BYTES];
        let done = Store::open(&mut cut).is_ok_and(|mut store| store.commit(&large, Code::None).is_ok());
        let cut = cut.after_power_cut(|index| spared[index % 40]);
        match Store::open(cut).expect("formatted").load() {
            Recovered { generation: 1, payload: found, .. } => prop_assert!(!done && found == Some(payload(1))),
            Recovered { generation: 2, payload: found, .. } => prop_assert_eq!(found, Some(large)),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
