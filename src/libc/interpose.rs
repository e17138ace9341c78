//! Which of a program's own functions the libc's replace.
//!
//! Blocks, strings and mathematics are replaced one by one. The heap is replaced as a whole or not at all, so that no block
//! of one heap reaches the other.
//!
//! By default ([`Interpose::Proof`]) a function is replaced if its body is proved to be that of a known C library
//! (`known/mod.rs`), whatever its name, and the libc's is not slower ([`SLOWER`]); the heap if
//!
//! 1. `malloc` and `free` are both there: a program that lacks one may have it as a part of its callers, which still work on
//!    the program's heap. That each function behind them is known, too, is in the proof.
//! 2. nothing but the heap's known functions reaches those of them that the libc does not have: the inner ones and other
//!    entrances (`malloc_usable_size`). (`reallocarray`, `strdup` and the like reach the heap through members that are replaced,
//!    and follow them.)
//! 3. no other function makes memory grow, and all work on one set of variables: there are not two heaps of one kind.
//!
//! With [`Interpose::Names`] a function is replaced if its name is one of the libc's, no other function of the program has
//! that name, and its signature is the libc's; the heap if rule 1 holds by names, no member has a second function of its
//! name or another signature, there is no other entrance ([`ENTRANCES`]), and the functions of these names inside
//! ([`INNER`]) are reached from the heap alone.
//!
//! What both rest on: code of the heap that was expanded into its callers is nowhere else, since libraries come compiled.
//! The libc's heap only uses pages that it grew itself, so the two could not overlap even if both were in use.

use crate::libc::known::{self, Bodies, Proved};
use crate::libc::registry::{Family, LibcFunction, find};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::Serialize;
use wasmparser::ValType;

/// A function that the program defines, with its name from the name section.
#[derive(Clone, Copy, Debug)]
pub struct NamedFunction<'a> {
    /// Index in the module's function index space.
    pub index: u32,
    pub name: &'a str,
    pub params: &'a [ValType],
    pub results: &'a [ValType],
}

/// One place that names a function: a `call` or `ref.func` in the body of `from`, or, if that is `None`, an element
/// segment, a global's initialiser or an export.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    pub from: Option<u32>,
    pub to: u32,
}

/// What decides that the libc's function stands in for one of the program's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interpose {
    /// Its body, proved to be that of a known C library's function.
    #[default]
    Proof,
    /// Its name and its signature.
    Names,
    /// Nothing: only what the program imports from the module `libc` is the libc's.
    Off,
}

/// How many functions the libc's stand for, by what decided that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interposed {
    /// Imported from the module `libc`.
    #[serde(rename = "libc_imported")]
    pub imported: u64,
    #[serde(rename = "libc_proved")]
    pub proved: u64,
    #[serde(rename = "libc_named")]
    pub named: u64,
}

/// Functions that are slower than wasi-libc's own on this engine, in throughput or in latency (`./just bench libc`): what is
/// proved keeps its own body.
const SLOWER: [&str; 1] = ["atanf"];

/// Other entrances to a heap that the libc does not offer.
const ENTRANCES: [&str; 11] = [
    "memalign",
    "valloc",
    "pvalloc",
    "malloc_usable_size",
    "malloc_trim",
    "mallinfo",
    "__libc_malloc",
    "__libc_free",
    "__libc_calloc",
    "__libc_realloc",
    "__libc_memalign",
];

/// The entrances of wasi-libc's other allocator begin with this.
const EMMALLOC: &str = "emmalloc";

/// Functions inside dlmalloc that a build may keep apart.
const INNER: [&str; 13] = [
    "dlmalloc",
    "dlfree",
    "dlcalloc",
    "dlrealloc",
    "dlmemalign",
    "internal_memalign",
    "dispose_chunk",
    "try_realloc_chunk",
    "tmalloc_large",
    "tmalloc_small",
    "prepend_alloc",
    "sys_alloc",
    "sys_trim",
];

/// The functions of a program that the libc's replace, by rising index.
///
/// `references` is read only if the program's heap could be replaced but for rule 3.
pub fn interpositions<'a>(
    functions: impl IntoIterator<Item = NamedFunction<'a>>,
    references: impl IntoIterator<Item = Reference>,
) -> Vec<(u32, &'static LibcFunction)> {
    let mut candidates = Candidates::default();
    for function in functions {
        candidates.add(&function);
    }
    let heap = candidates.heap_is_whole() && candidates.heap_is_closed(references);
    let replaced = candidates.by_name.values().filter_map(|candidate| match *candidate {
        Candidate::Match(index, function) if heap || function.family != Family::Allocation => Some((index, function)),
        _ => None,
    });
    let mut replaced: Vec<_> = replaced.collect();
    replaced.sort_unstable_by_key(|(index, _)| *index);
    replaced
}

/// The functions of a program that are known ones and that the libc's replace, by rising index.
pub fn proved(program: &impl Bodies) -> Vec<(u32, &'static LibcFunction)> {
    let proved = known::prove(program);
    let heap = proved.iter().any(|proved| proved.known.is_heap)
        && heap_is_apart(&proved, program.growing(), program.references());
    let mut replaced: BTreeMap<u32, &'static LibcFunction> = BTreeMap::new();
    for (index, function) in proved.iter().filter_map(|proved| Some((proved.index, find(proved.known.name)?))) {
        if !SLOWER.contains(&function.name) && (heap || function.family != Family::Allocation) {
            replaced.entry(index).or_insert(function);
        }
    }
    replaced.into_iter().collect()
}

/// Whether the `proved` functions of a program's heap can be replaced: both of its main ones are there, all work on the same
/// variables, nothing but them reaches those of them that the libc has not, and nothing but them is among the functions
/// that make memory grow.
pub(super) fn heap_is_apart(
    proved: &[Proved],
    growing: impl IntoIterator<Item = u32>,
    references: impl IntoIterator<Item = Reference>,
) -> bool {
    let heap: Vec<&Proved> = proved.iter().filter(|proved| proved.known.is_heap).collect();
    let own = |proved: &Proved| find(proved.known.name).filter(|own| own.family == Family::Allocation);
    let members: BTreeMap<u32, &str> =
        heap.iter().filter_map(|proved| Some((proved.index, own(proved)?.name))).collect();
    let inside: BTreeSet<u32> = heap.iter().map(|proved| proved.index).collect();
    let has = |name| members.values().any(|member| *member == name);
    let mut variables = BTreeMap::new();
    let mut named = heap.iter().flat_map(|proved| &proved.variables);
    let is_inner = |index: &u32| inside.contains(index) && !members.contains_key(index);
    let is_inside = |from: Option<u32>| from.is_some_and(|from| inside.contains(&from));
    has("malloc")
        && has("free")
        && named.all(|(name, address)| variables.entry(*name).or_insert(*address) == address)
        && growing.into_iter().all(|index| inside.contains(&index))
        && references.into_iter().all(|reference| !is_inner(&reference.to) || is_inside(reference.from))
}

/// What a program defines under the names that matter here.
#[derive(Default)]
struct Candidates {
    by_name: BTreeMap<&'static str, Candidate>,
    /// Indices of the heap's own functions: members and inner ones.
    heap: BTreeSet<u32>,
    /// Indices of the inner ones.
    inner: BTreeSet<u32>,
    another_entrance: bool,
}

/// What a program defines under one name of the libc.
enum Candidate {
    Match(u32, &'static LibcFunction),
    /// Defined twice, or with another signature.
    Mismatch(&'static LibcFunction),
}

impl Candidates {
    fn add(&mut self, function: &NamedFunction) {
        if let Some(own) = find(function.name) {
            let fits = own.params == function.params && own.results == function.results;
            let first = !self.by_name.contains_key(own.name);
            let candidate =
                if fits && first { Candidate::Match(function.index, own) } else { Candidate::Mismatch(own) };
            self.by_name.insert(own.name, candidate);
            if own.family == Family::Allocation {
                self.heap.insert(function.index);
            }
        } else if INNER.contains(&function.name) {
            self.heap.insert(function.index);
            self.inner.insert(function.index);
        } else if ENTRANCES.contains(&function.name) || function.name.starts_with(EMMALLOC) {
            self.another_entrance = true;
        }
    }

    /// Rules 1 and 2.
    fn heap_is_whole(&self) -> bool {
        let fits = |candidate: &Candidate| match candidate {
            Candidate::Match(..) => true,
            Candidate::Mismatch(function) => function.family != Family::Allocation,
        };
        self.by_name.contains_key("malloc")
            && self.by_name.contains_key("free")
            && self.by_name.values().all(fits)
            && !self.another_entrance
    }

    /// Rule 3.
    fn heap_is_closed(&self, references: impl IntoIterator<Item = Reference>) -> bool {
        let is_inside = |from: Option<u32>| from.is_some_and(|from| self.heap.contains(&from));
        self.inner.is_empty()
            || references.into_iter().all(|reference| !self.inner.contains(&reference.to) || is_inside(reference.from))
    }
}
