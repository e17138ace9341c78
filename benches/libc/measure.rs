//! Measures the contestants of one case against each other: in rounds, each of which has every contestant's turn, so
//! that what disturbs the machine disturbs all of them.

use crate::clock::{Clock, ticks};
use crate::contestant::Contestant;
use crate::table::Table;

/// How long to measure.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub turn_ns: f64,
}

/// With whom others are compared.
pub const REFERENCE: &str = "glibc";
/// Whose functions the libc's stand in for in programs.
pub const REPLACED: &str = "wasi-libc";
/// By how much sums of rounded results may differ.
const ROUNDING: f32 = 1e-3;
/// Turns whose one pass takes longer walk a part of the table only.
const LONGEST_TURN: f64 = 10.0;
/// Turns taken again and again on a busy machine; then the shortest has to do.
const MOST_TURNS: usize = 10;

/// What was measured of one contestant. Times are medians over the rounds, per call.
#[derive(Clone, serde::Serialize)]
pub struct Measurement {
    pub contestant: &'static str,
    pub ns: f64,
    /// Half of the rounds lie in a range of this share of the median.
    pub spread: f64,
    /// Of the time-stamp counter.
    pub ticks: f64,
    /// Of the core.
    pub cycles: f64,
    /// How many times as fast as the reference: the median over the rounds.
    pub speed: Option<f64>,
    /// How many times as fast as what is replaced.
    pub speed_vs_replaced: Option<f64>,
}

/// Runs the contestants, all of which must return the same.
pub fn measure(
    clock: Clock,
    effort: Effort,
    table: Table,
    contestants: &mut [&mut dyn Contestant],
) -> Vec<Measurement> {
    check_results(table, contestants);
    let turns: Vec<Turn> =
        contestants.iter_mut().map(|contestant| Turn::new(clock, effort, table, &mut **contestant)).collect();
    let count = turns.len();
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); count];
    let mut cycles_per_ns = Vec::new();
    for round in 0..effort.rounds {
        cycles_per_ns.push(clock.cycles_per_ns());
        for place in 0..count {
            let index = (round + place) % count;
            rounds[index].push(turns[index].take(contestants[index]));
        }
    }
    let cycles_per_tick = median(&cycles_per_ns) / clock.ticks_per_ns;
    let [reference, replaced] =
        [REFERENCE, REPLACED].map(|name| contestants.iter().position(|contestant| contestant.name() == name));
    let measurement = |(index, contestant): (usize, &&mut dyn Contestant)| {
        let ticks = median(&rounds[index]);
        let ratios = |other: usize| -> Vec<f64> {
            rounds[other].iter().zip(&rounds[index]).map(|(other, own)| other / own).collect()
        };
        Measurement {
            contestant: contestant.name(),
            ns: ticks / clock.ticks_per_ns,
            spread: (quantile(&rounds[index], 0.75) - quantile(&rounds[index], 0.25)) / ticks,
            ticks,
            cycles: ticks * cycles_per_tick,
            speed: reference.map(|other| median(&ratios(other))),
            speed_vs_replaced: replaced.map(|other| median(&ratios(other))),
        }
    };
    contestants.iter().enumerate().map(measurement).collect()
}

fn check_results(table: Table, contestants: &mut [&mut dyn Contestant]) {
    let mut first = None;
    for contestant in contestants {
        let sum = contestant.run(table, 1);
        let result = sum.wrapping_sub(table.rows.wrapping_mul(contestant.address_bias()));
        let first = *first.get_or_insert(result);
        let agrees = if table.is_rounded { is_near(result, first) } else { result == first };
        assert!(agrees, "{} returns {result:#x}, the first contestant {first:#x}", contestant.name());
    }
}

/// Whether two sums with these bits differ by rounding only.
fn is_near(sum: u32, other: u32) -> bool {
    let [sum, other] = [sum, other].map(f32::from_bits);
    (sum - other).abs() <= ROUNDING * sum.abs().max(other.abs()).max(1.0)
}

/// How much a contestant does when it is its turn.
struct Turn {
    table: Table,
    passes: u32,
}

impl Turn {
    /// Long enough to be timed well.
    fn new(clock: Clock, effort: Effort, table: Table, contestant: &mut dyn Contestant) -> Self {
        let mut turn = Turn { table, passes: 1 };
        let wanted = effort.turn_ns * clock.ticks_per_ns;
        loop {
            let taken = turn.take(contestant) * turn.calls();
            if taken >= wanted {
                break;
            }
            let factor = (wanted / taken.max(1.0)).clamp(1.1, 100.0);
            turn.passes = (f64::from(turn.passes) * factor).ceil() as u32;
        }
        let longest = wanted * LONGEST_TURN;
        let taken = turn.take(contestant) * turn.calls();
        if turn.passes == 1 && taken > longest && table.may_be_cut {
            turn.table = table.part(0, ((f64::from(table.rows) * longest / taken) as u32).max(1));
        }
        turn
    }

    fn calls(&self) -> f64 {
        f64::from(self.table.rows) * f64::from(self.passes)
    }

    /// Ticks per call. A turn in which another process had the CPU does not count, and is taken again.
    fn take(&self, contestant: &mut dyn Contestant) -> f64 {
        let mut shortest = u64::MAX;
        for _ in 0..MOST_TURNS {
            let (before, started) = (preemptions(), ticks());
            contestant.run(self.table, self.passes);
            shortest = shortest.min(ticks() - started);
            if preemptions() == before {
                break;
            }
        }
        shortest as f64 / self.calls()
    }
}

/// How often the kernel has taken the CPU from this thread.
fn preemptions() -> libc::c_long {
    // SAFETY: integers may be zero.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes one structure of that type.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
    usage.ru_nivcsw
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}
