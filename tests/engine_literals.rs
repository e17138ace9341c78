//! Comparisons of strings with a string of the program's data, which are done in place of the calls.

#[path = "common/engine.rs"]
mod engine;
#[path = "engine_literals/listing.rs"]
mod listing;
#[path = "common/random.rs"]
mod random;
#[path = "common/recorder.rs"]
mod recorder;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Ending, Engine, Options};
use bareflow::profile::Profile;
use listing::Listing;
use random::Random;
use std::fmt::Write;

const ALL_CPUS: [fn() -> CpuFeatures; 3] =
    [CpuFeatures::detect, || CpuFeatures::detect().difference(CpuFeatures::AVX512), CpuFeatures::empty];
const MEMORY_BYTES: usize = 2 * 65536;
const SPACING: usize = 128;
const FIRST: usize = 1024;
/// How many bytes at most are compared: inside, at the end of and behind the first and the second word.
const BOUNDS: [u32; 13] = [0, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 40, u32::MAX];

/// The strings, without their ends, and where they are.
fn literals() -> Vec<(usize, Vec<u8>)> {
    let lengths = [0, 1, 3, 7, 8, 14, 15, 16, 17, 30, 31, 32, 50];
    let letters = |len| (0..len).map(|index| b'a' + index as u8 % 26).collect();
    let mut texts: Vec<Vec<u8>> = lengths.into_iter().map(letters).collect();
    texts.push(vec![0x7f, 0x80, 0xff, 0xfe, 1]);
    texts.push(vec![0xff; 20]);
    let mut literals: Vec<(usize, Vec<u8>)> =
        texts.into_iter().enumerate().map(|(index, text)| (FIRST + 3 + index * SPACING, text)).collect();
    literals.push((MEMORY_BYTES - 5, b"last".to_vec()));
    literals
}

/// Exports `equal N` (string, literal N), `turned N` (literal N, string), and `N to BOUND` and `N turned to BOUND` of
/// `strncmp`.
fn program() -> String {
    let mut text = String::from(
        r#"(module (import "libc" "strcmp" (func $strcmp (param i32 i32) (result i32)))
           (import "libc" "strncmp" (func $strncmp (param i32 i32 i32) (result i32)))
           (memory (export "memory") 2)
           (func (export "grow") (result i32) (memory.grow (i32.const 1)))
        "#,
    );
    for (index, (at, bytes)) in literals().iter().enumerate() {
        let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        // The end of some is what memory holds anyway.
        let end = if index % 2 == 0 { "\\00" } else { "" };
        let _ = writeln!(text, "(data (i32.const {at}) \"{escaped}{end}\")");
        let (string, literal) = ("(local.get 0)", format!("(i32.const {at})"));
        let mut export = |name: String, call: String| {
            let _ = writeln!(text, "(func (export \"{name}\") (param i32) (result i32) (call {call}))");
        };
        export(format!("equal {index}"), format!("$strcmp {string} {literal}"));
        export(format!("turned {index}"), format!("$strcmp {literal} {string}"));
        for bound in BOUNDS {
            let most = format!("(i32.const {})", bound as i32);
            export(format!("{index} to {bound}"), format!("$strncmp {string} {literal} {most}"));
            export(format!("{index} turned to {bound}"), format!("$strncmp {literal} {string} {most}"));
        }
    }
    text + ")"
}

/// The exports that compare with the literal of this number.
fn exports(index: usize) -> Vec<String> {
    let bounded = BOUNDS.iter().flat_map(|bound| [format!("{index} to {bound}"), format!("{index} turned to {bound}")]);
    bounded.chain([format!("equal {index}"), format!("turned {index}")]).collect()
}

fn options() -> Options {
    Options { promotion: Promotion::Boots, ..Options::default() }
}

/// The bodies of the libc, then what is specialised for each kind of CPU.
fn engines(text: &str) -> Vec<Engine> {
    let baseline = Options { highest: Tier::Baseline, ..options() };
    let mut engines = vec![engine::engine(text, baseline, Profile::default())];
    let at_once = Options { lowest: Tier::Specialised, ..options() };
    engines.extend(ALL_CPUS.map(|cpu| engine::engine_on(cpu(), text, at_once, Profile::default())));
    engines
}

/// Puts `bytes` at `at` of all memories.
fn put(engines: &mut [Engine], at: usize, bytes: &[u8]) {
    for engine in engines {
        engine.memory()[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Compares what all engines make of the string at `at` and the literal of this number.
fn check(engines: &mut [Engine], index: usize, at: usize) {
    for name in exports(index) {
        let mut results = engines.iter_mut().map(|engine| match engine::invoke(engine, &name, &[at as u64]) {
            Ok(results) => Ok(results[0] as u32),
            Err(Ending::Trap(trap)) => Err(trap.kind),
            Err(Ending::Exit(code)) => panic!("exited with {code}"),
        });
        let expected = results.next().expect("the first engine is the one to compare with");
        for (cpu, result) in results.enumerate() {
            assert_eq!(result, expected, "{name}, string at {at:#x}, CPU {cpu}");
        }
    }
}

fn below(random: &mut Random, end: usize) -> usize {
    (random.next() % end as u64) as usize
}

/// The text cut off, continued, changed, or as it is, with an end.
fn variant(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    match below(random, 5) {
        0 => text.truncate(below(random, text.len() + 1)),
        1 => (0..=below(random, 40)).for_each(|_| text.push(1 + below(random, 255) as u8)),
        2 | 3 if !text.is_empty() => {
            let place = below(random, text.len());
            text[place] = [0x80, 0xff, 1, b'a'][below(random, 4)] ^ if below(random, 2) == 0 { 0 } else { text[place] };
        }
        _ => {}
    }
    text.push(0);
    text
}

#[test]
fn any_string_compares_with_a_literal_as_the_body_of_the_libc_has_it() {
    let (mut engines, mut random) = (engines(&program()), Random(1));
    for (index, (_, text)) in literals().iter().enumerate() {
        for _ in 0..80 {
            let string = variant(&mut random, text);
            let at = 16384 + below(&mut random, 4200);
            // What is behind the end never matters.
            put(&mut engines, at, &[0xee; 128]);
            put(&mut engines, at, &string);
            check(&mut engines, index, at);
        }
    }
}

#[test]
fn what_the_program_wrote_over_a_literal_is_what_counts() {
    let (mut engines, mut random) = (engines(&program()), Random(2));
    let room = SPACING - 8;
    for (index, (literal, text)) in literals().into_iter().enumerate().filter(|(_, (at, _))| at + room < MEMORY_BYTES) {
        let before = engines[0].memory()[literal..literal + room].to_vec();
        for round in 0..80 {
            match round % 4 {
                // The end gone, and all that follows too, or some of it.
                0 => put(&mut engines, literal + text.len(), &vec![0x90; 1 + below(&mut random, 60)]),
                // The end earlier.
                1 => put(&mut engines, literal + below(&mut random, text.len() + 1), &[0]),
                _ => {
                    let changed = variant(&mut random, &text);
                    put(&mut engines, literal, &changed);
                }
            }
            // What was there, what is there now, or a variant of that.
            let now = engines[0].memory()[literal..literal + room].to_vec();
            let now = &now[..now.iter().position(|byte| *byte == 0).expect("zeros follow")];
            for string in [[&text[..], &[0]].concat(), [now, &[0]].concat(), variant(&mut random, now)] {
                put(&mut engines, 16400, &[0xdd; 160]);
                put(&mut engines, 16400, &string);
                check(&mut engines, index, 16400);
            }
            check(&mut engines, index, literal);
            check(&mut engines, index, literal + 1);
            put(&mut engines, literal, &before);
        }
    }
}

#[test]
fn strings_at_the_end_of_memory_trap_where_the_body_of_the_libc_does() {
    let mut engines = engines(&program());
    for (index, (_, text)) in literals().into_iter().enumerate().filter(|(_, (at, _))| at + 64 < MEMORY_BYTES) {
        for len in 0..=text.len() {
            // With an end, and with something in its place, of which the latter is followed by nothing.
            for last in [&[0][..], &[], &[text.get(len).map_or(1, |byte| byte ^ 0x80)]] {
                let string = [&text[..len], last].concat();
                let at = MEMORY_BYTES - string.len();
                put(&mut engines, at, &string);
                check(&mut engines, index, at);
            }
        }
        check(&mut engines, index, MEMORY_BYTES - 1);
        check(&mut engines, index, MEMORY_BYTES);
        check(&mut engines, index, u32::MAX as usize);
    }
}

#[test]
fn a_literal_at_the_end_of_memory_is_compared_before_and_after_memory_grows() {
    let mut engines = engines(&program());
    let index = literals().len() - 1;
    let end = MEMORY_BYTES - 1;
    for grown in [false, true] {
        for (string, last) in [("last\0", 0), ("lasts\0", 0), ("las\0", 0), ("lasting\0", b'i'), ("last\0", b's')] {
            put(&mut engines, 20_000, string.as_bytes());
            put(&mut engines, end, &[last]);
            check(&mut engines, index, 20_000);
            check(&mut engines, index, MEMORY_BYTES - 5);
        }
        if !grown {
            engines.iter_mut().for_each(|engine| assert_eq!(engine::call(engine, "grow", &[]), [2]));
        }
    }
}

/// A program whose `work` is the result of this call.
fn one_call(call: &str) -> String {
    format!(
        r#"(module (import "libc" "strcmp" (func $strcmp (param i32 i32) (result i32)))
           (import "libc" "strncmp" (func $strncmp (param i32 i32 i32) (result i32)))
           (import "libc" "memcmp" (func $memcmp (param i32 i32 i32) (result i32)))
           (memory (export "memory") 2)
           (data (i32.const 1000) "a string of data") (data (i32.const 1100) "short\00")
           (data (i32.const 1200) "a string of data that is longer than two words\00")
           (data (i32.const 1300) "a string of two words of data\00")
           (data (i32.const 131070) "z\00")
           (func (export "work") (param i32 i32) (result i32) {call}))"#
    )
}

#[test]
fn calls_with_a_short_literal_are_done_in_place_and_others_are_not() {
    let [all, wide, none] = [[true, true, true], [true, true, false], [false; 3]];
    for (call, in_place) in [
        ("(call $strcmp (local.get 0) (i32.const 1100))", all),
        ("(call $strcmp (i32.const 1100) (local.get 0))", all),
        ("(call $strcmp (local.get 0) (i32.const 1103))", all),
        ("(call $strcmp (local.get 0) (i32.const 1000))", wide),
        ("(call $strcmp (local.get 0) (i32.const 1001))", all),
        ("(call $strcmp (local.get 0) (i32.const 1300))", wide),
        ("(call $strcmp (local.get 0) (i32.const 1200))", none),
        ("(call $strncmp (local.get 0) (i32.const 1200) (i32.const 16))", all),
        ("(call $strncmp (i32.const 1200) (local.get 0) (i32.const 32))", wide),
        ("(call $strncmp (local.get 0) (i32.const 1200) (i32.const 33))", none),
        ("(call $strncmp (local.get 0) (i32.const 1100) (i32.const -1))", all),
        ("(call $strncmp (local.get 0) (i32.const 1100) (i32.const 0))", none),
        ("(call $strncmp (local.get 0) (i32.const 1100) (local.get 1))", none),
        ("(call $strcmp (local.get 0) (local.get 1))", none),
        // Before, between and behind the data.
        ("(call $strcmp (local.get 0) (i32.const 999))", none),
        ("(call $strcmp (local.get 0) (i32.const 1016))", none),
        ("(call $strcmp (local.get 0) (i32.const -1))", none),
    ] {
        for (cpu, expected) in ALL_CPUS.into_iter().zip(in_place) {
            let listing = Listing::of(cpu(), &one_call(call), "work", &[1100, 1100]);
            assert_eq!(listing.compares_before_it_calls(), expected, "{call}:\n{listing}");
            assert!(listing.calls() > 0, "{call}: the general way is gone:\n{listing}");
        }
    }
}

#[test]
fn data_of_another_memory_is_no_literal() {
    for (memory, in_place) in [(0, true), (1, false)] {
        let program = format!(
            r#"(module (import "libc" "strcmp" (func $strcmp (param i32 i32) (result i32)))
               (memory (export "memory") 1) (memory 1) (data (memory {memory}) (i32.const 1100) "short\00")
               (func (export "work") (param i32 i32) (result i32) (call $strcmp (local.get 0) (i32.const 1100))))"#
        );
        let listing = Listing::of(CpuFeatures::detect(), &program, "work", &[1100, 1100]);
        assert_eq!(listing.compares_before_it_calls(), in_place, "memory {memory}:\n{listing}");
    }
}

#[test]
fn constant_addresses_inside_the_least_memory_need_no_test() {
    for (call, tests) in [
        ("(call $strncmp (i32.const 1100) (i32.const 1000) (i32.const 8))", 0),
        ("(call $strncmp (local.get 0) (i32.const 1000) (i32.const 8))", 1),
        ("(call $strncmp (local.get 0) (i32.const 131070) (i32.const 8))", 2),
        ("(call $strcmp (local.get 0) (i32.const 1100))", 1),
    ] {
        let listing = Listing::of(CpuFeatures::empty(), &one_call(call), "work", &[1100, 1100]);
        assert_eq!(listing.unsigned_branches(), tests, "{call}:\n{listing}");
    }
}

#[test]
fn calls_done_in_place_are_counted() {
    for call in [
        "(call $strcmp (local.get 0) (i32.const 1100))",
        "(call $strncmp (local.get 0) (i32.const 1100) (i32.const 4))",
    ] {
        let at_once = Options { lowest: Tier::Specialised, ..options() };
        let mut engine = engine::engine(&one_call(call), at_once, Profile::default());
        (0..50).for_each(|_| drop(engine::call(&mut engine, "work", &[1100, 0])));
        let calls: Vec<u64> = engine.learned().functions.iter().map(|function| function.calls).collect();
        assert_eq!(calls.iter().filter(|calls| **calls == 50).count(), 2, "caller and callee: {calls:?}");
        assert_eq!(engine.statistics().libc_functions_compiled, 0);
    }
}
