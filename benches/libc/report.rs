//! The results as a table, as CSV and as JSON.

use crate::clock::Clock;
use crate::measure::{Effort, Measurement, REFERENCE, REPLACED};
use crate::table::{DRAWN_ROWS, ROW_BYTES};
use bareflow::engine::cpu::CpuFeatures;
use std::fmt::Write;

/// Contestants in the order of the columns.
pub const CONTESTANTS: [&str; 7] = ["specialised", "generic", REPLACED, REFERENCE, "llvm-libc", "musl", "mimalloc"];

/// What is slower than what it replaces by less than this is not said to be: runs differ by as much.
const NOTABLY_SLOWER: f64 = 0.97;

/// What was measured of one case.
#[derive(serde::Serialize)]
pub struct Line {
    pub family: String,
    pub name: String,
    /// What the core needs at least, all in its first-level cache.
    pub limit_ns: Option<f64>,
    pub measurements: Vec<Measurement>,
}

impl Line {
    pub fn of(&self, contestant: &str) -> Option<&Measurement> {
        self.measurements.iter().find(|measurement| measurement.contestant == contestant)
    }
}

/// Everything that was measured.
#[derive(serde::Serialize)]
pub struct Results {
    pub cpu: String,
    pub ticks_per_ns: f64,
    pub rounds: usize,
    pub turn_ns: f64,
    /// Libraries that were not there.
    pub missing: Vec<&'static str>,
    pub lines: Vec<Line>,
}

/// Geometric means over the cases of one family.
pub struct Summary {
    pub contestant: &'static str,
    pub ns: f64,
    /// How many times as fast as the reference.
    pub speed: f64,
}

impl Results {
    pub fn new(clock: Clock, effort: Effort, hidden: CpuFeatures, missing: &[&'static str]) -> Self {
        let brand = raw_cpuid::CpuId::new().get_processor_brand_string();
        let mut cpu = brand.map_or("unknown CPU".into(), |brand| brand.as_str().trim().to_owned());
        hidden.iter_names().for_each(|(name, _)| cpu += &format!(" without {name}"));
        Results {
            cpu,
            ticks_per_ns: clock.ticks_per_ns,
            rounds: effort.rounds,
            turn_ns: effort.turn_ns,
            missing: missing.to_vec(),
            lines: Vec::new(),
        }
    }

    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// One row per case and contestant.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "family,case,contestant,ns,spread,tsc_ticks,core_cycles,speed_vs_glibc,speed_vs_replaced,limit_ns\n",
        );
        for line in &self.lines {
            let limit = line.limit_ns.map_or(String::new(), |ns| format!("{ns:.3}"));
            for Measurement { contestant, ns, spread, ticks, cycles, speed, speed_vs_replaced } in &line.measurements {
                let [speed, replaced] =
                    [speed, speed_vs_replaced].map(|speed| speed.map_or(String::new(), |speed| format!("{speed:.3}")));
                let (family, name) = (&line.family, &line.name);
                let _ = writeln!(
                    csv,
                    "\"{family}\",\"{name}\",{contestant},{ns:.3},{spread:.4},{ticks:.2},{cycles:.2},{speed},{replaced},{limit}"
                );
            }
        }
        csv
    }

    /// A table per family, and the geometric means of all.
    pub fn to_table(&self) -> String {
        let mut table = self.heading();
        for family in self.families() {
            let _ = writeln!(table, "\n{family}");
            let lines: Vec<&Line> = self.of_family(family).collect();
            let contestants = contestants_of(&lines);
            table += &columns("case", "limit", &contestants);
            for line in &lines {
                table += &row(line, &contestants);
            }
            if lines.len() > 1 {
                table += &means(&self.summary(family));
            }
        }
        table + &self.overview() + &self.slower()
    }

    /// Where replacing the program's own functions makes it slower; nothing where that is nowhere.
    fn slower(&self) -> String {
        let slower = self.lines.iter().filter_map(|line| {
            let speed = line.of("specialised")?.speed_vs_replaced.filter(|speed| *speed < NOTABLY_SLOWER)?;
            Some(format!("{:<50}{speed:>6.2}x\n", format!("{} {}", line.family, line.name)))
        });
        let slower: String = slower.collect();
        if slower.is_empty() {
            return slower;
        }
        format!("\nSlower than what it replaces: how many times as fast as the same function of {REPLACED}\n{slower}")
    }

    fn heading(&self) -> String {
        let mut text = format!(
            "{}, time-stamp counter at {:.3} GHz. Medians of {} rounds of {} ms or more per contestant.\n\
             Each cell: ns per call, the range of half of the rounds in percent of that, core cycles (from a chain of\n\
             additions timed in each round), and how many times as fast as {REFERENCE}. limit: ns if every cycle stores 32\n\
             bytes, or loads 64. One size: a table of up to 256 calls, in the first-level cache up to 4096 bytes.\n\
             Distributions: {} calls (a table of {} KiB, streamed) of random sizes at random places in windows of 12 KiB.\n\
             Mathematics: {} calls with numbers picked at random from a few hundred.\n\
             {REPLACED} is compiled as specialised is, but stays the program's own. llvm-libc and musl are as Debian builds\n\
             them, without AVX.\n",
            self.cpu,
            self.ticks_per_ns,
            self.rounds,
            self.turn_ns / 1e6,
            DRAWN_ROWS,
            (DRAWN_ROWS * ROW_BYTES) >> 10,
            DRAWN_ROWS,
        );
        for name in &self.missing {
            let _ = writeln!(text, "Without {name}: `./just bench libc` makes it where it can.");
        }
        text
    }

    /// Families in the order of the cases.
    pub fn families(&self) -> Vec<&str> {
        let mut families: Vec<&str> = self.lines.iter().map(|line| line.family.as_str()).collect();
        families.dedup();
        families
    }

    pub fn of_family(&self, family: &str) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.family == family)
    }

    /// One per contestant of the family.
    pub fn summary(&self, family: &str) -> Vec<Summary> {
        let lines: Vec<&Line> = self.of_family(family).collect();
        let summary = |contestant| {
            let own: Vec<&Measurement> = lines.iter().filter_map(|line| line.of(contestant)).collect();
            let ns = geometric_mean(own.iter().map(|measurement| measurement.ns));
            let speed = geometric_mean(own.iter().filter_map(|measurement| measurement.speed));
            Summary { contestant, ns, speed }
        };
        contestants_of(&lines).into_iter().map(summary).collect()
    }

    fn overview(&self) -> String {
        let mut text = format!("\nGeometric means: how many times as fast as {REFERENCE}\n");
        let _ = write!(text, "{:<26}", "family");
        CONTESTANTS.iter().for_each(|name| text += &format!("{name:>13}"));
        text.push('\n');
        for family in self.families() {
            let summary = self.summary(family);
            let _ = write!(text, "{family:<26}");
            for name in CONTESTANTS {
                let own = summary.iter().find(|summary| summary.contestant == name);
                text += &own.map_or(format!("{:>13}", "-"), |own| format!("{:>13.2}", own.speed));
            }
            text.push('\n');
        }
        text
    }
}

/// For the progress: what a case took whom.
pub fn in_short(line: &Line) -> String {
    let cells = line.measurements.iter().map(|measurement| format!("{} {:.1}", measurement.contestant, measurement.ns));
    cells.collect::<Vec<_>>().join("  ") + " ns"
}

fn contestants_of(lines: &[&Line]) -> Vec<&'static str> {
    CONTESTANTS.into_iter().filter(|name| lines.iter().any(|line| line.of(name).is_some())).collect()
}

fn columns(case: &str, limit: &str, contestants: &[&str]) -> String {
    let mut text = format!("{case:<18}{limit:>9}");
    contestants.iter().for_each(|name| text += &format!("{name:>32}"));
    text + "\n"
}

fn row(line: &Line, contestants: &[&str]) -> String {
    let limit = line.limit_ns.map_or("-".into(), |ns| format!("{ns:.1}"));
    let mut text = format!("{:<18}{limit:>9}", line.name);
    for name in contestants {
        text += &line.of(name).map_or(format!("{:>32}", "-"), |own| {
            let (percent, speed) = (100.0 * own.spread, own.speed.unwrap_or(1.0));
            format!("{:>10.1} {percent:>3.0}%{:>10.1}{speed:>6.2}x", own.ns, own.cycles)
        });
    }
    text + "\n"
}

fn means(summary: &[Summary]) -> String {
    let mut text = format!("{:<27}", "geometric mean");
    summary.iter().for_each(|own| text += &format!("{:>10.1}{:>15}{:>6.2}x", own.ns, "", own.speed));
    text + "\n"
}

fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + f64::ln(value), count + 1));
    (sum / f64::from(count.max(1))).exp()
}
