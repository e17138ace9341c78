//! A module linked to what is there: its imports found, its functions numbered, its memories, tables and globals given
//! their places, its own libc functions replaced.

mod instantiate;
mod interpose;
mod tables;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use wasmparser::{FuncType, GlobalType, Import, TableType, TypeRef, ValType};

use crate::engine::cache::image::Head;
use crate::engine::decode::constant::{ConstantValue, evaluate};
use crate::engine::decode::module::Module;
use crate::engine::decode::program::{
    FIRST_MEMORY, FuncId, FunctionInfo, FunctionKind, GlobalSlot, LIBC, Linkage, MemoryId, MemorySlot, SignatureId,
    TableSlot, TagId, TagSlot, table_capacity,
};
use crate::engine::layout::{VALUE_BYTES, table_entry};
use crate::engine::{Engine, EngineError, Memory, room};
use crate::libc::{self, Interpose, LibcFunction};
use crate::profile::FunctionKey;
use interpose::interposed;
use tables::Elements;

/// Pages that 32-bit addresses reach.
const ADDRESSABLE_PAGES: u64 = 1 << 16;

/// What is kept of the modules to link others to them, and to initialise memories and tables from.
#[derive(Default)]
pub(super) struct Linked {
    /// Which data segments were dropped, by (module, index).
    dropped_data: Vec<Vec<bool>>,
    /// Element segments, by (module, index).
    elements: Vec<Vec<Elements>>,
    /// Modules whose exports later ones can import, by the name they import them from.
    registered: BTreeMap<String, Exporter>,
}

/// A module whose exports others can import.
struct Exporter {
    module: usize,
    /// Positions of its exports, by name.
    exports: BTreeMap<&'static str, usize>,
}

/// What an import stands for.
enum Extern {
    Function(FuncId),
    /// A host function, which has no number yet.
    Host(FunctionInfo),
    Table(TableSlot),
    Memory(MemoryId),
    Global(GlobalSlot),
    Tag(TagId),
}

/// Why an import stands for nothing.
enum Unlinked {
    Unknown,
    Type { wanted: String, offered: String },
}

impl Engine {
    /// Links `module`, which will have this number, and returns it with the functions that it adds.
    ///
    /// `known` is what an earlier boot found out about it.
    fn link(
        &mut self,
        number: usize,
        module: &Module,
        known: Option<&Head>,
    ) -> Result<(Linkage, Vec<FunctionInfo>), EngineError> {
        let signatures = module.types.iter().map(|ty| self.program.signatures.intern(ty));
        let signatures = room::collect(signatures, "types")?;
        let mut linkage = Linkage { signatures, ..Linkage::default() };
        let mut added = Vec::new();
        self.link_imports(number, module, &mut linkage, &mut added)?;
        let replaced = match known {
            Some(head) if number != LIBC => head.replaced().collect(),
            _ if self.may_use_libc(number, module, &linkage) => interposed(module, self.options.interpose),
            _ => Vec::new(),
        };
        let keys = known.map(|head| head.keys(number)).filter(|keys| keys.len() == module.bodies.len());
        let keys = keys.map_or_else(|| module.keys(), <[_]>::to_vec);
        self.place_functions(number, module, replaced, keys, &mut linkage, &mut added)?;
        self.count_interposed(module, &linkage);
        for ty in &module.memories[linkage.memories.len()..] {
            let id = self.place_memory(number, &linkage, ty.maximum)?;
            linkage.memories.push(id);
        }
        for ty in &module.tables[linkage.tables.len()..] {
            let slot = self.place_table(ty);
            room::push(&mut linkage.tables, slot, "tables")?;
        }
        self.place_globals(module, &mut linkage)?;
        self.place_tags(module, &mut linkage)?;
        Ok((linkage, added))
    }

    fn link_imports(
        &self,
        number: usize,
        module: &Module,
        linkage: &mut Linkage,
        added: &mut Vec<FunctionInfo>,
    ) -> Result<(), EngineError> {
        let mut unknown = Vec::new();
        room::reserve(&mut linkage.functions, module.functions.len(), "functions")?;
        for import in &module.imports {
            let name = || format!("{}.{}", import.module, import.name);
            match self.find_import(number, module, linkage, import) {
                Ok(Extern::Function(id)) => linkage.functions.push(id),
                Ok(Extern::Host(info)) => {
                    linkage.functions.push(FuncId((self.program.functions.len() + added.len()) as u32));
                    room::push(added, info, "functions")?;
                }
                Ok(Extern::Table(slot)) => room::push(&mut linkage.tables, slot, "tables")?,
                Ok(Extern::Memory(id)) => room::push(&mut linkage.memories, id, "memories")?,
                Ok(Extern::Global(slot)) => room::push(&mut linkage.globals, slot, "globals")?,
                Ok(Extern::Tag(id)) => room::push(&mut linkage.tags, id, "exception tags")?,
                Err(Unlinked::Unknown) => room::push(&mut unknown, name(), "imports")?,
                Err(Unlinked::Type { wanted, offered }) => {
                    return Err(EngineError::ImportType { name: name(), wanted, offered });
                }
            }
        }
        if unknown.is_empty() { Ok(()) } else { Err(EngineError::UnknownImports(unknown)) }
    }

    /// From a registered module, the libc, or the face.
    fn find_import(
        &self,
        number: usize,
        module: &Module,
        linkage: &Linkage,
        import: &Import<'static>,
    ) -> Result<Extern, Unlinked> {
        if let Some(exporter) = self.linked.registered.get(import.module) {
            let position = exporter.exports.get(import.name).ok_or(Unlinked::Unknown)?;
            return self.find_export(exporter.module, *position, linkage, import);
        }
        if number == LIBC {
            return Ok(Extern::Memory(FIRST_MEMORY));
        }
        let TypeRef::Func(type_index) = import.ty else { return Err(Unlinked::Unknown) };
        let wanted = &module.types[type_index as usize];
        if import.module == "libc" {
            let function = libc::find(import.name).ok_or(Unlinked::Unknown)?;
            same(wanted, &function_type(function.params, function.results))?;
            return self.program.libc_function(import.name).map(Extern::Function).ok_or(Unlinked::Unknown);
        }
        let function = self.imports.find(import.module, import.name).ok_or(Unlinked::Unknown)?;
        same(wanted, &function_type(function.params, function.results))?;
        Ok(Extern::Host(FunctionInfo {
            kind: FunctionKind::Host { id: function.id },
            signature: linkage.signatures[type_index as usize],
            import: Some((import.module, import.name)),
            key: None,
            libc: None,
        }))
    }

    /// The export at `position` of module `exporter`, if it is what is wanted by a module of this `importer` linkage.
    fn find_export(
        &self,
        exporter: usize,
        position: usize,
        importer: &Linkage,
        import: &Import<'_>,
    ) -> Result<Extern, Unlinked> {
        let (exports, linkage) = (&self.program.modules[exporter].exports, &self.program.linkages[exporter]);
        let export = &exports[position];
        let index = export.index as usize;
        use wasmparser::ExternalKind as Kind;
        match (import.ty, export.kind) {
            (TypeRef::Func(type_index), Kind::Func) => {
                let id = linkage.functions[index];
                self.same_signature(importer.signatures[type_index as usize], self.program.info(id).signature)?;
                Ok(Extern::Function(id))
            }
            (TypeRef::Global(wanted), Kind::Global) => {
                same_global(&wanted, &self.program.modules[exporter].global_types[index])?;
                Ok(Extern::Global(linkage.globals[index]))
            }
            (TypeRef::Table(wanted), Kind::Table) => {
                let slot = linkage.tables[index];
                if wanted.element_type != slot.element_type {
                    return Err(differs(&wanted.element_type, &slot.element_type));
                }
                let length = self.platform.state.read(slot.length_cell);
                within_limits((wanted.initial, wanted.maximum), (length, slot.maximum))?;
                Ok(Extern::Table(slot))
            }
            (TypeRef::Memory(wanted), Kind::Memory) => {
                let id = linkage.memories[index];
                let pages = self.platform.memories[id.0 as usize].memory.pages();
                let offered = (pages, self.program.memories[id.0 as usize].maximum);
                within_limits((wanted.initial, wanted.maximum), offered)?;
                Ok(Extern::Memory(id))
            }
            (TypeRef::Tag(wanted), Kind::Tag) => {
                let id = linkage.tags[index];
                let wanted = importer.signatures[wanted.func_type_idx as usize];
                self.same_signature(wanted, self.program.tags[id.0 as usize].signature)?;
                Ok(Extern::Tag(id))
            }
            (wanted, offered) => Err(differs(&wanted, &offered)),
        }
    }

    fn same_signature(&self, wanted: SignatureId, offered: SignatureId) -> Result<(), Unlinked> {
        let signatures = &self.program.signatures;
        if wanted == offered { Ok(()) } else { Err(other_type(signatures.get(wanted), signatures.get(offered))) }
    }

    /// Numbers the defined functions; those that the libc replaces keep their number, but no index leads there.
    fn place_functions(
        &self,
        number: usize,
        module: &Module,
        replaced: Vec<(u32, &'static LibcFunction)>,
        keys: Vec<FunctionKey>,
        linkage: &mut Linkage,
        added: &mut Vec<FunctionInfo>,
    ) -> Result<(), EngineError> {
        room::reserve(added, module.bodies.len(), "functions")?;
        let mut replaced = replaced.into_iter().peekable();
        let exports = module.exported_functions().filter(|_| number == LIBC);
        let offered = exports.filter_map(|export| Some((export.index, libc::find(export.name)?)));
        let offered: BTreeMap<u32, &'static LibcFunction> = offered.collect();
        for (key, index) in keys.into_iter().zip(module.imported_functions..) {
            let replacement = replaced.next_if(|(replaced, _)| *replaced == index);
            let target = replacement.and_then(|(_, function)| self.program.libc_function(function.name));
            let own = FuncId((self.program.functions.len() + added.len()) as u32);
            linkage.functions.push(target.unwrap_or(own));
            added.push(FunctionInfo {
                kind: FunctionKind::Defined { module: number, index },
                signature: linkage.signatures[module.functions[index as usize] as usize],
                libc: offered.get(&index).copied(),
                import: None,
                key: target.is_none().then_some(key),
            });
        }
        Ok(())
    }

    fn count_interposed(&mut self, module: &Module, linkage: &Linkage) {
        let is_libc = |id: &&FuncId| self.program.functions.get(id.0 as usize).is_some_and(|info| info.libc.is_some());
        let (imported, defined) = linkage.functions.split_at(module.imported_functions as usize);
        let count = |functions: &[FuncId]| functions.iter().filter(is_libc).count() as u64;
        let (imported, replaced) = (count(imported), count(defined));
        let interposed = &mut self.statistics.interposed;
        interposed.imported += imported;
        match self.options.interpose {
            Interpose::Proof => interposed.proved += replaced,
            Interpose::Names => interposed.named += replaced,
            Interpose::Off => {}
        }
    }

    /// The libc works on the first memory: only a module whose own first memory is that one may have its functions
    /// replaced.
    fn may_use_libc(&self, number: usize, module: &Module, linkage: &Linkage) -> bool {
        let imported = linkage.memories.first() == Some(&FIRST_MEMORY);
        let defines = linkage.memories.is_empty() && !module.memories.is_empty() && !self.first_memory_is_taken();
        number != LIBC && (imported || defines)
    }

    fn first_memory_is_taken(&self) -> bool {
        let programs = self.program.linkages.iter().skip(LIBC + 1);
        programs.into_iter().any(|linkage| linkage.memories.contains(&FIRST_MEMORY))
    }

    fn place_memory(
        &mut self,
        number: usize,
        linkage: &Linkage,
        maximum: Option<u64>,
    ) -> Result<MemoryId, EngineError> {
        let most_pages = maximum.unwrap_or(ADDRESSABLE_PAGES).min(ADDRESSABLE_PAGES);
        let first = number != LIBC && !self.first_memory_is_taken() && !linkage.memories.contains(&FIRST_MEMORY);
        if first {
            self.platform.memories[0].most_pages = most_pages;
            self.program.memories[0].maximum = maximum;
            return Ok(FIRST_MEMORY);
        }
        let another = (self.platform.another_memory)();
        // All but the libc's.
        let most = self.platform.memories.len() - 1;
        let memory = another.map_err(|_| EngineError::TooManyMemories { most })?;
        self.add_memory(number, memory, most_pages, maximum)
    }

    /// Adds a memory of module `number`.
    fn add_memory(
        &mut self,
        number: usize,
        memory: Box<dyn crate::engine::seams::LinearMemory>,
        most_pages: u64,
        maximum: Option<u64>,
    ) -> Result<MemoryId, EngineError> {
        let id = MemoryId(self.program.memories.len() as u32);
        let bytes_cell = self.allocator.allocate(size_of::<u64>());
        let base = memory.base();
        self.program.memories.push(MemorySlot { base, bytes_cell, constant: number == LIBC, maximum });
        self.platform.memories.push(Memory { memory, most_pages });
        Ok(id)
    }

    fn place_table(&mut self, ty: &TableType) -> TableSlot {
        let capacity = table_capacity(ty);
        TableSlot {
            length_cell: self.allocator.allocate(8),
            entries: self.allocator.allocate(capacity as usize * table_entry::BYTES),
            capacity,
            maximum: ty.maximum,
            element_type: ty.element_type,
            fixed_length: (ty.maximum == Some(ty.initial)).then_some(ty.initial as u32),
        }
    }

    fn place_globals(&mut self, module: &Module, linkage: &mut Linkage) -> Result<(), EngineError> {
        room::reserve(&mut linkage.globals, module.globals.len(), "globals")?;
        for global in &module.globals {
            let known = |index: u32| match linkage.globals.get(index as usize) {
                Some(GlobalSlot::Constant(bits)) => Some(*bits),
                _ => None,
            };
            let slot = match evaluate(&global.init_expr, known) {
                Ok(ConstantValue::Bits(bits)) if !global.ty.mutable => GlobalSlot::Constant(bits),
                _ => GlobalSlot::Cell(self.allocator.allocate(VALUE_BYTES)),
            };
            linkage.globals.push(slot);
        }
        Ok(())
    }

    /// Numbers the defined tags. The values of one exception at a time are on their way, so all tags have theirs in one place.
    fn place_tags(&mut self, module: &Module, linkage: &mut Linkage) -> Result<(), EngineError> {
        let defined = &module.tags[linkage.tags.len()..];
        let signatures = defined.iter().map(|ty| linkage.signatures[*ty as usize]);
        let most_values =
            signatures.clone().map(|id| self.program.signatures.get(id).params().len()).max().unwrap_or(0);
        let values = self.allocator.allocate(most_values * VALUE_BYTES);
        room::reserve(&mut self.program.tags, defined.len(), "exception tags")?;
        room::reserve(&mut linkage.tags, defined.len(), "exception tags")?;
        for signature in signatures {
            linkage.tags.push(TagId(self.program.tags.len() as u32));
            self.program.tags.push(TagSlot { signature, values });
        }
        Ok(())
    }
}

fn differs(wanted: &dyn core::fmt::Debug, offered: &dyn core::fmt::Debug) -> Unlinked {
    Unlinked::Type { wanted: format!("{wanted:?}"), offered: format!("{offered:?}") }
}

fn same(wanted: &FuncType, offered: &FuncType) -> Result<(), Unlinked> {
    if wanted == offered {
        return Ok(());
    }
    Err(other_type(wanted, offered))
}

fn other_type(wanted: &FuncType, offered: &FuncType) -> Unlinked {
    Unlinked::Type { wanted: wanted.to_string(), offered: offered.to_string() }
}

fn same_global(wanted: &GlobalType, offered: &GlobalType) -> Result<(), Unlinked> {
    if wanted == offered { Ok(()) } else { Err(differs(wanted, offered)) }
}

/// (size, maximum) of a table or memory: at least as large, and growing no further.
fn within_limits(wanted: (u64, Option<u64>), offered: (u64, Option<u64>)) -> Result<(), Unlinked> {
    let grows_no_further = match (wanted.1, offered.1) {
        (None, _) => true,
        (Some(wanted), Some(offered)) => offered <= wanted,
        (Some(_), None) => false,
    };
    if offered.0 >= wanted.0 && grows_no_further { Ok(()) } else { Err(differs(&wanted, &offered)) }
}

fn function_type(params: &[ValType], results: &[ValType]) -> FuncType {
    FuncType::new(params.iter().copied(), results.iter().copied())
}
