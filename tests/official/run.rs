//! Runs a script on the host, at one tier.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{EngineError, Options, Platform};
use bareflow::host;
use bareflow::profile::Profile;
use bareflow::script::{Line, Script, World};

use crate::convert::Converted;

/// What is left out: file, line, reason.
const SKIPS: &str = include_str!("skips.txt");

/// Failures shown of one file: the first ones tell.
const FAILURES_SHOWN: usize = 4;

/// How a file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Baseline,
    Optimised,
    /// With a profile of a first run in the baseline, in which every site was seen a thousand times as often.
    Specialised,
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Optimised, Self::Specialised];

    fn options(self) -> Options {
        let (lowest, highest) = match self {
            Self::Baseline => (Tier::Baseline, Tier::Baseline),
            Self::Optimised => (Tier::Optimised, Tier::Optimised),
            Self::Specialised => (Tier::Optimised, Tier::Specialised),
        };
        let thresholds = Thresholds { optimise: 1, specialise: 1, settle: 1 };
        Options { promotion: Promotion::Boots, thresholds, lowest, highest, ..Options::default() }
    }
}

#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failures: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
    }
}

/// Runs every directive of a file.
pub fn run_file(file: &Converted, pass: Pass) -> Tally {
    let earlier = match pass {
        Pass::Specialised => run_once(&file.script, Pass::Baseline, &Profile::default()).1,
        _ => Profile::default(),
    };
    let mut tally = run_once(&file.script, pass, &earlier).0;
    tally.passed += file.refused_texts;
    tally
}

fn run_once(script: &Script<'static>, pass: Pass, earlier: &Profile) -> (Tally, Profile) {
    let (mut tally, mut learned) = (Tally::default(), Profile::default());
    let mut platforms = || -> Result<Platform, EngineError> {
        host::platform(CpuFeatures::detect()).map_err(|_| EngineError::OutOfMemory { what: "a platform", bytes: 0 })
    };
    for part in &script.parts {
        let mut world = World::new(part.offered, &mut platforms, pass.options(), earlier);
        for line in &part.lines {
            match run_line(&mut world, script, line) {
                Ok(passed) => tally.passed += passed,
                Err(problem) => tally.failures.push(format!("{}:{}: {problem}", script.file, line.number)),
            }
        }
        learned.merge(&world.learned());
    }
    tally.failures.truncate(FAILURES_SHOWN);
    (tally, a_thousandfold(learned))
}

/// How many directives passed: 1, or 0 for one that is to be skipped.
fn run_line(world: &mut World<'_>, script: &Script<'static>, line: &Line<'static>) -> Result<usize, String> {
    let result = catch_unwind(AssertUnwindSafe(|| world.run(&line.directive)));
    match (result, skipped(script.file, line.number)) {
        (Ok(Ok(())), false) => Ok(1),
        (Ok(Ok(())), true) => Err("the skip is not needed".into()),
        (Ok(Err(_)), true) => Ok(0),
        (Ok(Err(failure)), false) => Err(failure.to_string()),
        (Err(_), _) => Err("panicked".into()),
    }
}

/// Whether the list of skips has this line.
pub fn skipped(file: &str, line: u32) -> bool {
    let place = format!("{file}:{line} ");
    SKIPS.lines().any(|skip| skip.starts_with(&place))
}

/// As if every value had been seen a thousand times as often.
fn a_thousandfold(mut profile: Profile) -> Profile {
    for site in profile.functions.iter_mut().flat_map(|function| &mut function.sites) {
        site.values.total = site.values.total.saturating_mul(1000);
        site.values.slots.iter_mut().for_each(|slot| slot.count = slot.count.saturating_mul(1000));
    }
    profile
}
