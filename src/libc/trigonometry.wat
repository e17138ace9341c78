;; Sine, cosine and tangent (C11, 7.12.4).
;;
;; x = n pi/64 + t with |t| at most pi/128; sin x = S cos t + C sin t, with the sine S and the cosine C of n pi/64 in a table of
;; the whole circle and short polynomials for the rest. n is in the low bits of a sum with 1.5 2^52, which the addition rounded.
;; pi/64 is in two parts, the first so short that its product with n is exact; so t is rounded once, and $rest is what that took.
;; Where t is so small that the error of the second product would count, and for angles beyond 46340, and for tangents, the
;; way is that of FreeBSD's s_sin.c, s_cos.c, s_tan.c and their kernels.
;;
;; That is: with r = x - n pi/2 within pi/4 of 0, in two parts (argument_reduction.wat), sin x is sin r, cos r, -sin r or -cos r
;; for n modulo 4, and tan x is tan r or -1 / tan r.

;; double sin(double x).
(func $sin (export "sin") (param $x f64) (result f64)
  (local $square f64) (local $sum f64) (local $n f64) (local $t f64) (local $first f64) (local $product f64)
  (local $fourth f64)
  (local.set $square (f64.mul (local.get $x) (local.get $x)))
  (if (f64.ge (local.get $square) (f64.const 0.6168))
    (then
      (if (f64.ge (local.get $square) (f64.const 0x1p31))
        (then (return (call $sine_by_quadrant (local.get $x)))))
      (local.set $sum (f64.add (f64.mul (local.get $x) (f64.const 0x1.45f306dc9c883p+4)) (f64.const 0x1.8p52)))
      (local.set $n (f64.sub (local.get $sum) (f64.const 0x1.8p52)))
      (local.set $first (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p-5))))
      (local.set $product (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-39)))
      (local.set $t (f64.sub (local.get $first) (local.get $product)))
      (if (f64.lt (f64.mul (local.get $t) (local.get $t)) (f64.const 0x1p-26))
        (then (return (call $sine_by_quadrant (local.get $x)))))
      (return (call $sine_on_circle
        (i32.and
          (i32.shl (i32.wrap_i64 (i64.reinterpret_f64 (local.get $sum))) (i32.const 5))
          (i32.const 0xfe0))
        (local.get $t)
        (f64.sub (f64.sub (local.get $first) (local.get $t)) (local.get $product))))))
  (if (f64.lt (local.get $square) (f64.const 0x1p-54)) (then (return (local.get $x))))
  ;; sin x / x within 2^-58 (Remez's algorithm).
  (local.set $fourth (f64.mul (local.get $square) (local.get $square)))
  (f64.add
    (f64.mul
      (f64.add
        (f64.add
          (f64.add (f64.mul (local.get $square) (f64.const 8.33333333332248946124e-03)) (f64.const -1.66666666666666324348e-01))
          (f64.mul
            (f64.add
              (f64.mul (local.get $square) (f64.const 2.75573137070700676789e-06))
              (f64.const -1.98412698298579493134e-04))
            (local.get $fourth)))
        (f64.mul
          (f64.add
            (f64.mul (local.get $square) (f64.const 1.58969099521155010221e-10))
            (f64.const -2.50507602534068634195e-08))
          (f64.mul (local.get $fourth) (local.get $fourth))))
      (f64.mul (local.get $square) (local.get $x)))
    (local.get $x)))

;; double cos(double x). The cosine is the sine a quadrant, 32 entries, on.
(func $cos (export "cos") (param $x f64) (result f64)
  (local $square f64) (local $sum f64) (local $n f64) (local $t f64) (local $first f64) (local $product f64)
  (local $fourth f64) (local $leading f64) (local $half f64)
  (local.set $square (f64.mul (local.get $x) (local.get $x)))
  (if (f64.ge (local.get $square) (f64.const 0.6168))
    (then
      (if (f64.ge (local.get $square) (f64.const 0x1p31))
        (then (return (call $cosine_by_quadrant (local.get $x)))))
      (local.set $sum (f64.add (f64.mul (local.get $x) (f64.const 0x1.45f306dc9c883p+4)) (f64.const 0x1.8p52)))
      (local.set $n (f64.sub (local.get $sum) (f64.const 0x1.8p52)))
      (local.set $first (f64.sub (local.get $x) (f64.mul (local.get $n) (f64.const 0x1.921fb544p-5))))
      (local.set $product (f64.mul (local.get $n) (f64.const 0x1.0b4611a626331p-39)))
      (local.set $t (f64.sub (local.get $first) (local.get $product)))
      (if (f64.lt (f64.mul (local.get $t) (local.get $t)) (f64.const 0x1p-26))
        (then (return (call $cosine_by_quadrant (local.get $x)))))
      (return (call $sine_on_circle
        (i32.and
          (i32.add
            (i32.shl (i32.wrap_i64 (i64.reinterpret_f64 (local.get $sum))) (i32.const 5))
            (i32.const 0x400))
          (i32.const 0xfe0))
        (local.get $t)
        (f64.sub (f64.sub (local.get $first) (local.get $t)) (local.get $product))))))
  ;; 1 - x^2 / 2 with what its rounding loses, and what cos x is more, within 2^-58 (Remez's algorithm).
  (local.set $fourth (f64.mul (local.get $square) (local.get $square)))
  (local.set $half (f64.mul (local.get $square) (f64.const 0.5)))
  (local.set $leading (f64.sub (f64.const 1) (local.get $half)))
  (f64.add
    (f64.add
      (f64.sub (f64.sub (f64.const 1) (local.get $leading)) (local.get $half))
      (f64.mul
        (f64.add
          (f64.add
            (f64.add (f64.mul (local.get $square) (f64.const -1.38888888888741095749e-03)) (f64.const 4.16666666666666019037e-02))
            (f64.mul
              (f64.add
                (f64.mul (local.get $square) (f64.const -2.75573143513906633035e-07))
                (f64.const 2.48015872894767294178e-05))
              (local.get $fourth)))
          (f64.mul
            (f64.add
              (f64.mul (local.get $square) (f64.const -1.13596475577881948265e-11))
              (f64.const 2.08757232129817482790e-09))
            (f64.mul (local.get $fourth) (local.get $fourth))))
        (local.get $fourth)))
    (local.get $leading)))

;; sin(n pi/64 + t + rest) for the entry of n. The product of C and t is taken exactly, as the sum with S near which it can
;; be half as large.
(func $sine_on_circle (param $entry i32) (param $t f64) (param $rest f64) (result f64)
  (local $square f64) (local $upper f64) (local $product f64) (local $sine f64) (local $sum f64) (local $cosine f64)
  (local.set $square (f64.mul (local.get $t) (local.get $t)))
  (local.set $upper (f64.reinterpret_i64 (i64.and
    (i64.reinterpret_f64 (local.get $t))
    (i64.const 0xfffffffff8000000))))
  (local.set $sine (f64.load $tables offset=12288 (local.get $entry)))
  (local.set $cosine (f64.load $tables offset=12304 (local.get $entry)))
  (local.set $product (f64.mul (local.get $cosine) (local.get $upper)))
  (local.set $sum (f64.add (local.get $sine) (local.get $product)))
  (f64.add
    (f64.add
      (f64.add
        (f64.add (f64.sub (local.get $sine) (local.get $sum)) (local.get $product))
        (f64.add
          (f64.add
            (f64.mul (local.get $t) (f64.load $tables offset=12312 (local.get $entry)))
            (f64.load $tables offset=12296 (local.get $entry)))
          (f64.mul
            (f64.add (f64.sub (local.get $t) (local.get $upper)) (local.get $rest))
            (local.get $cosine))))
      (f64.add
        ;; sin t / t - 1 within 2^-65.7, cos t - 1 within 2^-63.1 (interpolations at Chebyshev's points).
        (f64.mul
          (f64.mul
            (f64.add (local.get $cosine) (f64.load $tables offset=12312 (local.get $entry)))
            (f64.mul (local.get $square) (local.get $t)))
          (f64.add
            (f64.add (f64.mul (local.get $square) (f64.const 0x1.11111110c1df1p-7)) (f64.const -0x1.5555555555555p-3))
            (f64.mul
              (f64.mul (local.get $square) (local.get $square))
              (f64.const -0x1.a018ab5447ab4p-13))))
        (f64.mul
          (f64.mul (local.get $sine) (local.get $square))
          (f64.add
            (f64.add (f64.mul (local.get $square) (f64.const 0x1.55555554a324fp-5)) (f64.const -0x1.ffffffffffffdp-2))
            (f64.mul
              (f64.mul (local.get $square) (local.get $square))
              (f64.const -0x1.6c154056ecaf1p-10))))))
    (local.get $sum)))

(func $sine_by_quadrant (param $x f64) (result f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.921fcp-1))
    (then
      (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-26)) (then (return (local.get $x))))
      (return (call $sine_of_exact (local.get $x)))))
  (call $remainder (local.get $x))
  (call $sine_in_quadrant))

;; The cosine is the sine a quadrant on.
(func $cosine_by_quadrant (param $x f64) (result f64)
  (local $quadrant i32) (local $high f64) (local $low f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.921fcp-1))
    (then
      (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.6a09ep-27)) (then (return (f64.const 1))))
      (return (call $cosine (local.get $x) (f64.const 0)))))
  (call $remainder (local.get $x))
  (local.set $low)
  (local.set $high)
  (local.set $quadrant)
  (call $sine_in_quadrant
    (i32.add (local.get $quadrant) (i32.const 1))
    (local.get $high)
    (local.get $low)))

;; double tan(double x).
(func $tan (export "tan") (param $x f64) (result f64)
  (local $quadrant i32) (local $high f64) (local $low f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.921fcp-1))
    (then
      (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1p-27)) (then (return (local.get $x))))
      (return (call $tangent (local.get $x) (f64.const 0) (i32.const 0)))))
  (call $remainder (local.get $x))
  (local.set $low)
  (local.set $high)
  (local.set $quadrant)
  (call $tangent (local.get $high) (local.get $low) (i32.and (local.get $quadrant) (i32.const 1))))

;; The sine of r + low, $quadrant quadrants on.
(func $sine_in_quadrant (param $quadrant i32) (param $r f64) (param $low f64) (result f64)
  (local $result f64)
  (if (i32.and (local.get $quadrant) (i32.const 1))
    (then (local.set $result (call $cosine (local.get $r) (local.get $low))))
    (else (local.set $result (call $sine (local.get $r) (local.get $low)))))
  (select
    (f64.neg (local.get $result))
    (local.get $result)
    (i32.and (local.get $quadrant) (i32.const 2))))

;; sin x for |x| up to pi/4: x + S1 x^3 + x^5 times the series.
(func $sine_of_exact (param $x f64) (result f64)
  (local $z f64)
  (local.set $z (f64.mul (local.get $x) (local.get $x)))
  (f64.add
    (local.get $x)
    (f64.mul
      (f64.mul (local.get $z) (local.get $x))
      (f64.add
        (f64.const -1.66666666666666324348e-01)
        (f64.mul (local.get $z) (call $sine_series (local.get $z)))))))

;; sin (x + low): the same, and low times the cosine 1 - x^2 / 2.
(func $sine (param $x f64) (param $low f64) (result f64)
  (local $z f64) (local $cube f64)
  (local.set $z (f64.mul (local.get $x) (local.get $x)))
  (local.set $cube (f64.mul (local.get $z) (local.get $x)))
  (f64.sub
    (local.get $x)
    (f64.sub
      (f64.sub
        (f64.mul
          (local.get $z)
          (f64.sub
            (f64.mul (f64.const 0.5) (local.get $low))
            (f64.mul (local.get $cube) (call $sine_series (local.get $z)))))
        (local.get $low))
      (f64.mul (local.get $cube) (f64.const -1.66666666666666324348e-01)))))

;; S2 + S3 z + .. + S6 z^4, of a polynomial within 2^-58 of sin x / x (Remez's algorithm).
(func $sine_series (param $z f64) (result f64)
  (f64.add
    (f64.add
      (f64.const 8.33333333332248946124e-03)
      (f64.mul
        (local.get $z)
        (f64.add
          (f64.const -1.98412698298579493134e-04)
          (f64.mul (local.get $z) (f64.const 2.75573137070700676789e-06)))))
    (f64.mul
      (f64.mul (local.get $z) (f64.mul (local.get $z) (local.get $z)))
      (f64.add
        (f64.const -2.50507602534068634195e-08)
        (f64.mul (local.get $z) (f64.const 1.58969099521155010221e-10))))))

;; cos (x + low) for |x| up to pi/4: 1 - x^2 / 2 with what its rounding loses, the series, and low times -sin x = -x.
(func $cosine (param $x f64) (param $low f64) (result f64)
  (local $z f64) (local $half f64) (local $leading f64)
  (local.set $z (f64.mul (local.get $x) (local.get $x)))
  (local.set $half (f64.mul (f64.const 0.5) (local.get $z)))
  (local.set $leading (f64.sub (f64.const 1) (local.get $half)))
  (f64.add
    (local.get $leading)
    (f64.add
      (f64.sub (f64.sub (f64.const 1) (local.get $leading)) (local.get $half))
      (f64.sub
        (f64.mul (local.get $z) (call $cosine_series (local.get $z)))
        (f64.mul (local.get $x) (local.get $low))))))

;; C1 z + .. + C6 z^6, which times z is within 2^-58 of cos x - 1 + x^2 / 2 (Remez's algorithm).
(func $cosine_series (param $z f64) (result f64)
  (local $w f64)
  (local.set $w (f64.mul (local.get $z) (local.get $z)))
  (f64.add
    (f64.mul (local.get $z)
    (f64.add (f64.const 4.16666666666666019037e-02) (f64.mul (local.get $z)
    (f64.add (f64.const -1.38888888888741095749e-03) (f64.mul (local.get $z)
    (f64.const 2.48015872894767294178e-05))))))
    (f64.mul (f64.mul (local.get $w) (local.get $w))
    (f64.add (f64.const -2.75573143513906633035e-07) (f64.mul (local.get $z)
    (f64.add (f64.const 2.08757232129817482790e-09) (f64.mul (local.get $z)
    (f64.const -1.13596475577881948265e-11))))))))

;; tan (x + low) for |x| up to pi/4, or if $inverted, -1 over it.
;;
;; Above 0.6744 it is (1 - tan y) / (1 + tan y) for y = pi/4 - x, put as 1 - 2 (y - y^2 / (1 + y)) for the tangents.
(func $tangent (param $x f64) (param $low f64) (param $inverted i32) (result f64)
  (local $y f64) (local $tail f64) (local $tangent f64) (local $one f64)
  (if (f64.lt (f64.abs (local.get $x)) (f64.const 0x1.59428p-1))
    (then
      (local.set $tail (call $tangent_series (local.get $x) (local.get $low)))
      (local.set $tangent (f64.add (local.get $x) (local.get $tail)))
      (if (i32.eqz (local.get $inverted)) (then (return (local.get $tangent))))
      (return (call $negated_inverse (local.get $tangent) (local.get $x) (local.get $tail)))))
  (local.set $y (f64.add
    (f64.sub (f64.const 7.85398163397448278999e-01) (f64.abs (local.get $x)))
    (f64.sub
      (f64.const 3.06161699786838301793e-17)
      (select (local.get $low) (f64.neg (local.get $low)) (f64.gt (local.get $x) (f64.const 0))))))
  (local.set $tail (call $tangent_series (local.get $y) (f64.const 0)))
  (local.set $tangent (f64.add (local.get $y) (local.get $tail)))
  (local.set $one (select (f64.const -1) (f64.const 1) (local.get $inverted)))
  (f64.mul
    (f64.copysign (f64.const 1) (local.get $x))
    (f64.sub
      (local.get $one)
      (f64.mul
        (f64.const 2)
        (f64.add
          (local.get $y)
          (f64.sub
            (local.get $tail)
            (f64.div
              (f64.mul (local.get $tangent) (local.get $tangent))
              (f64.add (local.get $tangent) (local.get $one)))))))))

;; tan (x + low) - x: a polynomial of degree 27 within 2^-59.2 of it (Remez's algorithm), odd and even terms apart.
(func $tangent_series (param $x f64) (param $low f64) (result f64)
  (local $z f64) (local $w f64) (local $cube f64) (local $odd f64) (local $even f64)
  (local.set $z (f64.mul (local.get $x) (local.get $x)))
  (local.set $w (f64.mul (local.get $z) (local.get $z)))
  (local.set $odd
    (f64.add (f64.const 1.33333333333201242699e-01) (f64.mul (local.get $w)
    (f64.add (f64.const 2.18694882948595424599e-02) (f64.mul (local.get $w)
    (f64.add (f64.const 3.59207910759131235356e-03) (f64.mul (local.get $w)
    (f64.add (f64.const 5.88041240820264096874e-04) (f64.mul (local.get $w)
    (f64.add (f64.const 7.81794442939557092300e-05) (f64.mul (local.get $w)
    (f64.const -1.85586374855275456654e-05))))))))))))
  (local.set $even
    (f64.mul (local.get $z)
    (f64.add (f64.const 5.39682539762260521377e-02) (f64.mul (local.get $w)
    (f64.add (f64.const 8.86323982359930005737e-03) (f64.mul (local.get $w)
    (f64.add (f64.const 1.45620945432529025516e-03) (f64.mul (local.get $w)
    (f64.add (f64.const 2.46463134818469906812e-04) (f64.mul (local.get $w)
    (f64.add (f64.const 7.14072491382608190305e-05) (f64.mul (local.get $w)
    (f64.const 2.59073051863633712884e-05)))))))))))))
  (local.set $cube (f64.mul (local.get $z) (local.get $x)))
  (f64.add
    (f64.add
      (local.get $low)
      (f64.mul
        (local.get $z)
        (f64.add
          (f64.mul (local.get $cube) (f64.add (local.get $odd) (local.get $even)))
          (local.get $low))))
    (f64.mul (local.get $cube) (f64.const 3.33333333333334091986e-01))))

;; -1 / (x + tail), where $sum is x + tail rounded: a step of Newton's method with products that are exact.
(func $negated_inverse (param $sum f64) (param $x f64) (param $tail f64) (result f64)
  (local $sum_high f64) (local $sum_low f64) (local $inverse f64) (local $inverse_high f64)
  (local.set $sum_high (call $upper (local.get $sum)))
  (local.set $sum_low (f64.sub (local.get $tail) (f64.sub (local.get $sum_high) (local.get $x))))
  (local.set $inverse (f64.div (f64.const -1) (local.get $sum)))
  (local.set $inverse_high (call $upper (local.get $inverse)))
  (f64.add
    (local.get $inverse_high)
    (f64.mul
      (local.get $inverse)
      (f64.add
        (f64.add (f64.const 1) (f64.mul (local.get $inverse_high) (local.get $sum_high)))
        (f64.mul (local.get $inverse_high) (local.get $sum_low))))))
