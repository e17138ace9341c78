//! Whatever a program passes, no function panics, and each answers with an errno or ends the program.

use super::fakes::{FakeClock, FakeConsole, FakeEntropy};
use crate::engine::seams::{Imports, Stop};
use crate::wasi::Wasi;
use crate::wasi::abi::{Filetype, Rights};
use crate::wasi::fds::{Descriptor, Handle, Target, Volume};
use crate::wasi::files::{Entry, NodeId};
use crate::wasi::table::FUNCTIONS;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const MEMORY_BYTES: usize = 256;

/// Highest errno of the specification.
const ERRNO_MAX: u64 = 76;

/// Has a file open as 4, a directory as 5, the scratch directory as 6 and a file in it as 7, with all rights.
fn wasi() -> Wasi<'static> {
    let mut wasi = Wasi::builder()
        .scratch_bytes(8192)
        .arg("program")
        .env("HOME", "/")
        .file("a", b"0123456789".as_slice())
        .and_then(|builder| builder.file("d/b", b"x".as_slice()))
        .unwrap()
        .build(FakeConsole::with_input(b"input"), FakeClock::default(), FakeEntropy);
    let node = |wasi: &Wasi<'_>, name| wasi.tree.child(NodeId::ROOT, name).unwrap();
    let (file, directory, scratch) = (node(&wasi, "a"), node(&wasi, "d"), node(&wasi, "tmp"));
    let made = wasi.tree.create_file(Entry { directory: scratch, name: "a" }, 0).unwrap();
    for node in [file, directory, scratch, made] {
        let handle = Handle { volume: Volume::Memory, node };
        let target = match wasi.tree.filetype(node) {
            Filetype::Directory => Target::Directory { handle, preopened: None },
            _ => Target::File { handle, offset: 0 },
        };
        wasi.descriptors.open(Descriptor::new(target, Rights::all(), Rights::all())).unwrap();
        wasi.tree.opened(node);
    }
    wasi
}

/// Numbers that are descriptors, flags, places inside the memory, its end, or anything.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0u64..8,
        4 => 0..MEMORY_BYTES as u64,
        1 => MEMORY_BYTES as u64 - 8..MEMORY_BYTES as u64 + 8,
        1 => Just(u64::from(u32::MAX)),
        1 => Just(u64::MAX),
        1 => (0u32..64).prop_map(|bit| 1 << bit),
        1 => any::<u64>(),
    ]
}

/// Words of memory that are often nothing, a place in memory, or the beginning of a path.
fn memory() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => Just(0),
        4 => 0..MEMORY_BYTES as u32,
        2 => prop::sample::select(vec![*b"a\0\0\0", *b"d/b\0", *b"d/..", *b"../a", *b"tmp/", *b"aaaa"]).prop_map(u32::from_le_bytes),
        1 => any::<u32>(),
    ];
    let len = prop_oneof![9 => Just(MEMORY_BYTES), 1 => 0..MEMORY_BYTES];
    (prop::collection::vec(word, MEMORY_BYTES / 4), len).prop_map(|(words, len)| {
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.truncate(len);
        bytes
    })
}

/// Calls of any function; the first argument, where most take a descriptor, is often an open one.
fn calls() -> impl Strategy<Value = Vec<(usize, Vec<u64>)>> {
    let call = (0..FUNCTIONS.len()).prop_flat_map(|id| {
        let args = prop::collection::vec(word(), FUNCTIONS[id].params.len());
        let open = prop_oneof![3 => (0u64..8).prop_map(Some), 1 => Just(None)];
        (Just(id), args, open).prop_map(|(id, mut args, open)| {
            if let (Some(first), Some(fd)) = (args.first_mut(), open) {
                *first = fd;
            }
            (id, args)
        })
    });
    prop::collection::vec(call, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_argument_makes_a_function_panic(mut memory in memory(), calls in calls()) {
        let mut wasi = wasi();
        for (id, args) in calls {
            let mut results = vec![u64::MAX; FUNCTIONS[id].results.len()];
            match wasi.call(id as u32, &args, &mut results, &mut memory) {
                Ok(()) => prop_assert!(results.iter().all(|&errno| errno <= ERRNO_MAX), "{}", FUNCTIONS[id].name),
                Err(Stop::Exit(_)) => prop_assert_eq!(FUNCTIONS[id].name, "proc_exit"),
                Err(Stop::Trap(_)) => prop_assert_eq!(FUNCTIONS[id].name, "proc_raise"),
            }
        }
    }
}

#[test]
fn every_function_survives_no_memory_and_extreme_words() {
    for (id, function) in FUNCTIONS.iter().enumerate() {
        for word in [0, 1, 3, u64::from(u32::MAX), u64::MAX] {
            let mut results = vec![0; function.results.len()];
            let args = vec![word; function.params.len()];
            let _ = wasi().call(id as u32, &args, &mut results, &mut []);
        }
    }
}
