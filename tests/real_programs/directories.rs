//! Programs that work in a directory that they are given, and see variables of an environment: here, and in a machine that
//! has a copy of the directory.

use crate::download::{
    AVR_AS, AVR_LD, AVR_OBJCOPY, BOOLECTOR, CC1, CPYTHON, LUA_STANDARD, Program, QUICKJS, RESVG, USVG,
};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What the directory has, by names in it. Whoever works in it changes a copy.
const FILES: [(&str, &[u8]); 11] = [
    ("blink.S", content!("directory/blink.S")),
    ("files.js", content!("directory/files.js")),
    ("files.lua", content!("directory/files.lua")),
    ("files.py", content!("directory/files.py")),
    ("parts/avr.ld", content!("directory/parts/avr.ld")),
    ("parts/limit.h", content!("directory/parts/limit.h")),
    ("parts/port.inc", content!("directory/parts/port.inc")),
    ("parts/square.lua", content!("directory/parts/square.lua")),
    ("picture.svg", content!("picture.svg")),
    ("sat.smt2", content!("sat.smt2")),
    ("sum.c", content!("directory/sum.c")),
];

/// A program, what it is given beside the directory, and something that it says.
struct Work {
    program: &'static Program,
    variable: &'static str,
    args: &'static [&'static str],
    says: &'static str,
}

const WORK: [Work; 10] = [
    Work { program: &CPYTHON, variable: "A=B", args: &["files.py"], says: "files.py/below NotADirectoryError\n" },
    Work { program: &QUICKJS, variable: "A=B", args: &["files.js"], says: "0 13 0\n" },
    Work { program: &LUA_STANDARD, variable: "A=B", args: &["files.lua"], says: "A = B\tnil\nsquare\t49\ttrue\n" },
    Work {
        program: &AVR_AS,
        variable: "A=B",
        args: &["-mmcu=avr5", "-Iparts", "-aln", "-o", "blink.o", "blink.S"],
        says: ".equ PORTB, 0x05",
    },
    Work {
        program: &AVR_LD,
        variable: "A=B",
        args: &["-b", "binary", "-r", "blink.S", "-M", "-o", "blink.o"],
        says: "LOAD blink.S",
    },
    Work {
        program: &AVR_OBJCOPY,
        variable: "A=B",
        args: &["-v", "-I", "binary", "-O", "ihex", "blink.S", "parts/blink.hex"],
        says: "copy from `blink.S' [binary] to `parts/blink.hex' [ihex]\n",
    },
    Work {
        program: &CC1,
        variable: "C_INCLUDE_PATH=parts",
        args: &["-quiet", "-O2", "-mmcu=avr5", "sum.c", "-o", "-"],
        says: ".global\tsum\n",
    },
    Work { program: &RESVG, variable: "A=B", args: &["--query-all", "picture.svg"], says: "sun,36,12,24,24\n" },
    Work { program: &USVG, variable: "A=B", args: &["picture.svg", "-c"], says: "<linearGradient id=\"sky\"" },
    Work { program: &BOOLECTOR, variable: "BTORMODELGEN=1", args: &["sat.smt2"], says: "(p #b" },
];

impl Work {
    /// What it does by the command's `verb` in a new copy of the directory, if the program is there.
    fn done(&self, verb: &[&str]) -> Option<Output> {
        let directory = directory();
        let module = &self.program.module()?.path;
        let variable = ["--dir", ".", "--env", self.variable];
        Some(bareflow(directory.path(), verb).args(variable).arg(module).args(self.args).output().expect("it runs"))
    }
}

fn directory() -> TempDir {
    let directory = TempDir::new().expect("a temporary folder can be made");
    fs::create_dir(directory.path().join("parts")).expect("it is empty");
    for (name, bytes) in FILES {
        fs::write(directory.path().join(name), bytes).expect("the folder can be written");
    }
    directory
}

fn bareflow(directory: &Path, verb: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bareflow"));
    command.args(verb).current_dir(directory);
    command
}

/// A machine says between a program's lines how far compiling is.
fn without_progress(said: &str) -> String {
    said.split_inclusive('\n').filter(|line| !line.starts_with("bareflow: compiling: ")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
#[ignore = "downloads programs, and a compiler to build one: ./just test-programs"]
fn ten_programs_do_the_same_in_a_directory_here_and_in_a_machine() {
    for work in &WORK {
        let Some(here) = work.done(&["run"]) else { continue };
        let printed = text(&here.stdout);
        let name = work.program.name();
        assert!(printed.contains(work.says) && here.stderr.is_empty(), "{name}: {printed}{}", text(&here.stderr));
        let machine = work.done(&["boot", "--real-time"]).expect("it was there before");
        let said = without_progress(&text(&machine.stdout));
        assert!(said.contains(&printed), "{name} here: {printed}\nin a machine: {said}{}", text(&machine.stderr));
        assert_eq!(machine.status.code(), here.status.code(), "{name}: {said}");
    }
}

#[test]
#[ignore = "downloads programs: ./just test-programs"]
fn a_compiler_an_assembler_and_a_linker_leave_their_files_in_a_directory_of_the_host() {
    let directory = directory();
    let steps: [(&Program, &[&str]); 4] = [
        (&CC1, &["-quiet", "-O2", "-mmcu=avr5", "sum.c", "-o", "made.s"]),
        (&AVR_AS, &["-mmcu=avr5", "made.s", "-o", "made.o"]),
        (&AVR_LD, &["-mavr5", "-T", "parts/avr.ld", "made.o", "-o", "made.elf"]),
        (&AVR_OBJCOPY, &["-O", "ihex", "-j", ".text", "made.elf", "made.hex"]),
    ];
    for (program, args) in steps {
        let Some(module) = program.module() else { return };
        let mut command = bareflow(directory.path(), &["run", "--dir", ".", "--env", "C_INCLUDE_PATH=parts"]);
        let output = command.arg(&module.path).args(args).output().expect("it runs");
        assert!(output.status.success(), "{}: {}", program.name(), text(&output.stderr));
    }
    let made = fs::read(directory.path().join("made.hex")).expect("the last step made it");
    // It ends lines as the format's inventors did.
    assert_eq!(text(&made).replace("\r\n", "\n"), text(content!("directory/sum.hex")));
}
