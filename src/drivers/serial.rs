//! The serial ports: the first one (COM1), and to send bytes alone the second and the third (COM2, COM3). Each is a 16550 UART at 115200 baud, 8 data bits, no parity, 1 stop bit.
//!
//! [`Serial`] sets it up with the `uart_16550` crate. Output fills the transmitter's FIFO whenever it has run empty, and
//! waits are bounded: a UART that stops draining costs one time limit, after which its output is dropped (and counted)
//! until it drains again. Input comes by interrupt and waits in a [`Ring`] of [`RECEIVED_BYTES`]; what does not fit there
//! stays in the UART, which holds the sender back if it can. Register facts: National Semiconductor PC16550D.

use core::fmt;
use uart_16550::backend::{Backend, PioBackend};
use uart_16550::spec::FIFO_SIZE;
use uart_16550::spec::registers::{IER, LSR, offsets};
use uart_16550::{BaudRate, Config, Uart16550};
use x86_64::instructions::interrupts::without_interrupts;

use super::interruption::{self, CONTROL_C};
use super::pic::{self, Irq};
use super::poll;
use super::ring::Ring;

/// I/O port of the first register of COM1.
const COM1: u16 = 0x3f8;

/// A serial port that bytes are only sent over, with the I/O port of its first register, as the PC architecture gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SendOnly {
    Second = 0x2f8,
    Third = 0x3e8,
}

/// Sixteen characters at 115200 baud take 1.4 ms and a port read takes about 1 us: this is some 70 times as long.
const DRAIN_POLLS: u32 = 100_000;

/// Bytes of input that wait for the program: what somebody types or pastes while it computes.
pub const RECEIVED_BYTES: usize = 16 << 10;

/// Input not yet read. Static because the handler has no other way to it.
static RECEIVED: Ring<RECEIVED_BYTES> = Ring::new();

/// A serial port that is known to be present.
pub struct Serial<B: Backend> {
    uart: Uart16550<B>,
    /// Bytes that the transmitter takes for certain: it only drains in the meantime.
    room: usize,
    /// The last wait for the transmitter ran into its limit: do not wait again until it drains.
    stalled: bool,
    dropped: u64,
}

impl Serial<PioBackend> {
    /// Opens COM1 and lets its interrupt through; `None` if no UART answers there.
    ///
    /// # Safety
    /// Called once, after [`pic::initialize`]. No other code uses the ports 0x3f8 to 0x3ff while this value lives, but to
    /// report what ends the machine.
    pub unsafe fn open_com1() -> Option<Self> {
        // SAFETY: the caller's.
        let mut serial = Self::start(unsafe { com1() }?)?;
        serial.uart.enable_interrupts(IER::DATA_READY);
        pic::unmask(Irq::Serial);
        Some(serial)
    }

    /// Opens a port only to send; `None` if no UART answers there.
    ///
    /// # Safety
    /// No other code uses the eight ports from that of `port` on while this value lives.
    pub unsafe fn open_to_send(port: SendOnly) -> Option<Self> {
        // SAFETY: this is the address that the PC architecture gives the port, and the caller leaves it to us.
        Self::start(unsafe { Uart16550::new_port(port as u16) }.ok()?)
    }

    /// The next received byte, if there is one. Never waits.
    pub fn try_read(&mut self) -> Option<u8> {
        RECEIVED.pop().or_else(|| {
            // What was left in the UART while the ring was full raises no interrupt any more.
            without_interrupts(|| receive(self.uart.backend_mut(), &RECEIVED));
            RECEIVED.pop()
        })
    }

    /// Received bytes that wait to be read.
    pub fn waiting(&self) -> usize {
        RECEIVED.len()
    }

    /// Bytes of input that came while too many others were waiting.
    pub fn lost(&self) -> u64 {
        RECEIVED.lost()
    }
}

/// Takes what the UART has. Called by the interrupt handler.
pub(super) fn on_interrupt() {
    // SAFETY: the interrupt comes from a port that `open_com1` has opened; this touches only what receives.
    if let Some(mut uart) = unsafe { com1() } {
        receive(uart.backend_mut(), &RECEIVED);
    }
}

/// # Safety
/// COM1 is the serial driver's.
unsafe fn com1() -> Option<Uart16550<PioBackend>> {
    // SAFETY: 0x3f8 is the address that the PC architecture gives COM1, and the caller leaves it to us.
    unsafe { Uart16550::new_port(COM1) }.ok()
}

/// Moves received bytes to `ring` while there are some and it has room.
fn receive<const CAPACITY: usize>(uart: &mut impl Backend, ring: &Ring<CAPACITY>) {
    for _ in 0..CAPACITY {
        let status = read_status(uart);
        if status.contains(LSR::OVERRUN_ERROR) {
            ring.count_lost();
        }
        if !status.contains(LSR::DATA_READY) || ring.is_full() {
            return;
        }
        // SAFETY: the register exists; reading it takes a byte that was received.
        let byte = unsafe { uart.read(offsets::DATA as u8) };
        if byte == CONTROL_C {
            interruption::ask();
        }
        ring.push(byte);
    }
}

/// The line status; none where no port answers any more.
fn read_status(uart: &mut impl Backend) -> LSR {
    // SAFETY: the register exists; reading it clears error bits only.
    let status = LSR::from_bits_retain(unsafe { uart.read(offsets::LSR as u8) });
    if status.bits() == 0xff { LSR::empty() } else { status }
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
        Some(Self { uart, room: 0, stalled: false, dropped: 0 })
    }

    /// Sends `bytes` as they are.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.room == 0 && !self.await_room() {
                self.dropped += rest.len() as u64;
                return;
            }
            let (now, later) = rest.split_at(rest.len().min(self.room));
            now.iter().for_each(|&byte| self.send(byte));
            self.room -= now.len();
            rest = later;
        }
    }

    /// Bytes that the UART did not take in time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Waits until the transmitter has run empty: then its whole FIFO is free.
    fn await_room(&mut self) -> bool {
        let limit = if self.stalled { 1 } else { DRAIN_POLLS };
        let uart = self.uart.backend_mut();
        self.stalled = !poll(limit, || {
            let status = read_status(uart);
            if status.contains(LSR::OVERRUN_ERROR) {
                without_interrupts(|| RECEIVED.count_lost());
            }
            status.contains(LSR::THR_EMPTY)
        });
        if !self.stalled {
            self.room = if self.uart.fifo_enabled() { FIFO_SIZE } else { 1 };
        }
        !self.stalled
    }

    fn send(&mut self, byte: u8) {
        // SAFETY: the register exists, and `room` says that the transmitter takes the byte.
        unsafe { self.uart.backend_mut().write(offsets::DATA as u8, byte) };
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
    use core::mem;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    #[derive(Default)]
    struct FakeUart {
        has_fifo: bool,
        /// The transmitter, which drains when its status is read; more than it holds is lost.
        queued: usize,
        overrun: bool,
        writes: usize,
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
                    let ready = u8::from(!uart.received.is_empty()) | u8::from(mem::take(&mut uart.overrun)) << 1;
                    if uart.takes == Some(0) {
                        return ready;
                    }
                    uart.queued = 0;
                    ready | 0x60
                }
                offsets::ISR if uart.has_fifo => 0xc1,
                offsets::DATA if uart.received.is_empty() => 0,
                offsets::DATA => uart.received.remove(0),
                _ => 0,
            }
        }

        unsafe fn write(&mut self, offset: u8, value: u8) {
            let mut uart = self.0.borrow_mut();
            uart.writes += 1;
            match usize::from(offset) {
                offsets::SPR => uart.scratch = value,
                offsets::LCR => uart.line_control = value,
                offsets::DATA if uart.line_control & 0x80 == 0 => {
                    uart.queued += 1;
                    if uart.queued <= if uart.has_fifo { FIFO_SIZE } else { 1 } {
                        uart.sent.push(value);
                    }
                    uart.takes = uart.takes.map(|takes| takes.saturating_sub(1));
                }
                _ => {}
            }
        }
    }

    impl Line {
        fn accesses(&self) -> usize {
            self.0.borrow().reads + self.0.borrow().writes
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
    fn received_bytes_come_in_order_and_wait_in_the_uart_when_there_is_no_room() {
        let (mut line, ring) = (Line::default(), Ring::<4>::new());
        line.0.borrow_mut().received.extend(b"abcdef");
        let take = || core::iter::from_fn(|| ring.pop()).collect::<Vec<u8>>();
        receive(&mut line, &ring);
        assert_eq!((take(), ring.lost()), (b"abcd".to_vec(), 0));
        line.0.borrow_mut().overrun = true;
        receive(&mut line, &ring);
        assert_eq!((take(), ring.lost()), (b"ef".to_vec(), 1), "the UART itself lost one");
        receive(&mut Absent, &ring);
        assert_eq!(take(), b"");
    }

    #[test]
    fn transmitter_is_filled_whenever_it_is_empty() {
        for (has_fifo, most_accesses) in [(true, 1075), (false, 2000)] {
            let line = Line::default();
            line.0.borrow_mut().has_fifo = has_fifo;
            let mut serial = open(&line).expect("the fake is present");
            let before = line.accesses();
            (0..50).for_each(|_| serial.write_bytes(b"line 123456 of many\n"));
            assert_eq!(line.0.borrow().sent.len(), 1000, "nothing is written to a full transmitter");
            let accesses = line.accesses() - before;
            assert!(accesses <= most_accesses, "{accesses} accesses for 1000 bytes");
        }
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
