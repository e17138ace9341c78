use super::fake::{FakeChannel, Fault};
use super::*;
use crate::drivers::disk::testing::pattern;
use crate::drivers::pci::{Bar, Device};
use std::string::ToString;
use std::vec;

fn disk_of(channel: FakeChannel) -> AtaDisk<FakeChannel> {
    match AtaDisk::probe(channel, Drive::Master) {
        Ok(Found::Disk(disk)) => disk,
        other => panic!("no disk: {other:?}"),
    }
}

fn disk(sectors: u64) -> AtaDisk<FakeChannel> {
    disk_of(FakeChannel::new(sectors))
}

#[test]
fn identifies_model_serial_and_capacity() {
    let disk = disk(1000);
    let identity = &disk.identity;
    assert_eq!((identity.model.as_str(), identity.serial.as_str()), ("FAKE DISK", "S1"));
    assert_eq!((identity.sectors, identity.lba48, identity.flush_ext), (1000, true, true));
}

fn write_flush_and_read_back(disk: &mut AtaDisk<FakeChannel>) {
    let data = pattern(256);
    disk.write(1234, &data).expect("the fake is sound");
    disk.flush().expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(1234, &mut back).expect("the fake is sound");
    assert!(back == data);
}

#[test]
fn written_sectors_read_back() {
    let mut disk = disk(2000);
    write_flush_and_read_back(&mut disk);
    assert_eq!(disk.registers.transfers, [(0x34, 1234, 256), (0x24, 1234, 256)]);
    assert_eq!((disk.registers.flushes, disk.geometry().most_sectors), (1, 256));
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
    let data = pattern(44);
    disk.write(5, &data).expect("the fake is sound");
    let mut back = vec![0; data.len()];
    disk.read(5, &mut back).expect("the fake is sound");
    assert!(back == data);
    assert_eq!(disk.registers.transfers, [(0x39, 5, 44), (0x29, 5, 44)]);
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
    let expected = Err(Failure::Reported("status 0x41 DRDY, ERR, error 0x40 uncorrectable data at sector 40".into()));
    assert_eq!(disk.read(8, &mut pattern(64)), expected);
    assert!(disk.reset());
    assert_eq!(disk.write(8, &pattern(64)), expected);
    assert!(disk.reset());
    disk.read(50, &mut pattern(40)).expect("these sectors are good");
    assert_eq!(disk.registers.transfers.last(), Some(&(0x29, 50, 40)));
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
    assert!(matches!(AtaDisk::probe(floating, Drive::Master), Ok(Found::Nothing)));
    assert!(matches!(AtaDisk::probe(FakeChannel::new(8), Drive::Slave), Ok(Found::Nothing)));
    let mut aborting = FakeChannel::new(8);
    aborting.answers_for_slave = true;
    assert!(matches!(AtaDisk::probe(aborting, Drive::Slave), Ok(Found::Nothing)));
    let mut cd = FakeChannel::new(8);
    cd.packet_device = true;
    assert!(matches!(AtaDisk::probe(cd, Drive::Master), Ok(Found::PacketDevice)));
}

#[test]
fn device_that_never_becomes_ready_times_out_at_probe() {
    let mut hangs = FakeChannel::new(8);
    hangs.fault = Fault::Hangs;
    let mut stuck = FakeChannel::new(8);
    stuck.floating = Some(0x80);
    for channel in [hangs, stuck] {
        let failure = AtaDisk::probe(channel, Drive::Master).expect_err("it hangs");
        assert_eq!(failure.to_string(), "no answer within 2000 ms: status 0x80 BSY");
    }
}

#[test]
fn hanging_read_times_out_and_the_reset_disk_works_again() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::HangsUntilReset;
    let failure = disk.read(7, &mut vec![0; SECTOR_BYTES]).expect_err("it hangs");
    assert_eq!(failure, Failure::Timeout { waited_ms: 15_000, state: "status 0x80 BSY".into() });
    assert!(disk.reset());
    disk.read(7, &mut vec![0; SECTOR_BYTES]).expect("the reset helped");
}

#[test]
fn disk_that_does_not_come_back_says_so() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::Hangs;
    assert!(disk.write(7, &pattern(1)).is_err());
    assert!(!disk.reset());
}

#[test]
fn disk_that_was_put_in_the_place_of_another_is_not_used() {
    let mut disk = disk(100);
    disk.registers.set_word(10, u16::from_be_bytes(*b"S2"));
    assert!(!disk.reset());
}

#[test]
fn bad_sector_is_named_when_read_and_when_written() {
    for bad in [40, 42, 49] {
        let mut disk = disk(100);
        disk.registers.fault = Fault::BadSector(bad);
        let report = std::format!("status 0x41 DRDY, ERR, error 0x40 uncorrectable data at sector {bad}");
        assert_eq!(disk.read(40, &mut pattern(10)), Err(Failure::Reported(report.clone())));
        assert_eq!(disk.write(40, &pattern(10)), Err(Failure::Reported(report)));
    }
}

#[test]
fn failed_flush_is_an_error() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::BadFlush;
    assert_eq!(disk.flush(), Err(Failure::Reported("status 0x41 DRDY, ERR, error 0x04 aborted".into())));
}

#[test]
fn transfer_that_ends_early_is_an_error() {
    let mut disk = disk(100);
    disk.registers.fault = Fault::EndsBefore(13);
    let failure = disk.read(10, &mut pattern(5)).expect_err("two sectors are missing");
    assert_eq!(failure.to_string(), "the disk ended the command early at sector 13: status 0x40 DRDY");
}

#[test]
fn unusable_disks_are_refused() {
    let mut long_sectors = FakeChannel::new(8);
    long_sectors.set_word(106, 1 << 14 | 1 << 12);
    long_sectors.set_word(117, 2048);
    let refusal = AtaDisk::probe(long_sectors, Drive::Master).expect_err("4096-byte sectors");
    assert_eq!(refusal.to_string(), Unusable::SectorSize { len_bytes: 4096 }.to_string());
    let mut empty = FakeChannel::new(8);
    empty.identify = [0; SECTOR_BYTES];
    let refusal = AtaDisk::probe(empty, Drive::Master).expect_err("no sectors");
    assert_eq!(refusal.to_string(), Unusable::NoSectors.to_string());
}

fn dma_disk(sectors: u64) -> AtaDisk<FakeChannel> {
    disk_of(FakeChannel::new(sectors).with_dma())
}

#[test]
fn disk_and_channel_with_dma_use_it() {
    let mut disk = dma_disk(2000);
    write_flush_and_read_back(&mut disk);
    assert_eq!(disk.registers.transfers, [(0x35, 1234, 256), (0x25, 1234, 256)]);
}

#[test]
fn old_disks_get_28_bit_commands_by_dma() {
    let mut channel = FakeChannel::new(700).with_dma();
    channel.set_word(83, 0);
    let mut disk = disk_of(channel);
    disk.write(300, &pattern(256)).expect("the fake is sound");
    disk.read(301, &mut vec![0; SECTOR_BYTES]).expect("the fake is sound");
    assert_eq!(disk.registers.transfers, [(0xca, 300, 256), (0xc8, 301, 1)]);
}

#[test]
fn disk_without_a_selected_mode_or_channel_without_an_engine_gets_no_dma() {
    let mut no_mode = FakeChannel::new(100).with_dma();
    no_mode.set_word(88, 0x3f);
    let mut no_word = FakeChannel::new(100).with_dma();
    no_word.set_word(53, 0);
    let mut no_support = FakeChannel::new(100).with_dma();
    no_support.set_word(49, 1 << 9);
    let mut no_engine = FakeChannel::new(100).with_dma();
    no_engine.shared = None;
    for channel in [no_mode, no_word, no_support, no_engine] {
        let mut disk = disk_of(channel);
        disk.read(5, &mut vec![0; SECTOR_BYTES]).expect("the fake is sound");
        assert_eq!(disk.registers.transfers, [(0x24, 5, 1)]);
    }
    let mut multiword = FakeChannel::new(100).with_dma();
    multiword.set_word(88, 0);
    multiword.set_word(63, 0x0407);
    let mut disk = disk_of(multiword);
    disk.read(5, &mut vec![0; SECTOR_BYTES]).expect("the fake is sound");
    assert_eq!(disk.registers.transfers, [(0x25, 5, 1)]);
}

#[test]
fn dma_that_fails_where_words_work_is_not_tried_again() {
    let reports = [
        (Fault::DmaHangs, "no answer within 15000 ms: status 0x48 DRDY, DRQ, DMA 0x01 active"),
        (Fault::DmaFails, "the data was not moved: status 0x48 DRDY, DRQ, DMA 0x03 active, error"),
        (Fault::DmaShort, "the data was not moved: status 0x40 DRDY, DMA 0x05 active, interrupt"),
    ];
    for (fault, report) in reports {
        let mut disk = dma_disk(100);
        disk.registers.fault = fault;
        let failure = disk.write(7, &pattern(3)).expect_err("it fails by DMA");
        assert_eq!(failure.to_string(), report);
        assert!(!disk.registers.is_cut_off && disk.reset());
        disk.write(7, &pattern(3)).expect("it works word by word");
        disk.read(7, &mut pattern(3)).expect("it works word by word");
        assert_eq!(disk.registers.transfers, [(0x35, 7, 3), (0x34, 7, 3), (0x24, 7, 3)]);
        assert!(disk.registers.medium[7 * SECTOR_BYTES..][..3 * SECTOR_BYTES] == pattern(3));
    }
}

#[test]
fn bad_sector_is_not_the_fault_of_dma() {
    let mut disk = dma_disk(100);
    disk.registers.fault = Fault::BadSector(42);
    let failure = disk.read(40, &mut pattern(10)).expect_err("the sector is bad");
    assert_eq!(failure.to_string(), "status 0x41 DRDY, ERR, error 0x40 uncorrectable data");
    assert!(disk.reset());
    let failure = disk.read(40, &mut pattern(10)).expect_err("the sector is bad");
    assert_eq!(failure.to_string(), "status 0x41 DRDY, ERR, error 0x40 uncorrectable data at sector 42");
    assert!(disk.reset());
    disk.read(50, &mut pattern(10)).expect("these sectors are good");
    assert_eq!(disk.registers.transfers.last(), Some(&(0x25, 50, 10)));
}

#[test]
fn engine_that_does_not_stop_reaches_memory_no_more() {
    let mut disk = dma_disk(100);
    disk.registers.fault = Fault::DmaNeverStops;
    assert!(disk.read(7, &mut pattern(3)).is_err());
    assert!(disk.registers.is_cut_off && disk.reset());
    disk.read(7, &mut pattern(3)).expect("it works word by word");
}

#[test]
fn mode_that_is_lost_by_a_reset_is_not_used() {
    let mut disk = dma_disk(100);
    disk.registers.set_word(88, 0x3f);
    assert!(disk.reset());
    disk.read(7, &mut pattern(3)).expect("it works word by word");
    assert_eq!(disk.registers.transfers, [(0x24, 7, 3)]);
}

#[test]
fn channels_are_the_fixed_ones_and_those_of_controllers_in_native_mode() {
    let io = |port| Some(Bar::Io { port });
    let mut controller = Device {
        address: pci_types::PciAddress::new(0, 1, 2, 3),
        vendor: 0x8086,
        device: 0x7010,
        class: 0x01,
        subclass: 0x01,
        interface: 0x00,
        bars: [io(0xc000), io(0xc010), io(0xc020), io(0xc030), io(0xc040), None],
    };
    let [first, second] = ChannelAddress::LEGACY;
    let channels_of = |controller: &Device| channels(core::slice::from_ref(controller));
    let plain = |address| Channel { address, engine: None };
    let driven = |address, port| Channel { address, engine: Some(EngineAddress { device: 0, port }) };
    assert_eq!(channels_of(&controller), [plain(first), plain(second)]);
    controller.interface = 0x80;
    assert_eq!(channels_of(&controller), [driven(first, 0xc040), driven(second, 0xc048)]);
    controller.interface = 0x85;
    let third = ChannelAddress { command: 0xc000, control: 0xc012 };
    let fourth = ChannelAddress { command: 0xc020, control: 0xc032 };
    let expected = [plain(first), plain(second), driven(third, 0xc040), driven(fourth, 0xc048)];
    assert_eq!(channels_of(&controller), expected);
    controller.bars[4] = io(0xfff8);
    controller.bars[1] = io(0xffff);
    assert_eq!(channels_of(&controller), [plain(first), plain(second), plain(fourth)]);
    controller.bars[4] = Some(Bar::Memory { address: 0xc040, size_bytes: 16, prefetchable: false });
    assert_eq!(channels_of(&controller), [plain(first), plain(second), plain(fourth)]);
}
