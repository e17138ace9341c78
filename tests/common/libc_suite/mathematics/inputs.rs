//! Arguments for the mathematics: edges, and random numbers of several distributions.

use super::super::Random;
use super::is_single;
use bareflow::libc::LibcFunction;
use std::f64::consts::{FRAC_PI_4, LN_2, PI};

/// Arguments that fall into other branches than their neighbours; each also with the other sign.
const EDGES: [f64; 44] = [
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
    random: Random,
    arity: usize,
    single: bool,
}

impl Inputs {
    pub fn new(function: &LibcFunction) -> Self {
        let seed = function.name.bytes().fold(1, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte));
        Self { random: Random::new(seed), arity: function.params.len(), single: is_single(function) }
    }

    /// Every edge or pair of edges, then so many random arguments.
    pub fn edges_then_random(mut self, count: usize) -> impl Iterator<Item = Vec<f64>> {
        let values: Vec<f64> = EDGES.iter().chain(&[f64::INFINITY, f64::NAN]).flat_map(|edge| [*edge, -edge]).collect();
        let edges: Vec<Vec<f64>> = if self.arity == 1 {
            values.iter().map(|edge| vec![*edge]).collect()
        } else {
            values.iter().flat_map(|one| values.iter().map(|other| vec![*one, *other])).collect()
        };
        let single = self.single;
        let random = (0..count).map(move |_| self.next());
        edges
            .into_iter()
            .map(move |args| if single { args.iter().map(|arg| rounded(*arg)).collect() } else { args })
            .chain(random)
    }

    /// Random arguments.
    pub fn next(&mut self) -> Vec<f64> {
        let args = (0..self.arity).map(|_| self.number());
        args.collect::<Vec<_>>().into_iter().map(|arg| if self.single { rounded(arg) } else { arg }).collect()
    }

    fn number(&mut self) -> f64 {
        match self.random.below(8) {
            0 if self.single => f64::from(f32::from_bits(self.random.word() as u32)),
            0 => f64::from_bits(self.random.word()),
            1 => self.within(1.0),
            2 => self.within(50.0),
            3 => self.within(1500.0),
            4 => self.within(2e6),
            // Close to multiples of pi/4, and to 1.
            5 => (self.random.below(1000) as f64 - 500.0) * FRAC_PI_4 * (1.0 + self.within(4e-15)),
            6 => 1.0 + self.within(1.0) / (1_u64 << self.random.below(50)) as f64,
            _ => (self.random.below(400) as f64 - 200.0) * 0.5,
        }
    }

    /// A number from `-limit` to `limit`.
    fn within(&mut self, limit: f64) -> f64 {
        (self.random.word() as i64 as f64) / 2f64.powi(63) * limit
    }
}

/// The nearest float.
fn rounded(x: f64) -> f64 {
    f64::from(x as f32)
}
