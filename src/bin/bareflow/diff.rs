//! What differs between two profiles: functions that are new, gone, run more or less often or have other code, and sites that
//! saw other values or have other paths.
//!
//! Key type: [`Diff`], which prints as a table and as JSON. Everything is per boot, since the profiles may stand for different
//! numbers of boots. Neighbour: `show` names functions.

use std::cmp::Reverse;
use std::fmt;

use bareflow::engine::decide::tier::{Thresholds, is_hot, weight};
use bareflow::profile::{FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteRecord};
use serde::Serialize;

use crate::show::{Names, name, per_boot, what};

/// Functions of one kind of change, and sites, that a person wants to see.
const MOST_ROWS: usize = 20;

/// A function is hotter or colder from so many percent on.
const CHANGED_PERCENT: u128 = 10;

#[derive(Serialize)]
pub struct Diff {
    a: Side,
    b: Side,
    /// Whether both were saved after the same module ran.
    same_program: bool,
    /// Those that both know and that run as often, in code of the same tier.
    functions_alike: usize,
    functions: Vec<FunctionChange>,
    sites: Vec<SiteChange>,
}

/// One of the two.
#[derive(Serialize)]
struct Side {
    boots_observed: f64,
    functions: usize,
}

#[derive(Serialize)]
struct FunctionChange {
    key: FunctionKey,
    name: String,
    change: Change,
    /// Runs per boot before and after: calls, and rounds of loops as far as they count as calls.
    runs: [u64; 2],
    /// What its code is; none where it is not known.
    tiers: [Option<&'static str>; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    New,
    Gone,
    Hotter,
    Colder,
    /// It runs as often, in code of another tier.
    Tier,
}

#[derive(Serialize)]
struct SiteChange {
    key: FunctionKey,
    name: String,
    /// Its number in the function.
    site: usize,
    what: String,
    before: SiteState,
    after: SiteState,
}

#[derive(Serialize)]
struct SiteState {
    /// The most frequent value.
    value: Option<u64>,
    /// Its share of all calls; not compared, for it varies.
    percent: u32,
    /// What the code tests for.
    paths: Vec<u64>,
}

impl Diff {
    pub fn new(a: &Profile, b: &Profile, names: &Names) -> Self {
        let mut diff = Self {
            a: Side::of(a),
            b: Side::of(b),
            same_program: a.program == b.program,
            functions_alike: 0,
            functions: Vec::new(),
            sites: Vec::new(),
        };
        for before in &a.functions {
            let after = b.find(before.key);
            diff.compare([(a, Some(before)), (b, after)], before.key, names);
        }
        for after in b.functions.iter().filter(|after| a.find(after.key).is_none()) {
            diff.compare([(a, None), (b, Some(after))], after.key, names);
        }
        diff.functions.sort_by_key(|function| {
            let [before, after] = function.runs;
            (function.change, Reverse(before.abs_diff(after)), function.key)
        });
        diff
    }

    fn compare(&mut self, sides: [(&Profile, Option<&FunctionRecord>); 2], key: FunctionKey, names: &Names) {
        let runs = sides.map(|(profile, record)| record.map_or(0, |record| per_boot(profile, weight(record))));
        let tiers = sides.map(|(profile, record)| record.map(|record| tier(profile, record)));
        let change = match sides.map(|(_, record)| record) {
            [None, _] => Some(Change::New),
            [_, None] => Some(Change::Gone),
            [Some(before), Some(after)] => {
                self.compare_sites(before, after, names);
                heat(runs).or((tiers[0] != tiers[1]).then_some(Change::Tier))
            }
        };
        match change {
            Some(change) => {
                let name = name(names, key);
                self.functions.push(FunctionChange { key, name, change, runs, tiers });
            }
            None => self.functions_alike += 1,
        }
    }

    fn compare_sites(&mut self, before: &FunctionRecord, after: &FunctionRecord, names: &Names) {
        let key = before.key;
        for (site, (was, is)) in before.sites.iter().zip(&after.sites).enumerate() {
            let (before, after) = (SiteState::of(was), SiteState::of(is));
            if (was.kind, before.value, &before.paths) != (is.kind, after.value, &after.paths) {
                let (name, what) = (name(names, key), what(is, names));
                self.sites.push(SiteChange { key, name, site, what, before, after });
            }
        }
    }
}

impl Side {
    fn of(profile: &Profile) -> Self {
        Self { boots_observed: profile.boots_observed as f64 / ONE_BOOT as f64, functions: profile.functions.len() }
    }
}

impl SiteState {
    fn of(site: &SiteRecord) -> Self {
        let (value, per_mille) = site.values.dominant().unzip();
        let percent = per_mille.unwrap_or_default() / 10;
        Self { value: value.map(|value| value.value), percent, paths: site.chosen.clone() }
    }
}

/// What a boot that starts from `profile` makes of the function: code with paths of its own, if the newest has some.
fn tier(profile: &Profile, record: &FunctionRecord) -> &'static str {
    if record.sites.iter().any(|site| !site.chosen.is_empty()) {
        "specialised"
    } else if is_hot(record, profile.boots_observed, &Thresholds::default()) {
        "optimised"
    } else {
        "baseline"
    }
}

fn heat([before, after]: [u64; 2]) -> Option<Change> {
    let changed = u128::from(before.abs_diff(after)) * 100 >= u128::from(before.max(1)) * CHANGED_PERCENT;
    changed.then_some(if after > before { Change::Hotter } else { Change::Colder }).filter(|_| before != after)
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in [("A", &self.a), ("B", &self.b)] {
            writeln!(f, "{name}: {} functions, counts of {:.1} boots", side.functions, side.boots_observed)?;
        }
        if !self.same_program {
            writeln!(f, "The modules that ran last differ; functions with the same bodies are compared")?;
        }
        writeln!(f, "\n{} functions are alike, {} are not:\n", self.functions_alike, self.functions.len())?;
        writeln!(f, "change       runs per boot: A               B  tier                        function")?;
        for group in self.functions.chunk_by(|one, next| one.change == next.change) {
            group.iter().take(MOST_ROWS).try_for_each(|function| function.fmt(f))?;
            more(f, group.len())?;
        }
        writeln!(f, "\nSites with another value that is the most frequent, or other paths: {}\n", self.sites.len())?;
        writeln!(f, "what         A                               B                               function, site")?;
        self.sites.iter().take(MOST_ROWS).try_for_each(|site| site.fmt(f))?;
        more(f, self.sites.len())
    }
}

/// Says how many of `count` rows were not printed.
fn more(f: &mut fmt::Formatter<'_>, count: usize) -> fmt::Result {
    match count.saturating_sub(MOST_ROWS) {
        0 => Ok(()),
        more => writeln!(f, "... and {more} more; --json has all"),
    }
}

impl fmt::Display for FunctionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiers = match self.tiers {
            [Some(before), Some(after)] if before != after => format!("{before} -> {after}"),
            [before, after] => after.or(before).unwrap_or_default().to_string(),
        };
        let [before, after] = self.runs;
        let change = self.change.name();
        writeln!(f, "{change:<6}  {before:>20}{after:>16}  {tiers:<26}  {}", self.name)
    }
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Hotter => "hotter",
            Self::Colder => "colder",
            Self::Tier => "tier",
        }
    }
}

impl fmt::Display for SiteChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, after, name, site, .. } = self;
        let (before, after) = (before.to_string(), after.to_string());
        writeln!(f, "{what:<11}  {before:<30}  {after:<30}  {name}, {site}")
    }
}

impl fmt::Display for SiteState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{value} {}%", self.percent)?,
            None => f.write_str("no calls")?,
        }
        let paths: Vec<String> = self.paths.iter().map(u64::to_string).collect();
        if paths.is_empty() { Ok(()) } else { write!(f, ", paths {}", paths.join(" ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bareflow::profile::{SiteKind, ValueHistogram};

    fn function(hash: u64, calls: u64, sites: Vec<SiteRecord>) -> FunctionRecord {
        FunctionRecord { key: FunctionKey { hash, ordinal: 0 }, calls, sites, ..FunctionRecord::default() }
    }

    fn site(value: u64, chosen: &[u64]) -> SiteRecord {
        let mut values = ValueHistogram::default();
        values.record(value, 100);
        SiteRecord { values, chosen: chosen.to_vec(), ..SiteRecord::unseen(SiteKind::Size) }
    }

    fn diff(a: Vec<FunctionRecord>, b: Vec<FunctionRecord>) -> Diff {
        let profile = |boots, functions| Profile { boots_observed: boots, functions, ..Profile::default() };
        Diff::new(&profile(2 * ONE_BOOT, a), &profile(ONE_BOOT, b), &Names::new())
    }

    #[test]
    fn functions_are_compared_per_boot_and_by_tier() {
        let calls = |list: &[(u64, u64)]| list.iter().map(|(hash, calls)| function(*hash, *calls, vec![])).collect();
        let found = diff(
            calls(&[(1, 8), (2, 200), (3, 200), (4, 200), (5, 178)]),
            calls(&[(2, 109), (3, 110), (4, 90), (5, 90), (6, u64::MAX)]),
        );
        let changes: Vec<_> = found.functions.iter().map(|one| (one.key.hash, one.change, one.runs)).collect();
        let expected = [
            (6, Change::New, [0, u64::MAX]),
            (1, Change::Gone, [4, 0]),
            (3, Change::Hotter, [100, 110]),
            (4, Change::Colder, [100, 90]),
            (5, Change::Tier, [89, 90]),
        ];
        assert_eq!((changes, found.functions_alike), (expected.to_vec(), 1));
    }

    #[test]
    fn sites_are_compared_by_their_most_frequent_value_and_their_paths() {
        let before = vec![function(1, 9, vec![site(8, &[]), site(512, &[512]), site(3, &[3])])];
        let after = vec![function(1, 9, vec![site(8, &[]), site(24, &[512]), site(3, &[])])];
        let found = diff(before.clone(), after);
        let sites: Vec<String> =
            found.sites.iter().map(|site| format!("{}: {} {}", site.site, site.before, site.after)).collect();
        assert_eq!(sites, ["1: 512 100%, paths 512 24 100%, paths 512", "2: 3 100%, paths 3 3 100%"]);
        let same = diff(before.clone(), before);
        assert!(same.sites.is_empty());
    }

    #[test]
    fn a_person_gets_so_many_rows_of_a_kind() {
        let functions = (0..50).map(|hash| function(hash, 7, vec![])).collect();
        let text = diff(functions, vec![]).to_string();
        assert_eq!(text.matches("gone  ").count(), MOST_ROWS, "{text}");
        assert!(text.contains("... and 30 more; --json has all"), "{text}");
    }
}
