//! Making code for the next boot once the program has ended: by then all is known that the next boot will decide by, and nobody
//! waits for the result any more.
//!
//! Functions keep the code they have where that is what the next boot would make. What a boot leaves unchanged is not made again,
//! nor written.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::mem::size_of;

use super::image::{self, Head, StoredFunction, StoredObserved};
use crate::engine::code::draft::Loose;
use crate::engine::code::space::Piece;
use crate::engine::decide::tier::{self, SITE_MINIMUM, Tier};
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC, PROGRAM};
use crate::engine::layout::{edition, function, site};
use crate::engine::observe::site::SiteState;
use crate::engine::seams::Work;
use crate::engine::{Engine, EngineError, FunctionState, room};
use crate::libc;
use crate::profile::{Dropped, Profile, SiteRecord, encoded_bytes};

/// Code for the next boot.
#[derive(Debug)]
pub enum Prepared {
    /// That of this boot, as it was stored.
    Same,
    /// To be stored, with how many functions were left out for want of room.
    New { image: Vec<u8>, left_out: usize },
    /// There is none, and why.
    Nothing(String),
}

/// What there may be no memory for.
const WHAT: &str = "code for the next boot";

/// What a site takes of state memory, with an edition that has a path or two.
const SITE_BYTES: usize = site::BYTES + edition::bytes(2);

/// State memory that may be unused in any case.
const FREE_BYTES: usize = 64 << 10;

impl Engine {
    /// Makes code for the next boot, which will know what was `learned`: at most so many bytes, and nothing more once compiling
    /// has taken so many ticks. The engine can run nothing any more.
    pub fn prepare(&mut self, learned: &mut Profile, most_bytes: u64, most_ticks: u64) -> Prepared {
        core::mem::swap(&mut self.earlier, learned);
        let prepared = self.prepared(most_bytes, most_ticks);
        core::mem::swap(&mut self.earlier, learned);
        prepared.unwrap_or_else(|error| Prepared::Nothing(error.to_string()))
    }

    fn prepared(&mut self, most_bytes: u64, most_ticks: u64) -> Result<Prepared, EngineError> {
        let started = self.now();
        let until = started.saturating_add(most_ticks);
        let unchanged = self.cache.loaded_pieces == Some(self.code.placed().len());
        let with_code = self.ids().filter(|id| self.functions[id.0 as usize].tier.is_some());
        let with_code = room::collect(with_code.map(|id| (id, self.counted_calls(id) > 0)), WHAT)?;
        self.restart();
        let mut wanted = room::collect(with_code.iter().copied().filter(|(id, ran)| *ran || self.may_run(*id)), WHAT)?;
        let weight = |id: FuncId| self.known(id).map_or(0, tier::weight);
        wanted.sort_by_cached_key(|(id, _)| (Reverse(weight(*id)), *id));
        let mut made = 0_usize;
        let mut functions = Vec::new();
        room::reserve(&mut functions, wanted.len(), WHAT)?;
        for (id, ran) in &wanted {
            let new = if *ran { self.better_code(*id, until) } else { None };
            made += usize::from(new.is_some());
            functions.push((*id, new));
            let spent = self.now().saturating_sub(started);
            self.platform.progress.advanced(Work::Preparing, functions.len() as u64, wanted.len() as u64, spent);
        }
        if unchanged && made == 0 && wanted.len() == with_code.len() {
            return Ok(Prepared::Same);
        }
        self.image(functions, most_bytes)
    }

    /// Whether `id`, which was not called in this boot, was before, and does not only stand in place of its calls now.
    fn may_run(&self, id: FuncId) -> bool {
        let ran = self.known(id).is_some_and(|record| record.calls > 0);
        ran && !(self.is_hot(id) && self.is_expanded_where_hot(id))
    }

    /// Begins to count from nothing, as the next boot will.
    fn restart(&mut self) {
        for id in self.ids() {
            let earlier = self.program.info(id).key.and_then(|key| self.earlier.position(key).ok());
            let state = &mut self.functions[id.0 as usize];
            (state.earlier, state.was_in_baseline) = (earlier, false);
            (state.hot_loops, state.hot_loops_known) = (0, 0);
            (state.calls_elsewhere, state.generic_calls, state.ticks) = (0, None, 0);
            let cells = &mut *self.platform.state;
            cells.write(state.counters + function::CALLS, 0);
            let blocks = state.observed.map_or(0..0, |it| it.blocks..it.blocks + it.block_count * size_of::<u64>());
            blocks.step_by(size_of::<u64>()).for_each(|cell| cells.write(cell, 0));
        }
        self.sites.iter_mut().for_each(|site| site.restart(&mut *self.platform.state));
    }

    /// The code that the next boot would make of `id`, if that is other code than it has, worth it, and can be made by then.
    fn better_code(&mut self, id: FuncId, until: u64) -> Option<Loose> {
        let mut decision = self.decide(id, self.tier_at_first_call(id), SITE_MINIMUM).ok()?;
        let state = &self.functions[id.0 as usize];
        if decision.hash == state.plan || self.now() >= until {
            return None;
        }
        let is_optimised = state.tier > Some(Tier::Baseline);
        if is_optimised && (decision.plan.tier == Tier::Baseline || !self.is_worth_another_code(id)) {
            return None;
        }
        let settled = decision.plan.threshold.is_none();
        // The code it has stays right.
        let (code, large_frame_bytes) = self.translate(id, &mut decision.plan).ok()?;
        let loose = Loose::new(Piece::Function(id.0), code, settled).ok()?;
        let tested = room::collect(self.tested(id), WHAT).ok()?;
        self.follow(id, decision, large_frame_bytes);
        self.remember_untested(id, &tested);
        Some(loose)
    }

    /// The values that the newest code of `id` tests for, each with the place of its site in the body.
    fn tested(&self, id: FuncId) -> impl Iterator<Item = (usize, u64)> {
        let sites = self.functions[id.0 as usize].observed.map_or(0..0, |observed| observed.sites());
        let sites = self.sites[sites].iter().enumerate();
        sites.flat_map(|(place, site)| site.newest_values().map(move |value| (place, value)))
    }

    /// Has what is known of `id` say which values its new code does not test for any more, of those that were `tested`. What
    /// passes is counted, and the other calls are samples: those are not to bring back what counting has refuted.
    fn remember_untested(&mut self, id: FuncId, tested: &[(usize, u64)]) {
        for before in tested {
            if self.tested(id).any(|kept| kept == *before) {
                continue;
            }
            let known = self.functions[id.0 as usize].earlier.and_then(|index| self.earlier.functions.get_mut(index));
            if let Some(site) = known.and_then(|known| known.sites.get_mut(before.0)) {
                site.drop_path(Dropped { value: before.1, share: site.values.share(before.1) });
            }
        }
    }

    /// Whether other optimised code is made of `id`: where it runs often, or tests for what does not come.
    fn is_worth_another_code(&self, id: FuncId) -> bool {
        let Some(known) = self.known(id) else { return true };
        let in_vain = || {
            let sites = self.functions[id.0 as usize].observed.map_or(0..0, |observed| observed.sites());
            let dropped = |site: &SiteState, known: &SiteRecord| {
                known.dropped.iter().any(|dropped| site.newest_values().any(|value| value == dropped.value))
            };
            self.sites[sites].iter().zip(&known.sites).any(|(site, known)| dropped(site, known))
        };
        tier::is_worth_another_code(known, self.earlier.boots_observed, &self.in_flight(id)) || in_vain()
    }

    /// What is stored of `functions`, most useful first, with new code or what they have.
    fn image(&mut self, functions: Vec<(FuncId, Option<Loose>)>, most_bytes: u64) -> Result<Prepared, EngineError> {
        let mut head = self.head()?;
        if self.is_mostly_unused(&head) {
            return Ok(Prepared::Nothing(String::from("most of its counters are not used any more; it is made anew")));
        }
        let mut pieces = self.beside_functions()?;
        let fixed = encoded_bytes(&head) + pieces.iter().map(|loose| loose.most_bytes() as u64).sum::<u64>();
        let mut left = most_bytes.saturating_sub(fixed);
        let count = functions.len();
        for (id, new) in functions {
            let address = self.functions[id.0 as usize].address;
            let Some(loose) = new.or_else(|| self.code.loose(address)) else { continue };
            let bytes = loose.most_bytes() as u64;
            if bytes > left {
                continue;
            }
            left -= bytes;
            head.functions.push(self.stored(id));
            room::push(&mut pieces, loose, WHAT)?;
        }
        let left_out = count - head.functions.len();
        if head.functions.is_empty() {
            return Ok(Prepared::Nothing(format!("{most_bytes} bytes are too few for any")));
        }
        head.functions.sort_unstable_by_key(|stored| stored.id);
        pieces.sort_by_key(|loose| loose.piece);
        let draft = self.code.draft(pieces)?;
        head.pieces = draft.pieces.clone();
        Ok(Prepared::New { image: image::encode(&self.key(), &head, &draft)?, left_out })
    }

    /// Wrappers, and code that calls host functions: none is ever made anew.
    fn beside_functions(&self) -> Result<Vec<Loose>, EngineError> {
        let is_host = |id| matches!(self.program.info(id).kind, FunctionKind::Host { .. });
        let placed = self.code.placed().iter().filter(|placed| match placed.piece {
            Piece::Kernel(_) => false,
            Piece::Wrapper(_) => true,
            Piece::Function(id) => is_host(FuncId(id)),
        });
        Ok(room::collect(placed.filter_map(|placed| self.code.loose(placed.range.start)), WHAT)?)
    }

    /// What is stored beside functions and pieces.
    fn head(&mut self) -> Result<Head, EngineError> {
        let program = self.program_name();
        let observed = self.ids().filter_map(|id| {
            let FunctionState { observed, libc_callees, .. } = &self.functions[id.0 as usize];
            let it = (*observed)?;
            Some(StoredObserved {
                id: id.0,
                blocks: it.blocks as u32,
                block_count: it.block_count as u32,
                first_site: it.first_site as u32,
                site_count: it.site_count as u32,
                libc_callees: libc_callees.clone().unwrap_or_default(),
            })
        });
        Ok(Head {
            program,
            bytes_to_start: self.cache.bytes_to_start,
            replaced: room::collect(self.replaced(), WHAT)?,
            keys: [LIBC, PROGRAM].map(|module| self.program.modules[module].keys()),
            memories: self.memory_places(),
            linkage: self.linkage_hash(),
            linked_end: self.cache.linked_end as u64,
            state_end: self.allocator.end() as u64,
            functions: Vec::new(),
            observed: room::collect(observed, WHAT)?,
            sites: room::collect(self.sites.iter().map(SiteState::store), WHAT)?,
            pieces: Vec::new(),
            trampolines: self.code.trampolines.clone(),
        })
    }

    /// Which functions of the program the libc replaces: index, and place in the libc's list.
    fn replaced(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let (module, linkage) = (&self.program.modules[PROGRAM], &self.program.linkages[PROGRAM]);
        let defined = (module.imported_functions..).zip(&linkage.functions[module.imported_functions as usize..]);
        defined.filter_map(|(index, id)| {
            let function = self.program.info(*id).libc?;
            let place = libc::functions().iter().position(|known| known.name == function.name)?;
            Some((index, place as u32))
        })
    }

    /// Whether the counters of functions that have changed, and of ways in which sites are not specialised any more, take more
    /// state memory than all others.
    fn is_mostly_unused(&self, head: &Head) -> bool {
        let counted: usize = head.observed.iter().map(|it| 8 * it.block_count as usize).sum();
        let sites: usize = head.observed.iter().map(|it| it.site_count as usize * SITE_BYTES).sum();
        let all = self.allocator.end() - self.cache.linked_end;
        all > 2 * (counted + sites) + FREE_BYTES
    }

    fn stored(&self, id: FuncId) -> StoredFunction {
        let state = &self.functions[id.0 as usize];
        StoredFunction {
            id: id.0,
            tier: state.tier.unwrap_or(Tier::Baseline),
            plan: state.plan,
            choices: state.choices,
            without: state.without.clone(),
            large_frame_bytes: state.large_frame_bytes,
        }
    }
}
