//! What modules behind the program give it: files, directories, what it has learned elsewhere.
//!
//! Pure. Key function: [`given`]. Neighbour: [`super::program`].

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A module whose name ends like this is an exported profile, not a file of the program.
const PROFILE_SUFFIX: &str = ".bfprof";

/// A module whose name ends like this is a directory.
const ARCHIVE_SUFFIX: &str = ".tar";

/// What a module is for the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    Profile,
    /// A file with this path.
    File(String),
    /// An archive of what is in the directory with this path.
    Directory(String),
}

/// What the words of a module of `bytes` bytes say that it is: a name, and `file`, if it is one whatever its name, or `at=` with its
/// path. Words that make no sense are said.
pub fn given(words: Vec<Vec<u8>>, bytes: usize, say: &dyn Fn(&str)) -> Result<Given, String> {
    let mut words = words.into_iter().map(|word| {
        String::from_utf8(word).map_err(|error| {
            format!("the name \"{}\" of a module is not UTF-8: change it", error.as_bytes().escape_ascii())
        })
    });
    let name = words.next().ok_or_else(|| format!("a module of {bytes} bytes has no name: add one in grub.cfg"))??;
    let (mut path, mut is_file) = (None, false);
    for word in words {
        let word = word?;
        match word.strip_prefix("at=") {
            Some(at) if at.starts_with('/') => path = Some(String::from(at)),
            None if word == "file" => is_file = true,
            _ => say(&format!("{word} behind the name of {name} is not known; it can be at=/PATH or file")),
        }
    }
    if name.ends_with(PROFILE_SUFFIX) && !is_file {
        return Ok(Given::Profile);
    }
    Ok(match name.strip_suffix(ARCHIVE_SUFFIX).filter(|_| !is_file) {
        Some(stem) => Given::Directory(path.unwrap_or_else(|| format!("/{stem}"))),
        None => Given::File(path.unwrap_or(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::cell::RefCell;

    fn given(line: &str) -> (Result<Given, String>, Vec<String>) {
        let said = RefCell::new(Vec::new());
        let words = line.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        let given = super::given(words, 7, &|text| said.borrow_mut().push(text.to_string()));
        (given, said.into_inner())
    }

    #[test]
    fn names_say_what_a_module_is_unless_it_is_said_to_be_a_file() {
        let of = |line| given(line).0.unwrap();
        assert_eq!(of("text.txt"), Given::File("text.txt".into()));
        assert_eq!(of("text.txt at=/etc/t"), Given::File("/etc/t".into()));
        assert_eq!(of("data.tar"), Given::Directory("/data".into()));
        assert_eq!(of("data.tar at=/"), Given::Directory("/".into()));
        assert_eq!(of("x.bfprof"), Given::Profile);
        assert_eq!(of("data.tar file"), Given::File("data.tar".into()));
        assert_eq!(of("x.bfprof file"), Given::File("x.bfprof".into()));
    }

    #[test]
    fn words_that_make_no_sense_are_named_and_passed_over() {
        let (is, said) = given("data.tar at=data to=/x");
        assert_eq!(is, Ok(Given::Directory("/data".into())));
        let why = "behind the name of data.tar is not known; it can be at=/PATH or file";
        assert_eq!(said, [format!("at=data {why}"), format!("to=/x {why}")]);
        assert_eq!(given("").0, Err("a module of 7 bytes has no name: add one in grub.cfg".into()));
        let name = super::given(alloc::vec![alloc::vec![0xff]], 7, &|_| ());
        assert_eq!(name, Err("the name \"\\xff\" of a module is not UTF-8: change it".into()));
    }
}
