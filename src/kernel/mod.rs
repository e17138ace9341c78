//! The top layer of the kernel face: the boot sequence, as a list.
//!
//! Key types: [`System`], what the boot sequence has brought up; [`BootError`], why it could not. Neighbours: everything
//! below.

mod after;
mod boot_information;
mod command_line;
mod devices;
mod error;
pub mod faults;
mod given;
mod options;
mod program;
mod progress;
mod sampler;
mod screen;
mod seams;
mod selftest;
mod sent;
mod shell;
mod terminal;

pub use boot_information::{BootInformation, Module};
pub use error::BootError;
pub use seams::{FirmwareMemory, TimeStampCounter};

use core::fmt::Write;

use crate::VERSION;
use crate::arch::cpu::{self, Features};
use crate::arch::early_console::EarlyConsole;
use crate::arch::{ExitCode, end_after_failure, interrupts, segments, symbols, ticks};
use crate::memory::{self, RegionSource};
use devices::Devices;

/// The machine, once it is up.
pub struct System {
    /// Ticks when the loader handed over.
    pub ticks_at_entry: u64,
    pub features: Features,
    pub boot: BootInformation,
    pub regions: RegionSource,
    pub devices: Devices,
    /// The kernel command line has the word `verbose`.
    pub verbose: bool,
}

/// Boots. `boot_information` is the physical address that the loader passed.
pub fn start(boot_information: u32, ticks_at_entry: u64) -> ! {
    catch_failures();
    say(format_args!("BareFlow {VERSION}"));
    match bring_up(boot_information, ticks_at_entry) {
        Ok(system) => run(system),
        Err(error) => {
            say(format_args!("cannot boot: {error}"));
            end_after_failure(ExitCode::CannotBoot)
        }
    }
}

/// From here on, whatever goes wrong is printed.
fn catch_failures() {
    screen::assume_text();
    segments::load();
    interrupts::load();
}

fn bring_up(boot_information: u32, ticks_at_entry: u64) -> Result<System, BootError> {
    assert_long_mode()?;
    let features = cpu::enable_features();
    // SAFETY: the loader's information lies below 4 GiB, which the boot tables map, and is never freed.
    let boot = unsafe { BootInformation::load(boot_information) }?;
    if let Some(table) = boot.symbols() {
        symbols::install(table);
    }
    let screen = screen::find(&boot);
    let regions = memory::initialise(boot.free_memory()?, features.gigabyte_pages)?;
    after::arm(&boot, matches!(screen, Ok(Some(_))));
    let verbose = boot.has_word("verbose");
    let mut devices = Devices::start(&boot);
    match screen {
        Ok(Some(screen)) => screen::use_for_text(screen, boot.has_word("quiet")),
        Ok(None) => {}
        Err(problem) => devices.problems.push(problem),
    }
    let mut system = System { ticks_at_entry, features, boot, regions, devices, verbose };
    if verbose {
        describe(&mut system);
    }
    Ok(system)
}

/// What the machine is for.
fn run(mut system: System) -> ! {
    if let Some(name) = system.boot.option("selftest") {
        selftest::run(&name, &mut system);
    }
    program::run(system)
}

fn assert_long_mode() -> Result<(), BootError> {
    let mode = cpu::long_mode();
    if mode.active && mode.code_is_64_bit { Ok(()) } else { Err(BootError::NotInLongMode(mode)) }
}

/// Says what was found, by the drivers: the console of before would take the serial port from them.
fn describe(system: &mut System) {
    let System { ticks_at_entry, features, boot, devices, .. } = system;
    let mut say = |line: core::fmt::Arguments| devices.terminal.say(line);
    let ticks = ticks::now().saturating_sub(*ticks_at_entry);
    let mode = cpu::long_mode();
    say(format_args!("up after {ticks} ticks"));
    let memory = memory::statistics();
    say(format_args!("long mode: EFER.LMA={} CS.L={}", u8::from(mode.active), u8::from(mode.code_is_64_bit)));
    say(format_args!("cpu: {features}"));
    say(format_args!("memory: {} of {} MiB free", memory.free >> 20, memory.total >> 20));
    say(format_args!("clock: {} MHz, told by {}", devices.clock.hz() / 1_000_000, devices.clock.source()));
    say(format_args!("interrupts: from {}", devices.timer));
    if let Ok(Some(screen)) = boot.screen() {
        say(format_args!("screen: {screen}"));
    }
    say(format_args!("command line: {}", boot.command_line()));
    for module in boot.modules() {
        say(format_args!("module: {} bytes, {}", module.bytes.len(), module.command_line.escape_ascii()));
    }
}

/// Prints a line before there are drivers.
fn say(line: core::fmt::Arguments) {
    // The console never fails.
    let _ = writeln!(EarlyConsole::new(), "bareflow: {line}");
}
