//! Runs a script on the host, at one tier.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Engine, EngineError, Options, Platform, Prepared};
use bareflow::host;
use bareflow::profile::Profile;
use bareflow::script::{Action, Directive, Line, Part, Script, World};

use crate::boots;
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
        let thresholds = Some(Thresholds { optimise: 1, specialise: 1, settle: 1 });
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
    let (mut tally, mut learned, mut platforms) = (Tally::default(), Profile::default(), platform);
    for part in &script.parts {
        let _guard = boots::beside_others();
        let mut world = World::new(part.offered, &mut platforms, pass.options(), earlier);
        run_part(&mut world, script, part, &mut tally);
        learned.merge(&world.engine().map(Engine::learned).unwrap_or_default());
    }
    (tally, a_thousandfold(learned))
}

/// Runs those parts of a file that have one module twice, the second time with the code of the first.
pub fn run_file_with_code(file: &Converted, pass: Pass) -> Tally {
    let script = &file.script;
    let (mut tally, mut platforms) = (Tally::default(), platform);
    for part in script.parts.iter().filter(|part| has_one_module(part)) {
        let _guard = boots::alone();
        let (nothing, mut first) = (Profile::default(), Tally::default());
        let mut world = World::new(None, &mut platforms, pass.options(), &nothing);
        run_part(&mut world, script, part, &mut first);
        let Some(engine) = world.engine() else { continue };
        // What is refused may have been linked in part.
        let compiled = engine.statistics().functions_compiled;
        let mut learned = a_thousandfold(engine.learned());
        let prepared = engine.prepare(&mut learned, u64::MAX, u64::MAX);
        let image = match &prepared {
            Prepared::New { image, left_out: 0 } => Some(image.as_slice()),
            _ => None,
        };
        if image.is_none() && compiled > 0 {
            tally.failures.push(format!("{}:{}: {prepared:?}", script.file, part.lines[0].number));
        }
        drop(world);
        let mut world = World::new(None, &mut platforms, pass.options(), &learned).with_code(image);
        run_part(&mut world, script, part, &mut tally);
        let Some(engine) = world.engine() else { continue };
        let sums = engine.statistics();
        let is_as_expected = match image {
            Some(_) => sums.code_loaded > 0 && sums.code_rejected + sums.functions_compiled == 0,
            None => sums.code_loaded == 0,
        };
        if !is_as_expected {
            let reason = engine.code_reason().unwrap_or_default();
            tally.failures.push(format!("{}:{}: {reason} {sums:?}", script.file, part.lines[0].number));
        }
    }
    tally.failures.truncate(FAILURES_SHOWN);
    tally
}

/// Code is kept for the program and the libc alone.
fn has_one_module(part: &Part<'static>) -> bool {
    let links = |line: &&Line<'static>| match &line.directive {
        Directive::Instantiate { .. } | Directive::Unlinkable { .. } => true,
        Directive::Succeeds(action)
        | Directive::Throws(action)
        | Directive::Returns { action, .. }
        | Directive::Traps { action, .. } => {
            matches!(action, Action::Instantiate { .. })
        }
        _ => false,
    };
    part.offered.is_none() && part.lines.iter().filter(links).count() == 1
}

fn platform() -> Result<Platform, EngineError> {
    host::platform(CpuFeatures::detect()).map_err(|_| EngineError::OutOfMemory { what: "a platform", bytes: 0 })
}

fn run_part(world: &mut World<'_>, script: &Script<'static>, part: &Part<'static>, tally: &mut Tally) {
    for line in &part.lines {
        match run_line(world, script, line) {
            Ok(passed) => tally.passed += passed,
            Err(problem) => tally.failures.push(format!("{}:{}: {problem}", script.file, line.number)),
        }
    }
    tally.failures.truncate(FAILURES_SHOWN);
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
