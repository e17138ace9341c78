//! One store, none, and more than one.

use super::*;
use alloc::boxed::Box;
use std::format;
use std::string::{String, ToString};

fn whole(id: StoreId) -> FakeDisk {
    Store::format(FakeDisk::new(400), id).expect("large enough").into_device()
}

fn chosen(disks: &[FakeDisk], wanted: &str) -> Choice {
    let mut disks: Vec<Box<dyn BlockDevice>> =
        disks.iter().map(|disk| Box::new(disk.clone()) as Box<dyn BlockDevice>).collect();
    let named = disks.iter_mut().enumerate().map(|(at, disk)| (format!("disk {at}"), disk as &mut dyn BlockDevice));
    let wanted = if wanted.is_empty() { Wanted::Only } else { wanted.parse().expect("a word that is known") };
    choose(named, &wanted)
}

const OTHER: StoreId = *b"sixteen bytes no";

#[test]
fn only_store_is_taken_whatever_else_there_is() {
    let Blocks(partitioned, _) = disk_with_store(512);
    let blank = FakeDisk::new(400);
    let choice = chosen(&[blank.clone(), whole(ID), FakeDisk::new(0)], "");
    assert_eq!(choice, Choice { store: Some((1, Place::WholeDisk)), lines: vec![] });
    let Choice { store: Some((1, Place::Partition(partition))), .. } = chosen(&[blank, partitioned], "") else {
        panic!("the partition is not taken");
    };
    assert_eq!((partition.number, partition.first_sector, partition.sectors), (2, 96, 176));
}

#[test]
fn without_a_store_all_disks_are_said_and_how_to_make_one() {
    let mut mbr = FakeDisk::new(400);
    mbr.medium[450] = 0x83;
    mbr.medium[510..512].copy_from_slice(&[0x55, 0xaa]);
    let choice = chosen(&[FakeDisk::new(40_960), mbr], "");
    let said = "store: no disk holds a store: disk 0 (20 MiB, blank), disk 1 (200 KiB, partitions of an MBR); run `bareflow \
                store format FILE` to make one of a blank disk or, with `--partition`, in a partition";
    assert_eq!((choice.store, choice.lines), (None, vec![said.to_string()]));
    assert_eq!(chosen(&[], "").lines, [] as [String; 0]);
    assert_eq!(chosen(&[FakeDisk::new(0)], "").lines, [] as [String; 0]);
}

#[test]
fn of_two_stores_none_is_taken_until_one_is_named() {
    let Blocks(partitioned, _) = disk_with_store(512);
    let disks = [whole(OTHER), partitioned];
    let choice = chosen(&disks, "");
    let [id, other] = [ID, OTHER].map(|id| identifier(&id));
    let said = format!(
        "store: 2 fit, and none is used: {other} on the whole disk of disk 0, {id} on partition 2 of disk 1; say which with \
         `store=` and its identifier on the kernel's command line"
    );
    assert_eq!((choice.store, choice.lines), (None, vec![said]));
    assert_eq!(chosen(&disks, &other).store, Some((0, Place::WholeDisk)));
    assert!(matches!(chosen(&disks, &id.to_uppercase()).store, Some((1, Place::Partition(_)))));
    // Both begin alike.
    assert_eq!(chosen(&disks, &id[..20]).store, None);
    let choice = chosen(&disks, "abcdef");
    assert!(choice.store.is_none() && choice.lines[0].contains("begins with abcdef; there are "), "{choice:?}");
    assert_eq!(chosen(&disks, "none"), Choice { store: None, lines: vec![] });
    let choice = chosen(&[FakeDisk::new(400)], "abcdef");
    assert_eq!(choice.lines, ["store: none has an identifier that begins with abcdef; there is none"]);
}

#[test]
fn copies_of_a_disk_are_told_to_be_copies() {
    for wanted in [String::new(), identifier(&ID)] {
        let choice = chosen(&[whole(ID), whole(ID)], &wanted);
        assert!(choice.store.is_none() && choice.lines[0].contains("copies with the same identifier"), "{choice:?}");
    }
}

#[test]
fn what_is_wrong_with_a_disk_is_said_only_where_nothing_else_fits() {
    let mut damaged = whole(OTHER);
    damaged.medium[300] ^= 1;
    assert_eq!(chosen(&[damaged.clone(), whole(ID)], "").lines, [] as [String; 0]);
    let lines = chosen(&[damaged, FakeDisk::new(400)], "").lines;
    assert!(lines[0].contains("sector 0 of the disk is damaged") && lines[0].ends_with("(disk 0)"), "{lines:?}");
    assert!(lines[1].starts_with("store: no disk holds a store: disk 1 (200 KiB, blank); "), "{lines:?}");
}

#[test]
fn words_that_name_no_store_are_refused() {
    for text in ["", "abc", "nonesuch", "12345g", "0123456789abcdef0123456789abcdef0", "None"] {
        let error = text.parse::<Wanted>().expect_err(text);
        assert_eq!(error, "is neither none nor 4 to 32 hexadecimal digits of a store's identifier");
    }
}
