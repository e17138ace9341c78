//! From bytes to keys, as terminals of the VT100's family send them, in UTF-8.
//!
//! Key types: [`Key`], [`Keys`]. Whatever comes, a sequence that makes no key is passed over, and ends.

/// A key, as far as it means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Tab,
    /// Deletes to the left.
    Backspace,
    /// Deletes to the right.
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl with this small letter.
    Control(char),
}

const ESCAPE: u8 = 0x1b;
/// Longest sequence that is looked at.
const SEQUENCE_BYTES_MAX: usize = 8;

/// What bytes so far are the beginning of.
#[derive(Clone, Copy, Debug, Default)]
enum Begun {
    #[default]
    Nothing,
    /// A carriage return, which a line feed may follow that is no other Enter.
    CarriageReturn,
    Escape,
    /// `ESC O`: one letter follows.
    Single,
    /// `ESC [`: a number, and what ends it.
    Sequence {
        number: u32,
        bytes: usize,
    },
    /// A character of which so many bytes are to come.
    Character {
        bits: u32,
        least: u32,
        missing: u32,
    },
}

/// Bytes in, keys out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    begun: Begun,
}

impl Keys {
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        match core::mem::take(&mut self.begun) {
            Begun::CarriageReturn if byte == b'\n' => None,
            Begun::Escape => {
                self.begun = match byte {
                    b'[' => Begun::Sequence { number: 0, bytes: 0 },
                    b'O' => Begun::Single,
                    ESCAPE => Begun::Escape,
                    _ => Begun::Nothing,
                };
                None
            }
            Begun::Single => letter(byte),
            Begun::Sequence { number, bytes } => self.sequence(byte, number, bytes),
            Begun::Character { bits, least, missing } if byte & 0xc0 == 0x80 => {
                let bits = bits << 6 | u32::from(byte & 0x3f);
                if missing > 1 {
                    self.begun = Begun::Character { bits, least, missing: missing - 1 };
                    return None;
                }
                char::from_u32(bits).filter(|character| bits >= least && is_one_column(*character)).map(Key::Char)
            }
            Begun::Nothing | Begun::CarriageReturn | Begun::Character { .. } => self.first(byte),
        }
    }

    fn first(&mut self, byte: u8) -> Option<Key> {
        let character = |bits: u8, least, missing| Begun::Character { bits: bits.into(), least, missing };
        match byte {
            b'\r' => {
                self.begun = Begun::CarriageReturn;
                return Some(Key::Enter);
            }
            b'\n' => return Some(Key::Enter),
            b'\t' => return Some(Key::Tab),
            0x08 | 0x7f => return Some(Key::Backspace),
            0x01..=0x1a => return Some(Key::Control((byte - 1 + b'a').into())),
            b' '..=b'~' => return Some(Key::Char(byte.into())),
            ESCAPE => self.begun = Begun::Escape,
            0xc2..=0xdf => self.begun = character(byte & 0x1f, 0x80, 1),
            0xe0..=0xef => self.begun = character(byte & 0x0f, 0x800, 2),
            0xf0..=0xf4 => self.begun = character(byte & 0x07, 0x1_0000, 3),
            _ => {}
        }
        None
    }

    fn sequence(&mut self, byte: u8, number: u32, bytes: usize) -> Option<Key> {
        match byte {
            b'@'..=b'~' if byte != b'~' => letter(byte),
            b'~' => match number {
                1 | 7 => Some(Key::Home),
                3 => Some(Key::Delete),
                4 | 8 => Some(Key::End),
                _ => None,
            },
            ESCAPE => {
                self.begun = Begun::Escape;
                None
            }
            _ => {
                let number = match byte {
                    b'0'..=b'9' => number.saturating_mul(10).saturating_add(u32::from(byte - b'0')),
                    _ => number,
                };
                if bytes < SEQUENCE_BYTES_MAX {
                    self.begun = Begun::Sequence { number, bytes: bytes + 1 };
                }
                None
            }
        }
    }
}

/// The key that a sequence with this last letter stands for.
fn letter(byte: u8) -> Option<Key> {
    match byte {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'F' => Some(Key::End),
        b'H' => Some(Key::Home),
        _ => None,
    }
}

/// Whether a terminal shows `character` in one column: of letters of Europe, and signs, this is certain.
pub fn is_one_column(character: char) -> bool {
    let combines = ('\u{300}'..='\u{36f}').contains(&character);
    let letters = character < '\u{530}' || ('\u{2010}'..='\u{2027}').contains(&character);
    (letters || character == '€') && !character.is_control() && character != '\u{ad}' && !combines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        bytes.iter().filter_map(|byte| keys.push(*byte)).collect()
    }

    #[test]
    fn terminals_of_all_kinds_are_understood() {
        let arrows = [Key::Up, Key::Down, Key::Right, Key::Left];
        assert_eq!(keys(b"\x1b[A\x1b[B\x1b[C\x1b[D"), arrows);
        assert_eq!(keys(b"\x1bOA\x1bOB\x1bOC\x1bOD"), arrows);
        assert_eq!(keys(b"\x1b[H\x1b[1~\x1b[7~\x1bOH"), [Key::Home; 4]);
        assert_eq!(keys(b"\x1b[F\x1b[4~\x1b[8~\x1bOF"), [Key::End; 4]);
        assert_eq!(keys(b"\x1b[3~\x08\x7f"), [Key::Delete, Key::Backspace, Key::Backspace]);
        assert_eq!(keys(b"\x01\x17\ta"), [Key::Control('a'), Key::Control('w'), Key::Tab, Key::Char('a')]);
    }

    #[test]
    fn an_end_of_line_is_one_enter_however_it_is_sent() {
        assert_eq!(keys(b"\r\n\n\r\r\n"), [Key::Enter; 4]);
    }

    #[test]
    fn characters_arrive_whole_or_not_at_all() {
        assert_eq!(keys("aäß€é".as_bytes()), ['a', 'ä', 'ß', '€', 'é'].map(Key::Char));
        assert_eq!(keys(b"\xc3x\xc3\xa4\xff\xe2\x82"), [Key::Char('x'), Key::Char('ä')]);
        assert_eq!(keys("e\u{301}漢\u{200b}\u{85}".as_bytes()), [Key::Char('e')], "of other widths");
        assert_eq!(keys(b"\xe0\x80\xaf\xed\xa0\x80"), [], "overlong, and half of a pair");
    }

    #[test]
    fn what_is_no_key_is_passed_over() {
        assert_eq!(keys(b"\x1b[15~\x1b[1;5Ax\x1bzy"), [Key::Up, Key::Char('x'), Key::Char('y')]);
        assert_eq!(keys(b"\x1b[999999999999999999x").last(), Some(&Key::Char('x')), "no sequence is endless");
    }
}
