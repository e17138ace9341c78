//! Runs test scripts, which the loader's first module holds, in place: the engine on the kernel face, at the optimised
//! tier.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Verdict, say};
use crate::engine::decide::tier::{Promotion, Tier};
use crate::engine::{EngineError, Options, StackSize};
use crate::kernel::{System, program};
use crate::memory::RegionSource;
use crate::profile::Profile;
use crate::script::{self, Script, World};

/// Failures shown: the first ones tell.
const FAILURES_SHOWN: usize = 20;

/// Runs every directive of the scripts.
pub fn script(system: &mut System) -> Result<Verdict, Verdict> {
    let module =
        system.boot.modules().next().ok_or("there are no scripts: give GRUB the file with them as the first module")?;
    let scripts = script::decode(module.bytes).map_err(|error| error.to_string())?;
    let (mut passed, mut failures) = (0, Vec::new());
    for script in &scripts {
        let before = passed + failures.len();
        run(script, &mut system.regions, &mut passed, &mut failures);
        say(format_args!("{}: {} directives", script.file, passed + failures.len() - before));
    }
    if failures.is_empty() {
        return Ok(format!("{passed} directives of {} files passed", scripts.len()));
    }
    failures.iter().take(FAILURES_SHOWN).for_each(|failure| say(format_args!("{failure}")));
    Err(format!("{} of {} directives do not hold", failures.len(), failures.len() + passed))
}

fn run(script: &Script<'static>, regions: &mut RegionSource, passed: &mut usize, failures: &mut Vec<String>) {
    let options = Options {
        promotion: Promotion::Boots,
        lowest: Tier::Optimised,
        highest: Tier::Optimised,
        ..Options::default()
    };
    let earlier = Profile::default();
    let mut platforms = || {
        program::platform(regions, StackSize::default())
            .map_err(|_| EngineError::OutOfMemory { what: "one more engine", bytes: 0 })
    };
    for part in &script.parts {
        let mut world = World::new(part.offered, &mut platforms, options, &earlier);
        for line in &part.lines {
            match world.run(&line.directive) {
                Ok(()) => *passed += 1,
                Err(failure) => failures.push(format!("{}:{}: {failure}", script.file, line.number)),
            }
        }
    }
}
