//! Test scripts: modules, what to do with them and what must come of it, run the same on every face.
//!
//! This is what the official tests of WebAssembly are once their text was parsed, so that the kernel can run them without
//! a parser. A script is decoded from bytes without copying a module.
//!
//! Key types: [`Script`], [`Part`] (what one engine runs), [`Directive`], [`Pattern`] (values expected), [`World`] (runs
//! directives), [`Failure`]. Neighbours: `engine` below; the faces supply platforms.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;
mod world;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

pub use world::{Failure, World};

use crate::engine::Value;

/// The directives of one file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script<'a> {
    pub file: &'a str,
    #[serde(borrow)]
    pub parts: Vec<Part<'a>>,
}

/// What one engine runs from its beginning: nothing in it refers to an earlier part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part<'a> {
    /// A module that the others can import from, and the name they know it by.
    #[serde(borrow)]
    pub offered: Option<(&'a str, &'a [u8])>,
    #[serde(borrow)]
    pub lines: Vec<Line<'a>>,
}

/// A directive and where it stands in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line<'a> {
    pub number: u32,
    #[serde(borrow)]
    pub directive: Directive<'a>,
}

/// One thing to do or to find true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Directive<'a> {
    /// The module is instantiated, and is the current one until the next; later directives can use `name` for it.
    Instantiate { name: Option<&'a str>, module: &'a [u8] },
    /// The module is valid.
    Valid { module: &'a [u8] },
    /// The module is refused as one of `language`; `why` is for people.
    Invalid { module: &'a [u8], language: Language, why: &'a str },
    /// The module's imports are refused, for a reason that begins like this.
    Unlinkable { module: &'a [u8], why: &'a str },
    /// Later modules can import from `instance` under the name `name`.
    Register { name: &'a str, instance: Option<&'a str> },
    /// Ends without a trap.
    Succeeds(#[serde(borrow)] Action<'a>),
    /// Ends with these values.
    Returns {
        #[serde(borrow)]
        action: Action<'a>,
        values: Vec<Pattern>,
    },
    /// Ends in the trap that has this name.
    Traps {
        #[serde(borrow)]
        action: Action<'a>,
        kind: &'a str,
    },
    /// Throws an exception that nobody catches.
    Throws(#[serde(borrow)] Action<'a>),
}

/// Something that has values or a trap as result. Where no instance is named, the current one is meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action<'a> {
    Invoke {
        instance: Option<&'a str>,
        function: &'a str,
        arguments: Vec<Value>,
    },
    Get {
        instance: Option<&'a str>,
        global: &'a str,
    },
    /// The module is not the current one afterwards.
    Instantiate {
        module: &'a [u8],
    },
}

/// What counts as valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// WebAssembly 2.0, which calls some modules invalid that later proposals allow.
    WebAssembly2,
    /// All that the engine accepts.
    Whole,
}

/// Which values are right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// The bits in `mask` are those of `bits`. The classes of NaN that the specification has are such patterns too.
    Bits {
        mask: Value,
        bits: Value,
    },
    /// Any reference but null.
    NotNull,
    Either(Vec<Pattern>),
}

impl Pattern {
    pub fn matches(&self, value: Value) -> bool {
        match self {
            Self::Bits { mask, bits } => (0..2).all(|word| value[word] & mask[word] == bits[word]),
            Self::NotNull => value != [0, 0],
            Self::Either(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
        }
    }
}

/// The bytes are not scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotScripts {
    len_bytes: usize,
    reason: postcard::Error,
}

impl fmt::Display for NotScripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len_bytes, reason } = self;
        write!(f, "these {len_bytes} bytes are not test scripts of this version ({reason}): encode them again")
    }
}

impl core::error::Error for NotScripts {}

/// The scripts as bytes.
pub fn encode(scripts: &[Script<'_>]) -> Vec<u8> {
    // Writing to a vector cannot fail, and every length is known.
    postcard::to_allocvec(scripts).unwrap_or_default()
}

/// The scripts that were encoded as `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Vec<Script<'_>>, NotScripts> {
    postcard::from_bytes(bytes).map_err(|reason| NotScripts { len_bytes: bytes.len(), reason })
}
