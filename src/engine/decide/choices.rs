//! What a function is specialised for: from records, options and CPU features to the choices that its code embodies.
//!
//! Key type: [`Choices`]. Neighbours: `tier` has the thresholds, `specialise` knows which kernels and paths there are,
//! `promotion` makes plans of choices.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::expansion::{Expand, Expansions};
use super::tier::{self, Tier};
use crate::engine::decode::program::FuncId;
use crate::engine::room::{self, NoRoom};
use crate::engine::specialise::{ExactPath, KernelId};
use crate::engine::translate::Specialisation;
use crate::engine::{Engine, EngineError};
use crate::profile::{SiteKind, SiteRecord, ValueHistogram};

/// What the code of one function is specialised for. Equal choices give equal code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Choices {
    /// The function is a libc function, and a kernel does all of it.
    pub body: Option<KernelId>,
    /// What each site is specialised for, in body order.
    pub sites: Vec<Option<Specialisation>>,
    /// What stands in place of calls of libc functions.
    pub callees: Expansions,
    /// What the sites of bodies that do are specialised for.
    pub sites_in_place: BTreeMap<FuncId, Vec<Option<Specialisation>>>,
}

impl Choices {
    /// Whether the code does everything the general way.
    pub fn are_generic(&self) -> bool {
        self.body.is_none() && self.sites.iter().all(Option::is_none) && self.callees.is_empty()
    }

    /// The functions whose calls are done without: `id` itself, if the code is a kernel's.
    pub fn without(&self, id: FuncId) -> Vec<FuncId> {
        self.callees.keys().copied().chain(self.body.map(|_| id)).collect()
    }
}

impl Engine {
    /// What `id` is to be specialised for; sites need at least `minimum` recorded calls.
    pub(in crate::engine) fn choices(&mut self, id: FuncId, minimum: u64) -> Result<Choices, EngineError> {
        if self.options.highest < Tier::Specialised {
            return Ok(Choices::default());
        }
        let body = self.kernel_for(id, &ValueHistogram::default());
        if body.is_some() {
            return Ok(Choices { body, ..Choices::default() });
        }
        let callees = self.expansions(id);
        let mut sites_in_place = BTreeMap::new();
        for (callee, expand) in &callees {
            self.observe(*callee)?;
            if matches!(expand, Expand::Body | Expand::BodyForConstants) {
                let below = self.expansions_below(*callee, &callees).clone();
                sites_in_place.insert(*callee, self.site_choices(*callee, tier::SITE_MINIMUM, &below)?);
            }
        }
        Ok(Choices { body, sites: self.site_choices(id, minimum, &callees)?, callees, sites_in_place })
    }

    fn site_choices(
        &mut self,
        id: FuncId,
        minimum: u64,
        expansions: &Expansions,
    ) -> Result<Vec<Option<Specialisation>>, NoRoom> {
        let records = self.site_records(id)?;
        let earlier = self.known(id).map_or(&[][..], |record| &record.sites);
        let first = self.functions[id.0 as usize].observed.map_or(0, |observed| observed.first_site);
        let mut choices = Vec::new();
        room::reserve(&mut choices, records.len(), "what a function is specialised for")?;
        for (index, mut record) in records.into_iter().enumerate() {
            if let Some(earlier) = earlier.get(index) {
                record.merge(earlier);
                record.values.narrow();
            }
            let site = &self.sites[first + index];
            let (callee, current) = (site.callee, site.general());
            choices.push(match record.kind {
                SiteKind::Size => callee.and_then(|callee| self.sizes(callee, &record, minimum, expansions, current)),
                SiteKind::Target => self.target(&record, minimum),
            });
        }
        Ok(choices)
    }

    fn sizes(
        &self,
        callee: FuncId,
        record: &SiteRecord,
        minimum: u64,
        expansions: &Expansions,
        current: Option<KernelId>,
    ) -> Option<Specialisation> {
        let name = self.program.info(callee).libc?.name;
        let path_of = |size: u64| match ExactPath::of(name, size)? {
            ExactPath::Body if expansions.get(&callee) != Some(&Expand::Body) => None,
            _ => u32::try_from(size).ok(),
        };
        let frequent = tier::frequent_values(record, minimum, |size| path_of(size).is_some());
        let mut exact: Vec<u32> = frequent.into_iter().filter_map(path_of).collect();
        if self.has_one_path_for_several(callee, &exact) {
            exact.clear();
        }
        let values: Vec<u64> = exact.iter().map(|size| u64::from(*size)).collect();
        let general = match expansions.get(&callee) {
            Some(Expand::Kernel(_)) => {
                let others = record.values.without(&values);
                let best = self.kernel_for(callee, &others);
                let current = current.map(|kernel| KernelId { rare: false, ..kernel });
                current.filter(|current| best.is_some_and(|best| current.is_as_good_as(best, &others))).or(best)
            }
            _ => None,
        };
        let rare = !exact.is_empty() && tier::others_are_rare(record, &values);
        let general = if rare { general.map(KernelId::where_rare) } else { general };
        (!exact.is_empty() || general.is_some()).then_some(Specialisation::Sizes { exact, general })
    }

    /// Whether the kernel of `callee` does several of these sizes without a branch, so that telling them apart costs more
    /// than it saves.
    fn has_one_path_for_several(&self, callee: FuncId, sizes: &[u32]) -> bool {
        let kernel = self.kernel_for(callee, &ValueHistogram::default());
        let together = kernel.map_or(0, KernelId::one_path_bytes);
        sizes.iter().filter(|size| **size <= together).count() > 1
    }

    fn target(&self, record: &SiteRecord, minimum: u64) -> Option<Specialisation> {
        let value = tier::dominant_value(record, minimum)?;
        let target = FuncId(u32::try_from(value.checked_sub(1)?).ok()?);
        let known = (target.0 as usize) < self.program.functions.len();
        known.then_some(Specialisation::Target(target))
    }
}
