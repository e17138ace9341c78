//! The limits of programs: what reaches one goes on with -1 or ends with a name, and what is enormous but within them
//! runs, on the kernel's small stack and in little memory.

#[path = "common/bodies.rs"]
mod bodies;
mod common;
#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Ending, Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;
use bodies::{Function, Huge, calls, chain, deep_expression, jump_table, many_locals, nested, op, straight_line};
use common::qemu::{Guest, code, fresh_store};
use engine::{NoImports, call};
use std::thread;
use tempfile::TempDir;

/// Less than the kernel's stack, on which the compiler runs (`arch::stacks`).
const STACK_BYTES: usize = 3 << 20;

const TIERS: [(Tier, Tier); 3] =
    [(Tier::Baseline, Tier::Baseline), (Tier::Optimised, Tier::Optimised), (Tier::Optimised, Tier::Specialised)];

/// What `f` of 3 is, or why there is no result, with functions between two tiers.
fn on_small_stack(wasm: Vec<u8>, (lowest, highest): (Tier, Tier)) -> Result<u64, String> {
    let run = move || {
        let options = Options { promotion: Promotion::Boots, lowest, highest, ..Options::default() };
        let stack = "1M".parse().expect("a size");
        let platform = host::platform_with_stack(CpuFeatures::detect(), stack).expect("address space can be reserved");
        let mut engine = Engine::new(wasm.leak(), platform, Box::new(NoImports), options, Profile::default())
            .map_err(|error| error.to_string())?;
        match engine.invoke("f", &[3]).map_err(|error| error.to_string())? {
            Ok(results) => Ok(results[0]),
            Err(Ending::Trap(trap)) => Err(trap.to_string()),
            Err(Ending::Exit(code)) => Err(format!("exit code {code}")),
        }
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread can be made").join().expect("no panic")
}

/// Enormous functions, by name.
fn enormous() -> Vec<(&'static str, Function)> {
    let (straight, result) = straight_line(1_000_000);
    vec![
        ("a megabyte of arithmetic", Function::new(straight, result)),
        ("50,000 blocks in each other", Function::new(nested(op::BLOCK, 50_000), 6)),
        ("50,000 loops in each other", Function::new(nested(op::LOOP, 50_000), 6)),
        ("50,000 ifs in each other", Function::new(nested(op::IF, 50_000), 6)),
        ("2,900 ifs in each other", Function::new(nested(op::IF, 2_900), 6)),
        ("10,000 ifs in a row", Function::new(chain(10_000), 10_003)),
        ("an expression of 50,000 operands", Function::new(deep_expression(50_000), deep_result(50_000))),
        ("an expression of 1,900 operands", Function::new(deep_expression(1_900), deep_result(1_900))),
        ("5,000 locals", Function { locals: 5_000, ..Function::new(many_locals(5_000), locals_result(5_000)) }),
        ("a jump table of 100,000 targets", Function::new(jump_table(100, 100_000), 100)),
        ("a jump table to 20,000 blocks", Function::new(jump_table(20_000, 20_000), 20_000)),
        ("100,000 calls", Function::new(calls(100_000), 100_003)),
    ]
}

/// A module that calls one function.
fn one(function: &Function) -> Vec<u8> {
    Huge { called: vec![function.clone()], ..Huge::default() }.wasm()
}

/// 3 - (3 ^ 1 - (3 ^ 2 - ...)).
fn deep_result(depth: u32) -> u32 {
    (1..depth)
        .rev()
        .fold(None, |right: Option<u32>, level| {
            Some(match right {
                None => 3 ^ level,
                Some(right) => (3 ^ level).wrapping_sub(right),
            })
        })
        .map_or(3, |right| 3_u32.wrapping_sub(right))
}

fn locals_result(locals: u32) -> u32 {
    (1..=locals).fold(3, |sum: u32, local| sum.wrapping_add(3 ^ local))
}

#[test]
fn enormous_functions_run_at_every_tier_and_need_little_stack() {
    for (name, function) in enormous() {
        for tiers in TIERS {
            assert_eq!(on_small_stack(one(&function), tiers), Ok(function.expected.into()), "{name}, {tiers:?}");
        }
    }
}

#[test]
fn enormous_functions_run_in_the_kernel_at_every_tier() {
    let called = enormous().into_iter().map(|(_, function)| function).collect();
    let wasm = Huge { called, ..Huge::default() }.wasm();
    let folder = TempDir::new().expect("a temporary folder can be made");
    // What the first boot counted makes them hot in the second, which optimises them before the program starts.
    let guest = Guest::program_bytes("huge.wasm", &wasm)
        .memory_mib(1024)
        .words("promote=boots thresholds=1,1,1")
        .store(&fresh_store(&folder));
    let optimised = [1, 2].map(|_| {
        let boot = guest.run();
        boot.expect_code(code::SUCCESS).expect("\"store\":\"saved\"").row().functions_optimised
    });
    assert!(optimised[0] == 0 && optimised[1] > 12, "{optimised:?}");
}

#[test]
fn a_function_that_the_machine_has_no_memory_to_compile_is_a_trap_and_the_boot_is_saved() {
    let wasm = one(&Function::new(nested(op::IF, 50_000), 6));
    let folder = TempDir::new().expect("a temporary folder can be made");
    let guest = Guest::program_bytes("huge.wasm", &wasm).memory_mib(128).store(&fresh_store(&folder));
    let boot = guest.run();
    boot.expect_code(code::PROGRAM_TRAPPED).expect("cannot compile f at offset 0x").expect("\"store\":\"saved\"");
    boot.expect(" are free; give the machine more RAM, or split the function");
}

/// Frames too large for the stack, functions too large for the compiler.
#[test]
fn what_is_beyond_the_limits_has_a_name_at_every_tier() {
    let locals = Function { locals: 49_998, ..Function::new(many_locals(49_998), locals_result(49_998)) };
    let blocks = Function::new(jump_table(100_000, 100_000), 100_000);
    let straight = Function::new(straight_line(5_000_000).0, 0);
    let beyond = Function { locals: 50_001, ..Function::new(chain(1), 0) };
    let body = Function::new(straight_line(8_000_000).0, 0);
    for tiers in TIERS {
        let fails = |function: &Function, reason: &str| {
            let outcome = on_small_stack(one(function), tiers);
            assert!(outcome.as_ref().is_err_and(|said| said.contains(reason)), "{tiers:?} {reason}: {outcome:?}");
        };
        if tiers.1 == Tier::Baseline {
            // Its frame has one place for each.
            for function in [&locals, &blocks] {
                assert_eq!(on_small_stack(one(function), tiers), Ok(function.expected.into()));
            }
        } else {
            fails(&locals, "call stack exhausted");
            fails(&blocks, "call stack exhausted");
        }
        fails(&straight, "cannot compile f at offset 0x");
        fails(&straight, "more than 1048576 instructions and values; split it");
        fails(&beyond, "locals exceed maximum");
        fails(&body, "function body size");
    }
}

/// Operands that branches repeat: each takes two bytes and stands for a thousand.
#[test]
fn branches_with_many_operands_are_refused_before_they_fill_the_memory() {
    let wide = "i32 ".repeat(1000);
    let values = "local.get 0 ".repeat(1000);
    let branches = "local.get 0 br_if 0 ".repeat(100_000);
    let calls = "call $wide ".repeat(100_000);
    let drops = "drop ".repeat(999);
    for repeated in [branches, calls] {
        let wat = format!(
            "(module (func $wide (param {wide}) (result {wide}) {})
              (func (export \"f\") (param i32) (result i32) (block (result {wide}) {values} {repeated}) {drops}))",
            (0..1000).map(|index| format!("local.get {index} ")).collect::<String>()
        );
        for tiers in TIERS {
            let outcome = on_small_stack(wat::parse_str(&wat).expect("the module is right"), tiers);
            assert!(outcome.as_ref().is_err_and(|said| said.contains("the function is too large")), "{outcome:?}");
        }
    }
}

#[test]
fn large_jump_tables_with_operands_go_where_small_ones_go() {
    for targets in [10, 200, 20_000] {
        let labels: String = (0..targets).map(|target| ["$a ", "$b ", "$c "][target % 3]).collect();
        let wat = format!(
            r#"(module (func (export "f") (param i32) (result i32) (local $n i32)
              (block $c (result i32 i32)
                (block $b (result i32 i32)
                  (block $a (result i32 i32)
                    (local.set $n (i32.const 5))
                    (br_table {labels} $c (i32.const 7) (i32.const 2) (local.get 0)))
                  (local.set $n (i32.const 6))
                  (i32.sub) (i32.const 1))
                (i32.mul) (i32.const 9))
              (i32.add) (i32.add (local.get $n))))"#
        );
        for (lowest, highest) in TIERS {
            let options = Options { promotion: Promotion::Boots, lowest, highest, ..Options::default() };
            let mut engine = engine::engine(&wat, options, Profile::default());
            // $a: 7 - 2 = 5, times 1 is 5, plus 9, plus 6; $b: 7 * 2 + 9 + 5; $c: 7 + 2 + 5.
            for (index, expected) in
                [(0, 20), (1, 28), (2, 14), (3, 20), (targets as u64, 14), (u64::from(u32::MAX), 14)]
            {
                assert_eq!(call(&mut engine, "f", &[index]), [expected], "{index} of {targets}, {highest:?}");
            }
        }
    }
}

#[test]
fn memory_grows_to_four_gibibytes_on_the_host_and_no_further() {
    let wat = r#"(module (memory 1)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "use") (param i32) (result i32)
        (i32.store8 (local.get 0) (i32.const 77)) (i32.load8_u (local.get 0))))"#;
    for (lowest, highest) in TIERS {
        let options = Options { lowest, highest, ..Options::default() };
        let mut engine = engine::engine(wat, options, Profile::default());
        let mut grow = |pages: u64| call(&mut engine, "grow", &[pages])[0] as i32;
        let steps = [
            (65_536, -1),
            (40_000, 1),
            (30_000, -1),
            (25_535, 40_001),
            (1, -1),
            (0, 65_536),
            (u64::from(u32::MAX), -1),
        ];
        assert_eq!(steps.map(|(pages, _)| grow(pages)), steps.map(|(_, before)| before));
        for address in [0, 0x8000_0000, 0xffff_ffff] {
            assert_eq!(call(&mut engine, "use", &[address]), [77]);
        }
    }
}

#[test]
fn a_table_that_cannot_grow_leaves_the_program_running() {
    let wat = r#"(module (type $f (func (result i32)))
      (table $t 1 funcref) (table $most 2 9 externref) (elem (table $t) (i32.const 0) func $seven)
      (func $seven (result i32) (i32.const 7))
      (func (export "grow") (param i32) (result i32) (table.grow $t (ref.func $seven) (local.get 0)))
      (func (export "grow_most") (param i32) (result i32) (table.grow $most (ref.null extern) (local.get 0)))
      (func (export "last") (result i32) (call_indirect $t (type $f) (i32.sub (table.size $t) (i32.const 1)))))"#;
    for (lowest, highest) in TIERS {
        let options = Options { lowest, highest, ..Options::default() };
        let mut engine = engine::engine(wat, options, Profile::default());
        let mut sizes = 1;
        while call(&mut engine, "grow", &[1_000])[0] as i32 == sizes {
            sizes += 1_000;
        }
        assert!(sizes > 60_000, "it grew to {sizes}");
        assert_eq!(call(&mut engine, "grow", &[u64::from(u32::MAX)])[0] as i32, -1);
        assert_eq!(call(&mut engine, "grow", &[0])[0] as i32, sizes);
        assert_eq!(call(&mut engine, "last", &[]), [7]);
        assert_eq!(call(&mut engine, "grow_most", &[8])[0] as i32, -1);
        assert_eq!(call(&mut engine, "grow_most", &[7])[0], 2);
    }
}

/// Takes all memory in ever smaller steps, uses its first and its last page, and goes on.
#[test]
fn memory_grows_to_the_machines_memory_less_a_reserve_and_the_program_goes_on() {
    let wat = r#"(module
      (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\00\00\00\09\00\00\00all mine\0a")
      (func $end (result i32) (i32.mul (memory.size) (i32.const 65536)))
      (func (export "_start") (local $step i32) (local $before i32) (local $page i32)
        (local.set $step (i32.const 4096))
        (loop $next
          (local.set $before (memory.size))
          (if (i32.eq (memory.grow (local.get $step)) (i32.const -1))
            (then
              (if (i32.ne (memory.size) (local.get $before)) (then unreachable))
              (br_if $next (local.tee $step (i32.shr_u (local.get $step) (i32.const 1)))))
            (else (br $next))))
        ;; Every page is zero and can be written.
        (local.set $page (i32.const 65536))
        (loop $next
          (if (i32.load (local.get $page)) (then unreachable))
          (i32.store (local.get $page) (local.get $page))
          (local.set $page (i32.add (local.get $page) (i32.const 65536)))
          (br_if $next (i32.lt_u (local.get $page) (call $end))))
        (if (i32.ne (i32.load (i32.sub (call $end) (i32.const 65536))) (i32.sub (call $end) (i32.const 65536)))
          (then unreachable))
        ;; At least 96 MiB, at most 128 less what the kernel keeps.
        (if (i32.lt_u (memory.size) (i32.const 1536)) (then unreachable))
        (if (i32.gt_u (memory.size) (i32.const 1920)) (then unreachable))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let boot = Guest::program_bytes("program.wasm", &wasm).memory_mib(128).run();
    assert_eq!(boot.expect_code(code::SUCCESS).output(), "all mine\n", "{}", boot.log());
}

#[test]
fn a_copy_between_two_memories_takes_no_third_and_moves_nothing_where_it_does_not_fit() {
    let wat = r#"(module (memory $a 640) (memory $b 640)
      (data (memory $a) (i32.const 41943039) "a")
      (func (export "_start")
        (memory.copy $b $a (i32.const 0) (i32.const 0) (i32.const 41943040))
        (if (i32.ne (i32.load8_u $b (i32.const 41943039)) (i32.const 97)) (then unreachable))
        (i32.store8 $b (i32.const 1) (i32.const 7))
        (memory.copy $b $a (i32.const 1) (i32.const 0) (i32.const 41943040))))"#;
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let boot = Guest::program_bytes("program.wasm", &wasm).memory_mib(128).run();
    boot.expect_code(code::PROGRAM_TRAPPED).expect("trap: out of bounds memory access");
}

#[test]
fn more_linear_memories_than_there_are_places_for_are_refused_with_their_number() {
    let wat = format!("(module {} (func (export \"_start\")))", "(memory 0)".repeat(33));
    let wasm = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}"));
    let boot = Guest::program_bytes("program.wasm", &wasm).memory_mib(128).run();
    boot.expect_code(code::NO_PROGRAM).expect("the program has more than 31 linear memories");
}

/// 70 MB of code in functions of which one is called, and 70 MB of data and of a section that nobody reads.
#[test]
fn a_module_of_70_megabytes_runs_in_512_mib() {
    let code = Huge { uncalled: 300_000, uncalled_bytes: 232, ..Huge::default() };
    let data = Huge {
        data: (0..30 << 20).map(|at: u32| (at / 7) as u8).collect(),
        custom: vec![7; 40 << 20],
        ..Huge::default()
    };
    for huge in [code, data] {
        let wasm = huge.wasm();
        assert!((69_000_000..75_000_000).contains(&wasm.len()), "{}", wasm.len());
        assert_eq!(on_small_stack(wasm.clone(), TIERS[0]), Ok(4));
        let boot = Guest::program_bytes("huge.wasm", &wasm).memory_mib(512).run();
        assert_eq!(boot.expect_code(code::SUCCESS).row().exit_code, 0, "{}", boot.log());
    }
}
