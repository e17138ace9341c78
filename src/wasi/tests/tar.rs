//! Archives by GNU tar, by hand, and by nobody in his right mind.

use super::*;
use proptest::prelude::*;
use std::format;
use std::vec;
use std::vec::Vec;

/// A header as `ustar` has it, its checksum right.
fn header(name: &str, kind: u8, size: usize, target: &str) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK_BYTES];
    let mut put = |at: usize, text: &str| bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000017\0");
    put(157, target);
    put(257, "ustar\x0000");
    bytes[156] = kind;
    seal(&mut bytes);
    bytes
}

fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn member(name: &str, kind: u8, contents: &[u8], target: &str) -> Vec<u8> {
    let mut bytes = header(name, kind, contents.len(), target);
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

fn records(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let len = (rest.len()..).find(|len| format!("{len}").len() + rest.len() == *len).unwrap();
        format!("{len}{rest}").into_bytes()
    };
    records.iter().flat_map(record).collect()
}

fn read(archive: &[u8]) -> Result<Vec<Member<'_>>, TarError> {
    members(archive).collect()
}

fn one(archive: &[u8]) -> Member<'_> {
    let mut members = read(archive).unwrap();
    assert_eq!(members.len(), 1);
    members.remove(0)
}

#[test]
fn reads_files_directories_and_links() {
    let parts = [
        member("d/", b'5', b"", ""),
        member("d/a", b'0', b"hello", ""),
        member("old/", 0, b"", ""),
        member("l", b'2', b"", "d/a"),
        member("h", b'1', b"", "d/a"),
        vec![0; 1024],
        b"what follows the end does not matter".to_vec(),
    ];
    let archive = parts.concat();
    let found: Vec<_> = read(&archive).unwrap().into_iter().map(|member| (member.path, member.kind)).collect();
    let expected = [
        ("d/", Kind::Directory),
        ("d/a", Kind::File(b"hello")),
        ("old/", Kind::Directory),
        ("l", Kind::SymbolicLink("d/a".into())),
        ("h", Kind::HardLink("d/a".into())),
    ];
    assert_eq!(found, expected.map(|(path, kind)| (path.into(), kind)));
    assert_eq!(read(&archive).unwrap()[0].modified_ns, 15_000_000_000);
}

#[test]
fn joins_the_prefix_of_a_long_name() {
    let mut bytes = header("name", b'0', 0, "");
    bytes[345..352].copy_from_slice(b"dir/sub");
    seal(&mut bytes);
    assert_eq!(one(&bytes).path, "dir/sub/name");
    // GNU tar keeps times there.
    bytes[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut bytes);
    assert_eq!(one(&bytes).path, "name");
}

#[test]
fn long_names_and_targets_come_before_what_has_them() {
    let (name, target) = (format!("{}/file", "x".repeat(200)), "y".repeat(300));
    let gnu = [
        member("././@LongLink", b'L', format!("{name}\0").as_bytes(), ""),
        member("././@LongLink", b'K', format!("{target}\0").as_bytes(), ""),
        member("cut", b'2', b"", "cut"),
        member("next", b'0', b"", ""),
    ];
    let gnu = gnu.concat();
    let found = read(&gnu).unwrap();
    assert_eq!((&*found[0].path, &found[0].kind), (&*name, &Kind::SymbolicLink(target.as_str().into())));
    assert_eq!(found[1].path, "next");
    let extended = records(&[("path", &name), ("mtime", "3.25"), ("comment", "a=b\nc"), ("size", "3")]);
    let pax = [member("PaxHeaders/x", b'x', &extended, ""), member("cut", b'0', b"abc", "")].concat();
    let expected = Member { path: name.into(), kind: Kind::File(b"abc"), modified_ns: 3_250_000_000 };
    assert_eq!(one(&pax), expected);
}

#[test]
fn numbers_may_be_octal_or_binary() {
    let mut bytes = header("a", b'0', 0, "");
    bytes[136..148].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4]);
    seal(&mut bytes);
    assert_eq!(one(&bytes).modified_ns, 260_000_000_000);
    bytes[136..148].fill(0xff);
    seal(&mut bytes);
    assert_eq!(one(&bytes).modified_ns, 0, "before 1970");
    bytes[124..136].copy_from_slice(&[0xbf; 12]);
    seal(&mut bytes);
    assert_eq!(read(&bytes), Err(TarError::BadField { offset: 0, field: "size" }));
    bytes[124..136].copy_from_slice(b"0000000009\0\0");
    seal(&mut bytes);
    assert_eq!(read(&bytes), Err(TarError::BadField { offset: 0, field: "size" }));
}

#[test]
fn says_what_is_wrong_and_where() {
    let whole = [member("a", b'0', b"x", ""), member("b", b'0', &[7; 600], "")].concat();
    assert_eq!(read(&whole[..1300]), Err(TarError::CutOff { offset: 1024 }));
    assert_eq!(read(&whole[..1100]), Err(TarError::CutOff { offset: 1024 }));
    assert_eq!(read(&whole[..1024]).map(|members| members.len()), Ok(1), "no end is an end");
    let mut damaged = whole.clone();
    damaged[1024] ^= 1;
    assert_eq!(read(&damaged), Err(TarError::NoHeader { offset: 1024 }));
    assert_eq!(read(&[7; 512]), Err(TarError::NoHeader { offset: 0 }));
    assert_eq!(read(&[7; 5]), Err(TarError::CutOff { offset: 0 }));
    assert_eq!(read(&[]), Ok(vec![]));
    for (kind, what) in [(b'3', "a device"), (b'6', "a pipe"), (b'S', SPARSE), (b'V', "of a type that is not known")] {
        let archive = member("odd", kind, b"", "");
        assert_eq!(read(&archive), Err(TarError::Unsupported { path: "odd".into(), what }));
    }
    let sparse = member("x", b'x', &records(&[("path", "s"), ("GNU.sparse.major", "1")]), "");
    assert_eq!(read(&sparse), Err(TarError::Unsupported { path: "s".into(), what: SPARSE }));
    for contents in
        [&b"5 a=\n"[..], b"6 a=b", b"a=b\n", b"99999999999999999999 a=b\n", b"0 a=b\n", b"6 path=b\n", b"8 mtime\n"]
    {
        let archive = member("x", b'x', contents, "");
        let bad = TarError::BadField { offset: 0, field: "extended header" };
        assert_eq!(read(&archive).err(), (contents != b"5 a=\n").then_some(bad), "{contents:?}");
    }
    let not_utf8 = member("x", b'L', b"\xff", "");
    assert_eq!(read(&[not_utf8, header("a", b'0', 0, "")].concat()), Err(TarError::BadName { offset: 1024 }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed, added or cut off, and then given the right checksums. `./just fuzz-parsers` reads many more.
    #[test]
    fn absurd_archives_are_errors_or_other_archives(
        changes in prop::collection::vec((0..4096usize, prop_oneof![any::<u8>(), 48..56u8, Just(0), Just(b'x')]), 0..8),
        len in 0..5000usize,
    ) {
        let extended = records(&[("path", "long"), ("size", "3"), ("mtime", "-1.5")]);
        let parts = [
            member("d/", b'5', b"", ""),
            member("PaxHeaders/x", b'x', &extended, ""),
            member("d/a", b'0', b"abc", ""),
            member("././@LongLink", b'L', b"name\0", ""),
            member("l", b'2', b"", "d/a"),
        ];
        let mut archive = parts.concat();
        for (at, byte) in changes {
            archive[at] = byte;
        }
        archive.chunks_exact_mut(BLOCK_BYTES).filter(|block| block[257..262] == *b"ustar").for_each(seal);
        archive.truncate(len);
        let count = members(&archive).take(100).count();
        prop_assert!(count <= 10, "it comes to an end");
    }
}
