//! `bareflow run --stats`: what translation cost, for people and as JSON.

use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Calls a function often enough to have it promoted, and prints nothing.
const PROGRAM: &str = r#"(module (memory (export "memory") 1)
  (func $work (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
  (func $never (result i32) (i32.const 1))
  (func (export "_start") (local i32)
    (loop $again
      (drop (call $work (local.get 0))) (drop (call $work (local.get 0)))
      (drop (call $work (local.get 0))) (drop (call $work (local.get 0)))
      (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 10000))))))"#;

/// What a run with these options says on standard error.
fn said(options: &[&str], program: &str) -> String {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let path = folder.path().join("program.wasm");
    fs::write(&path, wat::parse_str(program).expect("the program is right")).expect("the folder can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_bareflow")).arg("run").args(options).arg(&path).output();
    String::from_utf8(output.expect("the command runs").stderr).expect("it speaks UTF-8")
}

#[test]
fn the_json_line_adds_up() {
    let line = said(&["--stats", "--json"], PROGRAM);
    let stats: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let number = |name: &str| stats[name].as_f64().unwrap_or_else(|| panic!("no {name} in {line}"));
    assert_eq!(number("functions_called"), 2.0, "{line}");
    assert!(number("functions_total") > 3.0, "the libc's are among them: {line}");
    assert_eq!((number("functions_baseline"), number("functions_optimised")), (1.0, 1.0), "{line}");
    assert_eq!(number("translations"), 3.0, "the one that is called often was promoted: {line}");
    assert!((20.0..400.0).contains(&number("wasm_bytes")), "{line}");
    assert!(number("machine_code_bytes") > number("wasm_bytes"), "{line}");
    let per_kb = |what: &str| number(what) / number("wasm_bytes") * 1000.0;
    assert!((per_kb("machine_code_bytes") / number("machine_code_bytes_per_kb") - 1.0).abs() < 1e-6, "{line}");
    assert!((per_kb("translation_ms") * 1000.0 / number("translation_us_per_kb") - 1.0).abs() < 1e-6, "{line}");
    assert!(number("first_instruction_ms") > 0.0 && number("translation_ms") > 0.0, "{line}");
    assert!((1e6..1e9).contains(&number("peak_memory_bytes")), "{line}");
}

#[test]
fn people_get_four_lines() {
    let text = said(&["--stats", "--highest=baseline"], PROGRAM);
    let lines: Vec<&str> = text.lines().collect();
    let begins = [
        "bareflow: functions: ",
        "bareflow: libc functions: 0 imported, 0 proved by their bodies, 0 taken by name",
        "bareflow: translation: ",
        "bareflow: first instruction after ",
    ];
    assert!(lines.len() == 4 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{text}");
    assert!(lines[0].ends_with(", 2 called; 2 baseline, 0 optimised, 0 specialised, after 2 translations"), "{text}");
}

#[test]
fn a_program_that_does_not_start_has_stats_all_the_same() {
    let text = said(&["--stats"], r#"(module (import "nowhere" "nothing" (func)) (func (export "_start")))"#);
    assert!(text.contains("nowhere.nothing") && text.contains("no instruction was run"), "{text}");
}

#[test]
fn without_the_option_nothing_is_said() {
    assert_eq!(said(&[], PROGRAM), "");
}
