//! The console of last resort: the first serial port, polled, and 80 x 25 cells of whatever screen there is.
//!
//! It serves the time before the drivers and the code that must print whatever else is broken: exceptions and panics.
//! It sets the port up anew on every use and assumes nothing about what the drivers were doing.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Once;

use x86_64::instructions::port::Port;

/// First serial port.
const COM1: u16 = 0x3f8;
/// Polls before giving up on a port that is not there.
const TRANSMIT_POLLS: u32 = 100_000;

/// What every screen can show.
pub const COLUMNS: usize = 80;
pub const ROWS: usize = 25;
/// Grey on black, and white on red.
const ORDINARY: u16 = 0x0700;
const ALARM: u16 = 0x4f00;

/// Shows a cell, as the VGA text screen holds it, at its number from the top left on. It waits for nothing and allocates nothing.
pub type ShowCell = fn(usize, u16);

static SCREEN: Once<ShowCell> = Once::new();
/// The next cell to write.
static CURSOR: AtomicUsize = AtomicUsize::new(0);

/// Writes to serial port and screen.
pub struct EarlyConsole {
    /// Colours, as the upper byte of a cell.
    attribute: u16,
}

/// Tells how cells are shown, once.
pub fn set_screen(show: ShowCell) {
    SCREEN.call_once(|| show);
}

impl EarlyConsole {
    /// Lets the serial port finish what it is sending, then sets it to 115200 baud, 8N1, without interrupts.
    pub fn new() -> Self {
        await_status(TRANSMITTER_IDLE);
        for (offset, value) in [(1, 0x00), (3, 0x80), (0, 0x01), (1, 0x00), (3, 0x03), (2, 0xc7)] {
            // SAFETY: the ports of the first serial port; writes have no effect where there is none.
            unsafe { Port::<u8>::new(COM1 + offset).write(value) };
        }
        Self { attribute: ORDINARY }
    }

    /// As [`new`](Self::new), in the colours of failure, on a screen that is cleared.
    pub fn alarm() -> Self {
        let mut console = Self::new();
        console.attribute = ALARM;
        CURSOR.store(0, Ordering::Relaxed);
        (0..ROWS).for_each(|_| show(b'\n', ORDINARY));
        CURSOR.store(0, Ordering::Relaxed);
        console
    }

    fn send(&mut self, byte: u8) {
        await_status(HOLDING_REGISTER_EMPTY);
        // SAFETY: the transmit register.
        unsafe { Port::<u8>::new(COM1).write(byte) };
    }
}

/// Line status bits (16550 data sheet, table 2): room for a byte; nothing left to send.
const HOLDING_REGISTER_EMPTY: u8 = 1 << 5;
const TRANSMITTER_IDLE: u8 = 1 << 6;

/// Waits until the line status has `bit`, or long enough.
fn await_status(bit: u8) {
    for _ in 0..TRANSMIT_POLLS {
        // SAFETY: the line status register; reading it disturbs nothing that is still wanted.
        if unsafe { Port::<u8>::new(COM1 + 5).read() } & bit != 0 {
            return;
        }
    }
}

impl Default for EarlyConsole {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for EarlyConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
            show(byte, self.attribute);
        }
        Ok(())
    }
}

/// Puts `byte` on the screen. What comes after the last line is not shown: the first lines say most.
fn show(byte: u8, attribute: u16) {
    let (screen, cursor) = (SCREEN.get(), CURSOR.load(Ordering::Relaxed));
    let Some(screen) = screen.filter(|_| cursor < COLUMNS * ROWS) else { return };
    let next = if byte == b'\n' { (cursor / COLUMNS + 1) * COLUMNS } else { cursor + 1 };
    let character = if byte.is_ascii_graphic() { byte } else { b' ' };
    for cell in cursor..next {
        screen(cell, attribute | u16::from(character));
    }
    CURSOR.store(next, Ordering::Relaxed);
}
