use super::s5::{self, SleepTypes};
use super::*;
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
