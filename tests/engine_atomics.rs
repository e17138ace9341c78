//! Atomic operators on memories that are not shared, at every tier: each of them, on operands at the edges of its types, at
//! aligned and unaligned places, inside and outside of memory, against a model of a few lines.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use std::fmt::Write;

use bareflow::engine::{Engine, TrapKind};
use oracle::{Outcome, at_every_tier, invoke};
use wasmi::ValType;

const PAGE: u64 = 65536;
/// Offsets in the instruction; that which is odd asks for odd indices.
const OFFSETS: [u64; 2] = [8, 3];

/// One operator.
struct Atomic {
    name: String,
    bytes: u64,
    ty: ValType,
    /// What it does: `load`, `store`, or the last part of its name without `_u`.
    what: &'static str,
}

impl Atomic {
    fn all() -> Vec<Self> {
        let widths = [(ValType::I32, "i32", &[4, 1, 2][..]), (ValType::I64, "i64", &[8, 1, 2, 4])];
        let mut all = Vec::new();
        for (ty, prefix, widths) in widths {
            for (index, bytes) in widths.iter().enumerate() {
                let (width, unsigned) = if index == 0 { (String::new(), "") } else { ((bytes * 8).to_string(), "_u") };
                let mut add = |name, what| all.push(Self { name, bytes: *bytes, ty, what });
                add(format!("{prefix}.atomic.load{width}{unsigned}"), "load");
                add(format!("{prefix}.atomic.store{width}"), "store");
                for what in ["add", "sub", "and", "or", "xor", "xchg", "cmpxchg"] {
                    add(format!("{prefix}.atomic.rmw{width}.{what}{unsigned}"), what);
                }
            }
        }
        all
    }

    fn operands(&self) -> usize {
        match self.what {
            "load" => 0,
            "cmpxchg" => 2,
            _ => 1,
        }
    }

    fn results(&self) -> &[ValType] {
        if self.what == "store" { &[] } else { std::slice::from_ref(&self.ty) }
    }

    /// A function that does it to memory 0, and one that does it to memory 1, for each offset.
    fn functions(&self) -> String {
        let ty = if self.ty == ValType::I32 { "i32" } else { "i64" };
        let (params, result) = (format!(" {ty}").repeat(self.operands()), if self.what == "store" { "" } else { ty });
        let operands: String = (0..self.operands()).map(|index| format!(" (local.get {})", index + 1)).collect();
        let mut text = String::new();
        for (memory, offset) in [0, 1].into_iter().flat_map(|memory| OFFSETS.map(|offset| (memory, offset))) {
            let Self { name, .. } = self;
            let head = format!(r#"(func (export "{name} {memory} {offset}") (param i32{params}) (result {result})"#);
            writeln!(text, "{head} ({name} {memory} offset={offset} (local.get 0){operands}))").expect("a string");
        }
        text
    }

    /// What it gives, and what it does to `memory`.
    fn model(&self, memory: &mut [u8], place: u64, operands: &[u64]) -> Outcome {
        if !place.is_multiple_of(self.bytes) {
            return Outcome::Trap(TrapKind::UnalignedAtomic);
        }
        if place + self.bytes > PAGE {
            return Outcome::Trap(TrapKind::MemoryOutOfBounds);
        }
        let cells = &mut memory[place as usize..][..self.bytes as usize];
        let mut word = [0; 8];
        word[..cells.len()].copy_from_slice(cells);
        let loaded = u64::from_le_bytes(word);
        let mask = u64::MAX >> (64 - 8 * self.bytes);
        let stored = match (self.what, operands) {
            ("load", []) => loaded,
            ("store" | "xchg", [value]) => *value,
            ("add", [value]) => loaded.wrapping_add(*value),
            ("sub", [value]) => loaded.wrapping_sub(*value),
            ("and", [value]) => loaded & value,
            ("or", [value]) => loaded | value,
            ("xor", [value]) => loaded ^ value,
            // The upper bits of what is expected do not matter.
            ("cmpxchg", [expected, new]) => {
                if expected & mask == loaded {
                    *new
                } else {
                    loaded
                }
            }
            other => panic!("{other:?} is no operator"),
        };
        cells.copy_from_slice(&stored.to_le_bytes()[..cells.len()]);
        Outcome::Values(if self.what == "store" { Vec::new() } else { vec![loaded] })
    }

    /// Operands of its calls. Of numbers to compare with, some are like those in memory in the lower bits only.
    fn arguments(&self) -> Vec<Vec<u64>> {
        let mask = if self.ty == ValType::I32 { u64::from(u32::MAX) } else { u64::MAX };
        let edges = [0x0706_0504_8382_8180, u64::MAX, 1, 0xff00_ffff_0000_8180].map(|word| word & mask);
        match self.operands() {
            0 => vec![Vec::new()],
            1 => edges.map(|edge| vec![edge]).to_vec(),
            _ => edges.into_iter().flat_map(|first| edges.map(|second| vec![first, second])).collect(),
        }
    }
}

/// Two memories of a page, with numbers at their beginning and at the end of the first.
const MEMORIES: &str = r#"(memory (export "memory") 1 1) (memory 1 1)
    (data (memory 0) (i32.const 0) "\00\00\00\00\00\00\00\00\80\81\82\83\04\05\06\07")
    (data (memory 1) (i32.const 0) "\00\00\00\00\00\00\00\00\80\81\82\83\04\05\06\07")
    (data (memory 0) (i32.const 65528) "\80\81\82\83\04\05\06\07")"#;

fn fresh_memory() -> Vec<u8> {
    let mut memory = vec![0; PAGE as usize];
    let bytes = 0x0706_0504_8382_8180_u64.to_le_bytes();
    memory[8..16].copy_from_slice(&bytes);
    memory[PAGE as usize - 8..].copy_from_slice(&bytes);
    memory
}

/// Indices that meet numbers, bytes within them, the end of memory, what lies behind it, and the end of all indices.
const INDICES: [u64; 12] = [0, 1, 2, 3, 4, 5, 7, PAGE - 16, PAGE - 11, PAGE - 8, PAGE, u32::MAX as u64 - 7];

#[test]
fn every_atomic_operator_is_its_plain_one_behind_a_test_of_alignment() {
    let atomics = Atomic::all();
    assert_eq!(atomics.len(), 63);
    let functions: String = atomics.iter().map(Atomic::functions).collect();
    let text = format!("(module {MEMORIES} {functions})");
    let mut memories = [fresh_memory(), fresh_memory()];
    memories[1][PAGE as usize - 8..].fill(0);
    let (mut calls, mut expected) = (Vec::new(), Vec::new());
    for atomic in &atomics {
        for (memory, content) in memories.iter_mut().enumerate() {
            for (offset, index) in OFFSETS.iter().flat_map(|offset| INDICES.map(|index| (offset, index))) {
                for operands in atomic.arguments() {
                    expected.push(atomic.model(content, index + offset, &operands));
                    let arguments: Vec<u64> = std::iter::once(index).chain(operands).collect();
                    calls.push((format!("{} {memory} {offset}", atomic.name), arguments, atomic.results()));
                }
            }
        }
    }
    let values = expected.iter().filter(|outcome| matches!(outcome, Outcome::Values(_))).count();
    assert!(values > 2000 && expected.len() - values > 2000, "{values} of {}", expected.len());
    let work = |engine: &mut Engine| -> (Vec<Outcome>, Vec<u8>) {
        let outcomes = calls.iter().map(|(name, arguments, results)| invoke(engine, name, arguments, results));
        (outcomes.collect(), engine.memory().to_vec())
    };
    let [first, _] = memories;
    at_every_tier(&text, &(expected, first), work);
}

#[test]
fn nobody_is_notified_and_nobody_waits_for_ever() {
    let text = r#"(module (memory 1 1)
        (func (export "notify") (param i32) (result i32) (memory.atomic.notify offset=4 (local.get 0) (i32.const 1)))
        (func (export "wait32") (param i32) (result i32)
            (memory.atomic.wait32 offset=4 (local.get 0) (i32.const 0) (i64.const -1)))
        (func (export "wait64") (param i32) (result i32)
            (memory.atomic.wait64 offset=4 (local.get 0) (i64.const 0) (i64.const -1)))
        (func (export "behind") (param i32) (result i32)
            (block (result i32)
                (br_if 0 (i32.const 7) (local.get 0))
                (drop) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)) (i32.add (i32.const 1))))
        (func (export "fence") (param i32) (result i32) (atomic.fence) (local.get 0)))"#;
    use TrapKind::{MemoryOutOfBounds, UnalignedAtomic, UnsharedMemory};
    let cases = [
        ("notify", 0, Ok(0)),
        ("notify", PAGE - 8, Ok(0)),
        ("notify", PAGE - 4, Err(MemoryOutOfBounds)),
        ("notify", u64::from(u32::MAX) - 3, Err(MemoryOutOfBounds)),
        ("notify", 2, Err(UnalignedAtomic)),
        ("wait32", 0, Err(UnsharedMemory)),
        ("wait32", 1, Err(UnalignedAtomic)),
        ("wait64", 4, Err(UnsharedMemory)),
        ("wait64", 0, Err(UnalignedAtomic)),
        ("behind", 1, Ok(7)),
        ("behind", 0, Err(UnsharedMemory)),
        ("fence", 5, Ok(5)),
    ];
    let outcome = |result: &Result<u64, TrapKind>| match result {
        Ok(value) => Outcome::Values(vec![*value]),
        Err(kind) => Outcome::Trap(kind.clone()),
    };
    let rounds = || (0..12).flat_map(|_| &cases);
    let expected: Vec<Outcome> = rounds().map(|(_, _, result)| outcome(result)).collect();
    at_every_tier(text, &expected, |engine: &mut Engine| -> Vec<Outcome> {
        rounds().map(|(name, index, _)| invoke(engine, name, &[*index], &[ValType::I32])).collect()
    });
}
