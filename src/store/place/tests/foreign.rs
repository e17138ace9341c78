//! Disks of other people: never a store, and known by their names.

use super::*;
use crate::store::fake::Failure;
use std::string::{String, ToString};

const BYTES: usize = 4 << 20;

/// What others write on disks, as their own tools would say it; the parts of it that tell.
fn foreign() -> Vec<(&'static str, Vec<u8>)> {
    let with = |parts: &[(usize, &[u8])]| {
        let mut medium = vec![0; BYTES];
        parts.iter().for_each(|(at, bytes)| put(&mut medium, *at as u64, bytes));
        medium
    };
    let boot: (usize, &[u8]) = (510, &[0x55, 0xaa]);
    let ext =
        |journal: u8, extents: u8| with(&[(1080, &[0x53, 0xef]), (1024 + 0x5c, &[journal]), (1024 + 0x60, &[extents])]);
    let mut gpt = vec![0; BYTES];
    Written::new((BYTES / 512) as u64, 512, &[Made(LINUX, 2048, 4095)]).write(&mut gpt);
    let mut empty = vec![0; BYTES];
    Written::new((BYTES / 512) as u64, 4096, &[]).write(&mut empty);
    let mut copy = vec![0; BYTES];
    put(&mut copy, (BYTES - 512) as u64, b"EFI PART");
    vec![
        ("a file system (ext2)", ext(0, 0)),
        ("a file system (ext3)", ext(4, 0)),
        ("a file system (ext4)", ext(4, 0x40)),
        ("a file system (XFS)", with(&[(0, b"XFSB")])),
        ("a file system (btrfs)", with(&[(65600, b"_BHRfS_M")])),
        ("a file system (NTFS)", with(&[(0, b"\xeb\x52\x90NTFS    "), boot])),
        ("a file system (exFAT)", with(&[(0, b"\xeb\x76\x90EXFAT   "), boot])),
        ("a file system (FAT12)", with(&[(54, b"FAT12   "), boot])),
        ("a file system (FAT16)", with(&[(54, b"FAT16   "), boot])),
        ("a file system (FAT32)", with(&[(82, b"FAT32   "), boot])),
        ("an ISO 9660 image", with(&[(32769, b"CD001")])),
        ("a file system (squashfs)", with(&[(0, b"hsqs")])),
        ("swap space", with(&[(4086, b"SWAPSPACE2")])),
        ("an encrypted volume (LUKS)", with(&[(0, b"LUKS\xba\xbe\0\x02")])),
        ("a physical volume of LVM", with(&[(512, b"LABELONE"), (536, b"LVM2 001")])),
        ("a partition table (MBR)", with(&[(446, &[0x80, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1]), boot])),
        ("a boot sector", with(&[(0, &[0xfa]), boot])),
        ("a partition table (GPT)", gpt),
        ("a partition table (GPT)", empty),
        ("the copy of a partition table (GPT) at its end", copy),
        ("data of a kind that is not known, from byte 9 on", with(&[(9, &[1])])),
        ("data of a kind that is not known, from byte 4194303 on", with(&[(BYTES - 1, &[1])])),
        ("data of a kind that is not known, from byte 0 on", (0..BYTES).map(|at| (at * at / 7) as u8 | 1).collect()),
    ]
}

#[test]
fn foreign_disks_are_known_by_their_names_and_are_never_stores() {
    for (name, medium) in foreign() {
        let mut disk = FakeDisk::of(medium);
        assert_eq!(content(&mut disk).expect("it can be read").to_string(), name);
        let found = survey(&mut disk);
        assert_eq!((found.stores, found.problems), (vec![], vec![]), "{name}");
        assert!(disk.log.iter().all(|request| matches!(request, Request::Read { .. })), "{name} was written to");
    }
}

#[test]
fn blank_disks_and_those_with_something_far_away_are_blank() {
    for sectors in [0, 1, 63, 64, 65, 2048, 9999] {
        assert_eq!(content(&mut FakeDisk::new(sectors)), Ok(Content::Blank));
    }
    let mut disk = FakeDisk::new(5000);
    disk.medium[3000 * 512] = 1;
    assert_eq!(content(&mut disk), Ok(Content::Blank));
}

#[test]
fn store_beside_a_partition_table_is_said_and_not_used() {
    let store = || Store::format(FakeDisk::new(9000), ID).expect("large enough").into_device();
    assert_eq!(survey(&mut store()).stores, [Found { id: ID, place: Place::WholeDisk }]);
    let mut whole = vec![0; store().medium.len()];
    let table = Written::new(9000, 512, &[Made(LINUX, 2048, 4095)]);
    table.write(&mut whole);
    let said = |disk: &mut FakeDisk| {
        let found = survey(disk);
        assert_eq!((found.stores, found.problems.len()), (vec![], 1));
        found.problems[0].to_string()
    };
    for remains in [512..1024, 8999 * 512..9000 * 512] {
        let mut disk = store();
        disk.medium[remains.clone()].copy_from_slice(&whole[remains]);
        assert!(said(&mut disk).contains("both a store from sector 0 on and a partition table"));
    }
    // Bytes where only a table's beginning may be: the code of a store may hold anything.
    let mut disk = store();
    put(&mut disk.medium, 8999 * 512, b"EFI PART");
    assert_eq!(survey(&mut disk).stores.len(), 1);
}

#[test]
fn bad_sector_costs_a_store_only_where_its_own_beginning_is() {
    let store = Store::format(FakeDisk::new(9000), ID).expect("large enough").into_device();
    let mut sound = store.with(Failure::Never);
    survey(&mut sound);
    let mut at_the_end = 0;
    for (number, request) in sound.log.iter().enumerate() {
        let Request::Read { first, .. } = request else { panic!("{request:?}") };
        let found = survey(&mut store.with(Failure::Once(number)));
        let is_beginning = *first <= 8;
        assert_eq!((found.stores.len(), found.problems.len()), if is_beginning { (0, 1) } else { (1, 0) }, "{first}");
        at_the_end += usize::from(!is_beginning);
    }
    assert_eq!(at_the_end, 2, "{:?}", sound.log);
}

#[test]
fn stores_that_are_none_say_why() {
    let said = |disk: &mut dyn BlockDevice| {
        let found = survey(disk);
        let problems: Vec<String> = found.problems.iter().map(Problem::to_string).collect();
        assert_eq!((found.stores, problems.len()), (vec![], 1), "{problems:?}");
        problems.concat()
    };
    let mut damaged = Store::format(FakeDisk::new(400), ID).expect("large enough").into_device();
    damaged.medium[300] ^= 1;
    assert!(said(&mut damaged).starts_with("store: sector 0 of the disk is damaged"));
    let sector = Sector::of(&damaged.medium).expect("there is one").with(300, &[0]);
    damaged.medium[..512].copy_from_slice(sector.with(8, &[3]).sealed().bytes());
    assert!(said(&mut damaged).starts_with("store: format version 3, this BareFlow knows 2"));
    // Whatever is not listed is zero.
    damaged.medium[..512].copy_from_slice(sector.with(300, &[1]).sealed().bytes());
    assert!(said(&mut damaged).starts_with("store: sector 0 of the disk is damaged"));
    let mut unreadable = FakeDisk::new(400).with(Failure::Once(0));
    assert_eq!(
        said(&mut unreadable),
        "store: disk read failed at sector 0: injected failure; check the disk or its file"
    );
    let mut promised = FakeDisk::new(400);
    protect(&mut promised.medium);
    assert_eq!(said(&mut promised), "store: its MBR promises a partition table (GPT), and there is none");
}

#[test]
fn wiped_disks_are_blank_but_for_the_sector_that_the_superblock_takes() {
    for (name, medium) in foreign() {
        let mut disk = FakeDisk::of(medium);
        wipe(&mut Region::whole(&mut disk)).expect("the disk works");
        disk.medium[..512].fill(0);
        assert_eq!(content(&mut disk), Ok(Content::Blank), "{name}");
        let requests = [Request::Write { first: 8128, sectors: 64 }, Request::Write { first: 1, sectors: 2047 }];
        assert_eq!(disk.log[..4], [requests[0], Request::Flush, requests[1], Request::Flush], "{name}");
    }
    for sectors in [1, 2, 63, 100] {
        let mut disk = FakeDisk::of(vec![1; sectors * 512]);
        wipe(&mut Region::whole(&mut disk)).expect("the disk works");
        assert!(disk.medium[..512].iter().all(|byte| *byte == 1) && disk.medium[512..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn crash_while_a_partitioned_disk_is_formatted_leaves_the_table_or_nothing_that_is_used() {
    let Blocks(before, _) = disk_with_store(512);
    let mut states = [0; 3];
    for request in 0..12 {
        for spared in 0..64u64 {
            let mut disk = before.with(Failure::PowerCut(request));
            let formatted =
                wipe(&mut Region::whole(&mut disk)).and_then(|()| Store::format(&mut disk, [7; 16]).map(drop));
            let mut after = disk.after_power_cut(|sector| (sector as u64).wrapping_mul(spared) % 7 > 2);
            match &survey(&mut after).stores[..] {
                [Found { id: ID, place: Place::Partition(_) }] => states[0] += 1,
                [] => states[1] += 1,
                [Found { place: Place::WholeDisk, .. }] => states[2] += 1,
                other => panic!("{other:?}, {formatted:?}"),
            }
        }
    }
    assert!(states.iter().all(|count| *count > 0), "{states:?}");
}

#[test]
fn superblock_is_never_one_that_ends_like_a_boot_sector() {
    let ends = |id: StoreId| is_boot_sector(&Superblock::for_disk(400, id).expect("large enough").encode());
    let numbered = |number: u32| *number.to_le_bytes().repeat(4).first_chunk::<16>().expect("16 bytes");
    let bad = (0..1_000_000).map(numbered).find(|id| ends(*id)).expect("one in 65,536 does");
    let mut ids = [ID, bad].into_iter();
    let store = Store::format_in(Region::whole(FakeDisk::new(400)), || ids.next_back().expect("two are enough"));
    assert_eq!(store.expect("large enough").id(), ID);
}
