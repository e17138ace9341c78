//! The command protocols of programmed I/O: select, wait, give the command, move the sectors block by block.
//!
//! Source: ATA/ATAPI-7 volume 2, sections 11.1 (reset), 11.4 (non-data), 11.5 and 11.6 (PIO data in and out).

use alloc::format;
use alloc::string::{String, ToString};

use super::command::Command;
use super::identity::{Identity, Unusable};
use super::registers::{Drive, ErrorBits, Register, Registers, Status};
use crate::drivers;
use crate::drivers::disk::{COMMAND_TIMEOUT_MS, Failure, SECTOR_BYTES};

/// An idle disk answers IDENTIFY within milliseconds; firmware has waited for its spin-up.
const IDENTIFY_TIMEOUT_MS: u64 = 2_000;

/// Reading the alternate status this often takes the 400 ns after which the status is valid.
const SETTLE_READS: usize = 4;

/// Device register: address by sector number, not by cylinder and head.
const DEVICE_LBA: u8 = 1 << 6;
/// Device register: bits that were always one in early standards.
const DEVICE_OBSOLETE: u8 = 1 << 7 | 1 << 5;
const DEVICE_SLAVE: u8 = 1 << 4;

/// Device control: no interrupts, this driver polls.
pub(super) const CONTROL_NO_INTERRUPTS: u8 = 1 << 1;
const CONTROL_RESET: u8 = 1 << 2;

/// (LBA mid, LBA high) of devices that refuse IDENTIFY because they take packets: parallel and serial ATA.
const PACKET_SIGNATURES: [(u8, u8); 2] = [(0x14, 0xeb), (0x69, 0x96)];

/// What answered an IDENTIFY.
pub(super) enum Answer {
    Nothing,
    PacketDevice,
    Disk(Identity),
}

/// One command with data: `sectors` is 1 to 256.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub command: Command,
    pub drive: Drive,
    pub lba: u64,
    pub sectors: usize,
    /// Sectors that the device moves at once, the last block excepted; for programmed I/O only.
    pub block_sectors: usize,
    pub lba48: bool,
}

impl Transfer {
    /// The first sector of every block, in order.
    fn blocks(&self) -> impl Iterator<Item = u64> {
        (self.lba..).step_by(self.block_sectors)
    }

    fn block_bytes(&self) -> usize {
        self.block_sectors * SECTOR_BYTES
    }
}

/// Asks a place what is there.
pub(super) fn identify(registers: &mut impl Registers, drive: Drive) -> Result<Answer, Failure> {
    registers.write(Register::Control, CONTROL_NO_INTERRUPTS);
    registers.write(Register::Device, device_bits(drive));
    settle(registers);
    if Status(registers.read(Register::Status)).is_floating() {
        return Ok(Answer::Nothing);
    }
    wait_idle(registers, IDENTIFY_TIMEOUT_MS)?;
    write_address(registers, 0, [0; 3]);
    registers.write(Register::Status, Command::Identify as u8);
    settle(registers);
    if Status(registers.read(Register::Status)).is_empty() {
        return Ok(Answer::Nothing);
    }
    let status = wait_idle(registers, IDENTIFY_TIMEOUT_MS)?;
    let signature = (registers.read(Register::LbaMid), registers.read(Register::LbaHigh));
    if PACKET_SIGNATURES.contains(&signature) {
        return Ok(Answer::PacketDevice);
    }
    // A channel with one disk may answer for the absent other one: by aborting, or with nothing.
    let aborted = ErrorBits(registers.read(Register::Error)).is_aborted();
    if !status.wants_data() && (aborted || !status.is_failure()) {
        return Ok(Answer::Nothing);
    }
    expect_data(registers, status, None)?;
    let mut words = [0; SECTOR_BYTES];
    registers.read_data(&mut words);
    let refused = |reason: Unusable| Failure::Reported(reason.to_string());
    let identity = Identity::parse(&words).map_err(refused)?;
    match identity.block_sectors {
        1 => Ok(Answer::Disk(identity)),
        sectors => Err(refused(Unusable::SectorSize { len_bytes: sectors * SECTOR_BYTES as u64 })),
    }
}

/// Agrees with the disk on how many sectors it moves at once, for a transfer of `sectors`. The agreement does not outlast a
/// reset, which the other disk of the channel may cause, so it is made anew for every operation.
pub(super) fn block_sectors(
    registers: &mut impl Registers,
    drive: Drive,
    max: u8,
    sectors: usize,
) -> Result<usize, Failure> {
    if max <= 1 || sectors <= 1 { Ok(1) } else { set_block_sectors(registers, drive, max) }
}

/// Reads `bytes`, the transfer's sectors.
pub(super) fn read(registers: &mut impl Registers, transfer: Transfer, bytes: &mut [u8]) -> Result<(), Failure> {
    start(registers, transfer)?;
    for (block, lba) in bytes.chunks_mut(transfer.block_bytes()).zip(transfer.blocks()) {
        let status = wait_idle(registers, COMMAND_TIMEOUT_MS)?;
        expect_data(registers, status, Some(lba))?;
        registers.read_data(block);
        settle(registers);
    }
    Ok(())
}

/// Writes `bytes`, the transfer's sectors.
pub(super) fn write(registers: &mut impl Registers, transfer: Transfer, bytes: &[u8]) -> Result<(), Failure> {
    start(registers, transfer)?;
    let mut last = transfer.lba;
    for (block, lba) in bytes.chunks(transfer.block_bytes()).zip(transfer.blocks()) {
        let status = wait_idle(registers, COMMAND_TIMEOUT_MS)?;
        expect_data(registers, status, Some(last))?;
        registers.write_data(block);
        settle(registers);
        last = lba;
    }
    let status = wait_idle(registers, COMMAND_TIMEOUT_MS)?;
    expect_success(registers, status, Some(last))
}

/// Has the disk move `sectors` at once in the "multiple" commands. Returns how many it will: 1 means that it knows only
/// the plain commands.
fn set_block_sectors(registers: &mut impl Registers, drive: Drive, sectors: u8) -> Result<usize, Failure> {
    select(registers, drive, device_bits(drive))?;
    registers.write(Register::SectorCount, sectors);
    registers.write(Register::Status, Command::SetMultipleMode as u8);
    settle(registers);
    let status = wait_idle(registers, COMMAND_TIMEOUT_MS)?;
    Ok(if status.is_failure() { 1 } else { usize::from(sectors) })
}

/// Has the disk's cache written to the medium.
pub(super) fn flush(registers: &mut impl Registers, drive: Drive, command: Command) -> Result<(), Failure> {
    select(registers, drive, device_bits(drive))?;
    registers.write(Register::Status, command as u8);
    settle(registers);
    let status = wait_idle(registers, COMMAND_TIMEOUT_MS)?;
    expect_success(registers, status, None)
}

/// Resets both devices of the channel; false if `drive` is not idle afterwards.
pub(super) fn reset(registers: &mut impl Registers, drive: Drive) -> bool {
    const PULSE_READS: usize = 64; // At least 5 us.
    const RECOVERY_MS: u64 = 3; // At least 2 ms.
    registers.write(Register::Control, CONTROL_NO_INTERRUPTS | CONTROL_RESET);
    for _ in 0..PULSE_READS {
        registers.read(Register::Control);
    }
    registers.write(Register::Control, CONTROL_NO_INTERRUPTS);
    drivers::pause(registers, RECOVERY_MS, |registers| registers.now_ms());
    registers.write(Register::Device, device_bits(drive));
    settle(registers);
    wait_idle(registers, COMMAND_TIMEOUT_MS).is_ok_and(|status| !status.is_floating())
}

/// Gives a command with its address and count; the high halves go first through the same registers.
pub(super) fn start(registers: &mut impl Registers, transfer: Transfer) -> Result<(), Failure> {
    let Transfer { command, drive, lba, sectors, lba48, .. } = transfer;
    let address = lba.to_le_bytes();
    let [count, count_high, ..] = sectors.to_le_bytes(); // With 28-bit addresses, 0 stands for 256.
    let top = if lba48 { 0 } else { address[3] & 0xf };
    select(registers, drive, device_bits(drive) | DEVICE_LBA | top)?;
    if lba48 {
        write_address(registers, count_high, [address[3], address[4], address[5]]);
    }
    write_address(registers, count, [address[0], address[1], address[2]]);
    registers.write(Register::Status, command as u8);
    settle(registers);
    Ok(())
}

fn write_address(registers: &mut impl Registers, count: u8, [low, mid, high]: [u8; 3]) {
    registers.write(Register::SectorCount, count);
    registers.write(Register::LbaLow, low);
    registers.write(Register::LbaMid, mid);
    registers.write(Register::LbaHigh, high);
}

fn device_bits(drive: Drive) -> u8 {
    match drive {
        Drive::Master => DEVICE_OBSOLETE,
        Drive::Slave => DEVICE_OBSOLETE | DEVICE_SLAVE,
    }
}

/// The channel must be idle before and after the device register changes.
fn select(registers: &mut impl Registers, drive: Drive, device: u8) -> Result<(), Failure> {
    registers.write(Register::Device, device_bits(drive));
    settle(registers);
    wait_idle(registers, COMMAND_TIMEOUT_MS)?;
    registers.write(Register::Device, device);
    Ok(())
}

fn settle(registers: &mut impl Registers) {
    for _ in 0..SETTLE_READS {
        registers.read(Register::Control);
    }
}

/// Waits until the selected device is not busy.
fn wait_idle<R: Registers>(registers: &mut R, timeout_ms: u64) -> Result<Status, Failure> {
    let mut status = Status(0);
    let idle = drivers::wait(registers, timeout_ms, R::now_ms, |registers| {
        status = Status(registers.read(Register::Status));
        !status.is_busy()
    });
    let timeout = |waited_ms| Failure::Timeout { waited_ms, state: format!("status {status:?}") };
    idle.map(|()| status).map_err(timeout)
}

/// The device has either failed or wants to move a block now; `lba` is the block's first sector.
fn expect_data(registers: &mut impl Registers, status: Status, lba: Option<u64>) -> Result<(), Failure> {
    expect_success(registers, status, lba)?;
    if status.wants_data() {
        return Ok(());
    }
    Err(Failure::Reported(format!("the disk ended the command early{}: status {status:?}", at(lba))))
}

pub(super) fn expect_success(registers: &mut impl Registers, status: Status, lba: Option<u64>) -> Result<(), Failure> {
    if !status.is_failure() {
        return Ok(());
    }
    let error = ErrorBits(registers.read(Register::Error));
    Err(Failure::Reported(format!("status {status:?}, error {error:?}{}", at(lba))))
}

/// Where in its transfer a command failed, for people.
fn at(lba: Option<u64>) -> String {
    lba.map(|lba| format!(" at sector {lba}")).unwrap_or_default()
}
