//! The sample programs, five boots of each, every boot a process.

use std::path::{Path, PathBuf};

use crate::common::qemu::text;
use crate::processes::five_boots_that_settle;

fn sample(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs").join(name).with_extension("wasm");
    assert!(path.is_file(), "{} is missing: run these tests with ./just test", path.display());
    path
}

#[test]
fn concordance_compiles_nothing_from_the_third_boot_on() {
    let files = [("text.txt", text())];
    for options in [&[][..], &["--promote", "boots"], &["--highest", "baseline"], &["--lowest", "optimised"]] {
        let boots = five_boots_that_settle(&sample("concordance"), &["text.txt"], &files, options);
        assert!(String::from_utf8_lossy(&boots[0].stdout).contains("checksum of the records: "));
    }
}

#[test]
fn hello_and_copies_compile_nothing_from_the_third_boot_on() {
    let boots = five_boots_that_settle(&sample("hello"), &["two words"], &[], &[]);
    assert!(String::from_utf8_lossy(&boots[4].stdout).contains("two words"));
    five_boots_that_settle(&sample("micro_memcpy"), &["2000"], &[], &[]);
}

#[test]
fn programs_that_trap_do_so_at_every_boot() {
    for how in ["oob", "div", "unreachable", "stack", "indirect", "exit", ""] {
        let boots = five_boots_that_settle(&sample("traps"), &[how, "3"], &[], &[]);
        let reason = boots[4].report["reason"].as_str().unwrap_or_default();
        assert_eq!(boots[4].report["event"] == "trap", reason.starts_with("trap: "), "{how}: {reason}");
    }
}
