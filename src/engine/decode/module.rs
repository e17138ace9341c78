//! A decoded and validated WebAssembly module.
//!
//! Key types: [`Module`], [`ModuleError`]. Everything a module's bytes can say wrongly is found here, so that later
//! steps need not check again. Neighbours: `translate` reads bodies, `link` reads the rest.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use wasmparser::{
    BinaryReaderError, CompositeInnerType, CustomSectionReader, Data, Element, Export, ExternalKind, FromReader,
    FuncToValidate, FuncType, FuncValidatorAllocations, FunctionBody, Global, GlobalType, Import, KnownCustom,
    MemoryType, Name, Parser, Payload, SectionLimited, TableType, TypeRef, ValidPayload, Validator, ValidatorResources,
    WasmFeatures,
};
use xxhash_rust::xxh3::xxh3_64;

use super::proposals::{self, FEATURES, SHARED_MEMORY};
use crate::engine::room::{self, NoRoom};
use crate::profile::{FunctionKey, Hash};

/// A module whose bytes were checked. The bytes are kept for as long as the machine runs: they are GRUB's module, or
/// were leaked by the host.
pub struct Module {
    pub types: Vec<FuncType>,
    pub imports: Vec<Import<'static>>,
    /// Type index of every function, imported ones first.
    pub functions: Vec<u32>,
    pub imported_functions: u32,
    /// Bodies of the defined functions.
    pub bodies: Vec<FunctionBody<'static>>,
    /// Tables and memories, imported ones first.
    pub tables: Vec<TableType>,
    pub memories: Vec<MemoryType>,
    /// Types of all globals, imported ones first.
    pub global_types: Vec<GlobalType>,
    /// The defined globals.
    pub globals: Vec<Global<'static>>,
    /// Type index of every exception tag, imported ones first.
    pub tags: Vec<u32>,
    pub exports: Vec<Export<'static>>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'static>>,
    pub data: Vec<Data<'static>>,
    name_sections: Vec<CustomSectionReader<'static>>,
}

/// Why a module cannot be run.
#[derive(Debug)]
pub enum ModuleError {
    /// The bytes do not begin with `\0asm`.
    NotWebAssembly { len_bytes: usize },
    /// Decoding or validation failed.
    Invalid { offset: usize, message: String },
    /// A component, a feature that is not supported, or a size beyond an implementation limit.
    Unsupported { what: String },
    /// There is no memory for so many bytes of what it says.
    OutOfMemory { what: &'static str, bytes: u64 },
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWebAssembly { len_bytes } => write!(
                f,
                "the program ({len_bytes} bytes) is not a WebAssembly module: it does not begin with \"\\0asm\"; \
                 give a file made with --target=wasm32-wasi"
            ),
            Self::Invalid { offset, message } => {
                write!(
                    f,
                    "the program is not valid WebAssembly at offset {offset:#x}: {message}; rebuild or copy it again"
                )
            }
            Self::Unsupported { what } => write!(f, "the program uses {what}, which is not supported"),
            Self::OutOfMemory { what, bytes } => {
                write!(f, "not enough memory for {what}, {bytes} bytes; give the machine more RAM")
            }
        }
    }
}

impl core::error::Error for ModuleError {}

impl From<BinaryReaderError> for ModuleError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid { offset: error.offset() as usize, message: error.message().to_string() }
    }
}

/// What ends decoding.
enum Failure {
    Invalid(BinaryReaderError),
    Unsupported(&'static str),
    NoRoom(NoRoom),
}

impl From<BinaryReaderError> for Failure {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

impl From<Failure> for ModuleError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(error) => error.into(),
            Failure::Unsupported(what) => Self::Unsupported { what: what.to_string() },
            Failure::NoRoom(NoRoom { what, bytes }) => Self::OutOfMemory { what, bytes },
        }
    }
}

impl From<NoRoom> for Failure {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

impl Module {
    /// Decodes and validates all of `bytes`.
    pub fn decode(bytes: &'static [u8]) -> Result<Self, ModuleError> {
        Self::decode_as(bytes, FEATURES)
    }

    /// The same, and tells again and again how many bytes are done.
    pub fn decode_telling(bytes: &'static [u8], tell: &mut dyn FnMut(u64)) -> Result<Self, ModuleError> {
        Self::decode_checked(bytes, FEATURES, tell)
    }

    /// Decodes `bytes` as a module of a smaller language: `features` must be among [`FEATURES`].
    pub fn decode_as(bytes: &'static [u8], features: WasmFeatures) -> Result<Self, ModuleError> {
        Self::decode_checked(bytes, features, &mut |_| ())
    }

    fn decode_checked(
        bytes: &'static [u8],
        features: WasmFeatures,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Self, ModuleError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(ModuleError::NotWebAssembly { len_bytes: bytes.len() });
        }
        Self::decode_sections(bytes, features, tell).map_err(|failure| match failure {
            Failure::Invalid(error) => match proposals::unsupported(bytes, &error) {
                Some(what) => Failure::Unsupported(what).into(),
                None => error.into(),
            },
            other => other.into(),
        })
    }

    /// Decodes `bytes`, which are known to be valid.
    pub fn decode_valid(bytes: &'static [u8]) -> Result<Self, ModuleError> {
        let decoded = Parser::new(0).parse_all(bytes).try_fold(Self::empty(), |mut module, payload| {
            module.add(payload?)?;
            Ok::<_, Failure>(module)
        });
        decoded.map_err(ModuleError::from)
    }

    fn decode_sections(
        bytes: &'static [u8],
        features: WasmFeatures,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Self, Failure> {
        let mut module = Self::empty();
        let mut validator = Validator::new_with_features(features);
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                allocations = validate_body(function, &body, allocations)?;
                tell(body.range().end);
            }
            module.add(payload)?;
        }
        Ok(module)
    }

    fn empty() -> Self {
        Self {
            types: Vec::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            imported_functions: 0,
            bodies: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            global_types: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            exports: Vec::new(),
            start: None,
            elements: Vec::new(),
            data: Vec::new(),
            name_sections: Vec::new(),
        }
    }

    fn add(&mut self, payload: Payload<'static>) -> Result<(), Failure> {
        match payload {
            Payload::TypeSection(reader) => {
                room::reserve(&mut self.types, reader.count() as usize, "types")?;
                for group in reader {
                    for ty in group?.into_types() {
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else {
                            unreachable!("validated: without garbage collection all types are functions");
                        };
                        self.types.push(ty);
                    }
                }
            }
            Payload::ImportSection(reader) => {
                room::reserve(&mut self.imports, reader.count() as usize, "imports")?;
                for import in reader.into_imports() {
                    self.add_import(import?)?;
                }
            }
            Payload::FunctionSection(reader) => collect(reader, &mut self.functions, "functions")?,
            Payload::TableSection(reader) => {
                for table in reader {
                    room::push(&mut self.tables, table?.ty, "tables")?;
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.add_memory(memory?)?;
                }
            }
            Payload::GlobalSection(reader) => {
                collect(reader, &mut self.globals, "globals")?;
                room::reserve(&mut self.global_types, self.globals.len(), "globals")?;
                self.global_types.extend(self.globals.iter().map(|global| global.ty));
            }
            Payload::TagSection(reader) => {
                room::reserve(&mut self.tags, reader.count() as usize, "exception tags")?;
                for tag in reader {
                    self.tags.push(tag?.func_type_idx);
                }
            }
            Payload::ExportSection(reader) => {
                collect(reader, &mut self.exports, "exports")?;
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::ElementSection(reader) => collect(reader, &mut self.elements, "element segments")?,
            Payload::DataSection(reader) => collect(reader, &mut self.data, "data segments")?,
            Payload::CodeSectionStart { count, .. } => room::reserve(&mut self.bodies, count as usize, "functions")?,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => {
                if matches!(section.as_known(), KnownCustom::Name(_)) {
                    room::push(&mut self.name_sections, section, "name sections")?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_import(&mut self, import: Import<'static>) -> Result<(), Failure> {
        match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                room::push(&mut self.functions, index, "functions")?;
                self.imported_functions += 1;
            }
            TypeRef::Table(ty) => room::push(&mut self.tables, ty, "tables")?,
            TypeRef::Memory(ty) => self.add_memory(ty)?,
            TypeRef::Global(ty) => room::push(&mut self.global_types, ty, "globals")?,
            TypeRef::Tag(ty) => room::push(&mut self.tags, ty.func_type_idx, "exception tags")?,
        }
        room::push(&mut self.imports, import, "imports")?;
        Ok(())
    }

    fn add_memory(&mut self, ty: MemoryType) -> Result<(), Failure> {
        if ty.shared {
            return Err(Failure::Unsupported(SHARED_MEMORY));
        }
        Ok(room::push(&mut self.memories, ty, "memories")?)
    }

    /// Function names from the name section. A malformed one is no error: names only help people.
    pub fn names(&self) -> BTreeMap<u32, &'static str> {
        self.namings().collect()
    }

    /// The same, as they come; the last one of a function counts.
    pub fn namings(&self) -> impl Iterator<Item = (u32, &'static str)> {
        let readers = self.name_sections.iter().filter_map(|section| match section.as_known() {
            KnownCustom::Name(reader) => Some(reader),
            _ => None,
        });
        let maps = readers.flat_map(|reader| reader.into_iter().map_while(Result::ok)).filter_map(|part| match part {
            Name::Function(map) => Some(map),
            _ => None,
        });
        maps.flat_map(|map| map.into_iter().map_while(Result::ok)).map(|naming| (naming.index, naming.name))
    }

    /// The name of function `index`: from the name section, else the first under which it is exported.
    pub fn function_name(&self, index: u32) -> Option<&'static str> {
        let named = self.namings().filter(|(of, _)| *of == index).last().map(|(_, name)| name);
        named.or_else(|| self.exported_functions().find(|export| export.index == index).map(|export| export.name))
    }

    pub fn exported_functions(&self) -> impl Iterator<Item = &Export<'static>> {
        self.exports.iter().filter(|export| export.kind == ExternalKind::Func)
    }

    /// The type of function `index`.
    pub fn function_type(&self, index: u32) -> &FuncType {
        &self.types[self.functions[index as usize] as usize]
    }

    /// The body of function `index`, none if imported.
    pub fn body(&self, index: u32) -> Option<&FunctionBody<'static>> {
        self.bodies.get(index.checked_sub(self.imported_functions)? as usize)
    }

    /// How many imports are of a kind.
    pub fn imported(&self, is_kind: impl Fn(TypeRef) -> bool) -> usize {
        self.imports.iter().filter(|import| is_kind(import.ty)).count()
    }

    /// Keys of the defined functions, in order: what a profile knows them by.
    pub fn keys(&self) -> Vec<FunctionKey> {
        // Types can be long and of many functions.
        let of_types: Vec<Hash> = self.types.iter().map(|ty| xxh3_64(ty.to_string().as_bytes())).collect();
        let mut seen: BTreeMap<Hash, u32> = BTreeMap::new();
        let mut key = |ty: u32, body: &FunctionBody<'static>| {
            let hash = xxh3_64(body.as_bytes()) ^ of_types[ty as usize];
            let ordinal = seen.entry(hash).and_modify(|count| *count += 1).or_insert(0);
            FunctionKey { hash, ordinal: *ordinal }
        };
        let types = &self.functions[self.imported_functions as usize..];
        types.iter().zip(&self.bodies).map(|(ty, body)| key(*ty, body)).collect()
    }
}

fn collect<'a, T: FromReader<'a>>(
    reader: SectionLimited<'a, T>,
    into: &mut Vec<T>,
    what: &'static str,
) -> Result<(), Failure> {
    room::reserve(into, reader.count() as usize, what)?;
    for item in reader {
        into.push(item?);
    }
    Ok(())
}

fn validate_body(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    allocations: FuncValidatorAllocations,
) -> Result<FuncValidatorAllocations, BinaryReaderError> {
    let mut validator = function.into_validator(allocations);
    validator.validate(body)?;
    Ok(validator.into_allocations())
}
