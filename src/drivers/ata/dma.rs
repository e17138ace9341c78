//! Transfers that the controller does by itself (bus-master DMA), in place of one word at a time by the CPU.
//!
//! The shared memory holds the table of the memory's regions, and the data. Source: Programming Interface for Bus Master IDE
//! Controller 1.0; the command's protocol: ATA/ATAPI-7 volume 2, section 11.7.

use alloc::format;
use alloc::vec::Vec;

use super::protocol::{self, Transfer};
use super::registers::{Engine, EngineStatus, Register, Registers, Status};
use crate::drivers;
use crate::drivers::disk::{COMMAND_TIMEOUT_MS, Failure, SECTOR_BYTES};

/// Where the data is in the shared memory; the table is at its start.
const DATA_AT: usize = 4096;
pub(super) const SHARED_BYTES: usize = DATA_AT + super::MAX_SECTORS_PER_COMMAND as usize * SECTOR_BYTES;

/// No region crosses a multiple of this.
const BOUNDARY: u32 = 64 << 10;

/// Bits of the engine's command register.
const START: u8 = 1 << 0;
const TO_MEMORY: u8 = 1 << 3;

/// Reads `bytes`, the transfer's sectors.
pub(super) fn read(registers: &mut impl Registers, transfer: Transfer, bytes: &mut [u8]) -> Result<(), Failure> {
    run(registers, transfer, TO_MEMORY)?;
    engine(registers)?.load(DATA_AT, bytes);
    Ok(())
}

/// Writes `bytes`, the transfer's sectors.
pub(super) fn write(registers: &mut impl Registers, transfer: Transfer, bytes: &[u8]) -> Result<(), Failure> {
    engine(registers)?.store(DATA_AT, bytes);
    run(registers, transfer, 0)
}

fn engine(registers: &mut impl Registers) -> Result<&mut dyn Engine, Failure> {
    registers.engine().ok_or_else(|| Failure::Reported("the controller does not reach memory".into()))
}

fn run(registers: &mut impl Registers, transfer: Transfer, direction: u8) -> Result<(), Failure> {
    let engine = engine(registers)?;
    let table = table(engine.shared_address() + DATA_AT as u32, (transfer.sectors * SECTOR_BYTES) as u32);
    engine.store(0, &table);
    engine.set_command(direction);
    engine.set_table(engine.shared_address());
    engine.clear_status();
    // Its interrupt, which nobody takes, tells the engine when the disk is done.
    registers.write(Register::Control, 0);
    let result = match protocol::start(registers, transfer) {
        Ok(()) => finish(registers, direction),
        Err(failure) => Err(failure),
    };
    registers.write(Register::Control, protocol::CONTROL_NO_INTERRUPTS);
    stop(registers);
    result
}

/// Has the data moved; what is said at the end is read before the engine is stopped.
fn finish<R: Registers>(registers: &mut R, direction: u8) -> Result<(), Failure> {
    engine(registers)?.set_command(direction | START);
    let mut last = (Status(0), EngineStatus(0));
    let ended = drivers::wait(registers, COMMAND_TIMEOUT_MS, R::now_ms, |registers| {
        let moved = registers.engine().map_or(EngineStatus(0), |engine| engine.status());
        last = (Status(registers.read(Register::Control)), moved);
        let is_idle = !last.0.is_busy() && !last.0.wants_data();
        moved.is_failure() || moved.has_interrupted() || is_idle && !moved.is_active()
    });
    let (disk, moved) = last;
    if let Err(waited_ms) = ended {
        return Err(Failure::Timeout { waited_ms, state: format!("status {disk:?}, DMA {moved:?}") });
    }
    let status = Status(registers.read(Register::Status));
    protocol::expect_success(registers, status, None)?;
    if moved.is_failure() || moved.is_active() || status.is_busy() || status.wants_data() {
        return Err(Failure::Reported(format!("the data was not moved: status {status:?}, DMA {moved:?}")));
    }
    Ok(())
}

/// Keeps the engine from memory, which it may still be writing to after a failure.
fn stop(registers: &mut impl Registers) {
    let Some(engine) = registers.engine() else { return };
    engine.set_command(0);
    if engine.status().is_active() {
        engine.cut_off();
    }
    engine.clear_status();
}

/// The table for `bytes` bytes at `address`: of each region the address, the length (0 stands for 64 KiB) and whether it is
/// the last.
fn table(address: u32, bytes: u32) -> Vec<u8> {
    const LAST: u32 = 1 << 31;
    let end = address + bytes;
    let mut table = Vec::new();
    let mut at = address;
    while at < end {
        let next = end.min((at / BOUNDARY + 1) * BOUNDARY);
        let last = if next == end { LAST } else { 0 };
        table.extend(at.to_le_bytes());
        table.extend((((next - at) % BOUNDARY) | last).to_le_bytes());
        at = next;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn regions_follow_each_other_and_cross_no_boundary(page in 0..0xffff_u32, sectors in 1..=256_u32) {
            let (address, bytes) = (page << 12, sectors << 9);
            let words: Vec<u32> = table(address, bytes)
                .chunks(4)
                .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
                .collect();
            let mut at = address;
            for (index, region) in words.chunks(2).enumerate() {
                let bytes = if region[1] & 0xffff == 0 { BOUNDARY } else { region[1] & 0xffff };
                prop_assert!(region[0] == at && at / BOUNDARY == (at + bytes - 1) / BOUNDARY);
                at += bytes;
                prop_assert_eq!(region[1] >> 16, if index + 1 == words.len() / 2 { 0x8000 } else { 0 });
            }
            prop_assert_eq!(at, address + bytes);
            prop_assert!(words.len() * 4 <= DATA_AT);
        }
    }
}
