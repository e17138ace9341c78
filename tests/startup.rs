//! Starting takes time in proportion to what a module has, of whatever kind.

#[path = "common/bodies.rs"]
mod bodies;
mod common;
#[path = "common/wide.rs"]
mod wide;

use bodies::{counted, number, op, section, sized};
use common::qemu::{Guest, code};
use wide::Wide;

/// Ticks from the kernel's entry to the first instruction of a module that has `count` of everything.
fn ticks_to_start(count: usize) -> u64 {
    let wasm = Wide::of_everything(count).wasm();
    let boot = Guest::program_bytes("wide.wasm", &wasm).memory_mib(1024).counting_instructions().run();
    let row = boot.expect_code(code::SUCCESS).row();
    assert!(row.functions_total > count as u64, "{}", boot.log());
    row.ticks_boot
}

#[test]
fn eight_times_as_much_of_everything_takes_eight_times_as_long_to_start() {
    let [few, many] = [10_000, 80_000].map(ticks_to_start);
    assert!(many < 9 * few, "{few} ticks, {many} for eight times as much");
}

#[test]
fn a_program_with_more_than_the_machine_can_hold_is_refused_before_it_is_read() {
    let wasm = Wide::of_everything(40_000).wasm();
    let boot = Guest::program_bytes("wide.wasm", &wasm).memory_mib(64).run();
    boot.expect_code(code::NO_PROGRAM).expect("not enough memory for reading and linking a module: ");
}

#[test]
fn a_program_that_takes_long_to_read_says_how_far_it_is() {
    let body = sized(&[&[0][..], &vec![op::NOP; 100_000], &[op::END]].concat());
    let wasm = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &counted(&vec![number(0); 61])),
        section(7, &counted(&[[&sized(b"_start")[..], &[0, 60]].concat()])),
        section(10, &counted(&[vec![body; 60], vec![sized(&[0, op::END])]].concat())),
    ];
    let boot = Guest::program_bytes("large.wasm", &wasm.concat()).counting_instructions().run();
    boot.expect_code(code::SUCCESS);
    let lines = boot.kernel_lines();
    let told = lines.iter().filter_map(|line| line.strip_prefix("decoding: ")?.strip_suffix(" of 6001 kB"));
    let told: Vec<u32> = told.map(|done| done.parse().unwrap_or_else(|_| panic!("{done}"))).collect();
    assert!(!told.is_empty() && told.is_sorted_by(|before, after| before < after), "{}", boot.log());
}
