//! A static library: the functions that stand behind those of ours, and what they refer to.

use crate::object::Object;
use anyhow::{Context, Result};
use bareflow::libc::known::{Masked, NO_SYMBOL, Operand, exact_operands, shape};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use wasmparser::{RelocationType, SymbolFlags, SymbolInfo};
use xxhash_rust::xxh3::xxh3_64;

/// A function of a library: which object, and its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    object: usize,
    index: u32,
}

pub struct Library {
    objects: Vec<Object>,
    /// By name; the linker takes the first, others the other if they come alone.
    functions: BTreeMap<&'static str, Vec<Place>>,
    data: BTreeMap<&'static str, (usize, wasmparser::DefinedDataSymbol)>,
}

/// What a linker puts in a place, as `bareflow::libc::known::Symbol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    Function(Place),
    Import(&'static str, &'static str),
    Object { first: i32, bytes: u32, hash: u64 },
    Variable { name: String, first: i32, bytes: u32, hash: u64 },
    Linker,
    Global,
}

pub struct Entry {
    pub name: &'static str,
    pub shape: u64,
    pub body_bytes: usize,
    pub operators: u64,
    pub operands: u64,
    pub relocations: Vec<u8>,
    pub symbols: Vec<Symbol>,
    pub is_heap: bool,
}

/// Entrances to a heap; what else is behind them is found.
pub const HEAP: [&str; 9] = [
    "malloc",
    "free",
    "calloc",
    "realloc",
    "aligned_alloc",
    "posix_memalign",
    "memalign",
    "malloc_usable_size",
    "reallocarray",
];

/// Addresses that the linker makes up.
const LINKERS: [&str; 6] = ["__heap_base", "__heap_end", "__data_end", "__global_base", "__stack_low", "__stack_high"];

impl Library {
    pub fn read(paths: &[&Path]) -> Result<Self> {
        let mut library = Self { objects: Vec::new(), functions: BTreeMap::new(), data: BTreeMap::new() };
        for path in paths {
            library.add(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(library)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let mut archive = ar::Archive::new(File::open(path)?);
        while let Some(member) = archive.next_entry() {
            let mut bytes = Vec::new();
            member?.read_to_end(&mut bytes)?;
            if let Some(object) = Object::read(bytes.leak())? {
                self.add_object(object);
            }
        }
        Ok(())
    }

    fn add_object(&mut self, object: Object) {
        let number = self.objects.len();
        for symbol in &object.symbols {
            match *symbol {
                SymbolInfo::Func { flags, index, name } if is_public(flags) => {
                    let name = object.function_name(index, name);
                    self.functions.entry(name).or_default().push(Place { object: number, index });
                }
                SymbolInfo::Data { flags, name, symbol: Some(symbol) } if is_public(flags) => {
                    self.data.entry(name).or_insert((number, symbol));
                }
                _ => {}
            }
        }
        self.objects.push(object);
    }

    /// The functions of these names and all that they call, but for what cannot be told apart, which `complain` hears.
    pub fn entries<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        mut complain: impl FnMut(&str, &anyhow::Error),
    ) -> BTreeMap<Place, Entry> {
        let heap: BTreeSet<usize> =
            self.functions.get("malloc").into_iter().flatten().map(|place| place.object).collect();
        let mut entries = BTreeMap::new();
        let mut bad = BTreeSet::new();
        let mut open: Vec<Place> =
            names.into_iter().filter_map(|name| self.functions.get(name)).flatten().copied().collect();
        while let Some(place) = open.pop() {
            if entries.contains_key(&place) || bad.contains(&place) {
                continue;
            }
            match self.entry(place, heap.contains(&place.object)) {
                Ok(entry) => {
                    open.extend(entry.symbols.iter().filter_map(called));
                    entries.insert(place, entry);
                }
                Err(error) => {
                    complain(self.name(place), &error);
                    bad.insert(place);
                }
            }
        }
        // What calls a function that is not there cannot be proved.
        loop {
            let unfounded =
                |entry: &Entry| entry.symbols.iter().filter_map(called).any(|place| !entries.contains_key(&place));
            let Some(place) = entries.iter().find(|(_, entry)| unfounded(entry)).map(|(place, _)| *place) else {
                break;
            };
            complain(self.name(place), &anyhow::anyhow!("what it calls cannot be proved"));
            entries.remove(&place);
        }
        heap.into_iter().for_each(|object| mark_heap(&mut entries, object));
        entries
    }

    fn name(&self, place: Place) -> &'static str {
        let names = || self.objects[place.object].defined_functions().filter(|(_, index)| *index == place.index);
        let ours = names().find(|(name, _)| bareflow::libc::find(name).is_some());
        ours.or_else(|| names().next()).map_or("", |(name, _)| name)
    }

    fn entry(&self, place: Place, in_heap: bool) -> Result<Entry> {
        let object = &self.objects[place.object];
        let module = &object.module;
        let body = module.body(place.index).context("it has no body")?;
        let masked = Masked::of(body, |index| module.types.get(index as usize))?;
        let mut symbols: Vec<(u32, Symbol)> = Vec::new();
        let mut linked = Vec::new();
        for slot in &masked.slots {
            let relocation = object.relocation_in(&slot.range);
            let Some(relocation) = relocation else {
                linked.push(None);
                continue;
            };
            let known = symbols.iter().position(|(index, _)| *index == relocation.index);
            linked.push(Some(match known {
                Some(known) => known,
                None => {
                    let symbol = self.symbol(place.object, relocation.index, relocation.ty, relocation.addend)?;
                    symbols.push((relocation.index, symbol));
                    symbols.len() - 1
                }
            }));
        }
        let seen = linked.iter().flatten().count();
        let all = object.relocations_of_operands(body.range().start as usize..body.range().end as usize);
        anyhow::ensure!(seen == all, "{} of its relocations are elsewhere than in slots", all - seen);
        anyhow::ensure!(symbols.len() < usize::from(NO_SYMBOL), "it has too many symbols");
        // The values in an object file are addends, or made up: distances in there are those after linking.
        let addends = masked_with_addends(object, &masked);
        let grows = body
            .get_operators_reader()?
            .into_iter()
            .flatten()
            .any(|op| matches!(op, wasmparser::Operator::MemoryGrow { .. }));
        let symbols: Vec<Symbol> = symbols.into_iter().map(|(_, symbol)| symbol).collect();
        let writes = symbols.iter().any(|symbol| matches!(symbol, Symbol::Variable { .. }));
        Ok(Entry {
            name: self.name(place),
            shape: shape(module.function_type(place.index), body)?,
            body_bytes: body.as_bytes().len(),
            operators: masked.hash,
            operands: exact_operands(&addends, &linked),
            relocations: encode(&linked),
            symbols,
            is_heap: grows || in_heap && (writes || HEAP.contains(&self.name(place))),
        })
    }

    fn symbol(&self, object: usize, index: u32, ty: RelocationType, addend: i64) -> Result<Symbol> {
        let owner = &self.objects[object];
        let symbol = owner.symbols.get(index as usize).context("a relocation names no symbol")?;
        Ok(match *symbol {
            SymbolInfo::Func { flags, index, name } => {
                anyhow::ensure!(ty == RelocationType::FunctionIndexLeb, "it has a function's address");
                if !flags.contains(SymbolFlags::UNDEFINED) && flags.contains(SymbolFlags::BINDING_LOCAL) {
                    return Ok(Symbol::Function(Place { object, index }));
                }
                if let Some((module, name)) =
                    flags.contains(SymbolFlags::UNDEFINED).then(|| owner.import(index)).flatten()
                {
                    return Ok(Symbol::Import(module, name));
                }
                let name = owner.function_name(index, name);
                let place = self.functions.get(name).and_then(|places| places.first());
                Symbol::Function(*place.with_context(|| format!("nobody defines {name}"))?)
            }
            SymbolInfo::Data { name, .. } if LINKERS.contains(&name) => Symbol::Linker,
            SymbolInfo::Data { flags, name, symbol } => {
                let (object, symbol) = match symbol {
                    Some(symbol) if flags.contains(SymbolFlags::BINDING_LOCAL) => (object, symbol),
                    _ => *self.data.get(name).with_context(|| format!("nobody defines {name}"))?,
                };
                let content = self.objects[object].content(symbol)?;
                let (content, writable) = content.with_context(|| format!("{name} has addresses"))?;
                let (first, bytes, hash) = (addend as i32, symbol.size, xxh3_64(content));
                match writable {
                    true => Symbol::Variable { name: name.to_owned(), first, bytes, hash },
                    false => Symbol::Object { first, bytes, hash },
                }
            }
            SymbolInfo::Global { .. } => Symbol::Global,
            _ => anyhow::bail!("it refers to a section, table or tag"),
        })
    }
}

/// Marks what calls marked functions of the heap's object file, in that file.
fn mark_heap(entries: &mut BTreeMap<Place, Entry>, object: usize) {
    loop {
        let heap: BTreeSet<Place> =
            entries.iter().filter(|(_, entry)| entry.is_heap).map(|(place, _)| *place).collect();
        let calls_heap = |entry: &Entry| entry.symbols.iter().filter_map(called).any(|place| heap.contains(&place));
        let others =
            entries.iter_mut().filter(|(place, entry)| place.object == object && !entry.is_heap && calls_heap(entry));
        if others.map(|(_, entry)| entry.is_heap = true).count() == 0 {
            return;
        }
    }
}

fn is_public(flags: SymbolFlags) -> bool {
    !flags.contains(SymbolFlags::UNDEFINED) && !flags.contains(SymbolFlags::BINDING_LOCAL)
}

fn called(symbol: &Symbol) -> Option<Place> {
    match symbol {
        Symbol::Function(place) => Some(*place),
        _ => None,
    }
}

/// The slots as if every symbol lay at address 0.
fn masked_with_addends(object: &Object, masked: &Masked) -> Masked {
    let slots = masked.slots.iter().map(|slot| {
        let mut slot = slot.clone();
        if let Some(relocation) = object.relocation_in(&slot.range) {
            slot.operand = match slot.operand {
                Operand::Number(_) => Operand::Number(relocation.addend as u32),
                Operand::Function(_) => Operand::Function(0),
                Operand::Global(_) => Operand::Global(0),
            };
        }
        slot
    });
    Masked { hash: masked.hash, slots: slots.collect() }
}

/// As `Known::relocations` has it.
fn encode(linked: &[Option<usize>]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut before = 0;
    for (slot, symbol) in linked.iter().enumerate() {
        let Some(symbol) = symbol else { continue };
        let mut distance = slot - before;
        while distance > usize::from(u8::MAX) {
            encoded.extend([u8::MAX, NO_SYMBOL]);
            distance -= usize::from(u8::MAX);
        }
        encoded.extend([distance as u8, *symbol as u8]);
        before = slot;
    }
    encoded
}
