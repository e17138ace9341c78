//! Results to nearly 192 bits, by the crate `astro-float`.

use super::super::Random;
use super::inputs::Inputs;
use super::{base_name, is_single, oracle};
use astro_float::{BigFloat, Consts, RoundingMode};
use bareflow::libc::{LibcFunction, find};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

const BITS: usize = 192;

/// Results may be off in their last bits, far below those of a double. To round them correctly, the crate would look for
/// the end of powers such as 4^0.5 for minutes.
const UNROUNDED: RoundingMode = RoundingMode::None;

/// References per function.
const COUNT: usize = 1500;

/// Arguments and the exact result for them.
pub struct Reference {
    pub args: Vec<f64>,
    result: BigFloat,
}

type References = Arc<Vec<Reference>>;

/// Computed once for all engines that a file of tests runs.
static COMPUTED: LazyLock<Mutex<BTreeMap<&'static str, References>>> = LazyLock::new(Mutex::default);

/// References for a function, of finite arguments, with results that are finite and not 0.
pub fn references(function: &LibcFunction) -> References {
    let mut computed = COMPUTED.lock().expect("no test panics here");
    Arc::clone(computed.entry(function.name).or_insert_with(|| Arc::new(compute(function))))
}

fn compute(function: &LibcFunction) -> Vec<Reference> {
    let mut inputs = Inputs::new(function);
    let mut constants = Consts::new().expect("memory for constants");
    let useful = std::iter::repeat_with(|| inputs.random()).filter(|args| {
        let about = oracle::result(function, args);
        about.is_finite() && about != 0.0 && args.iter().all(|arg| arg.is_finite())
    });
    useful.take(COUNT).map(|args| Reference::new(function, args, &mut constants)).collect()
}

/// References for powers of numbers from 1/16 to 16, with every whole and half exponent up to 32.
pub fn references_for_short_powers() -> References {
    let mut computed = COMPUTED.lock().expect("no test panics here");
    Arc::clone(computed.entry("short powers").or_insert_with(|| Arc::new(compute_short_powers())))
}

fn compute_short_powers() -> Vec<Reference> {
    let function = find("pow").expect("the registry lists it");
    let mut inputs = Inputs::new(function);
    let mut constants = Consts::new().expect("memory for constants");
    let exponents = (-64..=64).filter(|twice| *twice != 0).map(|twice| f64::from(twice) / 2.0);
    let mut reference = |exponent: f64| Reference::new(function, vec![inputs.base(), exponent], &mut constants);
    exponents.flat_map(|exponent| [exponent; 12]).map(&mut reference).collect()
}

/// References for the power 1.0 / 3.0: of numbers from 1 to 8, whose roots have all significands, and of all magnitudes.
pub fn references_for_thirds() -> References {
    let mut computed = COMPUTED.lock().expect("no test panics here");
    Arc::clone(computed.entry("thirds").or_insert_with(|| Arc::new(compute_thirds())))
}

fn compute_thirds() -> Vec<Reference> {
    let function = find("pow").expect("the registry lists it");
    let mut random = Random::new(3);
    let mut constants = Consts::new().expect("memory for constants");
    let significands = std::iter::repeat_with(|| random.word() >> 12);
    let numbers = significands.take(COUNT).enumerate().map(|(index, significand)| {
        let exponent = if index % 2 == 0 { 1023 + index as u64 % 3 } else { 1 + index as u64 * 3 % 2046 };
        f64::from_bits(exponent << 52 | significand)
    });
    numbers.map(|x| Reference::new(function, vec![x, 1.0 / 3.0], &mut constants)).collect()
}

impl Reference {
    fn new(function: &LibcFunction, args: Vec<f64>, constants: &mut Consts) -> Self {
        let result = exact(base_name(function), &args, constants);
        Self { args, result }
    }

    /// How far `result` lies from the exact one, in units of the last place of the exact one.
    pub fn error_ulp(&self, function: &LibcFunction, result: f64) -> f64 {
        let (bits, least) = if is_single(function) { (24, -149) } else { (53, -1074) };
        let (_, exponent) = magnitude(&self.result);
        let unit = (exponent - bits).max(least);
        let difference = self.result.sub(&big(result), BITS, UNROUNDED);
        if difference.is_zero() {
            return 0.0;
        }
        let (fraction, exponent) = magnitude(&difference);
        fraction * 2f64.powi(exponent - unit)
    }
}

/// |x| as a fraction from 1/2 to 1 and an exponent of 2.
fn magnitude(x: &BigFloat) -> (f64, i32) {
    let (words, _, _, exponent, _) = x.as_raw_parts().expect("a finite number");
    (*words.last().expect("not 0") as f64 / 2f64.powi(64), exponent)
}

/// `x` itself. (`BigFloat::from_f64` loses bits of subnormal numbers.)
fn big(x: f64) -> BigFloat {
    if x == 0.0 || x.is_normal() {
        return BigFloat::from_f64(x, BITS);
    }
    let mut scaled = BigFloat::from_f64(x * 2f64.powi(64), BITS);
    let exponent = scaled.exponent().expect("a finite number");
    scaled.set_exponent(exponent - 64);
    scaled
}

fn exact(name: &str, args: &[f64], constants: &mut Consts) -> BigFloat {
    let x = big(args[0]);
    match name {
        "sin" => x.sin(BITS, UNROUNDED, constants),
        "cos" => x.cos(BITS, UNROUNDED, constants),
        "tan" => x.tan(BITS, UNROUNDED, constants),
        "asin" => x.asin(BITS, UNROUNDED, constants),
        "acos" => x.acos(BITS, UNROUNDED, constants),
        "atan" => x.atan(BITS, UNROUNDED, constants),
        "exp" => x.exp(BITS, UNROUNDED, constants),
        "exp2" => big(2.0).pow(&x, BITS, UNROUNDED, constants),
        "log" => x.ln(BITS, UNROUNDED, constants),
        "log2" => x.log2(BITS, UNROUNDED, constants),
        "log10" => x.log10(BITS, UNROUNDED, constants),
        "sqrt" => x.sqrt(BITS, UNROUNDED),
        "cbrt" => x.cbrt(BITS, UNROUNDED),
        _ => exact_of_two(name, &x, args, constants),
    }
}

fn exact_of_two(name: &str, x: &BigFloat, args: &[f64], constants: &mut Consts) -> BigFloat {
    let y = big(args[1]);
    match name {
        "pow" => power(x, &y, args[1], constants),
        "hypot" => {
            // Wide enough for squares that are 2^2200 apart.
            let wide = 4608;
            let sum = x.mul(x, wide, UNROUNDED).add(&y.mul(&y, wide, UNROUNDED), wide, UNROUNDED);
            sum.sqrt(BITS, UNROUNDED)
        }
        "atan2" => angle(&y, x, constants),
        _ => panic!("no exact result of {name}"),
    }
}

/// x^y, of a negative x for an integer y.
fn power(x: &BigFloat, y: &BigFloat, exponent: f64, constants: &mut Consts) -> BigFloat {
    let result = x.abs().pow(y, BITS, UNROUNDED, constants);
    if x.is_negative() && exponent.rem_euclid(2.0) == 1.0 { result.neg() } else { result }
}

/// The angle of (x, y).
fn angle(x: &BigFloat, y: &BigFloat, constants: &mut Consts) -> BigFloat {
    let of_line = y.div(x, BITS, UNROUNDED).atan(BITS, UNROUNDED, constants);
    if !x.is_negative() {
        return of_line;
    }
    let pi = constants.pi(BITS, UNROUNDED);
    if y.is_negative() { of_line.sub(&pi, BITS, UNROUNDED) } else { of_line.add(&pi, BITS, UNROUNDED) }
}
