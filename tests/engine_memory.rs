//! Memory, globals and tables, against wasmi and at every tier.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/recorder.rs"]
mod recorder;

use bareflow::engine::cpu::CpuFeatures;
use bareflow::engine::decide::tier::Tier;
use bareflow::engine::{Engine, Options};
use bareflow::host;
use bareflow::profile::Profile;
use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use oracle::{agrees_with_wasmi, at_every_tier, modes};
use recorder::{Written, record};

/// Every export called with each of `arguments`, `rounds` times over.
fn all<'a>(names: &[&'a str], arguments: &[u64], rounds: usize) -> Vec<(&'a str, Vec<u64>)> {
    let once = || names.iter().flat_map(|name| arguments.iter().map(|argument| (*name, vec![*argument])));
    (0..rounds).flat_map(|_| once()).collect()
}

#[test]
fn every_load_and_store_at_every_offset_and_edge() {
    let loads = [
        ("i32", "load"),
        ("i32", "load8_s"),
        ("i32", "load8_u"),
        ("i32", "load16_s"),
        ("i32", "load16_u"),
        ("i64", "load"),
        ("i64", "load8_s"),
        ("i64", "load8_u"),
        ("i64", "load16_s"),
        ("i64", "load16_u"),
        ("i64", "load32_s"),
        ("i64", "load32_u"),
        ("f32", "load"),
        ("f64", "load"),
    ];
    let stores = [
        ("i32", "store"),
        ("i32", "store8"),
        ("i32", "store16"),
        ("i64", "store"),
        ("i64", "store8"),
        ("i64", "store16"),
        ("i64", "store32"),
        ("f32", "store"),
        ("f64", "store"),
    ];
    let offsets = [0_u64, 1, 7, 65528, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
    let (mut functions, mut names) = (String::new(), Vec::new());
    for offset in offsets {
        for (ty, operation) in loads {
            let name = format!("{ty}.{operation} {offset}");
            functions += &format!(
                "(func (export \"{name}\") (param i32) (result {ty}) (local.get 0) {ty}.{operation} offset={offset})\n"
            );
            names.push(name);
        }
        for (ty, operation) in stores {
            let name = format!("{ty}.{operation} {offset}");
            let value = match ty {
                "i32" => "(i32.const 0x89abcdef)",
                "i64" => "(i64.const 0x0123456789abcdef)",
                "f32" => "(f32.const -1.5e-30)",
                _ => "(f64.const -123456.789e99)",
            };
            functions += &format!(
                "(func (export \"{name}\") (param i32) (result i64) (local.get 0) {value} {ty}.{operation} offset={offset} (i64.load (i32.const 65528)))\n"
            );
            names.push(name);
        }
    }
    let text = format!(
        "(module (memory 1) (data (i32.const 0) \"\\80\\ff\\7f\\01\\fe\\dc\\ba\\98\\76\") (data (i32.const 65527) \"\\f0\\e1\\d2\\c3\\b4\\a5\\96\\87\\88\") {functions})"
    );
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let addresses = [
        0,
        1,
        3,
        65527,
        65528,
        65529,
        65532,
        65533,
        65534,
        65535,
        65536,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fff0,
        0xffff_ffff,
    ];
    agrees_with_wasmi(&text, &all(&names, &addresses, 1));
}

#[test]
fn a_number_that_was_loaded_is_an_address_and_a_number() {
    let text = r#"(module (memory 1) (global $kept (mut i32) (i32.const 0))
      (data (i32.const 0) "\08\00\00\00\ff\ff\ff\ff\10\00\00\00\00\00\00\80\04\00\00\00\fc\ff\00\00")
      (func (export "next") (param i32) (result i32 i32 i64 i64 i32 i32) (local i32)
        (local.set 1 (i32.load (local.get 0)))
        (global.set $kept (local.get 1))
        (if (i32.lt_s (local.get 1) (i32.const 0))
          (then (return (local.get 1) (i32.const -1) (i64.extend_i32_s (local.get 1)) (i64.const 0) (i32.const 0) (i32.const 0))))
        (i32.load (local.get 1))
        (i32.add (local.get 1) (i32.load16_s offset=2 (local.get 1)))
        (i64.extend_i32_s (i32.sub (local.get 1) (i32.const 9)))
        (i64.extend_i32_u (i32.wrap_i64 (i64.load32_u (local.get 1))))
        (i32.load8_u (i32.wrap_i64 (i64.load32_u (local.get 1))))
        (global.get $kept))
      (func (export "walk") (param i32) (result i32) (local i32)
        (loop $more
          (local.set 1 (i32.add (local.get 1) (i32.const 1)))
          (br_if $more (i32.and
            (i32.lt_u (local.get 1) (i32.const 5))
            (i32.ne (local.tee 0 (i32.load (local.get 0))) (i32.const -1)))))
        (i32.sub (local.get 0) (local.get 1))))"#;
    agrees_with_wasmi(text, &all(&["next", "walk"], &[0, 4, 8, 12, 16, 20, 65532, 65533, 0x8000_0000], 2));
}

#[test]
fn a_loaded_address_takes_no_instruction_of_its_own() {
    let written = Written::default();
    let platform = record(host::platform(CpuFeatures::detect()).expect("address space can be reserved"), &written);
    let text = r#"(module (memory 1) (func (export "f") (param i32) (result i32)
      (i32.load (i32.load (i32.load (i32.load (local.get 0)))))))"#;
    let bytes: &'static [u8] = wat::parse_str(text).expect("it is well-formed").leak();
    let options = Options { lowest: Tier::Optimised, ..Options::default() };
    let imports = Box::new(engine::NoImports);
    let mut engine = Engine::new(bytes, platform, imports, options, Profile::default()).expect("it runs");
    written.borrow_mut().clear();
    assert_eq!(engine::call(&mut engine, "f", &[0]), [0]);
    let written = written.borrow();
    // A function comes behind the wrapper that calls it, and then a jump to it.
    let [.., code, _] = &written[..] else { panic!("a function was written") };
    let moves = Decoder::new(64, code, DecoderOptions::NONE).into_iter().filter(|instruction| {
        instruction.mnemonic() == Mnemonic::Mov
            && instruction.op0_register().is_gpr32()
            && instruction.op1_register().is_gpr32()
    });
    // That of the parameter.
    assert_eq!(moves.count(), 1);
}

#[test]
fn memory_grows_to_its_maximum_and_no_further() {
    let text = r#"(module (memory 1 5)
      (func (export "grow") (param i32) (result i32 i32) (memory.grow (local.get 0)) (memory.size))
      (func (export "last") (param i32) (result i64)
        (i64.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)) (i64.const 0x1122334455667788))
        (i64.load (i32.sub (i32.mul (memory.size) (i32.const 65536)) (local.get 0)))))"#;
    let calls = [
        ("grow", 0),
        ("last", 8),
        ("last", 7),
        ("grow", 1),
        ("last", 12),
        ("grow", 4),
        ("grow", u64::from(u32::MAX)),
        ("grow", 65536),
        ("last", 8),
        ("grow", 3),
        ("last", 65536),
        ("last", 7),
        ("grow", 1),
        ("grow", 0),
    ];
    agrees_with_wasmi(text, &calls.map(|(name, arg)| (name, vec![arg])));
}

#[test]
fn a_memory_of_no_pages_and_one_of_four_gibibytes() {
    let none = r#"(module (memory 0) (func (export "f") (param i32) (result i32) (i32.load8_u (local.get 0)))
      (func (export "z") (param i32) (result i32) (memory.fill (local.get 0) (i32.const 1) (i32.const 0)) (memory.size)))"#;
    agrees_with_wasmi(none, &all(&["f", "z"], &[0, 1, u64::from(u32::MAX)], 2));
    let whole = r#"(module (memory 65536)
      (func (export "f") (param i32) (result i32) (i32.store8 (local.get 0) (i32.const 77)) (i32.load8_u (local.get 0)))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "size") (param i32) (result i32) (memory.size)))"#;
    let mode = modes().next().expect("there are modes");
    let mut engine = mode.engine(whole, |_| ());
    assert_eq!(engine::call(&mut engine, "f", &[u64::from(u32::MAX)])[0] as u32, 77);
    assert_eq!(engine::call(&mut engine, "size", &[0])[0] as u32, 65536);
    assert_eq!(engine::call(&mut engine, "grow", &[1])[0] as u32, u32::MAX);
}

#[test]
fn bulk_memory_operators_and_passive_segments() {
    let text = r#"(module (memory (export "m") 1) (data $p "0123456789") (data $q "ab") (data (i32.const 100) "xyz")
      (func (export "init") (param i32 i32 i32) (result i64)
        (memory.init $p (local.get 0) (local.get 1) (local.get 2)) (i64.load (i32.const 0)))
      (func (export "drop") (result i32) (data.drop $p) (i32.const 1))
      (func (export "init_q") (param i32 i32 i32) (result i64)
        (memory.init $q (local.get 0) (local.get 1) (local.get 2)) (i64.load (i32.const 0)))
      (func (export "active") (param i32 i32 i32) (result i64)
        (memory.init 2 (local.get 0) (local.get 1) (local.get 2)) (i64.load (i32.const 100)))
      (func (export "copy") (param i32 i32 i32) (result i64)
        (memory.copy (local.get 0) (local.get 1) (local.get 2)) (i64.load (i32.const 0)))
      (func (export "fill") (param i32 i32 i32) (result i64)
        (memory.fill (local.get 0) (local.get 1) (local.get 2)) (i64.load (i32.const 0))))"#;
    let mut calls = Vec::new();
    let ranges: [[u64; 3]; 13] = [
        [0, 0, 0],
        [0, 0, 10],
        [1, 2, 3],
        [0, 9, 2],
        [65530, 0, 6],
        [65530, 0, 7],
        [65536, 0, 0],
        [65537, 0, 0],
        [0, 10, 0],
        [0, 11, 0],
        [u32::MAX.into(), 0, 1],
        [0, u32::MAX.into(), 1],
        [1, 1, u32::MAX.into()],
    ];
    let more: [[u64; 3]; 6] = [[0, 65536, 0], [0, 65537, 0], [3, 0, 60], [0, 3, 60], [0, 65530, 7], [8, 8, 100]];
    for round in 0..3 {
        for range in ranges.iter().chain(&more) {
            calls.extend(["init", "init_q", "active", "copy", "fill"].map(|name| (name, range.to_vec())));
        }
        if round == 1 {
            calls.push(("drop", vec![]));
        }
    }
    agrees_with_wasmi(text, &calls);
}

#[test]
fn tables_of_both_kinds() {
    let text = r#"(module
      (type $f (func (param i32) (result i32)))
      (type $same (func (param i32) (result i32)))
      (type $other (func (param i64) (result i32)))
      (table $t 4 20 funcref) (table $u 3 funcref) (table $e 2 10 externref) (table $fixed 2 2 funcref)
      (elem (table $t) (i32.const 1) func $a $b)
      (elem $p funcref (ref.func $b) (ref.null func) (ref.func $c))
      (elem $q func $c $a) (elem declare func $a)
      (elem (table $fixed) (i32.const 0) func $a $c)
      (func $a (type $f) (i32.add (local.get 0) (i32.const 1)))
      (func $b (type $same) (i32.mul (local.get 0) (i32.const 3)))
      (func $c (type $other) (i32.wrap_i64 (local.get 0)))
      (func (export "call") (param i32) (result i32) (call_indirect $t (type $same) (i32.const 7) (local.get 0)))
      (func (export "call_u") (param i32) (result i32) (call_indirect $u (type $f) (i32.const 9) (local.get 0)))
      (func (export "call_fixed") (param i32) (result i32) (call_indirect $fixed (type $f) (i32.const 9) (local.get 0)))
      (func (export "call_other") (param i32) (result i32) (call_indirect $t (type $other) (i64.const 7) (local.get 0)))
      (func (export "null") (param i32) (result i32) (ref.is_null (table.get $t (local.get 0))))
      (func (export "null_e") (param i32) (result i32) (ref.is_null (table.get $e (local.get 0))))
      (func (export "set") (param i32) (result i32) (table.set $t (local.get 0) (ref.func $a)) (i32.const 0))
      (func (export "set_from") (param i32) (result i32) (table.set $u (local.get 0) (table.get $t (i32.const 2))) (i32.const 0))
      (func (export "set_null") (param i32) (result i32) (table.set $t (local.get 0) (ref.null func)) (i32.const 0))
      (func (export "grow") (param i32) (result i32 i32) (table.grow $t (ref.func $b) (local.get 0)) (table.size $t))
      (func (export "grow_e") (param i32) (result i32 i32) (table.grow $e (ref.null extern) (local.get 0)) (table.size $e))
      (func (export "fill") (param i32) (result i32) (table.fill $t (local.get 0) (ref.func $a) (i32.const 3)) (i32.const 0))
      (func (export "copy") (param i32) (result i32) (table.copy $t $t (local.get 0) (i32.const 1) (i32.const 3)) (i32.const 0))
      (func (export "copy_u") (param i32) (result i32) (table.copy $u $t (i32.const 0) (local.get 0) (i32.const 3)) (i32.const 0))
      (func (export "init") (param i32) (result i32) (table.init $t $p (local.get 0) (i32.const 0) (i32.const 3)) (i32.const 0))
      (func (export "init_q") (param i32) (result i32) (table.init $u $q (i32.const 0) (local.get 0) (i32.const 1)) (i32.const 0))
      (func (export "drop") (param i32) (result i32) (elem.drop $p) (i32.const 0)))"#;
    let look = ["call", "call_u", "call_fixed", "call_other", "null", "null_e"];
    let indices = [0, 1, 2, 3, 4, 5, 9, u64::from(u32::MAX)];
    let mut calls = Vec::new();
    let steps = [
        ("set", 0),
        ("set", 4),
        ("grow", 2),
        ("set_from", 1),
        ("set_null", 1),
        ("copy", 2),
        ("copy", 0),
        ("copy", 4),
        ("copy_u", 1),
        ("copy_u", 4),
        ("init", 1),
        ("init", 4),
        ("init_q", 0),
        ("init_q", 1),
        ("init_q", 2),
        ("fill", 3),
        ("fill", 4),
        ("grow", 14),
        ("grow", 15),
        ("grow_e", 8),
        ("grow_e", 1),
        ("drop", 0),
        ("init", 1),
        ("grow", u64::from(u32::MAX)),
    ];
    calls.extend(all(&look, &indices, 2));
    for (name, arg) in steps {
        calls.push((name, vec![arg]));
        calls.extend(all(&look, &indices, 1));
    }
    agrees_with_wasmi(text, &calls);
}

#[test]
fn external_references_pass_through_unchanged() {
    let text = r#"(module (table 3 externref) (global $g (mut externref) (ref.null extern))
      (func (export "f") (param i32 externref) (result externref) (local externref)
        (table.set (local.get 0) (local.get 1)) (global.set $g (table.get (local.get 0)))
        (local.set 2 (global.get $g)) (table.fill (i32.const 0) (local.get 2) (i32.const 3))
        (select (result externref) (table.get (i32.const 2)) (ref.null extern) (i32.const 1))))"#;
    at_every_tier(text, &vec![5, 0, 0xdead_beef_0000_0001], |engine| {
        [5, 0, 0xdead_beef_0000_0001].map(|reference| engine::call(engine, "f", &[1, reference])[0]).to_vec()
    });
}

#[test]
fn globals_of_every_type_are_kept() {
    let text = r#"(module
      (global $i (mut i32) (i32.const -5)) (global $l (export "l") (mut i64) (i64.const 0x8000000000000001))
      (global $f (mut f32) (f32.const nan:0x123)) (global $d (mut f64) (f64.const -0))
      (global $ci i32 (i32.const -1)) (global $cl i64 (i64.const -2)) (global $cf f32 (f32.const -nan:0x77)) (global $cd f64 (f64.const 1e300))
      (global $r (mut funcref) (ref.func $h)) (global $cr funcref (ref.func $h)) (global $n funcref (ref.null func))
      (table 2 funcref)
      (func $h (result i32) (i32.const 4711))
      (func (export "constants") (param i32) (result i32 i64 f32 f64) (global.get $ci) (global.get $cl) (global.get $cf) (global.get $cd))
      (func (export "next") (param i32) (result i32 i64 f32 f64)
        (global.set $i (i32.add (global.get $i) (local.get 0)))
        (global.set $l (i64.mul (global.get $l) (i64.extend_i32_s (global.get $i))))
        (global.set $d (f64.sub (global.get $d) (f64.convert_i64_s (global.get $l))))
        (global.get $i) (global.get $l) (global.get $f) (global.get $d))
      (func (export "references") (param i32) (result i32 i32 i32)
        (table.set (i32.const 0) (global.get $r)) (table.set (i32.const 1) (global.get $cr))
        (call_indirect (result i32) (i32.const 0)) (call_indirect (result i32) (i32.const 1)) (ref.is_null (global.get $n)))
      (func (export "clear") (param i32) (result i32) (global.set $r (global.get $n)) (ref.is_null (global.get $r))))"#;
    agrees_with_wasmi(
        text,
        &all(&["constants", "next", "references", "next", "clear"], &[1, 7, u64::from(u32::MAX)], 3),
    );
}

/// Where indices are packed into words, each has room.
#[test]
fn the_last_of_many_tables_and_segments_is_used() {
    let tables = "(table 9 9 funcref)".repeat(299);
    let segments = "(elem func)".repeat(299);
    let wat = format!(
        r#"(module {tables} (table $last 9 9 funcref) {segments} (elem $last func $seven $eight) (type $get (func (result i32)))
          (func $seven (result i32) (i32.const 7)) (func $eight (result i32) (i32.const 8))
          (func (export "use") (param i32) (result i32)
            (table.init $last $last (i32.const 3) (i32.const 0) (i32.const 2))
            (table.init $last $last (i32.const 5) (i32.const 1) (i32.const 1))
            (table.copy 0 $last (i32.const 1) (i32.const 3) (i32.const 3))
            (table.copy $last 0 (i32.const 0) (i32.const 1) (i32.const 3))
            (call_indirect $last (type $get) (local.get 0)))
          (func (export "drop") (param i32) (result i32)
            (elem.drop $last) (table.init $last $last (i32.const 0) (i32.const 0) (local.get 0)) (i32.const 1)))"#
    );
    at_every_tier(&wat, &(), |engine| {
        let results: Vec<_> = [0, 1, 2, 3, 4, 5].map(|index| engine::invoke(engine, "use", &[index])).into();
        assert_eq!(results, [7, 8, 8, 7, 8, 8].map(|result| Ok(vec![result])));
        assert!(engine::invoke(engine, "use", &[6]).is_err());
        assert_eq!(engine::invoke(engine, "drop", &[0]), Ok(vec![1]));
        assert!(engine::invoke(engine, "drop", &[1]).is_err());
        assert!(engine::invoke(engine, "use", &[0]).is_err());
    });
}
