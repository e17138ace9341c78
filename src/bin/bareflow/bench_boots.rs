//! `bareflow bench-boots`: boots many times on one store and draws how the ticks of a boot fall.

use crate::boot::{grouped, lock_store};
use crate::pc::{PcArgs, checkout};
use crate::status::Status;
use crate::svg::{Chart, Layer};
use crate::text::{ascii_json, printable};
use anyhow::{Context, Result, bail};
use bareflow::host::qemu::{Ending, Machine, Outcome};
use bareflow::profile::BootRow;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The columns of `boots.csv`: the fields of [`Boot`], in its order.
const COLUMNS: [&str; 28] = [
    "boot",
    "generation",
    "program",
    "exit_code",
    "ticks_boot",
    "ticks_program",
    "ticks_compile",
    "ticks_console",
    "ticks_load",
    "ticks_prepare",
    "ticks_total",
    "functions_total",
    "functions_called",
    "functions_baseline",
    "functions_optimised",
    "functions_specialised",
    "functions_compiled_this_boot",
    "code_loaded",
    "code_rejected",
    "code_bytes",
    "profile_bytes",
    "guards_passed",
    "guards_failed",
    "libc_functions_total",
    "libc_functions_compiled",
    "libc_code_bytes",
    "ticks_save",
    "code_reason",
];

/// What a boot reported.
#[derive(Default, Serialize, Deserialize)]
struct Boot {
    #[serde(flatten)]
    row: BootRow,
    ticks_save: u64,
    code_reason: String,
}

impl Boot {
    /// Ticks that are none of the program's and none of the compiler's: from the kernel's entry to the program's first
    /// instruction, and what is said at the end.
    fn ticks_beside(&self) -> u64 {
        let BootRow { ticks_program, ticks_compile, ticks_prepare, ticks_total, .. } = self.row;
        [ticks_program, ticks_compile, ticks_prepare, self.ticks_save]
            .into_iter()
            .fold(ticks_total, u64::saturating_sub)
    }
}

/// Boots a program N times on one fresh store, counting instructions, and writes boots.csv and boots.svg
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pc: PcArgs,
    /// Program to boot [default: the sample program, on target/run/text.txt]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// One argument for that program; may be repeated
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true, requires = "program")]
    args: Vec<OsString>,
    /// Folder for boots.csv and boots.svg [default: target/bench-boots]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Prints the rows as JSON instead of a line per boot
    #[arg(long)]
    json: bool,
    /// How many times to boot
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    boots: u64,
    /// Words for the kernel's command line, such as promote=boots
    words: Vec<String>,
}

pub fn run(mut args: Args) -> Result<Status> {
    let out = args.out.take().unwrap_or_else(|| checkout().join("target/bench-boots"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make the folder {}", out.display()))?;
    let program = args.program.take().unwrap_or_else(|| sample_program(&mut args));
    let (store, _lock) = fresh_store(&out.join("store.img"))?;
    let mut machine = args.pc.machine(&out.join("boots.iso"), &args.words.join(" "), &program, &args.args)?;
    machine.disks.push(args.pc.disk(&store));

    let mut bench = Bench { boots: Vec::new(), output: None };
    for boot in 1..=args.boots {
        let outcome = machine.run(args.pc.timeout())?;
        let report = bench.check(boot, &machine, &outcome)?;
        if !args.json {
            let line = progress(&report, args.boots, &bench.boots, outcome.elapsed.as_secs_f64());
            writeln!(io::stdout(), "{line}")?;
        }
        bench.boots.push(report);
        write_results(&out, &bench.boots)?;
    }
    if args.json {
        writeln!(io::stdout(), "{}", ascii_json(&serde_json::to_string(&bench.boots)?))?;
    } else {
        writeln!(io::stdout(), "wrote boots.csv and boots.svg to {}", out.display())?;
    }
    Ok(Status::SUCCESS)
}

/// The program that counts words; gives it the text that `./just run` gives it.
fn sample_program(args: &mut Args) -> PathBuf {
    args.args.push("text.txt".into());
    args.pc.files.push(checkout().join("target/run/text.txt"));
    checkout().join("target/programs/concordance.wasm")
}

/// A new store at `path`, and what keeps others from it for as long as it is open: who benches in the same folder.
fn fresh_store(path: &Path) -> Result<(PathBuf, File)> {
    if path.exists() {
        let _lock = lock_store(path)?;
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    let command = std::env::current_exe().context("cannot find this command's own file")?;
    let status = Command::new(command).args(["store", "format"]).arg(path).stdout(std::process::Stdio::null()).status();
    if !status.context("cannot run `bareflow store format`")?.success() {
        bail!("no store was made at {}", path.display());
    }
    Ok((path.into(), lock_store(path)?))
}

/// What the boots so far have shown.
struct Bench {
    boots: Vec<Boot>,
    /// What the program printed at the first boot, and so has to print at each.
    output: Option<String>,
}

impl Bench {
    /// What boot number `boot` reported, if that boot is what it has to be.
    fn check(&mut self, boot: u64, machine: &Machine, outcome: &Outcome) -> Result<Boot> {
        let said = || format!("boot {boot} ({}) said:\n{}{}", outcome.ending, outcome.serial.text(), outcome.messages);
        let report: Boot = outcome.serial.last_report().with_context(said)?;
        let row = &report.row;
        if !matches!(outcome.ending, Ending::PoweredOff | Ending::DebugExit(_)) {
            bail!("{}", said());
        }
        if row.exit_code != 0 {
            bail!("the program ended with exit code {}\n{}", row.exit_code, said());
        }
        if row.boot != boot {
            let store = machine.disks.first().map_or(Path::new("no store"), |disk| &disk.image).display();
            bail!("boot {boot} calls itself boot {}: {store} did not keep what was learnt\n{}", row.boot, said());
        }
        let output = outcome.serial.program_output();
        let first = self.output.get_or_insert_with(|| output.clone());
        if *first != output {
            bail!("boot {boot} printed something else than boot 1: {}", first_difference(first, &output));
        }
        Ok(report)
    }
}

fn first_difference(first: &str, now: &str) -> String {
    let differs = first.lines().zip(now.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| first.lines().count().min(now.lines().count()));
    let show = |text: &str| text.lines().nth(line).map_or("nothing".to_owned(), |line| format!("{line:?}"));
    format!("line {} was {}, now {}", line + 1, show(first), show(now))
}

fn progress(boot: &Boot, boots: u64, before: &[Boot], seconds: f64) -> String {
    let Boot { row, ticks_save, .. } = boot;
    let first = &before.first().unwrap_or(boot).row;
    let percent = |ticks: u64, first: u64| 100.0 * ticks as f64 / first.max(1) as f64;
    format!(
        "boot {:>2}/{boots}  total {:>14} ticks ({:5.1} %)  program {:>14} ({:5.1} %)  compile {:>13}  load {:>11}  \
         save {:>11}  prepare {:>13}  functions {}/{}: {} baseline, {} optimised, {} specialised  {seconds:.1} s",
        row.boot,
        grouped(row.ticks_total),
        percent(row.ticks_total, first.ticks_total),
        grouped(row.ticks_program),
        percent(row.ticks_program, first.ticks_program),
        grouped(row.ticks_compile),
        grouped(row.ticks_load),
        grouped(*ticks_save),
        grouped(row.ticks_prepare),
        row.functions_called,
        row.functions_total,
        row.functions_baseline,
        row.functions_optimised,
        row.functions_specialised,
    )
}

fn write_results(folder: &Path, boots: &[Boot]) -> Result<()> {
    for (name, text) in [("boots.csv", csv(boots)?), ("boots.svg", chart(boots).to_svg())] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn csv(boots: &[Boot]) -> Result<String> {
    let mut csv = COLUMNS.join(",") + "\n";
    for boot in boots {
        let boot = serde_json::to_value(boot)?;
        let cells: Vec<String> = COLUMNS.iter().map(|column| cell(&boot[column])).collect();
        csv += &(cells.join(",") + "\n");
    }
    Ok(csv)
}

/// A value as RFC 4180 writes it, in one line.
fn cell(value: &serde_json::Value) -> String {
    let Some(text) = value.as_str().map(printable) else { return value.to_string() };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// What a person waits for, one part on top of the other.
fn chart(boots: &[Boot]) -> Chart {
    let layer = |label: &str, colour: &'static str, ticks: fn(&Boot) -> u64| Layer {
        label: label.to_owned(),
        colour,
        points: boots.iter().map(|boot| (boot.row.boot, ticks(boot))).collect(),
    };
    let program = boots.first().map_or("", |boot| &boot.row.program);
    Chart {
        title: format!("{program}: ticks per boot, on one store"),
        x_label: "boot".into(),
        y_label: "ticks (retired instructions)".into(),
        layers: vec![
            layer("booting", "#8d99a6", Boot::ticks_beside),
            layer("running the program", "#0b6e99", |boot| boot.row.ticks_program),
            layer("compiling", "#c2571a", |boot| boot.row.ticks_compile),
            layer("preparing the next boot and saving", "#5d8a3a", |boot| boot.row.ticks_prepare + boot.ticks_save),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_fields_of_a_report_in_order() {
        let row = serde_json::to_string(&Boot::default()).unwrap();
        let places: Vec<_> = COLUMNS.iter().map(|column| row.find(&format!("\"{column}\":")).unwrap()).collect();
        assert!(places.is_sorted());
        assert_eq!(row.matches("\":").count(), COLUMNS.len());
    }

    #[test]
    fn a_row_becomes_a_line_with_awkward_names_quoted() {
        let row =
            BootRow { boot: 2, program: "a \"b\",c".into(), exit_code: -1, guards_failed: 9, ..BootRow::default() };
        let line = |row| csv(&[Boot { row, ..Boot::default() }]).unwrap().lines().nth(1).unwrap().to_owned();
        assert_eq!(line(row), "2,0,\"a \"\"b\"\",c\",-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,9,0,0,0,0,");
        let row = BootRow { program: "\u{1b}]0;x\u{7}\n\u{9b}2J".into(), ..BootRow::default() };
        assert!(line(row).starts_with("0,0,\\u{1b}]0;x\\u{7}\\n\\u{9b}2J,0,"));
    }

    #[test]
    fn the_layers_add_up_to_the_whole_boot() {
        let row =
            BootRow { ticks_program: 20, ticks_compile: 30, ticks_prepare: 5, ticks_total: 100, ..BootRow::default() };
        let chart = chart(&[Boot { row, ticks_save: 7, code_reason: String::new() }]);
        let ticks: Vec<u64> = chart.layers.iter().map(|layer| layer.points[0].1).collect();
        assert_eq!(ticks, [38, 20, 30, 12]);
    }

    #[test]
    fn the_first_difference_is_shown_also_where_one_output_ends() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), "line 2 was \"b\", now \"c\"");
        assert_eq!(first_difference("a\n", "a\nc\n"), "line 2 was nothing, now \"c\"");
    }
}
