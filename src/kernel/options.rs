//! What the kernel's command line asks for.
//!
//! Pure. Key functions: [`engine_options`], [`environment`], [`directories`], [`stack_size`], [`reads_console`], [`store`]. What makes no sense is said and passed over: a typing
//! error must not keep a machine from booting. Neighbour: [`super::command_line`] splits the line.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::command_line::{option, words};
use crate::drivers::keyboard::Layout;
use crate::engine::decide::tier::Promotion;
use crate::engine::{Cache, Options, StackSize};
use crate::libc::{Heap, Interpose};
use crate::store::place::Wanted;

/// How to run the program.
pub fn engine_options(line: &str, say: &dyn Fn(&str)) -> Options {
    let mut options = Options::default();
    match option(line, "promote").as_deref() {
        None | Some("flight") => {}
        Some("boots") => options.promotion = Promotion::Boots,
        Some(other) => say(&format!("promote={other} is not known; it can be flight or boots")),
    }
    match option(line, "heap").as_deref() {
        None | Some("fast") => {}
        Some("check") => options.heap = Heap::Checked,
        Some(other) => say(&format!("heap={other} is not known; it can be fast or check")),
    }
    match option(line, "interpose").as_deref() {
        None | Some("proof") => {}
        Some("names") => options.interpose = Interpose::Names,
        Some("off") => options.interpose = Interpose::Off,
        Some(other) => say(&format!("interpose={other} is not known; it can be proof, names or off")),
    }
    match option(line, "cache").as_deref() {
        None | Some("on") => {}
        Some("off") => options.cache = Cache::Off,
        Some("verify") => options.cache = Cache::Verify,
        Some(other) => say(&format!("cache={other} is not known; it can be on, off or verify")),
    }
    if let Some(text) = option(line, "without") {
        match text.parse() {
            Ok(features) => options.without = features,
            Err(error) => say(&format!("without={text}: {error}")),
        }
    }
    if let Some(text) = option(line, "thresholds") {
        match text.parse() {
            Ok(thresholds) => options.thresholds = Some(thresholds),
            Err(error) => say(&format!("thresholds={text} is {error}")),
        }
    }
    options
}

/// Names and values of the variables in the program's environment: of words `env.NAME=VALUE`.
pub fn environment(line: &str, say: &dyn Fn(&str)) -> Vec<(Vec<u8>, Vec<u8>)> {
    let words = words(line.as_bytes()).into_iter().filter(|word| word.starts_with(b"env."));
    let variables = words.filter_map(|word| {
        let end = word.iter().position(|byte| *byte == b'=');
        let Some(end) = end.filter(|end| *end > b"env.".len()) else {
            say(&format!("{} is no variable; it can be env.NAME=VALUE", String::from_utf8_lossy(&word)));
            return None;
        };
        Some((word[b"env.".len()..end].to_vec(), word[end + 1..].to_vec()))
    });
    variables.collect()
}

/// The directories that are open for the program from the start: of words `dir=PATH`.
pub fn directories(line: &str) -> Vec<String> {
    let words = words(line.as_bytes()).into_iter();
    let paths = words.filter_map(|word| Some(String::from_utf8_lossy(word.strip_prefix(b"dir=")?).into_owned()));
    paths.collect()
}

/// The directory whose contents are sent over the second serial port once the program has ended.
pub fn sent_directory(line: &str) -> Option<String> {
    option(line, "out")
}

/// How large the program's call stack may become.
pub fn stack_size(line: &str, say: &dyn Fn(&str)) -> StackSize {
    let Some(text) = option(line, "stack") else { return StackSize::default() };
    text.parse().unwrap_or_else(|error| {
        say(&format!("stack={text} is {error}"));
        StackSize::default()
    })
}

/// Whether the program's standard input is what is typed, on the keyboard or over the serial line. Unless the command line
/// asks for that, it is at its end from the start, unless somebody `is_there`: a program that reads must not wait on a machine
/// where nobody is.
pub fn reads_console(line: &str, is_there: bool, say: &dyn Fn(&str)) -> bool {
    match option(line, "stdin").as_deref() {
        None => is_there,
        Some("none") => false,
        Some("console") => true,
        Some(other) => {
            say(&format!("stdin={other} is not known; it can be console or none"));
            false
        }
    }
}

/// What becomes of the machine once its program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is switched off, but where there is a screen somebody can keep it on.
    Ask,
    /// It is switched off.
    Off,
    /// It waits for a key, and is then switched off.
    Wait,
    /// It starts again.
    Reboot,
    /// It stays on and does nothing.
    Halt,
}

/// What becomes of the machine after the program.
pub fn after(line: &str, say: &dyn Fn(&str)) -> After {
    match option(line, "after").as_deref() {
        None | Some("ask") => After::Ask,
        Some("off") => After::Off,
        Some("wait") => After::Wait,
        Some("reboot") => After::Reboot,
        Some("halt") => After::Halt,
        Some(other) => {
            say(&format!("after={other} is not known; it can be ask, off, wait, reboot or halt"));
            After::Ask
        }
    }
}

/// What stands on the keys of the keyboard; what makes no sense as an error.
pub fn keyboard(line: &str) -> Result<Layout, String> {
    let Some(text) = option(line, "keyboard") else { return Ok(Layout::default()) };
    text.parse().map_err(|error| format!("keyboard={text} is {error}"))
}

/// Which store is used. What nobody can be meant by is said, and none is used: whoever names one wants no other.
pub fn store(line: &str, say: &dyn Fn(&str)) -> Wanted {
    let Some(text) = option(line, "store") else { return Wanted::Only };
    text.parse().unwrap_or_else(|error| {
        say(&format!("store={text} {error}; no store is used"));
        Wanted::None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::CpuFeatures;
    use crate::engine::decide::tier::Thresholds;
    use alloc::string::ToString;
    use core::cell::RefCell;
    use proptest::prelude::*;

    /// What `line` asks for, and what is said about it.
    fn options(line: &str) -> (Options, Vec<String>) {
        let said = RefCell::new(Vec::new());
        let options = engine_options(line, &|text| said.borrow_mut().push(text.to_string()));
        (options, said.into_inner())
    }

    #[test]
    fn takes_what_the_line_asks_for() {
        let (asked, said) = options("verbose promote=boots thresholds=1,20,300 heap=check");
        assert_eq!((asked.promotion, asked.heap), (Promotion::Boots, Heap::Checked));
        assert_eq!(asked.thresholds, Some(Thresholds { optimise: 1, specialise: 20, settle: 300 }));
        let caches = ["", "cache=on", "cache=off", "cache=verify"].map(|line| options(line).0.cache);
        assert_eq!(caches, [Cache::On, Cache::On, Cache::Off, Cache::Verify]);
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn thresholds_with_a_word_or_a_number_too_many_or_too_few_are_refused() {
        for text in ["x,1,2,3", "1,2,3,", "1,,2,3", "1,2", "1,2,3,4", "3,2,1", "", "-1,2,3", "1,2,99999999999999999999"]
        {
            let (asked, said) = options(&format!("thresholds={text}"));
            assert_eq!(asked.thresholds, None, "{text}");
            assert_eq!(said, [format!("thresholds={text} is not three rising numbers such as 100,1000,10000")]);
        }
    }

    #[test]
    fn unknown_values_are_said_and_passed_over() {
        let (asked, said) = options("promote=never");
        assert_eq!(asked.promotion, Promotion::Flight);
        assert_eq!(said, ["promote=never is not known; it can be flight or boots"]);
        assert_eq!(options("heap=slow").1, ["heap=slow is not known; it can be fast or check"]);
        assert_eq!(options("cache=often").1, ["cache=often is not known; it can be on, off or verify"]);
    }

    #[test]
    fn features_of_the_cpu_are_hidden_if_asked_for() {
        assert_eq!(options("without=avx512,erms").0.without, CpuFeatures::AVX512 | CpuFeatures::ERMS);
        let (asked, said) = options("without=sse9");
        assert_eq!(asked.without, CpuFeatures::empty());
        assert!(said[0].starts_with("without=sse9: \"sse9\" is no feature of a CPU"), "{said:?}");
    }

    #[test]
    fn the_stack_is_as_large_as_asked_for() {
        let said = RefCell::new(Vec::new());
        let bytes = |line: &str| stack_size(line, &|text: &str| said.borrow_mut().push(text.to_string())).bytes();
        assert_eq!(
            ["", "stack=1M", "stack=64M", "stack=5", "stack=2G"].map(bytes),
            [16, 1, 64, 16, 16].map(|size| size << 20)
        );
        let why = "is not a size from 64K to 1G, such as 16M";
        assert_eq!(said.take(), ["stack=5", "stack=2G"].map(|word| format!("{word} {why}")));
    }

    #[test]
    fn input_comes_from_the_console_only_if_asked_for() {
        let said = RefCell::new(Vec::new());
        let reads = |line: &str| reads_console(line, false, &|text: &str| said.borrow_mut().push(text.to_string()));
        assert_eq!(["", "stdin=none", "stdin=console", "stdin=serial"].map(reads), [false, false, true, false]);
        assert_eq!(said.take(), ["stdin=serial is not known; it can be console or none"]);
    }

    #[test]
    fn the_environment_is_what_the_line_says() {
        let said = RefCell::new(Vec::new());
        let line = "env.A=1 quiet env.B=x%20=y env.=1 env.C env.D= env.A=%ff";
        let variables = environment(line, &|text: &str| said.borrow_mut().push(text.to_string()));
        let expected = [(&b"A"[..], &b"1"[..]), (b"B", b"x =y"), (b"D", b""), (b"A", b"\xff")];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_vec(), value.to_vec())));
        let why = "is no variable; it can be env.NAME=VALUE";
        assert_eq!(said.take(), ["env.=1", "env.C"].map(|word| format!("{word} {why}")));
    }

    #[test]
    fn directories_are_those_of_the_line_in_its_order() {
        assert_eq!(directories("dir=/data verbose dir=. dir=a%20b"), ["/data", ".", "a b"]);
        assert!(directories("").is_empty());
    }

    #[test]
    fn the_machine_ends_as_asked_for() {
        let said = RefCell::new(Vec::new());
        let asked = |line: &str| after(line, &|text: &str| said.borrow_mut().push(text.to_string()));
        assert_eq!(
            ["", "after=off", "after=wait", "after=reboot", "after=halt", "after=all"].map(asked),
            [After::Ask, After::Off, After::Wait, After::Reboot, After::Halt, After::Ask]
        );
        assert_eq!(said.take(), ["after=all is not known; it can be ask, off, wait, reboot or halt"]);
    }

    #[test]
    fn the_store_is_the_one_that_is_named() {
        let said = RefCell::new(Vec::new());
        let wanted = |line: &str| store(line, &|text: &str| said.borrow_mut().push(text.to_string()));
        let named = Wanted::Named("01ab".into());
        assert_eq!(["", "store=01AB", "store=none"].map(wanted), [Wanted::Only, named, Wanted::None]);
        assert_eq!((said.take(), wanted("store=sda")), (Vec::new(), Wanted::None));
        let why = "is neither none nor 4 to 32 hexadecimal digits of a store's identifier; no store is used";
        assert_eq!(said.take(), [format!("store=sda {why}")]);
    }

    proptest! {
        #[test]
        fn absurd_lines_ask_for_something_or_are_said(
            words in proptest::collection::vec(
                prop_oneof![
                    "(promote|heap|cache|stdin|stack|store|thresholds|without|after)=[a-zA-Z0-9,\"\\\\ ]{0,9}",
                    (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(a, b, c)| format!("thresholds={a},{b},{c}")),
                    "\\PC{0,9}",
                ],
                0..5,
            ),
        ) {
            let line = words.join(" ");
            let (asked, said) = options(&line);
            prop_assert!(asked.thresholds.is_none_or(|asked| asked.optimise <= asked.specialise));
            prop_assert!(said.len() <= 5 && said.iter().all(|said| line.contains(said.split('=').next().unwrap_or("-"))));
            reads_console(&line, true, &|_| ());
            stack_size(&line, &|_| ());
            store(&line, &|_| ());
            after(&line, &|_| ());
        }
    }
}
