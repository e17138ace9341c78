//! One line being typed: where the cursor is, what it looked like, what was typed before.
//!
//! Key type: [`Editor`]. It is drawn with characters, spaces and backspaces alone, which serial terminals and every screen of
//! the machine understand. A line that is longer than the terminal is wide is shown in part.

use alloc::string::String;
use alloc::vec::Vec;

use super::keys::{Key, is_one_column};

const PROMPT: &str = "bareflow> ";
/// The same where there is no room for it.
const SHORT_PROMPT: &str = "> ";
/// Columns that are wide enough for the long one.
const WIDE: usize = 40;

/// Behind a line that is given up, where there is room for it.
const CANCELLED: &str = "^C";

/// Most characters in a line: more keys than that are ignored.
const LINE_CHARS_MAX: usize = 1000;
/// Lines that are remembered.
const HISTORY_LINES: usize = 100;

/// What a key leads to, besides the line that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Enter: this was typed.
    Line(String),
    /// Tab: this stands before the cursor.
    Complete(String),
    /// The screen is to be cleared, and the line drawn anew.
    Clear,
}

/// The line, and those before it.
#[derive(Clone, Debug)]
pub struct Editor {
    chars: Vec<char>,
    /// Characters before the cursor.
    cursor: usize,
    /// Columns of the terminal.
    columns: usize,
    /// The first character that is shown.
    left: usize,
    /// What the terminal shows behind the prompt, and the cursor in it.
    shown: Vec<char>,
    shown_cursor: usize,
    history: Vec<String>,
    /// Which line of the history is shown; its length for the one being typed.
    place: usize,
    /// The line being typed, while another one is shown.
    draft: String,
}

impl Default for Editor {
    fn default() -> Self {
        Self {
            chars: Vec::new(),
            cursor: 0,
            columns: 80,
            left: 0,
            shown: Vec::new(),
            shown_cursor: 0,
            history: Vec::new(),
            place: 0,
            draft: String::new(),
        }
    }
}

impl Editor {
    /// Begins an empty line on a terminal of so many columns.
    pub fn begin(&mut self, columns: usize) {
        self.columns = columns;
        self.set_line("");
        self.left = 0;
        self.place = self.history.len();
        self.draft.clear();
    }

    /// Draws the prompt and the line where the terminal shows neither.
    pub fn draw(&mut self, out: &mut String) {
        out.push_str(self.prompt());
        self.shown.clear();
        self.shown_cursor = 0;
        self.show(out);
    }

    /// Takes a key; `out` is what brings the terminal up to date.
    pub fn press(&mut self, key: Key, out: &mut String) -> Option<Event> {
        let event = self.edit(key);
        match event {
            Some(Event::Line(_)) => {
                self.show(out);
                out.push('\n');
            }
            None if key == Key::Control('c') => {
                self.cursor = self.chars.len();
                self.show(out);
                if self.shown.len() + CANCELLED.len() <= self.width() {
                    out.push_str(CANCELLED);
                }
                out.push('\n');
                self.begin(self.columns);
                self.draw(out);
            }
            _ => self.show(out),
        }
        event
    }

    /// Inserts `text` at the cursor.
    pub fn insert(&mut self, text: &str, out: &mut String) {
        text.chars().filter(|character| is_one_column(*character)).for_each(|character| self.insert_char(character));
        self.show(out);
    }

    fn edit(&mut self, key: Key) -> Option<Event> {
        let end = self.chars.len();
        match key {
            Key::Char(character) => self.insert_char(character),
            Key::Enter => return Some(self.finish()),
            Key::Tab => return Some(Event::Complete(self.chars[..self.cursor].iter().collect())),
            Key::Control('l') => return Some(Event::Clear),
            Key::Backspace => self.delete(self.cursor.saturating_sub(1), self.cursor),
            Key::Delete | Key::Control('d') => self.delete(self.cursor, (self.cursor + 1).min(end)),
            Key::Left | Key::Control('b') => self.cursor = self.cursor.saturating_sub(1),
            Key::Right | Key::Control('f') => self.cursor = (self.cursor + 1).min(end),
            Key::Home | Key::Control('a') => self.cursor = 0,
            Key::End | Key::Control('e') => self.cursor = end,
            Key::Control('u') => self.delete(0, self.cursor),
            Key::Control('k') => self.delete(self.cursor, end),
            Key::Control('w') => self.delete(self.word_before(), self.cursor),
            Key::Up | Key::Control('p') => self.recall(self.place.checked_sub(1)),
            Key::Down | Key::Control('n') => self.recall(Some(self.place + 1)),
            Key::Control(_) => {}
        }
        None
    }

    fn insert_char(&mut self, character: char) {
        if self.chars.len() < LINE_CHARS_MAX {
            self.chars.insert(self.cursor, character);
            self.cursor += 1;
        }
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.chars.drain(from..to);
        self.cursor = from;
    }

    /// Where the word before the cursor begins.
    fn word_before(&self) -> usize {
        let before = &self.chars[..self.cursor];
        let word_end = before.iter().rposition(|character| *character != ' ').map_or(0, |last| last + 1);
        before[..word_end].iter().rposition(|character| *character == ' ').map_or(0, |space| space + 1)
    }

    fn finish(&mut self) -> Event {
        let line: String = self.chars.iter().collect();
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            if self.history.len() == HISTORY_LINES {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        self.cursor = self.chars.len();
        Event::Line(line)
    }

    /// Shows line `place` of the history, or the one being typed behind them.
    fn recall(&mut self, place: Option<usize>) {
        let Some(place) = place.filter(|place| *place <= self.history.len()) else { return };
        if self.place == self.history.len() {
            self.draft = self.chars.iter().collect();
        }
        self.place = place;
        let line = self.history.get(place).unwrap_or(&self.draft).clone();
        self.set_line(&line);
    }

    fn set_line(&mut self, line: &str) {
        self.chars = line.chars().collect();
        self.cursor = self.chars.len();
    }

    const fn prompt(&self) -> &'static str {
        if self.columns >= WIDE { PROMPT } else { SHORT_PROMPT }
    }

    /// Columns behind the prompt; the last one of the terminal stays free, for a character there may wrap.
    fn width(&self) -> usize {
        self.columns.saturating_sub(self.prompt().len() + 1).max(1)
    }

    /// Brings the terminal up to date.
    fn show(&mut self, out: &mut String) {
        let width = self.width();
        if self.cursor < self.left {
            self.left = self.cursor;
        }
        // The cursor may stand behind the last character.
        self.left = self.left.max((self.cursor + 1).saturating_sub(width)).min(self.chars.len());
        let end = (self.left + width).min(self.chars.len());
        let wanted = self.chars[self.left..end].to_vec();
        let cursor = self.cursor - self.left;
        let same = wanted.iter().zip(&self.shown).take_while(|(wanted, shown)| wanted == shown).count();
        if same < wanted.len() || same < self.shown.len() {
            self.move_to(same, out);
            out.extend(&wanted[same..]);
            let blank = self.shown.len().saturating_sub(wanted.len());
            out.extend(core::iter::repeat_n(' ', blank));
            self.shown_cursor = wanted.len() + blank;
            self.shown = wanted;
        }
        self.move_to(cursor, out);
    }

    /// Moves the cursor of the terminal to column `to` behind the prompt, over what is shown.
    fn move_to(&mut self, to: usize, out: &mut String) {
        match self.shown_cursor.checked_sub(to) {
            Some(back) => out.extend(core::iter::repeat_n('\u{8}', back)),
            None => out.extend(&self.shown[self.shown_cursor..to]),
        }
        self.shown_cursor = to;
    }
}
