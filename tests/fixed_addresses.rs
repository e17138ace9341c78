//! Code, state and further memories have the same addresses in every process, and where those are taken others; and code is the
//! same, since nothing in it depends on where Linux has put the command and its memory.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/recorder.rs"]
mod recorder;

use std::ops::Range;
use std::process::Command;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::{Promotion, Tier};
use bareflow::engine::seams::{MEMORY_ALIGNMENT, MEMORY_RESERVATION_BYTES, MemoryBase};
use bareflow::engine::{Engine, Options, Platform};
use bareflow::host;
use bareflow::profile::Profile;
use engine::NoImports;
use recorder::{Written, record};
use xxhash_rust::xxh3::xxh3_128;

/// Of code, state, the first memory and three more.
type Addresses = [u64; 6];

fn platform() -> (Platform, Addresses) {
    let mut platform = host::platform(CpuFeatures::detect()).unwrap();
    let more = [(); 3].map(|()| (platform.another_memory)().unwrap().base());
    let [second, third, fourth] = more.map(address);
    let first = address(platform.memory.base());
    let addresses = [platform.code.base(), platform.state.base(), first, second, third, fourth];
    (platform, addresses)
}

fn address(base: MemoryBase) -> u64 {
    match base {
        MemoryBase::At(address) => address,
        MemoryBase::Zero => panic!("a process has nothing at 0"),
    }
}

#[test]
fn every_process_has_the_same_addresses_and_every_engine_its_own() {
    let (first, addresses) = platform();
    assert!(first.addresses_are_fixed, "{addresses:x?}");
    let (second, others) = platform();
    assert!(!second.addresses_are_fixed);
    assert!(addresses.iter().all(|address| !others.contains(address)), "{addresses:x?} {others:x?}");
    for [_, _, memories @ ..] in [addresses, others] {
        assert!(memories[0].is_multiple_of(MEMORY_ALIGNMENT));
        assert!(memories.iter().all(|one| memories.iter().all(|other| apart(*one, *other))), "{memories:x?}");
    }
    drop(first);
    let (third, again) = platform();
    assert!(third.addresses_are_fixed);
    assert_eq!(again, addresses);

    let line = format!("addresses {addresses:x?}");
    for said in [(); 4].map(|()| other_process("says_its_addresses")) {
        assert!(said.contains(&line), "{line} expected, but\n{said}");
    }
}

/// What another process says that runs the ignored `test` below.
fn other_process(test: &str) -> String {
    let command = std::env::current_exe().unwrap();
    let output = Command::new(command).args(["--ignored", "--nocapture", "--exact", test]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn apart(one: u64, other: u64) -> bool {
    one == other || one.abs_diff(other) >= MEMORY_RESERVATION_BYTES
}

#[test]
#[ignore = "a process of the other test"]
fn says_its_addresses() {
    println!("addresses {:x?}", platform().1);
}

/// Everything that calls something outside of compiled code, instructions of which a CPU without SSSE3 and SSE4.1 has none
/// included, on two memories.
const PROGRAM: &str = "(module
    (import \"libc\" \"memcpy\" (func $memcpy (param i32 i32 i32) (result i32)))
    (memory 1) (memory 1) (table 4 funcref) (elem (i32.const 1) func $round)
    (func $round (param $x f64) (result f64)
      (f64.ceil (f64.floor (f64.trunc (f64.nearest (local.get $x))))))
    (func $round_float (param $x f32) (result f32)
      (f32.ceil (f32.floor (f32.trunc (f32.nearest (local.get $x))))))
    (func $shuffle (param $x v128) (result v128)
      (i8x16.swizzle (f32x4.floor (local.get $x)) (f64x2.nearest (local.get $x))))
    (func (export \"run\") (param $x i32) (result i64) (local $sum f64)
      (loop $again
        (drop (call $memcpy (i32.const 64) (i32.const 0) (i32.and (local.get $x) (i32.const 63))))
        (i32.store 1 (i32.const 8) (i32.load (local.get $x)))
        (drop (memory.grow 1 (i32.const 0)))
        (table.set (i32.const 2) (table.get (i32.const 1)))
        (local.set $sum (f64.add (local.get $sum)
          (f64.add (f64.promote_f32 (call $round_float (f32.convert_i32_s (local.get $x))))
            (call_indirect (param f64) (result f64) (f64.convert_i32_s (local.get $x)) (i32.const 2)))))
        (br_if $again (local.tee $x (i32.sub (local.get $x) (i32.const 1)))))
      (i64.add (i64.trunc_sat_f64_s (local.get $sum)) (i64x2.extract_lane 1 (call $shuffle (i32x4.splat (local.get $x)))))))";

#[test]
fn every_process_makes_the_same_code() {
    let said = [(); 3].map(|()| other_process("says_what_code_it_makes"));
    let line = |said: &str| said.lines().find(|line| line.contains("bytes of code")).map(str::to_owned);
    assert!(line(&said[0]).is_some(), "{}", said[0]);
    assert!(said.iter().all(|other| line(other) == line(&said[0])), "{said:#?}");
}

#[test]
#[ignore = "a process of the other test"]
fn says_what_code_it_makes() {
    let bytes = wat::parse_str(PROGRAM).unwrap().leak();
    let mut all = Vec::new();
    for cpu in [CpuFeatures::empty(), CpuFeatures::detect()] {
        let mut learned = Profile::default();
        for lowest in [Tier::Baseline, Tier::Optimised, Tier::Specialised] {
            let (platform, written) = (host::platform(cpu).unwrap(), Written::default());
            assert!(platform.addresses_are_fixed);
            let options = Options { promotion: Promotion::Boots, lowest, ..Options::default() };
            let mut engine =
                Engine::new(bytes, record(platform, &written), Box::new(NoImports), options, learned).unwrap();
            engine::call(&mut engine, "run", &[20_000]);
            learned = engine.learned();
            all.extend(written.take().concat());
        }
    }
    let places = mapped();
    let words = all.windows(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let found: Vec<u64> = words.filter(|word| places.iter().any(|place| place.contains(word))).collect();
    assert!(found.is_empty(), "code holds addresses of the process: {found:x?}");
    println!("{} bytes of code, {:032x}", all.len(), xxh3_128(&all));
}

/// Where Linux has put what this process is made of.
fn mapped() -> Vec<Range<u64>> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
    };
    let places: Vec<_> = maps.lines().filter_map(range).collect();
    assert!(places.len() > 5, "{maps}");
    places
}
