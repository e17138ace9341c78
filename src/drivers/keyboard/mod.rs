//! The PS/2 keyboard: scancodes arrive by interrupt, characters are made from them when somebody asks.
//!
//! [`Keyboard::open`] sets up the controller ([`controller`]) and its interrupt line; the handler only moves a byte into
//! a [`Ring`]; [`Keyboard::read_key`] decodes with the `pc-keyboard` crate (US layout).

mod controller;

use pc_keyboard::layouts::Us104Key;
use pc_keyboard::{DecodedKey, HandleControl, PS2Keyboard, ScancodeSet1};

pub use controller::KeyboardError;
use controller::{I8042, Ports as _};

use super::pic::{self, Irq};
use super::ring::Ring;

/// Scancodes not yet decoded: some hundred keys. Static because the handler has no other way to it.
static SCANCODES: Ring<1024> = Ring::new();

/// A keyboard whose controller is set up. There is one.
pub struct Keyboard {
    decoder: Decoder,
}

impl Keyboard {
    /// Sets up the controller and lets its interrupt through. Waits at most some tens of milliseconds.
    ///
    /// # Safety
    /// Called once, after [`pic::initialize`]; no other code uses ports 0x60 and 0x64.
    pub unsafe fn open() -> Result<Self, KeyboardError> {
        pic::mask(Irq::Keyboard);
        controller::initialize(&mut I8042)?;
        pic::unmask(Irq::Keyboard);
        Ok(Self { decoder: Decoder::new() })
    }

    /// The next character typed, if there is one; keys without a character (arrows, F1) are passed over. Never waits.
    pub fn read_key(&mut self) -> Option<char> {
        core::iter::from_fn(|| SCANCODES.pop()).find_map(|scancode| self.decoder.push(scancode))
    }

    /// Scancodes that came while too many others were waiting.
    pub fn lost(&self) -> u64 {
        SCANCODES.lost()
    }
}

/// Takes what the controller has. Called by the interrupt handler only, so the ring has one producer.
pub(super) fn on_interrupt() {
    if let Some(scancode) = I8042.read_scancode() {
        SCANCODES.push(scancode);
    }
}

/// Scancodes of set 1 in, characters out.
struct Decoder(PS2Keyboard<Us104Key, ScancodeSet1>);

impl Decoder {
    fn new() -> Self {
        Self(PS2Keyboard::new(ScancodeSet1::new(), Us104Key, HandleControl::MapLettersToUnicode))
    }

    /// A scancode that belongs to no key is dropped.
    fn push(&mut self, scancode: u8) -> Option<char> {
        let event = self.0.add_byte(scancode).ok()??;
        match self.0.process_keyevent(event)? {
            DecodedKey::Unicode(character) => Some(character),
            DecodedKey::RawKey(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn typed(scancodes: &[u8]) -> String {
        let mut decoder = Decoder::new();
        scancodes.iter().filter_map(|&scancode| decoder.push(scancode)).collect()
    }

    #[test]
    fn letters_shift_control_and_enter_decode() {
        assert_eq!(typed(&[0x23, 0xa3, 0x17, 0x97]), "hi");
        assert_eq!(typed(&[0x2a, 0x23, 0xa3, 0xaa, 0x17]), "Hi");
        assert_eq!(typed(&[0x1d, 0x2e, 0xae, 0x9d]), "\u{3}");
        assert_eq!(typed(&[0x1c, 0x9c]), "\n");
    }

    #[test]
    fn arrows_and_garbage_give_nothing() {
        assert_eq!(typed(&[0xe0, 0x48, 0xe0, 0xc8, 0xff, 0x00, 0x77]), "");
        assert_eq!(typed(&[0xff, 0xe0, 0xff, 0x1e]), "a", "and the next key still decodes");
    }
}
