use super::fake::{CD_SIGNATURE, Fake, FakePort, Fault};
use super::*;
use crate::drivers::disk::testing::{pattern, write_flush_and_read_back};
use std::string::ToString;

fn found(fake: &Fake) -> Vec<Result<Disk, String>> {
    disks(fake.clone(), "AHCI")
}

/// The disk of a controller that has one.
fn disk(port: FakePort) -> (Fake, Disk) {
    let fake = Fake::new([Some(port)]);
    let disk = found(&fake).remove(0).expect("the fake is sound");
    assert_eq!(fake.commands(0), []);
    (fake, disk)
}

fn reason(result: Result<(), disk::DiskError>) -> String {
    result.expect_err("it fails").reason.to_string()
}

#[test]
fn disks_are_found_among_empty_ports_and_other_devices() {
    let cd = FakePort::other(CD_SIGNATURE);
    let multiplier = FakePort::other(0x9669_0101);
    let fake = Fake::new([None, Some(cd), Some(FakePort::disk(1000)), Some(multiplier), Some(FakePort::disk(8))]);
    let found: Vec<Disk> = found(&fake).into_iter().map(|disk| disk.expect("the fake is sound")).collect();
    let described: Vec<_> = found.iter().map(|disk| (disk.name(), disk.geometry().sectors)).collect();
    assert_eq!(described, [("AHCI port 2 (FAKE DISK, serial S1)", 1000), ("AHCI port 4 (FAKE DISK, serial S1)", 8)]);
}

#[test]
fn empty_ports_that_the_firmware_has_looked_at_cost_no_waiting() {
    let fake = Fake::new([None, None, Some(FakePort::disk(8)), None]);
    assert_eq!(found(&fake).len(), 1);
    assert_eq!(fake.0.borrow().now_ms, 0);
}

#[test]
fn ports_without_power_get_it() {
    let mut port = FakePort::disk(8);
    port.is_staggered = true;
    let fake = Fake::new([Some(port), None]);
    fake.0.borrow_mut().firmware_command = 0;
    assert!(matches!(&found(&fake)[..], [Ok(_)]));
    // The empty port may have a disk that was not awake.
    assert!((20..30).contains(&fake.0.borrow().now_ms));
}

#[test]
fn firmware_that_clears_what_says_nothing_costs_no_waiting() {
    let fake = Fake::new([None, None]);
    fake.0.borrow_mut().firmware_command = 0;
    assert!(found(&fake).is_empty());
    assert_eq!(fake.0.borrow().now_ms, 0);
}

#[test]
fn written_sectors_read_back_in_commands_of_256() {
    let (fake, mut disk) = disk(FakePort::disk(2000));
    write_flush_and_read_back(&mut disk);
    let expected = [
        (0x35, 1234, 256),
        (0x35, 1490, 256),
        (0x35, 1746, 88),
        (0xea, 0, 0),
        (0x25, 1234, 256),
        (0x25, 1490, 256),
        (0x25, 1746, 88),
    ];
    assert_eq!(fake.commands(0), expected);
}

#[test]
fn old_disks_get_28_bit_commands() {
    let mut port = FakePort::disk(700);
    port.set_word(83, 0);
    let (fake, mut disk) = disk(port);
    disk.write(300, &pattern(256)).expect("the fake is sound");
    disk.read(555, &mut vec![0; SECTOR_BYTES]).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    assert_eq!(fake.commands(0), [(0xca, 300, 256), (0xc8, 555, 1), (0xe7, 0, 0)]);
}

#[test]
fn addresses_have_48_bits_or_28() {
    let mut port = FakePort::disk(8);
    port.set_word(102, 0x1234);
    port.fault = Fault::BadSector(0x1200_0506_0708);
    let (fake, mut long) = disk(port);
    assert!(long.read(0x1200_0506_0708, &mut vec![0; SECTOR_BYTES]).is_err());
    assert_eq!(fake.commands(0)[0], (0x25, 0x1200_0506_0708, 1));
    let mut port = FakePort::disk(8);
    port.set_word(83, 0);
    port.set_word(61, 0x0fff);
    port.fault = Fault::BadSector(0x0ffe_1234);
    let (fake, mut short) = disk(port);
    assert!(short.read(0x0ffe_1234, &mut vec![0; SECTOR_BYTES]).is_err());
    assert_eq!(fake.commands(0)[0], (0xc8, 0x0ffe_1234, 1));
}

#[test]
fn long_sectors_are_numbered_as_the_disk_does() {
    let mut port = FakePort::disk(800);
    port.set_word(100, 100);
    port.set_word(106, 1 << 14 | 1 << 12);
    port.set_word(117, 2048);
    let (fake, mut disk) = disk(port);
    assert_eq!((disk.geometry().sectors, disk.geometry().block_sectors), (800, 8));
    let data = pattern(20);
    disk.write(4, &data).expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(4, &mut back).expect("the fake is sound");
    assert!(back == data);
    let expected = [(0x25, 0, 1), (0x35, 0, 1), (0x35, 1, 2), (0x25, 0, 1), (0x25, 1, 2)];
    assert_eq!(fake.commands(0), expected);
}

#[test]
fn disks_of_one_controller_do_not_disturb_each_other() {
    let fake = Fake::new([Some(FakePort::disk(64)), Some(FakePort::disk(64))]);
    let mut disks: Vec<Disk> = found(&fake).into_iter().map(|disk| disk.expect("the fake is sound")).collect();
    let (one, other) = (pattern(8), vec![0xee; 8 * SECTOR_BYTES]);
    disks[0].write(0, &one).expect("the fake is sound");
    disks[1].write(0, &other).expect("the fake is sound");
    fake.set_fault(0, Fault::HangsUntilLinkReset);
    disks[0].read(0, &mut pattern(1)).expect("it is asked again after the reset");
    fake.port(0, |port| assert!(port.medium[..one.len()] == one));
    fake.port(1, |port| assert!(port.medium[..other.len()] == other && port.link_resets == 0));
}

#[test]
fn bad_sector_is_an_error_in_words_and_needs_no_reset_of_the_link() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::BadSector(42));
    let error = disk.read(40, &mut pattern(10)).expect_err("the sector is bad");
    let expected = "read failed at sector 40: status 0x51 DRDY, ERR, error 0x40 uncorrectable data";
    assert_eq!(error.to_string(), expected);
    assert_eq!(fake.commands(0).len(), 2, "asked twice");
    fake.port(0, |port| assert_eq!(port.link_resets, 0));
    disk.read(50, &mut pattern(10)).expect("these sectors are good");
}

#[test]
fn failed_flush_is_not_given_again() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::BadFlush);
    assert_eq!(reason(disk.flush()), "status 0x51 DRDY, ERR, error 0x04 aborted");
    assert_eq!(fake.commands(0), [(0xea, 0, 0)]);
}

#[test]
fn busy_disk_works_again_after_the_reset_of_its_link() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::HangsUntilLinkReset);
    disk.write(7, &pattern(3)).expect("the reset helps");
    fake.port(0, |port| assert!(port.link_resets == 1 && port.medium[7 * SECTOR_BYTES..][..1536] == pattern(3)));
}

#[test]
fn disk_that_never_answers_is_left_alone_and_stopped() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::Hangs);
    let text = reason(disk.read(7, &mut pattern(1)));
    assert_eq!(text, "no answer within 15000 ms: status 0x50 DRDY");
    let later = format!("the disk did not come back after an earlier error ({text})");
    assert_eq!(reason(disk.read(7, &mut pattern(1))), later);
    assert!(!fake.0.borrow().is_cut_off, "the port has stopped");
}

#[test]
fn controller_with_a_port_that_does_not_stop_reaches_memory_no_more() {
    let fake = Fake::new([Some(FakePort::disk(100)), Some(FakePort::disk(100))]);
    let mut disks: Vec<Disk> = found(&fake).into_iter().map(|disk| disk.expect("the fake is sound")).collect();
    fake.set_fault(0, Fault::NeverStops);
    assert!(disks[0].read(7, &mut pattern(1)).is_err());
    assert!(fake.0.borrow().is_cut_off);
    let before_ms = fake.0.borrow().now_ms;
    assert_eq!(reason(disks[1].read(7, &mut pattern(1))), "the controller was cut off after an earlier error");
    assert_eq!(fake.0.borrow().now_ms, before_ms, "nothing to wait for");
}

#[test]
fn short_transfers_are_errors() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::Short);
    let text = reason(disk.read(7, &mut pattern(2)));
    assert_eq!(text, "512 of 1024 bytes were moved: status 0x50 DRDY");
}

#[test]
fn nothing_is_written_to_a_disk_that_was_put_in_the_place_of_another() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    let mut other = FakePort::disk(100);
    other.set_word(10, u16::from_be_bytes(*b"S2"));
    fake.port(0, |port| port.swap(other));
    let text = reason(disk.write(0, &pattern(1)));
    assert_eq!(text, "status 0x50 DRDY, the link was interrupted");
    assert!(disk.write(0, &pattern(1)).is_err());
    fake.port(0, |port| assert!(port.medium.iter().all(|&byte| byte == 0)));
    assert_eq!(fake.commands(0), []);
}

#[test]
fn disk_whose_link_was_interrupted_goes_on_if_it_is_the_same() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.port(0, |port| port.swap(FakePort::disk(100)));
    disk.write(0, &pattern(1)).expect("it is the same disk");
}

#[test]
fn unplugged_disk_is_an_error() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.set_fault(0, Fault::Unplugged);
    assert_eq!(reason(disk.read(0, &mut pattern(1))), "status 0x50 DRDY, no link (0x0)");
    let later = "the disk did not come back after an earlier error (status 0x50 DRDY, no link (0x0))";
    assert_eq!(reason(disk.flush()), later);
}

#[test]
fn controller_that_is_gone_is_an_error() {
    let (fake, mut disk) = disk(FakePort::disk(100));
    fake.0.borrow_mut().is_gone = true;
    let expected = "the controller is gone: all of its registers read as ones";
    assert_eq!(reason(disk.write(0, &pattern(1))), expected);
    assert!(fake.0.borrow().is_cut_off);
    assert!(matches!(&found(&fake)[..], [Err(text)] if text == "AHCI: all of its registers read as ones"));
}

#[test]
fn controller_that_does_not_end_its_reset_is_cut_off() {
    let fake = Fake::new([Some(FakePort::disk(100))]);
    fake.0.borrow_mut().reset_hangs = true;
    let expected = "AHCI: no answer within 1000 ms: it does not end its reset";
    assert!(matches!(&found(&fake)[..], [Err(text)] if text == expected));
    assert!(fake.0.borrow().is_cut_off);
}

#[test]
fn firmware_is_asked_for_the_controller_and_not_waited_for_for_ever() {
    for (looks, waits) in [(0, 0..1), (10, 10..20), (1_000_000, 2_000..3_000)] {
        let fake = Fake::new([Some(FakePort::disk(100))]);
        fake.0.borrow_mut().hand_off_looks = Some(looks);
        assert!(matches!(&found(&fake)[..], [Ok(_)]));
        assert!(fake.0.borrow().handed_over);
        assert!(waits.contains(&fake.0.borrow().now_ms), "{}", fake.0.borrow().now_ms);
    }
}

#[test]
fn disk_that_is_never_ready_is_named() {
    let mut port = FakePort::disk(8);
    port.fault = Fault::Hangs;
    let fake = Fake::new([Some(port)]);
    let expected = "AHCI port 0: no answer within 2000 ms: status 0x50 DRDY";
    assert!(matches!(&found(&fake)[..], [Err(text)] if text == expected), "{:?}", found(&fake));
}

#[test]
fn unusable_disks_are_refused() {
    let mut port = FakePort::disk(8);
    port.identify = vec![0; SECTOR_BYTES];
    let fake = Fake::new([Some(port)]);
    let expected = "AHCI port 0: the disk has no sectors that can be addressed by number (LBA)";
    assert!(matches!(&found(&fake)[..], [Err(text)] if text == expected));
}

/// Answers everything at random, and so does its memory.
struct Absurd {
    state: u64,
    now_ms: u64,
}

impl Absurd {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }
}

impl BusMaster for Absurd {
    fn read(&mut self, _: usize) -> u32 {
        let ones = self.next() as u32;
        // Words with few bits set get further.
        ones & self.next() as u32 & self.next() as u32
    }

    fn write(&mut self, _: usize, _: u32) {}

    fn shared_address(&self) -> u64 {
        4096
    }

    fn load(&mut self, at: usize, bytes: &mut [u8]) {
        assert!(at + bytes.len() <= SHARED_BYTES);
        bytes.iter_mut().for_each(|byte| *byte = self.next() as u8);
    }

    fn store(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= SHARED_BYTES);
    }

    fn cut_off(&mut self) {}

    fn now_ms(&mut self) -> u64 {
        self.now_ms += 100;
        self.now_ms
    }
}

#[test]
fn absurd_controllers_are_refused_or_used_without_panic() {
    for seed in 0..200 {
        for mut disk in disks(Absurd { state: seed, now_ms: 0 }, "AHCI").into_iter().flatten() {
            let _ = disk.read(0, &mut [0; SECTOR_BYTES]);
        }
    }
}
