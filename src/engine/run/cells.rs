//! What code counts where: the cells of state memory, in words.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use crate::engine::Engine;
use crate::engine::layout::{cell, function};
use crate::engine::observe::site::{Cell, SiteState};
use crate::profile::SiteKind;

/// Some cells.
pub(super) struct Cells {
    /// What is in them, by offset.
    pub what: BTreeMap<usize, String>,
    /// The values that have a path among them: what a comparison with one of them tests for.
    pub guards: BTreeMap<u64, String>,
}

impl Cells {
    /// Those at `offsets`, as far as they are counters.
    pub fn of(engine: &Engine, offsets: impl Iterator<Item = usize>) -> Self {
        let asked: BTreeSet<usize> = offsets.collect();
        let mut cells = Self { what: BTreeMap::new(), guards: BTreeMap::new() };
        let mut describe = |offset: usize, what: &dyn Fn() -> String| {
            if asked.contains(&offset) {
                cells.what.insert(offset, what());
            }
        };
        describe(cell::STOPPED, &|| "whether the program ends".into());
        for id in engine.ids() {
            let state = &engine.functions[id.0 as usize];
            let name = || engine.program.name(id);
            describe(state.counters + function::CALLS, &|| format!("calls of {}", name()));
            describe(state.counters + function::THRESHOLD, &|| format!("when {} is promoted", name()));
            let Some(observed) = state.observed else { continue };
            for block in 0..observed.block_count {
                describe(observed.blocks + 8 * block, &|| format!("runs of block {block}"));
            }
            if observed.block_count > 0 {
                describe(observed.rounds_threshold(), &|| "rounds at which a loop is hot".into());
            }
        }
        for site in &engine.sites {
            for (offset, cell) in site.cells().filter(|(offset, _)| asked.contains(offset)) {
                let what = match cell {
                    Cell::Seen => format!("{}: what was seen", values(engine, site)),
                    Cell::UntilSample => format!("{}: until the next sample", values(engine, site)),
                    Cell::Passed(value) => {
                        let call = call_with(engine, site, value);
                        cells.guards.insert(value, call.clone());
                        format!("{call}: passed")
                    }
                };
                cells.what.insert(offset, what);
            }
        }
        cells
    }
}

/// What a site sees values of.
fn values(engine: &Engine, site: &SiteState) -> String {
    match (site.kind(), site.callee) {
        (SiteKind::Size, Some(callee)) => engine.program.name(callee),
        (SiteKind::Size, None) => "bytes".into(),
        (SiteKind::Target, _) => "call through a pointer".into(),
    }
}

/// A call at a site with this value.
fn call_with(engine: &Engine, site: &SiteState, value: u64) -> String {
    match engine.target_name(value).filter(|_| site.kind() == SiteKind::Target) {
        Some(name) => format!("call of {name}"),
        None => format!("{} of {value} bytes", values(engine, site)),
    }
}
