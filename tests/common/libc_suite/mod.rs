//! The contracts of the libc, as tests of any engine that runs it.
//!
//! An engine implements [`LibcUnderTest`] and invokes `libc_contracts!(expression)`, the expression making a fresh
//! instance with [`INITIAL_PAGES`] of memory that can grow to [`MAXIMUM_PAGES`]; the macro expands to one test per
//! contract. Block and string functions are held to the host's C library on the same bytes ([`twin`]), the heap to a
//! model of what is live ([`heap`]), the mathematics to the crate `libm` and to exact values ([`mathematics`]).
#![allow(dead_code)] // Each file of tests uses its own part.

pub mod blocks;
pub mod heap;
pub mod interpreted;
pub mod mathematics;
pub mod strings;
mod twin;

/// Pages of memory that an instance starts with. The heap must not touch them.
pub const INITIAL_PAGES: u32 = 2;

/// Pages that its memory can grow to.
pub const MAXIMUM_PAGES: u32 = 512;

pub const PAGE_BYTES: usize = 65536;

/// The libc, run by some engine.
pub trait LibcUnderTest {
    /// Calls a function by its C name; 0 if it returns nothing. Panics if it traps. A word holds the bits of a value,
    /// in its lower half if the value has 32.
    fn call_words(&mut self, name: &str, args: &[u64]) -> u64;

    /// The linear memory.
    fn memory(&mut self) -> &mut [u8];

    /// Adds pages to memory, as a program may by itself.
    fn grow(&mut self, pages: u32);

    /// [`call_words`](Self::call_words) for a function of integers.
    fn call(&mut self, name: &str, args: &[i32]) -> i32 {
        let words: Vec<u64> = args.iter().map(|arg| u64::from(*arg as u32)).collect();
        self.call_words(name, &words) as u32 as i32
    }
}

/// Expands to one test per contract. `$new` makes a fresh [`LibcUnderTest`].
macro_rules! libc_contracts {
    ($new:expr) => {
        libc_contracts!(@tests $new, blocks:
            copies_agree_with_the_host_at_every_alignment,
            copies_may_overlap,
            large_copies_and_fills_agree_with_the_host,
            fills_agree_with_the_host_at_every_alignment,
            comparisons_give_the_difference_of_the_first_differing_bytes,
            searches_find_the_first_byte_and_read_nothing_behind_it,
            blocks_may_end_where_memory_ends,
        );
        libc_contracts!(@tests $new, strings:
            lengths_and_copies_agree_with_the_host_at_every_alignment,
            bounded_copies_fill_up_with_zeros,
            comparisons_give_the_difference_as_unsigned_chars,
            searches_agree_with_the_host,
            substrings_are_found_where_they_first_begin,
            strings_may_end_where_memory_ends,
        );
        libc_contracts!(@tests $new, heap:
            blocks_stay_apart_aligned_and_keep_their_contents,
            freed_blocks_are_used_again,
            replacing_blocks_at_random_does_not_leak,
            freed_neighbours_join,
            what_was_freed_serves_other_sizes,
            a_small_block_is_freed_and_used_again_with_two_words,
            growing_counts_the_free_end_of_memory,
            a_block_has_the_alignment_that_is_asked_for,
            calloc_gives_zeros_in_used_memory,
            exhaustion_and_overflow_give_null_and_harm_nothing,
            odd_sizes_and_pointers_are_accepted,
            blocks_are_resized_in_place_where_they_can,
            blocks_that_grow_in_small_steps_are_seldom_copied,
            pages_that_others_add_are_left_alone,
        );
        libc_contracts!(@mathematics $new);
    };
    (@mathematics $new:expr) => {
        libc_contracts!(@tests $new, mathematics:
            special_values_are_those_of_annex_f,
            exact_results_are_exact,
            results_are_those_of_libm,
            errors_stay_within_what_the_registry_states,
            short_powers_are_almost_correctly_rounded,
            thirds_are_almost_correctly_rounded,
        );
    };
    (@tests $new:expr, $module:ident: $($contract:ident,)*) => {
        mod $module {
            use super::*;
            $(
                #[test]
                fn $contract() {
                    crate::libc_suite::$module::$contract(&mut $new);
                }
            )*
        }
    };
}

/// The same for the contracts that a heap keeps which surrounds blocks with red zones, moves each that is resized, and
/// uses a freed one again only after a while.
macro_rules! checked_heap_contracts {
    ($new:expr) => {
        libc_contracts!(@tests $new, heap:
            blocks_stay_apart_aligned_and_keep_their_contents,
            freed_blocks_are_used_again,
            replacing_blocks_at_random_does_not_leak,
            exhaustion_and_overflow_give_null_and_harm_nothing,
            pages_that_others_add_are_left_alone,
        );
    };
}

/// A small generator of repeatable random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// Any 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.word() >> 33) as usize) % bound
    }

    pub fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }
}
