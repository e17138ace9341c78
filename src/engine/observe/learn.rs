//! What a boot learns: counters placed, records made of them, statistics summed.

use alloc::vec::Vec;
use core::mem::size_of;

use xxhash_rust::xxh3::xxh3_64;

use super::site::{Edition, SiteState};
use crate::engine::decide::tier::{self, Tier};
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC};
use crate::engine::layout::{function, site};
use crate::engine::room::{self, NoRoom};
use crate::engine::translate::{Shape, scan};
use crate::engine::{Engine, EngineError, Observed, Statistics};
use crate::profile::{Decay, FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteRecord, ValueCount, ValueHistogram};

/// Boots after which an observation counts half: long enough to keep what a program does rarely, short enough that a
/// program that changed is forgotten within a few dozen boots.
const HALF_LIFE_BOOTS: u32 = 8;

/// What there may be no memory for.
const COUNTED: &str = "what is counted in a function";

impl Engine {
    /// Finds what is to be counted in `id` and makes room for it, once.
    pub(in crate::engine) fn observe(&mut self, id: FuncId) -> Result<(), EngineError> {
        if self.functions[id.0 as usize].observed.is_some() {
            return Ok(());
        }
        let shape = scan(&self.program, id)?;
        self.check_room_to_count(&shape)?;
        let kinds = room::collect(shape.sites.iter().map(|site| site.kind), COUNTED)?;
        let observed = self.place_counters(&shape)?;
        let state = &mut self.functions[id.0 as usize];
        state.observed = Some(observed);
        state.libc_callees = Some(shape.libc_callees);
        if let Some(record) = state.earlier.and_then(|index| self.earlier.functions.get_mut(index)) {
            record.fit(shape.blocks, &kinds);
        }
        Ok(())
    }

    fn place_counters(&mut self, shape: &Shape) -> Result<Observed, EngineError> {
        let state_before = self.allocator.end();
        room::reserve(&mut self.sites, shape.sites.len(), COUNTED)?;
        let observed = Observed {
            blocks: self.allocator.allocate(Observed::words(shape.blocks) * size_of::<u64>()),
            block_count: shape.blocks,
            first_site: self.sites.len(),
            site_count: shape.sites.len(),
        };
        for found in &shape.sites {
            self.sites.push(SiteState::new(found.kind, found.callee, self.allocator.allocate(site::BYTES)));
        }
        if let Err(error) = self.allocator.ensure(&mut *self.platform.state) {
            // Smaller functions may still fit.
            self.allocator.take_back(state_before);
            self.sites.truncate(observed.first_site);
            return Err(error);
        }
        for site in &self.sites[observed.first_site..] {
            site.begin(&mut *self.platform.state);
        }
        Ok(observed)
    }

    /// Fails where counting what `shape` says would take more memory than there is, values of its sites included.
    fn check_room_to_count(&self, shape: &Shape) -> Result<(), NoRoom> {
        const BYTES_OF_SITE: usize = size_of::<SiteState>()
            + size_of::<Edition>()
            + ValueHistogram::SLOTS * size_of::<ValueCount>()
            + site::BYTES;
        let bytes = (shape.sites.len() * BYTES_OF_SITE + shape.blocks * size_of::<u64>()) as u64;
        if bytes <= self.bytes_to_compile_in() { Ok(()) } else { Err(NoRoom { what: COUNTED, bytes }) }
    }

    /// What earlier boots saw of `id`, unless it was taken to learn from.
    pub(in crate::engine) fn known(&self, id: FuncId) -> Option<&FunctionRecord> {
        self.earlier.functions.get(self.functions[id.0 as usize].earlier?)
    }

    /// Which blocks ran neither in earlier boots nor in this one; empty if they were counted in none.
    pub(in crate::engine) fn never_ran(&self, id: FuncId) -> Result<Vec<bool>, NoRoom> {
        let state = &self.functions[id.0 as usize];
        let earlier = self.known(id).map_or(&[][..], |record| &record.blocks);
        let Some(observed) = state.observed.filter(|_| state.was_in_baseline || !earlier.is_empty()) else {
            return Ok(Vec::new());
        };
        let earlier = earlier.iter().chain(core::iter::repeat(&0));
        let counts = (0..observed.block_count).map(|index| self.platform.state.read(observed.blocks + 8 * index));
        room::collect(counts.zip(earlier).map(|(count, earlier)| count == 0 && *earlier == 0), COUNTED)
    }

    fn words(&self, offset: usize, count: usize) -> Result<Vec<u64>, NoRoom> {
        room::collect((0..count).map(|index| self.platform.state.read(offset + 8 * index)), COUNTED)
    }

    /// Calls of `id` in this boot, those included that did without its code.
    pub(in crate::engine) fn calls_of(&self, id: FuncId) -> u64 {
        self.counted_calls(id).saturating_add(self.functions[id.0 as usize].calls_elsewhere)
    }

    pub(in crate::engine) fn counted_calls(&self, id: FuncId) -> u64 {
        self.platform.state.read(self.functions[id.0 as usize].counters + function::CALLS)
    }

    pub(in crate::engine) fn set_threshold(&mut self, id: FuncId) {
        let state = &self.functions[id.0 as usize];
        let tier = state.tier.unwrap_or(Tier::Baseline);
        let calls = self.counted_calls(id);
        let in_flight = self.in_flight(id);
        let known = self.known(id).filter(|_| !state.was_promoted);
        let unusual = known.map(|record| tier::unusual(record, self.earlier.boots_observed));
        let (unusual_calls, unusual_rounds) = unusual.unwrap_or_default();
        let next = tier::next_threshold(calls, tier, &in_flight.calls).max(unusual_calls);
        let look = state.large_frame_bytes.map(|bytes| calls + tier::calls_between_looks(bytes));
        let next = look.map_or(next, |look| look.min(next));
        self.platform.state.write(state.counters + function::THRESHOLD, next);
        if let Some(observed) = state.observed.filter(|observed| observed.block_count > 0) {
            let rounds = in_flight.rounds.max(unusual_rounds);
            self.platform.state.write(observed.rounds_threshold(), rounds);
        }
    }

    /// What the sites of `id` saw in this boot.
    pub(in crate::engine) fn site_records(&mut self, id: FuncId) -> Result<Vec<SiteRecord>, NoRoom> {
        self.collect_sites(id);
        let Some(observed) = self.functions[id.0 as usize].observed else { return Ok(Vec::new()) };
        let sites = self.sites[observed.sites()].iter();
        let callee = |site: &SiteState| site.callee.and_then(|callee| self.program.info(callee).key);
        room::collect(sites.map(|site| site.record(callee(site), &*self.platform.state)), COUNTED)
    }

    /// Moves the cells of the sites of `id` into histograms and sums, and adds to the calls of libc functions those that did
    /// without them.
    fn collect_sites(&mut self, id: FuncId) {
        let Some(observed) = self.functions[id.0 as usize].observed else { return };
        for site in &mut self.sites[observed.sites()] {
            let elsewhere = site.collect(&mut *self.platform.state);
            if let Some(callee) = site.callee {
                let calls = &mut self.functions[callee.0 as usize].calls_elsewhere;
                *calls = calls.saturating_add(elsewhere);
            }
        }
    }

    /// The profile after this boot: what was known, which goes into it, aged, and what this boot saw. Rows of boots are the
    /// caller's.
    pub fn learned(&mut self) -> Profile {
        self.ids().for_each(|id| self.collect_sites(id));
        let decay = Decay::of_half_life(HALF_LIFE_BOOTS);
        self.ids().for_each(|id| self.assume_unmeasured_blocks(id, decay));
        let mut profile = core::mem::take(&mut self.earlier);
        profile.age(decay);
        profile.boots_observed = profile.boots_observed.saturating_add(ONE_BOOT);
        self.ids().for_each(|id| self.make_fit(id, &mut profile));
        profile.add(self.ids().filter_map(|id| self.seen(id)));
        self.ids().for_each(|id| self.judge_paths(id, &mut profile));
        profile.program = xxh3_64(self.program_bytes);
        profile.cpu = self.platform.cpu.bits();
        profile
    }

    /// What a profile knows the functions by, those of the libc included.
    pub fn keys(&self) -> impl Iterator<Item = FunctionKey> {
        self.program.defined().map(|(_, key)| key)
    }

    /// All functions. Not a list of them, for which there may be no memory.
    pub(in crate::engine) fn ids(&self) -> impl Iterator<Item = FuncId> + use<> {
        (0..self.program.functions.len() as u32).map(FuncId)
    }

    /// Has what is known of `id` take what this boot saw, if it saw it, and forget what its code was like.
    fn make_fit(&self, id: FuncId, profile: &mut Profile) {
        let Some(observed) = self.functions[id.0 as usize].observed else { return };
        let Some(known) = self.program.info(id).key.and_then(|key| profile.find_mut(key)) else { return };
        let sites = &self.sites[observed.sites()];
        let Ok(kinds) = room::collect(sites.iter().map(SiteState::kind), COUNTED) else { return };
        known.fit(observed.block_count, &kinds);
        known.code_bytes = 0;
        for site in &mut known.sites {
            (site.guards_passed, site.guards_failed) = (0, 0);
            site.chosen.clear();
            site.passes.clear();
        }
    }

    /// Has what is known of `id` say which of its paths this boot took too seldom. The next boot will run this code from the
    /// start: what was promoted on the way, and then ran a little, says nothing about that.
    fn judge_paths(&self, id: FuncId, profile: &mut Profile) {
        let state = &self.functions[id.0 as usize];
        let Some(observed) = state.observed else { return };
        let Some(known) = self.program.info(id).key.and_then(|key| profile.find_mut(key)) else { return };
        let seen = &self.sites[observed.sites()];
        for (known, seen) in known.sites.iter_mut().zip(seen) {
            if !state.was_promoted || seen.newest_saw_most() {
                tier::judge_paths(known);
            }
        }
    }

    /// What this boot saw of `id`; none if it was never compiled, or if there is no memory for it.
    fn seen(&mut self, id: FuncId) -> Option<FunctionRecord> {
        let key = self.program.info(id).key?;
        let state = &self.functions[id.0 as usize];
        let (observed, ticks, code_bytes) = (state.observed?, state.ticks, state.code_bytes);
        let calls = self.calls_of(id);
        let is_libc = self.program.info(id).libc.is_some();
        let generic_calls = if is_libc { state.generic_calls.unwrap_or(calls) } else { 0 };
        let generic_ticks = if generic_calls > 0 { ticks } else { 0 };
        Some(FunctionRecord {
            key,
            calls,
            ticks,
            generic_calls,
            generic_ticks,
            code_bytes,
            blocks: self.words(observed.blocks, observed.block_count).ok()?,
            sites: self.site_records(id).ok()?,
        })
    }

    /// Blocks are counted in the baseline, and above it only those that no boot saw run. A function that ran above it, or whose
    /// calls were all done without code of its own, is taken to have run its blocks as often as in an average boot before, or it
    /// would cool down for being fast.
    fn assume_unmeasured_blocks(&mut self, id: FuncId, decay: Decay) {
        let state = &self.functions[id.0 as usize];
        if state.tier == Some(Tier::Baseline) || self.calls_of(id) == 0 {
            return;
        }
        let (Some(observed), Some(index)) = (state.observed, state.earlier) else { return };
        let Some(known) = self.earlier.functions.get(index).map(|record| &record.blocks) else { return };
        if known.len() != observed.block_count {
            return;
        }
        let cells = (observed.blocks..).step_by(size_of::<u64>());
        for (cell, earlier) in cells.zip(known) {
            let assumed = decay.average_boot(*earlier, self.earlier.boots_observed);
            let count = self.platform.state.read(cell);
            self.platform.state.write(cell, count.saturating_add(assumed));
        }
    }

    /// Sums over this boot so far.
    pub fn statistics(&mut self) -> Statistics {
        let bodies = self.program.modules.iter().map(|module| module.bodies.len() as u64);
        let mut sums = Statistics {
            functions_total: bodies.sum(),
            code_bytes: self.code.bytes as u64,
            libc_functions_total: self.program.modules[LIBC].exports.len() as u64,
            libc_code_bytes: self.code.kernel_bytes as u64,
            ..self.statistics
        };
        self.ids().for_each(|id| self.collect_sites(id));
        for id in self.ids().filter(|id| self.program.info(*id).key.is_some()) {
            sums.functions_called += u64::from(self.calls_of(id) > 0);
            self.add_tier(id, &mut sums);
        }
        for (passed, failed) in self.sites.iter().flat_map(SiteState::editions).map(Edition::guards) {
            sums.guards_passed += passed;
            sums.guards_failed += failed;
        }
        sums
    }

    fn add_tier(&self, id: FuncId, sums: &mut Statistics) {
        let state = &self.functions[id.0 as usize];
        let Some(tier) = state.tier else { return };
        *match tier {
            Tier::Baseline => &mut sums.functions_baseline,
            Tier::Optimised => &mut sums.functions_optimised,
            Tier::Specialised => &mut sums.functions_specialised,
        } += 1;
        if matches!(self.program.info(id).kind, FunctionKind::Defined { module: LIBC, .. }) {
            sums.libc_functions_compiled += u64::from(self.program.info(id).libc.is_some());
            sums.libc_code_bytes += state.code_bytes;
        }
    }
}
