//! Where the machine and its program say things: the serial line and the screen.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt::{self, Write};

use uart_16550::backend::PioBackend;

use super::screen;
use crate::arch::ticks;
use crate::drivers::console::Colour;
use crate::drivers::keyboard::Keyboard;
use crate::drivers::serial::Serial;
use crate::wasi::{self, Lines};

/// The serial line and the keyboard, and the way to the screen.
pub struct Terminal {
    serial: Option<Serial<PioBackend>>,
    keyboard: Option<Keyboard>,
    /// The last byte written did not end a line.
    in_line: bool,
    /// Ticks that writing took.
    ticks_writing: u64,
}

impl Terminal {
    pub fn new(serial: Option<Serial<PioBackend>>, keyboard: Option<Keyboard>) -> Self {
        Self { serial, keyboard, in_line: false, ticks_writing: 0 }
    }

    /// Writes `bytes` to both outputs.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let started = ticks::now();
        self.write_serial(bytes);
        screen::write_bytes(bytes);
        self.ticks_writing += ticks::now().saturating_sub(started);
    }

    /// Ticks that writing to both outputs has taken.
    pub fn ticks_writing(&self) -> u64 {
        self.ticks_writing
    }

    /// What was typed or sent while too much was waiting already: keyboard codes and bytes.
    pub fn lost_input(&self) -> u64 {
        self.keyboard.as_ref().map_or(0, Keyboard::lost) + self.serial.as_ref().map_or(0, Serial::lost)
    }

    /// Writes a line of the kernel's own to both outputs, at the start of a line.
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        self.end_line();
        screen::set_colour(Colour::LightCyan);
        // Neither output fails.
        let _ = writeln!(self, "bareflow: {line}");
        screen::set_colour(Colour::LightGrey);
        screen::show();
    }

    /// Writes a line for programs that read the serial port.
    pub fn report(&mut self, line: &str) {
        self.end_line();
        self.write_serial(line.as_bytes());
        self.write_serial(b"\n");
    }

    /// A byte that was typed or sent, if there is one.
    pub fn read_byte(&mut self) -> Option<u8> {
        let typed = self.keyboard.as_mut().and_then(Keyboard::read_key);
        match typed {
            Some(key) => u8::try_from(key).ok(),
            None => self.serial.as_mut().and_then(Serial::try_read),
        }
    }

    /// Bytes that came over the serial line and wait to be read.
    pub fn serial_waiting(&self) -> usize {
        self.serial.as_ref().map_or(0, Serial::waiting)
    }

    fn end_line(&mut self) {
        if self.in_line {
            self.write_bytes(b"\n");
        }
    }

    fn write_serial(&mut self, bytes: &[u8]) {
        if let Some(serial) = &mut self.serial {
            serial.write_bytes(bytes);
        }
        self.in_line = bytes.last().map_or(self.in_line, |last| *last != b'\n');
    }
}

impl Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes());
        Ok(())
    }
}

/// The terminal as the program's standard streams.
pub struct Streams {
    terminal: Rc<RefCell<Terminal>>,
    /// What is typed. Without it the program's input is at its end from the start.
    lines: Option<Lines>,
}

impl Streams {
    /// The program can read what is typed if it `reads`.
    pub fn new(terminal: Rc<RefCell<Terminal>>, reads: bool) -> Self {
        Self { terminal, lines: reads.then(Lines::default) }
    }
}

impl wasi::Console for Streams {
    fn write(&mut self, _: wasi::Stream, bytes: &[u8]) -> Result<(), wasi::WriteFailed> {
        self.terminal.borrow_mut().write_bytes(bytes);
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> wasi::Input {
        let Some(lines) = &mut self.lines else { return wasi::Input::End };
        let mut terminal = self.terminal.borrow_mut();
        while let Some(key) = terminal.read_byte() {
            terminal.write_bytes(lines.press(key));
        }
        // Whoever waits for an answer has asked something.
        screen::show();
        lines.read(buffer)
    }
}
