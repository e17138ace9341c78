//! Text that fits the terminal: tables, wrapped lines, lists of names.

use alloc::string::String;
use alloc::vec::Vec;

use super::keys::is_one_column;
use super::machine::Machine;

/// Between columns.
const GAP: usize = 2;
/// In place of what cannot be shown.
const UNSHOWN: char = '?';

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows of cells under titles.
pub struct Table<const COLUMNS: usize> {
    columns: [(&'static str, Align); COLUMNS],
    rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub const fn new(columns: [(&'static str, Align); COLUMNS]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: [String; COLUMNS]) {
        self.rows.push(cells.map(|cell| shown(&cell)));
    }

    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes titles, if there are any, and rows. The last column takes what room is left, and goes on in lines of its own
    /// below; what does not fit otherwise is cut off.
    pub fn write(&self, machine: &mut dyn Machine) {
        let titles = self.columns.map(|(title, _)| String::from(title));
        let has_titles = titles.iter().any(|title| !title.is_empty());
        let rows = || has_titles.then_some(&titles).into_iter().chain(&self.rows);
        let widths: [usize; COLUMNS] =
            core::array::from_fn(|column| rows().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let total = columns(machine);
        for row in rows() {
            let mut line = String::new();
            for (index, (cell, (_, align))) in row.iter().zip(self.columns).enumerate() {
                let blank = widths[index] - cell.chars().count();
                let (before, after) = if align == Align::Right { (blank, 0) } else { (0, blank) };
                if index + 1 == COLUMNS {
                    line.extend(core::iter::repeat_n(' ', before));
                    let room = total.saturating_sub(line.chars().count());
                    hang(&mut line, cell, room, machine);
                } else {
                    line.extend(core::iter::repeat_n(' ', before));
                    line.push_str(cell);
                    line.extend(core::iter::repeat_n(' ', after + GAP));
                }
            }
        }
    }
}

/// Least room for which a last column is put beside the others.
const LEAST_ROOM: usize = 12;

/// Writes `start` and `cell` behind it, in as many lines as that takes.
fn hang(start: &mut String, cell: &str, room: usize, machine: &mut dyn Machine) {
    let indent = start.chars().count();
    if room < LEAST_ROOM && indent > 0 {
        start.push_str(cell);
        return line(start, machine);
    }
    for part in wrapped(cell, room) {
        start.push_str(part);
        line(start, machine);
        start.clear();
        start.extend(core::iter::repeat_n(' ', indent));
    }
}

/// `text` in parts of at most `room` characters, broken at spaces where that is possible; at least one.
pub fn wrapped(text: &str, room: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let Some((end, _)) = rest.char_indices().nth(room.max(1)) else {
            parts.push(rest);
            return parts;
        };
        let (fits, goes_on) = rest.split_at(end);
        let at = if goes_on.starts_with(' ') { end } else { fits.rfind(' ').filter(|at| *at > 0).unwrap_or(end) };
        parts.push(&rest[..at]);
        rest = rest[at..].trim_start_matches(' ');
        if rest.is_empty() {
            return parts;
        }
    }
}

/// Columns that text may take: the last one of the terminal stays free, for a character there may wrap.
fn columns(machine: &dyn Machine) -> usize {
    machine.columns().saturating_sub(1).max(1)
}

/// Writes one line, cut off where the terminal ends.
pub fn line(text: &str, machine: &mut dyn Machine) {
    let mut cut: String = text.chars().take(columns(machine)).collect();
    cut.truncate(cut.trim_end().len());
    cut.push('\n');
    machine.write(&cut);
}

/// Writes `text` in as many lines as it takes.
pub fn paragraph(text: &str, machine: &mut dyn Machine) {
    let text = shown(text);
    for part in wrapped(&text, columns(machine)) {
        line(part, machine);
    }
}

/// Writes `names` side by side.
pub fn names(names: &[String], machine: &mut dyn Machine) {
    let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + GAP;
    let beside = (columns(machine) / width).max(1);
    for row in names.chunks(beside) {
        let mut text = String::new();
        for name in row {
            text.push_str(name);
            text.extend(core::iter::repeat_n(' ', width - name.chars().count()));
        }
        line(&text, machine);
    }
}

/// `text` as a terminal can show it, whoever wrote it.
pub fn shown(text: &str) -> String {
    text.chars().map(|character| if is_one_column(character) { character } else { UNSHOWN }).collect()
}

/// A number with its thousands apart.
pub fn number(value: u64) -> String {
    let digits = alloc::format!("{value}");
    let mut apart = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(number(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn lines_break_at_spaces_where_they_can() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("éééééééé é", 3), ["ééé", "ééé", "éé", "é"]);
        assert_eq!(wrapped("", 3), [""]);
        assert_eq!(wrapped(" x", 1), [" ", "x"]);
    }
}
