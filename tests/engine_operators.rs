//! Every numeric operator against wasmi, on operands at the edges of its types: with operands from parameters at every
//! tier, and with constants, which the optimiser folds.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::profile::Profile;
use oracle::{Oracle, Outcome, invoke, modes};
use std::fmt::Write;
use wasmi::ValType;

const INTEGER_UNARY: &str = "clz ctz popcnt eqz extend8_s extend16_s";
const INTEGER_BINARY: &str = "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr \
                              eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const FLOAT_UNARY: &str = "abs neg ceil floor trunc nearest sqrt";
const FLOAT_BINARY: &str = "add sub mul div min max copysign eq ne lt gt le ge";
const CONVERSIONS: &str = "i32.wrap_i64 i64.extend_i32_s i64.extend_i32_u f32.demote_f64 f64.promote_f32 \
                           i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64";

/// One operator.
#[derive(Clone, Debug)]
struct Operator {
    name: String,
    params: Vec<&'static str>,
    result: &'static str,
}

impl Operator {
    fn new(name: String, params: &[&'static str]) -> Self {
        let (ty, operation) = name.split_once('.').expect("an operator has a type");
        let test = ["eqz", "eq", "ne", "lt", "gt", "le", "ge"].contains(&operation.trim_end_matches(['_', 's', 'u']));
        let result =
            if test { "i32" } else { ["i32", "i64", "f32", "f64"].into_iter().find(|t| *t == ty).expect("a type") };
        Self { name, params: params.to_vec(), result }
    }

    /// Whether the specification fixes the bits of a NaN that this gives.
    fn keeps_nan_bits(&self) -> bool {
        ["abs", "neg", "copysign", "reinterpret"].iter().any(|exact| self.name.contains(exact))
    }
}

fn operators() -> Vec<Operator> {
    let mut all = Vec::new();
    for ty in ["i32", "i64"] {
        all.extend(INTEGER_UNARY.split_whitespace().map(|name| Operator::new(format!("{ty}.{name}"), &[ty])));
        all.extend(INTEGER_BINARY.split_whitespace().map(|name| Operator::new(format!("{ty}.{name}"), &[ty, ty])));
    }
    all.push(Operator::new("i64.extend32_s".into(), &["i64"]));
    for ty in ["f32", "f64"] {
        all.extend(FLOAT_UNARY.split_whitespace().map(|name| Operator::new(format!("{ty}.{name}"), &[ty])));
        all.extend(FLOAT_BINARY.split_whitespace().map(|name| Operator::new(format!("{ty}.{name}"), &[ty, ty])));
    }
    for float in ["f32", "f64"] {
        for integer in ["i32", "i64"] {
            for sign in ["s", "u"] {
                all.push(Operator::new(format!("{integer}.trunc_{float}_{sign}"), &[float]));
                all.push(Operator::new(format!("{integer}.trunc_sat_{float}_{sign}"), &[float]));
                all.push(Operator::new(format!("{float}.convert_{integer}_{sign}"), &[integer]));
            }
        }
    }
    let from = |name: &str| ["i32", "i64", "f32", "f64"].into_iter().find(|ty| name[4..].contains(ty)).expect("a type");
    all.extend(CONVERSIONS.split_whitespace().map(|name| Operator::new(name.into(), &[from(name)])));
    all
}

/// Operands of a type, as bits.
fn operands(ty: &str) -> Vec<u64> {
    match ty {
        "i32" => {
            let edges =
                [0_i64, 1, -1, 2, 3, 7, -7, 31, 32, 33, 100, 127, 128, 255, 256, -128, -129, 0x7fff, 0x8000, 0xffff];
            let mut all: Vec<u64> = edges.iter().map(|edge| u64::from(*edge as u32)).collect();
            all.extend(
                [i32::MAX as u32, i32::MIN as u32, i32::MIN as u32 + 1, 0xaaaa_aaaa, 0x0123_4567].map(u64::from),
            );
            all
        }
        "i64" => {
            let edges = [0_i64, 1, -1, 2, 3, 7, -7, 32, 63, 64, 65, 100, 128, -128, 0x8000, -0x8001];
            let mut all: Vec<u64> = edges.iter().map(|edge| *edge as u64).collect();
            all.extend([1 << 31, 1 << 32, (1 << 31) - 1, (1 << 53) + 1, i64::MAX as u64, 1 << 63, (1 << 63) + 1]);
            all.extend([0xaaaa_aaaa_aaaa_aaaa, 0x0123_4567_89ab_cdef, 0xffff_ffff_7fff_ffff, 0x7fff_ff40_0000_0001]);
            all
        }
        "f32" => {
            let edges =
                [0.0_f32, 0.5, 1.0, 1.5, 2.5, 0.1, 3.4e38, f32::MIN_POSITIVE, 2147483648.0, 2147483520.0, 4294967296.0];
            let more = [9223372036854775808.0_f32, 18446744073709551616.0, 8388608.5, 8388607.5, 1e10, f32::INFINITY];
            let plain = edges.iter().chain(&more).flat_map(|edge| [edge.to_bits(), (-edge).to_bits()]);
            let odd = [1, 0x8000_0001, 0x007f_ffff, 0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffa1_2345, 0x7fd5_5555];
            plain.chain(odd).map(u64::from).collect()
        }
        _ => {
            let edges =
                [0.0_f64, 0.5, 1.0, 1.5, 2.5, 0.1, 1e308, f64::MIN_POSITIVE, 2147483648.0, 2147483647.5, 4294967295.5];
            let more = [
                4294967296.0,
                9223372036854775808.0,
                18446744073709551616.0,
                4503599627370497.5,
                1e300,
                1e-46,
                f64::INFINITY,
            ];
            let plain = edges.iter().chain(&more).flat_map(|edge| [edge.to_bits(), (-edge).to_bits()]);
            let odd = [1, 0x800f_ffff_ffff_ffff, 0x7ff8 << 48, 0xfff8 << 48, (0x7ff0 << 48) + 1, 0xfff4_1234_5678_9abc];
            plain.chain(odd).collect()
        }
    }
}

fn argument_lists(operator: &Operator) -> Vec<Vec<u64>> {
    let first = operands(operator.params[0]);
    match operator.params.get(1) {
        None => first.into_iter().map(|a| vec![a]).collect(),
        Some(ty) => first.iter().flat_map(|a| operands(ty).into_iter().map(|b| vec![*a, b])).collect(),
    }
}

/// The exponent bits, and the bit that makes a NaN a quiet one.
fn nan_bits(ty: &str) -> (u64, u64) {
    if ty == "f32" { (0x7f80_0000, 0x0040_0000) } else { (0x7ff0 << 48, 1 << 51) }
}

fn is_nan(bits: u64, ty: &str) -> bool {
    let (exponent, quiet) = nan_bits(ty);
    ty.starts_with('f') && bits & exponent == exponent && bits & (quiet * 2 - 1) != 0
}

/// Whether `found` is allowed where wasmi gave `expected` (specification, 4.3.3 "NaN propagation").
fn allowed(operator: &Operator, args: &[u64], expected: u64, found: u64) -> bool {
    if !is_nan(expected, operator.result) || operator.keeps_nan_bits() {
        return found == expected;
    }
    let (_, quiet) = nan_bits(operator.result);
    let payload = found & (quiet * 2 - 1);
    let canonical = |(arg, ty): (&u64, &&str)| !is_nan(*arg, ty) || *arg & (nan_bits(ty).1 * 2 - 1) == nan_bits(ty).1;
    let only_canonical = args.iter().zip(&operator.params).all(canonical);
    is_nan(found, operator.result) && if only_canonical { payload == quiet } else { payload & quiet != 0 }
}

fn value_type(ty: &str) -> ValType {
    match ty {
        "i32" => ValType::I32,
        "i64" => ValType::I64,
        "f32" => ValType::F32,
        _ => ValType::F64,
    }
}

fn check(operator: &Operator, args: &[u64], expected: &Outcome, found: &Outcome, mode: &dyn std::fmt::Debug) {
    let fine = match (expected, found) {
        (Outcome::Values(expected), Outcome::Values(found)) => allowed(operator, args, expected[0], found[0]),
        (expected, found) => expected == found,
    };
    assert!(fine, "{} {args:x?} is {expected:x?}, not {found:x?} ({mode:?})", operator.name);
}

/// One export per operator.
fn module_of_operators(operators: &[Operator]) -> String {
    let mut text = String::from("(module\n");
    for Operator { name, params, result } in operators {
        let locals: String = (0..params.len()).map(|index| format!("local.get {index} ")).collect();
        let params = params.join(" ");
        writeln!(text, "(func (export {name:?}) (param {params}) (result {result}) {locals} {name})")
            .expect("a string grows");
    }
    text + ")"
}

#[test]
fn every_operator_agrees_with_wasmi_at_every_tier() {
    let operators = operators();
    assert_eq!(operators.len(), 31 * 2 + 1 + 20 * 2 + 24 + 9);
    let text = module_of_operators(&operators);
    let mut oracle = Oracle::new(&wat::parse_str(&text).expect("the text is well-formed"));
    let mut cases = Vec::new();
    for operator in &operators {
        for args in argument_lists(operator) {
            let expected = oracle.call(&operator.name, &args);
            cases.push((operator, args, expected));
        }
    }
    assert!(cases.len() > 50_000, "{}", cases.len());
    for mode in modes().filter(|mode| !mode.learned) {
        let mut engine = mode.engine(&text, |_| ());
        for (operator, args, expected) in &cases {
            let found = invoke(&mut engine, &operator.name, args, &[value_type(operator.result)]);
            check(operator, args, expected, &found, &mode);
        }
    }
}

/// A constant operator for `bits`.
fn constant(ty: &str, bits: u64) -> String {
    let (exponent, quiet) = nan_bits(ty);
    let sign = if bits & (exponent + quiet * 2) > exponent + quiet * 2 - 1 { "-" } else { "" };
    match ty {
        "i32" => format!("i32.const {:#x}", bits as u32),
        "i64" => format!("i64.const {bits:#x}"),
        _ if is_nan(bits, ty) => format!("{ty}.const {sign}nan:{:#x}", bits & (quiet * 2 - 1)),
        "f32" => format!("f32.const {:?}", f32::from_bits(bits as u32)),
        _ => format!("f64.const {:?}", f64::from_bits(bits)),
    }
}

/// Two exports for each operator: all its cases on constants, and on one parameter and one constant, stored one after
/// the other from address 0 on.
fn module_of_constants(cases: &[(&Operator, Vec<Vec<u64>>)]) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 2)\n");
    for (operator, lists) in cases {
        let (name, params, result) = (&operator.name, &operator.params, operator.result);
        writeln!(text, "(func (export \"{name}\")").expect("a string grows");
        for (index, args) in lists.iter().enumerate() {
            let args: String = args.iter().zip(params).map(|(arg, ty)| constant(ty, *arg) + " ").collect();
            writeln!(text, "i32.const {} {args} {name} {result}.store", index * 8).expect("a string grows");
        }
        writeln!(text, ")").expect("a string grows");
        let Some(right) = params.get(1) else { continue };
        for (index, args) in lists.iter().enumerate() {
            let (a, b) = (constant(params[0], args[0]), constant(right, args[1]));
            let ty = params[0];
            writeln!(
                text,
                "(func (export \"{name} right {index}\") (param {ty}) (result {result}) local.get 0 {b} {name})"
            )
            .expect("a string grows");
            writeln!(
                text,
                "(func (export \"{name} left {index}\") (param {ty}) (result {result}) {a} local.get 0 {name})"
            )
            .expect("a string grows");
        }
    }
    text + ")"
}

/// Every `step`th case that returns.
fn returning<'a>(operators: &'a [Operator], oracle: &mut Oracle, step: usize) -> Vec<(&'a Operator, Vec<Vec<u64>>)> {
    let mut returns =
        |operator: &Operator, args: &[u64]| matches!(oracle.call(&operator.name, args), Outcome::Values(_));
    let cases = operators.iter().map(|operator| {
        let step = if operator.params.len() == 1 { 1 } else { step };
        let lists = argument_lists(operator).into_iter().step_by(step);
        (operator, lists.filter(|args| returns(operator, args)).collect())
    });
    cases.collect()
}

#[test]
fn constant_operands_give_what_parameters_give() {
    let operators = operators();
    let mut oracle = Oracle::new(&wat::parse_str(module_of_operators(&operators)).expect("the text is well-formed"));
    let cases = returning(&operators, &mut oracle, 53);
    let text = module_of_constants(&cases);
    for cpu in [CpuFeatures::detect(), CpuFeatures::empty()] {
        let options = Options { lowest: Tier::Optimised, promotion: Promotion::Boots, ..Options::default() };
        let mut engine = engine::engine_on(cpu, &text, options, Profile::default());
        for (operator, lists) in &cases {
            engine::call(&mut engine, &operator.name, &[]);
            for (index, args) in lists.iter().enumerate() {
                let expected = oracle.call(&operator.name, args);
                let found = Outcome::Values(vec![stored(&mut engine, index, operator.result)]);
                check(operator, args, &expected, &found, &"constants");
                let [a, b] = args[..] else { continue };
                let types = [value_type(operator.result)];
                for (side, arg) in [("right", a), ("left", b)] {
                    let found = invoke(&mut engine, &format!("{} {side} {index}", operator.name), &[arg], &types);
                    check(operator, args, &expected, &found, &side);
                }
            }
        }
    }
}

fn stored(engine: &mut Engine, index: usize, ty: &str) -> u64 {
    let bytes = &engine.memory()[index * 8..];
    let word = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
    if ty.ends_with("32") { u64::from(word as u32) } else { word }
}
