//! One text to two outputs: what the machine says goes to the serial line and to the screen.

use core::fmt;

/// Writes everything to both; a failure of one never silences the other.
pub struct Tee<A, B>(pub A, pub B);

impl<A: fmt::Write, B: fmt::Write> fmt::Write for Tee<A, B> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let first = self.0.write_str(text);
        let second = self.1.write_str(text);
        first.and(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;
    use std::string::String;

    struct Broken;

    impl fmt::Write for Broken {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    #[test]
    fn second_output_gets_the_text_when_the_first_is_broken() {
        let mut text = String::new();
        assert!(Tee(Broken, &mut text).write_str("hello").is_err());
        assert_eq!(text, "hello");
    }
}
