//! Command lines as GRUB passes them: words between spaces; a word with spaces in it stands in double quotes; a quote,
//! an apostrophe or a backslash has a backslash before it. And `%` with two hexadecimal digits is a byte, so that any
//! byte passes through `grub.cfg`, GRUB and the specification's text; elsewhere `%` is itself. As for C, a word ends at
//! its first NUL: `%00` is the empty word, of which GRUB would leave nothing.
//!
//! Pure: any bytes are a command line. Key function: [`words`]. Neighbours: [`super::boot_information`] supplies the
//! lines; `host::image::line` writes them.

use alloc::string::String;
use alloc::vec::Vec;

/// The words of `line`, without the quoting. A quote that does not close ends with the line.
pub fn words(line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            b'\\' => {
                let (&literal, after) = rest.split_first().unwrap_or((&b'\\', rest));
                word.get_or_insert_default().push(literal);
                rest = after;
            }
            b' ' if !quoted => words.extend(word.take()),
            b'%' => {
                let (literal, after) = escape(rest).unwrap_or((b'%', rest));
                word.get_or_insert_default().push(literal);
                rest = after;
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words.iter_mut().for_each(end_at_nul);
    words
}

/// The value of the last word `name=value`.
pub fn option(line: &str, name: &str) -> Option<String> {
    let value = |word: &Vec<u8>| Some(String::from_utf8_lossy(word).strip_prefix(name)?.strip_prefix('=')?.into());
    words(line.as_bytes()).iter().rev().find_map(value)
}

/// The byte that the two digits at the start of `text` name, and what comes after them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_at_checked(2)?;
    let digit = |digit: u8| (digit as char).to_digit(16);
    Some(((digit(digits[0])? << 4 | digit(digits[1])?) as u8, after))
}

fn end_at_nul(word: &mut Vec<u8>) {
    let end = word.iter().position(|byte| *byte == 0).unwrap_or(word.len());
    word.truncate(end);
}

#[cfg(test)]
mod tests;
