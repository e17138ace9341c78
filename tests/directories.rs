//! `bareflow run --dir`: directories of the host as programs see them.

#[path = "common/inline.rs"]
mod inline;

use inline::{Program, bareflow};
use std::fs;
use std::path::Path;
use std::process::Output;

fn run(program: &Program, directories: &[&str], folder: &Path) -> Output {
    let mut command = bareflow();
    command.arg("run").current_dir(folder);
    directories.iter().for_each(|directory| {
        command.args(["--dir", directory]);
    });
    command.arg(program.path()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_is_found_under_its_name_before_the_root_unless_it_is_in_place_of_that() {
    let program = Program::wat(include_str!("directories/names.wat"));
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    for (directories, names) in [
        (&[] as &[&str], "/\n"),
        (&["data"], "data\n/\n"),
        (&["data::/x:ro", "."], "/x\n.\n/tmp\n"),
        (&["data::/"], "/\n/tmp\n"),
        (&["data::/tmp", "data::/"], "/tmp\n/\n"),
    ] {
        assert_eq!(stdout(&run(&program, directories, folder.path())), names, "{directories:?}");
    }
}

#[test]
fn what_a_program_writes_stays_and_nothing_does_where_it_may_not() {
    const READ_ONLY: i32 = 69;
    let program = Program::wat(include_str!("directories/write.wat"));
    let folder = tempfile::tempdir().unwrap();
    let refused = run(&program, &[".:ro"], folder.path());
    assert_eq!(refused.status.code(), Some(READ_ONLY), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    for text in ["written\n", "written\nwritten\n"] {
        stdout(&run(&program, &["."], folder.path()));
        assert_eq!(fs::read_to_string(folder.path().join("made")).unwrap(), text);
    }
}

#[test]
fn says_which_directory_cannot_be_used_and_why() {
    let program = Program::wat(include_str!("directories/names.wat"));
    let folder = tempfile::tempdir().unwrap();
    let missing = run(&program, &["none"], folder.path());
    let said = String::from_utf8_lossy(&missing.stderr);
    assert!(!missing.status.success() && said.contains("none") && said.contains("No such file"), "{said}");
    let file = program.path();
    let both = bareflow().args(["run", "--dir", ".", "--file"]).arg(&file).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&both.stderr);
    assert!(!both.status.success() && said.contains("--dir .::/data"), "{said}");
}
