//! Which calls of the libc are done without: by a kernel, or by the callee's body in place of the call.
//!
//! Code of a hot function of the mathematics has all that it calls in place, and so has a hot caller if that is little. A
//! larger one stands in place of the calls that give it a constant, since most of its body then vanishes.
//!
//! Key types: [`Expand`], [`Expansions`]. Neighbours: `choices` asks, `promotion` makes plans of the answers,
//! `translate/libc_call.rs` follows them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::tier::{Promotion, Tier};
use crate::engine::Engine;
use crate::engine::decode::program::{FuncId, FunctionKind, LIBC};
use crate::engine::specialise::KernelId;
use crate::engine::translate::{callees, scan};
use crate::libc::{Family, Heap};
use crate::profile::ValueHistogram;

/// Bodies of up to this many bytes of WebAssembly stand in place of calls: about thirty operators, as much code as the
/// call with its arguments, its frame and its counter a few times over.
const INLINE_BYTES: usize = 128;

/// The same for a function of the mathematics with all that it calls. `exp`, `exp2`, `log`, `hypot` and `fmod` have 170 to
/// 490 bytes: a loop around one gets faster, for up to 900 bytes of code and 0.4 ms of compiling at each place. `sin`, `atan2`,
/// `cbrt` and `pow`, with 700 to 3,300, gain nothing; `asin` and `acos`, with 570 and 650, lose 5 to 10 %.
const INLINE_BYTES_OF_MATHEMATICS: usize = 512;

/// What stands in place of calls, by callee.
pub type Expansions = BTreeMap<FuncId, Expand>;

/// What stands in place of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expand {
    Kernel(KernelId),
    Body,
    /// The body where an argument is a constant; other calls stay calls.
    BodyForConstants,
}

impl Engine {
    /// The kernel that does all that the libc's function `id` does; `sizes` are those of its calls, where they are known.
    pub(in crate::engine) fn kernel_for(&self, id: FuncId, sizes: &ValueHistogram) -> Option<KernelId> {
        KernelId::for_function(self.program.info(id).libc?.name, sizes, self.platform.cpu)
    }

    /// The hot libc functions that `id` calls and whose work can stand in place of the calls, with those that such bodies
    /// call themselves.
    pub(in crate::engine) fn expansions(&mut self, id: FuncId) -> Expansions {
        let everything = self.is_of_mathematics(id);
        let mut expansions = Expansions::new();
        let is_wanted = |callee: &FuncId| everything || self.program.info(*callee).libc.is_some();
        let mut next: BTreeSet<FuncId> = self.hot_callees(id).filter(is_wanted).collect();
        while let Some(callee) = next.pop_last() {
            let expand = if everything { Some(Expand::Body) } else { self.expansion(callee) };
            let Some(expand) = expand.filter(|_| !expansions.contains_key(&callee)) else { continue };
            expansions.insert(callee, expand);
            if self.is_mathematics(callee) || self.program.info(callee).libc.is_none() {
                next.extend(self.hot_callees(callee));
            }
        }
        expansions
    }

    /// Those of `expansions` that the body of `id` has in place of its own calls, where it stands in place of a call.
    pub(in crate::engine) fn expansions_below<'a>(&self, id: FuncId, expansions: &'a Expansions) -> &'a Expansions {
        static NONE: Expansions = BTreeMap::new();
        let is_behind_others = self.program.info(id).libc.is_none();
        if is_behind_others || self.is_mathematics(id) { expansions } else { &NONE }
    }

    /// The libc's functions that the body of `id` calls, those that do its instructions included, by rising number.
    pub(in crate::engine) fn libc_callees_of(&self, id: FuncId) -> Vec<FuncId> {
        let known = &self.functions[id.0 as usize].libc_callees;
        known.clone().unwrap_or_else(|| scan(&self.program, id).unwrap_or_default().libc_callees)
    }

    fn hot_callees(&self, id: FuncId) -> impl Iterator<Item = FuncId> {
        let callees = self.libc_callees_of(id).into_iter();
        callees.filter(move |callee| *callee != id && self.is_hot_libc_function(*callee))
    }

    /// What can stand in place of calls of `id`, if it is the libc's.
    fn expansion(&self, id: FuncId) -> Option<Expand> {
        let Some(function) = self.program.info(id).libc else {
            return self.expansion_of_mathematics(id);
        };
        match function.family {
            // Backtraces of what it finds begin with these functions.
            Family::Allocation if self.options.heap == Heap::Checked => None,
            Family::Mathematics => self.expansion_of_mathematics(id),
            _ => {
                let kernel = self.kernel_for(id, &ValueHistogram::default()).map(Expand::Kernel);
                let is_small = self.program.body_bytes(id) <= INLINE_BYTES;
                kernel.or(is_small.then_some(Expand::Body))
            }
        }
    }

    fn expansion_of_mathematics(&self, id: FuncId) -> Option<Expand> {
        let is_small = self.bytes_in_place(id) <= INLINE_BYTES_OF_MATHEMATICS;
        Some(if is_small { Expand::Body } else { Expand::BodyForConstants })
    }

    /// Bytes of WebAssembly that stand in place of one call of `id`; those beyond the limit are not counted.
    fn bytes_in_place(&self, id: FuncId) -> usize {
        let mut sum = 0;
        let mut next = alloc::vec![id];
        while let Some(id) = next.pop() {
            sum += self.program.body_bytes(id);
            if sum > INLINE_BYTES_OF_MATHEMATICS {
                break;
            }
            next.extend(self.hot_callees(id));
        }
        sum
    }

    /// Whether hot callers do without code of `id`.
    pub(in crate::engine) fn is_expanded_where_hot(&self, id: FuncId) -> bool {
        self.options.highest == Tier::Specialised
            && self.program.info(id).libc.is_some()
            && self.expansion(id).is_some()
    }

    fn is_hot_libc_function(&self, id: FuncId) -> bool {
        // A function asks for promotion before it makes its calls: what it calls has not as many yet.
        let enough = self.options.thresholds.unwrap_or_default().optimise / 2;
        let hot_now = || self.options.promotion == Promotion::Flight && self.calls_of(id) >= enough.max(1);
        let hot = || self.options.lowest > Tier::Baseline || self.is_hot(id) || hot_now();
        matches!(self.program.info(id).kind, FunctionKind::Defined { module: LIBC, .. }) && hot()
    }

    fn is_mathematics(&self, id: FuncId) -> bool {
        self.program.info(id).libc.is_some_and(|function| function.family == Family::Mathematics)
    }

    /// Whether `id` is one of the mathematics or of the functions behind them.
    fn is_of_mathematics(&mut self, id: FuncId) -> bool {
        let info = self.program.info(id);
        let is_behind_others = matches!(info.kind, FunctionKind::Defined { module: LIBC, .. }) && info.libc.is_none();
        if !is_behind_others {
            return self.is_mathematics(id);
        }
        if self.behind_mathematics.is_none() {
            self.behind_mathematics = Some(self.reached_by_mathematics());
        }
        self.behind_mathematics.as_ref().is_some_and(|reached| reached.contains(&id))
    }

    fn reached_by_mathematics(&self) -> BTreeSet<FuncId> {
        let all = self.program.functions.iter().enumerate().map(|(index, _)| FuncId(index as u32));
        let mut next: Vec<FuncId> = all.filter(|id| self.is_mathematics(*id)).collect();
        let mut reached = BTreeSet::new();
        while let Some(id) = next.pop() {
            if reached.insert(id) {
                next.extend(callees(&self.program, id));
            }
        }
        reached
    }
}
