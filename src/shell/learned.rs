//! What is known of the program: in short, its hottest functions, its sites, its boots.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::commands::{Done, number_or, write_facts};
use super::function::{self, name_of};
use super::machine::{Fact, Learned, Machine};
use super::table::{Align, Table, number, paragraph};
use crate::profile::{FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord};

/// Rows unless a number is given: the screen keeps them all.
const ROWS: usize = 15;

/// What `tell` makes of what is known, or why nothing is known.
fn tell<T>(machine: &mut dyn Machine, tell: impl FnOnce(Learned<'_>) -> T) -> Option<T> {
    match machine.learned() {
        Ok(learned) => Some(tell(learned)),
        Err(reason) => {
            paragraph(&reason, machine);
            None
        }
    }
}

/// What `count` is in an average boot.
pub fn per_boot(profile: &Profile, count: u64) -> u64 {
    let boots = profile.boots_observed.max(ONE_BOOT);
    // No more than `count`.
    (u128::from(count) * u128::from(ONE_BOOT) / u128::from(boots)) as u64
}

pub fn profile(words: &[String], machine: &mut dyn Machine) -> Done {
    if !words.is_empty() {
        return Done::Misused;
    }
    let facts = tell(machine, |Learned { profile, names }| {
        let sites = || profile.functions.iter().flat_map(|record| &record.sites);
        let called = profile.functions.iter().filter(|record| record.calls > 0).count();
        let code = profile.functions.iter().fold(0_u64, |sum, record| sum.saturating_add(record.code_bytes));
        let specialised = sites().filter(|site| !site.chosen.is_empty()).count();
        let (passed, failed) = sites().fold((0_u64, 0_u64), |(passed, failed), site| {
            (passed.saturating_add(site.guards_passed), failed.saturating_add(site.guards_failed))
        });
        let mut facts = alloc::vec![
            Fact { name: "boots", value: number(profile.last_boot()) },
            Fact {
                name: "functions",
                value: format!(
                    "{} of the program and its libc, {} seen, {} called",
                    number(names.len() as u64),
                    number(profile.functions.len() as u64),
                    number(called as u64)
                ),
            },
            Fact { name: "machine code", value: format!("{} bytes", number(code)) },
            Fact {
                name: "sites",
                value: format!(
                    "{}, {} with paths of their own",
                    number(sites().count() as u64),
                    number(specialised as u64)
                ),
            },
            Fact {
                name: "guards",
                value: format!("{} passed, {} failed in the last boot", number(passed), number(failed)),
            },
        ];
        if let Some(last) = profile.boots.last() {
            facts.push(Fact {
                name: "last boot",
                value: format!(
                    "{} ticks, {} in the program, {} compiling; it ended with code {}",
                    number(last.ticks_total),
                    number(last.ticks_program),
                    number(last.ticks_compile),
                    last.exit_code
                ),
            });
        }
        facts
    });
    write_facts(facts.unwrap_or_default(), machine);
    Done::Stay
}

/// All functions, those with most ticks first.
pub fn hottest(profile: &Profile) -> Vec<&FunctionRecord> {
    let mut functions: Vec<&FunctionRecord> = profile.functions.iter().collect();
    functions.sort_by_key(|record| Reverse((record.ticks, record.calls)));
    functions
}

/// Says which share of all ticks is a function's, in percent.
pub fn share(profile: &Profile) -> impl Fn(&FunctionRecord) -> String {
    let all = profile.functions.iter().fold(0_u128, |sum, record| sum + u128::from(record.ticks)).max(1);
    move |record| {
        let share = u128::from(record.ticks) * 1000 / all;
        format!("{}.{}%", share / 10, share % 10)
    }
}

/// Sites that are specialised, those whose paths are taken most first, with the functions that they are in.
pub fn specialised(profile: &Profile) -> Vec<(&FunctionRecord, &SiteRecord)> {
    let sites = profile.functions.iter().flat_map(|record| record.sites.iter().map(move |site| (record, site)));
    let mut sites: Vec<_> = sites.filter(|(_, site)| !site.chosen.is_empty()).collect();
    sites.sort_by_key(|(_, site)| Reverse(site.guards_passed));
    sites
}

pub fn top(words: &[String], machine: &mut dyn Machine) -> Done {
    let Some(rows) = number_or(words, ROWS) else { return Done::Misused };
    let table = tell(machine, |Learned { profile, names }| {
        let mut table = Table::new([
            ("ticks", Align::Right),
            ("share", Align::Right),
            ("calls", Align::Right),
            ("code", Align::Right),
            ("function", Align::Left),
        ]);
        let share = share(profile);
        for record in hottest(profile).into_iter().take(rows) {
            table.row([
                number(per_boot(profile, record.ticks)),
                share(record),
                number(per_boot(profile, record.calls)),
                number(record.code_bytes),
                name_of(names, record.key),
            ]);
        }
        table
    });
    if let Some(table) = table {
        table.write(machine);
    }
    Done::Stay
}

pub fn sites(words: &[String], machine: &mut dyn Machine) -> Done {
    let key = match words {
        [] => None,
        [name] => match function::find(name, machine) {
            Some(key) => Some(key),
            None => return Done::Stay,
        },
        _ => return Done::Misused,
    };
    let table = tell(machine, |Learned { profile, names }| {
        let mut table = Table::new([
            ("passed", Align::Right),
            ("failed", Align::Right),
            ("function", Align::Left),
            ("values", Align::Left),
        ]);
        let sites = match key {
            None => specialised(profile),
            Some(key) => {
                let record = profile.find(key).into_iter();
                let sites = record.flat_map(|record| record.sites.iter().map(move |site| (record, site)));
                sites.filter(|(_, site)| site.values.total > 0).collect()
            }
        };
        for (record, site) in sites {
            table.row([
                number(site.guards_passed),
                number(site.guards_failed),
                name_of(names, record.key),
                site_values(site, &|key| name_of(names, key)),
            ]);
        }
        table
    });
    match table {
        Some(table) if table.is_empty() => paragraph("nothing is specialised yet", machine),
        Some(table) => table.write(machine),
        None => {}
    }
    Done::Stay
}

/// What a site is specialised for, each with its share of the calls that were tested; else what it saw most.
pub fn site_values(site: &SiteRecord, name: &dyn Fn(FunctionKey) -> String) -> String {
    let what = match (site.kind, site.callee) {
        (SiteKind::Target, _) => "calls through pointers to number".to_string(),
        (SiteKind::Size, Some(callee)) => {
            let name = name(callee);
            name.strip_prefix(function::LIBC).unwrap_or(&name).to_string()
        }
        (SiteKind::Size, None) => "bytes".to_string(),
    };
    let tested = u128::from(site.guards_passed) + u128::from(site.guards_failed);
    let chosen = site.chosen.iter().zip(&site.passes).map(|(value, passes)| {
        let percent = u128::from(*passes) * 100 / tested.max(1);
        format!("{value} ({percent}%)")
    });
    let chosen: Vec<String> = chosen.collect();
    if !chosen.is_empty() {
        return format!("{what} {}", chosen.join(", "));
    }
    match site.values.dominant() {
        Some((top, share)) => format!("{what}, not specialised; {} in {}% of calls", top.value, share / 10),
        None => format!("{what}, not specialised"),
    }
}

pub fn history(words: &[String], machine: &mut dyn Machine) -> Done {
    let Some(rows) = number_or(words, ROWS) else { return Done::Misused };
    let table = tell(machine, |Learned { profile, .. }| {
        let titles = ["boot", "ticks", "in the program", "compiling", "called", "specialised", "code"];
        let mut table = Table::new(titles.map(|title| (title, Align::Right)));
        for row in &profile.boots[profile.boots.len().saturating_sub(rows)..] {
            table.row([
                row.boot.to_string(),
                number(row.ticks_total),
                number(row.ticks_program),
                number(row.ticks_compile),
                number(row.functions_called),
                number(row.functions_specialised),
                row.exit_code.to_string(),
            ]);
        }
        table
    });
    if let Some(table) = table {
        table.write(machine);
    }
    Done::Stay
}
