//! What is compiled, when, how well and for what.
//!
//! Top-down: `warm_up` and `promotion` compile, by `choices` and `expansion`, which go by the thresholds of `tier`; `tell` says so.

pub(super) mod choices;
mod expansion;
pub(super) mod promotion;
mod tell;
pub mod tier;
mod warm_up;
