//! How a program is put together: imports of host functions and of the libc, start functions, and modules that do not
//! fit.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use bareflow::engine::seams::{HostFunction, Imports, Stop};
use bareflow::engine::{Ending, Engine, EngineError, Options};
use bareflow::host;
use bareflow::profile::Profile;
use oracle::{at_every_tier, modes};
use std::cell::RefCell;
use std::rc::Rc;
use wasmparser::ValType;

/// Notes what it is called with and answers one more.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<Vec<u64>>>>);

const MIXED: [ValType; 9] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::I64,
    ValType::I64,
    ValType::I64,
    ValType::I64,
    ValType::F64,
];

impl Imports for Notes {
    fn find(&self, module: &str, name: &str) -> Option<HostFunction> {
        (module == "env" && name == "note").then_some(HostFunction { id: 7, params: &MIXED, results: &MIXED })
    }

    fn call(&mut self, id: u32, args: &[u64], results: &mut [u64], memory: &mut [u8]) -> Result<(), Stop> {
        assert_eq!((id, memory.len()), (7, 65536));
        if args[1] == 99 {
            return Err(Stop::Exit(args[0] as u32 as i32));
        }
        if args[1] == 98 {
            return Err(Stop::Trap("the host is out of patience".into()));
        }
        memory[0] += 1;
        self.0.borrow_mut().push(args.to_vec());
        results.iter_mut().zip(args).for_each(|(result, arg)| *result = arg + 1);
        Ok(())
    }
}

const CALLS_HOST: &str = r#"(module
  (type $n (func (param i32 i64 f32 f64 i64 i64 i64 i64 f64) (result i32 i64 f32 f64 i64 i64 i64 i64 f64)))
  (import "env" "note" (func $note (type $n))) (memory 1) (table funcref (elem $note))
  (global $started (mut i32) (i32.const 0)) (start $start)
  (func $start (global.set $started (i32.const 3)))
  (func (export "direct") (param i32 i64) (result i32 i64 f32 f64 i64 i64 i64 i64 f64)
    (local.get 0) (local.get 1) (f32.const 1) (f64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (f64.const 7) (call $note))
  (func (export "indirect") (param i32 i64) (result i32 i64 f32 f64 i64 i64 i64 i64 f64)
    (local.get 0) (local.get 1) (f32.const 1) (f64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (f64.const 7)
    (call_indirect (type $n) (i32.const 0)))
  (export "itself" (func $note))
  (func (export "_start") (drop (call $out (global.get $started))))
  (func $out (param i32) (result i32) (call $deep (local.get 0)) (unreachable))
  (func $deep (param i32) (local.get 0) (i64.const 99) (f32.const 1) (f64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (f64.const 7)
    (call $note) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)))"#;

fn with_host(mode: oracle::Mode, earlier: Profile) -> (Engine, Notes) {
    let bytes = wat::parse_str(CALLS_HOST).expect("well-formed").leak();
    let notes = Notes::default();
    let platform = host::platform(mode.cpu).expect("address space can be reserved");
    let options = Options { lowest: mode.lowest, highest: mode.highest, ..mode.options() };
    (Engine::new(bytes, platform, Box::new(notes.clone()), options, earlier).expect("valid"), notes)
}

#[test]
fn host_functions_get_every_argument_and_give_every_result() {
    for mode in modes() {
        let (mut engine, notes) = with_host(mode, Profile::default());
        let floats = [u64::from(1.0_f32.to_bits()), 2.0_f64.to_bits()];
        let rest = [3, 4, 5, 6, 7.0_f64.to_bits()];
        for round in 1..30 {
            for name in ["direct", "indirect"] {
                let expected: Vec<u64> = [10, round].iter().chain(&floats).chain(&rest).map(|word| word + 1).collect();
                let mut results = engine::call(&mut engine, name, &[10, round]);
                [0, 2].into_iter().for_each(|narrow| results[narrow] &= u64::from(u32::MAX));
                assert_eq!(results, expected, "{mode:?}");
                assert_eq!(notes.0.borrow().last().expect("called")[3..], [&floats[1..], &rest[..]].concat());
            }
        }
        assert_eq!((notes.0.borrow().len(), engine.memory()[0]), (58, 58));
        let all = [10, 5, floats[0], floats[1], 3, 4, 5, 6, rest[4]];
        assert_eq!(engine::call(&mut engine, "itself", &all)[1], 6);
        assert_eq!(engine::invoke(&mut engine, "direct", &[4, 99]), Err(Ending::Exit(4)), "{mode:?}");
        let Err(Ending::Trap(trap)) = engine::invoke(&mut engine, "indirect", &[4, 98]) else { panic!("{mode:?}") };
        assert_eq!(trap.kind.to_string(), "the host is out of patience");
        assert_eq!(trap.backtrace[1].function, "indirect", "{trap}");
    }
}

#[test]
fn a_command_runs_its_start_function_first() {
    for mode in modes() {
        let (mut engine, _) = with_host(mode, Profile::default());
        assert_eq!(engine.run().expect("the engine works"), Ending::Exit(3), "{mode:?}");
        assert_eq!(engine.run().expect("the engine works"), Ending::Exit(3), "{mode:?}");
    }
}

#[test]
fn imports_of_the_libc_and_program_functions_are_one_space() {
    let text = r#"(module (memory 1)
      (import "libc" "memcpy" (func $copy (param i32 i32 i32) (result i32)))
      (import "libc" "strlen" (func $len (param i32) (result i32)))
      (data (i32.const 100) "sixteen letters.\00")
      (table funcref (elem $copy $len $mine))
      (func $mine (param i32) (result i32) (i32.const -1))
      (func (export "f") (param i32) (result i32)
        (drop (call_indirect (param i32 i32 i32) (result i32) (i32.const 200) (i32.const 100) (i32.const 17) (i32.const 0)))
        (i32.add (call $len (i32.const 200)) (call_indirect (param i32) (result i32) (i32.const 201) (local.get 0))))
      (export "len" (func $len)))"#;
    let text = text.replacen("(memory 1)", "", 1).replacen("(data", "(memory 1) (data", 1);
    at_every_tier(&text, &vec![31, 15, 16], |engine| {
        let mut found = Vec::new();
        for _ in 0..8 {
            found = vec![engine::call(engine, "f", &[1])[0] as u32, engine::call(engine, "f", &[2])[0] as u32];
            found.push(engine::call(engine, "len", &[100])[0] as u32);
        }
        found
    });
}

#[test]
fn segments_that_do_not_fit_are_named() {
    let refuse = |text: &str| {
        let bytes = wat::parse_str(text).expect("well-formed").leak();
        let platform = host::platform(bareflow::engine::cpu::CpuFeatures::detect()).expect("address space");
        let made = Engine::new(bytes, platform, Box::new(engine::NoImports), Options::default(), Profile::default());
        made.err().unwrap_or_else(|| panic!("{text} was accepted"))
    };
    let data = refuse("(module (memory 1) (data (i32.const 0) \"a\") (data (i32.const 65535) \"ab\"))");
    assert!(matches!(data, EngineError::SegmentOutOfBounds { what: "data", index: 1 }), "{data}");
    let data = refuse("(module (memory 1) (data (i32.const -1) \"ab\"))");
    assert!(matches!(data, EngineError::SegmentOutOfBounds { what: "data", index: 0 }), "{data}");
    let element = refuse("(module (table 1 funcref) (elem (i32.const 1) $f) (func $f))");
    assert!(matches!(element, EngineError::SegmentOutOfBounds { what: "element", index: 0 }), "{element}");
    assert!(matches!(
        refuse("(module (table 4294967295 funcref))"),
        EngineError::OutOfMemory { .. } | EngineError::Module(_)
    ));
    for import in ["memory 1", "global i32", "table 1 funcref", "tag"] {
        let unknown = refuse(&format!("(module (import \"a\" \"b\" ({import})))"));
        assert!(matches!(&unknown, EngineError::UnknownImports(names) if names == &["a.b"]), "{unknown}");
    }
    let unknown = refuse("(module (import \"a\" \"b\" (func)) (import \"libc\" \"nothing\" (func)))");
    assert!(matches!(&unknown, EngineError::UnknownImports(names) if names == &["a.b", "libc.nothing"]), "{unknown}");
    let many: String = (0..100).map(|number| format!("(import \"a\" \"b{number}\" (func))")).collect();
    let unknown = refuse(&format!("(module {many})")).to_string();
    assert!(unknown.contains("a.b2 and 97 more; "), "{unknown}");
    let signature = refuse("(module (import \"libc\" \"memcpy\" (func (param i64))))");
    assert!(matches!(signature, EngineError::ImportType { .. }), "{signature}");
}
