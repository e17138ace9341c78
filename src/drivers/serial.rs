//! The first serial port (COM1): a 16550 UART at 115200 baud, 8 data bits, no parity, 1 stop bit.
//!
//! [`Serial`] wraps the `uart_16550` crate and bounds its waits: a UART that stops draining costs one time limit, after
//! which its output is dropped (and counted) until it drains again. Register facts: National Semiconductor PC16550D.

use core::fmt;
use uart_16550::backend::{Backend, PioBackend};
use uart_16550::spec::registers::LSR;
use uart_16550::{BaudRate, Config, Uart16550};

use super::poll;

/// I/O port of the first register of COM1.
const COM1: u16 = 0x3f8;

/// Sixteen characters at 115200 baud take 1.4 ms and a port read takes about 1 us: this is some 70 times as long.
const DRAIN_POLLS: u32 = 100_000;

/// A serial port that is known to be present.
pub struct Serial<B: Backend> {
    uart: Uart16550<B>,
    /// The last wait for the transmitter ran into its limit: do not wait again until it drains.
    stalled: bool,
    dropped: u64,
}

impl Serial<PioBackend> {
    /// Opens COM1; `None` if no UART answers there.
    ///
    /// # Safety
    /// No other code uses the ports 0x3f8 to 0x3ff while this value lives, but to report what ends the machine.
    pub unsafe fn open_com1() -> Option<Self> {
        // SAFETY: 0x3f8 is the address that the PC architecture gives COM1, and the caller leaves it to us.
        let uart = unsafe { Uart16550::new_port(COM1) }.ok()?;
        Self::start(uart)
    }
}

impl<B: Backend> Serial<B> {
    fn start(mut uart: Uart16550<B>) -> Option<Self> {
        if !uart.check_present() {
            return None;
        }
        // `init` waits for an empty transmitter without a limit, so only a UART that can drain may reach it.
        if !poll(DRAIN_POLLS, || uart.lsr().contains(LSR::TRANSMITTER_EMPTY)) {
            return None;
        }
        uart.init(Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT }).ok()?;
        Some(Self { uart, stalled: false, dropped: 0 })
    }

    /// Sends `bytes` as they are.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.send_some(rest);
            if sent == 0 {
                self.dropped += rest.len() as u64;
                return;
            }
            rest = &rest[sent..];
        }
    }

    /// The next received byte, if there is one. Reads the device; never waits.
    pub fn try_read(&mut self) -> Option<u8> {
        self.uart.try_receive_byte().ok()
    }

    /// Bytes that the UART did not take in time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn send_some(&mut self, bytes: &[u8]) -> usize {
        let limit = if self.stalled { 1 } else { DRAIN_POLLS };
        let mut sent = 0;
        self.stalled = !poll(limit, || {
            sent = self.uart.send_bytes(bytes);
            sent > 0
        });
        sent
    }
}

/// Text for people: a line feed is sent as carriage return and line feed, as terminals expect.
impl<B: Backend> fmt::Write for Serial<B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    self.write_bytes(line.as_bytes());
                    self.write_bytes(b"\r\n");
                }
                None => self.write_bytes(line.as_bytes()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;
    use uart_16550::spec::registers::offsets;

    #[derive(Default)]
    struct FakeUart {
        scratch: u8,
        sent: Vec<u8>,
        received: Vec<u8>,
        line_control: u8,
        /// Bytes that it still takes before it stops draining for good.
        takes: Option<usize>,
        reads: usize,
    }

    #[derive(Clone, Default)]
    struct Line(Rc<RefCell<FakeUart>>);

    impl Backend for Line {
        unsafe fn read(&mut self, offset: u8) -> u8 {
            let mut uart = self.0.borrow_mut();
            uart.reads += 1;
            match usize::from(offset) {
                offsets::SPR => uart.scratch,
                offsets::LSR => {
                    let ready = u8::from(!uart.received.is_empty());
                    if uart.takes == Some(0) { ready } else { ready | 0x60 }
                }
                offsets::DATA if uart.received.is_empty() => 0,
                offsets::DATA => uart.received.remove(0),
                _ => 0,
            }
        }

        unsafe fn write(&mut self, offset: u8, value: u8) {
            let mut uart = self.0.borrow_mut();
            match usize::from(offset) {
                offsets::SPR => uart.scratch = value,
                offsets::LCR => uart.line_control = value,
                offsets::DATA if uart.line_control & 0x80 == 0 => {
                    uart.sent.push(value);
                    uart.takes = uart.takes.map(|takes| takes.saturating_sub(1));
                }
                _ => {}
            }
        }
    }

    struct Absent;

    impl Backend for Absent {
        unsafe fn read(&mut self, _: u8) -> u8 {
            0xff
        }
        unsafe fn write(&mut self, _: u8, _: u8) {}
    }

    fn open(line: &Line) -> Option<Serial<Line>> {
        // SAFETY: the fake stands for no hardware.
        Serial::start(unsafe { Uart16550::new_with_backend(line.clone()) })
    }

    #[test]
    fn absent_uart_is_not_opened() {
        // SAFETY: the fake stands for no hardware.
        assert!(Serial::start(unsafe { Uart16550::new_with_backend(Absent) }).is_none());
    }

    #[test]
    fn uart_that_never_drains_is_not_opened() {
        let line = Line::default();
        line.0.borrow_mut().takes = Some(0);
        assert!(open(&line).is_none());
    }

    #[test]
    fn text_gets_carriage_returns_and_bytes_do_not() {
        let line = Line::default();
        let mut serial = open(&line).expect("the fake is present");
        serial.write_str("a\n\nb").expect("never fails");
        serial.write_bytes(b"\n");
        assert_eq!(line.0.borrow().sent, b"a\r\n\r\nb\n");
        assert_eq!(serial.dropped(), 0);
    }

    #[test]
    fn received_bytes_come_in_order_and_then_nothing() {
        let line = Line::default();
        let mut serial = open(&line).expect("the fake is present");
        line.0.borrow_mut().received.extend(b"ok");
        assert_eq!([serial.try_read(), serial.try_read(), serial.try_read()], [Some(b'o'), Some(b'k'), None]);
    }

    #[test]
    fn stalled_uart_costs_one_time_limit_and_recovers() {
        let line = Line::default();
        let mut serial = open(&line).expect("the fake is present");
        line.0.borrow_mut().takes = Some(0);
        serial.write_bytes(b"lost");
        let reads = line.0.borrow().reads;
        serial.write_bytes(b"lost too");
        assert!(line.0.borrow().reads < reads + 10, "it waited again");
        assert_eq!(serial.dropped(), 12);
        line.0.borrow_mut().takes = None;
        serial.write_bytes(b"back");
        assert_eq!(line.0.borrow().sent, b"back");
    }
}
