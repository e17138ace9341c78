//! Profiles of the schema before the newest, read as today's: a store or a shipped profile outlives an update.
//!
//! Neighbour: [`super::decode`] reads the rest, which is as it was.

use alloc::string::String;
use serde::Deserialize;

use super::BootRow;

/// The schema of these records.
pub(super) const SCHEMA: u32 = 3;

/// Makes [`Row`] of the columns that it shares with [`BootRow`], in the order of the bytes.
macro_rules! row_of {
    ($($column:ident: $ty:ty,)*) => {
        /// [`BootRow`] without `ticks_console`.
        #[derive(Deserialize)]
        #[cfg_attr(test, derive(serde::Serialize))]
        pub(super) struct Row {
            $($column: $ty,)*
        }

        impl From<Row> for BootRow {
            fn from(row: Row) -> Self {
                Self { $($column: row.$column,)* ticks_console: 0 }
            }
        }

        #[cfg(test)]
        impl From<BootRow> for Row {
            fn from(row: BootRow) -> Self {
                Self { $($column: row.$column,)* }
            }
        }
    };
}

row_of! {
    boot: u64,
    generation: u64,
    program: String,
    exit_code: i32,
    ticks_boot: u64,
    ticks_program: u64,
    ticks_compile: u64,
    functions_total: u64,
    functions_called: u64,
    functions_baseline: u64,
    functions_optimised: u64,
    functions_specialised: u64,
    functions_compiled_this_boot: u64,
    code_bytes: u64,
    profile_bytes: u64,
    guards_passed: u64,
    guards_failed: u64,
    libc_functions_total: u64,
    libc_functions_compiled: u64,
    libc_code_bytes: u64,
}

/// `profile` as this schema had it.
#[cfg(test)]
pub(super) fn body(profile: super::Profile) -> alloc::vec::Vec<u8> {
    let super::Profile { program, cpu, boots_observed, functions, boots } = profile;
    let boots: alloc::vec::Vec<Row> = boots.into_iter().map(Row::from).collect();
    postcard::to_allocvec(&(program, cpu, boots_observed, functions, boots)).expect("records are always encodable")
}
