//! Compiling functions: at first call, when they became hot, and as their choices say.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use cranelift_codegen::isa::TargetFrontendConfig;
use xxhash_rust::xxh3::Xxh3Default;

use super::choices::Choices;
use super::expansion::{Expand, Expansions};
use super::tier::{DEEP_STACK_BYTES, InFlight, LARGE_FRAME_BYTES, Promotion, SITE_MINIMUM, Tier, Weight};
use crate::engine::code::compile::{Effort, MachineCode};
use crate::engine::code::space::Piece;
use crate::engine::decode::program::{FuncId, Program};
use crate::engine::layout::{cell, function};
use crate::engine::room;
use crate::engine::translate::{
    CalleePlan, Environment, Expansion, Plan, Probe, SitePlan, Specialisation, host_wrapper, translate,
};
use crate::engine::{Engine, EngineError, Observed, Rest};
use crate::profile::ValueHistogram;

impl Engine {
    /// Compiles a function that was not called before in this boot, in the tier that its record deserves.
    pub(in crate::engine) fn compile_for_first_call(&mut self, id: FuncId) -> Result<u64, EngineError> {
        self.compile_function(id, self.tier_at_first_call(id), SITE_MINIMUM)
    }

    /// The tier that the record of `id` deserves.
    pub(in crate::engine) fn tier_at_first_call(&self, id: FuncId) -> Tier {
        if self.is_hot(id) { Tier::Optimised } else { Tier::Baseline }
    }

    /// Compiles a function once more at a call that waited for its loops, if that makes a difference; its code's address.
    pub(in crate::engine) fn compile_next_call(&mut self, id: FuncId) -> Result<u64, EngineError> {
        let address = self.functions[id.0 as usize].address;
        self.code.patch_entry(id, address, false)?;
        self.promote_function(id);
        Ok(self.functions[id.0 as usize].address)
    }

    /// Compiles a function that became hot once more, if that makes a difference. The code it has stays right: where better
    /// code cannot be made, the program goes on in that.
    pub(in crate::engine) fn promote_function(&mut self, id: FuncId) {
        if self.only_its_frame_is_large(id) {
            return self.set_threshold(id);
        }
        let state = &mut self.functions[id.0 as usize];
        state.hot_loops_known = state.hot_loops;
        if self.try_promotion(id).is_err() {
            self.set_threshold(id);
        }
    }

    /// Whether a function that is not hot yet was looked at for its large frame, and the stack is not deep.
    fn only_its_frame_is_large(&self, id: FuncId) -> bool {
        let state = &self.functions[id.0 as usize];
        let Rest { stack, state: cells, .. } = &self.platform;
        let in_use = stack.usable.end.saturating_sub(cells.read(cell::PROGRAM_STACK));
        state.large_frame_bytes.is_some()
            && state.hot_loops == state.hot_loops_known
            && self.counted_calls(id) < self.in_flight(id).calls.optimise
            && in_use < DEEP_STACK_BYTES
    }

    /// When `id` is promoted in flight.
    pub(in crate::engine) fn in_flight(&self, id: FuncId) -> InFlight {
        if let Some(thresholds) = self.options.thresholds {
            return InFlight::at(thresholds);
        }
        let kernel = self.kernel_for(id, &ValueHistogram::default());
        InFlight::where_it_pays(Weight {
            bytes: self.program.body_bytes(id),
            blocks: self.functions[id.0 as usize].observed.map_or(0, |observed| observed.block_count),
            is_kernel: self.options.highest == Tier::Specialised && kernel.is_some(),
        })
    }

    fn try_promotion(&mut self, id: FuncId) -> Result<(), EngineError> {
        let minimum = self.options.thresholds.unwrap_or_default().specialise / 2;
        let before = self.functions[id.0 as usize].tier;
        let choices = self.choices(id, minimum)?;
        let state = &self.functions[id.0 as usize];
        let unchanged = before > Some(Tier::Baseline) && state.choices == hash_of(&choices);
        if unchanged || self.options.highest == Tier::Baseline {
            self.set_threshold(id);
            return Ok(());
        }
        self.compile_function(id, Tier::Optimised, minimum)?;
        Ok(())
    }

    /// The wrapper through which compiled code calls a host function.
    pub(in crate::engine) fn compile_host_wrapper(&mut self, id: FuncId) -> Result<u64, EngineError> {
        let code = self.host_wrapper(id)?;
        let address = self.code.place(code, Piece::Function(id.0))?;
        self.code.patch_entry(id, address, true)?;
        self.tell_of_code();
        Ok(address)
    }

    pub(in crate::engine) fn host_wrapper(&mut self, id: FuncId) -> Result<MachineCode, EngineError> {
        let config = self.compiler.frontend_config()?;
        let environment = environment(&self.program, &self.platform, config);
        self.compiler.compile(|function, context| {
            host_wrapper(environment, id, function, context);
            Ok(Effort::Least)
        })
    }

    /// Compiles `id` and sends its calls there; above the baseline, sites with at least `minimum` recorded calls may be
    /// specialised.
    fn compile_function(&mut self, id: FuncId, wanted: Tier, minimum: u64) -> Result<u64, EngineError> {
        let mut decision = self.decide(id, wanted, minimum)?;
        for callee in &decision.without {
            self.end_generic_calls(*callee);
        }
        let settled = decision.plan.threshold.is_none();
        let (code, large_frame_bytes) = self.translate(id, &mut decision.plan)?;
        let code_bytes = code.bytes.len() as u64;
        let tier = decision.plan.tier;
        room::reserve(&mut self.tiers, 1, "the list of machine code")?;
        let address = self.code.place(code, Piece::Function(id.0))?;
        self.code.patch_entry(id, address, settled)?;
        self.tiers.push((id, tier, address));
        let state = &mut self.functions[id.0 as usize];
        state.was_promoted = state.tier.is_some();
        state.was_in_baseline |= decision.plan.tier == Tier::Baseline;
        (state.address, state.code_bytes) = (address, code_bytes);
        self.follow(id, decision, large_frame_bytes);
        self.statistics.functions_compiled += 1;
        self.statistics.translated_bytes += self.program.body_bytes(id) as u64;
        self.statistics.translated_code_bytes += code_bytes;
        self.set_threshold(id);
        self.tell_of_code();
        Ok(address)
    }

    /// From now on, the newest code of `id` is as was decided.
    pub(in crate::engine) fn follow(&mut self, id: FuncId, decision: Decision, large_frame_bytes: Option<u32>) {
        for (site, edition) in decision.plan.editions() {
            self.sites[site].set_newest(edition);
        }
        let state = &mut self.functions[id.0 as usize];
        (state.tier, state.large_frame_bytes) = (Some(decision.plan.tier), large_frame_bytes);
        (state.choices, state.plan, state.without) = (decision.choices, decision.hash, decision.without);
    }

    /// What `id` would be compiled to by now, as in [`Self::compile_function`].
    pub(in crate::engine) fn decide(
        &mut self,
        id: FuncId,
        wanted: Tier,
        minimum: u64,
    ) -> Result<Decision, EngineError> {
        self.observe(id)?;
        // Where the two contradict each other, the highest wins: it is lowered when code above it is distrusted.
        let tier = wanted.max(self.options.lowest).min(self.options.highest).min(Tier::Optimised);
        let choices = if tier == Tier::Baseline { Choices::default() } else { self.choices(id, minimum)? };
        let tier = if choices.are_generic() { tier } else { Tier::Specialised };
        let plan = self.plan(id, tier, &choices)?;
        Ok(Decision { choices: hash_of(&choices), hash: hash_of(&plan), without: choices.without(id), plan })
    }

    /// Code as `plan` says, and the bytes of its frame if that is large.
    pub(in crate::engine) fn translate(
        &mut self,
        id: FuncId,
        plan: &mut Plan,
    ) -> Result<(MachineCode, Option<u32>), EngineError> {
        let config = self.compiler.frontend_config()?;
        let environment = environment(&self.program, &self.platform, config);
        let mut compile = |plan: &Plan| {
            self.compiler.compile(|function, context| {
                translate(environment, id, plan, function, context).map_err(EngineError::from)
            })
        };
        let code = compile(plan)?;
        let large_frame_bytes = quick_and_large(&code);
        if large_frame_bytes.is_none() || plan.threshold.is_some() {
            return Ok((code, large_frame_bytes));
        }
        drop(code);
        plan.small_frame = true;
        Ok((compile(plan)?, None))
    }

    /// From now on, calls of `id` are not all calls of its body.
    fn end_generic_calls(&mut self, id: FuncId) {
        let calls = self.calls_of(id);
        self.functions[id.0 as usize].generic_calls.get_or_insert(calls);
    }

    fn plan(&mut self, id: FuncId, tier: Tier, choices: &Choices) -> Result<Plan, EngineError> {
        let mut plan = self.body_plan(id, tier, &choices.sites, &choices.callees, choices)?;
        if choices.body.is_some() {
            plan.threshold = None;
            plan.body = choices.body;
        }
        Ok(plan)
    }

    /// How the body of `id` is translated, be it in place of a call: its own sites as in `sites`, its calls as in `expansions`.
    fn body_plan(
        &mut self,
        id: FuncId,
        tier: Tier,
        sites: &[Option<Specialisation>],
        expansions: &Expansions,
        choices: &Choices,
    ) -> Result<Plan, EngineError> {
        let state = &self.functions[id.0 as usize];
        let Some(observed) = state.observed else { unreachable!("a function is observed before it is compiled") };
        let counters = state.counters;
        let flight = self.options.promotion == Promotion::Flight && self.options.highest > Tier::Baseline;
        let more_to_learn = tier == Tier::Baseline || observed.site_count > 0;
        Ok(Plan {
            tier,
            calls: counters + function::CALLS,
            threshold: (flight && more_to_learn).then_some(counters + function::THRESHOLD),
            promote_at_rounds: flight.then_some(observed.rounds_threshold()),
            blocks: observed.blocks,
            never_ran: if tier == Tier::Baseline { Vec::new() } else { self.never_ran(id)? },
            sites: self.site_plans(id, observed, tier, sites, expansions)?,
            small_frame: false,
            body: None,
            callees: self.callee_plans(id, expansions, choices)?,
        })
    }

    /// Every call of a function that no earlier boot knows is recorded in the baseline: each change of a value is a call of the
    /// engine, which programs of many functions that are called seldom would pay for at each boot.
    fn site_plans(
        &mut self,
        id: FuncId,
        observed: Observed,
        tier: Tier,
        chosen: &[Option<Specialisation>],
        expansions: &Expansions,
    ) -> Result<Vec<SitePlan>, EngineError> {
        let is_new = tier == Tier::Baseline && self.known(id).is_none();
        let probe = if is_new { Probe::Full } else { Probe::Sampled };
        let mut plans = Vec::new();
        room::reserve(&mut plans, observed.site_count, "the plan of a function")?;
        for (index, number) in observed.sites().enumerate() {
            let specialisation = chosen.get(index).and_then(Option::as_ref);
            let callee = self.sites[number].callee;
            let counts_in_body = callee.is_some_and(|callee| expansions.get(&callee) == Some(&Expand::Body));
            let edition_number = match tier {
                Tier::Baseline => 0,
                _ => self.edition(number, specialisation, counts_in_body)?,
            };
            let site = &self.sites[number];
            plans.push(SitePlan {
                state: site.offset,
                edition: site.editions()[edition_number].offset,
                number: number as u32,
                edition_number,
                probe,
                specialisation: specialisation.cloned(),
            });
        }
        Ok(plans)
    }

    fn callee_plans(
        &mut self,
        id: FuncId,
        expansions: &Expansions,
        choices: &Choices,
    ) -> Result<BTreeMap<FuncId, CalleePlan>, EngineError> {
        if expansions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let expanded =
            self.libc_callees_of(id).into_iter().filter_map(|callee| Some((callee, *expansions.get(&callee)?)));
        expanded.map(|(callee, expand)| Ok((callee, self.callee_plan(callee, expand, choices)?))).collect()
    }

    fn callee_plan(&mut self, id: FuncId, expand: Expand, choices: &Choices) -> Result<CalleePlan, EngineError> {
        let how = match expand {
            Expand::Kernel(kernel) => Expansion::Kernel(kernel),
            Expand::Body => Expansion::Body(self.plan_in_place(id, choices)?),
            Expand::BodyForConstants => Expansion::BodyForConstants(self.plan_in_place(id, choices)?),
        };
        Ok(CalleePlan { calls: self.functions[id.0 as usize].counters + function::CALLS, how })
    }

    /// How the body of `id` is translated in place of a call.
    fn plan_in_place(&mut self, id: FuncId, choices: &Choices) -> Result<Box<Plan>, EngineError> {
        let sites = choices.sites_in_place.get(&id).map_or(&[][..], Vec::as_slice);
        let below = self.expansions_below(id, &choices.callees);
        Ok(Box::new(self.body_plan(id, Tier::Specialised, sites, below, choices)?))
    }
}

/// How a function is to be compiled.
pub(in crate::engine) struct Decision {
    pub plan: Plan,
    /// Hashes of the plan, and of the choices that it is made of.
    pub hash: u64,
    pub choices: u64,
    /// Functions whose calls it does without.
    pub without: Vec<FuncId>,
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = Xxh3Default::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Bytes of the frame, if that is large because the code was made quickly.
fn quick_and_large(code: &MachineCode) -> Option<u32> {
    (code.effort == Effort::Quick && code.frame_bytes > LARGE_FRAME_BYTES).then_some(code.frame_bytes)
}

/// What translations need besides a body.
pub(in crate::engine) fn environment<'a>(
    program: &'a Program,
    platform: &Rest,
    config: TargetFrontendConfig,
) -> Environment<'a> {
    Environment {
        program,
        state_base: platform.state.base(),
        cpu: platform.cpu,
        config,
        memory_bytes: platform.bytes_to_compile_in(),
    }
}
