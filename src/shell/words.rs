//! The words of a line: between spaces, in double quotes where they have spaces in them; a backslash takes what follows as it
//! is.

use alloc::string::String;
use alloc::vec::Vec;

/// The words of `line`. A quote that does not close ends with the line.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().push(characters.next().unwrap_or('\\')),
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn spaces_separate_and_quotes_join() {
        assert_eq!(words("  run a \"b c\"d \"\" \\\"e\\ f "), ["run", "a", "b cd", "", "\"e f"]);
        assert_eq!(words("\"open end \\"), ["open end \\"]);
        assert!(words("   ").is_empty());
    }
}
