//! What the shell asks of the machine that it runs on.
//!
//! Key types: [`Machine`], the seam, and what its methods return.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

pub use crate::engine::{Listing, Status};

use crate::engine::decide::tier::{Thresholds, Tier};
use crate::profile::{FunctionKey, Profile};

/// Names of functions for people.
pub type Names = BTreeMap<FunctionKey, String>;

/// Something to know about a thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    pub value: String,
}

/// What there is to know something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Cpu,
    Memory,
    Store,
}

/// What is known of the program.
pub struct Learned<'a> {
    pub profile: &'a Profile,
    pub names: &'a Names,
}

/// The machine.
pub trait Machine {
    /// Writes to the terminals; a line feed begins a line.
    fn write(&mut self, text: &str);

    /// Leaves nothing on the screen.
    fn clear_screen(&mut self);

    /// Columns of the narrower terminal.
    fn columns(&self) -> usize;

    fn facts(&mut self, topic: Topic) -> Vec<Fact>;

    /// The functions of all devices: address, identifiers, class, what it is, if that is known.
    fn pci(&mut self) -> Vec<[String; 4]>;

    /// What the kernel said, oldest first.
    fn log(&self) -> Vec<String>;

    /// Runs the program with these arguments, or those that it was given; it says what became of it.
    fn run(&mut self, arguments: Option<Vec<String>>);

    /// What is known of the program; why nothing is.
    fn learned(&mut self) -> Result<Learned<'_>, String>;

    /// What became of the function with this key in the last run, if there was one.
    fn status(&self, key: FunctionKey) -> Option<Status>;

    /// The newest machine code of that function, of this tier if one is given; why there is none.
    fn code(&self, key: FunctionKey, tier: Option<Tier>) -> Result<Listing, String>;

    /// The calls at which functions are promoted, if not where it pays.
    fn thresholds(&self) -> Option<Thresholds>;

    fn set_thresholds(&mut self, thresholds: Option<Thresholds>);

    /// Saves what was learned; what became of it.
    fn save(&mut self) -> String;
}
