use super::*;
use crate::drivers::power::RootTable;
use proptest::collection::vec;
use proptest::prelude::*;
use std::boxed::Box;
use std::string::ToString;
use std::vec;

const IMAGE: Range<u64> = 1 << 20..9 << 20;

/// `tags` as a loader leaves them, the end tag included; each is its kind and what follows its length.
fn information(tags: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    for (kind, payload) in tags.iter().chain([&(0, Vec::new())]) {
        bytes.extend(kind.to_le_bytes());
        bytes.extend((8 + payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes
}

/// Calls `look` with what is read from `bytes`, which say their own length.
fn read(bytes: &[u8], look: impl FnOnce(&BootInformation)) -> Result<(), BootError> {
    let words: Box<[u64]> =
        bytes.chunks_exact(8).map(|word| u64::from_le_bytes(core::array::from_fn(|i| word[i]))).collect();
    let place = Box::into_raw(words);
    // SAFETY: the words are aligned and as many as their first one says; they are freed after the last look at them.
    let read = unsafe { multiboot2::BootInformation::load(place.cast::<multiboot2::BootInformationHeader>()) };
    let read = read.map_err(|_| BootError::MalformedBootInformation).and_then(|information| {
        let loaded = BootInformation { information, range: 0x5000..0x5000 + bytes.len() as u64 };
        loaded.check()?;
        look(&loaded);
        Ok(())
    });
    // SAFETY: it came from `into_raw`, and `look` kept nothing.
    drop(unsafe { Box::from_raw(place) });
    read
}

fn memory_map(entry_bytes: u32, areas: &[(u64, u64, u32)]) -> (u32, Vec<u8>) {
    let mut payload = [entry_bytes.to_le_bytes(), [0; 4]].concat();
    for (start, bytes, kind) in areas {
        payload.extend(start.to_le_bytes());
        payload.extend(bytes.to_le_bytes());
        payload.extend(u64::from(*kind).to_le_bytes());
    }
    (6, payload)
}

fn module(start: u32, end: u32, line: &[u8]) -> (u32, Vec<u8>) {
    (3, [&start.to_le_bytes(), &end.to_le_bytes(), line].concat())
}

#[test]
fn tags_that_the_parser_would_panic_on_are_refused_by_name() {
    let sections = |entry_bytes: u32| (9, [1_u32, entry_bytes, 0].map(u32::to_le_bytes).concat());
    let mut odd_map = memory_map(24, &[(0, 9, 1)]);
    odd_map.1.push(0);
    for (tag, kind) in [
        ((6, vec![24, 0, 0, 0]), "the memory map"),
        (memory_map(32, &[]), "the memory map"),
        (odd_map, "the memory map"),
        ((3, vec![0; 7]), "a module"),
        ((9, vec![0; 11]), "the kernel's sections"),
        (sections(65), "the kernel's sections"),
    ] {
        let bytes = 8 + tag.1.len() as u32;
        assert_eq!(read(&information(&[tag]), |_| ()), Err(BootError::MalformedTag { kind, bytes }));
    }
    for tag in [memory_map(24, &[]), module(9, 0, b""), sections(64), (14, vec![0; 99]), (15, vec![]), (1, vec![])] {
        assert_eq!(read(&information(&[tag]), look_at_all), Ok(()));
    }
}

#[test]
fn modules_that_end_before_they_start_take_no_memory() {
    let tags =
        [memory_map(24, &[(0, 64 << 20, 1)]), module(40 << 20, 30 << 20, b"a\0"), module(50 << 20, 51 << 20, b"b\0")];
    let look = |loaded: &BootInformation| {
        assert_eq!(free(loaded), [9 << 20..50 << 20, 51 << 20..(64 << 20) - PAGE_BYTES]);
    };
    assert_eq!(read(&information(&tags), look), Ok(()));
}

/// Free memory, less a page for the list.
fn free(loaded: &BootInformation) -> Vec<Range<u64>> {
    let Ok(survey) = loaded.survey(IMAGE) else { return Vec::new() };
    let Some(place) = survey.room(PAGE_BYTES, REACHABLE) else { return Vec::new() };
    let list = Box::into_raw(vec![0..0; survey.list_entries()].into_boxed_slice());
    // SAFETY: the list was just made, and is freed after the last look at it.
    let ranges = survey.free(place.clone(), unsafe { &mut *list }).expect("the list is long enough").iter().collect();
    // SAFETY: it came from `into_raw`, and the ranges were copied.
    drop(unsafe { Box::from_raw(list) });
    let ranges: Vec<Range<u64>> = ranges;
    let is_available =
        |range: &Range<u64>| survey.available.clone().any(|part| part.start <= range.start && range.start < part.end);
    let is_taken = |range: &Range<u64>| {
        survey
            .taken
            .clone()
            .chain([place.clone()])
            .any(|taken| !taken.is_empty() && taken.start < range.end && range.start < taken.end)
    };
    assert!(ranges.iter().all(|range| is_available(range) && !is_taken(range)), "{ranges:x?}");
    ranges
}

/// Reads what a boot reads, but for what lies elsewhere in memory.
fn look_at_all(loaded: &BootInformation) {
    loaded.option("promote");
    loaded.has_word("verbose");
    let lines = loaded.information.module_tags();
    let lines = lines.map(|tag| until_nul(tag.payload().get(MODULE_ADDRESSES_BYTES..).unwrap_or_default()));
    lines.for_each(|command_line| drop(Module { bytes: &[], command_line }.words()));
    if let Some(pointer) = loaded.acpi_root_pointer() {
        let _ = RootTable::from_root_pointer(pointer);
    }
    if let Some((symbols, names)) = loaded.symbol_sections() {
        assert!(symbols.start <= symbols.end && names.start <= names.end && symbols.end.max(names.end) <= REACHABLE);
    }
    free(loaded);
}

fn addresses() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..99u64).prop_map(|mib| mib << 20),
        2 => 0..9999u64,
        1 => Just(u64::MAX),
        1 => Just(1 << 52),
        1 => Just(REACHABLE),
        1 => any::<u64>(),
    ]
}

fn tag() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let areas = vec((addresses(), addresses(), 0..6u32), 0..6);
    let entry_bytes = prop_oneof![9 => Just(24u32), 1 => 0..99u32];
    let map = (entry_bytes, areas).prop_map(|(entry_bytes, areas)| memory_map(entry_bytes, &areas));
    let text = vec(prop_oneof![any::<u8>(), Just(0), Just(b'"'), Just(b' '), Just(b'\\')], 0..20);
    let ends = (addresses(), addresses()).prop_map(|(start, end)| (start as u32, end as u32));
    let module = (ends, text.clone()).prop_map(|((start, end), line)| module(start, end, &line));
    let section = vec(prop_oneof![addresses(), 0..4u64], 8);
    let sections =
        vec(section, 0..4).prop_map(|sections| sections.concat().into_iter().flat_map(u64::to_le_bytes).collect());
    let entry_bytes = prop_oneof![9 => Just(64u32), 1 => Just(40), 1 => 0..99u32];
    let sections = (0..9u32, entry_bytes, sections).prop_map(|(count, entry_bytes, sections): (u32, u32, Vec<u8>)| {
        (9, [&[count, entry_bytes, 0].map(u32::to_le_bytes).concat()[..], &sections].concat())
    });
    let pointer = (14..=15u32, vec(any::<u8>(), 0..50));
    let other = (0..24u32, vec(any::<u8>(), 0..30));
    prop_oneof![3 => map, 3 => module, 2 => sections, 1 => pointer, 2 => text.prop_map(|line| (1, line)), 1 => other]
}

proptest! {
    #[test]
    fn absurd_boot_information_is_refused_or_read(
        tags in vec(tag(), 0..8),
        edit in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = information(&tags);
        if let Some((at, byte)) = edit {
            // Not the length, up to which a loader's memory can be read.
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        if let Err(error) = read(&bytes, look_at_all) {
            prop_assert!(error.to_string().contains("loader"));
        }
    }
}
