use super::*;
use alloc::string::String;
use alloc::{format, vec};
use core::cell::Cell;

/// Where the function's body is in its module, and the address of that.
const OFFSET: u32 = 40;

fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let code = format!("(module (func $f {}))", "(nop)".repeat(99));
    let mut module = wat::parse_str(code).unwrap();
    for (name, content) in sections {
        let mut bytes = 1 + name.len() + content.len();
        module.push(0);
        while bytes > 0x7f {
            module.push(bytes as u8 | 0x80);
            bytes >>= 7;
        }
        module.extend([bytes as u8, name.len() as u8]);
        module.extend(name.as_bytes());
        module.extend_from_slice(content);
    }
    module
}

fn frames(offsets: impl IntoIterator<Item = u32>) -> Vec<TraceFrame> {
    let frame = |offset| TraceFrame { offset: Some(offset), body_start: Some(0), ..TraceFrame::default() };
    offsets.into_iter().map(frame).collect()
}

/// What is said of the place at [`OFFSET`] where so much memory is free.
fn said_with(module: &[u8], free_bytes: u64) -> Vec<String> {
    let mut frames = frames([OFFSET]);
    tell(module, &mut frames, &Means { free_bytes, now: &|| 0 });
    frames.remove(0).source
}

fn said(module: &[u8]) -> Vec<String> {
    said_with(module, u64::MAX)
}

/// Where the first of its entries is in a unit.
const FIRST_ENTRY: u8 = 20;

/// A unit of DWARF 4 with these entries, by abbreviations 2, a function, and 3, a body in place of a call, both named; 4, a
/// declaration with a name; 5, a body in place of a call with a name for the linker, and a reference. Bodies are at all addresses
/// from 1 on.
fn unit(entries: &[u8]) -> [Vec<u8>; 2] {
    let abbreviations = [
        &[1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0, 0][..],
        &[2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0],
        &[3, 0x1d, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0],
        &[4, 0x2e, 0, 0x03, 0x08, 0, 0],
        &[5, 0x1d, 1, 0x6e, 0x08, 0x31, 0x13, 0x11, 0x01, 0x12, 0x06, 0, 0, 0],
    ];
    let entries = [&[4, 0, 0, 0, 0, 0, 4][..], &entry(1, b"")[..1], &entry(1, b"")[2..], entries].concat();
    [abbreviations.concat(), [&(entries.len() as u32).to_le_bytes()[..], &entries].concat()]
}

/// An entry by abbreviation `code` that is called `name`.
fn entry(code: u8, name: &[u8]) -> Vec<u8> {
    [&[code][..], name, &[0, 1, 0, 0, 0, 0xff, 0xff, 0, 0]].concat()
}

fn described(entries: &[u8]) -> Vec<u8> {
    let [abbreviations, info] = unit(entries);
    module(&[(".debug_info", &info), (".debug_abbrev", &abbreviations)])
}

#[test]
fn modules_without_dwarf_have_no_lines() {
    for module in [&module(&[])[..], b"no module", b""] {
        assert!(described_code(module).is_none() && said(module).is_empty());
    }
}

#[test]
fn bodies_in_place_of_calls_are_named_innermost_first() {
    let entries = [entry(2, b"outer"), entry(3, b"middle"), entry(3, b"in\"ner"), vec![0; 4]].concat();
    assert_eq!(said(&described(&entries)), ["inlined in\\\"ner", "inlined middle"]);
}

#[test]
fn names_are_those_of_the_source_or_the_linkers() {
    let named = |linkage_name: &[u8], reference: u8| {
        let inlined = [&[5], linkage_name, &[0, reference, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0, 0]].concat();
        said(&described(&[b"\x04declared\0", &entry(2, b"outer")[..], &inlined, &[0; 3]].concat())).concat()
    };
    assert_eq!(named(b"_ZN2ns8declaredEi", FIRST_ENTRY), "inlined declared");
    assert_eq!(named(b"_ZN4core3ptr4read17h0123456789abcdefE", FIRST_ENTRY), "inlined core::ptr::read");
    // Nothing has a name there.
    assert_eq!(named(b"_ZN2ns8declaredEi", 11), "inlined _ZN2ns8declaredEi");
}

#[test]
fn long_names_are_cut() {
    let entries = [entry(2, b"outer"), entry(3, &[b'x'; 5000]), vec![0; 3]].concat();
    assert_eq!(said(&described(&entries)), [format!("inlined {}...", "x".repeat(200))]);
}

#[test]
fn a_million_bodies_in_each_other_are_read_without_a_stack() {
    let entries = [entry(2, b"outer"), entry(3, b"x").repeat(1_000_000)].concat();
    assert_eq!(said(&described(&entries)), ["inlined x"; 16]);
}

#[test]
fn where_little_memory_is_free_large_tables_are_not_read() {
    let entries = [entry(2, b"outer"), entry(3, b"inner"), vec![0; 3]].concat();
    let [abbreviations, info] = unit(&entries);
    let many: Vec<u8> = (6..=120).flat_map(|code| [code, 0x34, 0, 0, 0]).collect();
    let large = [&abbreviations[..abbreviations.len() - 1], &many, &[0]].concat();
    let small = module(&[(".debug_info", &info), (".debug_abbrev", &abbreviations)]);
    let large = module(&[(".debug_info", &info), (".debug_abbrev", &large)]);
    let kept = LEAVES_BYTES;
    let says = |module: &[u8], free_bytes| !said_with(module, free_bytes).is_empty();
    assert!(says(&small, kept + 64 * MEMORY_PER_BYTE) && !says(&large, kept + 64 * MEMORY_PER_BYTE));
    assert!(says(&large, kept + 1024 * MEMORY_PER_BYTE) && !says(&small, kept) && !says(&small, 0));
}

#[test]
fn reading_ends_when_its_time_is_over() {
    let entries = [entry(2, b"outer"), entry(3, b"x").repeat(1_000_000)].concat();
    let asked = Cell::new(0);
    let now = || {
        asked.set(asked.get() + 1);
        if asked.get() > 100 { u64::MAX } else { 0 }
    };
    tell(&described(&entries), &mut frames([OFFSET]), &Means { free_bytes: u64::MAX, now: &now });
    assert!(asked.get() < 200, "{}", asked.get());
}

#[test]
fn absurd_dwarf_says_nothing_or_something() {
    for byte in 0..=255_u8 {
        let contents: Vec<u8> = (0..200).map(|index: u32| byte.wrapping_mul(index as u8 ^ 0x5b)).collect();
        let names = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges"];
        let module = module(&names.map(|name| (name, &contents[..])));
        let mut frames = frames(0..module.len() as u32);
        tell(&module, &mut frames, &Means { free_bytes: u64::MAX, now: &|| 0 });
    }
}
