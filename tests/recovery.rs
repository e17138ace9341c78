//! Crashes and damage, in QEMU: whatever happened to the store, the next boot comes up and says what it starts from.

mod common;

use bareflow::store::SECTOR_BYTES;
use common::qemu::{Boot, Guest, TIMEOUT, code, format_store, fresh_store};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// First sector of slot 0 (`src/store/FORMAT.md`).
const FIRST_SLOT: u64 = 16;
/// From a slot's header to its payload.
const PAYLOAD: u64 = 8;

/// A store with two generations.
struct TwoGenerations {
    bytes: Vec<u8>,
    /// What the program prints.
    output: String,
}

impl TwoGenerations {
    /// They are made once for all tests.
    fn get() -> &'static Self {
        static MADE: OnceLock<TwoGenerations> = OnceLock::new();
        MADE.get_or_init(|| {
            let folder = TempDir::new().expect("a temporary folder can be made");
            // Small, for it is copied for every test.
            let store = format_store(&folder, &["--mib", "4"]);
            let boots = [1, 2].map(|_| program(&store));
            TwoGenerations { bytes: fs::read(store).expect("the store can be read"), output: boots[1].output() }
        })
    }

    /// A copy of the store, to be damaged.
    fn copy(&self) -> (TempDir, PathBuf) {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let path = folder.path().join("store.img");
        fs::write(&path, &self.bytes).expect("the temporary folder can be written");
        (folder, path)
    }

    /// Boots on the store's first `length` bytes; the line that says what it started from.
    fn boot_cut(&self, length: u64) -> String {
        let (_folder, store) = self.copy();
        let file = OpenOptions::new().write(true).open(&store);
        file.and_then(|file| file.set_len(length)).expect("the store can be cut");
        self.boot(&store)
    }

    /// Boots on `store`, which must work as ever; the line that says what it started from.
    fn boot(&self, store: &Path) -> String {
        let boot = program(store);
        assert_eq!(boot.output(), self.output, "{}", boot.log());
        let lines = boot.kernel_lines();
        let line = lines.into_iter().find(|line| line.starts_with("store: "));
        line.unwrap_or_else(|| panic!("nothing is said about the store\n{}", boot.log()))
    }

    /// Where the slot that holds `generation` begins, and where its payload begins and ends, in bytes. An end of zeros
    /// is not counted: without it nothing is lost.
    fn slot(&self, generation: u64) -> [u64; 3] {
        let word = |offset: u64| u64::from_le_bytes(std::array::from_fn(|byte| self.bytes[offset as usize + byte]));
        let slot_sectors = word(40);
        let slots = [0, 1].map(|slot| (FIRST_SLOT + slot * slot_sectors) * SECTOR_BYTES as u64);
        let slot = slots.into_iter().find(|slot| word(slot + 8) == generation);
        let slot = slot.unwrap_or_else(|| panic!("generation {generation} is in no slot"));
        let payload = slot + PAYLOAD * SECTOR_BYTES as u64;
        let bytes = &self.bytes[payload as usize..(payload + word(slot + 32)) as usize];
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
        [slot, payload, payload + used]
    }
}

/// Runs a program that is short enough for many boots and has something to specialise; prints a checksum.
fn program(store: &Path) -> Boot {
    let boot = Guest::program("micro_memcpy", &[]).store(store).run();
    boot.expect_code(code::SUCCESS).expect("copies of 512 bytes, checksum ");
    boot
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
fn a_power_failure_while_saving_leaves_the_old_or_the_new_generation() {
    let stores = TwoGenerations::get();
    for delay_ms in [0, 3, 9] {
        let (_folder, store) = stores.copy();
        let (_guest, mut running) = Guest::program("micro_memcpy", &[]).store(&store).start();
        running.wait_for(", checksum ", TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
        thread::sleep(Duration::from_millis(delay_ms));
        running.kill();
        let line = stores.boot(&store);
        assert!(["2", "3"].iter().any(|whole| line == format!("store: starting from generation {whole}")), "{line}");
    }
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
    const DISTRUST: &str =
        "the last 3 boots did not end (power cut, hang or panic); running without optimised code this time";
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    program(&store);
    for _ in 0..3 {
        let text = cut_power(&store);
        assert!(!text.contains(DISTRUST), "{text}");
    }
    let boot = program(&store);
    let row = boot.expect(DISTRUST).row();
    assert_eq!((row.functions_optimised, row.functions_specialised), (0, 0), "{}", boot.log());
    let next = program(&store);
    assert!(!next.text().contains(DISTRUST) && next.row().functions_specialised > 0, "{}", next.log());
}

#[test]
fn a_store_cut_anywhere_in_its_newest_generation_starts_from_the_one_before() {
    let stores = TwoGenerations::get();
    let [slot, payload, end] = stores.slot(2);
    for length in [slot, slot + 100, payload + 1, end - 1] {
        let line = stores.boot_cut(length);
        assert!(line.starts_with("store: starting from generation 1; the disk has "), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_store_cut_after_its_newest_generation_loses_nothing() {
    let stores = TwoGenerations::get();
    let [_, _, end] = stores.slot(2);
    let line = stores.boot_cut(end);
    assert!(line.starts_with("store: starting from generation 2; the disk has "), "{line}");
}

#[test]
fn a_store_cut_before_its_generations_starts_empty() {
    let [_, _, end] = TwoGenerations::get().slot(1);
    for length in [512, 1000, 16 * 512 + 511, 24 * 512, end - 1] {
        let line = TwoGenerations::get().boot_cut(length);
        assert!(line.starts_with("store: starting empty; the disk has "), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_store_cut_inside_its_first_sector_is_no_store_or_a_damaged_one() {
    for (length, expected) in [
        (1, "store: no disk holds a store: "),
        (511, "is damaged; restore it from a copy, or run `bareflow store format FILE`"),
    ] {
        let line = TwoGenerations::get().boot_cut(length);
        assert!(line.contains(expected), "cut to {length} bytes: {line}");
    }
}

#[test]
fn a_store_cut_to_nothing_is_a_disk_without_sectors() {
    let (_folder, store) = TwoGenerations::get().copy();
    File::create(&store).expect("the store can be cut");
    let boot = program(&store);
    boot.expect(": the disk has no sectors").expect("there is no store disk; running unprofiled");
    assert_eq!(boot.output(), TwoGenerations::get().output, "{}", boot.log());
}

#[test]
fn a_damaged_newest_generation_gives_way_to_the_one_before() {
    let stores = TwoGenerations::get();
    let [slot, payload, _] = stores.slot(2);
    for (offset, reason) in [(slot + 9, "the header is damaged"), (payload + 77, "generation 2 has checksum ")] {
        let (_folder, store) = stores.copy();
        damage(&store, offset);
        let line = stores.boot(&store);
        assert!(line.starts_with("store: starting from generation 1; slot "), "{line}");
        assert!(line.contains(reason), "{line}");
        // What that boot committed is whole again, in the place of what was damaged.
        let line = stores.boot(&store);
        assert!(["2", "3"].iter().any(|new| line == format!("store: starting from generation {new}")), "{line}");
    }
}

#[test]
fn two_damaged_generations_leave_an_empty_store_that_learns_again() {
    let stores = TwoGenerations::get();
    let (_folder, store) = stores.copy();
    for generation in [1, 2] {
        damage(&store, stores.slot(generation)[1]);
    }
    let line = stores.boot(&store);
    assert!(line.starts_with("store: starting empty; slot "), "{line}");
    let line = stores.boot(&store);
    assert!(line.starts_with("store: starting from generation "), "{line}");
}
