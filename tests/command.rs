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
