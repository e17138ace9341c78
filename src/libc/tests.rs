use super::*;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;
use wasmparser::{
    ExternalKind, FuncType, KnownCustom, MemArgTarget, Name, Operator, Parser, Payload, TypeRef, ValType, Validator,
    WasmFeatures,
};

/// What the tests look at of the libc's module.
#[derive(Default)]
struct Sections {
    imports: Vec<String>,
    types: Vec<FuncType>,
    functions: Vec<u32>,
    exports: BTreeMap<String, u32>,
    names: BTreeMap<u32, String>,
}

impl Sections {
    fn of_the_libc(heap: Heap) -> Self {
        let mut sections = Self::default();
        Parser::new(0).parse_all(heap.module()).for_each(|payload| sections.read(payload.unwrap()));
        sections
    }

    fn read(&mut self, payload: Payload) {
        match payload {
            Payload::TypeSection(types) => self.types = types.into_iter_err_on_gc_types().map(Result::unwrap).collect(),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports().map(Result::unwrap) {
                    assert!(matches!(import.ty, TypeRef::Memory(memory) if memory.initial == 0));
                    self.imports.push([import.module, ".", import.name].concat());
                }
            }
            Payload::FunctionSection(types) => self.functions = types.into_iter().map(Result::unwrap).collect(),
            Payload::ExportSection(exports) => {
                let exports = exports.into_iter().map(Result::unwrap);
                self.exports = exports.map(|export| (export.name.to_string(), export.index)).collect();
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(names) = section.as_known() else { return };
                for name in names.into_iter().map(Result::unwrap) {
                    let Name::Function(functions) = name else { continue };
                    let functions = functions.into_iter().map(Result::unwrap);
                    self.names = functions.map(|naming| (naming.index, naming.name.to_string())).collect();
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_module_is_webassembly_1_0_with_sign_extension_several_results_and_two_memories() {
    let features =
        WasmFeatures::WASM1 | WasmFeatures::SIGN_EXTENSION | WasmFeatures::MULTI_VALUE | WasmFeatures::MULTI_MEMORY;
    for heap in [Heap::Fast, Heap::Checked] {
        Validator::new_with_features(features).validate_all(heap.module()).unwrap();
    }
}

/// Compiled code takes what it reads of the tables for constants.
#[test]
fn nothing_but_data_segments_writes_the_tables() {
    const TABLES: u32 = 1;
    for heap in [Heap::Fast, Heap::Checked] {
        for payload in Parser::new(0).parse_all(heap.module()) {
            match payload.unwrap() {
                Payload::CodeSectionEntry(body) => {
                    for operator in body.get_operators_reader().unwrap() {
                        assert!(!writes(&operator.unwrap(), TABLES));
                    }
                }
                Payload::ExportSection(exports) => {
                    assert!(exports.into_iter().all(|export| export.unwrap().kind == ExternalKind::Func));
                }
                _ => {}
            }
        }
    }
}

fn writes(operator: &Operator, memory: u32) -> bool {
    use Operator as O;
    match operator {
        O::I32Store { memarg }
        | O::I64Store { memarg }
        | O::F32Store { memarg }
        | O::F64Store { memarg }
        | O::I32Store8 { memarg }
        | O::I32Store16 { memarg }
        | O::I64Store8 { memarg }
        | O::I64Store16 { memarg }
        | O::I64Store32 { memarg } => memarg.target == MemArgTarget::Memory(memory),
        O::MemoryGrow { mem } => *mem == memory,
        _ => false,
    }
}

#[test]
fn the_module_exports_what_the_registry_lists() {
    for sections in [Heap::Fast, Heap::Checked].map(Sections::of_the_libc) {
        assert_eq!(sections.imports, ["program.memory"]);
        assert_eq!(sections.exports.len(), functions().len());
        for function in functions() {
            let index = sections.exports[function.name];
            let signature = &sections.types[sections.functions[index as usize] as usize];
            let (params, results) = (function.params, function.results);
            assert_eq!((signature.params(), signature.results()), (params, results), "{}", function.name);
            assert_eq!(sections.names[&index], function.name);
            assert_eq!(find(function.name), Some(function));
        }
    }
}

#[test]
fn sites_name_arguments_of_their_function() {
    for function in functions() {
        let Some(site) = function.site else { continue };
        assert!(site.addresses.iter().chain([&site.size]).all(|argument| *argument < function.params.len()));
    }
    assert_eq!(find("memcpy").unwrap().site, Some(SizeSite { size: 2, addresses: &[0, 1] }));
    assert_eq!(find("printf"), None);
}

/// A program's functions, indices from 0, of the libc's signatures where the libc has one of the name.
fn program<'a>(names: &[&'a str]) -> Vec<NamedFunction<'a>> {
    let functions = names.iter().enumerate().map(|(index, name)| {
        let (params, results) =
            find(name).map_or((&[] as &[ValType], &[] as &[ValType]), |own| (own.params, own.results));
        NamedFunction { index: index as u32, name, params, results }
    });
    functions.collect()
}

/// Names of those that are replaced; `calls` are pairs of names.
fn replaced<'a>(functions: &[NamedFunction<'a>], calls: &[(&str, &str)]) -> Vec<&'static str> {
    let index = |name: &str| functions.iter().find(|function| function.name == name).map(|function| function.index);
    let references = calls.iter().map(|(from, to)| Reference { from: index(from), to: index(to).unwrap() });
    interpositions(functions.iter().copied(), references).into_iter().map(|(_, own)| own.name).collect()
}

/// What wasi-libc's heap looks like in a program.
const DLMALLOC: [&str; 7] = ["main", "malloc", "dlmalloc", "free", "dlfree", "calloc", "realloc"];
const INSIDE: [(&str, &str); 4] =
    [("malloc", "dlmalloc"), ("free", "dlfree"), ("calloc", "dlmalloc"), ("realloc", "dlfree")];

#[test]
fn functions_are_replaced_by_name_and_signature() {
    let mut functions = program(&["main", "strlen", "memcpy", "memcpy_s", "strcmp"]);
    functions[4].params = &[ValType::I64, ValType::I64];
    assert_eq!(replaced(&functions, &[]), ["strlen", "memcpy"]);
    let indices: Vec<u32> = interpositions(functions, []).into_iter().map(|(index, _)| index).collect();
    assert_eq!(indices, [1, 2]);
}

#[test]
fn mathematics_are_replaced_one_by_one() {
    let mut functions = program(&["sin", "cosf", "pow", "fmodf", "rint"]);
    // A name that the program uses for something else: a power with an integer exponent.
    functions[2].params = &[ValType::F64, ValType::I32];
    assert_eq!(replaced(&functions, &[]), ["sin", "cosf", "fmodf"]);
    functions[0].results = &[ValType::F32];
    assert_eq!(replaced(&functions, &[]), ["cosf", "fmodf"]);
}

#[test]
fn a_name_that_occurs_twice_is_not_replaced() {
    assert_eq!(replaced(&program(&["memcpy", "strlen", "memcpy", "memcpy"]), &[]), ["strlen"]);
    assert_eq!(replaced(&program(&["malloc", "free", "free"]), &[]), [""; 0]);
}

#[test]
fn the_heap_is_replaced_as_a_whole() {
    assert_eq!(replaced(&program(&DLMALLOC), &INSIDE), ["malloc", "free", "calloc", "realloc"]);
    assert_eq!(replaced(&program(&["malloc", "free"]), &[]), ["malloc", "free"]);
    let mut functions = program(&["malloc", "free", "realloc", "memset"]);
    functions[2].results = &[];
    assert_eq!(replaced(&functions, &[]), ["memset"]);
}

#[test]
fn a_heap_without_malloc_or_free_is_kept() {
    assert_eq!(replaced(&program(&["malloc", "calloc"]), &[]), [""; 0]);
    assert_eq!(replaced(&program(&["free", "realloc"]), &[]), [""; 0]);
}

#[test]
fn a_heap_with_other_entrances_is_kept() {
    for entrance in ["memalign", "malloc_usable_size", "__libc_free", "emmalloc_realloc"] {
        let functions = [&DLMALLOC[..], &[entrance]].concat();
        assert_eq!(replaced(&program(&functions), &INSIDE), [""; 0], "{entrance}");
    }
    let functions = [&DLMALLOC[..], &["reallocarray", "strdup"]].concat();
    assert_eq!(replaced(&program(&functions), &INSIDE).len(), 4);
}

#[test]
fn a_heap_whose_inside_others_reach_is_kept() {
    let inlined = [&INSIDE[..], &[("main", "dlmalloc")]].concat();
    assert_eq!(replaced(&program(&DLMALLOC), &inlined), [""; 0]);
    // From a table, an export or a function without a name.
    let tabled = [&INSIDE[..], &[("", "dlfree")]].concat();
    assert_eq!(replaced(&program(&DLMALLOC), &tabled), [""; 0]);
}

/// A proved function at `index`: the entry of the table of this name, of the first library.
fn known(index: u32, name: &str) -> known::Proved {
    let named = known::KNOWN.iter().find(|known| known.name == name && known.origins & 1 != 0);
    known::Proved { index, known: named.unwrap_or_else(|| panic!("no {name} in the table")), variables: Vec::new() }
}

/// Whether the heap `malloc` 1, `free` 2, `dlmalloc` 3, `dlfree` 4, `sbrk` 5 is apart; function 6 is the program's, `more` are
/// other known ones.
fn is_apart(more: &[known::Proved], growing: &[u32], references: &[(Option<u32>, u32)]) -> bool {
    let names = ["malloc", "free", "dlmalloc", "dlfree", "sbrk"];
    let mut proved: Vec<_> = (1..).zip(names).map(|(index, name)| known(index, name)).collect();
    proved.extend_from_slice(more);
    let inside = [(1, 3), (2, 4), (3, 5), (4, 5)].map(|(from, to)| Reference { from: Some(from), to });
    let references = references.iter().map(|(from, to)| Reference { from: *from, to: *to });
    interpose::heap_is_apart(&proved, growing.iter().copied(), inside.into_iter().chain(references))
}

#[test]
fn a_proved_heap_is_replaced_if_nothing_else_is_in_it() {
    assert!(is_apart(&[], &[5], &[(Some(6), 1), (Some(6), 2), (None, 1)]));
    assert!(!is_apart(&[], &[5, 6], &[]), "the program makes memory grow, too");
    for inner in [3, 4, 5] {
        assert!(!is_apart(&[], &[5], &[(Some(6), inner)]), "a function of the program reaches an inner one");
        assert!(!is_apart(&[], &[5], &[(None, inner)]), "a table or an export has it");
    }
    assert!(is_apart(&[known(7, "malloc_usable_size")], &[5], &[]), "an entrance that nobody uses");
    assert!(!is_apart(&[known(7, "malloc_usable_size")], &[5], &[(Some(6), 7)]));
    assert!(
        is_apart(&[known(7, "aligned_alloc")], &[5], &[(Some(7), 3), (Some(6), 7)]),
        "an entrance that is ours, too"
    );
    let malloc_alone = [known(1, "malloc"), known(3, "dlmalloc"), known(5, "sbrk")];
    assert!(!interpose::heap_is_apart(&malloc_alone, [5], []), "its free may be part of its callers");
}

#[test]
fn two_heaps_of_one_kind_are_kept() {
    let at = |index, address| known::Proved { variables: Vec::from([("_gm_", address)]), ..known(index, "calloc") };
    assert!(is_apart(&[at(7, 1024), at(8, 1024)], &[5], &[]));
    assert!(!is_apart(&[at(7, 1024), at(8, 2048)], &[5], &[]));
}
