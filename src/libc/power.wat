;; The power function (C11, 7.12.7.4), after FreeBSD's e_pow.c.

;; double pow(double x, double y): exact where x, y and x^y are integers.
;;
;; Whole and half exponents up to 32 come first, and of these the ones that take one instruction: where y is a constant,
;; one path remains.
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
  (if (f64.eq (local.get $x) (f64.const 2)) (then (return (call $exp2 (local.get $y)))))
  (call $power (local.get $x) (local.get $y)))

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

;; x^y by FreeBSD's e_pow.c: log2 |x| is computed in two parts and multiplied by y in two parts; 2 to the power of that
;; is $exp2_of_sum.
(func $power (param $x f64) (param $y f64) (result f64)
  (local $magnitude f64) (local $sign f64)
  (if (f64.eq (local.get $x) (f64.const 1)) (then (return (f64.const 1))))
  (if (i32.or (f64.ne (local.get $x) (local.get $x)) (f64.ne (local.get $y) (local.get $y)))
    (then (return (f64.add (local.get $x) (local.get $y)))))
  (local.set $magnitude (f64.abs (local.get $x)))
  (if (f64.eq (f64.abs (local.get $y)) (f64.const inf))
    (then (return (call $pow_to_infinity (local.get $magnitude) (local.get $y)))))
  (local.set $sign (f64.const 1))
  (if (i64.lt_s (i64.reinterpret_f64 (local.get $x)) (i64.const 0))
    (then (local.set $sign (call $sign_of_power (local.get $y)))))
  ;; 0 and infinity: theirs is the sign of an even power even where y is no integer.
  (if (i32.or (f64.eq (local.get $x) (f64.const 0)) (f64.eq (local.get $magnitude) (f64.const inf)))
    (then
      (if (f64.lt (local.get $y) (f64.const 0))
        (then (local.set $magnitude (f64.div (f64.const 1) (local.get $magnitude)))))
      (return (select
        (f64.neg (local.get $magnitude))
        (local.get $magnitude)
        (f64.lt (local.get $sign) (f64.const 0))))))
  (f64.mul (local.get $sign) (call $pow_of_positive (local.get $magnitude) (local.get $y))))

;; The sign of a negative number's power: -1 if y is odd, 1 if it is even, a NaN if it is no integer.
(func $sign_of_power (param $y f64) (result f64)
  (local $half f64)
  (if (f64.ne (f64.trunc (local.get $y)) (local.get $y)) (then (return (f64.const nan))))
  (local.set $half (f64.mul (local.get $y) (f64.const 0.5)))
  (select (f64.const 1) (f64.const -1) (f64.eq (f64.trunc (local.get $half)) (local.get $half))))

;; |x| to the power of an infinite y.
(func $pow_to_infinity (param $magnitude f64) (param $y f64) (result f64)
  (if (f64.eq (local.get $magnitude) (f64.const 1)) (then (return (f64.const 1))))
  (select
    (f64.const inf)
    (f64.const 0)
    (i32.eq
      (f64.gt (local.get $magnitude) (f64.const 1))
      (f64.gt (local.get $y) (f64.const 0)))))

;; x^y for finite x > 0 and finite y.
(func $pow_of_positive (param $x f64) (param $y f64) (result f64)
  (local $log f64) (local $rest f64) (local $y_high f64) (local $low f64) (local $high f64) (local $sum f64)
  (if (f64.eq (local.get $x) (f64.const 1)) (then (return (f64.const 1))))
  (if (f64.ge (f64.abs (local.get $y)) (f64.const 0x1.00001p31))
    (then
      ;; 2^31 and above overflow or underflow unless x is within 2^-20 of 1, 2^64 and above even then.
      (if (i32.or
            (f64.ge (f64.abs (local.get $y)) (f64.const 0x1.00001p64))
            (i32.or
              (f64.lt (local.get $x) (f64.const 0x1.fffffp-1))
              (f64.ge (local.get $x) (f64.const 0x1.00001p0))))
        (then (return (call $pow_to_infinity (local.get $x) (local.get $y)))))
      (call $log2_near_1 (local.get $x))
      (local.set $rest)
      (local.set $log))
    (else
      (call $log2_in_two_parts (local.get $x))
      (local.set $rest)
      (local.set $log)))
  (local.set $y_high (call $upper (local.get $y)))
  (local.set $low (f64.add
    (f64.mul (f64.sub (local.get $y) (local.get $y_high)) (local.get $log))
    (f64.mul (local.get $y) (local.get $rest))))
  (local.set $high (f64.mul (local.get $y_high) (local.get $log)))
  (local.set $sum (f64.add (local.get $low) (local.get $high)))
  ;; At the limits the low part decides: 8.0e-17 is 1024 - log2(the largest double + half a unit).
  (if (f64.ge (local.get $sum) (f64.const 1024))
    (then
      (if (i32.or
            (f64.gt (local.get $sum) (f64.const 1024))
            (f64.gt
              (f64.add (local.get $low) (f64.const 8.0085662595372944372e-17))
              (f64.sub (local.get $sum) (local.get $high))))
        (then (return (f64.const inf))))))
  (if (f64.le (local.get $sum) (f64.const -1075))
    (then
      (if (i32.or
            (f64.lt (local.get $sum) (f64.const -1075))
            (f64.le (local.get $low) (f64.sub (local.get $sum) (local.get $high))))
        (then (return (f64.const 0))))))
  (call $exp2_of_sum (local.get $high) (local.get $low)))

;; log2 x in two parts, for |x - 1| below 2^-20: four terms of the series of log(1 + t), and 1 / ln 2 in two parts.
(func $log2_near_1 (param $x f64) (result f64 f64)
  (local $t f64) (local $w f64) (local $u f64) (local $v f64) (local $log f64)
  (local.set $t (f64.sub (local.get $x) (f64.const 1)))
  (local.set $w (f64.mul
    (f64.mul (local.get $t) (local.get $t))
    (f64.sub
      (f64.const 0.5)
      (f64.mul
        (local.get $t)
        (f64.sub (f64.const 0.3333333333333333333333) (f64.mul (local.get $t) (f64.const 0.25)))))))
  (local.set $u (f64.mul (f64.const 1.44269502162933349609e+00) (local.get $t)))
  (local.set $v (f64.sub
    (f64.mul (local.get $t) (f64.const 1.92596299112661746887e-08))
    (f64.mul (local.get $w) (f64.const 1.44269504088896338700e+00))))
  (local.set $log (call $upper (f64.add (local.get $u) (local.get $v))))
  (local.get $log)
  (f64.sub (local.get $v) (f64.sub (local.get $log) (local.get $u))))

;; log2 x in two parts, for finite x > 0.
;;
;; x = 2^n m with m from sqrt(3/4) to sqrt(3/2) and near = 1, or from there to sqrt(3) and near = 3/2. With
;; s = (m - near) / (m + near), the logarithm of m / near is 2/3 s (3 + s^2 + r) for a polynomial r; s, the sum and
;; the product are each kept in two parts.
(func $log2_in_two_parts (param $x f64) (result f64 f64)
  (local $n i32) (local $m f64) (local $near f64)
  (local $u f64) (local $v f64) (local $s f64) (local $s_high f64) (local $s_low f64) (local $square f64)
  (local $r f64) (local $t_high f64) (local $t_low f64) (local $high f64) (local $low f64) (local $log f64)
  (local $of_near f64)
  (local.set $n (call $binary_exponent (local.get $x)))
  (local.set $m (call $binary_significand (local.get $x)))
  (local.set $near (f64.const 1))
  (if (f64.ge (local.get $m) (f64.const 0x1.bb67ap0))
    (then
      (local.set $m (f64.mul (local.get $m) (f64.const 0.5)))
      (local.set $n (i32.add (local.get $n) (i32.const 1))))
    (else
      (if (f64.ge (local.get $m) (f64.const 0x1.3988fp0)) (then (local.set $near (f64.const 1.5))))))
  ;; s, with t_high + t_low for m + near.
  (local.set $u (f64.sub (local.get $m) (local.get $near)))
  (local.set $v (f64.div (f64.const 1) (f64.add (local.get $m) (local.get $near))))
  (local.set $s (f64.mul (local.get $u) (local.get $v)))
  (local.set $s_high (call $upper (local.get $s)))
  (local.set $t_high (call $upper_sum (local.get $m) (local.get $near)))
  (local.set $t_low (f64.sub (local.get $m) (f64.sub (local.get $t_high) (local.get $near))))
  (local.set $s_low (f64.mul
    (local.get $v)
    (f64.sub
      (f64.sub (local.get $u) (f64.mul (local.get $s_high) (local.get $t_high)))
      (f64.mul (local.get $s_high) (local.get $t_low)))))
  ;; 3 + s^2 + r, again as t_high + t_low.
  (local.set $r (f64.add
    (call $power_series (f64.mul (local.get $s) (local.get $s)))
    (f64.mul (local.get $s_low) (f64.add (local.get $s_high) (local.get $s)))))
  (local.set $square (f64.mul (local.get $s_high) (local.get $s_high)))
  (local.set $t_high (call $upper (f64.add (f64.add (f64.const 3) (local.get $square)) (local.get $r))))
  (local.set $t_low (f64.sub
    (local.get $r)
    (f64.sub (f64.sub (local.get $t_high) (f64.const 3)) (local.get $square))))
  ;; Times s, then times 2 / (3 ln 2), which is 0.96 in two parts.
  (local.set $u (f64.mul (local.get $s_high) (local.get $t_high)))
  (local.set $v (f64.add
    (f64.mul (local.get $s_low) (local.get $t_high))
    (f64.mul (local.get $t_low) (local.get $s))))
  (local.set $high (call $upper (f64.add (local.get $u) (local.get $v))))
  (local.set $low (f64.sub (local.get $v) (f64.sub (local.get $high) (local.get $u))))
  (local.set $low (f64.add
    (f64.add
      (f64.mul (f64.const -7.02846165095275826516e-09) (local.get $high))
      (f64.mul (local.get $low) (f64.const 9.61796693925975554329e-01)))
    (select (f64.const 0) (f64.const 1.35003920212974897128e-08) (f64.eq (local.get $near) (f64.const 1)))))
  (local.set $high (f64.mul (f64.const 9.61796700954437255859e-01) (local.get $high)))
  ;; And log2 of near and n, which are the leading bits.
  (local.set $of_near
    (select (f64.const 0) (f64.const 5.84962487220764160156e-01) (f64.eq (local.get $near) (f64.const 1))))
  (local.set $log (call $upper (f64.add
    (f64.add (f64.add (local.get $high) (local.get $low)) (local.get $of_near))
    (f64.convert_i32_s (local.get $n)))))
  (local.get $log)
  (f64.sub
    (local.get $low)
    (f64.sub
      (f64.sub
        (f64.sub (local.get $log) (f64.convert_i32_s (local.get $n)))
        (local.get $of_near))
      (local.get $high))))

;; The leading bits of m + near, for m from sqrt(3/4) to sqrt(3) and near 1 or 1.5.
(func $upper_sum (param $m f64) (param $near f64) (result f64)
  (local $bits i32)
  (local.set $bits (i32.wrap_i64 (i64.shr_u (i64.reinterpret_f64 (local.get $m)) (i64.const 32))))
  (f64.reinterpret_i64 (i64.shl
    (i64.extend_i32_u (i32.add
      (i32.add (i32.or (i32.shr_u (local.get $bits) (i32.const 1)) (i32.const 0x20000000)) (i32.const 0x00080000))
      (select (i32.const 0) (i32.const 0x00040000) (f64.eq (local.get $near) (f64.const 1)))))
    (i64.const 32))))

;; r as a polynomial in t = s^2 (Remez's algorithm).
(func $power_series (param $t f64) (result f64)
  (f64.mul (f64.mul (local.get $t) (local.get $t))
  (f64.add (f64.const 5.99999999999994648725e-01) (f64.mul (local.get $t)
  (f64.add (f64.const 4.28571428578550184252e-01) (f64.mul (local.get $t)
  (f64.add (f64.const 3.33333329818377432918e-01) (f64.mul (local.get $t)
  (f64.add (f64.const 2.72728123808534006489e-01) (f64.mul (local.get $t)
  (f64.add (f64.const 2.30660745775561754067e-01) (f64.mul (local.get $t)
  (f64.const 2.06975017800338417784e-01)))))))))))))
