//! What a program has left, taken out as an archive.

use super::super::tar::{self, Kind};
use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::string::{String, ToString};
use std::vec::Vec;

/// The paths of an archive, and what is there.
fn members(bytes: &[u8]) -> BTreeMap<String, String> {
    let members = tar::members(bytes).map(|member| {
        let member = member.unwrap();
        let what = match member.kind {
            Kind::File(content) => String::from_utf8_lossy(content).into_owned(),
            Kind::Directory => "a directory".to_string(),
            Kind::SymbolicLink(target) => std::format!("to {target}"),
            Kind::HardLink(target) => std::format!("also {target}"),
        };
        (member.path.trim_matches(['.', '/']).to_string(), what)
    });
    members.filter(|(path, _)| !path.is_empty()).collect()
}

#[test]
fn what_was_given_and_what_was_made_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (long, deep) = ("n".repeat(200), folder.path().join("d".repeat(90)).join("e".repeat(90)));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join(&long), "deep").unwrap();
    fs::write(folder.path().join("block"), "b".repeat(512)).unwrap();
    fs::write(folder.path().join("empty"), "").unwrap();
    symlink(&long, folder.path().join("link")).unwrap();
    let mut given = Vec::new();
    crate::host::archive::write(folder.path(), &mut given).unwrap();
    let given: &[u8] = given.leak();
    let console = FakeConsole::default();
    let builder = Wasi::builder().archive("/out", given).unwrap();
    let wasi = builder.build(console.clone(), console.clock.clone(), FakeEntropy);
    let mut program = Program { wasi, console, memory: vec![0; 0x1000] };
    let fd = program.open_with("out/made", 1, Rights::all()).unwrap();
    program.put(BUFFER, b"new");
    program.put_u32s(IOVEC, &[BUFFER, 3]);
    assert_eq!(program.call("fd_write", &[fd, IOVEC, 1, OUT]), OK);
    let mut taken = Vec::new();
    let exported = program.wasi.export("/out", &mut |bytes| taken.extend_from_slice(bytes)).unwrap();
    let mut expected = members(given);
    expected.insert("made".into(), "new".into());
    assert_eq!(members(&taken), expected);
    assert_eq!((exported.members, exported.left_out), (expected.len() as u64, 0));
    assert_eq!(program.wasi.export("/out/made", &mut |_| ()), None);
    assert_eq!(program.wasi.export("/nowhere", &mut |_| ()), None);
}
