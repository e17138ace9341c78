//! What `bareflow run` and a booted kernel have for somebody whose program trapped: the place in the source, a core dump.

#[path = "common/inline.rs"]
mod inline;
#[path = "common/random.rs"]
mod random;

use bareflow::engine::TraceFrame;
use bareflow::session::source_lines::{Means, described_code, tell};
use inline::{Program, bareflow};
use random::Random;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use wasmparser::{
    CoreDumpInstancesSection, CoreDumpModulesSection, CoreDumpSection, CoreDumpStackSection, DataKind, Operator,
    Parser, Payload, Validator,
};

/// What a command that traps says on standard error.
fn said(words: &[&str], program: &Path) -> String {
    let output = bareflow().arg("run").args(words).arg(program).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(134), "{said}");
    said
}

/// What a boot says whose program traps.
fn said_booted(words: &[&str], program: &Path) -> String {
    let output = bareflow().args(["boot", "--memory", "64"]).args(words).arg(program).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(134), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// `command/source.c` with what debuggers want, made by that clang which makes the sample programs.
fn compiled(folder: &TempDir) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/source.c");
    let program = folder.path().join("source.wasm");
    let compiles = |version: u32| {
        let mut clang = Command::new(format!("clang-{version}"));
        clang.args(["--target=wasm32-wasi", "-O1", "-g", source, "-o"]).arg(&program);
        clang.output().is_ok_and(|output| output.status.success())
    };
    (14..=21).rev().any(compiles).then_some(program)
}

#[track_caller]
fn expect_lines_of_source(said: &str) {
    let mut lines = said.lines().skip_while(|line| *line != "bareflow: trap: out of bounds memory access").skip(1);
    let mut next = || lines.next().unwrap_or_else(|| panic!("{said}"));
    assert!(next().starts_with("  0: sum @ "), "{said}");
    assert!(next().starts_with("       inlined element at /") && said.contains("source.c:4:12\n"), "{said}");
    assert!(next().ends_with("tests/command/source.c:10:18"), "{said}");
    assert!(next().starts_with("  1: main @ "), "{said}");
    assert!(next().ends_with("tests/command/source.c:16:12"), "{said}");
}

#[test]
fn a_trap_says_where_in_the_source_it_is_in_every_tier_from_a_store_and_booted() {
    let folder = TempDir::new().unwrap();
    let Some(program) = compiled(&folder) else {
        eprintln!("no clang here compiles for WebAssembly: skipped");
        return;
    };
    let store = folder.path().join("store.img");
    assert!(bareflow().args(["store", "format"]).arg(&store).output().unwrap().status.success());
    let store = store.to_str().unwrap();
    for words in [&["--lowest", "baseline"][..], &["--lowest", "specialised"], &["--store", store], &["--store", store]]
    {
        let said = said(words, &program);
        expect_lines_of_source(&said);
    }
    expect_lines_of_source(&said_booted(&[], &program));
    let output = bareflow().arg("-").stdin(File::open(&program).unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("source.c:10:18"), "a module on standard input has lines, too: {said}");
}

#[test]
fn whatever_stands_in_debug_sections_lines_are_found_or_not() {
    let folder = TempDir::new().unwrap();
    let Some(program) = compiled(&folder) else {
        eprintln!("no clang here compiles for WebAssembly: skipped");
        return;
    };
    let module = fs::read(program).unwrap();
    let debug = Parser::new(0).parse_all(&module).filter_map(|payload| match payload.unwrap() {
        Payload::CustomSection(section) if section.name().starts_with(".debug_") => Some(section.data_offset()),
        _ => None,
    });
    let code = described_code(&module).unwrap();
    let first = debug.min().unwrap() as usize;
    let mut random = Random(0);
    let mut found = 0;
    for _ in 0..3000 {
        let mut changed = module.clone();
        for _ in 0..random.next() % 8 {
            let at = first + random.next() as usize % (module.len() - first);
            changed[at] = random.next() as u8;
        }
        let offsets = [(); 16].map(|()| (code.start + random.next() as usize % code.len()) as u32);
        let frame = |offset| TraceFrame { offset: Some(offset), body_start: Some(0), ..TraceFrame::default() };
        let mut frames = offsets.map(frame);
        tell(&changed, &mut frames, &Means { free_bytes: 8 << 20, now: &|| 0 });
        found += frames.iter().filter(|frame| !frame.source.is_empty()).count();
    }
    assert!(found > 1000, "{found} of 48000 places");
}

#[test]
fn a_core_dump_is_a_module_with_what_the_program_had() {
    let program = Program::wat(
        r#"(module (memory (export "memory") 3) (global $mutable (mut i32) (i32.const -7)) (global i64 (i64.const -8))
             (global (mut f64) (f64.const 0.5)) (global (mut v128) (v128.const i64x2 1 2)) (global (mut funcref) (ref.func $fails))
             (memory 1) (data (memory 1) (i32.const 65530) "other")
             (data (i32.const 100000) "kept")
             (func $fails (export "fails") (i32.store (i32.const 131072) (i32.const 99)) (unreachable))
             (func $recurses (param i32)
               (if (local.get 0) (then (call $recurses (i32.sub (local.get 0) (i32.const 1)))) (else (call $fails))))
             (func (export "_start") (global.set $mutable (i32.const 65535)) (call $recurses (i32.const 5000))))"#,
    );
    let dump = program.folder().join("core");
    let said = said(&["--coredump", dump.to_str().unwrap()], &program.path());
    assert!(said.contains("1: recurses @ "), "{said}");
    let dump = fs::read(dump).unwrap();
    Validator::new().validate_all(&dump).unwrap();
    let module = fs::read(program.path()).unwrap();
    let bodies: Vec<u64> = Parser::new(0)
        .parse_all(&module)
        .filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body.range().start),
            _ => None,
        })
        .collect();
    let (mut seen, mut data, mut globals) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&dump) {
        match payload.unwrap() {
            Payload::CustomSection(section) => {
                seen.push(section.name().to_string());
                let reader = wasmparser::BinaryReader::new(section.data(), 0);
                match section.name() {
                    "core" => assert_eq!(CoreDumpSection::new(reader).unwrap().name, program.path().to_str().unwrap()),
                    "coremodules" => {
                        let modules = CoreDumpModulesSection::new(reader).unwrap().modules;
                        assert_eq!(modules, [program.path().to_str().unwrap()]);
                    }
                    "coreinstances" => {
                        let instances = CoreDumpInstancesSection::new(reader).unwrap().instances;
                        assert_eq!(
                            (instances[0].memories.as_slice(), instances[0].globals.as_slice()),
                            (&[0, 1][..], &[0, 1, 2, 3, 4][..])
                        );
                    }
                    "corestack" => {
                        let stack = CoreDumpStackSection::new(reader).unwrap();
                        let frames: Vec<_> =
                            stack.frames.iter().map(|frame| (frame.funcidx, u64::from(frame.codeoffset))).collect();
                        // Of equal calls in a row, a thousand.
                        assert_eq!(
                            frames.iter().map(|frame| frame.0).collect::<Vec<_>>(),
                            [&[0][..], &[1; 1001], &[2]].concat()
                        );
                        let at = bodies[0] + frames[0].1;
                        assert_eq!(module[at as usize], 0, "the operator `unreachable`");
                        assert!(stack.frames.iter().all(|frame| frame.locals.is_empty() && frame.stack.is_empty()));
                    }
                    other => panic!("{other}"),
                }
            }
            Payload::DataSection(section) => data.extend(section.into_iter().map(|segment| {
                let segment = segment.unwrap();
                let DataKind::Active { memory_index, offset_expr } = segment.kind else { panic!("all are active") };
                let Operator::I32Const { value } = offset_expr.get_operators_reader().read().unwrap() else { panic!() };
                (memory_index, value as usize, segment.data.to_vec())
            })),
            Payload::GlobalSection(section) => globals.extend(
                section.into_iter().map(|global| global.unwrap().init_expr.get_operators_reader().read().unwrap()),
            ),
            _ => {}
        }
    }
    assert_eq!(seen, ["core", "coremodules", "coreinstances", "corestack"]);
    assert!(
        matches!(
            globals[..],
            [
                Operator::I32Const { value: 65535 },
                Operator::I64Const { value: -8 },
                Operator::F64Const { value: half },
                Operator::V128Const { value: one_and_two },
                Operator::RefNull { .. }
            ] if f64::from_bits(half.bits()) == 0.5 && one_and_two.i128() == 1 | 2 << 64
        ),
        "{globals:?}"
    );
    let read = |memory, address: usize| {
        let (_, start, bytes) = data
            .iter()
            .find(|(of, start, bytes)| *of == memory && (*start..start + bytes.len()).contains(&address))
            .unwrap();
        bytes[address - start..][..4].to_vec()
    };
    assert_eq!(
        [read(0, 100_000), read(0, 131_072), read(1, 65_530)],
        [b"kept".to_vec(), vec![99, 0, 0, 0], b"othe".to_vec()]
    );
    assert!(dump.len() < 20_000, "what holds nothing is left out: {} bytes", dump.len());
}

#[test]
fn a_core_dump_of_a_boot_has_what_that_of_a_process_has() {
    let program = Program::wat(
        r#"(module (memory (export "memory") 2) (global (mut i32) (i32.const 7)) (data (i32.const 70000) "kept")
             (func $fails (i32.store (i32.const 65536) (i32.const 99)) (unreachable))
             (func (export "_start") (global.set 0 (i32.const 8)) (call $fails)))"#,
    );
    let [here, booted] = ["here", "booted"].map(|name| program.folder().join(name));
    said(&["--coredump", here.to_str().unwrap()], &program.path());
    let text = said_booted(&["--coredump", booted.to_str().unwrap()], &program.path());
    assert!(text.contains("bareflow: trap: unreachable\n  0: fails @ "), "{text}");
    let [here, booted] = [here, booted].map(|path| fs::read(path).unwrap());
    Validator::new().validate_all(&booted).unwrap();
    let sections = |dump: &[u8]| {
        let parts = Parser::new(0).parse_all(dump).filter_map(|payload| payload.unwrap().as_section());
        parts.map(|(_, range)| dump[range.start as usize..range.end as usize].to_vec()).collect::<Vec<_>>()
    };
    let [here, booted] = [here, booted].map(|dump| sections(&dump));
    // The first two have the program's name, which is its path here.
    assert!(here.len() == 7 && here[2..] == booted[2..], "{here:?}\n{booted:?}");
    let name = program.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(booted[..2].iter().all(|section| section.ends_with(name.as_bytes())), "{booted:?}");
    let none = program.folder().join("none");
    let ends = Program::wat(r#"(module (func (export "_start")))"#);
    let output = bareflow().args(["boot", "--coredump"]).arg(&none).arg(ends.path()).output().unwrap();
    assert!(output.status.success() && !none.exists(), "{output:?}");
}

#[test]
fn a_core_dump_that_cannot_be_written_is_said() {
    let program = Program::wat(r#"(module (func (export "_start") unreachable))"#);
    let said = said(&["--coredump", "/nowhere/core"], &program.path());
    assert!(said.contains("bareflow: cannot write the core dump /nowhere/core: No such file"), "{said}");
    assert!(said.contains("bareflow: trap: unreachable"), "{said}");
}
