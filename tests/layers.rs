//! Holds the source to its layer rule and to the other rules that the compiler does not know.
//!
//! The layers are the modules of `src/lib.rs`, the rooms of the engine those of `src/engine/mod.rs`: each may name only those
//! after it. Test code is exempt, and so is what a module shares with all below it.

#[path = "layers/source.rs"]
mod source;

use source::{Source, sources};
use std::collections::BTreeMap;
use std::path::Path;

/// Layers that know neither machine nor operating system.
const PURE: [&str; 7] = ["script", "shell", "session", "wasi", "libc", "profile", "store"];
/// What a pure layer never names, wherever that stands in the order.
const MACHINE: [&str; 4] = ["arch", "memory", "drivers", "host"];
/// Where `unsafe` may stand: what touches the machine, the one call into compiled code, the kernel's entry, and where the
/// kernel takes over what the loader left and hands each device its ports.
const UNSAFE: [&str; 13] = [
    "src/arch/",
    "src/memory/",
    "src/drivers/",
    "src/host/",
    "src/engine/run/enter.rs",
    "src/bin/kernel.rs",
    "src/kernel/boot_information.rs",
    "src/kernel/boot_information_tests.rs",
    "src/kernel/devices.rs",
    "src/kernel/faults.rs",
    "src/kernel/mod.rs",
    "src/kernel/screen.rs",
    "src/kernel/selftest/",
];
const MAX_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with every finding on a line of its own.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
}

#[test]
fn layers_name_only_layers_below_them() {
    assert_none("a layer names one above it", &all_upward_names("crate", "src/lib.rs"));
}

#[test]
fn rooms_of_the_engine_name_only_rooms_below_them() {
    assert_none("a room names one above it", &all_upward_names("crate::engine", "src/engine/mod.rs"));
}

#[test]
fn files_of_the_libc_benchmark_name_each_other_in_no_circle() {
    let stem = |source: &Source| source.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs").to_owned();
    let names = |source: &Source| source.names_in("crate").into_iter().map(|(_, name)| name).collect();
    let files: Vec<Source> = sources(root(), "benches/libc");
    let mut left: BTreeMap<String, Vec<String>> = files.iter().map(|source| (stem(source), names(source))).collect();
    assert!(left.values().flatten().count() > left.len(), "found {left:?}");
    // The next one without a name of those that are left, as long as there is one.
    while let Some(file) = left.keys().find(|file| !left[*file].iter().any(|name| left.contains_key(name))).cloned() {
        left.remove(&file);
    }
    assert!(left.is_empty(), "these name each other in a circle, or files that do: {left:?}");
}

#[test]
fn pure_layers_forbid_unsafe_and_never_name_the_machine() {
    let sources = sources(root(), "src");
    for layer in PURE {
        let path = format!("src/{layer}/mod.rs");
        let module = sources.iter().find(|source| source.path == path).unwrap_or_else(|| panic!("{path} is missing"));
        assert!(module.code().contains("#![forbid(unsafe_code)]"), "{path} does not forbid unsafe code");
    }
    assert_none("a pure layer names the machine", &sources.iter().flat_map(machine_names).collect::<Vec<_>>());
}

#[test]
fn unsafe_stands_only_in_the_layers_that_touch_the_machine() {
    let outside = |source: &&Source| !UNSAFE.iter().any(|allowed| source.path.starts_with(allowed));
    let findings: Vec<String> = sources(root(), "src").iter().filter(outside).flat_map(unsafe_words).collect();
    assert_none("unsafe stands outside its layers", &findings);
}

#[test]
fn features_choose_modules_and_nothing_smaller() {
    let findings: Vec<String> = sources(root(), "src").iter().flat_map(features_inside_code).collect();
    assert_none("cfg(feature) stands on something other than a module or an import", &findings);
}

#[test]
fn files_are_short_and_named_after_what_they_hold() {
    let mut findings = Vec::new();
    for source in sources(root(), "src") {
        if source.lines > MAX_LINES {
            findings.push(format!("{}: {} lines, at most {MAX_LINES}", source.path, source.lines));
        }
        if source.path.ends_with("/utils.rs") || source.path.ends_with("/util.rs") {
            findings.push(format!("{}: say what it holds", source.path));
        }
    }
    assert_none("a file is too long or has a name that says nothing", &findings);
}

/// What modules in `parent` name against the order in which they stand in the file `listed`.
fn all_upward_names(parent: &str, listed: &str) -> Vec<String> {
    let sources = sources(root(), "src");
    let order = sources.iter().find(|source| source.path == listed).map(Source::modules).unwrap_or_default();
    assert!(order.len() > 5, "{listed} lists the modules in order, found {order:?}");
    sources.iter().flat_map(|source| upward_names(source, parent, &order)).collect()
}

/// Modules in `parent` that `source` names although they stand above its own in `order`.
fn upward_names(source: &Source, parent: &str, order: &[String]) -> Vec<String> {
    let rank = |name: &str| order.iter().position(|module| module == name);
    let Some(own) = source.member_of(parent).and_then(rank) else { return Vec::new() };
    let above = |name: &str| rank(name).is_some_and(|named| named < own);
    let names = source.names_in(parent).into_iter().filter(|(_, name)| above(name));
    names.map(|(line, name)| format!("{}:{line}: {parent}::{name}", source.path)).collect()
}

/// The layer that `source` is in, if any.
fn layer(source: &Source) -> &str {
    source.member_of("crate").unwrap_or("")
}

fn machine_names(source: &Source) -> Vec<String> {
    if !PURE.contains(&layer(source)) {
        return Vec::new();
    }
    let names = source.names_in("crate").into_iter().filter(|(_, name)| MACHINE.contains(&name.as_str()));
    names.map(|(line, name)| format!("{}:{line}: crate::{name}", source.path)).collect()
}

fn unsafe_words(source: &Source) -> Vec<String> {
    source.words().filter(|(_, word)| *word == "unsafe").map(|(line, _)| format!("{}:{line}", source.path)).collect()
}

/// Uses of `cfg(... feature ...)` after which neither a module, an import nor another attribute begins.
fn features_inside_code(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.code().lines().map(str::trim).collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !(line.contains("cfg") && source::has_word(line, "feature")) {
            continue;
        }
        let item = lines[index + 1..].iter().find(|next| !next.is_empty() && !next.starts_with("#["));
        let begins =
            |item: &&str| ["mod ", "use ", "extern crate "].iter().any(|start| visible(item).starts_with(start));
        if !line.starts_with("#[cfg(") || !item.is_some_and(begins) {
            findings.push(format!("{}:{}: {line}", source.path, index + 1));
        }
    }
    findings
}

/// An item without its visibility.
fn visible(item: &str) -> &str {
    let rest = item.strip_prefix("pub").unwrap_or(item);
    let rest = rest.strip_prefix("(crate)").or(rest.strip_prefix("(super)")).unwrap_or(rest);
    rest.trim_start()
}

mod the_scanner {
    use super::*;

    fn order() -> Vec<String> {
        ["host", "kernel", "wasi", "engine", "libc", "profile", "store", "drivers", "memory", "arch"]
            .map(String::from)
            .into()
    }

    fn upward(path: &str, text: &str) -> Vec<String> {
        upward_names(&Source::parse(path, text), "crate", &order())
    }

    #[test]
    fn finds_upward_paths_alone_and_in_groups() {
        let text = "use crate::engine::X;\nfn f() { crate::profile::g() }\nuse crate::{store::A, wasi::{B, C}};\n";
        assert_eq!(
            upward("src/store/commit.rs", text),
            [
                "src/store/commit.rs:1: crate::engine",
                "src/store/commit.rs:2: crate::profile",
                "src/store/commit.rs:3: crate::wasi",
            ]
        );
        assert!(upward("src/engine/mod.rs", "use crate::{libc, profile::{engine, Y}, store, engine::Z};").is_empty());
    }

    #[test]
    fn finds_upward_paths_inside_of_a_module() {
        let rooms = ["run", "link", "cache", "layout"].map(String::from);
        let upward = |path, text| upward_names(&Source::parse(path, text), "crate::engine", &rooms);
        let text = "use crate::engine::{Engine, run::{a, b}, layout};\nuse super::run;\nuse super::super::link::X;\n\
                    use crate::{libc, engine::{layout::{link, Y}, link::*}};\nfn f() { crate::engine::run() }\n";
        assert_eq!(
            upward("src/engine/cache/load.rs", text),
            [
                "src/engine/cache/load.rs:1: crate::engine::run",
                "src/engine/cache/load.rs:3: crate::engine::link",
                "src/engine/cache/load.rs:4: crate::engine::link",
                "src/engine/cache/load.rs:5: crate::engine::run",
            ]
        );
        assert_eq!(upward("src/engine/layout.rs", "use super::link;"), ["src/engine/layout.rs:1: crate::engine::link"]);
        assert_eq!(upward("src/engine/cache/mod.rs", "use super::link;").len(), 1);
        assert!(upward("src/engine/mod.rs", "use run::X;").is_empty() && upward("src/run/mod.rs", text).is_empty());
    }

    #[test]
    fn reads_neither_comments_nor_strings_nor_test_code() {
        let text = "// crate::wasi\n/* crate::wasi /* */ crate::wasi */\nconst A: &str = \"crate::wasi\\\"\"; // x\n\
                    const B: &str = r#\"crate::wasi\"#;\nfn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }\n\
                    #[cfg(test)]\nmod tests { use crate::wasi; mod deep { } use crate::kernel; }\nuse crate::host::Z;\n";
        assert_eq!(upward("src/store/mod.rs", text), ["src/store/mod.rs:8: crate::host"]);
    }

    #[test]
    fn finds_the_machine_in_pure_layers_even_below_them() {
        let source = Source::parse("src/profile/a.rs", "use super::memory;\nuse crate::memory::Frames;\n");
        assert_eq!(machine_names(&source), ["src/profile/a.rs:2: crate::memory"]);
        assert!(machine_names(&Source::parse("src/kernel/a.rs", "use crate::memory::Frames;")).is_empty());
    }

    #[test]
    fn finds_unsafe_as_a_word_only() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nfn f() { unsafe { g() } }\nunsafe impl Send for X {}\n";
        assert_eq!(unsafe_words(&Source::parse("src/wasi/a.rs", text)), ["src/wasi/a.rs:3", "src/wasi/a.rs:4"]);
    }

    #[test]
    fn finds_features_that_choose_less_than_a_module() {
        let text = "#[cfg(feature = \"host\")]\n#[path = \"a.rs\"]\npub(crate) mod a;\n#[cfg(feature = \"host\")]\nuse a::b;\n\
                    #[cfg(feature = \"host\")]\nfn f() {}\nfn g() { if cfg!(feature = \"host\") {} }\n#[cfg(unix)]\nfn h() {}\n";
        let findings = features_inside_code(&Source::parse("src/x/mod.rs", text));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("src/x/mod.rs:6") && findings[1].starts_with("src/x/mod.rs:8"));
    }

    #[test]
    fn leaves_out_files_that_are_declared_for_tests() {
        let text = "#[cfg(test)]\nmod tests;\nmod real;\n#[cfg(test)]\npub(crate) mod fake;\n";
        assert_eq!(Source::parse("src/x/mod.rs", text).test_modules(), ["src/x/tests", "src/x/fake"]);
        assert_eq!(Source::parse("src/x/y.rs", text).test_modules(), ["src/x/y/tests", "src/x/y/fake"]);
    }

    #[test]
    fn reads_the_order_of_the_layers() {
        let text =
            "extern crate alloc;\n#[cfg(feature = \"host\")]\npub mod host;\n// pub mod no;\npub mod wasi;\nmod own;\n";
        assert_eq!(Source::parse("src/lib.rs", text).modules(), ["host", "wasi", "own"]);
    }
}
