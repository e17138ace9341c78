//! What a profile holds, for people: boots, hot functions, specialised sites, what is alive and what is dead.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use bareflow::engine::decode::module::Module;
use bareflow::engine::decode::program::named_functions;
use bareflow::host;
use bareflow::libc::{self, Heap};
use bareflow::profile::{FunctionKey, FunctionRecord, ONE_BOOT, Profile, SiteKind, SiteRecord};

use crate::saved::Bodies;
use crate::text::{ascii_json, printable};

/// Rows that a person wants to see.
const HOTTEST: usize = 20;
/// Before the names of the libc's functions.
const LIBC_PREFIX: &str = "libc ";
/// Columns of a terminal, for lists of names.
const WIDTH: usize = 110;

pub fn show(profile: &Profile, json: bool, program: Option<&Path>) -> Result<()> {
    if json {
        println!("{}", ascii_json(&serde_json::to_string_pretty(profile)?));
        return Ok(());
    }
    show_boots(profile);
    let modules = modules(program)?;
    let names = names_of(&modules);
    show_hottest(profile, &names);
    show_sites(profile, &names);
    for module in modules.iter().filter(|module| module.is_of(profile)) {
        module.show(profile);
    }
    Ok(())
}

fn show_boots(profile: &Profile) {
    println!(
        "  boot    total ticks  program ticks  compile ticks  called  baseline  optimised  specialised  guards passed  failed"
    );
    for row in &profile.boots {
        println!(
            "{:>6}  {:>13}  {:>13}  {:>13}  {:>6}  {:>8}  {:>9}  {:>11}  {:>13}  {:>6}",
            row.boot,
            row.ticks_total,
            row.ticks_program,
            row.ticks_compile,
            row.functions_called,
            row.functions_baseline,
            row.functions_optimised,
            row.functions_specialised,
            row.guards_passed,
            row.guards_failed
        );
    }
}

/// Names of functions for people, those of the libc behind its own.
pub type Names = BTreeMap<FunctionKey, String>;

/// Of all functions that are known: the libc's, and the program's.
pub fn names(program: Option<&Path>) -> Result<Names> {
    Ok(names_of(&modules(program)?))
}

fn names_of(modules: &[Functions]) -> Names {
    modules.iter().flat_map(Functions::names).collect()
}

pub fn name(names: &Names, key: FunctionKey) -> String {
    names.get(&key).cloned().unwrap_or_else(|| format!("{:016x}", key.hash))
}

/// What `count` is in an average boot.
pub fn per_boot(profile: &Profile, count: u64) -> u64 {
    let boots = profile.boots_observed.max(ONE_BOOT);
    // No more than `count`.
    (u128::from(count) * u128::from(ONE_BOOT) / u128::from(boots)) as u64
}

fn show_hottest(profile: &Profile, names: &Names) {
    let mut functions: Vec<&FunctionRecord> = profile.functions.iter().collect();
    functions.sort_by_key(|record| Reverse((record.ticks, record.calls)));
    println!("\nThe {HOTTEST} hottest of {} functions seen, per boot:\n", functions.len());
    println!("       ticks       calls   code  function                  values at its sites");
    for record in functions.iter().take(HOTTEST) {
        let (ticks, calls) = (per_boot(profile, record.ticks), per_boot(profile, record.calls));
        let (name, values) = (name(names, record.key), most_frequent_values(record, names));
        println!("{ticks:>12}{calls:>12}{:>7}  {name:<24}  {values}", record.code_bytes);
    }
}

/// The most frequent value of each site that has one.
fn most_frequent_values(record: &FunctionRecord, names: &Names) -> String {
    let describe = |site: &SiteRecord| {
        let (top, share) = site.values.dominant()?;
        Some(format!("{} {} {}%", what(site, names), top.value, share / 10))
    };
    record.sites.iter().filter_map(describe).collect::<Vec<_>>().join(", ")
}

/// What the values of a site are: sizes for a function of the libc, or targets.
pub fn what(site: &SiteRecord, names: &Names) -> String {
    match (site.kind, site.callee) {
        (SiteKind::Target, _) => "target".to_string(),
        (SiteKind::Size, Some(callee)) => libc_name(names, callee),
        (SiteKind::Size, None) => "size".to_string(),
    }
}

/// The C name of a function of the libc.
fn libc_name(names: &Names, key: FunctionKey) -> String {
    name(names, key).trim_start_matches(LIBC_PREFIX).to_string()
}

/// Every site that the newest code has paths at, and how they went.
fn show_sites(profile: &Profile, names: &Names) {
    println!(
        "\nSites with paths of their own, in the last boot that ran them; ticks saved (~ estimated) as the generic body"
    );
    println!(
        "would have taken them, less those of the tests; and the share of the site's calls that took each path:\n"
    );
    println!("      passed      failed    rate   ticks saved  function                  specialised for");
    let bodies = Bodies::of(profile, |callee| libc_name(names, callee));
    for record in &profile.functions {
        for site in record.sites.iter().filter(|site| !site.chosen.is_empty()) {
            let (passed, failed) = (site.guards_passed, site.guards_failed);
            let what = what(site, names);
            let paths = site.chosen.iter().zip(&site.passes);
            let paths = paths.map(|(value, passes)| format!("{value} {:.0}%", percent(*passes, passed, failed)));
            let paths = paths.collect::<Vec<_>>().join(", ");
            let rate = percent(passed, passed, failed);
            let saved = bodies.saved(site, &what);
            let name = name(names, record.key);
            println!("{passed:>12}{failed:>12}{rate:>7.1}%{saved:>14}  {name:<24}  {what} {paths}");
        }
    }
}

/// The share of `part` in calls that passed or failed.
fn percent(part: u64, passed: u64, failed: u64) -> f64 {
    part as f64 * 100.0 / (passed as f64 + failed as f64).max(1.0)
}

/// The functions of one module.
struct Functions {
    title: &'static str,
    /// Before its names in lists of all functions.
    prefix: &'static str,
    /// By index: key, name for people, bytes of WebAssembly.
    all: Vec<(FunctionKey, String, usize)>,
}

/// The modules whose functions a profile may hold: the libc with either heap, and the program.
fn modules(program: Option<&Path>) -> Result<Vec<Functions>> {
    let mut modules = Vec::new();
    for heap in [Heap::Checked, Heap::Fast] {
        let module = Module::decode(heap.module()).context("the libc")?;
        modules.push(Functions::of("libc", LIBC_PREFIX, &module));
    }
    if let Some(path) = program {
        let source = host::module::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let module = Module::decode(source.bytes).with_context(|| format!("cannot use {}", path.display()))?;
        modules.push(Functions::of("program", "", &module));
    }
    Ok(modules)
}

impl Functions {
    fn of(title: &'static str, prefix: &'static str, module: &Module) -> Self {
        let named = named_functions(module).zip(&module.bodies);
        let all = named.map(|((key, name), body)| (key, printable(&name), body.as_bytes().len()));
        Self { title, prefix, all: all.collect() }
    }

    fn names(&self) -> impl Iterator<Item = (FunctionKey, String)> {
        self.all.iter().map(|(key, name, _)| (*key, format!("{}{name}", self.prefix)))
    }

    /// Whether `profile` is of a program with this module: of the two libcs, that with the heap it used.
    fn is_of(&self, profile: &Profile) -> bool {
        let other_heap = self.all.iter().any(|(_, name, _)| name == "heap_overflow");
        let checked = |(key, name, _): &(FunctionKey, String, usize)| name == "malloc" && profile.find(*key).is_some();
        !other_heap || self.all.iter().any(checked)
    }

    fn show(&self, profile: &Profile) {
        let record = |key: FunctionKey| profile.find(key).filter(|record| record.calls > 0);
        let (live, dead): (Vec<_>, Vec<_>) = self.all.iter().partition(|(key, ..)| record(*key).is_some());
        let code = live.iter().filter_map(|(key, ..)| record(*key)).map(|record| record.code_bytes);
        let code = code.fold(0_u64, u64::saturating_add);
        let removed: usize = dead.iter().map(|(_, _, bytes)| bytes).sum();
        let (title, total) = (self.title, self.all.len());
        let share = live.len() * 100 / total.max(1);
        println!(
            "\nThe {title}: {} of {total} functions live ({share} %), {code} bytes of machine code; {} dead, {removed} bytes of \
             WebAssembly never compiled",
            live.len(),
            dead.len()
        );
        if !self.prefix.is_empty() {
            let offered = |list: &[&(FunctionKey, String, usize)]| {
                list.iter().filter(|(_, name, _)| libc::find(name).is_some()).count()
            };
            let (live, all) = (offered(&live), libc::functions().len());
            println!("Of the {all} C functions that it offers, {live} are live ({} %)", live * 100 / all);
        }
        let (replaced, dead): (Vec<_>, Vec<_>) =
            dead.into_iter().partition(|(_, name, _)| self.prefix.is_empty() && libc::find(name).is_some());
        list("Dead", dead.into_iter().map(|(_, name, _)| name.as_str()));
        if !replaced.is_empty() {
            list("Dead because the libc's took their place", replaced.into_iter().map(|(_, name, _)| name.as_str()));
        }
    }
}

/// Prints names in lines of a terminal's width.
fn list<'a>(title: &str, names: impl Iterator<Item = &'a str>) {
    let mut line = format!("{title}:");
    for name in names {
        if line.len() + name.len() >= WIDTH {
            println!("{line}");
            line = " ".to_string();
        }
        line += " ";
        line += name;
    }
    println!("{line}");
}
