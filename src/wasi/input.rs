//! Standard input between the console and the program.
//!
//! A poll must not lose what it sees, so what it reads to find out waits here for the next read.

use super::seams::{Console, Input};
use alloc::vec::Vec;

/// Most bytes that a poll takes from the console.
const LOOKAHEAD_BYTES: usize = 512;

/// What a poll took from the console and no read has fetched yet.
#[derive(Debug, Default)]
pub struct Lookahead {
    bytes: Vec<u8>,
    /// The console said that its input has ended, and the program has not been told.
    ended: bool,
}

impl Lookahead {
    /// Copies what there is into `buffer`, without waiting.
    pub fn read(&mut self, console: &mut dyn Console, buffer: &mut [u8]) -> Input {
        if core::mem::take(&mut self.ended) {
            return Input::End;
        }
        if self.bytes.is_empty() {
            return console.read(buffer);
        }
        let count = self.bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        Input::Bytes(count)
    }

    /// What a read would find: some bytes, at least as many; nothing yet; or the end.
    pub fn peek(&mut self, console: &mut dyn Console) -> Input {
        if !self.ended && self.bytes.is_empty() {
            let mut bytes = [0; LOOKAHEAD_BYTES];
            match console.read(&mut bytes) {
                Input::Bytes(count) => self.bytes.extend_from_slice(&bytes[..count.min(LOOKAHEAD_BYTES)]),
                Input::NotYet => return Input::NotYet,
                Input::End => self.ended = true,
            }
        }
        if self.ended { Input::End } else { Input::Bytes(self.bytes.len()) }
    }
}
