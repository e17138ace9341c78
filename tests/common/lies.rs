//! Profiles that lie about a program, made of one that does not.
#![allow(dead_code)] // Each file of tests uses its own part.

use bareflow::profile::{BootRow, FunctionKey, FunctionRecord, Profile, SiteKind, SiteRecord, ValueCount};

/// What takes over a terminal, ends lines and cells, and opens tags.
pub const AWKWARD: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n,\"<script>&\u{202e}\u{7f}";

/// Whether `text` does nothing to a terminal but to print characters in lines.
pub fn is_harmless(text: &str) -> bool {
    text.chars().all(|char| char == '\n' || !(char.is_control() || ('\u{202a}'..='\u{202e}').contains(&char)))
}

/// Lies, each with a name.
pub fn lies(honest: &Profile) -> Vec<(&'static str, Profile)> {
    let lie = |name, change: fn(&mut Profile)| {
        let mut profile = honest.clone();
        change(&mut profile);
        profile.functions.sort_by_key(|function| function.key);
        (name, profile)
    };
    vec![
        lie("another program and CPU", |profile| (profile.program, profile.cpu) = (!profile.program, u64::MAX)),
        lie("functions of nobody", |profile| each(profile, |function| function.key.hash ^= 1)),
        lie("each function another one", |profile| {
            let keys: Vec<FunctionKey> = profile.functions.iter().map(|function| function.key).collect();
            let others = keys.iter().cycle().skip(1);
            profile.functions.iter_mut().zip(others).for_each(|(function, key)| function.key = *key);
        }),
        lie("as many calls as there can be", |profile| counts(profile, u64::MAX)),
        lie("no calls", |profile| counts(profile, 0)),
        lie("blocks that do not exist", |profile| {
            each(profile, |function| function.blocks = vec![u64::MAX; 2 * function.blocks.len() + 1]);
        }),
        lie("no blocks that ran", |profile| each(profile, |function| function.blocks.fill(0))),
        lie("sites that do not exist", |profile| {
            each(profile, |function| function.sites.extend(function.sites.clone()));
        }),
        lie("sites of the other kind", |profile| {
            sites(profile, |site| {
                site.kind = if site.kind == SiteKind::Size { SiteKind::Target } else { SiteKind::Size };
            });
        }),
        lie("callees that do not exist", |profile| {
            sites(profile, |site| site.callee = Some(FunctionKey { hash: 7, ordinal: u32::MAX }));
        }),
        lie("values out of range", |profile| sites(profile, |site| only(site, u64::MAX))),
        lie("targets past the last function", |profile| sites(profile, |site| only(site, u64::from(u32::MAX)))),
        lie("the wrong target and size", |profile| sites(profile, |site| only(site, 3))),
        lie("size and target zero", |profile| sites(profile, |site| only(site, 0))),
        lie("slots in disorder", |profile| sites(profile, |site| site.values.slots.reverse())),
        lie("names that take over terminals", |profile| {
            profile.boots.push(BootRow { boot: u64::MAX, program: AWKWARD.into(), ..BootRow::default() });
        }),
    ]
}

fn each(profile: &mut Profile, change: impl Fn(&mut FunctionRecord)) {
    profile.functions.iter_mut().for_each(change);
}

fn sites(profile: &mut Profile, change: impl Fn(&mut SiteRecord)) {
    each(profile, |function| function.sites.iter_mut().for_each(&change));
}

fn counts(profile: &mut Profile, count: u64) {
    profile.boots_observed = count;
    each(profile, |function| {
        [function.calls, function.ticks, function.generic_calls, function.generic_ticks] = [count; 4];
        function.code_bytes = count;
        function.blocks.fill(count);
    });
    sites(profile, |site| {
        [site.address_bits, site.guards_passed, site.guards_failed] = [count; 3];
        site.passes.fill(count);
    });
}

/// Has `site` have seen nothing but `value`, very often.
fn only(site: &mut SiteRecord, value: u64) {
    site.values.slots = vec![ValueCount { value, count: 1 << 40 }];
    (site.values.total, site.values.floor) = (1 << 40, 0);
    (site.chosen, site.passes) = (vec![value], vec![1 << 40]);
    site.dropped.clear();
}
