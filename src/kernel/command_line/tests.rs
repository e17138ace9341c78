//! Lines written by hand, lines written for arguments and passed on by GRUB, and lines that are none.

use super::*;
use crate::host::image;
use proptest::collection::vec;
use proptest::prelude::*;
use std::string::ToString;

/// What the words are as text; every test that uses this has words that are.
fn texts(line: &str) -> Vec<String> {
    words(line.as_bytes()).into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
}

#[test]
fn splits_at_spaces_and_removes_quoting() {
    assert_eq!(texts(r#"  a "b c"  d\"e \\ "" f"#), ["a", "b c", "d\"e", "\\", "", "f"]);
    assert_eq!(texts(""), [""; 0]);
}

#[test]
fn ends_what_is_open_with_the_line() {
    assert_eq!(texts(r#"a "b c"#), ["a", "b c"]);
    assert_eq!(texts(r"a\"), [r"a\"]);
}

#[test]
fn only_spaces_part_words() {
    assert_eq!(texts("a\tb \u{c} \r -d\t\u{b}\n"), ["a\tb", "\u{c}", "\r", "-d\t\u{b}\n"]);
}

#[test]
fn a_percent_sign_with_two_digits_is_a_byte_and_any_other_is_itself() {
    assert_eq!(
        texts("a%20b %25 100% %zz %4 %2%41 \"%22 x\" \\%41"),
        ["a b", "%", "100%", "%zz", "%4", "%2A", "\" x", "%41"]
    );
    assert_eq!(words(b"%ff%Fe \xe9"), [&b"\xff\xfe"[..], b"\xe9"]);
}

#[test]
fn a_word_ends_at_a_nul_and_may_so_be_empty() {
    assert_eq!(texts("%00 a%00b%41 c"), ["", "a", "c"]);
}

#[test]
fn finds_the_last_value_of_an_option() {
    assert_eq!(option("x=1 xy=2 x=3 x", "x").as_deref(), Some("3"));
    assert_eq!(option(r#""x=1 2""#, "x").as_deref(), Some("1 2"));
    assert_eq!(option("xy=2", "x"), None);
}

/// The words of a command in GRUB's script language, for characters that mean nothing else there.
fn grub_words(line: &str) -> Vec<Vec<u8>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" %+,-./:=@_~".contains(&byte);
    assert!(line.bytes().all(plain), "{line:?} holds what GRUB's script language gives a meaning");
    line.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).collect()
}

/// The line that GRUB makes of a command's words (`grub_create_loader_cmdline` in grub-core/lib/cmdline.c).
fn grub_line(words: &[Vec<u8>]) -> Vec<u8> {
    let mut line = Vec::new();
    for word in words {
        let quote: &[u8] = if word.contains(&b' ') { b"\"" } else { b"" };
        line.extend_from_slice(quote);
        for &byte in word {
            line.extend(b"\\'\"".contains(&byte).then_some(b'\\'));
            line.push(byte);
        }
        line.extend_from_slice(quote);
        line.push(b' ');
    }
    line.pop();
    line
}

/// Bytes without NUL; those that something on the way gives a meaning are frequent.
fn argument() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => 1u8..=255,
        2 => prop::sample::select(b" \t\n\r\x0b\x0c\"'\\$%{}#;&|<>*?!`~=".as_slice()),
        1 => prop::sample::select(b"0aAfF-".as_slice()),
    ];
    vec(byte, 0..12)
}

proptest! {
    #[test]
    fn absurd_arguments_reach_the_program_byte_for_byte(arguments in vec(argument(), 0..6)) {
        let line = image::line(&arguments).unwrap();
        prop_assert_eq!(words(&grub_line(&grub_words(&line))), arguments);
    }

    /// A line in `grub.cfg` that was written by hand means what it says, whatever quotes GRUB adds.
    #[test]
    fn absurd_words_that_grub_quotes_are_those_that_were_written(mut written in vec(argument(), 0..6)) {
        written.retain(|word| !word.is_empty() && !word.contains(&b'%'));
        prop_assert_eq!(words(&grub_line(&written)), written);
    }

    #[test]
    fn absurd_bytes_are_a_command_line(line in vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'"'), Just(b' ')], 0..64)) {
        let words = words(&line);
        prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
        prop_assert!(words.iter().all(|word| !word.contains(&0)));
        let _ = option(&String::from_utf8_lossy(&line), "x");
    }
}

#[test]
fn a_nul_in_an_argument_is_refused_by_name() {
    let error = image::line(&[b"program".to_vec(), b"a\0b".to_vec()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the argument \"a\\0b\" holds a NUL, at which it would end for the program: leave it out"
    );
}

#[test]
fn an_argument_that_grub_cannot_read_is_refused_by_name() {
    assert_eq!(image::line(&[[b'a'; 7 << 10].to_vec()]).unwrap().len(), 7 << 10);
    let error = image::line(&[[b' '; 2400].to_vec()]).unwrap_err().to_string();
    assert_eq!(error, "an argument takes 7200 bytes in grub.cfg, and 7168 can be passed on: put it into a file");
}
