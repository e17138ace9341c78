//! Profiles of the schemas before the newest, read as today's: a store or a shipped profile outlives an update.
//!
//! Key types: [`Site`], of all earlier schemas, and [`Row`], of the first. Neighbour: [`super::decode`] reads the rest, which
//! is as it was.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

use super::decode::few;
use super::{BootRow, FunctionKey, SiteKind, SiteRecord, ValueHistogram};

/// The first schema that can be read: rows have no `ticks_console`.
pub(super) const FIRST_SCHEMA: u32 = 3;

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

/// `profile` as the earlier `schema` had it.
#[cfg(test)]
pub(super) fn body(profile: &super::Profile, schema: u32) -> Vec<u8> {
    let super::Profile { program, cpu, boots_observed, functions, boots } = profile;
    let functions = functions.iter().map(|function| {
        let super::FunctionRecord { key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites } =
            function;
        let sites: Vec<Site> = sites.iter().cloned().map(Site::from).collect();
        (key, calls, ticks, generic_calls, generic_ticks, code_bytes, blocks, sites)
    });
    let functions: Vec<_> = functions.collect();
    let head = (program, cpu, boots_observed, functions);
    let bytes = match schema {
        FIRST_SCHEMA => postcard::to_allocvec(&(head, boots.iter().cloned().map(Row::from).collect::<Vec<_>>())),
        _ => postcard::to_allocvec(&(head, boots)),
    };
    bytes.expect("records are always encodable")
}

#[cfg(test)]
impl From<SiteRecord> for Site {
    fn from(site: SiteRecord) -> Self {
        let SiteRecord { kind, callee, values, address_bits, guards_passed, guards_failed, chosen, .. } = site;
        Self { kind, callee, values, address_bits, _guards_passed_and_failed: [guards_passed, guards_failed], chosen }
    }
}
