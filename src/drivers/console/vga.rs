//! VGA text mode 3: cells in video memory at physical 0xb8000, the cursor in the CRT controller.
//!
//! Key type: [`VgaText`]. The cursor costs one port access where it stays within 256 cells: [`Cursor`].
//! Source: IBM VGA reference, "CRT Controller Registers".

use x86_64::instructions::port::Port;

use super::{CELLS, Cell, Screen};

const CURSOR_START: u8 = 0x0a;
const CURSOR_END: u8 = 0x0b;
const CURSOR_HIGH: u8 = 0x0e;
const CURSOR_LOW: u8 = 0x0f;

/// Scan lines of the cursor within a character 16 lines high; bit 5 of the first would hide it.
const CURSOR_LINES: (u8, u8) = (13, 14);

/// The screen of a machine that is in text mode.
pub struct VgaText {
    cells: *mut u16,
    cursor: Cursor<CrtController>,
}

// SAFETY: the pointer leads to video memory, which no CPU or thread owns; `&mut self` orders the accesses.
unsafe impl Send for VgaText {}

impl VgaText {
    /// Physical address of the first cell.
    pub const PHYSICAL_ADDRESS: u64 = 0xb8000;

    /// Takes the screen and shows a cursor of two lines.
    ///
    /// # Safety
    /// `address` is where [`Self::PHYSICAL_ADDRESS`] is mapped, writable, for the life of this value, the machine is in
    /// text mode, and no other code uses the video memory, but to report what ends the machine, or ports 0x3d4 and
    /// 0x3d5.
    pub unsafe fn new(address: usize) -> Self {
        Self { cells: core::ptr::with_exposed_provenance_mut(address), cursor: Cursor::new(CrtController) }
    }
}

impl Screen for VgaText {
    fn put(&mut self, number: usize, cell: Cell) {
        if number < CELLS {
            // SAFETY: 2000 cells of 2 bytes are mapped from `cells` on, by the contract of `new`.
            unsafe { self.cells.add(number).write_volatile(cell.bits()) };
        }
    }

    fn move_cursor(&mut self, number: usize) {
        self.cursor.move_to(number as u16);
    }
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
        fn put(&mut self, _: usize, _: Cell) {}
        fn move_cursor(&mut self, number: usize) {
            self.0.move_to(number as u16);
        }
    }

    /// With what the serial port takes (`drivers/serial.rs`: 1,075 accesses for 1,000 bytes in such lines), both outputs
    /// take less than 1.2 accesses for a byte, even where a line and its end are two writes.
    #[test]
    fn screen_takes_few_accesses_for_what_is_printed() {
        let mut fake = Fake::default();
        let mut console = Console::new(Blind(Cursor::new(&mut fake)));
        for _ in 0..500 {
            console.write_bytes(b"line 123456 of many");
            console.write_bytes(b"\n");
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
