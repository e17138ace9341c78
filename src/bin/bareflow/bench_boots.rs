//! `bareflow bench-boots`: boots many times on one store and shows how the ticks of a boot fall.

use crate::boot::grouped;
use crate::pc::{PcArgs, checkout};
use crate::report::{html, total_chart};
use crate::series::{Boot, Change, Series};
use crate::status::{Status, complain};
use crate::text::ascii_json;
use anyhow::{Context, Result, bail};
use bareflow::host::image::Identity;
use bareflow::host::qemu::Machine;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The sample program that is booted if none is named.
const SAMPLE: &str = "concordance";
const MODULE: &str = ".wasm";
const BOOTS: u64 = 100;
/// The store as the boots on record left it, and their record.
const STORE: &str = "store.img";
const SERIES: &str = "boots.json";
/// A CPU with little more than SSE2.
const OTHER_CPU: &str = "qemu64";

/// Boots a program N times on one fresh store, counting instructions, and writes boots.csv, boots.svg and report.html
///
/// What is interrupted goes on where it was when it is started again with the same words.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pc: PcArgs,
    /// One argument for the program; may be repeated
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<OsString>,
    /// Folder for what is written [default: target/bench-boots, for a program that is named a folder in it]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Puts another CPU model into the machine, from boot K on
    #[arg(long, value_name = "K[=MODEL]", value_parser = cpu_change)]
    change_cpu_at: Option<(u64, String)>,
    /// Gives the program FILE in place of its first file, from boot K on
    #[arg(long, num_args = 2, value_names = ["K", "FILE"])]
    change_input_at: Option<Vec<String>>,
    /// Prints the rows as JSON instead of a line per boot
    #[arg(long)]
    json: bool,
    /// How many times to boot [default: 100]; a sample's name or PROGRAM.wasm [default: concordance]; words for the
    /// kernel's command line, such as promote=boots
    #[arg(value_names = ["N", "PROGRAM", "WORDS"])]
    what: Vec<String>,
}

pub fn run(args: Args) -> Result<Status> {
    let What { boots, program, words } = What::of(&args.what)?;
    let out = args.out.clone().unwrap_or_else(|| folder(program.as_deref()));
    let json = args.json;
    fs::create_dir_all(&out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let _lock = lock(&out)?;
    let plan = Plan::new(args, &out, program.as_deref(), &words)?;
    let mut series = begin(&plan, &out, boots, &words)?;
    let bar = progress_bar(boots, series.boots.len() as u64)?;
    while (series.boots.len() as u64) < boots {
        let elapsed = boot_once(&plan, &out, &mut series)?;
        if !json {
            let line = line(&series, boots, elapsed);
            bar.suspend(|| writeln!(io::stdout(), "{line}"))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if json {
        writeln!(io::stdout(), "{}", ascii_json(&serde_json::to_string(&series.boots)?))?;
    } else {
        conclude(&series, &out)?;
    }
    Ok(Status::SUCCESS)
}

/// What the words of the command line mean.
#[derive(Debug, PartialEq)]
struct What {
    boots: u64,
    /// The path of a module, or the name of a sample.
    program: Option<String>,
    words: String,
}

impl What {
    fn of(what: &[String]) -> Result<Self> {
        let mut rest = what;
        let mut boots = BOOTS;
        if let [number, after @ ..] = rest
            && number.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        {
            let number = number.parse().ok().filter(|&number| number > 0);
            boots = number.with_context(|| format!("{} is no number of boots", what[0]))?;
            rest = after;
        }
        let mut program = None;
        if let [name, after @ ..] = rest
            && !name.contains('=')
        {
            if !name.ends_with(MODULE) && !is_sample(name) {
                bail!(
                    "{name} is neither a module (PROGRAM.wasm) nor one of the samples, which programs/README.md lists; \
                     words for the kernel's command line follow the program"
                );
            }
            program = Some(name.clone());
            rest = after;
        }
        Ok(What { boots, program, words: rest.join(" ") })
    }
}

fn is_sample(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && checkout().join("programs").join(name).with_extension("c").is_file()
}

/// `K` or `K=MODEL`.
fn cpu_change(text: &str) -> Result<(u64, String)> {
    let (boot, model) = text.split_once('=').unwrap_or((text, OTHER_CPU));
    Ok((later_boot(boot)?, model.into()))
}

/// A boot from which on something is another than at the first.
fn later_boot(text: &str) -> Result<u64> {
    text.parse().ok().filter(|&boot| boot > 1).with_context(|| format!("{text} is no boot after the first"))
}

/// Where results go.
fn folder(program: Option<&str>) -> PathBuf {
    let all = checkout().join("target/bench-boots");
    program.and_then(|program| Path::new(program).file_stem()).map_or(all.clone(), |name| all.join(name))
}

/// Keeps others out of `folder` for as long as the file is open.
fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another bench-boots is at work in {}: wait for it, or name another folder with --out",
                folder.display()
            )
        }
        // A file system without locks is no reason to refuse.
        _ => Ok(file),
    }
}

/// What is booted when.
struct Plan {
    pc: PcArgs,
    machine: Machine,
    /// From which boot on the machine has which CPU model.
    other_cpu: Option<(u64, String)>,
    /// From which boot on which ISO, with other input, is booted.
    other_input: Option<(u64, PathBuf)>,
    changes: Vec<Change>,
    identity: String,
}

impl Plan {
    fn new(mut args: Args, out: &Path, program: Option<&str>, words: &str) -> Result<Self> {
        let path = module(program, &mut args);
        let mut parts = vec![words.as_bytes().to_vec()];
        parts.extend(args.args.iter().map(|arg| arg.as_bytes().to_vec()));
        for file in [&args.pc.content.kernel()?, &path].into_iter().chain(&args.pc.content.files) {
            parts.extend([file.as_os_str().as_bytes().to_vec(), contents(file)?]);
        }
        parts.extend(args.pc.content.parts()?);
        let machine = args.pc.machine(&out.join("boots.iso"), words, &path, &args.args)?;
        parts.push(format!("{machine:?} {:?}", args.pc.disk(Path::new(""))).into_bytes());
        let mut changes = Vec::new();
        if let Some((boot, model)) = &args.change_cpu_at {
            changes.push(Change { boot: *boot, what: format!("CPU {model}"), output: false });
        }
        let mut other_input = None;
        if let Some([boot, file]) = args.change_input_at.take().as_deref() {
            let boot = later_boot(boot)?;
            let file = Path::new(file);
            parts.extend([file.as_os_str().as_bytes().to_vec(), contents(file)?]);
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            changes.push(Change { boot, what: format!("input {name}"), output: true });
            other_input = Some((boot, iso_with_other_input(&mut args, out, file, words, &path)?));
        }
        changes.sort_by_key(|change| change.boot);
        parts.extend(changes.iter().map(|change| format!("{} {}", change.boot, change.what).into_bytes()));
        Ok(Plan {
            pc: args.pc,
            machine,
            other_cpu: args.change_cpu_at,
            other_input,
            changes,
            identity: Identity::of(parts.iter().map(Vec::as_slice)).digits::<32>("bench"),
        })
    }

    /// What boot number `boot` boots.
    fn machine_of(&self, boot: u64, store: &Path) -> Machine {
        let mut machine = self.machine.clone();
        machine.disks.push(self.pc.disk(store));
        match &self.other_cpu {
            Some((from, model)) if boot >= *from => machine.cpu.clone_from(model),
            _ => {}
        }
        match &self.other_input {
            Some((from, iso)) if boot >= *from => machine.iso = Some(iso.clone()),
            _ => {}
        }
        machine
    }

    /// The machine in words.
    fn description(&self, words: &str) -> String {
        let Machine { chipset, uefi, memory_mib, cpu, .. } = &self.machine;
        let (chipset, firmware) = (chipset.name(), if *uefi { "UEFI" } else { "BIOS" });
        let disk = self.pc.disk(Path::new("")).controller.name();
        let words = if words.is_empty() { String::new() } else { format!(", {words}") };
        format!("QEMU's {chipset} with {firmware}, {memory_mib} MiB, CPU {cpu}, disk on {disk}{words}")
    }
}

/// The module to boot. The sample that counts words gets the text that `./just run` gives it.
fn module(program: Option<&str>, args: &mut Args) -> PathBuf {
    let name = program.unwrap_or(SAMPLE);
    if name.ends_with(MODULE) {
        return name.into();
    }
    if name == SAMPLE {
        args.args.push("text.txt".into());
        args.pc.content.files.push(checkout().join("target/run/text.txt"));
    }
    checkout().join("target/programs").join(name).with_extension("wasm")
}

/// An ISO on which the program's first file has the contents of `file`.
fn iso_with_other_input(args: &mut Args, out: &Path, file: &Path, words: &str, program: &Path) -> Result<PathBuf> {
    let first = args
        .pc
        .content
        .files
        .first_mut()
        .context("the program reads no file that could change: give it one with --file")?;
    let folder = out.join("other-input");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let other = folder.join(first.file_name().unwrap_or_default());
    fs::copy(file, &other).with_context(|| format!("cannot copy {} to {}", file.display(), other.display()))?;
    *first = other;
    let iso = out.join("other-input.iso");
    args.pc.machine(&iso, words, program, &args.args)?;
    Ok(iso)
}

fn contents(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What an interrupted run of the same left in `out`, or the beginning of a new one, with an empty store.
fn begin(plan: &Plan, out: &Path, boots: u64, words: &str) -> Result<Series> {
    let store = out.join(STORE);
    let earlier = Series::load(&out.join(SERIES))?;
    if let Some(series) = earlier.filter(|series| series.identity == plan.identity)
        && (1..boots).contains(&(series.boots.len() as u64))
        && store.is_file()
    {
        let reached = series.boots.len();
        complain(format_args!("going on after boot {reached} of {boots}, which an earlier run has reached"));
        return Ok(series);
    }
    if store.exists() {
        fs::remove_file(&store).with_context(|| format!("cannot remove {}", store.display()))?;
    }
    let command = std::env::current_exe().context("cannot find this command's own file")?;
    call(Command::new(command).args(["store", "format"]).arg(&store))?;
    Ok(Series::new(plan.identity.clone(), plan.description(words), plan.changes.clone()))
}

/// Runs a command that has to end well; what it complains of is shown.
fn call(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status();
    if !status.with_context(|| format!("cannot run {command:?}"))?.success() {
        bail!("{command:?} failed");
    }
    Ok(())
}

/// Boots once more, on a copy of the store that takes its place when the boot is on record.
fn boot_once(plan: &Plan, out: &Path, series: &mut Series) -> Result<Duration> {
    let (store, next) = (out.join(STORE), out.join("next.img"));
    // It leaves holes in files where they are. A machine that outlived an interrupted run keeps the copy that it has.
    call(Command::new("cp").arg("--remove-destination").arg(&store).arg(&next))?;
    let outcome = plan.machine_of(series.boots.len() as u64 + 1, &next).run(plan.pc.timeout())?;
    series.add(&outcome)?;
    fs::rename(&next, &store).with_context(|| format!("cannot replace {}", store.display()))?;
    series.save(&out.join(SERIES))?;
    let results = [
        ("boots.csv", series.csv()?),
        ("boots.svg", total_chart(series, None).to_svg()),
        ("report.html", html(series)),
    ];
    for (name, text) in results {
        let path = out.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcome.elapsed)
}

/// On standard error, where that is a terminal; tells the time that is left once a boot has shown how long it takes.
fn progress_bar(boots: u64, reached: u64) -> Result<ProgressBar> {
    let left = move |state: &ProgressState, text: &mut dyn fmt::Write| {
        if state.pos() > reached {
            // There is nobody to tell that it cannot be told.
            let _ = write!(text, ", {} left", HumanDuration(state.eta()));
        }
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} boots{left}")?.with_key("left", left);
    let bar = ProgressBar::new(boots).with_style(style);
    bar.set_position(reached);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_secs(1));
    Ok(bar)
}

fn line(series: &Series, boots: u64, elapsed: Duration) -> String {
    let (Some(first), Some(Boot { row, ticks_save, .. })) = (series.boots.first(), series.boots.last()) else {
        return String::new();
    };
    let percent = |ticks: u64, first: u64| 100.0 * ticks as f64 / first.max(1) as f64;
    format!(
        "boot {:>2}/{boots}  total {:>14} ticks ({:5.1} %)  program {:>14} ({:5.1} %)  compile {:>13}  load {:>11}  \
         save {:>11}  prepare {:>13}  functions {}/{}: {} baseline, {} optimised, {} specialised  {:.1} s",
        row.boot,
        grouped(row.ticks_total),
        percent(row.ticks_total, first.row.ticks_total),
        grouped(row.ticks_program),
        percent(row.ticks_program, first.row.ticks_program),
        grouped(row.ticks_compile),
        grouped(row.ticks_load),
        grouped(*ticks_save),
        grouped(row.ticks_prepare),
        row.functions_called,
        row.functions_total,
        row.functions_baseline,
        row.functions_optimised,
        row.functions_specialised,
        elapsed.as_secs_f64(),
    )
}

/// Where ticks settled, and where to read more.
fn conclude(series: &Series, out: &Path) -> io::Result<()> {
    let mut stdout = io::stdout();
    for phase in series.phases() {
        let settled = match phase.work.settled {
            Some(boot) => format!("converged at boot {boot}"),
            None => "not converged, for no ten boots in a row were within 1 % of the best".into(),
        };
        writeln!(
            stdout,
            "{}: {settled} (booting and saving aside); whole boots: {} ticks at first, {} at best, {:.2} times as fast",
            phase.name,
            grouped(phase.total.first),
            grouped(phase.total.best),
            phase.total.gain()
        )?;
    }
    writeln!(stdout, "wrote boots.csv, boots.svg and report.html to {}", out.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(words: &str) -> Result<What> {
        What::of(&words.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn number_program_and_words_are_told_apart() {
        let expected = |boots, program: Option<&str>, words: &str| What {
            boots,
            program: program.map(String::from),
            words: words.into(),
        };
        assert_eq!(what("").unwrap(), expected(100, None, ""));
        assert_eq!(what("5 promote=boots verbose").unwrap(), expected(5, None, "promote=boots verbose"));
        assert_eq!(what("fft").unwrap(), expected(100, Some("fft"), ""));
        assert_eq!(what("7 a/b.wasm verbose").unwrap(), expected(7, Some("a/b.wasm"), "verbose"));
        for wrong in ["0", "-1", "5x", "99999999999999999999", "3 ftf", "verbose", "../programs/fft.c", "README"] {
            assert!(what(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn changes_come_after_the_first_boot() {
        assert_eq!(cpu_change("5").unwrap(), (5, OTHER_CPU.to_owned()));
        assert_eq!(cpu_change("12=Haswell,-avx2").unwrap(), (12, "Haswell,-avx2".to_owned()));
        for wrong in ["", "1", "0", "x=max", "-3"] {
            assert!(cpu_change(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pieces_of_an_identity_do_not_run_together() {
        let of = |pieces: &[&str]| Identity::of(pieces.iter().map(|piece| piece.as_bytes())).digits::<32>("bench");
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab"]), of(&["ab"]));
    }
}
