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

    /// What moves the channel's data to memory and back; none where the CPU has to.
    fn engine(&mut self) -> Option<&mut dyn Engine>;
}

/// The part of a controller that reaches memory for a channel. Source: Programming Interface for Bus Master IDE Controller 1.0.
pub trait Engine {
    fn set_command(&mut self, value: u8);

    fn status(&mut self) -> EngineStatus;

    /// Forgets an earlier failure and interrupt.
    fn clear_status(&mut self);

    /// Says where the table of the memory's regions is.
    fn set_table(&mut self, address: u32);

    /// What the controller calls the first byte of the shared memory: a multiple of 4096, the end below 4 GiB.
    fn shared_address(&self) -> u32;

    /// Copies what is at `at` in the shared memory.
    fn load(&mut self, at: usize, bytes: &mut [u8]);

    /// Puts `bytes` at `at` in the shared memory.
    fn store(&mut self, at: usize, bytes: &[u8]);

    /// Keeps the controller from reaching memory from now on.
    fn cut_off(&mut self);
}

/// The status register of an [`Engine`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EngineStatus(pub u8);

impl EngineStatus {
    const ACTIVE: u8 = 1 << 0;
    const ERROR: u8 = 1 << 1;
    const INTERRUPT: u8 = 1 << 2;
    /// What is cleared by writing ones.
    pub const EVENTS: u8 = Self::ERROR | Self::INTERRUPT;

    pub fn is_active(self) -> bool {
        self.0 & Self::ACTIVE != 0
    }

    pub fn is_failure(self) -> bool {
        self.0 & Self::ERROR != 0
    }

    pub fn has_interrupted(self) -> bool {
        self.0 & Self::INTERRUPT != 0
    }
}

impl fmt::Debug for EngineStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(Self::ACTIVE, "active"), (Self::ERROR, "error"), (Self::INTERRUPT, "interrupt")];
        write_flags(f, self.0, &names)
    }
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
