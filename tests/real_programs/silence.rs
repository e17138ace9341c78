//! A compiler of 24 MB with 32,000 functions, on one line: whoever waits for it sees that it lives, on a terminal and booted, in the
//! first boot and in later ones.

use crate::common::qemu::fresh_store;
use crate::download::CC1;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LINE: &str = "int main(void) { return 42; }\n";

/// What the compiler makes of it.
const CODE: &str = "\tldi r24,lo8(42)";

/// Nobody waits so long for a word.
const MOST_SILENCE: Duration = Duration::from_secs(60);

/// What a command says on standard output until it ends, and how long it said nothing at the most.
fn heard(command: &mut Command) -> (String, Duration) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut output = child.stdout.take().expect("it is piped");
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let bytes = output.read(&mut buffer).expect("a pipe can be read");
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if bytes == 0 {
            break;
        }
        said.extend_from_slice(&buffer[..bytes]);
    }
    let (status, said) = (child.wait().expect("it ended"), String::from_utf8_lossy(&said).into_owned());
    assert!(status.success(), "{status}: {said}");
    (said, longest)
}

/// Expects the compiler's output and `words` in what `command` says, without a long silence.
#[track_caller]
fn expect_heard(command: &mut Command, words: &[&str]) {
    let (said, longest) = heard(command);
    println!("longest silence: {longest:.1?}");
    assert!(longest < MOST_SILENCE, "silent for {longest:?}: {said}");
    for word in [CODE].iter().chain(words) {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

fn arguments(folder: &Path, module: &Path) -> Vec<String> {
    fs::write(folder.join("line.c"), LINE).expect("the folder can be written");
    let words = ["--dir", ".", &module.to_string_lossy(), "-quiet", "-O2", "-mmcu=avr5", "line.c", "-o", "-"];
    words.map(String::from).into()
}

#[test]
#[ignore = "downloads a compiler of 24 MB: ./just test-programs"]
fn a_compiler_of_32000_functions_is_heard_of_on_a_terminal() {
    let Some(module) = CC1.module() else { return };
    let folder = TempDir::new().expect("a temporary folder can be made");
    let words = arguments(folder.path(), &module.path).join(" ");
    // Its standard error is a terminal then, as its standard output is.
    let on_terminal = format!("{} run {words}", env!("CARGO_BIN_EXE_bareflow"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &on_terminal, "/dev/null"]).current_dir(folder.path());
    expect_heard(&mut command, &["compiling: "]);
}

#[test]
#[ignore = "downloads a compiler of 24 MB: ./just test-programs"]
fn a_compiler_of_32000_functions_is_heard_of_in_a_machine() {
    let Some(module) = CC1.module() else { return };
    let folder = TempDir::new().expect("a temporary folder can be made");
    let store = fresh_store(&folder);
    let begins = ["GRUB loads 24 MB", "decoding: ", "compiling: ", "code for the next boot: "];
    for words in [&begins[..], &begins[..1]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
        command.args(["boot", "--store"]).arg(&store).args(arguments(folder.path(), &module.path));
        expect_heard(command.current_dir(folder.path()), words);
    }
}
