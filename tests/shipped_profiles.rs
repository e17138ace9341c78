//! The profiles that ship in images: they can be read, and whatever is made of them, programs do the same.

#[path = "common/lies.rs"]
mod lies;

use bareflow::profile::Profile;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

#[test]
fn every_shipped_profile_can_be_read_and_knows_functions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("profiles is part of the checkout") {
        let path = entry.expect("profiles can be listed").path();
        if path.extension().is_none_or(|extension| extension != "bfprof") {
            continue;
        }
        let bytes = fs::read(&path).expect("a profile can be read");
        let profile = Profile::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!profile.functions.is_empty(), "{} knows nothing", path.display());
        found += 1;
    }
    assert!(found > 0, "./just iso expects a profile of the sample program");
}

/// Runs the sample program on a text with words of many lengths.
fn concordance(folder: &Path, options: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs/concordance.wasm");
    assert!(program.is_file(), "{} is missing: run these tests with ./just test", program.display());
    let words = (0..4000_u32).map(|n| "abcdefghijklmnop"[..(n * n % 17) as usize % 16 + 1].to_owned() + " ");
    fs::write(folder.join("text.txt"), words.collect::<String>()).expect("the folder can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.current_dir(folder).args(["run", "--file", "text.txt"]).args(options).arg(program).arg("text.txt");
    command.output().expect("the command runs")
}

#[test]
fn a_profile_that_lies_changes_no_output_at_any_tier() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let expected = concordance(folder.path(), &["--highest", "baseline"]);
    assert!(expected.status.success() && !expected.stdout.is_empty(), "{expected:?}");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/concordance.bfprof");
    let honest = Profile::decode(&fs::read(shipped).expect("it ships")).expect("it can be read");
    let tiers = [
        &[][..],
        &["--promote", "boots"],
        &["--lowest", "specialised"],
        &["--lowest", "optimised", "--highest", "optimised"],
        &["--highest", "baseline"],
    ];
    for (name, lie) in lies::lies(&honest) {
        fs::write(folder.path().join("lie.bfprof"), lie.encode().expect("there is memory")).expect("it can be written");
        for options in tiers {
            let output = concordance(folder.path(), &[&["--profile", "lie.bfprof"], options].concat());
            assert!(output.stdout == expected.stdout && output.status.success(), "{name} {options:?}: {output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            let used = said.contains("starting from the shipped profile");
            let refused = said.contains("the shipped profile is not used");
            assert!(lies::is_harmless(&said) && (used || refused), "{name} {options:?}: {said:?}");
        }
    }
}
