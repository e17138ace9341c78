//! Where the machine and its program say things: the serial line and the screen.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::cell::RefCell;
use core::fmt::{self, Write};

use uart_16550::backend::PioBackend;

use super::screen;
use crate::arch::{interrupts, ticks};
use crate::drivers::console::Colour;
use crate::drivers::keyboard::Keyboard;
use crate::drivers::serial::Serial;
use crate::drivers::{interruption, timer};
use crate::shell::wrapped;
use crate::wasi::{self, Lines};

/// Lines of the kernel's own that are kept.
const LOG_LINES: usize = 500;

/// What no terminal is narrower than.
const TERMINAL_COLUMNS: usize = 80;

/// Clears a terminal and moves its cursor to the top left.
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";

/// The serial line and the keyboard, and the way to the screen.
pub struct Terminal {
    serial: Option<Serial<PioBackend>>,
    keyboard: Option<Keyboard>,
    /// The last byte written did not end a line.
    in_line: bool,
    /// Somebody looks at a terminal at the other end of the serial line: lines end as terminals want it.
    is_watched: bool,
    /// What the kernel said, oldest first.
    log: VecDeque<String>,
    /// Ticks that writing took.
    ticks_writing: u64,
    /// How often something was written.
    writes: u64,
}

impl Terminal {
    pub fn new(serial: Option<Serial<PioBackend>>, keyboard: Option<Keyboard>) -> Self {
        Self { serial, keyboard, in_line: false, is_watched: false, log: VecDeque::new(), ticks_writing: 0, writes: 0 }
    }

    /// Writes `bytes` to both outputs.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let started = ticks::now();
        self.writes += 1;
        self.write_serial(bytes);
        screen::write_bytes(bytes);
        self.ticks_writing += ticks::now().saturating_sub(started);
    }

    /// Ticks that writing to both outputs has taken.
    pub fn ticks_writing(&self) -> u64 {
        self.ticks_writing
    }

    /// How often something was written to both outputs.
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// What was typed or sent while too much was waiting already: keyboard codes and bytes.
    pub fn lost_input(&self) -> u64 {
        self.keyboard.as_ref().map_or(0, Keyboard::lost) + self.serial.as_ref().map_or(0, Serial::lost)
    }

    /// Writes a line of the kernel's own to both outputs, at the start of a line, which on the screen is broken between words.
    pub fn say(&mut self, line: fmt::Arguments<'_>) {
        self.end_line();
        let started = ticks::now();
        self.writes += 1;
        let line = line.to_string();
        let said = format!("bareflow: {line}");
        self.write_serial(said.as_bytes());
        self.write_serial(b"\n");
        screen::set_colour(Colour::LightCyan);
        for part in said.lines().flat_map(|line| wrapped(line, self.columns())) {
            screen::write_bytes(part.as_bytes());
            screen::write_bytes(b"\n");
        }
        screen::set_colour(Colour::LightGrey);
        screen::show();
        self.ticks_writing += ticks::now().saturating_sub(started);
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    /// Writes a line for programs that read the serial port.
    pub fn report(&mut self, line: &str) {
        self.end_line();
        self.write_serial(line.as_bytes());
        self.write_serial(b"\n");
    }

    /// A byte that was typed or sent, if there is one.
    pub fn read_byte(&mut self) -> Option<u8> {
        let typed = self.keyboard.as_mut().and_then(Keyboard::read_byte);
        typed.or_else(|| self.serial.as_mut().and_then(Serial::try_read))
    }

    /// Waits for such a byte. The screen shows all that was written.
    pub fn wait_for_byte(&mut self) -> u8 {
        screen::show();
        // Ends the wait for an interrupt where that of a device is lost.
        timer::start(timer::DEFAULT_HZ);
        let byte = loop {
            match self.read_byte() {
                Some(byte) => break byte,
                None if timer::interrupts() => interrupts::wait_for_interrupt(),
                None => core::hint::spin_loop(),
            }
        };
        timer::stop();
        byte
    }

    /// Whether somebody can type.
    pub fn has_input(&self) -> bool {
        self.serial.is_some() || self.keyboard.is_some()
    }

    /// Drops what was typed and not read.
    pub fn drop_input(&mut self) {
        while self.read_byte().is_some() {}
    }

    /// From now on, somebody looks at a terminal.
    pub fn is_watched(&mut self) {
        self.is_watched = true;
    }

    /// Leaves nothing on the screen and on a terminal.
    pub fn clear(&mut self) {
        self.write_serial(CLEAR);
        screen::clear();
    }

    /// Columns of the screen, or of a terminal where there is none.
    pub fn columns(&self) -> usize {
        screen::columns().unwrap_or(TERMINAL_COLUMNS)
    }

    /// What the kernel said, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &String> {
        self.log.iter()
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
        match &mut self.serial {
            Some(serial) if self.is_watched => write_lines(serial, bytes),
            Some(serial) => serial.write_bytes(bytes),
            None => {}
        }
        self.in_line = bytes.last().map_or(self.in_line, |last| *last != b'\n');
    }
}

/// Sends `bytes` with a carriage return before each line feed.
fn write_lines(serial: &mut Serial<PioBackend>, bytes: &[u8]) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                serial.write_bytes(line);
                serial.write_bytes(b"\r\n");
            }
            None => serial.write_bytes(line),
        }
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
        if interruption::is_asked() {
            return wasi::Input::End;
        }
        let mut terminal = self.terminal.borrow_mut();
        while let Some(key) = terminal.read_byte() {
            terminal.write_bytes(lines.press(key));
        }
        // Whoever waits for an answer has asked something.
        screen::show();
        lines.read(buffer)
    }
}
