//! The special values of C11, Annex F.10, and results that are exact.

use super::super::LibcUnderTest;
use super::{call, call_by_name, distance, mathematics};
use bareflow::libc::find;
use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Functions f with f(-x) = -f(x), signed zeros included.
const ODD: [&str; 9] = ["sin", "tan", "asin", "atan", "cbrt", "floor", "ceil", "round", "sqrt"];

/// f(x) = result.
const OF_ONE: [(&str, f64, f64); 54] = [
    ("sin", INF, NAN),
    ("cos", 0.0, 1.0),
    ("cos", -0.0, 1.0),
    ("cos", INF, NAN),
    ("cos", -INF, NAN),
    ("tan", INF, NAN),
    ("tan", -INF, NAN),
    ("asin", 1.0, FRAC_PI_2),
    ("asin", -1.0, -FRAC_PI_2),
    ("asin", 1.5, NAN),
    ("asin", -INF, NAN),
    ("acos", 1.0, 0.0),
    ("acos", 0.0, FRAC_PI_2),
    ("acos", -1.0, PI),
    ("acos", -1.5, NAN),
    ("acos", INF, NAN),
    ("atan", 1.0, FRAC_PI_4),
    ("atan", INF, FRAC_PI_2),
    ("atan", -INF, -FRAC_PI_2),
    ("exp", 0.0, 1.0),
    ("exp", -0.0, 1.0),
    ("exp", INF, INF),
    ("exp", -INF, 0.0),
    ("exp2", 0.0, 1.0),
    ("exp2", -0.0, 1.0),
    ("exp2", INF, INF),
    ("exp2", -INF, 0.0),
    ("log", 0.0, -INF),
    ("log", -0.0, -INF),
    ("log", 1.0, 0.0),
    ("log", -1.0, NAN),
    ("log", INF, INF),
    ("log", -INF, NAN),
    ("log2", 0.0, -INF),
    ("log2", -0.0, -INF),
    ("log2", 1.0, 0.0),
    ("log2", -1.0, NAN),
    ("log2", INF, INF),
    ("log10", 0.0, -INF),
    ("log10", -0.0, -INF),
    ("log10", 1.0, 0.0),
    ("log10", -1.0, NAN),
    ("log10", INF, INF),
    ("sqrt", -1.0, NAN),
    ("sqrt", -INF, NAN),
    ("sqrt", INF, INF),
    ("cbrt", INF, INF),
    ("cbrt", -INF, -INF),
    ("floor", -0.5, -1.0),
    ("floor", -INF, -INF),
    ("ceil", -0.5, -0.0),
    ("ceil", INF, INF),
    ("round", -0.25, -0.0),
    ("round", INF, INF),
];

/// f(x, y) = result.
const OF_TWO: [(&str, f64, f64, f64); 78] = [
    ("atan2", 0.0, 1.0, 0.0),
    ("atan2", -0.0, 1.0, -0.0),
    ("atan2", 0.0, 0.0, 0.0),
    ("atan2", -0.0, 0.0, -0.0),
    ("atan2", 0.0, -0.0, PI),
    ("atan2", -0.0, -0.0, -PI),
    ("atan2", 0.0, -1.0, PI),
    ("atan2", -0.0, -1.0, -PI),
    ("atan2", 1.0, 0.0, FRAC_PI_2),
    ("atan2", 1.0, -0.0, FRAC_PI_2),
    ("atan2", -1.0, 0.0, -FRAC_PI_2),
    ("atan2", -1.0, -0.0, -FRAC_PI_2),
    ("atan2", 1.0, INF, 0.0),
    ("atan2", -1.0, INF, -0.0),
    ("atan2", 1.0, -INF, PI),
    ("atan2", -1.0, -INF, -PI),
    ("atan2", INF, 1.0, FRAC_PI_2),
    ("atan2", -INF, -1.0, -FRAC_PI_2),
    ("atan2", INF, INF, FRAC_PI_4),
    ("atan2", -INF, INF, -FRAC_PI_4),
    ("atan2", INF, -INF, 3.0 * FRAC_PI_4),
    ("atan2", -INF, -INF, -3.0 * FRAC_PI_4),
    ("atan2", NAN, 1.0, NAN),
    ("atan2", 0.0, NAN, NAN),
    ("hypot", INF, NAN, INF),
    ("hypot", NAN, -INF, INF),
    ("hypot", -INF, 1.0, INF),
    ("hypot", NAN, 1.0, NAN),
    ("hypot", 0.0, NAN, NAN),
    ("hypot", -3.0, 0.0, 3.0),
    ("hypot", -0.0, -0.0, 0.0),
    ("fmod", 0.0, 2.0, 0.0),
    ("fmod", -0.0, 2.0, -0.0),
    ("fmod", -6.0, 2.0, -0.0),
    ("fmod", 1.0, 0.0, NAN),
    ("fmod", INF, 2.0, NAN),
    ("fmod", 2.5, INF, 2.5),
    ("fmod", -2.5, -INF, -2.5),
    ("fmod", NAN, 1.0, NAN),
    ("fmod", 1.0, NAN, NAN),
    ("fmod", 0.0, 0.0, NAN),
    ("pow", 0.0, -3.0, INF),
    ("pow", -0.0, -3.0, -INF),
    ("pow", 0.0, -2.0, INF),
    ("pow", -0.0, -2.0, INF),
    ("pow", -0.0, -2.5, INF),
    ("pow", -0.0, -INF, INF),
    ("pow", -0.0, 3.0, -0.0),
    ("pow", 0.0, 3.0, 0.0),
    ("pow", -0.0, 2.0, 0.0),
    ("pow", -0.0, 0.5, 0.0),
    ("pow", -1.0, INF, 1.0),
    ("pow", -1.0, -INF, 1.0),
    ("pow", 1.0, NAN, 1.0),
    ("pow", 1.0, INF, 1.0),
    ("pow", NAN, 0.0, 1.0),
    ("pow", NAN, -0.0, 1.0),
    ("pow", 0.0, 0.0, 1.0),
    ("pow", INF, 0.0, 1.0),
    ("pow", -2.0, 0.5, NAN),
    ("pow", -1.0, 2.5, NAN),
    ("pow", 0.5, -INF, INF),
    ("pow", -0.5, INF, 0.0),
    ("pow", 2.0, -INF, 0.0),
    ("pow", -2.0, INF, INF),
    ("pow", -INF, -3.0, -0.0),
    ("pow", -INF, -2.0, 0.0),
    ("pow", -INF, 3.0, -INF),
    ("pow", -INF, 2.0, INF),
    ("pow", -INF, 0.5, INF),
    ("pow", INF, -1.0, 0.0),
    ("pow", INF, 2.0, INF),
    ("pow", NAN, 1.0, NAN),
    ("pow", 2.0, NAN, NAN),
    ("pow", -2.0, 3.0, -8.0),
    ("pow", -2.0, -2.0, 0.25),
    ("pow", 2.0, 1e300, INF),
    ("pow", 0.5, 1e300, 0.0),
];

/// Also for floats, whose results are these rounded.
pub fn special_values_are_those_of_annex_f(libc: &mut impl LibcUnderTest) {
    for (name, x, result) in OF_ONE {
        check(libc, name, &[x], result);
        check_single(libc, name, &[x], result);
    }
    for (name, x, y, result) in OF_TWO {
        check(libc, name, &[x, y], result);
        check_single(libc, name, &[x, y], result);
    }
    for (name, zero) in ODD.iter().flat_map(|name| [(name, 0.0), (name, -0.0)]) {
        check(libc, name, &[zero], zero);
        check_single(libc, name, &[zero], zero);
    }
    for function in mathematics().filter(|function| function.params.len() == 1) {
        assert!(call(libc, function, &[NAN]).is_nan(), "{}(NaN)", function.name);
    }
}

fn check(libc: &mut impl LibcUnderTest, name: &str, args: &[f64], expected: f64) {
    let result = call_by_name(libc, name, args);
    assert_eq!(distance(result, expected), 0, "{name}{args:?} = {result:e}, not {expected:e}");
}

fn check_single(libc: &mut impl LibcUnderTest, name: &str, args: &[f64], expected: f64) {
    check(libc, &format!("{name}f"), args, f64::from(expected as f32));
}

pub fn exact_results_are_exact(libc: &mut impl LibcUnderTest) {
    for n in -1074..=1023 {
        let power = libm::ldexp(1.0, n);
        check(libc, "exp2", &[f64::from(n)], power);
        check(libc, "log2", &[power], f64::from(n));
        check(libc, "pow", &[2.0, f64::from(n)], power);
    }
    for n in 0..=22 {
        check(libc, "pow", &[10.0, f64::from(n)], 10f64.powi(n));
    }
    for n in -2000..=2000 {
        let n = f64::from(n);
        check(libc, "cbrt", &[n * n * n], n);
        check_single(libc, "cbrt", &[n * n * n], n);
        check(libc, "sqrt", &[n * n], n.abs());
        check(libc, "hypot", &[3.0 * n, 4.0 * n], 5.0 * n.abs());
        check(libc, "fmod", &[n + 0.5, 3.0], (n + 0.5) % 3.0);
    }
    results_at_the_ends_of_the_range(libc);
    halves_round_away_from_zero(libc);
}

fn results_at_the_ends_of_the_range(libc: &mut impl LibcUnderTest) {
    let largest = call_by_name(libc, "exp", &[709.782712893384]);
    assert!((1.797e308..INF).contains(&largest), "{largest:e}");
    check(libc, "exp", &[709.7827128933841], INF);
    check(libc, "exp", &[-745.1332191019411], 5e-324);
    check(libc, "exp", &[-745.1332191019412], 0.0);
    check(libc, "exp2", &[1024.0], INF);
    check(libc, "exp2", &[-1074.9999999999998], 5e-324);
    check(libc, "exp2", &[-1075.0], 0.0);
    check(libc, "pow", &[2.0, 1024.0], INF);
    check(libc, "pow", &[2.0, -1074.5], 5e-324);
    check(libc, "pow", &[2.0, -1075.0], 0.0);
    check(libc, "hypot", &[f64::MAX, f64::MAX], INF);
    check(libc, "hypot", &[3.0 * 5e-324, 4.0 * 5e-324], 5.0 * 5e-324);
    check(libc, "hypot", &[3e300, 4e300], 5e300);
    check(libc, "fmod", &[f64::MAX, 5e-324], 0.0);
    check(libc, "fmod", &[f64::MAX, 3.0 * f64::MIN_POSITIVE], f64::MAX % (3.0 * f64::MIN_POSITIVE));
}

fn halves_round_away_from_zero(libc: &mut impl LibcUnderTest) {
    for n in 0..1000 {
        let half = f64::from(n) + 0.5;
        for (x, result) in [(half, half + 0.5), (half.next_down(), half - 0.5), (-half, -half - 0.5)] {
            check(libc, "round", &[x], result);
        }
        check_single(libc, "round", &[half], half + 0.5);
        check_single(libc, "round", &[-half], -half - 0.5);
    }
    check(libc, "round", &[4503599627370495.5], 4503599627370496.0);
    check(libc, "round", &[4503599627370497.0], 4503599627370497.0);
    let below = f64::from(0.5f32.next_down());
    assert_eq!(call(libc, find("roundf").expect("listed"), &[below]), 0.0);
}
