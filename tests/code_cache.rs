//! Code from boot to boot: that it is used where it may be and nowhere else, and that programs do the same with it.
//!
//! The engines of a test come one after the other, each with the code of the one before at the same addresses.

#[path = "code_cache/behaviour.rs"]
mod behaviour;
#[path = "common/boots.rs"]
mod boots;
mod common;
#[path = "code_cache/damage.rs"]
mod damage;
#[path = "common/engine.rs"]
mod engine;
#[path = "code_cache/keys.rs"]
mod keys;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/processes.rs"]
mod processes;
#[path = "code_cache/program.rs"]
mod program;
#[path = "common/random.rs"]
mod random;
#[path = "code_cache/rebuilt.rs"]
mod rebuilt;
#[path = "code_cache/samples.rs"]
mod samples;
#[path = "code_cache/store.rs"]
mod store;
#[path = "code_cache/traps.rs"]
mod traps;
