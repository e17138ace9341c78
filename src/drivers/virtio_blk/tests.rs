use super::fake::{FLUSH, Fake, FakeMemory, Fault, VERSION_1, lent_bytes};
use super::*;
use crate::drivers::disk::testing::{pattern, write_flush_and_read_back};
use crate::drivers::disk::{DiskError, SECTOR_BYTES};
use std::string::ToString;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSHES: u32 = 4;

fn found(fake: &Fake) -> Result<Disk, String> {
    disk::<FakeMemory, _>(fake.as_modern(), "virtio-blk 0")
}

fn found_legacy(fake: &Fake) -> Result<Disk, String> {
    disk::<FakeMemory, _>(fake.as_legacy(false), "virtio-blk 0")
}

fn modern(sectors: u64) -> (Fake, Disk) {
    let fake = Fake::modern(sectors);
    let disk = found(&fake).expect("the fake is sound");
    (fake, disk)
}

fn reason(result: Result<(), DiskError>) -> String {
    result.expect_err("it fails").reason.to_string()
}

fn sectors_come_back(fake: &Fake, disk: &mut Disk) {
    write_flush_and_read_back(disk);
    let pieces = |kind| [(kind, 1234, 131_072), (kind, 1490, 131_072), (kind, 1746, 45_056)];
    assert_eq!(fake.requests(), [&pieces(WRITE)[..], &[(FLUSHES, 0, 0)], &pieces(READ)].concat());
}

#[test]
fn written_sectors_read_back_from_modern_devices() {
    let (fake, mut disk) = modern(2000);
    assert_eq!((disk.name(), disk.geometry().sectors), ("virtio-blk 0 (serial S1)", 2000));
    assert_eq!(fake.change(|machine| machine.accepted), FLUSH | VERSION_1);
    sectors_come_back(&fake, &mut disk);
}

#[test]
fn written_sectors_read_back_from_legacy_devices_with_queues_of_any_size() {
    for size in [4, 8, 16, 32, 64, 128, 256, 512, 1024] {
        let fake = Fake::legacy(2000);
        fake.change(|machine| machine.queue_size = size);
        let mut disk = found_legacy(&fake).expect("the fake is sound");
        sectors_come_back(&fake, &mut disk);
    }
}

#[test]
fn queues_go_round() {
    for fake in [Fake::modern(8), Fake::legacy(8)] {
        fake.change(|machine| machine.queue_size = 4);
        let is_legacy = fake.change(|machine| machine.features & VERSION_1 == 0);
        let mut disk = if is_legacy { found_legacy(&fake) } else { found(&fake) }.expect("the fake is sound");
        for round in 0..70_000u32 {
            let written = [round as u8; SECTOR_BYTES];
            disk.write(u64::from(round) % 8, &written).expect("the fake is sound");
        }
        assert_eq!(fake.requests().len(), 70_000);
    }
}

#[test]
fn queues_that_hold_no_request_or_are_no_power_of_two_are_named() {
    for (size, legacy) in [(0, false), (2, false), (6, false), (0, true), (2, true), (96, true), (2048, true)] {
        let fake = if legacy { Fake::legacy(8) } else { Fake::modern(8) };
        fake.change(|machine| machine.queue_size = size);
        let error = if legacy { found_legacy(&fake) } else { found(&fake) }.expect_err("it cannot be used");
        assert_eq!(error, format!("virtio-blk 0: its queue has {size} places"));
    }
}

#[test]
fn a_device_with_msi_x_has_its_configuration_elsewhere() {
    let fake = Fake::legacy(8);
    fake.change(|machine| {
        machine.config.copy_within(0..32, 4);
        machine.config[..4].fill(0xee);
    });
    let disk = disk::<FakeMemory, _>(fake.as_legacy(true), "virtio-blk 0").expect("the fake is sound");
    assert_eq!(disk.geometry().sectors, 8);
}

#[test]
fn long_blocks_and_short_buffers_are_kept_to() {
    let fake = Fake::modern(2001);
    fake.change(|machine| machine.features |= 1 << 6 | 1 << 1);
    fake.set_config(20, 4096);
    fake.set_config(8, 10_000);
    let mut disk = found(&fake).expect("the fake is sound");
    assert_eq!(disk.geometry(), Geometry { sectors: 2000, block_sectors: 8, most_sectors: 16 });
    disk.write(8, &pattern(40)).expect("the fake is sound");
    assert_eq!(fake.requests(), [(WRITE, 8, 8192), (WRITE, 24, 8192), (WRITE, 40, 4096)]);
}

#[test]
fn absurd_numbers_are_named() {
    let refused = |at: usize, value: u32, features: u64| {
        let fake = Fake::modern(8);
        fake.change(|machine| machine.features |= features);
        fake.set_config(at, value);
        found(&fake).expect_err("it cannot be used")
    };
    assert_eq!(refused(0, 0, 0), "virtio-blk 0: it says that it has 0 sectors");
    assert_eq!(refused(4, u32::MAX, 0), "virtio-blk 0: it says that it has 18446744069414584328 sectors");
    for bytes in [0, 1, 256, 513, 1 << 18, u32::MAX] {
        assert_eq!(refused(20, bytes, 1 << 6), format!("virtio-blk 0: it says that its blocks have {bytes} bytes"));
    }
    for bytes in [0, 511] {
        let expected = format!("virtio-blk 0: it takes {bytes} bytes at a time, but its blocks have 512");
        assert_eq!(refused(8, bytes, 1 << 1), expected);
    }
}

#[test]
fn a_configuration_that_does_not_rest_is_given_up() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.is_restless = true);
    assert_eq!(found(&fake).expect_err("it changes"), "virtio-blk 0: its configuration does not stop changing");
    assert!(!fake.change(|machine| machine.is_cut_off));
}

#[test]
fn devices_that_start_in_no_way_we_know_are_named_and_left_stopped() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.is_picky = true);
    let expected = "virtio-blk 0: it wants features that are not known here: device status 0x03";
    assert_eq!(found(&fake).expect_err("it refuses"), expected);
    let fake = Fake::modern(8);
    fake.change(|machine| machine.features &= !VERSION_1);
    assert_eq!(
        found(&fake).expect_err("it is legacy"),
        "virtio-blk 0: it says that it is legacy, but has not what makes it that"
    );
    assert_eq!(fake.change(|machine| machine.resets), 2);
}

#[test]
fn a_device_that_is_gone_costs_no_waiting() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.is_gone = true);
    let expected = "virtio-blk 0: it does not end its reset: device status 0xff (gone)";
    assert_eq!(found(&fake).expect_err("it is gone"), expected);
    assert!(fake.change(|machine| machine.now_ms == 0 && machine.is_cut_off));
}

#[test]
fn a_read_only_disk_is_read_and_never_written() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.features |= 1 << 5);
    let mut disk = found(&fake).expect("the fake is sound");
    assert_eq!(disk.name(), "virtio-blk 0, read-only (serial S1)");
    disk.read(3, &mut [0; SECTOR_BYTES]).expect("the fake is sound");
    assert_eq!(reason(disk.write(3, &[1; SECTOR_BYTES])), "the disk is read-only");
    assert_eq!(fake.requests(), [(READ, 3, SECTOR_BYTES)]);
}

#[test]
fn a_device_that_says_nothing_of_a_cache_has_nothing_to_flush() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.features &= !FLUSH);
    let mut disk = found(&fake).expect("the fake is sound");
    disk.write(3, &[1; SECTOR_BYTES]).expect("the fake is sound");
    disk.flush().expect("there is no cache");
    assert_eq!(fake.requests(), [(WRITE, 3, SECTOR_BYTES)]);
}

#[test]
fn a_cache_that_cannot_be_flushed_is_switched_off() {
    for fake in [Fake::modern(8), Fake::legacy(8)] {
        fake.change(|machine| {
            machine.features = machine.features & !FLUSH | 1 << 11;
            machine.config[32] = 1;
        });
        let is_legacy = fake.change(|machine| machine.features & VERSION_1 == 0);
        let mut disk = if is_legacy { found_legacy(&fake) } else { found(&fake) }.expect("the fake is sound");
        assert_eq!(fake.change(|machine| machine.config[32]), 0);
        disk.write(3, &[1; SECTOR_BYTES]).expect("the fake is sound");
        disk.flush().expect("there is no cache any more");
    }
}

#[test]
fn a_disk_whose_cache_can_neither_be_flushed_nor_switched_off_is_never_written() {
    let fake = Fake::modern(8);
    fake.change(|machine| {
        machine.features = machine.features & !FLUSH | 1 << 11;
        machine.config[32] = 1;
        machine.keeps_cache = true;
    });
    let mut disk = found(&fake).expect("it can be read");
    disk.read(3, &mut [0; SECTOR_BYTES]).expect("the fake is sound");
    let expected = "the disk has a write cache that can neither be flushed nor switched off";
    assert_eq!(reason(disk.write(3, &[1; SECTOR_BYTES])), expected);
    assert_eq!(fake.requests(), [(READ, 3, SECTOR_BYTES)]);
}

#[test]
fn a_cache_that_can_be_flushed_is_left_on() {
    let fake = Fake::modern(8);
    fake.change(|machine| {
        machine.features |= 1 << 11;
        machine.config[32] = 1;
    });
    let mut disk = found(&fake).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    assert_eq!(fake.requests(), [(FLUSHES, 0, 0)]);
    assert_eq!(fake.change(|machine| machine.config[32]), 1);
}

#[test]
fn a_disk_without_a_serial_number_has_none() {
    let fake = Fake::legacy(8);
    fake.change(|machine| machine.serial = None);
    assert_eq!(found_legacy(&fake).expect("the fake is sound").name(), "virtio-blk 0");
}

#[test]
fn a_bad_sector_is_named_after_a_reset_and_others_are_read_on() {
    for fake in [Fake::modern(100), Fake::legacy(100)] {
        let is_legacy = fake.change(|machine| machine.features & VERSION_1 == 0);
        let mut disk = if is_legacy { found_legacy(&fake) } else { found(&fake) }.expect("the fake is sound");
        let lent = lent_bytes();
        fake.set_fault(Fault::BadSector(50));
        for _ in 0..5 {
            assert_eq!(reason(disk.read(50, &mut [0; SECTOR_BYTES])), "the device reports an I/O error");
            disk.read(51, &mut [0; SECTOR_BYTES]).expect("this sector is good");
        }
        assert_eq!(fake.change(|machine| machine.resets), 11);
        assert_eq!(lent_bytes(), lent, "memory of queues is given back");
    }
}

#[test]
fn a_flush_that_fails_is_told() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::BadFlush);
    assert_eq!(reason(disk.flush()), "the device reports an I/O error");
    assert_eq!(fake.requests(), [(FLUSHES, 0, 0)]);
}

#[test]
fn a_device_that_hangs_until_it_is_reset_loses_nothing() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::HangsUntilReset);
    disk.write(3, &[7; SECTOR_BYTES]).expect("after the reset it works");
    disk.flush().expect("nothing was lost");
    assert!(fake.change(|machine| machine.medium[3 * SECTOR_BYTES..][..SECTOR_BYTES] == [7; SECTOR_BYTES]));
    assert!(fake.change(|machine| (15_000..16_000).contains(&machine.now_ms)));
}

#[test]
fn a_device_that_answers_late_is_waited_for() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::Late(10_000));
    disk.write(3, &[7; SECTOR_BYTES]).expect("it answers in the end");
    assert_eq!(fake.change(|machine| machine.resets), 1);
}

#[test]
fn a_device_that_never_answers_is_given_up_within_seconds() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::Hangs);
    let said = reason(disk.read(3, &mut [0; SECTOR_BYTES]));
    assert_eq!(said, "no answer within 15000 ms: device status 0x0f");
    let later = "the disk did not come back after an earlier error (no answer within 15000 ms: device status 0x0f)";
    assert_eq!(reason(disk.read(3, &mut [0; SECTOR_BYTES])), later);
    // Stopped, it reaches no memory.
    assert!(fake.change(|machine| machine.now_ms < 20_000 && !machine.is_cut_off));
}

#[test]
fn a_device_that_does_not_stop_is_cut_off_and_keeps_its_memory() {
    let (fake, mut disk) = modern(8);
    let lent = lent_bytes();
    fake.set_fault(Fault::NeverStops);
    reason(disk.write(3, &[0; SECTOR_BYTES]));
    assert!(fake.change(|machine| machine.is_cut_off));
    let later = "the disk did not come back after an earlier error (no answer within 15000 ms: device status 0x0f)";
    assert_eq!(reason(disk.flush()), later);
    drop(disk);
    assert_eq!(lent_bytes(), lent);
}

#[test]
fn a_device_that_wants_a_reset_is_not_waited_for() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::WantsReset);
    let said = reason(disk.read(3, &mut [0; SECTOR_BYTES]));
    assert_eq!(said, "it has failed: device status 0x4f (it needs a reset)");
    assert_eq!(fake.change(|machine| machine.now_ms), 0);
}

#[test]
fn a_device_that_is_pulled_out_is_given_up() {
    let (fake, mut disk) = modern(8);
    fake.change(|machine| machine.is_gone = true);
    assert_eq!(reason(disk.read(3, &mut [0; SECTOR_BYTES])), "it has failed: device status 0xff (gone)");
    assert!(fake.change(|machine| machine.is_cut_off));
}

#[test]
fn absurd_answers_are_errors() {
    for (fault, expected) in [
        (Fault::Answers(1), "the device reports an I/O error"),
        (Fault::Answers(2), "the device does not know the request"),
        (Fault::Answers(3), "the device answered 3, which means nothing"),
        (Fault::Answers(0xff), "the device returned the request without an answer"),
        (Fault::OtherName(1), "its queue: Device used a different descriptor chain to the one we were expecting"),
        (
            Fault::OtherName(u32::MAX),
            "its queue: Device used a different descriptor chain to the one we were expecting",
        ),
        (Fault::OtherName(0xfffe), "its queue: Device used a different descriptor chain to the one we were expecting"),
    ] {
        let (fake, mut disk) = modern(8);
        fake.set_fault(fault);
        assert_eq!(reason(disk.read(3, &mut [0; SECTOR_BYTES])), expected, "{fault:?}");
    }
}

#[test]
fn a_device_that_counts_wrong_is_found_out_and_reset() {
    for more in [1, 15, 16, 300, 0x8000, 0xfffe] {
        let (fake, mut disk) = modern(8);
        fake.set_fault(Fault::CountsWrong(more));
        // What it says of this request is right; it has spoken of a next one as well.
        disk.read(3, &mut [0; SECTOR_BYTES]).expect("it was done");
        fake.set_fault(Fault::HangsUntilReset);
        disk.read(3, &mut [0; SECTOR_BYTES]).expect("after the reset it works");
        assert_eq!(fake.change(|machine| machine.resets), 2, "{more}");
    }
}

#[test]
fn a_device_that_does_not_want_to_be_told_is_not_told() {
    let (fake, mut disk) = modern(8);
    fake.set_fault(Fault::WantsNoNotice);
    disk.read(3, &mut [0; SECTOR_BYTES]).expect("it was told");
    let said = reason(disk.read(3, &mut [0; SECTOR_BYTES]));
    assert_eq!(said, "no answer within 15000 ms: device status 0x0f");
}

#[test]
fn a_place_for_notices_that_is_not_there_is_not_written_to() {
    let fake = Fake::modern(8);
    fake.change(|machine| machine.notify_offset = 0xffff);
    assert_eq!(
        found(&fake).expect_err("it cannot be told"),
        "virtio-blk 0: no answer within 2000 ms: device status 0x0f"
    );
}

#[test]
fn another_disk_in_its_place_is_not_written_to() {
    let swaps: [fn(&mut fake::Machine); 3] =
        [|machine| machine.serial = Some("S2"), |machine| machine.config[0] = 7, |machine| machine.features |= 1 << 5];
    for swap in swaps {
        let (fake, mut disk) = modern(8);
        fake.set_fault(Fault::BadSector(3));
        fake.change(swap);
        reason(disk.write(3, &[1; SECTOR_BYTES]));
        let later = "the disk did not come back after an earlier error (the device reports an I/O error)";
        assert_eq!(reason(disk.read(4, &mut [0; SECTOR_BYTES])), later);
        assert_eq!(fake.requests(), [(WRITE, 3, SECTOR_BYTES)]);
    }
}
