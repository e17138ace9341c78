//! From keys to lines: what a terminal does between a keyboard and a program that reads lines.
//!
//! [`Lines`] is for a [`super::Console`] whose input comes key by key. Nothing reaches the program before Enter, so
//! that a mistake can be rubbed out. Ctrl-D on an empty line ends the input, elsewhere it sends the line as it is.

use super::seams::Input;
use alloc::collections::VecDeque;

const CTRL_D: u8 = 0x04;
const BACKSPACE: u8 = 0x08;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;

/// Most bytes in a line, as in Linux's terminals; more keys than that are ignored until Enter.
const LINE_BYTES_MAX: usize = 4096;

/// Longest sequence that a key sends.
const SEQUENCE_BYTES_MAX: usize = 8;

/// Lines that were typed and not yet read, and the one being typed.
#[derive(Debug, Default)]
pub struct Lines {
    typed: VecDeque<u8>,
    /// How many bytes of `typed` belong to finished lines.
    finished: usize,
    ended: bool,
    /// What an escape sequence has of bytes so far; 0 outside of one.
    sequence_bytes: usize,
}

impl Lines {
    /// Takes one key; returns what to show for it.
    pub fn press(&mut self, key: u8) -> &'static [u8] {
        if self.is_in_sequence(key) {
            return b"";
        }
        let unfinished = self.typed.len() - self.finished;
        match key {
            _ if self.ended => b"",
            CTRL_D if unfinished == 0 => {
                self.ended = true;
                b""
            }
            CTRL_D => {
                self.finished = self.typed.len();
                b""
            }
            BACKSPACE | DELETE if unfinished == 0 => b"",
            BACKSPACE | DELETE => {
                // The bytes of a character of UTF-8 behind its first.
                while self.typed.pop_back().is_some_and(|byte| byte & 0xc0 == 0x80) && self.typed.len() > self.finished
                {
                }
                b"\x08 \x08"
            }
            b'\r' | b'\n' => {
                self.typed.push_back(b'\n');
                self.finished = self.typed.len();
                b"\n"
            }
            _ if unfinished >= LINE_BYTES_MAX => b"",
            _ => {
                self.typed.push_back(key);
                show(key)
            }
        }
    }

    /// Whether `key` belongs to what a key without a character sends, such as `ESC [ A`: it means nothing in a line.
    fn is_in_sequence(&mut self, key: u8) -> bool {
        self.sequence_bytes = match (self.sequence_bytes, key) {
            (0, ESCAPE) => 1,
            (0, _) => return false,
            (1, b'[' | b'O') => 2,
            (bytes @ 2..SEQUENCE_BYTES_MAX, b'0'..=b'9' | b';') => bytes + 1,
            _ => 0,
        };
        true
    }

    /// Hands out finished lines, as much of them as `buffer` holds.
    pub fn read(&mut self, buffer: &mut [u8]) -> Input {
        if self.finished == 0 {
            return if self.ended { Input::End } else { Input::NotYet };
        }
        let count = self.finished.min(buffer.len());
        for (place, byte) in buffer.iter_mut().zip(self.typed.drain(..count)) {
            *place = byte;
        }
        self.finished -= count;
        Input::Bytes(count)
    }
}

/// A key as it is shown: itself, or nothing if it cannot be.
fn show(key: u8) -> &'static [u8] {
    static KEYS: [u8; 256] = {
        let mut keys = [0; 256];
        let mut key = 0;
        while key < keys.len() {
            keys[key] = key as u8;
            key += 1;
        }
        keys
    };
    let is_shown = key == b'\t' || (b' '..=b'~').contains(&key) || key >= 0x80;
    if is_shown { core::slice::from_ref(&KEYS[key as usize]) } else { b"" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn press(lines: &mut Lines, keys: &[u8]) -> Vec<u8> {
        keys.iter().flat_map(|&key| lines.press(key)).copied().collect()
    }

    fn read(lines: &mut Lines, len: usize) -> Result<Vec<u8>, Input> {
        let mut buffer = std::vec![0; len];
        match lines.read(&mut buffer) {
            Input::Bytes(count) => Ok(buffer[..count].to_vec()),
            other => Err(other),
        }
    }

    #[test]
    fn gives_nothing_before_enter() {
        let mut lines = Lines::default();
        assert_eq!(press(&mut lines, b"hi\x01"), b"hi");
        assert_eq!(read(&mut lines, 9), Err(Input::NotYet));
        assert_eq!(press(&mut lines, b"\r"), b"\n");
        assert_eq!(read(&mut lines, 2), Ok(b"hi".to_vec()));
        assert_eq!(read(&mut lines, 9), Ok(b"\x01\n".to_vec()));
        assert_eq!(read(&mut lines, 9), Err(Input::NotYet));
    }

    #[test]
    fn rubs_out_the_line_being_typed_only() {
        let mut lines = Lines::default();
        assert_eq!(press(&mut lines, b"a\nbc\x7f\x08\x08d\n"), b"a\nbc\x08 \x08\x08 \x08d\n");
        assert_eq!(read(&mut lines, 99), Ok(b"a\nd\n".to_vec()));
    }

    #[test]
    fn a_character_is_rubbed_out_whole_and_keys_without_one_do_nothing() {
        let mut lines = Lines::default();
        assert_eq!(
            press(&mut lines, "\nä€b\x08\x08c\x1b[A\x1b[3~\x1bOHd\n".as_bytes()),
            "\nä€b\x08 \x08\x08 \x08cd\n".as_bytes()
        );
        assert_eq!(read(&mut lines, 99), Ok("\näcd\n".as_bytes().to_vec()));
    }

    #[test]
    fn ctrl_d_sends_a_begun_line_and_ends_an_empty_one() {
        let mut lines = Lines::default();
        press(&mut lines, b"ab\x04");
        assert_eq!(read(&mut lines, 9), Ok(b"ab".to_vec()));
        press(&mut lines, b"\x04cd\n");
        assert_eq!(read(&mut lines, 9), Err(Input::End));
        assert_eq!(read(&mut lines, 9), Err(Input::End));
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        press(&mut lines, &[b'x'; 2 * LINE_BYTES_MAX]);
        press(&mut lines, b"\n");
        assert_eq!(read(&mut lines, 3 * LINE_BYTES_MAX).map(|line| line.len()), Ok(LINE_BYTES_MAX + 1));
    }
}
