//! The `bareflow` command as a shell sees it: arguments, output, statuses, and who may use a store.

#[path = "common/inline.rs"]
mod inline;

use bareflow::host::disk;
use inline::{Program, bareflow};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, pipe};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

/// SIGPIPE.
const BROKEN_PIPE: i32 = 13;

/// Exits with `code`.
fn exits_with(code: i32) -> Program {
    Program::wat(&format!(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32))) (memory (export "memory") 1)
             (func (export "_start") (call $proc_exit (i32.const {code}))))"#
    ))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_follows_the_program_is_its_own_byte_for_byte() {
    let program = Program::wat(include_str!("command/arguments.wat"));
    let args = ["--help", "-h", "--version", "--module", "--", "", "a b", "\t\x0c\r\n\x0b", "%41$\\\"'", "ü"];
    let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
    args.push(OsStr::from_bytes(b"\xff\xfe"));
    let output = bareflow().arg("run").arg(program.path()).args(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(1 + args.len() as i32), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), inline::hex_of_arguments(&args));
}

#[test]
fn run_can_be_left_out_before_a_program() {
    let program = Program::wat(include_str!("command/arguments.wat"));
    let args = ["--help", "run", "-V"].map(OsStr::new);
    let output = bareflow().arg(program.path()).args(args).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), inline::hex_of_arguments(&args), "{}", said(&output));
    let output = bareflow().args(["--argv0", "other"]).arg(program.path()).output().unwrap();
    assert_eq!(output.stdout, b"6f7468657200\n", "{}", said(&output));
    let output = bareflow().arg("rnu").output().unwrap();
    assert_eq!((output.status.code(), said(&output).contains("cannot read rnu: No such file")), (Some(1), true));
    assert!(bareflow().arg("--help").output().unwrap().status.success());
}

#[test]
fn a_dash_is_the_program_on_standard_input() {
    let program = Program::wat(include_str!("command/arguments.wat"));
    let input = File::open(program.path()).unwrap();
    let output = bareflow().args(["-", "--help"]).stdin(input).output().unwrap();
    assert_eq!(output.stdout, b"2d002d2d68656c7000\n", "{}", said(&output));
    let output = bareflow().args(["run", "-"]).stdin(Stdio::null()).output().unwrap();
    assert!(said(&output).contains("(0 bytes) is not a WebAssembly module"), "{}", said(&output));
}

#[test]
fn the_environment_is_what_was_asked_for() {
    // As the arguments, by calls of the same kind.
    let text = include_str!("command/arguments.wat").replace("args_", "environ_");
    let program = Program::wat(&text);
    let run = |words: &[&str]| bareflow().env("FROM_HERE", "x y").arg("run").args(words).arg(program.path()).output();
    let output = run(&["--env", "A=1", "--env", "FROM_HERE", "--env", "B=", "--env", "A=2=3"]).unwrap();
    let expected = inline::hex_of(&["FROM_HERE=x y", "B=", "A=2=3"].map(OsStr::new));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", said(&output));
    let output = run(&["--env", "NOT_HERE"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--env NOT_HERE: there is no variable NOT_HERE here"), "{}", said(&output));
}

/// Exports functions and nothing to start with.
const REACTOR: &str = r#"(module (global $ready (mut i64) (i64.const 0))
    (func (export "_initialize") (global.set $ready (i64.const 40)))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
      (local.get 3) (local.get 2) (i64.add (local.get 1) (global.get $ready)) (local.get 0))
    (func (export "fails") unreachable)
    (func (export "more")))"#;

#[test]
fn a_function_is_called_with_what_its_signature_says() {
    let program = Program::wat(REACTOR);
    let run = |words: &[&str]| {
        let output = bareflow().args(["run", "--invoke", words[0]]).arg(program.path()).args(&words[1..]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), said(&output))
    };
    assert_eq!(run(&["add", "-3", "0x10"]), (Some(0), "13\n".into(), String::new()));
    assert_eq!(run(&["all", "-1", "2", "0.5", "-inf"]), (Some(0), "-inf\n0.5\n42\n-1\n".into(), String::new()));
    assert_eq!(run(&["more"]), (Some(0), String::new(), String::new()));
    let (status, _, complaint) = run(&["fails"]);
    assert_eq!((status, complaint.starts_with("bareflow: trap: unreachable\n  0: fails @ ")), (Some(134), true));
    for (words, complaint) in [
        (&["add", "1"][..], "bareflow: the function add takes 2 arguments (i32 i32), and 1 are given\n"),
        (&["add", "1", "x"], "bareflow: the function add cannot take argument 2: \"x\" is no i32\n"),
    ] {
        assert_eq!(run(words), (Some(126), String::new(), complaint.into()));
    }
    let (status, _, complaint) = run(&["subtract"]);
    let names =
        "exports no function subtract; `bareflow run --invoke NAME` calls one that it does: add, all, fails and 1 more";
    assert_eq!((status, complaint.contains(names)), (Some(126), true), "{complaint}");
}

#[test]
fn exports_that_could_be_meant_are_named() {
    let output = bareflow().arg(Program::wat(REACTOR).path()).output().unwrap();
    let names = "exports no function _start without parameters; `bareflow run --invoke NAME` calls one that it does: add, all, fails and 1 more";
    assert_eq!((output.status.code(), said(&output).contains(names)), (Some(126), true), "{}", said(&output));
    let command = |start: &str, exports: &str| {
        let program = Program::wat(&format!(
            r#"(module (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
                 (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
                 (memory (export "memory") 1) {exports} (func (export "_start") {start}))"#
        ));
        let output = bareflow().arg(program.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        said(&output)
    };
    let initialises = "(drop (call $sizes (i32.const 0) (i32.const 4)))";
    let exports = r#"(func (export "convert")) (func (export "__data"))"#;
    let hint = "bareflow: the program did no more than initialise itself; `bareflow run --invoke NAME` calls a function that \
                it exports: convert\n";
    assert_eq!(command(initialises, exports), hint);
    assert_eq!(command(initialises, ""), "");
    assert_eq!(command("(drop (call $yield))", exports), "");
}

#[test]
fn of_refused_imports_the_first_are_named_and_all_where_that_is_asked_for() {
    let imports = (0..9).map(|number| format!(r#"(import "env" "f{number}" (func))"#));
    let program = Program::wat(&format!("(module {} (func (export \"_start\")))", imports.collect::<String>()));
    let output = bareflow().arg(program.path()).output().unwrap();
    let refused = "imports what is not offered: env.f0, env.f1, env.f2 and 6 more; link it";
    assert!(said(&output).contains(refused), "{}", said(&output));
    let output = bareflow().arg("--verbose").arg(program.path()).output().unwrap();
    assert!(
        said(&output).contains("env.f2, env.f3, env.f4, env.f5, env.f6, env.f7, env.f8; link"),
        "{}",
        said(&output)
    );
}

#[test]
fn shells_are_told_how_to_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let output = bareflow().args(["completions", shell]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("bench-boots") && text.contains("invoke"), "{shell}: {text}");
    }
}

#[test]
fn a_profiler_is_told_the_names_of_functions() {
    let program = Program::wat(
        r#"(module (func $work (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
             (func (export "_start") (local i32)
               (loop $again (drop (call $work (local.get 0)))
                 (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000000))))))"#,
    );
    let child = bareflow().args(["run", "--perf-map"]).arg(program.path()).stderr(Stdio::piped()).spawn().unwrap();
    let map = format!("/tmp/perf-{}.map", child.id());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = fs::read_to_string(&map).unwrap();
    fs::remove_file(map).unwrap();
    let pieces = text.lines().map(|line| {
        let mut words = line.splitn(3, ' ');
        let mut number = || u64::from_str_radix(words.next().unwrap(), 16).unwrap();
        let (start, bytes) = (number(), number());
        (start..start + bytes, words.next().unwrap())
    });
    let pieces: Vec<_> = pieces.collect();
    assert!(pieces.is_sorted_by(|before, after| before.0.end <= after.0.start), "{text}");
    let count = |name: &str| pieces.iter().filter(|(_, known)| *known == name).count();
    assert!(count("_start") >= 1 && count("work") >= 2, "code of later tiers is added: {text}");
}

#[test]
fn only_the_exit_code_0_is_a_success() {
    for (code, status) in [(0, 0), (3, 3), (126, 126), (255, 255), (256, 1), (-1, 255)] {
        let output = bareflow().arg("run").arg(exits_with(code).path()).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "exit code {code}: {}", said(&output));
    }
}

#[test]
fn lines_reach_a_pipe_in_few_writes_and_before_the_program_waits() {
    let program = Program::wat(include_str!("command/lines.wat"));
    let mut child =
        bareflow().arg("run").arg(program.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..10_000 {
        assert_eq!(lines.next().unwrap().unwrap(), "a line");
    }
    // System calls that write, of the process so far (proc(5)).
    let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    let writes: u32 = io.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok()).unwrap();
    assert!(writes < 200, "{io}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success() && lines.next().is_none());
}

#[test]
fn output_that_there_is_no_room_for_is_a_failure_and_said() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let few = Program::wat(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1) (data (i32.const 0) "\08\00\00\00\03\00\00\00few")
             (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#,
    );
    let output = bareflow().arg("run").arg(few.path()).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).starts_with("bareflow: 3 bytes for the standard output are lost: No space left"),
        "{output:?}"
    );
    let many = Program::wat(include_str!("command/lines.wat"));
    let output = bareflow().arg("run").arg(many.path()).stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "the program was told: {output:?}");
}

#[test]
fn nobody_who_reads_is_no_reason_to_complain() {
    let program = Program::wat(include_str!("command/lines.wat"));
    let store = program.folder().join("store.img");
    assert!(bareflow().args(["store", "format"]).arg(&store).output().unwrap().status.success());
    let closed = || pipe().unwrap().1;
    let output =
        bareflow().arg("run").arg("--store").arg(&store).arg(program.path()).stdout(closed()).output().unwrap();
    assert_eq!((output.status.code(), said(&output).contains("profile saved")), (Some(1), true), "{output:?}");
    for words in [&["profile", "show"][..], &["store", "show"], &["profile", "show", "--json"]] {
        let output = bareflow().args(words).arg(&store).stdout(closed()).output().unwrap();
        assert_eq!((output.status.signal(), said(&output).as_str()), (Some(BROKEN_PIPE), ""), "{words:?}");
    }
    // Where there is nobody for complaints either, the status still says what became of the program.
    let (reader, errors) = pipe().unwrap();
    drop(reader);
    let status = bareflow().arg("run").arg("--report").arg(exits_with(3).path()).stderr(errors).status().unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_store_that_is_in_use_is_refused_by_name() {
    let program = exits_with(0);
    let store = program.folder().join("store.img");
    assert!(bareflow().args(["store", "format"]).arg(&store).output().unwrap().status.success());
    let lock = disk::lock(&store).unwrap();
    let before = fs::read(&store).unwrap();
    for words in [&["run", "--store"][..], &["boot", "--store"], &["store", "format", "--force"], &["profile", "show"]]
    {
        let program = (words[0] != "store").then(|| program.path());
        let output = bareflow().args(words).arg(&store).args(program).output().unwrap();
        let line = said(&output);
        assert!(
            line.contains("store.img: another process is using it: wait until that has ended"),
            "{words:?}: {line}"
        );
        assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{words:?}: {line}");
    }
    assert!(before == fs::read(&store).unwrap(), "a store that was refused was written to");
    lock.unlock().unwrap();
    assert!(bareflow().args(["run", "--store"]).arg(&store).arg(program.path()).output().unwrap().status.success());
}

#[test]
fn a_reader_of_standard_error_sees_both_streams_in_order() {
    let program = Program::wat(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1) (data (i32.const 0) "\08\00\00\00\04\00\00\00one ")
             (func $write (param i32) (drop (call $fd_write (local.get 0) (i32.const 0) (i32.const 1) (i32.const 32))))
             (func (export "_start") (call $write (i32.const 1)) (i32.store8 (i32.const 8) (i32.const 65))
               (call $write (i32.const 2)) (call $write (i32.const 1)) (unreachable)))"#,
    );
    let (mut reader, both) = pipe().unwrap();
    let mut command = bareflow();
    command.arg("run").arg(program.path()).stdout(both.try_clone().unwrap()).stderr(both);
    let status = command.status().unwrap();
    drop(command);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(status.code(), Some(134));
    assert!(text.starts_with("one Ane Ane bareflow: trap"), "{text}");
}

#[test]
fn the_version_names_the_build() {
    let output = bareflow().arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("bareflow {}\n", bareflow::VERSION));
}
