//! Text that others wrote, such as names in a profile or a program, for terminals and files: whatever it holds, it moves no
//! cursor, ends no line and turns no reading order.

/// `text` with everything escaped that is not printed as a character of its own, as Rust writes it in literals.
pub fn printable(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' | '\'' => String::from(char),
        _ => char.escape_debug().collect(),
    };
    text.chars().map(escaped).collect()
}

/// JSON that `serde_json` made, in ASCII. That only escapes what JSON has to, so strings may hold control characters still;
/// outside of strings there is ASCII alone.
pub fn ascii_json(json: &str) -> String {
    let escaped = |char: char| match char {
        '\n' | ' '..='~' => String::from(char),
        _ => char.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWKWARD: &str = "é \u{1b}[2J\u{9b}31m\r\n\u{7f}\u{202e}\"'\\\u{1f600}";

    #[test]
    fn what_is_printed_is_nothing_but_characters() {
        assert_eq!(printable(AWKWARD), "é \\u{1b}[2J\\u{9b}31m\\r\\n\\u{7f}\\u{202e}\"'\\\\\u{1f600}");
        assert_eq!(printable("Vec<'a, T>::push"), "Vec<'a, T>::push");
    }

    #[test]
    fn json_in_ascii_says_the_same() {
        let json = ascii_json(&serde_json::to_string_pretty(&[AWKWARD]).unwrap());
        assert!(json.chars().all(|char| char == '\n' || (' '..='~').contains(&char)), "{json}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [AWKWARD]);
    }
}
