;; Logarithms (C11, 7.12.6), after FreeBSD's e_log.c, e_log2.c and e_log10.c.
;;
;; x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). With s = f / (2 + f), log(1 + f) = 2 s + s R(s^2), which is
;; f - f^2 / 2 + s (f^2 / 2 + R): in this form the leading term is exact.

;; double log(double x).
(func $log (export "log") (param $x f64) (result f64)
  (local $f f64) (local $k f64)
  (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
  (local.set $f (call $log_fraction (local.get $x)))
  (local.set $k (call $log_exponent (local.get $x)))
  (f64.add
    (f64.add
      (f64.sub
        (f64.add
          (call $log_series (local.get $f))
          (f64.mul (local.get $k) (f64.const 1.90821492927058770002e-10)))
        (call $half_square (local.get $f)))
      (local.get $f))
    (f64.mul (local.get $k) (f64.const 6.93147180369123816490e-01))))

;; double log2(double x): exact for powers of two.
;;
;; log(1 + f) = high + low with 21 bits in high, 1 / ln 2 is in two parts too, and k is added with what that sum loses.
(func $log2 (export "log2") (param $x f64) (result f64)
  (local $f f64) (local $k f64) (local $high f64) (local $low f64) (local $sum f64)
  (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
  (local.set $f (call $log_fraction (local.get $x)))
  (local.set $k (call $log_exponent (local.get $x)))
  (local.set $high (call $log_high (local.get $f)))
  (local.set $low (call $log_low (local.get $f) (local.get $high)))
  (local.set $low (f64.add
    (f64.mul (f64.add (local.get $low) (local.get $high)) (f64.const 1.67517131648865118353e-10))
    (f64.mul (local.get $low) (f64.const 1.44269504072144627571e+00))))
  (local.set $high (f64.mul (local.get $high) (f64.const 1.44269504072144627571e+00)))
  (local.set $sum (f64.add (local.get $k) (local.get $high)))
  (f64.add
    (f64.add (local.get $low) (f64.add (f64.sub (local.get $k) (local.get $sum)) (local.get $high)))
    (local.get $sum)))

;; double log10(double x). As log2, with the logarithm of 2 in two parts as well.
(func $log10 (export "log10") (param $x f64) (result f64)
  (local $f f64) (local $k f64) (local $high f64) (local $low f64) (local $whole f64) (local $sum f64)
  (if (call $has_no_logarithm (local.get $x)) (then (return (call $logarithm_of_special (local.get $x)))))
  (local.set $f (call $log_fraction (local.get $x)))
  (local.set $k (call $log_exponent (local.get $x)))
  (local.set $high (call $log_high (local.get $f)))
  (local.set $low (call $log_low (local.get $f) (local.get $high)))
  (local.set $low (f64.add
    (f64.add
      (f64.mul (local.get $k) (f64.const 3.69423907715893078616e-13))
      (f64.mul (f64.add (local.get $low) (local.get $high)) (f64.const 2.50829467116452752298e-11)))
    (f64.mul (local.get $low) (f64.const 4.34294481878168880939e-01))))
  (local.set $high (f64.mul (local.get $high) (f64.const 4.34294481878168880939e-01)))
  (local.set $whole (f64.mul (local.get $k) (f64.const 3.01029995663611771306e-01)))
  (local.set $sum (f64.add (local.get $whole) (local.get $high)))
  (f64.add
    (f64.add (local.get $low) (f64.add (f64.sub (local.get $whole) (local.get $sum)) (local.get $high)))
    (local.get $sum)))

(func $has_no_logarithm (param $x f64) (result i32)
  (i32.eqz (i32.and (f64.gt (local.get $x) (f64.const 0)) (f64.lt (local.get $x) (f64.const inf)))))

;; -infinity for zeros, infinity for itself, a NaN for the rest.
(func $logarithm_of_special (param $x f64) (result f64)
  (if (f64.eq (local.get $x) (f64.const 0)) (then (return (f64.const -inf))))
  (if (f64.gt (local.get $x) (f64.const 0)) (then (return (local.get $x))))
  (f64.div (f64.sub (local.get $x) (local.get $x)) (f64.const 0)))

;; The bits of a positive x, moved up by the distance from sqrt(1/2) to 1: that makes the exponent field k + 1023, and
;; the rest count from sqrt(1/2). A subnormal x is made normal first.
(func $log_bits (param $x f64) (result i64)
  (if (f64.lt (local.get $x) (f64.const 0x1p-1022))
    (then (local.set $x (f64.mul (local.get $x) (f64.const 0x1p54)))))
  (i64.add (i64.reinterpret_f64 (local.get $x)) (i64.const 0x00095f6200000000)))

;; f.
(func $log_fraction (param $x f64) (result f64)
  (f64.sub
    (f64.reinterpret_i64 (i64.add
      (i64.and (call $log_bits (local.get $x)) (i64.const 0x000fffffffffffff))
      (i64.const 0x3fe6a09e00000000)))
    (f64.const 1)))

;; k.
(func $log_exponent (param $x f64) (result f64)
  (local $k i32)
  (local.set $k (i32.sub
    (i32.wrap_i64 (i64.shr_u (call $log_bits (local.get $x)) (i64.const 52)))
    (i32.const 1023)))
  (if (f64.lt (local.get $x) (f64.const 0x1p-1022))
    (then (local.set $k (i32.sub (local.get $k) (i32.const 54)))))
  (f64.convert_i32_s (local.get $k)))

;; f^2 / 2.
(func $half_square (param $f f64) (result f64)
  (f64.mul (f64.mul (f64.const 0.5) (local.get $f)) (local.get $f)))

;; log(1 + f) with 21 bits, of which log_low gives the rest.
(func $log_high (param $f f64) (result f64)
  (call $upper (f64.sub (local.get $f) (call $half_square (local.get $f)))))

(func $log_low (param $f f64) (param $high f64) (result f64)
  (f64.add
    (f64.sub (f64.sub (local.get $f) (local.get $high)) (call $half_square (local.get $f)))
    (call $log_series (local.get $f))))

;; s (f^2 / 2 + R(s^2)), R within 2^-58.45 (Remez's algorithm), its odd and even terms apart.
(func $log_series (param $f f64) (result f64)
  (local $s f64) (local $z f64) (local $w f64) (local $even f64) (local $odd f64)
  (local.set $s (f64.div (local.get $f) (f64.add (f64.const 2) (local.get $f))))
  (local.set $z (f64.mul (local.get $s) (local.get $s)))
  (local.set $w (f64.mul (local.get $z) (local.get $z)))
  (local.set $even
    (f64.mul (local.get $w)
    (f64.add (f64.const 3.999999999940941908e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 2.222219843214978396e-01) (f64.mul (local.get $w)
    (f64.const 1.531383769920937332e-01)))))))
  (local.set $odd
    (f64.mul (local.get $z)
    (f64.add (f64.const 6.666666666666735130e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 2.857142874366239149e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 1.818357216161805012e-01) (f64.mul (local.get $w)
    (f64.const 1.479819860511658591e-01)))))))))
  (f64.mul
    (local.get $s)
    (f64.add (call $half_square (local.get $f)) (f64.add (local.get $odd) (local.get $even)))))
