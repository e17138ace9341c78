//! The two interrupt controllers of a PC (8259A), cascaded: sixteen lines, moved clear of the CPU's exceptions.
//!
//! [`initialize`] maps the lines to the vectors of [`VECTORS`] with all of them masked; drivers [`unmask`] their own.
//! The chip has no state of ours, so there is no object to lock: the handler and the set-up code build the
//! `pic8259` crate's view of the ports where they need it. Source: Intel 8259A data sheet (231468).

use core::ops::Range;
use pic8259::ChainedPics;
use x86_64::instructions::interrupts::without_interrupts;
use x86_64::instructions::port::Port;

use crate::arch::interrupts;

/// CPU vectors of the sixteen lines; 0 to 31 belong to exceptions.
pub const VECTORS: Range<u8> = FIRST_VECTOR..FIRST_VECTOR + 16;

const FIRST_VECTOR: u8 = interrupts::vector::FIRST_INTERRUPT;

const COMMAND_PORTS: [u16; 2] = [0x20, 0xa0];

/// Operation command word 3: the next read of the command port gives the in-service register.
const READ_IN_SERVICE: u8 = 0x0b;

/// Interrupt lines, numbered as they are wired in a PC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Irq {
    Timer = 0,
    Keyboard = 1,
    /// Not a device: the second controller is attached here.
    Cascade = 2,
    Line3 = 3,
    /// The first serial port, and the third.
    Serial = 4,
    Line5 = 5,
    Line6 = 6,
    /// Also what the first controller reports when a request vanished before it was served.
    Line7 = 7,
    Line8 = 8,
    Line9 = 9,
    Line10 = 10,
    Line11 = 11,
    Line12 = 12,
    Line13 = 13,
    Line14 = 14,
    /// Also what the second controller reports when a request vanished before it was served.
    Line15 = 15,
}

impl Irq {
    const ALL: [Irq; 16] = [
        Irq::Timer,
        Irq::Keyboard,
        Irq::Cascade,
        Irq::Line3,
        Irq::Serial,
        Irq::Line5,
        Irq::Line6,
        Irq::Line7,
        Irq::Line8,
        Irq::Line9,
        Irq::Line10,
        Irq::Line11,
        Irq::Line12,
        Irq::Line13,
        Irq::Line14,
        Irq::Line15,
    ];

    /// The line behind a CPU vector, if the controllers own that vector.
    pub fn from_vector(vector: u8) -> Option<Self> {
        let line = vector.checked_sub(FIRST_VECTOR)?;
        Self::ALL.get(usize::from(line)).copied()
    }

    /// The CPU vector at which this line arrives.
    pub const fn vector(self) -> u8 {
        FIRST_VECTOR + self as u8
    }
}

/// Maps the lines to [`VECTORS`], all masked, and has their interrupts served. The CPU's gates must be loaded.
pub fn initialize() {
    for vector in VECTORS {
        interrupts::set_handler(vector, |frame| super::handle_interrupt(frame.vector as u8));
    }
    without_interrupts(|| {
        let mut pics = pics();
        // SAFETY: the command sequence leaves both controllers in a defined state; interrupts are off meanwhile.
        unsafe { pics.initialize() };
        // SAFETY: a masked line raises nothing.
        unsafe { pics.disable() };
    });
}

/// Lets a line through; for a line of the second controller, the cascade as well.
pub fn unmask(irq: Irq) {
    change_masks(|masks| masks & !(1 << irq as u16) & if irq as u8 >= 8 { !(1 << Irq::Cascade as u16) } else { !0 });
}

/// Holds a line back.
pub fn mask(irq: Irq) {
    change_masks(|masks| masks | 1 << irq as u16);
}

/// Tells the controllers that `irq` has been served, so that they deliver the next one.
pub(super) fn end_of_interrupt(irq: Irq) {
    // SAFETY: the caller is the handler of this very interrupt, which is in service until this command.
    unsafe { pics().notify_end_of_interrupt(irq.vector()) };
}

/// Whether the request vanished before it was served: then the line is not in service. Reads the device.
pub(super) fn is_spurious(irq: Irq) -> bool {
    let controller = match irq {
        Irq::Line7 => 0,
        Irq::Line15 => 1,
        _ => return false,
    };
    let mut command = Port::<u8>::new(COMMAND_PORTS[controller]);
    // SAFETY: this command only chooses what the next read of the same port returns.
    unsafe { command.write(READ_IN_SERVICE) };
    // SAFETY: reading the in-service register has no effect.
    unsafe { command.read() & 1 << 7 == 0 }
}

/// A spurious interrupt of the second controller still went through the first one's cascade line.
pub(super) fn end_spurious(irq: Irq) {
    if irq == Irq::Line15 {
        end_of_interrupt(Irq::Cascade);
    }
}

fn change_masks(change: impl FnOnce(u16) -> u16) {
    without_interrupts(|| {
        let mut pics = pics();
        // SAFETY: reading the mask registers has no effect.
        let old = u16::from_le_bytes(unsafe { pics.read_masks() });
        let [first, second] = change(old).to_le_bytes();
        // SAFETY: interrupts are off, so no handler runs between the read and this write.
        unsafe { pics.write_masks(first, second) };
    });
}

fn pics() -> ChainedPics {
    // SAFETY: the vectors above do not overlap the CPU's exceptions; constructing touches no port.
    unsafe { ChainedPics::new_contiguous(FIRST_VECTOR) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_vectors_agree() {
        assert_eq!(Irq::from_vector(31), None);
        assert_eq!(Irq::from_vector(32), Some(Irq::Timer));
        assert_eq!(Irq::from_vector(33), Some(Irq::Keyboard));
        assert_eq!(Irq::from_vector(47), Some(Irq::Line15));
        assert_eq!(Irq::from_vector(48), None);
        for vector in VECTORS {
            assert_eq!(Irq::from_vector(vector).map(Irq::vector), Some(vector));
        }
    }
}
