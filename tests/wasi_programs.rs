//! Whole programs, run by another engine (wasmi) on this kernel's WASI: what holds here does not depend on our engine.

use bareflow::engine::seams::{Imports, Stop};
use bareflow::wasi::{Clock, Console, Entropy, Input, MODULE, Stream, Wasi, WasiBuilder, WriteFailed};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use wasmi::{Caller, Engine, Error, FuncType, Linker, Module, Store, Val, ValType};

const TEXT: &str = "The quick brown fox\njumps over the lazy dog\n";

/// How a program ended, and what it wrote.
#[derive(Debug, PartialEq)]
struct Run {
    exit: i32,
    stdout: String,
    stderr: String,
}

fn builder() -> WasiBuilder<'static> {
    let builder = Wasi::builder().arg("program").arg("one").arg("two").env("HOME", "/").env("LANG", "C");
    builder.file("text", TEXT.as_bytes()).and_then(|builder| builder.file("dir/inner", b"inner".as_slice())).unwrap()
}

/// Runs the program `wat` until it exits or returns (exit code 0).
fn run(wat: &str) -> Run {
    let wasm = wat::parse_str(wat).unwrap();
    run_wasm(&wasm, builder(), b"")
}

fn run_wasm(wasm: &[u8], builder: WasiBuilder<'static>, input: &[u8]) -> Run {
    let output = Rc::new(RefCell::new(Output::default()));
    let console = Terminal { output: output.clone(), input: input.to_vec() };
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, builder.build(console, Steps(0), Counter(0)));
    let linker = link(&engine, &module, store.data());
    let instance = linker.instantiate_and_start(&mut store, &module).unwrap();
    let start = instance.get_typed_func::<(), ()>(&store, "_start").unwrap();
    let exit = match start.call(&mut store, ()) {
        Ok(()) => 0,
        Err(error) => match error.downcast_ref::<Ended>() {
            Some(Ended(Stop::Exit(code))) => *code,
            _ => panic!("{error}"),
        },
    };
    let output = output.borrow();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { exit, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Binds what the module imports to `wasi`.
fn link(engine: &Engine, module: &Module, wasi: &Wasi<'static>) -> Linker<Wasi<'static>> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let function = wasi
            .find(import.module(), import.name())
            .unwrap_or_else(|| panic!("unknown import {}.{}", import.module(), import.name()));
        let ty = FuncType::new(types(function.params), types(function.results));
        let call = move |mut caller: Caller<'_, Wasi<'static>>, args: &[Val], results: &mut [Val]| {
            let memory = caller.get_export("memory").and_then(|export| export.into_memory()).unwrap();
            let (memory, wasi) = memory.data_and_store_mut(&mut caller);
            let args: Vec<u64> = args.iter().map(word).collect();
            let mut words = vec![0; results.len()];
            wasi.call(function.id, &args, &mut words, memory).map_err(|stop| Error::host(Ended(stop)))?;
            results.iter_mut().zip(words).for_each(|(result, word)| *result = Val::I32(word as i32));
            Ok(())
        };
        linker.func_new(import.module(), import.name(), ty, call).unwrap();
    }
    linker
}

fn types(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types.iter().map(|ty| if *ty == wasmparser::ValType::I64 { ValType::I64 } else { ValType::I32 }).collect()
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(*value as u32),
        Val::I64(value) => *value as u64,
        other => panic!("WASI has no parameter of type {other:?}"),
    }
}

/// Carries a stop through wasmi.
#[derive(Debug)]
struct Ended(Stop);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl wasmi::errors::HostError for Ended {}

#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

struct Terminal {
    output: Rc<RefCell<Output>>,
    input: Vec<u8>,
}

impl Console for Terminal {
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WriteFailed> {
        let mut output = self.output.borrow_mut();
        match stream {
            Stream::Stdout => output.stdout.extend_from_slice(bytes),
            Stream::Stderr => output.stderr.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Input {
        let len = self.input.len().min(buffer.len());
        buffer[..len].copy_from_slice(&self.input[..len]);
        self.input.drain(..len);
        if len == 0 { Input::End } else { Input::Bytes(len) }
    }
}

/// A clock that advances a microsecond whenever it is read; real time began in 2020.
struct Steps(u64);

impl Clock for Steps {
    fn realtime_ns(&mut self) -> u64 {
        1_577_836_800_000_000_000 + self.monotonic_ns()
    }

    fn monotonic_ns(&mut self) -> u64 {
        self.0 += 1000;
        self.0
    }

    fn cpu_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    fn resolution_ns(&self) -> u64 {
        1000
    }
}

struct Counter(u8);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

#[test]
fn writes_to_both_streams_and_exits_with_a_code() {
    let run = run(include_str!("wasi_programs/streams.wat"));
    assert_eq!(run, Run { exit: 3, stdout: "hello\n".into(), stderr: "warning\n".into() });
}

#[test]
fn echoes_its_arguments_and_environment() {
    let run = run(include_str!("wasi_programs/arguments.wat"));
    assert_eq!(run, Run { exit: 0, stdout: "program\0one\0two\0HOME=/\0LANG=C\0".into(), stderr: "".into() });
}

#[test]
fn copies_a_file_to_its_output_in_small_parts() {
    let run = run(include_str!("wasi_programs/copy_file.wat"));
    assert_eq!(run, Run { exit: 0, stdout: TEXT.into(), stderr: "".into() });
}

#[test]
fn lists_the_root_directory() {
    let run = run(include_str!("wasi_programs/list.wat"));
    assert_eq!(run, Run { exit: 0, stdout: ".\n..\ndir\ntext\ntmp\n".into(), stderr: "".into() });
}

#[test]
fn writes_renames_and_reads_a_file_of_its_own() {
    let run = run(include_str!("wasi_programs/scratch.wat"));
    assert_eq!(run, Run { exit: 44, stdout: "made by the program\n".into(), stderr: "".into() });
}

#[test]
fn sleeps_by_the_monotonic_clock() {
    let run = run(include_str!("wasi_programs/sleep.wat"));
    assert_eq!(run.exit, 0, "the clock moved less than the sleep");
}

#[test]
fn copies_its_input_until_the_end() {
    let wasm = wat::parse_str(include_str!("wasi_programs/copy_input.wat")).unwrap();
    let run = run_wasm(&wasm, builder(), b"typed by hand");
    assert_eq!(run, Run { exit: 0, stdout: "typed by hand".into(), stderr: "".into() });
}

#[test]
fn a_name_that_wasi_does_not_have_is_not_found() {
    let wasi = builder().build(Terminal { output: Rc::default(), input: vec![] }, Steps(0), Counter(0));
    assert!(wasi.find(MODULE, "fd_write").is_some());
    assert!(wasi.find(MODULE, "fd_writev").is_none());
    assert!(wasi.find("env", "fd_write").is_none());
}
