//! The calendar: the battery-backed real-time clock (MC146818A and its successors) behind ports 0x70 and 0x71.
//!
//! [`read_unix_seconds`] reads it, [`Registers::unix_seconds`] is the pure conversion. The chip counts seconds while it
//! is read, so a reading counts only when two in a row agree with no update in progress. It is taken to keep UTC and
//! years 2000 to 2099. Source: Motorola MC146818A data sheet.

use x86_64::instructions::port::Port;

use super::poll;

const INDEX_PORT: u16 = 0x70;
const DATA_PORT: u16 = 0x71;

const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// Status register B: hours count to 24.
const HOURS_24: u8 = 1 << 1;
/// Status register B: values are binary, not binary-coded decimal.
const BINARY: u8 = 1 << 2;
/// In 12-hour mode, this bit of the hour means afternoon.
const AFTERNOON: u8 = 1 << 7;

/// An update takes 2 ms and a read about 2 us.
const UPDATE_POLLS: u32 = 10_000;
const MAX_READINGS: usize = 5;

/// The date and time registers as the chip shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    pub second: u8,
    pub minute: u8,
    pub hour: u8,
    pub day: u8,
    pub month: u8,
    pub year: u8,
    pub status_b: u8,
}

impl Registers {
    /// Seconds since 1970-01-01 00:00; `None` if the registers show no valid date.
    pub fn unix_seconds(&self) -> Option<u64> {
        let second = self.number(self.second, 0..=59)?;
        let minute = self.number(self.minute, 0..=59)?;
        let hour = self.hour_of_day()?;
        let month = self.number(self.month, 1..=12)?;
        let year = 2000 + self.number(self.year, 0..=99)?;
        let day = self.number(self.day, 1..=days_in_month(year, month))?;
        Some(((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
    }

    fn number(&self, register: u8, valid: core::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = if self.status_b & BINARY != 0 {
            register
        } else if register >> 4 > 9 || register & 0xf > 9 {
            return None;
        } else {
            (register >> 4) * 10 + (register & 0xf)
        };
        Some(u64::from(value)).filter(|value| valid.contains(value))
    }

    fn hour_of_day(&self) -> Option<u64> {
        if self.status_b & HOURS_24 != 0 {
            return self.number(self.hour, 0..=23);
        }
        let afternoon = u64::from(self.hour & AFTERNOON != 0);
        Some(self.number(self.hour & !AFTERNOON, 1..=12)? % 12 + 12 * afternoon)
    }
}

/// Reads the clock; `None` if there is none or it shows no valid date. Waits at most some tens of milliseconds.
pub fn read_unix_seconds() -> Option<u64> {
    consistent_reading(&mut Cmos)?.unix_seconds()
}

/// The chip's registers by number.
trait Bank {
    fn read(&mut self, register: u8) -> u8;
}

fn consistent_reading(bank: &mut impl Bank) -> Option<Registers> {
    let mut previous = None;
    for _ in 0..MAX_READINGS {
        if !poll(UPDATE_POLLS, || bank.read(0x0a) & UPDATE_IN_PROGRESS == 0) {
            return None;
        }
        let reading = Some(reading(bank));
        if reading == previous {
            return reading;
        }
        previous = reading;
    }
    None
}

fn reading(bank: &mut impl Bank) -> Registers {
    Registers {
        second: bank.read(0x00),
        minute: bank.read(0x02),
        hour: bank.read(0x04),
        day: bank.read(0x07),
        month: bank.read(0x08),
        year: bank.read(0x09),
        status_b: bank.read(0x0b),
    }
}

struct Cmos;

impl Bank for Cmos {
    fn read(&mut self, register: u8) -> u8 {
        // SAFETY: selects a register below 128; the top bit stays 0, so non-maskable interrupts stay enabled.
        unsafe { Port::<u8>::new(INDEX_PORT).write(register & 0x7f) };
        // SAFETY: the time registers and status registers A and B may be read at any time without effect.
        unsafe { Port::<u8>::new(DATA_PORT).read() }
    }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCD_24: Registers =
        Registers { second: 0x56, minute: 0x34, hour: 0x12, day: 0x29, month: 0x02, year: 0x24, status_b: HOURS_24 };

    #[test]
    fn converts_every_mode_of_the_chip() {
        const EXPECTED: Option<u64> = Some(1_709_210_096); // 2024-02-29 12:34:56 UTC
        assert_eq!(BCD_24.unix_seconds(), EXPECTED);
        let binary =
            Registers { second: 56, minute: 34, hour: 12, day: 29, month: 2, year: 24, status_b: HOURS_24 | BINARY };
        assert_eq!(binary.unix_seconds(), EXPECTED);
        assert_eq!(Registers { hour: 0x92, status_b: 0, ..BCD_24 }.unix_seconds(), EXPECTED);
        assert_eq!(Registers { hour: 12 | AFTERNOON, status_b: BINARY, ..binary }.unix_seconds(), EXPECTED);
    }

    #[test]
    fn midnight_and_noon_of_the_twelve_hour_clock() {
        let hour = |hour| Registers { hour, status_b: 0, ..BCD_24 }.hour_of_day();
        assert_eq!([hour(0x12), hour(0x01), hour(0x92), hour(0x81)], [Some(0), Some(1), Some(12), Some(13)]);
        assert_eq!([hour(0x00), hour(0x13), hour(0x93)], [None, None, None]);
    }

    #[test]
    fn invalid_dates_are_none() {
        assert_eq!(Registers { year: 0x23, ..BCD_24 }.unix_seconds(), None, "no 29 February in 2023");
        assert_eq!(Registers { month: 0x13, ..BCD_24 }.unix_seconds(), None);
        assert_eq!(Registers { second: 0x5a, ..BCD_24 }.unix_seconds(), None, "not binary-coded decimal");
        let absent =
            Registers { second: 0xff, minute: 0xff, hour: 0xff, day: 0xff, month: 0xff, year: 0xff, status_b: 0xff };
        assert_eq!(absent.unix_seconds(), None);
    }

    struct Bytes(fn(u8, usize) -> u8, usize);

    impl Bank for Bytes {
        fn read(&mut self, register: u8) -> u8 {
            self.1 += 1;
            (self.0)(register, self.1)
        }
    }

    #[test]
    fn clock_that_always_updates_or_never_agrees_gives_up() {
        assert_eq!(consistent_reading(&mut Bytes(|_, _| UPDATE_IN_PROGRESS, 0)), None);
        assert_eq!(consistent_reading(&mut Bytes(|_, reads| reads as u8 & 0x7f, 0)), None);
    }

    #[test]
    fn reading_torn_by_a_carry_is_repeated() {
        let carry = |register, reads| match register {
            0x00 => 0x59 * u8::from(reads < 3),
            0x02 => 0x34 + u8::from(reads >= 3),
            _ => 0,
        };
        let reading = consistent_reading(&mut Bytes(carry, 0)).expect("it settles");
        assert_eq!((reading.second, reading.minute), (0, 0x35));
    }
}
