use super::fake::{ABORTED, FakeChannel, Fault, UNCORRECTABLE};
use super::registers::{ErrorBits, Status};
use super::*;
use crate::drivers::pci::{Bar, Device};
use std::string::ToString;
use std::vec;

fn disk_of(channel: FakeChannel) -> Disk<FakeChannel> {
    match Disk::probe(channel, Drive::Master) {
        Ok(Found::Disk(disk)) => disk,
        other => panic!("no disk: {other:?}"),
    }
}

fn disk(sectors: u64) -> Disk<FakeChannel> {
    disk_of(FakeChannel::new(sectors))
}

fn pattern(sectors: usize) -> Vec<u8> {
    (0..sectors * SECTOR_BYTES).map(|byte| (byte / 7) as u8).collect()
}

#[test]
fn identifies_model_serial_and_capacity() {
    let disk = disk(1000);
    let identity = disk.identity();
    assert_eq!((identity.model.as_str(), identity.serial.as_str()), ("FAKE DISK", "S1"));
    assert_eq!((identity.sectors, identity.lba48, identity.flush_ext), (1000, true, true));
}

#[test]
fn written_sectors_read_back_in_commands_of_256() {
    let mut disk = disk(2000);
    let data = pattern(600);
    disk.write(1234, &data).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(1234, &mut back).expect("the fake is sound");
    assert!(back == data);
    let expected = [(0x34, 1234, 256), (0x34, 1490, 256), (0x34, 1746, 88)];
    assert_eq!(disk.registers.transfers[..3], expected);
    assert_eq!(disk.registers.flushes, 1);
}

/// A disk that moves up to 16 sectors at once.
fn block_disk() -> FakeChannel {
    let mut channel = FakeChannel::new(2000);
    channel.set_word(47, 0x8010);
    channel
}

#[test]
fn blocks_are_moved_whole_with_a_short_last_one() {
    let mut disk = disk_of(block_disk());
    let data = pattern(300);
    disk.write(5, &data).expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(5, &mut back).expect("the fake is sound");
    assert!(back == data);
    assert_eq!(disk.registers.transfers, [(0x39, 5, 256), (0x39, 261, 44), (0x29, 5, 256), (0x29, 261, 44)]);
}

#[test]
fn disk_that_refuses_blocks_moves_single_sectors() {
    let mut channel = block_disk();
    channel.refuses_blocks = true;
    let mut disk = disk_of(channel);
    disk.write(5, &pattern(20)).expect("the fake is sound");
    assert_eq!(disk.registers.transfers, [(0x34, 5, 20)]);
}

#[test]
fn block_with_a_bad_sector_is_named_and_blocks_work_again_after_the_reset() {
    let mut disk = disk_of(block_disk());
    disk.registers.fault = Fault::BadSector(42);
    let error = disk.read(8, &mut pattern(64)).expect_err("the sector is bad");
    assert!(matches!(error, AtaError::Device { lba: Some(40), .. }), "{error}");
    let error = disk.write(8, &pattern(64)).expect_err("the sector is bad");
    assert!(matches!(error, AtaError::Device { lba: Some(40), .. }), "{error}");
    disk.read(50, &mut pattern(40)).expect("these sectors are good");
    assert_eq!(disk.registers.transfers.last(), Some(&(0x29, 50, 40)));
}

#[test]
fn empty_transfer_gives_no_command() {
    let mut disk = disk(10);
    disk.read(10, &mut []).expect("nothing to do");
    assert_eq!(disk.registers.transfers, []);
}

#[test]
fn old_disks_get_28_bit_commands() {
    let mut channel = FakeChannel::new(700);
    channel.set_word(83, 0);
    let mut disk = disk_of(channel);
    disk.write(300, &pattern(256)).expect("the fake is sound");
    disk.read(300, &mut vec![0; SECTOR_BYTES]).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    assert_eq!(disk.registers.transfers, [(0x30, 300, 256), (0x20, 300, 1)]);
}

#[test]
fn high_sectors_use_all_48_address_bits() {
    let mut channel = FakeChannel::new(8);
    channel.set_word(102, 0x1234);
    let mut disk = disk_of(channel);
    disk.registers.fault = Fault::EndsBefore(0x1200_0506_0708);
    assert!(disk.read(0x1200_0506_0708, &mut vec![0; SECTOR_BYTES]).is_err());
    assert_eq!(disk.registers.transfers, [(0x24, 0x1200_0506_0708, 1)]);
}

#[test]
fn nothing_and_packet_devices_are_told_apart() {
    let mut floating = FakeChannel::new(8);
    floating.floating = Some(0xff);
    assert!(matches!(Disk::probe(floating, Drive::Master), Ok(Found::Nothing)));
    assert!(matches!(Disk::probe(FakeChannel::new(8), Drive::Slave), Ok(Found::Nothing)));
    let mut aborting = FakeChannel::new(8);
    aborting.answers_for_slave = true;
    assert!(matches!(Disk::probe(aborting, Drive::Slave), Ok(Found::Nothing)));
    let mut cd = FakeChannel::new(8);
    cd.packet_device = true;
    assert!(matches!(Disk::probe(cd, Drive::Master), Ok(Found::PacketDevice)));
}

#[test]
fn device_that_never_becomes_ready_times_out_at_probe() {
    let mut channel = FakeChannel::new(8);
    channel.fault = Fault::Hangs;
    let error = Disk::probe(channel, Drive::Master).expect_err("it hangs");
    assert!(matches!(error, AtaError::Timeout { command: Command::Identify, lba: None, .. }), "{error}");
    let mut stuck = FakeChannel::new(8);
    stuck.floating = Some(0x80);
    let error = Disk::probe(stuck, Drive::Master).expect_err("it hangs");
    assert!(error.to_string().starts_with("identify timed out after 2000 ms: status 0x80 BSY"), "{error}");
}

#[test]
fn hanging_read_times_out_and_the_reset_disk_works_again() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::HangsUntilReset;
    let error = disk.read(7, &mut vec![0; SECTOR_BYTES]).expect_err("it hangs");
    assert!(matches!(error, AtaError::Timeout { lba: Some(7), waited_ms: 15_000, .. }), "{error}");
    assert_eq!(disk.registers.resets, 1);
    disk.read(7, &mut vec![0; SECTOR_BYTES]).expect("the reset helped");
}

#[test]
fn disk_that_does_not_come_back_is_not_asked_again() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::Hangs;
    assert!(disk.write(7, &pattern(1)).is_err());
    let transfers = disk.registers.transfers.len();
    let error = disk.flush().expect_err("it is offline");
    assert_eq!(error, AtaError::Offline { command: Command::FlushCacheExt });
    assert_eq!(disk.registers.transfers.len(), transfers);
}

#[test]
fn bad_sector_is_named_when_read_and_when_written() {
    for bad in [40, 42, 49] {
        let mut disk = disk(100);
        disk.registers.fault = Fault::BadSector(bad);
        let expected = |command| AtaError::Device {
            command,
            lba: Some(bad),
            status: Status(0x41),
            error: ErrorBits(UNCORRECTABLE),
        };
        assert_eq!(disk.read(40, &mut pattern(10)), Err(expected(Command::ReadSectorsExt)));
        assert_eq!(disk.write(40, &pattern(10)), Err(expected(Command::WriteSectorsExt)));
        assert_eq!(disk.registers.resets, 2);
    }
}

#[test]
fn error_text_says_what_where_and_why() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::BadSector(42);
    let error = disk.read(40, &mut pattern(10)).expect_err("the sector is bad");
    let expected = "read failed at sector 42: status 0x41 DRDY, ERR, error 0x40 uncorrectable data";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn failed_flush_is_an_error() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::BadFlush;
    let error = disk.flush().expect_err("the fake refuses");
    let expected = AtaError::Device {
        command: Command::FlushCacheExt,
        lba: None,
        status: Status(0x41),
        error: ErrorBits(ABORTED),
    };
    assert_eq!(error, expected);
}

#[test]
fn transfer_that_ends_early_is_an_error() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::EndsBefore(13);
    let error = disk.read(10, &mut pattern(5)).expect_err("two sectors are missing");
    assert_eq!(error, AtaError::EndedEarly { command: Command::ReadSectorsExt, lba: Some(13), status: Status(0x40) });
}

#[test]
fn transfers_beyond_the_disk_or_of_part_sectors_reach_no_device() {
    let mut disk = disk(100);
    let beyond = |lba, sectors| AtaError::OutOfRange { command: Command::WriteSectorsExt, lba, sectors, capacity: 100 };
    assert_eq!(disk.write(99, &pattern(2)), Err(beyond(99, 2)));
    assert_eq!(disk.write(u64::MAX, &pattern(1)), Err(beyond(u64::MAX, 1)));
    let part = AtaError::PartialSector { command: Command::ReadSectorsExt, len_bytes: 100 };
    assert_eq!(disk.read(0, &mut [0; 100]), Err(part));
    assert_eq!(disk.registers.transfers, []);
}

#[test]
fn unusable_disks_are_refused() {
    let mut long_sectors = FakeChannel::new(8);
    long_sectors.set_word(106, 1 << 14 | 1 << 12);
    long_sectors.set_word(117, 2048);
    let refusal = Disk::probe(long_sectors, Drive::Master).expect_err("4096-byte sectors");
    assert_eq!(refusal, AtaError::SectorSize { len_bytes: 4096 });
    let mut empty = FakeChannel::new(8);
    empty.identify = [0; SECTOR_BYTES];
    assert_eq!(Disk::probe(empty, Drive::Master).expect_err("no sectors"), AtaError::NoSectors);
}

#[test]
fn any_description_is_parsed_without_panic() {
    proptest::proptest!(|(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), SECTOR_BYTES))| {
        let bytes: [u8; SECTOR_BYTES] = bytes.try_into().expect("one sector");
        if let Ok(identity) = Identity::parse(&bytes) {
            assert!(identity.sectors > 0 && identity.sectors <= 1 << 48);
        }
    });
}

#[test]
fn native_mode_channels_join_the_fixed_ones() {
    let io = |port| Some(Bar::Io { port });
    let mut controller = Device {
        address: pci_types::PciAddress::new(0, 1, 2, 3),
        vendor: 0x8086,
        device: 0x7010,
        class: 0x01,
        subclass: 0x01,
        interface: 0x80,
        bars: [io(0xc000), io(0xc010), io(0xc020), io(0xc030), None, None],
    };
    assert_eq!(channels(core::slice::from_ref(&controller)), ChannelAddress::LEGACY);
    controller.interface = 0x85;
    let found = channels(core::slice::from_ref(&controller));
    assert_eq!(
        found[2..],
        [ChannelAddress { command: 0xc000, control: 0xc012 }, ChannelAddress { command: 0xc020, control: 0xc032 },]
    );
    controller.bars[1] = io(0xffff);
    assert_eq!(channels(core::slice::from_ref(&controller)).len(), 3);
}
