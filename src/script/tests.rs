//! A script holds or fails as it should: a test that cannot fail would say nothing about an engine.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};

use super::*;
use crate::engine::cpu::CpuFeatures;
use crate::engine::{EngineError, Options};
use crate::host;
use crate::profile::Profile;

const ADD: &str = r#"(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "trap") unreachable) (global (export "three") i64 (i64.const 3)))"#;

fn module(text: &str) -> &'static [u8] {
    wat::parse_str(text).expect("the text is a module").leak()
}

fn add(instance: Option<&'static str>, arguments: [u64; 2]) -> Action<'static> {
    Action::Invoke { instance, function: "add", arguments: arguments.map(|word| [word, 0]).into() }
}

fn exactly(bits: u64) -> Vec<Pattern> {
    vec![Pattern::Bits { mask: [u64::MAX; 2], bits: [bits, 0] }]
}

fn returns(action: Action<'static>, bits: u64) -> Directive<'static> {
    Directive::Returns { action, values: exactly(bits) }
}

/// What each directive comes to: nothing, or a failure that is said in these words.
fn run(offered: Option<(&'static str, &'static [u8])>, directives: &[Directive<'static>]) -> Vec<String> {
    let mut platforms =
        || host::platform(CpuFeatures::detect()).map_err(|_| EngineError::OutOfMemory { what: "a platform", bytes: 0 });
    let earlier = Profile::default();
    let mut world = World::new(offered, &mut platforms, Options::default(), &earlier);
    let say = |result: Result<(), Failure>| result.map_or_else(|failure| failure.to_string(), |()| String::new());
    directives.iter().map(|directive| say(world.run(directive))).collect()
}

#[test]
fn what_is_right_holds_and_what_is_wrong_is_said() {
    let trap = Action::Invoke { instance: None, function: "trap", arguments: Vec::new() };
    let get = Action::Get { instance: None, global: "three" };
    let said = run(
        None,
        &[
            Directive::Succeeds(add(None, [1, 2])),
            Directive::Instantiate { name: Some("M"), module: module(ADD) },
            returns(add(Some("M"), [1, 2]), 3),
            returns(add(None, [1, 2]), 4),
            returns(get.clone(), 3),
            returns(get.clone(), 2),
            Directive::Traps { action: trap.clone(), kind: "unreachable" },
            Directive::Traps { action: trap.clone(), kind: "integer overflow" },
            Directive::Traps { action: get, kind: "unreachable" },
            Directive::Succeeds(trap),
            Directive::Succeeds(add(Some("N"), [1, 2])),
            Directive::Valid { module: b"\0asm\x01\0\0\0" },
            Directive::Valid { module: b"\0asm\x02\0\0\0" },
            Directive::Invalid { module: b"\0asm\x02\0\0\0", language: Language::Whole, why: "unknown version" },
            Directive::Invalid { module: b"\0asm\x01\0\0\0", language: Language::Whole, why: "unknown version" },
        ],
    );
    let begins = [
        "there is no instance \"current\"",
        "",
        "",
        "returned [[3, 0]], expected ",
        "",
        "returned [[3, 0]], expected ",
        "",
        "ended in a trap: unreachable",
        "returned [[3, 0]], expected the trap \"unreachable\"",
        "ended in a trap: unreachable",
        "there is no instance \"N\"",
        "",
        "refused: ",
        "",
        "was accepted, expected \"unknown version\"",
    ];
    for (index, (said, begin)) in said.iter().zip(begins).enumerate() {
        assert!(said.starts_with(begin) && said.is_empty() == begin.is_empty(), "{index}: {said:?}, not {begin:?}");
    }
}

#[test]
fn modules_import_what_is_offered_and_what_is_registered() {
    let import = |from: &str, ty: &str| {
        let text = format!(r#"(module (import "{from}" "add" (func $add {ty})) (export "add" (func $add)))"#);
        Directive::Instantiate { name: None, module: module(&text) }
    };
    let good = "(param i32 i32) (result i32)";
    let Directive::Instantiate { module: wrong, .. } = import("offered", "(param i64)") else { unreachable!() };
    let said = run(
        Some(("offered", module(ADD))),
        &[
            import("offered", good),
            Directive::Unlinkable { module: wrong, why: "incompatible import type" },
            Directive::Unlinkable { module: wrong, why: "unknown import" },
            Directive::Register { name: "again", instance: None },
            import("again", good),
            returns(add(None, [40, 2]), 42),
            import("nowhere", good),
        ],
    );
    let fails: Vec<usize> = (0..said.len()).filter(|index| !said[*index].is_empty()).collect();
    assert_eq!(fails, [2, 6], "{said:?}");
}

#[test]
fn languages_differ_in_what_is_valid() {
    let two_memories = module("(module (memory 1) (memory 1))");
    let invalid = |language| Directive::Invalid { module: two_memories, language, why: "multiple memories" };
    let said = run(None, &[invalid(Language::WebAssembly2), invalid(Language::Whole)]);
    assert!(said[0].is_empty() && !said[1].is_empty(), "{said:?}");
}

#[test]
fn patterns_match_bits_classes_and_alternatives() {
    let canonical = Pattern::Bits { mask: [0x7fff_ffff, u64::MAX], bits: [0x7fc0_0000, 0] };
    assert!(canonical.matches([0xffc0_0000, 0]) && canonical.matches([0x7fc0_0000, 0]));
    assert!(!canonical.matches([0x7fc0_0001, 0]) && !canonical.matches([0x7fc0_0000, 1]));
    assert!(Pattern::NotNull.matches([1, 0]) && !Pattern::NotNull.matches([0, 0]));
    let either = Pattern::Either([exactly(1), exactly(2)].concat());
    assert!(either.matches([1, 0]) && either.matches([2, 0]) && !either.matches([3, 0]));
}

#[test]
fn scripts_survive_encoding_and_other_bytes_are_refused() {
    let lines = vec![
        Line { number: 1, directive: Directive::Instantiate { name: Some("M"), module: module(ADD) } },
        Line { number: 70_000, directive: returns(add(Some("M"), [1, u64::MAX]), 3) },
    ];
    let scripts = [Script { file: "a/b.wast", parts: vec![Part { offered: Some(("o", b"bytes")), lines }] }];
    let bytes = encode(&scripts);
    assert_eq!(decode(&bytes).as_deref(), Ok(&scripts[..]));
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    let refused = decode(&[0xff; 9]).unwrap_err().to_string();
    assert!(refused.starts_with("these 9 bytes are not test scripts of this version ("), "{refused}");
}
