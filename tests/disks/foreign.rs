//! Disks of others beside the store: not one byte of theirs changes.

use super::{CONTROLLERS, expect_right_result, folder, small_store};
use crate::common::qemu::{Guest, format_store};
use bareflow::host::disk::FileDisk;
use bareflow::host::qemu::disk::{Chipset, Disk};
use bareflow::store::Store;
use bareflow::store::place::identifier;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOREIGN: [&str; 8] = ["ext4", "ntfs", "fat32", "luks", "lvm", "gpt", "mbr", "random"];
const BOOTS: usize = 10;

/// What `sha256sum` says about `images`.
fn hashes(images: &[PathBuf]) -> String {
    let output = Command::new("sha256sum").args(images).output().expect("sha256sum is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A machine with these disks, image number N on controller N + `turn`, all of them at once.
fn machine(images: &[PathBuf], turn: usize) -> Guest {
    let controller = |number: usize| CONTROLLERS[(number + turn) % CONTROLLERS.len()];
    let disks = images.iter().enumerate().map(|(number, image)| Disk::new(controller(number), image));
    disks.fold(Guest::program("micro_memcpy", &[]), Guest::disk).chipset(Chipset::ALL[turn % Chipset::ALL.len()])
}

fn store_id(image: &Path) -> String {
    let disk = FileDisk::open_read_only(image).expect("the store can be opened");
    identifier(&Store::open(disk).unwrap_or_else(|error| panic!("{error}")).id())
}

#[test]
#[ignore = "takes minutes and needs tools: ./just test-disks"]
fn disks_of_others_on_every_controller_stay_as_they_are() {
    let (own, others) = (folder(), folder());
    let made =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disks/foreign.sh")).arg(others.path()).output();
    let made = made.expect("the script can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let other_store = format_store(&others, &["--mib", "4"]);
    expect_right_result(&Guest::program("micro_memcpy", &[]).store(&other_store).run());
    let mut foreign: Vec<PathBuf> = FOREIGN.iter().map(|name| others.path().join(name)).collect();
    foreign.push(other_store);
    let before = hashes(&foreign);
    println!("{before}");
    let store = small_store(&own);
    let images = [&[store.clone()][..], &foreign].concat();

    let empty = fs::read(&store).expect("the store can be read");
    let boot = machine(&images, 0).run();
    expect_right_result(&boot);
    boot.expect("store: 2 fit, and none is used: ").expect("\"store\":\"none\"");
    assert!(fs::read(&store).expect("the store can be read") == empty, "a store was written that nobody named");

    let id = store_id(&store);
    for turn in 0..BOOTS {
        let boot = machine(&images, turn).words(&format!("store={id}")).run();
        expect_right_result(&boot);
        boot.expect(&format!("profile saved as generation {}\n", turn + 1));
        println!("boot {} of {BOOTS}: the store on {}", turn + 1, CONTROLLERS[turn % CONTROLLERS.len()].name());
        assert_eq!(hashes(&foreign), before, "{}", boot.log());
    }
}
