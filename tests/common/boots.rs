//! Boots of a program in one process, each an engine with what the one before left: a profile, and code.
#![allow(dead_code)] // Each file of tests uses its own part.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::Imports;
use bareflow::engine::{Engine, Options, Platform, Prepared, Statistics};
use bareflow::host;
use bareflow::profile::Profile;

/// Code for the next boot may have so many bytes: more than any here has.
const MOST_BYTES: u64 = 96 << 20;

/// Boots within which a program that repeats itself is known so well that nothing is compiled any more.
const BOOTS_TO_SETTLE: usize = 6;

static ENGINES: RwLock<()> = RwLock::new(());

/// While this is held, no other test has an engine, and so none has the addresses that code is made for.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    ENGINES.write().unwrap_or_else(PoisonError::into_inner)
}

/// While this is held, so others may be, and there may be engines.
pub fn beside_others() -> RwLockReadGuard<'static, ()> {
    ENGINES.read().unwrap_or_else(PoisonError::into_inner)
}

/// What a boot leaves for the next.
#[derive(Clone, Default)]
pub struct Left {
    pub profile: Profile,
    pub code: Option<Vec<u8>>,
}

/// A boot that has ended.
pub struct Boot<T> {
    /// What came of the work.
    pub result: T,
    pub statistics: Statistics,
    /// Why code of the boot before was not used, if it was not.
    pub reason: String,
    pub left: Left,
    /// Whether the code that it left is that which it found.
    pub is_same: bool,
}

impl<T> Boot<T> {
    /// (taken over, not used, compiled) functions.
    pub fn functions(&self) -> (u64, u64, u64) {
        let sums = &self.statistics;
        (sums.code_loaded, sums.code_rejected, sums.functions_compiled)
    }
}

/// A platform with the addresses that every process has, and a small stack.
pub fn platform() -> Platform {
    let stack = "1M".parse().expect("a size");
    let platform = host::platform_with_stack(CpuFeatures::detect(), stack).expect("address space can be reserved");
    assert!(platform.addresses_are_fixed, "another engine is there");
    platform
}

/// An engine that is ready to run, with what an earlier one `left`.
pub fn engine(wasm: &'static [u8], imports: Box<dyn Imports>, options: Options, left: &Left) -> Engine {
    let code = left.code.as_deref();
    let engine = Engine::with_code(wasm, platform(), imports, options, left.profile.clone(), code);
    let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
    engine.warm_up();
    engine
}

/// Ends the boot of `engine`, which did `result` with what an earlier one `left`.
pub fn end<T>(mut engine: Engine, result: T, left: &Left) -> Boot<T> {
    let (statistics, reason) = (engine.statistics(), engine.code_reason().unwrap_or_default().to_string());
    engine.release();
    engine.prepare_to_learn().unwrap_or_else(|error| panic!("{error}"));
    let mut profile = engine.learned();
    let (code, is_same) = match engine.prepare(&mut profile, MOST_BYTES, u64::MAX) {
        Prepared::Same => (left.code.clone(), true),
        Prepared::New { image, left_out } => {
            assert_eq!(left_out, 0, "code has no room");
            (Some(image), false)
        }
        Prepared::Nothing(_) => (None, false),
    };
    let profile = Profile::decode(&profile.encode().expect("there is memory")).expect("a learned profile decodes");
    Boot { result, statistics, reason, left: Left { profile, code }, is_same }
}

/// Boots, with the work that `boot` does, until nothing is compiled any more, for this boot or the next; the first in which that
/// was so.
#[track_caller]
pub fn settle<T>(mut left: Left, mut boot: impl FnMut(&Left) -> Boot<T>) -> Boot<T> {
    for _ in 0..BOOTS_TO_SETTLE {
        let done = boot(&left);
        if done.is_same && done.functions().2 == 0 {
            return done;
        }
        left = done.left;
    }
    let last = boot(&left);
    panic!("the last of {BOOTS_TO_SETTLE} boots still compiles: {:?} {}", last.statistics, last.reason);
}
