//! Stores on disks behind every controller, in QEMU. `./just test` runs the short ones, `./just test-disks` all of them.

mod common;

#[path = "disks/faults.rs"]
mod faults;
#[path = "disks/foreign.rs"]
mod foreign;
#[path = "disks/machines.rs"]
mod machines;
#[path = "disks/nbd.rs"]
mod nbd;
#[path = "disks/power.rs"]
mod power;
#[path = "disks/replay.rs"]
mod replay;
#[path = "disks/speed.rs"]
mod speed;

use bareflow::host::disk::FileDisk;
use bareflow::host::qemu::disk::{Chipset, Controller, Disk};
use bareflow::profile::Profile;
use bareflow::store::{BlockDevice, Store};
use common::qemu::{Boot, Guest, code, format_store};
use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::thread;
use tempfile::TempDir;

const CONTROLLERS: [Controller; 6] = Controller::ALL;

/// A program that is short enough for many boots and has something to specialise; it prints a checksum.
const PROGRAM: &str = "micro_memcpy";

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

/// A small store in `folder`: it is copied often.
fn small_store(folder: &TempDir) -> PathBuf {
    format_store(folder, &["--mib", "4"])
}

/// The program on the store that `disk` holds.
fn guest(disk: Disk) -> Guest {
    Guest::program(PROGRAM, &[]).disk(disk)
}

/// A machine to which this controller has to be added, where its own would hide a driver that knows only one place.
fn other_chipset(controller: Controller) -> Chipset {
    if controller == Controller::Ahci { Chipset::Pc } else { Chipset::Q35 }
}

/// What the program prints, by a process that has no disk.
fn output() -> &'static str {
    static OUTPUT: OnceLock<String> = OnceLock::new();
    OUTPUT.get_or_init(|| {
        let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/programs/{PROGRAM}.wasm"));
        let output = Command::new(env!("CARGO_BIN_EXE_bareflow")).arg("run").arg(wasm).output();
        String::from_utf8(output.expect("the bareflow command can be run").stdout).expect("the program prints text")
    })
}

/// Fails the test unless the program ran to its end and printed what it prints anywhere.
fn expect_right_result(boot: &Boot) {
    boot.expect_code(code::SUCCESS);
    assert_eq!(boot.output(), output(), "{}", boot.log());
}

/// A store after so many boots, one or two, for tests to copy. The next boot saves code only after one.
fn generations(boots: usize) -> &'static [u8] {
    static MADE: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = folder();
        let store = small_store(&folder);
        [1, 2].map(|_| {
            expect_right_result(&guest(Disk::new(Controller::Ide, &store)).run());
            fs::read(&store).expect("the store can be read")
        })
    });
    &made[boots - 1]
}

/// A copy of the store after so many boots.
fn copy_of_generations(folder: &TempDir, boots: usize) -> PathBuf {
    let store = folder.path().join("store.img");
    fs::write(&store, generations(boots)).expect("the temporary folder can be written");
    store
}

/// The generation that the store in `image` would start from; fails the test if it has none or its code is gone.
fn generation(image: &Path) -> u64 {
    generation_on(FileDisk::open_read_only(image).expect("the store can be opened"))
}

fn generation_on(disk: impl BlockDevice) -> u64 {
    let mut store = Store::open(disk).unwrap_or_else(|error| panic!("{error}"));
    let found = store.load_with(u64::MAX, Profile::decode);
    assert!(found.payload.is_some(), "{found}");
    let code = store.load_code(u64::MAX).unwrap_or_else(|fault| panic!("{found}; {fault}"));
    assert!(code.is_some(), "{found}; it has no code");
    found.generation
}

/// Gives each of `items` to `work`, two at a time; says of each what came of it as soon as it is known, and fails the test
/// at the end if one failed.
fn each<T: Sync>(items: &[T], name: impl Fn(&T) -> String + Sync, work: impl Fn(&T) -> String + Sync) {
    let next = Mutex::new(items.iter());
    let failure: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let worker = || {
        while let Some(item) = { next.lock().expect("no worker panics here").next() } {
            let result = catch_unwind(AssertUnwindSafe(|| work(item)));
            println!("{:<28} {}", name(item), result.as_deref().unwrap_or("FAILED"));
            if let Err(panic) = result {
                failure.lock().expect("no worker panics here").get_or_insert(panic);
            }
        }
    };
    thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(worker))));
    if let Some(panic) = failure.into_inner().expect("no worker panics here") {
        resume_unwind(panic);
    }
}
