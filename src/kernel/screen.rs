//! The screen, whatever the machine has for one: taken over from the loader, written to by the terminal, and kept up to date
//! by the timer where drawing takes long. A large one has the dashboard on its right.
//!
//! Key functions: [`find`], [`write_bytes`], [`show`], [`run_dashboard`], [`beat`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use spin::Mutex;

use super::BootInformation;
use super::sampler::SAMPLES_PER_SECOND;
use crate::arch::{early_console, ticks};
use crate::dashboard::{self, Dashboard, View};
use crate::drivers::console::{
    Canvas, Colour, Console, Framebuffer, Layout, PixelLayout, Screen, TextLayout, VgaText, last,
};
use crate::drivers::timer;
use crate::memory::layout::PHYSICAL_MAP;
use crate::memory::{self, screen};

/// For so many ticks, some hundredths of a second, what was written may stay unseen: drawing it once is faster than twice.
const PATIENCE_TICKS: u64 = 1 << 26;
/// Cells that the timer draws at once, which takes less than it takes the serial line to fill its buffer.
const CELLS_A_BEAT: usize = 256;

/// Static because the timer's interrupt has no other way to it.
static SCREEN: Mutex<Option<Text>> = Mutex::new(None);

/// Interrupts of the timer between two looks of the dashboard at what goes on.
const BEATS: u64 = SAMPLES_PER_SECOND as u64 / 2;

struct Text {
    console: Console<Box<dyn Screen + Send>>,
    /// Cells are drawn pixel by pixel.
    is_slow: bool,
    /// What was written is not shown yet.
    is_behind: bool,
    shown_at: u64,
    /// Beside the text, if there is room and it is wanted.
    dashboard: Option<Panel>,
}

struct Panel {
    dashboard: Dashboard,
    running: Option<Run>,
}

/// A boot that goes on.
struct Run {
    view: View,
    /// The view is on the screen. It is kept until the end: an interrupt frees nothing.
    is_drawn: bool,
    since: u64,
    /// Interrupts of the timer before this boot's program, and before the next look at it.
    started: u64,
    due: u64,
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

/// Text goes to `found` from now on; the dashboard beside it, unless that `is_quiet` or there is no room.
pub fn use_for_text(found: Found, is_quiet: bool) {
    let mut dashboard = None;
    let is_slow = matches!(found, Found::Pixels(_));
    let screen: Box<dyn Screen + Send> = match found {
        Found::Text(screen) => Box::new(screen),
        Found::Pixels(canvas) => {
            // What fails from now on finds the screen full of text, and blanks it once more.
            last::use_pixels(canvas);
            let width = dashboard::text_width(canvas.layout()).filter(|_| !is_quiet);
            dashboard = width.map(|width| Panel { dashboard: Dashboard::new(canvas, width), running: None });
            Box::new(Framebuffer::new(canvas, width.unwrap_or(u32::MAX)))
        }
    };
    let console = Console::new(screen);
    *SCREEN.lock() = Some(Text { console, is_slow, is_behind: false, shown_at: 0, dashboard });
}

/// Draws the dashboard, if there is one, of a boot that has ended.
pub fn draw_dashboard(view: impl FnOnce() -> View) {
    if let Some(Panel { dashboard, running }) = SCREEN.lock().as_mut().and_then(|text| text.dashboard.as_mut()) {
        *running = None;
        dashboard.draw(&view(), false);
    }
}

/// The same of a boot that began at tick `since` and goes on: the timer draws it, once that has taken long enough to be seen.
pub fn run_dashboard(view: impl FnOnce() -> View, since: u64) {
    if let Some(Panel { running, .. }) = SCREEN.lock().as_mut().and_then(|text| text.dashboard.as_mut()) {
        let started = timer::ticks();
        *running = Some(Run { view: view(), is_drawn: false, since, started, due: started + BEATS / 2 });
    }
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

/// Leaves nothing of the number, and the cursor where it was.
pub fn end_count() {
    write_bytes(b"\r   \r");
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
    let Some(text) = &mut *screen else { return };
    if text.is_due() {
        text.show_some(CELLS_A_BEAT);
    }
    if let Some(Panel { dashboard, running: Some(run) }) = &mut text.dashboard {
        let now = timer::ticks();
        if now >= run.due {
            run.due = now + BEATS;
            if !core::mem::replace(&mut run.is_drawn, true) {
                dashboard.draw(&run.view, true);
            }
            let tenths = now.saturating_sub(run.started) * 10 / u64::from(SAMPLES_PER_SECOND);
            dashboard.beat(tenths, ticks::now().saturating_sub(run.since));
        }
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
