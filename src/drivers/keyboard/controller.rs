//! The keyboard controller (8042 and what chipsets put in its place), ports 0x60 and 0x64.
//!
//! [`initialize`] takes it from whatever state the firmware left to: keyboard on, pointing device off, interrupt on,
//! scancodes translated to set 1. It is generic over [`Ports`], so the bounded waits are tested with a fake.
//! Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".

use core::fmt;
use x86_64::instructions::port::Port;

use super::super::poll;

const DATA_PORT: u16 = 0x60;
/// Status when read, command when written.
const COMMAND_PORT: u16 = 0x64;

const STATUS_OUTPUT_FULL: u8 = 1 << 0;
const STATUS_INPUT_FULL: u8 = 1 << 1;
/// The byte in the output buffer comes from the pointing device.
const STATUS_POINTING_DEVICE: u8 = 1 << 5;
/// Nothing drives the bus.
const STATUS_ABSENT: u8 = 0xff;

const READ_CONFIGURATION: u8 = 0x20;
const WRITE_CONFIGURATION: u8 = 0x60;
const DISABLE_POINTING_DEVICE: u8 = 0xa7;
const DISABLE_KEYBOARD: u8 = 0xad;
const ENABLE_KEYBOARD: u8 = 0xae;

const CONFIGURATION_KEYBOARD_INTERRUPT: u8 = 1 << 0;
const CONFIGURATION_POINTING_DEVICE_INTERRUPT: u8 = 1 << 1;
const CONFIGURATION_KEYBOARD_OFF: u8 = 1 << 4;
const CONFIGURATION_TRANSLATE: u8 = 1 << 6;

/// A command to the keyboard itself: report keys.
const KEYBOARD_ENABLE_SCANNING: u8 = 0xf4;
/// The keyboard's answer to a command.
const KEYBOARD_ACKNOWLEDGE: u8 = 0xfa;

/// A read takes about 1 us and the controller at most some milliseconds.
const MAX_POLLS: u32 = 20_000;
/// More bytes than any controller buffers.
const MAX_STALE_BYTES: usize = 64;

/// Why there is no keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyboardError {
    /// No controller answers at port 0x64: the machine has none, or the firmware turned it off.
    Absent,
    /// The controller stopped answering while it was `doing` this.
    Stuck { doing: &'static str },
}

impl fmt::Display for KeyboardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "no PS/2 keyboard controller"),
            Self::Stuck { doing } => write!(f, "PS/2 keyboard controller stuck {doing}"),
        }
    }
}

impl core::error::Error for KeyboardError {}

/// The two ports.
pub(super) trait Ports {
    fn read_status(&mut self) -> u8;
    fn read_data(&mut self) -> u8;
    fn write_command(&mut self, command: u8);
    fn write_data(&mut self, data: u8);

    /// The keyboard's byte, if the output buffer holds one. Another device's byte is taken and dropped.
    fn read_scancode(&mut self) -> Option<u8> {
        let status = self.read_status();
        if status == STATUS_ABSENT || status & STATUS_OUTPUT_FULL == 0 {
            return None;
        }
        let data = self.read_data();
        (status & STATUS_POINTING_DEVICE == 0).then_some(data)
    }
}

/// Turns the keyboard on. Its interrupt line must be masked meanwhile: the answers are read here.
pub(super) fn initialize(ports: &mut impl Ports) -> Result<(), KeyboardError> {
    if ports.read_status() == STATUS_ABSENT {
        return Err(KeyboardError::Absent);
    }
    command(ports, DISABLE_KEYBOARD, "turning the keyboard off")?;
    command(ports, DISABLE_POINTING_DEVICE, "turning the pointing device off")?;
    drop_stale_bytes(ports);
    let configuration = read_configuration(ports)?;
    write_configuration(ports, configured(configuration))?;
    command(ports, ENABLE_KEYBOARD, "turning the keyboard on")?;
    enable_scanning(ports)?;
    drop_stale_bytes(ports);
    Ok(())
}

fn configured(firmware: u8) -> u8 {
    let off = CONFIGURATION_POINTING_DEVICE_INTERRUPT | CONFIGURATION_KEYBOARD_OFF;
    firmware & !off | CONFIGURATION_KEYBOARD_INTERRUPT | CONFIGURATION_TRANSLATE
}

fn read_configuration(ports: &mut impl Ports) -> Result<u8, KeyboardError> {
    const DOING: &str = "reading its configuration";
    command(ports, READ_CONFIGURATION, DOING)?;
    answer(ports).ok_or(KeyboardError::Stuck { doing: DOING })
}

fn write_configuration(ports: &mut impl Ports, configuration: u8) -> Result<(), KeyboardError> {
    const DOING: &str = "writing its configuration";
    command(ports, WRITE_CONFIGURATION, DOING)?;
    wait_for_input(ports, DOING)?;
    ports.write_data(configuration);
    Ok(())
}

/// A keyboard that does not acknowledge may still be plugged in later, so that is no error.
fn enable_scanning(ports: &mut impl Ports) -> Result<(), KeyboardError> {
    wait_for_input(ports, "telling the keyboard to report keys")?;
    ports.write_data(KEYBOARD_ENABLE_SCANNING);
    for _ in 0..MAX_STALE_BYTES {
        if matches!(answer(ports), None | Some(KEYBOARD_ACKNOWLEDGE)) {
            break;
        }
    }
    Ok(())
}

fn command(ports: &mut impl Ports, command: u8, doing: &'static str) -> Result<(), KeyboardError> {
    wait_for_input(ports, doing)?;
    ports.write_command(command);
    Ok(())
}

fn wait_for_input(ports: &mut impl Ports, doing: &'static str) -> Result<(), KeyboardError> {
    let ready = poll(MAX_POLLS, || ports.read_status() & STATUS_INPUT_FULL == 0);
    ready.then_some(()).ok_or(KeyboardError::Stuck { doing })
}

fn answer(ports: &mut impl Ports) -> Option<u8> {
    let ready = poll(MAX_POLLS, || ports.read_status() & STATUS_OUTPUT_FULL != 0);
    ready.then(|| ports.read_data())
}

fn drop_stale_bytes(ports: &mut impl Ports) {
    for _ in 0..MAX_STALE_BYTES {
        if ports.read_status() & STATUS_OUTPUT_FULL == 0 {
            return;
        }
        ports.read_data();
    }
}

/// The real controller.
pub(super) struct I8042;

impl Ports for I8042 {
    fn read_status(&mut self) -> u8 {
        // SAFETY: reading the status has no effect.
        unsafe { Port::<u8>::new(COMMAND_PORT).read() }
    }

    fn read_data(&mut self) -> u8 {
        // SAFETY: takes a byte from the output buffer, which `Keyboard::open` gives to this driver alone.
        unsafe { Port::<u8>::new(DATA_PORT).read() }
    }

    fn write_command(&mut self, command: u8) {
        // SAFETY: the commands above touch the keyboard and pointing device only; none resets the machine.
        unsafe { Port::<u8>::new(COMMAND_PORT).write(command) };
    }

    fn write_data(&mut self, data: u8) {
        // SAFETY: the byte goes to the controller's configuration or to the keyboard, as the last command said.
        unsafe { Port::<u8>::new(DATA_PORT).write(data) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    #[derive(Default)]
    struct Fake {
        output: VecDeque<u8>,
        commands: Vec<u8>,
        data: Vec<u8>,
        status: u8,
        deaf: bool,
    }

    impl Ports for Fake {
        fn read_status(&mut self) -> u8 {
            self.status | u8::from(!self.output.is_empty())
        }
        fn read_data(&mut self) -> u8 {
            self.output.pop_front().unwrap_or(0)
        }
        fn write_command(&mut self, command: u8) {
            self.commands.push(command);
            if command == READ_CONFIGURATION && !self.deaf {
                self.output.push_back(0b0011_0010);
            }
        }
        fn write_data(&mut self, data: u8) {
            self.data.push(data);
            if data == KEYBOARD_ENABLE_SCANNING && !self.deaf {
                self.output.push_back(KEYBOARD_ACKNOWLEDGE);
            }
        }
    }

    #[test]
    fn keyboard_ends_up_on_with_interrupt_and_translation() {
        let mut fake = Fake { output: VecDeque::from([1, 2, 3]), ..Fake::default() };
        assert_eq!(initialize(&mut fake), Ok(()));
        assert_eq!(fake.data, [0b0110_0001, KEYBOARD_ENABLE_SCANNING]);
        assert_eq!(fake.commands.last(), Some(&ENABLE_KEYBOARD));
        assert!(fake.output.is_empty(), "a byte left behind would block the interrupt");
    }

    #[test]
    fn absent_controller_is_named() {
        let mut fake = Fake { status: 0xff, ..Fake::default() };
        assert_eq!(initialize(&mut fake), Err(KeyboardError::Absent));
        assert_eq!(fake.read_scancode(), None);
    }

    #[test]
    fn controller_that_takes_or_gives_nothing_is_stuck() {
        let mut full = Fake { status: STATUS_INPUT_FULL, ..Fake::default() };
        assert_eq!(initialize(&mut full), Err(KeyboardError::Stuck { doing: "turning the keyboard off" }));
        let mut deaf = Fake { deaf: true, ..Fake::default() };
        assert_eq!(initialize(&mut deaf), Err(KeyboardError::Stuck { doing: "reading its configuration" }));
        let mut endless = Fake { status: STATUS_OUTPUT_FULL, ..Fake::default() };
        assert_eq!(initialize(&mut endless), Ok(()), "a babbling controller ends too");
    }

    #[test]
    fn mouse_bytes_are_not_scancodes() {
        let mut fake = Fake { output: VecDeque::from([9]), status: STATUS_POINTING_DEVICE, ..Fake::default() };
        assert_eq!(fake.read_scancode(), None);
        assert!(fake.output.is_empty());
    }
}
