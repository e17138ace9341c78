//! Compiling takes no more memory than there is: it is refused, or done with less effort, where the estimate says so.

#[path = "common/bodies.rs"]
mod bodies;
#[path = "common/counting_allocator.rs"]
mod counting_allocator;
#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;
use bodies::{
    Function, Huge, calls, chain, deep_expression, jump_table, many_locals, nested, number, op, straight_line,
};
use counting_allocator::{bytes_now, measure};
use engine::NoImports;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is allocated when nothing more is free.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

fn free_memory() -> u64 {
    LIMIT.load(Ordering::Relaxed).saturating_sub(bytes_now())
}

/// Branches to a block with 1000 results.
fn operands(branches: usize) -> String {
    let wide = "i32 ".repeat(1000);
    let (values, branches) = ("local.get 0 ".repeat(1000), "local.get 0 br_if 0 ".repeat(branches));
    let drops = "drop ".repeat(999);
    format!(
        "(module (func (export \"f\") (param i32) (result i32) (block (result {wide}) {values} {branches}) {drops}))"
    )
}

/// Calls of the libc and copies, each of them a site.
fn sites(count: usize, one: &str) -> String {
    format!(
        r#"(module (import "libc" "malloc" (func $malloc (param i32) (result i32)))
             (import "libc" "floor" (func $floor (param f64) (result f64))) (memory 1)
             (func (export "f") (param i32) (result i32) {} (local.get 0)))"#,
        one.repeat(count)
    )
}

fn modules() -> Vec<(&'static str, Vec<u8>)> {
    let of = |body: Vec<u8>| Huge { called: vec![Function::new(body, 0)], ..Huge::default() }.wasm();
    let text = |wat: String| wat::parse_str(wat).expect("the module is right");
    let locals = Function { locals: 2_500, ..Function::new(many_locals(2_500), 0) };
    let dead =
        [[op::LOCAL_GET, 0, op::BLOCK, op::EMPTY, op::UNREACHABLE].to_vec(), nested(op::BLOCK, 100_000)].concat();
    let dead = [dead, vec![op::DROP, op::END]].concat();
    let tables = [
        &[op::LOCAL_GET, 0, op::BLOCK, op::EMPTY, op::LOCAL_GET, 0, op::BR_TABLE][..],
        &number(100_000),
        &[0; 100_001],
        &[op::END],
    ]
    .concat();
    vec![
        ("arithmetic", of(straight_line(100_000).0)),
        ("blocks in each other", of(nested(op::BLOCK, 10_000))),
        ("loops in each other", of(nested(op::LOOP, 10_000))),
        ("ifs in each other", of(nested(op::IF, 10_000))),
        ("a few ifs in each other", of(nested(op::IF, 2_900))),
        ("ifs in a row", of(chain(5_000))),
        ("an expression", of(deep_expression(20_000))),
        ("a small expression", of(deep_expression(1_900))),
        ("locals", Huge { called: vec![locals], ..Huge::default() }.wasm()),
        ("a jump table", of(jump_table(100, 20_000))),
        ("a jump table to blocks", of(jump_table(5_000, 5_000))),
        ("a jump table to one place", of(tables)),
        ("dead blocks", of(dead)),
        ("calls", of(calls(20_000))),
        ("operands", text(operands(1_000))),
        ("sites", text(sites(4_000, "(drop (call $malloc (i32.const 8)))"))),
        ("copies", text(sites(4_000, "(memory.copy (local.get 0) (i32.const 0) (i32.const 64))"))),
        ("bodies in place", text(sites(4_000, "(drop (call $floor (f64.convert_i32_s (local.get 0))))"))),
    ]
}

/// The most that compiling `f` takes at a tier where `free` bytes are free, and whether it was compiled.
fn compile(wasm: &'static [u8], tier: Tier, free: u64) -> (u64, Result<(), String>) {
    LIMIT.store(u64::MAX, Ordering::Relaxed);
    let lowest = tier.min(Tier::Optimised);
    let options = Options { promotion: Promotion::Boots, lowest, highest: tier, ..Options::default() };
    let mut platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    (platform.free_memory, platform.reserve_bytes) = (free_memory, 0);
    let mut engine = Engine::new(wasm, platform, Box::new(NoImports), options, Profile::default()).expect("it starts");
    LIMIT.store(bytes_now().saturating_add(free), Ordering::Relaxed);
    let mut refused = Ok(());
    let peak = measure(|| {
        refused = match engine.invoke("f", &[3]) {
            Ok(Err(end)) if format!("{end:?}").contains("cannot compile") => Err(format!("{end:?}")),
            _ => Ok(()),
        }
    });
    (peak, refused)
}

/// Bytes that do not count: what is kept of the code, messages.
const SLACK_BYTES: u64 = 64 << 10;

#[test]
fn compiling_takes_no_more_memory_than_there_is() {
    let mut wrong = Vec::new();
    for (name, wasm) in modules() {
        let wasm: &'static [u8] = wasm.leak();
        for tier in [Tier::Baseline, Tier::Optimised] {
            let (most, refused) = compile(wasm, tier, u64::MAX / 2);
            assert_eq!(refused, Ok(()), "{name}");
            for percent in [600, 99, 60, 20] {
                let free = most * percent / 100;
                let (peak, refused) = compile(wasm, tier, free);
                if peak > free + SLACK_BYTES || (percent == 600 && refused.is_err()) {
                    wrong.push(format!("{name}, {tier:?}: {peak} of {most} bytes where {free} are free, {refused:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
