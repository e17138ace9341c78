//! Starting a program takes no more memory than there is: one that is too large for the machine is refused.

#[path = "common/bodies.rs"]
mod bodies;
#[path = "common/counting_allocator.rs"]
mod counting_allocator;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/wide.rs"]
mod wide;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Engine, EngineError, Options};
use bareflow::host;
use bareflow::profile::Profile;
use bodies::{Function, Huge, counted, deep_expression, nested, number, op, section};
use counting_allocator::{bytes_now, measure};
use std::sync::atomic::{AtomicU64, Ordering};
use wasmparser::ValType;
use wide::Wide;

/// Offers `fd_write`.
struct FdWrite;

impl Imports for FdWrite {
    fn find(&self, _: &str, name: &str) -> Option<HostFunction> {
        let (params, results) = (&[ValType::I32; 4], &[ValType::I32]);
        (name == "fd_write").then_some(HostFunction { id: 0, params, results })
    }

    fn call(&mut self, _: u32, _: &[u64], _: &mut [u64], _: &mut [u8]) -> Result<(), Stop> {
        Ok(())
    }
}

/// What is allocated when nothing more is free.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

fn free_memory() -> u64 {
    LIMIT.load(Ordering::Relaxed).saturating_sub(bytes_now())
}

/// The most that starting `wasm` takes where `free` bytes are free, and whether it was started.
fn start(wasm: &'static [u8], free: u64) -> (u64, bool) {
    let mut platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    (platform.free_memory, platform.reserve_bytes) = (free_memory, 0);
    LIMIT.store(bytes_now().saturating_add(free), Ordering::Relaxed);
    let mut made = None;
    let peak = measure(|| {
        made = Some(Engine::new(wasm, platform, Box::new(FdWrite), Options::default(), Profile::default()));
    });
    match made.expect("it was set") {
        Ok(_) => (peak, true),
        Err(EngineError::OutOfMemory { .. }) => (peak, false),
        Err(error) => panic!("{error}"),
    }
}

fn modules() -> Vec<(&'static str, Vec<u8>)> {
    const MANY: usize = 40_000;
    let nothing = Wide::default();
    let body = |body: Vec<u8>| Huge { called: vec![Function::new(body, 0)], ..Huge::default() }.wasm();
    let long_type = |index: usize| [vec![0x60], number(900), vec![op::I32; 890], digits(index), vec![0]].concat();
    let long_types = counted(&(0..2_000).map(long_type).collect::<Vec<_>>());
    let wide = format!(
        "(module (func $wide (result {}) (unreachable)) (func {} (unreachable)))",
        "i32 ".repeat(900),
        "call $wide ".repeat(20_000)
    );
    vec![
        ("long types", [b"\0asm\x01\0\0\0".to_vec(), section(1, &long_types)].concat()),
        ("many results", wat::parse_str(wide).expect("the module is right")),
        ("types", Wide { types: MANY, ..nothing }.wasm()),
        ("imports", Wide { imports: MANY, ..nothing }.wasm()),
        ("functions", Wide { functions: MANY, ..nothing }.wasm()),
        ("elements", Wide { elements: MANY, entries: 1, ..nothing }.wasm()),
        ("globals", Wide { globals: MANY, ..nothing }.wasm()),
        ("exports", Wide { exports: MANY, ..nothing }.wasm()),
        ("data", Wide { data: MANY, ..nothing }.wasm()),
        ("names", Wide { functions: MANY, names: MANY, ..nothing }.wasm()),
        ("everything", Wide::of_everything(MANY).wasm()),
        ("blocks in each other", body(nested(op::BLOCK, 100_000))),
        ("an expression", body(deep_expression(400_000))),
    ]
}

/// The digits of `index` as types.
fn digits(index: usize) -> Vec<u8> {
    (0..10).map(|place| op::I32 - (index / 4_usize.pow(place) % 4) as u8).collect()
}

/// Bytes that do not count: what is there of every program.
const SLACK_BYTES: u64 = 64 << 10;

#[test]
fn starting_takes_no_more_memory_than_there_is() {
    let mut wrong = Vec::new();
    for (name, wasm) in modules() {
        let wasm: &'static [u8] = wasm.leak();
        let (most, _) = start(wasm, u64::MAX / 2);
        for percent in [600, 99, 50] {
            let free = most * percent / 100;
            let (peak, started) = start(wasm, free);
            if peak > free + SLACK_BYTES || (percent == 600 && !started) {
                wrong.push(format!("{name}: {peak} of {most} bytes where {free} are free, started: {started}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
