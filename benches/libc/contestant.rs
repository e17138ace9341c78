//! What every contestant of a case can do.

use crate::table::Table;

/// One implementation of what a case measures.
pub trait Contestant {
    fn name(&self) -> &'static str;

    /// Walks `table` so many times; the sum of what was returned.
    fn run(&mut self, table: Table, passes: u32) -> u32;

    /// What is to be taken from the sum per call, since the addresses that it returns do not begin at 0.
    fn address_bias(&self) -> u32 {
        0
    }
}
