//! The PS/2 keyboard: scancodes arrive by interrupt, bytes are made from them when somebody asks.
//!
//! [`Keyboard::open`] sets up the controller ([`controller`]) and its interrupt line; the handler only moves a byte into
//! a [`Ring`], and looks for Ctrl-C; [`Keyboard::read_byte`] decodes with the `pc-keyboard` crate. The bytes are those that a
//! serial terminal sends: UTF-8, and `ESC [ A` and its like for keys without a character.

mod controller;

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{AtomicBool, Ordering};

use pc_keyboard::layouts::{AnyLayout, Azerty, De105Key, Uk105Key, Us104Key};
use pc_keyboard::{DecodedKey, HandleControl, KeyCode, PS2Keyboard, ScancodeSet1};
use x86_64::instructions::interrupts::without_interrupts;

pub use controller::KeyboardError;
use controller::{I8042, Ports as _};

use super::interruption;
use super::pic::{self, Irq};
use super::ring::Ring;

/// Scancodes not yet decoded: some hundred keys. Static because the handler has no other way to it.
static SCANCODES: Ring<1024> = Ring::new();

/// Whether a Ctrl key is down. Static as the scancodes are.
static CONTROL: AtomicBool = AtomicBool::new(false);

/// Scancodes of set 1: either Ctrl key pressed and released (the right one behind a prefix), and the key C, which is at the
/// same place in all layouts.
const CONTROL_PRESSED: u8 = 0x1d;
const CONTROL_RELEASED: u8 = 0x9d;
const C_PRESSED: u8 = 0x2e;

/// What stands on the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    #[default]
    Us,
    Uk,
    De,
    Fr,
}

/// Why a text names no [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutError;

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not known; it can be us, uk, de or fr")
    }
}

impl core::error::Error for LayoutError {}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        match text {
            "us" => Ok(Self::Us),
            "uk" => Ok(Self::Uk),
            "de" => Ok(Self::De),
            "fr" => Ok(Self::Fr),
            _ => Err(LayoutError),
        }
    }
}

impl Layout {
    fn keys(self) -> AnyLayout {
        match self {
            Self::Us => AnyLayout::Us104Key(Us104Key),
            Self::Uk => AnyLayout::Uk105Key(Uk105Key),
            Self::De => AnyLayout::De105Key(De105Key),
            Self::Fr => AnyLayout::Azerty(Azerty),
        }
    }
}

/// A keyboard whose controller is set up. There is one.
pub struct Keyboard {
    decoder: Decoder,
}

impl Keyboard {
    /// Sets up the controller and lets its interrupt through. Waits at most some tens of milliseconds.
    ///
    /// # Safety
    /// Called once, after [`pic::initialize`]; no other code uses ports 0x60 and 0x64.
    pub unsafe fn open(layout: Layout) -> Result<Self, KeyboardError> {
        pic::mask(Irq::Keyboard);
        controller::initialize(&mut I8042)?;
        pic::unmask(Irq::Keyboard);
        Ok(Self { decoder: Decoder::new(layout) })
    }

    /// The next byte of what was typed, if there is one. Never waits.
    pub fn read_byte(&mut self) -> Option<u8> {
        loop {
            if let Some(byte) = self.decoder.next() {
                return Some(byte);
            }
            let waiting = SCANCODES.pop();
            self.decoder.push(waiting.or_else(Self::take)?);
        }
    }

    /// Takes what raised no interrupt: not every firmware that makes a PS/2 keyboard of another one does so, and not every
    /// machine has the 8259A.
    fn take() -> Option<u8> {
        without_interrupts(on_interrupt);
        SCANCODES.pop()
    }

    /// Scancodes that came while too many others were waiting.
    pub fn lost(&self) -> u64 {
        SCANCODES.lost()
    }
}

/// Takes what the controller has. Called with interrupts off, so the ring has one producer at a time.
pub(super) fn on_interrupt() {
    if let Some(scancode) = I8042.read_scancode() {
        match scancode {
            CONTROL_PRESSED => CONTROL.store(true, Ordering::Relaxed),
            CONTROL_RELEASED => CONTROL.store(false, Ordering::Relaxed),
            C_PRESSED if CONTROL.load(Ordering::Relaxed) => interruption::ask(),
            _ => {}
        }
        SCANCODES.push(scancode);
    }
}

/// Scancodes of set 1 in, bytes out.
struct Decoder {
    keyboard: PS2Keyboard<AnyLayout, ScancodeSet1>,
    /// What the last key sends, and how much of that was taken.
    bytes: [u8; 4],
    len: usize,
    taken: usize,
}

impl Decoder {
    fn new(layout: Layout) -> Self {
        let keyboard = PS2Keyboard::new(ScancodeSet1::new(), layout.keys(), HandleControl::MapLettersToUnicode);
        Self { keyboard, bytes: [0; 4], len: 0, taken: 0 }
    }

    /// A scancode that belongs to no key is dropped. What the key before sends must have been taken.
    fn push(&mut self, scancode: u8) {
        let event = self.keyboard.add_byte(scancode).ok().flatten();
        let Some(key) = event.and_then(|event| self.keyboard.process_keyevent(event)) else { return };
        (self.len, self.taken) = (0, 0);
        let mut encoded = [0; 4];
        let sent = match key {
            DecodedKey::Unicode('\u{7f}') => "\x1b[3~",
            DecodedKey::Unicode(character) => character.encode_utf8(&mut encoded),
            DecodedKey::RawKey(code) => sequence(code),
        };
        self.bytes[..sent.len()].copy_from_slice(sent.as_bytes());
        self.len = sent.len();
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes[..self.len].get(self.taken).copied();
        self.taken += usize::from(byte.is_some());
        byte
    }
}

/// What a terminal sends for a key without a character; nothing if that means nothing to anybody.
const fn sequence(code: KeyCode) -> &'static str {
    match code {
        KeyCode::ArrowUp => "\x1b[A",
        KeyCode::ArrowDown => "\x1b[B",
        KeyCode::ArrowRight => "\x1b[C",
        KeyCode::ArrowLeft => "\x1b[D",
        KeyCode::Home => "\x1b[H",
        KeyCode::End => "\x1b[F",
        KeyCode::Delete => "\x1b[3~",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn typed_on(layout: Layout, scancodes: &[u8]) -> String {
        let mut decoder = Decoder::new(layout);
        let mut bytes = Vec::new();
        for &scancode in scancodes {
            decoder.push(scancode);
            bytes.extend(core::iter::from_fn(|| decoder.next()));
        }
        String::from_utf8(bytes).expect("keys send UTF-8")
    }

    fn typed(scancodes: &[u8]) -> String {
        typed_on(Layout::Us, scancodes)
    }

    #[test]
    fn letters_shift_control_and_enter_decode() {
        assert_eq!(typed(&[0x23, 0xa3, 0x17, 0x97]), "hi");
        assert_eq!(typed(&[0x2a, 0x23, 0xa3, 0xaa, 0x17]), "Hi");
        assert_eq!(typed(&[0x1d, 0x2e, 0xae, 0x9d]), "\u{3}");
        assert_eq!(typed(&[0x1c, 0x9c]), "\n");
    }

    #[test]
    fn keys_without_a_character_send_what_terminals_send() {
        assert_eq!(typed(&[0xe0, 0x48, 0xe0, 0xc8, 0xe0, 0x50, 0xe0, 0x4d, 0xe0, 0x4b]), "\x1b[A\x1b[B\x1b[C\x1b[D");
        assert_eq!(typed(&[0xe0, 0x47, 0xe0, 0x4f, 0xe0, 0x53, 0x0e]), "\x1b[H\x1b[F\x1b[3~\u{8}");
        assert_eq!(typed(&[0x3b, 0xbb]), "", "F1");
    }

    #[test]
    fn garbage_gives_nothing() {
        assert_eq!(typed(&[0xff, 0x00, 0x77]), "");
        assert_eq!(typed(&[0xff, 0xe0, 0xff, 0x1e]), "a", "and the next key still decodes");
    }

    #[test]
    fn each_layout_has_its_own_letters() {
        let row: Vec<u8> = [0x10, 0x15, 0x1e, 0x28, 0x2c].into();
        let of = |layout| typed_on(layout, &row);
        assert_eq!([Layout::Us, Layout::Uk, Layout::De, Layout::Fr].map(of), ["qya'z", "qya'z", "qzaäy", "ayqùw"]);
        let names = ["us", "uk", "de", "fr"].map(str::parse);
        assert_eq!(names, [Layout::Us, Layout::Uk, Layout::De, Layout::Fr].map(Ok));
        assert_eq!("dvorak".parse::<Layout>(), Err(LayoutError));
    }
}
