//! Profiles of the schemas before the newest, read as today's: a store or a shipped profile outlives an update.
//!
//! Key types: [`Site`], of schemas 3 and 4, [`FirstRow`], of schema 3, and [`Row`], of 4 and 5. Neighbour: [`super::decode`]
//! reads the rest, which is as it was.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

use super::decode::few;
use super::{BootRow, FunctionKey, SiteKind, SiteRecord, ValueHistogram};

/// The first schema that can be read.
pub(super) const FIRST_SCHEMA: u32 = 3;
/// The first whose rows have `ticks_console`.
pub(super) const ROWS_WITH_CONSOLE: u32 = 4;
/// The first whose sites are as today.
pub(super) const SITES_WITH_PATHS: u32 = 5;

/// [`SiteRecord`] without `passes` and `dropped`. Its guards were counted in all boots and, aged, added up.
#[derive(Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Site {
    kind: SiteKind,
    callee: Option<FunctionKey>,
    values: ValueHistogram,
    address_bits: u64,
    _guards_passed_and_failed: [u64; 2],
    #[serde(deserialize_with = "few")]
    chosen: Vec<u64>,
}

impl From<Site> for SiteRecord {
    fn from(site: Site) -> Self {
        let Site { kind, callee, values, address_bits, chosen, .. } = site;
        let (passes, dropped) = (Vec::new(), Vec::new());
        Self { kind, callee, values, address_bits, guards_passed: 0, guards_failed: 0, chosen, passes, dropped }
    }
}

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
pub(super) fn body(profile: &super::Profile, schema: u32) -> Vec<u8> {
    let super::Profile { program, cpu, boots_observed, functions, boots } = profile;
    let functions = functions.iter().flat_map(|function| {
        let super::FunctionRecord { key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites } =
            function;
        let counts = postcard::to_allocvec(&(key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks));
        let sites = match schema {
            ..SITES_WITH_PATHS => postcard::to_allocvec(&sites.iter().cloned().map(Site::from).collect::<Vec<_>>()),
            _ => postcard::to_allocvec(sites),
        };
        [counts, sites]
    });
    let boots = boots.iter().cloned();
    let boots = match schema {
        ..ROWS_WITH_CONSOLE => postcard::to_allocvec(&boots.map(FirstRow::from).collect::<Vec<_>>()),
        _ => postcard::to_allocvec(&boots.map(Row::from).collect::<Vec<_>>()),
    };
    let head = postcard::to_allocvec(&(program, cpu, boots_observed, profile.functions.len()));
    let parts = core::iter::once(head).chain(functions).chain([boots]);
    parts.flat_map(|part| part.expect("records are always encodable")).collect()
}

#[cfg(test)]
impl From<SiteRecord> for Site {
    fn from(site: SiteRecord) -> Self {
        let SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, .. } = site;
        Self { kind, callee, values, address_bits, _guards_passed_and_failed: [guards_passed, guards_failed], chosen }
    }
}
