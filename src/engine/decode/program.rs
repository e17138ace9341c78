//! Program and libc as one space of functions, globals and tables: what a body can name, resolved.
//!
//! Key types: [`Program`], [`FuncId`], [`Linkage`]. Built once by `link`; read by `translate`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use wasmparser::{FuncType, RefType, TableType, ValType};

use super::module::Module;
use crate::engine::layout::VALUE_BYTES;
use crate::engine::seams::MemoryBase;
use crate::libc::LibcFunction;
use crate::profile::FunctionKey;

/// A function of any module, or a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FuncId(pub u32);

/// A linear memory of any module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryId(pub u32);

/// The memory that needs no base register, or has the pinned one: the program's first. The libc works on it.
pub const FIRST_MEMORY: MemoryId = MemoryId(0);

/// An interned function type: equal for equal types of any module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureId(pub u32);

/// An exception tag of the space: what an exception is thrown with, and what clauses look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId(pub u32);

/// Which module is the libc: it is there before any other.
pub const LIBC: usize = 0;
/// Which module is the program.
pub const PROGRAM: usize = 1;

/// Where a global lives.
#[derive(Clone, Copy, Debug, Hash)]
pub enum GlobalSlot {
    /// Immutable: its bits are known.
    Constant(u128),
    /// At this offset of state memory.
    Cell(usize),
}

/// Where a table lives.
#[derive(Clone, Copy, Debug, Hash)]
pub struct TableSlot {
    /// Offset in state memory of the cell with its length in entries.
    pub length_cell: usize,
    /// Offset of entry 0.
    pub entries: usize,
    /// Entries reserved: it cannot grow past this.
    pub capacity: u32,
    /// The declared maximum.
    pub maximum: Option<u64>,
    pub element_type: RefType,
    /// The length, where it cannot change.
    pub fixed_length: Option<u32>,
}

/// Entries by which a table may outgrow its initial size.
const TABLE_GROWTH: u32 = 1 << 16;

/// Entries that a table has room for.
pub fn table_capacity(ty: &TableType) -> u32 {
    let most = ty.maximum.map_or(u32::MAX, |maximum| u32::try_from(maximum).unwrap_or(u32::MAX));
    most.min((ty.initial as u32).saturating_add(TABLE_GROWTH))
}

/// Where a memory is, and how far it may grow.
#[derive(Clone, Copy, Debug, Hash)]
pub struct MemorySlot {
    /// Where compiled code finds it.
    pub base: MemoryBase,
    /// Offset in state memory of the word with its bytes.
    pub bytes_cell: usize,
    /// Whether nothing ever writes it after its segments: the libc's tables.
    pub constant: bool,
    /// The declared maximum, in pages.
    pub maximum: Option<u64>,
}

/// What an exception tag carries, and where.
#[derive(Clone, Copy, Debug, Hash)]
pub struct TagSlot {
    pub signature: SignatureId,
    /// State offset of the values of what is thrown with it, `layout::VALUE_BYTES` each.
    pub values: usize,
}

/// What the indices of one module stand for.
#[derive(Default)]
pub struct Linkage {
    pub functions: Vec<FuncId>,
    pub memories: Vec<MemoryId>,
    pub globals: Vec<GlobalSlot>,
    pub tables: Vec<TableSlot>,
    pub tags: Vec<TagId>,
    /// Type index to interned signature.
    pub signatures: Vec<SignatureId>,
    /// What the module put into the first memory when it was added, by rising address.
    pub data: Vec<(u32, &'static [u8])>,
    /// What it put into a memory that is constant, by rising address.
    pub constants: Vec<(u32, &'static [u8])>,
}

impl Linkage {
    /// What the module put at `address` of the first memory and behind it. The program may have changed it since.
    pub fn data_at(&self, address: u32) -> Option<&'static [u8]> {
        bytes_at(&self.data, address)
    }

    /// What is at `address` of the module's constant memory and behind it.
    pub fn constants_at(&self, address: u32) -> Option<&'static [u8]> {
        bytes_at(&self.constants, address)
    }
}

fn bytes_at(segments: &[(u32, &'static [u8])], address: u32) -> Option<&'static [u8]> {
    let (start, bytes) = segments[..segments.partition_point(|(start, _)| *start <= address)].last()?;
    bytes.get((address - start) as usize..).filter(|bytes| !bytes.is_empty())
}

/// What stands behind a function identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// Defined by module `module` at function index `index`.
    Defined { module: usize, index: u32 },
    /// The face's function with this identifier (`HostFunction::id`).
    Host { id: u32 },
}

/// One function of the space.
pub struct FunctionInfo {
    pub kind: FunctionKind,
    pub signature: SignatureId,
    /// Its name in the profile; none for host functions and for what the libc replaced.
    pub key: Option<FunctionKey>,
    /// The libc's entry for it, where it is the libc's.
    pub libc: Option<&'static LibcFunction>,
    /// Module and name that it was imported from, for host functions.
    pub import: Option<(&'static str, &'static str)>,
}

/// Everything that code can name.
#[derive(Default)]
pub struct Program {
    pub modules: Vec<Module>,
    pub linkages: Vec<Linkage>,
    pub functions: Vec<FunctionInfo>,
    pub memories: Vec<MemorySlot>,
    pub tags: Vec<TagSlot>,
    pub signatures: Signatures,
    /// The functions that the libc offers, by name.
    pub libc_functions: BTreeMap<&'static str, FuncId>,
    /// Those of the libc that one instruction does on CPUs with fused multiply-add.
    pub fused: BTreeSet<FuncId>,
}

impl Program {
    /// The function of module `module` at `index`.
    pub fn resolve(&self, module: usize, index: u32) -> FuncId {
        self.linkages[module].functions[index as usize]
    }

    pub fn info(&self, id: FuncId) -> &FunctionInfo {
        &self.functions[id.0 as usize]
    }

    /// What people know `id` by: its name in the name section, else that of its export, else `func[N]`.
    pub fn name(&self, id: FuncId) -> String {
        let FunctionInfo { kind, import, .. } = self.info(id);
        match (kind, import) {
            (FunctionKind::Defined { module, index }, _) => name_or_number(&self.modules[*module], *index),
            (FunctionKind::Host { id }, None) => format!("host[{id}]"),
            (FunctionKind::Host { .. }, Some((module, name))) => format!("{module}.{name}"),
        }
    }

    /// Bytes of WebAssembly in the body of `id`; 0 where it has none.
    pub fn body_bytes(&self, id: FuncId) -> usize {
        let FunctionKind::Defined { module, index } = self.info(id).kind else { return 0 };
        self.modules[module].body(index).map_or(0, |body| body.as_bytes().len())
    }

    /// Where the body of `id` begins in its module; 0 where it has none.
    pub fn body_start(&self, id: FuncId) -> u32 {
        let FunctionKind::Defined { module, index } = self.info(id).kind else { return 0 };
        self.modules[module].body(index).map_or(0, |body| body.range().start as u32)
    }

    /// Types of the values of what is thrown with `tag`.
    pub fn tag_values(&self, tag: TagId) -> &[ValType] {
        self.signatures.get(self.tags[tag.0 as usize].signature).params()
    }

    /// The number by which the program's module knows `id`; for what the libc replaced, that of what it replaced.
    pub fn index_in_program(&self, id: FuncId) -> Option<u32> {
        let functions = &self.linkages.get(PROGRAM)?.functions;
        functions.iter().position(|known| *known == id).map(|index| index as u32)
    }

    /// State offsets of these values.
    pub fn tag_places(&self, tag: TagId) -> impl Iterator<Item = usize> + use<> {
        let first = self.tags[tag.0 as usize].values;
        (first..).step_by(VALUE_BYTES).take(self.tag_values(tag).len())
    }

    pub fn function_type(&self, id: FuncId) -> &FuncType {
        self.signatures.get(self.info(id).signature)
    }

    /// The libc's function of this name.
    pub fn libc_function(&self, name: &str) -> Option<FuncId> {
        self.libc_functions.get(name).copied()
    }

    /// All defined functions with their keys.
    pub fn defined(&self) -> impl Iterator<Item = (FuncId, FunctionKey)> {
        let with_id = self.functions.iter().enumerate();
        with_id.filter_map(|(index, info)| info.key.map(|key| (FuncId(index as u32), key)))
    }

    /// What people know the functions with these keys by: one look at the names of all, which [`name`](Self::name) takes for each.
    pub fn names_of(&self, keys: &BTreeSet<FunctionKey>) -> BTreeMap<FunctionKey, String> {
        let mut found = BTreeMap::new();
        for (number, module) in self.modules.iter().enumerate() {
            let here = self.functions.iter().filter_map(|info| match info.kind {
                FunctionKind::Defined { module, index } if module == number => {
                    Some((index, info.key.filter(|key| keys.contains(key))?))
                }
                _ => None,
            });
            let here: BTreeMap<u32, FunctionKey> = here.collect();
            let names = names(module, |index| here.contains_key(&index));
            found.extend(here.into_iter().map(|(index, key)| {
                (key, names.get(&index).map_or_else(|| unnamed(index), |name| String::from(*name)))
            }));
        }
        found
    }
}

/// Function types, equal ones once.
#[derive(Default, Hash)]
pub struct Signatures {
    known: BTreeMap<String, SignatureId>,
    types: Vec<FuncType>,
}

impl Signatures {
    pub fn contains(&self, id: SignatureId) -> bool {
        (id.0 as usize) < self.types.len()
    }

    pub fn get(&self, id: SignatureId) -> &FuncType {
        &self.types[id.0 as usize]
    }

    pub fn intern(&mut self, ty: &FuncType) -> SignatureId {
        let next = SignatureId(self.types.len() as u32);
        let id = *self.known.entry(ty.to_string()).or_insert(next);
        if id == next {
            self.types.push(ty.clone());
        }
        id
    }
}

fn name_or_number(module: &Module, index: u32) -> String {
    module.function_name(index).map_or_else(|| unnamed(index), String::from)
}

fn unnamed(index: u32) -> String {
    format!("func[{index}]")
}

/// What the module calls its functions, those that are wanted.
fn names(module: &Module, is_wanted: impl Fn(u32) -> bool) -> BTreeMap<u32, &'static str> {
    let mut names = BTreeMap::new();
    for export in module.exported_functions().filter(|export| is_wanted(export.index)) {
        names.entry(export.index).or_insert(export.name);
    }
    names.extend(module.namings().filter(|(index, _)| is_wanted(*index)));
    names
}

/// The defined functions of `module` as a profile and as people know them.
pub fn named_functions(module: &Module) -> impl Iterator<Item = (FunctionKey, String)> + '_ {
    let names = names(module, |_| true);
    module.keys().into_iter().zip(module.imported_functions..).map(move |(key, index)| {
        let name = names.get(&index).map_or_else(|| unnamed(index), |name| String::from(*name));
        (key, name)
    })
}
