//! `bareflow bench-boots`: boots many times on one store and draws how the program's ticks fall.

use crate::boot::{grouped, lock_store};
use crate::pc::{PcArgs, checkout};
use crate::status::Status;
use crate::svg::{Chart, Series};
use anyhow::{Context, Result, bail};
use bareflow::host::qemu::{Ending, Machine, Outcome};
use bareflow::profile::BootRow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The columns of `boots.csv`: the fields of [`BootRow`], in its order.
const COLUMNS: [&str; 26] = [
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
];

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
    machine.store = Some(store);

    let mut bench = Bench { rows: Vec::new(), output: None };
    for boot in 1..=args.boots {
        let outcome = machine.run(args.pc.timeout())?;
        let row = bench.check(boot, &machine, &outcome)?;
        if !args.json {
            let line = progress(&row, args.boots, &bench.rows, outcome.elapsed.as_secs_f64());
            writeln!(io::stdout(), "{line}")?;
        }
        bench.rows.push(row);
        write_results(&out, &bench.rows)?;
    }
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&bench.rows)?)?;
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
    rows: Vec<BootRow>,
    /// What the program printed at the first boot, and so has to print at each.
    output: Option<String>,
}

impl Bench {
    /// The row of boot number `boot`, if that boot is what it has to be.
    fn check(&mut self, boot: u64, machine: &Machine, outcome: &Outcome) -> Result<BootRow> {
        let said = || format!("boot {boot} ({}) said:\n{}{}", outcome.ending, outcome.serial.text(), outcome.messages);
        let row = outcome.serial.boot_row().with_context(said)?;
        if !matches!(outcome.ending, Ending::PoweredOff | Ending::DebugExit(_)) {
            bail!("{}", said());
        }
        if row.exit_code != 0 {
            bail!("the program ended with exit code {}\n{}", row.exit_code, said());
        }
        if row.boot != boot {
            let store = machine.store.as_deref().unwrap_or(Path::new("no store")).display();
            bail!("boot {boot} calls itself boot {}: {store} did not keep what was learnt\n{}", row.boot, said());
        }
        let output = outcome.serial.program_output();
        let first = self.output.get_or_insert_with(|| output.clone());
        if *first != output {
            bail!("boot {boot} printed something else than boot 1: {}", first_difference(first, &output));
        }
        Ok(row)
    }
}

fn first_difference(first: &str, now: &str) -> String {
    let differs = first.lines().zip(now.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| first.lines().count().min(now.lines().count()));
    let show = |text: &str| text.lines().nth(line).map_or("nothing".to_owned(), |line| format!("{line:?}"));
    format!("line {} was {}, now {}", line + 1, show(first), show(now))
}

fn progress(row: &BootRow, boots: u64, before: &[BootRow], seconds: f64) -> String {
    let first = before.first().unwrap_or(row).ticks_program.max(1);
    format!(
        "boot {:>2}/{boots}  program {:>14} ticks ({:5.1} %)  compile {:>13}  \
         functions {}/{}: {} baseline, {} optimised, {} specialised  {seconds:.1} s",
        row.boot,
        grouped(row.ticks_program),
        100.0 * row.ticks_program as f64 / first as f64,
        grouped(row.ticks_compile),
        row.functions_called,
        row.functions_total,
        row.functions_baseline,
        row.functions_optimised,
        row.functions_specialised,
    )
}

fn write_results(folder: &Path, rows: &[BootRow]) -> Result<()> {
    for (name, text) in [("boots.csv", csv(rows)?), ("boots.svg", chart(rows).to_svg())] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn csv(rows: &[BootRow]) -> Result<String> {
    let mut csv = COLUMNS.join(",") + "\n";
    for row in rows {
        let row = serde_json::to_value(row)?;
        let cells: Vec<String> = COLUMNS.iter().map(|column| cell(&row[column])).collect();
        csv += &(cells.join(",") + "\n");
    }
    Ok(csv)
}

/// A value as RFC 4180 writes it.
fn cell(value: &serde_json::Value) -> String {
    match value.as_str() {
        Some(text) if text.contains([',', '"', '\n', '\r']) => format!("\"{}\"", text.replace('"', "\"\"")),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

fn chart(rows: &[BootRow]) -> Chart {
    let points = |ticks: fn(&BootRow) -> u64| rows.iter().map(|row| (row.boot, ticks(row))).collect();
    let program = rows.first().map_or("", |row| &row.program);
    Chart {
        title: format!("{program}: ticks per boot, on one store"),
        x_label: "boot".into(),
        y_label: "ticks (retired instructions)".into(),
        series: vec![
            Series { label: "running the program".into(), colour: "#0b6e99", points: points(|row| row.ticks_program) },
            Series { label: "compiling".into(), colour: "#c2571a", points: points(|row| row.ticks_compile) },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_fields_of_a_row_in_order() {
        let row = serde_json::to_string(&BootRow::default()).unwrap();
        let places: Vec<_> = COLUMNS.iter().map(|column| row.find(&format!("\"{column}\":")).unwrap()).collect();
        assert!(places.is_sorted());
        assert_eq!(row.matches("\":").count(), COLUMNS.len());
    }

    #[test]
    fn a_row_becomes_a_line_with_awkward_names_quoted() {
        let row =
            BootRow { boot: 2, program: "a \"b\",c".into(), exit_code: -1, guards_failed: 9, ..BootRow::default() };
        let line = csv(&[row]).unwrap().lines().nth(1).unwrap().to_owned();
        assert_eq!(line, "2,0,\"a \"\"b\"\",c\",-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,9,0,0,0");
    }

    #[test]
    fn the_first_difference_is_shown_also_where_one_output_ends() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), "line 2 was \"b\", now \"c\"");
        assert_eq!(first_difference("a\n", "a\nc\n"), "line 2 was nothing, now \"c\"");
    }
}
