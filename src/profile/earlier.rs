//! Profiles of the schemas before the newest, read as today's: a store or a shipped profile outlives an update.
//!
//! Key types: [`FirstRow`], of schema 3, and [`Row`], of 4 and 5. Neighbour: [`super::decode`] reads the rest, of which only sites
//! and the values in them were different.

use alloc::string::String;
use serde::Deserialize;

use super::BootRow;

/// The first schema that can be read.
pub(super) const FIRST_SCHEMA: u32 = 3;
/// The first whose rows have `ticks_console`.
pub(super) const ROWS_WITH_CONSOLE: u32 = 4;
/// The first whose sites have `passes` and `dropped`.
pub(super) const SITES_WITH_PATHS: u32 = 5;
/// The first whose rows are as today.
pub(super) const ROWS_WITH_CODE: u32 = 6;
/// The first whose histograms have `floor`. It was the count of the last of all slots.
pub(super) const VALUES_WITH_FLOOR: u32 = 7;

/// Makes a row of the columns that it shares with [`BootRow`], in the order of the bytes.
macro_rules! row_of {
    ($(#[$doc:meta])* $row:ident { $($column:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Deserialize)]
        #[cfg_attr(test, derive(serde::Serialize))]
        pub(super) struct $row {
            $($column: $ty,)*
        }

        impl From<$row> for BootRow {
            fn from(row: $row) -> Self {
                Self { $($column: row.$column,)* ..Self::default() }
            }
        }

        #[cfg(test)]
        impl From<BootRow> for $row {
            fn from(row: BootRow) -> Self {
                Self { $($column: row.$column,)* }
            }
        }
    };
}

/// Makes the rows of both kinds: all columns, and those without the ones in the middle.
macro_rules! rows_of {
    ({ $($before:tt)* } { $($later:tt)* } { $($after:tt)* }) => {
        row_of! {
            /// [`BootRow`] without `ticks_console` and what [`Row`] lacks.
            FirstRow { $($before)* $($after)* }
        }
        row_of! {
            /// [`BootRow`] without what concerns code that is remembered, and without `ticks_total`.
            Row { $($before)* $($later)* $($after)* }
        }
    };
}

rows_of! {
    {
        boot: u64,
        generation: u64,
        program: String,
        exit_code: i32,
        ticks_boot: u64,
        ticks_program: u64,
        ticks_compile: u64,
    }
    {
        ticks_console: u64,
    }
    {
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
}

/// `profile` as the earlier `schema` had it.
#[cfg(test)]
pub(super) fn body(profile: &super::Profile, schema: u32) -> alloc::vec::Vec<u8> {
    use super::{FunctionRecord, Profile, SiteRecord};
    use alloc::vec::Vec;
    let Profile { program, cpu, boots_observed, functions, boots } = profile;
    let mut parts = Vec::from([postcard::to_allocvec(&(program, cpu, boots_observed, functions.len()))]);
    for FunctionRecord { key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites } in functions {
        let counts = (key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites.len());
        parts.push(postcard::to_allocvec(&counts));
        for SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, passes, dropped } in
            sites
        {
            let values = (&values.slots, values.total);
            parts.push(postcard::to_allocvec(&(
                kind,
                callee,
                values,
                address_bits,
                guards_passed,
                guards_failed,
                chosen,
            )));
            if schema >= SITES_WITH_PATHS {
                parts.push(postcard::to_allocvec(&(passes, dropped)));
            }
        }
    }
    let rows = boots.iter().cloned();
    parts.push(match schema {
        ..ROWS_WITH_CONSOLE => postcard::to_allocvec(&rows.map(FirstRow::from).collect::<Vec<_>>()),
        ROWS_WITH_CONSOLE..ROWS_WITH_CODE => postcard::to_allocvec(&rows.map(Row::from).collect::<Vec<_>>()),
        _ => postcard::to_allocvec(boots),
    });
    parts.into_iter().flat_map(|part| part.expect("records are always encodable")).collect()
}
