//! Programs that use a part of WebAssembly that is not supported are refused by its name, before they start.

use bareflow::engine::decode::module::{Module, ModuleError};

/// The refusal of a program.
fn refusal(text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")).leak();
    match Module::decode(bytes) {
        Err(error @ ModuleError::Unsupported { .. }) => error.to_string(),
        other => panic!("{text} gave {:?}", other.err()),
    }
}

#[test]
fn every_unsupported_proposal_is_refused_by_name() {
    let programs = [
        ("threads", "(module (memory 1 1 shared))"),
        ("threads", "(module (import \"env\" \"memory\" (memory 1 1 shared)))"),
        ("threads", "(module (memory 1) (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0)))))"),
        ("memory64", "(module (memory i64 1))"),
        ("memory64", "(module (table i64 1 funcref))"),
        ("function-references", "(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))"),
        ("function-references", "(module (func (param (ref func))))"),
        ("garbage-collection", "(module (type (struct)))"),
        ("garbage-collection", "(module (type (array i8)))"),
        ("garbage-collection", "(module (func (param anyref)))"),
        ("garbage-collection", "(module (func (drop (ref.i31 (i32.const 1)))))"),
        ("garbage-collection", "(module (rec (type (func)) (type (func))))"),
        ("wide-arithmetic", "(module (func (drop (drop (i64.mul_wide_s (i64.const 1) (i64.const 1))))))"),
        ("custom-page-sizes", "(module (memory 1 (pagesize 1)))"),
        ("memory-control", "(module (memory 1) (func (memory.discard (i32.const 0) (i32.const 0))))"),
        ("stack-switching", "(module (type $f (func)) (type (cont $f)))"),
        ("component model", "(component)"),
    ];
    for (name, text) in programs {
        let refusal = refusal(text);
        assert!(refusal.contains(name) && refusal.ends_with("which is not supported"), "{text}: {refusal}");
    }
}

#[test]
fn plain_mistakes_are_not_blamed_on_a_proposal() {
    for text in ["(module (func (result i32)))", "(module (func i32.add drop))", "(module (func (call 7)))"] {
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")).leak();
        assert!(matches!(Module::decode(bytes), Err(ModuleError::Invalid { .. })), "{text}");
    }
}
