//! Machines that the kernel comes up on, and those that it refuses in words, in QEMU.

mod common;

use bareflow::host::qemu::Ending;
use common::qemu::{Boot, Guest, code, fresh_store, kernel};
use std::fs;
use tempfile::TempDir;

/// Runs a machine on which the kernel must give up before it has drivers, with this line.
fn refuses(guest: Guest, line: &str) {
    let boot = guest.run();
    boot.expect_code(code::CANNOT_BOOT);
    let text = boot.outcome.serial.text();
    let said: Vec<&str> = text.lines().map(str::trim).filter(|said| said.starts_with("BareFlow: ")).collect();
    assert_eq!(said, [line], "{}", boot.log());
}

#[test]
fn another_loader_is_told_what_to_use() {
    // QEMU's own loader enters the kernel by its PVH note, so without Multiboot2's magic number.
    let kernel = kernel();
    let guest = Guest::bare().qemu(&["-kernel", &kernel.to_string_lossy()]);
    refuses(guest, "BareFlow: not started by a Multiboot2 loader: boot its ISO, or use GRUB's multiboot2 command.");
}

#[test]
fn a_cpu_without_long_mode_is_told_so() {
    refuses(
        Guest::bare().cpu("qemu32"),
        "BareFlow: this CPU has no 64-bit mode: use an x86-64 machine (under QEMU: qemu-system-x86_64 -cpu max).",
    );
}

#[test]
fn a_cpu_without_no_execute_pages_is_told_so() {
    refuses(
        Guest::bare().cpu("qemu64,-nx"),
        "BareFlow: this CPU reports no no-execute pages: enable NX (Execute Disable) in the firmware setup.",
    );
}

#[test]
fn the_verbose_kernel_describes_the_machine_in_long_mode() {
    let boot = Guest::program("hello", &[]).words("verbose").run();
    boot.expect_code(code::SUCCESS).expect("bareflow: long mode: EFER.LMA=1 CS.L=1\n");
    boot.expect("bareflow: cpu: ").expect("MiB free\n").expect("bareflow: command line: ").expect("\"hello.wasm\"");
}

#[test]
fn the_program_gets_its_arguments_and_its_output_is_the_only_one() {
    let boot = Guest::program("hello", &["two words", "quote\"", "back\\slash", "it's"]).run();
    let expected = "Hello from ring 0!\nargv[0] = hello.wasm\nargv[1] = two words\nargv[2] = quote\"\n\
                    argv[3] = back\\slash\nargv[4] = it's\n";
    assert_eq!(boot.expect_code(code::SUCCESS).output(), expected, "{}", boot.log());
}

#[test]
fn words_that_mean_nothing_are_said_and_passed_over() {
    let boot = Guest::program("hello", &[]).words("promote=never thresholds=9,8 what").run();
    boot.expect_code(code::SUCCESS).expect("bareflow: promote=never is not known; it can be flight or boots\n");
    boot.expect("bareflow: thresholds=9,8 is not three rising numbers such as 100,1000,10000\n");
}

#[test]
fn without_a_disk_the_program_runs_unprofiled_and_is_told_so() {
    let boot = Guest::program("hello", &[]).run();
    boot.expect_code(code::SUCCESS).expect("\"store\":\"none\"");
    boot.expect("bareflow: there is no store disk; running unprofiled, nothing will be remembered\n");
}

#[test]
fn an_unformatted_disk_is_left_alone_and_the_command_that_formats_it_is_named() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let image = folder.path().join("disk.img");
    fs::write(&image, [0x5a; 1 << 20]).expect("the temporary folder can be written");
    let boot = Guest::program("hello", &[]).store(&image).run();
    boot.expect_code(code::SUCCESS).expect("\"store\":\"none\"");
    boot.expect("bareflow: store: no disk holds a store: ");
    boot.expect("; run `bareflow store format FILE` to make one of a blank disk");
    assert!(fs::read(&image).is_ok_and(|bytes| bytes == [0x5a; 1 << 20]), "the kernel wrote to the disk");
}

#[test]
fn the_store_is_found_on_the_second_disk() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let (other, store) = (folder.path().join("other.img"), fresh_store(&folder));
    fs::write(&other, [0; 1 << 20]).expect("the temporary folder can be written");
    let second = format!("file={},format=raw,if=ide,index=1", store.display());
    let guest = Guest::program("hello", &[]).store(&other).qemu(&["-drive", &second]);
    assert_eq!(guest.run().expect_code(code::SUCCESS).row().boot, 1);
    assert_eq!(guest.run().expect_code(code::SUCCESS).row().boot, 2);
}

#[test]
fn the_sample_program_runs_in_64_mib() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let run = |memory_mib| Guest::concordance().memory_mib(memory_mib).store(&store).run();
    let (small, large) = (run(64), run(256));
    small.expect_code(code::SUCCESS).expect("\"store\":\"saved\"");
    assert_eq!(small.output(), large.expect_code(code::SUCCESS).output(), "{}", small.log());
}

#[test]
fn bringing_the_machine_up_costs_the_same_whatever_memory_it_has() {
    let ticks_boot = |memory_mib| {
        let boot = Guest::program("hello", &[]).memory_mib(memory_mib).counting_instructions().run();
        boot.expect_code(code::SUCCESS).row().ticks_boot
    };
    let least = ticks_boot(64);
    // QEMU takes the memory from the host only as the guest touches it, but asks whether it is there.
    for memory_mib in [512, 4096, 16384].into_iter().filter(|mib| *mib < host_memory_mib()) {
        let ticks = ticks_boot(memory_mib);
        assert!(ticks * 10 <= least * 11, "{ticks} ticks with {memory_mib} MiB, {least} with 64 MiB");
    }
}

/// Memory of the machine that runs the tests; 1 GiB if that is not known.
fn host_memory_mib() -> u32 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    total.map_or(1024, |kib| kib / 1024)
}

#[test]
fn a_machine_without_the_exit_device_powers_itself_off_after_the_program() {
    let boot: Boot = Guest::program("hello", &[]).without_exit_device().run();
    assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
    assert_eq!(boot.row().exit_code, 0);
}
