//! Code, state and further memories have the same addresses in every process, and where those are taken others.

use std::process::Command;

use bareflow::engine::Platform;
use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::seams::{MEMORY_ALIGNMENT, MEMORY_RESERVATION_BYTES, MemoryBase};
use bareflow::host;

/// Of code, state, the first memory and three more.
type Addresses = [u64; 6];

fn engine() -> (Platform, Addresses) {
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
    let (first, addresses) = engine();
    assert!(first.addresses_are_fixed, "{addresses:x?}");
    let (second, others) = engine();
    assert!(!second.addresses_are_fixed);
    assert!(addresses.iter().all(|address| !others.contains(address)), "{addresses:x?} {others:x?}");
    for [_, _, memories @ ..] in [addresses, others] {
        assert!(memories[0].is_multiple_of(MEMORY_ALIGNMENT));
        assert!(memories.iter().all(|one| memories.iter().all(|other| apart(*one, *other))), "{memories:x?}");
    }
    drop(first);
    let (third, again) = engine();
    assert!(third.addresses_are_fixed);
    assert_eq!(again, addresses);

    let other_process = || {
        let test = std::env::current_exe().unwrap();
        let output = Command::new(test).args(["--ignored", "--nocapture", "says_its_addresses"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let line = format!("addresses {addresses:x?}");
    for said in [(); 4].map(|()| other_process()) {
        assert!(said.contains(&line), "{line} expected, but\n{said}");
    }
}

fn apart(one: u64, other: u64) -> bool {
    one == other || one.abs_diff(other) >= MEMORY_RESERVATION_BYTES
}

#[test]
#[ignore = "a process of the other test"]
fn says_its_addresses() {
    println!("addresses {:x?}", engine().1);
}
