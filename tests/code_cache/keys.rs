//! What code depends on: where one thing differs, nothing of it is used, and the reason is said.

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Thresholds, Tier};
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::libc::{Heap, Interpose};

use crate::boots::{Left, alone, settle};
use crate::engine::NoImports;
use crate::program::{CALLS, PARTS, between_boots, boot, expected, make, settled};

/// Boots with `options` on what was left by a boot with others: nothing of its code is used for `reason`, and the boots after it
/// have code of their own.
#[track_caller]
fn is_rejected(options: Options, left: &Left, functions: u64, reason: &str) {
    let wasm = PARTS.wasm();
    let first = boot(wasm, options, CALLS, left);
    assert_eq!(first.functions(), (0, functions, first.statistics.functions_compiled), "{options:?}");
    assert!(first.statistics.functions_compiled > 0 && first.reason.starts_with(reason), "{}", first.reason);
    settle(first.left, |left| boot(wasm, options, CALLS, left));
}

#[test]
fn every_option_that_reaches_code_is_part_of_the_key() {
    let _alone = alone();
    let options = between_boots();
    let known = settled(PARTS.wasm(), options);
    let thresholds = Thresholds { settle: 10_001, ..Thresholds::default() };
    let others = [
        Options { promotion: Promotion::Flight, ..options },
        Options { thresholds: Some(thresholds), ..options },
        Options { lowest: Tier::Optimised, ..options },
        Options { highest: Tier::Optimised, ..options },
        Options { highest: Tier::Baseline, ..options },
        Options { heap: Heap::Checked, ..options },
        Options { interpose: Interpose::Off, ..options },
    ];
    for other in others {
        is_rejected(other, &known.left, known.statistics.code_loaded, "it was made for another set of options: ");
    }
    let again = boot(PARTS.wasm(), options, CALLS, &known.left);
    assert_eq!(again.functions(), known.functions());
}

#[test]
fn every_feature_of_the_cpu_is_part_of_the_key() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    for without in CpuFeatures::detect().iter() {
        let options = Options { without, ..between_boots() };
        let functions = known.statistics.code_loaded;
        is_rejected(options, &known.left, functions, "it was made for another CPU: CpuFeatures(");
    }
}

/// Where `bytes` are in `image`, once.
fn place_of(bytes: &[u8], image: &[u8]) -> usize {
    let mut places = (0..image.len()).filter(|at| image[*at..].starts_with(bytes));
    let place = places.next().expect("they are there");
    assert_eq!(places.next(), None, "{bytes:?} are there more than once");
    place
}

#[test]
fn code_of_another_build_is_not_used() {
    let _alone = alone();
    let mut known = settled(PARTS.wasm(), between_boots());
    let image = known.left.code.as_mut().expect("code was kept");
    // Behind the name of this part of the key are its length and its characters.
    let place = place_of(b"build", image) + b"build".len() + 1;
    image[place] = if image[place] == b'0' { b'1' } else { b'0' };
    is_rejected(between_boots(), &known.left, known.statistics.code_loaded, "it was made for another build: ");
}

#[test]
fn code_made_for_another_place_is_not_used() {
    let _alone = alone();
    let known = settled(PARTS.wasm(), between_boots());
    let first = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    assert!(first.addresses_are_fixed);
    let platform = host::platform(CpuFeatures::detect()).expect("address space can be reserved");
    assert!(!platform.addresses_are_fixed);
    let Left { profile, code } = known.left;
    let (wasm, options) = (PARTS.wasm(), between_boots());
    let engine = Engine::with_code(wasm, platform, Box::new(NoImports), options, profile, code.as_deref());
    let mut engine = engine.unwrap_or_else(|error| panic!("{error}"));
    let reason = engine.code_reason().unwrap_or_default().to_string();
    assert!(reason.starts_with("it was made for another place of code: 0x"), "{reason}");
    assert_eq!(make(&mut engine, CALLS), expected(wasm, CALLS));
    let sums = engine.statistics();
    assert_eq!((sums.code_loaded, sums.code_rejected), (0, known.statistics.code_loaded));
    assert!(sums.functions_compiled > 0);
}

#[test]
fn a_boot_that_changes_nothing_writes_nothing() {
    let _alone = alone();
    for options in [between_boots(), Options::default(), Options { highest: Tier::Baseline, ..Options::default() }] {
        let known = settled(PARTS.wasm(), options);
        let next = boot(PARTS.wasm(), options, CALLS, &known.left);
        assert!(next.is_same && next.left.code == known.left.code, "{options:?}");
    }
}
