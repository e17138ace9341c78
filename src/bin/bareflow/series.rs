//! What the boots of a program have shown: the rows of `boots.csv`, kept so that an interrupted bench goes on, and where they
//! settle.

use crate::text::printable;
use anyhow::{Context, Result, bail};
use bareflow::host::qemu::{Ending, Outcome};
use bareflow::profile::BootRow;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

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
/// So many boots in a row, none of them more than this above the best, have converged.
const SETTLED_BOOTS: usize = 10;
const SETTLED_PERCENT: u128 = 1;

/// What a boot reported.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Boot {
    #[serde(flatten)]
    pub row: BootRow,
    pub ticks_save: u64,
    pub code_reason: String,
}

impl Boot {
    /// Ticks that are none of the program's and none of the compiler's: from the kernel's entry to the program's first
    /// instruction, and what is said at the end.
    pub fn ticks_beside(&self) -> u64 {
        self.row.ticks_beside().saturating_sub(self.ticks_save)
    }

    /// Ticks of the program, of the compiler, and of preparing the next boot.
    pub fn ticks_work(&self) -> u64 {
        let BootRow { ticks_program, ticks_compile, ticks_prepare, .. } = self.row;
        ticks_program.saturating_add(ticks_compile).saturating_add(ticks_prepare)
    }
}

/// Something that is not as it was, from this boot on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub boot: u64,
    /// In words, for people.
    pub what: String,
    /// Whether the program may print something else from here on.
    pub output: bool,
}

/// Boots on one store, in order.
#[derive(Serialize, Deserialize)]
pub struct Series {
    /// Hash of all that the boots depend on: another one, and they do not belong together.
    pub identity: String,
    /// The machine, in words.
    pub machine: String,
    pub changes: Vec<Change>,
    pub boots: Vec<Boot>,
    /// What the program printed at the first boot, or the first after a change, and so has to print at each.
    output: Option<String>,
}

/// Boots between which nothing was changed.
pub struct Phase {
    pub name: String,
    /// Indices of boots.
    pub boots: Range<usize>,
    pub total: Course,
    /// Of running, compiling and preparing: the rest waits for a disk, for as long as the host takes.
    pub work: Course,
    pub program: Course,
}

/// How ticks went.
pub struct Course {
    pub first: u64,
    pub best: u64,
    /// The boot that began the first ten in a row that stay within 1 % of the best, if there were such.
    pub settled: Option<u64>,
}

impl Series {
    pub fn new(identity: String, machine: String, changes: Vec<Change>) -> Self {
        Series { identity, machine, changes, boots: Vec::new(), output: None }
    }

    /// What was kept at `path`, if it is what this version keeps.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps it at `path`, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let new = path.with_extension("new");
        let json = serde_json::to_vec(self)?;
        fs::write(&new, json)
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes in what the next boot reported, if that boot is what it has to be.
    pub fn add(&mut self, outcome: &Outcome) -> Result<()> {
        let boot = self.boots.len() as u64 + 1;
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
            bail!(
                "boot {boot} calls itself boot {}: its store is not what the boot before left; without the \
                 folder's boots.json it begins anew\n{}",
                row.boot,
                said()
            );
        }
        if self.changes.iter().any(|change| change.output && change.boot == boot) {
            self.output = None;
        }
        let output = outcome.serial.program_output();
        let first = self.output.get_or_insert_with(|| output.clone());
        if *first != output {
            bail!("boot {boot} printed something else than the boots before: {}", first_difference(first, &output));
        }
        self.boots.push(report);
        Ok(())
    }

    /// The boots in parts, each from a change to the next.
    pub fn phases(&self) -> Vec<Phase> {
        let mut starts = vec![(0, "from the first boot on".to_owned())];
        for change in &self.changes {
            let index = (change.boot - 1) as usize;
            match starts.last_mut() {
                Some((start, name)) if *start == index => *name = format!("{name}, {}", change.what),
                _ => starts.push((index, change.what.clone())),
            }
        }
        let ends: Vec<usize> = starts[1..].iter().map(|(start, _)| *start).chain([usize::MAX]).collect();
        let phase = |((start, name), end): ((usize, String), usize)| {
            let boots = start..end.min(self.boots.len());
            let part = self.boots.get(boots.clone()).filter(|part| !part.is_empty())?;
            let course = |ticks: fn(&Boot) -> u64| Course::of(start, &part.iter().map(ticks).collect::<Vec<_>>());
            let (total, work) = (course(|boot| boot.row.ticks_total), course(Boot::ticks_work));
            Some(Phase { name, boots, total, work, program: course(|boot| boot.row.ticks_program) })
        };
        starts.into_iter().zip(ends).filter_map(phase).collect()
    }

    /// A line per boot.
    pub fn csv(&self) -> Result<String> {
        let mut csv = COLUMNS.join(",") + "\n";
        for boot in &self.boots {
            let boot = serde_json::to_value(boot)?;
            let cells: Vec<String> = COLUMNS.iter().map(|column| cell(&boot[column])).collect();
            csv += &(cells.join(",") + "\n");
        }
        Ok(csv)
    }
}

impl Course {
    /// Of boots after `before` others.
    fn of(before: usize, ticks: &[u64]) -> Self {
        let best = ticks.iter().copied().min().unwrap_or(0);
        let near = |&ticks: &u64| u128::from(ticks) * 100 <= u128::from(best) * (100 + SETTLED_PERCENT);
        let settled = ticks.windows(SETTLED_BOOTS).position(|boots| boots.iter().all(near));
        let settled = settled.map(|index| (before + index) as u64 + 1);
        Course { first: ticks.first().copied().unwrap_or(0), best, settled }
    }

    /// How many times as fast as the first boot the best one was.
    pub fn gain(&self) -> f64 {
        self.first as f64 / self.best.max(1) as f64
    }
}

fn first_difference(first: &str, now: &str) -> String {
    let differs = first.lines().zip(now.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| first.lines().count().min(now.lines().count()));
    let show = |text: &str| text.lines().nth(line).map_or("nothing".to_owned(), |line| format!("{line:?}"));
    format!("line {} was {}, now {}", line + 1, show(first), show(now))
}

/// A value as RFC 4180 writes it, in one line.
fn cell(value: &serde_json::Value) -> String {
    let Some(text) = value.as_str().map(printable) else { return value.to_string() };
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Boots whose totals are these; of each, half is the program's.
    pub fn series(totals: &[u64], changes: Vec<Change>) -> Series {
        let mut series = Series::new(String::new(), "a machine".into(), changes);
        for (boot, &ticks_total) in (1..).zip(totals) {
            let row = BootRow { boot, ticks_total, ticks_program: ticks_total / 2, ..BootRow::default() };
            series.boots.push(Boot { row, ..Boot::default() });
        }
        series
    }

    pub fn change(boot: u64, what: &str) -> Change {
        Change { boot, what: what.into(), output: false }
    }

    #[test]
    fn the_columns_are_the_fields_of_a_report_in_order() {
        let row = serde_json::to_string(&Boot::default()).unwrap();
        let places: Vec<_> = COLUMNS.iter().map(|column| row.find(&format!("\"{column}\":")).unwrap()).collect();
        assert!(places.is_sorted());
        assert_eq!(row.matches("\":").count(), COLUMNS.len());
    }

    #[test]
    fn a_row_becomes_a_line_with_awkward_names_quoted() {
        let line = |row| {
            let mut series = series(&[], Vec::new());
            series.boots.push(Boot { row, ..Boot::default() });
            series.csv().unwrap().lines().nth(1).unwrap().to_owned()
        };
        let row =
            BootRow { boot: 2, program: "a \"b\",c".into(), exit_code: -1, guards_failed: 9, ..BootRow::default() };
        assert_eq!(line(row), "2,0,\"a \"\"b\"\",c\",-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,9,0,0,0,0,");
        let row = BootRow { program: "\u{1b}]0;x\u{7}\n\u{9b}2J".into(), ..BootRow::default() };
        assert!(line(row).starts_with("0,0,\\u{1b}]0;x\\u{7}\\n\\u{9b}2J,0,"));
    }

    #[test]
    fn boots_settle_with_the_first_of_ten_within_a_percent_of_the_best() {
        let settled = |totals: &[u64]| Course::of(0, totals).settled;
        assert_eq!(settled(&[&[900, 300, 101, 100][..], &[101; 9]].concat()), Some(3));
        // 102 is too far from the best, which came last.
        assert_eq!(settled(&[&[900, 102][..], &[101; 9], &[100]].concat()), Some(3));
        // One outlier begins the count again; nine are too few.
        assert_eq!(settled(&[&[900, 100, 300][..], &[100; 10]].concat()), Some(4));
        assert_eq!(settled(&[&[900][..], &[100; 9]].concat()), None);
        assert_eq!(settled(&[]), None);
    }

    #[test]
    fn each_change_begins_a_phase_that_settles_by_itself() {
        let totals = [&[900][..], &[100; 11], &[700], &[200; 10]].concat();
        let phases =
            series(&totals, vec![change(13, "another CPU"), change(13, "other input"), change(90, "never")]).phases();
        let seen: Vec<_> = phases
            .iter()
            .map(|phase| (&*phase.name, phase.boots.clone(), phase.total.best, phase.total.settled))
            .collect();
        let expected =
            [("from the first boot on", 0..12, 100, Some(2)), ("another CPU, other input", 12..23, 200, Some(14))];
        assert_eq!(seen, expected);
        assert_eq!((phases[1].program.first, phases[1].total.gain()), (350, 3.5));
        assert!(series(&[], Vec::new()).phases().is_empty());
    }

    #[test]
    fn what_is_kept_is_read_again_and_what_is_damaged_begins_anew() {
        let folder = bareflow::host::folder::PrivateFolder::new().unwrap();
        let path = folder.path().join("boots.json");
        assert!(Series::load(&path).unwrap().is_none());
        let mut kept = series(&[9, 8], vec![change(2, "another CPU")]);
        kept.output = Some("\u{1b}[2J é\r\n".into());
        kept.save(&path).unwrap();
        let read = Series::load(&path).unwrap().unwrap();
        assert_eq!((read.csv().unwrap(), read.output), (kept.csv().unwrap(), kept.output));
        fs::write(&path, "{\"boots\":[").unwrap();
        assert!(Series::load(&path).unwrap().is_none());
    }

    #[test]
    fn the_first_difference_is_shown_also_where_one_output_ends() {
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), "line 2 was \"b\", now \"c\"");
        assert_eq!(first_difference("a\n", "a\nc\n"), "line 2 was nothing, now \"c\"");
    }
}
