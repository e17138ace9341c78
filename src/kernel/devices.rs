//! The machine's devices, brought up and adapted to the seams of the layers above.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use uart_16550::backend::PioBackend;

use super::terminal::Terminal;
use super::{BootInformation, FirmwareMemory, options};
use crate::arch::interrupts;
use crate::drivers::clock::Clock;
use crate::drivers::disk::{Disk, DiskError};
use crate::drivers::interruption;
use crate::drivers::keyboard::Keyboard;
use crate::drivers::pci::{self, ConfigSpace, Function};
use crate::drivers::power::{PowerTimer, Reset, RootTable, SoftOff};
use crate::drivers::serial::{SendOnly, Serial};
use crate::drivers::{ahci, ata, entropy, local_apic, nvme, pic, timer, virtio_blk};
use crate::store::{BlockDevice, BlockError, SECTOR_BYTES};
use crate::wasi::{self, SEED_BYTES, SeededEntropy};

/// Everything that was found.
pub struct Devices {
    pub terminal: Terminal,
    pub clock: Rc<Clock>,
    pub disks: Vec<Disk>,
    /// What the machine has on its buses.
    pub pci: Vec<pci::Device>,
    pub soft_off: Option<SoftOff>,
    /// Where the firmware's tables begin.
    pub root: Option<RootTable>,
    /// Whose interrupts come.
    pub timer: timer::Source,
    /// What did not work, for people.
    pub problems: Vec<String>,
}

impl Devices {
    /// Brings up what the machine has and lets interrupts in. Called once.
    pub fn start(boot: &BootInformation) -> Self {
        pic::initialize();
        // SAFETY: interrupts are off, and nothing else knows of the local APIC.
        unsafe { local_apic::initialize(&FirmwareMemory) };
        let mut problems = Vec::new();
        // SAFETY: called once, after the interrupt controllers were set up. From here on only exceptions and panics, which
        // end the machine, use COM1 besides this.
        let serial = unsafe { Serial::open_com1() };
        let layout =
            options::keyboard(&boot.command_line()).map_err(|problem| problems.push(problem)).unwrap_or_default();
        // SAFETY: called once, after the interrupt controllers were set up.
        let keyboard = unsafe { Keyboard::open(layout) };
        let other = if serial.is_some() {
            "the serial port takes input too"
        } else {
            "without a serial port, nothing can be typed"
        };
        let keyboard = keyboard.map_err(|error| problems.push(format!("{error}; {other}"))).ok();
        let tables = find_tables(boot);
        let root = tables.as_ref().ok().copied();
        // SAFETY: see `find_tables`.
        let clock = Rc::new(Clock::new(move || unsafe { PowerTimer::find(root?, &FirmwareMemory) }));
        let functions = find_functions(root);
        let disks = find_disks(&functions, &clock, &mut problems);
        let pci = functions.into_iter().map(|function| function.device).collect();
        let soft_off = tables.and_then(find_soft_off).map_err(|error| problems.push(error)).ok();
        interrupts::enable();
        let timer = timer::find(|| clock.hz());
        if !timer::interrupts() {
            problems.push(format!("interrupts come from {timer}"));
        }
        Self { terminal: Terminal::new(serial, keyboard), clock, disks, pci, soft_off, root, timer, problems }
    }
}

/// A serial port to send over, if the machine has it: for one owner at a time.
pub fn serial_to_send(port: SendOnly) -> Option<Serial<PioBackend>> {
    // SAFETY: nothing else in the kernel knows of these ports, and who asks for one has given back the one before.
    unsafe { Serial::open_to_send(port) }
}

/// The functions of all devices on the buses.
fn find_functions(root: Option<RootTable>) -> Vec<Function> {
    // SAFETY: see `find_tables`.
    let windows = root.map(|root| unsafe { pci::windows(root, &FirmwareMemory) }).unwrap_or_default();
    // SAFETY: nothing else uses the configuration ports, and the windows come from the firmware's table.
    let space = Rc::new(unsafe { ConfigSpace::new(windows) });
    pci::functions(&space)
}

/// The disks of all controllers.
fn find_disks(functions: &[Function], clock: &Rc<Clock>, problems: &mut Vec<String>) -> Vec<Disk> {
    // SAFETY: nothing else uses the channels.
    let mut found = unsafe { ata::find(functions, clock) };
    // SAFETY: nothing else drives these controllers.
    found.extend(unsafe { ahci::find(functions, clock) });
    // SAFETY: as above.
    found.extend(unsafe { nvme::find(functions, clock) });
    // SAFETY: as above.
    found.extend(unsafe { virtio_blk::find(functions, clock) });
    found.into_iter().filter_map(|result| result.map_err(|problem| problems.push(problem)).ok()).collect()
}

/// The machine's own root table, as the loader says; firmware keeps its tables where [`FirmwareMemory`] reaches.
fn find_tables(boot: &BootInformation) -> Result<RootTable, String> {
    let bytes = boot.acpi_root_pointer().ok_or("the loader found no ACPI tables")?;
    RootTable::from_root_pointer(bytes).map_err(|error| error.to_string())
}

fn find_soft_off(root: RootTable) -> Result<SoftOff, String> {
    // SAFETY: see `find_tables`.
    unsafe { SoftOff::find(root, &FirmwareMemory) }.map_err(|error| error.to_string())
}

/// How the machine is started again, by its root table: looked up only when that is wanted.
pub fn find_reset(root: RootTable) -> Option<Reset> {
    // SAFETY: see `find_tables`.
    unsafe { Reset::find(root, &FirmwareMemory) }
}

fn failed(error: DiskError) -> BlockError {
    BlockError { operation: error.operation.name(), sector: error.sector, reason: error.reason.to_string() }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.geometry().sectors
    }

    fn block_bytes(&self) -> usize {
        self.geometry().block_sectors as usize * SECTOR_BYTES
    }

    fn read(&mut self, first: u64, buffer: &mut [u8]) -> Result<(), BlockError> {
        self.read(first, buffer).map_err(failed)
    }

    fn write(&mut self, first: u64, bytes: &[u8]) -> Result<(), BlockError> {
        self.write(first, bytes).map_err(failed)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.flush().map_err(failed)
    }
}

/// The clock as the program sees it: it stands still where the CPU's counter has been set back.
pub struct ProgramClock {
    clock: Rc<Clock>,
    latest_ns: u64,
}

impl ProgramClock {
    pub fn new(clock: Rc<Clock>) -> Self {
        Self { clock, latest_ns: 0 }
    }
}

impl wasi::Clock for ProgramClock {
    fn realtime_ns(&mut self) -> u64 {
        self.clock.unix_ns().unwrap_or(0)
    }

    fn file_time_ns(&mut self) -> u64 {
        self.clock.coarse_unix_ns().unwrap_or(0)
    }

    fn monotonic_ns(&mut self) -> u64 {
        self.latest_ns = self.latest_ns.max(self.clock.monotonic_ns());
        self.latest_ns
    }

    fn cpu_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    fn wait_until(&mut self, deadline_ns: u64) {
        while self.monotonic_ns() < deadline_ns && !interruption::is_asked() {
            core::hint::spin_loop();
        }
    }

    fn resolution_ns(&self) -> u64 {
        (1_000_000_000 / self.clock.hz()).max(1)
    }
}

/// Random numbers for the program, from a seed that is made when it first asks for some.
pub struct ProgramEntropy {
    clock: Rc<Clock>,
    seeded: Option<SeededEntropy>,
}

impl ProgramEntropy {
    pub fn new(clock: Rc<Clock>) -> Self {
        Self { clock, seeded: None }
    }
}

impl wasi::Entropy for ProgramEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.seeded.get_or_insert_with(|| SeededEntropy::new(seed(&self.clock))).fill(bytes);
    }
}

/// From the CPU's own generator, or from jitter. The time goes into it too: of jitter alone it is not certain that it differs
/// from boot to boot.
fn seed(clock: &Clock) -> [u8; SEED_BYTES] {
    let mut seed = [0; SEED_BYTES];
    entropy::fill(&mut seed);
    let times = [clock.unix_ns().unwrap_or(0), clock.monotonic_ns()];
    seed.iter_mut().zip(times.into_iter().flat_map(u64::to_le_bytes)).for_each(|(byte, time)| *byte ^= time);
    seed
}
