//! Which of the stores that a machine's disks hold is this boot's.

use super::{Found, Place, Problem, Survey, survey};
use crate::store::{BlockDevice, SECTOR_BYTES, StoreId};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use core::str::FromStr;

/// Fewest digits by which a store can be named.
const LEAST_DIGITS: usize = 4;

/// Which store is to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The one that there is.
    #[default]
    Only,
    /// The one whose identifier begins with these hexadecimal digits.
    Named(String),
    None,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.to_ascii_lowercase();
        let is_identifier = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text == "none" {
            Ok(Self::None)
        } else if is_identifier && (LEAST_DIGITS..=2 * size_of::<StoreId>()).contains(&digits.len()) {
            Ok(Self::Named(digits))
        } else {
            Err(format!(
                "is neither none nor {LEAST_DIGITS} to {} hexadecimal digits of a store's identifier",
                2 * size_of::<StoreId>()
            ))
        }
    }
}

/// The store that is to be used, and what there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Number of the disk in the order that they came in, and where on it the store is.
    pub store: Option<(usize, Place)>,
    pub lines: Vec<String>,
}

/// A disk, as its name and what it has of stores say.
struct Surveyed {
    name: String,
    bytes: u64,
    survey: Survey,
}

/// Chooses among the stores of `disks`, each with a name for people. Two that fit are one too many: none is used, for
/// nobody but the user knows which one is meant. Reads only.
pub fn choose<'d>(disks: impl Iterator<Item = (String, &'d mut dyn BlockDevice)>, wanted: &Wanted) -> Choice {
    if *wanted == Wanted::None {
        return Choice { store: None, lines: Vec::new() };
    }
    let surveyed: Vec<Surveyed> = disks
        .map(|(name, disk)| Surveyed {
            name,
            bytes: disk.sectors().saturating_mul(SECTOR_BYTES as u64),
            survey: survey(disk),
        })
        .collect();
    let all = surveyed.iter().enumerate().flat_map(|(index, disk)| disk.survey.stores.iter().map(move |f| (index, *f)));
    let all: Vec<(usize, Found)> = all.collect();
    let fits = |found: &Found| match wanted {
        Wanted::Named(digits) => identifier(&found.id).starts_with(digits.as_str()),
        Wanted::Only | Wanted::None => true,
    };
    let fitting: Vec<(usize, Found)> = all.iter().copied().filter(|(_, found)| fits(found)).collect();
    let mut lines = Vec::new();
    let store = match fitting[..] {
        [(index, Found { place, .. })] => Some((index, place)),
        [] => {
            lines.extend(problems(&surveyed));
            lines.extend(none_fits(&surveyed, &all, wanted));
            None
        }
        _ => {
            lines.push(several_fit(&surveyed, &fitting));
            None
        }
    };
    Choice { store, lines }
}

/// The 32 digits of a store's identifier.
pub fn identifier(id: &StoreId) -> String {
    let mut digits = String::new();
    // Writing to a string cannot fail.
    id.iter().for_each(|byte| write!(digits, "{byte:02x}").unwrap_or_default());
    digits
}

/// What is wrong with what might have been stores, each with its disk where there are several.
fn problems(disks: &[Surveyed]) -> impl Iterator<Item = String> {
    let named = disks.len() > 1;
    disks.iter().flat_map(move |disk| {
        disk.survey.problems.iter().map(move |problem: &Problem| match named {
            true => format!("{problem} ({})", disk.name),
            false => problem.to_string(),
        })
    })
}

/// That no store fits: which ones there are, or which disks could become one.
fn none_fits(disks: &[Surveyed], all: &[(usize, Found)], wanted: &Wanted) -> Option<String> {
    if let Wanted::Named(digits) = wanted {
        let there = match all {
            [] => String::from("there is none"),
            _ => format!("there are {}", list(disks, all)),
        };
        return Some(format!("store: none has an identifier that begins with {digits}; {there}"));
    }
    let mut others = disks.iter().filter(|disk| disk.survey.problems.is_empty() && disk.bytes > 0).peekable();
    others.peek()?;
    let others = others.map(|disk| format!("{} ({}, {})", disk.name, size(disk.bytes), disk.survey.outside));
    Some(format!(
        "store: no disk holds a store: {}; run `bareflow store format FILE` to make one of a blank disk or, with \
         `--partition`, in a partition",
        joined(others)
    ))
}

fn several_fit(disks: &[Surveyed], fitting: &[(usize, Found)]) -> String {
    let stores = list(disks, fitting);
    let ids: Vec<StoreId> = fitting.iter().map(|(_, found)| found.id).collect();
    let remedy = match ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        true => "two of them are copies with the same identifier: detach one, or format it",
        false => "say which with `store=` and its identifier on the kernel's command line",
    };
    format!("store: {} fit, and none is used: {stores}; {remedy}", fitting.len())
}

fn list(disks: &[Surveyed], stores: &[(usize, Found)]) -> String {
    joined(stores.iter().map(|(index, Found { id, place })| {
        format!("{} on {place} of {}", identifier(id), disks.get(*index).map_or("", |disk| disk.name.as_str()))
    }))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib @ 1..10_000 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}
