//! One function: found by its name, and how well it is compiled.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::commands::{Done, unknown, write_facts};
use super::learned::{per_boot, site_values};
use super::machine::{Fact, Machine, Names, Status};
use super::table::{number, paragraph};
use crate::engine::decide::tier::Tier;
use crate::profile::{FunctionKey, FunctionRecord};

/// Before the names of the libc's functions.
pub const LIBC: &str = "libc.";

/// The tiers by name.
pub const TIERS: [(&str, Tier); 3] =
    [("baseline", Tier::Baseline), ("optimised", Tier::Optimised), ("specialised", Tier::Specialised)];

pub fn name_of(names: &Names, key: FunctionKey) -> String {
    names.get(&key).cloned().unwrap_or_else(|| format!("{:016x}", key.hash))
}

/// The names of all functions.
pub fn names(machine: &mut dyn Machine) -> Vec<String> {
    machine.learned().map(|learned| learned.names.values().cloned().collect()).unwrap_or_default()
}

/// The function of this name, the most called one of several; says so if there is none. The libc's functions have names like
/// `libc.memcpy`, of which `memcpy` is enough where the program has none.
pub fn find(name: &str, machine: &mut dyn Machine) -> Option<FunctionKey> {
    let found = machine.learned().map(|learned| {
        let calls = |key: &FunctionKey| learned.profile.find(*key).map_or(0, |record| record.calls);
        let named = |name: &str| {
            let named = learned.names.iter().filter(|(_, known)| *known == name).map(|(key, _)| *key);
            named.max_by_key(calls)
        };
        named(name).or_else(|| named(&format!("{LIBC}{name}")))
    });
    match found {
        Err(reason) => paragraph(&reason, machine),
        Ok(Some(key)) => return Some(key),
        Ok(None) => {
            let known = names(machine);
            unknown("function", name, known.iter().map(String::as_str), machine);
        }
    }
    None
}

pub fn tier(words: &[String], machine: &mut dyn Machine) -> Done {
    match words {
        [] => all_tiers(machine),
        [name] => {
            if let Some(key) = find(name, machine) {
                one(key, machine);
            }
        }
        _ => return Done::Misused,
    }
    Done::Stay
}

/// How many functions had which tier at the end of the last boot.
fn all_tiers(machine: &mut dyn Machine) {
    let last = machine.learned().map(|learned| learned.profile.boots.last().cloned());
    let row = match last {
        Ok(Some(row)) => row,
        Ok(None) => return paragraph("no run is known yet", machine),
        Err(reason) => return paragraph(&reason, machine),
    };
    let compiled = [row.functions_baseline, row.functions_optimised, row.functions_specialised];
    let mut facts: Vec<Fact> =
        TIERS.iter().zip(compiled).map(|((name, _), count)| Fact { name, value: number(count) }).collect();
    let none = row.functions_total.saturating_sub(compiled.into_iter().fold(0, u64::saturating_add));
    facts.push(Fact { name: "not compiled", value: number(none) });
    write_facts(facts, machine);
}

fn one(key: FunctionKey, machine: &mut dyn Machine) {
    let status = machine.status(key);
    let facts = machine.learned().map(|learned| {
        let record = learned.profile.find(key);
        let mut facts = alloc::vec![Fact { name: "function", value: name_of(learned.names, key) }];
        facts.push(Fact { name: "tier", value: tier_in_words(status.as_ref(), record) });
        if let Some(record) = record {
            let rounds = record.blocks.iter().max().copied().unwrap_or(0);
            let (calls, rounds) = (per_boot(learned.profile, record.calls), per_boot(learned.profile, rounds));
            let ran = match rounds {
                0 => format!("{} per boot", number(calls)),
                _ => format!("{} per boot; its busiest loop or arm ran {} times", number(calls), number(rounds)),
            };
            facts.push(Fact { name: "calls", value: ran });
        }
        if let Some(status) = &status {
            let promoted = status.promoted;
            facts.push(Fact {
                name: "promoted",
                value: format!(
                    "at {} calls or {} rounds of a loop; its body has {} bytes of WebAssembly",
                    number(promoted.calls.optimise),
                    number(promoted.rounds),
                    number(status.body_bytes as u64)
                ),
            });
        }
        for site in record.into_iter().flat_map(|record| &record.sites).filter(|site| site.values.total > 0) {
            facts.push(Fact { name: "site", value: site_values(site, &|key| name_of(learned.names, key)) });
        }
        facts
    });
    match facts {
        Ok(facts) => write_facts(facts, machine),
        Err(reason) => paragraph(&reason, machine),
    }
}

fn tier_in_words(status: Option<&Status>, record: Option<&FunctionRecord>) -> String {
    let named = status.and_then(|status| Some((status, status.tier?)));
    match (named, record) {
        (Some((status, tier)), _) => {
            let name = TIERS.iter().find(|(_, known)| *known == tier).map_or("", |(name, _)| name);
            format!("{name}, {} bytes of machine code at {:#x}", number(status.code_bytes), status.address)
        }
        (None, None) => "none: it was never called".to_string(),
        (None, Some(_)) if status.is_some() => "none: it was not called in the last run".to_string(),
        (None, Some(record)) => {
            format!("nothing ran since power-on; {} bytes of machine code in the last boot", number(record.code_bytes))
        }
    }
}
