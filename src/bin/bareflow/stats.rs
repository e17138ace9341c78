//! `bareflow run --stats`: what translating the program cost, in real time and memory.
//!
//! Key types: [`Stopwatch`], which turns the engine's ticks into time, and [`Stats`]. Neighbours: `run` fills them in.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use bareflow::engine::Statistics;
use bareflow::libc::Interposed;
use serde::Serialize;

/// A moment, on the clock of people and on that of the engine. Two of them say how long a tick takes.
#[derive(Clone, Copy)]
pub struct Moment {
    pub at: Instant,
    pub ticks: u64,
}

impl Moment {
    pub fn now(ticks: u64) -> Self {
        Self { at: Instant::now(), ticks }
    }

    /// How long `ticks` take, by the pace from this moment to a `later` one.
    fn duration(&self, later: &Self, ticks: u64) -> Duration {
        let passed = later.ticks.saturating_sub(self.ticks).max(1);
        (later.at - self.at).mul_f64(ticks as f64 / passed as f64)
    }
}

/// What a run cost beside running.
#[derive(Serialize)]
pub struct Stats {
    functions_total: u64,
    functions_called: u64,
    /// Functions by the tier of their newest code.
    functions_baseline: u64,
    functions_optimised: u64,
    functions_specialised: u64,
    #[serde(flatten)]
    interposed: Interposed,
    /// Translations: a function that is promoted is translated once more.
    translations: u64,
    translation_ms: f64,
    /// Bytes of WebAssembly in the bodies translated, and of the machine code made of them.
    wasm_bytes: u64,
    machine_code_bytes: u64,
    /// The same for each 1000 bytes of WebAssembly.
    translation_us_per_kb: f64,
    machine_code_bytes_per_kb: f64,
    /// From the start of the command to the first instruction of the program; none if it did not come to that.
    first_instruction_ms: Option<f64>,
    /// Most memory that the process ever had, program included; none if the system does not say.
    peak_memory_bytes: Option<u64>,
}

impl Stats {
    /// The command was entered at `entered`; the session took from `started` to `ended`.
    pub fn new(sums: &Statistics, entered: Instant, started: &Moment, ended: &Moment) -> Self {
        let translation = started.duration(ended, sums.ticks_compile);
        let first_instruction = sums
            .first_instruction
            .map(|ticks| (started.at - entered) + started.duration(ended, ticks.saturating_sub(started.ticks)));
        let kilobytes = (sums.translated_bytes as f64 / 1e3).max(f64::MIN_POSITIVE);
        Self {
            functions_total: sums.functions_total,
            functions_called: sums.functions_called,
            functions_baseline: sums.functions_baseline,
            functions_optimised: sums.functions_optimised,
            functions_specialised: sums.functions_specialised,
            interposed: sums.interposed,
            translations: sums.functions_compiled,
            translation_ms: milliseconds(translation),
            wasm_bytes: sums.translated_bytes,
            machine_code_bytes: sums.translated_code_bytes,
            translation_us_per_kb: translation.as_secs_f64() * 1e6 / kilobytes,
            machine_code_bytes_per_kb: sums.translated_code_bytes as f64 / kilobytes,
            first_instruction_ms: first_instruction.map(milliseconds),
            peak_memory_bytes: peak_memory_bytes(),
        }
    }

    /// As one line of JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { functions_total, functions_called, translations, wasm_bytes, machine_code_bytes, .. } = self;
        let Self { functions_baseline, functions_optimised, functions_specialised, .. } = self;
        writeln!(
            f,
            "functions: {functions_total}, {functions_called} called; {functions_baseline} baseline, \
             {functions_optimised} optimised, {functions_specialised} specialised, after {translations} translations"
        )?;
        let Interposed { imported, proved, named } = self.interposed;
        writeln!(f, "libc functions: {imported} imported, {proved} proved by their bodies, {named} taken by name")?;
        writeln!(
            f,
            "translation: {:.1} ms, {wasm_bytes} bytes of WebAssembly to {machine_code_bytes} of machine code; \
             per kB {:.0} us and {:.0} bytes",
            self.translation_ms, self.translation_us_per_kb, self.machine_code_bytes_per_kb
        )?;
        match self.first_instruction_ms {
            Some(first) => write!(f, "first instruction after {first:.1} ms; ")?,
            None => f.write_str("no instruction was run; ")?,
        }
        match self.peak_memory_bytes {
            Some(peak) => write!(f, "peak memory {:.1} MiB", peak as f64 / f64::from(1 << 20)),
            None => f.write_str("peak memory not known: there is no /proc/self/status"),
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The peak of the resident set, as Linux keeps it (proc(5), `VmHWM`).
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Some(kib? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(ticks: u64, milliseconds: u64) -> (Instant, Moment, Moment) {
        let entered = Instant::now();
        let started = Moment { at: entered + Duration::from_millis(10), ticks: 1_000 };
        let ended = Moment { at: started.at + Duration::from_millis(milliseconds), ticks: 1_000 + ticks };
        (entered, started, ended)
    }

    #[test]
    fn ticks_become_time_by_the_pace_of_the_run() {
        let (entered, started, ended) = moments(200_000, 100);
        let sums = Statistics {
            ticks_compile: 50_000,
            translated_bytes: 5_000,
            translated_code_bytes: 20_000,
            first_instruction: Some(1_000 + 4_000),
            ..Statistics::default()
        };
        let stats = Stats::new(&sums, entered, &started, &ended);
        assert_eq!(format!("{:.3}", stats.translation_ms), "25.000");
        assert_eq!(format!("{:.3}", stats.translation_us_per_kb), "5000.000");
        assert_eq!(format!("{:.3}", stats.machine_code_bytes_per_kb), "4000.000");
        assert_eq!(stats.first_instruction_ms.map(|ms| format!("{ms:.3}")).as_deref(), Some("12.000"));
    }

    #[test]
    fn a_program_that_did_not_start_has_figures_too() {
        let (entered, started, ended) = moments(0, 0);
        let stats = Stats::new(&Statistics::default(), entered, &started, &ended);
        assert_eq!((stats.translation_us_per_kb, stats.first_instruction_ms), (0.0, None));
        assert!(stats.to_string().contains("no instruction was run"));
    }
}
