//! One object file: its functions, and what its relocations say of their operands.
//!
//! The format is that of <https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md>.

use anyhow::{Context, Result};
use bareflow::engine::decode::module::Module;
use bareflow::libc::known::Bodies;
use std::collections::BTreeMap;
use wasmparser::{
    DefinedDataSymbol, KnownCustom, Linking, Parser, Payload, RelocationEntry, RelocationType, SymbolFlags, SymbolInfo,
};

pub struct Object {
    pub module: Module,
    pub symbols: Vec<SymbolInfo<'static>>,
    /// Name of each data segment.
    segments: Vec<&'static str>,
    /// Where the contents of the code section begin.
    code: usize,
    /// Where the data sections' contents begin.
    data: usize,
    /// By where they apply in the code section.
    code_relocations: BTreeMap<usize, RelocationEntry>,
    data_relocations: Vec<RelocationEntry>,
}

impl Object {
    /// Reads an object file; none for members of an archive that are something else.
    pub fn read(bytes: &'static [u8]) -> Result<Option<Self>> {
        if !bytes.starts_with(b"\0asm") {
            return Ok(None);
        }
        let Ok(module) = Module::decode(bytes) else { return Ok(None) };
        let mut object = Self {
            module,
            symbols: Vec::new(),
            segments: Vec::new(),
            code: 0,
            data: 0,
            code_relocations: BTreeMap::new(),
            data_relocations: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::CodeSectionStart { unchecked_range: range, .. } => object.code = range.start as usize,
                Payload::DataSection(reader) => object.data = reader.range().start as usize,
                Payload::CustomSection(section) => match section.as_known() {
                    KnownCustom::Linking(reader) => object.add_linking(reader.subsections())?,
                    KnownCustom::Reloc(reader) => {
                        let entries = reader.entries().into_iter();
                        match section.name() {
                            "reloc.CODE" => {
                                for entry in entries {
                                    let entry = entry?;
                                    object.code_relocations.insert(entry.offset as usize, entry);
                                }
                            }
                            "reloc.DATA" => object.data_relocations = entries.collect::<Result<_, _>>()?,
                            _ => {}
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(Some(object))
    }

    fn add_linking(&mut self, subsections: wasmparser::Subsections<'static, Linking<'static>>) -> Result<()> {
        for subsection in subsections {
            match subsection? {
                Linking::SymbolTable(map) => self.symbols = map.into_iter().collect::<Result<_, _>>()?,
                Linking::SegmentInfo(map) => {
                    for segment in map {
                        self.segments.push(segment?.name);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The relocations inside the operator at `range` of the file.
    pub fn relocation_in(&self, range: &std::ops::Range<usize>) -> Option<&RelocationEntry> {
        let inside = range.start - self.code..range.end - self.code;
        self.code_relocations.range(inside).map(|(_, entry)| entry).next()
    }

    /// How many relocations that choose operands lie in `range` of the file. Those of types and tables do not count: those are
    /// compared by structure, or not.
    pub fn relocations_of_operands(&self, range: std::ops::Range<usize>) -> usize {
        let inside = self.code_relocations.range(range.start - self.code..range.end - self.code);
        let of_structure = [RelocationType::TypeIndexLeb, RelocationType::TableNumberLeb];
        inside.filter(|(_, entry)| !of_structure.contains(&entry.ty)).count()
    }

    /// Name of a function's symbol; those that this file does not define have the name of their import, too.
    pub fn function_name(&self, index: u32, name: Option<&'static str>) -> &'static str {
        name.or_else(|| self.module.import(index).map(|(_, name)| name)).unwrap_or("")
    }

    /// Module and name from which `index` is imported for good, which is not from `env`.
    pub fn import(&self, index: u32) -> Option<(&'static str, &'static str)> {
        self.module.import(index).filter(|(module, _)| *module != "env")
    }

    /// The content of a data symbol, and whether programs may write to it; none where the linker writes into it.
    pub fn content(&self, symbol: DefinedDataSymbol) -> Result<Option<(&'static [u8], bool)>> {
        let segment = self.module.data.get(symbol.index as usize).context("a symbol is in no segment")?;
        let range = symbol.offset as usize..(symbol.offset + symbol.size) as usize;
        let content = segment.data.get(range).context("a symbol is not inside its segment")?;
        let start = content.as_ptr() as usize - segment.data.as_ptr() as usize + segment.range.end as usize
            - segment.data.len()
            - self.data;
        let inside = start..start + content.len();
        if self.data_relocations.iter().any(|entry| inside.contains(&(entry.offset as usize))) {
            return Ok(None);
        }
        let name = self.segments.get(symbol.index as usize).context("a segment has no name")?;
        Ok(Some((content, !name.starts_with(".rodata"))))
    }

    /// Names under which this file defines functions, and their indices.
    pub fn defined_functions(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        self.symbols.iter().filter_map(|symbol| match *symbol {
            SymbolInfo::Func { flags, index, name } if !flags.contains(SymbolFlags::UNDEFINED) => {
                Some((self.function_name(index, name), index))
            }
            _ => None,
        })
    }
}
