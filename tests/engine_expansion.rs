//! What stands in place of hot calls of the libc: paths for several sizes, kernels, and small bodies.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Ending, Engine, Options, TrapKind};
use bareflow::profile::{FunctionRecord, Profile};

const PROGRAM: &str = r#"(module
    (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
    (import "libc" "memcmp" (func $memcmp (param i32 i32 i32) (result i32)))
    (import "libc" "memset" (func $memset (param i32 i32 i32) (result i32)))
    (import "libc" "strlen" (func $strlen (param i32) (result i32)))
    (import "libc" "floor" (func $floor (param f64) (result f64)))
    (import "libc" "sqrt" (func $sqrt (param f64) (result f64)))
    (import "libc" "malloc" (func $malloc (param i32) (result i32)))
    (import "libc" "free" (func $free (param i32)))
    (memory (export "memory") 2)
    (table 1 funcref) (elem (i32.const 0) $strlen)
    (type $length (func (param i32) (result i32)))
    (func (export "copy") (param i32 i32 i32) (result i32)
      (call $memcpy (local.get 0) (local.get 1) (local.get 2)))
    (func (export "compare") (param i32 i32 i32) (result i32)
      (call $memcmp (local.get 0) (local.get 1) (local.get 2)))
    (func (export "fill") (param i32 i32 i32) (result i32)
      (call $memset (local.get 0) (local.get 1) (local.get 2)))
    (func (export "length") (param i32) (result i32) (call $strlen (local.get 0)))
    (func (export "length-by-table") (param i32) (result i32)
      (call_indirect (type $length) (local.get 0) (i32.const 0)))
    (func (export "root") (param f64) (result f64) (call $floor (call $sqrt (local.get 0))))
    (func (export "block") (param i32) (result i32) (local $block i32)
      (local.set $block (call $malloc (local.get 0)))
      (call $free (local.get $block))
      (local.get $block)))"#;

const ALL_CPUS: [fn() -> CpuFeatures; 3] =
    [CpuFeatures::detect, || CpuFeatures::detect().difference(CpuFeatures::AVX512), CpuFeatures::empty];

fn options() -> Options {
    Options { promotion: Promotion::Boots, ..Options::default() }
}

fn plain() -> Engine {
    engine::engine(PROGRAM, Options { highest: Tier::Baseline, ..options() }, Profile::default())
}

/// The second boot after a first one that did `work`.
fn after(cpu: CpuFeatures, work: impl Fn(&mut Engine)) -> Engine {
    let mut first = engine::engine_on(cpu, PROGRAM, options(), Profile::default());
    work(&mut first);
    engine::engine_on(cpu, PROGRAM, options(), first.learned())
}

fn guards(engine: &mut Engine) -> (u64, u64) {
    let sums = engine.statistics();
    (sums.guards_passed, sums.guards_failed)
}

/// The records of the program's functions that were specialised.
fn specialised(engine: &mut Engine) -> Vec<FunctionRecord> {
    let has_paths = |record: &FunctionRecord| record.sites.iter().any(|site| !site.chosen.is_empty());
    engine.learned().functions.into_iter().filter(has_paths).collect()
}

#[test]
fn a_site_has_paths_for_the_sizes_it_sees_and_counts_them_exactly() {
    // Half 24, a quarter 304, then 512; 100 are too few.
    let sizes: [u64; 12] = [24, 304, 24, 512, 24, 304, 24, 304, 24, 512, 24, 100];
    for cpu in ALL_CPUS {
        let mut engine = after(cpu(), |engine| {
            for size in sizes.iter().cycle().take(600) {
                engine::call(engine, "copy", &[8192, 4096, *size]);
            }
        });
        let mut plain = plain();
        let (mut passed, mut failed) = (0, 0);
        for round in 0..600_u64 {
            let size = if round % 5 == 0 { round * 7 % 900 } else { sizes[round as usize % sizes.len()] };
            let [to, from] = [8192 + round * 13 % 700, 4096 + round * 29 % 5000];
            for engine in [&mut engine, &mut plain] {
                engine.memory()[from as usize] = round as u8;
                assert_eq!(engine::call(engine, "copy", &[to, from, size]), [to]);
            }
            // The largest of these is loaded whole before it is stored, except by SSE2.
            let apart = to.wrapping_sub(from) as u32 >= size as u32;
            let in_registers = cpu().contains(CpuFeatures::AVX2) || size <= 256;
            let has_path = [24, 304, 512].contains(&size);
            *if has_path && (in_registers || apart) { &mut passed } else { &mut failed } += 1;
        }
        assert!(engine.memory() == plain.memory());
        assert_eq!(guards(&mut engine), (passed, failed));
        let records = specialised(&mut engine);
        assert_eq!(records[0].sites[0].chosen, [24, 304, 512], "{records:?}");
    }
}

#[test]
fn comparisons_of_one_size_trap_where_the_generic_one_does() {
    let end = 2 * 65536;
    for size in 1..=32_u64 {
        let learn = |engine: &mut Engine| {
            (0..200).for_each(|_| drop(engine::call(engine, "compare", &[0, 64, size])));
        };
        let mut engines = [plain(), after(CpuFeatures::detect(), learn), after(CpuFeatures::empty(), learn)];
        let mut check = |a: u64, b: u64| {
            let [expected, results @ ..] =
                engines.each_mut().map(|engine| engine::invoke(engine, "compare", &[a, b, size]));
            let expected = expected.map_err(|ending| kind(&ending));
            for result in results {
                assert_eq!(result.map_err(|ending| kind(&ending)), expected, "{a} {b} {size}");
            }
        };
        check(0, 64);
        check(end - size, 0);
        // Equal up to the end of memory, and different before it.
        check(end - size / 2, 128);
        check(1, end - size / 2);
        for engine in &mut engines {
            engine.memory()[200] = 200;
            engine.memory()[201 + size as usize / 3] = 3;
        }
        let mut check = |a: u64, b: u64| {
            let results = engines.each_mut().map(|engine| engine::invoke(engine, "compare", &[a, b, size]));
            let [expected, results @ ..] = results.map(|result| result.map_err(|ending| kind(&ending)));
            assert!(results.iter().all(|result| *result == expected), "{a} {b} {size}: {expected:?} {results:?}");
        };
        check(200, end - 1);
        check(end - 1, 200);
        check(201, 500);
        check(500, 201);
        let beyond = engine::invoke(&mut plain(), "compare", &[200, end - size + 1, size]);
        assert!(
            beyond.is_err_and(|ending| kind(&ending) == TrapKind::MemoryOutOfBounds),
            "all of a block must be there"
        );
        for past_4_gib in [u64::from(u32::MAX) - size / 2, u64::from(u32::MAX)] {
            check(200, past_4_gib);
            check(past_4_gib, 200);
        }
        assert!(engines[1].statistics().guards_passed >= 3, "{size}");
    }
}

/// With AVX-512, code for the shortest blocks stands in front of the calls of these kernels.
#[test]
fn blocks_of_any_size_are_filled_and_compared_as_the_generic_bodies_do() {
    let end = 2 * 65536;
    for cpu in ALL_CPUS {
        let mut engine = after(cpu(), |engine| {
            for size in 0..400 {
                engine::call(engine, "compare", &[0, 1024, size % 40]);
                engine::call(engine, "fill", &[0, size, size % 40]);
            }
        });
        let mut plain = plain();
        let mut same = |name: &str, args: [u64; 3]| {
            let results = [&mut engine, &mut plain].map(|engine| engine::invoke(engine, name, &args));
            let [result, expected] = results.map(|result| result.map_err(|ending| kind(&ending)));
            assert_eq!(result, expected, "{name} {args:?}");
        };
        for size in 0..140 {
            for (at, byte) in [(4096, 0x180 + size), (end - size, size), (end - size + 1, 1), (end - 1, 255)] {
                same("fill", [at, byte, size]);
            }
            same("fill", [8192, 7, 300]);
            same("fill", [12288, 7, 300]);
            for different in [0, size / 2, size.saturating_sub(1), size] {
                same("fill", [12288 + different, 250, 1]);
                same("compare", [8192, 12288, size]);
                same("compare", [12288, 8192, size]);
                same("fill", [12288 + different, 7, 1]);
            }
            for beyond in [end - size, end - size + 1, end - size / 2, u64::from(u32::MAX) - size / 2] {
                same("compare", [beyond, 4096, size]);
                same("compare", [4096, beyond, size]);
            }
        }
        // Fills that trapped may have written up to the end, or not.
        let kept = ..end as usize - 140;
        assert!(engine.memory()[kept] == plain.memory()[kept]);
    }
}

fn kind(ending: &Ending) -> TrapKind {
    match ending {
        Ending::Trap(trap) => trap.kind.clone(),
        Ending::Exit(code) => panic!("exited with {code}"),
    }
}

#[test]
fn small_bodies_stand_in_place_of_hot_calls_and_are_counted() {
    for cpu in ALL_CPUS {
        let mut engine = after(cpu(), |engine| {
            for step in 0..200_u64 {
                engine::call(engine, "root", &[(step as f64).to_bits()]);
                engine::call(engine, "block", &[24]);
            }
        });
        engine.warm_up();
        let compiled = engine.statistics().libc_functions_compiled;
        assert_eq!(compiled, 0, "their code is in their callers");
        let blocks: Vec<u64> = (0..50).map(|_| engine::call(&mut engine, "block", &[24])[0]).collect();
        assert!(blocks[1..].iter().all(|block| *block == blocks[1] && *block > 0), "{blocks:?}");
        for number in [2.0, 99.9, 1e18, f64::INFINITY] {
            let root = engine::call(&mut engine, "root", &[f64::to_bits(number)]);
            assert_eq!(f64::from_bits(root[0]), number.sqrt().floor());
        }
        let calls: Vec<u64> = engine.learned().functions.iter().map(|function| function.calls).collect();
        // 200 in the first boot, 4 and 50 in this one; the first boot has aged.
        for expected in [183 + 4, 183 + 50] {
            assert!(calls.iter().filter(|calls| **calls == expected).count() >= 3, "{expected} {calls:?}");
        }
        let records = specialised(&mut engine);
        assert!(records.iter().any(|record| record.sites[0].chosen == [24]), "{records:?}");
    }
}

#[test]
fn hot_functions_of_the_libc_become_kernels_for_callers_of_any_kind() {
    for cpu in ALL_CPUS {
        let mut engine = after(cpu(), |engine| {
            (0..200).for_each(|_| drop(engine::call(engine, "length", &[64])));
        });
        let mut plain = plain();
        for engine in [&mut engine, &mut plain] {
            engine.memory()[1000..1500].fill(b'x');
        }
        for at in [0, 1499, 1400, 1000] {
            let expected = engine::call(&mut plain, "length", &[at]);
            assert_eq!(engine::call(&mut engine, "length", &[at]), expected);
            assert_eq!(engine::call(&mut engine, "length-by-table", &[at]), expected);
        }
        let sums = engine.statistics();
        // `length`, and `strlen` itself for the table.
        assert_eq!((sums.functions_specialised, sums.libc_functions_compiled), (2, 1), "{sums:?}");
        engine.memory()[100_000..].fill(1);
        for name in ["length", "length-by-table"] {
            let Err(ending) = engine::invoke(&mut engine, name, &[100_000]) else { panic!("no end in memory") };
            assert_eq!(kind(&ending), TrapKind::MemoryOutOfBounds, "{name}");
        }
    }
}
