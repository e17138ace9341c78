//! The program: found among the modules, run as a session, its faults turned into traps, its end into a power-off.
//!
//! Key type: [`Runner`], the machine with a program that may run more than once. Neighbour: [`super::shell`], in which somebody
//! asks for that.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use super::devices::{ProgramClock, ProgramEntropy, find_reset};
use super::given::{Given, given};
use super::sampler::{self, Sampler};
use super::sent::{Shared, send, send_core_dump};
use super::terminal::{Streams, Terminal};
use super::{BootInformation, System, TimeStampCounter, after, faults, options, progress, screen, shell};
use crate::arch::cpu::Features;
use crate::arch::{ExitCode, interrupts, ticks};
use crate::dashboard::View;
use crate::drivers::clock::{Clock, RateSource};
use crate::drivers::disk::Disk;
use crate::drivers::power::{self, RootTable, SoftOff};
use crate::drivers::{interruption, pci};
use crate::engine::cpu::CpuFeatures;
use crate::engine::decide::tier::Thresholds;
use crate::engine::seams::{Imports, LinearMemory, OutOfMemory};
use crate::engine::{Activation, Engine, Entry, Platform, StackSize, Trap};
use crate::memory::{MemoryError, RegionSource, reserve};
use crate::profile::BootRow;
use crate::session::source_lines::{self, Means};
use crate::session::{Remains, Session, Watch};
use crate::store::BlockDevice;
use crate::store::place::{self, Region, Wanted};
use crate::wasi::Wasi;

/// The one engine's code, for the exception handler.
static ACTIVATION: Activation = Activation::new();

/// Said where there is no way to switch the machine off.
pub const STAYS_ON: &str = "halted; the machine can be switched off";

/// Exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// The machine, and what became of its program.
pub struct Runner {
    pub boot: BootInformation,
    pub features: Features,
    pub terminal: Rc<RefCell<Terminal>>,
    pub clock: Rc<Clock>,
    pub disks: Vec<Disk>,
    pub pci: Vec<pci::Device>,
    /// The calls at which functions are promoted, where somebody changed that.
    pub thresholds: Option<Option<Thresholds>>,
    /// Of the last run.
    pub remains: Option<Remains>,
    /// The last run's profile is in no store.
    pub unsaved: bool,
    regions: RegionSource,
    soft_off: Option<SoftOff>,
    root: Option<RootTable>,
    verbose: bool,
    /// What the machine ends with.
    code: ExitCode,
}

/// Who started the program, and with what.
pub enum Start {
    /// The boot, which began at this tick.
    Boot { ticks_at_entry: u64 },
    /// Somebody, with arguments of theirs.
    Shell { arguments: Option<Vec<String>> },
}

/// Runs the first module as the program and switches the machine off; opens the shell where there is none, where that is asked
/// for, and once Ctrl-C has ended the program.
pub fn run(system: System) -> ! {
    let ticks_at_entry = system.ticks_at_entry;
    let mut runner = Runner::new(system);
    let has_program = runner.boot.modules().next().is_some();
    let is_wanted = has_program && runner.boot.has_word("shell") || runner.run(Start::Boot { ticks_at_entry });
    let is_wanted = is_wanted || !has_program && after::asks(&runner.boot);
    if runner.terminal.borrow().has_input() && is_wanted {
        shell::open(runner)
    }
    after::end(runner)
}

impl Runner {
    fn new(system: System) -> Self {
        let System { features, boot, regions, devices, verbose, .. } = system;
        let terminal = Rc::new(RefCell::new(devices.terminal));
        devices.problems.iter().for_each(|problem| terminal.borrow_mut().say(format_args!("{problem}")));
        Self {
            boot,
            features,
            terminal,
            clock: devices.clock,
            disks: devices.disks,
            pci: devices.pci,
            thresholds: None,
            remains: None,
            unsaved: false,
            regions,
            soft_off: devices.soft_off,
            root: devices.root,
            verbose,
            code: ExitCode::Success,
        }
    }

    pub fn power_off(self) -> ! {
        let say_so = || self.terminal.borrow_mut().say(format_args!("{STAYS_ON}"));
        power::off(self.soft_off.as_ref(), self.code, say_so)
    }

    pub fn reboot(self) -> ! {
        power::restart(self.root.and_then(find_reset).as_ref(), self.code)
    }

    /// Runs the program, and says what became of it; whether Ctrl-C ended it.
    pub fn run(&mut self, start: Start) -> bool {
        // The regions of the engine before are given back.
        self.remains = None;
        interruption::clear();
        let terminal = Rc::clone(&self.terminal);
        let say = |line: &str| terminal.borrow_mut().say(format_args!("{line}"));
        let prepared = self.prepare(&start, &say);
        let stack = options::stack_size(&self.boot.command_line(), &say);
        let platform = platform(&mut self.regions, stack).map_err(|error| error.to_string());
        let (platform, (session, wasi)) = match platform.and_then(|platform| Ok((platform, prepared?))) {
            Ok(prepared) => prepared,
            Err(problem) => {
                say(&problem);
                self.code = ExitCode::NoProgram;
                return false;
            }
        };
        let chosen = choose_store(&mut self.disks, &options::store(&self.boot.command_line(), &say), &say);
        let (store, region) = match chosen {
            Some((store, region)) => (store, Some(region)),
            None => ("no store: nothing is remembered".to_string(), None),
        };
        let since = match start {
            Start::Boot { ticks_at_entry } => ticks_at_entry,
            Start::Shell { .. } => ticks::now(),
        };
        let imports: Box<dyn Imports> = Box::new(Shared(Rc::clone(&wasi)));
        let progress = progress::Lines::new(Rc::clone(&terminal), Rc::clone(&self.clock));
        let platform = Platform { progress: Box::new(progress), ..platform };
        let session = Session { ticks_before: ticks::now().saturating_sub(since), ..session };
        let name = session.name.clone();
        let mut watch = Watcher {
            sampler: Some(sampler::start()),
            said_before: terminal.borrow().ticks_writing(),
            terminal: &terminal,
            store: &store,
            module: session.program.bytes,
            dumped: self.boot.has_word("coredump").then_some(&name),
            since,
        };
        let (report, remains) = session.run(platform, imports, region, &mut watch, &mut |line: &str| say(line));
        if let Some(path) = options::sent_directory(&self.boot.command_line()) {
            send(&wasi.borrow(), &path, &|line| terminal.borrow_mut().say(line));
        }
        self.unsaved = remains.is_some() && report.store != "saved";
        self.remains = remains;
        let lost_input = terminal.borrow().lost_input();
        say_what_was_missed(lost_input, self.verbose, &say);
        if self.clock.source_if_asked() == Some(RateSource::Assumed) {
            say("no timer tells how fast the clock runs: sleeping takes longer than asked");
        }
        say(&report.summary());
        terminal.borrow_mut().report(&report.line());
        if let Some(Remains { engine, profile }) = &self.remains
            && after::stays(&self.boot)
        {
            let status = match report.event {
                "exit" => format!("ended with code {}", report.row.exit_code),
                _ => report.reason.lines().next().unwrap_or_default().to_string(),
            };
            let view = || View::ended(engine, profile, &report.row, &store, status);
            screen::draw_dashboard(view);
        }
        self.code = match (report.event, report.row.exit_code) {
            ("exit", 0) => ExitCode::Success,
            ("exit", _) => ExitCode::ProgramFailed,
            ("trap", _) => ExitCode::ProgramTrapped,
            _ => ExitCode::NoProgram,
        };
        let interrupted = report.event == "trap" && report.row.exit_code == INTERRUPTED;
        if interrupted {
            terminal.borrow_mut().drop_input();
        }
        interrupted
    }

    /// The session for the first module, and what it may import.
    fn prepare(&self, start: &Start, say: &dyn Fn(&str)) -> Result<(Session, Rc<RefCell<Wasi<'static>>>), String> {
        let mut modules = self.boot.modules();
        let program = modules
            .next()
            .ok_or("there is no program: give GRUB one with the line `module2 /boot/program.wasm program.wasm`")?;
        let mut words = program.words();
        if words.is_empty() {
            words.push(b"program".to_vec());
        }
        if let Start::Shell { arguments: Some(arguments) } = start {
            words.truncate(1);
            words.extend(arguments.iter().map(|argument| argument.clone().into_bytes()));
        }
        let name = String::from_utf8_lossy(&words[0]).into_owned();
        let wasi = Wasi::builder().free_memory(reserve::free_for_program);
        let mut wasi = words.into_iter().fold(wasi, |wasi, word| wasi.arg(word));
        let mut shipped = None;
        for module in modules {
            wasi = match given(module.words(), module.bytes.len(), say)? {
                Given::Profile => {
                    shipped = Some(module.bytes);
                    wasi
                }
                Given::File(path) => wasi.file(&path, module.bytes).map_err(|error| error.to_string())?,
                Given::Directory(path) => {
                    wasi.archive(&path, module.bytes).map_err(|error| format!("{path}: {error}"))?
                }
            };
        }
        let line = self.boot.command_line();
        for (name, value) in options::environment(&line, say) {
            wasi = wasi.env(name, value);
        }
        if let Some(path) = options::sent_directory(&line) {
            wasi = wasi.directory(&path).map_err(|error| format!("out={path}: {error}"))?;
        }
        for path in options::directories(&line) {
            wasi = wasi.preopen(&path).map_err(|error| format!("dir={path}: {error}"))?;
        }
        let reads = options::reads_console(&line, matches!(start, Start::Shell { .. }), say);
        let streams = Streams::new(Rc::clone(&self.terminal), reads);
        let clock = || Rc::clone(&self.clock);
        let imports = wasi.build(streams, ProgramClock::new(clock()), ProgramEntropy::new(clock()));
        let mut options = options::engine_options(&line, say);
        options.thresholds = self.thresholds.unwrap_or(options.thresholds);
        Ok((
            Session {
                name,
                program: program.bytes.into(),
                options,
                shipped,
                key: None,
                ticks_before: 0,
                entry: Entry::Command,
                verbose: self.verbose,
            },
            Rc::new(RefCell::new(imports)),
        ))
    }
}

/// Looks at the program while it runs.
struct Watcher<'a> {
    /// Until the program has ended.
    sampler: Option<Sampler>,
    terminal: &'a RefCell<Terminal>,
    said_before: u64,
    store: &'a str,
    /// The program's module.
    module: &'a [u8],
    /// Its name, where a trap leaves a core dump.
    dumped: Option<&'a str>,
    /// The tick at which all began.
    since: u64,
}

impl Watch for Watcher<'_> {
    fn starts(&mut self, engine: &Engine, ended: &[BootRow], row: &BootRow) {
        screen::run_dashboard(|| View::starting(engine, ended, row, self.store), self.since);
    }

    fn ended(&mut self, engine: &mut Engine, trap: Option<&mut Trap>) -> u64 {
        if let Some(trap) = trap {
            let means = Means { free_bytes: reserve::free(), now: &ticks::now };
            source_lines::tell(self.module, &mut trap.backtrace, &means);
            if let Some(name) = self.dumped {
                send_core_dump(engine, trap, name, &|line| self.terminal.borrow_mut().say(line));
            }
        }
        let samples = self.sampler.take().into_iter().flat_map(Sampler::stop);
        samples.for_each(|(place, ticks)| engine.add_sample(place, ticks));
        self.terminal.borrow().ticks_writing().saturating_sub(self.said_before)
    }
}

/// Says what came and was not taken.
fn say_what_was_missed(lost_input: u64, verbose: bool, say: &dyn Fn(&str)) {
    if lost_input > 0 {
        say(&format!("{lost_input} bytes or keys of input came faster than they were read, and were lost"));
    }
    let (interrupts, vector) = interrupts::unexpected();
    if verbose && interrupts > 0 {
        say(&format!("{interrupts} interrupts came that nobody asked for, the last one at vector {vector}"));
    }
}

/// The store of this boot, and in words where on which disk it is.
pub fn choose_store<'d>(
    disks: &'d mut [Disk],
    wanted: &Wanted,
    say: &dyn Fn(&str),
) -> Option<(String, Region<&'d mut dyn BlockDevice>)> {
    let named = disks.iter_mut().map(|disk| (disk.name().to_string(), disk as &mut dyn BlockDevice));
    let choice = place::choose(named, wanted);
    choice.lines.iter().for_each(|line| say(line));
    let (index, place) = choice.store?;
    let disk = disks.get_mut(index)?;
    Some((format!("{}, {place}", disk.name()), Region::new(disk as &mut dyn BlockDevice, place)))
}

/// What an engine needs; refused while there is another engine.
pub fn platform(regions: &mut RegionSource, stack: StackSize) -> Result<Platform, MemoryError> {
    let regions = regions.take(stack.bytes())?;
    let mut more_linear = regions.more_linear;
    Ok(Platform {
        stack: regions.call_stack.into(),
        code: Box::new(regions.code),
        state: Box::new(regions.state),
        memory: Box::new(regions.linear),
        another_memory: Box::new(move || {
            more_linear.take().map(|linear| Box::new(linear) as Box<dyn LinearMemory>).ok_or(OutOfMemory)
        }),
        addresses_are_fixed: true,
        ticks: Rc::new(TimeStampCounter),
        cpu: CpuFeatures::detect(),
        free_memory: reserve::free,
        reserve_bytes: reserve::ENGINE_LEAVES,
        activation: &ACTIVATION,
        arm: faults::arm,
        progress: Box::new(()),
    })
}
