//! Arguments for the mathematics: edges, and random numbers of several distributions.

use super::super::Random;
use super::is_single;
use bareflow::libc::LibcFunction;
use std::f64::consts::{FRAC_PI_4, LN_2, PI};

/// Arguments that fall into other branches than their neighbours; each also with the other sign.
const EDGES: [f64; 45] = [
    0.0,
    5e-324,
    1e-310,
    f64::MIN_POSITIVE,
    1e-300,
    1.401298464324817e-45,
    f32::MIN_POSITIVE as f64,
    1e-20,
    3.725290298461914e-9,
    1.4901161193847656e-8,
    1.0 / 3.0,
    LN_2 / 2.0,
    0.4375,
    0.499_999_970_197_677_6,
    0.49999999999999994,
    0.5,
    0.6875,
    FRAC_PI_4,
    0.9999999999999999,
    1.0,
    1.0000000000000002,
    1.1875,
    1.5,
    PI / 2.0,
    2.0,
    2.4375,
    2.5,
    3.0,
    PI,
    10.0,
    27.0,
    88.722_839_050_292_97,
    128.0,
    149.0,
    150.0,
    709.782712893384,
    745.1332191019411,
    1023.0,
    1024.0,
    1074.0,
    1075.0,
    4503599627370497.5,
    1e22,
    // The double nearest to a multiple of pi/2 for its size.
    5.319372648326541e255,
    f64::MAX,
];

/// The arguments for one function, the same in every run.
pub struct Inputs {
    generator: Random,
    arity: usize,
    single: bool,
}

impl Inputs {
    pub fn new(function: &LibcFunction) -> Self {
        let seed = function.name.bytes().fold(1, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte));
        Self { generator: Random::new(seed), arity: function.params.len(), single: is_single(function) }
    }

    /// Every edge or pair of edges, then so many random arguments.
    pub fn edges_then_random(mut self, count: usize) -> impl Iterator<Item = Vec<f64>> {
        let edges = self.edges();
        edges.into_iter().chain((0..count).map(move |_| self.random()))
    }

    fn edges(&self) -> Vec<Vec<f64>> {
        let values = EDGES.iter().chain(&[f64::INFINITY, f64::NAN]).flat_map(|edge| [*edge, -edge]);
        let values: Vec<f64> = values.map(|edge| self.fitting(edge)).collect();
        if self.arity == 1 {
            return values.iter().map(|edge| vec![*edge]).collect();
        }
        values.iter().flat_map(|one| values.iter().map(|other| vec![*one, *other])).collect()
    }

    /// Random arguments.
    pub fn random(&mut self) -> Vec<f64> {
        let mut args = vec![0.0; self.arity];
        args.fill_with(|| {
            let number = self.number();
            self.fitting(number)
        });
        args
    }

    /// The nearest float if the function takes floats.
    fn fitting(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    fn number(&mut self) -> f64 {
        match self.generator.below(10) {
            0 if self.single => f64::from(f32::from_bits(self.generator.word() as u32)),
            0 => f64::from_bits(self.generator.word()),
            1 => self.within(1.0),
            2 => self.within(50.0),
            3 => self.within(1500.0),
            4 => self.within(2e6),
            // Of any magnitude between 1/16 and 16.
            7 => self.base(),
            // Close to multiples of pi/4, and to 1.
            5 => (self.generator.below(1000) as f64 - 500.0) * FRAC_PI_4 * (1.0 + self.within(4e-15)),
            6 => 1.0 + self.within(1.0) / (1_u64 << self.generator.below(50)) as f64,
            8 => self.generator.below(64) as f64 * 0.5 - 16.0,
            _ => (self.generator.below(400) as f64 - 200.0) * 0.5,
        }
    }

    /// A number from 1/16 to 16.
    pub fn base(&mut self) -> f64 {
        libm::exp2(self.within(4.0))
    }

    /// A number from `-limit` to `limit`.
    fn within(&mut self, limit: f64) -> f64 {
        (self.generator.word() as i64 as f64) / 2f64.powi(63) * limit
    }
}
