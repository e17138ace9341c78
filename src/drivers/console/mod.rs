//! Text on a screen: sixteen colours, a cursor, on a VGA text screen ([`vga`]) or on one of pixels ([`framebuffer`]).
//!
//! [`Console`] interprets text (line feed, carriage return, tab, backspace, wrapping, scrolling) and keeps a copy of
//! the cells, because reading video memory is slow, and so is writing it: what writes have changed in the end is put
//! there once, by [`Console::show`]. [`Screen`] takes the cells. [`last`] is the way of last resort to the same screen.

mod canvas;
mod code_page;
mod font;
mod framebuffer;
pub mod last;
mod vga;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

#[cfg(test)]
pub(crate) use canvas::testing;
pub use canvas::{Canvas, Channel, LayoutFault, PixelLayout, Rgb};
pub use font::Font;
pub use framebuffer::Framebuffer;
pub use vga::{TextLayout, VgaText};

const TAB: usize = 8;

/// Shown for what is no character.
const UNKNOWN: char = '\u{fffd}';

/// The sixteen colours of the VGA text mode. As a background, the upper eight may blink instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Colour {
    Black = 0,
    Blue = 1,
    Green = 2,
    Cyan = 3,
    Red = 4,
    Magenta = 5,
    Brown = 6,
    LightGrey = 7,
    DarkGrey = 8,
    LightBlue = 9,
    LightGreen = 10,
    LightCyan = 11,
    LightRed = 12,
    Pink = 13,
    Yellow = 14,
    White = 15,
}

/// What a loader says of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Text(TextLayout),
    Pixels(PixelLayout),
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(TextLayout { columns, rows }) => write!(f, "text, {columns} x {rows}"),
            Self::Pixels(PixelLayout { address, pitch, width, height, pixel_bytes, .. }) => {
                write!(
                    f,
                    "{width} x {height} pixels of {} bits at {address:#x}, rows {pitch} bytes apart",
                    8 * pixel_bytes
                )
            }
        }
    }
}

/// A character in its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    character: char,
    colours: u8,
}

impl Cell {
    const fn new(character: char, colours: u8) -> Self {
        Self { character, colours }
    }

    pub const fn character(self) -> char {
        self.character
    }

    /// The background's [`Colour`] in the high four bits, the text's in the low ones.
    pub const fn colours(self) -> u8 {
        self.colours
    }
}

/// Where cells are shown. Cells are numbered from 0 (top left) row by row.
pub trait Screen {
    /// Columns and rows, neither of which is 0.
    fn size(&self) -> (usize, usize);
    fn put(&mut self, number: usize, cell: Cell);
    /// Puts `cell`, a blank, everywhere, and on what is beside the cells.
    fn clear(&mut self, cell: Cell);
    /// The cursor goes from one cell to another; what the two hold.
    fn move_cursor(&mut self, from: (usize, Cell), to: (usize, Cell));
}

impl<S: Screen + ?Sized> Screen for Box<S> {
    fn size(&self) -> (usize, usize) {
        (**self).size()
    }

    fn put(&mut self, number: usize, cell: Cell) {
        (**self).put(number, cell);
    }

    fn clear(&mut self, cell: Cell) {
        (**self).clear(cell);
    }

    fn move_cursor(&mut self, from: (usize, Cell), to: (usize, Cell)) {
        (**self).move_cursor(from, to);
    }
}

/// Text on a [`Screen`].
pub struct Console<S> {
    screen: S,
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
    /// What the screen has.
    shown: Vec<Cell>,
    /// Cells that may differ from what is shown.
    changed: Range<usize>,
    /// Where the screen has the cursor.
    shown_cursor: usize,
    row: usize,
    /// `columns` after a full row: the next character wraps, a line feed does not add an empty row.
    column: usize,
    colours: u8,
}

impl<S: Screen> Console<S> {
    /// Takes the screen and clears it: light grey on black.
    pub fn new(mut screen: S) -> Self {
        let colours = Colour::LightGrey as u8;
        let (columns, rows) = screen.size();
        let blank = Cell::new(' ', colours);
        let cells = vec![blank; columns * rows];
        screen.clear(blank);
        screen.move_cursor((0, blank), (0, blank));
        let shown = cells.clone();
        Self { screen, columns, rows, cells, shown, changed: 0..0, shown_cursor: 0, row: 0, column: 0, colours }
    }

    /// Characters in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Colours of what is written from now on.
    pub fn set_colours(&mut self, text: Colour, background: Colour) {
        self.colours = (background as u8) << 4 | text as u8;
    }

    /// Blanks the screen in the current colours and puts the cursor at the top left.
    pub fn clear(&mut self) {
        self.cells.fill(Cell::new(' ', self.colours));
        self.changed = 0..self.cells.len();
        (self.row, self.column) = (0, 0);
    }

    /// Writes bytes that should be UTF-8; each invalid sequence shows as [`UNKNOWN`].
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|character| self.interpret(character));
            if !chunk.invalid().is_empty() {
                self.print(UNKNOWN);
            }
        }
    }

    /// Brings the screen up to date.
    pub fn show(&mut self) {
        self.show_some(usize::MAX);
    }

    /// Puts at most `most` cells on the screen; whether it is up to date.
    pub fn show_some(&mut self, most: usize) -> bool {
        let mut left = most;
        for number in self.changed.by_ref() {
            let cell = self.cells[number];
            if core::mem::replace(&mut self.shown[number], cell) == cell {
                continue;
            }
            self.screen.put(number, cell);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        let is_done = self.changed.is_empty();
        if is_done {
            let (from, to) = (self.shown_cursor, self.cursor());
            self.screen.move_cursor((from, self.cells[from]), (to, self.cells[to]));
            self.shown_cursor = to;
        }
        is_done
    }

    /// The cell in which the next character will be, or the last one of the row.
    fn cursor(&self) -> usize {
        self.row * self.columns + self.column.min(self.columns - 1)
    }

    fn interpret(&mut self, character: char) {
        match character {
            '\n' => self.line_feed(),
            '\r' => self.column = 0,
            '\t' => self.column = ((self.column.min(self.columns - 1) / TAB + 1) * TAB).min(self.columns),
            '\u{8}' => self.column = self.column.min(self.columns - 1).saturating_sub(1),
            character if character.is_control() => self.print(UNKNOWN),
            character => self.print(character),
        }
    }

    fn print(&mut self, character: char) {
        if self.column == self.columns {
            self.line_feed();
        }
        let number = self.row * self.columns + self.column;
        self.cells[number] = Cell::new(character, self.colours);
        self.change(number..number + 1);
        self.column += 1;
    }

    fn line_feed(&mut self) {
        self.column = 0;
        if self.row + 1 < self.rows {
            self.row += 1;
        } else {
            self.scroll();
        }
    }

    fn scroll(&mut self) {
        self.cells.copy_within(self.columns.., 0);
        let last = self.cells.len() - self.columns;
        self.cells[last..].fill(Cell::new(' ', self.colours));
        self.changed = 0..self.cells.len();
    }

    fn change(&mut self, cells: Range<usize>) {
        self.changed = match self.changed.is_empty() {
            true => cells,
            false => self.changed.start.min(cells.start)..self.changed.end.max(cells.end),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    const COLUMNS: usize = 80;
    const ROWS: usize = 25;
    const BLANK: Cell = Cell::new(' ', Colour::LightGrey as u8);

    struct Fake {
        cells: Vec<Option<Cell>>,
        cursor: usize,
        puts: usize,
    }

    impl Screen for Fake {
        fn size(&self) -> (usize, usize) {
            (COLUMNS, ROWS)
        }
        fn put(&mut self, number: usize, cell: Cell) {
            self.cells[number] = Some(cell);
            self.puts += 1;
        }
        fn clear(&mut self, cell: Cell) {
            self.cells.fill(Some(cell));
        }
        fn move_cursor(&mut self, from: (usize, Cell), to: (usize, Cell)) {
            assert_eq!([self.cells[from.0], self.cells[to.0]], [Some(from.1), Some(to.1)]);
            self.cursor = to.0;
        }
    }

    fn show(console: &mut Console<Fake>, text: &str) {
        console.write_bytes(text.as_bytes());
        console.show();
    }

    fn after(text: &str) -> Console<Fake> {
        let mut console = Console::new(Fake { cells: std::vec![None; COLUMNS * ROWS], cursor: 9999, puts: 0 });
        show(&mut console, text);
        console
    }

    fn row(console: &Console<Fake>, row: usize) -> String {
        let cells = &console.screen.cells[row * COLUMNS..][..COLUMNS];
        let text: String = cells.iter().flatten().map(|cell| cell.character()).collect();
        text.trim_end().into()
    }

    #[test]
    fn new_console_is_blank_with_the_cursor_at_the_top_left() {
        let console = after("");
        assert!(console.screen.cells.iter().all(|&cell| cell == Some(BLANK)));
        assert_eq!(console.screen.cursor, 0);
    }

    #[test]
    fn control_characters_move_the_cursor() {
        let console = after("abc\rX\n12\u{8}3\tT");
        assert_eq!([row(&console, 0), row(&console, 1)], ["Xbc", "13      T"]);
        assert_eq!(console.screen.cursor, COLUMNS + 9);
        assert_eq!(after("\u{8}").screen.cursor, 0);
    }

    #[test]
    fn full_row_wraps_once() {
        let full = "x".repeat(COLUMNS);
        let console = after(&full);
        assert_eq!(console.screen.cursor, COLUMNS - 1);
        let console = after(&format!("{full}\ny"));
        assert_eq!(row(&console, 1), "y");
        let console = after(&format!("{full}y"));
        assert_eq!(row(&console, 1), "y");
        let console = after(&format!("{}\ty", "x".repeat(COLUMNS - 1)));
        assert_eq!(row(&console, 1), "y");
    }

    #[test]
    fn last_row_scrolls_the_screen_up() {
        let lines: String = (0..30).map(|line| format!("line {line}\n")).collect();
        let console = after(&lines);
        assert_eq!(row(&console, 0), "line 6");
        assert_eq!(row(&console, ROWS - 2), "line 29");
        assert_eq!(row(&console, ROWS - 1), "");
        assert_eq!(console.screen.cursor, (ROWS - 1) * COLUMNS);
    }

    #[test]
    fn a_write_that_scrolls_puts_what_has_changed_in_the_end() {
        let mut console = after(&"x\n".repeat(ROWS));
        let lines: String = (0..100).map(|line| format!("{line}\n")).collect();
        let before = console.screen.puts;
        show(&mut console, &lines);
        // Two digits in each row but the last.
        assert_eq!(console.screen.puts - before, 2 * (ROWS - 1));
        assert_eq!([row(&console, 0), row(&console, ROWS - 2)], ["76", "99"]);
        console.clear();
        console.show();
        assert!(console.screen.cells.iter().all(|&cell| cell == Some(BLANK)));
    }

    #[test]
    fn colours_apply_to_what_follows() {
        let mut console = after("a");
        console.set_colours(Colour::Yellow, Colour::Blue);
        show(&mut console, "b");
        assert_eq!(console.screen.cells[..2], [Some(Cell::new('a', 0x07)), Some(Cell::new('b', 0x1e))]);
    }

    #[test]
    fn broken_and_control_characters_show_as_unknown() {
        let mut console = after("");
        console.write_bytes(b"a\xff\xc3(\x1b\x7f");
        console.show();
        assert_eq!(row(&console, 0), "a\u{fffd}\u{fffd}(\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_is_shown_in_parts_is_the_same_in_the_end() {
        let mut console = after("one\ntwo");
        console.write_bytes("three\n".repeat(ROWS + 3).as_bytes());
        let before = console.screen.puts;
        let parts = (1..).find(|_| console.show_some(10)).expect("it ends");
        assert!(parts > 10 && console.screen.puts - before <= 10 * parts, "{parts}");
        assert_eq!(console.cells.iter().copied().map(Some).collect::<Vec<_>>(), console.screen.cells);
        assert!(console.show_some(1));
        // What is written meanwhile is shown as well.
        console.write_bytes("four\n".repeat(5).as_bytes());
        assert!(!console.show_some(7));
        console.write_bytes(b"five");
        console.show();
        assert_eq!(console.cells.iter().copied().map(Some).collect::<Vec<_>>(), console.screen.cells);
        assert_eq!(row(&console, ROWS - 1), "five");
    }
}
