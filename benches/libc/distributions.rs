//! Sizes as real programs ask for them: the distributions that were published with llvm-libc's benchmark, which
//! `distributions.txt` holds, and one uniform one.

use crate::random::Random;

const PUBLISHED: &str = include_str!("distributions.txt");

/// How often each size occurs.
pub struct Distribution {
    pub name: &'static str,
    /// Whether real programs were observed.
    pub is_recorded: bool,
    /// (size, sum of the weights up to and with it), ascending.
    cumulative: Vec<(u32, u64)>,
}

/// Those recorded of calls to `function`, and the uniform one.
pub fn of_function(function: &str) -> Vec<Distribution> {
    let lines = PUBLISHED.lines().filter(|line| !line.starts_with('#'));
    let recorded = lines.filter_map(|line| line.strip_prefix(function)?.strip_prefix(' ')).map(Distribution::parse);
    recorded.chain([Distribution::uniform("Uniform384To4096", 384, 4096)]).collect()
}

impl Distribution {
    /// Reads `NAME SIZE:WEIGHT ...`.
    fn parse(line: &'static str) -> Self {
        let (name, weights) = line.split_once(' ').expect("a name and weights");
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let pairs = weights.split(' ').map(|pair| pair.split_once(':').expect("SIZE:WEIGHT"));
        Self::new(name, true, pairs.map(|(size, weight)| (number(size) as u32, number(weight))))
    }

    fn uniform(name: &'static str, first: u32, last: u32) -> Self {
        Self::new(name, false, (first..=last).map(|size| (size, 1)))
    }

    fn new(name: &'static str, is_recorded: bool, weights: impl Iterator<Item = (u32, u64)>) -> Self {
        let mut sum = 0;
        let cumulative = weights.map(|(size, weight)| {
            sum += weight;
            (size, sum)
        });
        Self { name, is_recorded, cumulative: cumulative.collect() }
    }

    /// One size.
    pub fn draw(&self, random: &mut Random) -> u32 {
        let total = self.cumulative.last().map_or(1, |(_, sum)| *sum);
        let wanted = random.next() % total;
        self.cumulative[self.cumulative.partition_point(|(_, sum)| *sum <= wanted)].0
    }
}
