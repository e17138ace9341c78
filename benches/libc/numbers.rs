//! Arguments such as programs pass to the mathematics: spread evenly over a usual range, or over its powers.

use crate::random::Random;

/// The arguments of one call of `function`, of which those it has count.
pub fn typical(function: &str, random: &mut Random) -> [f64; 2] {
    let mut between = |low: f64, high: f64| low + (high - low) * (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    match function.strip_suffix('f').unwrap_or(function) {
        "asin" | "acos" => [between(-1.0, 1.0), 0.0],
        "exp" | "exp2" => [between(-20.0, 20.0), 0.0],
        "log" | "log2" | "log10" | "sqrt" => [between(-20.0, 20.0).exp2(), 0.0],
        "cbrt" | "floor" | "ceil" | "round" => [between(-1000.0, 1000.0), 0.0],
        "pow" => [between(-4.0, 4.0).exp2(), between(-8.0, 8.0)],
        "fmod" => [between(-1000.0, 1000.0), between(0.5, 20.0)],
        "hypot" => [between(-100.0, 100.0), between(-100.0, 100.0)],
        _ => [between(-10.0, 10.0), between(-10.0, 10.0)],
    }
}
