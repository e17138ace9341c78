//! What the engine keeps about a site: what was seen there, and which calls took which path.
//!
//! A site may have several copies in code: that of its function, one wherever that function's body stands in place of a call,
//! and those of superseded code that still runs. Copies that are specialised alike are an *edition* and count together; each
//! edition counts for itself, so that a call is a miss only where it was tested. The histogram is of all of them.
//!
//! Key types: [`SiteState`], [`Edition`]. Neighbours: `layout` says where the cells are, `translate/probe.rs` makes the code
//! that counts in them, `learn` makes records of what is here.

use alloc::vec::Vec;
use core::iter;
use core::mem::size_of;
use serde::{Deserialize, Serialize};

use crate::engine::decode::program::FuncId;
use crate::engine::layout::{edition, sample_period, site};
use crate::engine::room;
use crate::engine::seams::StateMemory;
use crate::engine::specialise::KernelId;
use crate::engine::translate::Specialisation;
use crate::engine::{Engine, EngineError};
use crate::profile::{FunctionKey, SiteKind, SiteRecord, ValueHistogram};

/// One site.
pub(in crate::engine) struct SiteState {
    kind: SiteKind,
    /// The libc function called, for a size.
    pub callee: Option<FuncId>,
    /// State offset of the cells that all code shares.
    pub offset: usize,
    /// What was moved out of the cells so far.
    values: ValueHistogram,
    /// The first is that of code without paths.
    editions: Vec<Edition>,
    /// The edition of the newest code above the baseline.
    newest: usize,
}

/// What code of one site that is specialised alike has counted.
pub(in crate::engine) struct Edition {
    specialisation: Option<Specialisation>,
    /// Whether the callee's body stands in place of its calls, and counts them.
    counts_in_body: bool,
    /// State offset of its cells.
    pub offset: usize,
    /// Samples taken of it in this boot.
    samples: u64,
    /// The call, of those that took no path, that the next sample is due at.
    next_sample: u64,
    /// Calls that took no path and were looked at.
    misses: u64,
    paths: Vec<Path>,
}

struct Path {
    value: u64,
    passed: u64,
}

/// What a cell of state memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// What was seen last, how often, and where.
    Seen,
    UntilSample,
    /// Calls that took the path for this value.
    Passed(u64),
}

/// A site as it is stored: without what was counted.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSite {
    kind: SiteKind,
    pub callee: Option<FuncId>,
    /// Of its cells, in state memory.
    offset: u32,
    newest: u32,
    /// Those behind the first, which every site has.
    editions: Vec<StoredEdition>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEdition {
    specialisation: Option<Specialisation>,
    counts_in_body: bool,
    offset: u32,
}

impl StoredSite {
    /// Whether the newest edition is one of them.
    pub fn is_consistent(&self) -> bool {
        self.newest as usize <= self.editions.len()
    }

    /// The cells that it has: their offsets in state memory, and their bytes.
    pub fn cells(&self) -> impl Iterator<Item = (u32, usize)> {
        let editions = self.editions.iter().map(|stored| {
            let paths = stored.specialisation.as_ref().map_or(0, |it| it.values().len());
            (stored.offset, edition::bytes(paths))
        });
        iter::once((self.offset, site::BYTES)).chain(editions)
    }
}

impl Edition {
    fn new(specialisation: Option<Specialisation>, counts_in_body: bool, offset: usize) -> Self {
        let values = specialisation.as_ref().map(Specialisation::values).unwrap_or_default();
        let paths = values.into_iter().map(|value| Path { value, passed: 0 }).collect();
        let next_sample = sample_period(0);
        Self { specialisation, counts_in_body, offset, samples: 0, next_sample, misses: 0, paths }
    }

    fn restart(&mut self, state: &mut dyn StateMemory) {
        (self.samples, self.next_sample, self.misses) = (0, sample_period(0), 0);
        state.write(self.offset + edition::UNTIL_SAMPLE, self.next_sample);
        for (index, path) in self.paths.iter_mut().enumerate() {
            path.passed = 0;
            state.write(self.offset + edition::PASSED + 8 * index, 0);
        }
    }

    /// Calls of it that took a path, and that took none although there is one.
    pub fn guards(&self) -> (u64, u64) {
        let passed = self.paths.iter().map(|path| path.passed).sum();
        (passed, if self.paths.is_empty() { 0 } else { self.misses })
    }

    /// Of calls that took a path, and that took none, those that the callee did not count.
    fn uncounted(&self, passed: u64, missed: u64) -> u64 {
        match &self.specialisation {
            Some(Specialisation::Sizes { general: Some(_), .. }) => passed + missed,
            Some(Specialisation::Sizes { .. }) if !self.counts_in_body => passed,
            _ => 0,
        }
    }
}

impl SiteState {
    /// The site whose cells are at `offset` of `state`.
    pub fn new(kind: SiteKind, callee: Option<FuncId>, offset: usize) -> Self {
        let editions = alloc::vec![Edition::new(None, false, offset + site::FIRST_EDITION)];
        Self { kind, callee, offset, values: ValueHistogram::default(), editions, newest: 0 }
    }

    /// The same as it was stored, without what was counted.
    pub fn restore(stored: StoredSite) -> Self {
        let mut site = Self::new(stored.kind, stored.callee, stored.offset as usize);
        site.editions.extend(
            stored
                .editions
                .into_iter()
                .map(|edition| Edition::new(edition.specialisation, edition.counts_in_body, edition.offset as usize)),
        );
        site.newest = stored.newest as usize;
        site
    }

    /// What is to be stored of it.
    pub fn store(&self) -> StoredSite {
        let editions = self.editions[1..].iter().map(|edition| StoredEdition {
            specialisation: edition.specialisation.clone(),
            counts_in_body: edition.counts_in_body,
            offset: edition.offset as u32,
        });
        StoredSite {
            kind: self.kind,
            callee: self.callee,
            offset: self.offset as u32,
            newest: self.newest as u32,
            editions: editions.collect(),
        }
    }

    /// Forgets what was counted, and begins to count.
    pub fn restart(&mut self, state: &mut dyn StateMemory) {
        self.values = ValueHistogram::default();
        for cell in (0..site::BYTES).step_by(size_of::<u64>()) {
            state.write(self.offset + cell, 0);
        }
        for edition in &mut self.editions {
            edition.restart(state);
        }
    }

    /// Makes the cells of its newest edition, which are 0, begin to count down.
    pub fn begin(&self, state: &mut dyn StateMemory) {
        if let Some(newest) = self.editions.last() {
            state.write(newest.offset + edition::UNTIL_SAMPLE, newest.next_sample);
        }
    }

    /// Keeps the run of equal values that ended, and begins one of `value`.
    pub fn end_run(&mut self, value: u64, state: &mut dyn StateMemory) {
        self.values
            .record(state.read(self.offset + site::VALUE as usize), take(state, self.offset + site::RUN as usize));
        state.write(self.offset + site::VALUE as usize, value);
    }

    /// Takes a sample of edition number `index`.
    pub fn sample(&mut self, index: usize, value: u64, address_bits: u64, state: &mut dyn StateMemory) {
        let edition = &mut self.editions[index];
        self.values.record(value, sample_period(edition.samples));
        edition.samples += 1;
        let period = sample_period(edition.samples);
        edition.next_sample += period;
        let countdown = edition.offset + edition::UNTIL_SAMPLE;
        let left = state.read(countdown).wrapping_add(period);
        state.write(countdown, left);
        let bits = state.read(self.offset + site::ADDRESS_BITS as usize) | address_bits;
        state.write(self.offset + site::ADDRESS_BITS as usize, bits);
    }

    /// Moves the cells into histogram and sums; calls that took a path had the value it is for. Returns how many calls of the
    /// libc function since the last time did without it and so were not counted by it.
    pub fn collect(&mut self, state: &mut dyn StateMemory) -> u64 {
        self.end_run(state.read(self.offset + site::VALUE as usize), state);
        let mut elsewhere = 0;
        for edition in &mut self.editions {
            let counted = edition.next_sample.wrapping_sub(state.read(edition.offset + edition::UNTIL_SAMPLE));
            let missed = counted - core::mem::replace(&mut edition.misses, counted);
            let mut all_passed = 0;
            for (index, path) in edition.paths.iter_mut().enumerate() {
                let passed = take(state, edition.offset + edition::PASSED + 8 * index);
                path.passed += passed;
                all_passed += passed;
                self.values.record(path.value, passed);
            }
            elsewhere += edition.uncounted(all_passed, missed);
        }
        elsewhere
    }

    /// What was collected; `callee` is the key of the libc function called.
    pub fn record(&self, callee: Option<FunctionKey>, state: &dyn StateMemory) -> SiteRecord {
        let newest = &self.editions[self.newest];
        let (guards_passed, guards_failed) = newest.guards();
        SiteRecord {
            kind: self.kind,
            callee,
            values: self.values.clone(),
            address_bits: state.read(self.offset + site::ADDRESS_BITS as usize),
            guards_passed,
            guards_failed,
            chosen: newest.paths.iter().map(|path| path.value).collect(),
            passes: newest.paths.iter().map(|path| path.passed).collect(),
            dropped: Vec::new(),
        }
    }

    /// Whether most calls of this boot were of the newest edition.
    pub fn newest_saw_most(&self) -> bool {
        let (passed, failed) = self.editions[self.newest].guards();
        passed.saturating_add(failed) >= self.values.total / 2
    }

    /// Its newest code is of edition number `index` from now on.
    pub const fn set_newest(&mut self, index: usize) {
        self.newest = index;
    }

    /// The values that have a path in its newest code.
    pub fn newest_values(&self) -> impl Iterator<Item = u64> {
        self.editions[self.newest].paths.iter().map(|path| path.value)
    }

    /// The kernel that calls without a path go to in its newest code.
    pub fn general(&self) -> Option<KernelId> {
        match &self.editions[self.newest].specialisation {
            Some(Specialisation::Sizes { general, .. }) => *general,
            _ => None,
        }
    }

    /// Its cells of state memory, by offset.
    pub fn cells(&self) -> impl Iterator<Item = (usize, Cell)> {
        let shared = [site::VALUE, site::RUN, site::ADDRESS_BITS].map(|cell| (self.offset + cell as usize, Cell::Seen));
        let editions = self.editions.iter().flat_map(|edition| {
            let passed = (edition.offset + edition::PASSED..).step_by(size_of::<u64>());
            let paths = passed.zip(&edition.paths).map(|(cell, path)| (cell, Cell::Passed(path.value)));
            iter::once((edition.offset + edition::UNTIL_SAMPLE, Cell::UntilSample)).chain(paths)
        });
        shared.into_iter().chain(editions)
    }

    pub const fn kind(&self) -> SiteKind {
        self.kind
    }

    pub fn editions(&self) -> &[Edition] {
        &self.editions
    }
}

/// The word at `offset`, which is 0 from now on.
fn take(state: &mut dyn StateMemory, offset: usize) -> u64 {
    let value = state.read(offset);
    state.write(offset, 0);
    value
}

impl Engine {
    /// The number of the edition of site `number` that is specialised so, for new code above the baseline.
    pub(in crate::engine) fn edition(
        &mut self,
        number: usize,
        specialisation: Option<&Specialisation>,
        counts_in_body: bool,
    ) -> Result<usize, EngineError> {
        let is_it = |edition: &Edition| match specialisation {
            None => edition.specialisation.is_none(),
            wanted => edition.specialisation.as_ref() == wanted && edition.counts_in_body == counts_in_body,
        };
        let known = self.sites[number].editions.iter().position(is_it);
        let index = match known {
            Some(index) => index,
            None => self.add_edition(number, specialisation.cloned(), counts_in_body)?,
        };
        Ok(index)
    }

    fn add_edition(
        &mut self,
        number: usize,
        specialisation: Option<Specialisation>,
        counts_in_body: bool,
    ) -> Result<usize, EngineError> {
        let state_before = self.allocator.end();
        let mut edition = Edition::new(specialisation, counts_in_body, 0);
        edition.offset = self.allocator.allocate(edition::bytes(edition.paths.len()));
        if let Err(error) = self.allocator.ensure(&mut *self.platform.state) {
            self.allocator.take_back(state_before);
            return Err(error);
        }
        let site = &mut self.sites[number];
        room::push(&mut site.editions, edition, "what is counted in a function")?;
        site.begin(&mut *self.platform.state);
        Ok(site.editions.len() - 1)
    }
}
