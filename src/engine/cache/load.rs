//! Taking over what an earlier boot compiled.
//!
//! Everything that the code depends on is compared first. What differs for one function costs that function only: it is compiled
//! when it is called, and those that called its code directly go through its entry.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::mem;
use core::mem::size_of;
use xxhash_rust::xxh3::Xxh3Default;

use super::image::{Head, Image, Key, ModuleName, StoredFunction};
use crate::engine::code::draft::StoredPiece;
use crate::engine::code::space::Piece;
use crate::engine::cpu::CpuFeatures;
use crate::engine::decide::tier::Tier;
use crate::engine::decode::program::{FuncId, FunctionKind, SignatureId};
use crate::engine::observe::site::SiteState;
use crate::engine::room::{self, NoRoom};
use crate::engine::seams::{MemoryBase, Work};
use crate::engine::{Cache, Engine, EngineError, Observed, Options};

/// What there may be no memory for.
const WHAT: &str = "code of an earlier boot";

/// What is hashed of a program at once.
const HASHED_BYTES: usize = 1 << 20;

/// What all code depends on, beside the modules: the CPU's features in use, options, and where things are.
pub fn key(cpu: CpuFeatures, options: Options, code_base: u64, state_base: u64, memory: MemoryBase) -> Key {
    let Options { promotion, thresholds, lowest, highest, heap, interpose, .. } = options;
    let memory = match memory {
        MemoryBase::Zero => "address 0",
        MemoryBase::At(_) => "an address in a register",
    };
    let parts = [
        ("build", String::from(env!("BAREFLOW_BUILD"))),
        ("CPU", format!("{cpu:?}")),
        (
            "set of options",
            format!("{promotion:?}, {thresholds:?}, {lowest:?} to {highest:?}, heap {heap:?}, interpose {interpose:?}"),
        ),
        ("place of code", format!("{code_base:#x}")),
        ("place of state", format!("{state_base:#x}")),
        ("place of memory", memory.to_string()),
    ];
    parts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

impl Engine {
    /// What all its code depends on, beside the modules.
    pub(in crate::engine) fn key(&self) -> Key {
        key(
            self.platform.cpu,
            self.options,
            self.code.base(),
            self.platform.state.base(),
            self.program.memories[0].base,
        )
    }

    /// Why code of an earlier boot is not used, if any is not: the first reason.
    pub fn code_reason(&self) -> Option<&str> {
        self.cache.reason.as_deref()
    }

    /// Pieces of code of an earlier boot that were made again and found to be the same, if that was asked for.
    pub fn code_verified(&self) -> Option<u64> {
        Some(self.statistics.code_verified).filter(|pieces| *pieces > 0)
    }

    /// What the program is known by. Whoever is taken for another program is not validated, so no hash will do for which two
    /// programs of one hash can be found.
    pub(in crate::engine) fn program_name(&mut self) -> ModuleName {
        if let Some(name) = self.cache.name {
            return name;
        }
        let (started, all) = (self.now(), self.program_bytes.len() as u64);
        let (mut hasher, mut done) = (blake3::Hasher::new(), 0);
        for piece in self.program_bytes.chunks(HASHED_BYTES) {
            hasher.update(piece);
            done += piece.len() as u64;
            let spent = self.now().saturating_sub(started);
            self.platform.progress.advanced(Work::Hashing, done, all, spent);
        }
        let name = *hasher.finalize().as_bytes();
        self.cache.name = Some(name);
        name
    }

    /// Takes over the code in `image`, as far as it fits; `is_known` says that it was made for this very program. Where there
    /// is no memory for it, nothing is taken.
    pub(in crate::engine) fn load(&mut self, mut image: Image<'_>, is_known: bool) {
        let (functions, state_end) = (image.head.functions.len(), image.head.state_end);
        if let Some(reason) = self.misfit(&image, is_known) {
            return self.reject(functions, reason.to_string());
        }
        let state_before = self.allocator.end();
        self.allocator.take_back(state_end as usize);
        if let Err(error) = self.allocator.ensure(&mut *self.platform.state) {
            self.allocator.take_back(state_before);
            return self.reject(functions, error.to_string());
        }
        if let Err(error) = self.take_over(&mut image, is_known) {
            self.reject(functions, error.to_string());
        }
    }

    fn take_over(&mut self, image: &mut Image<'_>, is_known: bool) -> Result<(), EngineError> {
        self.take_over_counters(&mut image.head)?;
        let (image, head) = (&*image, &image.head);
        if self.options.cache == Cache::Verify
            && let Err(reason) = self.verify(image)?
        {
            self.reject(head.functions.len(), reason);
            return Ok(());
        }
        let changed = head.functions.iter().map(|stored| FuncId(stored.id)).filter(|id| !self.is_unchanged(head, *id));
        let changed: BTreeSet<FuncId> = changed.collect();
        let is_wanted = |piece| !matches!(piece, Piece::Function(id) if changed.contains(&FuncId(id)));
        let details = copied(image.details)?;
        if changed.is_empty() {
            self.code.load(image.code, &head.pieces, details, is_wanted)?;
        } else {
            let mut code = copied(image.code)?;
            self.code.detach(&mut code, &head.pieces, &details, &changed);
            self.code.load(&code, &head.pieces, details, is_wanted)?;
        }
        self.find_functions();
        room::reserve(&mut self.tiers, head.functions.len(), WHAT)?;
        head.functions.iter().for_each(|stored| self.adopt(stored));
        if let Some(first) = changed.first() {
            let reason = format!("the program has another {} now", self.program.name(*first));
            self.reject(changed.len(), reason);
        }
        // Another program wants an image of its own, be it of the same code.
        self.cache.loaded_pieces = Some(head.pieces.len()).filter(|_| is_known);
        Ok(())
    }

    /// Has functions count where their code does.
    fn take_over_counters(&mut self, head: &mut Head) -> Result<(), EngineError> {
        room::reserve(&mut self.sites, head.sites.len(), WHAT)?;
        self.sites.extend(head.sites.drain(..).map(SiteState::restore));
        self.sites.iter_mut().for_each(|site| site.restart(&mut *self.platform.state));
        for stored in mem::take(&mut head.observed) {
            if self.is_unchanged(head, FuncId(stored.id)) {
                let state = &mut self.functions[stored.id as usize];
                state.libc_callees = Some(stored.libc_callees);
                state.observed = Some(Observed {
                    blocks: stored.blocks as usize,
                    block_count: stored.block_count as usize,
                    first_site: stored.first_site as usize,
                    site_count: stored.site_count as usize,
                });
            }
        }
        Ok(())
    }

    /// Has a function know what its code is like.
    fn adopt(&mut self, stored: &StoredFunction) {
        let state = &mut self.functions[stored.id as usize];
        if state.address == 0 {
            return;
        }
        state.tier = Some(stored.tier);
        self.tiers.push((FuncId(stored.id), stored.tier, state.address));
        state.was_in_baseline = stored.tier == Tier::Baseline;
        (state.plan, state.choices) = (stored.plan, stored.choices);
        state.without = stored.without.clone();
        state.large_frame_bytes = stored.large_frame_bytes;
        self.set_threshold(FuncId(stored.id));
        for callee in &stored.without {
            self.functions[callee.0 as usize].generic_calls = Some(0);
        }
        self.statistics.code_loaded += 1;
    }

    /// Has functions know where their code is.
    fn find_functions(&mut self) {
        for placed in self.code.placed() {
            if let Some(id) = placed.function() {
                let state = &mut self.functions[id.0 as usize];
                (state.address, state.code_bytes) = (placed.range.start, placed.range.end - placed.range.start);
            }
        }
    }

    /// Code of so many functions is not used.
    pub(in crate::engine) fn reject(&mut self, functions: usize, reason: String) {
        self.statistics.code_rejected += functions as u64;
        self.cache.reason.get_or_insert(reason);
    }

    /// Whether function `id` has the type and the body that it had for `head`.
    fn is_unchanged(&self, head: &Head, id: FuncId) -> bool {
        let info = self.program.info(id);
        let FunctionKind::Defined { module, index } = info.kind else { return false };
        let place = index - self.program.modules[module].imported_functions;
        let key = head.keys(module).get(place as usize);
        key.is_some() && info.key.as_ref() == key
    }

    /// Why nothing of `image` fits what was linked; none if it may.
    fn misfit(&self, image: &Image<'_>, is_known: bool) -> Option<&'static str> {
        let head = &image.head;
        let is_linked_alike = is_known || head.linkage == self.linkage_hash();
        if head.linked_end != self.allocator.end() as u64 || !is_linked_alike {
            return Some("the program has other functions, types, globals, tables or memories now");
        }
        if head.memories != self.memory_places() {
            return Some("the memories beside the program's first are elsewhere");
        }
        // What code refers to is read only where that is needed.
        let as_it_is = is_known && self.options.cache != Cache::Verify;
        if !self.is_consistent(image) || !(as_it_is || self.code.are_consistent(&head.pieces, image.details)) {
            return Some("what is known of the code contradicts itself");
        }
        None
    }

    /// Where the memories are that code has the address of.
    pub(in crate::engine) fn memory_places(&self) -> Vec<u64> {
        let bases = self.program.memories.iter().skip(1).map(|memory| match memory.base {
            MemoryBase::Zero => 0,
            MemoryBase::At(base) => base,
        });
        bases.collect()
    }

    /// Whether everything that `image` names is there.
    fn is_consistent(&self, image: &Image<'_>) -> bool {
        let head = &image.head;
        let functions = self.program.functions.len();
        let is_function = |id: &FuncId| (id.0 as usize) < functions;
        let is_defined = |id: u32| {
            let kind = self.program.functions.get(id as usize).map(|info| info.kind);
            matches!(kind, Some(FunctionKind::Defined { .. }))
        };
        let in_state = |offset: u32, bytes: usize| {
            let range = u64::from(offset)..u64::from(offset) + bytes as u64;
            offset.is_multiple_of(8) && range.start >= head.linked_end && range.end <= head.state_end
        };
        let observed = head.observed.iter().all(|stored| {
            let sites = stored.first_site as usize + stored.site_count as usize;
            is_defined(stored.id)
                && stored.libc_callees.iter().all(is_function)
                && sites <= head.sites.len()
                && in_state(stored.blocks, Observed::words(stored.block_count as usize) * size_of::<u64>())
        });
        let sites = head.sites.iter().all(|site| {
            site.is_consistent()
                && site.callee.iter().all(is_function)
                && site.cells().all(|(offset, bytes)| in_state(offset, bytes))
        });
        let functions =
            head.functions.iter().all(|stored| is_defined(stored.id) && stored.without.iter().all(is_function));
        let state = (head.linked_end..=u32::MAX.into()).contains(&head.state_end);
        state && observed && sites && functions && self.pieces_are_consistent(image)
    }

    fn pieces_are_consistent(&self, image: &Image<'_>) -> bool {
        let Image { head, details, code } = image;
        let mut end = 0;
        let in_order = head.pieces.iter().all(|stored: &StoredPiece| {
            let start = u64::from(stored.offset);
            let follows = start >= end;
            end = start + u64::from(stored.bytes);
            follows
                && match stored.piece {
                    Piece::Function(id) => (id as usize) < self.program.functions.len(),
                    Piece::Wrapper(signature) => self.program.signatures.contains(SignatureId(signature)),
                    Piece::Kernel(_) => true,
                }
        });
        let details_bytes = head.pieces.iter().map(|stored| stored.details_bytes as usize).sum::<usize>();
        in_order && end <= code.len() as u64 && details_bytes == details.len()
    }

    /// Hash of what linking made of the modules, bodies excepted: what code has of it, and how it is numbered.
    pub(in crate::engine) fn linkage_hash(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        let program = &self.program;
        program.signatures.hash(&mut hasher);
        program.memories.hash(&mut hasher);
        program.tags.hash(&mut hasher);
        for linkage in &program.linkages {
            linkage.functions.hash(&mut hasher);
            linkage.memories.hash(&mut hasher);
            linkage.globals.hash(&mut hasher);
            linkage.tables.hash(&mut hasher);
            linkage.tags.hash(&mut hasher);
            linkage.signatures.hash(&mut hasher);
        }
        for info in &program.functions {
            (info.kind, info.signature).hash(&mut hasher);
        }
        for memory in program.modules.iter().flat_map(|module| &module.memories) {
            memory.initial.hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn copied(bytes: &[u8]) -> Result<Vec<u8>, NoRoom> {
    let mut copy = Vec::new();
    room::reserve(&mut copy, bytes.len(), WHAT)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}
