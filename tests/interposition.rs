//! Names mean nothing: what stands in for a program's function is proved to be that function.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/qemu.rs"]
mod qemu;

use bareflow::engine::Options;
use bareflow::engine::decode::module::Module;
use bareflow::libc::known::{Masked, NO_SYMBOL, prove};
use bareflow::libc::{self, Heap, Interpose};
use bareflow::profile::Profile;
use oracle::at_every_tier;
use qemu::Guest;
use std::collections::BTreeMap;
use std::path::Path;

/// Programs that use C's names for things of their own: what they are, and what `check` returns.
const OWN_NAMES: [(&str, u64, &str); 6] = [
    (
        "a sine of degrees, a rounding half to even, a counted string and a log of lines",
        1234,
        r#"(memory 1) (data (i32.const 8) "\03\00ab") (global $lines (mut i32) (i32.const 0))
        (func $sin (param f64) (result f64) (f64.div (local.get 0) (f64.const 90)))
        (func $round (param f64) (result f64) (f64.nearest (local.get 0)))
        (func $strlen (param i32) (result i32) (i32.load8_u (local.get 0)))
        (func $log (param f64) (result f64) (global.set $lines (i32.add (global.get $lines) (i32.const 1))) (f64.const 0))
        (func $check (result i32)
          (drop (call $log (f64.const 1))) (drop (call $log (f64.const 2)))
          (drop (call $log (f64.const 2))) (drop (call $log (f64.const 2)))
          (i32.add (i32.add (i32.mul (i32.trunc_f64_s (call $sin (f64.const 90))) (i32.const 1000))
            (i32.mul (i32.trunc_f64_s (call $round (f64.const 2.5))) (i32.const 100)))
            (i32.add (i32.mul (call $strlen (i32.const 8)) (i32.const 10)) (global.get $lines))))"#,
    ),
    (
        "a bump allocator",
        // Blocks one behind the other, and nothing freed.
        116,
        r#"(memory 1) (global $next (mut i32) (i32.const 1024))
        (func $malloc (param i32) (result i32) (global.get $next)
          (global.set $next (i32.add (global.get $next) (local.get 0))))
        (func $free (param i32))
        (func $check (result i32) (local $first i32)
          (local.set $first (call $malloc (i32.const 100)))
          (call $free (local.get $first))
          (drop (call $malloc (i32.const 16)))
          (i32.sub (call $malloc (i32.const 1)) (local.get $first)))"#,
    ),
    (
        "a collector that keeps a count in front of each block",
        203,
        r#"(memory 1) (global $next (mut i32) (i32.const 1024)) (global $freed (mut i32) (i32.const 0))
        (func $malloc (param i32) (result i32)
          (i32.store (global.get $next) (i32.const 2))
          (global.set $next (i32.add (global.get $next) (i32.add (local.get 0) (i32.const 8))))
          (i32.sub (global.get $next) (local.get 0)))
        (func $free (param i32) (local $count i32)
          (local.set $count (i32.sub (i32.load (i32.sub (local.get 0) (i32.const 8))) (i32.const 1)))
          (i32.store (i32.sub (local.get 0) (i32.const 8)) (local.get $count))
          (if (i32.eqz (local.get $count)) (then (global.set $freed (i32.add (global.get $freed) (i32.const 100))))))
        (func $check (result i32) (local $a i32) (local $b i32) (local $c i32)
          (local.set $a (call $malloc (i32.const 24))) (local.set $b (call $malloc (i32.const 40)))
          (local.set $c (call $malloc (i32.const 24)))
          (call $free (local.get $a)) (call $free (local.get $b)) (call $free (local.get $a)) (call $free (local.get $b))
          (call $free (local.get $c))
          (i32.add (global.get $freed)
            (i32.add (i32.load (i32.sub (local.get $c) (i32.const 8))) (i32.const 2))))"#,
    ),
    (
        "a memcpy that counts its calls",
        53,
        r#"(memory 1) (data (i32.const 100) "\01\02\03\04\05\06\07\08") (global $calls (mut i32) (i32.const 0))
        (func $memcpy (param i32 i32 i32) (result i32) (local $i i32)
          (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
          (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (local.get 2)))
            (i32.store8 (i32.add (local.get 0) (local.get $i)) (i32.load8_u (i32.add (local.get 1) (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next)))
          (local.get 0))
        (func $check (result i32)
          (drop (call $memcpy (i32.const 200) (i32.const 100) (i32.const 8)))
          (drop (call $memcpy (i32.const 300) (i32.const 202) (i32.const 4)))
          (drop (call $memcpy (i32.const 400) (i32.const 300) (i32.const 4)))
          (i32.add (i32.mul (i32.load8_u (i32.const 402)) (i32.const 10)) (global.get $calls)))"#,
    ),
    (
        "a power modulo 1000 on doubles",
        // 3^7 is 2187.
        187,
        r#"(memory 1)
        (func $pow (param f64 f64) (result f64) (local $n i32) (local $p i32)
          (local.set $p (i32.const 1)) (local.set $n (i32.trunc_f64_s (local.get 1)))
          (block $done (loop $next
            (br_if $done (i32.eqz (local.get $n)))
            (local.set $p (i32.rem_u (i32.mul (local.get $p) (i32.trunc_f64_s (local.get 0))) (i32.const 1000)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br $next)))
          (f64.convert_i32_u (local.get $p)))
        (func $check (result i32) (i32.trunc_f64_s (call $pow (f64.const 3) (f64.const 7))))"#,
    ),
    (
        "an allocator of memory that it makes grow",
        65,
        r#"(memory 1)
        (func $malloc (param i32) (result i32) (i32.shl (memory.grow (i32.const 1)) (i32.const 16)))
        (func $free (param i32))
        (func $calloc (param i32 i32) (result i32) (i32.add (call $malloc (local.get 0)) (i32.const 65)))
        (func $check (result i32) (i32.rem_u (call $calloc (i32.const 1) (i32.const 1)) (i32.const 256)))"#,
    ),
];

/// The module of one of [`OWN_NAMES`].
fn module(fields: &str) -> String {
    format!("(module {fields} (export \"check\" (func $check)))")
}

#[test]
fn what_has_a_name_of_the_libc_keeps_its_meaning_at_every_tier() {
    for (what, expected, fields) in OWN_NAMES {
        at_every_tier(&module(fields), &(what, vec![expected]), |engine| (what, engine::call(engine, "check", &[])));
    }
}

#[test]
fn what_has_a_name_of_the_libc_keeps_its_meaning_beside_the_heap_that_checks() {
    let options = Options { heap: Heap::Checked, ..Options::default() };
    for (what, expected, fields) in OWN_NAMES {
        let mut engine = engine::engine(&module(fields), options, Profile::default());
        assert_eq!(engine::call(&mut engine, "check", &[]), [expected], "{what}");
    }
}

#[test]
fn what_has_a_name_of_the_libc_keeps_its_meaning_in_a_booted_program() {
    let mut wat = String::from("(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))");
    // Exit codes are small: the program itself compares.
    let (_, expected, fields) = OWN_NAMES[2];
    wat += &format!(
        "{fields} (func (export \"_start\") (call $exit (select (i32.const 7) (i32.const 8) \
         (i32.eq (call $check) (i32.const {expected}))))))"
    );
    let bytes = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"));
    let kept = Guest::program_bytes("own.wasm", &bytes).run();
    assert_eq!(kept.row().exit_code, 7, "{}", kept.log());
    kept.expect("libc: 0 imported, 0 proved, 0 named");
    let replaced = Guest::program_bytes("own.wasm", &bytes).words("interpose=names").run();
    assert_eq!(replaced.row().exit_code, 8, "names were asked for: {}", replaced.log());
    replaced.expect("libc: 0 imported, 0 proved, 2 named");
    let said = Guest::program_bytes("own.wasm", &bytes).words("interpose=body").run();
    said.expect("interpose=body is not known; it can be proof, names or off");
}

/// A sample program, which clang linked with its own wasi-libc.
fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/programs").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decode(bytes: &[u8]) -> Module {
    Module::decode(bytes.to_vec().leak()).unwrap_or_else(|error| panic!("{error}"))
}

/// Without its custom sections, names among them.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let mut kept = bytes[..8].to_vec();
    let mut at = 8;
    while at < bytes.len() {
        let id = bytes[at];
        let (mut size, mut shift, mut end) = (0, 0, at + 1);
        loop {
            size |= usize::from(bytes[end] & 0x7f) << shift;
            (shift, end) = (shift + 7, end + 1);
            if bytes[end - 1] & 0x80 == 0 {
                break;
            }
        }
        if id != 0 {
            kept.extend(&bytes[at..end + size]);
        }
        at = end + size;
    }
    kept
}

#[test]
fn the_libc_of_the_sample_programs_is_known_with_and_without_names() {
    for name in ["concordance.wasm", "hello.wasm", "micro_memcpy.wasm", "traps.wasm"] {
        let bytes = sample(name);
        let module = decode(&bytes);
        let named: BTreeMap<u32, &str> = module
            .names()
            .iter()
            .filter(|(_, name)| libc::find(name).is_some())
            .map(|(index, name)| (*index, *name))
            .collect();
        assert!(named.len() >= 7, "{name} has few functions of a libc: {named:?}");
        let proved: BTreeMap<u32, &str> =
            libc::proved(&module).into_iter().map(|(index, function)| (index, function.name)).collect();
        assert_eq!(proved, named, "{name}");
        let without: BTreeMap<u32, &str> = libc::proved(&decode(&stripped(&bytes)))
            .into_iter()
            .map(|(index, function)| (index, function.name))
            .collect();
        assert_eq!(without, named, "{name} without names");
    }
}

/// Changes bytes of known functions: what a linker would not have changed makes another function of it.
#[test]
fn a_function_that_differs_in_one_operand_or_operator_is_not_known() {
    let bytes = sample("concordance.wasm");
    let module = decode(&bytes);
    let (mut changed, mut unchanged) = (0, Vec::new());
    for proved in prove(&module) {
        let Some(body) = module.body(proved.index) else { continue };
        let masked = Masked::of(body, |index| module.types.get(index as usize)).expect("the body was validated");
        let linked = masked.slots.iter().zip(proved.known.linked(&masked)).filter(|(_, linked)| linked.is_some());
        let linked: Vec<_> = linked.map(|(slot, _)| slot.range.clone()).collect();
        let range = body.range().start as usize..body.range().end as usize;
        for at in range.step_by(11).filter(|at| !linked.iter().any(|range| range.contains(at))) {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let Ok(other) = Module::decode(other.leak()) else { continue };
            changed += 1;
            if prove(&other).iter().any(|other| (other.index, other.known) == (proved.index, proved.known)) {
                unchanged.push((proved.known.name, at));
            }
        }
    }
    assert!(changed > 300, "only {changed} changes left a valid module");
    assert_eq!(unchanged, [], "of {changed}");
}

#[test]
fn a_call_of_another_function_makes_another_function_of_it() {
    let bytes = sample("concordance.wasm");
    let module = decode(&bytes);
    let known = prove(&module);
    let malloc = known.iter().find(|proved| proved.known.name == "malloc").expect("the sample program has malloc");
    assert_ne!(malloc.known.relocations.chunks_exact(2).filter(|pair| pair[1] != NO_SYMBOL).count(), 0);
    let body = module.body(malloc.index).expect("malloc is defined");
    let masked = Masked::of(body, |index| module.types.get(index as usize)).expect("the body was validated");
    // It calls `dlmalloc`, and then itself instead.
    let mut other = bytes.clone();
    let call = masked.slots[0].range.start + 1;
    other[call..call + 5].copy_from_slice(&padded(malloc.index));
    let other = decode(&other);
    assert!(!prove(&other).iter().any(|proved| proved.index == malloc.index));
    let replaced = libc::proved(&other);
    assert!(!replaced.is_empty());
    let heap = ["malloc", "free", "calloc", "realloc"];
    assert!(
        !replaced.iter().any(|(_, function)| heap.contains(&function.name)),
        "the heap is replaced as a whole or not"
    );
}

/// LEB128 in five bytes, as linkers write what they chose.
fn padded(number: u32) -> [u8; 5] {
    let byte = |place: u32| (number >> (7 * place)) as u8 & 0x7f | if place < 4 { 0x80 } else { 0 };
    [byte(0), byte(1), byte(2), byte(3), byte(4)]
}

#[test]
fn interposition_can_be_switched_off() {
    let (_, expected, fields) = OWN_NAMES[3];
    let wat = module(fields);
    let value = |interpose| {
        let options = Options { interpose, ..Options::default() };
        engine::call(&mut engine::engine(&wat, options, Profile::default()), "check", &[])
    };
    assert_eq!(value(Interpose::Off), [expected]);
    assert_ne!(value(Interpose::Names), [expected], "names were asked for");
}
