//! What programs run on in tests: the seams of WASI as fakes, and another engine (wasmi) to compare with.
#![allow(dead_code)] // Each file of tests uses its own part.

use bareflow::engine::seams::{Imports, Stop};
use bareflow::wasi::{Clock, Console, Entropy, Input, Stream, Wasi, WasiBuilder, WriteFailed};
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use wasmi::{Caller, Engine, Error, FuncType, Linker, Module, Store, Val, ValType};

/// How a program ended, and what it wrote.
#[derive(Clone, PartialEq)]
pub struct Run {
    pub exit: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Run {
    /// A program that wrote nothing to standard error.
    pub fn of(exit: i32, stdout: impl Into<Vec<u8>>) -> Self {
        Self { exit, stdout: stdout.into(), stderr: Vec::new() }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        write!(f, "exit code {}, stdout {:?}, stderr {:?}", self.exit, text(&self.stdout), text(&self.stderr))
    }
}

/// The system that `builder` describes on fakes, and where its output goes. Each is the same at every run.
pub fn system(builder: WasiBuilder<'static>, input: &[u8]) -> (Wasi<'static>, Rc<RefCell<Output>>) {
    let output = Rc::new(RefCell::new(Output::default()));
    let console = Terminal { output: output.clone(), input: input.to_vec() };
    (builder.build(console, Steps(0), Counter(0)), output)
}

/// Runs a module in wasmi until it exits or returns (exit code 0).
pub fn run_in_wasmi(wasm: &[u8], builder: WasiBuilder<'static>, input: &[u8]) -> Run {
    let (wasi, output) = system(builder, input);
    let engine = Engine::default();
    let module = Module::new(&engine, wasm).unwrap();
    let mut store = Store::new(&engine, wasi);
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
    output.borrow().run(exit)
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

/// What a program wrote so far.
#[derive(Default)]
pub struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// The run of a program that ended now.
    pub fn run(&self, exit: i32) -> Run {
        Run { exit, stdout: self.stdout.clone(), stderr: self.stderr.clone() }
    }
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
