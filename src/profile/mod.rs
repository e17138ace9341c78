//! What was recorded about a program, and how records are merged, aged and encoded.
//!
//! Key types: [`Profile`] (one program's memory), [`FunctionRecord`], [`SiteRecord`], [`ValueHistogram`], [`BootRow`].
//! Neighbours: the engine fills and reads records; the store keeps the encoded bytes.
//! Nothing here can affect correctness: a wrong profile makes a program slower, never different.
//!
//! Counts saturate, and merging is commutative and associative to the byte, so that profiles of many machines may be merged in
//! any order and any grouping.

#![forbid(unsafe_code)]

#[cfg(test)]
mod absurd;
mod age;
mod decode;
mod earlier;
mod encode;
mod fit;
mod histogram;
mod history;
mod merge;
mod record;
#[cfg(test)]
mod testing;

pub use age::Decay;
pub use decode::{Decoded, Limits};
pub use encode::{ProfileError, SCHEMA, is_encoded};
pub use fit::{LeftOut, encoded_bytes};
pub use record::*;
