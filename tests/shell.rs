//! The shell in QEMU, typed to over the serial line and on the keyboard.

mod common;

use bareflow::host::qemu::{Ending, Running};
use common::qemu::{Guest, TIMEOUT, code, fresh_store};
use tempfile::TempDir;

const PROMPT: &str = "bareflow> ";

/// A machine in its shell.
struct Shell {
    /// Its files are the machine's.
    _guest: Guest,
    machine: Running,
    /// Bytes of what it said that were looked at.
    seen: usize,
}

impl Shell {
    /// Boots, and waits for the prompt.
    fn open(guest: Guest) -> Self {
        let (guest, machine) = guest.start();
        let mut shell = Self { _guest: guest, machine, seen: 0 };
        shell.until(PROMPT);
        shell
    }

    /// What is said next, up to and with `text`.
    fn until(&mut self, text: &str) -> String {
        loop {
            let all = self.machine.serial().text().into_owned();
            if let Some(at) = all[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                let said = all[self.seen..end].replace("\r\n", "\n");
                self.seen = end;
                return said;
            }
            self.machine.wait_for_more(TIMEOUT).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Types a line on the serial line; what is answered, without prompts.
    fn line(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r"));
        self.until("\n");
        self.until(PROMPT).trim_end_matches(PROMPT).to_string()
    }

    fn send(&mut self, text: &str) {
        self.machine.send_serial(text).unwrap_or_else(|error| panic!("{error}"));
    }

    fn keys(&mut self, keys: &str) {
        for key in keys.split(' ') {
            self.machine.send_key(key).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Switches the machine off by the shell, which ends it with this code.
    fn shut_down(mut self, code: u8) {
        self.send("shutdown\r");
        let outcome = self.machine.finish(TIMEOUT, &mut |_| ());
        assert_eq!(outcome.ending, Ending::DebugExit(code), "{}", outcome.serial.text());
    }
}

#[test]
fn without_a_program_the_shell_says_what_the_machine_has() {
    let mut shell = Shell::open(Guest::bare().words("after=ask"));
    let said = shell.machine.serial().kernel_text();
    let lines: Vec<&str> = said.lines().skip(1).filter(|line| line.starts_with("bareflow: ")).collect();
    assert!(matches!(lines[..], [line] if line.contains("there is no program: give GRUB one")), "{said}");
    let help = shell.line("help");
    assert!(help.contains("disasm FUNCTION [TIER]") && help.lines().all(|line| line.len() < 80), "{help}");
    assert!(shell.line("cpu").contains("MHz, told by "));
    assert!(shell.line("mem").contains(" MiB\n"));
    let pci = shell.line("pci");
    assert!(pci.contains("host bridge") && pci.contains("VGA display"), "{pci}");
    assert!(shell.line("store").contains("no store is used, and nothing is remembered\n"));
    assert!(shell.line("run").contains("bareflow: there is no program: give GRUB one"));
    assert!(shell.line("log").contains("there is no program: give GRUB one"));
    assert_eq!(shell.line("top"), "there is no program\n");
    assert_eq!(shell.line("hepl"), "there is no command hepl; is it help?\n");
    shell.shut_down(code::NO_PROGRAM);
}

#[test]
fn the_program_runs_again_and_again_and_every_command_tells_of_it() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let mut shell = Shell::open(Guest::concordance().store(&store).words("shell").without_exit_device());
    let first = shell.line("run");
    assert!(first.contains("profile saved as generation 1\n"), "{first}");
    let second = shell.line("run");
    assert!(
        second.contains("store: starting from generation 1\n") && second.contains("boot 2 ended with code 0"),
        "{second}"
    );
    let checksum = |said: &str| said.lines().find(|line| line.starts_with("checksum")).map(str::to_owned);
    assert!(checksum(&first).is_some() && checksum(&first) == checksum(&second), "{first}\n{second}");

    assert!(shell.line("profile").contains("boots         2\n"));
    assert!(shell.line("top").contains("store_record"));
    assert!(shell.line("sites").contains("memcpy 512"));
    assert_eq!(shell.line("history").lines().count(), 3);
    let tier = shell.line("tier store_record");
    assert!(tier.contains("tier      specialised, "), "{tier}");
    let code = shell.line("disasm store_record");
    assert!(code.contains("memcpy of 512 bytes: passed\n"), "{code}");
    assert!(code.contains("; calls of store_record\n"), "{code}");
    let guards = shell.line("disasm sift");
    assert!(guards.contains("; guard: call of more_frequent_first?\n"), "{guards}");
    assert!(code.lines().all(|line| line.chars().count() < 80), "{code}");
    assert!(shell.line("store").contains("store: starting from generation 2\n"));
    assert_eq!(shell.line("save"), "the profile was saved when the program ended\n");
    assert!(shell.line("thresholds 1,2,3").contains("optimised at 1 calls"));
    assert!(shell.line("run").contains("boot 3 ended with code 0"));

    let other = shell.line("run none.txt");
    assert!(!other.contains("ended with code 0"), "{other}");
    shell.send("reboot\r");
    let outcome = shell.machine.finish(TIMEOUT, &mut |_| ());
    assert_eq!(outcome.ending, Ending::PoweredOff, "a reset ends QEMU: {}", outcome.serial.text());
}

#[test]
fn ctrl_c_ends_a_loop_without_calls_and_its_profile_is_kept() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let guest = Guest::endless().store(&store);
    let (guest, machine) = guest.start();
    let mut shell = Shell { _guest: guest, machine, seen: 0 };
    // Over the serial line, in a boot that has no shell so far; then on the keyboard.
    shell.until("counting");
    shell.send("\x03");
    let said = shell.until(PROMPT);
    assert!(said.contains("trap: interrupted") && said.contains("profile saved as generation 1"), "{said}");
    assert!(said.contains("\"exit_code\":130"), "{said}");
    shell.send("run\r");
    shell.until("counting");
    shell.keys("ctrl-c");
    let said = shell.until(PROMPT);
    assert!(said.contains("trap: interrupted") && said.contains("profile saved as generation 2"), "{said}");
    let top = shell.line("top");
    assert!(top.contains("_start"), "{top}");
    shell.shut_down(code::PROGRAM_TRAPPED);
}

#[test]
fn a_trap_in_the_program_comes_back_to_the_prompt() {
    let text = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;
    let module = wat::parse_str(text).expect("the text is a module");
    let mut shell = Shell::open(Guest::program_bytes("trap.wasm", &module).words("shell"));
    assert!(shell.line("run").contains("trap: unreachable"));
    assert!(shell.line("run").contains("trap: unreachable"));
    shell.shut_down(code::PROGRAM_TRAPPED);
}

#[test]
fn the_keyboard_edits_lines_in_its_layout() {
    let mut shell = Shell::open(Guest::bare().words("keyboard=de after=ask"));
    // On this layout the key Y of others has a Z.
    shell.keys("y p u left left home c delete right right backspace ret");
    shell.until("\n");
    assert!(shell.until(PROMPT).contains("there is no command cp"));
    shell.keys("up backspace p u ret");
    shell.until("\n");
    assert!(shell.until(PROMPT).contains("MHz, told by"));
    shell.keys("s h u t d tab ret");
    let outcome = shell.machine.finish(TIMEOUT, &mut |_| ());
    assert_eq!(outcome.ending, Ending::DebugExit(code::NO_PROGRAM), "{}", outcome.serial.text());
}

#[test]
fn a_program_that_waits_for_input_reads_what_is_typed_and_can_be_ended() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\40\00\00\00")
        (func (export "_start")
            (loop
                (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
                (i32.store (i32.const 4) (i32.load (i32.const 8)))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
                (i32.store (i32.const 4) (i32.const 64))
                (br 0))))"#;
    let module = wat::parse_str(text).expect("the text is a module");
    let mut shell = Shell::open(Guest::program_bytes("echo.wasm", &module).words("shell"));
    shell.send("run\r");
    shell.until("there is no store disk");
    shell.send("hullo\x7f\x7f\x7f\x7fello\r");
    shell.until("hello\r\n");
    shell.send("\x03");
    assert!(shell.until(PROMPT).contains("trap: interrupted"));
    shell.shut_down(code::PROGRAM_TRAPPED);
}
