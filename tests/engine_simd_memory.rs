//! Vectors in memory, globals, calls and blocks, against wasmi and at every tier.

#[path = "common/engine.rs"]
mod engine;
#[path = "common/oracle.rs"]
mod oracle;

use oracle::{agrees_with_wasmi, at_every_tier};
use std::fmt::Write;

const MEMORY_BYTES: u64 = 65536;

/// (operator, bytes accessed); one that takes a lane comes once for each.
fn accesses(names: &str) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for name in names.split_whitespace() {
        let (operation, bits) = name.split_once(':').expect("each has its width");
        let bits: u64 = bits.parse().expect("a width");
        match operation.split_once("_lane") {
            None => all.push((operation.to_string(), bits / 8)),
            Some(_) => all.extend((0..128 / bits).map(|lane| (format!("{operation} {lane}"), bits / 8))),
        }
    }
    all
}

/// `operator` with a static offset, which stands before the lane.
fn with_offset(operator: &str, offset: u64) -> String {
    match operator.split_once(' ') {
        Some((operation, lane)) => format!("{operation} offset={offset} align=1 {lane}"),
        None => format!("{operator} offset={offset} align=1"),
    }
}

/// Addresses around the end of memory, for an access of `bytes` bytes at `offset`.
fn addresses(bytes: u64, offset: u64) -> Vec<u64> {
    let last = MEMORY_BYTES - bytes - offset;
    vec![0, 1, 17, last - 1, last, last + 1, last + bytes - 1, MEMORY_BYTES, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff]
}

const OFFSETS: [u64; 3] = [0, 13, 4099];

fn data() -> String {
    (0..MEMORY_BYTES).map(|index| format!("\\{:02x}", (index * 167 + (index >> 8) * 13) as u8)).collect()
}

#[test]
fn every_vector_load_agrees_with_wasmi_up_to_the_last_byte() {
    let names = "v128.load:128 v128.load8x8_s:64 v128.load8x8_u:64 v128.load16x4_s:64 v128.load16x4_u:64 \
                 v128.load32x2_s:64 v128.load32x2_u:64 v128.load8_splat:8 v128.load16_splat:16 v128.load32_splat:32 \
                 v128.load64_splat:64 v128.load32_zero:32 v128.load64_zero:64 v128.load8_lane:8 v128.load16_lane:16 \
                 v128.load32_lane:32 v128.load64_lane:64";
    let mut text = format!("(module (memory 1) (data (i32.const 0) \"{}\")\n", data());
    let mut calls = Vec::new();
    for (operator, bytes) in accesses(names) {
        for offset in OFFSETS {
            let name = with_offset(&operator, offset);
            let vector = if operator.contains("lane") { "v128.const i64x2 0x1122334455667788 -7" } else { "" };
            writeln!(
                text,
                "(func (export {name:?}) (param i32) (result i64 i64) (local v128) local.get 0 {vector} {name} \
                 local.tee 1 i64x2.extract_lane 0 local.get 1 i64x2.extract_lane 1)"
            )
            .expect("a string grows");
            calls.extend(addresses(bytes, offset).into_iter().map(|address| (name.clone(), vec![address])));
        }
    }
    let calls: Vec<(&str, Vec<u64>)> = calls.iter().map(|(name, args)| (name.as_str(), args.clone())).collect();
    agrees_with_wasmi(&(text + ")"), &calls);
}

#[test]
fn every_vector_store_agrees_with_wasmi_up_to_the_last_byte() {
    let names = "v128.store:128 v128.store8_lane:8 v128.store16_lane:16 v128.store32_lane:32 v128.store64_lane:64";
    let mut text = String::from(
        "(module (memory 1)
           (func (export \"read\") (param i32) (result i64 i64 i64)
             (i64.load (local.get 0)) (i64.load offset=8 (local.get 0)) (i64.load offset=16 (local.get 0)))\n",
    );
    let mut calls = Vec::new();
    for (number, (operator, bytes)) in accesses(names).into_iter().enumerate() {
        for offset in OFFSETS {
            let name = with_offset(&operator, offset);
            writeln!(
                text,
                "(func (export {name:?}) (param i32) local.get 0 \
                 v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 {number} {name})"
            )
            .expect("a string grows");
            for address in addresses(bytes, offset) {
                calls.push((name.clone(), vec![address]));
                calls.push(("read".into(), vec![(address + offset).saturating_sub(4).min(MEMORY_BYTES - 24)]));
            }
        }
    }
    let calls: Vec<(&str, Vec<u64>)> = calls.iter().map(|(name, args)| (name.as_str(), args.clone())).collect();
    agrees_with_wasmi(&(text + ")"), &calls);
}

#[test]
fn vectors_pass_through_calls_blocks_globals_and_selections() {
    let text = r#"(module
      (type $pair (func (param v128 v128) (result v128 v128)))
      (type $many (func (param v128 i32 v128 f32 v128 v128 v128 v128 v128 v128 v128 v128)
                        (result v128 v128 i32 v128 v128 f32)))
      (table 2 funcref)
      (elem (i32.const 0) $swap $same)
      (global $fixed v128 (v128.const i32x4 1 2 3 4))
      (global $counted (mut v128) (v128.const i32x4 10 20 30 40))
      (func $swap (type $pair) local.get 1 local.get 0)
      (func $same (type $pair) local.get 0 local.get 1)
      (func $many (type $many)
        (i32x4.add (local.get 0) (local.get 11)) (f32x4.convert_i32x4_s (local.get 10)) (local.get 1)
        (i8x16.swizzle (local.get 9) (local.get 8)) (i64x2.mul (local.get 7) (local.get 6))
        (f32.add (local.get 3) (f32x4.extract_lane 1 (local.get 5))))
      (func $both (param v128 v128) (result i64 i64 i64 i64)
        (i64x2.extract_lane 0 (local.get 0)) (i64x2.extract_lane 1 (local.get 0))
        (i64x2.extract_lane 0 (local.get 1)) (i64x2.extract_lane 1 (local.get 1)))
      (func (export "indirect") (param i32) (result i64 i64 i64 i64)
        (f64x2.splat (f64.convert_i32_s (local.get 0))) (i16x8.splat (local.get 0))
        (call_indirect (type $pair) (i32.and (local.get 0) (i32.const 1)))
        call $both)
      (func (export "many") (param i32) (result i64 i64 i64 i64) (local v128 v128 i32 v128 v128 f32)
        (global.get $fixed) (local.get 0) (i32x4.splat (local.get 0)) (f32.convert_i32_s (local.get 0))
        (v128.const i32x4 5 6 7 8) (f32x4.splat (f32.const 1.5)) (i64x2.splat (i64.const 3))
        (i64x2.splat (i64.extend_i32_s (local.get 0))) (i8x16.splat (local.get 0)) (global.get $fixed)
        (i32x4.replace_lane 2 (global.get $fixed) (local.get 0)) (i32x4.splat (i32.const 100))
        call $many
        local.set 6 local.set 5 local.set 4 local.set 3 local.set 2 local.set 1
        (v128.xor (local.get 1) (local.get 2))
        (i32x4.add (v128.xor (local.get 4) (local.get 5))
          (f32x4.replace_lane 0 (i32x4.splat (local.get 3)) (local.get 6)))
        call $both)
      (func (export "global") (param i32) (result i64 i64 i64 i64)
        (global.set $counted (i32x4.add (global.get $counted) (i32x4.splat (local.get 0))))
        (call $both (global.get $counted) (global.get $fixed)))
      (func (export "choose") (param i32) (result i64 i64 i64 i64) (local $zero v128)
        (select (result v128) (f32x4.splat (f32.const 2)) (local.get $zero) (i32.and (local.get 0) (i32.const 1)))
        (select (i64x2.splat (i64.const 5)) (global.get $fixed) (i32.and (local.get 0) (i32.const 2)))
        call $both)
      (func (export "loop") (param i32) (result i64 i64 i64 i64)
        (f64x2.splat (f64.const 1)) (v128.const i32x4 1 1 1 1)
        (loop $again (type $pair)
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (i32x4.add (v128.const i32x4 1 2 3 4))
          (block (type $pair) (br_if 0 (i32.and (local.get 0) (i32.const 1))) call $swap)
          (br_if $again (i32.gt_s (local.get 0) (i32.const 0))))
        call $both)
      (func (export "table") (param i32) (result i64 i64 i64 i64)
        (block $two (result v128 v128) (block $one (result v128 v128) (f32x4.splat (f32.const 7)) (i64x2.splat (i64.const 8))
          (br_table $one $two (local.get 0)))
          call $swap) (if (type $pair) (local.get 0) (then) (else (i8x16.add (global.get $fixed))))
        call $both))"#;
    let names = ["indirect", "many", "global", "choose", "loop", "table"];
    let once = || names.iter().flat_map(|name| (0..5).map(move |argument| (*name, vec![argument])));
    let calls: Vec<(&str, Vec<u64>)> = (0..6).flat_map(|_| once()).collect();
    agrees_with_wasmi(text, &calls);
}

#[test]
fn constant_expressions_compute() {
    let text = r#"(module
      (memory 1)
      (table 10 funcref)
      (global $a i32 (i32.mul (i32.sub (i32.const 3) (i32.const 5)) (i32.add (i32.const 0x40000000) (i32.const 3))))
      (global $b (mut i64) (i64.add (i64.mul (i64.const -3) (i64.const 0x100000000)) (i64.sub (i64.const 1) (i64.const 2))))
      (data (i32.add (i32.const 60) (i32.mul (i32.const 2) (i32.const 2))) "\2a")
      (elem (i32.sub (i32.const 9) (i32.const 7)) $f)
      (func $f (result i32) (i32.load8_u (i32.const 64)))
      (func (export "globals") (result i32 i64) (global.get $a) (global.get $b))
      (func (export "segments") (result i32) (call_indirect (result i32) (i32.const 2))))"#;
    agrees_with_wasmi(text, &[("globals", vec![]), ("segments", vec![])]);
}

#[test]
fn dot_products_of_operands_outside_seven_bits_wrap_in_sixteen() {
    let text = r#"(module
      (func (export "pairs") (result i64)
        (i64x2.extract_lane 0 (i16x8.relaxed_dot_i8x16_i7x16_s
          (i8x16.splat (i32.const -128)) (i8x16.splat (i32.const -128)))))
      (func (export "sums") (result i64)
        (i64x2.extract_lane 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s
          (i8x16.splat (i32.const -128)) (i8x16.splat (i32.const -128)) (i32x4.splat (i32.const 1))))))"#;
    at_every_tier(text, &vec![0x8000_8000_8000_8000, 0xffff_0001_ffff_0001], |engine| {
        vec![engine::call(engine, "pairs", &[])[0], engine::call(engine, "sums", &[])[0]]
    });
}
