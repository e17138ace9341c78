;; Rounding to integers, and the exact remainder (C11, 7.12.9 and 7.12.10.1). Nothing here is inexact.

(func $floor (export "floor") (param $x f64) (result f64) (f64.floor (local.get $x)))

(func $floorf (export "floorf") (param $x f32) (result f32) (f32.floor (local.get $x)))

(func $ceil (export "ceil") (param $x f64) (result f64) (f64.ceil (local.get $x)))

(func $ceilf (export "ceilf") (param $x f32) (result f32) (f32.ceil (local.get $x)))

;; double round(double x): halves go away from zero. What is added is the largest number below one half: with one
;; half itself, 0.49999999999999994 would become 1.
(func $round (export "round") (param $x f64) (result f64)
  (f64.trunc (f64.add (local.get $x) (f64.copysign (f64.const 0x1.fffffffffffffp-2) (local.get $x)))))

;; float roundf(float x)
(func $roundf (export "roundf") (param $x f32) (result f32)
  (f32.trunc (f32.add (local.get $x) (f32.copysign (f32.const 0x1.fffffep-2) (local.get $x)))))

;; double fmod(double x, double y): x - n y for the integer n next to x / y towards zero, exactly.
;;
;; Long division of the significands in base 2^11: 11 bits are what a significand of 53 leaves of 64.
(func $fmod (export "fmod") (param $x f64) (param $y f64) (result f64)
  (local $divisor i64) (local $rest i64) (local $digits i32) (local $digit i32)
  (if (i32.or
        (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const inf)))
        (i32.eqz (f64.gt (f64.abs (local.get $y)) (f64.const 0))))
    (then (return (f64.div
      (f64.mul (local.get $x) (local.get $y))
      (f64.mul (local.get $x) (local.get $y))))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.abs (local.get $y))) (then (return (local.get $x))))
  (local.set $divisor (call $significand (local.get $y)))
  (local.set $rest (i64.rem_u (call $significand (local.get $x)) (local.get $divisor)))
  (local.set $digits (i32.sub (call $binades (local.get $x)) (call $binades (local.get $y))))
  (block $done
    (loop $next
      (br_if $done (i32.eqz (local.get $digits)))
      (local.set $digit (select (local.get $digits) (i32.const 11) (i32.lt_u (local.get $digits) (i32.const 11))))
      (local.set $rest (i64.rem_u
        (i64.shl (local.get $rest) (i64.extend_i32_u (local.get $digit)))
        (local.get $divisor)))
      (local.set $digits (i32.sub (local.get $digits) (local.get $digit)))
      (br $next)))
  (f64.copysign
    (f64.mul (f64.convert_i64_u (local.get $rest)) (call $unit (call $binades (local.get $y))))
    (local.get $x)))

;; float fmodf(float x, float y): the remainder of two floats is a float, so nothing is rounded.
(func $fmodf (export "fmodf") (param $x f32) (param $y f32) (result f32)
  (f32.demote_f64 (call $fmod (f64.promote_f32 (local.get $x)) (f64.promote_f32 (local.get $y)))))

;; A finite |x| is significand(x) * unit(binades(x)), its significand an integer below 2^53.
(func $significand (param $x f64) (result i64)
  (local $fraction i64)
  (local.set $fraction (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0x000fffffffffffff)))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-1022)) (then (return (local.get $fraction))))
  (i64.or (local.get $fraction) (i64.const 0x0010000000000000)))

;; How many powers of two x lies above the least normal ones; 0 for those and for subnormal ones.
(func $binades (param $x f64) (result i32)
  (local $exponent i32)
  (local.set $exponent (call $biased_exponent (local.get $x)))
  (i32.sub (local.get $exponent) (i32.ne (local.get $exponent) (i32.const 0))))

;; The distance of neighbours so many binades up: 2^(binades - 1074). The lowest 52 of these are subnormal.
(func $unit (param $binades i32) (result f64)
  (local $wide i64)
  (local.set $wide (i64.extend_i32_u (local.get $binades)))
  (if (i32.lt_u (local.get $binades) (i32.const 52))
    (then (return (f64.reinterpret_i64 (i64.shl (i64.const 1) (local.get $wide))))))
  (f64.reinterpret_i64 (i64.shl (i64.sub (local.get $wide) (i64.const 51)) (i64.const 52))))
