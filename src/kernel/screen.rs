//! The screen, whatever the machine has for one: taken over from the loader, written to by the terminal, and kept up to date
//! by the timer where drawing takes long.
//!
//! Key functions: [`find`], [`write_bytes`], [`show`], [`beat`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use spin::Mutex;

use super::BootInformation;
use crate::arch::{early_console, ticks};
use crate::drivers::console::{
    Canvas, Colour, Console, Framebuffer, Layout, PixelLayout, Screen, TextLayout, VgaText, last,
};
use crate::memory::layout::PHYSICAL_MAP;
use crate::memory::{self, screen};

/// For so many ticks, some hundredths of a second, what was written may stay unseen: drawing it once is faster than twice.
const PATIENCE_TICKS: u64 = 1 << 26;
/// Cells that the timer draws at once, which takes less than it takes the serial line to fill its buffer.
const CELLS_A_BEAT: usize = 256;

/// Static because the timer's interrupt has no other way to it.
static SCREEN: Mutex<Option<Text>> = Mutex::new(None);

struct Text {
    console: Console<Box<dyn Screen + Send>>,
    /// Cells are drawn pixel by pixel.
    is_slow: bool,
    /// What was written is not shown yet.
    is_behind: bool,
    shown_at: u64,
}

/// A screen that can be written to.
pub enum Found {
    Text(VgaText),
    Pixels(Canvas),
}

/// The text screen of before anything is known of the machine.
pub fn assume_text() {
    let layout = TextLayout { columns: early_console::COLUMNS as u32, rows: early_console::ROWS as u32 };
    // SAFETY: the boot tables map the screen at its place in the physical map, where the kernel's own keep it. If there is none,
    // nothing else is there: the first MiB is nobody's memory.
    unsafe { last::use_text(text_cells(), layout) };
    early_console::set_screen(last::show);
}

/// The screen that the loader names, for whoever fails from now on and for [`use_for_text`]. Called once, with the boot tables
/// active; an error is for people.
pub fn find(boot: &BootInformation) -> Result<Option<Found>, String> {
    last::use_none();
    match boot.screen().map_err(|fault| format!("the screen cannot be used: {fault}"))? {
        None => Ok(None),
        Some(Layout::Text(layout)) => {
            // SAFETY: see `assume_text`; nobody writes to the screen at this moment.
            if !unsafe { VgaText::is_there(text_cells()) } {
                return Ok(None);
            }
            // SAFETY: as above, and the loader says that the machine is in text mode.
            unsafe { last::use_text(text_cells(), layout) };
            // SAFETY: as above.
            Ok(Some(Found::Text(unsafe { VgaText::new(text_cells(), layout) })))
        }
        Some(Layout::Pixels(layout)) => {
            let canvas = map(layout).map_err(|error| error.to_string())?;
            last::use_pixels(canvas);
            Ok(Some(Found::Pixels(canvas)))
        }
    }
}

fn text_cells() -> *mut u16 {
    (PHYSICAL_MAP + TextLayout::ADDRESS) as *mut u16
}

fn map(layout: PixelLayout) -> Result<Canvas, memory::MemoryError> {
    // SAFETY: the loader says that pixels are there, and `BootInformation::free_memory` leaves them out.
    let base = unsafe { screen::map(layout.address, layout.bytes()) }?;
    // SAFETY: the layout was checked, and its bytes have just been mapped for good.
    Ok(unsafe { Canvas::new(base, layout) })
}

/// Text goes to `found` from now on.
pub fn use_for_text(found: Found) {
    let is_slow = matches!(found, Found::Pixels(_));
    let screen: Box<dyn Screen + Send> = match found {
        Found::Text(screen) => Box::new(screen),
        Found::Pixels(canvas) => {
            // What fails from now on finds the screen full of text, and blanks it once more.
            last::use_pixels(canvas);
            Box::new(Framebuffer::new(canvas, u32::MAX))
        }
    };
    *SCREEN.lock() = Some(Text { console: Console::new(screen), is_slow, is_behind: false, shown_at: 0 });
}

/// Whether there is a screen.
pub fn is_there() -> bool {
    SCREEN.lock().is_some()
}

/// Writes bytes that should be UTF-8. Where drawing takes long, they may be shown later: at the next [`beat`] but some, or by
/// [`show`].
pub fn write_bytes(bytes: &[u8]) {
    let Some(text) = &mut *SCREEN.lock() else { return };
    text.console.write_bytes(bytes);
    text.is_behind = true;
    if !text.is_slow || text.is_due() {
        text.show_some(usize::MAX);
    }
}

/// Colours of what is written from now on, on black.
pub fn set_colour(colour: Colour) {
    if let Some(text) = &mut *SCREEN.lock() {
        text.console.set_colours(colour, Colour::Black);
    }
}

/// Writes a number over the line that the cursor is in, and shows it.
pub fn count(number: u64) {
    write_bytes(format!("\r{number:>2} ").as_bytes());
    show();
}

/// Leaves nothing on the screen.
pub fn clear() {
    if let Some(text) = &mut *SCREEN.lock() {
        text.console.clear();
        text.is_behind = true;
        text.show_some(usize::MAX);
    }
}

/// Characters in a row, if there is a screen.
pub fn columns() -> Option<usize> {
    SCREEN.lock().as_ref().map(|text| text.console.columns())
}

/// Shows all that was written.
pub fn show() {
    if let Some(text) = &mut *SCREEN.lock() {
        text.show_some(usize::MAX);
    }
}

/// Shows a part of what has not been shown for long. For the timer's interrupt: waits for nobody and allocates nothing.
pub fn beat() {
    let Some(mut screen) = SCREEN.try_lock() else { return };
    if let Some(text) = screen.as_mut().filter(|text| text.is_due()) {
        text.show_some(CELLS_A_BEAT);
    }
}

impl Text {
    fn is_due(&self) -> bool {
        self.is_behind && ticks::now().wrapping_sub(self.shown_at) >= PATIENCE_TICKS
    }

    fn show_some(&mut self, most: usize) {
        if self.is_behind && self.console.show_some(most) {
            self.is_behind = false;
            self.shown_at = ticks::now();
        }
    }
}
