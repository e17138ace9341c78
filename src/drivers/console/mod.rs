//! The text screen: 80 columns, 25 rows, 16 colours, a blinking cursor.
//!
//! [`Console`] interprets text (line feed, carriage return, tab, backspace, wrapping, scrolling) and keeps a copy of
//! the cells, because reading video memory is slow, and so is writing it: what a write has changed in the end is put
//! there once. [`Screen`] takes the cells, [`vga::VgaText`] being the real one.
//! Characters outside the screen's character set ([`code_page`]) show as `?`.

mod code_page;
mod vga;

use core::fmt;

pub use vga::VgaText;

pub const COLUMNS: usize = 80;
pub const ROWS: usize = 25;
const CELLS: usize = COLUMNS * ROWS;
const TAB: usize = 8;

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

/// A character of code page 437 in its colours, as video memory holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell(u16);

impl Cell {
    const fn new(character: u8, colours: u8) -> Self {
        Self((colours as u16) << 8 | character as u16)
    }

    /// Colours in the high byte, character in the low byte.
    pub const fn bits(self) -> u16 {
        self.0
    }
}

/// Where cells are shown. Cells are numbered from 0 (top left) row by row.
pub trait Screen {
    fn put(&mut self, number: usize, cell: Cell);
    fn move_cursor(&mut self, number: usize);
}

/// Text on a [`Screen`].
pub struct Console<S> {
    screen: S,
    cells: [Cell; CELLS],
    /// What the screen has.
    shown: [Cell; CELLS],
    /// All cells may differ from what is shown.
    scrolled: bool,
    row: usize,
    /// `COLUMNS` after a full row: the next character wraps, a line feed does not add an empty row.
    column: usize,
    colours: u8,
}

impl<S: Screen> Console<S> {
    /// Takes the screen and clears it: light grey on black.
    pub fn new(screen: S) -> Self {
        let colours = Colour::LightGrey as u8;
        let blank = [Cell::new(b' ', colours); CELLS];
        let mut console = Self { screen, cells: blank, shown: blank, scrolled: false, row: 0, column: 0, colours };
        (0..CELLS).for_each(|number| console.screen.put(number, blank[number]));
        console.screen.move_cursor(0);
        console
    }

    /// Colours of what is written from now on.
    pub fn set_colours(&mut self, text: Colour, background: Colour) {
        self.colours = (background as u8) << 4 | text as u8;
    }

    /// Blanks the screen in the current colours and puts the cursor at the top left.
    pub fn clear(&mut self) {
        self.cells.fill(Cell::new(b' ', self.colours));
        self.scrolled = true;
        (self.row, self.column) = (0, 0);
        self.show();
    }

    /// Writes bytes that should be UTF-8; each invalid sequence shows as `?`.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|character| self.interpret(character));
            if !chunk.invalid().is_empty() {
                self.print(code_page::UNKNOWN);
            }
        }
        self.show();
    }

    fn interpret(&mut self, character: char) {
        match character {
            '\n' => self.line_feed(),
            '\r' => self.column = 0,
            '\t' => self.column = (self.column.min(COLUMNS - 1) / TAB + 1) * TAB,
            '\u{8}' => self.column = self.column.min(COLUMNS - 1).saturating_sub(1),
            character => self.print(code_page::encode(character)),
        }
    }

    fn print(&mut self, character: u8) {
        if self.column == COLUMNS {
            self.line_feed();
        }
        self.set(self.row * COLUMNS + self.column, Cell::new(character, self.colours));
        self.column += 1;
    }

    fn line_feed(&mut self) {
        self.column = 0;
        if self.row + 1 < ROWS {
            self.row += 1;
        } else {
            self.scroll();
        }
    }

    fn scroll(&mut self) {
        self.cells.copy_within(COLUMNS.., 0);
        self.cells[CELLS - COLUMNS..].fill(Cell::new(b' ', self.colours));
        self.scrolled = true;
    }

    fn set(&mut self, number: usize, cell: Cell) {
        self.cells[number] = cell;
        if !self.scrolled {
            self.put(number);
        }
    }

    /// Brings the screen up to date.
    fn show(&mut self) {
        if core::mem::take(&mut self.scrolled) {
            (0..CELLS).for_each(|number| self.put(number));
        }
        self.screen.move_cursor(self.row * COLUMNS + self.column.min(COLUMNS - 1));
    }

    fn put(&mut self, number: usize) {
        let cell = self.cells[number];
        if core::mem::replace(&mut self.shown[number], cell) != cell {
            self.screen.put(number, cell);
        }
    }
}

impl<S: Screen> fmt::Write for Console<S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    struct Fake {
        cells: Vec<u16>,
        cursor: usize,
        puts: usize,
    }

    impl Screen for Fake {
        fn put(&mut self, number: usize, cell: Cell) {
            self.cells[number] = cell.bits();
            self.puts += 1;
        }
        fn move_cursor(&mut self, number: usize) {
            self.cursor = number;
        }
    }

    fn after(text: &str) -> Console<Fake> {
        let mut console = Console::new(Fake { cells: std::vec![0xffff; CELLS], cursor: 9999, puts: 0 });
        console.write_str(text).expect("never fails");
        console
    }

    fn row(console: &Console<Fake>, row: usize) -> String {
        let cells = &console.screen.cells[row * COLUMNS..][..COLUMNS];
        let text: String = cells.iter().map(|cell| char::from(*cell as u8)).collect();
        text.trim_end().into()
    }

    #[test]
    fn new_console_is_blank_with_the_cursor_at_the_top_left() {
        let console = after("");
        assert!(console.screen.cells.iter().all(|&cell| cell == 0x0720));
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
        console.write_bytes(lines.as_bytes());
        // Two digits in each row but the last, which had the first number before anything scrolled.
        assert_eq!(console.screen.puts - before, 2 * ROWS);
        assert_eq!([row(&console, 0), row(&console, ROWS - 2)], ["76", "99"]);
        console.clear();
        assert!(console.screen.cells.iter().all(|&cell| cell == 0x0720));
    }

    #[test]
    fn colours_apply_to_what_follows() {
        let mut console = after("a");
        console.set_colours(Colour::Yellow, Colour::Blue);
        console.write_bytes(b"b");
        assert_eq!(console.screen.cells[..2], [0x0761, 0x1e62]);
    }

    #[test]
    fn foreign_and_broken_characters_become_question_marks() {
        let console = after("é─漢!");
        assert_eq!(console.screen.cells[..4], [0x0782, 0x07c4, 0x073f, 0x0721]);
        let mut console = after("");
        console.write_bytes(b"a\xff\xc3(");
        assert_eq!(row(&console, 0), "a??(");
    }
}
