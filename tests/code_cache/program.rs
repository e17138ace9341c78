//! A program with everything that code may depend on, whose parts can be changed one by one.

use bareflow::engine::decide::tier::{Promotion, Thresholds};
use bareflow::engine::{Engine, Options};

use crate::boots::{self, Boot, Left};
use crate::engine::{NoImports, call};
use crate::oracle::{Oracle, Outcome};

/// What differs from one build of the program to another.
#[derive(Clone, Copy)]
pub struct Parts {
    /// Body of `$part`, which the others call.
    pub part: &'static str,
    /// Which functions the table begins with.
    pub table: &'static str,
    /// Number at address 1000 of the memory.
    pub data: &'static str,
    /// Initial value of a global that is never changed.
    pub global: &'static str,
    /// More fields, behind all others.
    pub more: &'static str,
}

pub const PARTS: Parts = Parts {
    part: "(i64.mul (local.get 0) (i64.const 7))",
    table: "$double $triple",
    data: "\\05",
    global: "11",
    more: "",
};

impl Parts {
    /// The program: loops, calls, fills and copies of a constant size, calls through a table, and recursion.
    pub fn wasm(self) -> &'static [u8] {
        let Self { part, table, data, global, more } = self;
        let text = format!(
            r#"(module (memory 1) (data (i32.const 1000) "{data}\00\00\00\00\00\00\00")
              (type $unary (func (param i64) (result i64)))
              (table 4 funcref) (elem (i32.const 0) {table})
              (global $fixed i64 (i64.const {global})) (global $sum (mut i64) (i64.const 0))
              (func $double (param i64) (result i64) (i64.shl (local.get 0) (i64.const 1)))
              (func $triple (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
              (func $part (param i64) (result i64) {part})
              (func $blocks (param i32 i32) (memory.fill (i32.const 0) (local.get 0) (local.get 1))
                (memory.copy (i32.const 300) (i32.const 0) (local.get 1)))
              (func $fibonacci (param i64) (result i64)
                (if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0)) (else (i64.add
                  (call $fibonacci (i64.sub (local.get 0) (i64.const 1))) (call $fibonacci (i64.sub (local.get 0) (i64.const 2)))))))
              (func (export "work") (param $rounds i32) (param $bytes i32) (result i64)
                (loop $next
                  (call $blocks (local.get $rounds) (local.get $bytes))
                  (global.set $sum (i64.add (call $part (global.get $sum))
                    (call_indirect (type $unary) (i64.extend_i32_u (local.get $rounds))
                      (i32.ge_u (local.get $rounds) (i32.const 500)))))
                  (br_if $next (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
                (i64.add (i64.add (global.get $sum) (global.get $fixed))
                  (i64.add (i64.load (i32.const 1000)) (i64.load (i32.const 300)))))
              (func (export "recurse") (param i64) (result i64) (call $fibonacci (local.get 0)))
              {more})"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}")).leak()
    }
}

/// Calls of exports.
pub type Calls<'a> = &'a [(&'a str, &'a [u64])];

/// What a program does at every boot if nothing is said.
pub const CALLS: Calls<'static> = &[("work", &[400, 200]), ("recurse", &[15]), ("work", &[10, 24])];

/// Promoted between boots, so that what is compiled when depends on nothing but boots.
/// Few calls are worth other code, so that little has to be run.
pub fn between_boots() -> Options {
    Options { promotion: Promotion::Boots, thresholds: Some(Thresholds::default()), ..Options::default() }
}

/// Makes `calls`, each of which must return.
pub fn make(engine: &mut Engine, calls: Calls<'_>) -> Vec<u64> {
    calls.iter().flat_map(|(name, args)| call(engine, name, args)).collect()
}

/// What another engine makes of `calls`.
pub fn expected(wasm: &[u8], calls: Calls<'_>) -> Vec<u64> {
    let mut oracle = Oracle::new(wasm);
    let values = calls.iter().flat_map(|(name, args)| match oracle.call(name, args) {
        Outcome::Values(values) => values,
        Outcome::Trap(kind) => panic!("{name}{args:?} trapped: {kind}"),
    });
    values.collect()
}

/// A boot that makes `calls` with what an earlier one `left`, which must give what they give in another engine.
#[track_caller]
pub fn boot(wasm: &'static [u8], options: Options, calls: Calls<'_>, left: &Left) -> Boot<Vec<u64>> {
    let mut engine = boots::engine(wasm, Box::new(NoImports), options, left);
    let values = make(&mut engine, calls);
    assert_eq!(values, expected(wasm, calls), "{options:?}");
    boots::end(engine, values, left)
}

/// Boots until nothing is compiled any more; the first boot in which that was so.
#[track_caller]
pub fn settled(wasm: &'static [u8], options: Options) -> Boot<Vec<u64>> {
    boots::settle(Left::default(), |left| boot(wasm, options, CALLS, left))
}
