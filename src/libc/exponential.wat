;; Exponentials (C11, 7.12.6).

;; double exp(double x).
;;
;; FreeBSD's e_exp.c: x = k ln 2 + r with |r| at most half of ln 2, r = high - low to keep what rounding takes from
;; it. Then e^x = 2^k e^r, and e^r = 1 + r + r c / (2 - c), where c is r less a polynomial in r^2.
(func $exp (export "exp") (param $x f64) (result f64)
  (local $k i32) (local $high f64) (local $low f64) (local $r f64) (local $c f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.gt (local.get $x) (f64.const 709.782712893383973096)) (then (return (f64.const inf))))
  (if (f64.lt (local.get $x) (f64.const -745.13321910194110842)) (then (return (f64.const 0))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.00001p-28))
    (then (return (f64.add (f64.const 1) (local.get $x)))))
  (local.set $high (local.get $x))
  (if (f64.ge (f64.abs (local.get $x)) (f64.const 0x1.62e43p-2))
    (then
      (local.set $k (i32.trunc_f64_s (f64.add
        (f64.mul (f64.const 1.44269504088896338700e+00) (local.get $x))
        (f64.copysign (f64.const 0.5) (local.get $x)))))
      ;; ln 2 in two parts, the first so short that its product with k is exact.
      (local.set $high (f64.sub
        (local.get $x)
        (f64.mul (f64.convert_i32_s (local.get $k)) (f64.const 6.93147180369123816490e-01))))
      (local.set $low (f64.mul (f64.convert_i32_s (local.get $k)) (f64.const 1.90821492927058770002e-10)))))
  (local.set $r (f64.sub (local.get $high) (local.get $low)))
  (local.set $c (f64.sub (local.get $r) (call $exponential_series (f64.mul (local.get $r) (local.get $r)))))
  (call $scale
    (f64.add
      (f64.const 1)
      (f64.add
        (f64.sub
          (f64.div (f64.mul (local.get $r) (local.get $c)) (f64.sub (f64.const 2) (local.get $c)))
          (local.get $low))
        (local.get $high)))
    (local.get $k)))

;; double exp2(double x): exact for integers.
;;
;; FreeBSD's exp2 reads a table of 4 KiB. This is exp with a reduction that is exact, x = n + r, with r ln 2 = z + w in
;; twice the precision, and with what the rounding of both last sums loses.
(func $exp2 (export "exp2") (param $x f64) (result f64)
  (local $n f64) (local $r f64) (local $z f64) (local $w f64) (local $c f64) (local $q f64) (local $sum f64)
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (if (f64.ge (local.get $x) (f64.const 1024)) (then (return (f64.const inf))))
  (if (f64.le (local.get $x) (f64.const -1075)) (then (return (f64.const 0))))
  (local.set $n (f64.nearest (local.get $x)))
  (local.set $r (f64.sub (local.get $x) (local.get $n)))
  (local.set $z (f64.mul (local.get $r) (f64.const 0x1.62e42fefa39efp-1)))
  (local.set $w (f64.add
    (call $product_error (local.get $r) (f64.const 0x1.62e42fefa39efp-1) (local.get $z))
    (f64.mul (local.get $r) (f64.const 0x1.abc9e3b39803fp-56))))
  (local.set $c (f64.sub (local.get $z) (call $exponential_series (f64.mul (local.get $z) (local.get $z)))))
  (local.set $q (f64.add
    (f64.div (f64.mul (local.get $z) (local.get $c)) (f64.sub (f64.const 2) (local.get $c)))
    (f64.add (local.get $w) (f64.mul (local.get $z) (local.get $w)))))
  ;; 1 + z + q, the largest first.
  (local.set $sum (f64.add (local.get $z) (local.get $q)))
  (local.set $q (f64.add (f64.sub (local.get $z) (local.get $sum)) (local.get $q)))
  (local.set $z (f64.add (f64.const 1) (local.get $sum)))
  (local.set $q (f64.add (f64.add (f64.sub (f64.const 1) (local.get $z)) (local.get $sum)) (local.get $q)))
  (call $scale (f64.add (local.get $z) (local.get $q)) (i32.trunc_f64_s (local.get $n))))

;; 2^(high + low), for a sum from -1075 to 1024 and a low part that changes the high one in its last bits only.
;;
;; FreeBSD's e_pow.c, its third step: an integer is taken off, the rest times ln 2 is z + w in twice the precision,
;; and e^z as in exp.
(func $exp2_of_sum (param $high f64) (param $low f64) (result f64)
  (local $n i32) (local $rest f64) (local $u f64) (local $v f64) (local $z f64) (local $w f64) (local $c f64)
  (local.set $z (f64.add (local.get $low) (local.get $high)))
  (if (f64.ge (f64.abs (local.get $z)) (f64.const 0x1.00001p-1))
    (then
      (local.set $n (i32.trunc_f64_s
        (f64.add (local.get $z) (f64.copysign (f64.const 0.5) (local.get $z)))))
      (local.set $high (f64.sub (local.get $high) (f64.convert_i32_s (local.get $n))))))
  (local.set $rest (call $upper (f64.add (local.get $low) (local.get $high))))
  (local.set $u (f64.mul (local.get $rest) (f64.const 6.93147182464599609375e-01)))
  (local.set $v (f64.add
    (f64.mul
      (f64.sub (local.get $low) (f64.sub (local.get $rest) (local.get $high)))
      (f64.const 6.93147180559945286227e-01))
    (f64.mul (local.get $rest) (f64.const -1.90465429995776804525e-09))))
  (local.set $z (f64.add (local.get $u) (local.get $v)))
  (local.set $w (f64.sub (local.get $v) (f64.sub (local.get $z) (local.get $u))))
  (local.set $c (f64.sub (local.get $z) (call $exponential_series (f64.mul (local.get $z) (local.get $z)))))
  (call $scale
    (f64.sub
      (f64.const 1)
      (f64.sub
        (f64.sub
          (f64.div (f64.mul (local.get $z) (local.get $c)) (f64.sub (local.get $c) (f64.const 2)))
          (f64.add (local.get $w) (f64.mul (local.get $z) (local.get $w))))
        (local.get $z)))
    (local.get $n)))

;; r coth(r / 2) - 2 to within 2^-59, as a polynomial in t = r^2 (Remez's algorithm), for |r| below 0.3466.
(func $exponential_series (param $t f64) (result f64)
  (f64.mul (local.get $t)
  (f64.add (f64.const 1.66666666666666019037e-01) (f64.mul (local.get $t)
  (f64.add (f64.const -2.77777777770155933842e-03) (f64.mul (local.get $t)
  (f64.add (f64.const 6.61375632143793436117e-05) (f64.mul (local.get $t)
  (f64.add (f64.const -1.65339022054652515390e-06) (f64.mul (local.get $t)
  (f64.const 4.13813679705723846039e-08)))))))))))
