//! Command lines as GRUB passes them: words between spaces; a word with spaces in it stands in double quotes; a quote,
//! an apostrophe or a backslash has a backslash before it.
//!
//! Pure. Key function: [`words`]. Neighbour: [`super::boot_information`] supplies the lines.

use alloc::string::String;
use alloc::vec::Vec;

/// The words of `line`, without the quoting. A quote that does not close ends with the line.
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
            _ if character.is_ascii_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// The value of the last word `name=value`.
pub fn option(line: &str, name: &str) -> Option<String> {
    let value = |word: &String| Some(word.strip_prefix(name)?.strip_prefix('=')?.into());
    words(line).iter().rev().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_spaces_and_removes_quoting() {
        assert_eq!(words(r#"  a "b c"  d\"e \\ "" f"#), ["a", "b c", "d\"e", "\\", "", "f"]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn ends_what_is_open_with_the_line() {
        assert_eq!(words(r#"a "b c"#), ["a", "b c"]);
        assert_eq!(words(r"a\"), [r"a\"]);
    }

    #[test]
    fn finds_the_last_value_of_an_option() {
        assert_eq!(option("x=1 xy=2 x=3 x", "x").as_deref(), Some("3"));
        assert_eq!(option(r#""x=1 2""#, "x").as_deref(), Some("1 2"));
        assert_eq!(option("xy=2", "x"), None);
    }
}
