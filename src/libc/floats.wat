;; What the mathematics share: parts of doubles, and arithmetic with more bits than a double has.
;;
;; The mathematics read and write no memory, for all memory is the program's: tables are constants in code. They use no
;; fused multiply-add, so that every engine and every CPU gives the same bits.

;; The exponent field of x, 0 to 2047.
(func $biased_exponent (param $x f64) (result i32)
  (i32.wrap_i64 (i64.and
    (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 52))
    (i64.const 0x7ff))))

;; x without the low 32 bits of its significand: 21 bits remain, so that products of two such are exact.
(func $upper (param $x f64) (result f64)
  (f64.reinterpret_i64 (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0xffffffff00000000))))

;; x * 2^n rounded once, for |x| from 1/4 to 4 and |n| at most 1100: in two steps where 2^n is no double. A step down
;; stays clear of subnormal numbers.
(func $scale (param $x f64) (param $n i32) (result f64)
  (if (i32.gt_s (local.get $n) (i32.const 1023))
    (then
      (local.set $x (f64.mul (local.get $x) (f64.const 0x1p1000)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1000)))))
  (if (i32.lt_s (local.get $n) (i32.const -1022))
    (then
      (local.set $x (f64.mul (local.get $x) (f64.const 0x1p-900)))
      (local.set $n (i32.add (local.get $n) (i32.const 900)))))
  (f64.mul (local.get $x) (call $power_of_two (local.get $n))))

;; 2^n for n from -1022 to 1023.
(func $power_of_two (param $n i32) (result f64)
  (f64.reinterpret_i64 (i64.shl
    (i64.extend_i32_u (i32.add (local.get $n) (i32.const 1023)))
    (i64.const 52))))

;; a * b - product, which a double holds, for product the rounded a * b. (T. J. Dekker, "A floating-point technique
;; for extending the available precision", 1971; the factors are split as G. W. Veltkamp does.)
(func $product_error (param $a f64) (param $b f64) (param $product f64) (result f64)
  (local $a_high f64) (local $a_low f64) (local $b_high f64) (local $b_low f64)
  (local.set $a_high (call $first_26_bits (local.get $a)))
  (local.set $a_low (f64.sub (local.get $a) (local.get $a_high)))
  (local.set $b_high (call $first_26_bits (local.get $b)))
  (local.set $b_low (f64.sub (local.get $b) (local.get $b_high)))
  (f64.add
    (f64.add
      (f64.add
        (f64.sub (f64.mul (local.get $a_high) (local.get $b_high)) (local.get $product))
        (f64.mul (local.get $a_high) (local.get $b_low)))
      (f64.mul (local.get $a_low) (local.get $b_high)))
    (f64.mul (local.get $a_low) (local.get $b_low))))

;; x rounded to 26 bits.
(func $first_26_bits (param $x f64) (result f64)
  (local $large f64)
  (local.set $large (f64.mul (local.get $x) (f64.const 134217729)))
  (f64.sub (local.get $large) (f64.sub (local.get $large) (local.get $x))))

;; The upper 64 bits of a * b, by halves.
(func $upper_product (param $a i64) (param $b i64) (result i64)
  (local $a_low i64) (local $a_high i64) (local $b_low i64) (local $b_high i64) (local $middle i64) (local $cross i64)
  (local.set $a_low (i64.and (local.get $a) (i64.const 0xffffffff)))
  (local.set $a_high (i64.shr_u (local.get $a) (i64.const 32)))
  (local.set $b_low (i64.and (local.get $b) (i64.const 0xffffffff)))
  (local.set $b_high (i64.shr_u (local.get $b) (i64.const 32)))
  (local.set $middle (i64.add
    (i64.mul (local.get $a_high) (local.get $b_low))
    (i64.shr_u (i64.mul (local.get $a_low) (local.get $b_low)) (i64.const 32))))
  (local.set $cross (i64.add
    (i64.mul (local.get $a_low) (local.get $b_high))
    (i64.and (local.get $middle) (i64.const 0xffffffff))))
  (i64.add
    (i64.mul (local.get $a_high) (local.get $b_high))
    (i64.add
      (i64.shr_u (local.get $middle) (i64.const 32))
      (i64.shr_u (local.get $cross) (i64.const 32)))))
