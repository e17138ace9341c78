//! The screen for those who can wait for nobody: before there are drivers, and when the kernel has failed.
//!
//! Key functions: [`use_text`] and [`use_pixels`] say which screen there is; [`show`] puts a cell on it. Beside it a
//! [`Console`](super::Console) may use the same screen: what ends the machine is written over it.

use spin::Mutex;

use super::canvas::Canvas;
use super::framebuffer::Framebuffer;
use super::vga::TextLayout;
use super::{Cell, Screen};
use crate::arch::early_console::{COLUMNS, ROWS};

/// Static because the console of last resort has no other way to it.
static LAST: Mutex<Option<Last>> = Mutex::new(None);

#[expect(clippy::large_enum_variant, reason = "there is one, and no heap when it is made")]
enum Last {
    Text { cells: *mut u16, layout: TextLayout },
    Pixels { canvas: Canvas, screen: Option<Framebuffer> },
}

// SAFETY: the pointer leads to video memory, which no CPU or thread owns.
unsafe impl Send for Last {}

/// Cells are shown in text mode from now on.
///
/// # Safety
/// As for [`VgaText::new`](super::VgaText::new).
pub unsafe fn use_text(cells: *mut u16, layout: TextLayout) {
    *LAST.lock() = Some(Last::Text { cells, layout });
}

/// Cells are shown as pixels from now on; the first one blanks the screen.
pub fn use_pixels(canvas: Canvas) {
    *LAST.lock() = Some(Last::Pixels { canvas, screen: None });
}

/// Cells are shown nowhere from now on.
pub fn use_none() {
    *LAST.lock() = None;
}

/// Puts cell `number` of 80 x 25 on the screen, as a VGA text screen holds it, if there is a screen and it is large enough.
pub fn show(number: usize, bits: u16) {
    // Locked only by what has failed meanwhile.
    let Some(mut last) = LAST.try_lock() else { return };
    let (row, column) = (number / COLUMNS, number % COLUMNS);
    let place =
        |columns: usize, rows: usize| (row < rows.min(ROWS) && column < columns).then(|| row * columns + column);
    match &mut *last {
        Some(Last::Text { cells, layout }) => {
            if let Some(place) = place(layout.columns as usize, layout.rows as usize) {
                // SAFETY: the place is inside of the layout, which is mapped by the contract of `use_text`.
                unsafe { cells.add(place).write_volatile(bits) };
            }
        }
        Some(Last::Pixels { canvas, screen }) => {
            let screen = screen.get_or_insert_with(|| {
                let mut screen = Framebuffer::new(*canvas, u32::MAX);
                screen.clear(Cell::new(' ', 0));
                screen
            });
            let (columns, rows) = screen.size();
            if let Some(place) = place(columns, rows) {
                let [colours, character] = bits.to_be_bytes();
                screen.put(place, Cell::new(character.into(), colours));
            }
        }
        None => {}
    }
}
