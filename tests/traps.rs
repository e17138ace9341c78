//! Every way a program ends, in QEMU: traps have names and a backtrace, and what was learned is saved all the same.

mod common;

use bareflow::host::qemu::Ending;
use common::qemu::{Boot, Guest, code, fresh_store};
use tempfile::TempDir;

/// Two boots of `traps HOW`, both of which must end with `code` and save what they learned.
fn ends(how: &[&str], code: u8, event: &str, exit_code: i32) -> [Boot; 2] {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let guest = Guest::program("traps", how).store(&fresh_store(&folder));
    [1, 2].map(|number| {
        let boot = guest.run();
        boot.expect_code(code).expect("\"store\":\"saved\"");
        assert_eq!(boot.output().lines().next(), Some(&*format!("ending by: {}", how[0])), "{}", boot.log());
        let report = boot.outcome.serial.report(event).unwrap_or_else(|error| panic!("{error}\n{}", boot.log()));
        assert_eq!((&report["boot"], &report["exit_code"]), (&number.into(), &exit_code.into()), "{}", boot.log());
        boot
    })
}

/// As above, in the trap `name`, with a backtrace that starts inside the function `inside`.
fn traps(how: &str, name: &str, inside: &str) -> [Boot; 2] {
    let boots = ends(&[how], code::PROGRAM_TRAPPED, "trap", 134);
    for boot in &boots {
        let text = boot.text();
        let (_, backtrace) = text
            .split_once(&format!("\nbareflow: trap: {name}\n  0: "))
            .unwrap_or_else(|| panic!("no trap {name:?} with a backtrace\n{}", boot.log()));
        // Compilers have several names for C's main.
        let innermost = backtrace.split_once(" @ 0x").map_or("", |(innermost, _)| innermost);
        assert!(innermost.contains(inside), "{innermost:?} is not in {inside}\n{}", boot.log());
        boot.expect(&format!("\"reason\":\"trap: {name}\\n  0: {innermost} @ 0x"));
    }
    boots
}

/// As above, inside the C function `main`, whose callers are named down to the entry.
fn traps_in_main(how: &str, name: &str) {
    for boot in traps(how, name, "main") {
        boot.expect(": _start @ 0x");
    }
}

#[test]
fn an_access_out_of_bounds_is_a_trap() {
    traps_in_main("oob", "out of bounds memory access");
}

#[test]
fn a_program_without_memory_touches_none() {
    let text = r#"(module
      (import "libc" "memset" (func $memset (param i32 i32 i32) (result i32)))
      (func (export "_start") (drop (call $memset (i32.const 0x400000) (i32.const 65) (i32.const 64)))))"#;
    let program = wat::parse_str(text).expect("well-formed");
    let boot = Guest::program_bytes("program.wasm", &program).words("coredump").run();
    boot.expect_code(code::PROGRAM_TRAPPED).expect("bareflow: trap: out of bounds memory access\n  0: memset @ 0x");
    boot.expect("bareflow: coredump: there is no third serial port to send it to\n");
}

#[test]
fn a_division_by_zero_is_a_trap() {
    traps_in_main("div", "integer divide by zero");
}

#[test]
fn unreachable_code_is_a_trap() {
    traps_in_main("unreachable", "unreachable");
}

#[test]
fn an_exhausted_stack_is_a_trap() {
    traps("stack", "call stack exhausted", "recurse");
}

/// The stack may take what there is, but for what the compiler and saving need.
#[test]
fn a_stack_that_there_is_no_memory_for_is_a_trap() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let guest = Guest::program("traps", &["stack"]).store(&fresh_store(&folder)).memory_mib(64).words("stack=1G");
    let boot = guest.run();
    boot.expect_code(code::PROGRAM_TRAPPED).expect("\"store\":\"saved\"");
    boot.expect("bareflow: trap: call stack exhausted: no memory is left for it, give the machine more RAM\n  0: ");
}

#[test]
fn an_indirect_call_of_another_type_is_a_trap() {
    traps_in_main("indirect", "indirect call type mismatch");
}

/// Two boots of a command whose body is `body`, which must end in the trap `name`.
fn body_traps(body: &str, name: &str) -> [Boot; 2] {
    let wat = format!(
        r#"(module
          (import "libc" "memcpy" (func $memcpy (param i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func $_start (export "_start") (local $i i32) {body}))"#
    );
    let folder = TempDir::new().expect("a temporary folder can be made");
    let program = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"));
    let guest = Guest::program_bytes("program.wasm", &program).store(&fresh_store(&folder));
    [1, 2].map(|number| {
        let boot = guest.run();
        boot.expect_code(code::PROGRAM_TRAPPED).expect(&format!("\nbareflow: trap: {name}\n  0: "));
        boot.expect(": _start @ 0x").expect("\"store\":\"saved\"").expect(&format!("\"boot\":{number},"));
        boot
    })
}

#[test]
fn the_furthest_address_that_an_instruction_can_name_is_a_trap() {
    let body = "(i64.store offset=4294967295 (i32.const -1) (i64.const 1))";
    body_traps(body, "out of bounds memory access");
}

#[test]
fn a_specialised_copy_that_leaves_the_memory_is_a_trap() {
    // The last of many equal copies ends 8 bytes behind the memory.
    let body = "(loop $next
        (drop (call $memcpy
          (select (i32.const 65032) (i32.const 8192) (i32.eq (local.get $i) (i32.const 50000)))
          (i32.const 4096) (i32.const 512)))
        (br_if $next (i32.le_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50000))))";
    let [_, second] = body_traps(body, "out of bounds memory access");
    assert!(!second.text().contains("\"functions_specialised\":0"), "{}", second.log());
}

#[test]
fn an_exit_code_is_reported_and_is_not_a_trap() {
    ends(&["exit", "7"], code::PROGRAM_FAILED, "exit", 7);
    ends(&["exit", "0"], code::SUCCESS, "exit", 0);
}

#[test]
fn a_program_that_never_ends_can_only_be_killed() {
    let (_guest, mut running) = Guest::program("traps", &["spin"]).start();
    running.wait_for("ending by: spin", common::qemu::TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(running.kill().ending, Ending::Killed);
}
