//! Operators on constants, which the translator computes: the bits and traps that the CPU gives for the same operands as
//! parameters.

#[path = "common/engine.rs"]
mod engine;

use bareflow::engine::decide::tier::Tier;
use bareflow::engine::{Engine, Options};
use bareflow::profile::Profile;

/// (type of the operands, type of the result, operators)
const UNARY: [(&str, &str, &str); 15] = [
    ("i32", "i32", "eqz clz ctz popcnt extend8_s"),
    ("i64", "i32", "eqz"),
    ("i64", "i64", "clz ctz popcnt extend32_s"),
    ("i64", "i32", "wrap_i64"),
    ("i32", "i64", "extend_i32_s extend_i32_u"),
    ("f32", "i32", "reinterpret_f32 trunc_f32_s trunc_sat_f32_u"),
    ("f64", "i64", "reinterpret_f64 trunc_f64_s trunc_sat_f64_u"),
    ("i32", "f32", "reinterpret_i32 convert_i32_s convert_i32_u"),
    ("i64", "f64", "reinterpret_i64 convert_i64_s convert_i64_u"),
    ("i32", "f64", "convert_i32_s convert_i32_u"),
    ("f32", "f32", "abs neg trunc sqrt ceil floor nearest"),
    ("f64", "f64", "abs neg trunc sqrt ceil floor nearest"),
    ("f32", "f64", "promote_f32"),
    ("f64", "f32", "demote_f64"),
    ("f64", "i32", "trunc_f64_s trunc_f64_u trunc_sat_f64_s"),
];

const BINARY: [(&str, &str, &str); 8] = [
    ("i32", "i32", "add sub mul and or xor shl shr_u shr_s rotl div_s rem_u"),
    ("i64", "i64", "add sub mul and or xor shl shr_u shr_s rotl div_s rem_u"),
    ("i32", "i32", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"),
    ("i64", "i32", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"),
    ("f32", "f32", "add sub mul div min max copysign"),
    ("f64", "f64", "add sub mul div min max copysign"),
    ("f32", "i32", "eq ne lt gt le ge"),
    ("f64", "i32", "eq ne lt gt le ge"),
];

/// Operands of a type, as words.
fn operands(ty: &str) -> Vec<u64> {
    let doubles = [0.0, 5e-324, 0.1, 0.5, 1.5, 2.5, 3e38, 2_147_483_647.5, 2_147_483_648.5, f64::MAX, f64::INFINITY];
    let both_signs = doubles.into_iter().flat_map(|number| [number, -number]);
    match ty {
        "i32" => [0, 1, 2, 31, 33, 0x7fff_ffff, 0x8000_0000, u32::MAX].map(u64::from).to_vec(),
        "i64" => vec![0, 1, 31, 65, 1 << 31, i64::MAX as u64, 1 << 63, u64::MAX],
        // With NaNs that are quiet, that signal, and that have bits of their own.
        "f32" => both_signs
            .map(|number| (number as f32).to_bits())
            .chain([0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0x7fc1_2345])
            .map(u64::from)
            .collect(),
        _ => both_signs
            .map(f64::to_bits)
            .chain([0x7ff8 << 48, 0xfff8 << 48, 0x7ff0_0000_0000_0001, 0x7ff8_1234_5678_9abc])
            .collect(),
    }
}

/// A constant of these bits. (`nan:0x0` is no NaN, but infinity.)
fn constant(ty: &str, word: u64) -> String {
    match ty {
        "f32" => format!("(f32.reinterpret_i32 (i32.const {}))", word as u32),
        "f64" => format!("(f64.reinterpret_i64 (i64.const {word}))"),
        _ => format!("({ty}.const {word})"),
    }
}

/// One operator, and the operands that it is tried on.
struct Case {
    operands: &'static str,
    result: &'static str,
    operator: String,
    tried: Vec<Vec<u64>>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (table, arity) in [(&UNARY[..], 1), (&BINARY[..], 2)] {
        for (operands_type, result, operators) in table {
            let values = operands(operands_type);
            let tried: Vec<Vec<u64>> = match arity {
                1 => values.iter().map(|value| vec![*value]).collect(),
                _ => values.iter().flat_map(|one| values.iter().map(|other| vec![*one, *other])).collect(),
            };
            for operator in operators.split(' ') {
                // Comparisons are named after their operands, all others after their result.
                let prefix = if result == &"i32" && (arity == 2 || operator == "eqz") { operands_type } else { result };
                let operator = format!("{prefix}.{operator}");
                cases.push(Case { operands: operands_type, result, operator, tried: tried.clone() });
            }
        }
    }
    cases
}

fn module(case: &Case) -> String {
    let Case { operands, result, operator, tried } = case;
    let arity = tried[0].len();
    let params = format!("(param {operands}) ").repeat(arity);
    let gets: String = (0..arity).map(|index| format!("(local.get {index}) ")).collect();
    let plain = format!("(func (export \"plain\") {params} (result {result}) ({operator} {gets}))");
    let folded = tried.iter().enumerate().map(|(index, values)| {
        let constants: String = values.iter().map(|value| constant(operands, *value)).collect();
        format!("(func (export \"c{index}\") (result {result}) ({operator} {constants}))\n")
    });
    format!("(module {plain} {})", folded.collect::<String>())
}

/// The result, or which trap.
fn outcome(engine: &mut Engine, name: &str, args: &[u64]) -> Result<Vec<u64>, String> {
    engine::invoke(engine, name, args).map_err(|ending| match ending {
        bareflow::engine::Ending::Trap(trap) => format!("{:?}", trap.kind),
        other => panic!("{other:?}"),
    })
}

#[test]
fn operators_on_constants_do_what_they_do_on_parameters() {
    for tier in [Tier::Baseline, Tier::Optimised] {
        for case in cases() {
            let options = Options { lowest: tier, highest: tier, ..Options::default() };
            let mut engine = engine::engine(&module(&case), options, Profile::default());
            for (index, values) in case.tried.iter().enumerate() {
                let expected = outcome(&mut engine, "plain", values);
                let folded = outcome(&mut engine, &format!("c{index}"), &[]);
                assert_eq!(folded, expected, "{} {values:x?} {tier:?}", case.operator);
            }
        }
    }
}

/// Every way that a constant condition decides: which arm is left, with and without values, and what lies behind it.
const CONTROL: &str = r#"(module
    (func (export "then") (result i32) (if (result i32) (i32.const 7) (then (i32.const 1)) (else (i32.const 2))))
    (func (export "else") (result i32) (if (result i32) (i32.const 0) (then (i32.const 1)) (else (i32.const 2))))
    (func (export "no-else") (param i32) (result i32)
      (if (i32.const 0) (then (local.set 0 (i32.const 9))))
      (if (i32.const 1) (then (local.set 0 (i32.add (local.get 0) (i32.const 1)))))
      (local.get 0))
    (func (export "parameters") (param i32) (result i32)
      (local.get 0) (i32.const 5)
      (i32.const 0) (if (param i32 i32) (result i32 i32) (then unreachable) (else))
      (i32.const 1) (if (param i32 i32) (result i32 i32) (then) (else drop drop unreachable))
      (i32.const 0) (if (param i32 i32) (result i32 i32) (then))
      i32.add)
    (func (export "return") (param i32) (result i32)
      (if (i32.eqz (i32.const 0)) (then (return (local.get 0))))
      (loop $forever (br $forever)) unreachable)
    (func (export "inner") (param i32) (result i32)
      (if (result i32) (i32.const 0)
        (then (if (result i32) (local.get 0) (then unreachable) (else (i32.const 3))))
        (else (block $out (result i32)
          (if (i32.const 1) (then (br_if 1 (i32.const 4) (i32.const 1)) drop))
          (i32.const 5)))))
    (func (export "branch") (param i32) (result i32)
      (block $out
        (br_if $out (i32.const 0))
        (local.set 0 (i32.mul (local.get 0) (i32.const 3)))
        (br_if $out (i32.const 1))
        unreachable)
      (local.get 0))
    (func (export "loop") (param i32) (result i32) (local $sum i32)
      (loop $next
        (local.set $sum (i32.add (local.get $sum) (local.get 0)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (if (i32.const 1) (then (br_if $next (local.get 0)))))
      (local.get $sum))
    (func (export "select") (param i32) (result i32)
      (i32.add
        (select (local.get 0) (i32.const 100) (i32.const 1))
        (select (i32.const 100) (local.get 0) (f64.lt (f64.const 2) (f64.const 1)))))
    (func (export "trap") (result i32) (if (result i32) (i32.const 1) (then unreachable) (else (i32.const 1)))))"#;

#[test]
fn constant_conditions_leave_the_arm_that_runs() {
    let expected: [(&str, &[u64], u64); 9] = [
        ("then", &[], 1),
        ("else", &[], 2),
        ("no-else", &[4], 5),
        ("parameters", &[4], 9),
        ("return", &[4], 4),
        ("inner", &[1], 4),
        ("branch", &[4], 12),
        ("loop", &[4], 10),
        ("select", &[4], 8),
    ];
    for tier in [Tier::Baseline, Tier::Optimised] {
        let options = Options { lowest: tier, highest: tier, ..Options::default() };
        let mut engine = engine::engine(CONTROL, options, Profile::default());
        for (name, args, result) in expected {
            assert_eq!(outcome(&mut engine, name, args), Ok(vec![result]), "{name} {tier:?}");
        }
        assert!(outcome(&mut engine, "trap", &[]).is_err());
    }
}
