;; The power function (C11, 7.12.7.4): e^(y log x), with the logarithm and the product in two parts.

;; double pow(double x, double y): exact where x, y and x^y are integers.
;;
;; Whole and half exponents up to 32 come first, and of these the ones that take one instruction; then a third. Where y is a
;; constant, one path remains.
(func $pow (export "pow") (param $x f64) (param $y f64) (result f64)
  (local $twice f64) (local $power f64)
  (local.set $twice (f64.add (local.get $y) (local.get $y)))
  (if (i32.and
        (f64.eq (f64.trunc (local.get $twice)) (local.get $twice))
        (f64.le (f64.abs (local.get $twice)) (f64.const 64)))
    (then
      (if (f64.eq (local.get $y) (f64.const 2)) (then (return (f64.mul (local.get $x) (local.get $x)))))
      (if (f64.eq (local.get $y) (f64.const 0)) (then (return (f64.const 1))))
      ;; This is x, but for a NaN that signals.
      (if (f64.eq (local.get $y) (f64.const 1)) (then (return (f64.mul (local.get $x) (f64.const 1)))))
      (if (f64.eq (local.get $y) (f64.const -1)) (then (return (f64.div (f64.const 1) (local.get $x)))))
      (if (f64.eq (local.get $y) (f64.const 0.5))
        (then (if (f64.gt (local.get $x) (f64.const 0)) (then (return (f64.sqrt (local.get $x)))))))
      (local.set $power (call $power_of_halves (local.get $x) (i32.trunc_f64_s (local.get $twice))))
      (if (f64.eq (local.get $power) (local.get $power)) (then (return (local.get $power))))))
  ;; A normal number above 0, and not too large a power.
  (if (i32.lt_u
        (i32.sub
          (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $x)) (i64.const 32)))
          (i32.const 0x00100000))
        (i32.const 0x7fe00000))
    (then
      (if (f64.eq (local.get $y) (f64.const 0x1.5555555555555p-2))
        (then (return (call $power_of_third (i64.reinterpret_f64 (local.get $x))))))
      (if (f64.lt (f64.mul (local.get $y) (local.get $y)) (f64.const 0x1p200))
        (then
          (return (call $power_of_normal (i64.reinterpret_f64 (local.get $x)) (i64.const 0) (local.get $y)))))))
  (call $power_of_special (local.get $x) (local.get $y)))

;; x^(n/2) for |n| from 1 to 64, or a NaN: where there is no root, or a product could overflow or lose bits below the
;; normal numbers.
;;
;; By squares and products in twice the precision, so that only the last rounding counts. The magnitudes of all of them
;; lie between those of x, its root, and the last.
(func $power_of_halves (param $x f64) (param $n i32) (result f64)
  (local $magnitude i32) (local $high f64) (local $low f64) (local $root f64)
  (local.set $magnitude (select
    (i32.sub (i32.const 0) (local.get $n))
    (local.get $n)
    (i32.lt_s (local.get $n) (i32.const 0))))
  (local.set $high (f64.const 1))
  (if (i32.ge_u (local.get $magnitude) (i32.const 2))
    (then
      (call $power_in_two_parts (local.get $x) (i32.shr_u (local.get $magnitude) (i32.const 1)))
      (local.set $low)
      (local.set $high)))
  (if (i32.and (local.get $magnitude) (i32.const 1))
    (then
      (local.set $root (f64.sqrt (local.get $x)))
      (call $multiply
        (local.get $high)
        (local.get $root)
        (f64.add
          (f64.mul (local.get $low) (local.get $root))
          (f64.mul (local.get $high) (call $root_rest (local.get $x) (local.get $root)))))
      (local.set $low)
      (local.set $high)))
  (if (i32.eqz (i32.and (call $has_room (local.get $x)) (call $has_room (local.get $high))))
    (then (return (f64.const nan))))
  (if (i32.gt_s (local.get $n) (i32.const 0)) (then (return (local.get $high))))
  (call $inverse_of_sum (local.get $high) (local.get $low)))

;; x^n in two parts for n from 1 on, by the bits of n from the second highest down.
(func $power_in_two_parts (param $x f64) (param $n i32) (result f64 f64)
  (local $bit i32) (local $high f64) (local $low f64)
  (local.set $high (local.get $x))
  (local.set $bit (i32.shr_u (i32.const 0x80000000) (i32.clz (local.get $n))))
  (block $done
    (loop $next
      (local.set $bit (i32.shr_u (local.get $bit) (i32.const 1)))
      (br_if $done (i32.eqz (local.get $bit)))
      (call $multiply
        (local.get $high)
        (local.get $high)
        (f64.mul (f64.mul (f64.const 2) (local.get $high)) (local.get $low)))
      (local.set $low)
      (local.set $high)
      (br_if $next (i32.eqz (i32.and (local.get $n) (local.get $bit))))
      (call $multiply (local.get $high) (local.get $x) (f64.mul (local.get $low) (local.get $x)))
      (local.set $low)
      (local.set $high)
      (br $next)))
  (local.get $high)
  (local.get $low))

;; a * b + rest in two parts, for a rest that is small.
(func $multiply (param $a f64) (param $b f64) (param $rest f64) (result f64 f64)
  (local $product f64) (local $low f64) (local $high f64)
  (local.set $product (f64.mul (local.get $a) (local.get $b)))
  (local.set $low (f64.add
    (call $product_error (local.get $a) (local.get $b) (local.get $product))
    (local.get $rest)))
  (local.set $high (f64.add (local.get $product) (local.get $low)))
  (local.get $high)
  (f64.add (f64.sub (local.get $product) (local.get $high)) (local.get $low)))

;; What the root of x is more than its rounded root.
(func $root_rest (param $x f64) (param $root f64) (result f64)
  (local $square f64)
  (local.set $square (f64.mul (local.get $root) (local.get $root)))
  (f64.div
    (f64.sub
      (f64.sub (local.get $x) (local.get $square))
      (call $product_error (local.get $root) (local.get $root) (local.get $square)))
    (f64.add (local.get $root) (local.get $root))))

;; Whether x is far from the largest and the least normal number.
(func $has_room (param $x f64) (result i32)
  (i32.and
    (f64.gt (f64.abs (local.get $x)) (f64.const 0x1p-900))
    (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p900))))

;; 1 / (high + low): to 1 / high is added what that lacks of 1, divided once more.
(func $inverse_of_sum (param $high f64) (param $low f64) (result f64)
  (local $inverse f64) (local $product f64)
  (local.set $inverse (f64.div (f64.const 1) (local.get $high)))
  (local.set $product (f64.mul (local.get $inverse) (local.get $high)))
  (f64.add
    (local.get $inverse)
    (f64.mul
      (local.get $inverse)
      (f64.sub
        (f64.sub
          (f64.sub (f64.const 1) (local.get $product))
          (call $product_error (local.get $inverse) (local.get $high) (local.get $product)))
        (f64.mul (local.get $inverse) (local.get $low))))))

;; The bits of a positive x as if exponents had no least one.
(func $bits_of_magnitude (param $x f64) (result i64)
  (if (result i64) (f64.ge (local.get $x) (f64.const 0x1p-1022))
    (then (i64.reinterpret_f64 (local.get $x)))
    (else (i64.sub
      (i64.reinterpret_f64 (f64.mul (local.get $x) (f64.const 0x1p54)))
      (i64.const 0x0360000000000000)))))

;; The sign bit of x^y, of the bits of x, for a y that is whole or infinite if x is below 0: set if that is odd.
(func $sign_of_power (param $bits i64) (param $y f64) (result i64)
  (local $half f64)
  (local.set $half (f64.mul (local.get $y) (f64.const 0.5)))
  (i64.and
    (select
      (i64.const 0)
      (i64.const 0x8000000000000000)
      (i32.or
        (f64.eq (f64.trunc (local.get $half)) (local.get $half))
        (f64.ne (f64.trunc (local.get $y)) (local.get $y))))
    (local.get $bits)))

;; x^y where x is no normal number above 0, or y is enormous or no number.
(func $power_of_special (param $x f64) (param $y f64) (result f64)
  (local $magnitude f64)
  (if (f64.eq (local.get $x) (f64.const 1)) (then (return (f64.const 1))))
  (if (i32.or (f64.ne (local.get $x) (local.get $x)) (f64.ne (local.get $y) (local.get $y)))
    (then (return (f64.add (local.get $x) (local.get $y)))))
  (local.set $magnitude (f64.abs (local.get $x)))
  ;; 0 and infinity: theirs is the sign of an even power even where y is no integer.
  (if (i32.and
        (i32.or (f64.eq (local.get $x) (f64.const 0)) (f64.eq (local.get $magnitude) (f64.const inf)))
        (f64.ne (f64.abs (local.get $y)) (f64.const inf)))
    (then
      (if (f64.lt (local.get $y) (f64.const 0))
        (then (local.set $magnitude (f64.div (f64.const 1) (local.get $magnitude)))))
      (return (f64.reinterpret_i64 (i64.or
        (i64.reinterpret_f64 (local.get $magnitude))
        (call $sign_of_power (i64.reinterpret_f64 (local.get $x)) (local.get $y)))))))
  ;; What is enormous is whole and even.
  (if (f64.ge (f64.abs (local.get $y)) (f64.const 0x1p100))
    (then
      (if (f64.eq (local.get $magnitude) (f64.const 1)) (then (return (f64.const 1))))
      (return (select
        (f64.const inf)
        (f64.const 0)
        (i32.eq
          (f64.gt (local.get $magnitude) (f64.const 1))
          (f64.gt (local.get $y) (f64.const 0)))))))
  (if (f64.lt (local.get $x) (f64.const 0))
    (then (if (f64.ne (f64.trunc (local.get $y)) (local.get $y)) (then (return (f64.const nan))))))
  (call $power_of_normal
    (call $bits_of_magnitude (local.get $magnitude))
    (call $sign_of_power (i64.reinterpret_f64 (local.get $x)) (local.get $y))
    (local.get $y)))

;; (2^k z)^y with the sign bit given, for |y| below 2^100, of the bits of 2^k z as if exponents had no least one.
;;
;; The logarithm as in logarithm.wat, with another table: its 1/c has so few bits that r, z / c - 1, is exact, and |r| is below
;; 0.003. The first part is the sum of k ln 2 + log c, r and half the square of its upper 26 bits; the second is what rounding
;; took from these sums, and the rest of what is small. The product with y takes 26 bits of each for its first part. From there
;; on as exp, but that the multiple of ln 2 / 256 is that of y (log x - r^4 / 4 ..), within 10^-5 of it, which is there long
;; before the rest of what is small.
(func $power_of_normal (param $bits i64) (param $sign i64) (param $y f64) (result f64)
  (local $moved i64) (local $entry i32) (local $k f64) (local $z f64) (local $r f64) (local $high f64) (local $first f64)
  (local $square f64) (local $upper f64) (local $half f64) (local $sum f64) (local $cube f64) (local $low f64)
  (local $y_upper f64) (local $multiple f64) (local $n i64) (local $power f64)
  (local.set $moved (i64.sub (local.get $bits) (i64.const 0x3fe6680000000000)))
  (local.set $k (f64.convert_i32_s (i32.wrap_i64 (i64.shr_s (local.get $moved) (i64.const 52)))))
  (local.set $entry (i32.and
    (i32.wrap_i64 (i64.shr_u (local.get $moved) (i64.const 39)))
    (i32.const 0x1fe0)))
  (local.set $z (f64.reinterpret_i64 (i64.sub
    (local.get $bits)
    (i64.and (local.get $moved) (i64.const 0xfff0000000000000)))))
  (local.set $r (call $rest_of_product
    (local.get $z)
    (f64.load $tables offset=16512 (local.get $entry))
    (f64.const 1)))
  (local.set $high (call $product_less
    (local.get $k)
    (f64.const 0x1.62e42fefa38p-1)
    (f64.load $tables offset=16520 (local.get $entry))))
  (local.set $first (f64.add (local.get $high) (local.get $r)))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.set $half (f64.mul (local.get $square) (f64.const -0.5)))
  (local.set $sum (f64.add (local.get $first) (local.get $half)))
  (local.set $cube (f64.mul (local.get $square) (local.get $r)))
  (local.set $low (f64.add
    (f64.add
      (f64.add (f64.sub (local.get $high) (local.get $first)) (local.get $r))
      (f64.sub
        (f64.mul (local.get $k) (f64.const 0x1.ef35793c7673p-45))
        (f64.load $tables offset=16528 (local.get $entry))))
    (f64.sub
      (f64.add (f64.sub (local.get $first) (local.get $sum)) (local.get $half))
      (f64.mul
        (call $product_error (local.get $r) (local.get $r) (local.get $square))
        (f64.const 0.5)))))
  (local.set $upper (f64.reinterpret_i64 (i64.and
    (i64.reinterpret_f64 (local.get $sum))
    (i64.const 0xfffffffff8000000))))
  (local.set $y_upper (f64.reinterpret_i64 (i64.and
    (i64.reinterpret_f64 (local.get $y))
    (i64.const 0xfffffffff8000000))))
  (local.set $first (f64.mul (local.get $y_upper) (local.get $upper)))
  (local.set $low (f64.add
    (f64.mul (f64.add (f64.sub (local.get $sum) (local.get $upper)) (local.get $low)) (local.get $y))
    (f64.mul (f64.sub (local.get $y) (local.get $y_upper)) (local.get $upper))))
  ;; log(1 + r) - r + r^2 / 2 within 2^-67.9 of the logarithm of any z with this r (weighted least squares, by C. L. Lawson's
  ;; iteration).
  (local.set $low (f64.add (local.get $low) (f64.mul
    (f64.add
      (f64.add (f64.mul (local.get $r) (f64.const -0x1.ffffffffe4231p-3)) (f64.const 0x1.5555555555515p-2))
      (f64.mul
        (f64.add
          (f64.add
            (f64.mul (local.get $r) (f64.const -0x1.5556053941385p-3))
            (f64.const 0x1.999999e0b637ap-3))
          (f64.mul (local.get $square) (f64.const 0x1.2417f99241a8dp-3)))
        (local.get $square)))
    (f64.mul (local.get $cube) (local.get $y)))))
  (if (f64.ge (f64.mul (local.get $first) (local.get $first)) (f64.const 476100))
    (then
      (return (f64.mul
        (f64.reinterpret_i64 (i64.or (local.get $sign) (i64.const 0x3ff0000000000000)))
        (call $exp_far (local.get $first) (local.get $low))))))
  (local.set $multiple (f64.add
    (f64.add
      (f64.mul (local.get $sum) (f64.mul (local.get $y) (f64.const 0x1.71547652b82fep+8)))
      (f64.mul (local.get $cube) (f64.mul (local.get $y) (f64.const 0x1.ec709dc3a03fdp+6))))
    (f64.const 0x1.8p52)))
  (local.set $n (i64.reinterpret_f64 (local.get $multiple)))
  (local.set $entry (i32.and (i32.shl (i32.wrap_i64 (local.get $n)) (i32.const 4)) (i32.const 0xff0)))
  (local.set $power (f64.reinterpret_i64 (i64.add
    (i64.add (i64.shl (local.get $n) (i64.const 44)) (local.get $sign))
    (i64.load $tables offset=8 (local.get $entry)))))
  (local.set $multiple (f64.sub (local.get $multiple) (f64.const 0x1.8p52)))
  (local.set $r (f64.sub
    (local.get $low)
    (f64.add
      (call $product_less (local.get $multiple) (f64.const 0x1.62e42feep-9) (local.get $first))
      (f64.mul (local.get $multiple) (f64.const 0x1.a39ef35793c76p-41)))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (f64.add
    (f64.mul
      (f64.add
        (f64.mul
          (f64.add
            (f64.add (f64.mul (local.get $r) (f64.const 0x1.5555571f19325p-3)) (f64.const 0x1.000000000037p-1))
            (f64.mul (local.get $square) (f64.const 0x1.55551f61980d6p-5)))
          (local.get $square))
        (f64.add (local.get $r) (f64.load $tables (local.get $entry))))
      (local.get $power))
    (local.get $power)))
