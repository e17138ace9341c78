;; Arc functions (C11, 7.12.4), after FreeBSD's e_asin.c, e_acos.c, s_atan.c and e_atan2.c.

;; double asin(double x).
;;
;; Below 1/2, x + x R(x^2) with a rational function R. Above, pi/2 - 2 asin(s) for s = sqrt((1 - x) / 2), where s and
;; pi/2 are taken in two parts unless x is so near 1 that s is small.
(func $asin (export "asin") (param $x f64) (result f64)
  (local $z f64) (local $s f64) (local $s_high f64) (local $r f64) (local $result f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const 1)))
    (then (return (call $asin_of_special (local.get $x)))))
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0.5))
    (then
      (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-26)) (then (return (local.get $x))))
      (return (f64.add
        (local.get $x)
        (f64.mul (local.get $x) (call $arc_series (f64.mul (local.get $x) (local.get $x))))))))
  (local.set $z (f64.mul (f64.sub (f64.const 1) (f64.abs (local.get $x))) (f64.const 0.5)))
  (local.set $s (f64.sqrt (local.get $z)))
  (local.set $r (call $arc_series (local.get $z)))
  (if (f64.ge (f64.abs (local.get $x)) (f64.const 0x1.f3333p-1))
    (then
      (local.set $result (f64.sub
        (f64.const 1.57079632679489655800e+00)
        (f64.sub
          (f64.mul
            (f64.const 2)
            (f64.add (local.get $s) (f64.mul (local.get $s) (local.get $r))))
          (f64.const 6.12323399573676603587e-17)))))
    (else
      (local.set $s_high (call $upper (local.get $s)))
      (local.set $result (f64.sub
        (f64.const 7.85398163397448278999e-01)
        (f64.sub
          (f64.sub
            (f64.mul (f64.mul (f64.const 2) (local.get $s)) (local.get $r))
            (f64.sub
              (f64.const 6.12323399573676603587e-17)
              (f64.mul (f64.const 2) (call $root_rest_of (local.get $z) (local.get $s) (local.get $s_high)))))
          (f64.sub
            (f64.const 7.85398163397448278999e-01)
            (f64.mul (f64.const 2) (local.get $s_high))))))))
  (f64.copysign (local.get $result) (local.get $x)))

;; asin of +-1; a NaN beyond.
(func $asin_of_special (param $x f64) (result f64)
  (if (f64.eq (f64.abs (local.get $x)) (f64.const 1))
    (then (return (f64.mul (local.get $x) (f64.const 1.57079632679489655800e+00)))))
  (f64.div (f64.const 0) (f64.sub (local.get $x) (local.get $x))))

;; double acos(double x).
;;
;; pi/2 - asin x below 1/2; beyond, 2 asin(s) or pi - 2 asin(s) with s as in asin. All are H + G (s + s R(s^2)), where s is
;; |x| below 1/2, and H and G are in a table: which of them it is cannot be foreseen, so there is no branch on it.
(func $acos (export "acos") (param $x f64) (result f64)
  (local $bits i64) (local $beyond i32) (local $entry i32) (local $z f64) (local $s f64) (local $s_high f64)
  (if (i32.eqz (f64.lt (f64.abs (local.get $x)) (f64.const 1)))
    (then (return (call $acos_of_special (local.get $x)))))
  (local.set $bits (i64.reinterpret_f64 (local.get $x)))
  (local.set $beyond (i64.ge_u
    (i64.and (local.get $bits) (i64.const 0x7fffffffffffffff))
    (i64.const 0x3fe0000000000000)))
  (local.set $entry (i32.or
    (i32.shl (local.get $beyond) (i32.const 6))
    (i32.shl (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 63))) (i32.const 5))))
  (local.set $z (f64.reinterpret_i64 (select
    (i64.reinterpret_f64 (f64.mul (f64.sub (f64.const 1) (f64.abs (local.get $x))) (f64.const 0.5)))
    (i64.reinterpret_f64 (f64.mul (local.get $x) (local.get $x)))
    (local.get $beyond))))
  (local.set $s (f64.sqrt (local.get $z)))
  (local.set $s_high (call $upper (local.get $s)))
  (f64.add
    (f64.mul
      (f64.add
        (f64.add
          (f64.add
            (f64.mul (call $arc_series (local.get $z)) (local.get $s))
            (f64.load $tables offset=16392 (local.get $entry)))
          ;; As $root_rest_of, but 0 for 0.
          (f64.div
            (f64.sub (local.get $z) (f64.mul (local.get $s_high) (local.get $s_high)))
            (f64.add (f64.add (local.get $s) (local.get $s_high)) (f64.const 0x1p-1000))))
        (local.get $s_high))
      (f64.load $tables offset=16400 (local.get $entry)))
    (f64.load $tables offset=16384 (local.get $entry))))

;; acos of +-1; a NaN beyond.
(func $acos_of_special (param $x f64) (result f64)
  (if (f64.eq (local.get $x) (f64.const 1)) (then (return (f64.const 0))))
  (if (f64.eq (local.get $x) (f64.const -1)) (then (return (f64.const 3.14159265358979311600e+00))))
  (f64.div (f64.const 0) (f64.sub (local.get $x) (local.get $x))))

;; sqrt(z) - s_high, for s the rounded root and s_high its upper part.
(func $root_rest_of (param $z f64) (param $s f64) (param $s_high f64) (result f64)
  (f64.div
    (f64.sub (local.get $z) (f64.mul (local.get $s_high) (local.get $s_high)))
    (f64.add (local.get $s) (local.get $s_high))))

;; R(z): asin(x) / x - 1 for z = x^2 up to 1/4, within 2^-58.75 z (Remez's algorithm).
(func $arc_series (param $z f64) (result f64)
  (f64.div
    (f64.mul (local.get $z)
    (f64.add (f64.const 1.66666666666666657415e-01) (f64.mul (local.get $z)
    (f64.add (f64.const -3.25565818622400915405e-01) (f64.mul (local.get $z)
    (f64.add (f64.const 2.01212532134862925881e-01) (f64.mul (local.get $z)
    (f64.add (f64.const -4.00555345006794114027e-02) (f64.mul (local.get $z)
    (f64.add (f64.const 7.91534994289814532176e-04) (f64.mul (local.get $z)
    (f64.const 3.47933107596021167570e-05))))))))))))
    (f64.add (f64.const 1) (f64.mul (local.get $z)
    (f64.add (f64.const -2.40339491173441421878e+00) (f64.mul (local.get $z)
    (f64.add (f64.const 2.02094576023350569471e+00) (f64.mul (local.get $z)
    (f64.add (f64.const -6.88283971605453293030e-01) (f64.mul (local.get $z)
    (f64.const 7.70381505559019352791e-02)))))))))))

;; double atan(double x).
;;
;; By the nearest of 0, 1/2, 1, 3/2 and infinity, whose arc tangents are known in two parts:
;; atan(x) = atan(near) + atan((x - near) / (1 + near x)).
(func $atan (export "atan") (param $x f64) (result f64)
  (local $t f64)
  (local.set $t (f64.abs (local.get $x)))
  (if (f64.lt (local.get $t) (f64.const 0.4375))
    (then
      (if (f64.lt (local.get $t) (f64.const 0x1p-27)) (then (return (local.get $x))))
      (return (f64.sub
        (local.get $x)
        (f64.mul (local.get $x) (call $arc_tangent_series (local.get $x)))))))
  (if (f64.ne (local.get $x) (local.get $x)) (then (return (local.get $x))))
  (f64.copysign (call $atan_of_positive (local.get $t)) (local.get $x)))

(func $atan_of_positive (param $t f64) (result f64)
  (local $high f64) (local $low f64) (local $numerator f64) (local $denominator f64)
  (local.set $high (f64.const 1.57079632679489655800e+00))
  (local.set $low (f64.const 6.12323399573676603587e-17))
  (local.set $numerator (f64.const -1))
  (local.set $denominator (local.get $t))
  (if (f64.lt (local.get $t) (f64.const 0.6875))
    (then
      (local.set $high (f64.const 4.63647609000806093515e-01))
      (local.set $low (f64.const 2.26987774529616870924e-17))
      (local.set $numerator (f64.sub (f64.mul (f64.const 2) (local.get $t)) (f64.const 1)))
      (local.set $denominator (f64.add (f64.const 2) (local.get $t))))
    (else (if (f64.lt (local.get $t) (f64.const 1.1875))
      (then
        (local.set $high (f64.const 7.85398163397448278999e-01))
        (local.set $low (f64.const 3.06161699786838301793e-17))
        (local.set $numerator (f64.sub (local.get $t) (f64.const 1)))
        (local.set $denominator (f64.add (local.get $t) (f64.const 1))))
      (else (if (f64.lt (local.get $t) (f64.const 2.4375))
        (then
          (local.set $high (f64.const 9.82793723247329054082e-01))
          (local.set $low (f64.const 1.39033110312309984516e-17))
          (local.set $numerator (f64.sub (local.get $t) (f64.const 1.5)))
          (local.set $denominator (f64.add (f64.const 1) (f64.mul (f64.const 1.5) (local.get $t))))))))))
  (call $atan_from
    (local.get $high)
    (local.get $low)
    (f64.div (local.get $numerator) (local.get $denominator))))

;; high + low + atan(t).
(func $atan_from (param $high f64) (param $low f64) (param $t f64) (result f64)
  (f64.sub
    (local.get $high)
    (f64.sub
      (f64.sub (f64.mul (local.get $t) (call $arc_tangent_series (local.get $t))) (local.get $low))
      (local.get $t))))

;; 1 - atan(x) / x: a polynomial in x^2 (Remez's algorithm), its odd and even terms apart.
(func $arc_tangent_series (param $x f64) (result f64)
  (local $z f64) (local $w f64)
  (local.set $z (f64.mul (local.get $x) (local.get $x)))
  (local.set $w (f64.mul (local.get $z) (local.get $z)))
  (f64.add
    (f64.mul (local.get $z)
    (f64.add (f64.const 3.33333333333329318027e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 1.42857142725034663711e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 9.09088713343650656196e-02) (f64.mul (local.get $w)
    (f64.add (f64.const 6.66107313738753120669e-02) (f64.mul (local.get $w)
    (f64.add (f64.const 4.97687799461593236017e-02) (f64.mul (local.get $w)
    (f64.const 1.62858201153657823623e-02))))))))))))
    (f64.mul (local.get $w)
    (f64.add (f64.const -1.99999999998764832476e-01) (f64.mul (local.get $w)
    (f64.add (f64.const -1.11111104054623557880e-01) (f64.mul (local.get $w)
    (f64.add (f64.const -7.69187620504482999495e-02) (f64.mul (local.get $w)
    (f64.add (f64.const -5.83357013379057348645e-02) (f64.mul (local.get $w)
    (f64.const -3.65315727442169155270e-02))))))))))))

;; double atan2(double y, double x): the angle of (x, y).
;;
;; atan |y / x|, and pi less that where x is negative.
(func $atan2 (export "atan2") (param $y f64) (param $x f64) (result f64)
  (local $angle f64)
  (if (i32.or (f64.ne (local.get $x) (local.get $x)) (f64.ne (local.get $y) (local.get $y)))
    (then (return (f64.add (local.get $x) (local.get $y)))))
  (if (call $is_steep (f64.abs (local.get $y)) (f64.abs (local.get $x)))
    (then (return (f64.copysign (f64.const 1.57079632679489655800e+00) (local.get $y)))))
  (local.set $angle (call $angle_in_quadrant (f64.abs (local.get $y)) (f64.abs (local.get $x))))
  (if (i64.lt_s (i64.reinterpret_f64 (local.get $x)) (i64.const 0))
    (then
      (local.set $angle (f64.sub
        (f64.const 3.14159265358979311600e+00)
        (f64.sub (local.get $angle) (f64.const 1.2246467991473531772e-16))))))
  (f64.copysign (local.get $angle) (local.get $y)))

;; Whether the angle of (x, y) is pi/2: y is 2^64 times x, or is infinite alone, or x is 0 alone.
(func $is_steep (param $y f64) (param $x f64) (result i32)
  (if (f64.eq (local.get $y) (f64.const inf)) (then (return (f64.lt (local.get $x) (f64.const inf)))))
  (if (f64.eq (local.get $x) (f64.const 0)) (then (return (f64.gt (local.get $y) (f64.const 0)))))
  (i64.lt_u
    (i64.add (i64.reinterpret_f64 (local.get $x)) (i64.const 0x0400000000000000))
    (i64.reinterpret_f64 (local.get $y))))

;; The angle of (x, y) for x and y that are 0 or more.
(func $angle_in_quadrant (param $y f64) (param $x f64) (result f64)
  (if (f64.eq (local.get $y) (f64.const 0)) (then (return (f64.const 0))))
  (if (f64.eq (local.get $y) (local.get $x)) (then (return (f64.const 7.85398163397448278999e-01))))
  (call $atan (f64.div (local.get $y) (local.get $x))))
