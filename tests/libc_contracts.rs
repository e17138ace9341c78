//! The contracts of the libc, with the module run as it is by an interpreter.

#[path = "common/libc_suite/mod.rs"]
#[macro_use]
mod libc_suite;

use bareflow::libc::CHECKED_MODULE;
use libc_suite::interpreted::Interpreted;
use libc_suite::{INITIAL_PAGES, LibcUnderTest, MAXIMUM_PAGES, Random};

libc_contracts!(Interpreted::new(INITIAL_PAGES, MAXIMUM_PAGES));

mod with_the_heap_that_checks {
    use super::*;
    checked_heap_contracts!(Interpreted::of(CHECKED_MODULE, INITIAL_PAGES, MAXIMUM_PAGES));
}

#[test]
fn the_heap_may_begin_at_address_zero() {
    let mut libc = Interpreted::new(0, 4);
    let block = libc.call("malloc", &[100]);
    assert!(block > 0 && libc.memory().len() == 65536);
    libc.call("free", &[block]);
    assert_eq!(libc.call("malloc", &[100]), block);
}

#[test]
fn a_block_that_moves_is_not_copied_byte_by_byte() {
    const BYTES: i32 = 100_000;
    let mut libc = Interpreted::new(1, 16);
    let block = libc.call("malloc", &[BYTES]);
    libc.call("malloc", &[1]); // Where the block would grow.
    let (moved, instructions) = libc.call_counted("realloc", &[block, 2 * BYTES]);
    assert_ne!(moved, block);
    assert!(instructions < BYTES as u64, "{instructions} instructions for {BYTES} bytes");
}

#[test]
fn a_heap_that_is_just_large_enough_is_not_merged_again_and_again() {
    const STEPS: u64 = 100_000;
    let mut libc = Interpreted::new(1, 64);
    let mut random = Random::new(70);
    let mut blocks = [0; 300];
    let mut instructions = 0;
    for _ in 0..STEPS {
        let block = &mut blocks[random.below(300)];
        instructions += libc.call_counted("free", &[*block]).1;
        let (new, count) = libc.call_counted("malloc", &[16 + 16 * random.below(60) as i32]);
        (*block, instructions) = (new, instructions + count);
    }
    let per_step = instructions / STEPS;
    assert!(per_step < 60, "{per_step} instructions for each free and malloc");
}

#[test]
fn calls_outside_memory_trap() {
    let outside = std::panic::catch_unwind(|| Interpreted::new(1, 1).call("memcpy", &[65000, 0, 1000]));
    assert!(outside.is_err());
}
