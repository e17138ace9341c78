//! Machines without what PCs have had since 1981: interrupt controllers, timers, keyboard controller, firmware's tables.
//! `./just test` runs the short ones, `./just test-machines` a table of them all.

mod common;

use bareflow::host::qemu::disk::Chipset;
use bareflow::host::qemu::{Ending, Machine, Outcome, Running};
use common::qemu::{Guest, TIMEOUT, code, kernel, program};
use std::fs;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const PROMPT: &str = "bareflow> ";
const CONTROL_C: &str = "\u{3}";
const LOCAL_APIC: &str = "interrupts: from the local APIC, since the interval timer does not interrupt";
const INTERVAL_TIMER: &str = "interrupts: from the interval timer";
const STAYS_ON: &str = "bareflow: halted; the machine can be switched off";

/// The BIOS for QEMU's smallest machine, where Debian's and Ubuntu's package `seabios` has it: what QEMU takes by itself starts
/// Linux only.
const SMALL_BIOS: &str = "/usr/share/seabios/bios-microvm.bin";

fn endless() -> Guest {
    Guest::endless().words("verbose").without_exit_device()
}

fn until(machine: &mut Running, text: &str) {
    machine.wait_for(text, TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
}

fn send(machine: &mut Running, text: &str) {
    machine.send_serial(text).unwrap_or_else(|error| panic!("{error}"));
}

/// Waits for the end, which has to be by power-off; what was said.
fn powered_off(machine: Running) -> String {
    let outcome = machine.finish(TIMEOUT, &mut |_| ());
    let text = outcome.serial.text().into_owned();
    assert_eq!(outcome.ending, Ending::PoweredOff, "{text}\n{}", outcome.messages);
    text
}

#[test]
fn without_interrupt_controllers_the_serial_line_ends_the_program_and_works_the_shell() {
    let machine = "q35,pic=off,pit=off,hpet=off,i8042=off";
    let (_guest, mut machine) = endless().qemu(&["-M", machine]).start();
    until(&mut machine, "counting");
    send(&mut machine, CONTROL_C);
    until(&mut machine, PROMPT);
    send(&mut machine, "shutdown\r");
    let text = powered_off(machine);
    assert!(text.contains(LOCAL_APIC), "{text}");
    assert!(text.contains("no PS/2 keyboard controller; the serial port takes input too"), "{text}");
}

#[test]
fn without_interrupt_controllers_the_keyboard_ends_the_program_and_works_the_shell() {
    let (_guest, mut machine) = endless().qemu(&["-M", "q35,pic=off"]).start();
    until(&mut machine, "counting");
    let mut keys = |keys: &str| machine.send_key(keys).unwrap_or_else(|error| panic!("{error}"));
    keys("ctrl-c");
    until(&mut machine, PROMPT);
    for key in ["s", "h", "u", "t", "d", "o", "w", "n", "ret"] {
        machine.send_key(key).unwrap_or_else(|error| panic!("{error}"));
    }
    let text = powered_off(machine);
    assert!(text.contains(LOCAL_APIC), "{text}");
}

#[test]
fn the_local_apics_timer_keeps_the_rate() {
    for machine in ["pc", "q35,pit=off"] {
        let boot = Guest::bare().words("selftest=timer").qemu(&["-M", machine]).counting_instructions().run();
        boot.expect_code(code::SELF_TEST_PASSED);
    }
}

#[test]
fn without_any_interrupt_the_program_runs_and_the_shell_is_there() {
    let guest = Guest::program("hello", &[]).words("shell").cpu("max,-apic").qemu(&["-M", "isapc,pit=off,pic=off"]);
    let (_guest, mut machine) = guest.start();
    until(&mut machine, PROMPT);
    send(&mut machine, "run\rshutdown\r");
    let outcome = machine.finish(TIMEOUT, &mut |_| ());
    let text = outcome.serial.text();
    assert_eq!(outcome.ending, Ending::DebugExit(code::SUCCESS), "{text}");
    assert!(text.contains("interrupts come from no timer: nothing is sampled"), "{text}");
    assert!(text.contains("Hello from ring 0!"), "{text}");
}

#[test]
fn a_machine_that_cannot_be_switched_off_says_that_it_is_done() {
    let guest = Guest::program("hello", &[]).without_exit_device().qemu(&["-M", "pc,acpi=off"]);
    let (_guest, mut machine) = guest.start();
    until(&mut machine, STAYS_ON);
    assert_eq!(machine.kill().ending, Ending::Killed);
}

/// Boots `hello` on QEMU's smallest machine, from a disk that the kernel does not know, with these options of its.
fn small(options: &str) -> Outcome {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let image = folder.path().join("x.img");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.args(["image", "--words", "after=off verbose store=none"]).arg(&image).arg(program("hello"));
    let made = command.output().expect("the bareflow command can be run");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let drive = format!("file={},format=raw,if=none,id=disk", image.display());
    let type_ = format!("microvm,acpi=on,x-option-roms=off,{options}");
    let extra = ["-M", &type_, "-bios", SMALL_BIOS, "-drive", &drive, "-device", "virtio-blk-device,drive=disk"];
    let extra = extra.map(str::to_owned).into();
    let machine = Machine { screen: "none".into(), exit_device: false, extra, ..Machine::without_iso() };
    machine.run(TIMEOUT).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_machine_of_reduced_hardware_without_legacy_devices_runs_and_switches_itself_off() {
    let outcome = small("pic=off,pit=off,rtc=off");
    let text = outcome.serial.text();
    assert_eq!(outcome.ending, Ending::PoweredOff, "{text}\n{}", outcome.messages);
    assert!(text.contains("Hello from ring 0!") && text.contains(LOCAL_APIC), "{text}");
}

/// The first instruction of a loader's jump has to be this one (ENDBR32), where the tracking of indirect branches was left on.
#[test]
fn the_kernels_entry_is_a_target_of_indirect_branches() {
    let file = fs::read(kernel()).expect("the kernel is there");
    let number =
        |at: usize, bytes: usize| file[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (entry, headers, size, count) = (number(24, 8), number(32, 8), number(54, 2), number(56, 2));
    let segment = (0..count).map(|index| headers + index * size).find(|&at| {
        let start = number(at + 24, 8);
        number(at, 4) == 1 && (start..start + number(at + 32, 8)).contains(&entry)
    });
    let segment = segment.expect("a segment holds the entry");
    let at = number(segment + 8, 8) + entry - number(segment + 24, 8);
    assert_eq!(file[at..at + 4], [0xf3, 0x0f, 0x1e, 0xfb]);
}

/// A machine in the table.
struct Kind {
    machine: &'static str,
    cpu: &'static str,
    memory_mib: u32,
    screen: &'static str,
    uefi: bool,
    expected: &'static str,
    is_switched_off: bool,
}

const ORDINARY: Kind = Kind {
    machine: "q35",
    cpu: "max",
    memory_mib: 256,
    screen: "std",
    uefi: false,
    expected: INTERVAL_TIMER,
    is_switched_off: true,
};

const KINDS: &[Kind] = &[
    Kind { machine: "pc", ..ORDINARY },
    ORDINARY,
    Kind { screen: "none", ..ORDINARY },
    Kind { machine: "q35,i8042=off", ..ORDINARY },
    Kind { machine: "q35,hpet=off", ..ORDINARY },
    Kind { machine: "q35,smbus=off,vmport=off", ..ORDINARY },
    Kind { machine: "q35,pit=off,hpet=off", expected: LOCAL_APIC, ..ORDINARY },
    Kind { machine: "q35,pic=off", expected: LOCAL_APIC, ..ORDINARY },
    Kind { machine: "q35,pic=off,pit=off,hpet=off,i8042=off", expected: LOCAL_APIC, ..ORDINARY },
    Kind { machine: "pc,pic=off,pit=off", expected: LOCAL_APIC, ..ORDINARY },
    Kind { machine: "pc,acpi=off", is_switched_off: false, ..ORDINARY },
    Kind { machine: "isapc", is_switched_off: false, ..ORDINARY },
    Kind { machine: "isapc,pic=off,pit=off", expected: LOCAL_APIC, is_switched_off: false, ..ORDINARY },
    Kind { cpu: "max,-apic", ..ORDINARY },
    Kind { cpu: "qemu64,+la57", ..ORDINARY },
    Kind { memory_mib: 6 << 10, ..ORDINARY },
    Kind { uefi: true, ..ORDINARY },
    Kind { screen: "none", uefi: true, ..ORDINARY },
    Kind { machine: "q35,i8042=off", uefi: true, ..ORDINARY },
    Kind { machine: "q35,hpet=off", uefi: true, ..ORDINARY },
    Kind { machine: "q35,pit=off,hpet=off", expected: LOCAL_APIC, uefi: true, ..ORDINARY },
    Kind { machine: "q35,pic=off", expected: LOCAL_APIC, uefi: true, ..ORDINARY },
    Kind { cpu: "qemu64,+la57", uefi: true, ..ORDINARY },
    Kind { memory_mib: 6 << 10, uefi: true, ..ORDINARY },
];

impl Kind {
    /// A program that never ends is ended by Ctrl-C, then the shell is told to switch off; what came of it.
    fn boot(&self) -> String {
        let guest = endless().cpu(self.cpu).memory_mib(self.memory_mib).screen(self.screen, true).uefi(self.uefi);
        let (_guest, mut machine) = guest.chipset(Chipset::Q35).qemu(&["-M", self.machine]).start();
        let patience = Duration::from_secs(60);
        let mut talk = || {
            machine.wait_for("counting", patience)?;
            machine.send_serial(CONTROL_C)?;
            machine.wait_for(PROMPT, patience)?;
            machine.send_serial("shutdown\r")?;
            if self.is_switched_off { Ok(()) } else { machine.wait_for(STAYS_ON, patience) }
        };
        if let Err(error) = talk() {
            return format!("FAILED: {error}");
        }
        let outcome = if self.is_switched_off { machine.finish(patience, &mut |_| ()) } else { machine.kill() };
        let text = outcome.serial.text();
        let said = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("?").to_owned();
        if !text.contains(self.expected) {
            return format!("FAILED: not {:?}\n{text}", self.expected);
        }
        match (self.is_switched_off, outcome.ending) {
            (true, Ending::PoweredOff) | (false, Ending::Killed) => {
                let [interrupts, clock] = ["bareflow: interrupts: from ", "bareflow: clock: "].map(said);
                let end = if self.is_switched_off { "off" } else { "stays on" };
                format!("{interrupts}; {clock}; {end}")
            }
            (_, ending) => format!("FAILED: {ending}\n{text}"),
        }
    }
}

#[test]
#[ignore = "takes some minutes: ./just test-machines"]
fn every_machine_without_something_runs_is_interrupted_and_ends() {
    let results = KINDS.iter().map(|kind| {
        let firmware = if kind.uefi { "UEFI" } else { "BIOS" };
        let Kind { machine, cpu, memory_mib, screen, .. } = kind;
        let result = kind.boot();
        println!("{machine:<40} {cpu:<12} {memory_mib:>4} MiB {screen:<4} {firmware}  {result}");
        result
    });
    let failed = results.filter(|result| result.starts_with("FAILED")).count();
    assert_eq!(failed, 0);
}
