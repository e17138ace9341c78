//! The program: found among the modules, run as a session, its faults turned into traps, its end into a power-off.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::RefCell;

use super::devices::{ProgramClock, ProgramEntropy};
use super::terminal::{Streams, Terminal};
use super::{BootInformation, Module, System, TimeStampCounter, after, faults, options, sampler};
use crate::arch::{ExitCode, interrupts, ticks};
use crate::drivers::clock::{Clock, RateSource};
use crate::drivers::disk::Disk;
use crate::engine::cpu::CpuFeatures;
use crate::engine::seams::{Imports, LinearMemory, OutOfMemory};
use crate::engine::{Activation, Engine, Platform, StackSize};
use crate::memory::{MemoryError, RegionSource, reserve};
use crate::session::Session;
use crate::store::BlockDevice;
use crate::store::place::{self, Region, Wanted};
use crate::wasi::Wasi;

/// The one engine's code, for the exception handler.
static ACTIVATION: Activation = Activation::new();

/// A module whose name ends like this is an exported profile, not a file of the program.
const PROFILE_SUFFIX: &str = ".bfprof";

/// Runs the first module as the program and switches the machine off.
pub fn run(system: System) -> ! {
    let System { ticks_at_entry, boot, mut regions, devices, verbose, .. } = system;
    let terminal = Rc::new(RefCell::new(devices.terminal));
    let say = |line: &str| terminal.borrow_mut().say(format_args!("{line}"));
    devices.problems.iter().for_each(|problem| say(problem));
    let power = (devices.soft_off, devices.root);
    let end = |code: ExitCode| -> ! { after::end(&boot, &terminal, &devices.clock, power, code) };
    let prepared = prepare(&boot, &terminal, &devices.clock, &say);
    let platform =
        platform(&mut regions, options::stack_size(&boot.command_line(), &say)).map_err(|error| error.to_string());
    let (platform, (session, imports)) = match platform.and_then(|platform| Ok((platform, prepared?))) {
        Ok(prepared) => prepared,
        Err(problem) => {
            say(&problem);
            end(ExitCode::NoProgram)
        }
    };
    let mut disks = devices.disks;
    let region = choose_store(&mut disks, &options::store(&boot.command_line(), &say), &say);
    let session = Session { ticks_before: ticks::now().saturating_sub(ticks_at_entry), ..session };
    let sampler = sampler::start();
    let said_before = terminal.borrow().ticks_writing();
    let ended = |engine: &mut Engine| {
        sampler.stop().for_each(|(place, ticks)| engine.add_sample(place, ticks));
        terminal.borrow().ticks_writing().saturating_sub(said_before)
    };
    let report = session.run(platform, imports, region, ended, &mut |line: &str| say(line));
    let lost_input = terminal.borrow().lost_input();
    say_what_was_missed(lost_input, verbose, &say);
    if devices.clock.source_if_asked() == Some(RateSource::Assumed) {
        say("no timer tells how fast the clock runs: sleeping takes longer than asked");
    }
    say(&report.summary());
    terminal.borrow_mut().report(&report.line());
    let code = match (report.event, report.row.exit_code) {
        ("exit", 0) => ExitCode::Success,
        ("exit", _) => ExitCode::ProgramFailed,
        ("trap", _) => ExitCode::ProgramTrapped,
        _ => ExitCode::NoProgram,
    };
    end(code)
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

/// The session for the first module, and what it may import.
fn prepare(
    boot: &BootInformation,
    terminal: &Rc<RefCell<Terminal>>,
    clock: &Rc<Clock>,
    say: &dyn Fn(&str),
) -> Result<(Session, Box<dyn Imports>), String> {
    let mut modules = boot.modules();
    let program = modules
        .next()
        .ok_or("there is no program: give GRUB one with the line `module2 /boot/program.wasm program.wasm`")?;
    let mut words = program.words();
    if words.is_empty() {
        words.push(b"program".to_vec());
    }
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    let wasi = Wasi::builder().free_memory(reserve::free_for_program);
    let mut wasi = words.into_iter().fold(wasi, |wasi, word| wasi.arg(word));
    let mut shipped = None;
    for module in modules {
        let path = file_name(&module)?;
        if path.ends_with(PROFILE_SUFFIX) {
            shipped = Some(module.bytes);
            continue;
        }
        wasi = wasi.file(&path, module.bytes).map_err(|error| error.to_string())?;
    }
    let streams = Streams::new(Rc::clone(terminal), options::reads_console(&boot.command_line(), say));
    let imports = wasi.build(streams, ProgramClock::new(Rc::clone(clock)), ProgramEntropy::new(Rc::clone(clock)));
    let options = options::engine_options(&boot.command_line(), say);
    Ok((
        Session { name, program: program.bytes.into(), options, shipped, key: None, ticks_before: 0 },
        Box::new(imports),
    ))
}

fn file_name(module: &Module) -> Result<String, String> {
    let bytes = module.bytes.len();
    let name = module.words().into_iter().next();
    let name = name.ok_or_else(|| format!("a module of {bytes} bytes has no name: add one in grub.cfg"))?;
    String::from_utf8(name).map_err(|error| {
        format!("the name \"{}\" of a module is not UTF-8: change it", error.as_bytes().escape_ascii())
    })
}

/// Where on which disk the store of this boot is.
pub fn choose_store<'d>(
    disks: &'d mut [Disk],
    wanted: &Wanted,
    say: &dyn Fn(&str),
) -> Option<Region<&'d mut dyn BlockDevice>> {
    let named = disks.iter_mut().map(|disk| (disk.name().to_string(), disk as &mut dyn BlockDevice));
    let choice = place::choose(named, wanted);
    choice.lines.iter().for_each(|line| say(line));
    let (index, place) = choice.store?;
    disks.get_mut(index).map(|disk| Region::new(disk as &mut dyn BlockDevice, place))
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
    })
}
