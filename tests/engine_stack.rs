//! What runs in the stack that other engines have runs here, at every tier: a function that is one large switch, as the main
//! function of an interpreter is, calls itself 600 deep.

mod common;
#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use std::fmt::Write;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::Tier;
use bareflow::engine::{Ending, Engine, Options, TrapKind};
use bareflow::profile::Profile;
use common::qemu::{Guest, code};
use oracle::at_every_tier;

/// Operators of the interpreter, and how deep it calls itself.
const OPERATORS: u32 = 1024;
const DEPTH: u32 = 600;

/// The interpreted program: two operators and a call, then another operator and the return.
const CODE: [u32; 6] = [7, 300, 900, OPERATORS, 1023, OPERATORS + 1];
const CALL: usize = 3;

/// The interpreter's variables.
struct Variables {
    x: [u32; 64],
    y: f64,
}

/// What the interpreter does.
fn interpret(variables: &mut Variables, mut a: u32, mut b: u32, depth: u32) -> u32 {
    for (place, operator) in CODE.into_iter().enumerate() {
        if place == CALL {
            if depth > 0 {
                a = a.wrapping_add(interpret(variables, b, a, depth - 1));
            }
        } else if operator < OPERATORS {
            a = a.wrapping_mul(operator + 3).wrapping_add(b);
            b = (b ^ a).wrapping_add(operator << 2);
            let x = &mut variables.x[(a.wrapping_add(operator) & 63) as usize];
            *x = x.wrapping_add(b.wrapping_mul(operator));
            variables.y = variables.y * 0.5 + f64::from(a & 255) / f64::from(operator + 1);
        }
    }
    a.wrapping_add(b)
}

/// The results: the return value, a sum over `x`, and `y`.
fn expected() -> [u64; 3] {
    let mut variables = Variables { x: [0; 64], y: 0.0 };
    let result = interpret(&mut variables, 1, 2, DEPTH);
    let sum = variables.x.iter().fold(0_u32, |sum, x| sum.wrapping_mul(31).wrapping_add(*x));
    [result.into(), sum.into(), variables.y.to_bits()]
}

/// The interpreter in WebAssembly. Its memory: `y` at 0, `x` at 8, the program at 1024.
fn interpreter() -> String {
    let (mut opened, mut cases, mut labels) = (String::new(), String::new(), String::new());
    for n in 0..OPERATORS {
        opened.insert_str(0, &format!("(block $c{n} "));
        write!(labels, "$c{n} ").unwrap();
        write!(
            cases,
            ") (local.set $a (i32.add (i32.mul (local.get $a) (i32.const {})) (local.get $b)))
             (local.set $b (i32.add (i32.xor (local.get $b) (local.get $a)) (i32.const {})))
             (local.set $p (i32.shl (i32.and (i32.add (local.get $a) (i32.const {n})) (i32.const 63)) (i32.const 2)))
             (i32.store offset=8 (local.get $p)
               (i32.add (i32.load offset=8 (local.get $p)) (i32.mul (local.get $b) (i32.const {n}))))
             (f64.store (i32.const 0) (f64.add (f64.mul (f64.load (i32.const 0)) (f64.const 0.5))
               (f64.div (f64.convert_i32_u (i32.and (local.get $a) (i32.const 255))) (f64.const {}))))
             (br $next)",
            n + 3,
            n << 2,
            n + 1
        )
        .unwrap();
    }
    let program: String = CODE.iter().map(|word| format!("\\{:02x}\\{:02x}", word & 255, word >> 8)).collect();
    let [result, sum, y] = expected();
    format!(
        "(module (memory 1) (data (i32.const 1024) \"{program}\")
          (func $interpret (param $code i32) (param $a i32) (param $b i32) (param $depth i32) (result i32) (local $p i32)
            (loop $again (block $next (block $default (block $return (block $call {opened}
              (br_table {labels} $call $return $default (i32.load16_u (local.get $code)))
              {cases}
            ) (if (local.get $depth) (then
                (local.set $a (i32.add (local.get $a) (call $interpret (i32.const 1024) (local.get $b) (local.get $a)
                  (i32.sub (local.get $depth) (i32.const 1)))))))
              (br $next)
            ) (return (i32.add (local.get $a) (local.get $b)))
            ) (local.set $a (i32.add (local.get $a) (i32.const 1)))
            ) (local.set $code (i32.add (local.get $code) (i32.const 2))) (br $again))
            unreachable)
          (func (export \"run\") (result i32 i32 i64) (local $sum i32) (local $p i32)
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 264))
            (call $interpret (i32.const 1024) (i32.const 1) (i32.const 2) (i32.const {DEPTH}))
            (loop $more
              (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load offset=8 (local.get $p))))
              (br_if $more (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 4))) (i32.const 256))))
            (local.get $sum) (i64.load (i32.const 0)))
          (func (export \"_start\") (local $result i32) (local $sum i32) (local $y i64)
            (call 1) (local.set $y) (local.set $sum) (local.set $result)
            (if (i32.ne (local.get $result) (i32.const {result})) (then unreachable))
            (if (i32.ne (local.get $sum) (i32.const {sum})) (then unreachable))
            (if (i64.ne (local.get $y) (i64.const {y})) (then unreachable))))"
    )
}

fn run(engine: &mut Engine) -> Vec<u64> {
    engine::call(engine, "run", &[])
}

/// In a stack of one megabyte: others do it in half of that.
#[test]
fn an_interpreter_can_call_itself_deeply_at_every_tier() {
    assert_eq!(expected()[0], 1_161_106_974);
    at_every_tier(&interpreter(), &expected().to_vec(), run);
    let mut engine = engine::engine(&interpreter(), Options::default(), Profile::default());
    assert_eq!(run(&mut engine), expected());
}

#[test]
fn an_interpreter_can_call_itself_deeply_in_the_kernel() {
    let wasm = wat::parse_str(interpreter()).expect("well-formed");
    let boot = Guest::program_bytes("interpreter", &wasm).words("stack=1M").run();
    boot.expect_code(code::SUCCESS);
}

/// What stands in for PSHUFB has a larger frame than the function that recurs.
#[test]
fn what_stands_in_for_an_instruction_takes_nothing_of_the_programs_stack() {
    let wat = "(module
        (func $deeper (param $bytes v128) (result v128)
          (call $deeper (i8x16.swizzle (local.get $bytes) (v128.const i8x16 1 0 3 2 5 4 7 6 9 8 11 10 13 12 15 14)))
          (local.get $bytes) i8x16.swizzle)
        (func (export \"run\") (drop (call $deeper (v128.const i64x2 1 2)))))";
    for lowest in [Tier::Baseline, Tier::Optimised] {
        let options = Options { lowest, ..Options::default() };
        let mut engine = engine::engine_on(CpuFeatures::empty(), wat, options, Profile::default());
        let ended = engine::invoke(&mut engine, "run", &[]);
        assert!(matches!(&ended, Err(Ending::Trap(trap)) if trap.kind == TrapKind::StackOverflow), "{ended:?}");
    }
}
