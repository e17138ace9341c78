//! What the dashboard shows, in words and numbers.
//!
//! Key type: [`View`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::engine::Engine;
use crate::profile::{BootRow, FunctionKey, FunctionRecord, Profile, SiteKind, SiteRecord};
use crate::shell::{hottest, share, site_values, specialised};

/// What a boot's ticks went into, from the bottom up.
pub const PARTS: [&str; 4] = ["boot", "program", "compiling", "preparing"];

/// Functions and sites, the most that are looked for.
const MOST_LINES: usize = 20;

/// A boot that takes no more, some tenths of a second, is over before anybody can read lists, and looking for them takes a quarter of
/// a million.
const UNSEEN_TICKS: u64 = 1 << 29;

/// All that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub program: String,
    pub boot: String,
    /// Where the store is.
    pub store: String,
    pub status: String,
    /// Ticks of boots, oldest first, by [`PARTS`].
    pub ticks: Vec<[u64; PARTS.len()]>,
    /// Functions by tier in the newest of these boots, the lowest first, and how many were called.
    pub tiers: [(&'static str, u64); 3],
    pub called: u64,
    /// None where looking for them takes too long.
    pub lists: Option<Lists>,
}

/// What is known of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// The hottest first.
    pub functions: Vec<String>,
    /// Those most often taken first, with what they are specialised for.
    pub sites: Vec<String>,
}

impl View {
    /// Of a `boot` before its program runs, after those that have `ended`.
    pub fn starting(engine: &Engine, ended: &[BootRow], boot: &BootRow, store: &str) -> Self {
        let is_seen = ended.last().is_some_and(|row| row.ticks_total > UNSEEN_TICKS);
        Self {
            status: "starting".to_string(),
            lists: is_seen.then(|| Lists::new(engine, engine.earlier())),
            ..Self::of(ended, boot, store)
        }
    }

    /// Of a `boot` that has ended as `status` says, with what is known by now.
    pub fn ended(engine: &Engine, known: &Profile, boot: &BootRow, store: &str, status: String) -> Self {
        Self { status, lists: Some(Lists::new(engine, known)), ..Self::of(&known.boots, boot, store) }
    }

    fn of(ended: &[BootRow], boot: &BootRow, store: &str) -> Self {
        let last = ended.last();
        let tiers = |count: fn(&BootRow) -> u64| last.map_or(0, count);
        Self {
            program: boot.program.clone(),
            boot: match boot.generation {
                0 => format!("boot {}, which knows nothing", boot.boot),
                generation => format!("boot {}, from generation {generation}", boot.boot),
            },
            store: store.to_string(),
            ticks: ended.iter().map(ticks).collect(),
            tiers: [
                ("baseline", tiers(|row| row.functions_baseline)),
                ("optimised", tiers(|row| row.functions_optimised)),
                ("specialised", tiers(|row| row.functions_specialised)),
            ],
            called: tiers(|row| row.functions_called),
            ..Self::default()
        }
    }
}

impl Lists {
    fn new(engine: &Engine, known: &Profile) -> Self {
        let (hottest, specialised) = (first_hottest(known), first_specialised(known));
        let callers = specialised.iter().flat_map(|(caller, site)| [Some(caller.key), site.callee]).flatten();
        let names = engine.names_of(&hottest.iter().map(|record| record.key).chain(callers).collect());
        let name = |key: FunctionKey| names.get(&key).cloned().unwrap_or_else(|| "?".to_string());
        let target = |value| engine.target_name(value).unwrap_or_else(|| "?".to_string());
        Self { functions: function_lines(known, &hottest, &name), sites: site_lines(&specialised, &name, &target) }
    }
}

/// Ticks of a whole boot.
pub fn total(parts: &[u64; PARTS.len()]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(*part))
}

fn ticks(row: &BootRow) -> [u64; PARTS.len()] {
    [row.ticks_beside(), row.ticks_program, row.ticks_compile, row.ticks_prepare]
}

/// Functions that were found running.
fn first_hottest(known: &Profile) -> Vec<&FunctionRecord> {
    hottest(known).into_iter().take_while(|record| record.ticks > 0).take(MOST_LINES).collect()
}

fn first_specialised(known: &Profile) -> Vec<(&FunctionRecord, &SiteRecord)> {
    specialised(known).into_iter().take(MOST_LINES).collect()
}

fn function_lines(known: &Profile, hottest: &[&FunctionRecord], name: &dyn Fn(FunctionKey) -> String) -> Vec<String> {
    let share = share(known);
    hottest.iter().map(|record| format!("{:>6}  {}", share(record), name(record.key))).collect()
}

fn site_lines(
    sites: &[(&FunctionRecord, &SiteRecord)],
    name: &dyn Fn(FunctionKey) -> String,
    target: &dyn Fn(u64) -> String,
) -> Vec<String> {
    let line = |(caller, site): &(&FunctionRecord, &SiteRecord)| {
        let values = match (site.kind, &*site.chosen) {
            (SiteKind::Target, &[value, ..]) => format!("pointer to {}", target(value)),
            _ => site_values(site, name),
        };
        format!("{}: {values}", name(caller.key))
    };
    sites.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hot_and_what_is_taken_comes_first() {
        let key = |ordinal| FunctionKey { hash: 1, ordinal };
        let record = |ordinal, ticks, sites| FunctionRecord { key: key(ordinal), ticks, sites, ..Default::default() };
        let site = |passed| SiteRecord {
            chosen: alloc::vec![512],
            passes: alloc::vec![passed],
            guards_passed: passed,
            callee: Some(key(9)),
            ..SiteRecord::unseen(SiteKind::Size)
        };
        let functions = alloc::vec![
            record(1, 0, alloc::vec![site(7)]),
            record(
                2,
                30,
                alloc::vec![SiteRecord::unseen(SiteKind::Size), SiteRecord { kind: SiteKind::Target, ..site(9) }]
            ),
            record(3, 970, Vec::new()),
        ];
        let known = Profile { functions, ..Profile::default() };
        let row =
            BootRow { ticks_total: 100, ticks_program: 50, ticks_compile: 20, ticks_prepare: 10, ..BootRow::default() };
        let name = |key: FunctionKey| format!("f{}", key.ordinal);
        assert_eq!(function_lines(&known, &first_hottest(&known), &name), [" 97.0%  f3", "  3.0%  f2"]);
        let target = |value| format!("number {value}");
        assert_eq!(
            site_lines(&first_specialised(&known), &name, &target),
            ["f2: pointer to number 512", "f1: f9 512 (100%)"]
        );
        assert_eq!(ticks(&row), [20, 50, 20, 10]);
    }

    #[test]
    fn numbers_that_cannot_be_are_no_trouble() {
        let row = BootRow { ticks_program: u64::MAX, ticks_compile: u64::MAX, ..BootRow::default() };
        assert_eq!(ticks(&row), [0, u64::MAX, u64::MAX, 0]);
        let record = || FunctionRecord { ticks: u64::MAX, ..FunctionRecord::default() };
        let known = Profile { functions: alloc::vec![record(), record(), record()], ..Profile::default() };
        assert_eq!(function_lines(&known, &first_hottest(&known), &|_| "f".into())[2], " 33.3%  f");
    }
}
