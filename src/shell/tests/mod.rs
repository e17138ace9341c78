//! The shell as a whole, typed to on machines that are not there.

mod fake;

use super::machine::{Listing, Status};
use super::*;
use crate::engine::decide::tier::{InFlight, Thresholds, Tier};
use fake::{Fake, Typed};
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

#[test]
fn every_command_is_listed_and_explained() {
    let help = Typed::on(Fake::default()).line("help");
    let commands =
        "help run profile top sites disasm history tier thresholds store cpu mem pci log save reboot shutdown";
    for command in commands.split(' ') {
        assert!(help.lines().any(|line| line.split(' ').next() == Some(command)), "{command} in\n{help}");
        let more = Typed::on(Fake::default()).line(&std::format!("help {command}"));
        assert!(more.starts_with(command) && more.contains(": "), "{more}");
    }
}

#[test]
fn tables_are_aligned_and_cut_to_the_screen() {
    let mut typed = Typed::on(Fake::learned());
    assert_eq!(
        typed.line("top"),
        "  ticks  share   calls   code  function\n\
         500,000  50.0%  18,246  1,234  store_record\n\
         300,000  30.0%       9     80  libc.memcpy\n\
         200,000  20.0%       0      0  a?b\n"
    );
    assert_eq!(typed.line("top 1").lines().count(), 2);
    assert_eq!(
        typed.line("sites"),
        "passed  failed  function      values\n\
         18,000     246  store_record  memcpy 512 (90%), 16 (8%)\n"
    );
    assert_eq!(
        typed.line("history"),
        "boot      ticks  in the program  compiling  called  specialised  code\n\
        \u{20}  1  1,000,000         600,000    300,000      99            8     0\n"
    );
}

#[test]
fn a_function_is_told_of_by_any_of_its_names() {
    let mut typed = Typed::on(Fake::learned());
    let said = typed.line("tier store_record");
    assert!(said.contains("tier      specialised, 7 bytes of machine code at 0x1000\n"), "{said}");
    assert!(said.contains("calls     18,246 per boot; its busiest loop or arm ran 40 times\n"), "{said}");
    assert!(said.contains("promoted  at 8,000 calls or 8,000 rounds of a loop;"), "{said}");
    assert!(said.contains("site      memcpy 512 (90%), 16 (8%)\n"), "{said}");
    assert!(typed.line("tier memcpy").starts_with("function  libc.memcpy\n"));
    assert_eq!(typed.line("tier store_recrod"), "there is no function store_recrod; is it store_record?\n");
    assert_eq!(typed.line("tier"), "baseline      80\noptimised     11\nspecialised   8\nnot compiled  1\n");
    assert!(typed.line("sites store_record").contains("memcpy 512"));
}

#[test]
fn machine_code_says_what_its_guards_are_for() {
    let mut typed = Typed::on(Fake::learned());
    let said = typed.line("disasm store_record");
    let expected = "store_record: 22 bytes at 0x1000\n\
                    \u{20}   0  cmp edx, 0x200                       ; guard: memcpy of 512 bytes?\n\
                    \u{20}   6  jne 14\n\
                    \u{20}   8  inc qword ptr [rip+0xff1]            ; memcpy of 512 bytes: passed\n\
                    \u{20}   f  call memcpy\n\
                    \u{20}  14  ud2                                  ; trap\n";
    assert_eq!(said.replace(' ', ""), expected.replace(' ', ""), "{said}");
    assert_eq!(typed.line("disasm store_record optimised"), "no such code\n");
    assert_eq!(typed.line("disasm store_record optimized"), "there is no tier optimized; is it optimised?\n");
    assert_eq!(typed.line("disasm"), "disasm is used as: disasm FUNCTION [TIER]\n");
}

#[test]
fn the_program_runs_with_the_words_that_follow() {
    let mut typed = Typed::on(Fake::default());
    assert_eq!(typed.line("run"), "ran with None\n");
    assert_eq!(typed.line("run a \"b c\" \\\"d"), "ran with Some([\"a\", \"b c\", \"\\\"d\"])\n");
}

#[test]
fn thresholds_are_shown_set_and_taken_back() {
    let mut typed = Typed::on(Fake::default());
    assert!(typed.line("thresholds").contains("where it pays"));
    assert!(typed.line("thresholds 10,2000,30000").contains("optimised at 10 calls, specialised at 2,000"));
    assert_eq!(typed.machine.thresholds, Some(Thresholds { optimise: 10, specialise: 2000, settle: 30000 }));
    assert_eq!(typed.line("thresholds 3,2,1"), "3,2,1 is not three rising numbers such as 100,1000,10000\n");
    assert!(typed.line("thresholds pays").contains("where it pays"));
    assert_eq!(typed.machine.thresholds, None);
}

#[test]
fn facts_devices_log_and_saving_are_the_machines() {
    let mut typed = Typed::on(Fake::default());
    assert_eq!(typed.line("cpu"), "topic   Cpu\nlonger  yes\n");
    assert_eq!(typed.line("mem"), "topic   Memory\nlonger  yes\n");
    assert_eq!(typed.line("store"), "topic   Store\nlonger  yes\n");
    assert_eq!(typed.line("pci"), "address  device     class  what\n00:01.0  8086:7010  01.01  IDE controller\n");
    assert_eq!(typed.line("log"), "BareFlow\nsaid\n");
    assert_eq!(typed.line("save"), "saved\n");
    assert_eq!(typed.line("save now"), "save is used as: save\n");
}

#[test]
fn the_shell_is_left_by_the_commands_that_say_so() {
    let mut typed = Typed::on(Fake::default());
    typed.line("reboot now");
    assert_eq!(typed.left, None);
    typed.line("reboot");
    assert_eq!(typed.left, Some(Leave::Reboot));
    let mut typed = Typed::on(Fake::default());
    typed.line("  shutdown  ");
    assert_eq!(typed.left, Some(Leave::Shutdown));
}

#[test]
fn where_nothing_ran_that_is_said() {
    let mut typed = Typed::on(Fake::default());
    for line in ["profile", "top", "sites", "history", "tier x", "tier", "disasm x"] {
        assert_eq!(typed.line(line), "nothing ran yet\n", "{line}");
    }
}

#[test]
fn unknown_words_have_near_ones_suggested() {
    let mut typed = Typed::on(Fake::default());
    assert_eq!(typed.line("shutdwon"), "there is no command shutdwon; is it shutdown?\n");
    assert_eq!(typed.line("xyzzyx"), "there is no command xyzzyx; Tab lists all\n");
    assert_eq!(typed.line(""), "");
}

#[test]
fn a_line_is_edited_with_the_keys_of_other_shells() {
    let edits: [(&[u8], &str); 12] = [
        (b"sve\x1b[D\x1b[Da\r", "save"),
        (b"xsave\x01\x1b[3~\r", "save"),
        (b"save x\x17\x17save\r", "save"),
        (b"xx yy\x15save\r", "save"),
        (b"savexx\x1b[D\x1b[D\x0b\r", "save"),
        (b"ave\x01s\x05\r", "save"),
        (b"ave\x1b[Hs\x1b[F\r", "save"),
        (b"savx\x7fe\r", "save"),
        (b"savxe\x02\x08\r", "save"),
        (b"nonsense\x03save\r", "save"),
        (b"sa\t\r", "save"),
        ("säv\x7f\x7fave\r".as_bytes(), "save"),
    ];
    for (keys, expected) in edits {
        let mut typed = Typed::on(Fake::default());
        typed.bytes(keys);
        assert_eq!(typed.machine.saves, 1, "{:?} is {expected}: {:?}", String::from_utf8_lossy(keys), typed.screen());
        assert!(typed.screen().iter().any(|line| line == "bareflow> save"), "{:?}", typed.screen());
    }
}

#[test]
fn earlier_lines_come_back() {
    let mut typed = Typed::on(Fake::default());
    ["save", "help", "help", "  "].into_iter().for_each(|line| _ = typed.line(line));
    typed.bytes(b"dra\x1b[A");
    assert_eq!(typed.last_line(), "bareflow> help");
    typed.bytes(b"\x1b[A\x1b[A\x1b[A");
    assert_eq!(typed.last_line(), "bareflow> save");
    typed.bytes(b"\x1b[B\x1b[B\x1b[B");
    assert_eq!(typed.last_line(), "bareflow> dra");
}

#[test]
fn tab_completes_commands_functions_and_tiers() {
    let mut typed = Typed::on(Fake::learned());
    typed.bytes(b"dis\tstor\tspec\t");
    assert_eq!(typed.last_line(), "bareflow> disasm store_record specialised");
    typed.bytes(b"\x15s\t");
    assert_eq!(typed.screen()[typed.screen().len() - 2..], ["save      shutdown  sites     store", "bareflow> s"]);
    typed.bytes(b"\x0c");
    assert_eq!(typed.screen(), ["bareflow> s"]);
}

#[test]
fn a_long_line_is_shown_in_part_and_never_wraps() {
    for columns in [1, 2, 3, 5, 12, 40, 80] {
        let mut typed = Typed::on(Fake::of_columns(columns));
        typed.bytes("save ".repeat(40).as_bytes());
        typed.bytes(b"\x03");
        typed.bytes("save ".repeat(40).as_bytes());
        typed.bytes(b"\x01\x1b[C\x1b[C\x05\x17x\x1b[A\x1b[B\r");
        for line in ["help", "top", "sites", "tier store_record", "disasm store_record", "profile", "pci", "nonsense"] {
            typed.line(line);
        }
        // Prompts are wider than the narrowest screens.
        let widest = typed.screen().iter().filter(|line| !line.contains("> ")).map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns.max(2)), "{columns}: {:?}", typed.screen());
        assert!(!typed.wrapped || columns < 5, "{columns}");
    }
}

#[test]
fn names_that_others_wrote_do_nothing_to_the_terminal() {
    let mut typed = Typed::on(Fake::learned());
    ["top", "tier", "sites", "history", "profile"].into_iter().for_each(|line| _ = typed.line(line));
    typed.bytes(b"tier \t\t");
    assert!(!typed.raw.contains(['\u{1b}', '\u{7}']), "{:?}", typed.raw);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_lines_are_answered(
        columns in 0_usize..120,
        lines in proptest::collection::vec(
            prop_oneof![
                "(help|run|profile|top|sites|disasm|history|tier|thresholds|store|cpu|mem|pci|log|save)( [a-z0-9,.\"\\\\]{0,12}){0,3}\r",
                "[\\x00-\\x7f]{0,40}\r",
                "\\PC{0,40}\t\r",
                "(\x1b\\[[0-9;]{0,4}[A-Z~]|[a-z ]|\t|\x17|\x01|\x0b|\x10){0,30}\r",
            ],
            1..6,
        ),
    ) {
        let mut typed = Typed::on(Fake::of_columns(columns));
        for line in lines {
            typed.bytes(line.as_bytes());
            if typed.left.is_some() {
                return Ok(());
            }
        }
        prop_assert!(!typed.wrapped || columns < 5, "{:?}", typed.raw);
    }

    #[test]
    fn random_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Typed::on(Fake::learned()).bytes(&bytes);
    }
}
