//! Self-tests of devices, each the inner half of a test that watches the machine from outside.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Verdict;
use crate::arch::{ExitCode, interrupts, probe};
use crate::drivers::console::{Canvas, Channel, PixelLayout};
use crate::drivers::{power, timer};
use crate::kernel::System;
use crate::memory::{DeviceRegisters, screen};
use crate::store::SECTOR_BYTES;

/// How long somebody may take to type.
const TYPING_NS: u64 = 60_000_000_000;

/// Echoes what is typed until Enter.
pub fn keyboard(system: &mut System) -> Result<Verdict, Verdict> {
    let (terminal, clock) = (&mut system.devices.terminal, &system.devices.clock);
    terminal.say(format_args!("type"));
    let mut typed = Vec::new();
    let start = clock.monotonic_ns();
    while clock.monotonic_ns().saturating_sub(start) < TYPING_NS {
        let Some(byte) = terminal.read_byte() else { continue };
        terminal.write_bytes(&[byte]);
        if byte == b'\n' {
            return Ok(format!("typed {:?}", String::from_utf8_lossy(&typed)));
        }
        typed.push(byte);
    }
    Err(format!("no Enter within {} s", TYPING_NS / 1_000_000_000))
}

/// Takes 2,000 bytes from the serial line by interrupt alone, as while a program computes, and then reads them.
pub fn serial(system: &mut System) -> Result<Verdict, Verdict> {
    const SENT_BYTES: usize = 2000;
    let (terminal, clock) = (&mut system.devices.terminal, &system.devices.clock);
    terminal.say(format_args!("send"));
    let start = clock.monotonic_ns();
    while terminal.serial_waiting() < SENT_BYTES && clock.monotonic_ns().saturating_sub(start) < TYPING_NS {}
    let waiting = terminal.serial_waiting();
    let read: Vec<u8> = core::iter::from_fn(|| terminal.read_byte()).collect();
    let right = (0..SENT_BYTES).map(|number| b'a' + (number % 23) as u8);
    let line = format!("{waiting} of {SENT_BYTES} bytes came by themselves, {} were lost", terminal.lost_input());
    if waiting == SENT_BYTES && read.into_iter().eq(right) { Ok(line) } else { Err(line) }
}

/// Counts timer interrupts over a tenth of a second.
pub fn timer(system: &mut System) -> Result<Verdict, Verdict> {
    const WINDOW_NS: u64 = 100_000_000;
    let clock = &system.devices.clock;
    timer::start(1000);
    let (start, before) = (clock.monotonic_ns(), timer::ticks());
    while clock.monotonic_ns().saturating_sub(start) < WINDOW_NS {}
    let interrupts = timer::ticks() - before;
    timer::stop();
    let line = format!("{interrupts} interrupts in 100 ms at 1000 a second");
    if (95..=105).contains(&interrupts) { Ok(line) } else { Err(line) }
}

/// Interrupts that nobody asked for are counted, and the timer's still come.
pub fn unexpected_interrupts(system: &mut System) -> Result<Verdict, Verdict> {
    let (before, _) = interrupts::unexpected();
    probe::unexpected_interrupts();
    let (after, last) = interrupts::unexpected();
    let line = format!("{} interrupts, the last one at vector {last}", after - before);
    timer(system).map_err(|verdict| format!("{line}, and then {verdict}"))?;
    if (after - before, last) == (4, 0xff) { Ok(line) } else { Err(line) }
}

/// Writes the last sectors of the first disk, has them flushed, and reads them back.
pub fn disk(system: &mut System) -> Result<Verdict, Verdict> {
    const SECTORS: u64 = 8;
    let disk = system.devices.disks.first_mut().ok_or("there is no disk")?;
    let first = disk.geometry().sectors - SECTORS;
    let written: Vec<u8> = (0..SECTORS * SECTOR_BYTES as u64 / 8).flat_map(|index| pattern(first, index)).collect();
    let mut read = alloc::vec![0; written.len()];
    let done = disk.write(first, &written).and_then(|()| disk.flush()).and_then(|()| disk.read(first, &mut read));
    done.map_err(|error| format!("{error}"))?;
    if read == written { Ok(format!("{SECTORS} sectors at {first}")) } else { Err("other bytes came back".into()) }
}

/// Word `index` of what is written from sector `first` on: no two sectors of any disk get the same.
fn pattern(first: u64, index: u64) -> [u8; 8] {
    (first * SECTOR_BYTES as u64 + 8 * index).to_be_bytes()
}

/// Switches the machine off in the way that the end of a program does.
pub fn power_off(system: &mut System) {
    let soft_off = system.devices.soft_off.as_ref();
    system.devices.problems.iter().for_each(|problem| super::say(format_args!("{problem}")));
    super::say(format_args!("switching off by {}", if soft_off.is_some() { "ACPI" } else { "an emulator's port" }));
    power::off(soft_off, ExitCode::SelfTestPassed, || super::say(format_args!("it stays on")))
}

/// Draws on memory above 4 GiB as on a screen there. Only for machines that have no other screen.
pub fn high_screen(_: &mut System) -> Result<Verdict, Verdict> {
    const ADDRESS: u64 = (4 << 30) + (12 << 20) + 4096;
    let [red, green, blue] = [16, 8, 0].map(|position| Channel { position, bits: 8 });
    let layout =
        PixelLayout { address: ADDRESS, pitch: 4096, width: 1000, height: 600, pixel_bytes: 4, red, green, blue };
    // SAFETY: the machine's memory goes beyond, and the test is alone with it: the kernel has taken little, from below 4 GiB.
    let base = unsafe { screen::map(ADDRESS, layout.bytes()) }.map_err(|error| error.to_string())?;
    // SAFETY: it has just been mapped, and nothing else uses it.
    let mut canvas = unsafe { Canvas::new(base, layout) };
    canvas.fill(0, 0, 1000, 600, 0x12_3456);
    canvas.fill(999, 599, 1, 1, 0x65_4321);
    // SAFETY: as above; reading it as if it were registers is another way to the same memory.
    let registers =
        unsafe { DeviceRegisters::map(ADDRESS, layout.bytes() as usize) }.map_err(|error| error.to_string())?;
    let pixel = |x: usize, y: usize| registers.read(4096 * y + 4 * x);
    let read = [pixel(0, 0), pixel(999, 0), pixel(998, 599), pixel(999, 599)];
    let verdict = format!("read back as {read:x?}");
    if read == [0x12_3456, 0x12_3456, 0x12_3456, 0x65_4321] { Ok(verdict) } else { Err(verdict) }
}
