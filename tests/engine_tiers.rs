//! Tiers: that they are different code with the same results, when functions are promoted, and that guards pass and fail
//! as often as is counted.

#[path = "common/engine.rs"]
mod engine;

use core::ops::Range;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::seams::{CodeMemory, OutOfMemory};
use bareflow::engine::{Ending, Engine, Options, Statistics, TrapKind};
use bareflow::host;
use bareflow::profile::{Profile, SiteKind};

/// A leaf that is called, one that loops, and sites of both kinds.
const PROGRAM: &str = r#"(module (memory 2)
  (type $unary (func (param i64) (result i64)))
  (table $t (export "t") 5 funcref) (elem (i32.const 0) $double $triple $wide)
  (func $double (param i64) (result i64) (i64.shl (local.get 0) (i64.const 1)))
  (func $triple (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
  (func $wide (param i32 i32))
  (func (export "leaf") (param i64) (result i64)
    (i64.xor (i64.mul (local.get 0) (i64.const 7)) (i64.shr_u (local.get 0) (i64.const 5))))
  (func (export "loop") (param i32) (result i64) (local i64)
    (loop $l
      (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 31)) (i64.extend_i32_u (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "pick") (param i32 i64) (result i64) (call_indirect (type $unary) (local.get 1) (local.get 0)))
  (func (export "swap") (table.set (i32.const 0) (ref.func $triple)) (table.set (i32.const 1) (ref.func $double)))
  (func (export "clear") (table.set (i32.const 0) (ref.null func))))"#;

fn options(promotion: Promotion) -> Options {
    Options { promotion, thresholds: Some(Thresholds::default()), ..Options::default() }
}

/// (baseline, optimised, specialised, compiled)
fn tiers(engine: &mut Engine) -> [u64; 4] {
    let Statistics { functions_baseline, functions_optimised, functions_specialised, functions_compiled, .. } =
        engine.statistics();
    [functions_baseline, functions_optimised, functions_specialised, functions_compiled]
}

fn guards(engine: &mut Engine) -> (u64, u64) {
    let sums = engine.statistics();
    (sums.guards_passed, sums.guards_failed)
}

fn repeat(engine: &mut Engine, times: usize, name: &str, args: &[u64]) {
    (0..times).for_each(|_| drop(engine::call(engine, name, args)));
}

/// What a boot in the baseline that makes these calls learns.
fn profile_of(cpu: CpuFeatures, calls: &[(usize, &str, &[u64])]) -> Profile {
    let mut first = engine::engine_on(cpu, PROGRAM, options(Promotion::Boots), Profile::default());
    calls.iter().for_each(|(times, name, args)| repeat(&mut first, *times, name, args));
    first.learned()
}

#[test]
fn each_tier_is_different_code() {
    let bytes = |name: &str, args: &[u64], tier: Tier, earlier: &Profile| {
        let options = Options { lowest: tier.min(Tier::Optimised), highest: tier, ..options(Promotion::Boots) };
        let mut engine = engine::engine(PROGRAM, options, earlier.clone());
        engine::call(&mut engine, name, args);
        let expected = match tier {
            Tier::Baseline => [1, 0, 0],
            Tier::Optimised => [0, 1, 0],
            Tier::Specialised => [0, 0, 1],
        };
        let defined = if name == "copy" || name == "fill" { 0 } else { 1 };
        assert!(tiers(&mut engine)[..3].iter().zip(expected).all(|(found, least)| *found >= least), "{name} {tier:?}");
        assert!(tiers(&mut engine)[3] >= defined);
        engine.statistics().code_bytes
    };
    let none = Profile::default();
    for (name, args) in [("leaf", &[5][..]), ("loop", &[100]), ("pick", &[0, 3])] {
        let (baseline, optimised) =
            (bytes(name, args, Tier::Baseline, &none), bytes(name, args, Tier::Optimised, &none));
        assert!(optimised < baseline, "{name}: {baseline} bytes, optimised {optimised}");
    }
    let learned = profile_of(CpuFeatures::detect(), &[(200, "pick", &[0, 3]), (200, "copy", &[0, 4096, 300])]);
    for (name, args) in [("pick", &[0, 3][..]), ("copy", &[0, 4096, 300])] {
        let optimised = bytes(name, args, Tier::Optimised, &learned);
        assert_ne!(bytes(name, args, Tier::Specialised, &learned), optimised, "{name}");
    }
}

#[test]
fn functions_are_promoted_in_flight_at_their_thresholds() {
    let mut engine = engine::engine(PROGRAM, options(Promotion::Flight), Profile::default());
    repeat(&mut engine, 99, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [1, 0, 0, 1]);
    repeat(&mut engine, 1, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [0, 1, 0, 2]);
    repeat(&mut engine, 20_000, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [0, 1, 0, 2], "nothing more to learn");

    let mut engine = engine::engine(PROGRAM, options(Promotion::Flight), Profile::default());
    // The target is a function of its own: it is promoted too.
    repeat(&mut engine, 99, "pick", &[0, 3]);
    assert_eq!(tiers(&mut engine), [2, 0, 0, 2]);
    repeat(&mut engine, 1, "pick", &[0, 3]);
    assert_eq!(tiers(&mut engine), [0, 2, 0, 4]);
    repeat(&mut engine, 899, "pick", &[0, 3]);
    assert_eq!((tiers(&mut engine), guards(&mut engine)), ([0, 2, 0, 4], (0, 0)));
    repeat(&mut engine, 1, "pick", &[0, 3]);
    assert_eq!(tiers(&mut engine), [0, 1, 1, 5]);
    repeat(&mut engine, 10, "pick", &[0, 3]);
    repeat(&mut engine, 4, "pick", &[1, 3]);
    // The call that promoted went on in the code without guards, so it passed none and failed none.
    assert_eq!(guards(&mut engine), (10, 4));
}

#[test]
fn thresholds_are_those_of_the_options() {
    let thresholds = Some(Thresholds { optimise: 7, specialise: 70, settle: 700 });
    let mut engine = engine::engine(PROGRAM, Options { thresholds, ..Options::default() }, Profile::default());
    repeat(&mut engine, 6, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [1, 0, 0, 1]);
    repeat(&mut engine, 1, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [0, 1, 0, 2]);
    assert_eq!(engine::call(&mut engine, "loop", &[699])[0], looped(699));
    assert_eq!(tiers(&mut engine), [1, 1, 0, 3]);
    assert_eq!(engine::call(&mut engine, "loop", &[2])[0], looped(2));
    assert_eq!(tiers(&mut engine), [0, 2, 0, 4]);
}

fn looped(rounds: u32) -> u64 {
    (1..=rounds).rev().fold(0_u64, |sum, round| sum.wrapping_mul(31).wrapping_add(round.into()))
}

#[test]
fn without_thresholds_functions_are_promoted_where_it_pays() {
    let mut engine = engine::engine(PROGRAM, Options::default(), Profile::default());
    repeat(&mut engine, 10_000, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [1, 0, 0, 1], "a small function saves little in a call");
    repeat(&mut engine, 10_000, "leaf", &[5]);
    assert_eq!(tiers(&mut engine), [0, 1, 0, 2]);
    assert_eq!(engine::call(&mut engine, "loop", &[10_000])[0], looped(10_000));
    assert_eq!(tiers(&mut engine), [1, 1, 0, 3]);
    assert_eq!(engine::call(&mut engine, "loop", &[40_000])[0], looped(40_000));
    assert_eq!(tiers(&mut engine), [0, 2, 0, 4], "in the middle of a call");
}

#[test]
fn a_function_that_is_known_to_run_as_often_is_not_compiled_again() {
    let options = options(Promotion::Flight);
    let once = |engine: &mut Engine| repeat(engine, 2_000, "pick", &[0, 3]);
    let mut first = engine::engine(PROGRAM, options, Profile::default());
    once(&mut first);
    let mut second = engine::engine(PROGRAM, options, first.learned());
    second.warm_up();
    once(&mut second);
    assert_eq!(tiers(&mut second), [0, 1, 1, 2], "as at the start");
    // As often as in four boots, and once more.
    repeat(&mut second, 6_001, "pick", &[1, 3]);
    assert!(tiers(&mut second)[3] > 2, "another target, and far more often: {:?}", tiers(&mut second));
}

#[test]
fn one_call_with_a_long_loop_is_promoted() {
    let mut engine = engine::engine(PROGRAM, options(Promotion::Flight), Profile::default());
    assert_eq!(engine::call(&mut engine, "loop", &[9_999])[0], looped(9_999));
    assert_eq!(tiers(&mut engine), [1, 0, 0, 1]);
    let mut engine = engine::engine(PROGRAM, options(Promotion::Flight), Profile::default());
    for rounds in [10_000, 3, 50_000] {
        assert_eq!(engine::call(&mut engine, "loop", &[rounds])[0], looped(rounds as u32));
        assert_eq!(tiers(&mut engine), [0, 1, 0, 2]);
    }
}

/// A function with `loops` loops of 200 rounds, each around a copy of its own size, and each followed by a call of the
/// function itself, as far as its argument allows.
fn many_loops(loops: usize, calls_itself: bool) -> String {
    let one = |number: usize| {
        let again = r#"(if (local.get $deeper) (then (call $f (i32.const 0))))"#;
        let size = 8 + number % 500;
        format!(
            "(local.set $i (i32.const 200))
             (loop $l (memory.copy (i32.const 0) (i32.const 4096) (i32.const {size}))
               (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))) {}",
            if calls_itself { again } else { "" }
        )
    };
    let bodies: String = (0..loops).map(one).collect();
    format!(r#"(module (memory 1) (func $f (export "f") (param $deeper i32) (local $i i32) {bodies}))"#)
}

fn after_many_loops(loops: usize, calls_itself: bool) -> Engine {
    let thresholds = Some(Thresholds { optimise: 1, specialise: 100, ..Thresholds::default() });
    let options = Options { thresholds, ..options(Promotion::Flight) };
    let mut engine = engine::engine(&many_loops(loops, calls_itself), options, Profile::default());
    repeat(&mut engine, 1, "f", &[1]);
    engine
}

#[test]
fn what_a_function_with_many_hot_loops_costs_is_in_proportion_to_its_size() {
    let [few, many] = [30, 300].map(|loops| after_many_loops(loops, false).statistics());
    assert_eq!(few.functions_compiled, many.functions_compiled);
    assert!(many.translated_bytes < 11 * few.translated_bytes, "{few:?} {many:?}");
    assert!(many.translated_code_bytes < 11 * few.translated_code_bytes, "{few:?} {many:?}");
    // Between its loops it is called, and each call would know more than the one before.
    let [few, many] = [30, 300].map(|loops| after_many_loops(loops, true).statistics().functions_compiled);
    assert!(few > 5 && many <= few + 4, "{few} {many}");
}

#[test]
fn what_later_loops_saw_counts_from_the_next_call_on() {
    let mut engine = after_many_loops(3, false);
    let guards_of_a_call = |engine: &mut Engine| {
        let before = guards(engine);
        repeat(engine, 1, "f", &[0]);
        let after = guards(engine);
        (after.0 - before.0, after.1 - before.1)
    };
    let before = tiers(&mut engine);
    assert_eq!(guards_of_a_call(&mut engine), (600, 0));
    let after = tiers(&mut engine);
    assert_eq!(after[3], before[3] + 1);
    assert_eq!(guards_of_a_call(&mut engine), (600, 0));
    assert_eq!(tiers(&mut engine), after, "nothing more to learn");
}

#[test]
fn nothing_is_promoted_in_flight_where_only_boots_promote() {
    let mut engine = engine::engine(PROGRAM, options(Promotion::Boots), Profile::default());
    repeat(&mut engine, 20_000, "leaf", &[5]);
    repeat(&mut engine, 20_000, "pick", &[0, 3]);
    engine::call(&mut engine, "loop", &[2_000_000]);
    assert_eq!(tiers(&mut engine), [4, 0, 0, 4]);
    let mut next = engine::engine(PROGRAM, options(Promotion::Boots), engine.learned());
    for (name, args) in [("leaf", &[5][..]), ("pick", &[0, 3]), ("loop", &[9])] {
        engine::call(&mut next, name, args);
    }
    assert_eq!(tiers(&mut next), [0, 3, 1, 4]);
}

#[test]
fn results_do_not_change_in_the_middle_of_a_run() {
    for cpu in [CpuFeatures::detect(), CpuFeatures::empty()] {
        let mut plain = engine::engine_on(
            cpu,
            PROGRAM,
            Options { highest: Tier::Baseline, ..Options::default() },
            Profile::default(),
        );
        let mut tiered = engine::engine_on(cpu, PROGRAM, options(Promotion::Flight), Profile::default());
        for n in 0..12_000_u64 {
            let (target, size) = (u64::from(n % 11 == 0), if n % 5 == 0 { n % 700 } else { 96 });
            let calls: [(&str, &[u64]); 5] = [
                ("leaf", &[n * n]),
                ("pick", &[target, n]),
                ("loop", &[n % 7 + 1]),
                ("fill", &[n * 13 % 70_000, n & 0xff, size]),
                ("copy", &[n * 17 % 70_000, n * 31 % 70_000, size]),
            ];
            for (name, args) in calls {
                assert_eq!(
                    engine::call(&mut plain, name, args),
                    engine::call(&mut tiered, name, args),
                    "{name}{args:?}"
                );
            }
        }
        assert!(plain.memory() == tiered.memory());
        assert_eq!(tiers(&mut plain)[1..3], [0, 0]);
        assert!(tiers(&mut tiered)[2] >= 3);
    }
}

#[test]
fn size_guards_count_exactly_and_fall_back() {
    for cpu in [CpuFeatures::detect(), CpuFeatures::empty()] {
        for size in [1_u64, 2, 3, 5, 8, 13, 15, 16, 17, 31, 32, 33, 64, 100, 511, 512, 513, 4096] {
            let learned = profile_of(cpu, &[(150, "copy", &[8192, 0, size]), (150, "fill", &[0, 1, size])]);
            let mut plain = engine::engine_on(
                cpu,
                PROGRAM,
                Options { highest: Tier::Baseline, ..Options::default() },
                Profile::default(),
            );
            let mut special = engine::engine_on(cpu, PROGRAM, options(Promotion::Boots), learned);
            let (mut passed, mut failed) = (0, 0);
            // Sixteen vectors.
            let loaded_first = if cpu.contains(CpuFeatures::AVX2) { 512 } else { 256 };
            for index in 0..1000_u64 {
                let byte = (index * 7) & 0xff;
                let start = index * 131 % 20_000;
                let other = if index % 3 == 0 { (size + index) % 5000 } else { size };
                let distance = [20_000, size, size.saturating_sub(1), 1, 0, size / 2][index as usize % 6];
                let (to, from) = if index % 2 == 0 { (start + distance, start) } else { (start, start + distance) };
                for engine in [&mut plain, &mut special] {
                    engine::call(engine, "fill", &[start, byte, other]);
                    engine::call(engine, "copy", &[to, from, size]);
                }
                // Small copies load everything before they store anything.
                let apart = size <= loaded_first || (to.wrapping_sub(from)) >= size;
                passed += u64::from(other == size) + u64::from(apart);
                failed += u64::from(other != size) + u64::from(!apart);
            }
            assert_eq!(guards(&mut special), (passed, failed), "{size}");
            assert!(plain.memory() == special.memory(), "{size} bytes");
        }
    }
}

#[test]
fn target_guards_count_exactly_and_fall_back() {
    let learned = profile_of(CpuFeatures::detect(), &[(150, "pick", &[0, 1]), (50, "pick", &[1, 1])]);
    let mut engine = engine::engine(PROGRAM, options(Promotion::Boots), learned);
    assert_eq!(engine::call(&mut engine, "pick", &[0, 10]), [20]);
    assert_eq!(engine::call(&mut engine, "pick", &[1, 10]), [30]);
    assert_eq!(guards(&mut engine), (1, 1));
    // The guard is about the function, not about the index.
    engine::call(&mut engine, "swap", &[]);
    assert_eq!(engine::call(&mut engine, "pick", &[1, 10]), [20]);
    assert_eq!(engine::call(&mut engine, "pick", &[0, 10]), [30]);
    assert_eq!(guards(&mut engine), (2, 2));
    engine::call(&mut engine, "clear", &[]);
    for (index, kind) in [
        (0, TrapKind::NullFunction),
        (2, TrapKind::SignatureMismatch),
        (3, TrapKind::NullFunction),
        (5, TrapKind::UndefinedElement),
        (u64::from(u32::MAX), TrapKind::UndefinedElement),
    ] {
        let Err(Ending::Trap(trap)) = engine::invoke(&mut engine, "pick", &[index, 10]) else { panic!("{index}") };
        assert_eq!(trap.kind, kind, "{index}");
    }
    assert_eq!(engine::call(&mut engine, "pick", &[1, 21]), [42]);
    assert_eq!(guards(&mut engine).0, 3);
    let record = engine.learned();
    let sites: Vec<_> = record.functions.iter().flat_map(|function| &function.sites).collect();
    assert!(sites.iter().any(|site| site.kind == SiteKind::Target && site.guards_passed == 3), "{sites:?}");
}

#[test]
fn no_code_is_above_the_highest_tier_nor_below_the_lowest() {
    let learned = profile_of(CpuFeatures::detect(), &[(500, "pick", &[0, 1]), (500, "leaf", &[1])]);
    for (lowest, highest) in [
        (Tier::Baseline, Tier::Optimised),
        (Tier::Baseline, Tier::Baseline),
        (Tier::Optimised, Tier::Baseline),
        (Tier::Specialised, Tier::Specialised),
        (Tier::Specialised, Tier::Baseline),
    ] {
        for promotion in [Promotion::Boots, Promotion::Flight] {
            let options = Options { lowest, highest, promotion, ..Options::default() };
            let mut engine = engine::engine(PROGRAM, options, learned.clone());
            repeat(&mut engine, 3000, "pick", &[0, 1]);
            repeat(&mut engine, 3000, "leaf", &[1]);
            let [baseline, optimised, specialised, _] = tiers(&mut engine);
            assert!(highest == Tier::Specialised || specialised == 0, "{options:?}");
            assert!(highest > Tier::Baseline || (optimised, baseline) == (0, 3), "{options:?}");
            assert!(lowest.min(highest) == Tier::Baseline || baseline == 0, "{options:?}");
        }
    }
}

/// Code memory with room for `capacity` bytes only.
struct Small {
    memory: Box<dyn CodeMemory>,
    capacity: usize,
}

impl CodeMemory for Small {
    fn base(&self) -> u64 {
        self.memory.base()
    }

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), OutOfMemory> {
        self.memory.write(offset, bytes)
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.memory.bytes(range)
    }
}

#[test]
fn a_program_goes_on_in_its_old_code_where_there_is_no_room_for_better() {
    let (mut refused, mut unpromoted, mut promoted) = (0, 0, 0);
    for capacity in (1024..6144).step_by(64) {
        let mut platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
        platform.code = Box::new(Small { memory: platform.code, capacity });
        let bytes = wat::parse_str(PROGRAM).expect("well-formed").leak();
        let options = options(Promotion::Flight);
        let Ok(mut engine) = Engine::new(bytes, platform, Box::new(engine::NoImports), options, Profile::default())
        else {
            refused += 1;
            continue;
        };
        let first = engine.invoke("pick", &[0, 3]);
        if !matches!(first, Ok(Ok(_))) {
            let reason = first.map_or_else(|error| error.to_string(), |ending| format!("{ending:?}"));
            assert!(reason.contains("not enough memory for code memory"), "{reason}");
            refused += 1;
            continue;
        }
        for n in 0..3000 {
            assert_eq!(engine::call(&mut engine, "pick", &[0, n]), [2 * n], "call {n} with {capacity} bytes");
        }
        if tiers(&mut engine)[2] == 0 { unpromoted += 1 } else { promoted += 1 }
    }
    assert!(refused > 0 && unpromoted > 0 && promoted > 0, "{refused} {unpromoted} {promoted}");
}
