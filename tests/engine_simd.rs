//! Every SIMD operator against wasmi, at every tier and on CPUs with and without SSSE3, SSE4.1 and AVX: with operands
//! from parameters, and with constants.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/vectors.rs"]
mod vectors;

use oracle::{Oracle, Outcome, modes};
use std::fmt::{Debug, Write};
use vectors::{Random, VectorOperator, operands, operators};

/// Operators of the SIMD and relaxed SIMD proposals less the 22 that access memory and `v128.const`.
const OPERATORS: usize = 236 + 20 - 22 - 1;

fn type_of(letter: char) -> &'static str {
    match letter {
        'v' => "v128",
        'i' => "i32",
        'l' => "i64",
        'f' => "f32",
        _ => "f64",
    }
}

/// One export per operator. Vectors come and go as two i64; a result goes through a local, a global and a block.
fn module_of_operators(operators: &[VectorOperator]) -> String {
    let mut text = String::from("(module (global $g (mut v128) (v128.const i64x2 0 0))\n");
    for VectorOperator { name, params, result } in operators {
        let (mut types, mut code, mut local) = (String::new(), String::new(), 0);
        for letter in params.chars() {
            if letter == 'v' {
                types += "i64 i64 ";
                write!(code, "local.get {local} i64x2.splat local.get {} i64x2.replace_lane 1 ", local + 1).unwrap();
                local += 2;
            } else {
                write!(types, "{} ", type_of(letter)).unwrap();
                write!(code, "local.get {local} ").unwrap();
                local += 1;
            }
        }
        let (results, after) = match result {
            'v' => (
                "i64 i64",
                "local.set $r (block (result v128) (br 0 (local.get $r))) global.set $g \
                 global.get $g i64x2.extract_lane 0 local.get $r i64x2.extract_lane 1",
            ),
            letter => (type_of(*letter), ""),
        };
        writeln!(
            text,
            "(func (export {name:?}) (param {types}) (result {results}) (local $r v128) {code} {name} {after})"
        )
        .unwrap();
    }
    text + ")"
}

/// The words by which operands are passed.
fn words(operator: &VectorOperator, args: &[u128]) -> Vec<u64> {
    let words = |(letter, arg): (char, &u128)| match letter {
        'v' => vec![*arg as u64, (*arg >> 64) as u64],
        _ => vec![*arg as u64],
    };
    operator.params.chars().zip(args).flat_map(words).collect()
}

/// Lists of operands: all of them where there is one operand, pairs and triples at many distances else.
fn argument_lists(operator: &VectorOperator) -> Vec<Vec<u128>> {
    let all: Vec<Vec<u128>> = operator.params.chars().map(operands).collect();
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    let distances: &[usize] = match all.len() {
        1 => &[0],
        _ if operator.name.contains("shuffle") || operator.name.contains("replace") => &[0, 3],
        _ => &[0, 1, 2, 5, 11, 17],
    };
    let mut lists = Vec::new();
    for distance in distances {
        for index in 0..longest {
            let pick = |(number, list): (usize, &Vec<u128>)| list[(index + number * distance) % list.len()];
            lists.push(all.iter().enumerate().map(pick).collect());
        }
    }
    lists
}

/// Width of the floating-point lanes of the result, where the bits of a NaN are not fixed.
fn loose_nan_bits(name: &str) -> Option<u32> {
    let exact = ["abs", "neg", "pmin", "pmax", "eq", "ne", "lt", "gt", "le", "ge", "splat", "lane"];
    let (shape, operation) = name.split_once('.')?;
    let operation = operation.split(' ').next()?;
    let is_exact = exact.contains(&operation) || operation.contains("lane");
    match shape {
        "f32x4" if !is_exact => Some(32),
        "f64x2" if !is_exact => Some(64),
        _ => None,
    }
}

/// The quiet bit and all bits of the significand.
fn significand(bits: u32) -> (u64, u64) {
    if bits == 32 { (1 << 22, (1 << 23) - 1) } else { (1 << 51, (1 << 52) - 1) }
}

fn is_nan(lane: u64, bits: u32) -> bool {
    let exponent = if bits == 32 { 0x7f80_0000 } else { 0x7ff0 << 48 };
    lane & exponent == exponent && lane & significand(bits).1 != 0
}

fn lanes(vector: u128, bits: u32) -> impl Iterator<Item = u64> {
    (0..128 / bits).map(move |lane| (vector >> (lane * bits)) as u64 & (u64::MAX >> (64 - bits)))
}

/// Whether `found` is allowed where `expected` is right (specification, 4.3.3 "NaN propagation"), lane by lane.
fn allowed(operator: &VectorOperator, args: &[u128], expected: u128, found: u128) -> bool {
    let Some(bits) = loose_nan_bits(&operator.name) else { return expected == found };
    let from = match operator.name.as_str() {
        "f32x4.demote_f64x2_zero" => 64,
        "f64x2.promote_low_f32x4" => 32,
        _ => bits,
    };
    let (quiet, all) = significand(bits);
    lanes(expected, bits).zip(lanes(found, bits)).enumerate().all(|(lane, (expected, found))| {
        if !is_nan(expected, bits) {
            return expected == found;
        }
        let operand = |arg: &u128| lanes(*arg, from).nth(lane).unwrap_or(0);
        let canonical =
            |arg: &u128| !is_nan(operand(arg), from) || operand(arg) & significand(from).1 == significand(from).0;
        is_nan(found, bits) && if args.iter().all(canonical) { found & all == quiet } else { found & quiet != 0 }
    })
}

/// Multiply-add that rounds twice: wasmi rounds once, which the specification allows too.
fn multiply_add(name: &str, args: &[u128]) -> Option<u128> {
    let sign = if name.ends_with("nmadd") { -1.0 } else { 1.0 };
    let operands =
        |bits, lane| args.iter().map(move |arg| lanes(*arg, bits).nth(lane).unwrap_or(0)).collect::<Vec<u64>>();
    let single = |lane| {
        let [a, b, c] = operands(32, lane)[..] else { return 0 };
        let [a, b, c] = [a, b, c].map(|bits| f32::from_bits(bits as u32));
        u128::from((sign as f32 * (a * b) + c).to_bits()) << (32 * lane)
    };
    let double = |lane| {
        let [a, b, c] = operands(64, lane)[..] else { return 0 };
        let [a, b, c] = [a, b, c].map(f64::from_bits);
        u128::from((sign * (a * b) + c).to_bits()) << (64 * lane)
    };
    match name.split_once(".relaxed_")? {
        ("f32x4", "madd" | "nmadd") => Some((0..4).map(single).sum()),
        ("f64x2", "madd" | "nmadd") => Some((0..2).map(double).sum()),
        _ => None,
    }
}

/// An operator, its operands and its result.
struct Case<'a> {
    operator: &'a VectorOperator,
    args: Vec<u128>,
    expected: u128,
}

impl Case<'_> {
    fn check(&self, found: u128, how: &dyn Debug) {
        let Self { operator, args, expected } = self;
        let fine = allowed(operator, args, *expected, found);
        assert!(fine, "{} {args:032x?} is {expected:032x}, not {found:032x} ({how:?})", operator.name);
    }
}

fn cases<'a>(operators: &'a [VectorOperator], oracle: &mut Oracle) -> Vec<Case<'a>> {
    let mut all = Vec::new();
    for operator in operators {
        for args in argument_lists(operator) {
            let expected = match multiply_add(&operator.name, &args) {
                Some(expected) => expected,
                None => joined(operator, &oracle.call(&operator.name, &words(operator, &args))),
            };
            all.push(Case { operator, args, expected });
        }
    }
    all
}

/// One number from the words of a result.
fn joined(operator: &VectorOperator, outcome: &Outcome) -> u128 {
    let Outcome::Values(values) = outcome else { panic!("{} trapped", operator.name) };
    match operator.result {
        'v' => u128::from(values[0]) | u128::from(values[1]) << 64,
        'i' | 'f' => u128::from(values[0] as u32),
        _ => u128::from(values[0]),
    }
}

#[test]
fn every_operator_agrees_with_wasmi_at_every_tier() {
    let (operators, count) = operators();
    assert_eq!(count, OPERATORS);
    let text = module_of_operators(&operators);
    let mut oracle = Oracle::new(&wat::parse_str(&text).expect("the text is well-formed"));
    let cases = cases(&operators, &mut oracle);
    assert!(cases.len() > 40_000, "{}", cases.len());
    for mode in modes().filter(|mode| !mode.learned) {
        let mut engine = mode.engine(&text, |_| ());
        for case in &cases {
            let Case { operator, args, .. } = case;
            let values = engine::call(&mut engine, &operator.name, &words(operator, args));
            case.check(joined(operator, &Outcome::Values(values)), &mode);
        }
    }
}

/// One export per operator: all its cases on constants, stored one after the other from address 0 on.
fn module_of_constants(cases: &[&[Case<'_>]]) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 2)\n");
    for cases in cases {
        let VectorOperator { name, params, result } = cases[0].operator;
        writeln!(text, "(func (export {name:?})").unwrap();
        for (index, case) in cases.iter().enumerate() {
            write!(text, "i32.const {} ", index * 16).unwrap();
            for (letter, arg) in params.chars().zip(&case.args) {
                let (low, high) = (*arg as u64, (*arg >> 64) as u64);
                match letter {
                    'v' => write!(text, "v128.const i64x2 {low:#x} {high:#x} "),
                    'i' | 'l' => write!(text, "{}.const {low:#x} ", type_of(letter)),
                    'f' => write!(text, "i32.const {low:#x} f32.reinterpret_i32 "),
                    _ => write!(text, "i64.const {low:#x} f64.reinterpret_i64 "),
                }
                .unwrap();
            }
            writeln!(text, "{name} {}.store", type_of(*result)).unwrap();
        }
        text += ")\n";
    }
    text + ")"
}

#[test]
fn constant_operands_give_what_parameters_give() {
    let (operators, _) = operators();
    let mut oracle = Oracle::new(&wat::parse_str(module_of_operators(&operators)).expect("the text is well-formed"));
    let mut cases = cases(&operators, &mut oracle);
    let mut random = Random(3);
    cases.retain(|_| random.next().is_multiple_of(8));
    let by_operator: Vec<&[Case<'_>]> =
        cases.chunk_by(|a, b| a.operator.name == b.operator.name).filter(|cases| !cases.is_empty()).collect();
    let text = module_of_constants(&by_operator);
    for mode in modes().filter(|mode| !mode.learned && !mode.flight) {
        let mut engine = mode.engine(&text, |_| ());
        for cases in &by_operator {
            engine.memory().fill(0);
            engine::call(&mut engine, &cases[0].operator.name, &[]);
            for (index, case) in cases.iter().enumerate() {
                let bytes = &engine.memory()[index * 16..][..16];
                case.check(u128::from_le_bytes(bytes.try_into().expect("16 bytes")), &mode);
            }
        }
    }
}
