//! The sample programs, as processes: in every tier and from boot to boot they print what is written beside their source.

#[path = "common/processes.rs"]
mod processes;

use processes::{Boot, boots};
use std::fs;
use std::path::{Path, PathBuf};

/// The text that `concordance.expected` is about.
const TEXT: &str = "LICENSE";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// Every program beside which it is written what it prints.
fn samples() -> Vec<String> {
    let paths = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let expected = paths.filter(|path| path.extension().is_some_and(|extension| extension == "expected"));
    let mut names: Vec<String> = expected.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// Boots every sample so many times with these options; all must print what is expected. Gives each boot to `check`.
#[track_caller]
fn all_print_what_is_expected(count: usize, options: &[&str], check: fn(u64, &Boot) -> bool) {
    for name in samples() {
        let module = folder().join("../target/programs").join(&name).with_extension("wasm");
        assert!(module.is_file(), "{} is missing: build it with ./just programs", module.display());
        let expected = fs::read_to_string(folder().join(&name).with_extension("expected")).unwrap();
        let text = || vec![(TEXT, fs::read(folder().join("..").join(TEXT)).unwrap())];
        let (args, files) = if name == "concordance" { (vec![TEXT], text()) } else { Default::default() };
        for (number, boot) in (1..).zip(boots(count, &module, &args, &files, options)) {
            let place = format!("{name} {options:?}, boot {number}:\n{}", boot.stderr);
            assert_eq!((String::from_utf8_lossy(&boot.stdout), boot.exit), (expected.as_str().into(), 0), "{place}");
            assert!(check(number, &boot), "{place}");
        }
    }
}

#[test]
fn all_samples_print_what_is_expected_in_the_baseline() {
    all_print_what_is_expected(1, &["--highest", "baseline"], |_, boot| {
        boot.count("functions_baseline") > 0
            && boot.count("functions_optimised") + boot.count("functions_specialised") == 0
    });
}

#[test]
fn all_samples_print_what_is_expected_optimised() {
    all_print_what_is_expected(1, &["--lowest", "optimised", "--highest", "optimised"], |_, boot| {
        boot.count("functions_optimised") > 0
            && boot.count("functions_baseline") + boot.count("functions_specialised") == 0
    });
}

#[test]
fn all_samples_print_what_is_expected_from_boot_to_boot() {
    all_print_what_is_expected(3, &["--promote", "boots"], |number, boot| {
        let promoted = boot.count("functions_optimised") + boot.count("functions_specialised") > 0;
        boot.count("boot") == number && promoted == (number > 1)
    });
    all_print_what_is_expected(2, &[], |number, boot| boot.count("boot") == number);
}

#[test]
fn every_sample_has_its_line_in_the_list() {
    let list = fs::read_to_string(folder().join("README.md")).unwrap();
    for name in samples() {
        let mut lines = list.lines().filter_map(|line| line.strip_prefix("| `"));
        let named = lines.any(|line| line.split([' ', '`']).next() == Some(name.as_str()));
        assert!(named && folder().join(&name).with_extension("c").is_file(), "{name}");
    }
}
