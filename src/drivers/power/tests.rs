use super::s5::{self, SleepTypes};
use super::*;
use core::ptr::NonNull;
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

/// `Name (_S5, Package (0x04) { Zero, Zero, Zero, Zero })`, as QEMU's tables have it.
const QEMU: &[u8] = &[0x08, b'_', b'S', b'5', b'_', 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00];
/// `Name (\_S5, Package (0x04) { 0x05, 0x06, Zero, Zero })`.
const ROOTED: &[u8] = &[0x08, b'\\', b'_', b'S', b'5', b'_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0x00, 0x00];

#[test]
fn finds_the_package_in_both_spellings() {
    assert_eq!(s5::find(QEMU), Some(SleepTypes { a: 0, b: 0 }));
    assert_eq!(s5::find(ROOTED), Some(SleepTypes { a: 5, b: 6 }));
    assert_eq!(s5::find(&[b"_S5_ in some text", ROOTED].concat()), Some(SleepTypes { a: 5, b: 6 }));
}

#[test]
fn finds_long_lengths_wide_constants_and_single_elements() {
    let long = [b"\x08_S5_\x12\x49\x00\x02\x0b\x07\x00\x0c\x01\x00\x00\x00".as_slice(), &[0; 64]].concat();
    assert_eq!(s5::find(&long), None, "the length ends before the second element");
    let long = [b"\x08_S5_\x12\x4c\x00\x02\x0b\x07\x00\x0c\x01\x00\x00\x00".as_slice(), &[0; 64]].concat();
    assert_eq!(s5::find(&long), Some(SleepTypes { a: 7, b: 1 }));
    assert_eq!(s5::find(b"\x08_S5_\x12\x04\x01\x0a\x05"), Some(SleepTypes { a: 5, b: 5 }));
}

#[test]
fn references_methods_and_values_that_do_not_fit_are_passed_over() {
    for hostile in [
        b"\x14_S5_\x12\x06\x04\x00\x00\x00\x00".as_slice(),
        b"\x08_S5_\x11\x06\x04\x00\x00\x00\x00",
        b"\x08_S5_\x12\x06\x04\x0a\x08\x00\x00\x00",
        b"\x08_S5_\x12\x06\x00\x00\x00\x00\x00",
        b"\x08_S5_\x12\x00",
        b"\x08_S5_\x12\xff\xff\xff\xff",
        b"\x08_S5_\x12",
        b"\x08_S5_",
    ] {
        assert_eq!(s5::find(hostile), None, "{hostile:x?}");
        assert_eq!(s5::find(&[hostile, QEMU].concat()), Some(SleepTypes { a: 0, b: 0 }), "{hostile:x?}");
    }
}

#[test]
fn every_truncation_and_every_flipped_byte_is_survived() {
    let whole = [QEMU, ROOTED].concat();
    for end in 0..whole.len() {
        let _ = s5::find(&whole[..end]);
    }
    for position in 0..whole.len() {
        for value in 0..=255 {
            let mut damaged = whole.clone();
            damaged[position] = value;
            if let Some(types) = s5::find(&damaged) {
                assert!(types.a < 8 && types.b < 8);
            }
        }
    }
}

#[test]
fn random_bytecode_is_survived() {
    let piece = proptest::prop_oneof![
        proptest::collection::vec(proptest::prelude::any::<u8>(), 0..8),
        proptest::prelude::Just(b"\x08_S5_\x12".to_vec()),
        proptest::prelude::Just(b"\x0a\x05".to_vec()),
    ];
    proptest::proptest!(|(pieces in proptest::collection::vec(piece, 0..20))| {
        let _ = s5::find(&pieces.concat());
    });
}

fn root_pointer(revision: u8) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0BOCHS \0\x34\x12\x00\xe0\x24\0\0\0\x78\x56\x34\x12\x01\0\0\0\0\0\0\0".to_vec();
    bytes[15] = revision;
    for (end, sum_at) in [(20, 8), (36, 32)] {
        let sum: u8 = bytes[..end].iter().fold(0, |sum, byte| sum.wrapping_add(*byte));
        bytes[sum_at] = bytes[sum_at].wrapping_sub(sum);
    }
    bytes
}

#[test]
fn root_pointer_gives_the_table_of_its_revision() {
    let first = RootTable { revision: 0, address: 0xe000_1234 };
    assert_eq!(RootTable::from_root_pointer(&root_pointer(0)[..20]), Ok(first));
    let second = RootTable { revision: 2, address: 0x1_1234_5678 };
    assert_eq!(RootTable::from_root_pointer(&root_pointer(2)), Ok(second));
}

#[test]
fn damaged_root_pointers_are_refused() {
    for len in 0..36 {
        let bytes = root_pointer(2);
        assert_eq!(RootTable::from_root_pointer(&bytes[..len]), Err(PowerError::BadRootPointer { len_bytes: len }));
    }
    for position in 0..36 {
        let mut bytes = root_pointer(2);
        bytes[position] ^= 0x10;
        assert!(RootTable::from_root_pointer(&bytes).is_err(), "byte {position}");
    }
}

/// Where the tables of [`Image`] begin, and what each may take.
const BASE: u64 = 0x10_0000;
const PLACE_BYTES: usize = 512;

/// Physical memory that holds tables and nothing else.
struct Image(Vec<u8>);

impl PhysicalMemory for Image {
    fn pointer(&self, physical: u64, len_bytes: usize) -> Option<NonNull<u8>> {
        let at = usize::try_from(physical.checked_sub(BASE)?).ok()?;
        self.0.get(at..at.checked_add(len_bytes)?).map(|bytes| NonNull::from(bytes).cast())
    }
}

/// A table that says it has `length` bytes, with a right checksum over as many as there are.
fn table(signature: [u8; 4], revision: u8, length: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = [&signature[..], &length.to_le_bytes(), &[revision], &[0; 27], content].concat();
    bytes.resize(PLACE_BYTES, 0);
    let summed = &bytes[..bytes.len().min(length as usize)];
    let sum = summed.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[9] = bytes[9].wrapping_sub(sum);
    bytes
}

/// A root table, a FADT, a DSDT and an SSDT, one behind the other; each says its length.
fn image(lengths: [u32; 4], revisions: [u8; 2], fadt: &[u8], bytecode: &[u8]) -> Image {
    let addresses = [1, 3].map(|place| BASE + place * PLACE_BYTES as u64);
    let entries = match revisions[0] {
        0 => addresses.map(|address| (address as u32).to_le_bytes()).concat(),
        _ => addresses.map(u64::to_le_bytes).concat(),
    };
    let root = if revisions[0] == 0 { *b"RSDT" } else { *b"XSDT" };
    // At offset 40 of the FADT is the address of the DSDT.
    let mut content = fadt.to_vec();
    content.resize(240, 0);
    content[4..8].copy_from_slice(&(BASE as u32 + 2 * PLACE_BYTES as u32).to_le_bytes());
    Image(
        [
            table(root, 1, lengths[0], &entries),
            table(*b"FACP", revisions[1], lengths[1], &content),
            table(*b"DSDT", 2, lengths[2], &bytecode[..bytecode.len() / 2]),
            table(*b"SSDT", 2, lengths[3], bytecode),
        ]
        .concat(),
    )
}

fn find(image: &Image, revision: u8) -> Result<SoftOff, PowerError> {
    // SAFETY: the image gives access to its own bytes only.
    unsafe { SoftOff::find(RootTable { revision, address: BASE }, image) }
}

#[test]
fn tables_tell_port_and_sleep_types() {
    let mut fadt = [0; 240];
    // PM1a_CNT_BLK, at offset 64 of the table.
    fadt[28..30].copy_from_slice(&0x604_u16.to_le_bytes());
    for (revision, entries) in [(0, 4), (2, 8)] {
        let found = find(&image([36 + 2 * entries, 276, 200, 200], [revision, 1], &fadt, ROOTED), revision);
        let sleep_types = SleepTypes { a: 5, b: 6 };
        let expected = SoftOff::Control { pm1a_control: 0x604, pm1b_control: None, sleep_types, acpi_enable: None };
        assert_eq!(found, Ok(expected));
    }
}

/// A register as tables name it: 0 for memory, 1 for a port.
fn generic_address(space: u8, address: u64) -> Vec<u8> {
    [&[space, 8, 0, 1][..], &address.to_le_bytes()].concat()
}

#[test]
fn machines_of_reduced_hardware_sleep_by_their_own_register() {
    let mut fadt = [0; 240];
    // Flags, at offset 112 of the table: HW_REDUCED_ACPI.
    fadt[76..80].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    let found = |fadt: &[u8]| find(&image([52, 276, 200, 200], [2, 6], fadt, ROOTED), 2);
    // SLEEP_CONTROL_REG, at offset 244.
    for (space, address, register) in [
        (0, 0xfee0_0000, Some(Register::Memory(0xfee0_0000))),
        (1, 0x600, Some(Register::Port(0x600))),
        (1, 1 << 16, None),
        (2, 7, None),
    ] {
        fadt[208..220].copy_from_slice(&generic_address(space, address));
        let expected = register.map(|register| SoftOff::Reduced { register, sleep_type: 5 });
        assert_eq!(found(&fadt), expected.ok_or(PowerError::NoControlPort { address }));
    }
}

#[test]
fn reset_is_by_the_register_that_is_named_or_by_none() {
    let mut fadt = [0; 240];
    let found = |fadt: &[u8]| {
        let image = image([52, 276, 200, 200], [2, 6], fadt, ROOTED);
        // SAFETY: the image gives access to its own bytes only.
        unsafe { Reset::find(RootTable { revision: 2, address: BASE }, &image) }
    };
    fadt[80..92].copy_from_slice(&generic_address(1, 0xcf9));
    fadt[92] = 0xf;
    assert_eq!(found(&fadt), None);
    // RESET_REG_SUP.
    fadt[76..80].copy_from_slice(&(1_u32 << 10).to_le_bytes());
    assert_eq!(found(&fadt), Some(Reset { register: Register::Port(0xcf9), value: 0xf }));
    fadt[80..92].copy_from_slice(&generic_address(2, 0xcf9));
    assert_eq!(found(&fadt), None);
}

#[test]
fn tables_shorter_than_their_headers_are_none() {
    let mut fadt = [0; 240];
    fadt[28..30].copy_from_slice(&0x604_u16.to_le_bytes());
    // A checksum over nothing is right.
    for length in [0, 35] {
        for (place, name) in ["RSDT/XSDT", "FADT", "DSDT"].into_iter().enumerate() {
            let mut lengths = [44, 276, 200, 200];
            lengths[place] = length;
            let found = find(&image(lengths, [0, 1], &fadt, ROOTED), 0);
            assert!(matches!(found, Err(PowerError::BadTable { table, .. }) if table == name), "{length}: {found:?}");
        }
    }
}

proptest! {
    #[test]
    fn absurd_tables_are_refused_or_read(
        lengths in proptest::array::uniform4(prop_oneof![4 => 30..300u32, 1 => 0..600u32, 1 => any::<u32>()]),
        revisions in (prop_oneof![Just(0_u8), Just(2)], 0..7u8),
        fadt in proptest::collection::vec(prop_oneof![2 => Just(0), 1 => any::<u8>()], 0..240),
        edits in proptest::collection::vec((0..4 * PLACE_BYTES, any::<u8>()), 0..3),
    ) {
        let mut image = image(lengths, revisions.into(), &fadt, ROOTED);
        edits.iter().for_each(|(at, byte)| image.0[*at] = *byte);
        match find(&image, revisions.0) {
            Ok(SoftOff::Control { pm1a_control, sleep_types, .. }) => {
                prop_assert!(pm1a_control > 0 && sleep_types.a < 8 && sleep_types.b < 8);
            }
            Ok(SoftOff::Reduced { sleep_type, .. }) => prop_assert!(sleep_type < 8),
            Err(error) => prop_assert!(error.to_string().starts_with("cannot switch off by ACPI")),
        }
    }
}
