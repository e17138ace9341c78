//! What a person sees and how long: text on screens of all kinds, and what becomes of the machine at its end.

mod common;

#[path = "common/screen.rs"]
mod screen;

use bareflow::host::qemu::disk::Chipset;
use bareflow::host::qemu::{Ending, Outcome, Running};
use common::qemu::{Guest, TIMEOUT, code};
use screen::{expect_shown, shown};
use std::time::Duration;

/// What the sample program prints.
const OUTPUT: &str = "Hello from ring 0!";
const WAITS: &str = "bareflow: press a key to power off";

/// The sample program on a machine that powers off by ACPI.
fn guest(words: &str) -> Guest {
    Guest::program("hello", &[]).words(words).without_exit_device()
}

/// Presses a key and waits for the end.
fn ended_by_key(mut running: Running) -> Outcome {
    running.send_key("spc").unwrap_or_else(|error| panic!("{error}"));
    running.finish(TIMEOUT, &mut |_| ())
}

fn expect_powered_off(outcome: &Outcome) {
    assert_eq!(outcome.ending, Ending::PoweredOff, "{}\n{}", outcome.serial.text(), outcome.messages);
}

/// The program's output and the end are on the screen until a key is pressed.
fn stays_readable(guest: Guest) {
    let (_guest, mut running) = guest.start();
    let text = expect_shown(&mut running, WAITS);
    assert!(text.contains(OUTPUT) && text.contains("bareflow: boot 1 ended with code 0: "), "{text}");
    expect_powered_off(&ended_by_key(running));
}

#[test]
fn text_screen_stays_readable_until_a_key_is_pressed() {
    stays_readable(guest("after=wait"));
}

#[test]
fn screen_of_uefi_stays_readable_until_a_key_is_pressed() {
    stays_readable(guest("after=wait").uefi(true).chipset(Chipset::Q35));
}

#[test]
fn screen_of_asked_size_shows_the_same() {
    stays_readable(guest("after=wait screen=1024x768"));
}

#[test]
fn lines_of_the_kernel_are_broken_between_words() {
    let program = common::qemu::program("traps");
    let guest = Guest::bare().module(program, &["traps.wasm", "oob"]).words("after=wait").without_exit_device();
    let (_guest, mut running) = guest.start();
    let text = expect_shown(&mut running, WAITS);
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("bareflow: boot 1 ended")).collect();
    assert!(lines[0].len() > 60 && lines[0].len() <= 80 && !lines[1].starts_with("bareflow"), "{text}");
    running.wait_for(WAITS, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    let said = running.serial().text().into_owned();
    let said = said.lines().find(|line| line.starts_with("bareflow: boot 1 ended")).expect("the screen shows it, too");
    let end = lines.iter().position(|line| line.starts_with(WAITS)).expect("it is shown");
    assert_eq!(lines[..end].join(" "), said.trim_end(), "{text}");
    assert!(text.lines().any(|line| line.starts_with("  0: main @ 0x")), "{text}");
    expect_powered_off(&ended_by_key(running));
}

#[test]
fn large_screen_shows_the_boot_beside_the_text_and_quiet_does_without() {
    let (_guest, mut running) = guest("after=wait screen=1024x768").start();
    let text = expect_shown(&mut running, WAITS);
    for shown in
        ["hello.wasm", "boot 1, which knows nothing", "no store", "ended with code 0", "TICKS OF A BOOT", "baseline"]
    {
        assert!(text.lines().any(|line| line.get(85..).is_some_and(|right| right.contains(shown))), "{shown}: {text}");
    }
    assert!(text.lines().any(|line| line.starts_with(OUTPUT)), "{text}");
    expect_powered_off(&ended_by_key(running));
    let (_guest, mut running) = guest("after=wait screen=1024x768 quiet").start();
    let text = expect_shown(&mut running, WAITS);
    assert!(!text.contains("TICKS OF A BOOT"), "{text}");
    expect_powered_off(&ended_by_key(running));
}

#[test]
fn dashboard_goes_on_while_a_program_computes() {
    let (_guest, mut running) = Guest::endless().words("after=wait screen=1024x768").without_exit_device().start();
    expect_shown(&mut running, "running, ");
    running.send_key("ctrl-c").unwrap_or_else(|error| panic!("{error}"));
    expect_shown(&mut running, "trap: interrupted");
    running.send_serial("shutdown\n").unwrap_or_else(|error| panic!("{error}"));
    expect_powered_off(&running.finish(TIMEOUT, &mut |_| ()));
}

#[test]
fn without_a_serial_port_the_screen_says_all() {
    stays_readable(guest("after=wait").screen("cirrus", false));
}

#[test]
fn without_a_word_the_machine_counts_down_and_a_key_keeps_it_on() {
    let (_guest, mut running) = guest("after=ask").start();
    let countdown = "bareflow: powering off in 10 s, press a key to stay";
    let text = expect_shown(&mut running, countdown);
    assert!(text.contains(OUTPUT), "{text}");
    running.wait_for(countdown, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
    let said = running.serial().text();
    assert!(
        said.find("BAREFLOW {").is_some_and(|report| Some(report) < said.find(countdown)),
        "the report comes first: {said}"
    );
    running.send_key("spc").unwrap_or_else(|error| panic!("{error}"));
    let text = expect_shown(&mut running, "help");
    assert!(text.lines().any(|line| line.starts_with("Type `help`")), "{text}");
    running.send_serial("shutdown\n").unwrap_or_else(|error| panic!("{error}"));
    expect_powered_off(&running.finish(TIMEOUT, &mut |_| ()));
    let (_guest, running) = guest("after=ask").start();
    expect_powered_off(&running.finish(TIMEOUT, &mut |_| ()));
}

#[test]
fn without_a_screen_the_machine_is_off_at_once() {
    let boot = guest("after=ask").screen("none", true).run();
    assert_eq!(boot.outcome.ending, Ending::PoweredOff, "{}", boot.log());
    assert!(!boot.text().contains("powering off in"), "{}", boot.log());
}

#[test]
fn machine_starts_again_if_asked_to() {
    let boot = guest("after=reboot").run();
    assert_eq!(boot.outcome.ending, Ending::PoweredOff, "QEMU ends where the machine would restart: {}", boot.log());
    boot.expect("Hello from ring 0!");
}

#[test]
fn halted_machine_says_so_and_stays_on() {
    let (_guest, mut running) = guest("after=halt").start();
    expect_shown(&mut running, "bareflow: halted; the machine can be switched off");
    assert_eq!(running.kill().ending, Ending::Killed);
}

/// The kernel's own failure is on the screen for as long as somebody wants to read it.
fn shows_its_failure(guest: Guest) {
    let (_guest, mut running) = guest.start();
    let text = expect_shown(&mut running, "bareflow::kernel::start");
    assert!(text.contains("KERNEL EXCEPTION: ") && text.contains("cr3 "), "{text}");
    assert_eq!(running.kill().ending, Ending::Killed);
}

#[test]
fn register_dump_stays_on_the_text_screen() {
    shows_its_failure(Guest::bare().words("selftest=divide after=ask").without_exit_device());
}

#[test]
fn register_dump_stays_on_a_screen_of_pixels() {
    shows_its_failure(Guest::bare().words("selftest=page-fault after=ask screen=800x600").without_exit_device());
}

#[test]
fn screen_above_4_gib_is_drawn_on() {
    let guest = Guest::bare().words("selftest=high-screen").screen("none", true).memory_mib(5 << 10);
    guest.run().expect_code(code::SELF_TEST_PASSED).expect("selftest high-screen: passed: ");
}

/// A machine with a screen, with a serial port or without.
struct Combination {
    uefi: bool,
    chipset: Chipset,
    serial: bool,
    card: &'static str,
}

impl Combination {
    /// What came of a boot.
    fn boot(&self) -> String {
        let Self { uefi, chipset, serial, card } = *self;
        let guest = guest("after=wait").uefi(uefi).chipset(chipset).screen(card, serial);
        let (_guest, mut running) = guest.start();
        let seen = shown(&mut running, WAITS, Duration::from_secs(40));
        if let Some(text) = &seen {
            assert!(text.contains(OUTPUT), "{text}");
        }
        expect_powered_off(&ended_by_key(running));
        seen.map_or("dark, off".into(), |text| {
            format!("{} columns, off", text.lines().map(str::len).max().unwrap_or(0))
        })
    }
}

#[test]
#[ignore = "takes 10 minutes: ./just test-screens"]
fn every_card_in_every_machine_under_every_firmware() {
    let mut dark = Vec::new();
    for card in ["std", "cirrus", "qxl", "virtio", "ramfb", "bochs-display", "vmware"] {
        for uefi in [false, true] {
            for chipset in Chipset::ALL {
                for serial in [true, false] {
                    let it = Combination { uefi, chipset, serial, card };
                    let firmware = if uefi { "UEFI" } else { "BIOS" };
                    let port = if serial { "serial" } else { "no serial" };
                    let name = format!("{card:<14} {firmware} {:<4} {port:<9}", chipset.name());
                    let result = it.boot();
                    println!("{name} {result}");
                    if result.starts_with("dark") {
                        dark.push((card, uefi));
                    }
                }
            }
        }
    }
    // These have no text mode, and firmware of the BIOS kind offers none for them.
    let without = |(card, uefi): &(&str, bool)| !uefi && matches!(*card, "ramfb" | "bochs-display");
    assert!(dark.iter().all(without), "{dark:?}");
}
