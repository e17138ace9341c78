;; What the mathematics share: parts of doubles, and arithmetic with more bits than a double has.
;;
;; The mathematics read no memory but their own tables (tables.wat) and write none. Every engine and every CPU gives the same
;; bits: fused multiply-add only does what functions below do that round once at most ($product_error, $rest_of_product,
;; $product_less).

;; The exponent field of x, 0 to 2047.
(func $biased_exponent (param $x f64) (result i32)
  (i32.wrap_i64 (i64.and
    (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 52))
    (i64.const 0x7ff))))

;; x without the low 32 bits of its significand: 21 bits remain, so that products of two such are exact.
(func $upper (param $x f64) (result f64)
  (f64.reinterpret_i64 (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0xffffffff00000000))))

;; (high + low) 2^n rounded once, for high from 1 to 2, a low that is small, and n from -1076 to 1024.
;;
;; Where the result has fewer bits than a double, a number is added of which the last bit is the result's last one.
(func $scale_sum (param $high f64) (param $low f64) (param $n i32) (result f64)
  (local $large f64) (local $sum f64)
  (if (i32.gt_s (local.get $n) (i32.const 1000))
    (then (return (f64.mul
      (f64.mul (f64.add (local.get $high) (local.get $low)) (f64.const 0x1p1000))
      (call $power_of_two (i32.sub (local.get $n) (i32.const 1000)))))))
  (if (i32.ge_s (local.get $n) (i32.const -1022))
    (then (return (f64.mul
      (f64.add (local.get $high) (local.get $low))
      (call $power_of_two (local.get $n))))))
  (local.set $large (call $power_of_two (i32.sub (i32.const -1022) (local.get $n))))
  (local.set $sum (f64.add (local.get $large) (local.get $high)))
  (local.set $low (f64.add
    (f64.add (f64.sub (local.get $large) (local.get $sum)) (local.get $high))
    (local.get $low)))
  (f64.mul
    (f64.mul
      (f64.sub (f64.add (local.get $sum) (local.get $low)) (local.get $large))
      (call $power_of_two (i32.add (local.get $n) (i32.const 200))))
    (f64.const 0x1p-200)))

;; 2^n for n from -1022 to 1023.
(func $power_of_two (param $n i32) (result f64)
  (f64.reinterpret_i64 (i64.shl
    (i64.extend_i32_u (i32.add (local.get $n) (i32.const 1023)))
    (i64.const 52))))

;; a * b - product, which a double holds, for product the rounded a * b. (T. J. Dekker, "A floating-point technique
;; for extending the available precision", 1971; the factors are split as G. W. Veltkamp does.)
(func $product_error (param $a f64) (param $b f64) (param $product f64) (result f64)
  (local $a_high f64) (local $a_low f64) (local $b_high f64) (local $b_low f64)
  ;; Rounded to 26 bits.
  (local.set $a_high (f64.mul (local.get $a) (f64.const 134217729)))
  (local.set $a_high (f64.sub (local.get $a_high) (f64.sub (local.get $a_high) (local.get $a))))
  (local.set $a_low (f64.sub (local.get $a) (local.get $a_high)))
  (local.set $b_high (f64.mul (local.get $b) (f64.const 134217729)))
  (local.set $b_high (f64.sub (local.get $b_high) (f64.sub (local.get $b_high) (local.get $b))))
  (local.set $b_low (f64.sub (local.get $b) (local.get $b_high)))
  (f64.add
    (f64.add
      (f64.add
        (f64.sub (f64.mul (local.get $a_high) (local.get $b_high)) (local.get $product))
        (f64.mul (local.get $a_high) (local.get $b_low)))
      (f64.mul (local.get $a_low) (local.get $b_high)))
    (f64.mul (local.get $a_low) (local.get $b_low))))

;; a * b - c, which a double holds, for a b with 26 bits at most and a c near to the product.
(func $rest_of_product (param $a f64) (param $b f64) (param $c f64) (result f64)
  (local $upper f64)
  (local.set $upper (f64.reinterpret_i64 (i64.and
    (i64.reinterpret_f64 (local.get $a))
    (i64.const 0xfffffffff8000000))))
  (f64.add
    (f64.sub (f64.mul (local.get $upper) (local.get $b)) (local.get $c))
    (f64.mul (f64.sub (local.get $a) (local.get $upper)) (local.get $b))))

;; a * b - c for a product that a double holds.
(func $product_less (param $a f64) (param $b f64) (param $c f64) (result f64)
  (f64.sub (f64.mul (local.get $a) (local.get $b)) (local.get $c)))

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
