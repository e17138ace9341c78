//! The shell: lines typed on a keyboard or a serial line, and what they ask of the machine.
//!
//! Pure: a [`Shell`] takes bytes as terminals send them, and answers with text. What a command does is the [`Machine`]'s, a
//! seam that the kernel implements and tests fake. `keys` makes keys of bytes, `editor` a line of keys, `words` the parts of a
//! line, `complete` what may have been meant; `commands` has the list of commands, `learned`, `function` and `disasm` those
//! that need more than a line, `table` what they print in. Every line fits the terminal.

#![forbid(unsafe_code)]

mod commands;
mod complete;
mod disasm;
mod editor;
mod function;
mod keys;
mod learned;
mod machine;
mod table;
mod words;

#[cfg(test)]
mod tests;

pub use function::LIBC;
pub use learned::{hottest, share, site_values, specialised};
pub use machine::{Fact, Learned, Listing, Machine, Names, Status, Topic};
pub use table::wrapped;

use alloc::string::String;
use editor::{Editor, Event};
use keys::Keys;

/// How somebody leaves the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Reboot,
    Shutdown,
}

/// Somebody at a terminal.
#[derive(Default)]
pub struct Shell {
    keys: Keys,
    editor: Editor,
}

impl Shell {
    /// Says what this is, and prompts.
    pub fn greet(&mut self, machine: &mut dyn Machine) {
        table::paragraph("Type `help` for what can be done, Tab to complete.", machine);
        self.prompt(machine);
    }

    /// Takes a byte that was typed; how the shell is left, once it is.
    pub fn press(&mut self, byte: u8, machine: &mut dyn Machine) -> Option<Leave> {
        let key = self.keys.push(byte)?;
        let mut shown = String::new();
        let event = self.editor.press(key, &mut shown);
        machine.write(&shown);
        match event {
            None => None,
            Some(Event::Line(line)) => {
                let leave = commands::run(&line, machine);
                if leave.is_none() {
                    self.prompt(machine);
                }
                leave
            }
            Some(Event::Complete(before)) => {
                self.complete(&before, machine);
                None
            }
            Some(Event::Clear) => {
                machine.clear_screen();
                self.redraw(machine);
                None
            }
        }
    }

    fn complete(&mut self, before: &str, machine: &mut dyn Machine) {
        let found = complete::complete(before, &commands::candidates(before, machine));
        let mut shown = String::new();
        self.editor.insert(&found.insert, &mut shown);
        machine.write(&shown);
        if !found.choices.is_empty() {
            machine.write("\n");
            table::names(&found.choices, machine);
            self.redraw(machine);
        }
    }

    /// A prompt for a new line.
    fn prompt(&mut self, machine: &mut dyn Machine) {
        self.editor.begin(machine.columns());
        self.redraw(machine);
    }

    /// The prompt and the line so far, on a line of the terminal that is empty.
    fn redraw(&mut self, machine: &mut dyn Machine) {
        let mut shown = String::new();
        self.editor.draw(&mut shown);
        machine.write(&shown);
    }
}
