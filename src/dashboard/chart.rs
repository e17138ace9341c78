//! Boots as bars, each of parts on top of each other.
//!
//! Key type: [`Scale`].

use super::view::{PARTS, total};

/// How high a bar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Ticks of a bar that reaches the top.
    top: u64,
    /// Pixels.
    height: u32,
}

impl Scale {
    /// On which those in the middle take two thirds of the height: the first boots, in which all is compiled, would leave
    /// nothing to see of the others.
    pub fn new(bars: &[[u64; PARTS.len()]], height: u32) -> Self {
        let mut totals: alloc::vec::Vec<u64> = bars.iter().map(total).collect();
        totals.sort_unstable();
        let middle = totals.get(totals.len() / 2).copied().unwrap_or(0);
        Self { top: middle.saturating_add(middle / 2).max(1), height }
    }

    /// Pixels up to so many ticks.
    pub fn height(self, ticks: u64) -> u32 {
        // No more than the height.
        (u128::from(ticks.min(self.top)) * u128::from(self.height) / u128::from(self.top)) as u32
    }

    /// Whether a bar is cut off.
    pub fn is_cut(self, bar: &[u64; PARTS.len()]) -> bool {
        total(bar) > self.top
    }

    /// Where the parts of a bar end, in pixels from the bottom.
    pub fn ends(self, bar: &[u64; PARTS.len()]) -> [u32; PARTS.len()] {
        let mut below = 0_u64;
        bar.map(|part| {
            below = below.saturating_add(part);
            self.height(below)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_in_the_middle_take_two_thirds_of_the_height_and_higher_ones_are_cut() {
        let scale = Scale::new(&[[9000, 0, 0, 0], [25, 50, 20, 5], [20, 50, 20, 5]], 150);
        assert_eq!(scale.ends(&[25, 50, 20, 5]), [25, 75, 95, 100]);
        assert!(scale.is_cut(&[9000, 0, 0, 0]) && !scale.is_cut(&[150, 0, 0, 0]));
        assert_eq!(scale.ends(&[u64::MAX, u64::MAX, 0, 1]), [150; 4]);
    }

    #[test]
    fn no_bars_have_a_scale() {
        assert_eq!(Scale::new(&[], 100).ends(&[1, 1, 0, 0]), [100; 4]);
        assert_eq!(Scale::new(&[[u64::MAX; 4]], u32::MAX).height(u64::MAX), u32::MAX);
    }
}
