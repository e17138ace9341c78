//! Vectors in QEMU: one program gives on a CPU with everything and on one with SSE2 what it gives in a process.

mod common;

use common::qemu::{Guest, code, fresh_store};
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Mixes four vectors through operators of every kind, 2,000 times, and prints them in hexadecimal.
const MIXER: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\02\00\00\81\00\00\00")
  (data (i32.const 64) "0123456789abcdef")
  (func $integers (param $a v128) (param $b v128) (result v128)
    (local.set $a (i32x4.add (i32x4.mul (local.get $a) (local.get $b)) (i32x4.splat (i32.const 0x9e3779b9))))
    (local.set $b (i64x2.mul (local.get $b) (i64x2.add (local.get $a) (i64x2.splat (i64.const 0x9e3779b97f4a7c15)))))
    (local.set $a (v128.xor (local.get $a) (i16x8.q15mulr_sat_s (local.get $a) (local.get $b))))
    (local.set $b (i8x16.shuffle 3 17 5 29 0 31 8 22 1 19 14 2 27 9 12 16 (local.get $a) (local.get $b)))
    (local.set $a (i8x16.add (local.get $a) (i8x16.popcnt (local.get $b))))
    (local.set $b (v128.xor (local.get $b) (i8x16.swizzle (local.get $a) (v128.and (local.get $b) (i8x16.splat (i32.const 31))))))
    (local.set $a (v128.xor (local.get $a) (i32x4.dot_i16x8_s (local.get $a) (local.get $b))))
    (local.set $b (i8x16.add_sat_u (local.get $b) (i8x16.narrow_i16x8_s (local.get $a) (local.get $b))))
    (local.set $a (i16x8.sub (local.get $a) (i16x8.extadd_pairwise_i8x16_u (local.get $b))))
    (local.set $b (i64x2.add (local.get $b) (i64x2.extmul_high_i32x4_u (local.get $a) (local.get $b))))
    (local.set $a (v128.bitselect (local.get $a) (local.get $b) (i32x4.gt_s (local.get $a) (local.get $b))))
    (local.set $b (i64x2.shr_s (i64x2.abs (local.get $b)) (i32.wrap_i64 (i64x2.extract_lane 0 (local.get $a)))))
    (i8x16.max_u (i8x16.avgr_u (local.get $a) (local.get $b)) (i16x8.min_s (local.get $a) (local.get $b))))
  ;; Without NaN: their bits are not fixed.
  (func $floats (param $a v128) (result v128) (local $x v128) (local $y v128)
    (local.set $x (f32x4.convert_i32x4_s (local.get $a)))
    (local.set $y (f64x2.convert_low_i32x4_u (local.get $a)))
    (local.set $x (f32x4.add (f32x4.sqrt (f32x4.abs (local.get $x))) (f32x4.floor (f32x4.div (local.get $x) (f32x4.splat (f32.const 7.5))))))
    (local.set $y (f64x2.sub (f64x2.nearest (f64x2.div (local.get $y) (f64x2.splat (f64.const 3)))) (f64x2.ceil (f64x2.sqrt (local.get $y)))))
    (local.set $x (f32x4.pmax (local.get $x) (f32x4.trunc (f32x4.mul (local.get $x) (f32x4.splat (f32.const 0.3))))))
    (local.set $y (f64x2.min (local.get $y) (f64x2.promote_low_f32x4 (local.get $x))))
    (v128.xor (i32x4.trunc_sat_f32x4_s (local.get $x))
      (v128.xor (i32x4.trunc_sat_f64x2_s_zero (local.get $y)) (f32x4.demote_f64x2_zero (local.get $y)))))
  (func $print (param $at i32) (param $to i32) (local $i i32)
    (loop $next
      (i32.store8 (local.get $to) (i32.load8_u offset=64 (i32.shr_u (i32.load8_u (local.get $at)) (i32.const 4))))
      (i32.store8 offset=1 (local.get $to) (i32.load8_u offset=64 (i32.and (i32.load8_u (local.get $at)) (i32.const 15))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $to (i32.add (local.get $to) (i32.const 2)))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 64)))))
  (func (export "_start") (local $a v128) (local $b v128) (local $c v128) (local $d v128) (local $i i32)
    (local.set $a (v128.const i32x4 1 2 3 4))
    (local.set $b (v128.const i64x2 0x123456789abcdef -5))
    (loop $next
      (local.set $c (v128.xor (local.get $c) (call $integers (local.get $a) (local.get $b))))
      (local.set $d (v128.xor (local.get $d) (call $floats (local.get $c))))
      (local.set $a (i32x4.add (local.get $b) (local.get $c)))
      (local.set $b (i64x2.sub (local.get $a) (i8x16.neg (local.get $d))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))
    (v128.store (i32.const 256) (local.get $a)) (v128.store (i32.const 272) (local.get $b))
    (v128.store (i32.const 288) (local.get $c)) (v128.store (i32.const 304) (local.get $d))
    (call $print (i32.const 256) (i32.const 512))
    (i32.store8 (i32.const 640) (i32.const 10))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;

#[test]
fn vectors_give_on_every_cpu_and_at_every_tier_what_they_give_in_a_process() {
    let folder = TempDir::new().expect("a temporary folder can be made");
    let wasm = wat::parse_str(MIXER).unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("mixer.wasm");
    fs::write(&path, &wasm).expect("the folder can be written");
    let in_process = |tier: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_bareflow")).args(["run", tier]).arg(&path).output();
        String::from_utf8(output.expect("the command runs").stdout).expect("it prints digits")
    };
    let expected = in_process("--highest=baseline");
    assert!(expected.len() == 129 && !expected.contains("00000000000000000000000000000000"), "{expected}");
    assert_eq!(in_process("--lowest=optimised"), expected);
    for cpu in ["max", "qemu64"] {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let guest =
            Guest::program_bytes("mixer.wasm", &wasm).cpu(cpu).words("promote=boots").store(&fresh_store(&folder));
        let optimised = [1, 2].map(|_| {
            let boot = guest.run();
            assert_eq!(boot.expect_code(code::SUCCESS).output(), expected, "{cpu}: {}", boot.log());
            boot.row().functions_optimised
        });
        assert!(optimised[0] == 0 && optimised[1] >= 2, "{optimised:?}");
    }
}
