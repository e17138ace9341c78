//! What the crate `libm` and the standard library say.

use super::{base_name, is_single};
use bareflow::libc::LibcFunction;

/// The result that a function should have.
pub fn result(function: &LibcFunction, args: &[f64]) -> f64 {
    let name = base_name(function);
    if !is_single(function) {
        return double(name, args);
    }
    let floats: Vec<f32> = args.iter().map(|arg| *arg as f32).collect();
    f64::from(exact_single(name, &floats).unwrap_or_else(|| double(name, args) as f32))
}

/// Functions with an algorithm of their own: their results are nearer to the exact ones than the oracle's. Those of floats
/// all are, but for what is exact.
const OWN: [&str; 10] = ["exp", "exp2", "log", "log2", "log10", "pow", "sin", "cos", "acos", "hypot"];

/// How far from the oracle's a result may lie: not at all, but by one number of its format where the libc has an algorithm
/// of its own, or reduces large angles otherwise.
pub fn allowed_distance(function: &LibcFunction, args: &[f64]) -> u64 {
    let name = base_name(function);
    let reduces = name == "tan" && args[0].abs() >= 1_647_099.0;
    if is_single(function) {
        // Doubles from one float to the next.
        return if matches!(name, "sqrt" | "fmod" | "floor" | "ceil" | "round") { 0 } else { 1 << 29 };
    }
    u64::from(OWN.contains(&name) || reduces)
}

fn double(name: &str, args: &[f64]) -> f64 {
    match (name, args) {
        ("sin", &[x]) => libm::sin(x),
        ("cos", &[x]) => libm::cos(x),
        ("tan", &[x]) => libm::tan(x),
        ("asin", &[x]) => libm::asin(x),
        ("acos", &[x]) => libm::acos(x),
        ("atan", &[x]) => libm::atan(x),
        ("atan2", &[y, x]) => libm::atan2(y, x),
        ("exp", &[x]) => libm::exp(x),
        ("exp2", &[x]) => libm::exp2(x),
        ("log", &[x]) => libm::log(x),
        ("log2", &[x]) => libm::log2(x),
        ("log10", &[x]) => libm::log10(x),
        ("pow", &[x, y]) => libm::pow(x, y),
        ("sqrt", &[x]) => libm::sqrt(x),
        ("cbrt", &[x]) => libm::cbrt(x),
        ("fmod", &[x, y]) => libm::fmod(x, y),
        ("floor", &[x]) => libm::floor(x),
        ("ceil", &[x]) => libm::ceil(x),
        ("round", &[x]) => libm::round(x),
        ("hypot", &[x, y]) => libm::hypot(x, y),
        _ => panic!("no oracle for {name} of {} arguments", args.len()),
    }
}

/// The functions that have one right result even of floats.
fn exact_single(name: &str, args: &[f32]) -> Option<f32> {
    Some(match (name, args) {
        ("sqrt", &[x]) => x.sqrt(),
        ("fmod", &[x, y]) => x % y,
        ("floor", &[x]) => x.floor(),
        ("ceil", &[x]) => x.ceil(),
        ("round", &[x]) => x.round(),
        _ => return None,
    })
}
