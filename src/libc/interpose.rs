//! Which of a program's own functions the libc's replace.
//!
//! A function is replaced if its name is one of the libc's, no other function of the program has that name, and its
//! signature is the libc's. Blocks, strings and mathematics are replaced one by one. The heap is replaced as a whole or
//! not at all, so that no block of one heap reaches the other:
//!
//! 1. `malloc` and `free` are both there: a program that lacks one may have it inlined somewhere, in a body that
//!    still works on the program's heap. Likewise no member has a second function of its name or another signature.
//! 2. There is no other entrance to the program's heap: `aligned_alloc`, `posix_memalign`, `malloc_usable_size` and
//!    the others of [`ENTRANCES`]. (`reallocarray`, `strdup`, `getline` and the like reach the heap through the
//!    members that are replaced, and follow them.)
//! 3. The inner functions of the program's heap ([`INNER`]) are reached from the heap alone. An optimiser that
//!    inlined the wrapper `malloc` left calls of `dlmalloc` in the program; nothing is replaced then.
//!
//! What that rests on, for wasi-libc: its heap is dlmalloc, one object file (`dlmalloc.o`) whose functions are
//! `malloc`, `free`, `calloc` (also called `__libc_malloc`, `__libc_free`, `__libc_calloc`), `realloc`,
//! `posix_memalign`, `aligned_alloc`, `malloc_usable_size` and, with local binding, `dlmalloc`, `dlfree`,
//! `internal_memalign` and `dispose_chunk`. No other object of the library names the local ones; the linker drops
//! those members that nothing refers to, and clang does not inline across its object files. It takes memory through
//! `sbrk`, which is `memory.grow` there and shares nothing with the heap. The libc's heap only uses pages that it
//! grew itself, so the two could not overlap even if both were in use.

use crate::libc::registry::{Family, LibcFunction, find};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
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
    /// Its name and its signature.
    #[default]
    Names,
    /// Nothing: only what the program imports from the module `libc` is the libc's.
    Off,
}

/// Other entrances to a heap that the libc does not offer.
const ENTRANCES: [&str; 13] = [
    "aligned_alloc",
    "posix_memalign",
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
