//! VGA text mode 3: cells in video memory at physical 0xb8000, the cursor in the CRT controller.
//!
//! Source: IBM VGA reference, "CRT Controller Registers".

use x86_64::instructions::port::Port;

use super::{CELLS, Cell, Screen};

/// Selects a CRT controller register (colour address range).
const INDEX_PORT: u16 = 0x3d4;
const DATA_PORT: u16 = 0x3d5;

const CURSOR_START: u8 = 0x0a;
const CURSOR_END: u8 = 0x0b;
const CURSOR_HIGH: u8 = 0x0e;
const CURSOR_LOW: u8 = 0x0f;

/// Scan lines of the cursor within a character 16 lines high; bit 5 of the first would hide it.
const CURSOR_LINES: (u8, u8) = (13, 14);

/// The screen of a machine that is in text mode.
pub struct VgaText {
    cells: *mut u16,
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
        let mut screen = Self { cells: core::ptr::with_exposed_provenance_mut(address) };
        screen.set_register(CURSOR_START, CURSOR_LINES.0);
        screen.set_register(CURSOR_END, CURSOR_LINES.1);
        screen
    }

    fn set_register(&mut self, register: u8, value: u8) {
        // SAFETY: `new` gave us the CRT controller; the four registers used here concern the cursor only.
        unsafe { Port::<u8>::new(INDEX_PORT).write(register) };
        // SAFETY: the write before selected the register.
        unsafe { Port::<u8>::new(DATA_PORT).write(value) };
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
        let [low, high, ..] = number.to_le_bytes();
        self.set_register(CURSOR_HIGH, high);
        self.set_register(CURSOR_LOW, low);
    }
}
