;; Roots and the hypotenuse (C11, 7.12.7).

(func $sqrt (export "sqrt") (param $x f64) (result f64) (f64.sqrt (local.get $x)))

(func $sqrtf (export "sqrtf") (param $x f32) (result f32) (f32.sqrt (local.get $x)))

;; double cbrt(double x): correctly rounded.
;;
;; What $root_parts gives has an error below 2^-50 of its rest. Where that decides how the sum is rounded, another method does.
(func $cbrt (export "cbrt") (param $x f64) (result f64)
  (local $magnitude i64) (local $entry i32) (local $n i64) (local $rest f64) (local $root f64) (local $result f64)
  (local.set $magnitude (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0x7fffffffffffffff)))
  ;; No normal number.
  (if (i32.ge_u
        (i32.sub (i32.wrap_i64 (i64.shr_u (local.get $magnitude) (i64.const 32))) (i32.const 0x00100000))
        (i32.const 0x7fe00000))
    (then (return (call $cbrt_far (local.get $x)))))
  (call $root_parts (local.get $magnitude))
  (local.set $rest)
  (local.set $entry)
  (local.set $n)
  (local.set $root (f64.copysign
    (f64.reinterpret_i64 (i64.add
      (i64.load $tables offset=24728 (local.get $entry))
      (i64.shl (local.get $n) (i64.const 52))))
    (local.get $x)))
  (local.set $rest (f64.mul (local.get $root) (local.get $rest)))
  (local.set $result (f64.add (local.get $root) (f64.mul (local.get $rest) (f64.const 0x1.0000000000004p+0))))
  (if (f64.ne
        (local.get $result)
        (f64.add (local.get $root) (f64.mul (local.get $rest) (f64.const 0x1.ffffffffffff8p-1))))
    (then (return (call $cbrt_far (local.get $x)))))
  (local.get $result))

;; x^(1/3) for the bits of a normal x above 0, the third being the double 0x1.5555555555555p-2, which is 2^-54 / 3 less.
;;
;; The root of x as in cbrt, times 1 - 2^-54 log(x) / 3: the polynomial takes care of the logarithm of 1 + r.
(func $power_of_third (param $bits i64) (result f64)
  (local $entry i32) (local $n i64) (local $rest f64) (local $root f64) (local $less f64)
  (call $root_parts (local.get $bits))
  (local.set $rest)
  (local.set $entry)
  (local.set $n)
  (local.set $less (f64.add
    (f64.mul (f64.convert_i32_s (i32.wrap_i64 (local.get $n))) (f64.const 0x1.62e42fefa39efp-55))
    (f64.load $tables offset=24720 (local.get $entry))))
  (local.set $root (f64.reinterpret_i64 (i64.add
    (i64.load $tables offset=24728 (local.get $entry))
    (i64.shl (local.get $n) (i64.const 52)))))
  (f64.add
    (f64.mul
      (f64.sub
        (local.get $rest)
        (f64.add (f64.mul (local.get $less) (local.get $rest)) (local.get $less)))
      (local.get $root))
    (local.get $root)))

;; For the bits of a normal x above 0, 8^n z with z from 2 to 16: n, where in the table the root of a c near z is, and
;; (z/c)^(1/3) - 1.
;;
;; The root has so few bits that c is exact, and so is z - c, for r = z/c - 1 is within 2^-7 of 0. (1 + r)^(1/3) - 1 is a
;; polynomial within 2^-68.7 of it (weighted least squares, by C. L. Lawson's iteration) that begins with r times the double below
;; 1/3.
(func $root_parts (param $bits i64) (result i64 i32 f64)
  (local $n i64) (local $z i64) (local $entry i32) (local $r f64) (local $square f64)
  ;; By 3, of numbers up to 2048.
  (local.set $n (i64.sub
    (i64.shr_u
      (i64.mul
        (i64.add (i64.shr_u (local.get $bits) (i64.const 52)) (i64.const 2))
        (i64.const 21846))
      (i64.const 16))
    (i64.const 342)))
  (local.set $z (i64.sub
    (local.get $bits)
    (i64.shl (i64.mul (local.get $n) (i64.const 3)) (i64.const 52))))
  (local.set $entry (i32.and (i32.wrap_i64 (i64.shr_u (local.get $z) (i64.const 41))) (i32.const 0x1fe0)))
  (local.set $r (f64.mul
    (f64.sub (f64.reinterpret_i64 (local.get $z)) (f64.load $tables offset=24712 (local.get $entry)))
    (f64.load $tables offset=24704 (local.get $entry))))
  (local.set $square (f64.mul (local.get $r) (local.get $r)))
  (local.get $n)
  (local.get $entry)
  (f64.mul
    (f64.add
      (f64.add
        (f64.mul
          (f64.add
            (f64.mul
              (f64.add
                (f64.add (f64.mul (local.get $r) (f64.const -0x1.8098af24a2fd4p-6)) (f64.const 0x1.ee71133b1c905p-6))
                (f64.mul (local.get $square) (f64.const 0x1.37584ddf4ac4fp-6)))
              (local.get $square))
            (f64.add (f64.mul (local.get $r) (f64.const -0x1.511e8d220629ap-5)) (f64.const 0x1.f9add3c0ca4ebp-5)))
          (local.get $square))
        (f64.mul (local.get $r) (f64.const -0x1.c71c71c71c74dp-4)))
      (f64.const 0x1.5555555555555p-2))
    (local.get $r)))

;; The method of CORE-MATH (A. Sibidanov and P. Zimmermann, binary64/cbrt): a cubic approximates the root of the
;; significand, one cubic and one linear step of Newton's method follow, the last with the cube in twice the precision.
;; Where the remainder lies so close to half a unit that its error could decide, another step refines it.
(func $cbrt_far (param $x f64) (result f64)
  (local $significand f64) (local $exponent i32) (local $scaled f64) (local $inverse f64)
  (local $root f64) (local $rest f64)
  (if (i32.eqz (i32.and
        (f64.gt (f64.abs (local.get $x)) (f64.const 0))
        (f64.lt (f64.abs (local.get $x)) (f64.const inf))))
    (then (return (f64.add (local.get $x) (local.get $x)))))
  ;; |x| = significand * 2^exponent; scaled = significand * 2^(exponent mod 3), from 1 to 8.
  (local.set $exponent (call $binary_exponent (local.get $x)))
  (local.set $significand (call $binary_significand (local.get $x)))
  (local.set $scaled (f64.mul
    (local.get $significand)
    (call $power_of_two (call $modulo_3 (local.get $exponent)))))
  (local.set $inverse (f64.mul
    (f64.div (f64.const 1) (local.get $significand))
    (call $power_of_two (i32.sub (i32.const 0) (call $modulo_3 (local.get $exponent))))))
  (local.set $root (f64.mul
    (call $root_of_significand (local.get $significand))
    (call $cbrt_of_power (call $modulo_3 (local.get $exponent)))))
  (call $improve (local.get $root) (local.get $scaled) (local.get $inverse))
  (local.set $rest)
  (local.set $root)
  (if (call $may_be_half (f64.abs (local.get $rest)))
    (then
      (call $improve (local.get $root) (local.get $scaled) (local.get $inverse))
      (local.set $rest)
      (local.set $root)
      ;; Two significands for which even that does not decide.
      (if (f64.eq (local.get $scaled) (f64.const 0x1.9b78223aa307cp+1))
        (then (local.set $root (f64.const 0x1.79d15d0e8d59cp+0))))
      (if (f64.eq (local.get $scaled) (f64.const 0x1.a202bfc89ddffp+2))
        (then (local.set $root (f64.const 0x1.de87aa837820fp+0))))))
  (f64.copysign
    (f64.mul
      (local.get $root)
      (call $power_of_two (i32.div_s
        (i32.sub (local.get $exponent) (call $modulo_3 (local.get $exponent)))
        (i32.const 3))))
    (local.get $x)))

;; Whether a remainder is half or one and a half units of a number from 1 to 2, as far as one can tell.
(func $may_be_half (param $rest f64) (result i32)
  (i32.or
    (f64.lt (f64.abs (f64.sub (local.get $rest) (f64.const 0x1p-53))) (f64.const 0x1p-75))
    (f64.lt (f64.abs (f64.sub (local.get $rest) (f64.const 0x1.8p-52))) (f64.const 0x1p-75))))

;; A step of Newton's method for y^3 = z, z from 1 to 8, in two parts; inverse = 1 / z.
(func $improve (param $y f64) (param $z f64) (param $inverse f64) (result f64 f64)
  (local $square f64) (local $cube f64) (local $cube_low f64) (local $step f64) (local $better f64)
  (local.set $square (f64.mul (local.get $y) (local.get $y)))
  (local.set $cube (f64.mul (local.get $square) (local.get $y)))
  (local.set $cube_low (f64.add
    (call $product_error (local.get $y) (local.get $square) (local.get $cube))
    (f64.mul (local.get $y) (call $product_error (local.get $y) (local.get $y) (local.get $square)))))
  (local.set $step (f64.mul
    (f64.mul
      (f64.add (f64.sub (local.get $cube) (local.get $z)) (local.get $cube_low))
      (local.get $inverse))
    (f64.mul (local.get $y) (f64.const 0x1.5555555555555p-2))))
  (local.set $better (f64.sub (local.get $y) (local.get $step)))
  (local.get $better)
  (f64.sub (f64.sub (local.get $y) (local.get $better)) (local.get $step)))

;; The cube root of z from 1 to 2: within 9.2e-5 by a cubic, then a cubic step of Newton's method.
(func $root_of_significand (param $z f64) (result f64)
  (local $y f64) (local $error f64)
  (local.set $y (f64.add
    (f64.add (f64.const 0x1.1b0babccfef9cp-1) (f64.mul (local.get $z) (f64.const 0x1.2c9a3e94d1da5p-1)))
    (f64.mul
      (f64.mul (local.get $z) (local.get $z))
      (f64.add (f64.const -0x1.4dc30b1a1ddbap-3) (f64.mul (local.get $z) (f64.const 0x1.7a8d3e4ec9b07p-6))))))
  (local.set $error (f64.sub
    (f64.mul
      (f64.mul (local.get $y) (local.get $y))
      (f64.mul (local.get $y) (f64.div (f64.const 1) (local.get $z))))
    (f64.const 1)))
  (f64.sub
    (local.get $y)
    (f64.mul
      (f64.mul (local.get $error) (local.get $y))
      (f64.sub (f64.const 0x1.5555555555555p-2) (f64.mul (f64.const 0x1.c71c71c71c71cp-3) (local.get $error))))))

;; The cube root of 2^n, n being 0, 1 or 2.
(func $cbrt_of_power (param $n i32) (result f64)
  (if (i32.eqz (local.get $n)) (then (return (f64.const 1))))
  (select
    (f64.const 0x1.428a2f98d728bp+0)
    (f64.const 0x1.965fea53d6e3dp+0)
    (i32.eq (local.get $n) (i32.const 1))))

;; n modulo 3, for n from -1074 to 1023.
(func $modulo_3 (param $n i32) (result i32)
  (i32.rem_u (i32.add (local.get $n) (i32.const 1074)) (i32.const 3)))

;; |x| = binary_significand(x) * 2^binary_exponent(x) for any finite x but 0, the significand from 1 to 2.
(func $binary_significand (param $x f64) (result f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-1022))
    (then (local.set $x (f64.mul (local.get $x) (f64.const 0x1p54)))))
  (f64.reinterpret_i64 (i64.or
    (i64.and (i64.reinterpret_f64 (local.get $x)) (i64.const 0x000fffffffffffff))
    (i64.const 0x3ff0000000000000))))

(func $binary_exponent (param $x f64) (result i32)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-1022))
    (then (return (i32.sub (call $biased_exponent (f64.mul (local.get $x) (f64.const 0x1p54))) (i32.const 1077)))))
  (i32.sub (call $biased_exponent (local.get $x)) (i32.const 1023)))

;; double hypot(double x, double y): the root of x^2 + y^2, with the squares and their sum in twice the precision. A square is
;; taken apart by the upper 26 bits of its root; what rounding takes from the sum, by D. E. Knuth's method.
(func $hypot (export "hypot") (param $x f64) (param $y f64) (result f64)
  (local $x_square f64) (local $y_square f64) (local $x_upper f64) (local $y_upper f64) (local $x_lower f64)
  (local $y_lower f64) (local $sum f64) (local $other f64)
  (local.set $x_square (f64.mul (local.get $x) (local.get $x)))
  (local.set $y_square (f64.mul (local.get $y) (local.get $y)))
  (local.set $sum (f64.add (local.get $x_square) (local.get $y_square)))
  (if (f64.lt (local.get $sum) (f64.const 0x1p1000))
    (then
      (if (f64.gt (local.get $sum) (f64.const 0x1p-900))
        (then
          (local.set $x_upper (f64.reinterpret_i64 (i64.and
            (i64.reinterpret_f64 (local.get $x))
            (i64.const 0xfffffffff8000000))))
          (local.set $y_upper (f64.reinterpret_i64 (i64.and
            (i64.reinterpret_f64 (local.get $y))
            (i64.const 0xfffffffff8000000))))
          (local.set $x_lower (f64.sub (local.get $x) (local.get $x_upper)))
          (local.set $y_lower (f64.sub (local.get $y) (local.get $y_upper)))
          (local.set $other (f64.sub (local.get $sum) (local.get $x_square)))
          (return (f64.sqrt (f64.add
            (f64.add
              (f64.add
                (f64.sub (local.get $x_square) (f64.sub (local.get $sum) (local.get $other)))
                (f64.sub (local.get $y_square) (local.get $other)))
              (f64.add
                (f64.add
                  (f64.sub (f64.mul (local.get $x_upper) (local.get $x_upper)) (local.get $x_square))
                  (f64.mul (f64.add (local.get $x) (local.get $x_upper)) (local.get $x_lower)))
                (f64.add
                  (f64.sub (f64.mul (local.get $y_upper) (local.get $y_upper)) (local.get $y_square))
                  (f64.mul (f64.add (local.get $y) (local.get $y_upper)) (local.get $y_lower)))))
            (local.get $sum))))))))
  (call $hypot_far (local.get $x) (local.get $y)))

;; The same where a square could overflow or lose bits (FreeBSD's and musl's hypot.c).
(func $hypot_far (param $x f64) (param $y f64) (result f64)
  (local $large f64) (local $small f64) (local $unit f64)
  (if (i32.or
        (f64.eq (f64.abs (local.get $x)) (f64.const inf))
        (f64.eq (f64.abs (local.get $y)) (f64.const inf)))
    (then (return (f64.const inf))))
  (local.set $large (f64.max (f64.abs (local.get $x)) (f64.abs (local.get $y))))
  (local.set $small (f64.min (f64.abs (local.get $x)) (f64.abs (local.get $y))))
  ;; Too small to count, 0 included; a NaN is not less, and passes through the rest.
  (if (f64.lt (f64.mul (local.get $small) (f64.const 0x1p65)) (local.get $large))
    (then (return (local.get $large))))
  (local.set $unit (f64.const 1))
  (if (f64.ge (local.get $large) (f64.const 0x1p511))
    (then (local.set $unit (f64.const 0x1p700)))
    (else
      (if (f64.lt (local.get $small) (f64.const 0x1p-450))
        (then (local.set $unit (f64.const 0x1p-700))))))
  (f64.mul
    (local.get $unit)
    (call $root_of_squares
      (f64.mul (local.get $large) (f64.div (f64.const 1) (local.get $unit)))
      (f64.mul (local.get $small) (f64.div (f64.const 1) (local.get $unit))))))

(func $root_of_squares (param $large f64) (param $small f64) (result f64)
  (local $large_square f64) (local $small_square f64)
  (local.set $large_square (f64.mul (local.get $large) (local.get $large)))
  (local.set $small_square (f64.mul (local.get $small) (local.get $small)))
  (f64.sqrt
    (f64.add
      (f64.add
        (f64.add
          (call $product_error (local.get $small) (local.get $small) (local.get $small_square))
          (call $product_error (local.get $large) (local.get $large) (local.get $large_square)))
        (local.get $small_square))
      (local.get $large_square))))
