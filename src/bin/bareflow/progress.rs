//! What `bareflow run` does about the engine's progress: a line on a terminal, names for `perf`.

use bareflow::engine::seams::{Progress, Ticks, Work};
use bareflow::host::output::Output;
use bareflow::host::perf_map::PerfMap;
use bareflow::session::pace::{Pace, words};
use std::io::{self, IsTerminal};
use std::ops::Range;
use std::rc::Rc;
use std::time::Instant;

pub struct Told {
    /// Where a line can be shown.
    terminal: Option<Output>,
    pace: Pace,
    names: Option<PerfMap>,
    ticks: Rc<dyn Ticks>,
    /// When this was made, by both clocks.
    made: (Instant, u64),
}

impl Told {
    pub fn new(output: &Output, ticks: &Rc<dyn Ticks>, names: Option<PerfMap>) -> Self {
        let terminal = io::stderr().is_terminal().then(|| output.clone());
        Self { terminal, pace: Pace::LINE, names, ticks: Rc::clone(ticks), made: (Instant::now(), ticks.now()) }
    }
}

impl Progress for Told {
    fn advanced(&mut self, work: Work, done: u64, all: u64, ticks: u64) {
        let Some(terminal) = &self.terminal else { return };
        let half_second = || {
            let (ticks, ns) = (self.ticks.now().saturating_sub(self.made.1), self.made.0.elapsed().as_nanos());
            (u128::from(ticks) * 500_000_000 / ns.max(1)) as u64
        };
        if self.pace.is_due(work, ticks, terminal.writes(), half_second) {
            terminal.show(&words(work, done, all));
        }
    }

    fn placed(&mut self, range: Range<u64>, name: &dyn Fn() -> String) {
        if let Some(names) = &mut self.names {
            names.add(range, &name());
        }
    }
}
