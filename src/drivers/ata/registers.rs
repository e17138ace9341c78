//! The registers of an ATA channel as the protocol sees them. Source: ATA/ATAPI-7 volume 2, section 5.

use core::fmt;

/// Which of the two devices of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    Master,
    Slave,
}

impl Drive {
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Slave => "slave",
        }
    }
}

/// The 8-bit registers. Several have one meaning when read and another when written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Error when read, features when written.
    Error,
    SectorCount,
    LbaLow,
    LbaMid,
    LbaHigh,
    Device,
    /// Status when read, command when written.
    Status,
    /// Alternate status when read (reading it changes nothing), device control when written.
    Control,
}

/// One channel: two devices behind one set of registers.
pub trait Registers {
    fn read(&mut self, register: Register) -> u8;
    fn write(&mut self, register: Register, value: u8);

    /// Takes `bytes.len()` bytes, an even number, from the data register.
    fn read_data(&mut self, bytes: &mut [u8]);

    /// Gives `bytes.len()` bytes, an even number, to the data register.
    fn write_data(&mut self, bytes: &[u8]);

    /// Milliseconds from any fixed start.
    fn now_ms(&mut self) -> u64;
}

/// The status register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    const BUSY: u8 = 1 << 7;
    const READY: u8 = 1 << 6;
    const DEVICE_FAULT: u8 = 1 << 5;
    const DATA_REQUEST: u8 = 1 << 3;
    const ERROR: u8 = 1 << 0;
    /// What a channel with nothing attached reads as: all ones, or all but the line that is pulled down.
    const FLOATING: [u8; 2] = [0xff, 0x7f];

    pub fn is_busy(self) -> bool {
        self.0 & Self::BUSY != 0
    }

    pub fn wants_data(self) -> bool {
        self.0 & Self::DATA_REQUEST != 0
    }

    pub fn is_failure(self) -> bool {
        self.0 & (Self::ERROR | Self::DEVICE_FAULT) != 0
    }

    pub fn is_floating(self) -> bool {
        Self::FLOATING.contains(&self.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::BUSY, "BSY"),
            (Self::READY, "DRDY"),
            (Self::DEVICE_FAULT, "DF"),
            (Self::DATA_REQUEST, "DRQ"),
            (Self::ERROR, "ERR"),
        ];
        write_flags(f, self.0, &names)
    }
}

/// The error register, valid while the status shows an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ErrorBits(pub u8);

impl ErrorBits {
    const INTERFACE_CRC: u8 = 1 << 7;
    const UNCORRECTABLE: u8 = 1 << 6;
    const NOT_FOUND: u8 = 1 << 4;
    const ABORTED: u8 = 1 << 2;

    pub fn is_aborted(self) -> bool {
        self.0 & Self::ABORTED != 0
    }
}

impl fmt::Debug for ErrorBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::INTERFACE_CRC, "interface CRC"),
            (Self::UNCORRECTABLE, "uncorrectable data"),
            (Self::NOT_FOUND, "sector not found"),
            (Self::ABORTED, "aborted"),
        ];
        write_flags(f, self.0, &names)
    }
}

/// The value in hexadecimal and the names of the bits that are set.
fn write_flags(f: &mut fmt::Formatter<'_>, value: u8, names: &[(u8, &str)]) -> fmt::Result {
    write!(f, "{value:#04x}")?;
    let set = names.iter().filter(|(bit, _)| value & bit != 0);
    for (position, (_, name)) in set.enumerate() {
        write!(f, "{}{name}", if position == 0 { " " } else { ", " })?;
    }
    Ok(())
}
