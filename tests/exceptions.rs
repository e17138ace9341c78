//! The kernel's failures and its self-tests, in QEMU: whatever goes wrong in ring 0 is printed with names and ends the
//! machine with a code.

mod common;

use common::qemu::{Boot, Guest, code};

/// The self-test that `tests/official` runs.
const OFFICIAL: [&str; 1] = ["script"];
/// Self-tests that `tests/devices.rs` runs.
const DEVICES: [&str; 4] = ["keyboard", "timer", "disk", "power-off"];
/// The self-test that `tests/disks/speed.rs` runs.
const DISKS: [&str; 1] = ["store"];
/// In `screens.rs`.
const SCREENS: [&str; 1] = ["high-screen"];
/// Self-tests that `tests/machines.rs` runs.
const MACHINES: [&str; 3] = ["modes", "unexpected", "serial"];
/// Self-tests that provoke a failure; each has a test below.
const FAILURES: [&str; 11] = [
    "divide",
    "undefined",
    "page-fault",
    "double-fault",
    "stack-overflow",
    "panic",
    "write-text",
    "write-rodata",
    "execute-data",
    "execute-heap",
    "out-of-memory",
];
/// Self-tests that find a verdict; each has a test below.
const VERDICTS: [&str; 9] =
    ["permissions", "interrupts", "heap", "frames", "linear", "linear-small", "code", "state", "regions"];

fn self_test(name: &str) -> Boot {
    Guest::bare().words(&format!("selftest={name}")).run()
}

/// Runs a self-test that fails on purpose: the headline, each name in the dump in this order, and the code.
fn fails(name: &str, expected: u8, headline: &str, names: &[&str]) -> Boot {
    let boot = self_test(name);
    boot.expect_code(expected).expect(headline);
    let text = boot.text();
    let mut rest = text.split_once("backtrace:").unwrap_or_else(|| panic!("no backtrace\n{}", boot.log())).1;
    for name in [names, &["bareflow::kernel::selftest::run+0x", "bareflow::kernel::start+0x"]].concat() {
        rest = rest.split_once(name).unwrap_or_else(|| panic!("no {name} in its place\n{}", boot.log())).1;
    }
    boot
}

/// Runs a self-test that must pass.
fn passes(name: &str) -> Boot {
    let boot = self_test(name);
    boot.expect_code(code::SELF_TEST_PASSED).expect(&format!("bareflow: selftest {name}: passed: "));
    boot
}

#[test]
fn every_self_test_has_a_test() {
    let boot = self_test("list");
    boot.expect_code(code::SELF_TEST_PASSED);
    let mut tested = [&FAILURES[..], &VERDICTS, &DEVICES, &DISKS, &MACHINES, &OFFICIAL, &SCREENS].concat();
    let mut offered = boot.kernel_lines();
    tested.sort_unstable();
    offered.sort_unstable();
    assert_eq!(offered, tested, "{}", boot.log());
}

#[test]
fn an_unknown_self_test_fails() {
    self_test("no-such-test").expect_code(code::SELF_TEST_FAILED);
}

#[test]
fn a_division_by_zero_prints_registers_and_a_symbolised_backtrace() {
    let probe = "bareflow::arch::probe::divide_by_zero+0x";
    let boot = fails("divide", code::EXCEPTION, "KERNEL EXCEPTION: divide error (vector 0)", &[probe]);
    let rip = boot.text().lines().find(|line| line.starts_with("rip ")).unwrap_or_default().to_owned();
    assert!(rip.contains(probe), "{}", boot.log());
    for register in ["rax ", "r15 ", "cr0 ", "cr2 ", "cr3 ", "cr4 ", "efer ", "rflags ", "cs 0008", "error code 0x0"] {
        boot.expect(register);
    }
}

#[test]
fn an_undefined_instruction_is_named() {
    let probe = "bareflow::arch::probe::undefined_instruction+0x";
    fails("undefined", code::EXCEPTION, "KERNEL EXCEPTION: invalid opcode (vector 6)", &[probe]);
}

#[test]
fn a_page_fault_says_what_was_tried_and_where() {
    let headline = "KERNEL EXCEPTION: page fault (vector 14): read of an unmapped page at 0x10\n";
    fails("page-fault", code::EXCEPTION, headline, &["bareflow::arch::probe::read+0x"]);
}

#[test]
fn a_double_fault_is_printed_and_has_its_own_code() {
    let probe = "bareflow::arch::probe::double_fault+0x";
    fails("double-fault", code::DOUBLE_FAULT, "KERNEL EXCEPTION: double fault (vector 8)", &[probe]);
}

#[test]
fn an_overflow_of_the_kernel_stack_is_called_that() {
    let probe = "bareflow::arch::probe::overflow_stack+0x";
    let boot = fails("stack-overflow", code::EXCEPTION, "KERNEL EXCEPTION: page fault (vector 14): write of", &[probe]);
    boot.expect(": kernel stack overflow\n").expect(" times more\n");
}

#[test]
fn a_panic_says_where_and_why() {
    let boot = fails("panic", code::PANIC, "KERNEL PANIC: panicked at src/kernel/selftest.rs:", &["panic_fmt+0x"]);
    boot.expect("\nasked for by selftest=panic\n");
}

#[test]
fn running_out_of_memory_says_what_to_do() {
    let probe = "bareflow::kernel::selftest::memory::exhaust_heap+0x";
    let boot = fails("out-of-memory", code::PANIC, "KERNEL PANIC: ", &[probe]);
    boot.expect("memory allocation of 1048576 bytes failed\nout of memory: ");
    boot.expect(" bytes are free; give the machine more (under QEMU: -m 512M)\n");
}

#[test]
fn text_cannot_be_written() {
    let probe = "bareflow::arch::probe::write+0x";
    fails(
        "write-text",
        code::EXCEPTION,
        "page fault (vector 14): write that the page forbids at 0xffffffff8",
        &[probe],
    );
}

#[test]
fn read_only_data_cannot_be_written() {
    let probe = "bareflow::arch::probe::write+0x";
    fails(
        "write-rodata",
        code::EXCEPTION,
        "page fault (vector 14): write that the page forbids at 0xffffffff8",
        &[probe],
    );
}

#[test]
fn data_cannot_be_executed() {
    let headline = "page fault (vector 14): execution that the page forbids at 0xffffffff8";
    fails("execute-data", code::EXCEPTION, headline, &["bareflow::arch::probe::call_return+0x"]);
}

#[test]
fn the_heap_cannot_be_executed() {
    let headline = "page fault (vector 14): execution that the page forbids at 0xffffa0";
    fails("execute-heap", code::EXCEPTION, headline, &["bareflow::arch::probe::call_return+0x"]);
}

#[test]
fn no_memory_is_both_writable_and_executable() {
    passes("permissions");
}

#[test]
fn interrupts_preserve_vector_registers() {
    passes("interrupts");
    let boot = Guest::bare().cpu("qemu64").words("selftest=interrupts").run();
    boot.expect_code(code::SELF_TEST_PASSED).expect("passed: ");
}

#[test]
fn the_heap_gives_memory_back() {
    passes("heap");
}

#[test]
fn frames_are_distinct_and_come_back() {
    passes("frames");
}

#[test]
fn linear_memory_grows_to_the_end_of_memory_and_faults_behind_its_end() {
    passes("linear");
}

#[test]
fn linear_memory_grows_without_large_frames() {
    passes("linear-small");
}

#[test]
fn published_code_runs_and_can_be_replaced() {
    passes("code");
}

#[test]
fn engine_state_keeps_what_is_written() {
    passes("state");
}

#[test]
fn regions_are_empty_whenever_they_are_handed_out() {
    passes("regions");
}
