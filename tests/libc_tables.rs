//! The tables of the libc's mathematics, `src/libc/tables.wat`: computed here, and held to what is committed.
//!
//! `./just libc-tables` writes the file.

use astro_float::{BigFloat, Consts, RoundingMode};
use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/libc/tables.wat");

/// Precision of what is rounded to doubles and pairs of doubles.
const BITS: usize = 256;

const ROUNDING: RoundingMode = RoundingMode::ToEven;

const HEADER: &str = "\
;; Tables of the mathematics. Written by `./just libc-tables` (tests/libc_tables.rs, which says what they are): do not edit.
;;
;; Nothing writes this memory, and all indices are masked: the engine relies on both.
(memory $tables 1)
";

#[test]
fn the_committed_tables_are_what_is_computed() {
    let text = Tables::new().text();
    if std::env::var_os("WRITE_TABLES").is_some() {
        std::fs::write(PATH, &text).expect("the checkout can be written");
    }
    let committed = std::fs::read_to_string(PATH).expect("src/libc/tables.wat is part of the checkout");
    assert!(committed == text, "run ./just libc-tables");
}

struct Tables {
    text: String,
    /// Bytes so far.
    at: usize,
    constants: Consts,
}

impl Tables {
    fn new() -> Self {
        let mut tables = Self { text: HEADER.into(), at: 0, constants: Consts::new().expect("memory for constants") };
        tables.powers();
        tables.logarithms();
        tables.logarithms_in_other_bases();
        tables.circle();
        tables.arcs();
        tables.logarithms_for_powers();
        tables.cube_roots();
        tables
    }

    fn text(self) -> String {
        self.text
    }

    /// 2^(i/256) for i from 0 to 255, as high (1 + low): low, and the bits of high less i 2^44. So adding n 2^44 for any
    /// integer n that is i modulo 256 gives the bits of 2^(n/256).
    fn powers(&mut self) {
        self.begin("2^(i/256): exponential.wat");
        for i in 0..256_u64 {
            let power = self.power_of_two(i as f64 / 256.0);
            let high = nearest(&power);
            let low = nearest(&power.sub(&big(high), BITS, ROUNDING).div(&big(high), BITS, ROUNDING));
            self.entry(&[Word::Float(low), Word::Bits(high.to_bits().wrapping_sub(i << 44))]);
        }
        self.end();
    }

    /// The logarithms to base 2 and 10 of the same numbers, each as a multiple of 2^-42 and the rest.
    fn logarithms_in_other_bases(&mut self) {
        self.begin("log2 c and log10 c, each in two parts: logarithm.wat");
        for i in 0..128 {
            let c = big(middle(i));
            let binary = two_parts(&c.log2(BITS, ROUNDING, &mut self.constants));
            let decimal = two_parts(&c.log10(BITS, ROUNDING, &mut self.constants));
            self.entry(&[binary, decimal].as_flattened().iter().copied().map(Word::Float).collect::<Vec<_>>());
        }
        self.end();
    }

    /// For 128 intervals from 0.701 to 1.402 a number c in the middle, with 13 bits: 1/c, c, log c as a multiple of 2^-42 and
    /// the rest. The bits of where they begin are 2^45 apart, and 1 is the middle of one of them, whose c it is.
    fn logarithms(&mut self) {
        self.begin("1/c, c, log c in two parts: logarithm.wat");
        for i in 0..128 {
            let c = middle(i);
            let [upper, lower] = two_parts(&big(c).ln(BITS, ROUNDING, &mut self.constants));
            self.entry(&[1.0 / c, c, upper, lower].map(Word::Float));
        }
        self.end();
    }

    /// For 256 intervals from 0.701 to 1.402 the inverse of a number c in the middle, with so few bits that z/c - 1 is a double
    /// for every double z of the interval; log(1/c) as a multiple of 2^-42 and the rest; and a word that is not used. The bits of
    /// where they begin are 2^44 apart, and 1 is the middle of one of them, whose c it is.
    fn logarithms_for_powers(&mut self) {
        self.begin("1/c, log(1/c) in two parts: power.wat");
        for i in 0..256 {
            let inverse = short_inverse(i);
            let [upper, lower] = two_parts(&big(inverse).ln(BITS, ROUNDING, &mut self.constants));
            self.entry(&[inverse, upper, lower, 0.0].map(Word::Float));
        }
        self.end();
    }

    /// For 64 intervals of each octave from 2 to 16 a root with so few bits that its cube c, which is near the middle, is a
    /// double: 1/c, c, 2^-54 times the logarithm of the root, and the bits of the root.
    fn cube_roots(&mut self) {
        self.begin("1/c, c, 2^-54 log(root of c), root of c: roots.wat");
        for i in 0..192 {
            let start = 2.0_f64.to_bits() + (i << 46);
            let root = (f64::from_bits(start + (1 << 45)).cbrt() * 32768.0).round() / 32768.0;
            let c = root * root * root;
            let logarithm = nearest(&big(root).ln(BITS, ROUNDING, &mut self.constants)) * 2_f64.powi(-54);
            self.entry(&[Word::Float(1.0 / c), Word::Float(c), Word::Float(logarithm), Word::Bits(root.to_bits())]);
        }
        self.end();
    }

    /// Sine and cosine of i pi/64 for the whole circle, each in two parts: the sine rounded, and the cosine's upper 26 bits. The
    /// sine of 0 is -0, which is what can be added to either zero.
    fn circle(&mut self) {
        self.begin("sin(i pi/64) and cos(i pi/64), each in two parts: trigonometry.wat");
        for i in 0..128 {
            let (sine, cosine) = (self.sine(i), self.sine(i + 32));
            let (high, upper) = (nearest(&sine), upper_26_bits(nearest(&cosine)));
            let high = if high == 0.0 { -0.0 } else { high };
            let [low, lower] = [sine.sub(&big(high), BITS, ROUNDING), cosine.sub(&big(upper), BITS, ROUNDING)];
            self.entry(&[high, nearest(&low), upper, nearest(&lower)].map(Word::Float));
        }
        self.end();
    }

    /// For |x| below 1/2 and beyond, and each positive and negative: acos x is the first number and the third times the sum
    /// of s + s R(s^2) and the second.
    fn arcs(&mut self) {
        self.begin("parts of acos x by the size and sign of x: inverse_trigonometry.wat");
        let half = self.constants.pi(BITS, ROUNDING).mul(&big(0.5), BITS, ROUNDING);
        let high = nearest(&half);
        let low = nearest(&half.sub(&big(high), BITS, ROUNDING));
        for parts in
            [[high, -low, -1.0, 0.0], [high, low, 1.0, 0.0], [0.0, 0.0, 2.0, 0.0], [2.0 * high, -low, -2.0, 0.0]]
        {
            self.entry(&parts.map(Word::Float));
        }
        self.end();
    }

    /// sin(i pi/64).
    fn sine(&mut self, i: u32) -> BigFloat {
        if i.is_multiple_of(32) {
            return big([0.0, 1.0, 0.0, -1.0][i as usize / 32 % 4]);
        }
        let angle = self.constants.pi(BITS, ROUNDING).mul(&big(f64::from(i) / 64.0), BITS, ROUNDING);
        angle.sin(BITS, ROUNDING, &mut self.constants)
    }

    fn begin(&mut self, what: &str) {
        write!(self.text, "\n;; {what}\n(data (memory $tables) (i32.const {})", self.at).expect("a string takes all");
    }

    fn entry(&mut self, words: &[Word]) {
        self.at += 8 * words.len();
        let words: String = words.iter().map(Word::text).collect();
        write!(self.text, "\n {words}").expect("a string takes all");
    }

    fn end(&mut self) {
        self.text.push_str(")\n");
    }

    fn power_of_two(&mut self, exponent: f64) -> BigFloat {
        big(2.0).pow(&big(exponent), BITS, ROUNDING, &mut self.constants)
    }
}

/// Where the first interval of the logarithms begins, as bits of a double.
const LOGARITHM_START: u64 = 0x3fe6_7000_0000_0000;

/// c of interval number `i`.
fn middle(i: u64) -> f64 {
    let start = LOGARITHM_START + (i << 45);
    let [low, high] = [start, start + (1 << 45)].map(f64::from_bits);
    if (low..high).contains(&1.0) { 1.0 } else { ((low + high) * 2048.0).round() / 4096.0 }
}

/// Where the first interval of the logarithms for powers begins, as bits of a double.
const POWER_START: u64 = 0x3fe6_6800_0000_0000;

/// 1/c of interval number `i`: a multiple of 2^-9 where the interval is above 1, else of 2^-8. Of the two that come into
/// question, that for which |z/c - 1| is less; it is less than 2^-8, so that it has 53 bits at most.
fn short_inverse(i: u64) -> f64 {
    let start = POWER_START + (i << 44);
    let [low, middle, high] = [start, start + (1 << 43), start + (1 << 44)].map(f64::from_bits);
    let steps = if low >= 1.0 { 512.0 } else { 256.0 };
    let farthest = |inverse: f64| (low * inverse - 1.0).abs().max((high * inverse - 1.0).abs());
    // Of two that are equally far, that nearer to 1.
    let mut candidates = [(steps / middle).floor() / steps, (steps / middle).ceil() / steps];
    candidates.sort_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs()));
    let [near, far] = candidates;
    let inverse = if farthest(far) < farthest(near) { far } else { near };
    assert!(farthest(inverse) < 1.0 / 256.0);
    inverse
}

/// `x` as a multiple of 2^-42 and the rest.
fn two_parts(x: &BigFloat) -> [f64; 2] {
    let scale = 2_f64.powi(42);
    let upper = (nearest(x) * scale).round() / scale;
    [upper, nearest(&x.sub(&big(upper), BITS, ROUNDING))]
}

/// `x` without the lower 27 bits of its significand.
fn upper_26_bits(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & !0x7ff_ffff)
}

enum Word {
    Float(f64),
    Bits(u64),
}

impl Word {
    fn text(&self) -> String {
        match self {
            Self::Float(number) => format!(" (f64 {number:e})"),
            Self::Bits(bits) => format!(" (i64 {bits:#x})"),
        }
    }
}

fn big(x: f64) -> BigFloat {
    BigFloat::from_f64(x, BITS)
}

/// The double nearest to `x`, which is 0 or normal.
fn nearest(x: &BigFloat) -> f64 {
    let (words, _, sign, exponent, _) = x.as_raw_parts().expect("a finite number");
    let Some((top, rest)) = words.split_last().filter(|(top, _)| **top != 0) else { return 0.0 };
    // What is below counts where the upper 64 bits are in the middle of two doubles.
    let sticky = u64::from(rest.iter().any(|word| *word != 0));
    let magnitude = (top | sticky) as f64 * 2_f64.powi(exponent - 64);
    if sign.is_negative() { -magnitude } else { magnitude }
}
