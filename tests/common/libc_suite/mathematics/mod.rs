//! The mathematics: special values, exact results, the same bits as the crate `libm`, errors in ULP.
//!
//! Arguments and results are doubles throughout; those of float functions are rounded to floats on the way in, which
//! loses nothing on the way out.

mod exact;
mod inputs;
mod oracle;
mod special;

use super::LibcUnderTest;
use bareflow::libc::{Family, LibcFunction, find, functions};
use exact::Reference;
use inputs::Inputs;
use wasmparser::ValType;

pub use special::{exact_results_are_exact, special_values_are_those_of_annex_f};

/// Random inputs per function beside the edges.
const INPUTS: usize = 20_000;

fn mathematics() -> impl Iterator<Item = &'static LibcFunction> {
    functions().iter().filter(|function| function.family == Family::Mathematics)
}

fn is_single(function: &LibcFunction) -> bool {
    function.params[0] == ValType::F32
}

/// Its name, or if it is of floats, that of its counterpart of doubles.
fn base_name(function: &LibcFunction) -> &'static str {
    if is_single(function) { function.name.strip_suffix('f').expect("of floats") } else { function.name }
}

/// Calls a function of the mathematics.
fn call(libc: &mut impl LibcUnderTest, function: &LibcFunction, args: &[f64]) -> f64 {
    if is_single(function) {
        let words: Vec<u64> = args.iter().map(|arg| u64::from((*arg as f32).to_bits())).collect();
        f64::from(f32::from_bits(libc.call_words(function.name, &words) as u32))
    } else {
        let words: Vec<u64> = args.iter().map(|arg| arg.to_bits()).collect();
        f64::from_bits(libc.call_words(function.name, &words))
    }
}

fn call_by_name(libc: &mut impl LibcUnderTest, name: &str, args: &[f64]) -> f64 {
    call(libc, find(name).expect("the registry lists it"), args)
}

/// How many doubles `a` lies from `b`; signed zeros are two, NaNs one.
fn distance(a: f64, b: f64) -> u64 {
    let rank = |x: f64| if x.is_sign_negative() { -1 - (x.abs().to_bits() as i64) } else { x.to_bits() as i64 };
    if a.is_nan() && b.is_nan() { 0 } else { rank(a).abs_diff(rank(b)) }
}

pub fn results_are_those_of_libm(libc: &mut impl LibcUnderTest) {
    for function in mathematics() {
        for args in Inputs::new(function).edges_then_random(INPUTS) {
            let result = call(libc, function, &args);
            let expected = oracle::result(function, &args);
            let apart = distance(result, expected);
            let allowed = oracle::allowed_distance(function, &args);
            assert!(apart <= allowed, "{}{args:?} = {result:e}, by libm {expected:e}", function.name);
        }
    }
}

/// Every engine gives the same bits, also where `libm` has others.
pub fn results_have_the_same_bits(one: &mut impl LibcUnderTest, other: &mut impl LibcUnderTest) {
    for function in mathematics() {
        for args in Inputs::new(function).edges_then_random(INPUTS) {
            let (first, second) = (call(one, function, &args), call(other, function, &args));
            assert_eq!(distance(first, second), 0, "{}{args:?} = {first:e} and {second:e}", function.name);
        }
    }
}

pub fn errors_stay_within_what_the_registry_states(libc: &mut impl LibcUnderTest) {
    for function in mathematics() {
        let Some(stated_ulp) = stated_error(function) else { continue };
        let references = exact::references(function);
        let errors = references.iter().map(|reference| {
            let result = call(libc, function, &reference.args);
            (reference.error_ulp(function, result), reference)
        });
        let (error_ulp, Reference { args, .. }) =
            errors.max_by(|(one, _), (other, _)| one.total_cmp(other)).expect("there are references");
        println!("{:>7} {error_ulp:.4} ULP at most, at {args:?}", function.name);
        assert!(error_ulp <= stated_ulp, "{}{args:?}: {error_ulp} ULP", function.name);
    }
}

/// Powers of whole and half exponents up to 32 are within a ten-thousandth of a unit of correctly rounded.
pub fn short_powers_are_almost_correctly_rounded(libc: &mut impl LibcUnderTest) {
    let function = find("pow").expect("the registry lists it");
    for reference in exact::references_for_short_powers().iter() {
        let error_ulp = reference.error_ulp(function, call(libc, function, &reference.args));
        assert!(error_ulp <= 0.5001, "pow{:?}: {error_ulp} ULP", reference.args);
    }
}

/// The power that programs write for a cube root, of numbers of all magnitudes.
pub fn thirds_are_almost_correctly_rounded(libc: &mut impl LibcUnderTest) {
    let function = find("pow").expect("the registry lists it");
    for reference in exact::references_for_thirds().iter() {
        let error_ulp = reference.error_ulp(function, call(libc, function, &reference.args));
        assert!(error_ulp <= 0.51, "pow{:?}: {error_ulp} ULP", reference.args);
    }
}

/// The error that the contract allows; `None` for what is exact.
fn stated_error(function: &LibcFunction) -> Option<f64> {
    if function.contract.contains("correctly rounded") {
        return Some(0.5);
    }
    let (_, stated) = function.contract.split_once("at most ")?;
    let (ulp, _) = stated.split_once(" ULP").expect("an error in ULP");
    Some(ulp.parse().expect("a number"))
}
