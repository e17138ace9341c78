//! The commands: their names, what they take, what they are for, and those that a line or two answer.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::machine::{Fact, Machine, Topic};
use super::table::{Align, Table, line, number, paragraph};
use super::words::words;
use super::{Leave, complete, disasm, function, learned};
use crate::engine::decide::tier::Thresholds;

/// What a word typed first does.
struct Command {
    name: &'static str,
    /// What it takes.
    takes: &'static str,
    purpose: &'static str,
    /// Does it with the words behind it.
    act: fn(&[String], &mut dyn Machine) -> Done,
}

/// Whether a command was used as it is meant, and what it leads to.
pub enum Done {
    Stay,
    /// It takes something else.
    Misused,
    Leave(Leave),
}

const COMMANDS: [Command; 17] = [
    command("help", "[COMMAND]", "what can be done", help),
    command("run", "[ARGUMENTS]", "run the program, perhaps with other arguments", run_program),
    command("profile", "", "what is known of the program, in short", learned::profile),
    command("top", "[NUMBER]", "the hottest functions, per boot", learned::top),
    command("sites", "[FUNCTION]", "what calls are specialised for, and how well", learned::sites),
    command("disasm", "FUNCTION [TIER]", "the machine code that runs, and what guards test", disasm::disasm),
    command("history", "[NUMBER]", "the boots before, oldest first", learned::history),
    command("tier", "[FUNCTION]", "how functions are compiled, or one of them and why", function::tier),
    command("thresholds", "[A,B,C | pays]", "when functions are promoted, from the next run on", thresholds),
    command("store", "", "where the profile is kept", |words, machine| facts(words, Topic::Store, machine)),
    command("cpu", "", "the processor", |words, machine| facts(words, Topic::Cpu, machine)),
    command("mem", "", "the memory, and what is in use", |words, machine| facts(words, Topic::Memory, machine)),
    command("pci", "", "the devices", pci),
    command("log", "", "what the kernel said since power-on", log),
    command("save", "", "save the profile if the last run did not", save),
    command("reboot", "", "start the machine again", |words, _| leave(words, Leave::Reboot)),
    command("shutdown", "", "switch the machine off", |words, _| leave(words, Leave::Shutdown)),
];

const fn command(
    name: &'static str,
    takes: &'static str,
    purpose: &'static str,
    act: fn(&[String], &mut dyn Machine) -> Done,
) -> Command {
    Command { name, takes, purpose, act }
}

/// Does what `line` says; how the shell is left, if that is it.
pub fn run(line: &str, machine: &mut dyn Machine) -> Option<Leave> {
    let words = words(line);
    let (name, rest) = words.split_first()?;
    let Some(command) = find(name) else {
        unknown("command", name, COMMANDS.iter().map(|command| command.name), machine);
        return None;
    };
    match (command.act)(rest, machine) {
        Done::Stay => None,
        Done::Leave(leave) => Some(leave),
        Done::Misused => {
            paragraph(&format!("{} is used as: {}", command.name, command.usage()), machine);
            None
        }
    }
}

/// What the last word of `before` may become.
pub fn candidates(before: &str, machine: &mut dyn Machine) -> Vec<String> {
    let earlier = words(&before[..before.len() - complete::last_word(before).len()]);
    let commands = || COMMANDS.iter().map(|command| command.name.to_string()).collect();
    match (earlier.first().map(String::as_str), earlier.len()) {
        (None, _) | (Some("help"), 1) => commands(),
        (Some("disasm" | "tier" | "sites"), 1) => function::names(machine),
        (Some("disasm"), 2) => function::TIERS.map(|(name, _)| name.to_string()).into(),
        _ => Vec::new(),
    }
}

fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    fn usage(&self) -> String {
        format!("{} {}", self.name, self.takes).trim_end().to_string()
    }
}

/// Says that there is no such thing, and what may have been meant.
pub fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>, machine: &mut dyn Machine) {
    let near = complete::suggestions(name, known);
    let ending = match near[..] {
        [] => "; Tab lists all".to_string(),
        _ => format!("; is it {}?", near.join(" or ")),
    };
    paragraph(&format!("there is no {kind} {name}{ending}"), machine);
}

/// The number that the only word is, or this one if there is none.
pub fn number_or(words: &[String], without: usize) -> Option<usize> {
    match words {
        [] => Some(without),
        [word] => word.parse().ok(),
        _ => None,
    }
}

/// Facts about one thing, below each other.
pub fn write_facts(facts: Vec<Fact>, machine: &mut dyn Machine) {
    let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
    facts.into_iter().for_each(|Fact { name, value }| table.row([name.to_string(), value]));
    table.write(machine);
}

fn help(words: &[String], machine: &mut dyn Machine) -> Done {
    match words {
        [] => {
            let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
            COMMANDS.iter().for_each(|command| table.row([command.usage(), command.purpose.to_string()]));
            table.write(machine);
            line("", machine);
            paragraph(
                "Arrows, Home and End move; Ctrl-A, E, U, K, W and L do what they do in other shells; up and down bring \
                 earlier lines back. Ctrl-C ends a program that runs.",
                machine,
            );
        }
        [name] => match find(name) {
            Some(command) => paragraph(&format!("{}: {}", command.usage(), command.purpose), machine),
            None => unknown("command", name, COMMANDS.iter().map(|command| command.name), machine),
        },
        _ => return Done::Misused,
    }
    Done::Stay
}

fn run_program(words: &[String], machine: &mut dyn Machine) -> Done {
    machine.run((!words.is_empty()).then(|| words.to_vec()));
    Done::Stay
}

fn facts(words: &[String], topic: Topic, machine: &mut dyn Machine) -> Done {
    if !words.is_empty() {
        return Done::Misused;
    }
    let facts = machine.facts(topic);
    write_facts(facts, machine);
    Done::Stay
}

fn pci(words: &[String], machine: &mut dyn Machine) -> Done {
    if !words.is_empty() {
        return Done::Misused;
    }
    let mut table =
        Table::new([("address", Align::Left), ("device", Align::Left), ("class", Align::Left), ("what", Align::Left)]);
    machine.pci().into_iter().for_each(|row| table.row(row));
    table.write(machine);
    Done::Stay
}

fn log(words: &[String], machine: &mut dyn Machine) -> Done {
    if !words.is_empty() {
        return Done::Misused;
    }
    for said in machine.log() {
        paragraph(&said, machine);
    }
    Done::Stay
}

fn save(words: &[String], machine: &mut dyn Machine) -> Done {
    if !words.is_empty() {
        return Done::Misused;
    }
    let done = machine.save();
    paragraph(&done, machine);
    Done::Stay
}

fn leave(words: &[String], leave: Leave) -> Done {
    if words.is_empty() { Done::Leave(leave) } else { Done::Misused }
}

fn thresholds(words: &[String], machine: &mut dyn Machine) -> Done {
    match words {
        [] => {}
        [word] if word == "pays" => machine.set_thresholds(None),
        [word] => match word.parse() {
            Ok(thresholds) => machine.set_thresholds(Some(thresholds)),
            Err(error) => {
                paragraph(&format!("{word} is {error}"), machine);
                return Done::Stay;
            }
        },
        _ => return Done::Misused,
    }
    let said = match machine.thresholds() {
        Some(Thresholds { optimise, specialise, settle }) => format!(
            "functions are optimised at {} calls, specialised at {}, and looked at once more at {}",
            number(optimise),
            number(specialise),
            number(settle)
        ),
        None => "functions are promoted where it pays, by what better code of each would save".to_string(),
    };
    paragraph(&said, machine);
    Done::Stay
}
