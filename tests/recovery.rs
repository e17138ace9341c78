//! Crashes and damage, in QEMU: whatever happened to the store, the next boot comes up and says what it starts from.

mod common;

use bareflow::store::SECTOR_BYTES;
use common::qemu::{Boot, Guest, TIMEOUT, code, fresh_store};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// First sector of slot 0 (`src/store/FORMAT.md`).
const FIRST_SLOT: u64 = 16;
/// From a slot's header to its payload.
const PAYLOAD: u64 = 8;

/// A store with two generations of the sample program.
struct TwoGenerations {
    folder: TempDir,
    store: PathBuf,
    /// What the program prints.
    output: String,
}

impl TwoGenerations {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let store = fresh_store(&folder);
        let boots = [1, 2].map(|_| concordance(&store));
        TwoGenerations { folder, store, output: boots[1].output() }
    }

    /// A copy of the store, to be damaged.
    fn copy(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::copy(&self.store, &path).expect("the temporary folder can be written");
        path
    }

    /// Boots on `store`, which must work as ever; the line that says what it started from.
    fn boot(&self, store: &Path) -> String {
        let boot = concordance(store);
        assert_eq!(boot.output(), self.output, "{}", boot.log());
        let lines = boot.kernel_lines();
        let line = lines.into_iter().find(|line| line.starts_with("store: "));
        line.unwrap_or_else(|| panic!("nothing is said about the store\n{}", boot.log()))
    }

    /// Byte offset of the slot that holds `generation`, and the length of its payload.
    fn slot(&self, generation: u64) -> (u64, u64) {
        let bytes = fs::read(&self.store).expect("the store can be read");
        let word = |offset: u64| u64::from_le_bytes(std::array::from_fn(|byte| bytes[offset as usize + byte]));
        let slot_sectors = word(40);
        let slots = [0, 1].map(|slot| (FIRST_SLOT + slot * slot_sectors) * SECTOR_BYTES as u64);
        let slot = slots.into_iter().find(|slot| word(slot + 8) == generation);
        let slot = slot.unwrap_or_else(|| panic!("generation {generation} is in no slot"));
        (slot, word(slot + 32))
    }
}

fn concordance(store: &Path) -> Boot {
    let boot = Guest::concordance().store(store).run();
    boot.expect_code(code::SUCCESS);
    boot
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length)).expect("the store can be cut");
}

/// Changes one byte.
fn damage(path: &Path, offset: u64) {
    let mut bytes = fs::read(path).expect("the store can be read");
    bytes[offset as usize] ^= 0x10;
    fs::write(path, bytes).expect("the store can be written");
}

/// Starts `traps spin` and cuts the power once it is running.
fn cut_power(store: &Path) -> String {
    let (_guest, mut running) = Guest::program("traps", &["spin"]).store(store).start();
    running.wait_for("ending by: spin", TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    running.kill().serial.kernel_text()
}

#[test]
fn a_power_failure_during_a_run_costs_only_that_run() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let ends = || Guest::program("traps", &["exit", "0"]).store(&store).run();
    ends().expect_code(code::SUCCESS).expect("bareflow: store: starting empty\n");
    cut_power(&store);
    let boot = ends();
    boot.expect_code(code::SUCCESS).expect("bareflow: store: starting from generation 1\n");
    assert_eq!((boot.row().boot, boot.row().generation), (2, 1), "{}", boot.log());
}

#[test]
fn a_power_failure_in_the_first_run_leaves_an_empty_store() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    cut_power(&store);
    let boot = Guest::program("traps", &["exit", "0"]).store(&store).run();
    boot.expect_code(code::SUCCESS).expect("bareflow: store: starting empty\n").expect("\"boot\":1,");
}

#[test]
fn after_three_power_failures_the_program_runs_without_optimised_code() {
    const DISTRUST: &str = "the last boots did not end; running without optimised code this time";
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    concordance(&store);
    for _ in 0..3 {
        let text = cut_power(&store);
        assert!(!text.contains(DISTRUST), "{text}");
    }
    let boot = concordance(&store);
    let row = boot.expect(DISTRUST).row();
    assert_eq!((row.functions_optimised, row.functions_specialised), (0, 0), "{}", boot.log());
    let next = concordance(&store);
    assert!(!next.text().contains(DISTRUST) && next.row().functions_specialised > 0, "{}", next.log());
}

#[test]
fn a_store_cut_anywhere_in_its_newest_generation_starts_from_the_one_before() {
    let stores = TwoGenerations::new();
    let (slot, payload_bytes) = stores.slot(2);
    let (_, payload) = (slot, slot + PAYLOAD * SECTOR_BYTES as u64);
    let lengths = [slot, slot + 100, slot + 512, payload, payload + 1, payload + payload_bytes / 2];
    for length in [&lengths[..], &[payload + payload_bytes - 1]].concat() {
        let store = stores.copy("cut.img");
        cut(&store, length);
        let line = stores.boot(&store);
        assert!(line.starts_with("store: starting from generation 1; the disk has "), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_store_cut_after_its_newest_generation_loses_nothing() {
    let stores = TwoGenerations::new();
    let (slot, payload_bytes) = stores.slot(2);
    let store = stores.copy("cut.img");
    cut(&store, slot + PAYLOAD * SECTOR_BYTES as u64 + payload_bytes);
    let line = stores.boot(&store);
    assert!(line.starts_with("store: starting from generation 2; the disk has "), "{line}");
}

#[test]
fn a_store_cut_before_its_generations_starts_empty() {
    let stores = TwoGenerations::new();
    for length in [512, 1000, 8 * 512, 8 * 512 + 100, 16 * 512, 16 * 512 + 511, 24 * 512, 24 * 512 + 700] {
        let store = stores.copy("cut.img");
        cut(&store, length);
        let line = stores.boot(&store);
        assert!(line.starts_with("store: starting empty; the disk has "), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_store_cut_inside_its_first_sector_is_called_damaged() {
    let stores = TwoGenerations::new();
    for (length, expected) in
        [(511, "is damaged; restore it from a copy"), (1, "holds no store; run `bareflow store format")]
    {
        let store = stores.copy("cut.img");
        cut(&store, length);
        let line = stores.boot(&store);
        assert!(line.contains(expected), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_damaged_newest_generation_gives_way_to_the_one_before() {
    let stores = TwoGenerations::new();
    let (slot, _) = stores.slot(2);
    let payload = slot + PAYLOAD * SECTOR_BYTES as u64;
    for (offset, reason) in [(slot + 9, "the header is damaged"), (payload + 77, "generation 2 has checksum ")] {
        let store = stores.copy("damaged.img");
        damage(&store, offset);
        let line = stores.boot(&store);
        assert!(line.starts_with("store: starting from generation 1; slot "), "{line}");
        assert!(line.contains(reason), "{line}");
        // What the next boots commit is whole again, in the place of what was damaged.
        assert_eq!(stores.boot(&store), "store: starting from generation 2");
    }
}

#[test]
fn two_damaged_generations_leave_an_empty_store_that_learns_again() {
    let stores = TwoGenerations::new();
    let store = stores.copy("damaged.img");
    for generation in [1, 2] {
        damage(&store, stores.slot(generation).0 + PAYLOAD * SECTOR_BYTES as u64);
    }
    let line = stores.boot(&store);
    assert!(line.starts_with("store: starting empty; slot "), "{line}");
    let line = stores.boot(&store);
    assert!(line.starts_with("store: starting from generation "), "{line}");
}
