//! VGA text mode: cells in video memory at physical 0xb8000, the cursor in the CRT controller.
//!
//! Key type: [`VgaText`]. The cursor costs one port access where it stays within 256 cells: [`Cursor`].
//! Source: IBM VGA reference, "CRT Controller Registers".

use x86_64::instructions::port::Port;

use super::{Cell, Screen, code_page};

const CURSOR_START: u8 = 0x0a;
const CURSOR_END: u8 = 0x0b;
const CURSOR_HIGH: u8 = 0x0e;
const CURSOR_LOW: u8 = 0x0f;

/// Scan lines of the cursor within a character 16 lines high; bit 5 of the first would hide it.
const CURSOR_LINES: (u8, u8) = (13, 14);

/// What a loader says of a text screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLayout {
    pub columns: u32,
    pub rows: u32,
}

impl TextLayout {
    /// Physical address of the first cell.
    pub const ADDRESS: u64 = 0xb8000;
    /// The most cells: what fits into the video memory there.
    const MOST_CELLS: u32 = 32 * 1024 / 2;

    /// The same, if it can be true.
    pub fn checked(self) -> Option<Self> {
        let cells = self.columns.checked_mul(self.rows)?;
        (1..=Self::MOST_CELLS).contains(&cells).then_some(self)
    }

    pub fn cells(self) -> usize {
        (self.columns * self.rows) as usize
    }
}

/// The screen of a machine that is in text mode.
pub struct VgaText {
    cells: *mut u16,
    layout: TextLayout,
    cursor: Cursor<CrtController>,
}

// SAFETY: the pointer leads to video memory, which no CPU or thread owns; `&mut self` orders the accesses.
unsafe impl Send for VgaText {}

impl VgaText {
    /// Takes the screen and shows a cursor of two lines.
    ///
    /// # Safety
    /// `layout` is [`checked`](TextLayout::checked), `cells` is where [`TextLayout::ADDRESS`] is mapped, writable, for the life of
    /// this value, the machine is in text mode, and no other code uses the video memory, but to report what ends the machine, or
    /// ports 0x3d4 and 0x3d5.
    pub unsafe fn new(cells: *mut u16, layout: TextLayout) -> Self {
        Self { cells, layout, cursor: Cursor::new(CrtController) }
    }

    /// Whether the first of `cells` keeps what is written to it: a machine without a screen has nothing there.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    pub unsafe fn is_there(cells: *mut u16) -> bool {
        // SAFETY: the cell is mapped, by the caller's contract.
        let (read, write) = (|| unsafe { cells.read_volatile() }, |bits| unsafe { cells.write_volatile(bits) });
        let before = read();
        let keeps = [0x0755, 0x07aa].into_iter().all(|bits| {
            write(bits);
            read() == bits
        });
        write(before);
        keeps
    }
}

impl Screen for VgaText {
    fn size(&self) -> (usize, usize) {
        (self.layout.columns as usize, self.layout.rows as usize)
    }

    fn put(&mut self, number: usize, cell: Cell) {
        if number < self.layout.cells() {
            // SAFETY: the layout's cells of 2 bytes are mapped from `cells` on, by the contract of `new`.
            unsafe { self.cells.add(number).write_volatile(bits(cell)) };
        }
    }

    fn clear(&mut self, cell: Cell) {
        let bits = bits(cell);
        // SAFETY: as above.
        (0..self.layout.cells()).for_each(|number| unsafe { self.cells.add(number).write_volatile(bits) });
    }

    fn move_cursor(&mut self, _: (usize, Cell), to: (usize, Cell)) {
        self.cursor.move_to(to.0 as u16);
    }
}

/// A cell as video memory holds it: colours in the high byte, the character in the low one.
fn bits(cell: Cell) -> u16 {
    u16::from_be_bytes([cell.colours(), code_page::encode(cell.character())])
}

/// The ports of the CRT controller.
trait Ports {
    /// Chooses the register that [`write`](Self::write) writes.
    fn select(&mut self, register: u8);
    fn write(&mut self, value: u8);
}

/// The cursor. Between moves, the low byte of its place is the register selected.
struct Cursor<P> {
    ports: P,
    place: u16,
}

impl<P: Ports> Cursor<P> {
    /// Shows the cursor in the first cell.
    fn new(mut ports: P) -> Self {
        let (start, end) = CURSOR_LINES;
        for (register, value) in [(CURSOR_START, start), (CURSOR_END, end), (CURSOR_HIGH, 0), (CURSOR_LOW, 0)] {
            ports.select(register);
            ports.write(value);
        }
        Self { ports, place: 0 }
    }

    fn move_to(&mut self, place: u16) {
        let ([low, high], [old_low, old_high]) = (place.to_le_bytes(), self.place.to_le_bytes());
        if high != old_high {
            self.ports.select(CURSOR_HIGH);
            self.ports.write(high);
            self.ports.select(CURSOR_LOW);
        }
        if low != old_low {
            self.ports.write(low);
        }
        self.place = place;
    }
}

/// The real controller (colour address range).
struct CrtController;

impl Ports for CrtController {
    fn select(&mut self, register: u8) {
        // SAFETY: `VgaText::new` gave us the CRT controller; the four registers used here concern the cursor only.
        unsafe { Port::<u8>::new(0x3d4).write(register) };
    }

    fn write(&mut self, value: u8) {
        // SAFETY: as above, with the register that was selected.
        unsafe { Port::<u8>::new(0x3d5).write(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::Console;
    use super::*;
    use std::vec::Vec;

    #[derive(Default)]
    struct Fake {
        registers: [u8; 32],
        selected: u8,
        accesses: usize,
    }

    impl Ports for &mut Fake {
        fn select(&mut self, register: u8) {
            self.selected = register;
            self.accesses += 1;
        }
        fn write(&mut self, value: u8) {
            self.registers[usize::from(self.selected)] = value;
            self.accesses += 1;
        }
    }

    struct Blind<'a>(Cursor<&'a mut Fake>);

    impl Screen for Blind<'_> {
        fn size(&self) -> (usize, usize) {
            (80, 25)
        }
        fn put(&mut self, _: usize, _: Cell) {}
        fn clear(&mut self, _: Cell) {}
        fn move_cursor(&mut self, _: (usize, Cell), to: (usize, Cell)) {
            self.0.move_to(to.0 as u16);
        }
    }

    #[test]
    fn foreign_and_broken_characters_become_question_marks() {
        let cells = ['é', '─', '漢', '\u{fffd}', '!'].map(|character| bits(Cell::new(character, 0x1e)));
        assert_eq!(cells, [0x1e82, 0x1ec4, 0x1e3f, 0x1e3f, 0x1e21]);
    }

    #[test]
    fn sizes_beyond_video_memory_are_refused() {
        let checked = |columns, rows| TextLayout { columns, rows }.checked().is_some();
        assert_eq!([checked(80, 25), checked(80, 50), checked(132, 60)], [true; 3]);
        assert_eq!([checked(0, 25), checked(80, 0), checked(1 << 16, 1 << 16), checked(200, 100)], [false; 4]);
    }

    /// With what the serial port takes (`drivers/serial.rs`: 1,075 accesses for 1,000 bytes in such lines), both outputs
    /// take less than 1.2 accesses for a byte, even where a line and its end are two writes.
    #[test]
    fn screen_takes_few_accesses_for_what_is_printed() {
        let mut fake = Fake::default();
        let mut console = Console::new(Blind(Cursor::new(&mut fake)));
        for _ in 0..500 {
            for part in [&b"line 123456 of many"[..], b"\n"] {
                console.write_bytes(part);
                console.show();
            }
        }
        let accesses = fake.accesses;
        assert!(accesses <= 500 * 20 / 8, "{accesses} accesses for {} bytes", 500 * 20);
    }

    #[test]
    fn cursor_moves_with_few_accesses() {
        let mut fake = Fake::default();
        let mut cursor = Cursor::new(&mut fake);
        let accesses: Vec<usize> = [5, 5, 255, 256, 1999, 1920, 0]
            .map(|place| {
                let before = cursor.ports.accesses;
                cursor.move_to(place);
                let [low, high] = place.to_le_bytes();
                assert_eq!(cursor.ports.registers[0x0e..0x10], [high, low], "{place}");
                cursor.ports.accesses - before
            })
            .into();
        assert_eq!(accesses, [1, 0, 1, 4, 4, 1, 4]);
        assert_eq!(fake.registers[0x0a..0x0c], [13, 14]);
    }
}
