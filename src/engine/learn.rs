//! What a boot learns and what it makes of what was learned: tiers and specialisations from records, records from
//! counters.

use alloc::vec::Vec;

use super::compile::Effort;
use super::instantiate::{ensure, funcref};
use super::layout::{function, sample_period, site};
use super::program::{FuncId, PROGRAM};
use super::seams::MemoryBase;
use super::specialise::KernelId;
use super::tier::{self, LOOP_ROUNDS_PER_CALL, Promotion, SITE_MINIMUM, Tier};
use super::translate::{Environment, Plan, Probe, SitePlan, Specialisation, host_wrapper, scan, translate};
use super::{Engine, EngineError, Observed, SiteState, Statistics};
use crate::profile::{FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord, ValueHistogram};

/// Boots after which an observation counts half: long enough to keep what a program does rarely, short enough that a
/// program that changed is forgotten within a few dozen boots.
const HALF_LIFE_BOOTS: u32 = 8;

impl Engine {
    /// Compiles a function that was not called before in this boot, in the tier that its record deserves.
    pub(super) fn compile_for_first_call(&mut self, id: FuncId) -> Result<u64, EngineError> {
        self.observe(id)?;
        let tier = if self.is_hot(id) { Tier::Optimised } else { Tier::Baseline };
        self.compile_function(id, tier, SITE_MINIMUM)
    }

    /// Compiles a function that became hot once more, if that makes a difference.
    pub(super) fn promote_function(&mut self, id: FuncId) -> Result<(), EngineError> {
        let before = self.functions[id.0 as usize].tier;
        let choices = self.choices(id, self.options.thresholds.specialise / 2);
        let state = &self.functions[id.0 as usize];
        let unchanged = before > Some(Tier::Baseline) && state.choices == choices;
        if unchanged || self.options.highest == Tier::Baseline {
            self.set_threshold(id);
            return Ok(());
        }
        self.compile_function(id, Tier::Optimised, self.options.thresholds.specialise / 2)?;
        Ok(())
    }

    /// The wrapper through which compiled code calls a host function.
    pub(super) fn compile_host_wrapper(&mut self, id: FuncId) -> Result<u64, EngineError> {
        let (pinned_base, config) = (self.pinned_base(), self.compiler.frontend_config());
        let environment = Environment { program: &self.program, pinned_base, config };
        let code = self.compiler.compile(|function, context| {
            host_wrapper(environment, id, function, context);
            Ok::<_, EngineError>(Effort::Least)
        })?;
        let address = self.code.place(code, Some(id))?;
        self.code.patch_entry(id, address, true)?;
        Ok(address)
    }

    /// Compiles `id` and sends its calls there; above the baseline, sites with at least `minimum` recorded calls may be specialised.
    fn compile_function(&mut self, id: FuncId, wanted: Tier, minimum: u64) -> Result<u64, EngineError> {
        // Where the two contradict each other, the highest wins: it is lowered when code above it is distrusted.
        let tier = wanted.max(self.options.lowest).min(self.options.highest).min(Tier::Optimised);
        let choices = if tier == Tier::Baseline { Vec::new() } else { self.choices(id, minimum) };
        let tier = if choices.iter().any(Option::is_some) { Tier::Specialised } else { tier };
        let plan = self.plan(id, tier, &choices);
        let (pinned_base, config) = (self.pinned_base(), self.compiler.frontend_config());
        let environment = Environment { program: &self.program, pinned_base, config };
        let code = self.compiler.compile(|function, context| {
            translate(environment, id, &plan, function, context).map_err(EngineError::from)
        })?;
        let code_bytes = code.bytes.len();
        let address = self.code.place(code, Some(id))?;
        self.code.patch_entry(id, address, plan.threshold.is_none())?;
        let state = &mut self.functions[id.0 as usize];
        state.tier = Some(tier);
        state.choices = choices;
        self.statistics.functions_compiled += 1;
        self.statistics.translated_bytes += self.program.body_bytes(id) as u64;
        self.statistics.translated_code_bytes += code_bytes as u64;
        self.set_threshold(id);
        Ok(address)
    }

    pub(super) fn pinned_base(&self) -> bool {
        matches!(self.platform.memories[0].memory.base(), MemoryBase::At(_))
    }

    /// Finds what is to be counted in `id` and makes room for it.
    fn observe(&mut self, id: FuncId) -> Result<(), EngineError> {
        let shape = scan(&self.program, id);
        let observed = Observed {
            blocks: self.allocator.allocate(8 * shape.blocks),
            block_count: shape.blocks,
            first_site: self.sites.len(),
            site_count: shape.sites.len(),
        };
        for found in &shape.sites {
            self.sites.push(SiteState {
                kind: found.kind,
                callee: found.callee,
                offset: self.allocator.allocate(site::BYTES),
                values: ValueHistogram::default(),
                samples: 0,
                guards_passed: 0,
                guards_failed: 0,
            });
        }
        ensure(&mut *self.platform.state, &self.allocator)?;
        for site in &self.sites[observed.first_site..] {
            self.platform.state.write(site.offset + site::COUNTDOWN as usize, sample_period(0));
        }
        let state = &mut self.functions[id.0 as usize];
        state.observed = Some(observed);
        if let Some(record) = &mut state.earlier {
            let kinds: Vec<SiteKind> = shape.sites.iter().map(|site| site.kind).collect();
            record.fit(shape.blocks, &kinds);
        }
        Ok(())
    }

    /// What each site of `id` is to be specialised for.
    fn choices(&mut self, id: FuncId, minimum: u64) -> Vec<Option<Specialisation>> {
        if self.options.highest < Tier::Specialised {
            return Vec::new();
        }
        let records = self.site_records(id);
        let earlier = self.functions[id.0 as usize].earlier.as_ref().map_or(&[][..], |record| &record.sites);
        let first = self.functions[id.0 as usize].observed.map_or(0, |observed| observed.first_site);
        let mut choices = Vec::with_capacity(records.len());
        for (index, mut record) in records.into_iter().enumerate() {
            if let Some(earlier) = earlier.get(index) {
                record.merge(earlier);
            }
            let value = tier::dominant_value(&record, minimum);
            choices.push(value.and_then(|value| self.specialisation(&self.sites[first + index], value)));
        }
        choices
    }

    /// The fast path of `site` for `value`, if there is one.
    fn specialisation(&self, site: &SiteState, value: u64) -> Option<Specialisation> {
        match site.kind {
            SiteKind::Size => {
                let name = &self.program.info(site.callee?).name;
                let kernel = KernelId::for_call(name, value, self.platform.cpu)?;
                Some(Specialisation::Size { bytes: kernel.bytes, kernel })
            }
            SiteKind::Target => {
                let target = FuncId(u32::try_from(value.checked_sub(1)?).ok()?);
                let known = (target.0 as usize) < self.program.functions.len();
                known.then_some(Specialisation::Target(target))
            }
        }
    }

    fn plan(&self, id: FuncId, tier: Tier, choices: &[Option<Specialisation>]) -> Plan {
        let state = &self.functions[id.0 as usize];
        let Some(observed) = state.observed else { unreachable!("a function is observed before it is compiled") };
        let flight = self.options.promotion == Promotion::Flight && self.options.highest > Tier::Baseline;
        let more_to_learn = tier == Tier::Baseline || observed.site_count > 0;
        let rounds = self.options.thresholds.optimise.saturating_mul(LOOP_ROUNDS_PER_CALL);
        let sites = self.sites[observed.first_site..][..observed.site_count].iter().enumerate();
        Plan {
            tier,
            calls: state.counters + function::CALLS,
            threshold: (flight && more_to_learn).then_some(state.counters + function::THRESHOLD),
            promote_at_rounds: flight.then_some(rounds),
            blocks: observed.blocks,
            block_counts: self.block_counts(id),
            memory_bytes: (self.platform.free_memory)(),
            sites: sites
                .map(|(index, site)| SitePlan {
                    state: site.offset,
                    number: (observed.first_site + index) as u32,
                    probe: if tier == Tier::Baseline { Probe::Full } else { Probe::Sampled },
                    specialisation: choices.get(index).copied().flatten(),
                })
                .collect(),
        }
    }

    /// How often each block ran, in earlier boots and in this one.
    fn block_counts(&self, id: FuncId) -> Vec<u64> {
        let state = &self.functions[id.0 as usize];
        let Some(observed) = state.observed else { return Vec::new() };
        let mut counts = self.words(observed.blocks, observed.block_count);
        let earlier = state.earlier.as_ref().map_or(&[][..], |record| &record.blocks);
        counts.iter_mut().zip(earlier).for_each(|(count, earlier)| *count = count.saturating_add(*earlier));
        counts
    }

    fn words(&self, offset: usize, count: usize) -> Vec<u64> {
        (0..count).map(|index| self.platform.state.read(offset + 8 * index)).collect()
    }

    fn calls_of(&self, id: FuncId) -> u64 {
        self.platform.state.read(self.functions[id.0 as usize].counters + function::CALLS)
    }

    pub(super) fn set_threshold(&mut self, id: FuncId) {
        let state = &self.functions[id.0 as usize];
        let tier = state.tier.unwrap_or(Tier::Baseline);
        let next = tier::next_threshold(self.calls_of(id), tier, &self.options.thresholds);
        self.platform.state.write(state.counters + function::THRESHOLD, next);
    }

    /// What the sites of `id` saw in this boot.
    fn site_records(&mut self, id: FuncId) -> Vec<SiteRecord> {
        let state = &self.functions[id.0 as usize];
        let Some(observed) = state.observed else { return Vec::new() };
        let choices = state.choices.clone();
        let mut records = Vec::with_capacity(observed.site_count);
        for index in 0..observed.site_count {
            let choice = choices.get(index).copied().flatten();
            records.push(self.collect(observed.first_site + index, choice));
        }
        records
    }

    /// Moves a site's cells into its histogram and sums; calls that passed the guard had the value it is for.
    fn collect(&mut self, number: usize, choice: Option<Specialisation>) -> SiteRecord {
        let (site, state) = (&mut self.sites[number], &mut self.platform.state);
        let mut take = |cell: i32| {
            let value = state.read(site.offset + cell as usize);
            state.write(site.offset + cell as usize, 0);
            value
        };
        let (run, passed, failed) = (take(site::RUN), take(site::GUARDS_PASSED), take(site::GUARDS_FAILED));
        site.guards_passed += passed;
        site.guards_failed += failed;
        site.values.record(state.read(site.offset + site::VALUE as usize), run);
        match choice {
            Some(Specialisation::Size { bytes, .. }) => site.values.record(u64::from(bytes), passed),
            Some(Specialisation::Target(target)) => site.values.record(funcref(target), passed),
            None => {}
        }
        SiteRecord {
            kind: site.kind,
            values: site.values.clone(),
            address_bits: state.read(site.offset + site::ADDRESS_BITS as usize),
            guards_passed: site.guards_passed,
            guards_failed: site.guards_failed,
        }
    }

    /// The profile after this boot: what was known, aged, and what this boot saw. Rows of boots are the caller's.
    pub fn learned(&mut self) -> Profile {
        let mut profile = self.earlier.clone();
        profile.age(HALF_LIFE_BOOTS);
        let defined: Vec<(FuncId, FunctionKey)> = self.program.defined().collect();
        let mut seen = Profile { boots_observed: ONE_BOOT, ..Profile::default() };
        for (id, key) in &defined {
            let Some(record) = self.seen(*id, *key) else { continue };
            if let Some(known) = profile.find_mut(*key) {
                let kinds: Vec<SiteKind> = record.sites.iter().map(|site| site.kind).collect();
                known.fit(record.blocks.len(), &kinds);
            }
            seen.functions.push(record);
        }
        profile.merge(&seen);
        for (id, key) in &defined {
            if let Some(record) = profile.find_mut(*key) {
                self.assume_unmeasured_blocks(*id, record);
            }
        }
        profile.program = self.program.modules[PROGRAM].hash;
        profile.cpu = self.platform.cpu.bits();
        profile
    }

    /// What this boot saw of `id`; none if it was never compiled.
    fn seen(&mut self, id: FuncId, key: FunctionKey) -> Option<FunctionRecord> {
        let observed = self.functions[id.0 as usize].observed?;
        Some(FunctionRecord {
            key,
            calls: self.calls_of(id),
            ticks: self.functions[id.0 as usize].ticks,
            blocks: self.words(observed.blocks, observed.block_count),
            sites: self.site_records(id),
        })
    }

    /// Blocks are counted in the baseline only. A function that ran above it is taken to have run its blocks as often as
    /// in an average boot before, or it would cool down for being fast.
    fn assume_unmeasured_blocks(&self, id: FuncId, record: &mut FunctionRecord) {
        let state = &self.functions[id.0 as usize];
        let Some(earlier) = state.earlier.as_ref().filter(|earlier| earlier.blocks.len() == record.blocks.len()) else {
            return;
        };
        if self.calls_of(id) == 0 || state.tier <= Some(Tier::Baseline) {
            return;
        }
        let boots = u128::from(self.earlier.boots_observed.max(ONE_BOOT));
        for (count, earlier) in record.blocks.iter_mut().zip(&earlier.blocks) {
            let average = (u128::from(*earlier) * u128::from(ONE_BOOT)).div_ceil(boots);
            *count = count.saturating_add(u64::try_from(average).unwrap_or(u64::MAX));
        }
    }

    /// Sums over this boot so far.
    pub fn statistics(&mut self) -> Statistics {
        let bodies = self.program.modules.iter().map(|module| module.bodies.len() as u64).sum();
        let mut sums = Statistics { functions_total: bodies, code_bytes: self.code.bytes as u64, ..self.statistics };
        let defined: Vec<FuncId> = self.program.defined().map(|(id, _)| id).collect();
        for id in defined {
            sums.functions_called += u64::from(self.calls_of(id) > 0);
            match self.functions[id.0 as usize].tier {
                None => {}
                Some(Tier::Baseline) => sums.functions_baseline += 1,
                Some(Tier::Optimised) => sums.functions_optimised += 1,
                Some(Tier::Specialised) => sums.functions_specialised += 1,
            }
            for record in self.site_records(id) {
                sums.guards_passed += record.guards_passed;
                sums.guards_failed += record.guards_failed;
            }
        }
        sums
    }
}
