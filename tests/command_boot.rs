//! `bareflow boot` as a shell sees it, in QEMU: what reaches the program, and what comes back.

#[path = "common/inline.rs"]
mod inline;

use inline::{Program, bareflow};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// Writes the line "y" for ever.
const ENDLESS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\02\00\00\00y\n")
  (func (export "_start")
    (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
      (br $again))))"#;

#[test]
fn arguments_pass_through_grub_byte_for_byte_and_the_status_comes_back() {
    let program = Program::wat(include_str!("command/arguments.wat"));
    let args = ["--help", "--module", "/etc/passwd", "--", "", "a b", "\t", "\x0c\r\n\x0b", "-d\t", "%41", "100%", "ü"];
    let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    args.extend(
        [&br#"\x41 $a ${b} 'c' "d" \"#[..], b"; } # & | < > * ? ! `", b"\xff\xfe\x01\x7f"].map(OsStr::from_bytes),
    );
    let long = "long ".repeat(200);
    args.extend([OsStr::new(&long); 20]);
    let output = bareflow().args(["boot", "--real-time"]).arg(program.path()).args(&args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1 + args.len() as i32), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&inline::hex_of_arguments(&args)), "{text}");
    let version = concat!("bareflow: BareFlow ", env!("CARGO_PKG_VERSION"), " (build ");
    assert!(text.lines().nth(1).is_some_and(|line| line.starts_with(version)), "{text}");
}

#[test]
fn a_file_keeps_its_name() {
    let program = Program::wat(include_str!("wasi_programs/list.wat"));
    let name = "--module it's \"$a\" {100%};\tü\n.txt";
    let file = program.folder().join(name);
    fs::write(&file, b"x").unwrap();
    let output =
        bareflow().args(["boot", "--real-time"]).arg("--file").arg(&file).arg(program.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(&format!("\n{name}\n")), "{text}");
}

#[test]
fn a_directory_and_an_environment_are_the_same_here_and_booted() {
    let program = Program::wat(include_str!("command/directory.wat"));
    let data = program.folder().join("some data");
    fs::create_dir_all(data.join("inner")).unwrap();
    fs::write(data.join("inner/text.txt"), "a text\n").unwrap();
    let run = |words: &[&str], guest: &str| {
        let directory = format!("{}{guest}", data.display());
        let mut command = bareflow();
        command.env("HERE", "x \"y\" %25\n").args(words).args(["--dir", &directory, "--env", "HERE", "--env", "A=b=c"]);
        let output = command.arg(program.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    // The machine first: here the program changes the directory.
    for guest in ["::some data", "::/data", "::."] {
        let booted = run(&["boot", "--real-time"], guest);
        assert!(!data.join("made.txt").exists());
        let here = run(&["run"], guest);
        fs::remove_file(data.join("made.txt")).unwrap();
        assert!(here.ends_with("HERE=x \"y\" %25\n\0A=b=c\0a text\nnew\n"), "{here}");
        assert!(booted.contains(&here), "{here}{booted}");
    }
}

#[test]
fn what_a_program_leaves_comes_back_beside_what_was_there() {
    let program = Program::wat(include_str!("command/leaves.wat"));
    let out = program.folder().join("a,b/out");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("kept"), "kept").unwrap();
    let output = bareflow().args(["boot", "--real-time", "--out"]).arg(&out).arg(program.path()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text}");
    assert!(!text.contains("out=/out"), "{text}");
    assert_eq!(fs::read_to_string(out.join("dir/made.txt")).unwrap(), "a".repeat(100_000));
    assert_eq!(fs::read_link(out.join("link")).unwrap().to_str(), Some("../.."));
    assert_eq!(fs::read_to_string(out.join("kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
}

#[test]
fn what_is_in_a_directory_that_was_given_comes_back_with_what_a_program_leaves_in_it() {
    let program = Program::wat(include_str!("command/leaves.wat"));
    let given = program.folder().join("given");
    fs::create_dir_all(given.join("out")).unwrap();
    fs::write(given.join("out/given"), "given").unwrap();
    fs::write(given.join("beside"), "beside").unwrap();
    let out = program.folder().join("back");
    let mut command = bareflow();
    command.current_dir(&given).args(["boot", "--real-time", "--dir", ".", "--out"]).arg(&out);
    let output = command.arg(program.path()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text}");
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dir", "given", "link"]);
    assert_eq!(fs::read_to_string(out.join("given")).unwrap(), "given");
    assert_eq!(fs::read_to_string(out.join("dir/made.txt")).unwrap().len(), 100_000);
}

#[test]
fn directories_that_a_machine_cannot_have_are_refused() {
    let program = Program::wat(r#"(module (func (export "_start")))"#);
    let file = program.path();
    let refused = |words: &[&str]| {
        let output = bareflow().arg("boot").args(words).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = refused(&["--dir", ".."]);
    assert!(text.contains("a machine has no `..`; give it another name, as in `--dir ..::/data`"), "{text}");
    assert!(refused(&["--dir", ".::/tmp/x"]).contains("a machine's /tmp is the program's own"));
    assert!(refused(&["--dir", ".:ro"]).contains("leave `:ro` out"));
    assert!(refused(&["--dir", "/nowhere/at/all"]).contains("/nowhere/at/all"));
    assert!(refused(&["--dir", ".", "--file", file.to_str().unwrap()]).contains("`--file` puts files in /"));
    assert!(refused(&["--env", "NOT_HERE"]).contains("there is no variable NOT_HERE here"));
}

#[test]
fn a_trap_is_a_report_and_a_status_and_nothing_more() {
    let program = Program::wat(r#"(module (memory 1) (func (export "_start") unreachable))"#);
    let output = bareflow().args(["boot", "--real-time"]).arg(program.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(134), "{text}");
    assert!(text.contains(r#"BAREFLOW {"event":"trap""#), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_machine_whose_output_nobody_reads_is_switched_off() {
    let program = Program::wat(ENDLESS);
    let mut command = bareflow();
    command.args(["boot", "--real-time", "--timeout", "150"]).arg(program.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.map_while(Result::ok).find(|line| line == "y").as_deref(), Some("y"));
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    // As a shell shows the end by SIGPIPE.
    assert_eq!((child.wait().unwrap().code(), complaints.as_str()), (Some(128 + 13), ""));
}

#[test]
fn a_bench_goes_on_after_the_boots_that_are_on_record() {
    let program = Program::wat(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let out = program.folder().join("bench");
    let bench = |boots| {
        let output =
            bareflow().args(["bench-boots", boots]).arg(program.path()).arg("--out").arg(&out).output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{complaints}");
        (String::from_utf8_lossy(&output.stdout).into_owned(), complaints)
    };
    let (first, complaints) = bench("1");
    assert!(first.starts_with("boot  1/1 ") && !complaints.contains("going on"), "{first}{complaints}");
    let (second, complaints) = bench("2");
    assert!(
        second.starts_with("boot  2/2 ") && complaints.contains("going on after boot 1 of 2"),
        "{second}{complaints}"
    );
    let rows = fs::read_to_string(out.join("boots.csv")).unwrap();
    let boots: Vec<&str> = rows.lines().map(|row| row.split(',').next().unwrap_or("")).collect();
    assert_eq!(boots, ["boot", "1", "2"], "{rows}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.ends_with("</html>\n") && page.contains("1 to 2"), "{page}");
}
