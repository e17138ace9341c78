//! `bareflow profile`: from store to file and back, compared, added up, and printed without harm whatever it holds.

#[path = "common/inline.rs"]
mod inline;
#[path = "common/lies.rs"]
mod lies;

use bareflow::profile::Profile;
use inline::{Program, bareflow};
use lies::{AWKWARD, is_harmless};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Copies blocks of one size and calls through a table, `rounds` times.
fn program(rounds: u32) -> Program {
    Program::wat(&format!(
        r#"(module (type $unary (func (param i32) (result i32)))
             (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
             (import "libc" "memcpy" (func $copy (param i32 i32 i32) (result i32)))
             (memory (export "memory") 1) (table funcref (elem $double $square))
             (data (i32.const 0) "\08\00\00\00\04\00\00\00")
             (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
             (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
             (func $keep (param i32) (drop (call $copy (i32.const 8) (i32.const 1024) (i32.const 24)))
               (i32.store (i32.const 1024) (i32.add (i32.load (i32.const 8))
                 (call_indirect (type $unary) (local.get 0) (i32.and (local.get 0) (i32.const 1))))))
             (func (export "_start") (local i32)
               (loop $again (call $keep (local.get 0))
                 (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const {rounds}))))
               (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#
    ))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What `bareflow profile WORDS FILES` does.
fn profile(words: &[&str], files: &[&Path]) -> Output {
    bareflow().arg("profile").args(words).args(files).output().unwrap()
}

#[track_caller]
fn succeeds(output: Output) -> Output {
    assert!(output.status.success(), "{}", said(&output));
    output
}

fn new_store(folder: &Path, name: &str) -> PathBuf {
    let store = folder.join(name);
    succeeds(bareflow().args(["store", "format", "--mib", "4"]).arg(&store).output().unwrap());
    store
}

fn run(program: &Program, store: &Path) -> Output {
    let mut command = bareflow();
    command.env("XDG_DATA_HOME", program.folder()).args(["run", "--report", "--store"]).arg(store).arg(program.path());
    succeeds(command.output().unwrap())
}

fn report(output: &Output) -> Value {
    let said = said(output);
    let line = said.lines().find_map(|line| line.strip_prefix("BAREFLOW ")).unwrap_or_else(|| panic!("{said}"));
    serde_json::from_str(line).unwrap()
}

/// A program, a store that knows two boots of it, and what that exports.
fn learned(rounds: u32) -> (Program, PathBuf, PathBuf) {
    let program = program(rounds);
    let store = new_store(program.folder(), "store.img");
    (0..2).for_each(|_| drop(run(&program, &store)));
    let file = program.folder().join("exported.bfprof");
    succeeds(profile(&["export"], &[&store, &file]));
    (program, store, file)
}

#[test]
fn what_was_exported_can_be_imported_and_the_next_boot_starts_from_it() {
    let (program, store, file) = learned(20_000);
    let other = new_store(program.folder(), "other.img");
    let output = succeeds(profile(&["import"], &[&other, &file]));
    assert!(printed(&output).contains("other.img: generation 1, "), "{output:?}");
    let again = program.folder().join("again.bfprof");
    succeeds(profile(&["export"], &[&other, &again]));
    assert!(fs::read(&again).unwrap() == fs::read(&file).unwrap(), "all of it is there");
    let (here, there) = (run(&program, &store), run(&program, &other));
    assert_eq!(here.stdout, there.stdout);
    let there = report(&there);
    assert_eq!((&there["boot"], &there["generation"], &there["code_loaded"]), (&3.into(), &1.into(), &0.into()));
    assert_eq!(there["functions_specialised"], report(&here)["functions_specialised"]);
}

#[test]
fn import_discards_no_profile_unless_it_is_told_to() {
    let (program, store, file) = learned(20_000);
    let before = fs::read(&store).unwrap();
    let refused = profile(&["import"], &[&store, &file]);
    assert_eq!((refused.status.code(), said(&refused).lines().count()), (Some(1), 1), "{refused:?}");
    assert!(said(&refused).contains("holds a profile of the same program") && said(&refused).contains("--replace"));
    assert!(fs::read(&store).unwrap() == before, "a store that was refused was written to");
    let sum = program.folder().join("sum.bfprof");
    succeeds(profile(&["merge"], &[&sum, &file, &store]));
    succeeds(profile(&["import", "--replace"], &[&store, &sum]));
    let held = Profile::decode(&fs::read(&file).unwrap()).unwrap();
    succeeds(profile(&["export"], &[&store, &file]));
    let twice = Profile::decode(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(twice.boots_observed, 2 * held.boots_observed);
    for words in [&["import"][..], &["show"], &["export"], &["merge"]] {
        let nothing = program.path();
        let output = profile(words, &[&nothing, &nothing]);
        assert_ne!(output.status.code(), Some(0), "{words:?}");
        assert!(said(&output).contains("program.wasm"), "{words:?}: {}", said(&output));
    }
}

#[test]
fn merged_files_are_the_same_in_any_order_and_grouping() {
    let (_here, a, _) = learned(20_000);
    let (_there, b, file) = learned(700);
    let folder = a.parent().unwrap();
    let out = |name: &str, inputs: &[&Path]| {
        let out = folder.join(name);
        succeeds(profile(&["merge"], &[&[&*out], inputs].concat()));
        out
    };
    let left = out("left", &[&out("ab", &[&a, &b]), &file]);
    let right = out("right", &[&out("bf", &[&file, &b]), &a]);
    let all = out("all", &[&b, &file, &a]);
    assert!(fs::read(&left).unwrap() == fs::read(&right).unwrap());
    assert!(fs::read(&left).unwrap() == fs::read(&all).unwrap());
}

#[test]
fn stores_and_files_are_shown_and_compared() {
    let (here, store, file) = learned(20_000);
    let (_there, other, _) = learned(700);
    let shown = |path: &Path| printed(&succeeds(profile(&["show"], &[path, &here.path()])));
    assert_eq!(shown(&store), shown(&file));
    let same = printed(&succeeds(profile(&["diff"], &[&store, &file])));
    assert!(same.contains("functions are alike, 0 are not"), "{same}");
    let differs = printed(&succeeds(profile(&["diff"], &[&file, &other, &here.path()])));
    assert!(differs.contains("The modules that ran last differ") && differs.contains("colder"), "{differs}");
    let json = printed(&succeeds(profile(&["diff", "--json"], &[&file, &other, &here.path()])));
    let json: Value = serde_json::from_str(&json).unwrap();
    let functions = json["functions"].as_array().unwrap();
    let keep = functions.iter().find(|function| function["name"].as_str().unwrap().contains("keep"));
    let keep = keep.unwrap_or_else(|| panic!("{json:#}"));
    let runs = |side: usize| keep["runs"][side].as_u64().unwrap();
    assert!(keep["change"] == "colder" && runs(0).abs_diff(20_000) < 200 && runs(1).abs_diff(700) < 10, "{keep}");
    assert_eq!(json["same_program"], false);
}

#[test]
fn nothing_of_a_profile_or_program_reaches_a_terminal_raw() {
    let (program, store, file) = learned(700);
    let honest = Profile::decode(&fs::read(&file).unwrap()).unwrap();
    let named = Program::wat(&format!(
        "(module (func (export \"_start\")) (@custom \"name\" (after last) \"{}\"))",
        function_names(AWKWARD).iter().map(|byte| format!("\\{byte:02x}")).collect::<String>()
    ));
    for (name, lie) in lies::lies(&honest) {
        fs::write(&file, lie.encode().unwrap()).unwrap();
        let output = profile(&["import", "--replace"], &[&store, &file]);
        assert!(is_harmless(&printed(&output)) && is_harmless(&said(&output)), "{name}: {output:?}");
        let is_read = Profile::decode(&lie.encode().unwrap()).is_ok();
        assert_eq!(output.status.success(), is_read, "{name}: {output:?}");
        let commands: [&[&str]; 4] = [
            &["profile", "show", "--json"],
            &["profile", "show"],
            &["profile", "diff", "--json"],
            &["profile", "diff"],
        ];
        for words in commands {
            let files: &[&Path] = if words.contains(&"diff") { &[&file, &store] } else { &[&file] };
            let output = bareflow().args(words).args(files).arg(named.path()).output().unwrap();
            assert!(is_harmless(&printed(&output)) && is_harmless(&said(&output)), "{name} {words:?}: {output:?}");
            assert_eq!(output.status.success(), is_read, "{name} {words:?}: {}", said(&output));
            assert!(!is_read || words.len() == 2 || printed(&output).parse::<Value>().is_ok());
        }
        let output = bareflow().args(["store", "show"]).arg(&store).output().unwrap();
        assert!(is_harmless(&printed(&output)), "{name}: {output:?}");
        let output = bareflow().args(["store", "format"]).arg(&store).output().unwrap();
        assert!(!output.status.success() && is_harmless(&said(&output)), "{name}: {output:?}");
        let output = run(&program, &store);
        assert!(is_harmless(&said(&output)), "{name}: {output:?}");
    }
}

/// The content of a name section (WebAssembly 2.0, 7.4.1) in which function 0 has this name.
fn function_names(name: &str) -> Vec<u8> {
    let length = name.len() as u8;
    [&[1, length + 3, 1, 0, length], name.as_bytes()].concat()
}
