//! Where stores may be: what `bareflow store` makes, refuses and shows, and that nothing beside a store is written to.

mod common;
#[path = "common/inline.rs"]
mod inline;
#[path = "common/partitions.rs"]
mod partitions;

use bareflow::store::place::PARTITION_TYPE;
use common::qemu::{Guest, code};
use inline::{Program, bareflow};
use partitions::{LINUX, assert_same_outside, partitioned};
use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Status, output and complaints of `bareflow store ...`, the last word of which is a file.
fn store(words: &[&str], file: &Path) -> (i32, String, String) {
    command(words.iter().map(OsStr::new).chain([file.as_os_str()]), "store")
}

fn command<'a>(words: impl Iterator<Item = &'a OsStr>, first: &str) -> (i32, String, String) {
    let output = bareflow().arg(first).args(words).output().unwrap();
    let [out, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code().unwrap(), out, said)
}

fn image(name: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// A small program, and its boots on the store in `file` as processes.
fn run(file: &Path) -> (i32, String) {
    let program = Program::wat(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let path = program.path();
    let words = [OsStr::new("--store"), file.as_os_str(), path.as_os_str()];
    let (status, _, said) = command(words.into_iter(), "run");
    (status, said)
}

const OURS: Range<u64> = 4096..12288;

/// 8 MiB with a partition of somebody else and one of ours.
fn two_partitions(path: &Path) -> Vec<u8> {
    partitioned(path, 8, &[(LINUX, 2048..4096), (&PARTITION_TYPE.to_string(), OURS)]);
    let mut bytes = fs::read(path).unwrap();
    bytes[2048 * 512..4096 * 512].fill(0x5a);
    fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn blank_image_is_formatted_and_anything_else_only_by_force() {
    let (_folder, file) = image("disk.img");
    fs::write(&file, vec![0; 1 << 20]).unwrap();
    assert_eq!(store(&["format"], &file).0, 0);
    let (status, _, said) = store(&["format"], &file);
    assert_eq!(status, 1);
    assert!(
        said.contains("disk.img holds a store of BareFlow's that remembers nothing, which would be lost"),
        "{said}"
    );
    assert_eq!(run(&file).0, 0);
    let before = fs::read(&file).unwrap();
    let said = store(&["format"], &file).2;
    assert!(said.contains("a store of BareFlow's with 1 boots, the last one of "), "{said}");
    let mut ext4 = vec![0; 1 << 20];
    ext4[1080..1082].copy_from_slice(&[0x53, 0xef]);
    for (bytes, name) in [(ext4, "a file system (ext2)"), (vec![7; 65536], "data of a kind that is not known")] {
        fs::write(&file, &bytes).unwrap();
        let (status, _, said) = store(&["format"], &file);
        assert!(status == 1 && said.contains(name) && said.contains("Say --force"), "{said}");
        assert_eq!(fs::read(&file).unwrap(), bytes, "a refusal changed the disk");
        let (status, shown, _) = store(&["show"], &file);
        assert!(status == 1 && shown.contains(name), "{shown}");
        assert_eq!(store(&["format", "--force"], &file).0, 0);
        assert_eq!((store(&["show"], &file).0, run(&file).0), (0, 0));
    }
    assert_ne!(fs::read(&file).unwrap(), before);
}

#[test]
fn partition_becomes_a_store_and_nothing_beside_it_is_written() {
    let (_folder, file) = image("disk.img");
    let before = two_partitions(&file);
    for (words, refusal) in [
        (&["format"][..], "disk.img holds a partition table (GPT), which would be lost"),
        (&["format", "--partition", "1"], "sgdisk --typecode=1:5f11a294-75fa-4c6d-91b4-4c0c3b83073e "),
        (&["format", "--partition", "1", "--force"], "left alone"),
        (&["format", "--partition", "3"], "has no partition 3; those that it has: 1, 2"),
    ] {
        let (status, _, said) = store(words, &file);
        assert!(status == 1 && said.contains(refusal), "{words:?}: {said}");
    }
    let (status, shown, _) = store(&["show"], &file);
    assert!(status == 1 && shown.contains("partition 2 is meant for one and holds none"), "{shown}");
    assert_eq!(fs::read(&file).unwrap(), before, "a refusal changed the disk");
    let (status, made, said) = store(&["format", "--partition", "2"], &file);
    assert_eq!((status, said.as_str()), (0, ""), "{made}");
    for generation in 1..4 {
        let (status, said) = run(&file);
        assert!(status == 0 && said.contains(&format!("saved as generation {generation}")), "{said}");
    }
    let (status, shown, _) = store(&["show"], &file);
    assert!(status == 0 && shown.contains(" on partition 2\nstore: starting from generation 3\n"), "{shown}");
    let (status, shown, _) = command(["show".as_ref(), file.as_os_str()].into_iter(), "profile");
    assert!(status == 0 && !shown.is_empty(), "{shown}");
    assert!(store(&["format", "--partition", "2"], &file).2.contains("partition 2 of "));
    assert_eq!(store(&["format", "--partition", "2", "--force"], &file).0, 0);
    assert!(store(&["show"], &file).1.contains("starting empty"));
    assert_same_outside(&file, &before, OURS);
    // Of the whole disk, nothing of the table is left.
    assert_eq!(store(&["format", "--force"], &file).0, 0);
    let bytes = fs::read(&file).unwrap();
    assert!(bytes[510..512] != [0x55, 0xaa] && !bytes.chunks(512).any(|sector| sector.starts_with(b"EFI PART")));
    assert!(store(&["show"], &file).1.contains(" on the whole disk\n"));
}

#[test]
fn of_two_stores_in_one_image_neither_is_used() {
    let (_folder, file) = image("disk.img");
    let kind = PARTITION_TYPE.to_string();
    partitioned(&file, 8, &[(&kind, 2048..4096), (&kind, 4096..8192)]);
    for partition in ["1", "2"] {
        assert_eq!(store(&["format", "--partition", partition], &file).0, 0);
    }
    let before = fs::read(&file).unwrap();
    let (status, said) = run(&file);
    assert!(status == 1 && said.contains("holds 2 stores, and none is used: "), "{said}");
    assert!(said.contains(" on partition 1, ") && said.contains(" on partition 2\n"), "{said}");
    let (status, shown, _) = store(&["show"], &file);
    assert!(status == 0 && shown.matches("starting empty").count() == 2, "{shown}");
    assert_eq!(fs::read(&file).unwrap(), before);
    // The kernel is told which.
    let boot = Guest::program("micro_memcpy", &[]).store(&file).run();
    boot.expect_code(code::SUCCESS).expect("store: 2 fit, and none is used: ").expect("running unprofiled");
    assert_eq!(fs::read(&file).unwrap(), before);
    let line = shown.lines().find(|line| line.ends_with(" on partition 2")).unwrap();
    let id = line.split(' ').nth(1).unwrap();
    let boot = Guest::program("micro_memcpy", &[]).store(&file).words(&format!("store={}", &id[..8])).run();
    boot.expect_code(code::SUCCESS).expect("profile saved as generation 1");
    assert_same_outside(&file, &before, 4096..8192);
}

#[test]
fn booted_kernel_uses_a_partition_and_nothing_beside_it() {
    let (_folder, file) = image("disk.img");
    let mut before = two_partitions(&file);
    let boot = |said: &str| {
        let boot = Guest::program("micro_memcpy", &[]).store(&file).run();
        boot.expect_code(code::SUCCESS).expect(said);
    };
    boot("partition 2 is meant for one and holds none");
    assert_eq!(fs::read(&file).unwrap(), before, "the kernel formatted something");
    assert_eq!(store(&["format", "--partition", "2"], &file).0, 0);
    boot("profile saved as generation 1");
    boot("starting from generation 1\n");
    assert_same_outside(&file, &before, OURS);
    // A disk of somebody else.
    before[..512].fill(0xee);
    fs::write(&file, &before).unwrap();
    boot("store: no disk holds a store: ");
    assert_eq!(fs::read(&file).unwrap(), before, "a foreign disk was written to");
}
