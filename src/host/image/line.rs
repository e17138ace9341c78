//! Words as a command line that GRUB passes on as it is; `kernel::command_line` reads it.

use super::ImageError;
use std::fmt::Write;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

/// Most bytes of a line. GRUB has no limit of its own but memory; lines of this length were seen to arrive.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one word in it: GRUB 2.06 was seen to read words of 7800 bytes, and to stop for good at one of 10,200.
pub(super) const WORD_BYTES_MAX: usize = 7 << 10;

/// `words` as a line of `grub.cfg`, with spaces between them. Every byte that GRUB or the kernel could take for more than
/// itself is `%` and two digits; a word of no bytes is `%00`.
pub fn line(words: &[Vec<u8>]) -> Result<String, ImageError> {
    let mut line = String::new();
    for (index, word) in words.iter().enumerate() {
        if word.contains(&0) {
            return Err(ImageError::Nul { word: word.clone() });
        }
        if index > 0 {
            line.push(' ');
        }
        let start = line.len();
        if word.is_empty() {
            line += "%00";
        }
        for &byte in word {
            if byte.is_ascii_alphanumeric() || b"+,-./:=@_~".contains(&byte) {
                line.push(byte.into());
            } else {
                // Writing to a string does not fail.
                let _ = write!(line, "%{byte:02x}");
            }
        }
        match line.len() - start {
            ..=WORD_BYTES_MAX => {}
            bytes => return Err(ImageError::LongWord { bytes }),
        }
    }
    Ok(line)
}

/// The same, for the kernel or the module at `path`, if GRUB can read a line as long as that.
pub(super) fn line_for(path: &Path, words: &[Vec<u8>]) -> Result<String, ImageError> {
    let line = line(words)?;
    match line.len() {
        ..=LINE_BYTES_MAX => Ok(line),
        bytes => Err(ImageError::LongLine { path: path.into(), bytes }),
    }
}
